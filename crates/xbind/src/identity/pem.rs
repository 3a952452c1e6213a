//! PEM (RFC 7468), strictly: one block, which white space may surround. `pem-rfc7468` writes it; as a reader it takes text
//! before the block and lines that end in CR, and refuses lines of three characters.

use crate::base64;
use pkcs8::der::pem::{self, LineEnding};
use zeroize::Zeroizing;

/// Label and contents of the one block that a text is.
pub(crate) fn decode(text: &[u8]) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let mut lines = text.trim_ascii().split(|byte| *byte == b'\n');
    let mut line = || lines.next().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let label = label(line()?, b"-----BEGIN ")?;
    let mut base64 = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut width = None;
    let end = loop {
        let line = line()?;
        if line.starts_with(b"-") {
            break line;
        }
        let before = *width.get_or_insert(line.len());
        // All lines are as long as the first; the last may be shorter.
        if line.is_empty() || line.len() > before || !base64.len().is_multiple_of(before) {
            return None;
        }
        base64.extend_from_slice(line);
    };
    if self::label(end, b"-----END ")? != label || lines.next().is_some() || base64.is_empty() {
        return None;
    }
    let mut contents = Zeroizing::new(vec![0; base64.len()]);
    let length = base64::decode_padded(&base64, contents.as_mut_slice())?;
    contents.truncate(length);
    Some((label, contents))
}

/// The label of a first or last line.
fn label<'a>(line: &'a [u8], before: &[u8]) -> Option<&'a str> {
    str::from_utf8(line.strip_prefix(before)?.strip_suffix(b"-----")?).ok()
}

/// A block with lines of 64 characters that end in LF.
pub(crate) fn encode(label: &str, contents: &[u8]) -> Zeroizing<String> {
    #[expect(clippy::expect_used, reason = "fails only for a label that is none, or a length that overflows")]
    Zeroizing::new(pem::encode_string(label, LineEnding::LF, contents).expect("a good label and a short text"))
}
