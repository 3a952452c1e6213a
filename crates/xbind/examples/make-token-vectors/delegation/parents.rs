//! What a link derives from.

use super::super::holders::{acting, cnf};
use super::*;

pub fn cases() -> Vec<Value> {
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
    let bound = with_claims(&claims().add("cnf", cnf()));
    let presented = |case: Value| case.with("presenter", json!(worker().did().as_str()));
    let people: Vec<_> = [operator(), agent(), worker()].iter().map(|key| key.did().to_string()).collect();
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
            of(&sign(&agent(), super::super::forge::header().json(), claims().json())),
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
        presented(accept("root-bound", "who has the key hands it on", of(&bound))),
        invalid("root-bound-nobody", "it is still not taken from anybody", of(&bound)),
        presented(invalid("root-bound-empty", "exactly one thumbprint", of(&with_claims(&claims().add("cnf", "{}"))))),
        accept("root-acting", "for whom the root's holder acts stays", of(&with_claims(&acting())))
            .with("is", json!({ "onBehalfOf": { "issuer": ISSUER, "subject": "auth0|7" }, "chain": people })),
        broken("root-acting-act", "the chain is of those who act", {
            let inner = format!(r#"{{"sub":{},"act":{{"sub":"auth0|7"}}}}"#, quoted(worker().did().as_str()));
            by_agent(&link(&agent(), &worker(), &inner, &with_claims(&acting())))
        }),
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
