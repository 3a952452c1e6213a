use super::*;

fn quota(issuer: &str, jti: &str) -> Quota {
    Quota { issuer: issuer.to_owned(), jti: jti.to_owned(), until: NOW + 60, tokens: Some(10), money: None }
}

#[test]
fn everybody_who_pays_has_an_account() {
    let budgets = [
        budget("a", Per::Agent, Period::Day, Some(1), None),
        budget("b", Per::Root, Period::Month, None, Some(2)),
        budget("c", Per::Chain, Period::Minute, None, None),
        budget("d", Per::All, Period::Total, None, None),
    ];
    let mut holders = holders(&["did:key:a", "did:key:b"]);
    holders.quotas.push(quota("did:key:a", "first"));
    let found = accounts(&budgets, &holders, NOW);
    let names: Vec<_> = found.iter().map(|found| (found.budget.as_str(), found.holder.as_str())).collect();
    let wanted = [
        ("a", "did:key:a"),
        ("a", "did:key:b"),
        ("b", "person"),
        ("c", "did:key:a did:key:b"),
        ("d", ""),
        ("delegation", "did:key:a first"),
    ];
    assert_eq!(names, wanted);
    assert_eq!((found[0].from, found[0].until), (NOW - 43_200, Some(NOW + 43_200)));
    assert_eq!((found[0].tokens, found[2].money), (Some(1), Some(2)));
    assert_eq!((found[5].period, found[5].until), (Period::Total, Some(NOW + 60)));
}

#[test]
fn whoever_is_in_a_chain_twice_pays_once() {
    let budgets = [budget("a", Per::Agent, Period::Day, Some(10), None)];
    let found = accounts(&budgets, &holders(&["did:key:a", "did:key:a"]), NOW);
    assert_eq!(found.len(), 1);

    let db = memory();
    let twice = [found[0].clone(), found[0].clone()];
    ask(&db, "1", &twice, charge(6, 0), NOW).unwrap();
    assert_eq!(held(&db, &found[0]), [0, 6, 0, 0, 1]);
    assert!(end(&db, "1", Some(charge(4, 0))));
    assert_eq!(held(&db, &found[0]), [4, 0, 0, 0, 0]);
}

#[test]
fn names_of_strangers_meet_no_other_account() {
    let mut own = holders(&["did:key:a first"]);
    own.root = "did:key:a first".to_owned();
    own.quotas = vec![
        quota("did:key:a", "first"),
        quota("did:key:a", ""),
        quota("did:key:a", "first 0"),
        quota("did:key:a", "\0"),
    ];
    let budgets = [
        budget("delegation", Per::Agent, Period::Total, None, None),
        budget("delegation", Per::Root, Period::Total, None, None),
        budget("delegation", Per::Chain, Period::Total, None, None),
    ];
    let db = memory();
    let found = accounts(&budgets, &own, NOW);
    for (index, account) in found.iter().enumerate() {
        ask(&db, &index.to_string(), std::slice::from_ref(account), charge(1, 1), NOW).unwrap();
    }
    assert_eq!(count(&db, "accounts"), 7);
    assert!(found.iter().all(|account| held(&db, account) == [0, 1, 0, 1, 1]));
}

#[test]
fn another_kind_of_budget_with_an_old_name_begins_anew() {
    let db = memory();
    let of = |per, period| accounts(&[budget("a", per, period, Some(10), None)], &holders(&["person"]), 0);
    for (id, per, period) in
        [("1", Per::Agent, Period::Month), ("2", Per::Agent, Period::Day), ("3", Per::Root, Period::Day)]
    {
        ask(&db, id, &of(per, period), charge(10, 0), 0).unwrap();
    }
    assert_eq!(count(&db, "accounts"), 3);
}

#[test]
fn names_in_a_configuration_are_words() {
    let read = |text: &str| serde_json::from_str::<(Per, Period)>(text);
    assert_eq!(read(r#"["root", "month"]"#).unwrap(), (Per::Root, Period::Month));
    assert!(read(r#"["Root", "month"]"#).is_err());
    assert!(read(r#"["link", "month"]"#).is_err());
}
