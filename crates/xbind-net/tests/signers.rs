//! Keys that are kept elsewhere: at a server that speaks as Vault's transit engine does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

#[path = "../../xbind-authority/tests/common/transit.rs"]
mod transit;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use transit::{Mood, Transit};
use xbind::{ErrorKind, SigningKey};
use xbind_net::FetchError;
use xbind_net::signers::{KeptKeys, Signer, SignerFault};

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn open(transit: &Transit, more: &str) -> Result<Vec<Signer>, SignerFault> {
    let place: KeptKeys = serde_json::from_str(&transit.place(more)).unwrap();
    place.open()
}

#[test]
fn each_version_of_a_key_signs_as_itself() {
    let transit = Transit::start(&[key(1), key(2)]);
    let signers = open(&transit, "").unwrap();
    assert_eq!(signers.iter().map(|signer| *signer.did()).collect::<Vec<_>>(), [*key(2).did(), *key(1).did()]);
    for (signer, key) in signers.iter().zip([key(2), key(1)]) {
        assert_eq!(signer.sign_and_wait(b"bytes").unwrap(), key.sign(b"bytes"));
        assert_eq!(signer.sign_and_wait(&[0; 100_000]).unwrap(), key.sign(&[0; 100_000]));
    }
    // A key that is rotated there goes on as it was for whoever knows it.
    transit.add(key(3));
    assert_eq!(signers[0].sign_and_wait(b"bytes").unwrap(), key(2).sign(b"bytes"));
    assert_eq!(open(&transit, "").unwrap()[0].did(), key(3).did());
}

#[test]
fn what_a_signer_gives_counts_only_if_it_holds() {
    let transit = Transit::start(&[key(1)]);
    let signer = open(&transit, "").unwrap().remove(0);
    let sign = || signer.sign_and_wait(b"bytes").map(|_| ());
    for (mood, fault) in [
        (Mood::Another(9), SignerFault::Lied),
        (Mood::Says(200, r#"{"data":{"signature":"vault:v1:"}}"#.to_owned()), SignerFault::Lied),
        (Mood::Says(200, r#"{"data":{"signature":"vault:v1:!!!!"}}"#.to_owned()), SignerFault::Lied),
        (Mood::Says(200, r#"{"data":{}}"#.to_owned()), SignerFault::Strange),
        (Mood::Says(200, "no".to_owned()), SignerFault::Strange),
        (Mood::Says(403, r#"{"errors":["permission denied"]}"#.to_owned()), SignerFault::Status(403)),
        (Mood::Says(307, String::new()), SignerFault::Status(307)),
        (Mood::Says(500, String::new()), SignerFault::Status(500)),
        (Mood::Says(404, r#"{"errors":[]}"#.to_owned()), SignerFault::NoKey),
        (Mood::Says(200, "x".repeat(100_000)), SignerFault::Fetch(FetchError::TooLong(65_536))),
    ] {
        transit.be(mood.clone());
        assert_eq!(sign(), Err(fault), "{mood:?}");
        transit.be(Mood::Honest);
        while signer.check().is_err() {
            thread::sleep(Duration::from_millis(20)); // it rests where nobody was there
        }
        sign().unwrap();
    }
    let error = xbind::Error::from(SignerFault::Lied);
    assert_eq!(error.kind(), ErrorKind::SignFailed);
}

#[test]
fn a_token_that_is_replaced_in_its_file_is_taken() {
    let transit = Transit::start(&[key(1)]);
    let signer = open(&transit, "").unwrap().remove(0);
    transit.accept("another-token");
    assert_eq!(signer.sign_and_wait(b"a"), Err(SignerFault::Status(403)));
    transit.write_token("another-token\n");
    signer.sign_and_wait(b"b").unwrap();
    // It is replaced while the server refuses the one before.
    transit.accept("third-token");
    transit.be(Mood::Replaces("third-token".to_owned()));
    signer.sign_and_wait(b"c").unwrap();
    transit.be(Mood::Honest);
    for text in ["", "\n", "two words", "\u{e9}", &"x".repeat(5000)] {
        transit.write_token(text);
        assert_eq!(signer.sign_and_wait(b"d"), Err(SignerFault::Secret), "{text:?}");
    }
    std::fs::remove_file(transit.token_file()).unwrap();
    assert_eq!(signer.sign_and_wait(b"e"), Err(SignerFault::Secret));
}

#[test]
fn a_signer_that_hangs_holds_nobody_up_for_long() {
    let transit = Transit::start(&[key(1)]);
    let signer = Arc::new(open(&transit, r#","timeoutMs":300"#).unwrap().remove(0));
    transit.be(Mood::Silent);
    let begin = Instant::now();
    assert_eq!(signer.sign_and_wait(b"a"), Err(SignerFault::Slow(300)));
    assert!(begin.elapsed() < Duration::from_secs(5));
    // Who asks now is told at once, and so is whoever finds no room.
    assert_eq!(signer.check(), Err(SignerFault::Slow(300)));
    assert_eq!(signer.sign_and_wait(b"b"), Err(SignerFault::Slow(300)));
    while signer.check().is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..300 {
        let tell = tell.clone();
        signer.sign_then(b"c".to_vec(), move |signed| drop(tell.send(signed)));
    }
    drop(tell);
    let faults: Vec<_> = told.iter().map(Result::unwrap_err).collect();
    assert_eq!(faults.len(), 300);
    assert!(faults.contains(&SignerFault::Busy), "{faults:?}");
    transit.be(Mood::Honest);
    while signer.check().is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    signer.sign_and_wait(b"d").unwrap();
}

#[test]
fn a_signer_has_as_long_as_its_owner_says() {
    let transit = Transit::start(&[key(1)]);
    let signer = open(&transit, r#","timeoutMs":30000"#).unwrap().remove(0);
    transit.be(Mood::Late(10_500)); // longer than a place has to tell its keys
    assert_eq!(signer.sign_and_wait(b"a"), Ok(key(1).sign(b"a")));
}

#[test]
fn what_is_no_signer_is_refused_when_it_is_opened() {
    let transit = Transit::start(&[key(1)]);
    let keys = |kind: &str, key: &str| {
        let text = format!(r#"{{"data":{{"type":"{kind}","keys":{{"1":{{"public_key":"{key}"}}}}}}}}"#);
        Mood::Says(200, text)
    };
    for (mood, fault) in [
        (keys("ecdsa-p256", "AAAA"), SignerFault::NotEd25519),
        (keys("ed25519", "AAAA"), SignerFault::NotEd25519),
        (keys("ed25519", "!"), SignerFault::Strange),
        (Mood::Says(200, r#"{"data":{"type":"ed25519","keys":{}}}"#.to_owned()), SignerFault::NoKey),
        (Mood::Says(403, String::new()), SignerFault::Status(403)),
    ] {
        transit.be(mood);
        assert_eq!(open(&transit, "").unwrap_err(), fault);
    }
    transit.be(Mood::Honest);
    for (from, to) in [
        ("http://127", "http://10.0.0"),
        ("http://", "http://user:password@"),
        (r#""key":"authority""#, r#""key":"../sys/raw""#),
        (r#""key":"authority""#, r#""key":"a?b""#),
    ] {
        let place: KeptKeys = serde_json::from_str(&transit.place("").replacen(from, to, 1)).unwrap();
        assert!(place.open().is_err(), "{to}");
    }
    let place = transit.place(r#","token":"in here""#);
    assert!(serde_json::from_str::<KeptKeys>(&place).is_err(), "no secret stands there");
}

#[test]
fn no_token_is_told() {
    let transit = Transit::start(&[key(1)]);
    let place: KeptKeys = serde_json::from_str(&transit.place("")).unwrap();
    let signer = place.open().unwrap().remove(0);
    transit.be(Mood::Echo);
    let fault = signer.sign_and_wait(b"a").unwrap_err();
    let error = xbind::Error::from(fault.clone());
    let said = format!("{place:?} {signer:?} {fault:?} {fault} {error:?} {error} {:?}", error.hint());
    assert!(!said.contains(&transit.token()), "{said}");
}

/// Whoever opens that file waits for a writer.
#[cfg(unix)]
fn stop(file: impl AsRef<std::path::Path>) {
    drop(std::fs::remove_file(&file));
    assert!(std::process::Command::new("mkfifo").arg(file.as_ref()).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn certificates_that_do_not_come_stop_nobody_else() {
    let (stuck, other) = (Transit::start(&[key(1)]), Transit::start(&[key(2)]));
    let going = open(&other, "").unwrap().remove(0);
    let file = std::env::temp_dir().join(format!("xbind-no-certificates-{}", std::process::id()));
    stop(&file);
    let (tell, told) = std::sync::mpsc::channel();
    let place: KeptKeys = serde_json::from_str(&stuck.place(&format!(r#","caFile":{file:?}"#))).unwrap();
    place.open_then(move |opened| tell.send(opened.map(|_| ())).unwrap());
    assert_eq!(going.sign_and_wait(b"bytes").unwrap(), key(2).sign(b"bytes"));
    assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), Err(SignerFault::Slow(10_000)));
    drop(std::fs::OpenOptions::new().write(true).open(&file).unwrap()); // whoever waits for a writer has seen one
    std::fs::remove_file(&file).unwrap();
    let fault = SignerFault::Fetch(FetchError::Roots);
    assert_eq!(place.open().unwrap_err(), fault);
    for none in [&b""[..], b"no certificate", &[b'x'; 9 << 20]] {
        std::fs::write(&file, none).unwrap();
        assert_eq!(place.open().unwrap_err(), fault);
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_time_that_no_signature_may_take_is_refused() {
    let transit = Transit::start(&[key(1)]);
    for time in [0, 30_001, u64::MAX] {
        let more = format!(r#","timeoutMs":{time}"#);
        assert!(matches!(open(&transit, &more), Err(SignerFault::Config(_))), "{time}");
    }
    assert!(open(&transit, r#","timeoutMs":30000"#).is_ok());
}

#[cfg(unix)]
#[test]
fn a_token_file_that_gives_nothing_stops_nobody_else() {
    let (stuck, other) = (Transit::start(&[key(1)]), Transit::start(&[key(2)]));
    let signer = open(&stuck, r#","timeoutMs":300"#).unwrap().remove(0);
    let going = open(&other, "").unwrap().remove(0);
    stop(stuck.token_file());
    // However often it is opened: there are 16 threads for such things.
    let place: KeptKeys = serde_json::from_str(&stuck.place("")).unwrap();
    for _ in 0..40 {
        place.open_then(drop);
    }
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..50 {
        let tell = tell.clone();
        signer.sign_then(b"bytes".to_vec(), move |signed| tell.send(signed.map(|_| ())).unwrap());
    }
    assert_eq!(going.sign_and_wait(b"bytes").unwrap(), key(2).sign(b"bytes"));
    assert_eq!(open(&other, "").unwrap()[0].did(), key(2).did());
    for _ in 0..50 {
        assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), Err(SignerFault::Slow(300)));
    }
}
