//! The shared vectors, as every language reads them.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test file uses some; a broken vector must fail")]

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

/// The file of that name in `vectors/`.
pub(crate) fn load(name: &str) -> Value {
    let path = format!("{}/../../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

/// The cases under `key`; a file without any would prove nothing.
pub(crate) fn cases<'a>(vectors: &'a Value, key: &str) -> &'a [Value] {
    let cases = vectors[key].as_array().unwrap();
    assert!(!cases.is_empty());
    cases
}

pub(crate) fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap_or_else(|| panic!("{member} is missing in {case}"))
}

pub(crate) fn bytes<const N: usize>(case: &Value, member: &str) -> [u8; N] {
    HEXLOWER.decode(text(case, member).as_bytes()).unwrap().try_into().unwrap()
}

pub(crate) fn base64(case: &Value, member: &str) -> Vec<u8> {
    BASE64.decode(text(case, member).as_bytes()).unwrap()
}

/// The expectation of a case: the value under `accepted`, or the error code.
pub(crate) fn expected<'a>(case: &'a Value, accepted: &str) -> Result<&'a str, &'a str> {
    match case["code"].as_str() {
        Some(code) => Err(code),
        None => Ok(text(case, accepted)),
    }
}
