//! A server in a process of its own, and many who write at once until it is killed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xbind_authority::{Config, Server};

use super::client::{Client, Request};
use super::dns::DnsServer;
use super::story::DOMAIN;
use super::{Folder, key};

pub const CHILD: &str = "XBIND_AUTHORITY_DIRECTORY";
const DNS: &str = "XBIND_AUTHORITY_DNS";
pub const HOST: &str = "authority.example";
/// The first is of whoever sets scopes, the others ask for tokens.
const CLIENTS: u8 = 8;
const AUDIENCE: &str = "https://api.example.com";

/// What was acknowledged before the end.
#[derive(Default)]
pub struct Done {
    /// Requests for tokens, and what came back.
    pub tokens: Vec<(Request, Value)>,
    /// An agent, the last scope that was set, and one of which nobody has said anything.
    pub scopes: Vec<(u8, String, Option<String>)>,
}

/// The child: it serves until it is killed.
pub fn serve(directory: &OsStr) {
    let mut config = Config::new(directory);
    config.resolver = Some(std::env::var(DNS).unwrap().parse().unwrap());
    config.public_url = Some(format!("http://{HOST}"));
    config.rate_per_address.burst = 1_000_000;
    config.rate_per_did.burst = 1_000_000;
    let server = Server::start(config).unwrap();
    println!("\nADDRESS {}", server.address());
    thread::sleep(Duration::from_secs(600));
}

pub fn start(folder: &Folder, dns: &DnsServer, test: &str) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(CHILD, folder.join("authority"))
        .env(DNS, dns.address.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("ADDRESS ").map(|text| text.parse().unwrap()));
    (child, address.expect("the server starts after every crash"))
}

/// An operator (key 1) and agents (keys 10 and on).
pub fn prepare(client: &mut Client, dns: &DnsServer) -> String {
    let operator = key(1);
    let body = json!({ "domain": DOMAIN });
    let told = client.ask(&operator, "POST", "/v1/operators", Some(&body)).expect(200).json();
    dns.set(told["txt"]["name"].as_str().unwrap(), &[told["txt"]["value"].as_str().unwrap()]);
    let id = told["id"].as_str().unwrap().to_owned();
    client.ask(&operator, "POST", &format!("/v1/operators/{id}/verification"), Some(&body)).expect(200);
    for n in 10..10 + CLIENTS {
        let enrolment = client.ask(&key(n), "POST", "/v1/enrolments", Some(&json!({ "operator": id }))).expect(200);
        let enrolment = enrolment.json()["enrolment"].clone();
        let body = json!({ "did": key(n).did().as_str(), "enrolment": enrolment, "scopes": ["round.0"] });
        client.ask(&operator, "POST", &format!("/v1/operators/{id}/agents"), Some(&body)).expect(201);
    }
    id
}

/// Many write at once, until the server is killed.
pub fn storm(address: SocketAddr, id: &str, time: Duration, child: &mut Child) -> Done {
    let until = Instant::now() + time;
    let mut done = Done::default();
    thread::scope(|scope| {
        let setter = scope.spawn(|| set_scopes(address, id));
        let askers: Vec<_> = (11..10 + CLIENTS).map(|n| scope.spawn(move || ask_tokens(address, n))).collect();
        thread::sleep(until.saturating_duration_since(Instant::now()));
        child.kill().unwrap();
        child.wait().unwrap();
        done.scopes.push(setter.join().unwrap());
        for asker in askers {
            done.tokens.extend(asker.join().unwrap());
        }
    });
    done
}

fn set_scopes(address: SocketAddr, id: &str) -> (u8, String, Option<String>) {
    let mut client = Client::of_host(address, HOST);
    let path = format!("/v1/operators/{id}/agents/{}/scopes", key(10).did());
    let read = format!("/v1/operators/{id}/agents/{}", key(10).did());
    let request = Request::new("GET", &read, None).signed(&key(1), HOST);
    let Ok(found) = client.try_send(&request) else { return (10, "nothing".to_owned(), None) };
    let mut last = found.json()["scopes"][0].as_str().unwrap().to_owned();
    loop {
        let next = format!("round.{}", last.rsplit('.').next().unwrap().parse::<u64>().unwrap() + 1);
        let request = Request::new("PUT", &path, Some(&json!({ "scopes": [next] }))).signed(&key(1), HOST);
        match client.try_send(&request) {
            Ok(response) if response.status == 200 => last = next,
            Ok(response) => panic!("{response:?}"),
            Err(_) => return (10, last, Some(next)),
        }
    }
}

fn ask_tokens(address: SocketAddr, n: u8) -> Vec<(Request, Value)> {
    let mut client = Client::of_host(address, HOST);
    let mut tokens = Vec::new();
    let asked = json!({ "did": key(n).did().as_str(), "audience": AUDIENCE, "scopes": ["round.0"] });
    loop {
        let request = Request::new("POST", "/v1/challenges", Some(&asked));
        let Ok(challenge) = client.try_send(&request) else { return tokens };
        let challenge = challenge.expect(200).json()["challenge"].clone();
        let body = json!({ "challenge": challenge, "audience": AUDIENCE, "scopes": ["round.0"] });
        let request = Request::new("POST", "/v1/tokens", Some(&body)).signed(&key(n), HOST);
        match client.try_send(&request) {
            Ok(response) => tokens.push((request, response.expect(201).json())),
            Err(_) => return tokens,
        }
    }
}
