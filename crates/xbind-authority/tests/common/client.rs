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

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The slug of a problem.
    pub fn problem(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        json["type"].as_str().unwrap().strip_prefix("urn:xbind:problem:").unwrap().to_owned()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub fn refused(self, slug: &str) -> Self {
        assert_eq!(self.problem(), slug, "{self:?}");
        self
    }

    #[track_caller]
    pub fn coded(self, code: &str) -> Self {
        assert_eq!(self.json()["code"], code, "{self:?}");
        self
    }
}

impl Request {
    pub fn new(method: &str, target: &str, body: Option<&Value>) -> Self {
        let mut fields = Vec::new();
        if body.is_some() {
            fields.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        Self { method: method.to_owned(), target: target.to_owned(), fields, body }
    }

    /// Signs it for that host.
    pub fn signed(mut self, key: &SigningKey, host: &str) -> Self {
        self.fields.push(("host".to_owned(), host.to_owned()));
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut nonce = [0; 64];
        xbind_runtime::random(&mut nonce).unwrap();
        let head = RequestHead {
            method: &self.method,
            scheme: Scheme::Http,
            authority: None,
            target: &self.target,
            fields: &fields,
        };
        let draft = RequestDraft {
            profile: Profile::Xbind,
            created: xbind_runtime::now(),
            ttl: 60,
            nonce,
            token: None,
            approval: None,
            agent: None,
        };
        let new = sign(key, &head, self.body.as_bytes(), &draft).unwrap();
        self.fields.extend(new.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self
    }

    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.fields.iter().any(|(name, _)| name == "host") {
            text.push_str(&format!("host: {host}\r\n"));
        }
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text.into_bytes()
    }
}

/// A connection from that address of this machine.
pub fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket = async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    };
    let stream = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(socket);
    stream.set_nonblocking(false).unwrap();
    stream
}

/// A connection that is kept.
pub struct Client {
    address: SocketAddr,
    host: String,
    stream: Option<TcpStream>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self::of_host(address, &address.to_string())
    }

    /// That goes by another name.
    pub fn of_host(address: SocketAddr, host: &str) -> Self {
        Self { address, host: host.to_owned(), stream: None }
    }

    pub fn host(&self) -> String {
        self.host.clone()
    }

    pub fn send(&mut self, request: &Request) -> Response {
        self.try_send(request).unwrap()
    }

    pub fn try_send(&mut self, request: &Request) -> std::io::Result<Response> {
        let bytes = request.bytes(&self.host());
        if let Some(stream) = &mut self.stream
            && let Ok(response) = exchange(stream, &bytes)
        {
            return Ok(response);
        }
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let response = exchange(&mut stream, &bytes)?;
        self.stream = (response.field("connection") != Some("close")).then_some(stream);
        Ok(response)
    }

    pub fn get(&mut self, target: &str) -> Response {
        self.send(&Request::new("GET", target, None))
    }

    pub fn ask(&mut self, key: &SigningKey, method: &str, target: &str, body: Option<&Value>) -> Response {
        let host = self.host();
        self.send(&Request::new(method, target, body).signed(key, &host))
    }

    pub fn post(&mut self, target: &str, body: &Value) -> Response {
        self.send(&Request::new("POST", target, Some(body)))
    }
}

pub fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Response> {
    stream.write_all(bytes)?;
    read(stream)
}

pub fn read(stream: &mut TcpStream) -> std::io::Result<Response> {
    let over = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut all = Vec::new();
    let mut buffer = [0; 16_384];
    let head = loop {
        if let Some(at) = all.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut buffer)? {
            0 => return Err(over()),
            n => all.extend_from_slice(&buffer[..n]),
        }
    };
    let text = String::from_utf8(all[..head].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let fields: Vec<_> =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    let find = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let length: usize = find("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = all[head + 4..].to_vec();
    while body.len() < length {
        match stream.read(&mut buffer)? {
            0 => return Err(over()),
            n => body.extend_from_slice(&buffer[..n]),
        }
    }
    Ok(Response { status, fields, body: String::from_utf8(body).unwrap() })
}
