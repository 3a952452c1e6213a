//! docs/errors.md describes every code as it is, and no other.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fs;

use xbind::ErrorKind;

/// Code and text of each section.
fn sections() -> Vec<(String, String)> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md")).unwrap();
    let section = |part: &str| {
        let (heading, text) = part.split_once('\n').unwrap();
        (heading.trim_end().to_owned(), text.to_owned())
    };
    page.split("\n## ").skip(1).map(section).collect()
}

/// What a section says on the line of that label.
fn said<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("- ")?.strip_prefix(label)?.strip_prefix(": "));
    let first = lines.next()?;
    lines.next().is_none().then_some(first)
}

#[test]
fn every_code_has_a_heading_and_nothing_else_has() {
    let headings: Vec<_> = sections().into_iter().map(|(heading, _)| heading).collect();
    let codes: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(headings, codes);
}

#[test]
fn every_section_says_causes_remedy_and_origin() {
    for (code, text) in sections() {
        assert!(text.trim_start().starts_with(|first: char| first.is_uppercase()), "{code} begins with its meaning");
        for label in ["Causes", "Remedy", "From"] {
            assert!(said(&text, label).is_some_and(|words| !words.is_empty()), "{code} has one line on {label}");
        }
    }
}

#[test]
fn what_is_called_retryable_is() {
    for (code, text) in sections() {
        let retryable = ErrorKind::from_code(&code).unwrap().retryable();
        assert_eq!(said(&text, "Retryable"), Some(if retryable { "yes" } else { "no" }), "{code}");
    }
}

#[test]
fn codes_are_distinct_and_lead_back_to_their_kind() {
    for kind in ErrorKind::ALL {
        assert_eq!(ErrorKind::from_code(kind.code()), Some(*kind));
    }
}
