//! Messages for any transport, and cards.

use pyo3::prelude::*;
use xbind_binding::card::{self, Card, CardDraft};
use xbind_binding::message::{self, Claim, Draft, Message, MessageVerifier, Opened, Policy, Sealed, Waiting};

use crate::key::KeyRef;
use crate::pass::{Enter, Give, Json, Locked, raised};

kept! {
    /// A verifier of messages.
    VerifierRef(MessageVerifier);
    /// A genuine message about which Python is to be asked first.
    OpeningRef(Box<Waiting>);
}

impl Locked for &VerifierRef {}

type Either = (Option<Json<Message>>, Option<OpeningRef>);

impl Give<Opened> for Either {
    fn give(opened: Opened) -> Self {
        match opened {
            Opened::Message(message) => (Some(Json(*message)), None),
            Opened::Waits(waiting) => (None, Some(waiting.into())),
        }
    }
}

entries! {
    fn seal(key: &KeyRef, draft: Json<Draft>, body: &[u8]) -> PyResult<Json<Sealed>> = message::seal;
    fn new_verifier(policy: Json<Policy>) -> PyResult<VerifierRef> = message::verifier;
    /// Opens a message. One about which Python has something to say first waits for `accept`: nothing is called from here.
    fn open(verifier: &VerifierRef, now: f64, jws: &str, body: &[u8], token: Option<&str>) -> PyResult<Either>
        = message::open;
    /// What a message that waits claims.
    fn claim(opening: &OpeningRef) -> Json<Claim> = |waiting: &_| Waiting::claim(waiting);
    /// Goes on with an opening, at the same time and with the same body; `call` is the JWS of the call that the message
    /// claims to be about.
    fn accept(
        verifier: &VerifierRef, opening: &OpeningRef, now: f64, body: &[u8], token: Option<&str>, call: Option<&str>,
    ) -> PyResult<Json<Message>> {
        let (verifier, waiting) = (verifier.enter(), opening.enter());
        message::accept(&verifier, &waiting, now, body, token, call).map(Json).map_err(|error| raised(&error))
    }
    /// Takes back that a message was accepted.
    fn forget_message(verifier: &VerifierRef, sender: &str, id: &str) -> PyResult<()> = message::forget;
    /// Whether JSON text may go into a body.
    fn check_json(text: &str) -> PyResult<()> = message::check_json;
    /// One text of both; nothing if there is neither.
    fn write_presented(token: Option<&str>, approval: Option<&str>) -> PyResult<Option<String>> = message::presented;
    /// What the key of that DID is to sign.
    fn card_to_sign(did: &str, draft: Json<CardDraft>) -> PyResult<String> = CardDraft::to_sign;
    /// As the card of `did`, or of whomever it names.
    fn verify_card(jws: &str, did: Option<&str>, time: Option<f64>, clock_skew: f64) -> PyResult<Json<Card>>
        = card::verify;
}
