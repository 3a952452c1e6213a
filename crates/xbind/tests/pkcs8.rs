//! Key files: the shared vectors, what is written, and what must hold of every file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod known;

use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use known::{base64, bytes, cases, expected, load, text};
use proptest::prelude::*;
use serde_json::Value;
use xbind::identity::pkcs8::{EncryptionSeed, MAX_INPUT, Wrapping, decode, decode_pem, encode_der, encode_pem};
use xbind::{ErrorKind, SigningKey};
use zeroize::Zeroizing;

fn input(case: &Value) -> Vec<u8> {
    if case["pem"].is_string() { text(case, "pem").as_bytes().to_vec() } else { base64(case, "derBase64") }
}

fn encrypt_der(key: &SigningKey, passphrase: &str, seed: EncryptionSeed) -> Zeroizing<Vec<u8>> {
    Wrapping::derive(passphrase, seed).unwrap().encrypt_der(key).unwrap()
}

fn encrypt_pem(key: &SigningKey, passphrase: &str, seed: EncryptionSeed) -> Zeroizing<String> {
    Wrapping::derive(passphrase, seed).unwrap().encrypt_pem(key).unwrap()
}

const fn seed() -> EncryptionSeed {
    EncryptionSeed { salt: [2; 16], iv: [3; 16] }
}

#[test]
fn vectors_of_key_files() {
    let vectors = load("pkcs8.json");
    for case in cases(&vectors, "cases") {
        let key = decode(&input(case), case["passphrase"].as_str());
        let did = key.as_ref().map(|key| key.did().as_str()).map_err(|e| e.kind().code());
        assert_eq!(did, expected(case, "did"), "{case}");
    }
}

#[test]
fn vectors_of_exports() {
    let vectors = load("pkcs8.json");
    for case in cases(&vectors, "exports") {
        let key = SigningKey::from_seed(&bytes(case, "seedHex"));
        let (der, pem) = match case["passphrase"].as_str() {
            None => (encode_der(&key), encode_pem(&key)),
            Some(passphrase) => {
                let seed = || EncryptionSeed { salt: bytes(case, "saltHex"), iv: bytes(case, "ivHex") };
                (encrypt_der(&key, passphrase, seed()), encrypt_pem(&key, passphrase, seed()))
            }
        };
        assert_eq!(*der, base64(case, "derBase64"));
        assert_eq!(*pem, text(case, "pem"));
    }
}

#[test]
fn what_is_refused_says_why_and_repeats_nothing() {
    let vectors = load("pkcs8.json");
    for case in cases(&vectors, "cases").iter().filter(|case| case["code"].is_string()) {
        let error = decode(&input(case), case["passphrase"].as_str()).unwrap_err();
        let all = format!("{error} {error:?}");
        assert!(error.message().len() > 10 && all.len() < 500, "{all}");
        for secret in [case["passphrase"].as_str(), Some("nWGxn"), Some("9d61b1"), Some("MC4C")].into_iter().flatten() {
            assert!(secret.is_empty() || !all.contains(secret), "{all}");
        }
    }
}

#[test]
fn an_encrypted_key_without_a_passphrase_asks_for_one() {
    let key = SigningKey::from_seed(&[1; 32]);
    let file = encrypt_pem(&key, "secret", seed());
    let error = decode(file.as_bytes(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImportFailed);
    assert!(error.hint().unwrap().contains("passphrase"));
    assert_eq!(decode(file.as_bytes(), Some("secret")).unwrap().did(), key.did());
    assert_eq!(decode(file.as_bytes(), Some("Secret")).unwrap_err().kind(), ErrorKind::WrongPassphrase);
}

#[test]
fn an_empty_passphrase_does_not_pass_for_encryption() {
    assert_eq!(Wrapping::derive("", seed()).err().map(|error| error.kind()), Some(ErrorKind::ExportFailed));
}

#[test]
fn an_input_over_the_limit_is_refused_before_it_is_read() {
    let pem = encode_pem(&SigningKey::from_seed(&[1; 32]));
    let padded = |length: usize| format!("{}{}", *pem, " ".repeat(length - pem.len()));
    assert!(decode(padded(MAX_INPUT).as_bytes(), None).is_ok());
    let error = decode(padded(MAX_INPUT + 1).as_bytes(), None).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::ImportFailed, "the key file is over 8 KiB"));
}

#[test]
fn the_export_is_what_the_generic_encoder_writes_for_version_1() {
    let key = SigningKey::from_seed(&[9; 32]);
    let generic = KeypairBytes { secret_key: [9; 32], public_key: None }.to_pkcs8_der().unwrap();
    assert_eq!(&encode_der(&key)[..], generic.as_bytes());
}

fn version_2(key: &SigningKey, seed: &[u8; 32]) -> Vec<u8> {
    let public_key = Some(ed25519_dalek::pkcs8::PublicKeyBytes(*key.did().public_key()));
    KeypairBytes { secret_key: *seed, public_key }.to_pkcs8_der().unwrap().as_bytes().to_vec()
}

#[test]
fn text_is_never_der() {
    let key = SigningKey::from_seed(&[1; 32]);
    let der = encode_der(&key); // ASCII all through, for this seed
    assert!(decode(&der, None).is_ok() && decode(encode_pem(&key).as_bytes(), None).is_ok());
    assert!(decode_pem(encode_pem(&key).as_bytes(), None).is_ok());
    assert_eq!(decode_pem(&der, None).unwrap_err().kind(), ErrorKind::ImportFailed);
}

proptest! {
    #[test]
    fn every_key_comes_back(seed: [u8; 32]) {
        let key = SigningKey::from_seed(&seed);
        for file in [encode_der(&key).to_vec(), encode_pem(&key).as_bytes().to_vec(), version_2(&key, &seed)] {
            let back = decode(&file, None).unwrap();
            prop_assert_eq!(back.did(), key.did());
            prop_assert_eq!(&encode_der(&back)[..], &encode_der(&key)[..]);
        }
    }

    /// Version 1 has no redundancy but its frame; in version 2 any altered bit is noticed.
    #[test]
    fn one_altered_byte_is_refused_or_another_key(seed: [u8; 32], at in 0..83_usize, xor in 1..=255_u8) {
        let key = SigningKey::from_seed(&seed);
        let mut v2 = version_2(&key, &seed);
        v2[at] ^= xor;
        prop_assert_eq!(decode(&v2, None).unwrap_err().kind(), ErrorKind::ImportFailed);
        if at < 48 {
            let mut v1 = encode_der(&key).to_vec();
            v1[at] ^= xor;
            match decode(&v1, None) {
                Ok(other) => prop_assert!(at >= 16 && other.did() != key.did()),
                Err(e) => prop_assert!(at < 16 && e.kind() == ErrorKind::ImportFailed),
            }
        }
    }

    #[test]
    fn noise_is_refused_without_panic(noise in prop::collection::vec(any::<u8>(), 0..300), tag: bool) {
        let mut noise = noise;
        if tag && !noise.is_empty() {
            noise[0] = 0x30;
        }
        prop_assert_eq!(decode(&noise, None).unwrap_err().kind(), ErrorKind::ImportFailed);
    }
}
