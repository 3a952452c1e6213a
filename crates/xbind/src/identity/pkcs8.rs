//! Private keys on their way in and out: PKCS#8 (RFC 5958, RFC 8410), plain or encrypted (PBES2, RFC 8018). What is accepted
//! is told in docs/keys.md. The crate `pkcs8` reads and writes the structures. It is laxer than that page, so what it read is
//! written again, and has to come to the same bytes.

use pkcs8::der::asn1::{OctetStringRef, SequenceRef};
use pkcs8::der::pem::PemLabel as _;
use pkcs8::der::{self, Decode as _, Encode as _, EncodeValue as _, Header, SliceReader, Tag};
use pkcs8::{AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::{attributes, pbes2, pem, scrub};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::key::SigningKey;
use crate::identity::pbes2::{Derived, Scheme};

/// Longest input that is looked at, in bytes: room for every wrapping of one Ed25519 key, and for other keys to be
/// told what they are.
pub const MAX_INPUT: usize = 8192;

/// The first byte of DER.
const SEQUENCE: u8 = 0x30;
/// RFC 8410 section 3.
const ED25519: AlgorithmIdentifierRef<'_> =
    AlgorithmIdentifierRef { oid: ObjectIdentifier::new_unwrap("1.3.101.112"), parameters: None };
const PLAIN_LABEL: &str = PrivateKeyInfoRef::PEM_LABEL;
const ENCRYPTED_LABEL: &str = EncryptedPrivateKeyInfoRef::PEM_LABEL;

/// Fresh random bytes for one encryption, from the caller's random source. Never used twice.
pub struct EncryptionSeed {
    /// Salt of the key derivation.
    pub salt: [u8; 16],
    /// Initialisation vector of the cipher.
    pub iv: [u8; 16],
}

/// Reads a private key: DER or PEM; plain, version 1 or 2, or encrypted with PBES2 (PBKDF2 or scrypt, AES-CBC).
///
/// DER is strict, with nothing trailing and no algorithm parameters; a public key inside must be the one of the seed.
/// PEM is one block, which white space may surround. A passphrase for a plain key is refused: whoever
/// gives one takes the file for protected.
///
/// # Errors
/// `IMPORT_FAILED` for anything else, for a key derivation over the bounds (5,000,000 iterations of PBKDF2; for scrypt
/// 256 MiB, r = 16, p = 4), and for an encrypted key without a passphrase or a plain one with one. `WRONG_PASSPHRASE` if it does not fit.
pub fn decode(input: &[u8], passphrase: Option<&str>) -> Result<SigningKey> {
    if input.first() != Some(&SEQUENCE) {
        return decode_pem(input, passphrase);
    }
    scrub::after::<{ scrub::KEY_FILE }, _>(|| {
        check_size(input)?;
        if is_encrypted(input) { decode_encrypted(input, passphrase) } else { decode_unprotected(input, passphrase) }
    })
}

/// The same for text, which is PEM.
///
/// # Errors
/// As [`decode`].
pub fn decode_pem(text: &[u8], passphrase: Option<&str>) -> Result<SigningKey> {
    scrub::after::<{ scrub::KEY_FILE }, _>(|| {
        check_size(text)?;
        let (label, der) = pem::decode(text).ok_or_else(|| refusal("neither DER nor one block of PEM"))?;
        match label {
            PLAIN_LABEL => decode_unprotected(&der, passphrase),
            ENCRYPTED_LABEL => decode_encrypted(&der, passphrase),
            _ => Err(refusal("the PEM block is no PKCS#8 private key").with_hint(
                "its first line must be -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----",
            )),
        }
    })
}

fn decode_unprotected(input: &[u8], passphrase: Option<&str>) -> Result<SigningKey> {
    let key = decode_plain(input)?;
    if passphrase.is_some() {
        let hint = "leave the passphrase out, or export the identity again with it";
        return Err(refusal("a passphrase was given, and the key file is not encrypted").with_hint(hint));
    }
    Ok(key)
}

fn check_size(input: &[u8]) -> Result<()> {
    if input.len() > MAX_INPUT { Err(refusal("the key file is over 8 KiB")) } else { Ok(()) }
}

/// PKCS#8 version 1 (RFC 8410 section 7): 48 bytes of DER, which every common tool reads.
#[must_use]
pub fn encode_der(key: &SigningKey) -> Zeroizing<Vec<u8>> {
    #[expect(clippy::expect_used, reason = "fails only for more than 256 MiB")]
    scrub::after::<{ scrub::SIGNING }, _>(|| version_1(key.seed()).expect("48 bytes"))
}

fn version_1(seed: &[u8]) -> der::Result<Zeroizing<Vec<u8>>> {
    let private_key = Zeroizing::new(OctetStringRef::new(seed)?.to_der()?);
    PrivateKeyInfoRef::new(ED25519, OctetStringRef::new(&private_key)?).to_der().map(Zeroizing::new)
}

/// The same in PEM (RFC 7468), label `PRIVATE KEY`.
#[must_use]
pub fn encode_pem(key: &SigningKey) -> Zeroizing<String> {
    scrub::after::<{ scrub::SIGNING }, _>(|| pem::encode(PLAIN_LABEL, &encode_der(key)))
}

/// A passphrase made ready to encrypt one key: PBES2 with scrypt (N = 2^14, r = 8, p = 1) and AES-256-CBC.
pub struct Wrapping {
    seed: EncryptionSeed,
    derived: Derived,
}

impl Wrapping {
    /// Derives the key of the cipher, which takes some 30 ms and 16 MiB, and needs no private key.
    ///
    /// # Errors
    /// `EXPORT_FAILED` if the passphrase is empty.
    pub fn derive(passphrase: &str, seed: EncryptionSeed) -> Result<Self> {
        if passphrase.is_empty() {
            return Err(Error::new(ErrorKind::ExportFailed, "the passphrase is empty")
                .with_hint("leave the passphrase out to export the key unencrypted"));
        }
        let derived = scrub::after::<{ scrub::KEY_FILE }, _>(|| {
            Scheme::fresh(&seed.salt, &seed.iv).map(|scheme| scheme.derive(passphrase))
        })?;
        Ok(Self { seed, derived })
    }

    /// Encrypts a key, in DER.
    ///
    /// # Errors
    /// None that is known of.
    pub fn encrypt_der(self, key: &SigningKey) -> Result<Zeroizing<Vec<u8>>> {
        scrub::after::<{ scrub::KEY_FILE }, _>(|| {
            let Self { seed, derived } = &self;
            let encrypted = Scheme::fresh(&seed.salt, &seed.iv)?.encrypt(derived, &encode_der(key));
            let failed = || Error::new(ErrorKind::ExportFailed, "the key cannot be encrypted");
            encrypted.map(Zeroizing::new).ok_or_else(failed)
        })
    }

    /// The same in PEM (RFC 7468), label `ENCRYPTED PRIVATE KEY`.
    ///
    /// # Errors
    /// None that is known of.
    pub fn encrypt_pem(self, key: &SigningKey) -> Result<Zeroizing<String>> {
        Ok(pem::encode(ENCRYPTED_LABEL, &self.encrypt_der(key)?))
    }
}

fn refusal(why: &'static str) -> Error {
    Error::new(ErrorKind::ImportFailed, why)
}

/// Of the two structures, the plain one begins with its version and the encrypted one with its algorithm.
fn is_encrypted(input: &[u8]) -> bool {
    let first_member = SliceReader::new(input).and_then(|mut reader| {
        Header::decode(&mut reader)?;
        Tag::peek(&reader)
    });
    first_member == Ok(Tag::Sequence)
}

/// RFC 5958 section 2, without the extensions that it leaves room for.
fn parse(input: &[u8]) -> Option<PrivateKeyInfoRef<'_>> {
    let info = PrivateKeyInfoRef::try_from(input).ok()?;
    let written = Zeroizing::new(info.to_der().ok()?);
    // The reader skips attributes; they stand before the public key, and their length changes the one of the whole.
    let (given, written) = (contents(input)?, contents(&written)?);
    let before = PrivateKeyInfoRef::new(info.algorithm, info.private_key).value_len().ok()?;
    let (start, end) = written.split_at_checked(before.try_into().ok()?)?;
    let attributes = given.strip_prefix(start)?.strip_suffix(end)?;
    attributes::are_well_formed(attributes).then_some(info)
}

/// The contents of the one sequence that the input is.
fn contents(input: &[u8]) -> Option<&[u8]> {
    <&SequenceRef>::from_der(input).ok().map(SequenceRef::as_bytes)
}

fn decode_plain(input: &[u8]) -> Result<SigningKey> {
    let info = parse(input).ok_or_else(|| refusal("not a PKCS#8 private key in strict DER"))?;
    if info.algorithm.oid != ED25519.oid {
        return Err(refusal("not an Ed25519 key").with_hint("make one with: openssl genpkey -algorithm ed25519"));
    }
    if info.algorithm != ED25519 {
        return Err(refusal("an Ed25519 key has no algorithm parameters"));
    }
    let seed = <&OctetStringRef>::from_der(info.private_key.as_bytes()).ok();
    let seed: &[u8; 32] = seed
        .and_then(|seed| seed.as_bytes().try_into().ok())
        .ok_or_else(|| refusal("the private key is not 32 bytes in an octet string"))?;
    let key = SigningKey::from_seed(seed);
    // That it goes with version 2, and only with it, is looked at by the reader.
    match info.public_key {
        Some(public) if public.as_bytes() != Some(key.did().public_key()) => {
            Err(refusal("the public key in the file is not the one of its private key"))
        }
        _ => Ok(key),
    }
}

/// RFC 5958 section 3.
fn decode_encrypted(input: &[u8], passphrase: Option<&str>) -> Result<SigningKey> {
    let (scheme, encrypted) = pbes2::parse(input)?;
    if encrypted.is_empty() || !encrypted.len().is_multiple_of(16) {
        return Err(refusal("the encrypted data is not a whole number of blocks"));
    }
    let passphrase =
        passphrase.ok_or_else(|| refusal("the key file is encrypted").with_hint("give the passphrase of the file"))?;
    let mut data = Zeroizing::new(encrypted.to_vec());
    match scheme.decrypt(&scheme.derive(passphrase), &mut data) {
        // One wrong key in 256 leaves a valid padding, but not a structure of the right length behind it.
        Some(plain) if contents(plain).is_some() => decode_plain(plain),
        _ => Err(Error::new(ErrorKind::WrongPassphrase, "the passphrase does not open the key file")
            .with_hint("check the passphrase: case and spaces count, and it may belong to another file")),
    }
}
