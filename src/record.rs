//! Receipts.

use napi_derive::napi;
use xbind::record::{Proven, Receipt};

use crate::bytes::Bytes;
use crate::convert::{Fallible, fallible, number};
use crate::rights::did;

#[napi(object, object_from_js = false)]
pub struct BindingProven {
    pub message_id: String,
    #[napi(ts_type = "'call' | 'send'")]
    pub op: &'static str,
    #[napi(ts_type = "'result' | 'error' | 'receipt'")]
    pub answer: &'static str,
    pub method: Option<String>,
    pub issued_at: f64,
    pub answered_at: f64,
    pub parts: Option<f64>,
    pub request_digest: String,
    pub result_digest: String,
    pub token_digest: Option<String>,
}

/// Verifies a call and its answer, with all that is said to be a body of either.
#[napi(catch_unwind)]
pub fn verify_receipt(
    call: String,
    answer: String,
    requests: Vec<Bytes>,
    results: Vec<Bytes>,
    caller: String,
    agent: String,
) -> Fallible<BindingProven> {
    let requests: Vec<_> = requests.iter().map(Bytes::as_slice).collect();
    let results: Vec<_> = results.iter().map(Bytes::as_slice).collect();
    let receipt = Receipt { call: &call, answer: &answer, requests: &requests, results: &results };
    let verified = did(&caller).and_then(|caller| receipt.verify(&caller, &did(&agent)?));
    fallible(verified.map(BindingProven::from))
}

impl From<Proven> for BindingProven {
    fn from(proven: Proven) -> Self {
        Self {
            message_id: proven.id.text(),
            op: proven.op.as_str(),
            answer: proven.answer.as_str(),
            method: proven.method,
            issued_at: number(proven.issued_at),
            answered_at: number(proven.answered_at),
            parts: proven.parts.map(number),
            request_digest: proven.request.text(),
            result_digest: proven.result.text(),
            token_digest: proven.token.map(|token| token.text()),
        }
    }
}
