//! Compact JWS that no honest signer would make.
#![allow(dead_code, reason = "each target uses its part")]

use xbind::SigningKey;

/// Header and claims, parted by a zero byte.
pub fn segments(json: &[u8]) -> (&[u8], &[u8]) {
    let at = json.iter().position(|byte| *byte == 0).unwrap_or(json.len());
    (&json[..at], json.get(at + 1..).unwrap_or_default())
}

/// An honest header of that `typ`.
pub fn header(key: &SigningKey, typ: &str) -> Vec<u8> {
    let did = key.did();
    format!(r#"{{"alg":"EdDSA","kid":"{did}#{}","typ":"{typ}"}}"#, did.multibase()).into_bytes()
}

/// Signs whatever the two segments hold.
pub fn signed(key: &SigningKey, header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", base64url(header), base64url(claims));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

pub fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}
