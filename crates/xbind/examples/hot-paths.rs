//! Runs one operation of a call a given number of times, for tools that count instructions:
//! `hot-paths <name> <times>`; without arguments, prints the names.

#[path = "../benches/paths.rs"]
mod paths;

use std::process::ExitCode;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program, not the library")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        println!("{}", paths::NAMES.join("\n"));
        return ExitCode::SUCCESS;
    };
    let times: Option<u32> = arguments.next().and_then(|times| times.parse().ok());
    let (Some(mut path), Some(times)) = (paths::path(&name), times) else {
        eprintln!("usage: hot-paths <name> <times>");
        return ExitCode::from(2);
    };
    path(); // fills caches and tables, so that every counted run is alike
    for _ in 0..times {
        path();
    }
    ExitCode::SUCCESS
}
