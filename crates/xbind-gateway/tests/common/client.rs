//! HTTP by hand, so that what is sent is what is meant.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use xbind::SigningKey;
use xbind::http::message::RequestHead;
use xbind::http::profile::Profile;
use xbind::http::sign::{RequestDraft, sign};
use xbind::http::target::Scheme;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, String)>,
    pub body: String,
}

/// An answer; `is_whole` is false where it broke off.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: String,
    pub is_whole: bool,
}

impl Request {
    pub fn post(target: &str, body: &Value) -> Self {
        Self::text(target, &body.to_string())
    }

    pub fn text(target: &str, body: &str) -> Self {
        Self {
            method: "POST".to_owned(),
            target: target.to_owned(),
            fields: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_owned(),
        }
    }

    pub fn get(target: &str) -> Self {
        Self { method: "GET".to_owned(), target: target.to_owned(), fields: Vec::new(), body: String::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// Signs it for that host.
    pub fn signed(self, key: &SigningKey, token: &str, host: &str) -> Self {
        self.signed_with(key, Some(token), host, None)
    }

    pub fn approved(self, key: &SigningKey, token: &str, host: &str, approval: Option<&str>) -> Self {
        self.signed_with(key, Some(token), host, approval)
    }

    /// Without a token.
    pub fn signed_alone(self, key: &SigningKey, host: &str) -> Self {
        self.signed_with(key, None, host, None)
    }

    fn signed_with(mut self, key: &SigningKey, token: Option<&str>, host: &str, approval: Option<&str>) -> Self {
        self.fields.push(("host".to_owned(), host.to_owned()));
        let draft = RequestDraft {
            profile: Profile::Xbind,
            created: xbind_runtime::now(),
            ttl: 60,
            nonce: super::bytes(),
            token,
            approval,
            agent: None,
        };
        let new = self.head(|head| sign(key, head, self.body.as_bytes(), &draft).unwrap());
        self.fields.extend(new.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self
    }

    pub fn head<T>(&self, read: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        read(&RequestHead {
            method: &self.method,
            scheme: Scheme::Http,
            authority: None,
            target: &self.target,
            fields: &fields,
        })
    }

    /// What goes over the wire; a length that was said is left as it is.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let says = |name: &str| self.fields.iter().any(|(known, _)| known == name);
        if !says("host") {
            text.push_str(&format!("host: {host}\r\n"));
        }
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() && !says("content-length") && !says("transfer-encoding") {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text.into_bytes()
    }
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn record(&self) -> &str {
        self.field("xbind-record").unwrap()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// It is a refusal of that kind.
    #[track_caller]
    pub fn refused(self, slug: &str) -> Self {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        let name = if json["type"] == "error" { &json["problem"] } else { &json["type"] };
        assert_eq!(*name, format!("urn:xbind:problem:{slug}"), "{self:?}");
        assert_eq!(json["status"], self.status, "{self:?}");
        self
    }
}

/// A connection.
pub struct Wire {
    pub stream: TcpStream,
    taken: Vec<u8>,
}

impl Wire {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, taken: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// More bytes; false at the end.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.taken.extend_from_slice(&buffer[..n]);
                true
            }
        }
    }

    fn find(&mut self, wanted: &[u8]) -> Option<usize> {
        loop {
            if let Some(at) = self.taken.windows(wanted.len()).position(|window| window == wanted) {
                return Some(at);
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.taken.drain(..count).collect()
    }

    /// The head of an answer, or nothing if the connection ends.
    pub fn head(&mut self) -> Option<Answer> {
        let end = self.find(b"\r\n\r\n")?;
        let text = String::from_utf8(self.take(end + 4)).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = lines.map(|line| split(line).unwrap_or_else(|| (line.to_owned(), String::new()))).collect();
        Some(Answer { status, fields, body: String::new(), is_whole: false })
    }

    /// The next chunk; the empty one is the last.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = self.find(b"\r\n")?;
        let line = String::from_utf8(self.take(end + 2)).unwrap();
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
        while self.taken.len() < length + 2 {
            if !self.more() {
                return None;
            }
        }
        let mut chunk = self.take(length + 2);
        chunk.truncate(length);
        Some(chunk)
    }

    pub fn try_answer(&mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        let mut body = Vec::new();
        if answer.field("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                if chunk.is_empty() {
                    answer.is_whole = true;
                    break;
                }
                body.extend(chunk);
            }
        } else {
            let length = answer.field("content-length").map_or(0, |length| length.parse().unwrap());
            while self.taken.len() < length && self.more() {}
            answer.is_whole = self.taken.len() >= length;
            body = self.take(length.min(self.taken.len()));
        }
        answer.body = String::from_utf8(body).unwrap();
        Some(answer)
    }

    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.try_answer().expect("the connection ended without an answer")
    }

    /// Whether it is closed, with nothing left in it.
    pub fn ends(&mut self) -> bool {
        while self.more() {}
        self.taken.is_empty()
    }
}
