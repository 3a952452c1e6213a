//! Authorities that a judge follows: whose tokens count when, when they are asked, and how long they are believed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "times chosen here")]

mod common;

use common::{NOW, recipient as agent};
use std::sync::{Arc, LazyLock, Mutex};
use xbind::{
    Answers, AuthorityKey, ErrorKind, Held, Judge, KeysOf, KeysState, Need, Presentation, Refused, Revocations, Ruling,
    ScopeSet, SigningKey, TokenDraft, TokenPolicy, Trust, issue,
};

const AUDIENCE: &str = "https://api.example";
const HERE: &str = "https://authority.example";
const THERE: &str = "https://authority.other";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn judge(names: &[&str]) -> Judge {
    let trust = names.iter().fold(Trust::default(), |trust, name| trust.with_authority(name).unwrap());
    Judge::new(TokenPolicy::new(AUDIENCE), trust, &[], Revocations::default()).unwrap()
}

fn token(by: &SigningKey) -> String {
    let scopes = ScopeSet::parse("invoice.*").unwrap();
    let draft = TokenDraft {
        subject: *agent().did(),
        audience: AUDIENCE,
        scopes: &scopes,
        quota: None,
        ttl: 86_400,
        claims: "{}",
        cnf_jkt: None,
        on_behalf_of: None,
        status: None,
        now: NOW,
        id: [7; 16],
    };
    issue(by, &draft).unwrap()
}

fn lasting(key: &SigningKey) -> AuthorityKey {
    AuthorityKey { did: *key.did(), until: None }
}

fn presentation(token: &str, now: u64) -> Presentation<'_> {
    Presentation { token, scopes: &[], presenter: None, now }
}

static HASTY: LazyLock<Answers> = LazyLock::new(Answers::default);
static PATIENT: LazyLock<Answers> = LazyLock::new(|| Answers { patient: true, ..Answers::default() });
static SOUGHT: LazyLock<Answers> = LazyLock::new(|| Answers { keys_sought: true, ..PATIENT.clone() });

fn held(judge: &Judge, token: &str, now: u64) -> Held {
    match judge.judge(&presentation(token, now), &PATIENT) {
        Ruling::Held(held) => held,
        other @ (Ruling::Refused(_) | Ruling::Needs(_)) => panic!("{other:?}"),
    }
}

fn refused(judge: &Judge, token: &str, now: u64, answers: &Answers) -> Refused {
    match judge.judge(&presentation(token, now), answers) {
        Ruling::Refused(refused) => {
            assert_eq!(refused.error.kind(), ErrorKind::UntrustedIssuer);
            refused
        }
        other @ (Ruling::Held(_) | Ruling::Needs(_)) => panic!("{other:?}"),
    }
}

fn asks(judge: &Judge, token: &str, now: u64) -> bool {
    match judge.judge(&presentation(token, now), &PATIENT) {
        Ruling::Needs(needs) => {
            assert!(matches!(needs[..], [Need::Authorities]), "{needs:?}");
            true
        }
        Ruling::Held(_) | Ruling::Refused(_) => false,
    }
}

#[test]
fn nothing_counts_until_the_authority_has_said_so_nor_when_that_was_long_ago() {
    let (judge, first) = (judge(&[HERE]), key(60));
    let text = token(&first);
    assert_eq!(
        refused(&judge, &text, NOW, &HASTY).keys,
        Some((KeysOf::Authority(HERE.to_owned()), KeysState::Unasked))
    );
    assert!(asks(&judge, &text, NOW) && asks(&judge, &text, NOW), "whoever comes meanwhile waits for the same");
    assert_eq!(judge.authorities_to_ask(NOW), [HERE]);
    judge.authority_came(HERE, NOW, Err("no route".to_owned()));
    let failed = KeysState::Failed("no route".to_owned());
    assert_eq!(refused(&judge, &text, NOW + 4, &SOUGHT).keys, Some((KeysOf::Authority(HERE.to_owned()), failed)));
    assert!(!asks(&judge, &text, NOW + 4) && asks(&judge, &text, NOW + 5));
    judge.authority_came(HERE, NOW + 5, Ok(vec![lasting(&first)]));
    let known = held(&judge, &text, NOW + 5);
    // What it says next it may fail to say: what it said is good for 300 s.
    judge.authority_came(HERE, NOW + 200, Err("no route".to_owned()));
    held(&judge, &text, NOW + 304);
    judge.judge_again(&known, &presentation(&text, NOW + 304), &HASTY).unwrap();
    let lost = judge.judge_again(&known, &presentation(&text, NOW + 305), &HASTY).unwrap_err();
    assert_eq!(lost.error.kind(), ErrorKind::UntrustedIssuer);
    assert!(asks(&judge, &text, NOW + 305));
    let away = refused(&judge, &text, NOW + 305, &SOUGHT);
    assert!(matches!(away.keys, Some((_, KeysState::Failed(_)))), "{away:?}");
    assert!(away.error.message().contains(first.did().as_str()), "{}", away.error);
    judge.authority_came(HERE, NOW + 305, Ok(vec![lasting(&first)]));
    held(&judge, &text, NOW + 305);
}

#[test]
fn each_did_counts_as_long_as_the_authority_says() {
    let (judge, [first, second, third]) = (judge(&[HERE]), [key(60), key(61), key(62)]);
    let [by_first, by_second, by_third] = [&first, &second, &third].map(token);
    judge.authority_came(HERE, NOW, Ok(vec![lasting(&first), lasting(&second)]));
    let known = held(&judge, &by_first, NOW);
    held(&judge, &by_second, NOW); // before it signs
    let retiring = AuthorityKey { did: *first.did(), until: Some(NOW + 100) };
    judge.authority_came(HERE, NOW + 10, Ok(vec![lasting(&second), retiring]));
    held(&judge, &by_first, NOW + 99);
    judge.judge_again(&known, &presentation(&by_first, NOW + 99), &HASTY).unwrap();
    judge.judge_again(&known, &presentation(&by_first, NOW + 100), &HASTY).unwrap_err();
    refused(&judge, &by_first, NOW + 100, &SOUGHT);
    held(&judge, &by_second, NOW + 100);
    // Tainted: another one has its place.
    let known = held(&judge, &by_second, NOW + 110);
    judge.authority_came(HERE, NOW + 110, Ok(vec![lasting(&third)]));
    judge.judge_again(&known, &presentation(&by_second, NOW + 110), &HASTY).unwrap_err();
    refused(&judge, &by_second, NOW + 110, &SOUGHT);
    held(&judge, &by_third, NOW + 110);
}

#[test]
fn strangers_make_nobody_ask_more_often_than_once_in_5_seconds() {
    let judge = judge(&[HERE, THERE]);
    let mut asked = 0;
    for second in 0..60 {
        let text = token(&key(u8::try_from(100 + second).unwrap()));
        if asks(&judge, &text, NOW + second) {
            assert_eq!(judge.authorities_to_ask(NOW + second), [HERE, THERE]);
            asked += 1;
            for name in [HERE, THERE] {
                judge.authority_came(name, NOW + second, Ok(vec![lasting(&key(60))]));
            }
        }
        refused(&judge, &text, NOW + second, &SOUGHT);
    }
    assert_eq!(asked, 12);
    // Nor does what is no token of a DID.
    assert!(!asks(&judge, "x.y.z", NOW + 60));
}

#[test]
fn answers_are_renewed_before_they_are_over() {
    let (judge, first) = (judge(&[HERE]), key(60));
    let (text, told) = (token(&first), Arc::new(Mutex::new(Vec::new())));
    let telling = told.clone();
    judge.renew_with(move |name, now| telling.lock().unwrap().push((name.to_owned(), now)));
    let renewed = || std::mem::take(&mut *told.lock().unwrap());
    assert!(asks(&judge, &text, NOW));
    assert!(renewed().is_empty(), "whoever has not been asked yet is asked by those who wait");
    judge.authority_came(HERE, NOW, Ok(vec![lasting(&first)]));
    let known = held(&judge, &text, NOW + 119);
    assert!(renewed().is_empty());
    judge.judge_again(&known, &presentation(&text, NOW + 120), &HASTY).unwrap();
    assert_eq!(renewed(), [(HERE.to_owned(), NOW + 120)]);
    judge.authority_came(HERE, NOW + 120, Err("no route".to_owned()));
    held(&judge, &text, NOW + 124);
    assert!(renewed().is_empty());
    held(&judge, &text, NOW + 125);
    assert_eq!(renewed(), [(HERE.to_owned(), NOW + 125)]);
    judge.authority_came(HERE, NOW + 125, Ok(vec![lasting(&first)]));
    held(&judge, &text, NOW + 244);
    assert!(renewed().is_empty());
    // What is over is asked for by whoever does not wait, too.
    refused(&judge, &text, NOW + 425, &HASTY);
    assert_eq!(renewed(), [(HERE.to_owned(), NOW + 425)]);
}

#[test]
fn an_authority_is_named_once() {
    let twice = Trust::default().with_authority(HERE).unwrap().with_authority(HERE).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::InvalidConfig);
}
