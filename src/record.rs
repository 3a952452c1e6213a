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
pub type Soon<T, U> = Promised<xbind::Result<T>, Fallible<U>>;
type Lines = FnArgs<(u32, String, String)>;

entries! {
    fn verify_receipt(
        call: String, answer: String, requests: Vec<Bytes>, results: Vec<Bytes>, caller: String, agent: String,
    ) -> Fallible<Json<Proven>> = record::verify;
    fn open_log(path: String, key: &KeyRef, sync: String, max_bytes: f64, first: Option<f64>) -> AsyncTask<Work<Log, LogRef>>
        as "Promise<Fallible<LogRef>>" = Log::open;
    /// `take` is given a number for `taken`, the lines, and how far the log goes with them.
    fn new_taker(
        #[napi(ts_arg_type = "(number: number, lines: string, head: string) => void")] take: Function<'_, Lines, ()>, milliseconds: f64,
    ) -> napi::Result<TakerRef> {
        let take = take.build_threadsafe_function::<Lines>().weak::<true>().callee_handled::<false>().build()?;
        let take = move |number, text, head| take.call((number, text, head).into(), NonBlocking) == Status::Ok;
        Ok(External::new(record::taker(take, milliseconds)))
    }
    fn taken(taker: &TakerRef, number: u32, refused: Option<String>) = record::taken;
    fn hand_over(taker: &TakerRef, key: &KeyRef, sync: String, last: Option<String>) -> Soon<Log, LogRef>
        as "Promise<Fallible<LogRef>>" = Log::hand_over;
    fn log_state(log: &LogRef) -> String = Log::state;
    fn append_record(log: &LogRef, record: String) -> Fallible<bool> = Log::append;
    fn can_write(log: &LogRef) -> bool = Log::can_write;
    fn put_decision(log: &LogRef, record: String, unrecorded: bool, has_happened: bool) -> Option<BindingError> = Log::put;
    fn commit_decision(log: &LogRef, record: String, unrecorded: bool) -> Soon<bool, bool>
        as "Promise<Fallible<boolean>>" = Log::commit;
    fn put_on_record(port: u32, agent: u32, record: String) -> Soon<bool, bool> as "Promise<Fallible<boolean>>" = port::put_on_record;
    fn flush_log(log: &LogRef, is_end: bool) -> Soon<String, String> as "Promise<Fallible<string>>" = Log::flush;
    fn query_log(log: &LogRef, query: String) -> AsyncTask<Work<String, String>> as "Promise<Fallible<string>>" = Log::query;
    fn verify_log(path: String, owner: Option<String>, head: Option<String>, first: Option<f64>)
        -> AsyncTask<Work<String, String>> as "Promise<Fallible<string>>" = record::verify_log;
    fn witness_head(witness: &KeyRef, head: String) -> Fallible<String> = record::witness;
    fn read_witness(statement: String, witness: String) -> Fallible<String> = record::witnessed;
}
