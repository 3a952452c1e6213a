//! Receipts, and logs of what was decided.

use pyo3::prelude::*;
use xbind_binding::record::{self, Proven};

use crate::pass::{Json, raised};

entries! {
    /// Verifies a call and its answer, with all that is said to be a body of either.
    fn verify_receipt(
        call: &str, answer: &str, requests: Vec<Vec<u8>>, results: Vec<Vec<u8>>, caller: &str, agent: &str,
    ) -> PyResult<Json<Proven>> {
        let [requests, results] = [&requests, &results].map(|all| all.iter().map(Vec::as_slice).collect());
        record::verify(call, answer, requests, results, caller, agent).map(Json).map_err(|error| raised(&error))
    }
    /// Verifies a log, with the line that it must hold; what was found, as JSON. Other threads may run Python meanwhile.
    fn verify_log(
        py: Python<'_>, path: &str, owner: Option<&str>, head: Option<&str>,
    ) -> PyResult<String> {
        let verified = record::verify_log(path, owner, head, None);
        py.detach(verified).map_err(|error| raised(&error))
    }
}
