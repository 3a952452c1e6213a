//! What is said holds words of strangers: none of them moves a cursor, turns the order of letters, or looks like another line.

use std::fmt::Write;

use serde_json::Value;

/// The longest sentence of a server that is shown.
const MAX_SENTENCE: usize = 1000;

/// The last one that has a year of four digits.
const LAST_SECOND: u64 = 253_402_300_799;

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

/// Seconds since 1970 as a person reads them, in UTC.
pub(crate) fn utc(seconds: u64) -> String {
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    if seconds > LAST_SECOND {
        return seconds.to_string();
    }
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut take = |length: u64| days.checked_sub(length).map(|left| days = left).is_some();
    let year = (1970..).find(|year| !take(if is_leap(*year) { 366 } else { 365 })).unwrap_or_default();
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = (1..).zip(months).find(|(_, length)| !take(*length)).map_or(12, |(month, _)| month);
    let day = days.saturating_add(1);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", time / 3600, time / 60 % 60, time % 60)
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
    fn a_time_is_that_of_the_calendar() {
        for (seconds, time) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (68_169_599, "1972-02-28 23:59:59 UTC"),
            (68_169_600, "1972-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (1_800_000_000, "2027-01-15 08:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (LAST_SECOND, "9999-12-31 23:59:59 UTC"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(utc(seconds), time);
        }
    }

    #[test]
    fn a_sentence_has_an_end() {
        assert_eq!(sentence("no"), "no");
        assert_eq!(sentence(&"ä".repeat(1000)), "ä".repeat(1000));
        assert_eq!(sentence(&"ä".repeat(1001)), format!("{}…", "ä".repeat(1000)));
    }
}
