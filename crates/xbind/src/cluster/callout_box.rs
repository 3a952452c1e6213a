//! What a server asks a callout and what it is answered, where nobody on the way is to read it (NATS ADR-26): the box of NaCl, by
//! X25519, HSalsa20 and XSalsa20-Poly1305.

use std::fmt;

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::cipher::consts::U10;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use salsa20::{XSalsa20, hsalsa};
use subtle::ConstantTimeEq as _;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use crate::cluster::callout::MAX_REQUEST_BYTES;
use crate::cluster::nkey::{NKey, spell, spelled};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::key::SigningKey;
use crate::identity::scrub;
use crate::message::jws;

/// How what the key is made of begins.
const CONTEXT: &[u8] = b"xbind-callout-box-v1\0";
/// `X`: a key of X25519.
const PREFIX: u8 = 23 << 3;
/// How a box begins.
const VERSION: &[u8; 4] = b"xkv1";
const NONCE: usize = 24;
const TAG: usize = 16;

/// The key to which servers encrypt what they ask whoever holds the account's key, and with which he encrypts what he answers:
/// made of that key, so that an owner has one secret to keep. It is the SHA-256 of the account's signature of
/// `xbind-callout-box-v1` and a zero byte; wiped when dropped.
pub struct CalloutBox {
    secret: Box<Zeroizing<[u8; 32]>>,
    text: [u8; NKey::LEN],
}

impl CalloutBox {
    /// The key that follows from an account's.
    #[must_use]
    pub fn of(account: &SigningKey) -> Self {
        scrub::after::<{ scrub::ENCRYPTION }, _>(|| {
            let secret = Box::new(Zeroizing::new(jws::sha256(&*Zeroizing::new(account.sign(CONTEXT)))));
            let text = spell(PREFIX, &x25519(**secret, X25519_BASEPOINT_BYTES));
            Self { secret, text }
        })
    }

    /// Its public half as NATS spells it, `X…`: `xkey` in the configuration of servers.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text).unwrap_or_default() // ASCII by construction
    }

    /// Opens what a server of that key has asked.
    ///
    /// # Errors
    /// `DECRYPTION_FAILED` for anything else, also for what is longer than a request; `INVALID_KEY` if that is no key.
    pub fn open(&self, server: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let parts = sealed.strip_prefix(VERSION).and_then(|rest| rest.split_first_chunk::<NONCE>());
        let parts = parts.and_then(|(nonce, rest)| Some((nonce, rest.split_first_chunk::<TAG>()?)));
        let Some((nonce, (tag, text))) = parts.filter(|(_, (_, text))| text.len() <= MAX_REQUEST_BYTES) else {
            return Err(failed("it is no box of a request"));
        };
        scrub::after::<{ scrub::ENCRYPTION }, _>(|| {
            let (mut stream, mac) = self.ciphers(server, nonce)?;
            if !bool::from(mac.compute_unpadded(text).as_slice().ct_eq(tag)) {
                return Err(failed("the box was not sealed by that server for this callout"));
            }
            let mut text = text.to_vec();
            stream.apply_keystream(&mut text);
            Ok(text)
        })
    }

    /// Seals an answer to a server of that key. `nonce` is fresh and random.
    ///
    /// # Errors
    /// `INVALID_KEY` if that is no key.
    pub fn seal(&self, server: &str, text: &[u8], nonce: &[u8; NONCE]) -> Result<Vec<u8>> {
        scrub::after::<{ scrub::ENCRYPTION }, _>(|| {
            let (mut stream, mac) = self.ciphers(server, nonce)?;
            let mut text = text.to_vec();
            stream.apply_keystream(&mut text);
            Ok([&VERSION[..], nonce, mac.compute_unpadded(&text).as_slice(), &text].concat())
        })
    }

    /// What is between both keys, behind what the authenticator takes of it.
    fn ciphers(&self, server: &str, nonce: &[u8; NONCE]) -> Result<(XSalsa20, Poly1305)> {
        let shared = Zeroizing::new(x25519(**self.secret, spelled(PREFIX, server)?));
        if *shared == [0; 32] {
            return Err(Error::new(ErrorKind::InvalidKey, "nothing can be encrypted to that key"));
        }
        let key = hsalsa::<U10>((&*shared).into(), &[0; 16].into());
        let mut stream = XSalsa20::new(&key, nonce.into());
        let mut authenticator = Zeroizing::new([0; 32]);
        stream.apply_keystream(&mut *authenticator);
        Ok((stream, Poly1305::new((&*authenticator).into())))
    }
}

impl fmt::Debug for CalloutBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CalloutBox(..)")
    }
}

fn failed(why: &'static str) -> Error {
    Error::new(ErrorKind::DecryptionFailed, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> CalloutBox {
        CalloutBox::of(&SigningKey::from_seed(&[seed; 32]))
    }

    /// As libsodium seals it (`crypto_box_easy`).
    #[test]
    fn a_box_is_that_of_nacl() {
        let of = |secret: [u8; 32]| CalloutBox {
            secret: Box::new(Zeroizing::new(secret)),
            text: spell(PREFIX, &x25519(secret, X25519_BASEPOINT_BYTES)),
        };
        let (one, other) = (of([1; 32]), of([2; 32]));
        let sealed = one.seal(other.as_str(), b"what a server asks", &[7; 24]).unwrap();
        let known = "843c2e11f4b4763d1626355f4a60366d5fecb71fdb4599699cdee512511a94d0762b";
        let hex: String = sealed[4 + NONCE..].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&sealed[..4], hex.as_str()), (&b"xkv1"[..], known));
        assert_eq!(other.open(one.as_str(), &sealed).unwrap(), b"what a server asks");
    }

    #[test]
    fn what_was_sealed_opens_for_the_two_and_for_nobody_else() {
        let (one, other, third) = (key(1), key(2), key(3));
        assert!(one.as_str().len() == 56 && one.as_str().starts_with('X'));
        let sealed = one.seal(other.as_str(), b"asked", &[7; 24]).unwrap();
        assert_eq!(sealed.len(), 4 + 24 + 16 + 5);
        assert_eq!(other.open(one.as_str(), &sealed).unwrap(), b"asked");
        let code = |opened: Result<Vec<u8>>| opened.unwrap_err().kind();
        assert_eq!(code(third.open(one.as_str(), &sealed)), ErrorKind::DecryptionFailed);
        assert_eq!(code(other.open(third.as_str(), &sealed)), ErrorKind::DecryptionFailed);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(code(other.open(one.as_str(), &changed)), ErrorKind::DecryptionFailed, "byte {at}");
            assert_eq!(code(other.open(one.as_str(), &sealed[..at])), ErrorKind::DecryptionFailed, "{at} bytes");
        }
        let long = one.seal(other.as_str(), &vec![0; MAX_REQUEST_BYTES + 1], &[7; 24]).unwrap();
        assert_eq!(code(other.open(one.as_str(), &long)), ErrorKind::DecryptionFailed);
    }

    #[test]
    fn nothing_is_sealed_to_what_is_no_key() {
        let small = String::from_utf8(spell(PREFIX, &[0; 32]).to_vec()).unwrap();
        let lower = key(2).as_str().to_lowercase();
        let signing =
            NKey::of(crate::cluster::Role::Server, SigningKey::from_seed(&[2; 32]).verifying_key()).to_string();
        for wrong in [small.as_str(), &lower, &signing, "", "X"] {
            assert_eq!(key(1).seal(wrong, b"", &[0; 24]).unwrap_err().kind(), ErrorKind::InvalidKey, "{wrong}");
        }
    }
}
