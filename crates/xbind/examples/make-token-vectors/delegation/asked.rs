//! What a verifier is told beside a chain.

use super::*;

pub fn cases() -> Vec<Value> {
    let two = chain(token(), 2);
    let worker = worker();
    let now = |case: Value, now: u64| case.with("now", json!(now));
    let by = |case: Value, did: &str| case.with("presenter", json!(did));
    let revoked =
        |name: &str, why: &str, what: Value| refuse("REVOKED", name, why, two.clone()).with("revoked", json!([what]));
    let did = |did: &str| json!({ "did": did, "issuedUntil": NOW });
    let with_status =
        by_agent(&honest().add("status", r#"{"status_list":{"idx":7,"uri":"https://agent.example/status"}}"#));
    vec![
        by(accept("presented", "by the last subject", two.clone()), key(4).did().as_str()),
        by(invalid("presented-by-holder", "who handed it on does not use it", two.clone()), worker.did().as_str()),
        by(invalid("presented-by-root", "nor does the first subject", two.clone()), agent().did().as_str()),
        by(invalid("presented-by-thief", "nor a thief", two.clone()), stranger().did().as_str()),
        by(invalid("token-by-delegate", "the root alone is not the delegate's", token()), worker.did().as_str()),
        refuse("SCOPE_DENIED", "scope-of-root", "what was not handed on", by_agent(&honest()))
            .with("scopes", json!(["read:payments"])),
        now(refuse("TOKEN_EXPIRED", "expired", "the last link's expiry", by_agent(&honest())), NOW + 3030),
        now(refuse("TOKEN_NOT_YET_VALID", "too-early", "the last link's issue", by_agent(&honest())), NOW - 30),
        revoked("revoked-root", "all hangs on the root", json!({ "id": ID })),
        revoked("revoked-middle", "a link kills all below", json!({ "id": encode([3; 16]) })),
        revoked("revoked-last", "the last link", json!({ "id": encode([4; 16]) })),
        revoked("revoked-first-issuer", "whoever is in the chain", did(operator().did().as_str())),
        revoked("revoked-first-holder", "whoever is in the chain", did(agent().did().as_str())),
        revoked("revoked-second-holder", "whoever is in the chain", did(worker.did().as_str())),
        revoked("revoked-last-subject", "whoever is in the chain", did(key(4).did().as_str())),
        accept("revoked-above-only-a-sibling", "another branch stands", two.clone())
            .with("revoked", json!([{ "id": encode([9; 16]) }])),
        refuse("REVOCATION_UNKNOWN", "status-of-link", "its list is not at hand", with_status),
    ]
}
