//! Chains, honest and forged.

use super::forge::*;
use serde_json::{Value, json};
use xbind::{DelegationDraft, ScopeSet, SigningKey, delegate};

const TYPE: &str = "agent-deleg+jwt";

pub fn cases() -> Vec<Value> {
    [accepted(), rights(), people(), acts(), parents(), forged(), asked()].concat()
}

fn broken(name: &str, why: &str, token: String) -> Value {
    refuse("INVALID_DELEGATION", name, why, token)
}

/// The claims of an honest link from one to the other.
fn link(from: &SigningKey, to: &SigningKey, act: &str, parent: &str) -> Object {
    Object::of(&[
        ("iss", quoted(from.did().as_str())),
        ("sub", quoted(to.did().as_str())),
        ("aud", quoted(AUDIENCE)),
        ("iat", (NOW + 1).to_string()),
        ("exp", (NOW + 3000).to_string()),
        ("jti", quoted("EBESExQVFhcYGRobHB0eHw")),
        ("scope", quoted("invoice.read")),
        ("act", act.to_owned()),
        ("prf", quoted(parent)),
    ])
}

/// The `act` of a chain to these, the last of them first.
fn act(subjects: &[&SigningKey]) -> String {
    let sub = |key: &SigningKey| quoted(key.did().as_str());
    match subjects {
        [] => String::new(),
        [first] => format!(r#"{{"sub":{}}}"#, sub(first)),
        [last, rest @ ..] => format!(r#"{{"sub":{},"act":{}}}"#, sub(last), act(rest)),
    }
}

fn signed(key: &SigningKey, claims: &Object) -> String {
    sign(key, header_of(key.did(), TYPE).json(), claims.json())
}

/// The agent's honest link to the worker.
fn honest() -> Object {
    link(&agent(), &worker(), &act(&[&worker(), &agent()]), &token())
}

fn by_agent(claims: &Object) -> String {
    signed(&agent(), claims)
}

/// Delegates down from the agent to keys 3, 4, ….
fn chain(token: String, links: u8) -> String {
    (0..links).fold(token, |token, n| delegated(&token, 2 + n, 3 + n, None))
}

fn delegated(token: &str, from: u8, to: u8, scopes: Option<&str>) -> String {
    let scopes = scopes.map(|scopes| ScopeSet::parse(scopes).unwrap());
    let draft = DelegationDraft {
        subject: *key(to).did(),
        audience: None,
        scopes: scopes.as_ref(),
        ttl: None,
        status: None,
        now: NOW,
        id: [to; 16],
    };
    delegate(&key(from), token, &draft).unwrap()
}

fn accepted() -> Vec<Value> {
    let chain_of = |links: u8| (1..=links + 2).map(|n| key(n).did().as_str().to_owned()).collect::<Vec<_>>();
    let narrowed =
        delegated(&delegated(&token(), 2, 3, Some("invoice.read.* read:payments")), 3, 4, Some("invoice.read.lines"));
    let external = external(&claims_of(ISSUER, agent().did().as_str()));
    let set =
        |name: &str, why: &str, claim: &str, value: String| accept(name, why, by_agent(&honest().set(claim, value)));
    vec![
        accept("one", "handed on once", by_agent(&honest()))
            .with("is", json!({ "chain": chain_of(1), "scopes": ["invoice.read"] })),
        accept("one-made-here", "as this library makes it", chain(token(), 1))
            .with("is", json!({ "chain": chain_of(1), "scopes": ["invoice.*", "read:payments"] })),
        accept("two", "handed on twice", chain(token(), 2)).with("is", json!({ "chain": chain_of(2) })),
        accept("eight", "as often as allowed", chain(token(), 8)).with("is", json!({ "chain": chain_of(8) })),
        accept("narrowed-twice", "each narrower than the last", narrowed)
            .with("is", json!({ "scopes": ["invoice.read.lines"] })),
        accept("of-jwks-issuer", "the root's issuer is known by its keys", delegated(&external, 2, 3, None))
            .with("is", json!({ "issuer": ISSUER, "subject": worker().did().as_str() })),
        accept(
            "claims-of-root",
            "the root's further claims stay",
            delegated(&with_claims(&claims().add("team", quoted("billing"))), 2, 3, None),
        )
        .with("is", json!({ "claims": { "team": "billing" } })),
        accept("scope-missing", "no scope, no rights", by_agent(&honest().without("scope")))
            .with("is", json!({ "scopes": [] })),
        set("same-expiry", "until the parent expires", "exp", (NOW + 3600).to_string()),
        set("same-issue", "in the same second", "iat", NOW.to_string()),
        set("same-scopes", "all that the parent grants", "scope", quoted("invoice.* read:payments")),
        set("other-order", "in any order", "scope", quoted("read:payments invoice.*")),
        set("audience-array", "one audience, as an array", "aud", format!("[{}]", quoted(AUDIENCE))),
        set(
            "act-reordered",
            "members have no order",
            "act",
            format!(r#"{{"act":{},"sub":{}}}"#, act(&[&agent()]), quoted(worker().did().as_str())),
        ),
    ]
}

fn rights() -> Vec<Value> {
    let set =
        |name: &str, why: &str, claim: &str, value: String| broken(name, why, by_agent(&honest().set(claim, value)));
    let wider = |name: &str, scope: &str| set(name, "no scope that the parent does not grant", "scope", quoted(scope));
    let middle = by_agent(&honest().set("scope", quoted("invoice.read")));
    let last = |claim: &str, value: String| {
        let claims = link(&worker(), &key(4), &act(&[&key(4), &worker(), &agent()]), &middle);
        signed(&worker(), &claims.set(claim, value))
    };
    vec![
        wider("wider-other", "admin"),
        wider("wider-one-of-two", "invoice.read admin"),
        wider("wider-star", "read:*"),
        wider("wider-parent-of-star", "invoice"),
        wider("wider-other-separator", "invoice:read"),
        wider("wider-other-case", "Invoice.read"),
        set("outlives", "not beyond the parent's expiry", "exp", (NOW + 3601).to_string()),
        set("older", "not before its parent", "iat", (NOW - 1).to_string()),
        set("other-audience", "the parent's audience", "aud", quoted("https://other.example")),
        set("wider-audience", "the parent's audience", "aud", quoted("https://api.example/")),
        broken("regained-scope", "the root grants it, the parent no more", last("scope", quoted("read:payments"))),
        broken("regained-star", "the root grants it, the parent no more", last("scope", quoted("invoice.*"))),
        broken("regained-time", "the root lives so long, the parent does not", last("exp", (NOW + 3600).to_string())),
        broken("older-than-parent", "the root is so old, the parent is not", last("iat", NOW.to_string())),
        broken("scopes-from-none", "a parent without rights has none to hand on", {
            let bare = with_claims(&claims().without("scope"));
            by_agent(&link(&agent(), &worker(), &act(&[&worker(), &agent()]), &bare))
        }),
        invalid(
            "two-audiences",
            "one audience",
            by_agent(&honest().set("aud", format!("[{},\"https://b.example\"]", quoted(AUDIENCE)))),
        ),
        invalid("scope-empty", "no scope is no claim", by_agent(&honest().set("scope", "\"\""))),
        invalid("scope-everything", "there is no such scope", by_agent(&honest().set("scope", "\"*\""))),
    ]
}

fn people() -> Vec<Value> {
    let to = |name: &str, why: &str, subject: &SigningKey| {
        broken(name, why, by_agent(&link(&agent(), subject, &act(&[subject, &agent()]), &token())))
    };
    let twice = "nobody is in a chain twice";
    let subject = |name: &str, did: &str| {
        let act = format!(r#"{{"sub":{},"act":{}}}"#, quoted(did), act(&[&agent()]));
        broken(name, "a delegation is to a DID", by_agent(&honest().set("sub", quoted(did)).set("act", act)))
    };
    let named = external(&claims_of(ISSUER, agent().did().as_str()).set("sub", quoted("auth0|7")));
    vec![
        broken(
            "issuer-not-subject",
            "only the parent's subject hands it on",
            signed(&stranger(), &link(&stranger(), &worker(), &act(&[&worker(), &agent()]), &token())),
        ),
        broken(
            "issuer-is-root",
            "not even the first issuer",
            signed(&operator(), &link(&operator(), &worker(), &act(&[&worker(), &agent()]), &token())),
        ),
        broken(
            "issuer-skips-one",
            "the root's subject, not the parent's",
            signed(&agent(), &link(&agent(), &key(4), &act(&[&key(4), &worker(), &agent()]), &by_agent(&honest()))),
        ),
        to("to-issuer", twice, &operator()),
        to("to-itself", twice, &agent()),
        broken("to-earlier", twice, {
            let subject = agent();
            signed(&worker(), &link(&worker(), &subject, &act(&[&subject, &worker(), &subject]), &by_agent(&honest())))
        }),
        broken("self-issued-root", twice, {
            let own = operator();
            let root = with_claims(&claims_of(own.did().as_str(), own.did().as_str()));
            signed(&own, &link(&own, &worker(), &act(&[&worker(), &own]), &root))
        }),
        broken("to-first-issuer-later", twice, {
            let first = operator();
            signed(&worker(), &link(&worker(), &first, &act(&[&first, &worker(), &agent()]), &by_agent(&honest())))
        }),
        subject("subject-no-did", "agent-7"),
        subject("subject-did-web", "did:web:agent.example"),
        subject("subject-alias", &worker().did().as_str().replace("did:key:", "did:key:1:")),
        broken("holder-no-did", "who is named otherwise cannot sign", {
            let claims = link(
                &agent(),
                &worker(),
                &format!(r#"{{"sub":{},"act":{{"sub":"auth0|7"}}}}"#, quoted(worker().did().as_str())),
                &named,
            );
            by_agent(&claims.set("iss", quoted("auth0|7")))
        }),
        broken("nine", "eight times at most", {
            let (last, next) = (key(10), key(11));
            let subjects: Vec<_> = (2..=11).rev().map(key).collect();
            let act = act(&subjects.iter().collect::<Vec<_>>());
            signed(&last, &link(&last, &next, &act, &chain(token(), 8)).set("iat", NOW + 2))
        }),
        broken("nine-of-nothing", "the ninth link from outside is looked at, and nothing within it", {
            (0..9).fold("x".to_owned(), |parent, _| by_agent(&honest().set("prf", quoted(&parent))))
        }),
        invalid("eight-of-nothing", "the ninth text is no token", {
            (0..8).fold("x".to_owned(), |parent, _| by_agent(&honest().set("prf", quoted(&parent))))
        }),
        invalid("nine-malformed", "the ninth text is no link either", {
            let ninth = by_agent(&honest().without("jti"));
            (0..8).fold(ninth, |parent, _| by_agent(&honest().set("prf", quoted(&parent))))
        }),
    ]
}

fn acts() -> Vec<Value> {
    let (agent, worker) = (agent(), worker());
    let disagrees = |name: &str, act: String| {
        broken(name, "act tells the same story as the chain", by_agent(&honest().set("act", act)))
    };
    let malformed =
        |name: &str, act: &str| invalid(name, "nested objects of sub and act", by_agent(&honest().set("act", act)));
    let sub = quoted(worker.did().as_str());
    vec![
        disagrees("act-swapped", act(&[&agent, &worker])),
        disagrees("act-short", act(&[&worker])),
        disagrees("act-long", act(&[&worker, &agent, &operator()])),
        disagrees("act-of-stranger", act(&[&worker, &stranger()])),
        disagrees("act-first-stranger", act(&[&stranger(), &agent])),
        invalid("act-missing", "act is required", by_agent(&honest().without("act"))),
        malformed("act-null", "null"),
        malformed("act-empty", "{}"),
        malformed("act-string", &sub),
        malformed("act-array", &format!("[{sub}]")),
        malformed("act-sub-number", r#"{"sub":1}"#),
        malformed("act-more", &format!(r#"{{"sub":{sub},"act":{},"iss":"https://a.example"}}"#, act(&[&agent]))),
        malformed("act-repeated", &format!(r#"{{"sub":{sub},"sub":{sub},"act":{}}}"#, act(&[&agent]))),
        disagrees("act-16-levels", deep_act(16)),
        malformed("act-17-levels", &deep_act(17)),
        malformed("act-inner-null", &format!(r#"{{"sub":{sub},"act":null}}"#)),
    ]
}

fn deep_act(levels: usize) -> String {
    let sub = quoted(worker().did().as_str());
    (1..levels).fold(format!(r#"{{"sub":{sub}}}"#), |act, _| format!(r#"{{"sub":{sub},"act":{act}}}"#))
}

fn parents() -> Vec<Value> {
    let of = |parent: &str| by_agent(&link(&agent(), &worker(), &act(&[&worker(), &agent()]), parent));
    let prf = |name: &str, why: &str, value: &str| invalid(name, why, by_agent(&honest().set("prf", value)));
    let honest_token = token();
    let [header, claims_segment, _] = segments(&honest_token);
    let unsigned = format!("{header}.{claims_segment}.{}", encode([0; 64]));
    let strangers = {
        let stranger = stranger();
        sign(
            &stranger,
            header_of(stranger.did(), "at+jwt").json(),
            claims_of(stranger.did().as_str(), agent().did().as_str()).json(),
        )
    };
    vec![
        invalid("prf-missing", "a delegation carries its parent", by_agent(&honest().without("prf"))),
        prf("prf-null", "its text", "null"),
        prf("prf-number", "its text", "1"),
        prf("prf-array", "its text", &format!("[{}]", quoted(&honest_token))),
        prf("prf-empty", "its text", "\"\""),
        prf("prf-digest", "its text", &quoted("sha-256:FJ8wwj00qo8R0H6sgg1Go6em1tMCyQiKRD0N-0C69Bw")),
        prf("prf-message", "a token", &quoted(&with_header(header_of(operator().did(), "agent-msg+jwt").json()))),
        prf("prf-malformed", "a token", &quoted(&honest_token[1..])),
        invalid("root-unsigned", "the root is signed", of(&unsigned)),
        invalid(
            "root-forged",
            "the root is signed by its issuer",
            of(&sign(&agent(), super::forge::header().json(), claims().json())),
        ),
        refuse("UNTRUSTED_ISSUER", "root-of-stranger", "the root's issuer is trusted", of(&strangers)),
        refuse("UNTRUSTED_ISSUER", "root-of-holder", "nobody grants himself what he hands on", {
            let (agent, helper) = (agent(), key(4));
            let root = sign(
                &agent,
                header_of(agent.did(), "at+jwt").json(),
                claims_of(agent.did().as_str(), worker().did().as_str()).json(),
            );
            signed(&worker(), &link(&worker(), &helper, &act(&[&helper, &worker()]), &root))
        }),
        invalid(
            "root-bound",
            "a token that is bound to a key is nobody's to hand on",
            of(&with_claims(&claims().add("cnf", "{}"))),
        ),
        invalid("root-too-long-lived", "at most one day", of(&with_claims(&claims().set("exp", NOW + 86_401)))),
        refuse("WRONG_AUDIENCE", "all-for-another", "the audience is compared exactly", {
            let root = with_claims(&claims().set("aud", quoted("https://other.example")));
            by_agent(
                &link(&agent(), &worker(), &act(&[&worker(), &agent()]), &root)
                    .set("aud", quoted("https://other.example")),
            )
        }),
        refuse(
            "TOKEN_NOT_YET_VALID",
            "root-not-before",
            "the root's nbf holds for all below",
            of(&with_claims(&claims().add("nbf", NOW + 60))),
        ),
    ]
}

fn forged() -> Vec<Value> {
    let honest_link = by_agent(&honest());
    let [header, claims_segment, signature] = segments(&honest_link);
    let stolen = honest().set("sub", quoted(stranger().did().as_str())).set("act", act(&[&stranger(), &agent()]));
    let add = |name: &str, claim: &str, value: String| {
        invalid(name, "a claim that nobody here can judge", by_agent(&honest().add(claim, value)))
    };
    let kid_of_stranger = header_of(stranger().did(), TYPE).json();
    let middle = by_agent(&honest());
    let tampered = {
        let [header, claims, signature] = segments(&middle);
        let other = signed(&agent(), &honest().set("scope", quoted("invoice.*")));
        assert_ne!(segments(&other)[1], claims);
        format!("{header}.{}.{signature}", segments(&other)[1])
    };
    vec![
        broken(
            "subject-edited",
            "the signature covers the subject",
            format!("{header}.{}.{signature}", encode(stolen.json())),
        ),
        broken(
            "expiry-edited",
            "the signature covers the expiry",
            format!("{header}.{}.{signature}", encode(honest().set("exp", NOW + 3500).json())),
        ),
        broken(
            "parent-edited",
            "the signature covers the parent",
            format!(
                "{header}.{}.{signature}",
                encode(honest().set("prf", quoted(&with_claims(&claims().set("jti", quoted("x"))))).json())
            ),
        ),
        broken(
            "signed-by-stranger",
            "signed by its issuer",
            sign(&stranger(), header_of(agent().did(), TYPE).json(), honest().json()),
        ),
        broken(
            "signed-by-subject",
            "signed by its issuer",
            sign(&worker(), header_of(agent().did(), TYPE).json(), honest().json()),
        ),
        broken(
            "signed-by-root",
            "signed by its issuer",
            sign(&operator(), header_of(agent().did(), TYPE).json(), honest().json()),
        ),
        broken("kid-of-stranger", "kid names the key of iss", sign(&stranger(), kid_of_stranger, honest().json())),
        broken("signature-zero", "signed by its issuer", format!("{header}.{claims_segment}.{}", encode([0; 64]))),
        broken("signature-short", "64 bytes", format!("{header}.{claims_segment}.{}", encode([0; 63]))),
        broken(
            "middle-edited",
            "every link is signed",
            signed(&worker(), &link(&worker(), &key(4), &act(&[&key(4), &worker(), &agent()]), &tampered)),
        ),
        add("caveat", "caveats", r#"["only on Mondays"]"#.to_owned()),
        add("unknown-claim", "max", "3".to_owned()),
        add("client-id", "client_id", quoted(worker().did().as_str())),
        add("not-before", "nbf", NOW.to_string()),
        add("bound", "cnf", "{}".to_owned()),
        add("proto", "__proto__", "{}".to_owned()),
        invalid(
            "repeated-subject",
            "a member stands once",
            by_agent(&honest().add("sub", quoted(stranger().did().as_str()))),
        ),
        invalid("id-missing", "each link can be revoked", by_agent(&honest().without("jti"))),
        invalid("expires-at-once", "exp is after iat, as in a token", {
            by_agent(&honest().set("iat", NOW + 10).set("exp", NOW + 10))
        }),
        invalid("expires-before", "exp is after iat, as in a token", {
            by_agent(&honest().set("iat", NOW + 10).set("exp", NOW + 9))
        }),
        invalid("kid-513", "512 bytes at most", {
            let header = header_of(agent().did(), TYPE).set("kid", quoted(&"k".repeat(513)));
            sign(&agent(), header.json(), honest().json())
        }),
        broken("kid-512", "the key of iss", {
            let header = header_of(agent().did(), TYPE).set("kid", quoted(&"k".repeat(512)));
            sign(&agent(), header.json(), honest().json())
        }),
        invalid("typ-link-claims-of-token", "typ alone tells a link from a token", {
            sign(&operator(), header_of(operator().did(), TYPE).json(), claims().json())
        }),
        invalid("expiry-missing", "every grant ends", by_agent(&honest().without("exp"))),
        invalid("issue-missing", "every grant begins", by_agent(&honest().without("iat"))),
        invalid(
            "typ-token",
            "a delegation is no token",
            sign(&agent(), header_of(agent().did(), "at+jwt").json(), honest().json()),
        ),
        invalid(
            "typ-application",
            "the kinds of our own have one spelling",
            sign(&agent(), header_of(agent().did(), "application/agent-deleg+jwt").json(), honest().json()),
        ),
        invalid(
            "typ-upper-case",
            "the kinds of our own have one spelling",
            sign(&agent(), header_of(agent().did(), "AGENT-DELEG+JWT").json(), honest().json()),
        ),
        invalid(
            "header-more",
            "the header has no other member",
            sign(&agent(), header_of(agent().did(), TYPE).add("crit", "[]").json(), honest().json()),
        ),
    ]
}

fn asked() -> Vec<Value> {
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
