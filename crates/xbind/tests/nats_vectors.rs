//! The committed vectors of what travels over NATS: each gets its verdict, and their maker still makes them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;
#[path = "../examples/make-nats-vectors/main.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod make_vectors;

use common::{run_cases, vector_path, vectors};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::collections::HashSet;
use xbind::cluster::{
    AuthRequest, Bucket, Connection, Heartbeat, Mailbox, NKey, NameRecord, Namespace, Presence, Role, Stop, Stopped,
    Stops,
};
use xbind::{Did, ErrorKind, MessageId, ReplayWindow, Result, SigningKey, Standing, VerifyingKey};

fn did(text: &Value) -> Did {
    *VerifyingKey::from_did(text.as_str().unwrap()).unwrap().did()
}

fn dids(list: &Value) -> Vec<Did> {
    list.as_array().unwrap().iter().map(did).collect()
}

fn either<'a>(case: &'a Value, file: &'a Value, member: &str) -> &'a Value {
    case.get(member).unwrap_or(&file[member])
}

fn shown(connection: &Connection) -> Value {
    json!({
        "agent": connection.agent().as_str(), "nkey": connection.key().as_str(), "id": connection.id().text(),
        "issuedAt": connection.issued_at(), "expiresAt": connection.expires_at(),
    })
}

/// What an accepted statement says.
fn said(file: &Value, case: &Value) -> Result<Value> {
    let namespace = Namespace::parse(file["namespace"].as_str().unwrap())?;
    let (now, skew) = (either(case, file, "now").as_u64().unwrap(), file["skew"].as_u64().unwrap());
    let operators = dids(either(case, file, "operators"));
    let (text, key) = (case["text"].as_str().unwrap(), case["key"].as_str());
    Ok(match case["statement"].as_str().unwrap() {
        "presence" => {
            let agent = case.get("agent").map(did);
            let presence = match key {
                Some(key) => Presence::read_entry(key, text, &namespace, now, skew)?,
                None => Presence::verify(text, agent.as_ref(), &namespace, now, skew)?,
            };
            json!({
                "agent": presence.agent().as_str(), "name": presence.name(), "session": presence.session().text(),
                "host": presence.host().as_str(), "encryptionKey": presence.encryption_key().map(|key| BASE64URL_NOPAD.encode(key)),
                "maxFrame": presence.max_frame(), "capabilities": presence.capabilities(),
                "issuedAt": presence.issued_at(), "expiresAt": presence.expires_at(),
            })
        }
        "name" => {
            let record = match key {
                Some(key) => NameRecord::read_entry(key, text, &namespace, now, skew)?,
                None => NameRecord::verify(text, &namespace, now, skew)?,
            };
            json!({ "agent": record.agent().as_str(), "name": record.name(), "issuedAt": record.issued_at() })
        }
        "mailbox" => {
            let mailbox = match key {
                Some(key) => Mailbox::read_entry(key, text, &namespace, now, skew)?,
                None => Mailbox::verify(text, &did(&case["agent"]), &namespace, now, skew)?,
            };
            json!({
                "agent": mailbox.agent().as_str(), "retain": mailbox.retain(),
                "encryptionKey": mailbox.encryption_key().map(|key| BASE64URL_NOPAD.encode(key)),
                "issuedAt": mailbox.issued_at(), "expiresAt": mailbox.expires_at(),
            })
        }
        "stop" => {
            let stop = Stop::verify(text, &namespace, &operators, now, skew)?;
            let (agent, token) = match stop.stopped() {
                Stopped::Agent(did) => (Some(did.as_str()), None),
                Stopped::Token(id) => (None, Some(id)),
            };
            json!({
                "operator": stop.operator().as_str(), "verb": stop.verb().as_str(), "agent": agent, "token": token,
                "since": stop.since(), "reason": stop.reason(), "issuedAt": stop.issued_at(),
            })
        }
        "heartbeat" => {
            let beat = Heartbeat::verify(text, &namespace, &operators, now, skew)?;
            json!({
                "operator": beat.operator().as_str(), "seq": beat.seq(), "count": beat.count(), "set": beat.set().text(),
                "issuedAt": beat.issued_at(), "expiresAt": beat.expires_at(),
            })
        }
        "connection" => shown(&Connection::verify(text, &namespace, now, skew)?),
        other => panic!("{other} is no statement"),
    })
}

#[test]
fn every_statement_gets_its_verdict() {
    let file = vectors("nats.json");
    for case in file["statements"].as_array().unwrap() {
        let name = &case["name"];
        match said(&file, case) {
            Ok(said) => {
                assert_eq!(case["expect"], "accept", "{name}");
                assert_eq!(said, case["is"], "{name}");
            }
            Err(error) => assert_eq!(case["code"], error.kind().code(), "{name}: {error}"),
        }
    }
}

#[test]
fn no_byte_of_a_statement_can_be_changed() {
    let file = vectors("nats.json");
    for case in
        file["statements"].as_array().unwrap().iter().filter(|case| case["name"].as_str().unwrap().ends_with("-honest"))
    {
        let mut text = case["text"].as_str().unwrap().as_bytes().to_vec();
        for at in 0..text.len() {
            for byte in [text[at] ^ 1, text[at] ^ 4, b'A', b'.', b'~'] {
                let before = std::mem::replace(&mut text[at], byte);
                if let (true, Ok(changed)) = (before != byte, str::from_utf8(&text)) {
                    let mut case = case.clone();
                    case["text"] = json!(changed);
                    assert!(said(&file, &case).is_err(), "{} at {at}", case["name"]);
                }
                text[at] = before;
            }
        }
    }
}

#[test]
fn every_reader_of_stops_knows_the_same() {
    let file = vectors("nats.json");
    let word = |standing| match standing {
        Standing::Valid => "valid",
        Standing::Revoked => "revoked",
        Standing::Unknown => "unknown",
    };
    let [agent, worker] = [2, 3].map(|n| *SigningKey::from_seed(&[n; 32]).did());
    for history in file["histories"].as_array().unwrap() {
        let namespace = Namespace::parse(file["namespace"].as_str().unwrap()).unwrap();
        let capacity = usize::try_from(history["capacity"].as_u64().unwrap()).unwrap();
        let mut stops = Stops::new(namespace, &dids(&history["operators"]), capacity, file["skew"].as_u64().unwrap());
        for (count, step) in (1..).zip(history["steps"].as_array().unwrap()) {
            let (now, text) = (step["now"].as_u64().unwrap(), step["text"].as_str().unwrap());
            let outcome = match step["take"].as_str().unwrap() {
                "stop" => stops.take(text, now).map(drop),
                "heartbeat" => stops.beat(text, now).map(drop),
                _ => Ok(()),
            };
            let name = format!("{} step {count}", history["name"]);
            assert_eq!(step["code"].as_str(), outcome.err().map(|error| error.kind().code()), "{name}");
            let standing = json!({
                "agent": word(stops.of_agent(&agent, now)),
                "worker": word(stops.of_agent(&worker, now)),
                "token": word(stops.of_token("invoice-7", now)),
            });
            assert_eq!(standing, step["standing"], "{name}");
        }
    }
}

/// What a reader says that has used these statements, or where it fails and how.
fn asked(file: &Value, case: &Value, used: &ReplayWindow) -> std::result::Result<Value, (&'static str, &'static str)> {
    let namespace = Namespace::parse(file["namespace"].as_str().unwrap()).unwrap();
    let account = NKey::parse(Role::Account, either(case, file, "account").as_str().unwrap()).unwrap();
    let (now, skew) = (either(case, file, "now").as_u64().unwrap(), file["skew"].as_u64().unwrap());
    let fails = |at| move |error: xbind::Error| (at, error.kind().code());
    let request = AuthRequest::verify(case["text"].as_str().unwrap(), &account, now, skew).map_err(fails("verify"))?;
    let connection = request.admit(&namespace, used, now, skew).map_err(fails("admit"))?;
    let (server, user) = (request.server().as_str(), request.user().as_str());
    Ok(json!({ "server": server, "user": user, "connection": shown(&connection) }))
}

#[test]
fn every_request_gets_its_answer() {
    let file = vectors("nats.json");
    let cases = file["requests"].as_array().unwrap();
    for case in cases {
        let used = ReplayWindow::new(10);
        if let Some(first) = cases.iter().find(|first| first["name"] == case["after"]) {
            assert!(asked(&file, first, &used).is_ok());
        }
        match asked(&file, case, &used) {
            Ok(said) => assert_eq!(said, case["is"], "{}", case["name"]),
            Err((at, code)) => assert_eq!((&case["at"], &case["code"]), (&json!(at), &json!(code)), "{}", case["name"]),
        }
    }
}

#[test]
fn what_was_refused_has_used_no_statement() {
    let file = vectors("nats.json");
    let used = ReplayWindow::new(1);
    let cases = file["requests"].as_array().unwrap();
    for case in cases.iter().filter(|case| case["expect"] == "reject" && case["after"].is_null()) {
        assert!(asked(&file, case, &used).is_err());
    }
    assert!(asked(&file, &cases[0], &used).is_ok());
}

/// Whether a subject is covered by a pattern of NATS.
fn covers(pattern: &str, subject: &str) -> bool {
    let (mut patterns, mut tokens) = (pattern.split('.'), subject.split('.'));
    loop {
        match (patterns.next(), tokens.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(pattern), Some(token)) if pattern == token => {}
            _ => return false,
        }
    }
}

#[test]
fn a_connection_has_its_own_subjects_alone() {
    let file = vectors("nats.json");
    let subjects =
        |list: &Value| list.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (publish, subscribe) =
        (subjects(&file["answers"]["rights"]["publish"]), subjects(&file["answers"]["rights"]["subscribe"]));
    let namespace = Namespace::parse("main").unwrap();
    let other = Namespace::parse("other").unwrap();
    let [own, foreign] = [5, 6].map(|n| NKey::of(Role::User, SigningKey::from_seed(&[n; 32]).verifying_key()));
    let [agent, worker] = [2, 3].map(|n| *SigningKey::from_seed(&[n; 32]).did());
    let may = |list: &[String], subject: &str| list.iter().any(|pattern| covers(pattern, subject));
    let (agents, names, stops, mail) = (
        namespace.bucket(Bucket::Agents),
        namespace.bucket(Bucket::Names),
        namespace.bucket(Bucket::Stops),
        namespace.mail_stream(),
    );
    for subject in [namespace.inbox(&own), format!("{}7", namespace.replies(&own))] {
        assert!(may(&subscribe, &subject), "{subject}");
    }
    for subject in [
        namespace.inbox(&foreign),
        format!("{}7", namespace.replies(&foreign)),
        namespace.mailbox(&agent),
        other.inbox(&own),
        "_INBOX.x".to_owned(),
        "$SYS.REQ.USER.AUTH".to_owned(),
        format!("$KV.{agents}.{}", Namespace::presence_key(&own, &agent)),
    ] {
        assert!(!may(&subscribe, &subject), "{subject}");
    }
    for subject in [
        namespace.inbox(&foreign),
        namespace.mail(&worker, &agent),
        format!("$KV.{}.{}", namespace.bucket(Bucket::Boxes), Namespace::mailbox_key(&agent)),
        format!("$KV.{agents}.{}", Namespace::presence_key(&own, &worker)),
        format!("$KV.{names}.{}", Namespace::name_key("a.b").unwrap()),
        format!("$JS.API.CONSUMER.CREATE.{mail}.{}.{}", agent.multibase(), namespace.mailbox(&agent)),
    ] {
        assert!(may(&publish, &subject), "{subject}");
    }
    let keeps = |subject: &str| may(&subjects(&file["answers"]["rightsOfKeeper"]["publish"]), subject);
    let making = format!("$JS.API.STREAM.CREATE.KV_{agents}");
    assert!(keeps(&making) && !keeps(&making.replace("main", "other")) && !keeps(&namespace.inbox(&own)));
    let of_operator = subjects(&file["answers"]["rightsOfOperator"]["publish"]);
    let (own_beat, foreign_beat) = (Namespace::heartbeat_key(&agent), Namespace::heartbeat_key(&worker));
    let says = |beat: &str| may(&of_operator, &format!("$KV.{stops}.{beat}"));
    assert!(says(&own_beat) && !says(&foreign_beat));
    assert!(of_operator.starts_with(&publish) && of_operator.len() == publish.len() + 1);
    for subject in [
        other.inbox(&foreign),
        format!("{}7", namespace.replies(&foreign)),
        format!("{}7", namespace.replies(&own)),
        format!("$KV.{agents}.{}", Namespace::presence_key(&foreign, &agent)),
        format!("$KV.{stops}.{}", Namespace::heartbeat_key(&agent)),
        namespace.mail(&worker, &worker),
        format!("$KV.{}.{}", namespace.bucket(Bucket::Boxes), Namespace::mailbox_key(&worker)),
        format!("$JS.API.CONSUMER.CREATE.{mail}.{}.{}", agent.multibase(), namespace.mailbox(&worker)),
        format!("$JS.ACK.{mail}.{}.1.2.3.4.5", worker.multibase()),
        format!("$JS.API.CONSUMER.MSG.NEXT.{mail}.{}", worker.multibase()),
        format!("$JS.API.CONSUMER.CREATE.KV_{agents}.{foreign}"),
        format!("$JS.API.STREAM.DELETE.KV_{agents}"),
        format!("$JS.API.STREAM.PURGE.KV_{names}"),
        format!("$JS.API.STREAM.UPDATE.{mail}"),
        format!("$JS.API.STREAM.MSG.DELETE.KV_{stops}"),
        "$SYS.REQ.USER.AUTH".to_owned(),
        "_INBOX.x".to_owned(),
        "xb1".to_owned(),
    ] {
        assert!(!may(&publish, &subject), "{subject}");
    }
}

#[test]
fn answers_are_what_a_server_takes() {
    let file = vectors("nats.json");
    let answers = &file["answers"];
    let account = SigningKey::from_seed(&[7; 32]);
    let read = |text: &Value| {
        let parts: Vec<&str> = text.as_str().unwrap().split('.').collect();
        let [header, claims, signature] =
            [0, 1, 2].map(|at: usize| BASE64URL_NOPAD.decode(parts[at].as_bytes()).unwrap());
        assert_eq!(header, br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
        let input = format!("{}.{}", parts[0], parts[1]);
        assert!(account.verifying_key().verify(input.as_bytes(), &signature.try_into().unwrap()));
        serde_json::from_slice::<Value>(&claims).unwrap()
    };
    let honest = asked(&file, &file["requests"][0], &ReplayWindow::new(1)).unwrap();
    for (answer, member) in [("yes", "jwt"), ("no", "error")] {
        let claims = read(&answers[answer]);
        assert_eq!(
            (&claims["sub"], &claims["aud"], &claims["iss"]),
            (&honest["user"], &honest["server"], &file["account"])
        );
        assert_eq!(
            (&claims["nats"]["type"], &claims["nats"]["version"]),
            (&json!("authorization_response"), &json!(2))
        );
        assert!(claims["nats"][member].is_string() && claims["nats"].as_object().unwrap().len() == 3);
    }
    assert_eq!(read(&answers["no"])["nats"]["error"], "REVOKED");
    let user = read(&read(&answers["yes"])["nats"]["jwt"]);
    assert_eq!((&user["sub"], &user["aud"], &user["exp"]), (&honest["user"], &json!("AGENTS"), &json!(1_735_689_900)));
    assert_eq!(user["nats"]["pub"]["allow"], answers["rights"]["publish"]);
    assert_eq!(user["nats"]["sub"]["allow"], answers["rights"]["subscribe"]);
    assert_eq!(
        (&user["nats"]["subs"], &user["nats"]["data"], &user["nats"]["payload"]),
        (&json!(-1), &json!(-1), &json!(-1))
    );
}

#[test]
fn mail_gets_its_verdict() {
    let file = vectors("nats.json");
    let (wrong, refused) = run_cases(&file["mail"]);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(refused >= 10, "only {refused} refusals");
    let [sender, recipient] = [2, 3].map(|n| *SigningKey::from_seed(&[n; 32]).did());
    let noted = |sender, recipient, id: u8| Namespace::seen_key(recipient, sender, &MessageId::from_bytes([id; 16]));
    let first = Namespace::seen_key(&recipient, &sender, &MessageId::parse("AAECAwQFBgcICQoLDA0ODw").unwrap());
    assert_eq!(file["mail"]["seen"], first);
    let keys = [
        noted(&sender, &recipient, 1),
        noted(&sender, &recipient, 2),
        noted(&recipient, &recipient, 1),
        noted(&sender, &sender, 1),
    ];
    assert_eq!(HashSet::from(keys.clone()).len(), 4, "{keys:?}");
}

#[test]
fn names_are_unique_and_codes_exist() {
    let file = vectors("nats.json");
    let mut names = HashSet::new();
    for case in ["statements", "requests"].iter().flat_map(|part| file[part].as_array().unwrap()) {
        assert!(names.insert(case["name"].as_str().unwrap()), "{} twice", case["name"]);
        assert!(!case["why"].as_str().unwrap().is_empty(), "{} has no reason", case["name"]);
        assert_eq!(case["expect"] == "reject", case["code"].is_string(), "{}", case["name"]);
        assert!(case["code"].as_str().is_none_or(|code| ErrorKind::from_code(code).is_some()), "{}", case["code"]);
    }
    assert!(names.len() >= 100, "only {} cases", names.len());
}

#[test]
fn the_files_are_what_their_maker_makes() {
    for (name, text) in make_vectors::files() {
        let committed = std::fs::read_to_string(vector_path(name)).unwrap();
        assert!(committed == text, "vectors/{name} differs: run make-nats-vectors");
    }
}
