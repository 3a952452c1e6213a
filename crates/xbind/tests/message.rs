//! Sealing and opening one message.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use common::{NOW, Verifier, batch, draft, recipient, sender, vectors, verdict};
use data_encoding::HEXLOWER;
use xbind::message::MAX_JWS_BYTES;
use xbind::{
    Details, Digest, Draft, ErrorKind, Hashed, InReplyTo, MessageId, Op, PendingCall, SigningKey, Unsigned, open, seal,
};

fn key(seed: &str) -> SigningKey {
    SigningKey::from_seed(&HEXLOWER.decode(seed.as_bytes()).unwrap().try_into().unwrap())
}

/// RFC 8032 section 7.1, TEST 1 and TEST 2.
fn known_keys() -> (SigningKey, SigningKey) {
    (
        key("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
        key("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
    )
}

#[test]
fn known_answers_byte_for_byte() {
    let answers = vectors("message-v1-known-answer.json");
    let (a, b) = known_keys();
    let text = |message: &str, member: &str| answers[message][member].as_str().unwrap().to_owned();

    let request_body = text("request", "bodyUtf8");
    let mut asked = draft(0, request_body.as_bytes());
    asked.to = *b.did();
    asked.id = MessageId::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let request = seal(&a, &asked).unwrap();
    assert_eq!(request.jws, text("request", "jws"));
    assert_eq!(request.id.text(), "AAECAwQFBgcICQoLDA0ODw");
    assert_eq!(HEXLOWER.encode(Digest::of(request_body.as_bytes()).as_bytes()), text("request", "bodySha256"));

    let reply_body = text("response", "bodyUtf8");
    let mut answered = draft(0, reply_body.as_bytes());
    answered.op = Op::Result;
    answered.to = *a.did();
    answered.id = MessageId::from_bytes(std::array::from_fn(|n| u8::try_from(n + 16).unwrap()));
    answered.issued_at = NOW + 1;
    answered.in_reply_to = Some(request.reference());
    let unsigned = Unsigned::new(b.did(), &[answered]).unwrap();
    assert_eq!(unsigned.to_sign(), text("response", "signingInput").as_bytes());
    assert_eq!(seal(&b, &answered).unwrap().jws, text("response", "jws"));
}

#[test]
fn mail_lives_as_long_as_its_mailbox_allows() {
    let mail = Draft { op: Op::Mail, ttl: 604_800, ..draft(7, b"{}") };
    let sealed = seal(&sender(), &mail).unwrap();
    let mut verifier = Verifier::new(recipient().did());
    let open = |verifier: &Verifier| {
        open(&verifier.recipient(), NOW + 600_000, &sealed.jws, b"{}".as_slice(), None, |_, _| None)
    };
    assert_eq!(verdict(&open(&verifier)), "MALFORMED_MESSAGE");
    verifier.policy.mail = Some(604_800);
    assert_eq!(open(&verifier).unwrap().op(), Op::Mail);
    assert_eq!(verdict(&open(&verifier)), "REPLAYED");
    assert!(PendingCall::of(&sealed.id, &sealed.jws).is_none(), "nothing answers it");
}

#[test]
fn what_was_sealed_is_what_opens() {
    let body = b"{\"a\":1}";
    let mut draft = draft(7, body);
    draft.content_type = "text/plain; note=\"a \\\"quoted\\\" word\"";
    draft.token = Some("a.b.c");
    let sealed = seal(&sender(), &draft).unwrap();
    let verifier = Verifier::new(recipient().did());
    let opened = open(&verifier.recipient(), NOW, &sealed.jws, body.to_vec(), Some("a.b.c"), |_, _| None).unwrap();
    assert_eq!(*opened.id(), draft.id);
    assert_eq!(opened.op(), Op::Call);
    assert_eq!(opened.from(), sender().did());
    assert_eq!(opened.to(), recipient().did());
    assert_eq!(opened.content_type(), draft.content_type);
    assert_eq!((opened.issued_at(), opened.expires_at()), (NOW, NOW + 30));
    assert_eq!(opened.in_reply_to(), None);
    assert_eq!(opened.into_body(), body);
}

#[test]
fn hashed_bytes_are_taken_for_themselves_alone() {
    let (body, other) = (Hashed::from(b"{\"a\":1}".to_vec()), Hashed::from(b"{\"a\":2}".to_vec()));
    let Draft { op, to, id, issued_at, ttl, content_type, .. } = draft(7, b"");
    let (token, in_reply_to, details) = (None, None, Details::default());
    let hashed = Draft { op, to, id, issued_at, ttl, content_type, body: &body, token, in_reply_to, details };
    let sealed = seal(&sender(), &hashed).unwrap();
    assert_eq!(sealed.jws, seal(&sender(), &draft(7, b"{\"a\":1}")).unwrap().jws);
    let verifier = Verifier::new(recipient().did());
    let open = |body: Hashed| open(&verifier.recipient(), NOW, &sealed.jws, body, None, |_, _| None);
    assert_eq!(verdict(&open(other.clone())), "INVALID_SIGNATURE");
    seal(&sender(), &Draft { body: &other, ..hashed }).unwrap();
    assert_eq!(verdict(&open(other)), "INVALID_SIGNATURE", "also when its digest is known");
    assert_eq!(open(body.clone()).unwrap().plain().into_body(), b"{\"a\":1}");
    assert_eq!(format!("{body:?}"), "Hashed(7 bytes)");
}

#[test]
fn a_call_and_its_answer() {
    let (asker, answerer) = (sender(), recipient());
    let call = seal(&asker, &draft(1, b"null")).unwrap();
    let received = Verifier::new(answerer.did()).open(&call.jws, b"null").unwrap();
    for (n, op) in [(2, Op::Result), (3, Op::Error)] {
        let reply = Draft {
            op,
            to: *received.from(),
            in_reply_to: Some(InReplyTo::of(*received.id(), &call.jws)),
            ..draft(n, b"[]")
        };
        let reply = seal(&answerer, &reply).unwrap();
        let home = Verifier::new(asker.did());
        let pending = |_, id: &MessageId| (*id == call.id).then(|| PendingCall::of(&call.id, &call.jws).unwrap());
        let opened = open(&home.recipient(), NOW, &reply.jws, b"[]", None, pending).unwrap();
        assert_eq!(opened.in_reply_to(), Some(&call.id));
        assert_eq!(home.window.len(), 1);
    }
}

#[test]
fn replies_are_tracked_only_if_asked() {
    let (asker, answerer) = (sender(), recipient());
    let call = seal(&asker, &draft(1, b"")).unwrap();
    let reply = Draft { op: Op::Result, to: *asker.did(), in_reply_to: Some(call.reference()), ..draft(2, b"") };
    let reply = seal(&answerer, &reply).unwrap();
    let mut home = Verifier::new(asker.did());
    home.policy.track_replies = false;
    let asked = PendingCall::of(&call.id, &call.jws).unwrap();
    for _ in 0..2 {
        assert!(open(&home.recipient(), NOW, &reply.jws, b"", None, |_, _| Some(asked)).is_ok());
    }
    assert!(home.window.is_empty());
}

#[test]
fn bad_drafts_are_refused_before_anything_is_signed() {
    let good = draft(1, b"");
    let reply = Some(InReplyTo { id: good.id, digest: Digest::of(b"") });
    let long = format!("text/{}", "x".repeat(123));
    let malformed = [
        Draft { ttl: 0, ..good },
        Draft { ttl: 301, ..good },
        Draft { op: Op::Mail, ttl: 604_801, ..good },
        Draft { issued_at: u64::MAX, ..good },
        Draft { op: Op::Result, ..good },
        Draft { op: Op::Error, ..good },
        Draft { in_reply_to: reply, ..good },
        Draft { op: Op::Send, in_reply_to: reply, ..good },
        Draft { op: Op::Result, in_reply_to: reply, token: Some("a.b.c"), ..good },
        Draft { content_type: &long, ..good },
    ];
    for draft in malformed {
        assert_eq!(seal(&sender(), &draft).unwrap_err().kind(), ErrorKind::MalformedMessage, "{draft:?}");
    }
    for content_type in [
        "",
        "json",
        "/json",
        "a/",
        "a/b/c",
        "a b/c",
        "a/b;",
        "a/b; c",
        "a/b\n",
        "a/b;\tc=d",
        "a/\u{e9}",
        "a/b; c=\"d",
        "a/b; c=\u{7f}",
    ] {
        let error = seal(&sender(), &Draft { content_type, ..good }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MalformedMessage, "{content_type}");
    }
    let to_oneself = Draft { to: *sender().did(), ..good };
    assert_eq!(seal(&sender(), &to_oneself).unwrap_err().kind(), ErrorKind::WrongAudience);
}

#[test]
fn the_longest_draft_fits() {
    let longest = format!("text/plain; x=\"{}\"", "\\\\".repeat(55));
    assert!(longest.len() <= 127);
    let draft = Draft {
        op: Op::Call,
        issued_at: u64::MAX - 300,
        ttl: 300,
        content_type: &longest,
        token: Some("a.b.c"),
        ..draft(1, b"")
    };
    let drafts = vec![draft; 4096];
    let sealed = batch(&sender(), &drafts);
    assert!(sealed.iter().all(|message| message.jws.len() <= MAX_JWS_BYTES));
}

#[test]
fn errors_tell_how_far_off_the_clock_is() {
    let sealed = seal(&sender(), &draft(1, b"")).unwrap();
    let home = Verifier::new(recipient().did());
    let at = |now| open(&home.recipient(), now, &sealed.jws, b"", None, |_, _| None).unwrap_err();
    assert_eq!(at(NOW + 72).message(), "the message expired 42 s ago");
    assert_eq!(at(NOW - 42).message(), "the message was issued 42 s in the future");
}

#[test]
fn errors_tell_nothing_of_the_body() {
    let sealed = seal(&sender(), &draft(1, b"secret")).unwrap();
    let error = Verifier::new(recipient().did()).open(&sealed.jws, b"sEcret").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSignature);
    assert!(!format!("{error} {error:?}").to_lowercase().contains("secret"));
}

#[test]
fn a_header_met_before_vouches_for_nobody_else() {
    let home = Verifier::new(recipient().did());
    let other = SigningKey::from_seed(&[9; 32]);
    let known = seal(&sender(), &draft(1, b"")).unwrap().jws;
    home.open(&known, b"").unwrap();
    let (header, rest) = known.split_once('.').unwrap();
    for seed in [&sender(), &other] {
        let theirs = seal(seed, &draft(2, b"")).unwrap().jws;
        let (_, theirs) = theirs.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let (their_claims, their_signature) = theirs.split_once('.').unwrap();
        let expected = if seed.did() == sender().did() { "INVALID_SIGNATURE" } else { "MALFORMED_MESSAGE" };
        assert_eq!(verdict(&home.open(&format!("{header}.{their_claims}.{signature}"), b"")), expected);
        assert_eq!(verdict(&home.open(&format!("{header}.{claims}.{their_signature}"), b"")), "INVALID_SIGNATURE");
    }
    let pair = batch(&sender(), &[draft(3, b""), draft(4, b"")]);
    home.open(&pair[0].jws, b"").unwrap();
    let (batched, _) = pair[1].jws.split_once('.').unwrap();
    assert_eq!(verdict(&home.open(&format!("{batched}.{rest}"), b"")), "INVALID_SIGNATURE");
}

#[test]
fn words_round_trip() {
    for op in [Op::Call, Op::Send, Op::Result, Op::Error] {
        assert_eq!(op.as_str().parse(), Ok(op));
    }
    assert!("Call".parse::<Op>().is_err());
    let id = MessageId::from_bytes([0xfb; 16]);
    assert_eq!(MessageId::parse(&id.text()), Some(id));
    assert_eq!(id.text().len(), 22);
    for wrong in
        ["", "AAECAwQFBgcICQoLDA0OD", "AAECAwQFBgcICQoLDA0ODx", "AAECAwQFBgcICQoLDA0ODw=", "AAECAwQFBgcICQoLDA0ODwA"]
    {
        assert_eq!(MessageId::parse(wrong), None, "{wrong}");
    }
    assert_eq!(verdict(&Verifier::new(recipient().did()).open("", b"")), "MALFORMED_MESSAGE");
}
