//! Messages for any transport, and cards.

use napi::bindgen_prelude::{Either, Either3, External};
use napi_derive::napi;
use xbind_binding::card::{self, Card, CardDraft};
use xbind_binding::message::{self, Claim, Draft, Message, MessageVerifier, Policy, Sealed, Waiting};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, Json};
use crate::key::KeyRef;

pub type VerifierRef = External<MessageVerifier>;
/// A genuine message about which JavaScript is to be asked first.
pub type OpeningRef = External<Box<Waiting>>;

#[napi]
pub type Opened = Either3<Json<Message>, OpeningRef, BindingError>;

give! {
    [] xbind::Result<message::Opened> => Opened: |opened| match opened {
        Ok(message::Opened::Message(message)) => Self::A(Json(*message)),
        Ok(message::Opened::Waits(waiting)) => Self::B(External::new(waiting)),
        Err(error) => Self::C(error.into()),
    };
}

entries! {
    fn seal(key: &KeyRef, draft: Json<Draft>, body: Bytes) -> Fallible<Json<Sealed>> = message::seal;
    fn new_verifier(policy: Json<Policy>) -> Fallible<VerifierRef> = message::verifier;
    fn open(verifier: &VerifierRef, now: f64, jws: String, body: Bytes, token: Option<String>) -> Opened = message::open;
    fn claim(opening: &OpeningRef) -> Json<Claim> = Waiting::claim;
    fn accept(
        verifier: &VerifierRef, opening: &OpeningRef, now: f64, body: Bytes, token: Option<String>, call: Option<String>,
    ) -> Fallible<Json<Message>> = message::accept;
    fn forget_message(verifier: &VerifierRef, from: String, id: String) -> Fallible<()> = message::forget;
    fn check_json(text: String) -> Fallible<()> = message::check_json;
    fn write_presented(token: Option<String>, approval: Option<String>) -> Either<Option<String>, BindingError>
        = message::presented;
    fn card_to_sign(did: String, draft: Json<CardDraft>) -> Fallible<String> = CardDraft::to_sign;
    fn verify_card(jws: String, did: Option<String>, time: Option<f64>, clock_skew: f64) -> Fallible<Json<Card>>
        = card::verify;
}
