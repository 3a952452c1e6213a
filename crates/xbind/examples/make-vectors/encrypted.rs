//! Messages with an encrypted body, for a recipient that has no key: what is opened where there is one stands in nats.json.

use super::forge::*;

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub fn cases() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let call = claims(sender.did(), recipient.did());
    let no_key = "this recipient has no key";
    let refused = |name, claims: &Object| refuse("DECRYPTION_FAILED", name, no_key, with_claims(claims));
    let grammar = |name, value: &str| {
        let why = "the claim enc is a SHA-256 in base64url";
        refuse("MALFORMED_MESSAGE", name, why, with_claims(&call.add("enc", value)))
    };
    vec![
        refused("encrypted-call", &call.add("enc", quoted(KEY))),
        refused("encrypted-send", &call.set("op", quoted("send")).add("enc", quoted(KEY))),
        accept("encrypted-refused-before", "it took no place", with_claims(&call)).after("encrypted-call"),
        grammar("enc-empty", "\"\""),
        grammar("enc-short", "\"AAAA\""),
        grammar("enc-padded", &quoted(&format!("{KEY}="))),
        grammar("enc-bits-left-over", &quoted(&format!("{}B", &KEY[1..]))),
        grammar("enc-prefixed", &quoted(&format!("sha-256:{KEY}"))),
        grammar("enc-null", "null"),
        grammar("enc-number", "1"),
    ]
}
