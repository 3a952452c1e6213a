//! With what others have built: a DNS server, TLS clients, verifiers of tokens. What is not installed is left out, and said.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]

mod common;

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::client::Client;
use common::key;
use common::story::{DOMAIN, Story};
use serde_json::json;
use xbind_authority::{Config, Server, TlsFiles};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What a test that passes prints is kept back, but for this.
fn left_out(why: fmt::Arguments<'_>) {
    drop(writeln!(std::io::stderr(), "left out: {why}"));
}

fn has(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        left_out(format_args!("{program} is not installed"));
    }
    found
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One that answers, on a port that was free.
fn dnsmasq(record: &str) -> (Stopped, u16) {
    let long = format!("--txt-record=_xbind.long.com,{}", ["x".repeat(255).as_str(); 20].join(","));
    loop {
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new("dnsmasq")
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"])
            .args(["--local=/com/", "--listen-address=127.0.0.1", &format!("--port={port}"), record, &long])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = Stopped(child);
        // It takes TCP connections once it has its sockets, and ends if somebody else has the port.
        while child.0.try_wait().unwrap().is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return (child, port);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn dnsmasq_tells_whose_a_domain_is() {
    if !has("dnsmasq", "--version") {
        return;
    }
    let (folder, operator) = (common::Folder::new(), key(1));
    let mut config = Config::new(folder.join("authority"));
    let did = Server::start(config.clone()).unwrap().did();
    let (name, value) = xbind_authority::domain::operator::txt(DOMAIN, operator.did(), &did);
    let (_dnsmasq, port) = dnsmasq(&format!("--txt-record={name},{value}"));
    config.resolver = Some((Ipv4Addr::LOCALHOST, port).into());
    let server = Server::start(config).unwrap();
    let mut client = Client::new(server.address());
    let body = json!({ "domain": DOMAIN });
    let told = client.ask(&operator, "POST", "/v1/operators", Some(&body)).expect(200).json();
    assert_eq!((told["txt"]["name"].as_str(), told["txt"]["value"].as_str()), (Some(&*name), Some(&*value)));
    let path = format!("/v1/operators/{}/verification", told["id"].as_str().unwrap());
    client.ask(&operator, "POST", &path, Some(&body)).expect(200);
    // A name that is not there, and an answer that is too long for UDP.
    for domain in ["nobody.com", "long.com"] {
        let body = json!({ "domain": domain });
        let id = xbind_authority::domain::operator::id_of(domain, operator.did());
        let refused = client.ask(&operator, "POST", &format!("/v1/operators/{id}/verification"), Some(&body));
        assert_eq!(refused.expect(422).problem(), "domain-not-proven", "{domain}");
    }
}

#[test]
fn curl_speaks_tls_with_it() {
    if !has("curl", "--version") {
        return;
    }
    let folder = common::Folder::new();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, private) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, certified.cert.pem()).unwrap();
    std::fs::write(&private, certified.signing_key.serialize_pem()).unwrap();
    let mut config = Config::new(folder.join("authority"));
    config.tls = Some(TlsFiles { certificates: chain.clone(), key: private.clone() });
    let server = Server::start(config.clone()).unwrap();
    let port = server.address().port();
    assert!(server.url().starts_with("https://"));
    let curl = |url: &str, ca: bool| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "30", "--http1.1"]);
        if ca {
            curl.arg("--cacert").arg(&chain);
        }
        let output = curl.arg(url).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (done, body) = curl(&format!("https://localhost:{port}/v1"), true);
    assert!(done && body.contains(server.did().as_str()), "{body}");
    assert!(!curl(&format!("https://localhost:{port}/v1"), false).0, "nobody believes a stranger's certificate");
    assert!(!curl(&format!("http://localhost:{port}/v1"), false).0, "it speaks no plain HTTP");
    drop(server);

    config.tls = Some(TlsFiles { certificates: private, key: chain });
    let refused = Server::start(config).unwrap_err().to_string();
    assert!(refused.contains("certificate for TLS"), "{refused}");
}

#[test]
fn jose_verifies_tokens_by_the_remote_key_set() {
    if !has("node", "--version") || !std::path::Path::new(ROOT).join("node_modules/jose").exists() {
        return;
    }
    let (story, token, audience) = issued();
    let script = r"
        import { createRemoteJWKSet, jwtVerify } from 'jose'
        const [url, issuer, audience, token] = process.argv.slice(1)
        const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`))
        const options = { issuer, audience, typ: 'at+jwt', algorithms: ['EdDSA'] }
        const { payload } = await jwtVerify(token, keys, options)
        const refused = await jwtVerify(token, keys, { ...options, audience: 'another' }).catch((error) => error.code)
        console.log(JSON.stringify({ scope: payload.scope, agent: payload.agent, refused }))
    ";
    let output = Command::new("node")
        .args(["--input-type=module", "-e", script, story.server.url(), story.server.did().as_str(), audience, &token])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(said["scope"], "read:payments");
    assert!(said["agent"].as_str().unwrap().starts_with("did:agent:example.com:"));
    assert_eq!(said["refused"], "ERR_JWT_CLAIM_VALIDATION_FAILED");
}

#[test]
fn pyjwt_verifies_tokens_by_the_remote_key_set() {
    let script = r"
import sys
try:
    import jwt, cryptography
except ImportError:
    print('missing'); sys.exit()
url, issuer, audience, token = sys.argv[1:]
key = jwt.PyJWKClient(url + '/.well-known/jwks.json').get_signing_key_from_jwt(token)
claims = jwt.decode(token, key.key, algorithms=['EdDSA'], issuer=issuer, audience=audience)
print(claims['scope'])
";
    let python = std::env::var("XBIND_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !has(&python, "--version") {
        return;
    }
    let (story, token, audience) = issued();
    let output = Command::new(python)
        .args(["-c", script, story.server.url(), story.server.did().as_str(), audience, &token])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if said.trim() == "missing" {
        return left_out(format_args!("PyJWT with cryptography is not installed"));
    }
    assert_eq!(said.trim(), "read:payments", "{output:?}");
}

fn issued() -> (Story, String, &'static str) {
    let mut story = Story::new();
    let (_, _, agent) = story.begun(&["read:payments"]);
    let issued = story.token(&agent, "https://api.example.com", &["read:payments"]).expect(201).json();
    (story, issued["token"].as_str().unwrap().to_owned(), "https://api.example.com")
}
