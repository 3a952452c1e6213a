//! Private keys on their way in and out: PKCS#8 (RFC 5958, RFC 8410), plain or encrypted (PBES2, RFC 8018). What is accepted
//! is told in docs/keys.md.

use zeroize::Zeroizing;

use crate::der::{self, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, SET, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::key::SigningKey;
use crate::pbes2::{Derived, Scheme};
use crate::{pem, scrub};

/// Longest input that is looked at, in bytes: room for every wrapping of one Ed25519 key, and for other keys to be
/// told what they are.
pub const MAX_INPUT: usize = 8192;

const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// Version 1 of PKCS#8 up to the seed: version, algorithm, and the two octet strings around 32 bytes.
const V1_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Context-specific tags of RFC 5958 section 2.
const ATTRIBUTES: u8 = 0xa0;
const PUBLIC_KEY: u8 = 0x81;
const PLAIN_LABEL: &str = "PRIVATE KEY";
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

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
/// PEM is one block, which white space may surround. A passphrase for a plain key is not used.
///
/// # Errors
/// `IMPORT_FAILED` for anything else, for a key derivation over the bounds (5,000,000 iterations of PBKDF2; for scrypt
/// 256 MiB, r = 16, p = 4), and for an encrypted key without a passphrase. `WRONG_PASSPHRASE` if it does not fit.
pub fn decode(input: &[u8], passphrase: Option<&str>) -> Result<SigningKey> {
    if input.first() != Some(&SEQUENCE) {
        return decode_pem(input, passphrase);
    }
    scrub::after::<{ scrub::KEY_FILE }, _>(|| {
        check_size(input)?;
        // Of the two structures, the plain one begins with its version and the encrypted one with its algorithm.
        let mut outer = Reader::new(input);
        let is_encrypted = outer.sequence().is_some_and(|members| members.next_tag() == Some(SEQUENCE));
        if is_encrypted { decode_encrypted(input, passphrase) } else { decode_plain(input) }
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
            PLAIN_LABEL => decode_plain(&der),
            ENCRYPTED_LABEL => decode_encrypted(&der, passphrase),
            _ => Err(refusal("the PEM block is no PKCS#8 private key").with_hint(
                "its first line must be -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----",
            )),
        }
    })
}

fn check_size(input: &[u8]) -> Result<()> {
    if input.len() > MAX_INPUT { Err(refusal("the key file is over 8 KiB")) } else { Ok(()) }
}

/// PKCS#8 version 1 (RFC 8410 section 7): 48 bytes of DER, which every common tool reads.
#[must_use]
pub fn encode_der(key: &SigningKey) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&V1_PREFIX[..], key.seed()].concat())
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

/// RFC 5958 section 2, without the extensions that it leaves room for.
struct PrivateKeyInfo<'a> {
    version: u8,
    algorithm: &'a [u8],
    has_parameters: bool,
    private_key: &'a [u8],
    public_key: Option<&'a [u8]>,
}

impl<'a> PrivateKeyInfo<'a> {
    fn parse(input: &'a [u8]) -> Option<Self> {
        let mut members = der::only_sequence(input)?;
        let &[version @ (0 | 1)] = members.value(INTEGER)? else { return None };
        let mut algorithm = members.sequence()?;
        let (oid, has_parameters) = (algorithm.value(OBJECT_IDENTIFIER)?, algorithm.end().is_none());
        let private_key = members.value(OCTET_STRING)?;
        if let Some(attributes) = members.optional(ATTRIBUTES)? {
            der::set_members(attributes)?.iter().try_for_each(check_attribute)?;
        }
        let public_key = members.optional(PUBLIC_KEY)?;
        members.end()?;
        Some(Self { version, algorithm: oid, has_parameters, private_key, public_key })
    }
}

/// Attributes say nothing that we use; they only have to be well formed (RFC 5958 section 2).
fn check_attribute(attribute: &Value<'_>) -> Option<()> {
    let mut members = der::only_sequence(attribute.encoded)?;
    let is_named = der::is_object_identifier(members.value(OBJECT_IDENTIFIER)?);
    let values = der::set_members(members.value(SET)?)?;
    members.end()?;
    // 0x1f in the lower bits begins a tag of several bytes; 0 is no tag.
    (is_named && values.iter().all(|value| value.tag & 0x1f != 0x1f && value.tag != 0)).then_some(())
}

fn decode_plain(input: &[u8]) -> Result<SigningKey> {
    let info = PrivateKeyInfo::parse(input).ok_or_else(|| refusal("not a PKCS#8 private key in strict DER"))?;
    if info.algorithm != ED25519 {
        return Err(refusal("not an Ed25519 key").with_hint("make one with: openssl genpkey -algorithm ed25519"));
    }
    if info.has_parameters {
        return Err(refusal("an Ed25519 key has no algorithm parameters"));
    }
    let seed: &[u8; 32] = match info.private_key {
        [0x04, 0x20, seed @ ..] => seed.try_into().ok(),
        _ => None,
    }
    .ok_or_else(|| refusal("the private key is not 32 bytes in an octet string"))?;
    let key = SigningKey::from_seed(seed);
    match (info.version, info.public_key) {
        (0, None) => Ok(key),
        (1, Some([0, public @ ..])) if public == key.did().public_key() => Ok(key),
        (1, Some(_)) => Err(refusal("the public key in the file is not the one of its private key")),
        _ => Err(refusal("a public key goes with version 2 of PKCS#8, and only with it")),
    }
}

/// RFC 5958 section 3.
fn decode_encrypted(input: &[u8], passphrase: Option<&str>) -> Result<SigningKey> {
    let malformed = || refusal("not an encrypted PKCS#8 private key in strict DER");
    let mut members = der::only_sequence(input).ok_or_else(malformed)?;
    let scheme = Scheme::parse(&mut members)?;
    let encrypted = members.value(OCTET_STRING).filter(|_| members.end().is_some()).ok_or_else(malformed)?;
    if encrypted.is_empty() || !encrypted.len().is_multiple_of(16) {
        return Err(refusal("the encrypted data is not a whole number of blocks"));
    }
    let passphrase =
        passphrase.ok_or_else(|| refusal("the key file is encrypted").with_hint("give the passphrase of the file"))?;
    let mut data = Zeroizing::new(encrypted.to_vec());
    match scheme.decrypt(&scheme.derive(passphrase), &mut data) {
        // One wrong key in 256 leaves a valid padding, but not a structure of the right length behind it.
        Some(plain) if der::only_sequence(plain).is_some() => decode_plain(plain),
        _ => Err(Error::new(ErrorKind::WrongPassphrase, "the passphrase does not open the key file")),
    }
}
