//! What a gateway adds to a request, beside the model's server alone and beside other gateways:
//! `cargo run --release -p xbind-gateway --example load -- 5 1000 litellm=127.0.0.1:4000 portkey=127.0.0.1:8787`: seconds, open streams, peers
//! that forward to 127.0.0.1:9999, where the server of this program then is.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a program that measures, and stops when it cannot"
)]

mod client;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::{Agent, Client, crowd, percentile};
use serde_json::json;
use xbind::SigningKey;
use xbind_gateway::{Config, Gateway};

const CLIENTS: usize = 64;
const BODY: &str =
    r#"{"model":"small","max_tokens":16,"messages":[{"role":"user","content":"Say hello to the world, please."}]}"#;
const STREAM: &str =
    r#"{"model":"small","max_tokens":16,"stream":true,"messages":[{"role":"user","content":"Say hello."}]}"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (peers, numbers): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.contains('='));
    let number = |at: usize, usual: u64| numbers.get(at).map_or(usual, |text| text.parse().unwrap());
    let (time, streams) = (Duration::from_secs(number(0, 2)), number(1, 200) as usize);
    let upstream = upstream::start(if peers.is_empty() { 0 } else { 9999 });
    let folder = Folder::new();
    let owner = SigningKey::from_seed(&[1; 32]);
    let gateway = start(&folder.0, upstream, &owner);
    let agent = Agent::new(&owner, gateway.audience());

    let alone = lone("the server alone", time, upstream, &mut || client::plain(upstream, BODY, None));
    let ours = gateway.address();
    let signed = lone("signed, through the gateway", time, ours, &mut || agent.signed(ours, BODY));
    added(alone, signed);
    let bearer = lone("a token alone, through it", time, ours, &mut || client::plain(ours, BODY, Some(agent.token())));
    added(alone, bearer);
    for peer in &peers {
        let (name, address) = peer.split_once('=').unwrap();
        let address: SocketAddr = address.parse().unwrap();
        added(alone, lone(name, time, address, &mut || client::peer(address, BODY)));
    }
    rate("the server alone", time, upstream, |_| client::plain(upstream, BODY, None));
    rate("signed, through the gateway", time, ours, |n| {
        Agent::number(&owner, gateway.audience(), n).signed(ours, BODY)
    });
    for peer in &peers {
        let (name, address) = peer.split_once('=').unwrap();
        let address: SocketAddr = address.parse().unwrap();
        rate(name, time, address, |_| client::peer(address, BODY));
    }
    open_streams(&owner, &gateway, streams, time);
    gateway.stop();
}

/// One after the other on one connection: half of them take no longer than the first, 99 of 100 than the second.
fn lone(name: &str, time: Duration, address: SocketAddr, next: &mut dyn FnMut() -> Vec<u8>) -> (Duration, Duration) {
    let mut client = Client::new(address);
    for _ in 0..50 {
        client.send(&next());
    }
    let (mut times, begin) = (Vec::new(), Instant::now());
    while begin.elapsed() < time {
        let request = next();
        let began = Instant::now();
        client.send(&request);
        times.push(began.elapsed());
    }
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("{name:<28} p50 {half:>10.1?}  p99 {most:>10.1?}  ({} requests)", times.len());
    (half, most)
}

fn added((half, most): (Duration, Duration), (half_through, most_through): (Duration, Duration)) {
    let (half, most) = (half_through.saturating_sub(half), most_through.saturating_sub(most));
    println!("{:<28} p50 {half:>10.1?}  p99 {most:>10.1?}", "  adds");
}

fn rate(name: &str, time: Duration, address: SocketAddr, next: impl Fn(usize) -> Vec<u8> + Sync) {
    let mut times = crowd(CLIENTS, address, time, next);
    let a_second = times.len() as f64 / time.as_secs_f64();
    let half = percentile(&mut times, 50);
    println!("{name:<28} {a_second:>10.0} a second, {CLIENTS} clients, p50 {half:.1?}");
}

/// What so many answers take of memory that go on: at their beginning, and after a while.
fn open_streams(owner: &SigningKey, gateway: &Gateway, streams: usize, time: Duration) {
    let before = resident();
    let clients: Vec<Client> = (0..streams)
        .map(|n| {
            let agent = Agent::number(owner, gateway.audience(), n);
            let mut client = Client::new(gateway.address());
            client.begin(&agent.signed(gateway.address(), STREAM));
            client
        })
        .collect();
    let opened = resident();
    std::thread::sleep(time);
    let after = resident();
    println!("{streams} open streams: {before} KiB before, {opened} KiB opened, {after} KiB after {time:?} of events");
    drop(clients);
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn start(folder: &Path, upstream: SocketAddr, owner: &SigningKey) -> Gateway {
    let text = json!({
        "data": "gateway", "audience": "https://llm.example", "trust": [owner.did().as_str()],
        "upstreams": { "local": { "url": format!("http://{upstream}") } },
        "models": { "small": { "upstreams": ["local"], "context": 8192, "max_output": 1024, "price": { "input": "0.10", "output": "0.40" } } },
        "budgets": [
            { "name": "agent", "per": "agent", "period": "day", "money": "1000000" },
            { "name": "all", "per": "all", "period": "month", "tokens": 1_000_000_000_000_u64 },
        ],
        "rate": { "burst": 1_000_000, "per_second": 1_000_000 },
    });
    Gateway::start(Config::parse(&text.to_string(), folder, &|_| None).unwrap()).unwrap()
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("xbind-gateway-load-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
