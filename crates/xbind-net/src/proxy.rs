use std::fmt;
use std::net::IpAddr;

use base64_simd::STANDARD;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Request, upgrade};
use hyper_util::rt::TokioIo;

use crate::connect::Stream;
use crate::target::{Place, Target};
use crate::{FetchError, MAX_URL, Whose};

/// The longest head of a proxy's answer: bytes and lines.
const MAX_HEAD: (usize, usize) = (16 * 1024, 64);

/// A proxy of the owner's, through which requests leave by `CONNECT`, https and http alike: it sees where they go, and of https
/// nothing more. It is never asked for what is on this machine, unless it is there itself.
#[derive(Clone)]
pub struct Proxy {
    pub(crate) target: Target,
    authorization: Option<HeaderValue>,
    except: Vec<Except>,
}

/// Hosts that are reached without the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Except {
    /// A name with all below it, or an address; none for all.
    host: Option<String>,
    port: Option<u16>,
}

impl Proxy {
    /// `http://` or `https://`, host and port, with a user name and a password before them if it wants them; and which hosts are
    /// reached without it: names, with all that is below them, IP addresses, `*`, each with a port behind it or without.
    ///
    /// # Errors
    /// `BadUrl`, `Forbidden`, `NotHttps` for another scheme.
    pub fn new(url: &str, except: &[String]) -> Result<Self, FetchError> {
        let (target, credentials) = Target::proxy(url)?;
        let authorization = credentials.map(|credentials| {
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode_to_string(credentials)))
                .map_err(|_| FetchError::BadUrl)?;
            value.set_sensitive(true);
            Ok(value)
        });
        let except = except.iter().map(|text| Except::parse(text).ok_or(FetchError::BadUrl));
        Ok(Self { target, authorization: authorization.transpose()?, except: except.collect::<Result<_, _>>()? })
    }

    /// Whether that is reached through it.
    pub(crate) fn is_for(&self, target: &Target) -> bool {
        let is_far = !target.is_here() || self.target.is_here();
        is_far && !self.except.iter().any(|except| except.includes(target))
    }

    /// A way through it to that host and port, on a connection to it.
    pub(crate) async fn tunnel(&self, stream: Stream, to: &str) -> Result<Stream, FetchError> {
        let mut client = http1::Builder::new();
        client.max_buf_size(MAX_HEAD.0).max_headers(MAX_HEAD.1);
        let shaken = client.handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|_| FetchError::Proxy)?;
        tokio::spawn(connection.with_upgrades()); // ends with the tunnel, or with `sender`
        let mut request = Request::connect(to).header(HOST, to);
        if let Some(authorization) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|_| FetchError::BadUrl)?;
        let answer = sender.send_request(request).await.map_err(|_| FetchError::Proxy)?;
        if !answer.status().is_success() {
            return Err(FetchError::Proxy);
        }
        let upgraded = upgrade::on(answer).await.map_err(|_| FetchError::Proxy)?;
        Ok(Box::new(TokioIo::new(upgraded)))
    }
}

impl Except {
    fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@\\%?#".contains(&byte));
        if text.is_empty() || text.len() > MAX_URL || !is_plain {
            return None;
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok().filter(|port| *port != 0)?))
            }
            _ => (text, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_start_matches('.');
        if host.is_empty() {
            return None;
        }
        Some(Self { host: (host != "*").then(|| host.to_ascii_lowercase()), port })
    }

    fn includes(&self, target: &Target) -> bool {
        let Some(host) = &self.host else { return self.port.is_none_or(|port| port == target.port()) };
        let is_it = match (&target.place, host.parse::<IpAddr>()) {
            (Place::Known(addresses), Ok(address)) => addresses.contains(&address),
            (_, Ok(_)) => false,
            _ => {
                let rest = target.host().strip_suffix(host.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        };
        is_it && self.port.is_none_or(|port| port == target.port())
    }
}

/// What a proxy is asked to connect to: the owner's addresses as he names them, so that it looks names up; a stranger's as they
/// were judged.
pub(crate) fn destinations(target: &Target, whose: Whose, judged: &[std::net::SocketAddr]) -> Vec<String> {
    match whose {
        Whose::Owner => vec![target.host_and_port()],
        Whose::Listed | Whose::Stranger => judged.iter().map(ToString::to_string).collect(),
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("target", &self.target).field("except", &self.except).finish_non_exhaustive()
    }
}
