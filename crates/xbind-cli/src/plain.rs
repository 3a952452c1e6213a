//! What is said holds words of strangers: none of them moves a cursor, turns the order of letters, or looks like another line.

use std::fmt::Write;

use serde_json::Value;

/// The longest sentence of a server that is shown.
const MAX_SENTENCE: usize = 1000;

/// One line.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if moves(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Several, which were made here.
pub(crate) fn lines(text: &str) -> String {
    text.chars().map(|c| if moves(c) && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// JSON escapes such characters below U+0020 by itself; they are in its strings alone.
pub(crate) fn json(value: &Value) -> String {
    value.to_string().chars().fold(String::new(), |mut text, c| {
        if moves(c) {
            let _ = write!(text, "\\u{:04x}", u32::from(c)); // all of them are in the first plane
        } else {
            text.push(c);
        }
        text
    })
}

/// A sentence of a server.
pub(crate) fn sentence(text: &str) -> String {
    text.char_indices().nth(MAX_SENTENCE).map_or_else(|| text.to_owned(), |(at, _)| format!("{}…", text.split_at(at).0))
}

fn moves(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STRANGE: &str = "a\u{1b}[2J\rb\u{7f}\u{9b}31m\u{202e}c\nd";

    #[test]
    fn nothing_of_a_stranger_moves_a_cursor() {
        assert_eq!(plain(STRANGE), "a\u{fffd}[2J\u{fffd}b\u{fffd}\u{fffd}31m\u{fffd}c\u{fffd}d");
        assert_eq!(lines("a\tb\n\u{1b}c"), "a\tb\n\u{fffd}c");
        let said = json(&json!({ STRANGE: [STRANGE] }));
        assert!(said.chars().all(|c| !moves(c)), "{said}");
        assert_eq!(serde_json::from_str::<Value>(&said).ok(), Some(json!({ STRANGE: [STRANGE] })));
    }

    #[test]
    fn a_sentence_has_an_end() {
        assert_eq!(sentence("no"), "no");
        assert_eq!(sentence(&"ä".repeat(1000)), "ä".repeat(1000));
        assert_eq!(sentence(&"ä".repeat(1001)), format!("{}…", "ä".repeat(1000)));
    }
}
