//! When a recipient is asked about senders and calls, and what takes a place in its window.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics fails")]

mod common;

use common::{NOW, Verifier, draft, recipient, sender, verdict};
use std::cell::RefCell;
use xbind::{Did, Digest, Draft, ErrorKind, InReplyTo, MessageId, Op, PendingCall, Recipient, SigningKey, open, seal};

fn reply(from: &SigningKey, to: &Did, request: InReplyTo) -> String {
    seal(from, &Draft { op: Op::Result, to: *to, in_reply_to: Some(request), ..draft(9, b"[]") }).unwrap().jws
}

#[test]
fn who_sent_it_is_asked_of_the_signed_alone_and_before_all_else() {
    let home = Verifier::new(sender().did());
    let request = seal(&sender(), &draft(1, b"null")).unwrap();
    let answer = reply(&recipient(), sender().did(), request.reference());
    let asked = RefCell::new(Vec::new());
    let refused = |from: &Did, issued_at: u64| {
        asked.borrow_mut().push((*from, issued_at));
        Some(ErrorKind::Revoked)
    };
    let strict = Recipient { refused: &refused, ..home.recipient() };
    let pending = |_, _: &MessageId| panic!("nobody looks for the call of a sender that is refused");

    let forged = answer.rsplit_once('.').map(|(input, _)| format!("{input}.{}", "A".repeat(86))).unwrap();
    assert_eq!(verdict(&open(&strict, NOW, &forged, b"[]", None, pending)), "INVALID_SIGNATURE");
    assert_eq!(verdict(&open(&strict, NOW + 60, &answer, b"[]", None, pending)), "MESSAGE_EXPIRED");
    assert!(asked.borrow().is_empty());
    let error = open(&strict, NOW, &answer, b"another body", None, pending).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Revoked);
    assert_eq!(error.message(), format!("{} was revoked", recipient().did()));
    assert_eq!(*asked.borrow(), [(*recipient().did(), NOW)]);
    assert!(home.window.is_empty());
}

#[test]
fn replies_to_nothing_take_no_place() {
    let home = Verifier::new(sender().did());
    let request = seal(&sender(), &draft(1, b"null")).unwrap();
    let asked = PendingCall::of(&request.id, &request.jws).unwrap();
    let right = reply(&recipient(), sender().did(), request.reference());
    let other_digest = InReplyTo { digest: Digest::of(b""), ..request.reference() };
    let stranger = SigningKey::from_seed(&[3; 32]);
    for (jws, pending) in [
        (&right, None),
        (&reply(&stranger, sender().did(), request.reference()), Some(asked)),
        (&reply(&recipient(), sender().did(), other_digest), Some(asked)),
    ] {
        assert_eq!(verdict(&open(&home.recipient(), NOW, jws, b"[]", None, |_, _| pending)), "REPLY_MISMATCH");
        assert!(home.window.is_empty());
    }
    assert_eq!(verdict(&open(&home.recipient(), NOW, &right, b"[", None, |_, _| Some(asked))), "INVALID_SIGNATURE");
    assert!(home.window.is_empty(), "the place was given up");
    assert_eq!(verdict(&open(&home.recipient(), NOW, &right, b"[]", None, |_, _| Some(asked))), "accepted");
    assert_eq!(verdict(&open(&home.recipient(), NOW, &right, b"[]", None, |_, _| Some(asked))), "REPLAYED");
}

#[test]
fn a_call_is_what_an_answer_names() {
    let [first, second] = [1, 2].map(|n| seal(&sender(), &draft(n, b"null")).unwrap());
    assert!(PendingCall::of(&first.id, &first.jws).is_some());
    assert!(PendingCall::of(&first.id, &second.jws).is_none(), "the JWS of another call");
    assert!(PendingCall::of(&first.id, "").is_none());
}
