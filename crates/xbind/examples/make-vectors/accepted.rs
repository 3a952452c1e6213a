//! Messages to accept, and what depends on another message: replays and replies.

use super::forge::*;
use xbind::Digest;

pub fn cases() -> Vec<Case> {
    [ordinary(), replays(), replies(), tokens()].concat()
}

fn ordinary() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let header = header(sender.did());
    let claims = claims(sender.did(), recipient.did());
    let media =
        |content_type: &str, body: &[u8]| with_claims(&claims_for(sender.did(), recipient.did(), body, content_type));
    let spaced = claims.json().replace(',', " ,\n\t").replace("\":", "\" : ");
    let mut strangers = super::forge::claims(stranger.did(), recipient.did());
    strangers = strangers.set("op", quoted("send"));
    vec![
        accept("valid", "the call of the known answer", with_claims(&claims)),
        accept(
            "send",
            "one way, from another sender",
            sign(&stranger, self::header(stranger.did()).json(), strangers.json()),
        ),
        accept("header-order", "members of the header come in any order", with_header(header.reversed().json())),
        accept("claims-order", "claims come in any order", with_claims(&claims.reversed())),
        accept(
            "white-space",
            "white space between tokens is JSON",
            sign(&sender, header.json(), format!(" {spaced}\r\n")),
        ),
        accept(
            "escaped-member",
            "an escape spells the same member",
            with_claims(&claims.without("op").add("\\u006fp", quoted("call"))),
        ),
        accept(
            "escaped-value",
            "an escape spells the same value",
            with_claims(&claims.set("op", quoted("c\\u0061ll"))),
        ),
        accept(
            "media-type-parameters",
            "a media type may have parameters",
            media("text/plain; charset=utf-8", b"hello"),
        )
        .body("hello"),
        accept(
            "media-type-quoted",
            "a parameter may be a quoted string",
            media("text/plain;title=\\\"a \\\\\\\" b\\\"", b"hello"),
        )
        .body("hello"),
        accept("media-type-127", "127 bytes are the most", media(&format!("text/{}", "x".repeat(122)), b"hello"))
            .body("hello"),
        accept("empty-body", "a body may be empty", media("application/octet-stream", b"")).body(""),
        accept("binary-body", "a body is bytes", media("application/octet-stream", &[0, 255, 128, 10]))
            .bytes(&[0, 255, 128, 10]),
        accept("life-300", "the longest life", with_claims(&claims.set("exp", NOW + 300))),
        accept("life-1", "the shortest life", with_claims(&claims.set("exp", NOW + 1))),
        accept(
            "issued-at-skew",
            "issued exactly as far ahead as clocks may differ",
            with_claims(&claims.set("iat", NOW + 30).set("exp", NOW + 60)),
        ),
        accept("last-second", "the last second within the skew", with_claims(&claims)).at(NOW + 59),
    ]
}

fn replays() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let claims = claims(sender.did(), recipient.did());
    let valid = with_claims(&claims);
    let other = self::claims(stranger.did(), recipient.did());
    let replayed = |name, why, jws| refuse("REPLAYED", name, why, jws).after("valid");
    vec![
        replayed("replay", "the same message again", valid.clone()),
        replayed("replay-last-second", "the same message, as late as it is in time", valid.clone()).at(NOW + 59),
        replayed("replay-new-expiry", "the same id under another expiry", with_claims(&claims.set("exp", NOW + 200))),
        replayed("replay-new-op", "the same id for another purpose", with_claims(&claims.set("op", quoted("send")))),
        replayed("replay-reordered", "the same id in a JWS of other bytes", with_claims(&claims.reversed())),
        accept(
            "same-id-other-sender",
            "ids belong to their senders",
            sign(&stranger, header(stranger.did()).json(), other.json()),
        )
        .after("valid"),
        accept(
            "next-id",
            "another id of the same sender",
            with_claims(&claims.set("jti", quoted("AAECAwQFBgcICQoLDA0OEA"))),
        )
        .after("valid"),
        accept("not-burnt-by-wrong-body", "a copy with a wrong body does not use the message up", valid.clone())
            .after("body-tampered"),
        accept("not-burnt-by-forgery", "a copy with a wrong signature does not use the message up", valid.clone())
            .after("signature-flipped"),
        Case {
            max_tracked_messages: Some(1),
            ..refuse(
                "REPLAY_WINDOW_FULL",
                "window-full",
                "what was accepted is still in time, so nothing makes room for another",
                with_claims(&claims.set("jti", quoted("AAECAwQFBgcICQoLDA0OEA"))),
            )
            .after("valid")
        },
        Case {
            max_tracked_messages: Some(1),
            ..replayed("window-full-replay", "a full window still knows what it has accepted", valid)
        },
    ]
}

fn replies() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let asked = claims(recipient.did(), sender.did()).set("jti", quoted("EBESExQVFhcYGRobHB0eHw"));
    let request = sign(&recipient, header(recipient.did()).json(), asked.json());
    let rqd = |jws: &str| quoted(&format!("sha-256:{}", encode(Digest::of(jws.as_bytes()).as_bytes())));
    let reply = claims(sender.did(), recipient.did())
        .set("op", quoted("result"))
        .add("irt", quoted("EBESExQVFhcYGRobHB0eHw"))
        .add("rqd", rqd(&request));
    let pending = |to: &xbind::Did| {
        Some(Pending { jti: "EBESExQVFhcYGRobHB0eHw", to: to.as_str().to_owned(), jws: request.clone() })
    };
    let waiting = |case: Case| Case { pending: pending(sender.did()), ..case };
    let mismatch = |name, why, jws| waiting(refuse("REPLY_MISMATCH", name, why, jws));
    let wrong = |name, why, claims: Object| waiting(refuse("MALFORMED_MESSAGE", name, why, with_claims(&claims)));
    let answer = with_claims(&reply);
    let strangers = claims(stranger.did(), recipient.did())
        .set("op", quoted("result"))
        .add("irt", quoted("EBESExQVFhcYGRobHB0eHw"))
        .add("rqd", rqd(&request));
    vec![
        waiting(accept("result", "the answer to a call that waits", answer.clone())),
        waiting(accept("error", "the failure of a call that waits", with_claims(&reply.set("op", quoted("error"))))),
        refuse("REPLY_MISMATCH", "reply-unasked", "no call waits", answer.clone()),
        mismatch(
            "reply-other-call",
            "another call waits, not this one",
            with_claims(&reply.set("irt", quoted("AAECAwQFBgcICQoLDA0OEA"))),
        ),
        mismatch(
            "reply-other-digest",
            "the id is right, but another request was answered",
            with_claims(&reply.set("rqd", rqd("another request"))),
        ),
        mismatch(
            "reply-from-another",
            "not the agent that was asked",
            sign(&stranger, header(stranger.did()).json(), strangers.json()),
        ),
        waiting(refuse("REPLAYED", "reply-replayed", "an answer counts once", answer)).after("result"),
        wrong("irt-missing", "a result names its call", reply.without("irt")),
        wrong("rqd-missing", "a result names the bytes of its call", reply.without("rqd")),
        wrong("irt-rqd-missing", "a result names its call", reply.without("irt").without("rqd")),
        wrong("irt-null", "null is no id", reply.set("irt", "null")),
        wrong("irt-short", "an id is 16 bytes", reply.set("irt", quoted("EBESExQVFhcYGRobHB0e"))),
        wrong("irt-repeated", "a member stands once", reply.add("irt", quoted("EBESExQVFhcYGRobHB0eHw"))),
        wrong("rqd-no-prefix", "a digest names its algorithm", reply.set("rqd", rqd(&request).replace("sha-256:", ""))),
        wrong(
            "rqd-short",
            "a SHA-256 is 32 bytes",
            reply.set("rqd", quoted("sha-256:FJ8wwj00qo8R0H6sgg1Go6em1tMCyQiKRD0N-0C69A")),
        ),
        wrong("reply-with-token", "an answer presents no token", reply.add("ath", quoted(&encode([0; 32]))))
            .token("token"),
        wrong("call-with-irt", "a call answers nothing", reply.set("op", quoted("call"))),
        wrong("send-with-irt", "a send answers nothing", reply.set("op", quoted("send"))),
        wrong("call-with-irt-alone", "a call answers nothing", reply.set("op", quoted("call")).without("rqd")),
        wrong("call-with-rqd-alone", "a call answers nothing", reply.set("op", quoted("call")).without("irt")),
        wrong(
            "call-with-irt-null",
            "null does not mean absent",
            reply.set("op", quoted("call")).without("rqd").set("irt", "null"),
        ),
    ]
}

fn tokens() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let claims = claims(sender.did(), recipient.did());
    let presented = with_claims(&claims.add("ath", quoted(&encode(Digest::of(b"a.b.c").as_bytes()))));
    let refused = |name, why, jws| refuse("INVALID_SIGNATURE", name, why, jws);
    let wrong = |name, why, ath: &str| {
        refuse("MALFORMED_MESSAGE", name, why, with_claims(&claims.add("ath", ath))).token("a.b.c")
    };
    vec![
        accept("token", "a token whose digest is signed", presented.clone()).token("a.b.c"),
        refused("token-missing", "the token that was signed for did not come", presented.clone()),
        refused("token-empty", "nor is an empty one it", presented.clone()).token(""),
        refused("token-other", "another token came", presented).token("a.b.d"),
        refused("token-unsigned", "a token came that nobody signed for", with_claims(&claims)).token("a.b.c"),
        wrong("ath-null", "null does not mean absent", "null"),
        wrong("ath-short", "a SHA-256 is 32 bytes", &quoted("YWJj")),
        wrong(
            "ath-prefixed",
            "ath has no prefix (RFC 9449)",
            &quoted(&format!("sha-256:{}", encode(Digest::of(b"a.b.c").as_bytes()))),
        ),
        wrong("ath-number", "a digest is a string", "7"),
    ]
}
