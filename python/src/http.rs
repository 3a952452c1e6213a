//! HTTP requests and responses that prove who sends them.

use pyo3::prelude::*;
use xbind_binding::http::{
    self, Authentic, AuthenticRequest, RequestDecision, RequestDraft, RequestHead, RequestPolicy, RequestVerifier,
    ResponseHead, ResponsePolicy, Signed, UsedApproval, VerifiedResponse,
};
use xbind_binding::record;

use crate::key::KeyRef;
use crate::pass::{Enter, Give, Json, raised};

kept! {
    /// A verifier of requests.
    RequestVerifierRef(RequestVerifier);
    /// A genuine request that was not accepted yet.
    RequestRef(Authentic);
}

type Genuine = (RequestRef, Json<AuthenticRequest>);

impl Give<(Authentic, AuthenticRequest)> for Genuine {
    fn give((request, says): (Authentic, AuthenticRequest)) -> Self {
        (request.into(), Json(says))
    }
}

fn fields(signed: xbind::Result<Signed>) -> PyResult<Vec<String>> {
    match signed.map_err(|error| raised(&error))? {
        Signed::Fields(fields) => Ok(fields),
        Signed::Unsigned(_) => Ok(Vec::new()), // only for a key elsewhere
    }
}

entries! {
    /// The fields to be set, names and values by turns.
    fn sign_request(
        key: &KeyRef, request: Json<RequestHead>, body: &[u8], draft: Json<RequestDraft>,
    ) -> PyResult<Vec<String>> { fields(http::sign_request(Some(&key.enter()), None, &request.0, body, &draft.0)) }
    /// The same for the response to a request.
    fn sign_response(
        key: &KeyRef, response: Json<ResponseHead>, body: &[u8], request: Json<RequestHead>, now: f64, ttl: f64,
    ) -> PyResult<Vec<String>> {
        fields(http::sign_response(Some(&key.enter()), None, &response.0, body, &request.0, now, ttl))
    }
    fn verify_response(
        policy: Json<ResponsePolicy>, response: Json<ResponseHead>, body: &[u8], request: Json<RequestHead>, now: f64,
    ) -> PyResult<Json<VerifiedResponse>> = http::verify_response;
    /// With `started` it accepts no request that is older.
    fn new_request_verifier(policy: Json<RequestPolicy>, started: Option<f64>) -> PyResult<RequestVerifierRef>
        = http::verifier;
    /// A genuine request, and what it says.
    fn authenticate_request(verifier: &RequestVerifierRef, request: Json<RequestHead>, now: f64) -> PyResult<Genuine>
        = http::authenticate;
    /// By which a store knows the request.
    fn accept_request(verifier: &RequestVerifierRef, request: &RequestRef, body: &[u8], now: f64) -> PyResult<String>
        = http::accept;
    /// Uses the approval that an accepted request brings along, by one of these for that recipient.
    fn approve_request(
        verifier: &RequestVerifierRef, request: &RequestRef, body: &[u8], approvers: Vec<String>, recipient: &str, now: f64,
    ) -> PyResult<Json<UsedApproval>> = http::approve;
    /// Signs a yes or no to a request.
    fn decide_request(key: &KeyRef, request: Json<RequestHead>, body: &[u8], decided: Json<RequestDecision>) -> PyResult<String>
        = http::decide;
    /// Takes back that a request was accepted, and that an approval was used.
    fn forget_request(
        verifier: &RequestVerifierRef, request: &RequestRef, approver: Option<&str>, approval: Option<&str>,
    ) -> PyResult<()> {
        let (verifier, request) = (verifier.enter(), request.enter());
        Give::give(record::forget_request(&verifier, Some(&request), approver, approval))
    }
}
