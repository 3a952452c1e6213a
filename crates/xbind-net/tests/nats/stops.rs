//! What operators stop ends everywhere, and without their heartbeat nothing is served.

use async_nats::Client;
use tokio::sync::oneshot;
use xbind::Did;
use xbind::cluster::{HeartbeatDraft, StopDraft, Stopped, Stops, Verb};
use xbind_net::nats::{Operating, Operator};

use super::auth::{did, door_of, guarded, key, now};
use super::*;

/// The operator of all tests.
const OPERATOR: u8 = 40;

async fn operator(server: &Server, life: u64, known: Vec<String>) -> Operator {
    let operating = Operating { reach: reach(server, "main"), key: key(OPERATOR), life, known };
    Operator::open(operating).await.unwrap()
}

async fn overseen(server: &Server, operators: Vec<Did>) -> (Arc<Node>, Bus) {
    let node = Node::new(NodeOptions::default());
    let bus = Bus::connect(&node, Settings { operators, ..settings(server, "main") }).await.unwrap();
    (node, bus)
}

async fn say(operator: &Operator, verb: Verb, agent: Did) -> xbind::Result<String> {
    let (told, said) = oneshot::channel();
    operator.say(verb, Stopped::Agent(agent), Some("test"), move |said| drop(told.send(said)));
    said.await.unwrap()
}

fn kind(answer: xbind::Result<String>) -> Result<String, ErrorKind> {
    answer.map_err(|error| error.kind())
}

/// Asks until that is what comes of it.
async fn becomes(from: &Handle, to: &str, wanted: Result<&str, ErrorKind>) {
    let begun = Instant::now();
    loop {
        let answer = kind(ask(from, to, "1").await);
        if answer.as_deref().map_err(|kind| *kind) == wanted {
            return;
        }
        assert!(begun.elapsed() < LONG, "{answer:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn raw(server: &Server) -> Client {
    async_nats::connect(&server.url).await.unwrap()
}

async fn put(client: &Client, key: &str, text: String) {
    client.request(format!("$KV.XB1_main_STOPS.{key}"), text.into()).await.unwrap();
}

#[test]
fn a_stop_ends_an_agent_on_every_host_and_a_resume_lets_it_go_on() {
    let server = Server::start(&[]);
    block_on(async {
        let operator = operator(&server, 30, vec![]).await;
        let operators = vec![did(OPERATOR)];
        let ((here, bus), (there, _other)) =
            (overseen(&server, operators.clone()).await, overseen(&server, operators).await);
        let (asker, writer) = (join(&here, 1, "asker"), join(&there, 2, "writer"));
        let hung = join(&there, 3, "hung");
        echo(writer);
        until(|| bus.agents().len() == 3).await;
        becomes(&asker, "writer", Ok("1")).await;
        let hanging = asker.call("hung", Payload::Json("1".to_owned()), CallOptions::default());
        let stopping = async {
            let held = hung.next().await.unwrap();
            for seed in [2, 3] {
                say(&operator, Verb::Stop, did(seed)).await.unwrap();
            }
            held
        };
        let (lost, _held) = tokio::join!(hanging, stopping);
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::Revoked, "what was under way ends");
        becomes(&asker, "writer", Err(ErrorKind::Revoked)).await;
        let from_it = hung.call("asker", Payload::Json("1".to_owned()), CallOptions::default()).await;
        assert_eq!(from_it.unwrap_err().kind(), ErrorKind::Revoked, "it calls nobody");
        say(&operator, Verb::Resume, did(2)).await.unwrap();
        becomes(&asker, "writer", Ok("1")).await;
    });
}

#[test]
fn a_stop_arrives_within_a_second() {
    let server = Server::start(&[]);
    block_on(async {
        let operator = operator(&server, 30, vec![]).await;
        let (here, bus) = overseen(&server, vec![did(OPERATOR)]).await;
        let (there, _other) = overseen(&server, vec![did(OPERATOR)]).await;
        let asker = join(&here, 1, "asker");
        echo(join(&there, 2, "writer"));
        until(|| bus.agents().len() == 2).await;
        becomes(&asker, "writer", Ok("1")).await;
        let begun = Instant::now();
        say(&operator, Verb::Stop, did(2)).await.unwrap();
        becomes(&asker, "writer", Err(ErrorKind::Revoked)).await;
        println!("stopped after {:?}", begun.elapsed());
    });
}

#[test]
fn without_a_fresh_heartbeat_nothing_is_served() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, _bus) = overseen(&server, vec![did(OPERATOR)]).await;
        let asker = join(&here, 1, "asker");
        echo(join(&here, 2, "writer"));
        let before = asker.call("writer", Payload::Json("1".to_owned()), CallOptions::default()).await.unwrap_err();
        assert_eq!(before.kind(), ErrorKind::RevocationUnknown);
        let speaking = operator(&server, 3, vec![]).await;
        becomes(&asker, "writer", Ok("1")).await;
        sleep(Duration::from_secs(4)).await;
        assert_eq!(kind(ask(&asker, "writer", "1").await), Ok("1".to_owned()), "it is renewed");
        speaking.close();
        becomes(&asker, "writer", Err(ErrorKind::RevocationUnknown)).await;
        let _again = operator(&server, 3, vec![]).await;
        becomes(&asker, "writer", Ok("1")).await;
        // Each operator must be heard.
        let (there, _other) = overseen(&server, vec![did(OPERATOR), did(41)]).await;
        let waits = join(&there, 3, "waits");
        becomes(&waits, "writer", Err(ErrorKind::RevocationUnknown)).await;
    });
}

#[test]
fn forged_foreign_and_replayed_stops_change_nothing() {
    let server = Server::start(&[]);
    block_on(async {
        let operator = operator(&server, 30, vec![]).await;
        let (here, _bus) = overseen(&server, vec![did(OPERATOR)]).await;
        let asker = join(&here, 1, "asker");
        echo(join(&here, 2, "writer"));
        becomes(&asker, "writer", Ok("1")).await;
        let client = raw(&server).await;
        let stop = |signer: u8, space: &str, verb, at| {
            let draft = StopDraft { verb, stopped: Stopped::Agent(did(2)), since: None, reason: None, now: at };
            draft.sign(&key(signer), &Namespace::parse(space).unwrap()).unwrap()
        };
        let own = Namespace::stop_key(&did(OPERATOR), &Stopped::Agent(did(2)));
        let foreign = Namespace::stop_key(&did(41), &Stopped::Agent(did(2)));
        let (main, at) = ("main", now());
        for (under, text, why) in [
            (&foreign, stop(41, main, Verb::Stop, at), "no operator"),
            (&own, stop(41, main, Verb::Stop, at), "no operator, under another key"),
            (&own, stop(OPERATOR, "other", Verb::Stop, at), "of another namespace"),
            (&foreign, stop(OPERATOR, main, Verb::Stop, at), "under a key that is not its own"),
            (&own, stop(OPERATOR, main, Verb::Stop, at).replacen('.', ".A", 1), "not signed"),
            (&own, "junk".to_owned(), "none"),
        ] {
            put(&client, under, text).await;
            sleep(Duration::from_millis(200)).await;
            assert_eq!(kind(ask(&asker, "writer", "1").await), Ok("1".to_owned()), "{why}");
        }
        let stopped = say(&operator, Verb::Stop, did(2)).await.unwrap();
        becomes(&asker, "writer", Err(ErrorKind::Revoked)).await;
        put(&client, &own, stop(OPERATOR, main, Verb::Resume, at - 100)).await;
        sleep(Duration::from_millis(500)).await;
        becomes(&asker, "writer", Err(ErrorKind::Revoked)).await;
        say(&operator, Verb::Resume, did(2)).await.unwrap();
        becomes(&asker, "writer", Ok("1")).await;
        put(&client, &own, stopped).await;
        sleep(Duration::from_millis(500)).await;
        becomes(&asker, "writer", Ok("1")).await;
    });
}

#[test]
fn a_stop_that_is_withheld_is_noticed_and_one_that_was_lost_is_written_again() {
    let server = Server::start(&[]);
    block_on(async {
        let speaking = operator(&server, 60, vec![]).await;
        let stopped = say(&speaking, Verb::Stop, did(2)).await.unwrap();
        let client = raw(&server).await;
        let own = Namespace::stop_key(&did(OPERATOR), &Stopped::Agent(did(2)));
        put(&client, &own, "junk".to_owned()).await;
        let (here, _bus) = overseen(&server, vec![did(OPERATOR)]).await;
        let asker = join(&here, 1, "asker");
        echo(join(&here, 2, "writer"));
        becomes(&asker, "writer", Err(ErrorKind::Revoked)).await; // it was put back
        speaking.close();
        sleep(Duration::from_millis(200)).await;

        put(&client, &own, "junk".to_owned()).await;
        let (there, _other) = overseen(&server, vec![did(OPERATOR)]).await;
        let late = join(&there, 3, "late");
        echo(join(&there, 4, "free"));
        becomes(&late, "free", Err(ErrorKind::RevocationUnknown)).await;
        // An operator that has forgotten it, and is believed: it has to keep what it says.
        let _again = operator(&server, 60, vec![stopped]).await;
        becomes(&late, "free", Ok("1")).await;
        becomes(&late, did(2).as_str(), Err(ErrorKind::Revoked)).await;
    });
}

#[test]
fn an_old_heartbeat_keeps_nobody_going() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, _bus) = overseen(&server, vec![did(OPERATOR)]).await;
        let asker = join(&here, 1, "asker");
        echo(join(&here, 2, "writer"));
        let (main, client) = (Namespace::parse("main").unwrap(), raw(&server).await);
        let (count, set) = Stops::new(main.clone(), &[did(OPERATOR)], 10, 30).tally(&did(OPERATOR)).unwrap();
        let draft = HeartbeatDraft { seq: 1, count, set, ttl: 2, now: now() };
        let under = Namespace::heartbeat_key(&did(OPERATOR));
        put(&client, &under, draft.sign(&key(41), &main).unwrap()).await;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(kind(ask(&asker, "writer", "1").await), Err(ErrorKind::RevocationUnknown), "it is another's");
        let beat = draft.sign(&key(OPERATOR), &main).unwrap();
        put(&client, &under, beat.clone()).await;
        becomes(&asker, "writer", Ok("1")).await;
        let again = async {
            loop {
                put(&client, &under, beat.clone()).await;
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = again => {}
            () = becomes(&asker, "writer", Err(ErrorKind::RevocationUnknown)) => {}
        }
    });
}

#[test]
fn a_stopped_agent_does_not_get_in_and_without_a_heartbeat_nobody_but_an_operator_does() {
    let server = guarded(50);
    block_on(async {
        let _door = door_of(&server, 50, 300, &[1, 2], vec![did(OPERATOR)]).await;
        let connect = async |seed| {
            let node = Node::new(NodeOptions::default());
            let settings =
                Settings { identity: Some(key(seed)), operators: vec![did(OPERATOR)], ..settings(&server, "main") };
            Bus::connect(&node, settings).await.map(|bus| (node, bus))
        };
        assert_eq!(connect(1).await.unwrap_err(), Fault::Refused);
        let operator = operator(&server, 30, vec![]).await;
        let mut one = connect(1).await;
        while one.is_err() {
            one = connect(1).await; // its first heartbeat is on its way
        }
        let (here, _bus) = one.unwrap();
        say(&operator, Verb::Stop, did(2)).await.unwrap();
        let mut two = connect(2).await;
        while two.is_ok() {
            two = connect(2).await;
        }
        assert_eq!(two.unwrap_err(), Fault::Refused);
        let asker = join(&here, 1, "asker");
        echo(join(&here, 3, "writer"));
        becomes(&asker, "writer", Ok("1")).await;
    });
}
