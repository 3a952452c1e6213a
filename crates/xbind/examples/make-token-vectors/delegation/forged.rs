//! Links that are not what their issuer signed, or say what no link says.

use super::*;

pub fn cases() -> Vec<Value> {
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
