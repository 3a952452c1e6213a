use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::ClientConfig;

use crate::proxy::{Proxy, destinations};
use crate::resolve::Names;
use crate::{FetchError, Settings, Target, Whose, tls};

/// What HTTP is spoken on.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
pub(crate) type Stream = Box<dyn Io>;

/// The ways to hosts: straight, or through the owner's proxy. What strangers name is looked up in a lane of its own.
pub(crate) struct Ways {
    settings: Settings,
    owner: Names,
    stranger: Names,
    tls: OnceLock<Result<Arc<ClientConfig>, FetchError>>,
}

impl Ways {
    pub(crate) fn new(settings: Settings) -> Self {
        let names = || Names::new(Arc::clone(&settings.lookup));
        Self { owner: names(), stranger: names(), tls: OnceLock::new(), settings }
    }

    /// A connection to a host, TLS included where it is https.
    pub(crate) async fn open(&self, target: &Target, whose: Whose, deadline: Instant) -> Result<Stream, FetchError> {
        let names = if whose == Whose::Owner { &self.owner } else { &self.stranger };
        let proxy = self.settings.proxy.as_deref().filter(|proxy| proxy.is_for(target));
        let stream: Stream = match proxy {
            Some(proxy) => self.through(proxy, target, whose, deadline).await?,
            None => Box::new(connect(&names.addresses(target, whose).await?, deadline).await?),
        };
        self.secured(stream, target).await
    }

    async fn through(
        &self,
        proxy: &Proxy,
        target: &Target,
        whose: Whose,
        deadline: Instant,
    ) -> Result<Stream, FetchError> {
        // The proxy would look a stranger's name up where nobody judges what it leads to.
        let judged = if whose == Whose::Owner { Vec::new() } else { self.stranger.addresses(target, whose).await? };
        let addresses = self.owner.of_proxy(&proxy.target).await?;
        for to in destinations(target, whose, &judged) {
            let stream: Stream = Box::new(connect(&addresses, deadline).await.map_err(|_| FetchError::Proxy)?);
            let stream = self.secured(stream, &proxy.target).await?;
            if let Ok(tunnel) = proxy.tunnel(stream, &to).await {
                return Ok(tunnel);
            }
        }
        Err(FetchError::Proxy)
    }

    async fn secured(&self, stream: Stream, target: &Target) -> Result<Stream, FetchError> {
        if !target.secure() {
            return Ok(stream);
        }
        let config = self.tls.get_or_init(|| tls::config(&self.settings.roots)).clone()?;
        Ok(Box::new(tls::secure(stream, target.server_name()?, config).await?))
    }
}

/// A connection to one of these addresses, tried in their order; each gets its share of the time that is left.
async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, FetchError> {
    let untried = (1..=u32::try_from(addresses.len()).unwrap_or(u32::MAX)).rev();
    for (address, untried) in addresses.iter().zip(untried) {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left.checked_div(untried).unwrap_or(left);
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            let _ = stream.set_nodelay(true); // slower without, and right all the same
            return Ok(stream);
        }
    }
    Err(FetchError::NoConnection)
}
