//! Receipts, and logs of what was decided. What has many members crosses as JSON.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Env, External};
use napi::{Result, Task};
use napi_derive::napi;
use xbind::record::{Head, Receipt};
use xbind::{Error, ErrorKind};
use xbind_runtime::{Audit, AuditLog, Decided, LogOptions, Opened, Query, Recording, Taken, now, verify};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, fallible, whole};
use crate::identity::KeyRef;
use crate::key_file::{Work, elsewhere};
use crate::port::with_port;
use crate::rights::did;

/// Verifies a call and its answer, with all that is said to be a body of either.
#[napi(catch_unwind)]
pub fn verify_receipt(
    call: String,
    answer: String,
    requests: Vec<Bytes>,
    results: Vec<Bytes>,
    caller: String,
    agent: String,
) -> Fallible<String> {
    let requests: Vec<_> = requests.iter().map(Bytes::as_slice).collect();
    let results: Vec<_> = results.iter().map(Bytes::as_slice).collect();
    let receipt = Receipt { call: &call, answer: &answer, requests: &requests, results: &results };
    let verified = did(&caller).and_then(|caller| receipt.verify(&caller, &did(&agent)?));
    fallible(verified.map(|proven| proven.json()))
}

pub type LogRef = External<(Arc<AuditLog>, Opened)>;

/// Work on a thread of libuv, which ends with JSON or an error of ours.
pub struct Telling(Option<Box<dyn FnOnce() -> xbind::Result<String> + Send>>);

impl Task for Telling {
    type Output = xbind::Result<String>;
    type JsValue = Fallible<String>;

    fn compute(&mut self) -> Result<Self::Output> {
        let done = self.0.take().and_then(|work| catch_unwind(AssertUnwindSafe(work)).ok());
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
pub fn open_log(path: String, key: &KeyRef, sync: String, max_bytes: f64) -> AsyncTask<Work<(Arc<AuditLog>, Opened)>> {
    let key = key.with(ErrorKind::SignFailed, |key| Ok(key.duplicate()));
    elsewhere(move || {
        let options = LogOptions { durability: sync.parse()?, max_file_bytes: whole(max_bytes) };
        AuditLog::open_with(Path::new(&path), key?, options)
    })
}

/// Whose log it is, and what was found when it was opened.
#[napi(catch_unwind)]
pub fn log_state(log: &LogRef) -> String {
    log.1.json(log.0.did())
}

/// Adds what the JSON object of a record says.
#[napi(catch_unwind)]
pub fn append_record(log: &LogRef, record: String) -> Fallible<bool> {
    let decided = Decided::read(&record, log.0.did(), now(), did);
    fallible(decided.map(|decided| log.0.take(decided, None) != Taken::No))
}

/// The same, to the log of an agent that has one.
#[napi(catch_unwind)]
pub fn put_on_record(port: u32, agent: u32, record: String) -> Option<BindingError> {
    with_port(port, |port| port.agent(agent)?.put_on_record(&record)).err().map(BindingError::from)
}

/// Writes what was decided so far, and tells how far the log goes; at times it is its end.
#[napi(catch_unwind, ts_return_type = "Promise<Fallible<string>>")]
pub fn flush_log(log: &LogRef, is_end: bool) -> AsyncTask<Telling> {
    let log = log.0.clone();
    telling(move || {
        let (head, jws) = if is_end { log.close() } else { log.flush_now() }?;
        Ok(head.json(&jws))
    })
}

#[napi(catch_unwind, ts_return_type = "Promise<Fallible<string>>")]
pub fn query_log(log: &LogRef, query: String) -> AsyncTask<Telling> {
    let log = log.0.clone();
    telling(move || log.query(&Query::read(&query)?).map(|lines| format!("[{}]", lines.join(","))))
}

/// Verifies a log, with the line that it must hold.
#[napi(catch_unwind, ts_return_type = "Promise<Fallible<string>>")]
pub fn verify_log(path: String, owner: Option<String>, seq: Option<f64>, digest: Option<String>) -> AsyncTask<Telling> {
    let owner = owner.map(|owner| did(&owner)).transpose();
    let wanted = digest.map(|digest| xbind::Digest::of_text(&digest)).transpose();
    telling(move || verify(Path::new(&path), owner?, seq.map(whole).zip(wanted?)).map(|verified| verified.json()))
}

/// A witness signs the head that a log signed.
#[napi(catch_unwind)]
pub fn witness_head(witness: &KeyRef, head: String) -> Fallible<String> {
    fallible(witness.with(ErrorKind::SignFailed, |key| Head::read(&head).map(|head| head.witness(key, now()))))
}

/// What a witness has signed.
#[napi(catch_unwind)]
pub fn read_witness(statement: String, witness: String) -> Fallible<String> {
    let head = did(&witness).and_then(|witness| Head::witnessed(&statement, &witness));
    fallible(head.map(|head| head.json(&statement)))
}

/// Where decisions go, as agents and buses are told.
pub fn recording(log: Option<&LogRef>, dangerously_unrecorded: bool) -> Option<Recording> {
    log.map(|log| Recording { audit: log.0.clone(), dangerously_unrecorded })
}
