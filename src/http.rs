//! HTTP requests and responses that prove who sends them.

use napi::bindgen_prelude::External;
use xbind_binding::http::{
    self, Authentic, AuthenticRequest, RequestDraft, RequestHead, RequestPolicy, RequestVerifier, ResponseHead,
    ResponsePolicy, VerifiedResponse,
};

use crate::bytes::Bytes;
use crate::convert::{Fallible, Json};
use crate::key::KeyRef;

pub type RequestVerifierRef = External<RequestVerifier>;
/// A genuine request that was not accepted yet.
pub type RequestRef = External<Authentic>;

entries! {
    /// The fields to be set, names and values by turns.
    fn sign_request(
        key: &KeyRef, request: Json<RequestHead>, body: Bytes, draft: Json<RequestDraft>,
    ) -> Fallible<Vec<String>> = http::sign_request;
    /// The same for the response to a request.
    fn sign_response(
        key: &KeyRef, response: Json<ResponseHead>, body: Bytes, request: Json<RequestHead>, now: f64, ttl: f64,
    ) -> Fallible<Vec<String>> = http::sign_response;
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
}
