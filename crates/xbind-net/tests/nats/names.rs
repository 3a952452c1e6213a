//! Names: the first has one, and who lies about it sends no call astray.

use async_nats::HeaderMap;
use xbind::cluster::NameDraft;
use xbind_net::nats::Admission;

use super::auth::{connected, did, guarded, key, now};
use super::*;

const KEPT: Duration = Duration::from_secs(1);

async fn brief(server: &Server) -> (Arc<Node>, Bus) {
    let node = Node::new(NodeOptions::default());
    let mut settings = settings(server, "main");
    settings.reach.names_kept = KEPT;
    let bus = Bus::connect(&node, settings).await.unwrap();
    (node, bus)
}

/// Answers all calls with who it is.
fn who(handle: Handle) -> xbind::Did {
    let did = *handle.did();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            while let Some(call) = handle.next().await {
                call.reply(Payload::Json(format!("\"{did}\"")));
            }
        });
    });
    did
}

async fn asked(from: &Handle, to: &str) -> xbind::Result<String> {
    ask(from, to, "1").await.map(|answer| answer.trim_matches('"').to_owned())
}

#[test]
fn the_first_has_a_name_and_the_second_is_told() {
    let server = Server::start(&[]);
    block_on(async {
        let nodes = [node(&server, "main").await, node(&server, "main").await, node(&server, "main").await];
        let asker = join(&nodes[0].0, 1, "asker");
        let first = who(join(&nodes[1].0, 2, "writer"));
        nodes[1].1.named(&first).await.unwrap();
        let other = join(&nodes[2].0, 4, "other");
        let second = who(join(&nodes[2].0, 3, "writer"));
        let told = nodes[2].1.named(&second).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::NameTaken);
        assert!(told.to_string().contains(first.as_str()), "{told}");
        until(|| nodes[0].1.agents().len() == 4).await;
        for _ in 0..5 {
            assert_eq!(asked(&asker, "writer").await.unwrap(), first.as_str());
            assert_eq!(asked(&other, "writer").await.unwrap(), first.as_str(), "also beside the second");
        }
        assert_eq!(asked(&asker, second.as_str()).await.unwrap(), second.as_str());
        let named = |bus: &Bus| bus.agents().into_iter().filter(|(_, name)| name.as_deref() == Some("writer")).count();
        until(|| nodes.iter().all(|(_, bus)| named(bus) == 1)).await;
        // A replica of the first has it, too; of two in one process, one.
        let (replica, bus) = node(&server, "main").await;
        who(join(&replica, 2, "writer"));
        bus.named(&first).await.unwrap();
        let third = who(join(&replica, 5, "writer"));
        assert_eq!(bus.named(&third).await.unwrap_err().kind(), ErrorKind::NameTaken);
        let beside = join(&replica, 6, "beside");
        assert_eq!(asked(&beside, "writer").await.unwrap(), first.as_str());
    });
}

/// Claims a name as an agent that has crashed since.
async fn crashed(client: &async_nats::Client, seed: u8) {
    let claim = NameDraft { name: "writer", now: now() }.sign(&key(seed), &Namespace::parse("main").unwrap()).unwrap();
    client.publish("$KV.XB1_main_NAMES.writer", claim.into()).await.unwrap();
    client.flush().await.unwrap();
}

#[test]
fn who_has_crashed_keeps_a_name_for_a_while_and_who_closes_gives_it_back() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, _bus) = brief(&server).await;
        let asker = join(&here, 1, "asker");
        crashed(&async_nats::connect(&server.url).await.unwrap(), 9).await;
        assert_eq!(asked(&asker, "writer").await.unwrap_err().kind(), ErrorKind::AgentNotFound);
        let (holding, holder) = brief(&server).await;
        let first = who(join(&holding, 2, "writer"));
        let told = holder.named(&first).await.unwrap_err();
        assert!(told.to_string().contains(did(9).as_str()), "{told}");
        while holder.named(&first).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(asked(&asker, "writer").await.unwrap(), first.as_str());

        let (waiting, waiter) = brief(&server).await;
        let second = who(join(&waiting, 3, "writer"));
        assert_eq!(waiter.named(&second).await.unwrap_err().kind(), ErrorKind::NameTaken);
        sleep(KEPT * 3).await;
        assert_eq!(asked(&asker, "writer").await.unwrap(), first.as_str(), "it is there");
        let replica = node(&server, "main").await;
        who(join(&replica.0, 2, "writer"));
        replica.1.named(&first).await.unwrap();
        holding.close();
        timeout(LONG, holder.closed()).await.unwrap().unwrap();
        sleep(KEPT * 3).await;
        assert_eq!(asked(&asker, "writer").await.unwrap(), first.as_str(), "it is still there");
        replica.0.close();
        timeout(LONG, replica.1.closed()).await.unwrap().unwrap();
        // In good order: nobody has to wait, not even where names are kept for long.
        let (next, nexts) = node(&server, "main").await;
        let third = who(join(&next, 4, "writer"));
        let _ = nexts.named(&third).await;
        loop {
            match asked(&asker, "writer").await {
                Ok(answer) => break assert!([second.as_str(), third.as_str()].contains(&answer.as_str())),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AgentNotFound, "{error}"),
            }
        }
        let (back, bus) = brief(&server).await;
        who(join(&back, 2, "writer"));
        assert_eq!(bus.named(&first).await.unwrap_err().kind(), ErrorKind::NameTaken, "it has lost it");
    });
}

/// What stands under a name, and where.
async fn standing(client: &async_nats::Client, name: &str) -> Option<(String, u64)> {
    let question = format!("$JS.API.DIRECT.GET.KV_XB1_main_NAMES.$KV.XB1_main_NAMES.{name}");
    let answer = client.request(question, "".into()).await.unwrap();
    let seq = answer.headers?.get("Nats-Sequence")?.as_str().parse().unwrap();
    Some((String::from_utf8(answer.payload.to_vec()).unwrap(), seq))
}

#[test]
fn nobody_else_writes_over_a_claim_and_one_that_was_forged_leads_nowhere() {
    let server = Server::start(&[]);
    block_on(async {
        let ((here, bus), (there, other)) = (node(&server, "main").await, node(&server, "main").await);
        let asker = join(&here, 1, "asker");
        let first = who(join(&there, 2, "writer"));
        let second = who(join(&there, 3, "thief"));
        other.named(&first).await.unwrap();
        until(|| bus.agents().len() == 3).await;
        let client = async_nats::connect(&server.url).await.unwrap();
        let main = Namespace::parse("main").unwrap();
        let (claim, seq) = standing(&client, "writer").await.unwrap();
        let forged = NameDraft { name: "writer", now: now() }.sign(&key(3), &main).unwrap();
        for (header, value) in [
            (None, ""),
            (Some("Nats-Expected-Last-Subject-Sequence"), seq.to_string().as_str()),
            (Some("Nats-Rollup"), "sub"),
            (Some("Nats-Rollup"), "all"),
            (Some("KV-Operation"), "DEL"),
            (Some("KV-Operation"), "PURGE"),
        ] {
            let mut headers = HeaderMap::new();
            header.into_iter().for_each(|header| headers.insert(header, value));
            let written =
                client.request_with_headers("$KV.XB1_main_NAMES.writer", headers, forged.clone().into()).await;
            let answer = String::from_utf8(written.unwrap().payload.to_vec()).unwrap();
            assert!(answer.contains("error"), "{header:?} {value}: {answer}");
        }
        let purged = client.request("$JS.API.STREAM.PURGE.KV_XB1_main_NAMES", "".into()).await.unwrap();
        assert!(String::from_utf8_lossy(&purged.payload).contains("error"));
        assert_eq!(standing(&client, "writer").await.unwrap(), (claim.clone(), seq));
        assert_eq!(asked(&asker, "writer").await.unwrap(), first.as_str());

        // A broker that lies can show another text: no agent is meant that has not signed it, of that name and on this bus.
        let lie = |name: &str, text: String| {
            let (client, subject) = (client.clone(), format!("$KV.XB1_main_NAMES.{name}"));
            async move { client.request(subject, text.into()).await.unwrap() }
        };
        let swapped = claim.replace(claim.rsplit('.').next().unwrap(), forged.rsplit('.').next().unwrap());
        let elsewhere =
            NameDraft { name: "lie3", now: now() }.sign(&key(3), &Namespace::parse("other").unwrap()).unwrap();
        let early = NameDraft { name: "lie4", now: now() + 3600 }.sign(&key(3), &main).unwrap();
        let lies =
            [("lie1", forged), ("lie2", swapped), ("lie3", elsewhere), ("lie4", early), ("lie5", "x".to_owned())];
        for (name, text) in lies {
            lie(name, text).await;
            assert_eq!(asked(&asker, name).await.unwrap_err().kind(), ErrorKind::AgentNotFound, "{name}");
        }
        // Whoever only says that he is called so is not.
        let (said, _said) = node(&server, "main").await;
        let liar = join(&said, 4, "lie5");
        assert_eq!(_said.named(liar.did()).await.unwrap_err().kind(), ErrorKind::NameTaken);
        assert_eq!(asked(&asker, "lie5").await.unwrap_err().kind(), ErrorKind::AgentNotFound);
        assert_ne!(first, second);
    });
}

#[test]
fn where_statements_let_in_the_callout_takes_names_from_who_has_gone_and_nobody_else() {
    let server = guarded(70);
    block_on(async {
        let mut reach = reach(&server, "main");
        reach.names_kept = KEPT;
        let allow = Arc::new(|_, decision: Decision| decision.is(true));
        let account = "AGENTS".to_owned();
        let admission = Admission { reach, issuer: key(70), account, stay: 300, operators: Vec::new(), allow };
        let _door = xbind_net::nats::Door::open(admission).await.unwrap();
        let raw = auth::raw(&server, 80, Some(auth::statement(79, 80, now()))).await.unwrap();
        let ((one, holder), (two, waiter)) =
            (connected(&server, 71).await.unwrap(), connected(&server, 72).await.unwrap());
        crashed(&raw, 79).await;
        let first = who(join(&one, 71, "writer"));
        while holder.named(&first).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
        // Who is in can neither write over a claim nor take one away.
        crashed(&raw, 79).await;
        let what = r#"{"seq":1}"#;
        raw.publish("$JS.API.STREAM.MSG.DELETE.KV_XB1_main_NAMES", what.into()).await.unwrap();
        raw.publish("$JS.API.STREAM.PURGE.KV_XB1_main_NAMES", "".into()).await.unwrap();
        raw.flush().await.unwrap();
        let second = who(join(&two, 72, "writer"));
        assert_eq!(waiter.named(&second).await.unwrap_err().kind(), ErrorKind::NameTaken);
        one.close();
        timeout(LONG, holder.closed()).await.unwrap().unwrap();
        while waiter.named(&second).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(did(72), second);
        let asker = join(&two, 73, "asker");
        assert_eq!(asked(&asker, "writer").await.unwrap(), second.as_str());
    });
}
