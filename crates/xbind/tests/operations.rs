//! Which claim stands on which operation: docs/wire-format.md, makers and readers of messages say the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics fails")]

mod common;

use common::{NOW, Verifier, draft, recipient, sender, verdict};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::collections::HashMap;
use xbind::{Details, Digest, Draft, InReplyTo, MessageId, Op, PendingCall, Secrecy, Session, SigningKey, open, seal};

const CLAIMS: [&str; 9] = ["irt", "ath", "mth", "tp", "dl", "seq", "win", "ses", "enc"];
const SESSION: Session = Session::from_bytes([7; 16]);
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// To which bodies are encrypted here.
fn key() -> Digest {
    Digest::of(b"a key")
}

/// The page's marks for each operation, claim by claim.
fn page() -> HashMap<String, Vec<char>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wire-format.md")).unwrap();
    let table = page.split("| `op` | from | what it is |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let marks = cells[3..].iter().map(|cell| cell.chars().next().unwrap_or(' ')).collect();
        (cells[0].trim_matches('`').to_owned(), marks)
    })
    .collect()
}

/// A call that takes everything, and that everything can be about.
fn call() -> (xbind::Sealed, PendingCall) {
    let details = Details { window: Some(4), ..Details::default() };
    let call = seal(&recipient(), &Draft { to: *sender().did(), details, ..draft(1, b"") }).unwrap();
    let asked = PendingCall::of(&call.id, &call.jws).unwrap();
    (call, asked)
}

/// A message of that operation with these claims, as an honest maker makes it.
fn made(op: Op, claims: &[&str], about: InReplyTo) -> xbind::Result<xbind::Sealed> {
    let has = |claim| claims.contains(&claim);
    let details = Details {
        method: has("mth").then_some("m"),
        deadline_ms: has("dl").then_some(1),
        traceparent: has("tp").then_some(TRACE),
        seq: has("seq").then_some(1),
        window: has("win").then_some(1),
        session: has("ses").then_some(SESSION),
        encryption: has("enc").then(key),
    };
    let token = has("ath").then_some("a.b.c");
    let in_reply_to = has("irt").then_some(about);
    seal(&sender(), &Draft { op, token, in_reply_to, details, ..draft(2, b"") })
}

/// The same, by one who checks nothing.
fn forged(op: Op, claims: &[&str], about: &InReplyTo) -> String {
    let (from, to): (SigningKey, SigningKey) = (sender(), recipient());
    let b64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let digest = |digest: &Digest| format!("sha-256:{}", b64(digest.as_bytes()));
    let (id, empty) = (MessageId::from_bytes([2; 16]).text(), digest(&Digest::of(b"")));
    let mut body = json!({"v": 1, "op": op.as_str(), "iss": from.did().as_str(), "aud": to.did().as_str(), "jti": id,
        "iat": NOW, "exp": NOW + 30, "pt": "application/json", "pl": 0, "pd": empty});
    for claim in claims {
        body[*claim] = match *claim {
            "irt" => {
                body["rqd"] = Value::from(digest(&about.digest));
                Value::from(about.id.text())
            }
            "ath" => Value::from(b64(Digest::of(b"a.b.c").as_bytes())),
            "mth" => Value::from("m"),
            "tp" => Value::from(TRACE),
            "ses" => Value::from(SESSION.text()),
            "enc" => Value::from(key().text()),
            _ => Value::from(1),
        };
    }
    let kid = format!("{}#{}", from.did(), from.did().multibase());
    let header = json!({"alg": "EdDSA", "kid": kid, "typ": "agent-msg+jwt"});
    let input = format!("{}.{}", b64(header.to_string().as_bytes()), b64(body.to_string().as_bytes()));
    format!("{input}.{}", b64(&from.sign(input.as_bytes())))
}

#[test]
fn the_page_the_maker_and_the_reader_agree() {
    let (page, (call, asked)) = (page(), call());
    assert_eq!(page.len(), Op::ALL.len());
    let mut accepted = 0;
    for op in Op::ALL {
        let marks = &page[op.as_str()];
        assert_eq!(marks.len(), CLAIMS.len());
        for chosen in 0_u32..1 << CLAIMS.len() {
            let has = |at: usize| chosen & (1 << at) != 0;
            let claims: Vec<_> = (0..CLAIMS.len()).filter(|at| has(*at)).map(|at| CLAIMS[at]).collect();
            let fits = marks.iter().enumerate().all(|(at, mark)| match mark {
                '●' => has(at),
                '○' => true,
                _ => !has(at),
            });
            let made = made(*op, &claims, call.reference());
            assert_eq!(made.is_ok(), fits, "{op:?} is made with {claims:?}");
            let jws = forged(*op, &claims, &call.reference());
            let mut home = Verifier::new(recipient().did());
            home.policy.mail = Some(30);
            home.policy.secrecy = Secrecy::Offered(key());
            let asked = PendingCall { encryption: claims.contains(&"enc").then(key), ..asked };
            home.policy.session = claims.contains(&"ses").then_some(SESSION);
            let token = claims.contains(&"ath").then_some("a.b.c");
            let opened = open(&home.recipient(), NOW, &jws, b"".as_slice(), token, |_, _| Some(asked));
            assert_eq!(verdict(&opened), if fits { "accepted" } else { "MALFORMED_MESSAGE" }, "{op:?} with {claims:?}");
            let Ok(opened) = opened else { continue };
            accepted += 1;
            assert_eq!(opened.method().is_some(), claims.contains(&"mth"));
            assert_eq!(opened.traceparent().is_some(), claims.contains(&"tp"));
            assert_eq!(opened.deadline_ms().is_some(), claims.contains(&"dl"));
            assert_eq!(opened.seq().is_some(), claims.contains(&"seq"));
            assert_eq!(opened.window().is_some(), claims.contains(&"win"));
            assert_eq!(opened.encryption().is_some(), claims.contains(&"enc"));
            assert_eq!(opened.session(), claims.contains(&"ses").then_some(&SESSION));
            let again = open(&home.recipient(), NOW, &made.unwrap().jws, b"".as_slice(), token, |_, _| Some(asked));
            assert_eq!(verdict(&again), "accepted", "{op:?}");
        }
    }
    assert_eq!(accepted, 206);
}

#[test]
fn the_names_of_operations_lead_back_to_them() {
    for op in Op::ALL {
        assert_eq!(op.as_str().parse(), Ok(*op));
        assert!(op.as_str().to_uppercase().parse::<Op>().is_err());
        assert!(!(op.is_reply() && op.is_afterthought()));
    }
}
