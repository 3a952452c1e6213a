//! Which check comes first, who is refused, and what takes a place in the replay window: clocks that go back among it.

use super::forge::*;
use xbind::Digest;

pub fn cases() -> Vec<Case> {
    [times_and_recipients(), senders(), unasked(), clocks_back(), empty_tokens()].concat()
}

fn times_and_recipients() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let mine = claims(sender.did(), recipient.did());
    let others = mine.set("aud", quoted(stranger.did().as_str()));
    let late = |claims: &Object, seconds: u64| with_claims(&claims.set("exp", NOW + seconds));
    let unsigned = |jws: &str| {
        let [header, claims, _] = segments(jws);
        format!("{header}.{claims}.{}", encode([0; 64]))
    };
    vec![
        refuse("WRONG_AUDIENCE", "life-301-for-another", "the life is looked at after aud", late(&others, 301)),
        refuse("MALFORMED_MESSAGE", "life-zero-for-another", "iat < exp is looked at before aud", late(&others, 0)),
        refuse(
            "MALFORMED_MESSAGE",
            "life-301-from-the-future",
            "the life is looked at before the clock",
            with_claims(&mine.set("iat", NOW + 100).set("exp", NOW + 401)),
        ),
        refuse(
            "MALFORMED_MESSAGE",
            "aud-no-did-expired",
            "aud is looked at before the clock",
            with_claims(&mine.set("aud", quoted("writer")).set("iat", 0).set("exp", 1)),
        ),
        refuse("MESSAGE_EXPIRED", "expired-unsigned", "the clock is looked at before the signature", {
            unsigned(&with_claims(&mine.set("iat", NOW - 100).set("exp", NOW - 70)))
        }),
        refuse("WRONG_AUDIENCE", "for-another-unsigned", "so is aud", unsigned(&with_claims(&others))),
    ]
}

fn senders() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let valid = with_claims(&claims(sender.did(), recipient.did()));
    let [h, c, _] = segments(&valid);
    let forged = format!("{h}.{c}.{}", encode([0; 64]));
    let next = with_claims(&claims(sender.did(), recipient.did()).set("jti", quoted("AAECAwQFBgcICQoLDA0OEA")));
    let strangers = sign(
        &stranger,
        header(stranger.did()).json(),
        claims(stranger.did(), recipient.did()).set("op", quoted("send")).json(),
    );
    let only = |case: Case| Case { allow: vec![sender.did().as_str().to_owned()], ..case };
    let revoked = |case: Case| Case { revoked: vec![stranger.did().as_str().to_owned()], ..case };
    let small = |case: Case| Case { max_tracked_messages: Some(1), ..case };
    vec![
        only(accept("allowed", "its sender is on the list of those whose messages are taken", valid.clone())),
        only(refuse("NOT_ALLOWED", "not-allowed", "its sender is not on the list", strangers.clone())),
        only(small(accept("not-allowed-takes-no-place", "what is not allowed takes no place", valid.clone())))
            .after("not-allowed"),
        only(
            refuse("INVALID_SIGNATURE", "not-allowed-body", "the list is looked at before the body", valid.clone())
                .body("{}"),
        ),
        Case {
            allow: vec![stranger.did().as_str().to_owned()],
            ..refuse("INVALID_SIGNATURE", "not-allowed-forged", "nobody has said that it is his", forged)
        },
        Case {
            allow: vec![stranger.did().as_str().to_owned()],
            ..refuse("MESSAGE_EXPIRED", "not-allowed-expired", "the clock is looked at first", valid.clone())
                .at(NOW + 60)
        },
        revoked(refuse("REVOKED", "revoked", "its sender was revoked", strangers.clone())),
        revoked(refuse("REVOKED", "revoked-again", "whatever came before", strangers.clone())).after("revoked"),
        revoked(refuse("REVOKED", "revoked-body", "before the body is looked at", strangers)).body("{}"),
        revoked(accept("another-revoked", "somebody else was revoked", valid)).after("revoked"),
        revoked(small(accept("revoked-takes-no-place", "what a revoked sender says takes no place", next)))
            .after("revoked"),
    ]
}

fn unasked() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let id = "EBESExQVFhcYGRobHB0eHw";
    let asked = claims(recipient.did(), sender.did()).set("jti", quoted(id));
    let request = sign(&recipient, header(recipient.did()).json(), asked.json());
    let rqd = quoted(&format!("sha-256:{}", encode(Digest::of(request.as_bytes()).as_bytes())));
    let reply = |from: &xbind::SigningKey| {
        let claims = claims(from.did(), recipient.did()).set("op", quoted("result"));
        sign(from, header(from.did()).json(), claims.add("irt", quoted(id)).add("rqd", &rqd).json())
    };
    let (answer, strangers) = (reply(&sender), reply(&stranger));
    let waiting = |case: Case| Case {
        pending: Some(Pending { jti: id, to: sender.did().as_str().to_owned(), jws: request.clone() }),
        ..case
    };
    let small = |case: Case| Case { max_tracked_messages: Some(1), ..case };
    vec![
        small(accept("unasked-takes-no-place", "a reply that nobody waits for takes no place", {
            with_claims(&claims(sender.did(), recipient.did()))
        }))
        .after("reply-unasked"),
        waiting(small(accept("mismatch-takes-no-place", "nor does one from somebody else", answer.clone())))
            .after("reply-from-another"),
        waiting(accept("reply-after-all", "what was refused before its call waited is no replay", answer.clone()))
            .after("reply-unasked"),
        waiting(
            refuse("REPLY_MISMATCH", "mismatch-and-body", "the call is looked for before the body", strangers)
                .body("{}"),
        ),
        refuse("REPLY_MISMATCH", "answered-replay", "nor is it a replay once its call waits no more", answer.clone())
            .after("result"),
        waiting(refuse("INVALID_SIGNATURE", "reply-body", "another body than the answer's", answer.clone())).body("{}"),
        waiting(accept("reply-not-burnt", "a copy with a wrong body does not use the answer up", answer))
            .after("reply-body"),
    ]
}

/// The window drops `valid` at NOW + 100, whose last second was NOW + 60.
fn clocks_back() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let honest = claims(sender.did(), recipient.did());
    let message =
        |id: &str, iat: u64, exp: u64| with_claims(&honest.set("jti", quoted(id)).set("iat", iat).set("exp", exp));
    let ahead = |after: Option<&'static str>, name| Case {
        after,
        ..accept(name, "the clock has gone on", message("AAECAwQFBgcICQoLDA0OEA", NOW + 100, NOW + 130)).at(NOW + 100)
    };
    let fresh = "AAECAwQFBgcICQoLDA0OEQ";
    let back = "the clock went back: it may be among those that were dropped";
    let small = |case: Case| Case { max_tracked_messages: Some(1), ..case };
    vec![
        ahead(Some("valid"), "clock-ahead"),
        ahead(None, "clock-ahead-first"),
        refuse("REPLAYED", "clock-back-replay", "it was dropped, and the clock went back", with_claims(&honest))
            .after("clock-ahead"),
        refuse("REPLAYED", "clock-back-as-late", back, message(fresh, NOW, NOW + 30)).after("clock-ahead"),
        refuse("REPLAYED", "clock-back-earlier", back, message(fresh, NOW, NOW + 1)).after("clock-ahead"),
        accept("clock-back-later", "it lasts longer than all that were dropped", message(fresh, NOW, NOW + 31))
            .after("clock-ahead"),
        accept("clock-back-nothing-dropped", "no entry was dropped, none can be missing", {
            message(fresh, NOW, NOW + 1)
        })
        .after("clock-ahead-first"),
        small(refuse("REPLAYED", "clock-back-full", "the clock is looked at before the bound", {
            message(fresh, NOW, NOW + 30)
        }))
        .after("clock-ahead"),
        small(refuse("REPLAY_WINDOW_FULL", "clock-back-later-full", "the bound is looked at then", {
            message(fresh, NOW, NOW + 31)
        }))
        .after("clock-ahead"),
    ]
}

fn empty_tokens() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let honest = claims(sender.did(), recipient.did());
    let presenting =
        |token: &str| with_claims(&honest.add("ath", quoted(&encode(Digest::of(token.as_bytes()).as_bytes()))));
    let refused = |name, why, jws| refuse("INVALID_SIGNATURE", name, why, jws);
    vec![
        accept("token-empty-signed", "an empty text is a token", presenting("")).token(""),
        refused("token-empty-missing", "and none is no empty one", presenting("")),
        refused("token-empty-unsigned", "nor does it come for nothing", with_claims(&honest)).token(""),
        accept("token-utf-8", "here a token is any text, hashed as UTF-8", presenting("t\u{f6}ken \u{1f511}"))
            .token("t\u{f6}ken \u{1f511}"),
    ]
}
