//! Receipts, and logs of what was decided.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use pyo3::prelude::*;
use xbind::{Error, ErrorKind};
use xbind_binding::port;
use xbind_binding::record::{self, Log, Proven, Taker};

use crate::key::KeyRef;
use crate::pass::{Enter, Json, Locked, raised};
use crate::soon::Promised;
use crate::wake::{Wake, wake};

/// Lines, by the numbers by which they are taken, and how far a log goes with them.
type Batches = Arc<Mutex<VecDeque<(u32, String, String)>>>;
type Handed = (Taker, Batches);

kept! {
    /// A log that is open.
    LogRef(Log);
    /// Who takes the lines of a log, and those that he was not given yet.
    TakerRef(Handed);
}

impl Locked for &LogRef {}

entries! {
    /// Verifies a call and its answer, with all that is said to be a body of either.
    fn verify_receipt(
        call: &str, answer: &str, requests: Vec<Vec<u8>>, results: Vec<Vec<u8>>, caller: &str, agent: &str,
    ) -> PyResult<Json<Proven>> {
        let [requests, results] = [&requests, &results].map(|all| all.iter().map(Vec::as_slice).collect());
        record::verify(call, answer, requests, results, caller, agent).map(Json).map_err(|error| raised(&error))
    }
    fn open_log(path: &str, key: &KeyRef, sync: &str, max_bytes: f64, first: Option<f64>) -> Promised<LogRef> = Log::open;
    /// Who takes the lines of a log, and what is readable when there are some.
    fn new_taker(milliseconds: f64) -> PyResult<(TakerRef, Wake)> {
        let (wake, waker) = wake()?;
        let batches = Batches::default();
        let given = batches.clone();
        let take = move |number, lines, head| {
            given.lock().unwrap_or_else(PoisonError::into_inner).push_back((number, lines, head));
            waker.wake();
            true
        };
        Ok(((record::taker(take, milliseconds), batches).into(), wake))
    }
    /// What there is to take.
    fn batches(taker: &TakerRef) -> Vec<(u32, String, String)> = |(_, batches): &Handed|
        batches.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect::<Vec<_>>();
    /// The lines of that number are there for good, or are not, and why.
    fn taken(taker: &TakerRef, number: u32, refused: Option<&str>)
        = |(taker, _): &Handed, number, refused| record::taken(taker, number, refused);
    /// Opens a log whose lines go to somebody else, behind that line of his if it goes on.
    fn hand_over(taker: &TakerRef, key: &KeyRef, sync: &str, last: Option<&str>) -> Promised<LogRef>
        = |(taker, _): &Handed, key, sync, last| Log::hand_over(taker, key, sync, last);
    /// Whether anything may be done that has to be recorded.
    fn can_write(log: &LogRef) -> bool = Log::can_write;
    /// Whose log it is, and what was found when it was opened, as JSON.
    fn log_state(log: &LogRef) -> String = Log::state;
    /// Adds what the JSON object of a record says; false if it cannot be. Where records wait for the disk, other threads may run
    /// Python meanwhile.
    fn append_record(py: Python<'_>, log: &LogRef, record: &str) -> PyResult<bool> {
        py.detach(|| log.enter().append(record)).map_err(|error| raised(&error))
    }
    /// Puts a decision on record; raises if what it says must not be done. Where records wait for the disk, other threads may run
    /// Python meanwhile.
    fn put_decision(
        py: Python<'_>, log: &LogRef, record: &str, unrecorded: bool, has_happened: bool,
    ) -> PyResult<()> {
        let put = || log.enter().put(record, unrecorded, has_happened);
        py.detach(put).map_err(|error| raised(&error))
    }
    /// The same for who can wait for the disk, and whether that was waited for.
    fn commit_decision(log: &LogRef, record: &str, unrecorded: bool) -> Promised<bool> = Log::commit;
    /// Puts what the JSON object of a record says into the log of an agent that has one; raises if what it says must not be done.
    /// Where records wait for the disk, other threads may run Python meanwhile.
    fn put_on_record(py: Python<'_>, port: u32, agent: u32, record: &str) -> PyResult<()> {
        let (told, came) = mpsc::channel();
        let put = port::put_on_record(port, agent, record);
        let done = py.detach(move || {
            put(Box::new(move |done| drop(told.send(done))));
            came.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the log has ended")))
        });
        done.map(drop).map_err(|error| raised(&error))
    }
    /// Writes what was decided so far, and says how far the log goes, as JSON; at times it is its end.
    fn flush_log(log: &LogRef, is_end: bool) -> Promised<String> = Log::flush;
    /// The records that are asked for, as JSON.
    fn query_log(log: &LogRef, query: &str) -> Promised<String> = Log::query;
    /// Verifies a log, with the line that it must hold and the one that it must begin with; what was found, as JSON. Other
    /// threads may run Python meanwhile.
    fn verify_log(
        py: Python<'_>, path: &str, owner: Option<&str>, head: Option<&str>, first: Option<f64>,
    ) -> PyResult<String> {
        let verified = record::verify_log(path, owner, head, first);
        py.detach(verified).map_err(|error| raised(&error))
    }
    /// Signs that this key has seen how far a log goes, given as JSON.
    fn witness_head(witness: &KeyRef, head: &str) -> PyResult<String> = record::witness;
    /// What a witness has signed, as JSON.
    fn read_witness(statement: &str, witness: &str) -> PyResult<String> = record::witnessed;
}
