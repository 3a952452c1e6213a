//! Where names lead, and who is asked how often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{Authority, LONG, Server, fetch, fetcher_of, forgetful, head, json, names, rules, saying, text, trusting};
use xbind_net::{FetchError, Rules, Settings, Whose};

/// An https server that counts its connections, and settings by which `login.example` leads to these addresses.
fn leading_to(addresses: &[&str]) -> (Server, Settings) {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(&["login.example"], |_| {}), |stream| {
        head(stream)?;
        stream.write_all(json("{}").as_bytes())
    });
    let lookup = names(&[("login.example", addresses)]);
    (server, Settings { lookup, roots: trusting(&[&authority]), ..forgetful() })
}

#[test]
fn a_strangers_name_leads_to_the_public_network_only() {
    for addresses in [
        &["127.0.0.1"][..],
        &["::1"],
        &["10.0.0.1"],
        &["1.1.1.1", "10.0.0.1"],
        &["127.0.0.1", "1.1.1.1"],
        &["1.1.1.1", "2606:4700::1111", "::ffff:127.0.0.1"],
        &["169.254.169.254"],
        &["0.0.0.0"],
    ] {
        let (server, settings) = leading_to(addresses);
        let stranger = Rules { whose: Whose::Stranger, ..rules(LONG) };
        let outcome = fetch(&fetcher_of(settings), "https://login.example/", stranger);
        assert_eq!(outcome, Err(FetchError::NotPublic), "{addresses:?}");
        assert_eq!(server.hits(), 0);
    }
}

#[test]
fn an_owners_name_may_lead_anywhere_but_to_what_is_never_asked() {
    let (server, settings) = leading_to(&["127.0.0.1"]);
    assert_eq!(text(fetch(&fetcher_of(settings), &server.https(), rules(LONG))), Ok("{}".to_owned()));
    for addresses in [&["169.254.169.254"][..], &["127.0.0.1", "169.254.169.254"], &["127.0.0.1", "::ffff:127.0.0.1"]] {
        let (server, settings) = leading_to(addresses);
        let outcome = fetch(&fetcher_of(settings), &server.https(), rules(LONG));
        assert_eq!((outcome, server.hits()), (Err(FetchError::Forbidden), 0), "{addresses:?}");
    }
}

#[test]
fn a_name_that_leads_nowhere() {
    let (_, settings) = leading_to(&[]);
    let fetcher = fetcher_of(settings);
    assert_eq!(fetch(&fetcher, "https://login.example/", rules(LONG)), Err(FetchError::NoAddress));
    assert_eq!(fetch(&fetcher, "https://unknown.example/", rules(LONG)), Err(FetchError::NoAddress));
}

#[test]
fn addresses_are_tried_one_after_another() {
    let (server, settings) = leading_to(&["::1", "127.0.0.1"]);
    assert_eq!(text(fetch(&fetcher_of(settings), &server.https(), rules(LONG))), Ok("{}".to_owned()));
    let (server, settings) = leading_to(&["::1"]);
    assert_eq!(fetch(&fetcher_of(settings), &server.https(), rules(LONG)), Err(FetchError::NoConnection));
}

#[test]
fn a_name_that_leads_elsewhere_the_second_time_is_looked_up_once() {
    let (server, settings) = leading_to(&["127.0.0.1"]);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let lookup: xbind_net::Lookup = Arc::new(move |name: &str| {
        let mut seen = seen.lock().unwrap();
        seen.push(name.to_owned());
        Ok(vec![if seen.len() == 1 { "127.0.0.1" } else { "169.254.169.254" }.parse().unwrap()])
    });
    let fetcher = fetcher_of(Settings { lookup, ..settings });
    assert_eq!(text(fetch(&fetcher, &server.https(), rules(LONG))), Ok("{}".to_owned()));
    assert_eq!(*asked.lock().unwrap(), ["login.example"]);
}

#[test]
fn localhost_is_this_machine_whoever_says_otherwise() {
    let server = saying(json("{}"));
    let lookup = names(&[("localhost", &["1.1.1.1"]), ("app.localhost", &["169.254.169.254"])]);
    let fetcher = fetcher_of(Settings { lookup, ..forgetful() });
    for host in ["localhost", "app.localhost", "127.0.0.1"] {
        let url = format!("http://{host}:{}/", server.port);
        assert_eq!(text(fetch(&fetcher, &url, rules(LONG))), Ok("{}".to_owned()), "{host}");
    }
}

/// A server that tells the how-manieth request it answers, when `go` lets it.
fn counting(go: Arc<Barrier>) -> Server {
    let count = AtomicUsize::new(0);
    Server::plain(move |stream| {
        head(stream)?;
        go.wait();
        let number = count.fetch_add(1, Ordering::SeqCst);
        stream.write_all(json(&number.to_string()).as_bytes())
    })
}

fn remembering(interval: Duration) -> xbind_net::Fetcher {
    fetcher_of(Settings { interval, ..forgetful() })
}

#[test]
fn one_request_for_all_who_ask_at_a_time() {
    let go = Arc::new(Barrier::new(2));
    let (server, fetcher) = (counting(Arc::clone(&go)), remembering(LONG));
    let url = server.http();
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let (fetcher, url) = (fetcher.clone(), url.clone());
            thread::spawn(move || text(fetch(&fetcher, &url, rules(LONG))))
        })
        .collect();
    go.wait();
    for each in asking {
        assert_eq!(each.join().unwrap(), Ok("0".to_owned()));
    }
    assert_eq!(server.hits(), 1);
}

#[test]
fn not_again_within_the_interval_and_again_after_it() {
    let (server, fetcher) = (counting(Arc::new(Barrier::new(1))), remembering(LONG));
    let (url, more) = (server.http(), Rules { max_bytes: 65, ..rules(LONG) });
    let get = |rules: Rules| text(fetch(&fetcher, &url, rules));
    assert_eq!([get(rules(LONG)), get(rules(LONG))], [Ok("0".to_owned()), Ok("0".to_owned())]);
    assert_eq!(get(more), Ok("1".to_owned()), "other rules, another question");
    assert_eq!(text(fetch(&fetcher, &url.replace("doc", "other"), rules(LONG))), Ok("2".to_owned()));
    assert_eq!(text(fetch(&fetcher, &url.replace("/doc", "/a/../doc"), rules(LONG))), Ok("0".to_owned()));

    let (server, fetcher) = (counting(Arc::new(Barrier::new(1))), remembering(Duration::from_millis(1)));
    let started = Instant::now();
    while text(fetch(&fetcher, &server.http(), rules(LONG))) != Ok("2".to_owned()) {
        assert!(started.elapsed() < LONG);
    }
}

#[test]
fn a_failure_is_not_asked_for_again_either() {
    let (server, fetcher) = (saying("HTTP/1.1 500 X\r\n\r\n"), remembering(LONG));
    for _ in 0..3 {
        assert_eq!(fetch(&fetcher, &server.http(), rules(LONG)), Err(FetchError::Status(500)));
    }
    assert_eq!(server.hits(), 1);
}

#[test]
fn sixteen_connections_at_a_time() {
    let (open, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (seen, all) = (Arc::clone(&most), Barrier::new(16));
    let server = Server::plain(move |stream| {
        head(stream)?;
        seen.fetch_max(open.fetch_add(1, Ordering::SeqCst).saturating_add(1), Ordering::SeqCst);
        all.wait(); // no answer before sixteen are here
        open.fetch_sub(1, Ordering::SeqCst);
        stream.write_all(json("{}").as_bytes())
    });
    let fetcher = remembering(LONG);
    let asking: Vec<_> = (0..64)
        .map(|index| {
            let (fetcher, url) = (fetcher.clone(), format!("{}{index}", server.http()));
            thread::spawn(move || fetch(&fetcher, &url, rules(LONG)))
        })
        .collect();
    assert!(asking.into_iter().all(|each| each.join().unwrap().is_ok()));
    assert_eq!((server.hits(), most.load(Ordering::SeqCst)), (64, 16));
}

#[test]
fn what_strangers_name_takes_no_room_from_the_owners_addresses() {
    let fetcher = remembering(LONG);
    let server = saying(json("{}"));
    let listed = Rules { whose: Whose::Listed, ..rules(LONG) };
    let full = (0..).find(|index| fetch(&fetcher, &format!("{}{index}", server.http()), listed.clone()).is_err());
    assert_eq!(full, Some(1024));
    assert_eq!(fetch(&fetcher, &server.http(), listed), Err(FetchError::Busy));
    let stranger = Rules { whose: Whose::Stranger, ..rules(LONG) };
    assert_eq!(fetch(&fetcher, "https://login.example/", stranger), Err(FetchError::Busy));
    assert_eq!(text(fetch(&fetcher, &server.http(), rules(LONG))), Ok("{}".to_owned()));
}
