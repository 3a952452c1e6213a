//! How the brokers are reached.

use std::fmt;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use tokio::sync::mpsc::UnboundedSender;
use xbind::cluster::{NKey, Namespace};

use super::bucket::PATIENCE;
use super::{Fault, tls};
use crate::Roots;

/// How often the broker is asked whether it is there.
const PING: Duration = Duration::from_secs(3);
/// How long connecting again is put off at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a name stays with an agent that has gone.
pub const NAMES_KEPT: Duration = Duration::from_secs(30);

/// How to reach the brokers, and which bus is meant.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Their addresses: `nats://host:4222`, `tls://host:4222`.
    pub servers: Vec<String>,
    /// Which bus it is among those on these brokers.
    pub namespace: Namespace,
    /// What TLS is spoken with.
    pub tls: Option<Tls>,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// How long a name stays with an agent that has gone: [`NAMES_KEPT`], unless all who are on the bus say otherwise.
    pub names_kept: Duration,
}

/// Certificates as PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Whose certificates are believed besides the usual ones.
    pub ca: Option<String>,
    /// The certificate that this side shows, and its key.
    pub own: Option<(String, String)>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ca", &self.ca.is_some()).field("own", &self.own.is_some()).finish()
    }
}

impl Reach {
    /// Connects, as that host; `told` hears whether the connection is there.
    pub(super) async fn dial(
        &self,
        options: ConnectOptions,
        host: &NKey,
        told: UnboundedSender<bool>,
    ) -> Result<Client, Fault> {
        let addresses: Result<Vec<ServerAddr>, _> = self.servers.iter().map(|server| server.parse()).collect();
        let addresses = addresses.map_err(|_| Fault::BadAddress)?;
        let is_usable = |address: &ServerAddr| matches!(address.scheme(), "nats" | "tls");
        if addresses.is_empty() || !addresses.iter().all(is_usable) {
            return Err(Fault::BadAddress);
        }
        let mut options = options
            .name("private.me/autogen")
            .ping_interval(PING)
            .connection_timeout(PATIENCE)
            .request_timeout(None)
            .custom_inbox_prefix(self.namespace.replies(host).trim_end_matches('.'))
            .reconnect_delay_callback(|attempts| {
                let pause = u64::try_from(attempts).unwrap_or(u64::MAX).saturating_mul(50);
                Duration::from_millis(pause).min(LONGEST_PAUSE)
            })
            .event_callback(move |event| {
                if event == Event::Connected || event == Event::Disconnected {
                    let _ = told.send(event == Event::Connected);
                }
                std::future::ready(())
            });
        if let Some(tls) = tls::config(self.tls.as_ref(), &self.roots)? {
            options = options.require_tls(true).tls_client_config(tls);
        }
        options.connect(addresses).await.map_err(|error| reason(&error))
    }
}

fn reason(error: &ConnectError) -> Fault {
    use ConnectErrorKind as Kind;
    match error.kind() {
        Kind::AuthorizationViolation | Kind::Authentication => Fault::Refused,
        Kind::ServerParse => Fault::BadAddress,
        Kind::Dns | Kind::TimedOut | Kind::Tls | Kind::Io | Kind::MaxReconnects => Fault::Unavailable,
    }
}
