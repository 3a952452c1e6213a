//! Receipts, and logs of what was decided.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Env, External};
use napi::{Result, Task};
use napi_derive::napi;
use xbind::record::{Head, Proven, Receipt};
use xbind::{Digest, Error, ErrorKind, SigningKey, VerifyingKey};
use xbind_runtime::{Audit, AuditLog, Decided, Durability, LogOptions, Opened, Query, Recording, Taken, now, verify};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, fallible, number, size, whole};
use crate::identity::KeyRef;
use crate::key_file::{Work, elsewhere};
use crate::port::with_port;
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

pub type LogRef = External<(Arc<AuditLog>, Opened)>;

/// Work on a thread of libuv, which ends with JSON or an error of ours.
pub struct Telling(Option<Box<dyn FnOnce() -> xbind::Result<String> + Send>>);

impl Task for Telling {
    type Output = xbind::Result<String>;
    type JsValue = Fallible<String>;

    fn compute(&mut self) -> Result<Self::Output> {
        let work = self.0.take();
        let done = work.and_then(|work| catch_unwind(AssertUnwindSafe(work)).ok());
        Ok(done.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "an internal fault ended this call"))))
    }

    fn resolve(&mut self, _: Env, done: Self::Output) -> Result<Self::JsValue> {
        Ok(fallible(done))
    }
}

fn telling(work: impl FnOnce() -> xbind::Result<String> + Send + 'static) -> AsyncTask<Telling> {
    AsyncTask::new(Telling(Some(Box::new(work))))
}

/// Opens a log, which keeps a copy of the key until it is closed.
#[napi(catch_unwind, ts_return_type = "Promise<Fallible<LogRef>>")]
pub fn open_log(
    path: String,
    key: &KeyRef,
    durability: String,
    max_bytes: f64,
) -> AsyncTask<Work<(Arc<AuditLog>, Opened)>> {
    let key = key.with(ErrorKind::SignFailed, |key| Ok(key.duplicate()));
    elsewhere(move || {
        let (key, durability) = (key?, Durability::of(&durability)?);
        let options = LogOptions { durability, max_file_bytes: whole(max_bytes) };
        AuditLog::open(Path::new(&path), *key.did(), Box::new(move |bytes| Some(key.sign(bytes))), options)
    })
}

/// The DID of a log, how many records it held when it was opened, and how many bytes were cut off.
#[napi(catch_unwind, ts_return_type = "[string, number, number]")]
pub fn log_state(log: &LogRef) -> (String, f64, f64) {
    let (log, opened) = &**log;
    (log.did().to_string(), number(opened.records), number(opened.lost_bytes))
}

/// Adds what the JSON object of a record says.
#[napi(catch_unwind)]
pub fn append_record(log: &LogRef, record: String) -> Fallible<bool> {
    let (log, _) = &**log;
    fallible(Decided::read(&record, log.did(), now()).map(|decided| log.take(decided, None) != Taken::No))
}

/// The same, to the log of an agent that has one.
#[napi(catch_unwind)]
pub fn put_on_record(port: u32, agent: u32, record: String) -> Option<BindingError> {
    with_port(port, |port| port.agent(agent)?.put_on_record(&record)).err().map(BindingError::from)
}

#[napi(catch_unwind, ts_return_type = "Promise<Fallible<string>>")]
pub fn flush_log(log: &LogRef) -> AsyncTask<Telling> {
    let log = log.0.clone();
    telling(move || log.flush_now().map(|(head, jws)| head.json(&jws)))
}

#[napi(catch_unwind, ts_return_type = "Promise<Fallible<string>>")]
pub fn close_log(log: &LogRef) -> AsyncTask<Telling> {
    let log = log.0.clone();
    telling(move || log.close().map(|(head, jws)| head.json(&jws)))
}

#[napi(object, object_to_js = false)]
pub struct BindingQuery {
    pub agent: Option<String>,
    pub token: Option<String>,
    pub since: Option<f64>,
    pub until: Option<f64>,
    pub after: Option<f64>,
    pub limit: f64,
}

#[napi(catch_unwind, ts_return_type = "Promise<Fallible<string>>")]
pub fn query_log(log: &LogRef, query: BindingQuery) -> AsyncTask<Telling> {
    let BindingQuery { agent, token, since, until, after, limit } = query;
    let (since, until, after) = (since.map(whole), until.map(whole), after.map(whole));
    let (log, query) = (log.0.clone(), Query { agent, token, since, until, after, limit: size(limit) });
    telling(move || log.query(&query).map(|lines| format!("[{}]", lines.join(","))))
}

#[napi(catch_unwind, ts_return_type = "Promise<Fallible<string>>")]
pub fn verify_log(path: String, owner: Option<String>, seq: Option<f64>, digest: Option<String>) -> AsyncTask<Telling> {
    telling(move || {
        let owner = owner.map(|owner| VerifyingKey::from_did(&owner)).transpose()?.map(|key| *key.did());
        let wanted = seq.map(whole).zip(digest.as_deref().and_then(Digest::parse));
        verify(Path::new(&path), owner, wanted).map(|verified| verified.json())
    })
}

/// A witness signs the head that a log signed.
#[napi(catch_unwind)]
pub fn witness_head(witness: &KeyRef, head: String) -> Fallible<String> {
    let witnessed = |key: &SigningKey| Head::read(&head).map(|head| head.witness(key, now()));
    fallible(witness.with(ErrorKind::SignFailed, witnessed))
}

/// What a log signed about itself or, of a witness, what that has signed.
#[napi(catch_unwind)]
pub fn read_head(head: String, witness: Option<String>) -> Fallible<String> {
    let read = witness.map_or_else(|| Head::read(&head), |witness| Head::witnessed(&head, &did(&witness)?));
    fallible(read.map(|read| read.json(&head)))
}

/// Where decisions go, as agents and buses are told.
pub fn recording(log: Option<&LogRef>, dangerously_unrecorded: bool) -> Option<Recording> {
    log.map(|log| Recording { audit: log.0.clone(), dangerously_unrecorded })
}
