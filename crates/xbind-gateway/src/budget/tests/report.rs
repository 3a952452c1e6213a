use super::*;

const HOUR: u64 = 3_600;

fn question(by: By, step: Option<Step>) -> Question {
    Question { since: 0, until: u64::MAX, by, step, limit: 100 }
}

/// A request from its reservation to its end.
fn request(db: &Connection, id: &str, used: Option<Charge>, entry: &Entry<'_>) {
    ask(db, id, &[], charge(100, 1_000), entry.time).unwrap();
    assert!(within(db, || settle(db, id, used, entry)).unwrap());
}

fn some() -> Connection {
    let db = memory();
    let first = Entry { input: 10, cached: 4, output: 5, ..entry() };
    request(&db, "1", Some(charge(15, 150)), &first);
    request(&db, "2", Some(charge(15, 150)), &Entry { time: NOW + HOUR - 1, ..first });
    request(&db, "3", None, &Entry { time: NOW + HOUR, agent: "did:key:b", ..entry() });
    request(&db, "4", Some(charge(15, 150)), &Entry { time: NOW + 12 * HOUR, model: "large", ..first });
    request(&db, "5", Some(charge(0, 0)), &Entry { status: 502, agent: "did:key:b", root: "other", ..entry() });
    note(&db, &Entry { status: 402, agent: "did:key:b", ..entry() }).unwrap();
    db
}

#[test]
fn requests_of_an_hour_are_one_row() {
    let db = some();
    assert_eq!(count(&db, "usage"), 5);
    for n in 6..40 {
        request(&db, &n.to_string(), None, &entry());
    }
    assert_eq!(count(&db, "usage"), 5);
    request(&db, "other", None, &Entry { api: Api::Messages, ..entry() });
    assert_eq!(count(&db, "usage"), 6);
}

#[test]
fn usage_is_told_by_agent_root_or_model() {
    let db = some();
    let told = usage(&db, &question(By::Agent, None)).unwrap();
    let one = Row {
        name: "did:key:a".to_owned(),
        requests: 3,
        input: 30,
        cached: 12,
        output: 15,
        tokens: 45,
        money: 450,
        ..Row::default()
    };
    let name = "did:key:b".to_owned();
    let two = Row { name, requests: 3, refused: 2, whole: 1, tokens: 100, money: 1_000, ..Row::default() };
    assert_eq!(told, [one, two]);
    let names = |by| usage(&db, &question(by, None)).unwrap().into_iter().map(|row| (row.name, row.requests));
    let named = |all: [(&str, u64); 2]| all.map(|(name, requests)| (name.to_owned(), requests));
    assert_eq!(names(By::Root).collect::<Vec<_>>(), named([("other", 1), ("person", 5)]));
    assert_eq!(names(By::Model).collect::<Vec<_>>(), named([("large", 1), ("small", 5)]));
}

#[test]
fn time_is_divided_into_hours_or_days() {
    let db = some();
    let steps = |step| {
        let rows = usage(&db, &question(By::Model, Some(step))).unwrap();
        rows.into_iter().map(|row| (row.from.unwrap(), row.name, row.requests)).collect::<Vec<_>>()
    };
    let (small, large) = ("small".to_owned(), "large".to_owned());
    let hours = [(NOW, small.clone(), 4), (NOW + HOUR, small.clone(), 1), (NOW + 12 * HOUR, large.clone(), 1)];
    assert_eq!(steps(Step::Hour), hours);
    assert_eq!(steps(Step::Day), [(NOW - 12 * HOUR, small, 5), (NOW + 12 * HOUR, large, 1)]);
}

#[test]
fn only_the_time_that_is_asked_for_is_told_and_no_more_rows() {
    let db = some();
    let told = |since, until, limit| {
        let question = Question { since, until, limit, ..question(By::Agent, Some(Step::Hour)) };
        usage(&db, &question).unwrap().len()
    };
    assert_eq!(told(0, u64::MAX, 100), 4);
    assert_eq!(told(0, u64::MAX, 3), 3);
    assert_eq!(told(NOW + HOUR - 1, u64::MAX, 100), 4);
    assert_eq!(told(NOW + HOUR, NOW + 12 * HOUR, 100), 1);
    assert_eq!(told(NOW + HOUR, NOW + 12 * HOUR + 1, 100), 2);
    assert_eq!(told(u64::MAX, u64::MAX, 100), 0);
    assert_eq!(usage(&memory(), &question(By::Agent, None)).unwrap(), []);
}

#[test]
fn sums_of_what_lying_upstreams_tell_are_as_large_as_they_can_be() {
    let db = memory();
    let most = u64::MAX / 2;
    let lie = Entry { input: u64::MAX, output: u64::MAX, cached: 1, ..entry() };
    for (n, agent) in ["a", "a", "b", "c"].into_iter().enumerate() {
        request(&db, &n.to_string(), Some(charge(u64::MAX, most)), &Entry { agent, ..lie });
    }
    let by_agent = usage(&db, &question(By::Agent, None)).unwrap();
    assert_eq!(by_agent[0], Row { name: "a".to_owned(), requests: 2, cached: 2, ..lied(most) });
    let by_root = usage(&db, &question(By::Root, None)).unwrap();
    assert_eq!(by_root, [Row { name: "person".to_owned(), requests: 4, cached: 4, ..lied(u64::MAX) }]);
}

fn lied(most: u64) -> Row {
    Row { input: most, output: most, tokens: most, money: most, ..Row::default() }
}
