//! The database by itself: its schemas, its commits, and what it does when a decision cannot be put on record.
#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::{Folder, key};
use xbind::ScopeSet;
use xbind::record::Verdict;
use xbind_authority::domain::token::{self, Wanted};
use xbind_authority::domain::{agent, exchange, keys, name, nonce, operator};
use xbind_authority::problem::{Kind, Problem};
use xbind_authority::store::{Change, Store, schema};
use xbind_runtime::{Audit, AuditLog, Decided, Done, Durability, LogOptions, Taken};

/// A log in memory, which can fail.
#[derive(Default)]
struct Log {
    taken: Mutex<Vec<String>>,
    fails: AtomicBool,
}

impl Audit for Log {
    fn take(&self, decided: Decided, done: Option<Done>) -> Taken {
        if self.fails.load(Ordering::SeqCst) {
            return Taken::No;
        }
        self.taken.lock().unwrap().push(decided.event.into_owned());
        if let Some(done) = done {
            done(true);
        }
        Taken::Later
    }
}

fn open(folder: &Folder) -> (Store, Arc<Log>) {
    let log = Arc::new(Log::default());
    (Store::open(&folder.join("test.db"), log.clone()).unwrap(), log)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// An operator (key 1) with an agent (key 2).
fn fill(store: &Store) -> operator::Operator {
    run(store.write(|change| {
        let operator = operator::add(change.db(), "example.com", key(1).verifying_key(), 100)?;
        agent::add(change.db(), &operator, key(2).did(), &ScopeSet::parse("read:all").unwrap(), 100)?;
        Ok(operator)
    }))
    .unwrap()
}

fn first(change: &Change<'_>) -> Result<agent::Agent, Problem> {
    agent::by_number(change.db(), 1)
}

fn wanted(id: u8, challenge: u8) -> Wanted {
    let scopes = ScopeSet::parse("read:all").unwrap();
    Wanted { did: *key(2).did(), scopes, ttl: 60, id: [id; 16], challenge: [challenge; 16] }
}

#[test]
fn one_challenge_is_one_token_however_many_ask_at_once() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    let asked = (0..64).map(|n| {
        let wanted = wanted(n, 7);
        store.write(move |change| token::issue(change.db(), &wanted, 100))
    });
    let answers = run(async {
        let mut answers = Vec::new();
        // All of them wait at once.
        let mut asked: Vec<_> = asked.map(Box::pin).collect();
        std::future::poll_fn(|context| {
            asked.retain_mut(|one| match one.as_mut().poll(context) {
                std::task::Poll::Ready(answer) => {
                    answers.push(answer);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if asked.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        answers
    });
    assert_eq!(answers.len(), 64);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let kinds = answers.iter().filter_map(|answer| answer.as_ref().err()).map(Problem::kind);
    assert!(kinds.into_iter().all(|kind| kind == Kind::ChallengeOver));
    let (commits, changes) = store.written();
    assert!(commits < 20, "{changes} changes took {commits} commits");
}

#[test]
fn what_cannot_be_put_on_record_is_not_done() {
    let folder = Folder::new();
    let (store, log) = open(&folder);
    let operator = fill(&store);
    log.fails.store(true, Ordering::SeqCst);
    let change = |change: &mut Change<'_>| {
        agent::set_scopes(change.db(), &first(change)?, &ScopeSet::parse("admin:all").unwrap())?;
        change.record(Decided::new("agent.scopes", Verdict::Accepted, *key(9).did(), 100));
        Ok(())
    };
    assert_eq!(run(store.write(change)).unwrap_err().kind(), Kind::AuditFailed);
    let scopes = store.read(|db| Ok(agent::by_did(db, key(2).did().as_str())?.scopes)).unwrap();
    assert_eq!(scopes.as_str(), "read:all");
    log.fails.store(false, Ordering::SeqCst);
    run(store.write(change)).unwrap();
    assert_eq!(*log.taken.lock().unwrap(), ["agent.scopes"]);
    assert_eq!(operator.agents, 0);
}

#[test]
fn a_change_that_fails_or_panics_leaves_nothing_and_harms_no_other() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    let scopes = |text: &'static str| ScopeSet::parse(text).unwrap();
    let failing = store.write(move |change| {
        agent::set_scopes(change.db(), &first(change)?, &scopes("one"))?;
        Err::<(), _>(Problem::new(Kind::Conflict, "no"))
    });
    let panicking = store.write(move |change| {
        agent::set_scopes(change.db(), &first(change)?, &scopes("two"))?;
        panic!("on purpose");
        #[allow(unreachable_code, reason = "it says the type")]
        Ok(())
    });
    let working = store.write(|change| nonce::claim(change.db(), "one", 200, 100));
    let (failed, panicked, worked) = run(async { (failing.await, panicking.await, working.await) });
    assert_eq!(failed.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(panicked.unwrap_err().kind(), Kind::Internal);
    worked.unwrap();
    let found = store.read(|db| Ok(agent::by_did(db, key(2).did().as_str())?.scopes)).unwrap();
    assert_eq!(found.as_str(), "read:all");
    let again = run(store.write(|change| nonce::claim(change.db(), "one", 200, 100)));
    assert_eq!(again.unwrap_err().kind(), Kind::Replayed);
    // Also one that was verified in its last second and has waited since.
    run(store.write(|change| nonce::claim(change.db(), "two", 500, 450))).unwrap();
    let late = run(store.write(|change| nonce::claim(change.db(), "one", 200, 200)));
    assert_eq!(late.unwrap_err().kind(), Kind::Replayed);
    run(store.write(|change| nonce::claim(change.db(), "three", 700, 600))).unwrap();
    let count = store.read(|db| Ok(db.query_row("SELECT count(*) FROM nonces", [], |row| row.get::<_, u32>(0))?));
    assert_eq!(count.unwrap(), 2, "what has been over for long makes room");
}

#[test]
fn a_record_that_no_log_takes_holds_up_nobody_else() {
    let folder = Folder::new();
    let (store, log) = open(&folder);
    fill(&store);
    let record = |note: String| {
        move |change: &mut Change<'_>| {
            agent::set_scopes(change.db(), &first(change)?, &ScopeSet::parse("one").unwrap())?;
            let mut decided = Decided::new("agent.scopes", Verdict::Accepted, *key(9).did(), 100);
            decided.note = Some(note.into());
            change.record(decided);
            Ok(())
        }
    };
    let refused = run(store.write(record("x".repeat(2000)))).unwrap_err();
    assert_eq!((refused.kind(), refused.cause().is_some()), (Kind::Internal, true));
    let scopes = store.read(|db| Ok(agent::by_number(db, 1)?.scopes)).unwrap();
    assert_eq!(scopes.as_str(), "read:all");
    assert!(log.taken.lock().unwrap().is_empty());
    run(store.write(record("short".to_owned()))).unwrap();
    assert_eq!(log.taken.lock().unwrap().len(), 1);
}

#[test]
fn a_database_of_the_first_schema_becomes_one_of_this() {
    let folder = Folder::new();
    let path = folder.join("test.db");
    {
        let old = rusqlite::Connection::open(&path).unwrap();
        old.execute_batch(&schema::steps_to(1)).unwrap();
        old.execute_batch("PRAGMA user_version = 1").unwrap();
        let (op, did) = (operator::id_of("example.com", key(1).did()), key(2));
        old.execute("INSERT INTO operators VALUES (?1, 'example.com', ?2, 100)", (&op, key(1).did().public_key()))
            .unwrap();
        let fingerprint = agent::fingerprint(did.did());
        old.execute("INSERT INTO agents VALUES (1, ?1, ?2, 0, 'read:all', 100)", (&op, fingerprint)).unwrap();
        old.execute("INSERT INTO keys VALUES (?1, 1, 0, 100, NULL)", [did.did().public_key()]).unwrap();
        old.execute("INSERT INTO names VALUES ('example.com', 'writer', 1, NULL, 0, 100)", []).unwrap();
        old.execute("INSERT INTO names VALUES ('example.com', 'gone', 1, NULL, 1, 100)", []).unwrap();
    }
    let (store, _) = open(&folder);
    let version: u32 = store.read(|db| Ok(db.query_row("PRAGMA user_version", [], |row| row.get(0))?)).unwrap();
    assert_eq!(usize::try_from(version).unwrap(), schema::VERSION);
    store
        .read(|db| {
            let agent = agent::by_did(db, key(2).did().as_str())?;
            assert_eq!((agent.names, agent.scopes.as_str(), agent.reason), (1, "read:all", None));
            assert_eq!(operator::by_domain(db, "example.com")?.unwrap().agents, 1);
            assert_eq!(keys::of_agent(db, 1)?.len(), 1);
            assert!(name::find(db, "gone", "example.com")?.withdrawn);
            Ok(())
        })
        .unwrap();
    store.close();
    drop(store);
    open(&folder).0.close(); // once more changes nothing
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    let later = Store::open(&path, Arc::new(Log::default())).err().unwrap().to_string();
    assert!(later.contains("later version"), "{later}");
}

#[test]
fn records_without_an_id_are_of_whoever_has_all_that_the_key_has_proven() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let [a, b] = ["a.example", "b.example"].map(|domain| {
        run(store.write(move |change| operator::add(change.db(), domain, key(1).verifying_key(), 100))).unwrap()
    });
    let first = key(1).did().to_string();
    let told = |n: u8, chain: &[&str]| {
        let chain: Vec<_> = chain.iter().map(|link| (*link).to_owned()).collect();
        store.read(|db| Ok(operator::named(db, key(n).did())?.is_in(&chain))).unwrap()
    };
    assert!(told(1, &[&first]) && told(1, &[&first, &a.id]) && told(1, &[&first, &b.id]));
    let rotation =
        xbind::Rotation { old: *key(1).did(), new: *key(2).did(), issued_at: 100, active_from: 100, overlap: 0 };
    let statement = rotation.sign(&key(1), &key(2)).unwrap();
    let id = a.id.clone();
    run(store.write(move |change| operator::rotate(change.db(), &a, &statement, (100, 5)))).unwrap();
    assert!(!told(1, &[&first]) && !told(2, &[&first]));
    assert!(told(1, &[&first, &b.id]) && !told(1, &[&first, &id]));
    assert!(told(2, &[&first, &id]) && !told(2, &[&first, &b.id]));
}

#[test]
fn tokens_of_the_fourth_schema_are_derived_from_nobodys() {
    let folder = Folder::new();
    {
        let old = rusqlite::Connection::open(folder.join("test.db")).unwrap();
        old.execute_batch(&schema::steps_to(4)).unwrap();
        old.execute_batch("PRAGMA user_version = 4").unwrap();
        let root = key(1).did().public_key().to_vec();
        old.execute("INSERT INTO operators VALUES ('op', 'example.com', ?1, 100, 1, ?1)", [root]).unwrap();
        let fingerprint = agent::fingerprint(key(2).did());
        let sql = "INSERT INTO agents VALUES (1, 'op', ?1, 0, 'read:all', 100, 0, NULL, 0)";
        old.execute(sql, [fingerprint]).unwrap();
        old.execute("INSERT INTO tokens VALUES (1, ?1, ?2, 1, 900, 0)", ([1_u8; 16], [2_u8; 16])).unwrap();
    }
    let (store, _) = open(&folder);
    assert!(!store.read(|db| token::by_id(db, &[1; 16])).unwrap().unwrap().revoked);
    assert!(store.read(|db| exchange::of(db, "op")).unwrap().issuers.is_empty());
    let narrowed = |change: &mut Change<'_>| {
        let policy = |scopes: &str| serde_json::from_str(&format!(r#"{{"issuers":[{scopes}]}}"#)).unwrap();
        exchange::set(change.db(), "op", &policy(r#"{"issuer":"https://a.example","scopes":{"pay":["read:*"]}}"#))?;
        exchange::set(change.db(), "op", &policy(""))
    };
    run(store.write(narrowed)).unwrap();
    assert!(!store.read(|db| token::by_id(db, &[1; 16])).unwrap().unwrap().revoked, "it was got for no user");
}

#[test]
fn agents_of_a_domain_that_was_freed_before_are_revoked() {
    let folder = Folder::new();
    let path = folder.join("test.db");
    {
        let old = rusqlite::Connection::open(&path).unwrap();
        old.execute_batch(&schema::steps_to(3)).unwrap();
        old.execute_batch("PRAGMA user_version = 3").unwrap();
        for (n, domain) in [(1, "example.com gone"), (2, "example.com")] {
            let root = key(n).did().public_key().to_vec();
            old.execute("INSERT INTO operators VALUES (?1, ?2, ?3, 100, 1, ?3)", (n, domain, root)).unwrap();
            let did = *key(n + 10).did();
            let sql = "INSERT INTO agents VALUES (?1, ?1, ?2, 0, 'read:all', 100, 0, NULL, 0)";
            old.execute(sql, (n, agent::fingerprint(&did))).unwrap();
            old.execute("INSERT INTO keys VALUES (?1, ?2, 0, 100, NULL)", (did.public_key(), n)).unwrap();
        }
    }
    let (store, _) = open(&folder);
    let of = |n: u8| store.read(|db| agent::by_did(db, key(n).did().as_str())).unwrap();
    assert_eq!((of(11).status, of(11).domain.as_str()), (agent::Status::Revoked, "example.com"));
    assert_eq!((of(12).status, of(12).domain.as_str()), (agent::Status::Active, "example.com"));
    let operator = |id: &str| store.read(|db| operator::by_id(db, id)).unwrap();
    assert!(operator("1").is_none() && operator("2").is_some());
}

#[test]
fn tokens_that_are_over_make_room_and_places_are_never_used_again() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    fill(&store);
    let issue = |n: u8, now: u64| {
        let wanted = wanted(n, n);
        run(store.write(move |change| token::issue(change.db(), &wanted, now))).unwrap().place
    };
    let places: Vec<_> = (0..20).map(|n| issue(n, 100)).collect();
    assert_eq!(places, (1..=20).collect::<Vec<_>>());
    for n in 20..26 {
        issue(n, 1000);
    }
    let known = |n: u8| store.read(|db| Ok(token::by_id(db, &[n; 16])?.is_some())).unwrap();
    assert!((0..20).all(|n| !known(n)));
    assert!((20..26).all(known));
    assert_eq!(issue(30, 5000), 27);
}

#[test]
fn there_is_an_end_to_operators_and_agents() {
    let folder = Folder::new();
    let (store, _) = open(&folder);
    let operator = fill(&store);
    let add = |did: xbind::Did| {
        let id = operator.id.clone();
        run(store.write(move |change| {
            let operator = operator::by_id(change.db(), &id)?.unwrap();
            agent::add(change.db(), &operator, &did, &ScopeSet::empty(), 100).map(drop)
        }))
    };
    add(*key(3).did()).unwrap();
    let fill = |sql: &'static str| run(store.write(move |change| Ok(change.db().execute_batch(sql)?))).unwrap();
    fill("UPDATE operators SET agents = 1000000");
    assert_eq!(add(*key(4).did()).unwrap_err().kind(), Kind::LimitReached);
    fill(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
         INSERT INTO operators(id, domain, key, verified_at) SELECT i, i, x'00', 0 FROM n",
    );
    let another = run(store.write(|change| operator::add(change.db(), "example.org", key(5).verifying_key(), 100)));
    assert_eq!(another.unwrap_err().kind(), Kind::LimitReached);
    let known = run(store.write(|change| operator::add(change.db(), "example.com", key(1).verifying_key(), 100)));
    known.expect("whoever is there stays");
}

#[test]
fn what_is_decided_together_is_signed_and_written_once() {
    let folder = Folder::new();
    let options = LogOptions { durability: Durability::Always, max_file_bytes: 1 << 30, first: None };
    let (log, _) = AuditLog::open_with(&folder.join("audit.jsonl"), key(9), options).unwrap();
    let store = Store::open(&folder.join("test.db"), log.clone()).unwrap();
    let change = |change: &mut Change<'_>| {
        for _ in 0..100 {
            change.record(Decided::new("token.issued", Verdict::Accepted, *key(9).did(), 100));
        }
        Ok(())
    };
    run(store.write(change)).unwrap();
    let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("\"token.issued\"")).count(), 100);
    assert_eq!(text.lines().filter(|line| line.contains("\"log.sealed\"")).count(), 2, "when it began, and now");
}
