//! A gateway before models: who asks is proven, what is asked is within rights and budgets, what it took is metered, and each
//! request is on record. docs/gateway.md says what goes over the wire, and what an operator says of it.
//!
//! A request goes from one file to the next:
//!
//! | file | what |
//! | --- | --- |
//! | `server`, `app` | [`Gateway`]: its sockets, its upkeep, what all requests share |
//! | `pipeline` | the order of it all, to the head of the answer |
//! | `api` | the paths that are served |
//! | `caller` | who it is: a signature, a DPoP proof, or a token alone |
//! | `rights`, `lists` | whether what is presented holds, by what is known of revocations a moment ago |
//! | `running` | what runs at once; all of it ends that does not hold any more |
//! | `body` | the body, and the room that it takes |
//! | `asked` | what is asked for, read strictly, and the bytes that are forwarded |
//! | `holders`, `budget`, `money` | who pays, what is left, what it costs |
//! | `books` | what must not be lost: reservations, what counts once, the record |
//! | `carry`, `forward` | on to the model's server, and its answer back, whoever still listens |
//! | `passing`, `usage`, `answer` | the bytes of the answer as they pass, and what it took |
//! | `problem` | what a refused request is told, in the shape that each client reads |
//! | `models`, `metrics` | what there is, what is counted |
//! | `config` | what the operator says |

#![forbid(unsafe_code)]

mod answer;
mod api;
mod app;
mod asked;
mod body;
mod books;
mod budget;
mod caller;
mod carry;
mod config;
mod forward;
mod holders;
mod lists;
mod metrics;
mod models;
mod money;
mod passing;
mod pipeline;
mod problem;
mod rights;
mod running;
mod server;
mod usage;

use std::path::Path;

pub use budget::{By, Question, Row, Step};
pub use config::{Config, Limits, Model, Trusted, Upstream};
pub use money::shown as amount;
pub use server::Gateway;
pub use xbind_server::{Fault, LogSink, Passphrase};

/// What was used, as the database of a gateway tells it; the gateway may run meanwhile.
///
/// # Errors
/// A database that is not there, or cannot be read.
pub fn usage(database: &Path, question: &Question) -> Result<Vec<Row>, Fault> {
    let db = xbind_server::reader(database)?;
    budget::usage(&db, question)
        .map_err(|problem| xbind_server::fault(problem.cause().unwrap_or_else(|| problem.detail()).to_owned()))
}
