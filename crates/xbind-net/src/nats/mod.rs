//! Agents on several machines: a node's transport over NATS, as docs/nats.md has it.
//!
//! | file | what |
//! | --- | --- |
//! | `bus` | a connection of a node, and what is asked of it |
//! | `reach` | how the brokers are reached |
//! | `auth` | how a connection gets in |
//! | `door` | who lets connections in: the auth callout |
//! | `link` | what the node knows of it: where messages and questions go |
//! | `lanes` | what waits to go to each host |
//! | `envelope` | what one NATS message holds |
//! | `directory` | who is where |
//! | `forgotten` | which hosts were taken to be gone |
//! | `claims` | the claims of names of agents here |
//! | `naming` | whose a name is |
//! | `due` | what is to be done when |
//! | `leaving` | how who has gone is taken off the bus |
//! | `vacancy` | names of who has gone |
//! | `roster` | the presence of the agents here: signed, written, renewed |
//! | `sent` | what was sent lately, and may be lost |
//! | `oversight` | whom operators have stopped |
//! | `operator` | what an operator says |
//! | `mail` | what is sent to agents that are away |
//! | `mailbox` | mail that agents here take |
//! | `bucket` | what is kept with the broker |
//! | `jetstream` | how that is asked for |
//! | `tls` | certificates |
//! | `tasks` | what runs on the thread of this crate: sending, receiving, watching, time |

mod auth;
mod bucket;
mod bus;
mod claims;
mod directory;
mod door;
mod due;
mod envelope;
mod forgotten;
mod jetstream;
mod lanes;
mod leaving;
mod link;
mod mail;
mod mailbox;
mod naming;
mod operator;
mod oversight;
mod reach;
mod roster;
mod sent;
mod tasks;
mod tls;
mod vacancy;

use std::fmt;

use xbind::{Error, ErrorKind};

pub use self::bus::{Bus, Settings, Status};
pub use self::door::{Admission, Decision, Door};
pub use self::operator::{Operating, Operator};
pub use self::reach::{NAMES_KEPT, Reach, Tls};

/// Why there is no bus, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An address that is none.
    BadAddress,
    /// Certificates or a key that cannot be read.
    Certificates,
    /// No broker answers, or not in time.
    Unavailable,
    /// Brokers are there, and have not chosen who decides what they keep.
    Undecided,
    /// It does not let this process in.
    Refused,
    /// It keeps no buckets: no JetStream, or an older one, or without room.
    NoBuckets,
    /// The system gives no randomness, or no thread.
    Internal,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadAddress => "servers holds an address that is none",
            Self::Certificates => "the certificates or the key cannot be read",
            Self::Unavailable => "no broker answers at these addresses",
            Self::Undecided => "the brokers do not say what they keep: they have no leader for it yet",
            Self::Refused => "the broker does not let this process in",
            Self::NoBuckets => "the broker keeps no buckets with lives of their own",
            Self::Internal => "the system gave no randomness, or no thread",
        })
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let (kind, hint) = match fault {
            Fault::BadAddress => (ErrorKind::InvalidConfig, "write nats://host:4222 or tls://host:4222"),
            Fault::Certificates => (ErrorKind::InvalidConfig, "give PEM texts: ca, and cert and key together"),
            Fault::Unavailable => (ErrorKind::BrokerUnavailable, "start nats-server, or look at the address"),
            Fault::Undecided => (
                ErrorKind::BrokerUnavailable,
                "connect again when most brokers of the cluster are up and see each other",
            ),
            Fault::Refused => (ErrorKind::BrokerUnavailable, "ask its owner to let the identity in"),
            Fault::NoBuckets => {
                (ErrorKind::BrokerUnavailable, "run nats-server 2.11 or newer, with JetStream and memory for it")
            }
            Fault::Internal => (ErrorKind::Internal, "report it"),
        };
        Self::new(kind, fault.to_string()).with_hint(hint)
    }
}
