//! The Ed25519 attack vectors of Project Wycheproof, and agreement with `verify_strict` on each.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use ed25519_dalek::Signature;
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};
use xbind::VerifyingKey;

#[test]
fn every_vector() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let public: [u8; 32] = group.key.pk[..].try_into().unwrap();
        let key = VerifyingKey::from_bytes(&public).unwrap();
        let strict = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
        for test in &group.tests {
            // A signature of another length cannot even be asked about.
            let accepted = match test.sig[..].try_into() {
                Ok(signature) => {
                    let accepted = key.verify(&test.msg, &signature);
                    let by_strict = strict.verify_strict(&test.msg, &Signature::from_bytes(&signature)).is_ok();
                    assert_eq!(accepted, by_strict, "{} {}", test.tc_id, test.comment);
                    accepted
                }
                Err(_) => false,
            };
            assert_eq!(accepted, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
            if accepted { valid += 1 } else { invalid += 1 }
        }
    }
    assert!(valid > 50 && invalid > 50, "{valid} valid, {invalid} invalid");
}
