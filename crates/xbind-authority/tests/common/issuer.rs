//! An issuer of users' tokens on this machine: a real server that says what a test wants, and real keys.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

pub const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What a path answers with.
#[derive(Clone)]
pub enum Say {
    Json(Value),
    Status(u16),
    Refuses(u16, Value),
    Redirect(String),
    Bytes(Vec<u8>),
    /// Nothing, for that long.
    Silence(Duration),
    /// Nothing, until whoever asks lets go: it is noted when that begins (` held`) and ends (` let go`).
    Hold,
    /// One thing where the request holds that text, and else another.
    Where(String, Box<Say>, Box<Say>),
}

#[derive(Default)]
struct State {
    says: HashMap<String, Say>,
    asked: HashMap<String, Vec<String>>,
}

pub struct IssuerServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl IssuerServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let own = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                std::thread::spawn(move || drop(answer(stream, &own)));
            }
        });
        let server = Self { address, state };
        let url = server.url();
        let document = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks"), "introspection_endpoint": format!("{url}/introspect") });
        server.says(DISCOVERY, Say::Json(document));
        server
    }

    /// Its name, too.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn says(&self, path: &str, say: Say) {
        self.state.lock().unwrap().says.insert(path.to_owned(), say);
    }

    pub fn publishes(&self, keys: &[(&str, &IssuerKey)]) {
        let keys: Vec<_> = keys.iter().map(|(kid, key)| key.jwk(kid)).collect();
        self.says("/jwks", Say::Json(json!({ "keys": keys })));
    }

    /// What it was asked at a path: the heads and bodies.
    pub fn asked(&self, path: &str) -> Vec<String> {
        self.state.lock().unwrap().asked.get(path).cloned().unwrap_or_default()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(at) = text.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..at]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if text.len() >= at + 4 + length.unwrap_or(0) {
                break at;
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => text.extend_from_slice(&buffer[..n]),
        }
    };
    let head = String::from_utf8_lossy(&text[..end]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let all = String::from_utf8_lossy(&text).into_owned();
    let note = |what: &str| {
        let mut state = state.lock().unwrap();
        state.asked.entry(format!("{path}{what}")).or_default().push(all.clone());
        state.says.get(&path).cloned().unwrap_or(Say::Status(404))
    };
    let mut say = note("");
    if let Say::Where(text, then, or) = say {
        say = *if all.contains(&text) { then } else { or };
    }
    let send = |stream: &mut TcpStream, status: u16, more: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)
    };
    match say {
        Say::Json(value) => send(&mut stream, 200, "", value.to_string().as_bytes()),
        Say::Bytes(bytes) => send(&mut stream, 200, "", &bytes),
        Say::Status(status) => send(&mut stream, status, "", b"{}"),
        Say::Refuses(status, value) => send(&mut stream, status, "", value.to_string().as_bytes()),
        Say::Redirect(to) => send(&mut stream, 302, &format!("location: {to}\r\n"), b"{}"),
        Say::Silence(time) => {
            std::thread::sleep(time);
            Ok(())
        }
        Say::Hold => {
            note(" held");
            drop(stream.read(&mut buffer));
            note(" let go");
            Ok(())
        }
        Say::Where(..) => panic!("one such within another"),
    }
}

/// A key of an issuer.
pub enum IssuerKey {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl IssuerKey {
    pub fn rsa(n: u8) -> Self {
        let der: &[u8] = if n == 1 { include_bytes!("../keys/rsa-1.der") } else { include_bytes!("../keys/rsa-2.der") };
        Self::Rsa(RsaKeyPair::from_pkcs8(der).unwrap())
    }

    pub fn p256() -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap())
    }

    pub fn ed25519(n: u8) -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap())
    }

    pub const fn alg(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// Its modulus, or its point.
    pub fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => RsaPublicKeyComponents::<Vec<u8>>::from(key.public()).n,
            Self::P256(key) => key.public_key().as_ref().to_vec(),
            Self::Ed25519(key) => key.public_key().as_ref().to_vec(),
        }
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let public = self.public();
        match self {
            Self::Rsa(_) => json!({ "kty": "RSA", "kid": kid, "use": "sig", "n": b64(&public), "e": "AQAB" }),
            Self::P256(_) => {
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": b64(&public[1..33]), "y": b64(&public[33..]) })
            }
            Self::Ed25519(_) => json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(&public) }),
        }
    }

    pub fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::P256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// A JWS of that header, whatever it says.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()));
        let signature = b64(&self.sign_bytes(input.as_bytes()));
        format!("{input}.{signature}")
    }

    /// A token of that type.
    pub fn token(&self, kid: &str, typ: &str, claims: &Value) -> String {
        self.sign(&json!({ "alg": self.alg(), "kid": kid, "typ": typ }), claims)
    }
}

pub fn b64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}
