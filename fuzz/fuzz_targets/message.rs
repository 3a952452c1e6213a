//! No message makes opening panic, and what it accepts was signed by its sender and is accepted once.
#![no_main]

mod forge;

use forge::{base64url, segments, signed};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use xbind::message::payload;
use xbind::{
    Caches, DecryptionKey, Draft, ErrorKind, MessageId, Op, Policy, Recipient, ReplayWindow, RootCache, Secrecy, SenderCache,
    SigningKey, Unsigned, open, seal};

const NOW: u64 = 1_735_689_600;

static SENDER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[1; 32]));
static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    audience: *SigningKey::from_seed(&[2; 32]).did(),
    clock_skew: 30,
    max_lifetime: 300,
    mail: None,
    secrecy: Secrecy::None,
    max_body: 1 << 20,
    track_replies: true,
    session: None,
});
static KNOWN: LazyLock<Caches> =
    LazyLock::new(|| Caches { senders: SenderCache::new(64), roots: RootCache::new(64) });

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => as_jws(rest),
        1 => as_signed_segments(rest),
        2 => as_place_in_a_batch(rest),
        _ => {
            as_payload(rest);
            as_encrypted(rest);
        }
    }
});

/// The whole text of a message.
fn as_jws(text: &[u8]) {
    if let Ok(jws) = str::from_utf8(text) {
        check(jws);
    }
}

/// Header and claims, parted by a zero byte, under an honest signature: whatever they hold gets past it.
fn as_signed_segments(json: &[u8]) {
    let (header, claims) = segments(json);
    check(&signed(&SENDER, header, claims));
}

/// The third segment of an honest message of three.
fn as_place_in_a_batch(third: &[u8]) {
    let drafts = [0, 1, 2].map(|n| Draft {
        op: Op::Call,
        to: POLICY.audience,
        id: MessageId::from_bytes([n; 16]),
        issued_at: NOW,
        ttl: 30,
        content_type: "application/json",
        body: b"",
        token: None,
        in_reply_to: None,
        details: xbind::Details::default(),
    });
    let unsigned = Unsigned::new(SENDER.did(), &drafts).expect("honest drafts");
    let signature = SENDER.sign(unsigned.to_sign());
    let sealed = unsigned.finish(&signature).swap_remove(1);
    let (input, honest) = sealed.jws.rsplit_once('.').expect("a third segment");
    let third = base64url(third);
    let accepted = check(&format!("{input}.{third}"));
    assert_eq!(accepted, third == honest, "another place in the batch");
}

fn as_payload(text: &[u8]) {
    if let Ok(text) = str::from_utf8(text) {
        let _ = payload::check_json(text);
    }
}

/// The body of a message that says it is encrypted: nobody makes one that opens without encrypting it.
fn as_encrypted(body: &[u8]) {
    let key = DecryptionKey::derive(&[7; 32]);
    let (own, token) = (key.public().digest(), str::from_utf8(body).ok());
    let draft = Draft {
        op: Op::Call,
        to: POLICY.audience,
        id: MessageId::from_bytes([5; 16]),
        issued_at: NOW,
        ttl: 30,
        content_type: "application/json",
        body,
        token,
        in_reply_to: None,
        details: xbind::Details { encryption: Some(own), ..xbind::Details::default() },
    };
    let sealed = seal(&SENDER, &draft).expect("an honest draft");
    let policy = Policy { secrecy: Secrecy::Required(own), ..*POLICY };
    let window = ReplayWindow::new(1);
    let recipient = Recipient { policy: &policy, known: &KNOWN, replay: &window, refused: &|_, _| None };
    let message = open(&recipient, NOW, &sealed.jws, body, token, |_, _| None).expect("what was sealed");
    let refused = key.decrypt(&message, token).map(drop).expect_err("made without the key");
    assert_eq!(refused.kind(), ErrorKind::DecryptionFailed);
}

/// Opens it with an empty body, twice.
fn check(jws: &str) -> bool {
    let window = ReplayWindow::new(1);
    let recipient = Recipient { policy: &POLICY, known: &KNOWN, replay: &window, refused: &|_, _| None };
    let open = || open(&recipient, NOW, jws, b"", None, |_, _| None);
    let Ok(message) = open() else { return false };
    assert_eq!(message.to(), &POLICY.audience);
    assert_ne!(message.from(), message.to());
    assert!(message.issued_at() < message.expires_at() && message.expires_at() - message.issued_at() <= 300);
    assert!(matches!(message.op(), Op::Call | Op::Send), "no call waits for an answer");
    assert_eq!(open().map(|_| ()).unwrap_err().kind(), ErrorKind::Replayed);
    true
}
