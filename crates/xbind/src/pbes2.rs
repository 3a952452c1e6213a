//! Encryption with a passphrase: PBES2 (RFC 8018 section 6.2) with PBKDF2 or scrypt (RFC 7914), and AES-CBC.

use aes::{Aes128Dec, Aes192Dec, Aes256Dec, Aes256Enc};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use pbkdf2::pbkdf2_hmac;
use zeroize::Zeroizing;

use crate::der::{self, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};
use crate::error::{Error, ErrorKind, Result};

/// Bounds on what a stranger's file may make this machine compute.
const MAX_PBKDF2_ITERATIONS: u64 = 5_000_000;
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
const MAX_SCRYPT_R: u64 = 16;
const MAX_SCRYPT_P: u64 = 4;
const MAX_SALT: usize = 32;

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
const SCRYPT: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];
/// AES in CBC mode, but for the last byte, which tells the length of the key.
const AES_CBC: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];
/// HMAC with a hash, but for the last byte, which tells the hash.
const HMAC_WITH: [u8; 7] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02];

/// How a key file is encrypted, at a bearable cost.
#[derive(Debug)]
pub(crate) struct Scheme<'a> {
    kdf: Kdf,
    salt: &'a [u8],
    key: KeyLength,
    iv: &'a [u8; 16],
}

#[derive(Debug)]
enum Kdf {
    Pbkdf2 { iterations: u32, hash: Hash },
    Scrypt(scrypt::Params),
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug)]
enum KeyLength {
    Aes128,
    Aes192,
    Aes256,
}

/// What a passphrase comes to.
pub(crate) type Derived = Box<Zeroizing<[u8; 32]>>;

fn refusal(why: &'static str) -> Error {
    Error::new(ErrorKind::ImportFailed, why)
}

fn malformed() -> Error {
    refusal("the encryption parameters of the key file are not well formed")
}

fn unsupported() -> Error {
    refusal("the key file is encrypted in a way that is not supported: PBES2 with PBKDF2 or scrypt and AES-CBC is")
        .with_hint("convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc")
}

/// The next algorithm: its identifier, and its parameters.
fn algorithm<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8], Reader<'a>)> {
    let mut members = reader.sequence()?;
    Some((members.value(OBJECT_IDENTIFIER)?, members))
}

impl<'a> Scheme<'a> {
    /// Reads what stands in front of the encrypted data.
    pub(crate) fn parse(file: &mut Reader<'a>) -> Result<Self> {
        let (scheme, mut parameters) = algorithm(file).ok_or_else(malformed)?;
        if scheme != PBES2 {
            return Err(unsupported());
        }
        let mut members = parameters.sequence().ok_or_else(malformed)?;
        let (kdf, mut kdf_parameters) = algorithm(&mut members).ok_or_else(malformed)?;
        let (cipher, mut iv) = algorithm(&mut members).ok_or_else(malformed)?;
        parameters.end().and_then(|()| members.end()).ok_or_else(malformed)?;
        let key = KeyLength::of(cipher).ok_or_else(unsupported)?;
        let (salt, kdf) = match kdf {
            PBKDF2 => Kdf::pbkdf2(&mut kdf_parameters, key)?,
            SCRYPT => Kdf::scrypt(&mut kdf_parameters, key)?,
            _ => return Err(unsupported()),
        };
        kdf_parameters.end().ok_or_else(malformed)?;
        let iv_bytes = iv.value(OCTET_STRING).and_then(|bytes| bytes.try_into().ok()).ok_or_else(malformed)?;
        iv.end().ok_or_else(malformed)?;
        Ok(Self { kdf, salt, key, iv: iv_bytes })
    }

    /// What new key files are encrypted with: scrypt (N = 2^14, r = 8, p = 1) and AES-256-CBC.
    pub(crate) fn fresh(salt: &'a [u8; 16], iv: &'a [u8; 16]) -> Result<Self> {
        let cost = scrypt::Params::new(14, 8, 1)
            .map_err(|_| Error::new(ErrorKind::ExportFailed, "the key cannot be encrypted"))?;
        Ok(Self { kdf: Kdf::Scrypt(cost), salt, key: KeyLength::Aes256, iv })
    }

    /// Derives the key of the cipher; the rest of the bytes stay 0.
    pub(crate) fn derive(&self, passphrase: &str) -> Derived {
        let mut derived = Box::new(Zeroizing::new([0; 32]));
        let (key, _) = derived.split_at_mut_checked(self.key.bytes()).unwrap_or_default();
        let (phrase, salt) = (passphrase.as_bytes(), self.salt);
        match &self.kdf {
            Kdf::Pbkdf2 { iterations, hash } => match hash {
                Hash::Sha1 => pbkdf2_hmac::<sha1::Sha1>(phrase, salt, *iterations, key),
                Hash::Sha224 => pbkdf2_hmac::<sha2::Sha224>(phrase, salt, *iterations, key),
                Hash::Sha256 => pbkdf2_hmac::<sha2::Sha256>(phrase, salt, *iterations, key),
                Hash::Sha384 => pbkdf2_hmac::<sha2::Sha384>(phrase, salt, *iterations, key),
                Hash::Sha512 => pbkdf2_hmac::<sha2::Sha512>(phrase, salt, *iterations, key),
            },
            Kdf::Scrypt(cost) => {
                #[expect(clippy::expect_used, reason = "fails only for no output, or for 128 GiB of it")]
                scrypt::scrypt(phrase, salt, cost, key).expect("an output of 16 to 32 bytes");
            }
        }
        derived
    }

    /// Decrypts in place; none if the padding is wrong.
    pub(crate) fn decrypt<'b>(&self, key: &Derived, data: &'b mut [u8]) -> Option<&'b [u8]> {
        let (key, _) = key.split_at_checked(self.key.bytes())?;
        match self.key {
            KeyLength::Aes128 => {
                cbc::Decryptor::<Aes128Dec>::new_from_slices(key, self.iv).ok()?.decrypt_padded::<Pkcs7>(data)
            }
            KeyLength::Aes192 => {
                cbc::Decryptor::<Aes192Dec>::new_from_slices(key, self.iv).ok()?.decrypt_padded::<Pkcs7>(data)
            }
            KeyLength::Aes256 => {
                cbc::Decryptor::<Aes256Dec>::new_from_slices(key, self.iv).ok()?.decrypt_padded::<Pkcs7>(data)
            }
        }
        .ok()
    }

    /// The encrypted file, by a fresh scheme.
    pub(crate) fn encrypt(&self, key: &Derived, plain: &[u8]) -> Option<Vec<u8>> {
        let mut data = Zeroizing::new(Vec::with_capacity(plain.len().saturating_add(16)));
        data.extend_from_slice(plain);
        data.resize(plain.len().saturating_add(16), 0);
        let cipher = cbc::Encryptor::<Aes256Enc>::new_from_slices(&***key, self.iv).ok()?;
        let encrypted = cipher.encrypt_padded::<Pkcs7>(&mut data, plain.len()).ok()?;
        let (mut cost, mut kdf, mut cipher) = (Vec::new(), Vec::new(), Vec::new());
        der::push(OCTET_STRING, self.salt, &mut cost);
        cost.extend([0x02, 0x02, 0x40, 0x00, 0x02, 0x01, 0x08, 0x02, 0x01, 0x01]);
        der::push(OBJECT_IDENTIFIER, SCRYPT, &mut kdf);
        der::push(SEQUENCE, &cost, &mut kdf);
        der::push(OBJECT_IDENTIFIER, &[&AES_CBC[..], &[42]].concat(), &mut cipher);
        der::push(OCTET_STRING, self.iv, &mut cipher);
        let (mut parameters, mut scheme, mut members, mut file) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        der::push(SEQUENCE, &kdf, &mut parameters);
        der::push(SEQUENCE, &cipher, &mut parameters);
        der::push(OBJECT_IDENTIFIER, PBES2, &mut scheme);
        der::push(SEQUENCE, &parameters, &mut scheme);
        der::push(SEQUENCE, &scheme, &mut members);
        der::push(OCTET_STRING, encrypted, &mut members);
        der::push(SEQUENCE, &members, &mut file);
        Some(file)
    }
}

impl KeyLength {
    fn of(cipher: &[u8]) -> Option<Self> {
        match cipher.strip_prefix(&AES_CBC)? {
            [2] => Some(Self::Aes128),
            [22] => Some(Self::Aes192),
            [42] => Some(Self::Aes256),
            _ => None,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

impl Hash {
    /// The pseudo-random function; SHA-1, the default, is always left out.
    fn of(members: &mut Reader<'_>) -> Result<Self> {
        if members.next_tag().is_none() {
            return Ok(Self::Sha1);
        }
        let (function, mut parameters) = algorithm(members).ok_or_else(malformed)?;
        let hash = match function.strip_prefix(&HMAC_WITH) {
            Some([8]) => Self::Sha224,
            Some([9]) => Self::Sha256,
            Some([10]) => Self::Sha384,
            Some([11]) => Self::Sha512,
            _ => return Err(unsupported()),
        };
        let null = parameters.value(0x05).filter(|contents| contents.is_empty());
        null.and_then(|_| parameters.end()).map(|()| hash).ok_or_else(malformed)
    }
}

impl Kdf {
    /// RFC 8018 appendix A.2.
    fn pbkdf2<'a>(parameters: &mut Reader<'a>, key: KeyLength) -> Result<(&'a [u8], Self)> {
        let mut members = parameters.sequence().ok_or_else(malformed)?;
        let salt = salt(&mut members)?;
        let iterations = members.number().ok_or_else(malformed)?;
        if !(1..=MAX_PBKDF2_ITERATIONS).contains(&iterations) {
            return Err(refusal("the key file asks for more than 5,000,000 iterations of PBKDF2, or for none"));
        }
        check_length(&mut members, key)?;
        let hash = Hash::of(&mut members)?;
        members.end().ok_or_else(malformed)?;
        Ok((salt, Self::Pbkdf2 { iterations: u32::try_from(iterations).map_err(|_| malformed())?, hash }))
    }

    /// RFC 7914 section 7.
    fn scrypt<'a>(parameters: &mut Reader<'a>, key: KeyLength) -> Result<(&'a [u8], Self)> {
        let mut members = parameters.sequence().ok_or_else(malformed)?;
        let salt = salt(&mut members)?;
        let mut number = || members.number().ok_or_else(malformed);
        let cost = scrypt_cost(number()?, number()?, number()?).ok_or_else(|| {
            refusal(
                "the scrypt parameters of the key file are out of bounds: 128·N·r·p ≤ 256 MiB, r ≤ 16, p ≤ 4, N < 2^(16·r)",
            )
        })?;
        check_length(&mut members, key)?;
        members.end().ok_or_else(malformed)?;
        Ok((salt, Self::Scrypt(cost)))
    }
}

fn salt<'a>(members: &mut Reader<'a>) -> Result<&'a [u8]> {
    members.value(OCTET_STRING).filter(|salt| salt.len() <= MAX_SALT).ok_or_else(malformed)
}

/// The length of the derived key may be spelled out.
fn check_length(members: &mut Reader<'_>, key: KeyLength) -> Result<()> {
    let length = members.optional_number().ok_or_else(malformed)?;
    let fits = length.is_none_or(|length| usize::try_from(length) == Ok(key.bytes()));
    fits.then_some(()).ok_or_else(malformed)
}

fn scrypt_cost(n: u64, r: u64, p: u64) -> Option<scrypt::Params> {
    let bytes = n.checked_mul(128)?.checked_mul(r)?.checked_mul(p)?;
    let within = (1..=MAX_SCRYPT_R).contains(&r) && (1..=MAX_SCRYPT_P).contains(&p) && bytes <= MAX_SCRYPT_BYTES;
    let log_n =
        n.checked_ilog2().filter(|log_n| n > 1 && n.is_power_of_two() && u64::from(*log_n) < r.saturating_mul(16))?;
    if !within {
        return None;
    }
    scrypt::Params::new(u8::try_from(log_n).ok()?, u32::try_from(r).ok()?, u32::try_from(p).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn pbkdf2(iterations: &[u8]) -> bool {
        let mut members = vec![0x04, 0x01, 0x73];
        der::push(der::INTEGER, iterations, &mut members);
        let mut parameters = Vec::new();
        der::push(SEQUENCE, &members, &mut parameters);
        Kdf::pbkdf2(&mut Reader::new(&parameters), KeyLength::Aes256).is_ok()
    }

    fn scrypt(n: u64, r: u64, p: u64) -> bool {
        scrypt_cost(n, r, p).is_some()
    }

    #[test]
    fn the_bounds_themselves_are_within() {
        assert!(pbkdf2(&[1]) && pbkdf2(&[0x4c, 0x4b, 0x40]));
        assert!(!pbkdf2(&[0]) && !pbkdf2(&[0x4c, 0x4b, 0x41]));
        for (n, r, p) in
            [(2, 1, 1), (1 << 18, 8, 1), (1 << 17, 16, 1), (1 << 16, 8, 4), (1 << 20, 2, 1), (1 << 15, 1, 1)]
        {
            assert!(scrypt(n, r, p), "{n} {r} {p}");
            assert!(!scrypt(n + 1, r, p) && !scrypt(n, r, 5) && !scrypt(n, 17, p), "{n} {r} {p}");
            let over = n > 1 << 15 && (scrypt(2 * n, r, p) || scrypt(n, r, p + 1) || scrypt(n, r + 1, p));
            assert!(!over, "{n} {r} {p}");
        }
        assert!(!scrypt(1 << 16, 1, 1), "RFC 7914 section 2: N is less than 2^(128·r/8)");
    }

    #[test]
    fn a_product_over_64_bits_does_not_wrap_to_a_small_one() {
        for shift in 1..64 {
            assert_eq!(scrypt(1 << shift, 16, 4), 1_u64 << shift <= 1 << 15, "2^{shift}");
        }
    }
}
