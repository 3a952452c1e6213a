//! Two gateways on one file, and one that is killed.

use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn of_256_at_once_as_many_get_through_as_the_budget_holds() {
    let folder = Folder::new("race");
    let file = folder.file();
    let first = open(&file);
    let both: Vec<_> = [open(&file), open(&file)].map(|mut db| thread::spawn(move || migrate(&mut db))).into();
    both.into_iter().for_each(|one| one.join().unwrap().unwrap());
    let budgets = [
        budget("wide", Per::All, Period::Total, Some(1_000), None),
        budget("own", Per::Agent, Period::Month, Some(500), Some(300)),
    ];
    let found = accounts(&budgets, &holders(&["did:key:a", "did:key:b"]), NOW);
    let start = Barrier::new(8);
    let run = |gateway: usize| {
        let db = open(&file);
        start.wait();
        let got = |n: &usize| {
            let id = format!("{gateway} {n}");
            let is_through = change(&db, || ask(&db, &id, &found, charge(5, 1), NOW).is_ok());
            if is_through && n.is_multiple_of(3) {
                change(&db, || assert!(end(&db, &id, Some(charge(5, 0)))));
            }
            is_through
        };
        (0..32).filter(got).count()
    };
    let through: usize = thread::scope(|scope| {
        let run = &run;
        let all: Vec<_> = (0..8).map(|gateway| scope.spawn(move || run(gateway))).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(through, 100);
    assert_eq!(found.len(), 3);
    for account in &found {
        let [spent, reserved, _, _, waiting] = held(&first, account);
        assert_eq!((spent + reserved, waiting * 5), (500, reserved));
    }
    assert_eq!(count(&first, "reservations") * 5, held(&first, &found[0])[1]);
}

#[test]
fn a_reservation_outlives_a_gateway_that_is_killed_and_is_told_to_its_owner_alone() {
    let folder = Folder::new("kill");
    let found = accounts(&[budget("a", Per::Root, Period::Day, Some(10), None)], &holders(&[]), NOW);
    let make = |db: &Connection, id: &str, owner: &str| {
        let reservation = Reservation { id, owner, accounts: &found, most: charge(3, 7), what: r#"{"model":"small"}"# };
        within(db, || reserve(db, &reservation, NOW)).unwrap()
    };
    let mut db = open(&folder.file());
    migrate(&mut db).unwrap();
    change(&db, || make(&db, "b", "one")).unwrap();
    change(&db, || make(&db, "a", "one")).unwrap();
    change(&db, || make(&db, "c", "two")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(end(&db, "a", Some(charge(1, 1))));
    drop(db);

    let mut db = open(&folder.file());
    migrate(&mut db).unwrap();
    let orphan = |id: &str| Orphan { id: id.to_owned(), what: r#"{"model":"small"}"#.to_owned(), most: charge(3, 7) };
    assert_eq!(orphans(&db, "one").unwrap(), [orphan("a"), orphan("b")]);
    assert_eq!(orphans(&db, "two").unwrap(), [orphan("c")]);
    assert_eq!(orphans(&db, "three").unwrap(), []);
    assert_eq!(make(&db, "d", "one").unwrap_err().left, 1);

    for orphan in orphans(&db, "one").unwrap() {
        assert!(end(&db, &orphan.id, None));
    }
    assert_eq!(orphans(&db, "one").unwrap(), []);
    assert_eq!(held(&db, &found[0]), [6, 3, 14, 7, 1]);
}

#[test]
fn a_change_that_is_taken_back_has_reserved_nothing() {
    let db = memory();
    let found = accounts(&[budget("a", Per::All, Period::Day, Some(10), None)], &holders(&[]), NOW);
    db.execute_batch("BEGIN IMMEDIATE; SAVEPOINT change").unwrap();
    ask(&db, "1", &found, charge(10, 0), NOW).unwrap();
    db.execute_batch("ROLLBACK TO change; RELEASE change; SAVEPOINT change").unwrap();
    ask(&db, "1", &found, charge(10, 0), NOW).unwrap();
    db.execute_batch("RELEASE change; COMMIT").unwrap();
    assert_eq!(held(&db, &found[0]), [0, 10, 0, 0, 1]);
}
