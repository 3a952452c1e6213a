//! A server that signs as the transit engine of Vault does, in whatever mood a test wants it.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use xbind::SigningKey;

#[derive(Clone, Debug)]
pub enum Mood {
    Honest,
    /// It signs with the key of that seed instead.
    Another(u8),
    /// It says this, whatever is asked.
    Says(u16, String),
    /// It refuses the token that it is shown once, and replaces the one in the file.
    Replaces(String),
    /// It tells the token that it was shown.
    Echo,
    /// It answers, but only after so many milliseconds.
    Late(u64),
    /// It answers when it is in another mood, as it is then.
    Held,
    /// It never answers.
    Silent,
}

struct State {
    keys: Vec<SigningKey>,
    token: String,
    mood: Mood,
    held: usize,
    told: usize,
    file: PathBuf,
}

pub struct Transit {
    url: String,
    folder: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Transit {
    /// With these versions of the key `authority`.
    pub fn start(keys: &[SigningKey]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xbind-transit-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = keys.iter().map(SigningKey::duplicate).collect();
        let (token, file) = ("hvs.the-first-token".to_owned(), folder.join("token"));
        let state = Arc::new(Mutex::new(State { keys, token, mood: Mood::Honest, held: 0, told: 0, file }));
        let own = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let own = own.clone();
                thread::spawn(move || drop(answer(stream.unwrap(), &own)));
            }
        });
        let transit = Self { url, folder, state };
        transit.write_token(&transit.token());
        transit
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn token(&self) -> String {
        self.state.lock().unwrap().token.clone()
    }

    pub fn token_file(&self) -> PathBuf {
        self.folder.join("token")
    }

    pub fn write_token(&self, token: &str) {
        std::fs::write(self.token_file(), token).unwrap();
    }

    /// Which token counts from now on.
    pub fn accept(&self, token: &str) {
        self.state.lock().unwrap().token = token.to_owned();
    }

    pub fn be(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Returns when so many wait for another mood.
    pub fn has_held(&self, count: usize) {
        while self.held() < count {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many wait for another mood, or did when it changed.
    pub fn held(&self) -> usize {
        self.state.lock().unwrap().held
    }

    /// How often it has told its keys.
    pub fn told(&self) -> usize {
        self.state.lock().unwrap().told
    }

    /// A new version of the key.
    pub fn add(&self, key: SigningKey) {
        self.state.lock().unwrap().keys.push(key);
    }

    /// Where the key is kept, as its owner says it.
    pub fn place(&self, more: &str) -> String {
        let (url, file) = (self.url(), self.token_file());
        format!(r#"{{"vault":{{"url":"{url}","key":"authority","tokenFile":{file:?}{more}}}}}"#)
    }
}

impl Drop for Transit {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut token, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-vault-token" => token = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mood = mood(state);
    if let Mood::Late(ms) = mood {
        thread::sleep(Duration::from_millis(ms));
    }
    let (status, text) = match mood {
        Mood::Silent => {
            thread::sleep(Duration::from_secs(20));
            return Ok(());
        }
        Mood::Says(status, text) => (status, text),
        Mood::Echo => (500, json!({ "errors": [token] }).to_string()),
        Mood::Replaces(new) if token != new => {
            std::fs::write(&state.lock().unwrap().file, new)?;
            (403, json!({ "errors": ["permission denied"] }).to_string())
        }
        Mood::Honest | Mood::Another(_) | Mood::Replaces(_) | Mood::Late(_) | Mood::Held => {
            honest(&first, &token, &body, state)
        }
    };
    let location = if status == 307 { "location: http://127.0.0.1:1/\r\n" } else { "" };
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{location}\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}

fn mood(state: &Mutex<State>) -> Mood {
    let is_held = |state: &State| matches!(state.mood, Mood::Held);
    {
        let mut state = state.lock().unwrap();
        state.held += usize::from(is_held(&state));
    }
    while is_held(&state.lock().unwrap()) {
        thread::sleep(Duration::from_millis(5));
    }
    state.lock().unwrap().mood.clone()
}

fn honest(first: &str, token: &str, body: &[u8], state: &Mutex<State>) -> (u16, String) {
    let mut state = state.lock().unwrap();
    let refused = |status, why: &str| (status, json!({ "errors": [why] }).to_string());
    if token != state.token {
        return refused(403, "permission denied");
    }
    match first.trim_end() {
        "GET /v1/transit/keys/authority HTTP/1.1" => {
            state.told += 1;
            let keys = state.keys.iter().enumerate().map(|(at, key)| {
                let public = BASE64.encode(key.did().public_key());
                (
                    (at + 1).to_string(),
                    json!({ "creation_time": "2026-11-22T00:00:00Z", "name": "ed25519", "public_key": public }),
                )
            });
            let keys: serde_json::Map<_, _> = keys.collect();
            let latest = state.keys.len();
            let data = json!({ "type": "ed25519", "derived": false, "latest_version": latest, "keys": keys });
            (200, json!({ "request_id": "1", "data": data }).to_string())
        }
        "POST /v1/transit/sign/authority HTTP/1.1" => {
            let asked: Value = serde_json::from_slice(body).unwrap();
            let input = BASE64.decode(asked["input"].as_str().unwrap().as_bytes()).unwrap();
            let version = usize::try_from(asked["key_version"].as_u64().unwrap()).unwrap();
            let Some(key) = version.checked_sub(1).and_then(|at| state.keys.get(at)) else {
                return refused(400, "cannot sign with that version");
            };
            let other =
                if let Mood::Another(seed) = state.mood { Some(SigningKey::from_seed(&[seed; 32])) } else { None };
            let signature = other.as_ref().unwrap_or(key).sign(&input);
            let signature = format!("vault:v{version}:{}", BASE64.encode(&signature));
            (200, json!({ "request_id": "2", "data": { "key_version": version, "signature": signature } }).to_string())
        }
        _ => refused(404, "no handler for route"),
    }
}
