//! The verifier that remembers for itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics fails")]

mod common;

use common::{NOW, draft, recipient, sender, verdict};
use std::collections::HashSet;
use xbind::{Authentic, Draft, MessageVerifier, Op, Opening, Policy, SigningKey, seal};

fn verifier(of: &SigningKey, allowed: Option<&SigningKey>, asks: bool) -> MessageVerifier {
    let policy = Policy {
        audience: *of.did(),
        clock_skew: 30,
        max_lifetime: 300,
        mail: None,
        secrecy: xbind::Secrecy::None,
        max_body: 1 << 20,
        track_replies: true,
        session: None,
    };
    MessageVerifier::new(policy, 10, allowed.map(|key| HashSet::from([*key.did()])), asks)
}

fn waiting<B>(opening: Opening<B>) -> Authentic {
    match opening {
        Opening::Waits(message) => message,
        Opening::Accepted(_) => panic!("nobody was asked"),
    }
}

#[test]
fn a_message_opens_once() {
    let verifier = verifier(&recipient(), None, false);
    let sealed = seal(&sender(), &draft(1, b"1")).unwrap();
    assert!(matches!(verifier.open(NOW, &sealed.jws, b"1", None), Ok(Opening::Accepted(_))));
    assert_eq!(verdict(&verifier.open(NOW, &sealed.jws, b"1", None)), "REPLAYED");
}

#[test]
fn whom_it_does_not_know_it_does_not_take() {
    let sealed = seal(&sender(), &draft(1, b"1")).unwrap();
    let opened = verifier(&recipient(), Some(&recipient()), false).open(NOW, &sealed.jws, b"1", None).map(|_| ());
    assert_eq!(verdict(&opened), "NOT_ALLOWED");
    let opened = verifier(&recipient(), Some(&sender()), false).open(NOW, &sealed.jws, b"1", None).map(|_| ());
    assert_eq!(verdict(&opened), "accepted");
}

#[test]
fn one_that_asks_takes_nothing_before() {
    let verifier = verifier(&recipient(), None, true);
    let sealed = seal(&sender(), &draft(1, b"1")).unwrap();
    for _ in 0..2 {
        waiting(verifier.open(NOW, &sealed.jws, b"1", None).unwrap());
    }
    let message = waiting(verifier.open(NOW, &sealed.jws, b"1", None).unwrap());
    assert_eq!(verdict(&verifier.accept(message, NOW, b"2", None, None)), "INVALID_SIGNATURE");
    let message = waiting(verifier.open(NOW, &sealed.jws, b"1", None).unwrap());
    assert_eq!(verdict(&verifier.accept(message, NOW, b"1", None, None)), "accepted");
    assert_eq!(verdict(&verifier.open(NOW, &sealed.jws, b"1", None).map(waiting)), "accepted");
    let again = waiting(verifier.open(NOW, &sealed.jws, b"1", None).unwrap());
    assert_eq!(verdict(&verifier.accept(again, NOW, b"1", None, None)), "REPLAYED");
}

#[test]
fn a_reply_waits_for_its_call_and_so_does_what_the_caller_adds() {
    let call = seal(&sender(), &draft(1, b"1")).unwrap();
    let other = seal(&sender(), &draft(2, b"1")).unwrap();
    let about =
        |op, to: &SigningKey, n| Draft { op, to: *to.did(), in_reply_to: Some(call.reference()), ..draft(n, b"") };
    let reply = seal(&recipient(), &about(Op::Result, &sender(), 3)).unwrap();
    let caller = verifier(&sender(), None, false);
    for (of, verdict_of) in [(None, "REPLY_MISMATCH"), (Some(&other), "REPLY_MISMATCH"), (Some(&call), "accepted")] {
        let message = waiting(caller.open(NOW, &reply.jws, b"", None).unwrap());
        let call = of.map(|call| call.jws.as_str());
        assert_eq!(verdict(&caller.accept(message, NOW, b"", None, call)), verdict_of);
    }
    let cancel = seal(&sender(), &about(Op::Cancel, &recipient(), 4)).unwrap();
    let asked = verifier(&recipient(), None, false);
    for (of, verdict_of) in [(None, "REPLY_MISMATCH"), (Some(&other), "REPLY_MISMATCH"), (Some(&call), "accepted")] {
        let message = waiting(asked.open(NOW, &cancel.jws, b"", None).unwrap());
        let call = of.map(|call| call.jws.as_str());
        assert_eq!(verdict(&asked.accept(message, NOW, b"", None, call)), verdict_of);
    }
}
