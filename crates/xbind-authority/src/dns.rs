//! What the owner of a domain says in its TXT record.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};

use crate::problem::{Kind, Problem, Result};
use crate::store::{Fault, fault};
use crate::turns::Turns;

/// How long one look-up may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// And one question of it, by UDP or TCP.
const QUESTION: Duration = Duration::from_millis(2500);
/// Look-ups at once, in all and for one address.
const AT_ONCE: usize = 16;
const AT_ONCE_EACH: usize = 2;
/// How long one waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// Asks one resolver, and remembers no answer.
pub(crate) struct Dns {
    resolver: TokioResolver,
    turns: Arc<Turns<IpAddr>>,
}

impl Dns {
    /// Asks the resolver at that address, or those of the system.
    ///
    /// # Errors
    /// A system that names none.
    pub(crate) fn new(address: Option<SocketAddr>) -> std::result::Result<Self, Fault> {
        let wrong = |why: &dyn std::fmt::Display| fault(format!("no DNS resolver can be used: {why}"));
        let mut builder = match address {
            Some(address) => {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                for connection in &mut server.connections {
                    connection.port = address.port();
                }
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio().map_err(|error| wrong(&error))?,
        };
        let options = builder.options_mut();
        options.cache_size = 0; // an answer counts for the moment that it was given
        options.use_hosts_file = ResolveHosts::Never;
        options.attempts = 1;
        options.timeout = QUESTION;
        let resolver = builder.build().map_err(|error| wrong(&error))?;
        Ok(Self { resolver, turns: Turns::new(AT_ONCE, AT_ONCE_EACH) })
    }

    /// The TXT records of a name, for whoever asks from that address.
    ///
    /// # Errors
    /// `busy`, and those of [`txt`](Self::txt).
    pub(crate) async fn txt_for(&self, address: IpAddr, name: &str) -> Result<Vec<String>> {
        let busy = |_| Problem::new(Kind::Busy, "too many domains are looked up");
        let _turn = tokio::time::timeout(WAIT, self.turns.enter(address)).await.map_err(busy)??;
        self.txt(name).await
    }

    /// The TXT records of a name, each as one text.
    ///
    /// # Errors
    /// `dns-unavailable`. No record at all is no error.
    pub(crate) async fn txt(&self, name: &str) -> Result<Vec<String>> {
        let unavailable = |why: String| Problem::new(Kind::DnsUnavailable, why);
        let mut name = Name::from_ascii(name).map_err(|_| unavailable("the domain is no name of DNS".to_owned()))?;
        name.set_fqdn(true);
        let asked = tokio::time::timeout(TIMEOUT, self.resolver.txt_lookup(name)).await;
        let found = match asked {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if error.is_no_records_found() || error.is_nx_domain() => return Ok(Vec::new()),
            Ok(Err(_)) => return Err(unavailable("the resolver gave no answer".to_owned())),
            Err(_) => return Err(unavailable(format!("the resolver gave no answer in {} s", TIMEOUT.as_secs()))),
        };
        // All of them: an answer has 64 KiB at most. What is no UTF-8 is there, too, and is not what was expected.
        let records = found.answers().iter().filter_map(|record| {
            let RData::TXT(txt) = &record.data else { return None };
            Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned())
        });
        Ok(records.collect())
    }
}
