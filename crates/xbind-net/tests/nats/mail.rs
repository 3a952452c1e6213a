//! Mail for agents that are away.

use std::sync::atomic::AtomicUsize;

use xbind::Handled;
use xbind::cluster::{MailboxDraft, Namespace};

use super::auth::{connected, did, door_of, guarded, key};
use super::*;

pub(super) const WEEK: u32 = 604_800;

pub(super) fn inbox(node: &Arc<Node>, seed: u8, name: &str) -> Handle {
    let options = AgentOptions { message_ttl: 30, ..AgentOptions::default() };
    node.join(Key::Local(key(seed)), Some(name.to_owned()), options).unwrap()
}

pub(super) async fn send(from: &Handle, to: &str, what: &str) -> xbind::Result<bool> {
    let sent = from.send(to, Payload::Json(what.to_owned()), CallOptions::default()).await?;
    Ok(sent.kept)
}

/// Sends until it is known that the other one is away.
pub(super) async fn keep(from: &Handle, to: &str, what: &str) {
    let begun = Instant::now();
    loop {
        match send(from, to, what).await {
            Ok(true) => return,
            Ok(false) => panic!("it is there"),
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::AgentNotFound | ErrorKind::AgentClosed | ErrorKind::BrokerUnavailable
                ),
                "{error:?}"
            ),
        }
        assert!(begun.elapsed() < LONG);
        sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn read(handle: &Handle, max: usize) -> Vec<String> {
    let letters = timeout(LONG, handle.receive(max)).await.unwrap().unwrap();
    letters.iter().map(|letter| text(&letter.payload).to_owned()).collect()
}

/// Nothing more comes.
pub(super) async fn is_empty(handle: &Handle) -> bool {
    timeout(Duration::from_millis(400), handle.receive(1)).await.is_err()
}

/// An agent that has a mailbox and is away.
pub(super) async fn away(server: &Server, namespace: &str, seed: u8, name: &str, retain: u32) {
    let (there, bus) = node(server, namespace).await;
    let agent = inbox(&there, seed, name);
    bus.named(agent.did()).await.unwrap();
    bus.mailbox(agent.did(), retain).await.unwrap();
    there.close();
    bus.closed().await.unwrap();
}

#[test]
fn mail_waits_for_an_agent_that_is_away_and_is_read_once() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, bus) = node(&server, "main").await;
        let asker = inbox(&here, 1, "asker");
        assert_eq!(send(&asker, did(2).as_str(), "0").await.unwrap_err().kind(), ErrorKind::AgentNotFound);
        away(&server, "main", 2, "writer", WEEK).await;
        until(|| bus.agents().len() == 1).await;
        keep(&asker, did(2).as_str(), "1").await;
        assert!(send(&asker, "writer", "2").await.unwrap(), "whoever has a mailbox keeps his name");
        let call = ask(&asker, "writer", "3").await.unwrap_err();
        assert_eq!((call.kind(), call.handled()), (ErrorKind::AgentNotFound, Some(Handled::No)), "nobody can answer");
        let (there, back) = node(&server, "main").await;
        let writer = inbox(&there, 2, "writer");
        back.mailbox(writer.did(), WEEK).await.unwrap();
        let first = timeout(LONG, writer.receive(1)).await.unwrap().unwrap().pop().unwrap();
        assert_eq!((text(&first.payload), first.from, first.one_way), ("1", did(1), true));
        assert_eq!(read(&writer, 1).await, ["2"]);
        assert!(is_empty(&writer).await);
        until(|| bus.agents().len() == 2).await;
        assert!(!send(&asker, "writer", "4").await.unwrap(), "it is there");
        assert_eq!(read(&writer, 1).await, ["4"]);
    });
}

#[test]
fn two_processes_of_one_agent_take_each_mail_once() {
    let server = Server::start(&[]);
    block_on(async {
        away(&server, "main", 2, "writer", WEEK).await;
        let (here, bus) = node(&server, "main").await;
        let asker = inbox(&here, 1, "asker");
        keep(&asker, did(2).as_str(), "0").await;
        let sent = (1..100).map(|n| n.to_string());
        for what in sent {
            assert!(send(&asker, did(2).as_str(), &what).await.unwrap());
        }
        let (log, taken) = (Log::default(), Arc::new(AtomicUsize::new(0)));
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let (replica, bus) = node(&server, "main").await;
            let writer = inbox(&replica, 2, "writer");
            bus.mailbox(writer.did(), WEEK).await.unwrap();
            let (log, taken) = (log.clone(), taken.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    while let Ok(letters) = writer.receive(3).await {
                        taken.fetch_add(1, Ordering::SeqCst);
                        log.lock().unwrap().extend(letters.iter().map(|letter| text(&letter.payload).to_owned()));
                    }
                });
            });
            nodes.push((replica, bus));
        }
        until(|| log.lock().unwrap().len() >= 100).await;
        sleep(Duration::from_millis(300)).await;
        let read = log.lock().unwrap().clone();
        assert_eq!((read.len(), read.iter().collect::<HashSet<_>>().len()), (100, 100));
        nodes.iter().for_each(|(node, _)| node.close());
        drop(bus);
    });
}

#[test]
fn what_a_broker_doubles_or_brings_to_another_is_read_once_by_whom_it_is_for() {
    let server = Server::start(&[]);
    block_on(async {
        away(&server, "main", 2, "writer", WEEK).await;
        away(&server, "main", 3, "other", WEEK).await;
        let hostile = async_nats::connect(&server.url).await.unwrap();
        let mut all = hostile.subscribe("xb1.main.mail.>").await.unwrap();
        hostile.flush().await.unwrap();
        let (here, _bus) = node(&server, "main").await;
        let asker = inbox(&here, 1, "asker");
        keep(&asker, did(2).as_str(), "1").await;
        let mail = std::future::poll_fn(|context| std::pin::Pin::new(&mut all).poll_next(context)).await.unwrap();
        let namespace = Namespace::parse("main").unwrap();
        let mut changed = mail.payload.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        for (to, payload) in [(2, mail.payload.to_vec()), (3, mail.payload.to_vec()), (2, changed), (2, vec![7; 99])] {
            for sender in [1, 9] {
                let mut headers = async_nats::HeaderMap::new();
                headers.insert("Nats-Msg-Id", format!("{to}-{sender}-{}", payload.len()));
                let subject = namespace.mail(&did(to), &did(sender));
                hostile.publish_with_headers(subject, headers, payload.clone().into()).await.unwrap();
            }
        }
        hostile.flush().await.unwrap();
        let (there, bus) = node(&server, "main").await;
        let (writer, other) = (inbox(&there, 2, "writer"), inbox(&there, 3, "other"));
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        bus.mailbox(other.did(), WEEK).await.unwrap();
        assert_eq!(read(&writer, 1).await, ["1"]);
        assert!(is_empty(&writer).await && is_empty(&other).await);
        // A process that begins anew, and copies that come then.
        there.close();
        bus.closed().await.unwrap();
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", "later");
        let subject = namespace.mail(&did(2), &did(1));
        hostile.publish_with_headers(subject, headers, mail.payload.clone()).await.unwrap();
        hostile.flush().await.unwrap();
        let (again, bus) = node(&server, "main").await;
        let writer = inbox(&again, 2, "writer");
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        assert!(is_empty(&writer).await);
    });
}

#[test]
fn a_mailbox_that_was_closed_or_that_its_agent_has_not_signed_takes_nothing() {
    let server = Server::start(&[]);
    block_on(async {
        let (there, bus) = node(&server, "main").await;
        let writer = inbox(&there, 2, "writer");
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        bus.mailbox(writer.did(), 0).await.unwrap();
        there.close();
        bus.closed().await.unwrap();
        let (here, bus) = node(&server, "main").await;
        let asker = inbox(&here, 1, "asker");
        until(|| bus.agents().len() == 1).await;
        let refused = async || send(&asker, did(2).as_str(), "1").await.unwrap_err().kind();
        assert_eq!(refused().await, ErrorKind::AgentNotFound);
        let hostile = async_nats::connect(&server.url).await.unwrap();
        let namespace = Namespace::parse("main").unwrap();
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let draft = |now, ttl| MailboxDraft { retain: WEEK, encryption_key: None, ttl, now };
        for text in [
            draft(unix, 60).sign(&key(9), &namespace).unwrap(),
            draft(unix - 1000, 60).sign(&key(2), &namespace).unwrap(),
            draft(unix, 60).sign(&key(2), &Namespace::parse("other").unwrap()).unwrap(),
            "a.b.c".to_owned(),
        ] {
            let subject = format!("$KV.XB1_main_BOXES.{}", Namespace::mailbox_key(&did(2)));
            hostile.publish(subject, text.into()).await.unwrap();
            hostile.flush().await.unwrap();
            sleep(Duration::from_millis(50)).await;
            assert_eq!(refused().await, ErrorKind::AgentNotFound);
        }
        let (tell, told) = std::sync::mpsc::channel();
        for retain in (0..300).chain([WEEK]) {
            let tell = tell.clone();
            bus.mailbox_then(*asker.did(), retain, move |done| tell.send(done).unwrap());
        }
        assert_eq!(told.iter().take(301).filter(Result::is_ok).count(), 301);
        assert_eq!(bus.mailbox(asker.did(), WEEK + 1).await.unwrap_err().kind(), ErrorKind::InvalidConfig);
        assert_eq!(bus.mailbox(&did(7), WEEK).await.unwrap_err().kind(), ErrorKind::AgentClosed);
    });
}

#[test]
fn one_sender_cannot_fill_a_mailbox_for_others() {
    let server = Server::start(&[]);
    block_on(async {
        away(&server, "main", 2, "writer", WEEK).await;
        let (here, _bus) = node(&server, "main").await;
        let (flood, other) = (inbox(&here, 1, "flood"), inbox(&here, 3, "other"));
        keep(&flood, did(2).as_str(), "0").await;
        let mut kept = 1;
        let full = loop {
            match send(&flood, did(2).as_str(), &kept.to_string()).await {
                Ok(true) => kept += 1,
                Ok(false) => panic!("it is away"),
                Err(error) => break error,
            }
            assert!(kept <= 256);
        };
        assert_eq!((kept, full.kind(), full.handled()), (256, ErrorKind::InboxFull, Some(Handled::No)));
        assert!(send(&other, did(2).as_str(), "999").await.unwrap());
        let (there, bus) = node(&server, "main").await;
        let writer = inbox(&there, 2, "writer");
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        let mut all = Vec::new();
        while all.len() < 257 {
            all.extend(read(&writer, 100).await);
        }
        let mut expected: Vec<String> = (0..256).map(|n| n.to_string()).collect();
        expected.push("999".to_owned());
        assert_eq!(all, expected, "none is lost, in their order");
    });
}

#[test]
fn a_full_inbox_leaves_mail_where_it_is() {
    let server = Server::start(&[]);
    block_on(async {
        away(&server, "main", 2, "writer", WEEK).await;
        let (here, _bus) = node(&server, "main").await;
        let asker = inbox(&here, 1, "asker");
        keep(&asker, did(2).as_str(), "0").await;
        for n in 1..12 {
            assert!(send(&asker, did(2).as_str(), &n.to_string()).await.unwrap());
        }
        let (there, bus) = node(&server, "main").await;
        let options = AgentOptions { message_ttl: 30, inbox_messages: 2, ..AgentOptions::default() };
        let writer = there.join(Key::Local(key(2)), None, options).unwrap();
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        let mut all = Vec::new();
        while all.len() < 12 {
            all.extend(read(&writer, 16).await);
        }
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 12);
    });
}

#[test]
fn with_encryption_nobody_reads_mail_on_the_way_and_nothing_plain_is_kept() {
    let server = Server::start(&[]);
    block_on(async {
        let secret = async |seed, name| {
            let node = Node::new(NodeOptions::default());
            let bus = Bus::connect(&node, Settings { encrypt: true, ..settings(&server, "main") }).await.unwrap();
            let agent = inbox(&node, seed, name);
            (node, bus, agent)
        };
        away(&server, "main", 3, "plain", WEEK).await;
        let (there, bus, writer) = secret(2, "writer").await;
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        there.close();
        bus.closed().await.unwrap();
        let client = async_nats::connect(&server.url).await.unwrap();
        let mut all = client.subscribe("xb1.main.mail.>").await.unwrap();
        client.flush().await.unwrap();
        let (_here, _bus, asker) = secret(1, "asker").await;
        keep(&asker, did(2).as_str(), "\"hush\"").await;
        let seen = std::future::poll_fn(|context| std::pin::Pin::new(&mut all).poll_next(context)).await.unwrap();
        assert!(!seen.payload.windows(4).any(|part| part == b"hush"));
        let plain = send(&asker, did(3).as_str(), "1").await.unwrap_err();
        assert_eq!((plain.kind(), plain.handled()), (ErrorKind::EncryptionRequired, Some(Handled::No)));
        let (_there, bus, writer) = secret(2, "writer").await;
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        assert_eq!(read(&writer, 1).await, ["\"hush\""]);
    });
}

#[test]
fn where_statements_let_in_an_agent_has_its_own_mailbox_alone() {
    let server = guarded(50);
    block_on(async {
        let _door = door_of(&server, 50, 300, &[1, 2], Vec::new()).await;
        let (there, bus) = connected(&server, 2).await.unwrap();
        let writer = inbox(&there, 2, "writer");
        let stranger = inbox(&there, 4, "stranger");
        bus.named(writer.did()).await.unwrap();
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        assert_eq!(bus.mailbox(stranger.did(), WEEK).await.unwrap_err().kind(), ErrorKind::InvalidConfig);
        there.close();
        bus.closed().await.unwrap();
        let (here, bus) = connected(&server, 1).await.unwrap();
        let asker = inbox(&here, 1, "asker");
        until(|| bus.agents().len() == 1).await;
        keep(&asker, did(2).as_str(), "1").await;
        assert!(send(&asker, "writer", "2").await.unwrap());
        let (there, bus) = connected(&server, 2).await.unwrap();
        let writer = inbox(&there, 2, "writer");
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        assert_eq!([read(&writer, 1).await, read(&writer, 1).await].concat(), ["1", "2"]);
    });
}
