//! Encrypted bodies: the suite of RFC 9180, the known answers, and what does not open.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use common::{NOW, Verifier, draft, run_cases, vectors, verdict};
use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, setup_receiver};
use proptest::prelude::*;
use serde_json::Value;
use xbind::message::encryption::{ANSWER_OVERHEAD, ASKED_OVERHEAD};
use xbind::{
    DecryptionKey, Details, Did, Draft, EncryptionKey, Envelope, ErrorKind, MessageId, Secrecy, SigningKey,
    VerifyingKey, encrypt, open, seal,
};

fn hex(text: &str) -> Vec<u8> {
    HEX.decode(text.as_bytes()).unwrap()
}

fn bytes<const N: usize>(text: &Value) -> [u8; N] {
    hex(text.as_str().unwrap()).try_into().unwrap()
}

fn did(text: &Value) -> Did {
    *VerifyingKey::from_did(text.as_str().unwrap()).unwrap().did()
}

fn envelopes() -> (Envelope, Envelope) {
    let [from, to] = [1, 2].map(|n| *SigningKey::from_seed(&[n; 32]).did());
    let id = MessageId::from_bytes([1; 16]);
    (Envelope { from, to, id }, Envelope { from: to, to: from, id: MessageId::from_bytes([2; 16]) })
}

/// RFC 9180 appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode.
#[test]
fn the_suite_is_that_of_the_rfc() {
    let (ikm_r, ikm_e) = (
        "1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df",
        "909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b",
    );
    let public = "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a";
    let encapsulated = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";
    assert_eq!(DecryptionKey::derive(&hex(ikm_r).try_into().unwrap()).public().as_bytes().as_slice(), hex(public));
    let (private, _) = X25519HkdfSha256::derive_keypair(&hex(ikm_r));
    // The encapsulated key is the one that the randomness makes.
    let key = EncryptionKey::from_bytes(hex(public).try_into().unwrap());
    let sent = encrypt(&key, &envelopes().0, b"", None, &hex(ikm_e).try_into().unwrap()).unwrap();
    assert_eq!(sent.body[..32], hex(encapsulated));
    let mut context = setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &private,
        &<X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&hex(encapsulated)).unwrap(),
        &hex("4f6465206f6e2061204772656369616e2055726e"),
    )
    .unwrap();
    for (aad, text) in [
        (
            "436f756e742d30",
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
        ),
        (
            "436f756e742d31",
            "6b53c051e4199c518de79594e1c4ab18b96f081549d45ce015be002090bb119e85285337cc95ba5f59992dc98c",
        ),
    ] {
        assert_eq!(context.open(&hex(text), &hex(aad)).unwrap(), b"Beauty is truth, truth beauty");
    }
    let mut exported = [0; 32];
    context.export(b"TestContext", &mut exported).unwrap();
    assert_eq!(exported.as_slice(), hex("5acb09211139c43b3090489a9da433e8a30ee7188ba8b0a9a1ccf0c229283e53"));
}

#[test]
fn known_answers_byte_for_byte() {
    let file = vectors("nats.json");
    let known = &file["encryption"]["known"];
    let key = DecryptionKey::derive(&bytes(&known["ikm"]));
    assert_eq!(key.public().as_bytes(), &bytes(&known["key"]));
    assert_eq!(key.public().digest().text(), known["enc"]);
    let id = |text: &Value| MessageId::parse(text.as_str().unwrap()).unwrap();
    let asked = Envelope { from: did(&known["from"]), to: did(&known["to"]), id: id(&known["jti"]) };
    let (plain, token) = (known["plain"].as_str().unwrap(), known["plainToken"].as_str());
    let sent = encrypt(key.public(), &asked, plain.as_bytes(), token, &bytes(&known["randomness"])).unwrap();
    assert_eq!(
        (sent.body.clone(), sent.token.as_deref()),
        (hex(known["body"].as_str().unwrap()), known["token"].as_str())
    );
    assert_eq!((sent.key, sent.body.len()), (key.public().digest(), plain.len() + ASKED_OVERHEAD));
    let read = opened(&key, &asked, &sent.body, sent.token.as_deref()).unwrap();
    assert_eq!((read.body.as_slice(), read.token.as_deref()), (plain.as_bytes(), token));
    let answer = Envelope { from: asked.to, to: asked.from, id: id(&known["answer"]["jti"]) };
    let said = known["answer"]["plain"].as_str().unwrap().as_bytes();
    let text = read.answers.seal(&answer, said).unwrap();
    assert_eq!(
        (text.clone(), text.len()),
        (hex(known["answer"]["body"].as_str().unwrap()), said.len() + ANSWER_OVERHEAD)
    );
    assert_eq!(sent.answers.open(&answer, &text).unwrap(), said);
    for wrong in known["wrong"].as_array().unwrap() {
        let body = hex(wrong["body"].as_str().unwrap());
        let refused = opened(&key, &asked, &body, wrong["token"].as_str()).map(drop);
        assert_eq!(verdict(&refused), "DECRYPTION_FAILED", "{}", wrong["why"]);
    }
}

/// Opens the body of a message that was sealed so.
fn opened(key: &DecryptionKey, sent: &Envelope, body: &[u8], token: Option<&str>) -> xbind::Result<xbind::Decrypted> {
    let (from, to) = keys_of(sent);
    let details = Details { encryption: Some(key.public().digest()), ..Details::default() };
    let sealed = seal(&from, &Draft { to: *to.did(), id: sent.id, token, details, ..draft(0, body) }).unwrap();
    let mut home = Verifier::new(to.did());
    home.policy.secrecy = Secrecy::Required(key.public().digest());
    let message = open(&home.recipient(), NOW, &sealed.jws, body, token, |_, _| None).unwrap();
    key.decrypt(&message, token)
}

fn keys_of(sent: &Envelope) -> (SigningKey, SigningKey) {
    let key = |did: &Did| (0..=99).map(|n| SigningKey::from_seed(&[n; 32])).find(|key| key.did() == did).unwrap();
    (key(&sent.from), key(&sent.to))
}

#[test]
fn every_message_gets_its_verdict() {
    let file = vectors("nats.json");
    for part in [&file["encryption"], &file["encryption"]["replies"]] {
        let (wrong, refused) = run_cases(part);
        assert_eq!(wrong, Vec::<String>::new());
        assert!(refused >= 6, "only {refused} refusals");
    }
}

#[test]
fn nobody_signs_anothers_ciphertext_as_his_own() {
    let key = DecryptionKey::derive(&[7; 32]);
    let (asked, _) = envelopes();
    let sent = encrypt(key.public(), &asked, b"{}", None, &[8; 32]).unwrap();
    assert!(opened(&key, &asked, &sent.body, None).is_ok());
    let thief = *SigningKey::from_seed(&[9; 32]).did();
    for forged in [
        Envelope { from: thief, ..asked },
        Envelope { to: thief, ..asked },
        Envelope { from: asked.to, to: asked.from, ..asked },
        Envelope { id: MessageId::from_bytes([3; 16]), ..asked },
    ] {
        assert_eq!(opened(&key, &forged, &sent.body, None).map(drop).unwrap_err().kind(), ErrorKind::DecryptionFailed);
    }
    let other = DecryptionKey::derive(&[10; 32]);
    assert_eq!(opened(&other, &asked, &sent.body, None).map(drop).unwrap_err().kind(), ErrorKind::DecryptionFailed);
}

#[test]
fn a_message_that_names_another_key_is_not_decrypted() {
    let (key, other) = (DecryptionKey::derive(&[7; 32]), DecryptionKey::derive(&[10; 32]));
    let (asked, _) = envelopes();
    let (from, to) = keys_of(&asked);
    let sent = encrypt(key.public(), &asked, b"{}", None, &[8; 32]).unwrap();
    for named in [None, Some(other.public().digest())] {
        let details = Details { encryption: named, ..Details::default() };
        let sealed = seal(&from, &Draft { to: *to.did(), id: asked.id, details, ..draft(0, &sent.body) }).unwrap();
        let mut home = Verifier::new(to.did());
        home.policy.secrecy = Secrecy::Offered(other.public().digest());
        let message = open(&home.recipient(), NOW, &sealed.jws, sent.body.as_slice(), None, |_, _| None).unwrap();
        assert_eq!(key.decrypt(&message, None).map(drop).unwrap_err().kind(), ErrorKind::DecryptionFailed);
    }
}

#[test]
fn an_answer_opens_as_that_answer_alone() {
    let key = DecryptionKey::derive(&[7; 32]);
    let (asked, answer) = envelopes();
    let sent = encrypt(key.public(), &asked, b"{}", None, &[8; 32]).unwrap();
    let read = opened(&key, &asked, &sent.body, None).unwrap();
    let text = read.answers.duplicate().seal(&answer, b"yes").unwrap();
    assert_eq!(sent.answers.open(&answer, &text).unwrap(), b"yes");
    let another = encrypt(key.public(), &asked, b"{}", None, &[11; 32]).unwrap();
    let fails = |answers: &xbind::AnswerKey, answer: &Envelope, text: &[u8]| {
        assert_eq!(answers.open(answer, text).unwrap_err().kind(), ErrorKind::DecryptionFailed);
    };
    fails(&another.answers, &answer, &text);
    fails(&sent.answers, &Envelope { id: MessageId::from_bytes([4; 16]), ..answer }, &text);
    fails(&sent.answers, &Envelope { from: answer.to, to: answer.from, ..answer }, &text);
    fails(&sent.answers, &answer, &text[1..]);
    fails(&sent.answers, &answer, b"");
    assert_eq!(format!("{:?} {:?}", key, sent.answers), "DecryptionKey(..) AnswerKey(..)");
}

#[test]
fn nothing_is_encrypted_to_a_key_of_small_order() {
    let (asked, _) = envelopes();
    for first in [0, 1] {
        let mut bytes = [0; 32];
        bytes[0] = first;
        let refused = encrypt(&EncryptionKey::from_bytes(bytes), &asked, b"", None, &[8; 32]).map(drop);
        assert_eq!(verdict(&refused), "INVALID_KEY");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encrypted_is_read(body in prop::collection::vec(any::<u8>(), 0..300), token in prop::option::of("[!-~]{0,60}"), ikm: [u8; 32], fresh: [u8; 32]) {
        let key = DecryptionKey::derive(&ikm);
        let (asked, answer) = envelopes();
        let sent = encrypt(key.public(), &asked, &body, token.as_deref(), &fresh).unwrap();
        let read = opened(&key, &asked, &sent.body, sent.token.as_deref()).unwrap();
        prop_assert_eq!((&read.body, &read.token), (&body, &token));
        prop_assert_eq!(sent.answers.open(&answer, &read.answers.seal(&answer, &body).unwrap()).unwrap(), body);
    }
}
