//! What is handed on: never more than there is.

use super::*;

pub fn accepted() -> Vec<Value> {
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

pub fn refused() -> Vec<Value> {
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
