//! A server answers wherever it is asked to, and by JetStream that is a way to publish what one may not. Whoever is let in can take
//! away what the bus keeps like that; he sends no call astray, and what was taken away comes back.

use async_nats::{Client, HeaderMap};
use xbind::cluster::{NKey, NameDraft, Role};
use xbind_net::nats::{Admission, Door};

use super::auth::{connected, guarded, key, now, raw, statement};
use super::*;

/// Has the server publish that payload, with those headers, at any subject.
async fn reflect(client: &Client, host: &NKey, headers: &[(&str, &str)], payload: &str, subject: &str) {
    let own = format!("$KV.XB1_main_AGENTS.{host}.mine");
    let mut map = HeaderMap::new();
    headers.iter().for_each(|(name, value)| map.insert(*name, *value));
    client.publish_with_headers(own.clone(), map, payload.to_owned().into()).await.unwrap();
    let get = format!("$JS.API.DIRECT.GET.KV_XB1_main_AGENTS.{own}");
    client.publish_with_reply(get, subject.to_owned(), "".into()).await.unwrap();
    client.flush().await.unwrap();
    sleep(Duration::from_millis(100)).await;
}

#[test]
fn who_is_let_in_makes_nobody_vanish_and_takes_no_name_from_those_who_know_its_holder() {
    let server = guarded(90);
    block_on(async {
        let allow = Arc::new(|_, decision: Decision| decision.is(true));
        let (reach, account) = (reach(&server, "main"), "AGENTS".to_owned());
        let admission = Admission { reach, issuer: key(90), account, stay: 300, operators: Vec::new(), allow };
        let _door = Door::open(admission).await.unwrap();
        let ((here, bus), (there, other)) =
            (connected(&server, 91).await.unwrap(), connected(&server, 92).await.unwrap());
        let (asker, writer) = (join(&here, 91, "asker"), join(&there, 92, "writer"));
        let did = *writer.did();
        echo(writer);
        other.named(&did).await.unwrap();
        until(|| bus.agents().len() == 2).await;
        assert_eq!(ask(&asker, "writer", "1").await.unwrap(), "1");

        let client = raw(&server, 93, Some(statement(94, 93, now()))).await.unwrap();
        let hostile = NKey::of(Role::User, key(93).verifying_key());
        // It reads where the others are, as it may, and has the server take each away, in each way that there is.
        let presence = format!("$KV.XB1_main_AGENTS.*.{}", did.multibase());
        let consumer = format!(
            r#"{{"stream_name":"KV_XB1_main_AGENTS","config":{{"name":"{hostile}","deliver_subject":"xb1.main.{hostile}.r.x","deliver_policy":"last_per_subject","ack_policy":"none","filter_subjects":["{presence}"]}}}}"#
        );
        let mut told = client.subscribe(format!("xb1.main.{hostile}.r.x")).await.unwrap();
        let create = format!("$JS.API.CONSUMER.CREATE.KV_XB1_main_AGENTS.{hostile}");
        client.publish(create, consumer.into()).await.unwrap();
        let first = std::future::poll_fn(|context| std::pin::Pin::new(&mut told).poll_next(context)).await.unwrap();
        let victim = first.subject.to_string();
        for (headers, payload) in [
            (&[("KV-Operation", "DEL")][..], ""),
            (&[("KV-Operation", "PURGE")], "12345678"),
            (&[("KV-Operation", "DEL")], &"x".repeat(72)),
            (&[("Nats-Marker-Reason", "MaxAge")], ""),
            (&[], "x"),
        ] {
            reflect(&client, &hostile, headers, payload, &victim).await;
            assert_eq!(ask(&asker, did.as_str(), "2").await.unwrap(), "2", "{headers:?}");
            assert_eq!(bus.agents().len(), 2);
        }
        let taken = |subject: &str| format!("$JS.API.DIRECT.GET.KV_XB1_main_NAMES.$KV.XB1_main_NAMES.{subject}");
        for seq in 1..10 {
            let what = format!(r#"{{"seq":{seq}}}"#);
            reflect(&client, &hostile, &[], &what, "$JS.API.STREAM.MSG.DELETE.KV_XB1_main_NAMES").await;
        }
        let claim =
            NameDraft { name: "writer", now: now() }.sign(&key(94), &Namespace::parse("main").unwrap()).unwrap();
        client.publish("$KV.XB1_main_NAMES.writer", claim.into()).await.unwrap();
        client.publish_with_reply(taken("writer"), format!("xb1.main.{hostile}.r.x"), "".into()).await.unwrap();
        client.flush().await.unwrap();
        for _ in 0..5 {
            assert_eq!(ask(&asker, "writer", "3").await.unwrap(), "3", "its holder is there");
        }
        // What the bus keeps may go as a whole; it comes back.
        for stream in ["AGENTS", "NAMES", "STOPS"] {
            reflect(&client, &hostile, &[], "", &format!("$JS.API.STREAM.DELETE.KV_XB1_main_{stream}")).await;
        }
        assert_eq!(ask(&asker, "writer", "4").await.unwrap(), "4");
        let (third, thirds) = loop {
            if let Ok(connected) = connected(&server, 95).await {
                break connected;
            }
            sleep(Duration::from_millis(200)).await;
        };
        let late = join(&third, 95, "late");
        thirds.named(late.did()).await.unwrap();
        while ask(&late, did.as_str(), "5").await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
    });
}
