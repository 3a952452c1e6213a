//! Bodies and tokens that nobody reads on the way.

use async_nats::Message;
use xbind::Did;

use super::*;

async fn secret(server: &Server) -> (Arc<Node>, Bus) {
    let node = Node::new(NodeOptions::default());
    let bus = Bus::connect(&node, Settings { encrypt: true, ..settings(server, "main") }).await.unwrap();
    (node, bus)
}

/// All that the broker carries.
fn tapped(server: &Server) -> Arc<Mutex<Vec<u8>>> {
    let all: Arc<Mutex<Vec<u8>>> = Arc::default();
    let (url, seen) = (server.url.clone(), all.clone());
    let (told, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = async_nats::connect(&url).await.unwrap();
            let mut messages = client.subscribe(">").await.unwrap();
            client.flush().await.unwrap();
            told.send(()).unwrap();
            let next = async |messages: &mut async_nats::Subscriber| -> Option<Message> {
                std::future::poll_fn(|context| std::pin::Pin::new(&mut *messages).poll_next(context)).await
            };
            while let Some(message) = next(&mut messages).await {
                seen.lock().unwrap().extend_from_slice(&message.payload);
            }
        });
    });
    ready.recv_timeout(LONG).unwrap();
    all
}

fn holds(all: &Mutex<Vec<u8>>, what: &str) -> bool {
    all.lock().unwrap().windows(what.len()).any(|window| window == what.as_bytes())
}

/// Answers with two words of progress and what was asked.
fn whisper(handle: Handle) -> Did {
    let did = *handle.did();
    echo(handle);
    did
}

#[test]
fn nobody_on_the_way_reads_what_is_asked_answered_or_presented() {
    let server = Server::start(&[]);
    block_on(async {
        let all = tapped(&server);
        let ((here, bus), (there, _other)) = (secret(&server).await, secret(&server).await);
        let asker = join(&here, 1, "asker");
        whisper(join(&there, 2, "writer"));
        until(|| bus.agents().len() == 2).await;
        let token = "the-token-of-somebody";
        let options = CallOptions { token: Some(token.to_owned()), ..CallOptions::default() };
        let answer = asker.call("writer", Payload::Json("\"the secret\"".to_owned()), options).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::InvalidToken, "it was read there, and is none");
        assert_eq!(ask(&asker, "writer", "\"the secret\"").await.unwrap(), "\"the secret\"");
        let many = many(&asker, "writer", 300).await;
        assert!(many.iter().enumerate().all(|(n, one)| one.as_ref().is_ok_and(|one| *one == n.to_string())));
        until(|| holds(&all, "agent-presence") || holds(&all, "ey")).await;
        assert!(!holds(&all, "the secret") && !holds(&all, token));
    });
    let plain = tapped(&server);
    block_on(async {
        let ((here, bus), (there, _other)) = (node(&server, "plain").await, node(&server, "plain").await);
        let asker = join(&here, 1, "asker");
        whisper(join(&there, 2, "writer"));
        until(|| bus.agents().len() == 2).await;
        assert_eq!(ask(&asker, "writer", "\"the secret\"").await.unwrap(), "\"the secret\"");
        until(|| holds(&plain, "the secret")).await; // the tap works
    });
}

#[test]
fn to_whom_shows_no_key_nothing_is_sent_and_who_shows_one_is_encrypted_to() {
    let server = Server::start(&[]);
    block_on(async {
        let all = tapped(&server);
        let ((here, bus), (there, _other)) = (secret(&server).await, node(&server, "main").await);
        let (asker, plain) = (join(&here, 1, "asker"), join(&there, 2, "plain"));
        let from_plain = join(&there, 3, "from-plain");
        whisper(plain);
        whisper(join(&here, 4, "writer"));
        until(|| bus.agents().len() == 4).await;
        let refused = ask(&asker, "plain", "\"never sent\"").await.unwrap_err();
        assert_eq!((refused.kind(), refused.handled()), (ErrorKind::EncryptionRequired, Some(xbind::Handled::No)));
        assert_eq!(ask(&from_plain, "writer", "\"for its eyes\"").await.unwrap(), "\"for its eyes\"");
        assert!(!holds(&all, "never sent") && !holds(&all, "for its eyes"));
    });
}
