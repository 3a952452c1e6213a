//! The authority's own keys: each made once, and kept in a file that nobody else reads. The first one signs the log for good,
//! the last one tokens and answers, and one that was replaced the status lists of its tokens until these are over.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use xbind::identity::pkcs8::{self, EncryptionSeed, Wrapping};
use xbind::{Did, KeyHistory, SigningKey};
use zeroize::Zeroizing;

use crate::domain::authority::{self, Successor};
use crate::files;
use crate::store::{Fault, Store, fault};

/// The first key's file. Others have their number in the name.
const FIRST: &str = "authority.key";

/// Where the key of that place is kept: 0 is the first one.
pub(crate) fn path(directory: &Path, place: usize) -> PathBuf {
    directory.join(if place == 0 { FIRST.to_owned() } else { format!("authority.{place}.key") })
}

/// Whether a file of that name is one of a key.
pub(crate) fn is_key(name: &str) -> bool {
    let place = name.strip_prefix("authority.").and_then(|rest| rest.strip_suffix(".key"));
    name == FIRST || place.is_some_and(|place| !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The key in the file of that place; a new one if there is no file.
///
/// # Errors
/// A file that cannot be read or written, is a link or may be read by others, or whose passphrase is another one.
pub(crate) fn open(directory: &Path, place: usize, passphrase: Option<&str>) -> Result<SigningKey, Fault> {
    let path = path(directory, place);
    match read(directory, &path, passphrase)? {
        Some(key) => Ok(key),
        None => make(&path, passphrase),
    }
}

fn read(directory: &Path, path: &Path, passphrase: Option<&str>) -> Result<Option<SigningKey>, Fault> {
    if !files::file(directory, path)? {
        return Ok(None);
    }
    let text = Zeroizing::new(std::fs::read(path)?);
    Ok(Some(pkcs8::decode_pem(&text, passphrase)?))
}

fn make(path: &Path, passphrase: Option<&str>) -> Result<SigningKey, Fault> {
    let key = SigningKey::generate(|seed| xbind_runtime::random(seed))?;
    let pem = match passphrase {
        None => pkcs8::encode_pem(&key),
        Some(passphrase) => {
            let mut seed = EncryptionSeed { salt: [0; 16], iv: [0; 16] };
            xbind_runtime::random(&mut seed.salt)?;
            xbind_runtime::random(&mut seed.iv)?;
            Wrapping::derive(passphrase, seed)?.encrypt_pem(&key)?
        }
    };
    // Written whole under another name first: a server that is killed here leaves no half of a key.
    let draft = path.with_extension("new");
    drop(std::fs::remove_file(&draft));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    std::fs::hard_link(&draft, path)?; // unlike a rename, never over one that is there
    std::fs::remove_file(&draft)?;
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        std::fs::File::open(directory)?.sync_all()?; // what the database names is there
    }
    Ok(key)
}

/// Every key that signs something still.
pub(crate) struct Keys {
    /// By their places, from the first one on; what was deleted once it was over is missing.
    keys: Vec<Option<SigningKey>>,
    /// What has led from each to the next.
    successors: Vec<Successor>,
    history: KeyHistory,
}

impl Keys {
    /// The first one, and those that the database says have followed.
    ///
    /// # Errors
    /// A key that is needed and not there, or is not the one that its statement names.
    pub(crate) fn read(
        directory: &Path,
        first: SigningKey,
        store: &Store,
        passphrase: Option<&str>,
    ) -> Result<Self, Fault> {
        let wrong = |_| fault("the authority's keys in the database do not follow from authority.key");
        let (successors, history) = store.read(|db| authority::successors(db, *first.did())).map_err(wrong)?;
        let now = xbind_runtime::now();
        let mut keys = vec![Some(first)];
        for (at, successor) in successors.iter().enumerate() {
            let path = path(directory, at.saturating_add(1));
            let key = read(directory, &path, passphrase)?;
            let is_last = at.saturating_add(1) == successors.len();
            match &key {
                Some(key) if *key.did() == successor.read.new => {}
                None if !is_last && !history.may_sign(&successor.read.new, now) => {}
                _ => return Err(fault(format!("{} has not the key {}", path.display(), successor.read.new))),
            }
            keys.push(key);
        }
        Ok(Self { keys, successors, history })
    }

    /// The one that signs tokens and answers.
    ///
    /// # Errors
    /// None after [`read`](Self::read), which has seen it.
    pub(crate) fn current(&self) -> crate::problem::Result<&SigningKey> {
        self.keys.last().and_then(Option::as_ref).ok_or_else(crate::problem::Problem::internal)
    }

    /// Its DID.
    pub(crate) fn did(&self) -> &Did {
        self.successors.last().map_or_else(|| self.history.name(), |last| &last.read.new)
    }

    /// The first one's DID, whose the log is.
    pub(crate) const fn first(&self) -> &Did {
        self.history.name()
    }

    /// All whose tokens may count now, the one that signs them first.
    pub(crate) fn counting(&self, now: u64) -> impl Iterator<Item = &Did> {
        let earlier = self.successors.iter().rev().map(|successor| &successor.read.old);
        [self.did()].into_iter().chain(earlier.filter(move |did| self.history.may_sign(did, now)))
    }

    /// The one that signs a status list, unless its tokens are over.
    pub(crate) fn of_list(&self, list: i64, now: u64) -> Option<&SigningKey> {
        let place = self.successors.iter().filter(|successor| successor.first_list <= list).count();
        let key = self.keys.get(place)?.as_ref()?;
        (key.did() == self.did() || self.history.may_sign(key.did(), now)).then_some(key)
    }

    /// The statements, from the first on.
    pub(crate) fn rotations(&self) -> Vec<String> {
        self.successors.iter().map(|successor| successor.rotation.clone()).collect()
    }

    /// The place of the next one.
    pub(crate) const fn next_place(&self) -> usize {
        self.keys.len()
    }
}
