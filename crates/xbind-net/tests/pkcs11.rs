//! Keys in a PKCS#11 module: SoftHSM, where it is here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

#[path = "../../xbind-authority/tests/common/softhsm.rs"]
mod softhsm;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use softhsm::SoftHsm;
use xbind::SigningKey;
use xbind_net::signers::{KeptKeys, Signer, SignerFault};

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn open(place: &str) -> Result<Signer, SignerFault> {
    let place: KeptKeys = serde_json::from_str(place).unwrap();
    place.open().map(|mut signers| signers.remove(0))
}

/// The same, where it does not rest.
fn sign(signer: &Signer, bytes: &[u8]) -> Result<[u8; 64], SignerFault> {
    while signer.check().is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    signer.sign_and_wait(bytes)
}

#[test]
fn a_key_in_a_token_signs_and_stays_there() {
    softhsm::with("a_key_in_a_token_signs_and_stays_there", |hsm| {
        hsm.token("first");
        hsm.token("second");
        hsm.import("first", "agent", "01", &key(1));
        hsm.import("second", "agent", "02", &key(2));
        let (one, two) =
            (open(&hsm.place("first", "agent", "")).unwrap(), open(&hsm.place("second", "agent", "")).unwrap());
        assert_eq!((one.did(), two.did()), (key(1).did(), key(2).did()));
        for bytes in [&b"bytes"[..], b"", &[7; 50_000]] {
            assert_eq!(sign(&one, bytes).unwrap(), key(1).sign(bytes));
            assert_eq!(sign(&two, bytes).unwrap(), key(2).sign(bytes));
        }
        let begin = Instant::now();
        for n in 0..200_u8 {
            sign(&one, &[n]).unwrap();
        }
        println!("200 signatures, one at a time: {:?}", begin.elapsed());
        // By another name of the module it is the same one, which is not begun anew.
        let (module, alias) = (softhsm::module().unwrap(), hsm.path("alias.so"));
        std::os::unix::fs::symlink(module, &alias).unwrap();
        let by_alias = |key| hsm.place("first", key, "").replacen(&format!("{module:?}"), &format!("{alias:?}"), 1);
        assert_eq!(open(&by_alias("agent")).unwrap().did(), key(1).did());
        assert_eq!(
            thread::scope(|scope| {
                let signs = scope.spawn(|| (0..50_u8).all(|n| sign(&two, &[n]).is_ok()));
                let fails = (0..10).all(|_| open(&by_alias("nobody")).is_err());
                (fails, signs.join().unwrap())
            }),
            (true, true)
        );
        // By its id, and with the PIN from the environment.
        let place = hsm.place("first", "agent", r#","id":"01""#);
        assert_eq!(open(&place).unwrap().did(), key(1).did());
        let by_variable =
            place.replacen(&format!(r#""pinFile":{:?}"#, hsm.path("pin")), r#""pinEnv":"NO_SUCH_VARIABLE""#, 1);
        assert_eq!(open(&by_variable).unwrap_err(), SignerFault::Secret);
    });
}

#[test]
fn what_names_no_one_key_is_refused() {
    softhsm::with("what_names_no_one_key_is_refused", |hsm| {
        hsm.token("token");
        hsm.import("token", "twice", "01", &key(1));
        hsm.import("token", "twice", "02", &key(2));
        hsm.token("double");
        hsm.token("double");
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"])
            .arg(hsm.path("key.pem"))
            .status();
        assert!(made.unwrap().success());
        hsm.import_file("token", "curve", "03");
        for (place, fault) in [
            (hsm.place("token", "twice", ""), SignerFault::Several),
            (hsm.place("token", "none", ""), SignerFault::NoKey),
            (hsm.place("token", "twice", r#","id":"07""#), SignerFault::NoKey),
            (hsm.place("token", "curve", ""), SignerFault::NotEd25519),
            (hsm.place("double", "twice", ""), SignerFault::Several),
            (hsm.place("elsewhere", "twice", ""), SignerFault::NoToken),
        ] {
            assert_eq!(open(&place).unwrap_err(), fault, "{place}");
        }
        assert_eq!(open(&hsm.place("token", "twice", r#","id":"02""#)).unwrap().did(), key(2).did());
        for (from, to) in [
            (r#""token":"token","#, ""),
            (r#""token":"token","#, r#""token":"token","slot":1,"#),
            (r#""key":"twice","#, ""),
            (r#""key":"twice","#, r#""id":"0","#),
            (r#""key":"twice","#, r#""id":"+1","#),
            (r#""pinFile""#, r#""pinEnv":"A","pinFile""#),
        ] {
            let place = hsm.place("token", "twice", "").replacen(from, to, 1);
            assert!(matches!(open(&place), Err(SignerFault::Config(_))), "{place}");
        }
        let with_pin = hsm.place("token", "twice", r#","pin":"1234""#);
        assert!(serde_json::from_str::<KeptKeys>(&with_pin).is_err(), "no PIN stands there");
    });
}

#[test]
fn a_pin_that_is_refused_is_not_tried_again() {
    softhsm::with("a_pin_that_is_refused_is_not_tried_again", |hsm| {
        hsm.token("token");
        hsm.import("token", "agent", "01", &key(1));
        let place = hsm.place("token", "agent", "");
        let error = open(&place.replacen(&format!(r#","pinFile":{:?}"#, hsm.path("pin")), "", 1)).unwrap_err();
        assert_eq!(error, SignerFault::NoPin);
        assert!(xbind::Error::from(error).hint().unwrap().contains("pinFile"));
        std::fs::write(hsm.path("pin"), "another-pin").unwrap();
        for _ in 0..20 {
            let fault = open(&place).unwrap_err();
            assert_eq!(fault, SignerFault::Pin);
            let said = format!("{fault} {fault:?} {:?} {place:?}", xbind::Error::from(fault.clone()));
            assert!(!said.contains("another-pin"), "{said}");
        }
        std::fs::remove_file(hsm.path("pin")).unwrap();
        assert_eq!(open(&place).unwrap_err(), SignerFault::Secret);
        std::fs::write(hsm.path("pin"), softhsm::PIN).unwrap();
        sign(&open(&place).unwrap(), b"bytes").unwrap();
    });
}

#[test]
fn a_token_that_was_gone_signs_again() {
    softhsm::with("a_token_that_was_gone_signs_again", |hsm: &SoftHsm| {
        hsm.token("token");
        hsm.import("token", "agent", "01", &key(1));
        let signer = open(&hsm.place("token", "agent", "")).unwrap();
        sign(&signer, b"before").unwrap();
        std::fs::rename(hsm.path("tokens"), hsm.path("away")).unwrap();
        std::fs::create_dir(hsm.path("tokens")).unwrap();
        let begin = Instant::now();
        // It may have what it needs in memory; a session that is opened anew has not.
        let fault = open(&hsm.place("token", "agent", "")).unwrap_err();
        assert!(matches!(fault, SignerFault::NoToken | SignerFault::Module), "{fault:?}");
        let fault = sign(&signer, b"meanwhile").unwrap_err();
        assert!(matches!(fault, SignerFault::NoToken | SignerFault::Module), "{fault:?}");
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::fs::remove_dir(hsm.path("tokens")).unwrap();
        std::fs::rename(hsm.path("away"), hsm.path("tokens")).unwrap();
        assert_eq!(sign(&signer, b"after").unwrap(), key(1).sign(b"after"));
        // Another key in its place is not taken for it.
        std::fs::remove_dir_all(hsm.path("tokens")).unwrap();
        std::fs::create_dir(hsm.path("tokens")).unwrap();
        hsm.token("token");
        hsm.import("token", "agent", "01", &key(2));
        open(&hsm.place("token", "agent", r#","id":"01""#)).map(drop).unwrap_or_default();
        let lied = (0..3).find_map(|_| sign(&signer, b"bytes").err().filter(|fault| *fault == SignerFault::Lied));
        assert_eq!(lied, Some(SignerFault::Lied));
    });
}

#[test]
fn what_is_no_module_and_what_never_answers_holds_up_nobody_else() {
    softhsm::with("what_is_no_module_and_what_never_answers_holds_up_nobody_else", |hsm| {
        hsm.token("token");
        hsm.import("token", "agent", "01", &key(1));
        let good = hsm.place("token", "agent", "");
        let of = |module: &std::path::Path| {
            good.replacen(&format!("{:?}", softhsm::module().unwrap()), &format!("{module:?}"), 1)
        };
        std::fs::write(hsm.path("text.so"), "no module").unwrap();
        let c = "unsigned long C_GetFunctionList(void **list) { for (;;) sleep(1); }";
        for (name, code) in [("other", "int x;".to_owned()), ("silent", format!("unsigned sleep(unsigned);{c}"))] {
            std::fs::write(hsm.path("module.c"), code).unwrap();
            let out = hsm.path(&format!("{name}.so"));
            let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&out).arg(hsm.path("module.c")).status();
            assert!(made.unwrap().success());
        }
        for name in ["text.so", "other.so", "none.so"] {
            let fault = open(&of(&hsm.path(name))).unwrap_err();
            assert_eq!(fault, SignerFault::NotLoaded(hsm.path(name)));
            assert!(fault.to_string().contains(&*hsm.path(name).to_string_lossy()), "{fault}");
        }
        let silent = of(&hsm.path("silent.so")).replacen(r#""pinFile""#, r#""timeoutMs":200,"pinFile""#, 1);
        assert_eq!(open(&silent).unwrap_err(), SignerFault::Slow(200));
        assert_eq!(open(&silent).unwrap_err(), SignerFault::Slow(200));
        sign(&open(&good).unwrap(), b"bytes").unwrap();
    });
}

#[test]
fn a_module_by_its_name_alone_is_not_the_file_of_that_name_in_the_working_directory() {
    assert!(std::path::Path::new("Cargo.toml").exists());
    let fault = open(r#"{"pkcs11":{"module":"Cargo.toml","token":"token","key":"agent"}}"#).unwrap_err();
    assert_eq!(fault, SignerFault::NotLoaded("Cargo.toml".into()));
}

#[test]
fn sixteen_modules_have_a_place_and_what_is_none_takes_none() {
    softhsm::with("sixteen_modules_have_a_place_and_what_is_none_takes_none", |hsm| {
        hsm.token("token");
        hsm.import("token", "agent", "01", &key(1));
        let module = softhsm::module().unwrap();
        let of = |name: &str| {
            let place = hsm.place("token", "agent", "");
            place.replacen(&format!("{module:?}"), &format!("{:?}", hsm.path(name)), 1)
        };
        let misspelt = |n: usize| {
            let name = format!("none-{n}.so");
            assert_eq!(open(&of(&name)).unwrap_err(), SignerFault::NotLoaded(hsm.path(&name)));
        };
        (0..20).for_each(misspelt);
        let names: Vec<_> = (0..17).map(|n| format!("module-{n}.so")).collect();
        for name in &names {
            std::fs::copy(module, hsm.path(name)).unwrap();
        }
        let signers: Vec<_> = names[..16].iter().map(|name| open(&of(name)).unwrap()).collect();
        let fault = open(&of(&names[16])).unwrap_err();
        assert_eq!(fault, SignerFault::Config("there are more than 16 PKCS#11 modules"));
        for (name, signer) in names.iter().zip(&signers) {
            assert_eq!(sign(signer, b"bytes").unwrap(), key(1).sign(b"bytes"));
            open(&of(name)).unwrap();
        }
    });
}

#[test]
fn a_pin_that_is_refused_is_tried_for_no_other_key_of_the_token() {
    softhsm::with("a_pin_that_is_refused_is_tried_for_no_other_key_of_the_token", |hsm| {
        hsm.token("token");
        hsm.import("token", "one", "01", &key(1));
        hsm.import("token", "two", "02", &key(2));
        std::fs::write(hsm.path("pin"), "stale-pin").unwrap();
        assert_eq!(open(&hsm.place("token", "one", "")).unwrap_err(), SignerFault::Pin);
        // It would be taken now, were it tried.
        let set_pin = |from: &str, to: &str| {
            let context = Pkcs11::new(softhsm::module().unwrap()).unwrap();
            assert!(context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).is_err(), "it is in use");
            let slot = context.get_slots_with_initialized_token().unwrap()[0];
            let session = context.open_rw_session(slot).unwrap();
            session.login(UserType::User, Some(&AuthPin::from(from))).unwrap();
            session.set_pin(&AuthPin::from(from), &AuthPin::from(to)).unwrap();
            session.logout().unwrap();
            slot.id()
        };
        let slot = set_pin(softhsm::PIN, "stale-pin");
        for name in ["two", "one"] {
            assert_eq!(open(&hsm.place("token", name, "")).unwrap_err(), SignerFault::Pin);
        }
        let by_slot = hsm.place("token", "two", "").replacen(r#""token":"token""#, &format!(r#""slot":{slot}"#), 1);
        assert_eq!(open(&by_slot).unwrap_err(), SignerFault::Pin);
        set_pin("stale-pin", softhsm::PIN);
        std::fs::write(hsm.path("pin"), softhsm::PIN).unwrap();
        assert_eq!(open(&hsm.place("token", "two", "")).unwrap().did(), key(2).did());
    });
}
