//! Fetching: what may be asked, and the documents that come.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use napi::bindgen_prelude::{Either, Env, External, Object, Uint8Array};
use napi_derive::napi;
use xbind_net::{Fetcher, Roots, Rules, Settings, Target, Whose};

use crate::convert::{size, whole};

pub type FetcherRef = External<Fetcher>;

static FETCHER: LazyLock<Fetcher> =
    LazyLock::new(|| Fetcher::new(Settings { roots: roots(Vec::new()), ..Settings::default() }));

/// Where names lead, and whose certificates are believed beside the usual ones; the rules hold for these addresses too.
#[napi(object, object_to_js = false)]
pub struct BindingWorld {
    pub hosts: HashMap<String, Vec<String>>,
    /// PEM.
    pub roots: Vec<String>,
    /// How long a document is not asked for again.
    pub interval_ms: f64,
}

#[napi(catch_unwind)]
pub fn new_fetcher(world: BindingWorld) -> FetcherRef {
    let BindingWorld { hosts, roots: pem, interval_ms } = world;
    let lookup = move |name: &str| -> io::Result<Vec<IpAddr>> {
        let addresses = hosts.get(name).ok_or(ErrorKind::NotFound)?;
        addresses.iter().map(|address| address.parse().map_err(|_| ErrorKind::InvalidData.into())).collect()
    };
    External::new(Fetcher::new(Settings {
        lookup: Arc::new(lookup),
        roots: roots(pem.into_iter().map(String::into_bytes).collect()),
        interval: Duration::from_millis(whole(interval_ms)),
    }))
}

/// Node.js takes more certificates from this file, and so do we.
pub fn roots(pem: Vec<Vec<u8>>) -> Roots {
    let file = std::env::var_os("NODE_EXTRA_CA_CERTS").filter(|file| !file.is_empty());
    Roots { pem, files: file.map(PathBuf::from).into_iter().collect() }
}

/// Why an address may not be asked, as far as its text tells.
#[napi(catch_unwind)]
pub fn refuse_url(url: String, #[napi(ts_arg_type = "Rules['named']")] named: String) -> Option<String> {
    Target::parse(&url, Whose::of(&named)).err().map(|error| error.to_string())
}

#[napi(object, object_to_js = false)]
pub struct BindingRules {
    #[napi(ts_type = "'owner' | 'listed' | 'stranger'")]
    pub named: String,
    pub max_bytes: f64,
    pub timeout_ms: f64,
    pub accept: String,
}

/// A promise of a document's bytes, or of the reason why there are none.
#[napi(catch_unwind, ts_return_type = "Promise<Uint8Array | string>")]
pub fn fetch<'env>(
    env: &'env Env,
    url: String,
    rules: BindingRules,
    fetcher: Option<&FetcherRef>,
) -> napi::Result<Object<'env>> {
    let rules = Rules {
        whose: Whose::of(&rules.named),
        max_bytes: size(rules.max_bytes),
        timeout: Duration::from_millis(whole(rules.timeout_ms)),
        accept: rules.accept,
    };
    let (promise, settled) = env.create_deferred()?;
    let fetcher: &Fetcher = fetcher.map_or(&FETCHER, |fetcher| fetcher);
    fetcher.fetch_then(url, rules, move |fetched| {
        promise.resolve(move |_| {
            Ok(match fetched {
                Ok(document) => Either::A(Uint8Array::with_data_copied(document.bytes())),
                Err(error) => Either::B(error.to_string()),
            })
        });
    });
    Ok(settled)
}
