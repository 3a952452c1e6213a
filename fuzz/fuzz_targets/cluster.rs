//! Nothing makes the parsers of a cluster's statements panic, what they accept was signed by whom it names, and what has a
//! spelling has one.
#![no_main]

mod forge;

use forge::{base64url, header, segments, signed};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use xbind::cluster::{
    AuthRequest, Connection, Heartbeat, MAX_STATEMENT_BYTES, NKey, NameRecord, Namespace, Presence, Role, Stop, Stops, token,
};
use xbind::{Did, ErrorKind, ReplayWindow, SigningKey};

const NOW: u64 = 1_735_689_600;
const SKEW: u64 = 30;
const TYPES: [&str; 5] = [
    "agent-presence+jwt",
    "agent-name+jwt",
    "agent-stop+jwt",
    "agent-heartbeat+jwt",
    "agent-connection+jwt",
];

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[2; 32]));
static NAMESPACE: LazyLock<Namespace> = LazyLock::new(|| Namespace::parse("main").expect("a good namespace"));

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => {
            if let Ok(text) = str::from_utf8(rest) {
                spelled(text);
                check(text);
            }
        }
        1 => {
            let (header, claims) = segments(rest);
            check(&signed(&KEY, header, claims));
        }
        2 => as_claims(rest),
        _ => as_request(rest),
    }
});

/// The claims of each statement, `@` standing for the DID that signs them, under an honest header.
fn as_claims(claims: &[u8]) {
    let claims = String::from_utf8_lossy(claims).replace('@', KEY.did().as_str());
    for typ in TYPES {
        check(&signed(&KEY, &header(&KEY, typ), claims.as_bytes()));
    }
}

/// What a server asks, `@` standing for the server, `$` for the account, `^` for the connection.
fn as_request(claims: &[u8]) {
    let [server, account, user] = [Role::Server, Role::Account, Role::User].map(|role| NKey::of(role, KEY.verifying_key()));
    let claims = String::from_utf8_lossy(claims)
        .replace('@', server.as_str())
        .replace('$', account.as_str())
        .replace('^', user.as_str());
    let input = format!("{}.{}", base64url(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#), base64url(claims.as_bytes()));
    let text = format!("{input}.{}", base64url(&KEY.sign(input.as_bytes())));
    if let Ok(request) = AuthRequest::verify(&text, &account, NOW, SKEW) {
        assert_eq!(*request.server(), server);
        let used = ReplayWindow::new(1);
        if let Ok(connection) = request.admit(&NAMESPACE, &used, NOW, SKEW) {
            assert_eq!(connection.agent(), KEY.did()); // of the one honest request among the seeds
            assert!(request.admit(&NAMESPACE, &used, NOW, SKEW).is_err(), "admitted twice");
        }
    }
}

fn spelled(text: &str) {
    for role in [Role::Account, Role::Server, Role::User] {
        if let Ok(key) = NKey::parse(role, text) {
            assert_eq!((key.as_str(), key.role()), (text, role));
        }
    }
    if let Some(name) = token::name(text) {
        assert_eq!(token::of_name(&name).as_deref(), Some(text));
    }
    if let Some(did) = token::did(text) {
        assert_eq!(token::of_did(&did), text);
    }
}

/// At most one reader takes a statement.
fn check(text: &str) {
    let operators = [*KEY.did()];
    let expect = |signer: &Did| assert_eq!(signer, KEY.did());
    let mut readers = 0;
    let mut took = |error: Option<ErrorKind>| match error {
        None => readers += 1,
        Some(kind) => assert!(KINDS.contains(&kind), "{}", kind.code()),
    };
    let presence = Presence::verify(text, None, &NAMESPACE, NOW, SKEW);
    took(presence.as_ref().err().map(|error| error.kind()));
    if let Ok(presence) = presence {
        expect(presence.agent());
        assert_eq!(presence.host().role(), Role::User);
        assert!(presence.expires_at() - presence.issued_at() <= 30);
    }
    let name = NameRecord::verify(text, &NAMESPACE, NOW, SKEW);
    took(name.as_ref().err().map(|error| error.kind()));
    if let Ok(name) = name {
        expect(name.agent());
        assert!(token::of_name(name.name()).is_some());
    }
    let stop = Stop::verify(text, &NAMESPACE, &operators, NOW, SKEW);
    took(stop.as_ref().err().map(|error| error.kind()));
    let beat = Heartbeat::verify(text, &NAMESPACE, &operators, NOW, SKEW);
    took(beat.as_ref().err().map(|error| error.kind()));
    let connection = Connection::verify(text, &NAMESPACE, NOW, SKEW);
    took(connection.as_ref().err().map(|error| error.kind()));
    if let Ok(connection) = connection {
        expect(connection.agent());
        assert!(connection.key().public_key() != connection.agent().public_key());
    }
    assert!(readers <= 1 && (readers == 0 || text.len() <= MAX_STATEMENT_BYTES));
    let mut stops = Stops::new(NAMESPACE.clone(), &operators, 10, SKEW);
    let _ = stops.take(text, NOW);
    let _ = stops.take(text, NOW);
    let _ = stops.beat(text, NOW);
    assert_eq!(stops.tally(KEY.did()).map(|(count, _)| count <= 1), Some(true));
}

const KINDS: [ErrorKind; 5] = [
    ErrorKind::InvalidToken,
    ErrorKind::UntrustedIssuer,
    ErrorKind::WrongAudience,
    ErrorKind::TokenExpired,
    ErrorKind::TokenNotYetValid,
];
