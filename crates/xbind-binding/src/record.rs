//! Receipts.

use serde::Serialize;
use xbind::Result;
use xbind::record::Receipt;

use crate::did::did;

/// What a receipt shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proven {
    /// The id of the call.
    pub message_id: String,
    /// What was asked.
    // ts: 'call' | 'send'
    pub op: &'static str,
    /// What came back.
    // ts: 'result' | 'error' | 'receipt'
    pub answer: &'static str,
    /// The method asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Seconds since the epoch.
    pub issued_at: u64,
    /// Seconds since the epoch.
    pub answered_at: u64,
    /// How many parts were sent before the end of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<u64>,
    /// The digest of the body of the call.
    pub request_digest: String,
    /// The digest of the body of the answer.
    pub result_digest: String,
    /// The digest of what the call presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_digest: Option<String>,
}

/// Verifies a call and its answer, with all that is said to be a body of either.
///
/// # Errors
/// `INVALID_DID`, and those of [`Receipt::verify`].
pub fn verify(
    call: &str,
    answer: &str,
    requests: Vec<&[u8]>,
    results: Vec<&[u8]>,
    caller: &str,
    agent: &str,
) -> Result<Proven> {
    let receipt = Receipt { call, answer, requests: &requests, results: &results };
    let proven = receipt.verify(&did(caller)?, &did(agent)?)?;
    Ok(Proven {
        message_id: proven.id.text(),
        op: proven.op.as_str(),
        answer: proven.answer.as_str(),
        method: proven.method,
        issued_at: proven.issued_at,
        answered_at: proven.answered_at,
        parts: proven.parts,
        request_digest: proven.request.text(),
        result_digest: proven.result.text(),
        token_digest: proven.token.map(|token| token.text()),
    })
}
