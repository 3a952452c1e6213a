//! Runs the cases of a vector file, and the parties that tests share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]

use serde_json::Value;
use std::path::PathBuf;
use xbind::{
    Caches, Did, Digest, Draft, ErrorKind, MessageId, Op, PendingCall, Policy, Recipient, ReplayWindow, Result,
    RootCache, Sealed, Secrecy, SenderCache, Session, SigningKey, VerifiedMessage, VerifyingKey, open,
};

/// 2025-01-01T00:00:00Z.
pub const NOW: u64 = 1_735_689_600;

pub fn sender() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub fn recipient() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub fn draft(n: u64, body: &[u8]) -> Draft<'_> {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    Draft {
        op: Op::Call,
        to: *recipient().did(),
        id: MessageId::from_bytes(id),
        issued_at: NOW,
        ttl: 30,
        content_type: "application/json",
        body,
        token: None,
        in_reply_to: None,
        details: xbind::Details::default(),
    }
}

/// A recipient with everything it remembers.
pub struct Verifier {
    pub policy: Policy,
    pub known: Caches,
    pub window: ReplayWindow,
}

impl Verifier {
    pub fn new(audience: &Did) -> Self {
        Self {
            policy: Policy {
                audience: *audience,
                clock_skew: 30,
                max_lifetime: 300,
                mail: None,
                secrecy: Secrecy::None,
                max_body: 1 << 20,
                track_replies: true,
                session: None,
            },
            known: Caches { senders: SenderCache::new(16), roots: RootCache::new(16) },
            window: ReplayWindow::new(1000),
        }
    }

    pub fn open<'b>(&self, jws: &str, body: &'b [u8]) -> Result<VerifiedMessage<&'b [u8]>> {
        open(&self.recipient(), NOW, jws, body, None, |_, _| None)
    }

    /// Takes messages from everybody.
    pub fn recipient(&self) -> Recipient<'_> {
        Recipient { policy: &self.policy, known: &self.known, replay: &self.window, refused: &|_, _| None }
    }
}

/// The error code of an outcome, or "accepted".
pub fn verdict<T>(outcome: &Result<T>) -> &'static str {
    match outcome {
        Ok(_) => "accepted",
        Err(error) => error.kind().code(),
    }
}

pub fn batch(key: &SigningKey, drafts: &[Draft<'_>]) -> Vec<Sealed> {
    let unsigned = xbind::Unsigned::new(key.did(), drafts).unwrap();
    let signature = key.sign(unsigned.to_sign());
    unsigned.finish(&signature)
}

pub fn vector_path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../vectors", name].iter().collect()
}

pub fn vectors(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(vector_path(name)).unwrap()).unwrap()
}

/// Opens every case of a file and returns those with another verdict than the file gives; and how many were refused.
pub fn run_cases(file: &Value) -> (Vec<String>, usize) {
    let cases = file["cases"].as_array().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let verifier = verifier(file, case);
        for first in before(cases, case) {
            let outcome = open_case(&verifier, file, first);
            assert_eq!(verdict(&outcome), expected(first), "{} before {}", first["name"], case["name"]);
        }
        let outcome = open_case(&verifier, file, case);
        if verdict(&outcome) != expected(case) {
            wrong.push(format!("{}: {} instead of {}", case["name"], verdict(&outcome), expected(case)));
        }
    }
    (wrong, cases.iter().filter(|case| case["expect"] == "reject").count())
}

/// What a recipient is given before a case, first things first.
fn before<'a>(cases: &'a [Value], case: &Value) -> Vec<&'a Value> {
    let Some(name) = case["after"].as_str() else { return Vec::new() };
    let last = cases.iter().find(|case| case["name"] == name).unwrap();
    let mut all = before(cases, last);
    all.push(last);
    all
}

fn expected(case: &Value) -> &str {
    match case["expect"].as_str().unwrap() {
        "accept" => "accepted",
        _ => case["code"].as_str().unwrap(),
    }
}

fn verifier(file: &Value, case: &Value) -> Verifier {
    let audience = VerifyingKey::from_did(file["self"].as_str().unwrap()).unwrap();
    let mut verifier = Verifier::new(audience.did());
    let number = |name: &str| case[name].as_u64();
    verifier.policy.clock_skew = number("clockSkewSeconds").unwrap_or(verifier.policy.clock_skew);
    verifier.policy.max_lifetime = number("maxLifetimeSeconds").unwrap_or(verifier.policy.max_lifetime);
    verifier.policy.mail = number("maxMailSeconds");
    verifier.policy.secrecy = match (case["offers"].as_str(), case["requires"].as_str()) {
        (Some(key), _) => Secrecy::Offered(Digest::of_text(key).unwrap()),
        (_, Some(key)) => Secrecy::Required(Digest::of_text(key).unwrap()),
        _ => Secrecy::None,
    };
    verifier.policy.session = case["session"].as_str().map(|text| Session::parse(text).unwrap());
    if let Some(limit) = number("maxBodyBytes") {
        verifier.policy.max_body = usize::try_from(limit).unwrap();
    }
    if let Some(limit) = number("maxTrackedMessages") {
        verifier.window = ReplayWindow::new(usize::try_from(limit).unwrap());
    }
    verifier
}

fn open_case(verifier: &Verifier, file: &Value, case: &Value) -> Result<VerifiedMessage<Vec<u8>>> {
    let now = case["now"].as_u64().or(file["now"].as_u64()).unwrap();
    let body = match case["bodyHex"].as_str() {
        Some(hex) => data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap(),
        None => case["bodyUtf8"].as_str().unwrap().as_bytes().to_vec(),
    };
    let named = |call: &Value, id: &MessageId, read: fn(&MessageId, &str) -> Option<PendingCall>| {
        (call["jti"].as_str()? == id.text()).then(|| read(id, call["jws"].as_str().unwrap()).unwrap())
    };
    let pending = |op: Op, id: &MessageId| match op.is_reply() {
        true => named(&case["pending"], id, PendingCall::of),
        false => named(&case["running"], id, PendingCall::running),
    };
    let jws = case["jws"].as_str().unwrap();
    let names =
        |list: &Value, did: &Did| list.as_array().is_some_and(|dids| dids.iter().any(|name| name == did.as_str()));
    let refused = |sender: &Did, _| {
        let is_allowed = case["allow"].is_null() || names(&case["allow"], sender);
        let why = if is_allowed { ErrorKind::Revoked } else { ErrorKind::NotAllowed };
        (!is_allowed || names(&case["revoked"], sender)).then_some(why)
    };
    let recipient = Recipient { refused: &refused, ..verifier.recipient() };
    open(&recipient, now, jws, body, case["token"].as_str(), pending)
}
