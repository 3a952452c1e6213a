//! What a JSON body may hold.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use xbind::message::payload::{MAX_DEPTH, check_json};
use xbind::{ErrorKind, Result};

fn nested(open: &str, close: &str, levels: usize) -> String {
    format!("{}{}", open.repeat(levels), close.repeat(levels))
}

fn is_refused(outcome: Result<()>) -> bool {
    outcome.is_err_and(|error| error.kind() == ErrorKind::InvalidPayload)
}

#[test]
fn depth_has_a_bound() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[", "]}]")] {
        let levels = open.matches(['[', '{']).count();
        let fits = MAX_DEPTH / levels;
        assert!(check_json(&nested(open, close, fits)).is_ok());
        assert!(is_refused(check_json(&nested(open, close, fits.saturating_add(1)))));
    }
    assert!(is_refused(check_json(&"[".repeat(1_000_000))));
}

#[test]
fn width_has_none() {
    assert!(check_json(&format!("[{}0]", "[],{},".repeat(10_000))).is_ok());
}

#[test]
fn brackets_in_strings_do_not_count() {
    assert!(check_json(&format!("[\"{}\"]", "[{".repeat(1000))).is_ok());
    assert!(check_json(&format!("{{\"{}\":0}}", "\\\"[".repeat(1000))).is_ok());
    // The string ends before the brackets: its last escape is a backslash.
    assert!(is_refused(check_json(&format!("[\"\\\\\",{}", "[".repeat(MAX_DEPTH)))));
}

#[test]
fn half_a_surrogate_pair_is_refused() {
    for text in
        [r#""\ud800""#, r#""\udfff""#, r#""\udc00\ud800""#, r#""\ud800\ud800""#, r#""\uD83D\n""#, r#""\ud83dx""#]
    {
        assert!(is_refused(check_json(text)), "{text}");
        assert!(is_refused(check_json(&format!("{{{text}:1}}"))), "{text} as a name");
    }
    for text in [
        r#""\ud83d\ude00""#,
        r#""\uDBFF\uDFFF""#,
        r#""\\ud800""#,
        r#""\ud7ff\ue000""#,
        r#""\\\\ud800""#,
        "\"\u{1f600}\"",
    ] {
        assert!(check_json(text).is_ok(), "{text}");
    }
}

#[test]
fn a_text_that_breaks_off_is_no_trouble() {
    for text in ["", "\"", "\"\\", "\"\\u", "\"\\ud", "[", "]", "}}}", "\"\\ud83d\\ude00"] {
        assert!(check_json(text).is_ok(), "{text}");
    }
    assert!(is_refused(check_json("\"\\ud83d\\")), "its other half can't follow");
}
