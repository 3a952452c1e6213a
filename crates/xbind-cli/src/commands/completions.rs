//! What shells need to complete commands.

use clap::CommandFactory;
use clap_complete::{Shell as Target, generate};
use serde_json::json;

use crate::args::{Args, Shell};
use crate::said::Said;

pub(crate) fn of(shell: Shell) -> Said {
    let target = match shell {
        Shell::Bash => Target::Bash,
        Shell::Elvish => Target::Elvish,
        Shell::Fish => Target::Fish,
        Shell::Powershell => Target::PowerShell,
        Shell::Zsh => Target::Zsh,
    };
    let mut script = Vec::new();
    generate(target, &mut Args::command(), "xbind", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Said::of(&json!({ "script": script })).with_text(script)
}
