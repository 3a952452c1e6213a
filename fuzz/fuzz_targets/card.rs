//! Nothing makes the parser of cards panic; what it accepts was signed by whom it names, is within bounds, and can be said again.
#![no_main]

mod forge;

use forge::{header, segments, signed};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use xbind::message::card::{MAX_ADDRESSES, MAX_CARD_BYTES, MAX_METHODS, is_offered};
use xbind::{Card, CardDraft, ErrorKind, SigningKey};

const NOW: u64 = 1_735_689_600;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[2; 32]));

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => {
            if let Ok(text) = str::from_utf8(rest) {
                check(text);
            }
        }
        1 => as_signed_segments(rest),
        _ => as_claims(rest),
    }
});

/// Header and claims, parted by a zero byte, under an honest signature: whatever they hold gets past it.
fn as_signed_segments(json: &[u8]) {
    let (header, claims) = segments(json);
    check(&signed(&KEY, header, claims));
}

/// The claims, `@` standing for the DID that signs them, under an honest header.
fn as_claims(claims: &[u8]) {
    let claims = String::from_utf8_lossy(claims).replace('@', KEY.did().as_str());
    check(&signed(&KEY, &header(&KEY, "agent-card+jwt"), claims.as_bytes()));
}

fn check(text: &str) {
    let card = match Card::verify(text, None, NOW, 30) {
        Ok(card) => card,
        Err(error) => {
            let kinds = [ErrorKind::InvalidToken, ErrorKind::TokenExpired, ErrorKind::TokenNotYetValid];
            assert!(kinds.contains(&error.kind()), "{error}");
            return;
        }
    };
    assert!(text.len() <= MAX_CARD_BYTES && card.methods().len() <= MAX_METHODS && card.addresses().len() <= MAX_ADDRESSES);
    assert!(card.methods().iter().all(|method| is_offered(&method.name)));
    let other = SigningKey::from_seed(&[9; 32]);
    let foreign = Card::verify(text, Some(other.did()), NOW, 30).expect_err("another agent's");
    assert_eq!(foreign.kind(), ErrorKind::UntrustedIssuer);
    let draft = CardDraft {
        name: card.name(),
        methods: card.methods(),
        addresses: card.addresses(),
        ttl: card.expires_at() - card.issued_at(),
        now: card.issued_at(),
    };
    // Said again it may be longer, where the text left members out of their order or spelled them shorter.
    if let Ok(again) = draft.sign(&KEY) {
        let again = Card::verify(&again, Some(KEY.did()), NOW, 30).expect("what was accepted before");
        assert_eq!((again.methods(), again.addresses(), again.name()), (card.methods(), card.addresses(), card.name()));
    }
}
