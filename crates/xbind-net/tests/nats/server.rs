//! A nats-server of a test.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = Command::new("node").arg("scripts/nats-server.mjs").current_dir(root).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
});

pub struct Server {
    child: Child,
    folder: PathBuf,
    pub url: String,
}

impl Server {
    pub fn start(more: &[&str]) -> Self {
        Self::on(-1, more)
    }

    /// On that port; -1 for any.
    pub fn on(port: i32, more: &[&str]) -> Self {
        let mut name = [0; 8];
        xbind_runtime::random(&mut name).unwrap();
        let folder = std::env::temp_dir().join(format!("xbind-nats-{}", u64::from_be_bytes(name)));
        std::fs::create_dir_all(&folder).unwrap();
        let store = folder.join("store");
        let child = Command::new(&*PROGRAM)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
            .arg(store)
            .arg("--ports_file_dir")
            .arg(&folder)
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server = Self { child, folder, url: String::new() };
        let lines = BufReader::new(server.child.stderr.take().unwrap());
        let (told, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if line.contains("Server is ready") {
                    let _ = told.send(());
                }
            }
        });
        ready.recv_timeout(Duration::from_secs(60)).unwrap();
        let begun = Instant::now();
        while server.url.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(5));
            let ports = std::fs::read_dir(&server.folder).unwrap().flatten().map(|entry| entry.path());
            let Some(ports) = ports.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "ports"))
            else {
                continue;
            };
            let Ok(ports) = serde_json::from_slice::<serde_json::Value>(&std::fs::read(ports).unwrap()) else {
                continue;
            };
            server.url = ports["nats"][0].as_str().unwrap().to_owned();
        }
        server
    }

    pub fn port(&self) -> i32 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
