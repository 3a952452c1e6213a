//! Nothing makes the parser of cards panic; what it accepts was signed by whom it names, is within bounds, and can be said again.
#![no_main]

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
    let at = json.iter().position(|byte| *byte == 0).unwrap_or(json.len());
    check(&signed(&json[..at], json.get(at + 1..).unwrap_or_default()));
}

/// The claims, `@` standing for the DID that signs them, under an honest header.
fn as_claims(claims: &[u8]) {
    let did = KEY.did();
    let header = format!(r#"{{"alg":"EdDSA","kid":"{did}#{}","typ":"agent-card+jwt"}}"#, did.multibase());
    check(&signed(header.as_bytes(), String::from_utf8_lossy(claims).replace('@', did.as_str()).as_bytes()));
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

fn signed(header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", base64url(header), base64url(claims));
    format!("{input}.{}", base64url(&KEY.sign(input.as_bytes())))
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}
