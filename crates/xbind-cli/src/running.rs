//! A command within a program that has an event loop: it runs on a thread of its own, and what it says is fetched piece by
//! piece, because stdout is the program's. Rust writing to a pipe that Node.js has made non-blocking would fail.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::terminal::{Stop, Terminal, stdin};
use crate::{Exit, run};

/// What may wait to be fetched, in bytes; a command that says more waits.
const MAX_WAITING: usize = 1 << 20;

type Tell = Box<dyn FnOnce(String) + Send>;

/// A command that runs. Dropping it asks the command to stop: the thread of Node.js that had it may be gone.
#[derive(Debug)]
pub struct Running(Arc<Piped>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop.ask();
    }
}

#[derive(Default)]
struct Piped {
    state: Mutex<State>,
    /// What waited was fetched.
    fetched: Condvar,
    stop: Stop,
    /// All of stdin, where nobody is to be asked.
    input: Option<String>,
}

#[derive(Default)]
struct State {
    piece: Piece,
    wanted: Option<Tell>,
}

/// What a command has said since it was last asked.
#[derive(Default, Serialize)]
struct Piece {
    /// For stdout.
    out: String,
    /// For stderr.
    said: String,
    /// What the process ends with, once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
}

impl Running {
    /// Starts a command. With `input` that is all of its stdin, and it asks nobody anything: stdin and terminal are the program's.
    #[must_use]
    pub fn start(args: &[String], input: Option<&str>) -> Self {
        let piped = Arc::new(Piped { input: input.map(str::to_owned), ..Piped::default() });
        let args = args.to_vec();
        let own = piped.clone();
        let work = move || {
            let exit = catch_unwind(AssertUnwindSafe(|| run(&args, &*own))).unwrap_or_else(|_| {
                own.say("error: a fault of this program\n");
                Exit::Failed
            });
            own.end(exit);
        };
        if let Err(error) = thread::Builder::new().name("xbind-command".to_owned()).spawn(work) {
            piped.say(&format!("error: {error}\n"));
            piped.end(Exit::Failed);
        }
        Self(piped)
    }

    /// Tells what there is to write, as JSON: `out`, `said`, and at the end `exit`.
    #[must_use]
    pub fn next(&self) -> Box<dyn FnOnce(Tell) + Send> {
        let piped = self.0.clone();
        Box::new(move |tell| {
            piped.state().wanted = Some(tell);
            piped.hand_over();
        })
    }

    /// Asks it to stop; whether it is a command that does.
    #[must_use]
    pub fn stop(&self) -> bool {
        self.0.stop.ask()
    }
}

impl Piped {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, text: &str, of: impl FnOnce(&mut Piece) -> &mut String) {
        let is_full = |state: &mut State| {
            state.wanted.is_none() && state.piece.out.len().saturating_add(state.piece.said.len()) > MAX_WAITING
        };
        let waited = self.fetched.wait_while(self.state(), is_full);
        of(&mut waited.unwrap_or_else(PoisonError::into_inner).piece).push_str(text);
        self.hand_over();
    }

    fn end(&self, exit: Exit) {
        self.state().piece.exit = Some(exit.code());
        self.hand_over();
    }

    /// Whoever waits is told outside the lock.
    fn hand_over(&self) {
        let mut state = self.state();
        let piece = &state.piece;
        if piece.out.is_empty() && piece.said.is_empty() && piece.exit.is_none() {
            return;
        }
        let Some(tell) = state.wanted.take() else { return };
        let exit = state.piece.exit;
        let piece = std::mem::replace(&mut state.piece, Piece { exit, ..Piece::default() });
        drop(state);
        self.fetched.notify_all();
        tell(serde_json::to_string(&piece).unwrap_or_default());
    }
}

impl Terminal for Piped {
    fn out(&self, text: &str) {
        self.add(text, |piece| &mut piece.out);
    }

    fn say(&self, text: &str) {
        self.add(text, |piece| &mut piece.said);
    }

    fn input(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        self.input.as_ref().map_or_else(stdin, |input| Ok(Zeroizing::new(input.clone().into_bytes())))
    }

    fn ask(&self, prompt: &str) -> Option<Zeroizing<String>> {
        if self.input.is_some() { None } else { self.stop.hidden(prompt) }
    }

    fn stops_within(&self, time: Duration) -> bool {
        self.stop.within(time)
    }
}

impl std::fmt::Debug for Piped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Piped(..)")
    }
}
