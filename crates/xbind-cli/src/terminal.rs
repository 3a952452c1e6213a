//! The outside of a command: where it writes, whom it asks, when it stops.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

/// The longest input that is read from stdin: a configuration, and a byte more for whoever looks whether it is longer.
const MAX_INPUT: u64 = (1 << 20) + 1;

/// What a face gives a command.
pub trait Terminal: Send + Sync {
    /// Data, for stdout.
    fn out(&self, text: &str);
    /// Talk, for stderr.
    fn say(&self, text: &str);
    /// All of stdin.
    ///
    /// # Errors
    /// What cannot be read.
    fn input(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        stdin()
    }
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
    /// Asks a person for something that is not shown; nothing if there is nobody to be asked.
    fn ask(&self, prompt: &str) -> Option<Zeroizing<String>>;
    /// Whether talk may be coloured.
    fn is_colourful(&self) -> bool {
        let is_dumb = self.variable("TERM").is_none_or(|term| term == "dumb");
        self.variable("NO_COLOR").is_none() && !is_dumb && io::stderr().is_terminal()
    }
    /// Waits so long, or until somebody wants the command to stop; whether somebody does. Whoever has asked once is a command
    /// that stops by itself, and is not ended with the process.
    fn stops_within(&self, time: Duration) -> bool;
}

/// All of this process's stdin that is read.
pub(crate) fn stdin() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    io::stdin().lock().take(MAX_INPUT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Says once that it is time to stop.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    state: Mutex<State>,
    asked: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_asked: bool,
    /// A command runs that looks whether it is to stop.
    is_heard: bool,
    /// Somebody types what is not shown.
    is_hidden: bool,
}

impl Stop {
    pub(crate) fn ask(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_asked = true;
        self.asked.notify_all();
        if state.is_hidden {
            show_typing(); // the process ends before the question does
        }
        state.is_heard
    }

    /// Asks a person, at the terminal of this process, whatever stdin and stderr are.
    pub(crate) fn hidden(&self, prompt: &str) -> Option<Zeroizing<String>> {
        let note = |is_hidden| self.state.lock().unwrap_or_else(PoisonError::into_inner).is_hidden = is_hidden;
        note(true);
        let said = rpassword::prompt_password(prompt).ok().map(Zeroizing::new);
        note(false);
        said
    }

    pub(crate) fn within(&self, time: Duration) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_heard = true;
        let waited = self.asked.wait_timeout_while(state, time, |state| !state.is_asked);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_asked
    }
}

#[cfg(unix)]
fn show_typing() {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return };
    let Ok(mut modes) = tcgetattr(&terminal) else { return };
    modes.local_modes.insert(LocalModes::ECHO);
    let _ = tcsetattr(&terminal, OptionalActions::Now, &modes); // a terminal that is gone needs none
}

#[cfg(not(unix))]
fn show_typing() {}

/// The terminal of a program of its own.
#[derive(Debug, Default)]
pub struct Console {
    stop: Stop,
}

impl Console {
    /// Asks the command to stop, for handlers of signals. Whether it is one that does; any other ends with the process.
    pub fn stop(&self) -> bool {
        self.stop.ask()
    }
}

impl Terminal for Console {
    fn out(&self, text: &str) {
        let mut out = io::stdout().lock();
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush())); // whoever reads no more has enough
    }

    fn say(&self, text: &str) {
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }

    fn ask(&self, prompt: &str) -> Option<Zeroizing<String>> {
        self.stop.hidden(prompt)
    }

    fn stops_within(&self, time: Duration) -> bool {
        self.stop.within(time)
    }
}

/// Keeps what is said, for tests and for programs that run a command within themselves.
#[derive(Debug, Default)]
pub struct Kept {
    out: Mutex<String>,
    said: Mutex<String>,
    stop: Stop,
    input: String,
    variables: Vec<(String, String)>,
    answer: Option<String>,
}

impl Kept {
    /// The same with this on stdin.
    #[must_use]
    pub fn with_input(mut self, input: &str) -> Self {
        input.clone_into(&mut self.input);
        self
    }

    /// The same with one variable more in its environment, which is empty to begin with.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a person who answers this to each question.
    #[must_use]
    pub fn with_answer(mut self, answer: &str) -> Self {
        self.answer = Some(answer.to_owned());
        self
    }

    /// All data so far.
    pub fn out(&self) -> String {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All talk so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the command to stop; whether it is one that does.
    pub fn stop(&self) -> bool {
        self.stop.ask()
    }
}

impl Terminal for Kept {
    fn out(&self, text: &str) {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }

    fn say(&self, text: &str) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }

    fn input(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(self.input.clone().into_bytes()))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn ask(&self, prompt: &str) -> Option<Zeroizing<String>> {
        self.answer.as_ref().map(|answer| {
            self.say(&format!("{prompt}\n"));
            Zeroizing::new(answer.clone())
        })
    }

    fn is_colourful(&self) -> bool {
        false
    }

    fn stops_within(&self, time: Duration) -> bool {
        self.stop.within(time)
    }
}
