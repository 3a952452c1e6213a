use super::*;
use crate::problem::Kind;

const BEYOND: u64 = 1 << 63;

fn day(tokens: Option<u64>, money: Option<u64>) -> Vec<Account> {
    accounts(&[budget("day", Per::Root, Period::Day, tokens, money)], &holders(&[]), NOW)
}

#[test]
fn what_was_not_used_is_given_back_once() {
    let (db, found) = (memory(), day(Some(100), Some(100)));
    ask(&db, "1", &found, charge(80, 60), NOW).unwrap();
    assert!(end(&db, "1", Some(charge(30, 50))));
    assert_eq!(held(&db, &found[0]), [30, 0, 50, 0, 0]);
    assert!(!end(&db, "1", Some(charge(30, 50))));
    assert!(!end(&db, "1", None));
    assert!(!end(&db, "another", None));
    assert_eq!(held(&db, &found[0]), [30, 0, 50, 0, 0]);
    assert_eq!(count(&db, "reservations"), 0);
    ask(&db, "2", &found, charge(70, 50), NOW).unwrap();
    assert_eq!(ask(&db, "3", &found, charge(1, 0), NOW).unwrap_err().left, 0);
}

#[test]
fn all_of_it_is_charged_where_nobody_knows() {
    let (db, found) = (memory(), day(Some(100), None));
    ask(&db, "1", &found, charge(80, 9), NOW).unwrap();
    assert!(end(&db, "1", None));
    assert_eq!(held(&db, &found[0]), [80, 0, 9, 0, 0]);
}

#[test]
fn one_account_that_is_exhausted_keeps_the_others_as_they_were() {
    let db = memory();
    let budgets = [
        budget("day", Per::Agent, Period::Day, Some(100), None),
        budget("minute", Per::Agent, Period::Minute, None, Some(10)),
        budget("month", Per::Root, Period::Month, Some(99), None),
    ];
    let found = accounts(&budgets, &holders(&["did:key:a", "did:key:b"]), NOW);
    let exhausted = ask(&db, "1", &found, charge(100, 0), NOW).unwrap_err();
    let (until, unit) = (None, Unit::Tokens);
    let budget = "month".to_owned();
    assert_eq!(exhausted, Exhausted { budget, per: Some(Per::Root), unit, limit: 99, left: 99, until });
    assert_eq!((count(&db, "accounts"), count(&db, "reservations")), (0, 0));

    ask(&db, "1", &found, charge(50, 10), NOW).unwrap();
    // The longest wait is told, since nothing before it helps.
    let exhausted = ask(&db, "2", &found, charge(50, 1), NOW).unwrap_err();
    assert_eq!((exhausted.budget.as_str(), exhausted.left, exhausted.until), ("month", 49, found[4].until));
    let exhausted = ask(&db, "2", &found, charge(49, 1), NOW).unwrap_err();
    assert_eq!((exhausted.budget.as_str(), exhausted.unit, exhausted.left), ("minute", Unit::Money, 0));
    assert_eq!(exhausted.until, Some(NOW + 60));
    assert!(found.iter().all(|account| held(&db, account) == [0, 50, 0, 10, 1]));
}

#[test]
fn no_waiting_helps_where_nothing_begins_anew() {
    let db = memory();
    let total = accounts(&[budget("t", Per::All, Period::Total, Some(5), None)], &holders(&[]), NOW);
    ask(&db, "1", &total, charge(5, 0), NOW).unwrap();
    assert_eq!(ask(&db, "2", &total, charge(1, 0), NOW).unwrap_err().until, None);
    let quota =
        Quota { issuer: "did:key:a".to_owned(), jti: "j".to_owned(), until: NOW + 9, tokens: None, money: Some(5) };
    let quota = accounts(&[], &Holders { quotas: vec![quota], ..holders(&[]) }, NOW);
    ask(&db, "2", &quota, charge(1_000, 5), NOW).unwrap();
    let exhausted = ask(&db, "3", &quota, charge(0, 1), NOW).unwrap_err();
    assert_eq!((exhausted.per, exhausted.until, exhausted.unit), (None, None, Unit::Money));
}

#[test]
fn an_upstream_that_tells_more_than_the_most_leaves_the_account_over() {
    let (db, found) = (memory(), day(Some(100), Some(100)));
    ask(&db, "1", &found, charge(50, 10), NOW).unwrap();
    assert!(end(&db, "1", Some(charge(101, 10))));
    assert_eq!(held(&db, &found[0]), [101, 0, 10, 0, 0]);
    for most in [charge(1, 0), charge(0, 0), charge(0, 1)] {
        let exhausted = ask(&db, "2", &found, most, NOW).unwrap_err();
        assert_eq!((exhausted.unit, exhausted.limit, exhausted.left), (Unit::Tokens, 100, 0));
    }
}

#[test]
fn a_limit_that_is_lowered_counts_at_once() {
    let db = memory();
    ask(&db, "1", &day(Some(100), None), charge(60, 0), NOW).unwrap();
    let lower = day(Some(50), None);
    assert_eq!(ask(&db, "2", &lower, charge(0, 0), NOW).unwrap_err().left, 0);
    assert!(end(&db, "1", Some(charge(20, 0))));
    assert_eq!(ask(&db, "2", &lower, charge(31, 0), NOW).unwrap_err().left, 30);
    ask(&db, "2", &lower, charge(30, 0), NOW).unwrap();
    ask(&db, "3", &day(Some(100), None), charge(50, 0), NOW).unwrap();
    // A limit where there was none counts what was spent without one.
    ask(&db, "4", &day(None, None), charge(0, 500), NOW).unwrap();
    assert_eq!(ask(&db, "5", &day(None, Some(500)), charge(0, 1), NOW).unwrap_err().left, 0);
}

#[test]
fn a_reservation_is_settled_in_the_period_in_which_it_was_made() {
    let db = memory();
    let budgets = [
        budget("minute", Per::Root, Period::Minute, Some(10), None),
        budget("month", Per::Root, Period::Month, Some(15), None),
    ];
    let last = 1_785_542_399; // the last second of July 2026
    let july = accounts(&budgets, &holders(&[]), last);
    let august = accounts(&budgets, &holders(&[]), last + 1);
    assert_eq!((july[0].until, july[1].until), (Some(last + 1), Some(last + 1)));
    ask(&db, "1", &july, charge(10, 0), last).unwrap();
    ask(&db, "2", &august, charge(10, 0), last + 1).unwrap();
    assert!(end(&db, "1", Some(charge(4, 0))));
    assert!(july.iter().all(|account| held(&db, account) == [4, 0, 0, 0, 0]));
    assert!(august.iter().all(|account| held(&db, account) == [0, 10, 0, 0, 1]));
}

#[test]
fn amounts_that_no_table_holds_are_refused() {
    let db = memory();
    let free = day(None, None);
    let most = u64::MAX / 2;
    for beyond in [charge(BEYOND, 0), charge(0, BEYOND), charge(u64::MAX, u64::MAX)] {
        for limit in [None, Some(5), Some(u64::MAX)] {
            let exhausted = ask(&db, "1", &day(limit, limit), beyond, NOW).unwrap_err();
            assert_eq!((exhausted.limit, exhausted.until), (limit.unwrap_or(most).min(most), None));
        }
        assert_eq!(ask(&db, "1", &[], beyond, NOW).unwrap_err().limit, most);
    }
    assert_eq!((count(&db, "accounts"), count(&db, "reservations")), (0, 0));

    ask(&db, "1", &free, charge(most, 0), NOW).unwrap();
    let exhausted = ask(&db, "2", &free, charge(1, 0), NOW).unwrap_err();
    assert_eq!((exhausted.left, exhausted.limit), (0, most));
    assert!(end(&db, "1", Some(charge(u64::MAX, u64::MAX))));
    assert_eq!(held(&db, &free[0]), [i64::MAX, 0, i64::MAX, 0, 0]);
    ask(&db, "2", &free, charge(7, 7), NOW).unwrap();
    assert!(end(&db, "2", Some(charge(u64::MAX, 7))));
    assert_eq!(held(&db, &free[0]), [i64::MAX, 0, i64::MAX, 0, 0]);
    ask(&db, "3", &day(Some(u64::MAX), None), charge(1, 0), NOW).unwrap_err();

    // What is spent and reserved together is more than a number holds: that is over the highest limit as well.
    ask(&db, "3", &free, charge(1, 0), NOW).unwrap();
    assert_eq!(ask(&db, "4", &day(Some(u64::MAX), None), charge(0, 0), NOW).unwrap_err().left, 0);
}

#[test]
fn an_id_is_taken_once() {
    let (db, found) = (memory(), day(Some(100), None));
    ask(&db, "1", &found, charge(1, 0), NOW).unwrap();
    let again = Reservation { id: "1", owner: "two", accounts: &found, most: charge(2, 0), what: "{}" };
    assert_eq!(change(&db, || reserve(&db, &again, NOW)).unwrap_err().kind(), Kind::Internal);
    assert_eq!(held(&db, &found[0]), [0, 1, 0, 0, 1]);
}

#[test]
fn a_request_without_accounts_is_settled_as_well() {
    let db = memory();
    ask(&db, "1", &[], charge(1, 2), NOW).unwrap();
    assert!(end(&db, "1", None));
    assert_eq!((count(&db, "reservations"), count(&db, "usage")), (0, 1));
}

#[test]
fn a_database_that_is_busy_is_no_fault() {
    let folder = Folder::new("busy");
    let (mut one, two) = (open(&folder.file()), Connection::open(folder.file()).unwrap());
    migrate(&mut one).unwrap();
    two.busy_timeout(Duration::ZERO).unwrap();
    one.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reservation = Reservation { id: "1", owner: "one", accounts: &[], most: charge(1, 1), what: "{}" };
    two.execute_batch("BEGIN").unwrap();
    let problem = reserve(&two, &reservation, NOW).unwrap_err();
    assert_eq!((problem.kind(), problem.retry_after()), (Kind::Busy, Some(1)));
}

#[test]
fn nothing_is_reserved_or_settled_outside_of_a_transaction() {
    let (db, found) = (memory(), day(None, None));
    ask(&db, "1", &found, charge(1, 0), NOW).unwrap();
    let reservation = Reservation { id: "2", owner: "one", accounts: &found, most: charge(1, 1), what: "{}" };
    assert_eq!(reserve(&db, &reservation, NOW).unwrap_err().kind(), Kind::Internal);
    assert_eq!(settle(&db, "1", None, &entry()).unwrap_err().kind(), Kind::Internal);
    assert_eq!(held(&db, &found[0]), [0, 1, 0, 0, 1]);
}

#[test]
fn the_longest_wait_of_an_account_is_told() {
    let (db, found) = (memory(), day(Some(10), Some(10)));
    ask(&db, "1", &found, charge(10, 0), NOW).unwrap();
    assert_eq!(ask(&db, "2", &found, charge(1, 0), NOW).unwrap_err().until, found[0].until);
    let exhausted = ask(&db, "2", &found, charge(1, 11), NOW).unwrap_err();
    assert_eq!((exhausted.unit, exhausted.until), (Unit::Money, None));
}
