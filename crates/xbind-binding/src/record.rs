//! Receipts, and logs of what was decided.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use xbind::http::verify::{AuthenticRequest, RequestVerifier};
use xbind::record::{Head, KeptHead, Receipt};
use xbind::{Did, Error, ErrorKind, MessageId, Result};
use xbind_runtime::{
    Audit, AuditLog, Batch, Callback, Decided, Flushed, LogOptions, Opened, Query, Recording, Sign, Wanted, now,
};

/// Who takes the lines of a log.
pub type Taker = Arc<Callback>;

use crate::did::did;
use crate::key::Key;
use crate::number::whole;

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

/// A log that is open, and what was found when it was opened.
pub struct Log {
    log: Arc<AuditLog>,
    opened: Opened,
}

/// To be done where waiting hurts nobody.
pub type Later<T> = Box<dyn FnOnce() -> Result<T> + Send>;

/// Tells whoever is given, once, from whichever thread.
pub type Telling<T> = Box<dyn FnOnce(Box<dyn FnOnce(T) + Send>) + Send>;

/// Who takes the lines of a log: he is given a number for [`taken`], the lines, and as JSON how far the log goes with them; false
/// says that there is nobody any more. It is called from any thread and calls nobody.
#[must_use]
pub fn taker(take: impl Fn(u32, String, String) -> bool + Send + 'static, milliseconds: f64) -> Taker {
    let hand = move |number, batch: &Batch<'_>| take(number, batch.text.to_owned(), batch.head.json(batch.jws));
    Callback::new(Box::new(hand), Duration::from_millis(whole(milliseconds)))
}

/// The lines of that number are there for good, or are not, and why.
pub fn taken(taker: &Callback, number: u32, refused: Option<&str>) {
    taker.settle(number, refused);
}

fn signer(key: &Key) -> Result<(Did, Sign)> {
    let key = key.with(ErrorKind::SignFailed, |key| Ok(key.duplicate()))?;
    Ok((*key.did(), Box::new(move |bytes| Some(key.sign(bytes)))))
}

impl Log {
    /// Opens a log, which keeps a copy of the key until it is closed.
    #[must_use]
    pub fn open(path: &str, key: &Key, sync: &str, max_bytes: f64, first: Option<f64>) -> Later<Self> {
        let (path, durability, max_file_bytes) = (path.to_owned(), sync.parse(), whole(max_bytes));
        let first = first.map(whole);
        let signer = signer(key);
        Box::new(move || {
            let options = LogOptions { durability: durability?, max_file_bytes, first };
            let (did, sign) = signer?;
            let (log, opened) = AuditLog::open(Path::new(&path), did, sign, options)?;
            Ok(Self { log, opened })
        })
    }

    /// The same for one whose lines go to somebody else, behind that line of his if it goes on.
    #[must_use]
    pub fn hand_over(taker: &Taker, key: &Key, sync: &str, last: Option<&str>) -> Telling<Result<Self>> {
        let (taker, durability, last) = (taker.clone(), sync.parse(), last.map(str::to_owned));
        let signer = signer(key);
        Box::new(move |tell| {
            let asked = || Ok((durability?, signer?));
            match asked() {
                Ok((durability, (did, sign))) => {
                    let opened = |log: Result<_>| tell(log.map(|log| Self { log, opened: Opened::default() }));
                    AuditLog::hand_over(taker, did, sign, last.as_deref(), durability, Box::new(opened));
                }
                Err(error) => tell(Err(error)),
            }
        })
    }

    /// Whose log it is, and what was found, as JSON.
    #[must_use]
    pub fn state(&self) -> String {
        self.opened.json(self.log.did())
    }

    /// Adds what the JSON object of a record says; false if it cannot be.
    ///
    /// # Errors
    /// Those of a record.
    pub fn append(&self, record: &str) -> Result<bool> {
        let decided = Decided::read(record, self.log.did(), now(), did)?;
        Ok(self.log.append(decided))
    }

    /// Whether anything may be done that has to be recorded.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.log.can_write()
    }

    /// Puts a decision on record; see [`Recording::put`].
    ///
    /// # Errors
    /// Those of [`Recording::put`].
    pub fn put(&self, record: &str, dangerously_unrecorded: bool, has_happened: bool) -> Result<()> {
        self.recorded(dangerously_unrecorded).put(record, self.log.did(), has_happened)
    }

    /// The same for what is done when this says so, and whether that was waited for; see [`Recording::commit`].
    #[must_use]
    pub fn commit(&self, record: &str, dangerously_unrecorded: bool) -> Telling<Result<bool>> {
        let (recording, did, record) = (self.recorded(dangerously_unrecorded), *self.log.did(), record.to_owned());
        Box::new(move |tell| recording.commit(&record, &did, tell))
    }

    /// Writes what was decided so far, and tells how far the log goes, as JSON; at times it is its end.
    #[must_use]
    pub fn flush(&self, is_end: bool) -> Telling<Result<String>> {
        let log = self.log.clone();
        Box::new(move |tell| {
            let told: Flushed = Box::new(move |head| tell(head.map(|(head, jws)| head.json(&jws))));
            if is_end { log.end(told) } else { log.flush(told) }
        })
    }

    /// The records that are asked for, as JSON.
    #[must_use]
    pub fn query(&self, query: &str) -> Later<String> {
        let (log, query) = (self.log.clone(), Query::read(query));
        Box::new(move || log.query(&query?).map(|lines| format!("[{}]", lines.join(","))))
    }

    /// Where decisions go, as agents and nodes are told.
    #[must_use]
    pub fn recording(log: Option<&Self>, dangerously_unrecorded: bool) -> Option<Recording> {
        log.map(|log| log.recorded(dangerously_unrecorded))
    }

    fn recorded(&self, dangerously_unrecorded: bool) -> Recording {
        Recording { audit: self.log.clone(), dangerously_unrecorded }
    }
}

/// Verifies a log, with the head that it must hold, as JSON, and the line that it must begin with, or before.
#[must_use]
pub fn verify_log(path: &str, owner: Option<&str>, head: Option<&str>, first: Option<f64>) -> Later<String> {
    let (path, owner) = (path.to_owned(), owner.map(did).transpose());
    let (head, first) = (head.map(KeptHead::read).transpose(), first.map(whole));
    Box::new(move || {
        let (owner, head) = (owner?, head?);
        let of = head.and_then(|head| head.did);
        if owner.zip(of).is_some_and(|(owner, of)| owner != of) {
            return Err(Error::new(ErrorKind::InvalidAudit, "the head is of the log of another"));
        }
        let log = head.and_then(|head| head.log);
        let wanted = Wanted { did: owner.or(of), log, head: head.map(|head| (head.seq, head.digest)), first };
        xbind_runtime::verify(Path::new(&path), wanted).map(|verified| verified.json())
    })
}

/// A witness signs the head that a log signed, given as JSON.
///
/// # Errors
/// `SIGN_FAILED`, and those of a head.
pub fn witness(witness: &Key, head: &str) -> Result<String> {
    witness.with(ErrorKind::SignFailed, |key| Ok(KeptHead::read(head)?.signed()?.witness(key, now())))
}

/// What a witness has signed, as JSON.
///
/// # Errors
/// `INVALID_DID`, and those of a head.
pub fn witnessed(statement: &str, witness: &str) -> Result<String> {
    Ok(Head::witnessed(statement, &did(witness)?)?.json(statement))
}

/// Takes back that a request was accepted, or that approval used: it could not be put on record, and nothing of it was begun.
///
/// # Errors
/// `INVALID_DID`.
pub fn forget_request(
    verifier: &RequestVerifier,
    request: Option<&AuthenticRequest>,
    approver: Option<&str>,
    approval: Option<&str>,
) -> Result<()> {
    let approver = approver.map(did).transpose()?;
    verifier.forget(request, approver.as_ref().zip(approval.and_then(MessageId::parse).as_ref()));
    Ok(())
}
