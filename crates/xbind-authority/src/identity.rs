//! The authority's own key: made once, kept in a file that nobody else reads.

use std::io::Write as _;
use std::path::Path;

use xbind::SigningKey;
use xbind::identity::pkcs8::{self, EncryptionSeed, Wrapping};
use zeroize::Zeroizing;

use crate::files;
use crate::store::Fault;

/// The key in that file; a new one if there is no file.
///
/// # Errors
/// A file that cannot be read or written, is a link or may be read by others, or whose passphrase is another one.
pub(crate) fn open(path: &Path, passphrase: Option<&str>) -> Result<SigningKey, Fault> {
    if !files::file(path.parent().unwrap_or(path), path)? {
        return make(path, passphrase);
    }
    let text = Zeroizing::new(std::fs::read(path)?);
    Ok(pkcs8::decode_pem(&text, passphrase)?)
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
    Ok(key)
}
