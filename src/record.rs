//! Receipts, and logs of what was decided.

use napi::bindgen_prelude::{AsyncTask, External, FnArgs, Function, Status};
use napi::threadsafe_function::ThreadsafeFunctionCallMode::NonBlocking;
use xbind_binding::port;
use xbind_binding::record::{self, Log, Proven, Taker};

use crate::bytes::Bytes;
use crate::convert::{BindingError, Fallible, Json};
use crate::key::{KeyRef, Work};
use crate::pass::Promised;

pub type LogRef = External<Log>;
pub type TakerRef = External<Taker>;
type Soon<T, U> = Promised<xbind::Result<T>, Fallible<U>>;
type Lines = FnArgs<(u32, String, String)>;

entries! {
    /// Verifies a call and its answer, with all that is said to be a body of either.
    fn verify_receipt(
        call: String, answer: String, requests: Vec<Bytes>, results: Vec<Bytes>, caller: String, agent: String,
    ) -> Fallible<Json<Proven>> = record::verify;
    fn open_log(path: String, key: &KeyRef, sync: String, max_bytes: f64) -> AsyncTask<Work<Log, LogRef>>
        as "Promise<Fallible<LogRef>>" = Log::open;
    /// `take` is given a number for `taken`, the lines, and how far the log goes with them.
    fn new_taker(
        #[napi(ts_arg_type = "(number: number, lines: string, head: string) => void")] take: Function<'_, Lines, ()>, milliseconds: f64,
    ) -> napi::Result<TakerRef> {
        let take = take.build_threadsafe_function::<Lines>().weak::<true>().callee_handled::<false>().build()?;
        let take = move |number, text, head| take.call((number, text, head).into(), NonBlocking) == Status::Ok;
        Ok(External::new(record::taker(take, milliseconds)))
    }
    /// The lines of that number are there for good, or why not.
    fn taken(taker: &TakerRef, number: u32, refused: Option<String>) = record::taken;
    /// A log whose lines go there, behind the last one there if it goes on.
    fn hand_over(taker: &TakerRef, key: &KeyRef, sync: String, last: Option<String>) -> Soon<Log, LogRef>
        as "Promise<Fallible<LogRef>>" = Log::hand_over;
    fn log_state(log: &LogRef) -> String = Log::state;
    fn append_record(log: &LogRef, record: String) -> Fallible<bool> = Log::append;
    /// Whether anything may be done that has to be recorded.
    fn can_write(log: &LogRef) -> bool = Log::can_write;
    /// Puts a decision on record before it is carried out, or afterwards.
    fn put_decision(log: &LogRef, record: String, unrecorded: bool, has_happened: bool) -> Option<BindingError> = Log::put;
    /// The same for what is carried out when this says so.
    fn commit_decision(log: &LogRef, record: String, unrecorded: bool) -> Soon<bool, bool>
        as "Promise<Fallible<boolean>>" = Log::commit;
    /// The same, to the log of an agent that has one.
    fn put_on_record(port: u32, agent: u32, record: String) -> Option<BindingError> = port::put_on_record;
    /// Writes what was decided so far, and tells how far the log goes; at times it is its end.
    fn flush_log(log: &LogRef, is_end: bool) -> Soon<String, String> as "Promise<Fallible<string>>" = Log::flush;
    fn query_log(log: &LogRef, query: String) -> AsyncTask<Work<String, String>> as "Promise<Fallible<string>>" = Log::query;
    /// Verifies a log, with the line that it must hold.
    fn verify_log(path: String, owner: Option<String>, seq: Option<f64>, digest: Option<String>)
        -> AsyncTask<Work<String, String>> as "Promise<Fallible<string>>" = record::verify_log;
    fn witness_head(witness: &KeyRef, head: String) -> Fallible<String> = record::witness;
    fn read_witness(statement: String, witness: String) -> Fallible<String> = record::witnessed;
}
