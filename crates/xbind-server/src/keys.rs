//! Keys that a server has in files of its own: each made once, and read by nobody else.

use std::io::Write as _;
use std::path::Path;

use xbind::SigningKey;
use xbind::identity::pkcs8::{self, EncryptionSeed, Wrapping};
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::files;

/// The key in a file of that directory; a new one if there is no file.
///
/// # Errors
/// A file that cannot be read or written, is a link or may be read by others, or whose passphrase is another one.
pub fn open(directory: &Path, path: &Path, passphrase: Option<&str>) -> Result<SigningKey, Fault> {
    match read(directory, path, passphrase)? {
        Some(key) => Ok(key),
        None => make(path, passphrase),
    }
}

/// The key in a file of that directory, if the file is there.
///
/// # Errors
/// A file that cannot be read, is a link or may be read by others, or whose passphrase is another one.
pub fn read(directory: &Path, path: &Path, passphrase: Option<&str>) -> Result<Option<SigningKey>, Fault> {
    if !files::file(directory, path)? {
        return Ok(None);
    }
    let text = Zeroizing::new(std::fs::read(path)?);
    Ok(Some(pkcs8::decode_pem(&text, passphrase)?))
}

/// Makes a key, and its file with it.
///
/// # Errors
/// A file that is there already, or cannot be written; a system without random source.
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
