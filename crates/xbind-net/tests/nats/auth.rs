//! Getting in where a callout judges who may.

use async_nats::{Auth, Client, ConnectOptions};
use xbind::cluster::{CalloutBox, ConnectionDraft, NKey, Role, callout_key};
use xbind::{Did, MessageId};
use xbind_net::nats::{Admission, Door};

use super::*;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn did(seed: u8) -> Did {
    *key(seed).did()
}

fn nkey(role: Role, key: &SigningKey) -> NKey {
    NKey::of(role, key.verifying_key())
}

/// A server whose connections are judged by whoever has the account's key of that seed.
pub(crate) fn guarded(issuer: u8) -> Server {
    guarded_with(issuer, "")
}

fn guarded_with(issuer: u8, more: &str) -> Server {
    let mut name = [0; 8];
    xbind_runtime::random(&mut name).unwrap();
    let config = std::env::temp_dir().join(format!("xbind-nats-{}.conf", u64::from_be_bytes(name)));
    let text = format!(
        "accounts {{ AUTH: {{ users: [{{ nkey: {callout} }}] }}, AGENTS: {{ jetstream: enabled }} }}
         authorization {{ timeout: 10, auth_callout {{ issuer: {issuer}, auth_users: [{callout}], account: AUTH, {more} }} }}",
        callout = nkey(Role::User, &callout_key(&key(issuer))),
        issuer = nkey(Role::Account, &key(issuer)),
    );
    std::fs::write(&config, text).unwrap();
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    let _ = std::fs::remove_file(config);
    server
}

async fn door(server: &Server, issuer: u8, stay: u64, allowed: &[u8]) -> Door {
    door_of(server, issuer, stay, allowed, Vec::new()).await
}

pub(crate) async fn door_of(server: &Server, issuer: u8, stay: u64, allowed: &[u8], operators: Vec<Did>) -> Door {
    let allowed: HashSet<Did> = allowed.iter().map(|seed| did(*seed)).collect();
    let allow = Arc::new(move |did: Did, decision: Decision| decision.is(allowed.contains(&did)));
    let (reach, account) = (reach(server, "main"), "AGENTS".to_owned());
    Door::open(Admission { reach, issuer: key(issuer), account, stay, operators, allow }).await.unwrap()
}

pub(crate) async fn connected(server: &Server, seed: u8) -> Result<(Arc<Node>, Bus), Fault> {
    let node = Node::new(NodeOptions::default());
    let bus = Bus::connect(&node, Settings { identity: Some(key(seed)), ..settings(server, "main") }).await;
    bus.map(|bus| (node, bus))
}

pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn statement(signer: u8, connection: u8, now: u64) -> String {
    let mut id = [0; 16];
    xbind_runtime::random(&mut id).unwrap();
    let draft = ConnectionDraft { key: nkey(Role::User, &key(connection)), ttl: 30, now, id };
    draft.sign(&key(signer), &Namespace::parse("main").unwrap()).unwrap()
}

/// Connects by hand, with the key of that seed and that statement.
pub(crate) async fn raw(
    server: &Server,
    connection: u8,
    statement: Option<String>,
) -> Result<Client, async_nats::ConnectError> {
    raw_with(server, key(connection), statement).await
}

async fn raw_with(
    server: &Server,
    key: SigningKey,
    statement: Option<String>,
) -> Result<Client, async_nats::ConnectError> {
    let options = ConnectOptions::with_auth_callback(move |nonce| {
        let mut auth = Auth::new();
        (auth.nkey, auth.signature) = (Some(nkey(Role::User, &key).to_string()), Some(key.sign(&nonce).to_vec()));
        auth.token.clone_from(&statement);
        std::future::ready(Ok(auth))
    });
    options.max_reconnects(1).connect(&server.url).await
}

#[test]
fn what_a_server_asks_and_is_told_nobody_reads_where_it_has_the_key_for_that() {
    for (issuer, xkey, lets_in) in [(50, 50, true), (50, 51, false)] {
        let server = guarded_with(issuer, &format!("xkey: {}", CalloutBox::of(&key(xkey)).as_str()));
        block_on(async {
            // Whoever shares the callout's account reads along.
            let reader = raw_with(&server, callout_key(&key(issuer)), None).await.unwrap();
            let mut all = reader.subscribe(">").await.unwrap();
            reader.flush().await.unwrap();
            if !lets_in {
                let allow = Arc::new(|_, decision: Decision| decision.is(true));
                let (reach, account) = (reach(&server, "main"), "AGENTS".to_owned());
                let admission =
                    Admission { reach, issuer: key(issuer), account, stay: 300, operators: Vec::new(), allow };
                assert_eq!(Door::open(admission).await.unwrap_err(), Fault::Undecided, "it cannot read what is asked");
                return;
            }
            let _door = door(&server, issuer, 300, &[1]).await;
            let (_node, _bus) = connected(&server, 1).await.unwrap();
            assert_eq!(connected(&server, 3).await.unwrap_err(), Fault::Refused);
            let (mut asked, mut answered) = (0, 0);
            while asked < 3 || answered < 3 {
                let next = std::future::poll_fn(|context| std::pin::Pin::new(&mut all).poll_next(context));
                let message = next.await.unwrap();
                let is_question = &*message.subject == "$SYS.REQ.USER.AUTH";
                *if is_question { &mut asked } else { &mut answered } += 1;
                assert!(message.payload.starts_with(b"xkv1"), "{message:?}");
            }
        });
    }
}

#[test]
fn a_connection_gets_in_by_a_statement_and_can_do_all_that_a_bus_needs() {
    let server = guarded(50);
    block_on(async {
        let _door = door(&server, 50, 300, &[1, 2]).await;
        let ((here, bus), (there, _other)) =
            (connected(&server, 1).await.unwrap(), connected(&server, 2).await.unwrap());
        let asker = join(&here, 1, "asker");
        echo(join(&there, 2, "writer"));
        until(|| bus.agents().len() == 2).await;
        assert_eq!(ask(&asker, "writer", "1").await.unwrap(), "1");
        assert_eq!(ask(&asker, "nobody", "1").await.unwrap_err().kind(), ErrorKind::AgentNotFound);
        assert_eq!(connected(&server, 3).await.unwrap_err(), Fault::Refused, "it is not on the list");
        let node = Node::new(NodeOptions::default());
        assert_eq!(Bus::connect(&node, settings(&server, "main")).await.unwrap_err(), Fault::Refused);
        there.close();
        until(|| bus.agents().len() == 1).await;
    });
}

#[test]
fn whoever_shows_the_statement_of_another_or_an_old_one_stays_outside() {
    let server = guarded(50);
    block_on(async {
        let _door = door(&server, 50, 300, &[1]).await;
        let good = statement(1, 30, now());
        let first = raw(&server, 30, Some(good.clone())).await;
        assert!(first.is_ok(), "{first:?}");
        for (connection, statement, why) in [
            (30, Some(good), "it was used"),
            (31, Some(statement(1, 30, now())), "it names another key"),
            (30, Some(statement(1, 30, now() - 100)), "it has expired"),
            (30, Some(statement(1, 30, now() + 100)), "it is of another time"),
            (30, Some(statement(2, 30, now())), "its DID is not on the list"),
            (30, Some(statement(1, 30, now()).replace('.', ".A")), "it is not signed"),
            (30, None, "there is none"),
        ] {
            assert!(raw(&server, connection, statement).await.is_err(), "{why}");
        }
        assert!(raw(&server, 30, Some(statement(1, 30, now()))).await.is_ok(), "a new one is let in");
        let stolen = ConnectOptions::with_token(statement(1, 30, now())).connect(&server.url).await;
        assert!(stolen.is_err(), "whoever has not the key has signed no nonce");
    });
}

#[test]
fn who_is_in_has_its_own_subjects_alone() {
    let server = guarded(50);
    block_on(async {
        let _door = door(&server, 50, 300, &[1, 2]).await;
        let own = nkey(Role::User, &key(30));
        let other = nkey(Role::User, &key(31));
        let (refused, mut told) = tokio::sync::mpsc::unbounded_channel();
        let statement = statement(1, 30, now());
        let options = ConnectOptions::with_auth_callback(move |nonce| {
            let mut auth = Auth::new();
            (auth.nkey, auth.signature) = (Some(own.to_string()), Some(key(30).sign(&nonce).to_vec()));
            auth.token = Some(statement.clone());
            std::future::ready(Ok(auth))
        });
        let options = options.event_callback(move |event| {
            if let async_nats::Event::ServerError(error) = event {
                let _ = refused.send(error.to_string());
            }
            std::future::ready(())
        });
        let client = options.connect(&server.url).await.unwrap();
        let (mine, theirs) = (did(1).multibase().to_owned(), did(2).multibase().to_owned());
        let id = MessageId::from_bytes([0; 16]).text();
        for subject in [
            ">".to_owned(),
            "xb1.>".to_owned(),
            format!("xb1.main.{other}.c"),
            format!("xb1.main.{other}.r.>"),
            format!("xb1.main.mail.{mine}.*"),
            "_INBOX.>".to_owned(),
            "$SYS.>".to_owned(),
            "$KV.>".to_owned(),
            "$JS.>".to_owned(),
        ] {
            let _unused = client.subscribe(subject.clone()).await.unwrap();
            let said = timeout(LONG, told.recv()).await.unwrap().unwrap();
            assert!(said.to_lowercase().contains("permissions violation"), "{subject}: {said}");
        }
        for subject in [
            format!("xb1.main.{other}.b"),
            format!("xb1.main.{other}.r.1"),
            format!("xb1.other.{other}.c"),
            format!("$KV.XB1_main_AGENTS.{other}.{mine}"),
            format!("$KV.XB1_main_STOPS.{mine}.beat"),
            format!("xb1.main.mail.{mine}.{theirs}"),
            format!("$KV.XB1_main_BOXES.{theirs}"),
            format!("$KV.XB1_main_SEEN.{theirs}.{id}"),
            format!("$JS.ACK.XB1_main_MAIL.{theirs}.1.1.1.1.0"),
            format!("$JS.API.CONSUMER.CREATE.XB1_main_MAIL.{mine}.xb1.main.mail.{theirs}.*"),
            format!("$JS.API.CONSUMER.MSG.NEXT.XB1_main_MAIL.{theirs}"),
            "$JS.API.STREAM.CREATE.KV_XB1_main_AGENTS".to_owned(),
            "$JS.API.STREAM.CREATE.MINE".to_owned(),
            "$JS.API.STREAM.DELETE.KV_XB1_main_AGENTS".to_owned(),
            "$JS.API.STREAM.PURGE.KV_XB1_main_AGENTS".to_owned(),
            format!("$JS.API.CONSUMER.CREATE.KV_XB1_main_AGENTS.{other}"),
            "$SYS.REQ.USER.AUTH".to_owned(),
        ] {
            client.publish(subject.clone(), "".into()).await.unwrap();
            let said = timeout(LONG, told.recv()).await.unwrap().unwrap();
            assert!(said.to_lowercase().contains("permissions violation"), "{subject}: {said}");
        }
        client.publish(format!("xb1.main.{own}.b"), "".into()).await.unwrap();
        client.flush().await.unwrap();
        assert!(told.try_recv().is_err(), "its own are its own");
    });
}

#[test]
fn whoever_is_in_cannot_empty_what_the_bus_keeps() {
    let server = guarded(50);
    block_on(async {
        let _door = door(&server, 50, 300, &[1, 2]).await;
        let (here, _bus) = connected(&server, 1).await.unwrap();
        let _agent = join(&here, 3, "there");
        let is_kept = async || {
            let (_node, late) = connected(&server, 1).await.unwrap();
            late.agents().iter().any(|(agent, _)| *agent == did(3))
        };
        while !is_kept().await {
            sleep(Duration::from_millis(20)).await;
        }
        let client = raw(&server, 30, Some(statement(2, 30, now()))).await.unwrap();
        let own = format!("$KV.XB1_main_AGENTS.{}.{}", nkey(Role::User, &key(30)), did(2).multibase());
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Rollup", "all");
        client.publish_with_headers(own, headers, "".into()).await.unwrap();
        client.flush().await.unwrap();
        assert!(is_kept().await);
    });
}

#[test]
fn rights_end_and_an_agent_shows_a_new_statement() {
    let server = guarded(50);
    block_on(async {
        let kept = door(&server, 50, 2, &[1, 2]).await;
        let ((here, bus), (there, _other)) =
            (connected(&server, 1).await.unwrap(), connected(&server, 2).await.unwrap());
        let asker = join(&here, 1, "asker");
        echo(join(&there, 2, "writer"));
        let thief = raw(&server, 30, Some(statement(1, 30, now()))).await.unwrap();
        until(|| thief.connection_state() != async_nats::connection::State::Connected).await;
        until(|| bus.status() == Status::Reconnecting).await;
        until(|| bus.status() == Status::Connected && bus.agents().len() == 2).await;
        assert_eq!(ask(&asker, "writer", "1").await.unwrap(), "1");
        kept.close();
        until(|| bus.status() == Status::Reconnecting).await;
        sleep(Duration::from_millis(500)).await;
        assert_eq!(bus.status(), Status::Reconnecting, "nobody lets it in");
        let _again = door(&server, 50, 300, &[1, 2]).await;
        until(|| bus.status() == Status::Connected && bus.agents().len() == 2).await;
        assert_eq!(ask(&asker, "writer", "2").await.unwrap(), "2");
    });
}
