//! What a server takes: durable tokens a second with 64 clients beside the cost of the signatures alone, exchanges of users' tokens
//! beside verification alone, and what it costs to have many agents. `cargo run --release -p xbind-authority --example load -- 10 1000000`: seconds, and agents (2 and 20,000
//! without).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a program that measures, and stops when it cannot"
)]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::client::{Client, Request};
use common::exchange::{ACCESS_TOKEN, GRANT, Scene};
use common::issuer::IssuerKey;
use common::oauth::{TYPE, claims, form, jws};
use common::story::Story;
use common::{Folder, key};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::json;
use xbind::{ScopeSet, SigningKey};
use xbind_authority::domain::{agent, operator};
use xbind_authority::store::Store;
use xbind_authority::{Config, Server};
use xbind_runtime::{Audit, Decided, Done, Taken};

const CLIENTS: u32 = 64;

fn main() {
    let number = |at: usize, usual: u64| std::env::args().nth(at).map_or(usual, |text| text.parse().unwrap());
    let (seconds, agents) = (number(1, 2), number(2, 20_000));
    signatures();
    tokens(Duration::from_secs(seconds));
    for key in [IssuerKey::rsa(1), IssuerKey::p256(), IssuerKey::ed25519(1)] {
        exchanges(Duration::from_secs(seconds), key);
    }
    for count in [agents / 100, agents / 10, agents] {
        registered(count);
    }
}

fn agent_key(n: u32) -> SigningKey {
    let mut seed = [0xa5; 32];
    seed[..4].copy_from_slice(&n.to_be_bytes());
    SigningKey::from_seed(&seed)
}

fn percentile(times: &mut [Duration], of_hundred: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * of_hundred / 100).min(times.len() - 1)]
}

/// What a token costs without a server: the client's signature, its verification, the token's signature.
fn signatures() {
    let (key, rounds) = (key(2), 2000);
    let began = Instant::now();
    for _ in 0..rounds {
        let signature = key.sign(b"a request");
        assert!(key.verifying_key().verify(b"a request", &signature));
        let _ = key.sign(b"a token");
    }
    let each = began.elapsed() / rounds;
    println!("signatures alone        {each:>10.1?} a token, {:.0}/s on one core", 1.0 / each.as_secs_f64());
}

fn tokens(time: Duration) {
    let mut story = Story::new();
    let operator = key(1);
    let id = story.operator(&operator, "example.com");
    for n in 0..CLIENTS {
        story.agent(&operator, &id, &agent_key(n), &["read:payments"]);
    }
    let before = counts(&mut story.client);
    let mut times = crowd(story.server.address(), time, |n, client| {
        let (key, scopes) = (agent_key(n), json!(["read:payments"]));
        let asked = json!({ "did": key.did().as_str(), "audience": "a", "scopes": scopes });
        let challenge = client.post("/v1/challenges", &asked).expect(200).json()["challenge"].clone();
        let body = json!({ "challenge": challenge, "audience": "a", "scopes": scopes });
        let host = client.host();
        let request = Request::new("POST", "/v1/tokens", Some(&body)).signed(&key, &host);
        let began = Instant::now();
        client.send(&request).expect(201);
        began.elapsed()
    });
    let after = counts(&mut story.client);
    println!("durable tokens          {}", told(&mut times, time));
    // Each commit of the database is one write to the disk, and its records one to two.
    println!("tokens a commit         {:>10.1}", times.len() as f64 / (after - before));
}

/// A user's token for each agent, exchanged again and again with an assertion that is new; beside what cannot be left out: both are
/// verified, and a token is signed.
fn exchanges(time: Duration, issuer_key: IssuerKey) {
    let alg = issuer_key.alg();
    let mut scene = Scene::with(&json!({ "algorithms": [alg] }));
    scene.issuer.publishes(&[("k", &issuer_key)]);
    scene.key = issuer_key;
    let operator = key(1);
    for n in 0..CLIENTS {
        scene.story.agent(&operator, &scene.operator_id, &agent_key(n), &["read:*"]);
    }
    let users: Vec<_> =
        (0..CLIENTS).map(|n| scene.user(&json!({ "sub": format!("user{n}"), "sid": format!("s{n}") }))).collect();
    verification(alg, &scene.key, &users[0]);
    let (address, url) = (scene.story.server.address(), scene.story.server.url().to_owned());
    let mut times = crowd(address, time, |n, client| {
        let key = agent_key(n);
        let assertion = jws(&key, &json!({ "alg": "EdDSA" }), &claims(key.did().as_str(), &url));
        let request = form(
            "/oauth/token",
            &[
                ("grant_type", GRANT),
                ("client_assertion_type", TYPE),
                ("client_assertion", &assertion),
                ("subject_token", &users[n as usize]),
                ("subject_token_type", ACCESS_TOKEN),
                ("scope", "read:x"),
                ("audience", "a"),
            ],
        );
        let began = Instant::now();
        client.send(&request).expect(200);
        began.elapsed()
    });
    println!("exchanges, {alg}        {}", told(&mut times, time));
}

fn verification(alg: &str, issuer_key: &IssuerKey, token: &str) {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let public = issuer_key.public();
    let holds = || match issuer_key {
        IssuerKey::Rsa(_) => RsaPublicKeyComponents { n: &public[..], e: &[1, 0, 1] }
            .verify(&RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), &signature)
            .is_ok(),
        IssuerKey::P256(_) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public).verify(input.as_bytes(), &signature).is_ok()
        }
        IssuerKey::Ed25519(_) => UnparsedPublicKey::new(&ED25519, &public).verify(input.as_bytes(), &signature).is_ok(),
    };
    let (agent, rounds) = (key(2), 2000);
    let assertion = agent.sign(b"an assertion");
    let began = Instant::now();
    for _ in 0..rounds {
        assert!(holds() && agent.verifying_key().verify(b"an assertion", &assertion));
    }
    let verified = began.elapsed() / rounds;
    let began = Instant::now();
    for _ in 0..rounds {
        let _ = agent.sign(b"a token");
    }
    let all = verified + began.elapsed() / rounds;
    println!(
        "verification alone, {alg} {verified:>8.1?} an exchange, {:.0}/s on one core; with the token's signature {:.0}/s",
        1.0 / verified.as_secs_f64(),
        1.0 / all.as_secs_f64()
    );
}

/// Lets each client ask again and again, for that long, and tells how long each took.
fn crowd(address: SocketAddr, time: Duration, ask: impl Fn(u32, &mut Client) -> Duration + Sync) -> Vec<Duration> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (stop, ask) = (&stop, &ask);
        let asks = move |n| {
            let (mut client, mut times) = (Client::new(address), Vec::new());
            while !stop.load(Ordering::Relaxed) {
                times.push(ask(n, &mut client));
            }
            times
        };
        let clients: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(move || asks(n))).collect();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn told(times: &mut [Duration], time: Duration) -> String {
    let (p50, p99) = (percentile(times, 50), percentile(times, 99));
    let rate = times.len() as f64 / time.as_secs_f64();
    format!("{rate:>10.0}/s, {p50:.1?} p50, {p99:.1?} p99 with {CLIENTS} clients, client and server on this machine")
}

fn counts(client: &mut Client) -> f64 {
    let metrics = client.get("/metrics").expect(200).body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("xbind_commits_total ")).unwrap();
    line.parse().unwrap()
}

struct NoLog;

impl Audit for NoLog {
    fn take(&self, _: Decided, done: Option<Done>) -> Taken {
        if let Some(done) = done {
            done(true);
        }
        Taken::Yes
    }
}

fn registered(count: u64) {
    let folder = Folder::new();
    let directory = folder.join("authority");
    Server::start(Config::new(&directory)).unwrap().stop();
    let path = directory.join("authority.db");
    let store = Store::open(&path, Arc::new(NoLog)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let scopes = ScopeSet::parse("read:payments write:payments").unwrap();
    let operator = runtime
        .block_on(store.write(|change| operator::add(change.db(), "example.com", key(1).verifying_key(), 100)))
        .unwrap();
    for first in (0..count).step_by(10_000) {
        let (operator, scopes) = (operator.clone(), scopes.clone());
        let last = count.min(first + 10_000);
        let add = move |change: &mut xbind_authority::store::Change<'_>| {
            for n in first..last {
                agent::add(change.db(), &operator, agent_key(n as u32).did(), &scopes, 100)?;
            }
            Ok(())
        };
        runtime.block_on(store.write(add)).unwrap();
    }
    store.close();
    drop(store);
    let size = std::fs::metadata(&path).unwrap().len();

    let began = Instant::now();
    let server = Server::start(Config::new(&directory)).unwrap();
    let started = began.elapsed();
    let store = Store::open(&path, Arc::new(NoLog)).unwrap();
    let mut times = Vec::new();
    for n in 0..20_000_u64 {
        let did = *agent_key((n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count) as u32).did();
        let began = Instant::now();
        let found = store.read(|db| agent::by_key(db, &did)).unwrap();
        times.push(began.elapsed());
        assert!(found.is_some());
    }
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    let resident = resident();
    println!(
        "{count:>9} agents: file {:.1} MB, started in {started:.1?}, look-up p50 {p50:.1?} p99 {p99:.1?}, process {resident}",
        size as f64 / 1e6
    );
    store.close();
    server.stop();
}

/// What the process has in memory, where the system says so.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or("?".to_owned(), |text| text.trim().to_owned())
}
