use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::target::{Place, Target};
use crate::{FetchError, Whose};

/// Names that are looked up at the same time: the system's resolver cannot be told to stop.
const MAX_LOOKUPS: usize = 8;

/// Of a host with more addresses, so many are tried. All are judged.
const MAX_ADDRESSES: usize = 8;

/// Looks a name up; it may take its time, on a thread of its own. What it answers is judged like any other answer.
pub type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// The system's resolver.
pub(crate) fn system() -> Lookup {
    Arc::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
}

pub(crate) struct Names {
    lookup: Lookup,
    turns: Arc<Semaphore>,
}

impl Names {
    pub(crate) fn new(lookup: Lookup) -> Self {
        Self { lookup, turns: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }

    /// Where to connect to. One address that is not accepted is enough to refuse: whoever answers so is not to be trusted
    /// with the others either.
    pub(crate) async fn addresses(&self, target: &Target, whose: Whose) -> Result<Vec<SocketAddr>, FetchError> {
        let addresses = match &target.place {
            Place::Known(addresses) => addresses.clone(),
            Place::Named(name) => self.look_up(name.clone()).await?,
        };
        addresses.iter().try_for_each(|&address| whose.accepts(address, target.secure()))?;
        if addresses.is_empty() {
            return Err(FetchError::NoAddress);
        }
        Ok(addresses.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, target.port())).collect())
    }

    /// Where a proxy is, which may be anywhere that is a server's, http or not: it is the owner's.
    pub(crate) async fn of_proxy(&self, proxy: &Target) -> Result<Vec<SocketAddr>, FetchError> {
        let addresses = match &proxy.place {
            Place::Known(addresses) => addresses.clone(),
            Place::Named(name) => self.look_up(name.clone()).await?,
        };
        addresses.iter().try_for_each(|&address| Whose::Owner.accepts(address, true))?;
        Ok(addresses.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, proxy.port())).collect())
    }

    async fn look_up(&self, name: String) -> Result<Vec<IpAddr>, FetchError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| FetchError::Internal)?;
        let lookup = Arc::clone(&self.lookup);
        let found = spawn_blocking(move || {
            // Held until the look-up is over, also if nobody waits for it any more.
            let _turn = turn;
            lookup(&name)
        });
        found.await.map_err(|_| FetchError::Internal)?.map_err(|_| FetchError::NoAddress)
    }
}
