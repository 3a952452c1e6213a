//! Tokens of SoftHSM, in a process of its own for each test: where they are is said by the environment.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use xbind::SigningKey;
use xbind::identity::pkcs8;

const CHILD: &str = "XBIND_TEST_SOFTHSM";
const CONF: &str = "SOFTHSM2_CONF";
pub const PIN: &str = "pin-8241";

pub struct SoftHsm {
    folder: PathBuf,
}

/// Where Debian, Fedora, Alpine and Homebrew have it.
const MODULES: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// Runs a test of that name where SoftHSM is here, and says so where it is not.
pub fn with(test: &str, run: impl FnOnce(&SoftHsm)) {
    if let Some(folder) = std::env::var_os(CHILD) {
        return run(&SoftHsm { folder: folder.into() });
    }
    if module().is_none() || Command::new("softhsm2-util").arg("--version").output().is_err() {
        // What a test that passes prints is kept back, but for this.
        drop(writeln!(std::io::stderr(), "not tested: SoftHSM is not here (apt-get install softhsm2): {test}"));
        return;
    }
    let folder = std::env::temp_dir().join(format!("xbind-softhsm-{}-{test}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(folder.join("tokens")).unwrap();
    let tokens = folder.join("tokens");
    let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    std::fs::write(folder.join("conf"), conf).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(CHILD, &folder)
        .env(CONF, folder.join("conf"))
        .output()
        .unwrap();
    drop(std::fs::remove_dir_all(&folder));
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    assert!(!said.contains(PIN), "{said}");
}

pub fn module() -> Option<&'static Path> {
    MODULES.iter().map(Path::new).find(|path| path.exists())
}

fn util(args: &[&str]) {
    let ran = Command::new("softhsm2-util").args(args).output().unwrap();
    assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

impl SoftHsm {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn token(&self, label: &str) {
        util(&["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "so-pin-55"]);
        std::fs::write(self.path("pin"), format!("{PIN}\n")).unwrap();
    }

    pub fn import(&self, token: &str, label: &str, id: &str, key: &SigningKey) {
        std::fs::write(self.path("key.pem"), pkcs8::encode_pem(key).as_bytes()).unwrap();
        self.import_file(token, label, id);
    }

    /// What stands in `key.pem`.
    pub fn import_file(&self, token: &str, label: &str, id: &str) {
        let file = self.path("key.pem");
        util(&["--import", file.to_str().unwrap(), "--token", token, "--label", label, "--id", id, "--pin", PIN]);
    }

    pub fn place(&self, token: &str, key: &str, more: &str) -> String {
        let (module, pin) = (module().unwrap(), self.path("pin"));
        format!(r#"{{"pkcs11":{{"module":{module:?},"token":"{token}","key":"{key}","pinFile":{pin:?}{more}}}}}"#)
    }
}
