//! What every server here stands on: connections within bounds, whoever asks too often, TLS, files that are its own, and a
//! database whose changes are on record and on the disk before anybody is told. It knows no route and no rule of any of them.
//!
//! | file | what |
//! | --- | --- |
//! | `accept` | [`serve`]: connections are taken and bounded, and each is given to a service of hyper, until the server stops |
//! | `peers` | [`Peers`]: places, so many in all and of each address |
//! | `rate` | [`Limiter`]: how often somebody may ask |
//! | `tls` | [`acceptor`]: the certificate and key of a server that has no proxy in front |
//! | `listen` | where it listens, and what the URL says by which clients reach it |
//! | [`files`] | a directory and files that are the server's own, and no links |
//! | [`keys`] | keys in files of that directory, with a passphrase or without |
//! | `histogram` | [`Histogram`]: how long things took, for Prometheus |
//! | `passphrase`, `sink` | [`Passphrase`], wiped; [`LogSink`], where lines for whoever runs the server go |
//! | `store` | [`Store`]: a SQLite database with many readers, and one thread that writes ([`Change`]) |
//! | `fault` | [`Fault`]: why a server cannot start or go on, for whoever runs it |
#![forbid(unsafe_code)]

mod accept;
mod fault;
pub mod files;
mod histogram;
pub mod keys;
mod listen;
mod passphrase;
mod peers;
mod rate;
mod sink;
mod store;
mod tls;

pub use accept::{Counts, Limits, Peer, Times, serve};
pub use fault::{Fault, fault};
pub use histogram::Histogram;
pub use listen::{check_exposure, listen, read_url};
pub use passphrase::Passphrase;
pub use peers::{Peers, Place, network};
pub use rate::{Left, Limiter, MAX_KEYS, Rate};
pub use sink::LogSink;
pub use store::{Change, Refusal, Store, configure, migrate, reader};
pub use tls::{TlsFiles, acceptor};
