//! `xbind` as a program of its own; the package for Node.js has the same in its addon.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use xbind_cli::{Console, Exit, Terminal as _, run};

fn main() -> ExitCode {
    let console = Arc::new(Console::default());
    let own = console.clone();
    drop(thread::Builder::new().name("signals".to_owned()).spawn(move || stop_at_signals(&own)));
    let args: Result<Vec<_>, _> = std::env::args_os().skip(1).map(|arg| arg.into_string()).collect();
    let Ok(args) = args else {
        console.say("error: an argument is no UTF-8\n");
        return ExitCode::from(Exit::Usage.code());
    };
    ExitCode::from(run(&args, &*console).code())
}

/// Whoever presses Ctrl-C while nothing runs that could be stopped ends the program.
fn stop_at_signals(console: &Console) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        for asked in 0.. {
            wanted().await;
            if asked > 0 || !console.stop() {
                std::process::exit(130);
            }
        }
    });
}

#[cfg(unix)]
async fn wanted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let (mut interrupt, mut terminate) = (Box::pin(interrupt.recv()), Box::pin(terminate.recv()));
    std::future::poll_fn(|context| {
        let is_asked = interrupt.as_mut().poll(context).is_ready() || terminate.as_mut().poll(context).is_ready();
        if is_asked { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[cfg(not(unix))]
async fn wanted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
