//! Fetching.

use std::sync::LazyLock;

use napi::bindgen_prelude::{Either, Env, External, Object, Uint8Array};
use napi_derive::napi;
use xbind_binding::net::{self, Fetcher, Rules, World};

use crate::convert::Json;

pub type FetcherRef = External<Fetcher>;

static FETCHER: LazyLock<Fetcher> = LazyLock::new(net::fetcher);

entries! {
    fn new_fetcher(world: Json<World>) -> FetcherRef = Fetcher::from;
    /// Why an address may not be asked, as far as its text tells.
    fn refuse_url(url: String, #[napi(ts_arg_type = "Rules['named']")] named: String) -> Option<String> = net::refuse_url;
}

/// A promise of a document's bytes, or of the reason why there are none.
#[napi(catch_unwind, ts_return_type = "Promise<Uint8Array | string>")]
pub fn fetch<'env>(
    env: &'env Env,
    url: String,
    rules: Json<Rules>,
    fetcher: Option<&FetcherRef>,
) -> napi::Result<Object<'env>> {
    let (promise, settled) = env.create_deferred()?;
    let fetcher: &Fetcher = fetcher.map_or(&FETCHER, |fetcher| fetcher);
    net::fetch(fetcher, url, &rules.0, move |fetched| {
        let bytes = |bytes: &[u8]| Either::A(Uint8Array::with_data_copied(bytes));
        promise.resolve(move |_| Ok(fetched.map_or_else(Either::B, |document| bytes(document.bytes()))));
    });
    Ok(settled)
}
