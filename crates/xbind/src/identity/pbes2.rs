//! Encryption with a passphrase: PBES2 (RFC 8018 section 6.2) with PBKDF2 or scrypt (RFC 7914), and AES-CBC. The parameters
//! are read and written by `pkcs5`. It would derive a key only together with using it, so that is done here.

use aes::{Aes128Dec, Aes192Dec, Aes256Dec, Aes256Enc};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use pbkdf2::pbkdf2_hmac;
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::{self, Encode as _, asn1::OctetStringRef};
use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Pbkdf2Params, Pbkdf2Prf, Salt, ScryptParams};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// Bounds on what a stranger's file may make this machine compute.
const MAX_PBKDF2_ITERATIONS: u32 = 5_000_000;
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
const MAX_SCRYPT_R: u16 = 16;
const MAX_SCRYPT_P: u16 = 4;

/// How a key file is encrypted, at a bearable cost.
#[derive(Debug)]
pub(crate) struct Scheme {
    parameters: Parameters,
    cost: Cost,
}

#[derive(Debug)]
enum Cost {
    Pbkdf2(Pbkdf2Params, Pbkdf2),
    Scrypt(Salt, scrypt::Params),
}

/// PBKDF2 with a hash, of passphrase, salt and iterations.
type Pbkdf2 = fn(&[u8], &[u8], u32, &mut [u8]);

/// What a passphrase comes to.
pub(crate) type Derived = Box<Zeroizing<[u8; 32]>>;

fn refusal(why: &'static str) -> Error {
    Error::new(ErrorKind::ImportFailed, why)
}

fn unsupported() -> Error {
    refusal("the key file is encrypted in a way that is not supported: PBES2 with PBKDF2 or scrypt and AES-CBC is")
        .with_hint("convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc")
}

/// Reads an encrypted key (RFC 5958 section 3): how, and what is encrypted.
pub(crate) fn parse(input: &[u8]) -> Result<(Scheme, &[u8])> {
    let malformed = || refusal("not an encrypted PKCS#8 private key in strict DER");
    let file = EncryptedPrivateKeyInfoRef::try_from(input).map_err(|error| {
        let is_unknown =
            matches!(error, pkcs8::Error::Asn1(e) if matches!(e.kind(), der::ErrorKind::OidUnknown { .. }));
        if is_unknown { unsupported() } else { malformed() }
    })?;
    // Of all spellings only the one that is written.
    if file.to_der().ok().as_deref() != Some(input) {
        return Err(malformed());
    }
    let data = file.encrypted_data.as_bytes();
    let parameters = file.encryption_algorithm.pbes2().ok_or_else(unsupported)?;
    Ok((Scheme::new(parameters.clone())?, data))
}

impl Scheme {
    fn new(parameters: Parameters) -> Result<Self> {
        if !matches!(
            parameters.encryption,
            EncryptionScheme::Aes128Cbc { .. }
                | EncryptionScheme::Aes192Cbc { .. }
                | EncryptionScheme::Aes256Cbc { .. }
        ) {
            return Err(unsupported());
        }
        if parameters.kdf.key_length().is_some_and(|length| usize::from(length) != parameters.encryption.key_size()) {
            return Err(refusal("the key file derives a key that does not fit its cipher"));
        }
        let cost = Cost::of(&parameters.kdf)?;
        Ok(Self { parameters, cost })
    }

    /// What new key files are encrypted with: scrypt (N = 2^14, r = 8, p = 1) and AES-256-CBC.
    pub(crate) fn fresh(salt: &[u8; 16], iv: &[u8; 16]) -> Result<Self> {
        let salt = Salt::new(salt).map_err(|_| Error::new(ErrorKind::ExportFailed, "the key cannot be encrypted"))?;
        let kdf =
            ScryptParams { salt, cost_parameter: 1 << 14, block_size: 8, parallelization: 1, key_length: None }.into();
        Self::new(Parameters { kdf, encryption: EncryptionScheme::Aes256Cbc { iv: *iv } })
    }

    /// Derives the key of the cipher; the rest of the bytes stay 0.
    pub(crate) fn derive(&self, passphrase: &str) -> Derived {
        let mut derived = Box::new(Zeroizing::new([0; 32]));
        let (key, _) = derived.split_at_mut_checked(self.parameters.encryption.key_size()).unwrap_or_default();
        let phrase = passphrase.as_bytes();
        match &self.cost {
            Cost::Pbkdf2(Pbkdf2Params { salt, iteration_count, .. }, derive) => {
                derive(phrase, salt.as_bytes(), *iteration_count, key);
            }
            Cost::Scrypt(salt, cost) => {
                #[expect(clippy::expect_used, reason = "fails only for no output, or for 128 GiB of it")]
                scrypt::scrypt(phrase, salt.as_bytes(), cost, key).expect("an output of 16 to 32 bytes");
            }
        }
        derived
    }

    /// Decrypts in place; none if the padding is wrong.
    pub(crate) fn decrypt<'b>(&self, key: &Derived, data: &'b mut [u8]) -> Option<&'b [u8]> {
        let cipher = self.parameters.encryption;
        let (key, _) = key.split_at_checked(cipher.key_size())?;
        match &cipher {
            EncryptionScheme::Aes128Cbc { iv } => {
                cbc::Decryptor::<Aes128Dec>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(data)
            }
            EncryptionScheme::Aes192Cbc { iv } => {
                cbc::Decryptor::<Aes192Dec>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(data)
            }
            EncryptionScheme::Aes256Cbc { iv } => {
                cbc::Decryptor::<Aes256Dec>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(data)
            }
            EncryptionScheme::Aes128Gcm { .. } | EncryptionScheme::Aes256Gcm { .. } | _ => return None,
        }
        .ok()
    }

    /// The encrypted file, by a fresh scheme.
    pub(crate) fn encrypt(&self, key: &Derived, plain: &[u8]) -> Option<Vec<u8>> {
        let EncryptionScheme::Aes256Cbc { iv } = &self.parameters.encryption else { return None };
        let mut data = Zeroizing::new(Vec::with_capacity(plain.len().saturating_add(16)));
        data.extend_from_slice(plain);
        data.resize(plain.len().saturating_add(16), 0);
        let cipher = cbc::Encryptor::<Aes256Enc>::new_from_slices(&***key, iv).ok()?;
        let encrypted_data = OctetStringRef::new(cipher.encrypt_padded::<Pkcs7>(&mut data, plain.len()).ok()?).ok()?;
        let encryption_algorithm = self.parameters.clone().into();
        EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data }.to_der().ok()
    }
}

impl Cost {
    fn of(kdf: &Kdf) -> Result<Self> {
        match kdf {
            Kdf::Pbkdf2(parameters) if (1..=MAX_PBKDF2_ITERATIONS).contains(&parameters.iteration_count) => {
                Ok(Self::Pbkdf2(*parameters, pbkdf2_with(parameters.prf).ok_or_else(unsupported)?))
            }
            Kdf::Pbkdf2(_) => {
                Err(refusal("the key file asks for more than 5,000,000 iterations of PBKDF2, or for none"))
            }
            Kdf::Scrypt(parameters) => scrypt_cost(parameters).map(|cost| Self::Scrypt(parameters.salt, cost)).ok_or_else(|| {
                refusal(
                    "the scrypt parameters of the key file are out of bounds: 128·N·r·p ≤ 256 MiB, r ≤ 16, p ≤ 4, N < 2^(16·r)",
                )
            }),
            _ => Err(unsupported()),
        }
    }
}

fn pbkdf2_with(function: Pbkdf2Prf) -> Option<Pbkdf2> {
    match function {
        Pbkdf2Prf::HmacWithSha1 => Some(pbkdf2_hmac::<sha1::Sha1>),
        Pbkdf2Prf::HmacWithSha224 => Some(pbkdf2_hmac::<sha2::Sha224>),
        Pbkdf2Prf::HmacWithSha256 => Some(pbkdf2_hmac::<sha2::Sha256>),
        Pbkdf2Prf::HmacWithSha384 => Some(pbkdf2_hmac::<sha2::Sha384>),
        Pbkdf2Prf::HmacWithSha512 => Some(pbkdf2_hmac::<sha2::Sha512>),
        _ => None,
    }
}

/// RFC 7914 section 2, and the bounds.
fn scrypt_cost(parameters: &ScryptParams) -> Option<scrypt::Params> {
    let (n, r, p) = (parameters.cost_parameter, parameters.block_size, parameters.parallelization);
    let bytes = n.checked_mul(128)?.checked_mul(r.into())?.checked_mul(p.into())?;
    let within = (1..=MAX_SCRYPT_R).contains(&r) && (1..=MAX_SCRYPT_P).contains(&p) && bytes <= MAX_SCRYPT_BYTES;
    let log_n =
        n.checked_ilog2().filter(|log_n| n > 1 && n.is_power_of_two() && *log_n < u32::from(r).saturating_mul(16))?;
    if !within {
        return None;
    }
    scrypt::Params::new(u8::try_from(log_n).ok()?, r.into(), p.into()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn pbkdf2(iterations: u32) -> bool {
        Cost::of(&Pbkdf2Params::hmac_sha256(iterations, b"salt").unwrap().into()).is_ok()
    }

    fn scrypt(n: u64, r: u16, p: u16) -> bool {
        let salt = Salt::new(b"salt").unwrap();
        let parameters = ScryptParams { salt, cost_parameter: n, block_size: r, parallelization: p, key_length: None };
        Cost::of(&parameters.into()).is_ok()
    }

    #[test]
    fn the_bounds_themselves_are_within() {
        assert!(pbkdf2(1) && pbkdf2(5_000_000));
        assert!(!pbkdf2(0) && !pbkdf2(5_000_001));
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
