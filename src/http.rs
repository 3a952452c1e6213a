//! HTTP requests and responses that prove who sends them, and agents that are reached over HTTP.

use napi::bindgen_prelude::{Either3, External, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use xbind_binding::http::{
    self, Authentic, AuthenticRequest, RequestDecision, RequestDraft, RequestHead, RequestPolicy, RequestVerifier,
    ResponseHead, ResponsePolicy, Signed, UnsignedHttp, UsedApproval, VerifiedResponse,
};
use xbind_binding::record;
use xbind_binding::serve::{self, Reach, Server, StoreQuestion};

use crate::bytes::{Bytes, Copied};
use crate::convert::{BindingError, Fallible, Json};
use crate::key::KeyRef;
use crate::pass::Give;
use crate::port::NodeRef;

pub type RequestVerifierRef = External<RequestVerifier>;
/// A genuine request that was not accepted yet.
pub type RequestRef = External<Authentic>;
/// Where requests come in.
pub type ServerRef = External<Server>;
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
    [] (Vec<u8>, bool) => (Bytes, bool): |(bytes, is_end)| (Copied(bytes), is_end);
}

entries! {
    fn sign_request(
        key: Option<&KeyRef>, signer: Option<String>, request: Json<RequestHead>, body: Bytes, draft: Json<RequestDraft>,
    ) -> SignedHttp = http::sign_request;
    fn sign_response(
        key: Option<&KeyRef>, signer: Option<String>, response: Json<ResponseHead>, body: Bytes,
        request: Json<RequestHead>, now: f64, ttl: f64,
    ) -> SignedHttp = http::sign_response;
    fn base_of(unsigned: &UnsignedRef) -> String = http::base;
    fn signed_fields(unsigned: &UnsignedRef, signature: Bytes) -> Fallible<Vec<String>> = http::finish;
    fn verify_response(
        policy: Json<ResponsePolicy>, response: Json<ResponseHead>, body: Bytes, request: Json<RequestHead>, now: f64,
    ) -> Fallible<Json<VerifiedResponse>> = http::verify_response;
    fn new_request_verifier(policy: Json<RequestPolicy>, started: Option<f64>) -> Fallible<RequestVerifierRef> = http::verifier;
    fn authenticate_request(
        verifier: &RequestVerifierRef, request: Json<RequestHead>, now: f64,
    ) -> Fallible<(RequestRef, Json<AuthenticRequest>)> = http::authenticate;
    fn accept_request(verifier: &RequestVerifierRef, request: &RequestRef, body: Bytes, now: f64) -> Fallible<String>
        = http::accept;
    fn forget_request(
        verifier: &RequestVerifierRef, request: Option<&RequestRef>, approver: Option<String>, approval: Option<String>,
    ) -> Fallible<()> = record::forget_request;
    fn approve_request(
        verifier: &RequestVerifierRef, request: &RequestRef, body: Bytes, approvers: Vec<String>, recipient: String, now: f64,
    ) -> Fallible<Json<UsedApproval>> = http::approve;
    fn decide_request(
        key: &KeyRef, request: Json<RequestHead>, body: Bytes, decided: Json<RequestDecision>,
    ) -> Fallible<String> = http::decide;
    fn reach_addresses(node: &NodeRef, reach: Option<Json<Reach>>) -> Fallible<()> = serve::reach_addresses;
    fn known_session(node: &NodeRef, did: String) -> Option<String> = serve::known_session;
    /// Opens agents of a bus to requests: these DIDs, or all. `wake` is told which exchange has something to take, or 0.
    fn new_server(
        node: &NodeRef, only: Option<Vec<String>>, shares: bool, wake: Function<'_, u32, ()>,
    ) -> napi::Result<Fallible<ServerRef>> as "Fallible<ServerRef>" {
        let wake = wake.build_threadsafe_function::<u32>().weak::<true>().callee_handled::<false>().build()?;
        let wake = move |exchange| { wake.call(exchange, ThreadsafeFunctionCallMode::NonBlocking); };
        Ok(Give::give(serve::server(node, only.as_deref(), shares, wake)))
    }
    fn take_questions(server: &ServerRef) -> Json<Vec<StoreQuestion>> = serve::questions;
    fn answer_question(server: &ServerRef, number: f64, taken: Option<u32>, name: Option<String>) = serve::answer_question;
    fn open_exchange(server: &ServerRef, connection: Option<u32>) -> u32 = Server::open_on;
    fn feed_exchange(server: &ServerRef, exchange: u32, piece: Bytes) -> Option<bool> = serve::feed_on;
    fn end_exchange(server: &ServerRef, exchange: u32) -> Option<String> = serve::end;
    fn take_exchange(server: &ServerRef, exchange: u32) -> (Bytes, bool) = serve::take;
    fn close_exchange(server: &ServerRef, exchange: u32) = Server::gone;
}
