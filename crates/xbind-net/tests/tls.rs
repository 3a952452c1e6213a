//! Whose certificates are believed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::io::Write;

use common::{
    Authority, LONG, Server, fetch, fetcher, fetcher_of, forgetful, head, json, rules, self_signed, text, trusting,
};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use tokio_rustls::rustls::ServerConfig;
use xbind_net::{FetchError, Roots, Settings};

fn serving(identity: ServerConfig) -> Server {
    Server::tls(identity, |stream| {
        head(stream)?;
        stream.write_all(json("{}").as_bytes())
    })
}

/// What comes of a certificate with these changes.
fn outcome(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Result<String, FetchError> {
    let authority = Authority::new();
    let server = serving(authority.identity(names, change));
    text(fetch(&fetcher(&[&authority]), &server.https(), rules(LONG)))
}

#[test]
fn a_certificate_for_the_name_asked_by_an_authority_that_is_trusted() {
    assert_eq!(outcome(&["login.example"], |_| {}), Ok("{}".to_owned()));
}

#[test]
fn for_another_name() {
    for names in [&["other.example"][..], &["*.example"], &["*.login.example"], &["example"], &["127.0.0.1"], &[]] {
        assert_eq!(outcome(names, |_| {}), Err(FetchError::WrongName), "{names:?}");
    }
}

#[test]
fn for_an_address() {
    let authority = Authority::new();
    let get = |names: &[&str]| {
        let server = serving(authority.identity(names, |_| {}));
        text(fetch(&fetcher(&[&authority]), &format!("https://127.0.0.1:{}/", server.port), rules(LONG)))
    };
    assert_eq!(get(&["127.0.0.1"]), Ok("{}".to_owned()));
    assert_eq!(get(&["127.0.0.2"]), Err(FetchError::WrongName));
    assert_eq!(get(&["localhost"]), Err(FetchError::WrongName));
}

#[test]
fn at_another_time() {
    let expired = outcome(&["login.example"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    assert_eq!(expired, Err(FetchError::Expired));
    let early = outcome(&["login.example"], |params| params.not_before = date_time_ymd(4000, 1, 1));
    assert_eq!(early, Err(FetchError::Expired));
}

#[test]
fn for_another_purpose() {
    let client =
        |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(outcome(&["login.example"], client), Err(FetchError::Certificate));
}

#[test]
fn by_nobody_who_is_trusted() {
    let (trusted, stranger) = (Authority::new(), Authority::named("another"));
    for identity in [self_signed("login.example"), stranger.identity(&["login.example"], |_| {})] {
        let server = serving(identity);
        assert_eq!(fetch(&fetcher(&[&trusted]), &server.https(), rules(LONG)), Err(FetchError::UnknownIssuer));
        assert_eq!(fetch(&fetcher(&[]), &server.https(), rules(LONG)), Err(FetchError::UnknownIssuer));
    }
}

#[test]
fn roots_from_a_file_and_what_is_none() {
    let authority = Authority::new();
    let server = serving(authority.identity(&["login.example"], |_| {}));
    let folder = std::env::temp_dir().join(format!("xbind-net-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("roots.pem");
    std::fs::write(&file, [&b"# a company's own\n"[..], &Authority::new().pem(), &authority.pem()].concat()).unwrap();
    let get = |roots: Roots| {
        let fetcher = fetcher_of(Settings { roots, ..forgetful() });
        text(fetch(&fetcher, &server.https(), rules(LONG)))
    };
    assert_eq!(get(Roots { files: vec![file.clone()], ..Roots::default() }), Ok("{}".to_owned()));
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    for pem in [b"none".to_vec(), Vec::new(), broken, authority.pem()[..80].to_vec()] {
        std::fs::write(&file, &pem).unwrap();
        assert_eq!(get(Roots { files: vec![file.clone()], ..Roots::default() }), Err(FetchError::Roots));
        assert_eq!(get(Roots { pem: vec![pem], ..Roots::default() }), Err(FetchError::Roots));
    }
    std::fs::write(&file, [&authority.pem()[..], &vec![b'\n'; 8 << 20]].concat()).unwrap();
    assert_eq!(get(Roots { files: vec![file.clone()], ..Roots::default() }), Err(FetchError::Roots));
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(get(Roots { files: vec![file], ..trusting(&[&authority]) }), Err(FetchError::Roots));
}

#[test]
fn no_tls_at_all() {
    let plain = common::saying(json("{}"));
    let outcome = fetch(&fetcher(&[]), &plain.https(), rules(std::time::Duration::from_secs(2)));
    assert!(matches!(outcome, Err(FetchError::Tls | FetchError::Timeout(_))), "{outcome:?}");
    let other = Server::start(|mut stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"));
    assert!(matches!(fetch(&fetcher(&[]), &other.https(), rules(LONG)), Err(FetchError::Tls | FetchError::BrokenOff)));
    let closes = Server::start(|_| Ok(()));
    assert_eq!(fetch(&fetcher(&[]), &closes.https(), rules(LONG)), Err(FetchError::BrokenOff));
}

#[test]
fn an_answer_that_somebody_on_the_way_cuts_off_is_none() {
    let authority = Authority::new();
    let server = Server::tls(authority.identity(&["login.example"], |_| {}), |stream| {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{}")?;
        stream.flush()?;
        Err(std::io::ErrorKind::Other.into()) // without the close of TLS
    });
    assert_eq!(fetch(&fetcher(&[&authority]), &server.https(), rules(LONG)), Err(FetchError::BrokenOff));
}
