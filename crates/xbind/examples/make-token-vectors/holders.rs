//! Tokens that are bound to a key, and tokens of who acts for another.

use super::forge::*;
use serde_json::{Value, json};
use xbind::identity::jwk::thumbprint;

/// A person, as the provider where she signs in names her.
const PROVIDER: &str = "https://login.example";
const PERSON: &str = "auth0|7";

pub fn cases() -> Vec<Value> {
    [bound(), named(), exchanged(), broken()].concat()
}

fn by_agent(case: Value) -> Value {
    case.with("presenter", json!(agent().did().as_str()))
}

/// Claim `cnf` of the agent's key.
pub fn cnf() -> String {
    format!(r#"{{"jkt":{}}}"#, quoted(&thumbprint(agent().did())))
}

fn bound() -> Vec<Value> {
    let with = |cnf: &str| with_claims(&claims().add("cnf", cnf));
    let no = |name: &str, why: &str, cnf: &str| by_agent(invalid(name, why, with(cnf)));
    let own = thumbprint(agent().did());
    let exact = "exactly one thumbprint";
    vec![
        by_agent(accept("cnf", "bound to the key of whoever presents it", with(&cnf()))),
        by_agent(accept("cnf-white-space", "white space is free", with(&format!(" {{ \"jkt\" :\n\"{own}\" }} ")))),
        invalid("cnf-nobody", "a token that is bound to a key is not taken from anybody", with(&cnf())),
        invalid("cnf-stranger", "stolen", with(&cnf())).with("presenter", json!(stranger().did().as_str())),
        no("cnf-other-key", "the key of whoever may use it", &cnf().replace(&own, &thumbprint(stranger().did()))),
        invalid(
            "cnf-other-key-presented",
            "the token is the agent's, whoever has the key that it names",
            with(&cnf().replace(&own, &thumbprint(stranger().did()))),
        )
        .with("presenter", json!(stranger().did().as_str())),
        no("cnf-issuer-key", "the key of whoever may use it", &cnf().replace(&own, &thumbprint(operator().did()))),
        no("cnf-empty", exact, "{}"),
        no("cnf-null", "null is no value", "null"),
        no("cnf-string", exact, &quoted(&own)),
        no("cnf-array", exact, &format!("[{}]", quoted(&own))),
        no("cnf-jkt-null", exact, r#"{"jkt":null}"#),
        no("cnf-jkt-empty", exact, r#"{"jkt":""}"#),
        no("cnf-jkt-number", exact, r#"{"jkt":1}"#),
        no("cnf-jkt-padded", "base64url is strict", &cnf().replace(&own, &format!("{own}="))),
        no("cnf-jkt-short", "SHA-256", &cnf().replace(&own, &own[..42])),
        no("cnf-jkt-upper-case", "case counts", &cnf().replace(&own, &own.to_uppercase())),
        no("cnf-jkt-repeated", "a member stands once", &cnf().replace('}', &format!(",\"jkt\":\"{own}\"}}"))),
        no(
            "cnf-jwk",
            exact,
            &format!(r#"{{"jwk":{{"kty":"OKP","crv":"Ed25519","x":"{}"}}}}"#, encode(agent().did().public_key())),
        ),
        no("cnf-x5t", exact, &format!(r#"{{"x5t#S256":"{own}"}}"#)),
        no("cnf-kid", exact, &format!(r#"{{"kid":{}}}"#, quoted(&kid(agent().did())))),
        no("cnf-more", "what nobody here can judge might be a limit", &cnf().replace('}', ",\"x\":1}")),
        by_agent(invalid(
            "cnf-repeated",
            "a member stands once",
            with_claims(&claims().add("cnf", cnf()).add("cnf", cnf())),
        )),
    ]
}

/// Of an issuer that is known by its JWK set.
fn named() -> Vec<Value> {
    let honest = claims_of(ISSUER, agent().did().as_str()).set("client_id", quoted("console"));
    let nobody = honest.set("sub", quoted(PERSON)).add("cnf", cnf());
    vec![
        by_agent(accept("jwks-cnf", "whoever issues it", external(&honest.add("cnf", cnf())))),
        invalid("jwks-cnf-nobody", "whoever issues it", external(&honest.add("cnf", cnf()))),
        invalid("jwks-cnf-subject-no-did", "nobody can prove to be that", external(&nobody)),
        by_agent(invalid("jwks-cnf-subject-no-did-presenter", "nor does the key make one it", external(&nobody))),
        accept("jwks-sub-id", "a claim like any other", external(&person(&honest.set("sub", quoted(PERSON)))))
            .with("is", json!({ "subject": PERSON, "claims": further() })),
    ]
}

fn act() -> String {
    format!(r#"{{"sub":{}}}"#, quoted(agent().did().as_str()))
}

fn sub_id() -> String {
    format!(r#"{{"format":"iss_sub","iss":{},"sub":{}}}"#, quoted(PROVIDER), quoted(PERSON))
}

fn person(claims: &Object) -> Object {
    claims.add("act", act()).add("sub_id", sub_id())
}

fn further() -> Value {
    json!({ "act": { "sub": agent().did().as_str() }, "sub_id": { "format": "iss_sub", "iss": PROVIDER, "sub": PERSON } })
}

/// The agent's, for the person.
pub fn acting() -> Object {
    person(&claims().set("sub", quoted(PERSON)))
}

fn exchanged() -> Vec<Value> {
    let is = |case: Value| {
        let (operator, agent) = (operator(), agent());
        case.with(
            "is",
            json!({
                "issuer": operator.did().as_str(),
                "subject": agent.did().as_str(),
                "chain": [operator.did().as_str(), agent.did().as_str()],
                "onBehalfOf": { "issuer": PROVIDER, "subject": PERSON },
                "claims": {},
            }),
        )
    };
    let of_did = person(&claims());
    vec![
        is(accept("acting", "who acts may use it", with_claims(&acting()))),
        is(by_agent(accept("acting-presented", "who acts presents it", with_claims(&acting())))),
        invalid("acting-stranger", "stolen", with_claims(&acting()))
            .with("presenter", json!(stranger().did().as_str())),
        is(by_agent(accept("acting-bound", "bound to the key of who acts", with_claims(&acting().add("cnf", cnf()))))),
        invalid("acting-bound-nobody", "not taken from anybody", with_claims(&acting().add("cnf", cnf()))),
        refuse("REVOKED", "acting-revoked", "who acts", with_claims(&acting()))
            .with("revoked", json!([{ "did": agent().did().as_str(), "issuedUntil": NOW }])),
        accept("acting-of-a-did", "of a token for a DID they are claims like any other", with_claims(&of_did))
            .with("is", json!({ "subject": agent().did().as_str(), "claims": further() })),
        accept(
            "acting-63-further",
            "sub_id counts among the 64",
            with_claims(&(0..63).fold(acting(), |all, n| all.add(&format!("x{n}"), n))),
        ),
        invalid(
            "acting-64-further",
            "sub_id counts among the 64",
            with_claims(&(0..64).fold(acting(), |all, n| all.add(&format!("x{n}"), n))),
        ),
    ]
}

fn broken() -> Vec<Value> {
    let no = |name: &str, why: &str, claims: &Object| by_agent(invalid(name, why, with_claims(claims)));
    let set = |name: &str, why: &str, claim: &str, value: &str| no(name, why, &acting().set(claim, value));
    let own = quoted(agent().did().as_str());
    let other = quoted(stranger().did().as_str());
    let id = |from: &str, to: &str| sub_id().replace(from, to);
    let who = "exactly who acts";
    let whom = "exactly for whom";
    vec![
        no("acting-act-missing", who, &acting().without("act")),
        set("acting-act-null", who, "act", "null"),
        set("acting-act-empty", who, "act", "{}"),
        set("acting-act-string", who, "act", &own),
        set("acting-act-more", who, "act", &format!(r#"{{"sub":{own},"iss":"x"}}"#)),
        set("acting-act-nested", who, "act", &format!(r#"{{"sub":{own},"act":{{"sub":{other}}}}}"#)),
        set("acting-act-repeated", who, "act", &format!(r#"{{"sub":{own},"sub":{own}}}"#)),
        set("acting-act-other", "the client acts", "act", &format!(r#"{{"sub":{other}}}"#)),
        set("acting-client-other", "the client acts", "client_id", &other),
        no(
            "acting-client-no-did",
            "a DID acts",
            &acting().set("client_id", quoted("console")).set("act", r#"{"sub":"console"}"#),
        ),
        no("acting-sub-id-missing", whom, &acting().without("sub_id")),
        set("acting-sub-id-null", whom, "sub_id", "null"),
        set("acting-sub-id-empty", whom, "sub_id", "{}"),
        set("acting-sub-id-array", whom, "sub_id", &format!("[{}]", sub_id())),
        set("acting-sub-id-format", "RFC 9493 section 3.2.3", "sub_id", &id("iss_sub", "opaque")),
        set("acting-sub-id-no-format", "RFC 9493 section 3.2.3", "sub_id", &id(r#""format":"iss_sub","#, "")),
        set("acting-sub-id-no-issuer", whom, "sub_id", &id(&format!(r#""iss":{},"#, quoted(PROVIDER)), "")),
        set("acting-sub-id-issuer-empty", "a name", "sub_id", &id(PROVIDER, "")),
        set("acting-sub-id-other-subject", "the token's subject", "sub_id", &id(PERSON, "auth0|8")),
        set("acting-sub-id-other-case", "case counts", "sub_id", &id(PERSON, "Auth0|7")),
        set("acting-sub-id-more", whom, "sub_id", &id("}", ",\"x\":1}")),
        set("acting-sub-id-repeated", "a member stands once", "sub_id", &id("}", ",\"sub\":\"auth0|7\"}")),
        no("acting-sub-id-twice", "a member stands once", &acting().add("sub_id", sub_id())),
        no("acting-for-did-web", "a DID is no name of a person", &{
            let did = "did:web:person.example";
            acting().set("sub", quoted(did)).set("sub_id", id(PERSON, did))
        }),
        no("acting-for-another-agent", "a DID's token is for that DID", &{
            let did = stranger().did().to_string();
            acting().set("sub", quoted(&did)).set("sub_id", id(PERSON, &did))
        }),
        by_agent(refuse(
            "UNTRUSTED_ISSUER",
            "acting-of-stranger",
            "a genuine token that nobody trusts",
            sign(
                &stranger(),
                header_of(stranger().did(), "at+jwt").json(),
                acting().set("iss", quoted(stranger().did().as_str())).json(),
            ),
        )),
    ]
}
