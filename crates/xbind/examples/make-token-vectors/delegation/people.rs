//! Who hands on to whom, and what a link says of it.

use super::*;

pub fn refused() -> Vec<Value> {
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

pub fn acts() -> Vec<Value> {
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
