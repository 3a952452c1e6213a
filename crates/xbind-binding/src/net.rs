//! Fetching: what may be asked, and the world in which names lead somewhere.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use xbind::{Error, ErrorKind};
use xbind_net::{Document, FetchError, Proxy, Roots, Settings, Target, Whose};

pub use xbind_net::Fetcher;

use crate::number::Whole;
use crate::record::Telling;

/// Where names lead, and whose certificates are believed beside the usual ones; the rules hold for these addresses too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct World {
    /// Addresses by name.
    pub hosts: HashMap<String, Vec<String>>,
    /// PEM.
    pub roots: Vec<String>,
    /// How long a document is not asked for again.
    pub interval_ms: Whole,
}

impl From<&World> for Fetcher {
    fn from(world: &World) -> Self {
        let World { hosts, roots: pem, interval_ms } = world;
        let hosts = hosts.clone();
        let lookup = move |name: &str| -> io::Result<Vec<IpAddr>> {
            let addresses = hosts.get(name).ok_or(io::ErrorKind::NotFound)?;
            addresses.iter().map(|address| address.parse().map_err(|_| io::ErrorKind::InvalidData.into())).collect()
        };
        Self::new(Settings {
            lookup: Arc::new(lookup),
            roots: roots(pem.iter().map(|pem| pem.clone().into_bytes()).collect()),
            interval: interval_ms.milliseconds(),
            proxy: None,
        })
    }
}

/// A client for the world as it is.
static FETCHER: LazyLock<Fetcher> = LazyLock::new(|| Fetcher::new(settings()));

/// How the agents of a bus reach addresses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// The URL of a proxy.
    pub proxy: Option<String>,
    /// Hosts that are reached without it.
    pub except: Vec<String>,
    /// Whose certificates are believed beside the usual ones, as PEM.
    pub ca: Vec<String>,
}

impl Reach {
    /// # Errors
    /// `INVALID_CONFIG`.
    pub(crate) fn settings(&self) -> xbind::Result<Settings> {
        let proxy = match &self.proxy {
            Some(url) => Some(Arc::new(Proxy::new(url, &self.except).map_err(|_| self.wrong_proxy(url))?)),
            None => None,
        };
        let roots = roots(self.ca.iter().map(|pem| pem.clone().into_bytes()).collect());
        roots.check().map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, error.to_string())
                .with_hint("give each as PEM: it begins with -----BEGIN CERTIFICATE-----")
        })?;
        Ok(Settings { roots, proxy, ..Settings::default() })
    }

    fn wrong_proxy(&self, url: &str) -> Error {
        let is_wrong = |except: &&String| Proxy::new(url, std::slice::from_ref(*except)).is_err();
        let why = match (Proxy::new(url, &[]), self.except.iter().find(is_wrong)) {
            (Err(FetchError::NotHttps), _) => "the proxy cannot be used: it is asked by http or https only".to_owned(),
            (Err(error), _) => format!("the proxy cannot be used: {error}"),
            (Ok(_), Some(except)) => {
                format!("the proxy cannot be left out for {except:?}: ranges and patterns are not known")
            }
            (Ok(_), None) => "the proxy cannot be used".to_owned(),
        };
        Error::new(ErrorKind::InvalidConfig, why).with_hint(PROXY_HINT)
    }
}

const PROXY_HINT: &str = "give http://host:port or https://host:port, and names or IP addresses in `except`";

pub(crate) fn settings() -> Settings {
    Settings { roots: roots(Vec::new()), ..Settings::default() }
}

/// Node.js takes more certificates from this file, and so do we.
fn roots(pem: Vec<Vec<u8>>) -> Roots {
    let file = std::env::var_os("NODE_EXTRA_CA_CERTS").filter(|file| !file.is_empty());
    Roots { pem, files: file.map(PathBuf::from).into_iter().collect() }
}

/// The bounds of one request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rules {
    /// Who named the address.
    // ts: 'owner' | 'listed' | 'stranger'
    pub named: String,
    /// The longest answer that is taken.
    pub max_bytes: Whole,
    /// From the question to the last byte of the answer.
    pub timeout_ms: Whole,
    /// Media types to ask for.
    pub accept: String,
}

impl From<&Rules> for xbind_net::Rules {
    fn from(rules: &Rules) -> Self {
        Self {
            whose: Whose::of(&rules.named),
            max_bytes: rules.max_bytes.size(),
            timeout: rules.timeout_ms.milliseconds(),
            accept: rules.accept.clone(),
        }
    }
}

/// A document, or why there is none.
pub type Fetched = Result<Document, String>;

/// Fetches a document, from the world as it is unless another one is given.
#[must_use]
pub fn fetch(url: &str, rules: &Rules, fetcher: Option<&Fetcher>) -> Telling<Fetched> {
    let (fetcher, url, rules) = (fetcher.unwrap_or(&FETCHER).clone(), url.to_owned(), rules.into());
    Box::new(move |tell| {
        fetcher.fetch_then(url, rules, move |fetched| tell(fetched.map_err(|error| error.to_string())))
    })
}

/// Why an address may not be asked, as far as its text tells.
#[must_use]
pub fn refuse_url(url: &str, named: &str) -> Option<String> {
    Target::parse(url, Whose::of(named)).err().map(|error| error.to_string())
}
