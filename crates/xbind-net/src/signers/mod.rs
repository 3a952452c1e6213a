//! Keys that are kept elsewhere and never come here: what is to be signed goes there, and a signature comes back, which counts
//! if it holds.
//!
//! | file | what |
//! | --- | --- |
//! | `fault` | why there is no signature |
//! | `pkcs11` | a key of a PKCS#11 module |
//! | `vault` | a key of a Vault or OpenBao server's transit engine |

mod fault;
mod pkcs11;
mod vault;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use xbind::{Did, VerifyingKey};
use zeroize::Zeroizing;

use crate::thread;
pub use fault::SignerFault;
pub use pkcs11::Pkcs11Key;
pub use vault::VaultKey;

/// Signatures of one key that are waited for; more are refused at once.
const MAX_WAITING: usize = 256;
/// How long one may take unless its owner says otherwise, in milliseconds.
const PATIENCE: u64 = 5000;
/// How long it may take whatever its owner says, in milliseconds.
const MAX_PATIENCE: u64 = 30_000;
/// How long nobody is asked again who was not there, or gave no answer.
const REST: Duration = Duration::from_secs(1);
/// The longest secret in a file, in bytes.
const MAX_SECRET: usize = 4096;

pub(crate) type Result<T> = std::result::Result<T, SignerFault>;
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + Send + 'a>>;

/// Who signs what is handed over, however long it takes.
trait Keeper: Send + Sync {
    fn sign<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a>;
}

/// Where keys are kept, in the words of their owner. It holds no secret, but where one is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptKeys {
    /// At a server.
    Vault(VaultKey),
    /// In a security module.
    Pkcs11(Pkcs11Key),
}

impl KeptKeys {
    /// Every key there, the newest first. Not for the threads of an executor.
    ///
    /// # Errors
    /// Any [`SignerFault`] but those of signing.
    pub fn open(&self) -> Result<Vec<Signer>> {
        let (tell, told) = std::sync::mpsc::channel();
        self.open_then(move |opened| drop(tell.send(opened)));
        told.recv().unwrap_or(Err(SignerFault::Internal))
    }

    /// The same on the thread of this crate: `done` is told once.
    pub fn open_then(&self, done: impl FnOnce(Result<Vec<Signer>>) + Send + 'static) {
        let place = self.clone();
        let Ok(thread) = thread::handle() else { return done(Err(SignerFault::Internal)) };
        let opening = thread.spawn(async move {
            match place {
                Self::Vault(vault) => vault.open().await,
                Self::Pkcs11(pkcs11) => pkcs11.open().await,
            }
        });
        drop(thread.spawn(async move { done(opening.await.unwrap_or(Err(SignerFault::Internal))) }));
    }
}

/// How long a signature may take, as its owner said it.
fn patience(timeout_ms: Option<u64>) -> Result<Duration> {
    match timeout_ms.unwrap_or(PATIENCE) {
        ms @ 1..=MAX_PATIENCE => Ok(Duration::from_millis(ms)),
        _ => Err(SignerFault::Config("the signer's timeoutMs is 1 to 30000")),
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Result<T> {
    let late = |_| SignerFault::Slow(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
    timeout(patience, work).await.map_err(late)
}

/// A key that is elsewhere.
#[derive(Clone)]
pub struct Signer(Arc<Inner>);

struct Inner {
    key: VerifyingKey,
    keeper: Box<dyn Keeper>,
    patience: Duration,
    room: Arc<Semaphore>,
    /// Until when nobody is asked, and why.
    rest: Mutex<Option<(Instant, SignerFault)>>,
}

impl Signer {
    fn new(key: VerifyingKey, keeper: Box<dyn Keeper>, patience: Duration) -> Self {
        let room = Arc::new(Semaphore::new(MAX_WAITING));
        Self(Arc::new(Inner { key, keeper, patience, room, rest: Mutex::default() }))
    }

    /// Whose key it is.
    #[must_use]
    pub fn did(&self) -> &Did {
        self.0.key.did()
    }

    /// Whether it makes sense to ask.
    ///
    /// # Errors
    /// Why not, for a moment.
    pub fn check(&self) -> Result<()> {
        let rest = self.0.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*rest {
            Some((until, why)) if Instant::now() < *until => Err(why.clone()),
            _ if self.0.room.available_permits() == 0 => Err(SignerFault::Busy),
            _ => Ok(()),
        }
    }

    /// Signs. What comes back has been verified.
    ///
    /// # Errors
    /// Any [`SignerFault`], within the time that its owner allows.
    pub async fn sign(&self, bytes: &[u8]) -> Result<[u8; 64]> {
        self.start(bytes.to_vec())?.await.unwrap_or(Err(SignerFault::Internal))
    }

    /// The same on a thread that may wait.
    ///
    /// # Errors
    /// As [`sign`](Self::sign).
    pub fn sign_and_wait(&self, bytes: &[u8]) -> Result<[u8; 64]> {
        let (tell, told) = std::sync::mpsc::channel();
        self.sign_then(bytes.to_vec(), move |signed| drop(tell.send(signed)));
        told.recv().unwrap_or(Err(SignerFault::Internal))
    }

    /// The same on the thread of this crate: `done` is told once.
    pub fn sign_then(&self, bytes: Vec<u8>, done: impl FnOnce(Result<[u8; 64]>) + Send + 'static) {
        match (self.start(bytes), thread::handle()) {
            (Ok(signing), Ok(thread)) => drop(thread.spawn(async move {
                done(signing.await.unwrap_or(Err(SignerFault::Internal)));
            })),
            (Err(fault), _) => done(Err(fault)),
            (_, Err(_)) => done(Err(SignerFault::Internal)),
        }
    }

    fn start(&self, bytes: Vec<u8>) -> Result<tokio::task::JoinHandle<Result<[u8; 64]>>> {
        self.check()?;
        let place = self.0.room.clone().try_acquire_owned().map_err(|_| SignerFault::Busy)?;
        let inner = self.0.clone();
        let thread = thread::handle().map_err(|_| SignerFault::Internal)?;
        Ok(thread.spawn(async move {
            let _place = place;
            let signed = within(inner.patience, inner.keeper.sign(&bytes)).await.flatten();
            let rest = signed.as_ref().err().filter(|fault| fault.is_absence()).cloned();
            let rest = rest.and_then(|fault| Some((Instant::now().checked_add(REST)?, fault)));
            *inner.rest.lock().unwrap_or_else(PoisonError::into_inner) = rest;
            let signature: [u8; 64] = signed?.try_into().map_err(|_| SignerFault::Lied)?;
            if inner.key.verify(&bytes, &signature) { Ok(signature) } else { Err(SignerFault::Lied) }
        }))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(self.did()).finish()
    }
}

/// Whose turn it is to read a file that may be far away.
static READING: Mutex<Vec<(PathBuf, Weak<Semaphore>)>> = Mutex::new(Vec::new());

/// Reads a file where waiting hurts nobody. One that gives nothing holds one thread, whoever wants it and however often.
async fn elsewhere<T: Send + 'static>(path: &Path, read: fn(&Path) -> Result<T>) -> Result<T> {
    let turn = turn_of(path).acquire_owned().await.map_err(|_| SignerFault::Internal)?;
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        read(&path)
    });
    reading.await.unwrap_or(Err(SignerFault::Internal))
}

fn turn_of(path: &Path) -> Arc<Semaphore> {
    let mut all = READING.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|(_, turn)| turn.strong_count() > 0);
    if let Some(turn) = all.iter().find(|(of, _)| of == path).and_then(|(_, turn)| turn.upgrade()) {
        return turn;
    }
    let turn = Arc::new(Semaphore::new(1));
    all.push((path.to_owned(), Arc::downgrade(&turn)));
    turn
}

/// One line of text in a file, read anew each time: whoever keeps it may replace it.
fn secret(path: &Path) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_SECRET));
    let most = u64::try_from(MAX_SECRET).unwrap_or(u64::MAX);
    let read = File::open(path).and_then(|file| file.take(most).read_to_string(&mut text));
    read.map_err(|_| SignerFault::Secret)?;
    trimmed(&text)
}

fn trimmed(text: &str) -> Result<Zeroizing<String>> {
    let line = text.trim_end_matches(['\r', '\n']);
    let is_whole = !line.is_empty() && line.len() < MAX_SECRET && line.bytes().all(|byte| byte.is_ascii_graphic());
    if is_whole { Ok(Zeroizing::new(line.to_owned())) } else { Err(SignerFault::Secret) }
}
