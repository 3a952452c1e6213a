//! Private keys on their way in and out: PKCS#8 (RFC 5958, RFC 8410), plain or encrypted (PBES2, RFC 8018).

use pkcs8::der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, SequenceRef, SetOfRef};
use pkcs8::der::pem::{self, LineEnding};
use pkcs8::der::{self, Decode, Encode, Header, Reader, SliceReader, Tag, TagMode, TagNumber};
use pkcs8::pkcs5::pbes2::{self, EncryptionScheme, Kdf};
use pkcs8::pkcs5::{self, scrypt};
use pkcs8::{AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::key::SigningKey;

/// Longest input that is looked at, in bytes: room for every wrapping of one Ed25519 key, and for other keys to be
/// told what they are.
pub const MAX_INPUT: usize = 8192;

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// Version 1 of PKCS#8 up to the seed: version, algorithm, and the two octet strings around 32 bytes.
const V1_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const PLAIN_LABEL: &str = "PRIVATE KEY";
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Bounds on what a stranger's file may make this machine compute.
const MAX_PBKDF2_ITERATIONS: u32 = 5_000_000;
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
const MAX_SCRYPT_R: u16 = 16;
const MAX_SCRYPT_P: u16 = 4;

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
    if input.len() > MAX_INPUT {
        return Err(refusal("the key file is over 8 KiB"));
    }
    if input.first() == Some(&0x30) {
        return if is_encrypted(input) { decode_encrypted(input, passphrase) } else { decode_plain(input) };
    }
    let (label, der) = strip_armour(input)?;
    match label {
        PLAIN_LABEL => decode_plain(&der),
        ENCRYPTED_LABEL => decode_encrypted(&der, passphrase),
        _ => Err(refusal("the PEM block is no PKCS#8 private key")
            .with_hint("its first line must be -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----")),
    }
}

/// PKCS#8 version 1 (RFC 8410 section 7): 48 bytes of DER, which every common tool reads.
#[must_use]
pub fn encode_der(key: &SigningKey) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&V1_PREFIX[..], &key.seed()[..]].concat())
}

/// The same in PEM (RFC 7468), label `PRIVATE KEY`.
#[must_use]
pub fn encode_pem(key: &SigningKey) -> Zeroizing<String> {
    armour(PLAIN_LABEL, &encode_der(key))
}

/// The key encrypted with PBES2: scrypt (N = 2^14, r = 8, p = 1) and AES-256-CBC. Takes some 30 ms and 16 MiB.
///
/// # Errors
/// `EXPORT_FAILED` if the passphrase is empty.
pub fn encrypt_der(key: &SigningKey, passphrase: &str, seed: &EncryptionSeed) -> Result<Zeroizing<Vec<u8>>> {
    if passphrase.is_empty() {
        return Err(Error::new(ErrorKind::ExportFailed, "the passphrase is empty")
            .with_hint("leave the passphrase out to export the key unencrypted"));
    }
    encrypt(&encode_der(key), passphrase, seed)
        .map(Zeroizing::new)
        .map_err(|_| Error::new(ErrorKind::ExportFailed, "the key cannot be encrypted"))
}

/// The same in PEM (RFC 7468), label `ENCRYPTED PRIVATE KEY`.
///
/// # Errors
/// `EXPORT_FAILED` if the passphrase is empty.
pub fn encrypt_pem(key: &SigningKey, passphrase: &str, seed: &EncryptionSeed) -> Result<Zeroizing<String>> {
    Ok(armour(ENCRYPTED_LABEL, &encrypt_der(key, passphrase, seed)?))
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

fn strip_armour(input: &[u8]) -> Result<(&str, Zeroizing<Vec<u8>>)> {
    let not_pem = |_| refusal("neither DER nor one block of PEM");
    let text = input.trim_ascii();
    // The decoder skips text before the block; a file with more than a key in it is not for us to guess about.
    if !text.starts_with(b"-----BEGIN ") {
        return Err(refusal("neither DER nor one block of PEM"));
    }
    let mut decoder = pem::Decoder::new_detect_wrap(text).map_err(not_pem)?;
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).map_err(not_pem)?;
    Ok((decoder.type_label(), der))
}

fn armour(label: &str, der: &[u8]) -> Zeroizing<String> {
    #[expect(clippy::expect_used, reason = "fails only for an invalid label or a length that overflows")]
    Zeroizing::new(pem::encode_string(label, LineEnding::LF, der).expect("a valid label and a short text"))
}

struct PrivateKeyInfo<'a> {
    version: u8,
    algorithm: AlgorithmIdentifierRef<'a>,
    private_key: &'a OctetStringRef,
    public_key: Option<BitStringRef<'a>>,
}

impl<'a> PrivateKeyInfo<'a> {
    /// RFC 5958 section 2, without the extensions that it leaves room for.
    fn parse(input: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(input)?;
        let info = reader.sequence(|members| {
            let (version, algorithm, private_key) = (members.decode()?, members.decode()?, members.decode()?);
            if let Some(attributes) =
                members.context_specific::<SetOfRef<'a, AnyRef<'a>>>(TagNumber(0), TagMode::Implicit)?
            {
                attributes.iter().try_for_each(check_attribute)?;
            }
            let public_key = members.context_specific(TagNumber(1), TagMode::Implicit)?;
            Ok::<_, der::Error>(Self { version, algorithm, private_key, public_key })
        })?;
        reader.finish()?;
        Ok(info)
    }
}

/// Attributes say nothing that we use; they only have to be well formed (RFC 5958 section 2).
fn check_attribute(attribute: AnyRef<'_>) -> der::Result<()> {
    attribute.sequence(|members| {
        members.decode::<ObjectIdentifier>()?;
        members.decode::<SetOfRef<'_, AnyRef<'_>>>().map(drop)
    })
}

fn decode_plain(input: &[u8]) -> Result<SigningKey> {
    let info = PrivateKeyInfo::parse(input).map_err(|_| refusal("not a PKCS#8 private key in strict DER"))?;
    if info.algorithm.oid != ED25519 {
        return Err(refusal("not an Ed25519 key").with_hint("make one with: openssl genpkey -algorithm ed25519"));
    }
    if info.algorithm.parameters.is_some() {
        return Err(refusal("an Ed25519 key has no algorithm parameters"));
    }
    let seed: &[u8; 32] = match info.private_key.as_bytes() {
        [0x04, 0x20, seed @ ..] => seed.try_into().ok(),
        _ => None,
    }
    .ok_or_else(|| refusal("the private key is not 32 bytes in an octet string"))?;
    let key = SigningKey::from_seed(seed);
    match (info.version, info.public_key) {
        (0, None) => Ok(key),
        (1, Some(public)) if public.as_bytes() == Some(key.did().public_key()) => Ok(key),
        (1, Some(_)) => Err(refusal("the public key in the file is not the one of its private key")),
        _ => Err(refusal("a public key goes with version 2 of PKCS#8, and only with it")),
    }
}

fn decode_encrypted(input: &[u8], passphrase: Option<&str>) -> Result<SigningKey> {
    let info = EncryptedInfo::parse(input).map_err(|_| refusal("not an encrypted PKCS#8 private key in strict DER"))?;
    let scheme = info.scheme()?;
    if info.data.is_empty() || !info.data.as_bytes().len().is_multiple_of(16) {
        return Err(refusal("the encrypted data is not a whole number of blocks"));
    }
    let passphrase =
        passphrase.ok_or_else(|| refusal("the key file is encrypted").with_hint("give the passphrase of the file"))?;
    let mut data = Zeroizing::new(info.data.as_bytes().to_vec());
    match scheme.decrypt_in_place(passphrase, &mut data) {
        // One wrong key in 256 leaves a valid padding, but not a structure of the right length behind it.
        Ok(plain) if is_one_sequence(plain) => decode_plain(plain),
        Ok(_) | Err(pkcs5::Error::DecryptFailed) => {
            Err(Error::new(ErrorKind::WrongPassphrase, "the passphrase does not open the key file"))
        }
        Err(_) => Err(unsupported()),
    }
}

struct EncryptedInfo<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    data: &'a OctetStringRef,
}

impl<'a> EncryptedInfo<'a> {
    /// RFC 5958 section 3.
    fn parse(input: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(input)?;
        let info = reader
            .sequence(|members| Ok::<_, der::Error>(Self { algorithm: members.decode()?, data: members.decode()? }))?;
        reader.finish()?;
        Ok(info)
    }

    /// The scheme (RFC 8018 section 6.2), once its cost is known to be bearable.
    fn scheme(&self) -> Result<pbes2::Parameters> {
        let parameters = self.algorithm.parameters.filter(|_| self.algorithm.oid == pbes2::PBES2_OID);
        let scheme = pbes2::Parameters::try_from(parameters.ok_or_else(unsupported)?).map_err(|e| {
            if matches!(e.kind(), der::ErrorKind::OidUnknown { .. }) {
                unsupported()
            } else {
                refusal("the encryption parameters of the key file are not well formed")
            }
        })?;
        check_cost(&scheme.kdf)?;
        let cbc = matches!(
            scheme.encryption,
            EncryptionScheme::Aes128Cbc { .. }
                | EncryptionScheme::Aes192Cbc { .. }
                | EncryptionScheme::Aes256Cbc { .. }
        );
        if cbc { Ok(scheme) } else { Err(unsupported()) }
    }
}

fn unsupported() -> Error {
    refusal("the key file is encrypted in a way that is not supported: PBES2 with PBKDF2 or scrypt and AES-CBC is")
        .with_hint("convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc")
}

fn check_cost(kdf: &Kdf) -> Result<()> {
    match kdf {
        Kdf::Pbkdf2(parameters) => match parameters.iteration_count {
            1..=MAX_PBKDF2_ITERATIONS => Ok(()),
            _ => Err(refusal("the key file asks for more than 5,000,000 iterations of PBKDF2, or for none")),
        },
        Kdf::Scrypt(parameters) => {
            let (n, r, p) = (parameters.cost_parameter, parameters.block_size, parameters.parallelization);
            let bytes = n.checked_mul(128).and_then(|b| b.checked_mul(r.into())).and_then(|b| b.checked_mul(p.into()));
            let within = (1..=MAX_SCRYPT_R).contains(&r)
                && (1..=MAX_SCRYPT_P).contains(&p)
                && bytes.is_some_and(|bytes| bytes <= MAX_SCRYPT_BYTES);
            if n > 1 && n.is_power_of_two() && within {
                Ok(())
            } else {
                Err(refusal(
                    "the scrypt parameters of the key file are out of bounds: 128·N·r·p ≤ 256 MiB, r ≤ 16, p ≤ 4",
                ))
            }
        }
        _ => Err(unsupported()),
    }
}

fn is_one_sequence(der: &[u8]) -> bool {
    <&SequenceRef>::from_der(der).is_ok()
}

fn encrypt(plain: &[u8], passphrase: &str, seed: &EncryptionSeed) -> pkcs8::Result<Vec<u8>> {
    let cost = scrypt::Params::new(14, 8, 1).map_err(|_| pkcs5::Error::EncryptFailed)?;
    let scheme = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &seed.salt, seed.iv)?;
    let mut data = Zeroizing::new([plain, &[0; 16]].concat());
    let encrypted_data = OctetStringRef::new(scheme.encrypt_in_place(passphrase, &mut data, plain.len())?)?;
    Ok(EncryptedPrivateKeyInfoRef { encryption_algorithm: scheme.into(), encrypted_data }.to_der()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn pbkdf2(iterations: u32) -> bool {
        check_cost(&pbes2::Pbkdf2Params::hmac_sha256(iterations, b"salt").unwrap().into()).is_ok()
    }

    fn scrypt(n: u64, r: u16, p: u16) -> bool {
        let salt = b"salt".as_slice().try_into().unwrap();
        let parameters =
            pbes2::ScryptParams { salt, cost_parameter: n, block_size: r, parallelization: p, key_length: None };
        check_cost(&parameters.into()).is_ok()
    }

    #[test]
    fn the_bounds_themselves_are_within() {
        assert!(pbkdf2(1) && pbkdf2(5_000_000));
        assert!(!pbkdf2(0) && !pbkdf2(5_000_001));
        for (n, r, p) in [(2, 1, 1), (1 << 18, 8, 1), (1 << 17, 16, 1), (1 << 16, 8, 4), (1 << 21, 1, 1)] {
            assert!(scrypt(n, r, p), "{n} {r} {p}");
            assert!(!scrypt(n + 1, r, p) && !scrypt(n, r, 5) && !scrypt(n, 17, p), "{n} {r} {p}");
            let over = n > 2 && (scrypt(2 * n, r, p) || scrypt(n, r, p + 1) || scrypt(n, r + 1, p));
            assert!(!over, "{n} {r} {p}");
        }
    }

    #[test]
    fn a_product_over_64_bits_does_not_wrap_to_a_small_one() {
        for shift in 1..64 {
            assert_eq!(scrypt(1 << shift, 16, 4), 1_u64 << shift <= 1 << 15, "2^{shift}");
        }
    }
}
