//! Mail, for a recipient that takes none: what is taken where there is a mailbox stands in nats.json.

use super::forge::*;

pub fn cases() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let mail = claims(sender.did(), recipient.did()).set("op", quoted("mail"));
    let none =
        |name, claims: &Object| refuse("MALFORMED_MESSAGE", name, "this recipient has no mailbox", with_claims(claims));
    vec![
        none("mail", &mail),
        none("mail-short", &mail.set("exp", NOW + 1)),
        none("mail-long", &mail.set("exp", NOW + 604_800)),
        none("mail-upper-case", &mail.set("op", quoted("MAIL"))),
    ]
}
