//! Servers on this machine that do what a test tells them, and the names that lead there.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use xbind_net::{Document, FetchError, Fetcher, Lookup, Roots, Rules, Settings, Whose};

/// Long enough for any machine: only what hangs reaches it.
pub const LONG: Duration = Duration::from_secs(60);
/// For what never comes.
pub const SHORT: Duration = Duration::from_millis(300);

pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A server whose connections are counted.
pub struct Server {
    pub port: u16,
    hits: Arc<AtomicUsize>,
}

impl Server {
    pub fn plain(answer: impl Fn(&mut dyn Stream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start(move |mut stream| answer(&mut stream))
    }

    pub fn tls(
        identity: ServerConfig,
        answer: impl Fn(&mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let identity = Arc::new(identity);
        Self::start(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&identity)).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            answer(&mut stream)?;
            stream.conn.send_close_notify();
            stream.flush()
        })
    }

    /// A thread a connection; an answer that fails is a client that has gone.
    pub fn start(answer: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hits, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let counted = Arc::clone(&hits);
        thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let (stream, answer) = (stream.unwrap(), Arc::clone(&answer));
                thread::spawn(move || answer(stream));
            }
        });
        Self { port, hits }
    }

    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    pub fn http(&self) -> String {
        format!("http://localhost:{}/doc", self.port)
    }

    pub fn https(&self) -> String {
        format!("https://login.example:{}/doc", self.port)
    }
}

/// Reads a request's head.
pub fn head(stream: &mut dyn Stream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// A server that says this, byte for byte, and ends.
pub fn saying(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    Server::plain(move |stream| {
        head(stream)?;
        stream.write_all(&bytes)
    })
}

pub fn json(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Says something, and then nothing, for as long as the client waits.
pub fn and_then_nothing(stream: &mut dyn Stream, said: &[u8]) -> io::Result<()> {
    stream.write_all(said)?;
    stream.flush()?;
    stream.read_exact(&mut [0; 1])
}

/// An authority of the test's own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    pub fn new() -> Self {
        Self::named("an authority")
    }

    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub fn pem(&self) -> Vec<u8> {
        self.certificate.pem().into_bytes()
    }

    /// A server's identity, by this authority.
    pub fn identity(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        config(certificate.der().clone(), &key)
    }
}

/// An identity that nobody vouches for.
pub fn self_signed(name: &str) -> ServerConfig {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    config(params.self_signed(&key).unwrap().der().clone(), &key)
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap()
}

/// Names that lead to these addresses; all others lead nowhere.
pub fn names(names: &[(&str, &[&str])]) -> Lookup {
    let names: HashMap<String, Vec<IpAddr>> = names
        .iter()
        .map(|(name, to)| ((*name).to_owned(), to.iter().map(|address| address.parse().unwrap()).collect()))
        .collect();
    Arc::new(move |name| names.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()))
}

/// A fetcher for which `login.example` is this machine, which remembers nothing.
pub fn fetcher(roots: &[&Authority]) -> Fetcher {
    fetcher_of(Settings { roots: trusting(roots), ..forgetful() })
}

pub fn fetcher_of(settings: Settings) -> Fetcher {
    Fetcher::new(settings)
}

pub fn forgetful() -> Settings {
    Settings {
        lookup: names(&[("login.example", &["127.0.0.1"]), ("other.example", &["127.0.0.1"])]),
        interval: Duration::ZERO,
        ..Settings::default()
    }
}

pub fn trusting(roots: &[&Authority]) -> Roots {
    Roots { pem: roots.iter().map(|authority| authority.pem()).collect(), files: Vec::new() }
}

pub fn rules(timeout: Duration) -> Rules {
    Rules { whose: Whose::Owner, max_bytes: 64, timeout, accept: "application/jwk-set+json, application/json".into() }
}

/// Waits for a document, without an executor of the test's own.
pub fn fetch(fetcher: &Fetcher, url: &str, rules: Rules) -> Result<Document, FetchError> {
    let (sender, receiver) = mpsc::channel();
    fetcher.fetch_then(url.to_owned(), rules, move |fetched| sender.send(fetched).unwrap());
    receiver.recv_timeout(LONG).expect("every fetch ends")
}

pub fn text(fetched: Result<Document, FetchError>) -> Result<String, FetchError> {
    fetched.map(|document| String::from_utf8(document.bytes().to_vec()).unwrap())
}

/// What comes of a server that says this.
pub fn answer(bytes: impl Into<Vec<u8>>) -> Result<String, FetchError> {
    text(fetch(&fetcher(&[]), &saying(bytes).http(), rules(LONG)))
}
