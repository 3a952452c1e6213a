//! What is asked beside the token: scopes, presenter, revocation; and issuers that are known by their JWK set.

use super::forge::*;
use serde_json::{Value, json};

pub fn cases() -> Vec<Value> {
    [scopes(), presenters(), revoked(), jwks()].concat()
}

fn scopes() -> Vec<Value> {
    let granting = |scope: &str| with_claims(&claims().set("scope", quoted(scope)));
    let grants = |name: &str, held: &str, asked: &str| {
        accept(name, "a scope covers itself, and a star what is below", granting(held)).with("scopes", json!([asked]))
    };
    let denies = |name: &str, held: &str, asked: &str| {
        refuse("SCOPE_DENIED", name, "what no scope covers is denied", granting(held)).with("scopes", json!([asked]))
    };
    vec![
        grants("covers-itself", "invoice.read", "invoice.read"),
        grants("covers-itself-colon", "read:payments", "read:payments"),
        grants("covers-second", "a b c", "b"),
        grants("star-covers-below", "invoice.*", "invoice.read"),
        grants("star-covers-far-below", "invoice.*", "invoice.read.lines"),
        grants("star-covers-mixed-below", "invoice.*", "invoice.read:lines"),
        grants("star-covers-star", "invoice.*", "invoice.*"),
        grants("star-covers-narrower-star", "invoice.*", "invoice.read.*"),
        grants("colon-star-covers", "read:*", "read:payments"),
        denies("star-not-itself", "invoice.*", "invoice"),
        denies("star-not-beside", "invoice.*", "invoices.read"),
        denies("star-not-other-separator", "invoice.*", "invoice:read"),
        denies("star-not-longer-prefix", "invoice.*", "invoice-old.read"),
        denies("not-below-without-star", "invoice", "invoice.read"),
        denies("not-above", "invoice.read.lines", "invoice.read"),
        denies("not-star", "invoice.read invoice.write", "invoice.*"),
        denies("narrower-star-not-star", "invoice.read.*", "invoice.*"),
        denies("not-prefix", "read", "reader"),
        denies("not-suffix", "payments", "read:payments"),
        denies("other-case", "Invoice.read", "invoice.read"),
        denies("other-order", "payments:read", "read:payments"),
        accept("covers-all", "every scope asked for", token()).with("scopes", json!(["invoice.read", "read:payments"])),
        refuse("SCOPE_DENIED", "covers-one-of-two", "every scope asked for", token())
            .with("scopes", json!(["invoice.read", "admin"])),
        refuse("SCOPE_DENIED", "no-scope-held", "a token without rights", with_claims(&claims().without("scope")))
            .with("scopes", json!(["a"])),
    ]
}

fn presenters() -> Vec<Value> {
    let by = |case: Value, did: &str| case.with("presenter", json!(did));
    vec![
        by(accept("presenter", "presented by its subject", token()), agent().did().as_str()),
        by(invalid("presenter-stranger", "stolen", token()), stranger().did().as_str()),
        by(invalid("presenter-issuer", "the issuer is not the subject", token()), operator().did().as_str()),
    ]
}

fn revoked() -> Vec<Value> {
    let after = |name: &str, who: &str, until: u64| {
        refuse("REVOKED", name, "issued no later than the revocation reaches", token())
            .with("revoked", json!([{ "did": who, "issuedUntil": until }]))
    };
    let (operator, agent) = (operator(), agent());
    vec![
        refuse("REVOKED", "revoked-id", "by its id", token()).with("revoked", json!([{ "id": ID }])),
        accept("revoked-other-id", "another id", token()).with("revoked", json!([{ "id": "AAECAwQFBgcICQoLDA0ODx" }])),
        after("revoked-subject", agent.did().as_str(), NOW),
        after("revoked-issuer", operator.did().as_str(), NOW),
        after("revoked-for-good", agent.did().as_str(), u64::MAX),
        accept("revoked-before", "issued after what was revoked", token())
            .with("revoked", json!([{ "did": agent.did().as_str(), "issuedUntil": NOW - 1 }])),
        accept("revoked-stranger", "somebody else", token())
            .with("revoked", json!([{ "did": stranger().did().as_str(), "issuedUntil": u64::MAX }])),
    ]
}

fn jwks() -> Vec<Value> {
    let agent = agent();
    let honest = claims_of(ISSUER, agent.did().as_str()).set("client_id", quoted("console"));
    let header =
        |kid: &str| Object::of(&[("alg", quoted("EdDSA")), ("kid", kid.to_owned()), ("typ", quoted("at+jwt"))]).json();
    let named = honest.set("sub", quoted("auth0|7"));
    vec![
        accept("jwks", "an issuer known by its keys", external(&honest)).with("presenter", json!(agent.did().as_str())),
        accept("jwks-subject-no-did", "its subject may be named otherwise", external(&named))
            .with("is", json!({ "subject": "auth0|7" })),
        invalid("jwks-subject-no-did-presenter", "but nobody can prove to be that", external(&named))
            .with("presenter", json!(agent.did().as_str())),
        invalid(
            "jwks-subject-alias",
            "a DID has one spelling",
            external(&honest.set("sub", quoted(&agent.did().as_str().replace("did:key:", "did:key:1:")))),
        ),
        invalid("jwks-client-id-missing", "a required claim", external(&honest.without("client_id"))),
        refuse(
            "UNTRUSTED_ISSUER",
            "jwks-kid-unknown",
            "a key that is not in the set",
            sign(&issuer(), header("\"2024-12\""), honest.json()),
        ),
        refuse(
            "UNTRUSTED_ISSUER",
            "jwks-kid-empty",
            "a key that is not in the set",
            sign(&issuer(), header("\"\""), honest.json()),
        ),
        refuse(
            "UNTRUSTED_ISSUER",
            "jwks-kid-of-did",
            "the set decides, not the kid",
            sign(&issuer(), header(&quoted(&kid(issuer().did()))), honest.json()),
        ),
        refuse(
            "UNTRUSTED_ISSUER",
            "jwks-issuer-slash",
            "names are exact",
            external(&honest.set("iss", quoted("https://login.example/"))),
        ),
        refuse(
            "UNTRUSTED_ISSUER",
            "jwks-issuer-http",
            "names are exact",
            external(&honest.set("iss", quoted("http://login.example"))),
        ),
        refuse("UNTRUSTED_ISSUER", "jwks-key-as-did", "a key is trusted for its issuer's name only", {
            let issuer = issuer();
            sign(
                &issuer,
                header_of(issuer.did(), "at+jwt").json(),
                claims_of(issuer.did().as_str(), agent.did().as_str()).json(),
            )
        }),
        invalid(
            "jwks-signed-by-stranger",
            "the key of that kid",
            sign(&stranger(), header(&quoted(ISSUER_KID)), honest.json()),
        ),
        invalid(
            "jwks-signed-by-trusted-did",
            "the key of that kid",
            sign(&operator(), header(&quoted(ISSUER_KID)), honest.json()),
        ),
        invalid(
            "did-signed-by-jwks-key",
            "the key of the DID",
            sign(&issuer(), super::forge::header().json(), claims().json()),
        ),
    ]
}
