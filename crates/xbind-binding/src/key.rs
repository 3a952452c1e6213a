//! Signing keys in the hand of a face, and their files.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use xbind::identity::pkcs8::{self, EncryptionSeed, Wrapping};
use xbind::{Error, ErrorKind, Result, SigningKey, VerifyingKey};
use xbind_runtime::{Agent, Signer, random};
use zeroize::Zeroizing;

/// A signing key.
#[expect(clippy::large_enum_variant, reason = "most are `Own`; a box would cost each of them an allocation")]
pub enum Key {
    /// An identity's own; none once it was destroyed or handed to an agent.
    Own(RefCell<Option<SigningKey>>),
    /// The key of an agent, for as long as the agent is open.
    Agents(Weak<Agent>),
}

impl From<SigningKey> for Key {
    fn from(key: SigningKey) -> Self {
        Self::Own(RefCell::new(Some(key)))
    }
}

impl Key {
    /// A fresh one.
    ///
    /// # Errors
    /// `INTERNAL` if the system gives no randomness.
    pub fn generate() -> Result<Self> {
        fresh().map(Self::from)
    }

    /// The key of 32 bytes.
    ///
    /// # Errors
    /// `INVALID_KEY` for another length.
    pub fn of_seed(seed: &[u8]) -> Result<Self> {
        SigningKey::from_seed_slice(seed).map(Self::from)
    }

    /// The key in a file, PEM or DER.
    ///
    /// # Errors
    /// Those of [`pkcs8::decode`].
    pub fn read(file: File<'_>, passphrase: Option<&str>) -> Result<Self> {
        let key = match file {
            File::Pem(text) => pkcs8::decode_pem(text.as_bytes(), passphrase),
            File::Either(bytes) => pkcs8::decode(bytes, passphrase),
        };
        key.map(Self::from)
    }

    /// The key of an agent.
    ///
    /// # Errors
    /// `SIGN_FAILED` if it is elsewhere.
    pub fn of_agent(agent: &Arc<Agent>) -> Result<Self> {
        let elsewhere = || Error::new(ErrorKind::SignFailed, "the key of this agent is with its identity provider");
        agent.with_key(|_| Self::Agents(Arc::downgrade(agent))).ok_or_else(elsewhere)
    }

    /// The key, which is then gone from here; an agent keeps its own.
    #[must_use]
    pub fn take(&self) -> Option<SigningKey> {
        match self {
            Self::Own(key) => key.borrow_mut().take(),
            Self::Agents(_) => None,
        }
    }

    /// Wipes the key, where it is an identity's own.
    pub fn destroy(&self) {
        drop(self.take());
    }

    /// Uses the key.
    ///
    /// # Errors
    /// What the use gives; `kind` for a key that is gone.
    pub fn with<T>(&self, kind: ErrorKind, use_key: impl FnOnce(&SigningKey) -> Result<T>) -> Result<T> {
        let used = match self {
            Self::Own(key) => key.borrow().as_ref().map(use_key),
            Self::Agents(agent) => agent.upgrade().and_then(|agent| agent.with_key(use_key)),
        };
        used.unwrap_or_else(|| Err(Error::new(kind, "this identity was destroyed")))
    }

    /// Signs with it.
    ///
    /// # Errors
    /// As for [`with`](Self::with); `SIGN_FAILED` for a key that is gone.
    pub fn sign<T>(&self, sign: impl FnOnce(&SigningKey) -> Result<T>) -> Result<T> {
        self.with(ErrorKind::SignFailed, sign)
    }

    /// Signs bytes; `dangerously` also what looks like a statement of ours.
    ///
    /// # Errors
    /// `SIGN_FAILED`.
    pub fn sign_data(&self, data: &[u8], dangerously: bool) -> Result<[u8; 64]> {
        self.sign(|key| if dangerously { Ok(key.sign(data)) } else { key.sign_data(data) })
    }

    /// The DID of the key.
    ///
    /// # Errors
    /// `INVALID_KEY` for a key that is gone.
    pub fn did(&self) -> Result<String> {
        self.with(ErrorKind::InvalidKey, |key| Ok(key.did().to_string()))
    }

    /// Who signs for an agent: a fresh key, or the one that is taken from here.
    ///
    /// # Errors
    /// `INVALID_KEY` for one that is gone.
    pub fn signer(key: Option<&Self>) -> Result<Signer> {
        let gone = || Error::new(ErrorKind::InvalidKey, "this identity was destroyed");
        let key = key.map_or_else(fresh, |key| key.take().ok_or_else(gone));
        key.map(Signer::Local)
    }

    /// An identity provider signs, with the key of that DID.
    ///
    /// # Errors
    /// `INVALID_DID`.
    pub fn provider(did: &str) -> Result<Signer> {
        VerifyingKey::from_did(did).map(Signer::Elsewhere)
    }

    /// The file of the key.
    ///
    /// # Errors
    /// `EXPORT_FAILED`, also for an empty passphrase.
    pub fn write(&self, pem: bool, passphrase: Option<&str>) -> Result<Written> {
        self.write_wrapped(pem, passphrase.map(wrapping).transpose())
    }

    /// The same with a passphrase that was made ready.
    ///
    /// # Errors
    /// `EXPORT_FAILED`, also the second time.
    pub fn write_prepared(&self, pem: bool, prepared: &Prepared) -> Result<Written> {
        let used = || Error::new(ErrorKind::ExportFailed, "this preparation was used before");
        let wrapping = prepared.borrow_mut().take().ok_or_else(used);
        self.write_wrapped(pem, wrapping.map(Some))
    }

    /// That the key is gone is told first.
    fn write_wrapped(&self, pem: bool, wrapping: Result<Option<Wrapping>>) -> Result<Written> {
        self.with(ErrorKind::ExportFailed, |key| {
            Ok(match (pem, wrapping?) {
                (false, None) => Written::Der(pkcs8::encode_der(key)),
                (false, Some(wrapping)) => Written::Der(wrapping.encrypt_der(key)?),
                (true, None) => Written::Pem(pkcs8::encode_pem(key)),
                (true, Some(wrapping)) => Written::Pem(wrapping.encrypt_pem(key)?),
            })
        })
    }
}

/// A key file as it is given.
pub enum File<'a> {
    /// Text: PEM.
    Pem(&'a str),
    /// Bytes of PEM or DER.
    Either(&'a [u8]),
}

/// A key file as it is made.
pub enum Written {
    /// PEM.
    Pem(Zeroizing<String>),
    /// DER.
    Der(Zeroizing<Vec<u8>>),
}

/// This is what takes its time, and the key has no part in it.
fn wrapping(passphrase: &str) -> Result<Wrapping> {
    let mut seed = EncryptionSeed { salt: [0; 16], iv: [0; 16] };
    random(&mut seed.salt)?;
    random(&mut seed.iv)?;
    Wrapping::derive(passphrase, seed)
}

/// A passphrase that was made ready, for one file.
pub type Prepared = RefCell<Option<Wrapping>>;

/// Makes a passphrase ready: this is what takes its time, and the key has no part in it.
///
/// # Errors
/// `EXPORT_FAILED` for an empty one.
pub fn prepared(passphrase: &str) -> Result<Prepared> {
    wrapping(passphrase).map(|wrapping| RefCell::new(Some(wrapping)))
}

fn fresh() -> Result<SigningKey> {
    SigningKey::generate(|seed| random(seed))
}

/// Bytes that name what is made, from the system.
///
/// # Errors
/// `INTERNAL` if the system gives none.
pub(crate) fn fresh_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    random(&mut bytes)?;
    Ok(bytes)
}
