//! Nothing makes the parser of what is presented panic, and what it takes apart goes together again, in one way only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xbind::rights::MAX_PRESENTED_BYTES;
use xbind::{ErrorKind, Presented, Shown};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    match Presented::parse(text) {
        Ok(parts) => {
            assert_eq!(parts.text().expect("what was taken apart").as_deref(), Some(text));
            assert!(text.len() <= MAX_PRESENTED_BYTES && text.is_ascii());
            assert!(text.bytes().filter(|byte| *byte == b'~').count() == usize::from(parts.approval.is_some()));
            assert!(parts.token.is_some() || parts.approval.is_some());
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidToken),
    }
    // The same bytes as the body of a call that is decided upon.
    if let Ok(shown) = Shown::read("application/json", text) {
        let Shown::Json(json) = shown else { panic!("shown as bytes") };
        assert!(!json.starts_with('\u{feff}'));
    }
});
