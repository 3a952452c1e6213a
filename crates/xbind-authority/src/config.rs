//! What whoever runs a server says of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use xbind_net::Roots;
use xbind_server::{LogSink, Passphrase, Rate, Times, TlsFiles};

/// A server to be started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is kept: the database, the audit log, the key. Made if it is not there.
    pub directory: PathBuf,
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// How clients reach it: `https://authority.example`. Without it, the address that it listens on.
    pub public_url: Option<String>,
    /// Serves TLS itself.
    pub tls: Option<TlsFiles>,
    /// Listens beyond loopback without TLS: whoever is on the way reads everything, and changes what is not signed.
    pub dangerously_allow_plain_http: bool,
    /// The DNS resolver that is asked for TXT records; that of the system without it.
    pub resolver: Option<SocketAddr>,
    /// The file with the issuers whose users agents may act for (docs/oauth.md); none without.
    pub issuers: Option<PathBuf>,
    /// Whose certificates are believed where issuers are asked.
    pub roots: Roots,
    /// The passphrase of the authority's key file, which is not encrypted without one.
    pub passphrase: Option<Passphrase>,
    /// How far clocks may differ, in seconds.
    pub clock_skew: u64,
    /// Of one address, before anybody has proven who he is.
    pub rate_per_address: Rate,
    /// Of one issuer, what it says of sessions that have ended.
    pub rate_per_issuer: Rate,
    /// Of one DID that has proven itself.
    pub rate_per_did: Rate,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections of one address at once.
    pub max_connections_per_address: usize,
    /// For how long a status list may be relied upon, in seconds: how late a revocation is honoured at the latest.
    pub status_lifetime: u64,
    /// For how long verifiers may keep the JWK set, in seconds: no key signs that was not in it for so long, unless somebody says so.
    pub keys_age: u64,
    /// After how many seconds the server has its next key; none makes it change its key by itself.
    pub rotate_every: Option<u64>,
    /// How many seconds before that it tells of it.
    pub notice: u64,
    /// How long requests that are under way may take when the server stops.
    pub drain: Duration,
    /// Time limits of a connection.
    pub times: Times,
    /// Where a line of JSON goes for each request; nowhere without.
    pub log: Option<LogSink>,
}

impl Config {
    /// A server on any port of loopback that keeps everything in that directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            public_url: None,
            tls: None,
            dangerously_allow_plain_http: false,
            resolver: None,
            issuers: None,
            roots: Roots::default(),
            passphrase: None,
            clock_skew: 5,
            rate_per_address: Rate { burst: 200, per_second: 50 },
            rate_per_issuer: Rate { burst: 10_000, per_second: 200 },
            rate_per_did: Rate { burst: 200, per_second: 50 },
            max_connections: 1024,
            max_connections_per_address: 256,
            status_lifetime: 300,
            keys_age: 300,
            rotate_every: None,
            notice: 86_400,
            drain: Duration::from_secs(10),
            times: Times::default(),
            log: None,
        }
    }
}
