//! Many agents of one host: they come, are renewed and go together.

use super::*;

const MANY: u32 = 300;

fn member(node: &Arc<Node>, number: u32, name: &str) -> Handle {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    let options = AgentOptions { handles: true, message_ttl: 30, ..AgentOptions::default() };
    node.join(Key::Local(SigningKey::from_seed(&seed)), Some(name.to_owned()), options).unwrap()
}

/// How many values a bucket has.
async fn kept(client: &async_nats::Client, bucket: &str) -> u64 {
    let question = format!("$JS.API.STREAM.INFO.KV_XB1_main_{bucket}");
    let answer = client.request(question, "".into()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
    info["state"]["messages"].as_u64().unwrap()
}

#[test]
fn many_have_their_names_and_leave_nothing_behind() {
    let server = Server::start(&[]);
    block_on(async {
        let ((here, bus), (_watching, watcher)) = (node(&server, "main").await, node(&server, "main").await);
        let client = async_nats::connect(&server.url).await.unwrap();
        let all: Vec<_> = (0..MANY).map(|number| member(&here, number, &format!("agent-{number}"))).collect();
        for one in &all {
            bus.named(one.did()).await.unwrap();
        }
        assert_eq!(kept(&client, "NAMES").await, u64::from(MANY));
        let named = || watcher.agents().iter().filter(|(_, name)| name.is_some()).count();
        until(|| named() == all.len()).await;
        here.close();
        bus.closed().await.unwrap();
        assert_eq!(kept(&client, "NAMES").await, 0);
        until(|| watcher.agents().is_empty()).await;
    });
}

#[test]
fn of_those_who_want_one_name_here_the_first_has_it() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, bus) = node(&server, "main").await;
        let names: Vec<String> = (0..20).map(|number| format!("name-{number}")).collect();
        let three = |number: u32| [0, 1, 2].map(|nth| 3 * number + nth);
        let numbers = (0..20).map(three);
        let wanted = numbers.zip(&names).map(|(three, name)| three.map(|number| member(&here, number, name)));
        for three in wanted.collect::<Vec<_>>() {
            bus.named(three[0].did()).await.unwrap();
            for later in &three[1..] {
                assert_eq!(bus.named(later.did()).await.unwrap_err().kind(), ErrorKind::NameTaken);
            }
        }
    });
}

#[test]
fn what_the_brokers_have_not_heard_at_the_end_is_said() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, bus) = node(&server, "main").await;
        let agent = member(&here, 1, "agent");
        bus.named(agent.did()).await.unwrap();
        until(|| bus.agents().iter().any(|(_, name)| name.is_some())).await;
        drop(server);
        until(|| bus.status() == Status::Reconnecting).await;
        here.close();
        let untold = bus.closed().await.unwrap_err();
        assert_eq!(untold.kind(), ErrorKind::BrokerUnavailable);
        assert!(untold.to_string().contains("1 names"), "{untold}");
    });
}
