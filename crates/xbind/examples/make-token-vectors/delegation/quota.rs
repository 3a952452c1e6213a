//! Limits: whoever hands on may set lower ones, and new ones.

use super::*;

/// A token with these limits, handed on by each in turn with those; `None` says nothing of them.
fn handed_on(root: &str, links: &[Option<&str>]) -> String {
    let root = with_claims(&claims().add("quota", root));
    links.iter().zip(2_u8..).fold(root, |parent, (quota, n)| {
        let subjects: Vec<_> = (2..=n + 1).rev().map(key).collect();
        let link = link(&key(n), &key(n + 1), &act(&subjects.iter().collect::<Vec<_>>()), &parent);
        signed(&key(n), &quota.iter().fold(link, |link, quota| link.add("quota", quota)))
    })
}

const ROOT: &str = r#"{"llm.tokens":1000000,"llm.micros":5000000}"#;

pub fn accepted() -> Vec<Value> {
    let is = |name: &str, why: &str, links: &[Option<&str>], quota: Value| {
        accept(name, why, handed_on(ROOT, links)).with("is", json!({ "quota": quota }))
    };
    let whole = json!({ "llm.tokens": 1_000_000, "llm.micros": 5_000_000 });
    let less = r#"{"llm.tokens":100000}"#;
    let less_of_one = json!({ "llm.tokens": 100_000, "llm.micros": 5_000_000 });
    vec![
        is("quota-inherited", "who says nothing leaves the limits as they are", &[None], whole.clone()),
        is("quota-inherited-twice", "however often", &[None, None], whole.clone()),
        is("quota-same", "all that there is", &[Some(ROOT)], whole),
        is("quota-narrower", "a name that is left out stays", &[Some(less)], less_of_one.clone()),
        is("quota-narrower-inherited", "the nearest that says it", &[Some(less), None], less_of_one),
        is(
            "quota-narrowed-twice",
            "each lower than the last",
            &[Some(less), Some(r#"{"llm.tokens":99999,"llm.micros":1}"#)],
            json!({ "llm.tokens": 99_999, "llm.micros": 1 }),
        ),
        is(
            "quota-zero",
            "nothing at all",
            &[Some(r#"{"llm.tokens":0}"#), Some(r#"{"llm.tokens":0}"#)],
            json!({ "llm.tokens": 0, "llm.micros": 5_000_000 }),
        ),
        is(
            "quota-new-name",
            "a limit that there was not",
            &[Some(r#"{"calls":7}"#), Some(r#"{"calls":7,"llm.tokens":1}"#)],
            json!({ "calls": 7, "llm.tokens": 1, "llm.micros": 5_000_000 }),
        ),
        accept("quota-of-link-alone", "the token has none", by_agent(&honest().add("quota", less)))
            .with("is", json!({ "quota": { "llm.tokens": 100_000 } })),
    ]
}

pub fn refused() -> Vec<Value> {
    let grew = |name: &str, why: &str, links: &[Option<&str>]| broken(name, why, handed_on(ROOT, links));
    let malformed = |name: &str, why: &str, quota: &str| invalid(name, why, by_agent(&honest().add("quota", quota)));
    let more = Some(r#"{"llm.tokens":1000001}"#);
    let less = Some(r#"{"llm.tokens":100000}"#);
    vec![
        grew("quota-grew", "no more than is held", &[more]),
        grew("quota-grew-one-of-two", "each of them", &[Some(r#"{"llm.micros":1,"llm.tokens":1000001}"#)]),
        grew("quota-grew-from-inherited", "the nearest that says it", &[None, more]),
        grew("quota-regained", "the root grants it, the parent no more", &[less, Some(r#"{"llm.tokens":100001}"#)]),
        grew(
            "quota-regained-later",
            "a link that says nothing gives nothing back",
            &[less, None, Some(r#"{"llm.tokens":1000000}"#)],
        ),
        grew("quota-regained-then-narrowed", "each link for itself", &[less, Some(ROOT), less]),
        grew("quota-grew-from-zero", "nothing is left", &[Some(r#"{"llm.tokens":0}"#), Some(r#"{"llm.tokens":1}"#)]),
        grew("quota-new-name-grew", "whoever set it", &[Some(r#"{"calls":7}"#), Some(r#"{"calls":8}"#)]),
        broken("quota-grew-of-stranger", "before anybody asks who issued it", {
            let root = sign(
                &stranger(),
                header_of(stranger().did(), "at+jwt").json(),
                claims_of(stranger().did().as_str(), agent().did().as_str()).add("quota", r#"{"a":1}"#).json(),
            );
            by_agent(&link(&agent(), &worker(), &act(&[&worker(), &agent()]), &root).add("quota", r#"{"a":2}"#))
        }),
        malformed("quota-null", "null is no value", "null"),
        malformed("quota-empty", "1 to 16 limits", "{}"),
        malformed("quota-array", "an object", "[5]"),
        malformed("quota-fraction", "a whole number in plain digits", r#"{"a":5.5}"#),
        malformed("quota-negative", "not below 0", r#"{"a":-1}"#),
        malformed("quota-too-large", "at most 2^53 - 1", r#"{"a":9007199254740992}"#),
        malformed("quota-name", "1 to 64 of a-z 0-9 . _ -", r#"{"A":5}"#),
        malformed("quota-name-twice", "a limit stands once", r#"{"a":5,"a":5}"#),
        invalid(
            "quota-repeated",
            "a member stands once",
            by_agent(&honest().add("quota", r#"{"a":5}"#).add("quota", r#"{"a":5}"#)),
        ),
        invalid("quota-of-parent-malformed", "a limit that nobody can read", handed_on(r#"{"a":"5"}"#, &[None])),
    ]
}
