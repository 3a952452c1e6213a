//! A broker that keeps mailboxes and mail to itself, for a while or for good.

use serde_json::{Value, json};
use xbind::Handled;
use xbind::cluster::Namespace;

use super::auth::did;
use super::mail::{WEEK, away, inbox, is_empty, keep, read, send};
use super::*;

/// What the owner of the broker does there.
async fn does(owner: &async_nats::Client, what: &str, how: Value) -> Value {
    let how = if how.is_null() { String::new() } else { how.to_string() };
    let answer = owner.request(format!("$JS.API.{what}"), how.into()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert!(answer["error"].is_null(), "{answer}");
    answer
}

#[test]
fn to_a_mailbox_that_is_withheld_nothing_is_sent_and_shown_again_it_takes_mail() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, bus) = node(&server, "main").await;
        let asker = inbox(&here, 1, "asker");
        away(&server, "main", 2, "writer", WEEK).await;
        until(|| bus.agents().len() == 1).await;
        keep(&asker, did(2).as_str(), "1").await;
        let owner = async_nats::connect(&server.url).await.unwrap();
        let place = format!("KV_XB1_main_BOXES.$KV.XB1_main_BOXES.{}", Namespace::mailbox_key(&did(2)));
        let entry = owner.request(format!("$JS.API.DIRECT.GET.{place}"), "".into()).await.unwrap().payload;
        let config = does(&owner, "STREAM.INFO.KV_XB1_main_BOXES", Value::Null).await["config"].take();
        does(&owner, "STREAM.DELETE.KV_XB1_main_BOXES", Value::Null).await;
        for _ in 0..2 {
            for to in [did(2).as_str(), "writer"] {
                let untaken = send(&asker, to, "nobody is to have it").await.unwrap_err();
                assert_eq!((untaken.kind(), untaken.handled()), (ErrorKind::AgentNotFound, Some(Handled::No)), "{to}");
            }
            does(&owner, "STREAM.CREATE.KV_XB1_main_BOXES", config.clone()).await; // and an empty one is no other
        }
        let subject = format!("$KV.XB1_main_BOXES.{}", Namespace::mailbox_key(&did(2)));
        owner.request(subject, entry).await.unwrap();
        keep(&asker, did(2).as_str(), "2").await;
        let (there, back) = node(&server, "main").await;
        let writer = inbox(&there, 2, "writer");
        back.mailbox(writer.did(), WEEK).await.unwrap();
        let first = read(&writer, 1).await;
        assert_eq!([first, read(&writer, 1).await].concat(), ["1", "2"]);
        assert!(is_empty(&writer).await);
    });
}

#[test]
fn mail_that_is_withheld_is_read_once_when_it_comes_and_what_is_lost_harms_no_other() {
    let server = Server::start(&[]);
    block_on(async {
        let (here, _bus) = node(&server, "main").await;
        let asker = inbox(&here, 1, "asker");
        away(&server, "main", 2, "writer", WEEK).await;
        keep(&asker, did(2).as_str(), "1").await;
        keep(&asker, did(2).as_str(), "2").await;
        let owner = async_nats::connect(&server.url).await.unwrap();
        let consumer = format!("XB1_main_MAIL.{}", Namespace::mailbox_key(&did(2)));
        let pause = async |until: &str| {
            does(&owner, &format!("CONSUMER.PAUSE.{consumer}"), json!({ "pause_until": until })).await;
        };
        pause("2100-01-01T00:00:00Z").await;
        let (there, back) = node(&server, "main").await;
        let writer = inbox(&there, 2, "writer");
        back.mailbox(writer.did(), WEEK).await.unwrap();
        assert!(is_empty(&writer).await, "it is kept to itself, and nobody can tell");
        // Meanwhile it doubles one of them.
        let info = does(&owner, "STREAM.INFO.XB1_main_MAIL", Value::Null).await;
        let first = info["state"]["first_seq"].as_u64().unwrap();
        let second =
            does(&owner, "STREAM.MSG.GET.XB1_main_MAIL", json!({ "seq": first.checked_add(1).unwrap() })).await;
        let bytes = base64_simd::STANDARD.decode_to_vec(second["message"]["data"].as_str().unwrap()).unwrap();
        let subject = second["message"]["subject"].as_str().unwrap().to_owned();
        owner.request(subject, bytes.into()).await.unwrap();
        pause("2000-01-01T00:00:00Z").await;
        let read_first = read(&writer, 1).await;
        assert_eq!([read_first, read(&writer, 1).await].concat(), ["1", "2"]);
        assert!(is_empty(&writer).await, "the second copy is known");
        does(&owner, "STREAM.DELETE.XB1_main_MAIL", Value::Null).await;
        back.mailbox(writer.did(), WEEK).await.unwrap();
        there.close();
        back.closed().await.unwrap();
        keep(&asker, did(2).as_str(), "3").await;
        let (again, bus) = node(&server, "main").await;
        let writer = inbox(&again, 2, "writer");
        bus.mailbox(writer.did(), WEEK).await.unwrap();
        assert_eq!(read(&writer, 1).await, ["3"]);
    });
}
