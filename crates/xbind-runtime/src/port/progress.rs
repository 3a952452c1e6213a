//! Words of progress: how far a call is.

use std::sync::Arc;

use serde::Deserialize;
use xbind::{Error, ErrorKind, Result};

use crate::port::event::Body;

/// The most words of progress of one call that wait to be signed; more are dropped.
const MAX_UNSENT_WORDS: usize = 16;

/// The words of progress of one call.
#[derive(Debug, Default)]
pub(crate) struct Words {
    next: u64,
    unsent: Arc<()>,
}

/// A word of progress that is not signed yet.
pub(crate) struct Word {
    _unsent: Arc<()>,
}

impl Words {
    /// The place of the next word; none if too many wait to be signed.
    pub(crate) fn take(&mut self) -> Option<(u64, Word)> {
        if Arc::strong_count(&self.unsent) > MAX_UNSENT_WORDS {
            return None;
        }
        let seq = self.next;
        self.next = seq.saturating_add(1);
        Some((seq, Word { _unsent: self.unsent.clone() }))
    }
}

/// How far a call is. All of it is optional, and is what the other side says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub progress: Option<f64>,
    /// Of how much.
    pub total: Option<f64>,
    /// In words.
    pub message: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    progress: Option<f64>,
    #[serde(default)]
    total: Option<f64>,
    #[serde(default)]
    message: Option<String>,
}

impl Progress {
    /// Its JSON; `INVALID_PAYLOAD` for numbers that JSON does not have, `PAYLOAD_TOO_LARGE` beyond 4096 bytes.
    pub(crate) fn encode(&self) -> Result<Body> {
        let mut members = Vec::with_capacity(3);
        for (name, number) in [("progress", self.progress), ("total", self.total)] {
            match number {
                Some(number) if !number.is_finite() => {
                    return Err(Error::new(ErrorKind::InvalidPayload, format!("{name} is no finite number")));
                }
                Some(number) => members.push(format!("\"{name}\":{number}")),
                None => {}
            }
        }
        if let Some(message) = &self.message {
            members.push(format!("\"message\":{}", serde_json::Value::from(message.as_str())));
        }
        let body = format!("{{{}}}", members.join(",")).into_bytes();
        if u64::try_from(body.len()).is_ok_and(|length| length <= xbind::message::details::MAX_PROGRESS_BYTES) {
            return Ok(body);
        }
        Err(Error::new(ErrorKind::PayloadTooLarge, "a word of progress is at most 4096 bytes long"))
    }

    /// None for what is no word of progress.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.starts_with('{'))?;
        let Wire { progress, total, message } = serde_json::from_str(text).ok()?;
        Some(Self { progress, total, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_what_it_was() {
        let word = Progress { progress: Some(0.5), total: Some(3.0), message: Some("a \"b\"\n\u{e4}".to_owned()) };
        assert_eq!(Progress::decode(&word.encode().unwrap()), Some(word));
        assert_eq!(Progress::decode(b"{}"), Some(Progress::default()));
        for number in [f64::MAX, f64::MIN, 5e-324, f64::MIN_POSITIVE, 123_456_789_012_345_680_000.0, 1e23, 0.1 + 0.2] {
            let word = Progress { progress: Some(number), total: Some(-number), message: None };
            assert_eq!(Progress::decode(&word.encode().unwrap()), Some(word));
        }
        for body in [&b""[..], b"null", b"[]", b"[1]", b"{\"progress\":\"1\"}", b"\xff", b"{\"progress\":1e999}"] {
            assert_eq!(Progress::decode(body), None);
        }
        let wrong = Progress { progress: Some(f64::NAN), ..Progress::default() };
        assert_eq!(wrong.encode().unwrap_err().kind(), ErrorKind::InvalidPayload);
        let long = Progress { message: Some("x".repeat(4096)), ..Progress::default() };
        assert_eq!(long.encode().unwrap_err().kind(), ErrorKind::PayloadTooLarge);
    }
}
