//! Receipts.

use xbind_binding::record::{self, Proven};

use crate::bytes::Bytes;
use crate::convert::{Fallible, Json};

entries! {
    /// Verifies a call and its answer, with all that is said to be a body of either.
    fn verify_receipt(
        call: String, answer: String, requests: Vec<Bytes>, results: Vec<Bytes>, caller: String, agent: String,
    ) -> Fallible<Json<Proven>> = record::verify;
}
