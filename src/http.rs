//! HTTP requests and responses that prove who sends them.

use napi::bindgen_prelude::{Either3, External};
use napi_derive::napi;
use xbind_binding::http::{
    self, Authentic, AuthenticRequest, RequestDecision, RequestDraft, RequestHead, RequestPolicy, RequestVerifier,
    ResponseHead, ResponsePolicy, Signed, UnsignedHttp, UsedApproval, VerifiedResponse,
};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, Json};
use crate::key::KeyRef;

pub type RequestVerifierRef = External<RequestVerifier>;
/// A genuine request that was not accepted yet.
pub type RequestRef = External<Authentic>;
/// What waits for a key elsewhere.
pub type UnsignedRef = External<Box<UnsignedHttp>>;

#[napi]
pub type SignedHttp = Either3<Vec<String>, UnsignedRef, BindingError>;

give! {
    [] xbind::Result<Signed> => SignedHttp: |signed| match signed {
        Ok(Signed::Fields(fields)) => Self::A(fields),
        Ok(Signed::Unsigned(message)) => Self::B(External::new(message)),
        Err(error) => Self::C(error.into()),
    };
}

entries! {
    /// The fields to be set, names and values by turns; for a DID, whose key is elsewhere, what that is to sign.
    fn sign_request(
        key: Option<&KeyRef>, signer: Option<String>, request: Json<RequestHead>, body: Bytes, draft: Json<RequestDraft>,
    ) -> SignedHttp = http::sign_request;
    /// The same for the response to a request.
    fn sign_response(
        key: Option<&KeyRef>, signer: Option<String>, response: Json<ResponseHead>, body: Bytes,
        request: Json<RequestHead>, now: f64, ttl: f64,
    ) -> SignedHttp = http::sign_response;
    /// What a key elsewhere is to sign.
    fn base_of(unsigned: &UnsignedRef) -> String = http::base;
    /// The fields to be set, with the signature that a key elsewhere has made.
    fn signed_fields(unsigned: &UnsignedRef, signature: Bytes) -> Fallible<Vec<String>> = http::finish;
    fn verify_response(
        policy: Json<ResponsePolicy>, response: Json<ResponseHead>, body: Bytes, request: Json<RequestHead>, now: f64,
    ) -> Fallible<Json<VerifiedResponse>> = http::verify_response;
    /// With `started` it accepts no request that is older.
    fn new_request_verifier(policy: Json<RequestPolicy>, started: Option<f64>) -> Fallible<RequestVerifierRef>
        = http::verifier;
    /// A genuine request, and what it says.
    fn authenticate_request(
        verifier: &RequestVerifierRef, request: Json<RequestHead>, now: f64,
    ) -> Fallible<(RequestRef, Json<AuthenticRequest>)> = http::authenticate;
    /// By which a store knows the request, or a failure.
    fn accept_request(verifier: &RequestVerifierRef, request: &RequestRef, body: Bytes, now: f64) -> Fallible<String>
        = http::accept;
    /// Uses the approval that an accepted request brings along, by one of these for that recipient.
    fn approve_request(
        verifier: &RequestVerifierRef, request: &RequestRef, body: Bytes, approvers: Vec<String>, recipient: String, now: f64,
    ) -> Fallible<Json<UsedApproval>> = http::approve;
    /// Signs a yes or no to a request.
    fn decide_request(
        key: &KeyRef, request: Json<RequestHead>, body: Bytes, decided: Json<RequestDecision>,
    ) -> Fallible<String> = http::decide;
}
