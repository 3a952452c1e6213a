//! The directory of a server and what stands in it: of its owner, for nobody else, and no links.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::Path;

use crate::fault::{Fault, fault};

/// Makes the directory, or looks at the one that is there.
///
/// # Errors
/// What is no directory, has another owner, or may be written by others, who could put files in the place of ours.
pub fn directory(path: &Path) -> Result<(), Fault> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(path)?;
            only_mine(path)
        }
        Err(error) => Err(error.into()),
        Ok(found) if !found.is_dir() => Err(fault(format!("{} is no directory", path.display()))),
        Ok(found) => {
            check_owner(path, path, &found)?;
            if is_open_to(&found, 0o022) {
                return Err(fault(format!("{} may be written by others: chmod 700", path.display())));
            }
            Ok(())
        }
    }
}

/// Looks at a file of that directory, if it is there; whether it is.
///
/// # Errors
/// What is no file but a link, say, has another owner, or may be read by others.
pub fn file(directory: &Path, path: &Path) -> Result<bool, Fault> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found?,
    };
    if !found.is_file() {
        return Err(fault(format!("{} is no file but a link or something else", path.display())));
    }
    check_owner(directory, path, &found)?;
    if is_open_to(&found, 0o077) {
        return Err(fault(format!("{} may be read by others: chmod 600", path.display())));
    }
    Ok(true)
}

/// Nobody else may look into a directory.
///
/// # Errors
/// A directory that has another owner, say.
pub fn only_mine(path: &Path) -> Result<(), Fault> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let _ = path;
    Ok(())
}

/// Nobody else may read a file. SQLite gives its other files the mode of the database.
///
/// # Errors
/// A file that has another owner, say.
#[cfg(unix)]
pub fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Nobody else may read a file: nothing is done for that here.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn private(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Whether others may do any of that with it; `0o077` is all that there is.
#[cfg(unix)]
#[must_use]
pub fn is_open_to(found: &Metadata, others: u32) -> bool {
    std::os::unix::fs::MetadataExt::mode(found) & others != 0
}

/// Whether others may do any of that with it: nothing is known of it here.
#[cfg(not(unix))]
#[must_use]
pub fn is_open_to(_: &Metadata, _: u32) -> bool {
    false
}

/// Whoever this process runs as is the owner of what it makes.
#[cfg(unix)]
fn check_owner(directory: &Path, path: &Path, found: &Metadata) -> Result<(), Fault> {
    use std::os::unix::fs::MetadataExt;
    let probe = directory.join(format!("xbind.probe.{}", std::process::id()));
    drop(fs::remove_file(&probe)); // of a process of that number that was killed
    let made = fs::OpenOptions::new().write(true).create_new(true).open(&probe);
    let me = made.and_then(|file| file.metadata()).map(|made| made.uid());
    drop(fs::remove_file(&probe));
    if me? == found.uid() {
        return Ok(());
    }
    Err(fault(format!("{} has another owner than this process", path.display())))
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &Path, _: &Metadata) -> Result<(), Fault> {
    Ok(())
}
