//! Rotations and approvals, honest and forged.

use super::forge::*;
use serde_json::{Value, json};
use xbind::{Digest, Rotation, SigningKey};

const ROTATION: &str = "agent-rotation+jwt";
const APPROVAL: &str = "agent-approval+jwt";

fn rotation(overlap: u64) -> Rotation {
    Rotation { old: *agent().did(), new: *worker().did(), issued_at: NOW, active_from: NOW + 60, overlap }
}

fn rotation_claims() -> Object {
    Object::of(&[
        ("iss", quoted(agent().did().as_str())),
        ("sub", quoted(worker().did().as_str())),
        ("iat", NOW.to_string()),
        ("nbf", (NOW + 60).to_string()),
        ("overlap", "86400".to_owned()),
    ])
}

fn times(iat: u64, nbf: u64, overlap: u64) -> Object {
    rotation_claims().set("iat", iat).set("nbf", nbf).set("overlap", overlap)
}

/// Signs the claims with two keys, each under a header of its own.
fn twice(claims: &str, signers: [(&SigningKey, Object); 2]) -> String {
    let signatures = signers.map(|(key, header)| {
        let jws = sign(key, header.json(), claims);
        let [protected, _, signature] = segments(&jws);
        format!(r#"{{"protected":"{protected}","signature":"{signature}"}}"#)
    });
    format!(r#"{{"payload":"{}","signatures":[{}]}}"#, encode(claims), signatures.join(","))
}

fn by_both(claims: &Object) -> String {
    let (old, new) = (agent(), worker());
    let headers = [header_of(old.did(), ROTATION), header_of(new.did(), ROTATION)];
    let [first, second] = headers;
    twice(&claims.json(), [(&old, first), (&new, second)])
}

pub fn rotations() -> Vec<Value> {
    let (old, new, stranger) = (agent(), worker(), stranger());
    let header = |key: &SigningKey| header_of(key.did(), ROTATION);
    let is = |overlap: u64| json!({ "old": old.did().as_str(), "new": new.did().as_str(), "issuedAt": NOW, "activeFrom": NOW + 60, "overlap": overlap });
    let good =
        |name: &str, why: &str, overlap: u64, text: String| accept(name, why, text).with("rotation", is(overlap));
    let set = |name: &str, why: &str, claim: &str, value: String| {
        invalid(name, why, by_both(&rotation_claims().set(claim, value)))
    };
    let claims = rotation_claims().json();
    let two = |name: &str, first: (&SigningKey, Object), second: (&SigningKey, Object)| {
        invalid(name, "signed by the old key, then by the new one", twice(&claims, [first, second]))
    };
    let honest = by_both(&rotation_claims());
    let compact = sign(&old, header(&old).json(), &claims);
    let [protected, payload, signature] = segments(&compact);
    let array = honest.replace(
        &format!(r#"{{"protected":"{protected}","signature":"{signature}"}}"#),
        &format!(r#"["{protected}","{signature}"]"#),
    );
    let other = |typ: &str| header_of(old.did(), typ);
    vec![
        good("planned", "with an overlap of one day", 86_400, honest.clone()),
        good("planned-made-here", "as this library makes it", 86_400, rotation(86_400).sign(&old, &new).unwrap()),
        good("emergency", "no overlap", 0, rotation(0).sign(&old, &new).unwrap()),
        good("longest-overlap", "seven days", 604_800, rotation(604_800).sign(&old, &new).unwrap()),
        set("overlap-too-long", "seven days at most", "overlap", "604801".to_owned()),
        set("overlap-negative", "seconds", "overlap", "-1".to_owned()),
        set("overlap-huge", "seven days at most", "overlap", u64::MAX.to_string()),
        set("starts-before", "not before it is signed", "nbf", (NOW - 1).to_string()),
        set("starts-too-late", "30 days later at most", "nbf", (NOW + 2_592_001).to_string()),
        set("to-itself", "another key", "sub", quoted(old.did().as_str())),
        set("to-no-did", "a DID", "sub", quoted("worker")),
        set("from-alias", "a DID", "iss", quoted(&old.did().as_str().replace("did:key:", "did:key:1:"))),
        accept(
            "at-the-end-of-time",
            "no overlap ends after 2^64 - 1; a history takes it in when its time has come",
            by_both(&times(u64::MAX, u64::MAX, 0)),
        )
        .with("rotation", json!({ "old": old.did().as_str(), "new": new.did().as_str(), "issuedAt": u64::MAX, "activeFrom": u64::MAX, "overlap": 0 })),
        accept("ends-with-time", "nbf + overlap is 2^64 - 1", by_both(&times(u64::MAX - 60, u64::MAX - 60, 60)))
            .with("rotation", json!({ "old": old.did().as_str(), "new": new.did().as_str(), "issuedAt": u64::MAX - 60, "activeFrom": u64::MAX - 60, "overlap": 60 })),
        invalid("ends-after-time", "nbf + overlap is at most 2^64 - 1", by_both(&times(u64::MAX - 60, u64::MAX - 60, 61))),
        invalid("ends-after-time-by-one", "nbf + overlap is at most 2^64 - 1", by_both(&times(u64::MAX, u64::MAX, 1))),
        set("nbf-beyond-64-bits", "an integer below 2^64", "nbf", "18446744073709551616".to_owned()),
        set("iat-string", "a number", "iat", quoted("1")),
        invalid("claim-missing", "all five claims", by_both(&rotation_claims().without("overlap"))),
        invalid("claim-more", "no other claim", by_both(&rotation_claims().add("aud", "\"x\""))),
        invalid(
            "claim-repeated",
            "a member stands once",
            by_both(&rotation_claims().add("sub", quoted(stranger.did().as_str()))),
        ),
        two("old-twice", (&old, header(&old)), (&old, header(&old))),
        two("new-twice", (&new, header(&new)), (&new, header(&new))),
        two("swapped", (&new, header(&new)), (&old, header(&old))),
        two("new-by-stranger", (&old, header(&old)), (&stranger, header(&new))),
        two("old-by-stranger", (&stranger, header(&old)), (&new, header(&new))),
        two("strangers-own", (&stranger, header(&stranger)), (&new, header(&new))),
        two("kid-of-other", (&old, header(&new)), (&new, header(&old))),
        two("typ-message", (&old, other("agent-msg+jwt")), (&new, header(&new))),
        two("typ-token", (&old, other("at+jwt")), (&new, header(&new))),
        two("typ-approval", (&old, other(APPROVAL)), (&new, header(&new))),
        two("typ-upper-case", (&old, other("AGENT-ROTATION+JWT")), (&new, header(&new))),
        two("crit", (&old, header(&old).add("crit", "[]")), (&new, header(&new))),
        two("alg-none", (&old, header(&old).set("alg", "\"none\"")), (&new, header(&new))),
        invalid("compact", "two signatures", compact.clone()),
        invalid(
            "one-signature",
            "two signatures",
            format!(
                r#"{{"payload":"{payload}","signatures":[{{"protected":"{protected}","signature":"{signature}"}}]}}"#
            ),
        ),
        invalid(
            "flattened",
            "two signatures",
            format!(r#"{{"payload":"{payload}","protected":"{protected}","signature":"{signature}"}}"#),
        ),
        invalid(
            "three-signatures",
            "two signatures",
            honest.replace("]}", &format!(r#",{{"protected":"{protected}","signature":"{signature}"}}]}}"#)),
        ),
        invalid(
            "unprotected-header",
            "no other member",
            honest.replace(r#"","signature":""#, r#"","header":{},"signature":""#),
        ),
        invalid("signature-as-array", "an object", array),
        invalid(
            "payload-edited",
            "signed as it is",
            honest.replace(payload, &encode(rotation_claims().set("sub", quoted(stranger.did().as_str())).json())),
        ),
        invalid("payload-padded", "base64url is strict", honest.replace(payload, &format!("{payload}="))),
        invalid("member-more", "no other member", honest.replace("{\"payload\"", "{\"x\":1,\"payload\"")),
        invalid("trailing", "nothing after it", format!("{honest}x")),
        invalid("empty", "a JSON object", String::new()),
        invalid("too-long", "4096 bytes at most", format!("{honest}{}", " ".repeat(4096))),
    ]
}

const BODY: &str = r#"{"pay":"supplier-7","eur":1200}"#;

const OWN: &str = "gIGCg4SFhoeIiYqLjI2Ojw";
const OTHER: &str = "kJGSk5SVlpeYmZqbnJ2enw";

fn approval_claims() -> Object {
    Object::of(&[
        ("iss", quoted(operator().did().as_str())),
        ("sub", quoted(agent().did().as_str())),
        ("aud", quoted(worker().did().as_str())),
        ("decision", quoted("approve")),
        ("jti", quoted(ID)),
        ("iat", NOW.to_string()),
        ("exp", (NOW + 300).to_string()),
        ("pt", quoted("application/json")),
        ("pl", BODY.len().to_string()),
        ("pd", quoted(&digest(BODY))),
    ])
}

fn digest(body: &str) -> String {
    format!("sha-256:{}", encode(Digest::of(body.as_bytes()).as_bytes()))
}

/// An honest yes.
pub fn approved() -> String {
    signed(&approval_claims())
}

fn signed(claims: &Object) -> String {
    sign(&operator(), header_of(operator().did(), APPROVAL).json(), claims.json())
}

pub fn approvals() -> Value {
    let set = |claim: &str, value: String| signed(&approval_claims().set(claim, value));
    let honest = signed(&approval_claims());
    let header = |typ: &str| sign(&operator(), header_of(operator().did(), typ).json(), approval_claims().json());
    let by = |key: &SigningKey| {
        let claims = approval_claims().set("iss", quoted(key.did().as_str()));
        sign(key, header_of(key.did(), APPROVAL).json(), claims.json())
    };
    let with = |case: Value, member: &str, value: Value| case.with(member, value);
    let body = "the very bytes that were approved";
    let late =
        |name: &str, now: u64, code: &str| with(refuse(code, name, "in time", honest.clone()), "now", json!(now));
    let grammar =
        |name: &str, claim: &str, value: &str| invalid(name, "the grammar of the claim", set(claim, value.to_owned()));
    let changed =
        |name: &str, text: &str| with(refuse("INVALID_SIGNATURE", name, body, honest.clone()), "bodyUtf8", json!(text));
    let method = "the very method that was approved";
    let named = |name: &str| signed(&approval_claims().add("mth", quoted(name)));
    let (longest, denied) = ("m".repeat(128), approval_claims().set("decision", quoted("deny")));
    let for_method = |name: &str, token: String, asked: &str| {
        with(refuse("INVALID_SIGNATURE", name, method, token), "method", json!(asked))
    };
    let mth = |name: &str, value: &str| {
        invalid(name, "the grammar of the claim", signed(&approval_claims().add("mth", value)))
    };
    let session = "the very session that was approved";
    let in_session = |name: &str| signed(&approval_claims().add("ses", quoted(name)));
    let ses = |name: &str, value: &str| {
        invalid(name, "the grammar of the claim", signed(&approval_claims().add("ses", value)))
    };
    let cases = vec![
        accept("approved", "an honest yes", honest.clone()),
        accept("longest", "one hour", set("exp", (NOW + 3600).to_string())),
        refuse("APPROVAL_REFUSED", "denied", "an honest no", set("decision", quoted("deny"))),
        grammar("decision-other", "decision", "\"maybe\""),
        grammar("decision-true", "decision", "true"),
        grammar("decision-empty", "decision", "\"\""),
        grammar("decision-upper-case", "decision", "\"APPROVE\""),
        changed("body-changed", &BODY.replace("1200", "9200")),
        changed("body-white-space", &format!("{BODY} ")),
        changed("body-empty", ""),
        with(refuse("INVALID_SIGNATURE", "type-changed", body, honest.clone()), "contentType", json!("text/plain")),
        refuse("INVALID_SIGNATURE", "length-wrong", body, set("pl", (BODY.len() + 1).to_string())),
        refuse("INVALID_SIGNATURE", "digest-wrong", body, set("pd", quoted(&digest("{}")))),
        refuse("INVALID_SIGNATURE", "digest-prefix", body, set("pd", quoted(&digest(BODY)[8..]))),
        with(
            invalid("other-caller", "bound to the caller", honest.clone()),
            "caller",
            json!(stranger().did().as_str()),
        ),
        with(
            refuse("WRONG_AUDIENCE", "other-recipient", "bound to the recipient", honest.clone()),
            "recipient",
            json!(stranger().did().as_str()),
        ),
        refuse("UNTRUSTED_ISSUER", "by-stranger", "an approver", by(&stranger())),
        refuse("UNTRUSTED_ISSUER", "by-caller", "nobody approves his own call", by(&agent())),
        invalid(
            "forged",
            "signed by the approver",
            sign(&stranger(), header_of(operator().did(), APPROVAL).json(), approval_claims().json()),
        ),
        invalid(
            "kid-of-stranger",
            "kid names the key of iss",
            sign(&operator(), header_of(stranger().did(), APPROVAL).json(), approval_claims().json()),
        ),
        invalid("typ-token", "its own typ", header("at+jwt")),
        invalid("typ-message", "its own typ", header("agent-msg+jwt")),
        invalid("typ-application", "its own typ", header("application/agent-approval+jwt")),
        invalid("token", "its own typ", token()),
        late("last-second-gone", NOW + 330, "TOKEN_EXPIRED"),
        late("too-early", NOW - 31, "TOKEN_NOT_YET_VALID"),
        with(accept("last-second", "in time", honest.clone()), "now", json!(NOW + 329)),
        invalid("lives-too-long", "one hour at most", set("exp", (NOW + 3601).to_string())),
        invalid("expires-at-once", "expires after it is issued", set("exp", NOW.to_string())),
        grammar("jti-short", "jti", "\"AAEC\""),
        refuse("INVALID_SIGNATURE", "pd-empty", "any string, compared with the body", set("pd", "\"\"".to_owned())),
        refuse("INVALID_SIGNATURE", "pd-no-digest", "any string, compared with the body", set("pd", quoted("x"))),
        grammar("pd-number", "pd", "1"),
        grammar("pd-null", "pd", "null"),
        refuse("INVALID_SIGNATURE", "pt-empty", "any string, compared with the body", set("pt", "\"\"".to_owned())),
        refuse("WRONG_AUDIENCE", "aud-empty", "any string, compared with the recipient", set("aud", "\"\"".to_owned())),
        refuse("WRONG_AUDIENCE", "aud-no-did", "any string, compared with the recipient", set("aud", quoted("worker"))),
        refuse(
            "WRONG_AUDIENCE",
            "aud-alias",
            "any string, compared with the recipient",
            set("aud", quoted(&worker().did().as_str().replace("did:key:", "did:key:1:"))),
        ),
        invalid("sub-no-did", "any string, compared with the caller", set("sub", quoted("agent"))),
        refuse(
            "UNTRUSTED_ISSUER",
            "iss-empty",
            "any string, compared with the approvers",
            set("iss", "\"\"".to_owned()),
        ),
        refuse(
            "UNTRUSTED_ISSUER",
            "iss-no-did",
            "any string, compared with the approvers",
            set("iss", quoted("operator")),
        ),
        grammar("iss-number", "iss", "1"),
        grammar("sub-null", "sub", "null"),
        grammar("jti-number", "jti", "1"),
        grammar("aud-array", "aud", &format!("[{}]", quoted(worker().did().as_str()))),
        grammar("pl-string", "pl", &quoted(&BODY.len().to_string())),
        with(accept("method", "the method that is asked for", named("pay")), "method", json!("pay")),
        with(accept("method-longest", "128 characters", named(&longest)), "method", json!(longest)),
        with(accept("method-proto", "a name like any other", named("__proto__")), "method", json!("__proto__")),
        for_method("method-other", named("pay"), "refund"),
        for_method("method-case", named("pay"), "Pay"),
        for_method("method-dot", named("pay"), "pay."),
        for_method("method-prefix", named("pay"), "pa"),
        for_method("method-missing", honest.clone(), "pay"),
        refuse("INVALID_SIGNATURE", "method-too-many", method, named("pay")),
        with(
            refuse("INVALID_SIGNATURE", "method-body-changed", body, named("pay")).with("method", json!("pay")),
            "bodyUtf8",
            json!(BODY.replace("1200", "9200")),
        ),
        with(
            refuse("APPROVAL_REFUSED", "method-denied", "an honest no", signed(&denied.add("mth", quoted("pay")))),
            "method",
            json!("pay"),
        ),
        with(
            invalid(
                "method-twice",
                "a member stands once",
                signed(&approval_claims().add("mth", quoted("pay")).add("mth", quoted("pay"))),
            ),
            "method",
            json!("pay"),
        ),
        mth("method-null", "null"),
        mth("method-number", "1"),
        mth("method-array", "[\"pay\"]"),
        mth("method-empty", "\"\""),
        mth("method-space", "\"pay \""),
        mth("method-slash", "\"pay/now\""),
        mth("method-beyond-ascii", "\"p\u{e4}y\""),
        mth("method-nul", "\"pay\\u0000\""),
        mth("method-too-long", &quoted(&"m".repeat(129))),
        invalid("method-upper-case-name", "no other claim", signed(&approval_claims().add("MTH", quoted("pay")))),
        with(accept("session", "the session that the call names", in_session(OWN)), "session", json!(OWN)),
        with(refuse("INVALID_SIGNATURE", "session-other", session, in_session(OTHER)), "session", json!(OWN)),
        with(refuse("INVALID_SIGNATURE", "session-missing", session, honest.clone()), "session", json!(OWN)),
        refuse("INVALID_SIGNATURE", "session-too-many", session, in_session(OWN)),
        ses("session-short", "\"gIGCgw\""),
        ses("session-null", "null"),
        invalid("claim-missing", "all ten claims", signed(&approval_claims().without("pd"))),
        invalid("claim-more", "no other claim", signed(&approval_claims().add("limit", 1))),
        invalid(
            "claim-repeated",
            "a member stands once",
            signed(&approval_claims().add("decision", quoted("approve"))),
        ),
        invalid("empty", "a compact JWS", String::new()),
        invalid("too-long", "4096 bytes at most", format!("{honest}{}", "A".repeat(4096))),
    ];
    json!({
        "note": "Approvals of one call, verified at `now`; a denied one verifies too, and then refuses the call.",
        "now": NOW,
        "approvers": [operator().did().as_str(), agent().did().as_str()],
        "caller": agent().did().as_str(),
        "recipient": worker().did().as_str(),
        "contentType": "application/json",
        "bodyUtf8": BODY,
        "cases": cases,
    })
}
