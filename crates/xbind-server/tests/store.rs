//! A database whose owner has an error of its own, and puts on record what it wants to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics fails")]

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use xbind::SigningKey;
use xbind::record::Verdict;
use xbind_runtime::{Audit, Decided, Done, Taken};
use xbind_server::{Change, Refusal, Store, files, migrate};

const STEPS: &[&str] = &["CREATE TABLE a(b INTEGER NOT NULL) STRICT", "CREATE UNIQUE INDEX a_by_b ON a(b)"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Refused {
    Database(String),
    Busy(&'static str),
    Unrecorded,
    Internal(String),
    Own,
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl Refusal for Refused {
    fn busy(why: &'static str) -> Self {
        Self::Busy(why)
    }

    fn unrecorded() -> Self {
        Self::Unrecorded
    }

    fn internal() -> Self {
        Self::Internal(String::new())
    }

    fn because(self, cause: impl Display) -> Self {
        Self::Internal(cause.to_string())
    }
}

/// A log that takes nothing while it fails.
#[derive(Default)]
struct Log {
    fails: AtomicBool,
}

impl Audit for Log {
    fn take(&self, _: Decided, done: Option<Done>) -> Taken {
        if self.fails.load(Ordering::SeqCst) {
            return Taken::No;
        }
        done.into_iter().for_each(|done| done(true));
        Taken::Later
    }

    fn take_all(&self, decided: Vec<(Decided, Done)>) -> bool {
        !self.fails.load(Ordering::SeqCst)
            && decided.into_iter().all(|(one, done)| self.take(one, Some(done)) != Taken::No)
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xbind-server-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        files::directory(&path).unwrap();
        Self(path)
    }

    fn open(&self, steps: &'static [&'static str]) -> (Store<Refused>, Arc<Log>) {
        let log = Arc::new(Log::default());
        let store = Store::open(&self.0.join("test.db"), log.clone(), |db| migrate(db, steps));
        (store.unwrap(), log)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn add(change: &Change<'_>, number: i64) -> Result<(), Refused> {
    change.db().execute("INSERT INTO a(b) VALUES (?1)", [number])?;
    Ok(())
}

fn numbers(store: &Store<Refused>) -> Vec<i64> {
    let read = |db: &rusqlite::Connection| {
        let mut all = db.prepare("SELECT b FROM a ORDER BY b")?;
        let all = all.query_map([], |row| row.get(0))?;
        Ok(all.collect::<rusqlite::Result<Vec<i64>>>()?)
    };
    store.read(read).unwrap()
}

#[test]
fn what_says_nothing_of_itself_needs_no_log() {
    let folder = Folder::new("unrecorded");
    let (store, log) = folder.open(STEPS);
    let recorded = |number| {
        move |change: &mut Change<'_>| {
            change.record(Decided::new("a.b", Verdict::Accepted, *SigningKey::from_seed(&[1; 32]).did(), 100));
            add(change, number)
        }
    };
    store.write_and_wait(recorded(1)).unwrap();
    log.fails.store(true, Ordering::SeqCst);
    store.write_and_wait(|change| add(change, 2)).unwrap();
    assert_eq!(store.write_and_wait(recorded(3)), Err(Refused::Unrecorded));
    assert_eq!(numbers(&store), [1, 2]);
}

#[test]
fn a_change_that_fails_says_why_in_words_of_its_owner() {
    let folder = Folder::new("refused");
    let (store, _) = folder.open(STEPS);
    let own = store.write_and_wait(|change| add(change, 1).and(Err::<(), _>(Refused::Own)));
    assert_eq!(own, Err(Refused::Own));
    let panicked = store.write_and_wait(|_| -> Result<(), Refused> { panic!("that") });
    assert_eq!(panicked, Err(Refused::internal()));
    let parts = store.write_and_wait(|change| {
        add(change, 2)?;
        change.part(|change| add(change, 3).and(add(change, 2)))
    });
    assert!(matches!(parts, Ok(Err(Refused::Database(_)))), "{parts:?}");
    assert_eq!(numbers(&store), [2]);
    store.close();
    assert!(matches!(store.write_and_wait(|change| add(change, 4)), Err(Refused::Busy(_))));
}

#[test]
fn steps_are_taken_once_and_never_back() {
    let folder = Folder::new("steps");
    let path = folder.0.join("test.db");
    let first = STEPS.get(..1).unwrap();
    let (store, _) = folder.open(first);
    store.write_and_wait(|change| add(change, 1)).unwrap();
    store.close();
    let (store, _) = folder.open(STEPS);
    assert_eq!(numbers(&store), [1]);
    assert!(store.write_and_wait(|change| add(change, 1)).is_err());
    store.close();
    let back = Store::<Refused>::open(&path, Arc::new(Log::default()), |db| migrate(db, first));
    assert!(back.err().unwrap().to_string().contains("later version"));
}
