//! Keys in files: PKCS#8 in PEM, encrypted where somebody wants a passphrase. They are in no argument and no output.

use std::io::Read;
use std::path::Path;

use xbind::SigningKey;
use xbind::identity::pkcs8::{self, EncryptionSeed, Wrapping};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure, Result};
use crate::home::files;
use crate::terminal::Terminal;

const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
/// The longest file with a passphrase.
const MAX_PASSPHRASE: usize = 4096;

/// Where passphrases come from: a file, the environment, or a person.
pub(crate) struct Passphrases<'a> {
    pub(crate) terminal: &'a dyn Terminal,
    pub(crate) file: Option<&'a Path>,
}

impl Passphrases<'_> {
    /// What was given without asking anybody.
    pub(crate) fn given(&self) -> Result<Option<Zeroizing<String>>> {
        let Some(file) = self.file else {
            return Ok(self.terminal.variable("XBIND_PASSPHRASE").map(Zeroizing::new));
        };
        let wrong = |why: &str| Failure::setup(format!("{} {why}", file.display()));
        let bytes = read_outside(file).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let text = str::from_utf8(&bytes).map_err(|_| wrong("holds no text"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() || text.len() > MAX_PASSPHRASE {
            return Err(wrong("holds no passphrase of 1 to 4096 bytes"));
        }
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    /// For a new file: what was given, or, where a passphrase is wanted, what a person says twice.
    pub(crate) fn fresh(&self, is_wanted: bool) -> Result<Option<Zeroizing<String>>> {
        let given = self.given()?;
        if given.is_some() || !is_wanted {
            return Ok(given);
        }
        let first = self.terminal.ask("passphrase: ").filter(|first| !first.is_empty()).ok_or_else(nobody)?;
        let second = self.terminal.ask("again: ").ok_or_else(nobody)?;
        if *first != *second {
            return Err(Failure::usage("the two passphrases differ"));
        }
        Ok(Some(first))
    }

    /// For the keys of the authority in that directory, which are all protected or none is. `is_wanted` for one that is new.
    pub(crate) fn of_authority(&self, data: &Path, is_wanted: bool) -> Result<Option<Zeroizing<String>>> {
        self.of_server(&data.join("authority.key"), is_wanted)
    }

    /// For the key of a server in that file, which makes one if there is none.
    pub(crate) fn of_server(&self, path: &Path, is_wanted: bool) -> Result<Option<Zeroizing<String>>> {
        let Ok(pem) = read_outside(path) else { return self.fresh(is_wanted) };
        match (is_encrypted(&pem), self.given()?) {
            (true, Some(given)) => Ok(Some(given)),
            (true, None) => self.terminal.ask("passphrase: ").map(Some).ok_or_else(nobody),
            (false, _) if is_wanted => {
                Err(Failure::setup(format!("{} is there already, without a passphrase", path.display())))
            }
            (false, _) => Ok(None),
        }
    }

    /// For a copy of that file: the passphrase that it has, if it has one.
    pub(crate) fn same_as(&self, path: &Path) -> Result<Option<Zeroizing<String>>> {
        let is_protected = files::read(path)?.is_some_and(|pem| is_encrypted(&pem));
        if is_protected { self.fresh(true) } else { Ok(None) }
    }
}

fn nobody() -> Failure {
    Failure::setup("a passphrase is needed, and there is nobody to ask for it")
        .hint("give --passphrase-file or the variable XBIND_PASSPHRASE")
}

/// The key in that file of a home.
pub(crate) fn read(path: &Path, passphrases: &Passphrases<'_>) -> Result<SigningKey> {
    let missing = || Failure::setup(format!("there is no key {}", path.display())).hint("xbind init makes an identity");
    let pem = files::read(path)?.ok_or_else(missing)?;
    // A passphrase is for those that have one: another key here may be without.
    let opened =
        if is_encrypted(&pem) { open(&pem, passphrases).map(|(key, _)| key) } else { Ok(pkcs8::decode(&pem, None)?) };
    opened.map_err(|mut failure| {
        failure.message = format!("{}: {}", path.display(), failure.message);
        failure
    })
}

/// A key, and the passphrase that its file is protected with.
pub(crate) fn open(bytes: &[u8], passphrases: &Passphrases<'_>) -> Result<(SigningKey, Option<Zeroizing<String>>)> {
    let mut passphrase = passphrases.given()?;
    if passphrase.is_none() && is_encrypted(bytes) {
        passphrase = Some(passphrases.terminal.ask("passphrase: ").ok_or_else(nobody)?);
    }
    let key = pkcs8::decode(bytes, passphrase.as_ref().map(|text| text.as_str()))?;
    Ok((key, passphrase))
}

fn is_encrypted(pem: &[u8]) -> bool {
    pem.trim_ascii_start().starts_with(ENCRYPTED)
}

/// A file that is no file of a home: whoever names it answers for it.
pub(crate) fn read_outside(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(pkcs8::MAX_INPUT));
    let limit = u64::try_from(pkcs8::MAX_INPUT).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn encode(key: &SigningKey, passphrase: Option<&str>) -> Result<Zeroizing<String>> {
    let Some(passphrase) = passphrase else { return Ok(pkcs8::encode_pem(key)) };
    let mut seed = EncryptionSeed { salt: [0; 16], iv: [0; 16] };
    xbind_runtime::random(&mut seed.salt)?;
    xbind_runtime::random(&mut seed.iv)?;
    Ok(Wrapping::derive(passphrase, seed)?.encrypt_pem(key)?)
}

pub(crate) fn generate() -> Result<SigningKey> {
    SigningKey::generate(|seed| xbind_runtime::random(seed))
        .map_err(|_| Failure::new(Exit::Failed, "internal", "there is no source of random bytes"))
}
