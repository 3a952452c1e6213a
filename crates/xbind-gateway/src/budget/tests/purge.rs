use super::*;

const HOUR: u64 = 3_600;

fn links(count: usize, until: u64) -> Holders {
    let quota = |n| Quota {
        issuer: "did:key:a".to_owned(),
        jti: format!("{n}{}", "j".repeat(508)),
        until,
        tokens: Some(10),
        money: None,
    };
    Holders { quotas: (0..count).map(quota).collect(), ..holders(&[]) }
}

fn purge_all(db: &Connection, now: u64) -> usize {
    std::iter::repeat_with(|| within(db, || purge(db, now, KEEP)).unwrap()).take_while(|rows| *rows > 0).sum()
}

#[test]
fn accounts_that_are_long_over_go_and_others_stay() {
    let db = memory();
    let budgets = [
        budget("minute", Per::All, Period::Minute, None, None),
        budget("month", Per::All, Period::Month, None, None),
        budget("total", Per::All, Period::Total, None, None),
    ];
    ask(&db, "1", &accounts(&budgets, &links(1, NOW + 120), NOW), charge(1, 1), NOW).unwrap();
    assert!(end(&db, "1", None));
    assert_eq!(purge_all(&db, NOW + 60 + HOUR), 0);
    assert_eq!((purge_all(&db, NOW + 61 + HOUR), count(&db, "accounts")), (1, 3));
    assert_eq!((purge_all(&db, NOW + 121 + HOUR), count(&db, "accounts")), (1, 2));
    assert_eq!((purge_all(&db, NOW + 40 * 24 * HOUR), count(&db, "accounts")), (1, 1));
    assert_eq!(purge_all(&db, NOW + 300 * 24 * HOUR), 0);
}

#[test]
fn an_account_stays_as_long_as_something_is_reserved_in_it() {
    let db = memory();
    let found = accounts(&[budget("minute", Per::All, Period::Minute, None, None)], &links(1, NOW), NOW);
    ask(&db, "zero", &found, charge(0, 0), NOW).unwrap();
    assert_eq!(purge_all(&db, NOW + 24 * HOUR), 0);
    assert!(end(&db, "zero", Some(charge(3, 0))));
    assert_eq!(held(&db, &found[0]), [3, 0, 0, 0, 0]);
    assert_eq!(purge_all(&db, NOW + 24 * HOUR), 2);
}

#[test]
fn a_bounded_number_goes_at_once() {
    let db = memory();
    let most = usize::try_from(schema::AT_ONCE).unwrap();
    let found = accounts(&[], &links(most + 10, NOW), NOW);
    ask(&db, "1", &found, charge(1, 0), NOW).unwrap();
    assert!(end(&db, "1", None));
    let later = NOW + HOUR + 1;
    assert_eq!((purge(&db, later, KEEP).unwrap(), count(&db, "accounts")), (most, 10));
    assert_eq!((purge(&db, later, KEEP).unwrap(), count(&db, "accounts")), (10, 0));
    assert_eq!(purge(&db, later, KEEP).unwrap(), 0);
}

#[test]
fn a_delegation_that_is_known_to_last_longer_is_kept_as_long() {
    let db = memory();
    for (id, until) in [("1", NOW + 60), ("2", NOW + 600), ("3", NOW + 6)] {
        ask(&db, id, &accounts(&[], &links(1, until), NOW), charge(3, 0), NOW).unwrap();
        assert!(end(&db, id, None));
    }
    assert_eq!(purge_all(&db, NOW + 600 + HOUR), 0);
    assert_eq!(count(&db, "accounts"), 1);
    assert_eq!(ask(&db, "4", &accounts(&[], &links(1, NOW), NOW), charge(2, 0), NOW).unwrap_err().left, 1);
    assert_eq!(purge_all(&db, NOW + 601 + HOUR), 1);
}

#[test]
fn usage_is_kept_as_long_as_somebody_wants() {
    let db = memory();
    for hour in 0..300 {
        note(&db, &Entry { time: NOW + hour * HOUR, ..entry() }).unwrap();
    }
    let day = 24 * HOUR;
    assert_eq!(purge(&db, NOW + day, day).unwrap(), 0);
    assert_eq!(purge(&db, NOW + day + 1, day).unwrap(), 1);
    assert_eq!(purge(&db, NOW + 400 * HOUR, 0).unwrap(), 256);
    assert_eq!(purge(&db, NOW + 400 * HOUR, 0).unwrap(), 43);
    assert_eq!(count(&db, "usage"), 0);
}

#[test]
fn a_reservation_that_nobody_ever_settles_is_charged_in_the_end() {
    let db = memory();
    let found = accounts(&[budget("total", Per::All, Period::Total, Some(10), None)], &holders(&[]), NOW);
    ask(&db, "1", &found, charge(6, 2), NOW).unwrap();
    assert_eq!(change(&db, || purge(&db, NOW + KEEP, 0)).unwrap(), 0);
    assert_eq!(change(&db, || purge(&db, NOW + KEEP + 1, 0)).unwrap(), 1);
    assert_eq!(held(&db, &found[0]), [6, 0, 2, 0, 0]);
    assert!(!end(&db, "1", Some(charge(0, 0))));
}
