//! The replay window that a call or send is meant for.

use super::forge::*;

const OWN: &str = "gIGCg4SFhoeIiYqLjI2Ojw";
const OTHER: &str = "kJGSk5SVlpeYmZqbnJ2enw";

pub fn cases() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let call = claims(sender.did(), recipient.did());
    let send = call.set("op", quoted("send"));
    let named = |claims: &Object, session: &str| with_claims(&claims.add("ses", quoted(session)));
    let home = |case: Case| Case { session: Some(OWN), ..case };
    let stale = |name, why, jws: String| refuse("STALE_SESSION", name, why, jws);
    let wrong = |name, value: &str| {
        let why = "a session is 16 bytes of base64url";
        home(refuse("MALFORMED_MESSAGE", name, why, with_claims(&call.add("ses", value))))
    };
    let malformed = |name, why, claims: &Object| home(refuse("MALFORMED_MESSAGE", name, why, with_claims(claims)));
    let result = call.set("op", quoted("result")).add("irt", quoted("EBESExQVFhcYGRobHB0eHw"));
    let mut stranger = stale("session-not-allowed", "who is refused hears of no session", named(&call, OTHER));
    stranger = Case { code: Some("NOT_ALLOWED"), allow: vec![recipient.did().as_str().to_owned()], ..home(stranger) };
    vec![
        home(accept("session", "meant for this window", named(&call, OWN))),
        home(accept("session-send", "so may a send be", named(&send, OWN))),
        home(stale("session-other", "meant for another window", named(&call, OTHER))),
        home(stale("session-other-send", "also a send", named(&send, OTHER))),
        home(stale("session-missing", "meant for no window of its recipient", with_claims(&call))),
        home(stale("session-missing-send", "also a send", with_claims(&send))),
        stale("session-unnamed", "the window of its recipient has no name", named(&call, OWN)),
        home(stale("session-before-replay", "it is looked at before the window", named(&call, OTHER))).after("session"),
        home(stale("session-before-body", "and before the body", named(&call, OTHER))).body("another body"),
        home(accept("session-after-stale", "a refused message took no place", named(&call, OWN)))
            .after("session-other"),
        home(refuse("REPLAYED", "session-replay", "it is accepted once", named(&call, OWN))).after("session"),
        stranger,
        wrong("session-empty", "\"\""),
        wrong("session-short", "\"gIGCg4SFhoeIiYqLjI2O\""),
        wrong("session-long", "\"gIGCg4SFhoeIiYqLjI2OjwA\""),
        wrong("session-padded", "\"gIGCg4SFhoeIiYqLjI2Ojw==\""),
        wrong("session-bits-left-over", "\"gIGCg4SFhoeIiYqLjI2Ojx\""),
        wrong("session-base64", "\"gIGCg4SFhoeIiYqLjI2O+w\""),
        wrong("session-number", "7"),
        wrong("session-null", "null"),
        malformed("session-repeated", "a member stands once", &call.add("ses", quoted(OWN)).add("ses", quoted(OWN))),
        malformed("session-answer", "an answer is meant for its call", &result.add("ses", quoted(OWN))),
    ]
}
