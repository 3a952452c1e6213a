//! How a command ends, and what is said when it fails: `error:` and `hint:` lines, or one object with `--json`.

use serde_json::json;
use xbind::ErrorKind;
use xbind_authority::Fault;
use xbind_net::FetchError;

use crate::plain;
use crate::terminal::Terminal;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It is done, or the answer is yes.
    Done,
    /// Something of this machine failed: a file, a port, a fault of the program.
    Failed,
    /// The arguments say nothing that can be done.
    Usage,
    /// No identity here, one that is not registered, or files that are not safe to use.
    Setup,
    /// The authority refused.
    Refused,
    /// The authority cannot be reached, or has no time: later it may.
    Unavailable,
    /// What was looked at does not hold: a token, a log, an installation.
    Invalid,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Setup => 3,
            Self::Refused => 4,
            Self::Unavailable => 5,
            Self::Invalid => 6,
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A code of docs/errors.md, the type of a problem of docs/authority.md, or one of docs/cli.md.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { exit, code: code.to_owned(), message: message.into(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, ErrorKind::InvalidConfig.code(), message)
    }

    pub(crate) fn setup(message: impl Into<String>) -> Self {
        Self::new(Exit::Setup, "setup", message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn print(&self, terminal: &dyn Terminal, is_json: bool) -> Exit {
        if is_json {
            let mut error = json!({ "code": self.code, "message": self.message, "exit": self.exit.code() });
            if let (Some(hint), Some(error)) = (&self.hint, error.as_object_mut()) {
                error.insert("hint".to_owned(), json!(hint));
            }
            terminal.say(&format!("{}\n", plain::json(&json!({ "error": error }))));
            return self.exit;
        }
        let label = |name: &str, colour: &str| {
            if terminal.is_colourful() { format!("\x1b[1;{colour}m{name}:\x1b[0m") } else { format!("{name}:") }
        };
        terminal.say(&format!("{} {}\n", label("error", "31"), plain::plain(&self.message)));
        if let Some(hint) = &self.hint {
            terminal.say(&format!("{} {}\n", label("hint", "36"), plain::plain(hint)));
        }
        self.exit
    }
}

impl From<xbind::Error> for Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are failures of this machine")]
    fn from(error: xbind::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::InvalidConfig | ErrorKind::InvalidDid | ErrorKind::InvalidName => Exit::Usage,
            ErrorKind::WrongPassphrase | ErrorKind::ImportFailed => Exit::Setup,
            ErrorKind::InvalidAudit | ErrorKind::InvalidToken => Exit::Invalid,
            _ => Exit::Failed,
        };
        let failure = Self::new(exit, error.kind().code(), error.message());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::failed(fault.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::new(Exit::Unavailable, "unavailable", error.to_string())
    }
}
