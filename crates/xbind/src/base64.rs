//! Base64 (RFC 4648), strict: no white space, no bits left over that are not zero, one text for each value.

use base64_simd::{AppendBase64Encode, AsOut, STANDARD, URL_SAFE_NO_PAD};

/// Base64url (section 5) without padding.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// The same, for a value of known length.
pub(crate) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    if URL_SAFE_NO_PAD.encoded_length(N) != text.len() {
        return None;
    }
    let mut bytes = [0; N];
    let decoded = URL_SAFE_NO_PAD.decode(text.as_bytes(), bytes.as_mut_slice().as_out()).ok()?.len();
    (decoded == N).then_some(bytes)
}

/// Base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Appends base64url without padding.
pub(crate) fn encode_into(bytes: &[u8], out: &mut impl AppendBase64Encode) {
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}

/// The alphabet of section 4 with padding, as key files have it, into memory that is the caller's to wipe; how much it is.
pub(crate) fn decode_padded(text: &[u8], out: &mut [u8]) -> Option<usize> {
    STANDARD.decode(text, out.as_out()).ok().map(|bytes| bytes.len())
}
