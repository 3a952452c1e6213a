//! Approvals: a yes or no to one call, and to no other.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "indices chosen here")]

mod common;

use common::{NOW, recipient, sender as caller};
use proptest::prelude::*;
use xbind::rights::MAX_APPROVAL_TTL;
use xbind::{
    Approval, ApprovalDraft, ApprovedCall, Decision, ErrorKind, ReplayWindow, Result, Shown, SigningKey, approve,
};

const BODY: &[u8] = br#"{"pay":"supplier-7","eur":1200}"#;

fn approver() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

fn call(body: &[u8]) -> ApprovedCall<'_> {
    ApprovedCall {
        caller: *caller().did(),
        recipient: recipient().did().to_string().leak(),
        method: None,
        session: None,
        content_type: "application/json",
        body,
    }
}

fn draft(decision: Decision) -> ApprovalDraft<'static> {
    ApprovalDraft { decision, call: call(BODY), ttl: 300, now: NOW, id: [5; 16] }
}

fn verify(text: &str, call: &ApprovedCall<'_>) -> Result<Approval> {
    Approval::verify(text, call, &[*recipient().did(), *approver().did()], NOW, 30)
}

#[test]
fn a_yes_is_a_yes() {
    let text = approve(&approver(), &draft(Decision::Approve)).unwrap();
    let approval = verify(&text, &call(BODY)).unwrap().granted().unwrap();
    assert_eq!(approval.decision(), Decision::Approve);
    assert_eq!(approval.approver(), approver().did());
    assert_eq!(approval.id().as_bytes(), &[5; 16]);
    assert_eq!((approval.issued_at(), approval.expires_at()), (NOW, NOW + 300));
}

#[test]
fn a_no_is_a_statement_too() {
    let text = approve(&approver(), &draft(Decision::Deny)).unwrap();
    let approval = verify(&text, &call(BODY)).unwrap();
    assert_eq!(approval.decision(), Decision::Deny);
    assert_eq!(approval.granted().unwrap_err().kind(), ErrorKind::ApprovalRefused);
}

#[test]
fn a_key_elsewhere_makes_the_same_approval() {
    let unsigned = draft(Decision::Approve).unsigned(approver().did()).unwrap();
    let signature = approver().sign(unsigned.to_sign().as_bytes());
    assert_eq!(unsigned.finish(&signature), approve(&approver(), &draft(Decision::Approve)).unwrap());
}

#[test]
fn drafts_out_of_bounds_are_refused() {
    let honest = draft(Decision::Approve);
    let refused = |key: SigningKey, draft: ApprovalDraft<'_>| {
        assert_eq!(approve(&key, &draft).unwrap_err().kind(), ErrorKind::InvalidConfig);
    };
    refused(caller(), honest);
    refused(approver(), ApprovalDraft { ttl: 0, ..honest });
    refused(approver(), ApprovalDraft { ttl: MAX_APPROVAL_TTL + 1, ..honest });
    refused(approver(), ApprovalDraft { now: u64::MAX, ..honest });
    refused(approver(), ApprovalDraft { call: ApprovedCall { content_type: "json", ..honest.call }, ..honest });
}

#[test]
fn it_is_bound_to_caller_recipient_and_body() {
    let text = approve(&approver(), &draft(Decision::Approve)).unwrap();
    let stranger = *SigningKey::from_seed(&[9; 32]).did();
    let kind = |call: ApprovedCall<'_>| verify(&text, &call).unwrap_err().kind();
    assert_eq!(kind(ApprovedCall { caller: stranger, ..call(BODY) }), ErrorKind::InvalidToken);
    assert_eq!(kind(ApprovedCall { recipient: stranger.as_str(), ..call(BODY) }), ErrorKind::WrongAudience);
    assert_eq!(kind(ApprovedCall { content_type: "application/json; v=2", ..call(BODY) }), ErrorKind::InvalidSignature);
    let nobody = Approval::verify(&text, &call(BODY), &[], NOW, 30).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::UntrustedIssuer);
    // Nobody is an approver of a call of its own, whatever the list says.
    let own = ApprovedCall { caller: *approver().did(), ..call(BODY) };
    assert_eq!(kind(own), ErrorKind::UntrustedIssuer);
}

#[test]
fn it_is_bound_to_the_method() {
    let signed = |method| {
        let call = ApprovedCall { method, ..call(BODY) };
        approve(&approver(), &ApprovalDraft { call, ..draft(Decision::Approve) }).unwrap()
    };
    let methods = [None, Some("a"), Some("A"), Some("a."), Some("aa"), Some("__proto__"), Some("xbind.describe")];
    for named in methods {
        let text = signed(named);
        for asked in methods {
            let outcome = verify(&text, &ApprovedCall { method: asked, ..call(BODY) }).map_err(|error| error.kind());
            let expected = if named == asked { Ok(()) } else { Err(ErrorKind::InvalidSignature) };
            assert_eq!(outcome.map(drop), expected, "{named:?} {asked:?}");
        }
    }
    let longest = "m".repeat(128);
    assert!(verify(&signed(Some(&longest)), &ApprovedCall { method: Some(&longest), ..call(BODY) }).is_ok());
    for bad in ["", "a b", "a/b", "é", "a\n", "a\0", &"m".repeat(129)] {
        let call = ApprovedCall { method: Some(bad), ..call(BODY) };
        let refused = approve(&approver(), &ApprovalDraft { call, ..draft(Decision::Approve) }).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidConfig, "{bad:?}");
    }
}

#[test]
fn each_single_bit_counts() {
    let mut bytes = approve(&approver(), &draft(Decision::Deny)).unwrap().into_bytes();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = str::from_utf8(&bytes) {
            assert!(verify(text, &call(BODY)).is_err(), "bit {bit}");
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_window_sees_to_it_that_it_is_used_once() {
    let text = approve(&approver(), &draft(Decision::Approve)).unwrap();
    let used = ReplayWindow::new(10);
    let once = || {
        let approval = verify(&text, &call(BODY))?.granted()?;
        used.reserve(approval.approver(), approval.id(), approval.expires_at() + 30, NOW)?.commit();
        Ok::<_, xbind::Error>(())
    };
    assert!(once().is_ok());
    assert_eq!(once().unwrap_err().kind(), ErrorKind::Replayed);
}

proptest! {
    #[test]
    fn any_other_body_voids_it(body in prop::collection::vec(any::<u8>(), 0..80), other in prop::collection::vec(any::<u8>(), 0..80)) {
        let text = approve(&approver(), &ApprovalDraft { call: call(&body), ..draft(Decision::Approve) }).unwrap();
        prop_assert!(verify(&text, &call(&body)).is_ok());
        let outcome = verify(&text, &call(&other)).map_err(|error| error.kind());
        prop_assert_eq!(outcome.is_ok(), body == other);
    }
}

#[test]
fn what_is_shown_has_one_reading() {
    let read = |json: &[u8]| Shown::read("application/json", &data_encoding::BASE64URL_NOPAD.encode(json));
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    for good in [
        "{}",
        "null",
        "\"\"",
        " [1, 2.5, -3, 0, -0, 1e21, 1E-7, 0.1, 1.0, 100, 1200e-2, 5e-324, 1.7976931348623157e308] ",
        r#"{"pay":"supplier-7","eur":920,"n":9007199254740992,"a":{"a":"\u00e9\ud83d\ude00 9999999999999999999"}}"#,
        "123456789012345680000",
        &deep(128),
    ] {
        assert_eq!(read(good.as_bytes()).unwrap(), Shown::Json(good.to_owned()));
    }
    for bad in [
        r#"{"eur":9,"eur":9000}"#,
        r#"{"eur":9,"e\u0075r":9000}"#,
        r#"[{"a":[{"b":1,"b":1}]}]"#,
        r#""\ud800""#,
        r#"{"\udc00":1}"#,
        "9007199254740993",
        "0.1000000000000000055",
        "1200.00000000000000001",
        "1e400",
        "1e-400",
        "1e99999999999999999999",
        "01",
        "1.",
        "+1",
        "NaN",
        "'x'",
        "{} {}",
        "{}x",
        "",
        "{\"a\":1,}",
        "\u{feff}{}",
        "[1] // x",
        &deep(129),
        &deep(100_000),
    ] {
        assert_eq!(read(bad.as_bytes()).unwrap_err().kind(), ErrorKind::InvalidPayload, "{bad}");
    }
    for bad in [&b"\"\xff\""[..], b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\""] {
        assert_eq!(read(bad).unwrap_err().kind(), ErrorKind::InvalidPayload);
    }
    assert_eq!(Shown::read("application/octet-stream", "_w").unwrap(), Shown::Bytes(vec![0xff]));
    for (content_type, body) in [
        ("application/json", "e30="),
        ("application/json", "e3 0"),
        ("application/json", "e31"),
        ("application/json", "e30\n"),
        ("application/octet-stream", "_w=="),
        ("application/octet-stream", "/w"),
        ("application/octet-stream", "_x"),
        ("text/plain", "e30"),
        ("application/json; charset=utf-8", "e30"),
        ("Application/JSON", "e30"),
        ("", "e30"),
    ] {
        assert_eq!(Shown::read(content_type, body).unwrap_err().kind(), ErrorKind::InvalidPayload, "{content_type}");
    }
}
