//! Receipts, and logs of what was decided.

use napi::bindgen_prelude::{AsyncTask, External};
use xbind_binding::port;
use xbind_binding::record::{self, Log, Proven};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, Json};
use crate::key::{KeyRef, Work, elsewhere};

pub type LogRef = External<Log>;

entries! {
    /// Verifies a call and its answer, with all that is said to be a body of either.
    fn verify_receipt(
        call: String, answer: String, requests: Vec<Bytes>, results: Vec<Bytes>, caller: String, agent: String,
    ) -> Fallible<Json<Proven>> = record::verify;
    /// Opens a log, which keeps a copy of the key until it is closed.
    fn open_log(path: String, key: &KeyRef, sync: String, max_bytes: f64) -> AsyncTask<Work<Log, LogRef>>
        as "Promise<Fallible<LogRef>>" { elsewhere(Log::open(&path, key, &sync, max_bytes)) }
    /// Whose log it is, and what was found when it was opened.
    fn log_state(log: &LogRef) -> String = Log::state;
    /// Adds what the JSON object of a record says.
    fn append_record(log: &LogRef, record: String) -> Fallible<bool> = Log::append;
    /// The same, to the log of an agent that has one.
    fn put_on_record(port: u32, agent: u32, record: String) -> Option<BindingError> = port::put_on_record;
    /// Writes what was decided so far, and tells how far the log goes; at times it is its end.
    fn flush_log(log: &LogRef, is_end: bool) -> AsyncTask<Work<String, String>>
        as "Promise<Fallible<string>>" { elsewhere(log.flush(is_end)) }
    fn query_log(log: &LogRef, query: String) -> AsyncTask<Work<String, String>>
        as "Promise<Fallible<string>>" { elsewhere(log.query(&query)) }
    /// Verifies a log, with the line that it must hold.
    fn verify_log(path: String, owner: Option<String>, seq: Option<f64>, digest: Option<String>)
        -> AsyncTask<Work<String, String>> as "Promise<Fallible<string>>"
        { elsewhere(record::verify_log(&path, owner.as_deref(), seq, digest.as_deref())) }
    fn witness_head(witness: &KeyRef, head: String) -> Fallible<String> = record::witness;
    fn read_witness(statement: String, witness: String) -> Fallible<String> = record::witnessed;
}
