//! Where a server's lines go for whoever runs it.

use std::fmt;
use std::sync::Arc;

/// Takes lines of JSON, without a line feed, from any thread. It must not wait for long.
#[derive(Clone)]
pub struct LogSink(pub Arc<dyn Fn(&str) + Send + Sync>);

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSink(..)")
    }
}
