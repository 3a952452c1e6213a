use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::{FetchError, Whose};

/// The longest URL, in bytes.
pub const MAX_URL: usize = 2048;

/// Names that the public network does not have: RFC 6761, 6762, 7686, 8375, and ICANN's `internal`.
const LOCAL_NAMES: [&str; 5] = ["home.arpa", "internal", "local", "localhost", "onion"];

/// An address that may be asked, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
    pub(crate) place: Place,
}

/// Where a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At addresses that need no looking up.
    Known(Vec<IpAddr>),
    /// Where its name leads.
    Named(String),
}

impl Target {
    /// Reads a URL and judges what it says of itself. One spelling of each host is taken: no credentials, no percent sign,
    /// no Unicode (`xn--` is taken), no dot at the end, IP addresses as RFC 5952 and four decimal numbers, a port without
    /// zeros before it; no white space, no backslash, no fragment.
    ///
    /// # Errors
    /// `BadUrl`, `NotHttps`, `Credentials`, `Port`, `NotPublic`, `Forbidden`.
    pub fn parse(text: &str, whose: Whose) -> Result<Self, FetchError> {
        let bad = FetchError::BadUrl;
        if text.len() > MAX_URL || !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#".contains(&byte)) {
            return Err(bad);
        }
        let (scheme, rest) = text.split_once("://").ok_or(bad)?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let url = Url::parse(text).map_err(|_| if authority.contains('@') { FetchError::Credentials } else { bad })?;
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && (whose == Whose::Stranger || !scheme.eq_ignore_ascii_case("http")) {
            return Err(FetchError::NotHttps);
        }
        if authority.contains('@') {
            return Err(FetchError::Credentials);
        }
        is_plain(&url, authority).then_some(()).ok_or(bad)?;
        if whose == Whose::Stranger && url.port().is_some() {
            return Err(FetchError::Port);
        }
        let place = place(&url, whose)?;
        match &place {
            Place::Known(addresses) => addresses.iter().try_for_each(|&address| whose.accepts(address, secure))?,
            Place::Named(_) if !secure => return Err(FetchError::NotHttps),
            Place::Named(_) => {}
        }
        Ok(Self { url, place })
    }

    /// The URL of a proxy of the owner's, and `name:password` if it holds them: http also to other machines.
    pub(crate) fn proxy(text: &str) -> Result<(Self, Option<Vec<u8>>), FetchError> {
        let bad = FetchError::BadUrl;
        let is_plain_text = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#?".contains(&byte));
        if text.len() > MAX_URL || !is_plain_text {
            return Err(bad);
        }
        let (scheme, rest) = text.split_once("://").ok_or(bad)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(FetchError::NotHttps);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((credentials, authority)) => (Some(unescaped(credentials).ok_or(bad)?), authority),
            None => (None, rest),
        };
        let url = Url::parse(&format!("{scheme}://{authority}")).map_err(|_| bad)?;
        is_plain(&url, authority).then_some(()).ok_or(bad)?;
        let place = place(&url, Whose::Owner)?;
        if let Place::Known(addresses) = &place {
            addresses.iter().try_for_each(|&address| Whose::Owner.accepts(address, true))?;
        }
        Ok((Self { url, place }, credentials))
    }

    /// Whether it is on this machine.
    pub(crate) fn is_here(&self) -> bool {
        matches!(&self.place, Place::Known(addresses) if addresses.iter().all(IpAddr::is_loopback))
    }

    /// The host as the URL has it, an IPv6 address in its brackets.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Host and port, whichever the scheme.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    /// The whole of it, as WHATWG URLs are written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether it is https.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// Whom the certificate has to name.
    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, FetchError> {
        server_name(&self.url)
    }

    /// Host and port, as the header `host` has them.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url.authority()
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> String {
        let path = self.url.path();
        self.url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }
}

/// A user name and password, of which the first colon parts one from the other.
fn unescaped(credentials: &str) -> Option<Vec<u8>> {
    let (name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let name = percent_decoded(name)?;
    let is_whole = !name.is_empty() && !name.contains(&b':');
    is_whole.then_some(())?;
    Some([name, vec![b':'], percent_decoded(password)?].concat())
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        let hex = str::from_utf8(&digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
        decoded.push(u8::from_str_radix(hex, 16).ok()?);
    }
    Some(decoded)
}

/// Whether host and port are written as they are read.
fn is_plain(url: &Url, authority: &str) -> bool {
    let Some(host) = url.host_str() else { return false };
    let Some(rest) = authority.to_ascii_lowercase().strip_prefix(host).map(str::to_owned) else { return false };
    let port = url.port_or_known_default().unwrap_or_default();
    port != 0 && !host.ends_with('.') && (rest.is_empty() || rest == format!(":{port}"))
}

fn place(url: &Url, whose: Whose) -> Result<Place, FetchError> {
    let name = match url.host().ok_or(FetchError::BadUrl)? {
        Host::Ipv4(address) => return Ok(Place::Known(vec![address.into()])),
        Host::Ipv6(address) => return Ok(Place::Known(vec![address.into()])),
        Host::Domain(name) => name,
    };
    server_name(url)?;
    let is_within = |zone: &str| name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    // A name without a dot is looked up in the search list of this network.
    if whose == Whose::Stranger && (!name.contains('.') || LOCAL_NAMES.into_iter().any(is_within)) {
        return Err(FetchError::NotPublic);
    }
    if is_within("localhost") {
        return Ok(Place::Known(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]));
    }
    Ok(Place::Named(name.to_owned()))
}

fn server_name(url: &Url) -> Result<ServerName<'static>, FetchError> {
    match url.host().ok_or(FetchError::BadUrl)? {
        Host::Ipv4(address) => Ok(ServerName::IpAddress(IpAddr::V4(address).into())),
        Host::Ipv6(address) => Ok(ServerName::IpAddress(IpAddr::V6(address).into())),
        Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| FetchError::BadUrl),
    }
}
