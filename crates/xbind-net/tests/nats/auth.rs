//! Getting in where a callout judges who may.

use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::{Auth, ConnectOptions};
use tokio_stream::Stream;
use xbind::cluster::{AuthRequest, NKey, Names, Permit, Rights, Role};
use xbind::{Did, ReplayWindow};

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn nkey(role: Role, key: &SigningKey) -> NKey {
    NKey::of(role, key.verifying_key())
}

/// Judges connections: those of these DIDs get in, and the first may make the bucket.
fn callout(url: &str, account: SigningKey, service: SigningKey, allowed: Vec<Did>) {
    let (told, ready) = mpsc::channel();
    let url = url.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let own = nkey(Role::User, &service).to_string();
            let options = ConnectOptions::with_auth_callback(move |nonce| {
                let mut auth = Auth::new();
                (auth.nkey, auth.signature) = (Some(own.clone()), Some(service.sign(&nonce).to_vec()));
                std::future::ready(Ok(auth))
            });
            let client = options.connect(&url).await.unwrap();
            let mut asked = client.subscribe("$SYS.REQ.USER.AUTH").await.unwrap();
            client.flush().await.unwrap();
            told.send(()).unwrap();
            let (namespace, used) = (Namespace::parse("main").unwrap(), ReplayWindow::new(1000));
            let account_key = nkey(Role::Account, &account);
            while let Some(message) =
                std::future::poll_fn(|context| std::pin::Pin::new(&mut asked).poll_next(context)).await
            {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
                let mut id = [0; 16];
                xbind_runtime::random(&mut id).unwrap();
                let text = std::str::from_utf8(&message.payload).unwrap();
                let request = AuthRequest::verify(text, &account_key, now, 30).unwrap();
                let admitted = request.admit(&namespace, &used, now, 30);
                let answer = match &admitted {
                    Ok(connection) if allowed.contains(connection.agent()) => {
                        let mut rights = Rights::of(connection, &namespace, Names::FirstCome).unwrap();
                        if allowed.first() == Some(connection.agent()) {
                            rights.publish.push("$JS.API.STREAM.CREATE.KV_XB1_main_AGENTS".to_owned());
                        }
                        let permit = Permit { connection, rights: &rights, account: "APP", ttl: 300, now, id };
                        permit.answer(&request, &account).unwrap()
                    }
                    Ok(_) => request.refuse(ErrorKind::NotAllowed, &account, now, id),
                    Err(error) => request.refuse(error.kind(), &account, now, id),
                };
                client.publish(message.reply.unwrap(), answer.into()).await.unwrap();
            }
        });
    });
    ready.recv_timeout(LONG).unwrap();
}

#[test]
fn a_connection_gets_in_by_a_statement_and_can_do_all_that_a_bus_needs() {
    let (account, service) = (key(50), key(51));
    let config = std::env::temp_dir().join(format!("xbind-nats-{}.conf", std::process::id()));
    let text = format!(
        "accounts {{ AUTH: {{ users: [{{ nkey: {service} }}] }}, APP: {{ jetstream: enabled }} }}
         authorization {{ timeout: 10, auth_callout {{ issuer: {issuer}, auth_users: [{service}], account: AUTH }} }}",
        service = nkey(Role::User, &service),
        issuer = nkey(Role::Account, &account),
    );
    std::fs::write(&config, text).unwrap();
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    let identity = |seed| Some(key(seed));
    callout(&server.url, account, service, vec![*key(9).did(), *key(1).did(), *key(2).did()]);
    block_on(async {
        let connected = async |seed| {
            let node = Node::new(NodeOptions::default());
            let bus = Bus::connect(&node, Settings { identity: identity(seed), ..settings(&server, "main") }).await;
            bus.map(|bus| (node, bus))
        };
        let _owner = connected(9).await.unwrap(); // makes the bucket, which others may not
        let ((here, bus), (there, _other)) = (connected(1).await.unwrap(), connected(2).await.unwrap());
        let asker = join(&here, 1, "asker");
        echo(join(&there, 2, "writer"));
        until(|| bus.agents().len() == 2).await;
        assert_eq!(ask(&asker, "writer", "1").await.unwrap(), "1");
        assert_eq!(ask(&asker, "nobody", "1").await.unwrap_err().kind(), ErrorKind::AgentNotFound);
        assert_eq!(connected(3).await.unwrap_err(), Fault::Refused);
        let node = Node::new(NodeOptions::default());
        assert_eq!(Bus::connect(&node, settings(&server, "main")).await.unwrap_err(), Fault::Refused);
        there.close();
        until(|| bus.agents().len() == 1).await;
    });
    let _ = std::fs::remove_file(config);
}
