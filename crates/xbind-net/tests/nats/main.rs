//! Agents of several nodes, reached over a nats-server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod auth;
mod crowd;
mod leaderless;
mod mail;
mod names;
mod reflected;
mod secrecy;
mod server;
mod skew;
mod stops;
mod strangers;
mod withheld;

use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_stream::Stream;
use xbind::cluster::Namespace;
use xbind::{ErrorKind, SigningKey};
use xbind_net::Roots;
use xbind_net::nats::{Bus, Decision, Fault, NAMES_KEPT, Reach, Settings, Status};
use xbind_runtime::{AgentOptions, CallOptions, Handle, Key, Node, NodeOptions, Payload};

use server::Server;

/// Only what hangs reaches it.
const LONG: Duration = Duration::from_secs(60);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(LONG, future).await.expect("it hangs") })
}

fn settings(server: &Server, namespace: &str) -> Settings {
    Settings { reach: reach(server, namespace), identity: None, operators: Vec::new(), encrypt: false }
}

fn reach(server: &Server, namespace: &str) -> Reach {
    Reach {
        servers: vec![server.url.clone()],
        namespace: Namespace::parse(namespace).unwrap(),
        tls: None,
        roots: Roots::default(),
        names_kept: NAMES_KEPT,
    }
}

/// A node on the bus.
async fn node(server: &Server, namespace: &str) -> (Arc<Node>, Bus) {
    let node = Node::new(NodeOptions::default());
    let bus = Bus::connect(&node, settings(server, namespace)).await.unwrap();
    (node, bus)
}

fn join(node: &Arc<Node>, seed: u8, name: &str) -> Handle {
    let options = AgentOptions { handles: true, message_ttl: 30, ..AgentOptions::default() };
    node.join(Key::Local(SigningKey::from_seed(&[seed; 32])), Some(name.to_owned()), options).unwrap()
}

/// Answers all calls with what they brought.
fn echo(handle: Handle) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            while let Some(call) = handle.next().await {
                let payload = Payload::Json(text(&call.payload).to_owned());
                call.reply(payload);
            }
        });
    });
}

fn text(payload: &Payload) -> &str {
    match payload {
        Payload::Json(text) => text,
        Payload::Bytes(_) => panic!("bytes"),
    }
}

async fn ask(from: &Handle, to: &str, what: &str) -> xbind::Result<String> {
    let answer = from.call(to, Payload::Json(what.to_owned()), CallOptions::default()).await?;
    Ok(text(&answer).to_owned())
}

async fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG);
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn agents_of_two_nodes_find_and_reach_each_other_by_name_and_by_did() {
    let server = Server::start(&[]);
    block_on(async {
        let ((here, bus), (there, _other)) = (node(&server, "main").await, node(&server, "main").await);
        let (asker, writer) = (join(&here, 1, "asker"), join(&there, 2, "writer"));
        let did = *writer.did();
        echo(writer);
        until(|| bus.agents().len() == 2).await;
        assert_eq!(ask(&asker, "writer", "1").await.unwrap(), "1");
        assert_eq!(ask(&asker, did.as_str(), "2").await.unwrap(), "2");
        let all = many(&asker, "writer", 500).await;
        assert!(all.iter().enumerate().all(|(n, one)| one.as_ref().is_ok_and(|one| *one == n.to_string())), "{all:?}");
        until(|| bus.agents().len() == 2).await;
        let nobody = ask(&asker, "nobody", "3").await.unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::AgentNotFound);
        assert_eq!(bus.status(), Status::Connected);
        there.close();
        until(|| bus.agents().len() == 1).await;
        let gone = ask(&asker, "writer", "4").await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::AgentNotFound);
        here.close();
        timeout(LONG, bus.closed()).await.unwrap().unwrap();
        assert_eq!(bus.status(), Status::Closed);
    });
}

/// So many calls at once.
async fn many(asker: &Handle, to: &str, count: usize) -> Vec<xbind::Result<String>> {
    let calls = (0..count).map(|n| async move { ask(asker, to, &n.to_string()).await });
    let mut calls: Vec<_> = calls.map(|call| (Box::pin(call), None)).collect();
    std::future::poll_fn(|context| {
        for (call, answer) in calls.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let std::task::Poll::Ready(came) = call.as_mut().poll(context) {
                *answer = Some(came);
            }
        }
        if calls.iter().all(|(_, answer)| answer.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    calls.into_iter().filter_map(|(_, answer)| answer).collect()
}

#[test]
fn namespaces_do_not_see_each_other() {
    let server = Server::start(&[]);
    block_on(async {
        let ((here, bus), (there, _other)) = (node(&server, "one").await, node(&server, "two").await);
        let asker = join(&here, 1, "asker");
        echo(join(&there, 2, "writer"));
        let nobody = ask(&asker, "writer", "1").await.unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::AgentNotFound);
        until(|| bus.agents().len() == 1).await;
    });
}

#[test]
fn who_cannot_be_reached_is_said_when_connecting() {
    block_on(async {
        let node = Node::new(NodeOptions::default());
        let wrong = |servers: &[&str]| Settings {
            identity: None,
            operators: Vec::new(),
            encrypt: false,
            reach: Reach {
                servers: servers.iter().map(|server| (*server).to_owned()).collect(),
                namespace: Namespace::parse("main").unwrap(),
                tls: None,
                roots: Roots::default(),
                names_kept: NAMES_KEPT,
            },
        };
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for (servers, fault) in [
            (&["nats://127.0.0.1:bad"][..], Fault::BadAddress),
            (&["http://127.0.0.1:1"], Fault::BadAddress),
            (&[], Fault::BadAddress),
            (&[&format!("nats://{closed}")], Fault::Unavailable),
        ] {
            assert_eq!(Bus::connect(&node, wrong(servers)).await.unwrap_err(), fault, "{servers:?}");
        }
    });
}

/// How often an agent was asked, with what, in the order of its answers.
type Log = Arc<Mutex<Vec<String>>>;

/// Answers all calls, and notes each.
fn answer(handle: Handle, log: &Log) {
    let log = log.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            while let Some(call) = handle.next().await {
                let what = text(&call.payload).to_owned();
                log.lock().unwrap().push(what.clone());
                call.reply(Payload::Json(what));
            }
        });
    });
}

#[test]
fn replicas_share_the_calls_and_none_is_run_twice_when_one_goes() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, bus) = node(&server, "main").await;
        let asker = join(&here, 1, "asker");
        let (mut nodes, logs) = (Vec::new(), [Log::default(), Log::default(), Log::default()]);
        for log in &logs {
            let (replica, bus) = node(&server, "main").await;
            answer(join(&replica, 2, "writer"), log);
            nodes.push((replica, bus));
        }
        until(|| bus.agents().len() == 2).await;
        let mut asked = 1000;
        while logs.iter().any(|log| log.lock().unwrap().is_empty()) {
            asked += 1;
            assert_eq!(ask(&asker, "writer", &asked.to_string()).await.unwrap(), asked.to_string());
        }
        nodes.pop().unwrap().0.close();
        let all = many(&asker, "writer", 300).await;
        let run: Vec<String> = logs.iter().flat_map(|log| log.lock().unwrap().clone()).collect();
        assert_eq!(run.iter().collect::<HashSet<_>>().len(), run.len(), "something ran twice");
        assert!(run.len() >= asked - 1000 + all.iter().filter(|one| one.is_ok()).count());
        for error in all.into_iter().filter_map(Result::err) {
            assert!(matches!(error.kind(), ErrorKind::AgentClosed | ErrorKind::AgentNotFound), "{error:?}");
        }
    });
}

#[test]
fn a_broker_that_goes_and_comes_again_loses_no_answer() {
    let server = Server::start(&[]);
    let port = server.port();
    block_on(async {
        let ((here, bus), (there, other)) = (node(&server, "main").await, node(&server, "main").await);
        let asker = join(&here, 1, "asker");
        let log = Log::default();
        answer(join(&there, 2, "writer"), &log);
        until(|| bus.agents().len() == 2 && other.agents().len() == 2).await;
        assert_eq!(ask(&asker, "writer", "1").await.unwrap(), "1");
        drop(server);
        until(|| bus.status() == Status::Reconnecting && other.status() == Status::Reconnecting).await;
        let did = *SigningKey::from_seed(&[2; 32]).did();
        let mut meanwhile = Box::pin(ask(&asker, did.as_str(), "2"));
        let unknown = ask(&asker, "nobody", "3").await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::BrokerUnavailable);
        assert!(timeout(Duration::from_millis(200), &mut meanwhile).await.is_err(), "it waits");
        let _server = Server::on(port, &[]);
        assert_eq!(meanwhile.await.unwrap(), "2");
        until(|| bus.status() == Status::Connected && other.status() == Status::Connected).await;
        // What the broker knew of them is gone with it, and written again.
        let (third, _bus) = node(&_server, "main").await;
        let late = join(&third, 3, "late");
        let begun = Instant::now();
        loop {
            match ask(&late, "writer", "4").await {
                Ok(answer) => break assert_eq!(answer, "4"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AgentNotFound),
            }
            assert!(begun.elapsed() < LONG);
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(*log.lock().unwrap(), ["1", "2", "4"]);
    });
}

#[test]
fn what_others_publish_at_an_inbox_runs_nothing_and_answers_nobody() {
    let server = Server::start(&[]);
    let hostile = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = hostile.block_on(async_nats::connect(&server.url)).unwrap();
    let mut all = hostile.block_on(client.subscribe("xb1.main.*.c")).unwrap();
    hostile.block_on(client.flush()).unwrap();
    let log = Log::default();
    let done = Arc::new(AtomicBool::new(false));
    let finished = done.clone();
    // It reads all that goes to any host, and sends it again: to the same host, to every other, changed, and in floods.
    let thread = std::thread::spawn(move || {
        hostile.block_on(async {
            let mut inboxes = std::collections::BTreeSet::new();
            while !finished.load(Ordering::SeqCst) {
                let next = std::future::poll_fn(|context| std::pin::Pin::new(&mut all).poll_next(context));
                let Ok(Some(message)) = timeout(Duration::from_millis(50), next).await else { continue };
                if message.headers.as_ref().is_some_and(|headers| headers.get("again").is_some()) {
                    continue;
                }
                inboxes.insert(message.subject.clone());
                let mut mark = async_nats::HeaderMap::new();
                mark.insert("again", "1");
                for inbox in &inboxes {
                    let payload = message.payload.to_vec();
                    let mut changed = payload.clone();
                    if let Some(byte) = changed.last_mut() {
                        *byte ^= 1;
                    }
                    for bytes in [payload.clone(), payload, changed, vec![1; 300], Vec::new()] {
                        client.publish_with_headers(inbox.clone(), mark.clone(), bytes.into()).await.unwrap();
                    }
                }
            }
        });
    });
    block_on(async {
        let ((here, bus), (one, _one), (two, _two)) =
            (node(&server, "main").await, node(&server, "main").await, node(&server, "main").await);
        let asker = join(&here, 1, "asker");
        answer(join(&one, 2, "writer"), &log);
        answer(join(&two, 2, "writer"), &log);
        until(|| bus.agents().len() == 2).await;
        for n in 0..50 {
            assert_eq!(ask(&asker, "writer", &n.to_string()).await.unwrap(), n.to_string());
        }
        done.store(true, Ordering::SeqCst);
        sleep(Duration::from_millis(300)).await;
        let run = log.lock().unwrap().clone();
        assert_eq!(run, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    });
    thread.join().unwrap();
}
