//! The command `xbind`: identities, an operator's trust domain, tokens, the authority itself, and the gateway before
//! models. docs/cli.md says what each command does, which files it keeps, and how it exits. [`run`] is all of it; a face owns stdout,
//! stderr and prompts.
//!
//! ```
//! use xbind_cli::{Exit, Kept, run};
//!
//! let terminal = Kept::default();
//! assert_eq!(run(&["--version".to_owned()], &terminal), Exit::Done);
//! assert!(terminal.out().starts_with("xbind "));
//! ```
#![forbid(unsafe_code)]

mod args;
mod client;
mod commands;
mod failure;
mod home;
mod plain;
mod running;
mod said;
mod terminal;

use clap::Parser;
use clap::error::ErrorKind;

use args::Args;
pub use failure::Exit;
use failure::Failure;
pub use running::Running;
pub use terminal::{Console, Kept, Terminal};

/// Does what the arguments say, without the name of the program before them. Data goes to `out`, talk to `say`.
#[must_use]
pub fn run(args: &[String], terminal: &dyn Terminal) -> Exit {
    let name = ["xbind".to_owned()];
    match Args::try_parse_from(name.iter().chain(args)) {
        Ok(args) => {
            let is_json = args.common.json;
            match commands::run(args, terminal) {
                Ok(said) => said.print(terminal, is_json),
                Err(failure) => failure.print(terminal, is_json),
            }
        }
        Err(error) => misunderstood(&error, terminal, args.iter().any(|arg| arg == "--json")),
    }
}

fn misunderstood(error: &clap::Error, terminal: &dyn Terminal, is_json: bool) -> Exit {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        terminal.out(&text);
        return Exit::Done;
    }
    if is_json {
        let is_bare = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        let first = if is_bare { "no command was named" } else { text.lines().next().unwrap_or_default() };
        return Failure::usage(first.strip_prefix("error: ").unwrap_or(first)).print(terminal, true);
    }
    terminal.say(&text);
    Exit::Usage
}
