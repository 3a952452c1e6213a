//! Who asks, over a connection that is kept.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use xbind::http::message::RequestHead;
use xbind::http::profile::Profile;
use xbind::http::sign::{RequestDraft, sign};
use xbind::http::target::Scheme;
use xbind::{ScopeSet, SigningKey, TokenDraft, issue};

const PATH: &str = "/v1/chat/completions";

/// Somebody with a key and a token.
pub(crate) struct Agent {
    key: SigningKey,
    token: String,
}

impl Agent {
    pub(crate) fn new(owner: &SigningKey, audience: &str) -> Self {
        Self::number(owner, audience, 0)
    }

    pub(crate) fn number(owner: &SigningKey, audience: &str, n: usize) -> Self {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let key = SigningKey::from_seed(&seed);
        let scopes = ScopeSet::parse("llm:read model:*").unwrap();
        let mut id = [0; 16];
        xbind_runtime::random(&mut id).unwrap();
        let draft = TokenDraft {
            subject: *key.did(),
            audience,
            scopes: &scopes,
            ttl: 3600,
            claims: "{}",
            cnf_jkt: None,
            quota: None,
            on_behalf_of: None,
            status: None,
            now: xbind_runtime::now(),
            id,
        };
        let token = issue(owner, &draft).unwrap();
        Self { key, token }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A request that is signed now.
    pub(crate) fn signed(&self, to: SocketAddr, body: &str) -> Vec<u8> {
        let host = to.to_string();
        let fields = [("host", host.as_str()), ("content-type", "application/json")];
        let mut nonce = [0; 64];
        xbind_runtime::random(&mut nonce).unwrap();
        let draft = RequestDraft {
            profile: Profile::Xbind,
            created: xbind_runtime::now(),
            ttl: 60,
            nonce,
            token: Some(&self.token),
            approval: None,
            agent: None,
        };
        let head = RequestHead { method: "POST", scheme: Scheme::Http, authority: None, target: PATH, fields: &fields };
        let new = sign(&self.key, &head, body.as_bytes(), &draft).unwrap();
        let new: Vec<_> = new.iter().map(|(name, value)| (*name, value.as_str())).collect();
        written(&host, &new, body)
    }
}

/// A request without a signature.
pub(crate) fn plain(to: SocketAddr, body: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let fields: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    written(&to.to_string(), &fields, body)
}

/// A request to another gateway, with whatever it wants to see.
pub(crate) fn peer(to: SocketAddr, body: &str) -> Vec<u8> {
    let fields = [
        ("authorization", "Bearer sk-1234"),
        ("x-portkey-provider", "openai"),
        ("x-portkey-custom-host", "http://127.0.0.1:9999/v1"),
    ];
    written(&to.to_string(), &fields, body)
}

fn written(host: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("POST {PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

/// One connection.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn new(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(stream)
    }

    /// Sends a request, and reads its answer, which has to be a good one.
    pub(crate) fn send(&mut self, request: &[u8]) {
        self.0.write_all(request).unwrap();
        let (mut all, mut buffer) = (Vec::new(), [0; 16_384]);
        loop {
            let n = self.0.read(&mut buffer).unwrap();
            assert!(n > 0, "the connection ended: {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&buffer[..n]);
            if is_whole(&all) {
                assert!(all.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&all));
                return;
            }
        }
    }

    /// Sends a request, and waits for the first bytes of its answer.
    pub(crate) fn begin(&mut self, request: &[u8]) {
        self.0.write_all(request).unwrap();
        let mut buffer = [0; 4096];
        let n = self.0.read(&mut buffer).unwrap();
        assert!(buffer[..n].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..n]));
    }
}

fn is_whole(all: &[u8]) -> bool {
    let Some(at) = all.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&all[..at]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    match length {
        Some(length) => all.len() >= at + 4 + length,
        None => all.ends_with(b"0\r\n\r\n"),
    }
}

/// Many at once, each one after the other: how long each request took.
pub(crate) fn crowd(
    clients: usize,
    to: SocketAddr,
    time: Duration,
    next: impl Fn(usize) -> Vec<u8> + Sync,
) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..clients)
            .map(|n| {
                let next = &next;
                scope.spawn(move || {
                    let (mut client, mut times, begin) = (Client::new(to), Vec::new(), Instant::now());
                    while begin.elapsed() < time {
                        let request = next(n);
                        let began = Instant::now();
                        client.send(&request);
                        times.push(began.elapsed());
                    }
                    times
                })
            })
            .collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// The time that so many of a hundred do not exceed.
pub(crate) fn percentile(times: &mut [Duration], of_hundred: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * of_hundred / 100).min(times.len() - 1)]
}
