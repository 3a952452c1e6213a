//! Mailboxes, honest and forged.

use super::faults;
use super::forge::*;
use serde_json::{Value, json};
use xbind::cluster::{MailboxDraft, Namespace};

const ENCRYPTION_KEY: [u8; 32] = [7; 32];
const DAY: u64 = 86_400;

fn kind() -> Kind {
    Kind {
        name: "mailbox",
        typ: "agent-mailbox+jwt",
        signer: agent(),
        claims: Object::of(&[
            ("iss", quoted(agent().did().as_str())),
            ("aud", quoted(NAMESPACE)),
            ("iat", NOW.to_string()),
            ("exp", (NOW + DAY).to_string()),
            ("retain", "3600".to_owned()),
            ("key", quoted(&encode(ENCRYPTION_KEY))),
        ]),
        optional: &["key"],
        max_ttl: Some(604_800),
    }
}

pub fn cases() -> Vec<Value> {
    let kind = kind();
    let honest = kind.honest();
    let is = json!({
        "agent": agent().did().as_str(), "retain": 3600, "encryptionKey": encode(ENCRYPTION_KEY),
        "issuedAt": NOW, "expiresAt": NOW + DAY,
    });
    let draft = MailboxDraft { retain: 3600, encryption_key: Some(ENCRYPTION_KEY), ttl: DAY, now: NOW };
    let made = draft.sign(&agent(), &namespace()).unwrap();
    let good = |name: &str, text: String, is: Value| kind.accept(name, "within its bounds", text, is);
    let under = |case: Value, key: &str| case.with("key", json!(key));
    let own = Namespace::mailbox_key(agent().did());
    let set = |claim: &str, value: u64| kind.text(&kind.claims.set(claim, value));
    let mut cases = vec![
        good("honest", honest.clone(), is.clone()),
        good("made-here", made, is.clone()),
        good("plain", kind.text(&kind.claims.without("key")), is.clone().with("encryptionKey", Value::Null)),
        good("longest", set("exp", NOW + 604_800), is.clone().with("expiresAt", json!(NOW + 604_800))),
        good("kept-longest", set("retain", 604_800), is.clone().with("retain", json!(604_800))),
        good("last-second", honest.clone(), is.clone()).with("now", json!(NOW + DAY + 29)),
        under(good("under-its-key", honest.clone(), is), &own),
        under(
            kind.refuse("UNTRUSTED_ISSUER", "under-another-key", "under its own key", honest.clone()),
            &Namespace::mailbox_key(worker().did()),
        ),
        under(kind.invalid("under-no-token", "under its own key", honest.clone()), agent().did().as_str()),
        kind.refuse("UNTRUSTED_ISSUER", "of-another", "the agent that was meant", honest.clone())
            .with("agent", json!(worker().did().as_str())),
        kind.grammar("retain-none", "retain", 0),
        kind.grammar("retain-long", "retain", 604_801),
        kind.grammar("retain-beyond-32-bits", "retain", 4_294_967_297_u64),
        kind.grammar("retain-string", "retain", quoted("3600")),
        kind.grammar("key-short", "key", quoted(&encode([7; 31]))),
        kind.grammar("key-long", "key", quoted(&encode([7; 33]))),
    ];
    cases.extend(faults::of(&kind));
    cases.into_iter().map(of_agent).collect()
}

/// Whose mailbox is asked for, where it does not stand under a key.
fn of_agent(case: Value) -> Value {
    if case.get("key").is_some() || case.get("agent").is_some() {
        return case;
    }
    case.with("agent", json!(agent().did().as_str()))
}
