//! How a connection gets in: by a statement of a DID that names its key, docs/nats.md, "Getting in".

use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::{Auth, AuthError, ConnectOptions};
use xbind::SigningKey;
use xbind::cluster::{ConnectionDraft, NKey, Namespace, Role};

use super::Fault;

/// The life of a statement in seconds: each connection has a new one.
const TTL: u64 = 30;

/// The key of a connection, and its name as a host. Never the key of an agent: the broker has connections sign what it chooses.
pub(super) fn fresh_key() -> Result<(SigningKey, NKey), Fault> {
    let key = SigningKey::generate(|seed| xbind_runtime::random(seed)).map_err(|_| Fault::Internal)?;
    let host = NKey::of(Role::User, key.verifying_key());
    Ok((key, host))
}

/// For a connection of a key that the servers know.
pub(super) fn known(key: SigningKey, host: NKey) -> ConnectOptions {
    ConnectOptions::with_auth_callback(move |nonce| {
        let mut auth = Auth::new();
        (auth.nkey, auth.signature) = (Some(host.to_string()), Some(key.sign(&nonce).to_vec()));
        std::future::ready(Ok(auth))
    })
}

/// For connections of that key, which is no agent's: what the broker chooses is signed with it alone.
pub(super) fn options(identity: SigningKey, key: SigningKey, host: NKey, namespace: Namespace) -> ConnectOptions {
    ConnectOptions::with_auth_callback(move |nonce| {
        std::future::ready(shown(&identity, &key, &host, &namespace, &nonce).map_err(AuthError::new))
    })
}

fn shown(
    identity: &SigningKey,
    key: &SigningKey,
    host: &NKey,
    namespace: &Namespace,
    nonce: &[u8],
) -> xbind::Result<Auth> {
    let mut id = [0; 16];
    xbind_runtime::random(&mut id)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let statement = ConnectionDraft { key: *host, ttl: TTL, now, id }.sign(identity, namespace)?;
    let mut auth = Auth::new();
    auth.nkey = Some(host.to_string());
    auth.signature = Some(key.sign(nonce).to_vec());
    auth.token = Some(statement);
    Ok(auth)
}
