//! DIDs and names as tokens of a subject, which are keys of a bucket as well: each has one spelling, and can be read back.

use crate::identity::did::Did;
use crate::identity::key::VerifyingKey;
use crate::message::card::is_label;

/// How a full stop of a name is written: it would part two tokens, and a key of a bucket may not hold two in a row.
const FULL_STOP: &str = "=2E";

/// The token of a DID: its multibase, 48 characters. A colon may not stand in a key.
#[must_use]
pub fn of_did(did: &Did) -> &str {
    did.multibase()
}

/// The DID of a token; none for any other text.
#[must_use]
pub fn did(token: &str) -> Option<Did> {
    // Not the text of a DID with a fragment or a version: that is longer, and refused by its length.
    VerifyingKey::from_did(&format!("did:key:{token}")).ok().map(|key| *key.did())
}

/// The token of a name: the name, with `=2E` for each full stop. None for what is no name: 1 to 64 of `A-Z a-z 0-9 . _ -`, first
/// and last a letter or digit.
#[must_use]
pub fn of_name(name: &str) -> Option<String> {
    is_label(name).then(|| name.replace('.', FULL_STOP))
}

/// The name of a token; none for any other text.
#[must_use]
pub fn name(token: &str) -> Option<String> {
    let name = token.replace(FULL_STOP, ".");
    (of_name(&name).as_deref() == Some(token)).then_some(name)
}
