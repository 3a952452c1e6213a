//! The judge: what it asks for, when, and that what it is told counts for the moment only.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "times chosen here")]

mod common;

use common::{NOW, recipient as agent, sender as operator};
use serde_json::json;
use std::sync::Arc;
use xbind::{
    Answers, Bits, ErrorKind, Grade, Held, Judge, KeysOf, KeysState, ListSigner, Need, Presentation, Refused,
    RevocationList, Revocations, Ruling, Scope, ScopeSet, SigningKey, StatusList, StatusListDraft, StatusLists,
    StatusRef, TokenDraft, TokenPolicy, Trust, issue,
};

const AUDIENCE: &str = "https://api.example";
const ISSUER: &str = "https://login.example";
const LIST: &str = "https://status.example/1";

fn judge(fetched: &[String], revocations: Revocations) -> Judge {
    Judge::new(TokenPolicy::new(AUDIENCE), Trust::default().with_did(*operator().did()), fetched, revocations).unwrap()
}

fn token(status: Option<&StatusRef>) -> String {
    let scopes = ScopeSet::parse("invoice.*").unwrap();
    let (subject, id) = (*agent().did(), [7; 16]);
    let draft = TokenDraft {
        subject,
        audience: AUDIENCE,
        scopes: &scopes,
        quota: None,
        ttl: 3600,
        claims: "{}",
        cnf_jkt: None,
        on_behalf_of: None,
        status,
        now: NOW,
        id,
    };
    issue(&operator(), &draft).unwrap()
}

/// By an issuer whose keys are fetched, good for a day.
fn external(key: &SigningKey) -> String {
    let encode = |text: String| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let claims = json!({
        "iss": ISSUER, "sub": agent().did().as_str(), "aud": AUDIENCE, "client_id": "console", "jti": "1",
        "iat": NOW, "exp": NOW + 86_400,
    });
    let header = encode(r#"{"alg":"EdDSA","kid":"1","typ":"at+jwt"}"#.to_owned());
    let input = format!("{header}.{}", encode(claims.to_string()));
    format!("{input}.{}", data_encoding::BASE64URL_NOPAD.encode(&key.sign(input.as_bytes())))
}

fn jwks(key: &SigningKey) -> String {
    let x = data_encoding::BASE64URL_NOPAD.encode(key.did().public_key());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x }] }).to_string()
}

fn rule(judge: &Judge, token: &str, now: u64, answers: &Answers) -> Ruling {
    judge.judge(&Presentation { token, scopes: &[], presenter: None, now }, answers)
}

fn held(ruling: Ruling) -> Held {
    match ruling {
        Ruling::Held(held) => held,
        other @ (Ruling::Refused(_) | Ruling::Needs(_)) => panic!("{other:?}"),
    }
}

fn refused(ruling: Ruling) -> Refused {
    match ruling {
        Ruling::Refused(refused) => refused,
        other @ (Ruling::Held(_) | Ruling::Needs(_)) => panic!("{other:?}"),
    }
}

fn asks_for_keys(ruling: &Ruling) -> bool {
    matches!(ruling, Ruling::Needs(needs) if matches!(&needs[..], [Need::Keys { issuer }] if issuer == ISSUER))
}

#[test]
fn what_is_at_hand_asks_nobody() {
    let list = Arc::new(RevocationList::new(10));
    let judge = judge(&[], Revocations { lists: vec![list.clone()], ..Revocations::default() });
    let (text, patient) = (token(None), Answers { patient: true, ..Answers::default() });
    let first = held(rule(&judge, &text, NOW, &patient));
    assert_eq!((first.grade, first.token.scopes().as_str()), (Grade::Fresh, "invoice.*"));
    let again =
        |now| judge.judge_again(&first, &Presentation { token: &text, scopes: &[], presenter: None, now }, &patient);
    assert_eq!(again(NOW + 60).unwrap(), Grade::Fresh);
    assert_eq!(again(NOW + 3700).unwrap_err().error.kind(), ErrorKind::TokenExpired);
    list.revoke_did(operator().did(), RevocationList::FOR_GOOD).unwrap();
    assert_eq!(again(NOW + 60).unwrap_err().error.kind(), ErrorKind::Revoked);
}

#[test]
fn a_token_that_lacks_a_scope_asks_no_source() {
    let judge = judge(&[], Revocations::default());
    let text = token(None);
    let scopes = ["invoice.read", "pay.out", "pay.in"].map(|scope| Scope::parse(scope).unwrap());
    let presentation = Presentation { token: &text, scopes: &scopes, presenter: None, now: NOW };
    let answers = Answers { sources: true, patient: true, ..Answers::default() };
    let refused = refused(judge.judge(&presentation, &answers));
    assert_eq!(refused.error.kind(), ErrorKind::ScopeDenied);
    assert_eq!(refused.error.hint(), Some("held: invoice.*"));
}

#[test]
fn sources_are_asked_about_every_link_of_a_token_that_holds_otherwise() {
    let open = judge(&[], Revocations::default());
    let unknown = Revocations { accept_unknown: true, ..Revocations::default() };
    let careless = judge(&[], unknown);
    let ask = Answers { sources: true, ..Answers::default() };
    assert!(matches!(rule(&open, &token(None), NOW, &ask),
        Ruling::Needs(needs) if matches!(&needs[..], [Need::Standing(links)] if links.len() == 1)));
    assert_eq!(refused(rule(&open, &token(None)[1..], NOW, &ask)).error.kind(), ErrorKind::InvalidToken);
    assert_eq!(refused(rule(&open, &token(None), NOW + 9999, &ask)).error.kind(), ErrorKind::TokenExpired);
    for (standing, kind) in [
        (vec![Some(false)], None),
        (vec![Some(true)], Some(ErrorKind::Revoked)),
        (vec![None], Some(ErrorKind::RevocationUnknown)),
        (vec![], Some(ErrorKind::RevocationUnknown)),
        (vec![Some(false), Some(true)], None), // about no link
    ] {
        let told = Answers { standing: Some(standing), ..ask.clone() };
        let kind_of = |judge: &Judge| match rule(judge, &token(None), NOW, &told) {
            Ruling::Held(_) => None,
            Ruling::Refused(refused) => Some(refused.error.kind()),
            Ruling::Needs(needs) => panic!("{needs:?}"),
        };
        assert_eq!(kind_of(&open), kind);
        assert_eq!(kind_of(&careless), kind.filter(|kind| *kind != ErrorKind::RevocationUnknown));
    }
}

#[test]
fn keys_are_asked_for_once_in_half_a_minute_and_forgotten_after_an_hour() {
    let key = SigningKey::from_seed(&[50; 32]);
    let judge = judge(&[ISSUER.to_owned()], Revocations::default());
    let text = external(&key);
    let (patient, hasty) = (Answers { patient: true, ..Answers::default() }, Answers::default());
    let sought = Answers { keys_sought: true, ..patient.clone() };

    let unasked = refused(rule(&judge, &text, NOW, &hasty));
    assert_eq!(unasked.keys, Some((KeysOf::Issuer(ISSUER.to_owned()), KeysState::Unasked)));
    assert!(asks_for_keys(&rule(&judge, &text, NOW, &patient)));
    assert!(asks_for_keys(&rule(&judge, &text, NOW, &patient)), "whoever comes meanwhile waits for the same");
    assert_eq!(judge.keys_came(ISSUER, NOW, Err("no route".to_owned())), Some("no route".to_owned()));
    let failed = refused(rule(&judge, &text, NOW, &sought));
    assert_eq!(failed.error.kind(), ErrorKind::UntrustedIssuer);
    assert_eq!(failed.keys, Some((KeysOf::Issuer(ISSUER.to_owned()), KeysState::Failed("no route".to_owned()))));
    assert!(!asks_for_keys(&rule(&judge, &text, NOW + 29, &patient)));
    assert!(asks_for_keys(&rule(&judge, &text, NOW + 30, &patient)));
    assert!(judge.keys_came(ISSUER, NOW + 30, Ok("{}")).is_some());
    assert!(judge.keys_came(ISSUER, NOW + 30, Ok(&jwks(&key))).is_none());
    held(rule(&judge, &text, NOW + 30, &hasty));
    held(rule(&judge, &text, NOW + 629, &patient));

    assert!(asks_for_keys(&rule(&judge, &text, NOW + 630, &patient)), "its issuer may have taken it back");
    held(rule(&judge, &text, NOW + 630, &hasty));
    held(rule(&judge, &text, NOW + 630, &sought));
    assert!(judge.keys_came(ISSUER, NOW + 630, Err("no route".to_owned())).is_some());
    let known = held(rule(&judge, &text, NOW + 3629, &sought));
    let presentation = Presentation { token: &text, scopes: &[], presenter: None, now: NOW + 3630 };
    let lost = judge.judge_again(&known, &presentation, &hasty).unwrap_err();
    assert_eq!(lost.error.kind(), ErrorKind::UntrustedIssuer, "too old to be relied upon");
}

#[test]
fn a_key_that_was_replaced_ends_what_was_held() {
    let (key, other) = (SigningKey::from_seed(&[50; 32]), SigningKey::from_seed(&[51; 32]));
    let judge = judge(&[ISSUER.to_owned()], Revocations::default());
    let text = external(&key);
    assert!(judge.keys_came(ISSUER, NOW, Ok(&jwks(&key))).is_none());
    let known = held(rule(&judge, &text, NOW, &Answers::default()));
    assert!(judge.keys_came(ISSUER, NOW, Ok(&jwks(&other))).is_none());
    let presentation = Presentation { token: &text, scopes: &[], presenter: None, now: NOW };
    let lost = judge.judge_again(&known, &presentation, &Answers::default()).unwrap_err();
    assert_eq!(lost.error.kind(), ErrorKind::InvalidToken);
}

#[test]
fn status_lists_are_asked_for_where_there_is_time() {
    let lists = Arc::new(StatusLists::new(10, 86_400));
    let judge = judge(&[], Revocations { status: vec![lists.clone()], ..Revocations::default() });
    let status = StatusRef { index: 3, uri: LIST.to_owned() };
    let text = token(Some(&status));
    let patient = Answers { patient: true, ..Answers::default() };
    let absent = refused(rule(&judge, &text, NOW, &Answers::default()));
    assert_eq!((absent.error.kind(), absent.grade), (ErrorKind::RevocationUnknown, Grade::Absent));
    assert!(
        matches!(rule(&judge, &text, NOW, &patient), Ruling::Needs(needs) if matches!(needs[..], [Need::Lists(_)]))
    );
    let sought = Answers { lists_sought: true, ..patient.clone() };
    assert_eq!(refused(rule(&judge, &text, NOW, &sought)).grade, Grade::Absent);

    let mut list = StatusList::new(Bits::One, 100).unwrap();
    let sign = |list: &StatusList, now| {
        list.sign(&operator(), &StatusListDraft { uri: LIST, now, lifetime: 600, ttl: None }).unwrap()
    };
    let operator_did = *operator().did();
    judge.put_list(&lists, &sign(&list, NOW), LIST, operator_did.as_str(), NOW).unwrap();
    assert_eq!(held(rule(&judge, &text, NOW, &sought)).grade, Grade::Fresh);
    assert_eq!(refused(rule(&judge, &text, NOW + 700, &sought)).grade, Grade::Stale);
    list.set(3, 1).unwrap();
    judge.put_list(&lists, &sign(&list, NOW + 700), LIST, operator_did.as_str(), NOW + 700).unwrap();
    assert_eq!(refused(rule(&judge, &text, NOW + 700, &sought)).error.kind(), ErrorKind::Revoked);
    let by_nobody = judge.put_list(&lists, "x", LIST, "nobody", NOW).unwrap_err();
    assert_eq!(by_nobody.kind(), ErrorKind::InvalidDid);
    let signer = ListSigner::Did(&operator_did);
    assert!(lists.put(&sign(&list, NOW), LIST, signer, NOW + 700).is_err(), "older than the one at hand");
}

#[test]
fn a_list_is_asked_for_again_when_its_owner_wants_it_though_there_is_little_time() {
    let lists = Arc::new(StatusLists::new(10, 86_400).refreshed_after(60));
    let judge = judge(&[], Revocations { status: vec![lists.clone()], ..Revocations::default() });
    let text = token(Some(&StatusRef { index: 3, uri: LIST.to_owned() }));
    let hasty = Answers { renews: true, ..Answers::default() };
    let sign = |list: &StatusList, now| {
        list.sign(&operator(), &StatusListDraft { uri: LIST, now, lifetime: 600, ttl: None }).unwrap()
    };
    let asks = |now| {
        let ruling = rule(&judge, &text, now, &hasty);
        matches!(ruling, Ruling::Needs(needs) if matches!(needs[..], [Need::Lists(_)]))
    };
    let issuer = operator().did().to_string();
    let mut list = StatusList::new(Bits::One, 100).unwrap();
    assert!(!asks(NOW), "none came yet: whoever has no time does without");
    judge.put_list(&lists, &sign(&list, NOW), LIST, &issuer, NOW).unwrap();
    assert_eq!((asks(NOW), asks(NOW + 59), asks(NOW + 60), asks(NOW + 400)), (false, false, true, true));
    let without = judge.judge(&Presentation { token: "none", scopes: &[], presenter: None, now: NOW + 60 }, &hasty);
    assert_eq!(refused(without).error.kind(), ErrorKind::InvalidToken, "only a token that holds makes anybody ask");
    assert_eq!(held(rule(&judge, &text, NOW + 60, &Answers::default())).grade, Grade::Fresh, "nobody can be asked");
    // Where none comes, the old one serves its time.
    let sought = Answers { lists_sought: true, ..Answers::default() };
    assert_eq!(held(rule(&judge, &text, NOW + 60, &sought)).grade, Grade::Fresh);
    list.set(3, 1).unwrap();
    judge.put_list(&lists, &sign(&list, NOW + 60), LIST, &issuer, NOW + 60).unwrap();
    assert_eq!(refused(rule(&judge, &text, NOW + 61, &hasty)).error.kind(), ErrorKind::Revoked);
}

#[test]
fn a_list_that_does_not_come_is_looked_for_again_after_a_while_and_not_by_every_call() {
    let lists = Arc::new(StatusLists::new(10, 86_400).refreshed_after(60));
    let judge = judge(&[], Revocations { status: vec![lists.clone()], ..Revocations::default() });
    let text = token(Some(&StatusRef { index: 3, uri: LIST.to_owned() }));
    let renews = Answers { renews: true, ..Answers::default() };
    let asks = |now| matches!(rule(&judge, &text, now, &renews), Ruling::Needs(_));
    let issuer = operator().did().to_string();
    let sought = |now| lists.sought(&issuer, &StatusRef { index: 7, uri: LIST.to_owned() }, now);
    let list = StatusList::new(Bits::One, 100).unwrap();
    let put = |now| {
        let signed = list.sign(&operator(), &StatusListDraft { uri: LIST, now, lifetime: 600, ttl: None }).unwrap();
        judge.put_list(&lists, &signed, LIST, &issuer, now).unwrap();
    };
    put(NOW);
    sought(NOW + 59);
    assert!(asks(NOW + 60), "it was not due then");
    sought(NOW + 61);
    assert_eq!([61, 62, 90, 91, 92].map(|since| asks(NOW + since)), [false, false, false, true, true]);
    sought(NOW + 91);
    assert!(!asks(NOW + 120) && asks(NOW + 80), "a clock that is set back does not stop it");
    put(NOW + 121);
    assert_eq!([121, 180, 181].map(|since| asks(NOW + since)), [false, false, true]);
}

#[test]
fn what_an_approver_is_asked_and_answers_has_one_reading() {
    let recipient = *operator().did();
    let call = xbind::ApprovedCall {
        caller: *agent().did(),
        recipient: recipient.as_str(),
        method: None,
        session: None,
        content_type: "application/json",
        body: b"{\"a\":\"\xc3\xa9\"}",
    };
    let request = xbind::approval_request(&call, ["https://a.example/\"quoted\"", "did:key:z"]);
    let read: serde_json::Value = serde_json::from_str(&request).unwrap();
    assert!(read["approvalRequest"].get("method").is_none());
    let named = xbind::approval_request(&xbind::ApprovedCall { method: Some("invoice.pay"), ..call }, []);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&named).unwrap()["approvalRequest"]["method"], "invoice.pay");
    assert_eq!(read["approvalRequest"]["caller"], agent().did().as_str());
    assert_eq!(read["approvalRequest"]["chain"], json!(["https://a.example/\"quoted\"", "did:key:z"]));
    let body = read["approvalRequest"]["body"].as_str().unwrap();
    assert_eq!(xbind::Shown::read("application/json", body).unwrap(), xbind::Shown::Json("{\"a\":\"é\"}".to_owned()));
    assert_eq!(xbind::approval_in(r#" {"approval":"a.b\u002ec","more":1}"#), Some("a.b.c".to_owned()));
    for other in
        ["", "null", "[\"a\"]", r#"{"approval":1}"#, r#"{"approval":"a","approval":"b"}"#, r#"{"Approval":"a"}"#]
    {
        assert_eq!(xbind::approval_in(other), None, "{other}");
    }
}
