//! Keys of agents that are kept elsewhere: in a security module, or at a server that signs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use xbind::{Error, ErrorKind, Result};
use xbind_net::signers::{KeptKeys, Pkcs11Key, Signer, SignerFault, VaultKey};

use crate::number::Whole;
use crate::record::Telling;

/// Keys that are remembered with the way to them; beyond that they are looked up again.
const MAX_KEYS: usize = 1024;

/// Where a key is: with `module` in a token, else at a server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeptPlace {
    /// The file of a PKCS#11 module.
    pub module: Option<String>,
    /// The token's label.
    pub token: Option<String>,
    /// Or the number of its slot.
    pub slot: Option<Whole>,
    /// The key's id, in hex.
    pub id: Option<String>,
    /// A file with the PIN.
    pub pin_file: Option<String>,
    /// Or a variable of the environment with it.
    pub pin_env: Option<String>,
    /// The address of a server.
    pub url: Option<String>,
    /// Where its engine is mounted.
    pub mount: Option<String>,
    /// In which namespace.
    pub namespace: Option<String>,
    /// A file with the token for it.
    pub token_file: Option<String>,
    /// A PEM file with certificates to trust beside the usual ones.
    pub ca_file: Option<String>,
    /// The name or label of the key.
    pub key: Option<String>,
    /// How long a signature may take.
    pub timeout_ms: Option<Whole>,
}

impl From<&KeptPlace> for KeptKeys {
    fn from(place: &KeptPlace) -> Self {
        let place = place.clone();
        let timeout_ms = place.timeout_ms.map(|time| time.0);
        match place.module {
            Some(module) => Self::Pkcs11(Pkcs11Key {
                module: module.into(),
                token: place.token,
                slot: place.slot.map(|slot| slot.0),
                key: place.key,
                id: place.id,
                pin_file: place.pin_file.map(PathBuf::from),
                pin_env: place.pin_env,
                timeout_ms,
            }),
            None => Self::Vault(VaultKey {
                url: place.url.unwrap_or_default(),
                key: place.key.unwrap_or_default(),
                mount: place.mount,
                namespace: place.namespace,
                token_file: place.token_file.unwrap_or_default().into(),
                ca_file: place.ca_file.map(PathBuf::from),
                timeout_ms,
            }),
        }
    }
}

type Known = HashMap<(String, String), Signer>;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the key of that DID has signed, the newest one there without a DID; without bytes, its public key.
#[must_use]
pub fn ask(place: &KeptPlace, did: Option<&str>, bytes: Option<&[u8]>) -> Telling<Result<Vec<u8>>> {
    let (place, did, bytes) = (place.clone(), did.map(str::to_owned), bytes.map(<[u8]>::to_vec));
    Box::new(move |tell| {
        let name = (format!("{place:?}"), did.clone().unwrap_or_default());
        let before = bytes.as_ref().and_then(|_| known().get(&name).cloned()); // without bytes it is looked at anew
        match (before, bytes) {
            (Some(signer), Some(bytes)) => sign(&signer, bytes, tell),
            (_, bytes) => {
                KeptKeys::from(&place).open_then(move |opened| match (choose(opened, &place, did.as_deref()), bytes) {
                    (Ok(signer), Some(bytes)) => sign(&signer, bytes, tell),
                    (Ok(signer), None) => tell(Ok(signer.did().public_key().to_vec())),
                    (Err(error), _) => tell(Err(error)),
                })
            }
        }
    })
}

fn sign(signer: &Signer, bytes: Vec<u8>, tell: Box<dyn FnOnce(Result<Vec<u8>>) + Send>) {
    signer.sign_then(bytes, move |signed| tell(signed.map(|signature| signature.to_vec()).map_err(Error::from)));
}

/// Of what is there, the key that is wanted. It is remembered.
fn choose(
    opened: std::result::Result<Vec<Signer>, SignerFault>,
    place: &KeptPlace,
    did: Option<&str>,
) -> Result<Signer> {
    let found = opened.map_err(|fault| {
        if let SignerFault::Config(why) = fault {
            return Error::new(ErrorKind::InvalidConfig, why);
        }
        Error::from(fault)
    })?;
    let signer = found.into_iter().find(|signer| did.is_none_or(|did| signer.did().as_str() == did));
    let signer = signer.ok_or(SignerFault::NoKey)?;
    let name = (format!("{place:?}"), signer.did().to_string());
    let mut known = known();
    if known.len() >= MAX_KEYS && !known.contains_key(&name) {
        let one = known.keys().next().cloned();
        one.map(|one| known.remove(&one));
    }
    known.insert(name, signer.clone());
    Ok(signer)
}
