//! Machines whose clocks are wrong.

use xbind::cluster::{Stopped, Verb};
use xbind_net::nats::{Operating, Operator};
use xbind_runtime::Time;

use super::auth::{did, key};
use super::*;

/// A node whose clock is off by so many seconds.
async fn wrong(server: &Server, by: i64, encrypt: bool) -> (Arc<Node>, Bus) {
    let node = Node::new(NodeOptions { time: Time::Wrong(by), ..NodeOptions::default() });
    let settings = Settings { operators: vec![did(40)], encrypt, ..settings(server, "main") };
    let bus = Bus::connect(&node, settings).await.unwrap();
    (node, bus)
}

#[test]
fn clocks_that_differ_by_half_a_minute_do_no_harm() {
    let server = Server::start(&[]);
    block_on(async {
        let operating = Operating { reach: reach(&server, "main"), key: key(40), life: 60, known: Vec::new() };
        let operator = Operator::open(operating).await.unwrap();
        for (by, encrypt, seed) in [(30, false, 10), (-30, true, 20)] {
            let ((here, bus), (there, _other)) = (wrong(&server, 0, encrypt).await, wrong(&server, by, encrypt).await);
            let asker = join(&here, seed, "asker");
            let from_there = join(&there, seed + 1, "from-there");
            echo(join(&there, seed + 2, "there"));
            echo(join(&here, seed + 3, "here"));
            until(|| bus.agents().len() == 4).await;
            let both = async || (ask(&asker, "there", "1").await, ask(&from_there, "here", "2").await);
            while !matches!(both().await, (Ok(_), Ok(_))) {
                sleep(Duration::from_millis(20)).await; // the first heartbeat may be on its way
            }
            let all = many(&asker, "there", 200).await;
            assert!(all.iter().all(Result::is_ok), "{by}: {all:?}");
            let (told, said) = tokio::sync::oneshot::channel();
            operator.say(Verb::Stop, Stopped::Agent(did(seed + 2)), None, move |said| drop(told.send(said)));
            said.await.unwrap().unwrap();
            while ask(&asker, "there", "1").await.map_err(|error| error.kind()) != Err(ErrorKind::Revoked) {
                sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(ask(&from_there, "here", "2").await.unwrap(), "2");
            here.close();
            there.close();
            until(|| bus.status() == Status::Closed).await;
        }
    });
}

#[test]
fn a_clock_that_is_far_off_is_believed_by_nobody() {
    let server = Server::start(&[]);
    block_on(async {
        for by in [-90, 90] {
            let (here, bus) = node(&server, "far").await;
            let far = Node::new(NodeOptions { time: Time::Wrong(by), ..NodeOptions::default() });
            let _other = Bus::connect(&far, settings(&server, "far")).await.unwrap();
            let asker = join(&here, 1, "asker");
            let from_far = join(&far, 2, "far");
            echo(join(&here, 3, "here"));
            assert_eq!(ask(&asker, "far", "1").await.unwrap_err().kind(), ErrorKind::AgentNotFound);
            let unheard = from_far
                .call(
                    "here",
                    Payload::Json("1".to_owned()),
                    CallOptions { timeout: Some(Duration::from_secs(1)), ..CallOptions::default() },
                )
                .await
                .unwrap_err();
            assert!(matches!(unheard.kind(), ErrorKind::AgentNotFound | ErrorKind::Timeout), "{unheard:?}");
            assert_eq!(bus.agents().len(), 2);
            here.close();
            far.close();
        }
    });
}
