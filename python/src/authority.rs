//! What agents ask of the authority of their operator, and keys that are kept elsewhere.

use pyo3::prelude::*;
use xbind_binding::kept::{self, KeptPlace};
use xbind_binding::registry::{self, Registry, RegistryRequest};

use crate::pass::{Bytes, Json};
use crate::port::NodeRef;
use crate::soon::Promised;

kept! {
    /// An authority, as one agent knows it.
    RegistryRef(Registry);
}

entries! {
    /// What a key that is kept elsewhere has signed; without data, its public key.
    fn ask_kept(place: Json<KeptPlace>, did: Option<&str>, data: Option<&[u8]>) -> Promised<Bytes> = kept::ask;
    /// The authority at an address; with `resolves` the agent calls by the names there, too.
    fn open_registry(port: u32, agent: u32, at: &str, resolves: bool) -> PyResult<RegistryRef> = registry::open;
    /// A token, with that of a user one to act for him; or the name that is registered now.
    fn ask_registry(registry: &RegistryRef, request: Json<RegistryRequest>, user: Option<&str>) -> Promised<String> = registry::ask;
    /// The number of the agent of that DID or name on a bus, of those that are here.
    fn agent_of(port: u32, node: &NodeRef, id: &str) -> PyResult<u32> = registry::agent_of;
}
