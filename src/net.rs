//! Fetching, and the command `xbind`.

use napi::bindgen_prelude::{Either, External};
use xbind_binding::kept::{self, KeptPlace};
use xbind_binding::net::{self, Fetched, Fetcher, Rules, World};
use xbind_binding::registry::{self, Registry, RegistryRequest};
use xbind_cli::Running;

use crate::bytes::{Bytes, Copied, SecretText};
use crate::convert::{Fallible, Json};
use crate::pass::Promised;
use crate::record::Soon;

pub type FetcherRef = External<Fetcher>;
pub type CommandRef = External<Running>;
pub type RegistryRef = External<Registry>;

give! {
    [] Fetched => Either<Bytes, String>: |fetched| match fetched {
        Ok(document) => Self::A(Copied(document.bytes().to_vec())),
        Err(why) => Self::B(why),
    };
}

entries! {
    fn new_fetcher(world: Json<World>) -> FetcherRef = Fetcher::from;
    fn refuse_url(url: String, #[napi(ts_arg_type = "Rules['named']")] named: String) -> Option<String> = net::refuse_url;
    fn fetch(url: String, rules: Json<Rules>, fetcher: Option<&FetcherRef>) -> Promised<Fetched, Either<Bytes, String>>
        as "Promise<Uint8Array | string>" = net::fetch;
    /// What a key that is kept elsewhere has signed; without data, its public key.
    fn ask_kept(place: Json<KeptPlace>, did: Option<String>, data: Option<Bytes>) -> Soon<Vec<u8>, Bytes>
        as "Promise<Fallible<Uint8Array>>" = kept::ask;
    fn open_registry(port: u32, agent: u32, at: String, resolves: bool) -> Fallible<RegistryRef> = registry::open;
    fn ask_registry(registry: &RegistryRef, request: Json<RegistryRequest>, user: Option<SecretText>) -> Soon<String, String>
        as "Promise<Fallible<string>>" = registry::ask;
    fn start_command(args: Vec<String>, input: Option<String>) -> CommandRef = Running::start;
    fn next_output(command: &CommandRef) -> Promised<String, String> as "Promise<string>" = Running::next;
    fn stop_command(command: &CommandRef) -> bool = Running::stop;
}
