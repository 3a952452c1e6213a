//! What a command says when it is done: one JSON value, or the same for people.

use serde::Serialize;
use serde_json::Value;

use crate::failure::Exit;
use crate::plain::{self, plain};
use crate::terminal::Terminal;

/// The data of a command.
pub(crate) struct Said {
    json: Value,
    text: Option<String>,
    exit: Exit,
}

impl Said {
    /// Shown to people member by member.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self { json: serde_json::to_value(value).unwrap_or_default(), text: None, exit: Exit::Done }
    }

    /// Shown to people as this text.
    pub(crate) fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// What the process ends with.
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Nothing to say.
    pub(crate) fn nothing() -> Self {
        Self { json: Value::Null, text: Some(String::new()), exit: Exit::Done }
    }

    pub(crate) fn print(&self, terminal: &dyn Terminal, is_json: bool) -> Exit {
        let is_nothing = self.json.is_null();
        let text = match &self.text {
            _ if is_json && !is_nothing => plain::json(&self.json),
            Some(text) => plain::lines(text),
            None => lines(&self.json, ""),
        };
        if !text.is_empty() {
            terminal.out(&format!("{}\n", text.trim_end_matches('\n')));
        }
        self.exit
    }
}

/// A member a line, those of members indented by their path.
fn lines(value: &Value, path: &str) -> String {
    match value {
        Value::Object(members) => {
            let name = |key: &str| if path.is_empty() { plain(key) } else { format!("{path}.{}", plain(key)) };
            members.iter().map(|(key, value)| lines(value, &name(key))).collect()
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().map(|(i, item)| lines(item, &format!("{path}[{i}]"))).collect()
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(word).collect();
            format!("{}\n", format!("{path}: {}", items.join(" ")).trim_end())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => format!("{path}: {}\n", word(value)),
    }
}

fn word(value: &Value) -> String {
    plain(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
