//! Keys: RFC 8032 known answers, the decisions of `verify` beside `verify_strict`, the cache.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::sync::Arc;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use data_encoding::HEXLOWER;
use ed25519_dalek::Signature;
use proptest::prelude::*;
use sha2::{Digest, Sha512};
use xbind::{ErrorKind, KeyCache, SigningKey, VerifyingKey};

fn hex<const N: usize>(text: &str) -> [u8; N] {
    HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
}

/// RFC 8032 section 7.1, TEST 1 to 3: seed, public key, message, signature.
const KNOWN_ANSWERS: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
         5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn known_answers_of_rfc_8032() {
    for [seed, public, message, signature] in KNOWN_ANSWERS {
        let key = SigningKey::from_seed(&hex(seed));
        let message = HEXLOWER.decode(message.as_bytes()).unwrap();
        assert_eq!(*key.did().public_key(), hex(public));
        assert_eq!(key.sign(&message), hex(signature));
        assert!(key.verifying_key().verify(&message, &hex(signature)));
    }
}

#[test]
fn debug_tells_nothing() {
    let key = SigningKey::from_seed(&hex(KNOWN_ANSWERS[0][0]));
    assert_eq!(format!("{key:?}"), "SigningKey(..)");
    assert_eq!(format!("{:?}", key.verifying_key()), "VerifyingKey(Did(z6Mk…MMsw))");
}

#[test]
fn keys_are_small_enough_to_keep_many() {
    assert!(size_of::<SigningKey>() <= 320, "{}", size_of::<SigningKey>());
    assert!(size_of::<VerifyingKey>() <= 288, "{}", size_of::<VerifyingKey>());
}

/// What `verify_strict` says, the reference for every decision.
fn strict(public: &[u8; 32], data: &[u8], signature: &[u8; 64]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(public)
        .is_ok_and(|key| key.verify_strict(data, &Signature::from_bytes(signature)).is_ok())
}

/// Ours: a key that is refused verifies nothing.
fn ours(public: &[u8; 32], data: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(public).is_ok_and(|key| key.verify(data, signature))
}

fn challenge(r: &[u8; 32], public: &[u8; 32], data: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(public).chain_update(data).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

fn join(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    [*r, *s].concat().try_into().unwrap()
}

fn scalar(n: u64) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(n.to_le_bytes()).into())
}

/// All encodings of the point that decompression accepts: with y + p if that fits, and with a signed zero.
fn encodings(point: EdwardsPoint) -> Vec<[u8; 32]> {
    let canonical = point.compress().to_bytes();
    let mut all = vec![canonical];
    let p_low = 0xed_u8;
    // y + p fits in 255 bits only if y < 19.
    if canonical[0] < 19 && canonical[1..31].iter().all(|b| *b == 0) && canonical[31] & 0x7f == 0 {
        let mut shifted = [0xff; 32];
        shifted[0] = p_low + canonical[0];
        shifted[31] = 0x7f | canonical[31];
        all.push(shifted);
    }
    for encoding in all.clone() {
        let mut signed = encoding;
        signed[31] ^= 0x80;
        if CompressedEdwardsY(signed).decompress() == Some(point) {
            all.push(signed);
        }
    }
    all
}

#[test]
fn small_order_points_have_fourteen_encodings_and_none_is_a_key() {
    let all: Vec<[u8; 32]> = EIGHT_TORSION.into_iter().flat_map(encodings).collect();
    assert_eq!(all.len(), 14);
    for public in all {
        assert_eq!(VerifyingKey::from_bytes(&public).unwrap_err().kind(), ErrorKind::InvalidKey);
        // R = identity, S = 0: the plain check takes this as a signature of some or all messages.
        let signature = join(&EdwardsPoint::default().compress().to_bytes(), &[0; 32]);
        for message in 0..16_u8 {
            assert!(!ours(&public, &[message], &signature) && !strict(&public, &[message], &signature));
        }
    }
}

/// Keys aB + T and points R = rB + T' for every pair of torsion points, in every encoding of R, with the S that solves
/// the equation without and with the cofactor: each decision is that of `verify_strict`, and both occur.
#[test]
fn mixed_torsion_is_decided_as_verify_strict_does() {
    let (mut accepted, mut refused) = (0, 0);
    for (i, key_torsion) in EIGHT_TORSION.into_iter().enumerate() {
        for (j, r_torsion) in EIGHT_TORSION.into_iter().enumerate() {
            // r = 0 makes R a point of small order.
            for (a, r) in [(scalar(1), scalar(2)), (scalar(3), Scalar::ZERO), (scalar(4), Scalar::ONE)] {
                let public = (a * B + key_torsion).compress().to_bytes();
                for r_bytes in encodings(r * B + r_torsion) {
                    for data in 0..8_u8 {
                        let data = [data, i.try_into().unwrap(), j.try_into().unwrap()];
                        let s = r + challenge(&r_bytes, &public, &data) * a;
                        let signature = join(&r_bytes, s.as_bytes());
                        let decision = ours(&public, &data, &signature);
                        assert_eq!(decision, strict(&public, &data, &signature), "{i} {j} {data:?}");
                        if decision { accepted += 1 } else { refused += 1 }
                    }
                }
            }
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}

/// With A in the prime-order group, R of small order and S = k·a: the equation holds when R is the identity.
#[test]
fn an_r_of_small_order_is_refused_although_the_equation_holds() {
    let seed = hex(KNOWN_ANSWERS[0][0]);
    let key = SigningKey::from_seed(&seed);
    let public = *key.did().public_key();
    let a = ed25519_dalek::hazmat::ExpandedSecretKey::from(&seed).scalar;
    let r = EdwardsPoint::default().compress().to_bytes();
    let signature = join(&r, (challenge(&r, &public, b"x") * a).as_bytes());
    let plain = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
    assert!(ed25519_dalek::Verifier::verify(&plain, b"x", &Signature::from_bytes(&signature)).is_ok());
    assert!(!strict(&public, b"x", &signature));
    assert!(!ours(&public, b"x", &signature));
}

/// S + L, S + 2L … sign the same; only S below L counts (RFC 8032 section 5.1.7).
#[test]
fn an_s_that_is_not_reduced_is_refused() {
    let order: [u8; 32] = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let key = SigningKey::from_seed(&[5; 32]);
    let mut signature = key.sign(b"x");
    assert!(key.verifying_key().verify(b"x", &signature));
    for _ in 0..8 {
        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = (sum & 0xff).try_into().unwrap();
            carry = sum >> 8;
        }
        assert!(!key.verifying_key().verify(b"x", &signature));
        assert!(!strict(key.did().public_key(), b"x", &signature));
    }
}

proptest! {
    #[test]
    fn a_signature_verifies_and_an_altered_one_does_not(
        seed: [u8; 32], data: Vec<u8>, at in 0..64_usize, xor in 1..=255_u8,
    ) {
        let key = SigningKey::from_seed(&seed);
        let mut signature = key.sign(&data);
        prop_assert!(key.verifying_key().verify(&data, &signature));
        prop_assert!(!SigningKey::from_seed(&[0; 32]).verifying_key().verify(&data, &signature));
        let mut longer = data.clone();
        longer.push(xor);
        prop_assert!(!key.verifying_key().verify(&longer, &signature));
        signature[at] ^= xor;
        prop_assert!(!key.verifying_key().verify(&data, &signature));
    }

    #[test]
    fn noise_is_decided_as_verify_strict_does(public: [u8; 32], r: [u8; 32], s: [u8; 32], data: Vec<u8>) {
        let signature = join(&r, &s);
        prop_assert_eq!(ours(&public, &data, &signature), strict(&public, &data, &signature));
    }
}

fn did(n: u8) -> String {
    SigningKey::from_seed(&[n; 32]).did().to_string()
}

#[test]
fn the_cache_gives_the_same_key_again() {
    let cache = KeyCache::new(8);
    let first = cache.get(&did(1)).unwrap();
    assert_eq!(first.did().as_str(), did(1));
    assert!(Arc::ptr_eq(&first, &cache.get(&did(1)).unwrap()));
}

#[test]
fn the_cache_keeps_what_is_asked_for_and_no_more_than_its_capacity() {
    let cache = KeyCache::new(8);
    let favourite = cache.get(&did(0)).unwrap();
    let others: Vec<_> = (1..=200)
        .map(|n| {
            assert!(Arc::ptr_eq(&favourite, &cache.get(&did(0)).unwrap()), "forgotten after {n}");
            Arc::downgrade(&cache.get(&did(n)).unwrap())
        })
        .collect();
    let alive = others.iter().filter(|key| key.strong_count() > 0).count();
    assert!((1..=8).contains(&alive), "{alive}");
    assert!(cache.get(&did(1)).is_ok(), "a forgotten key is read again");
}

#[test]
fn the_cache_finds_the_exact_text_only() {
    let cache = KeyCache::new(8);
    let text = did(1);
    cache.get(&text).unwrap();
    let fragment = format!("{text}#{}", &text[8..]);
    let versioned = text.replace("did:key:", "did:key:1:");
    for alias in [text.to_uppercase(), format!(" {text}"), fragment, versioned, text[8..].to_owned(), String::new()] {
        assert_eq!(cache.get(&alias).unwrap_err().kind(), ErrorKind::InvalidDid, "{alias}");
    }
}

#[test]
fn a_cache_without_room_still_answers() {
    for capacity in [0, 1, 2, 3] {
        let cache = KeyCache::new(capacity);
        for n in [1, 2, 3, 1, 2, 3] {
            assert_eq!(cache.get(&did(n)).unwrap().did().as_str(), did(n));
        }
    }
}

#[test]
fn threads_share_a_cache() {
    let cache = KeyCache::new(4);
    std::thread::scope(|scope| {
        for start in 0..4_u8 {
            let cache = &cache;
            scope.spawn(move || {
                for n in 0..100 {
                    let wanted = did((start + n) % 7);
                    assert_eq!(cache.get(&wanted).unwrap().did().as_str(), wanted);
                }
            });
        }
    });
}
