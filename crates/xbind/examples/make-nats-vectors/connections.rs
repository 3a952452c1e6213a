//! Getting in: statements, requests of servers, and the answers.

use super::faults;
use super::forge::*;
use serde_json::{Value, json};
use xbind::cluster::{AuthRequest, Connection, ConnectionDraft, NKey, Names, Permit, Rights, Role, callout_key};
use xbind::{ErrorKind, ReplayWindow, SigningKey};

const ID: &str = "AAECAwQFBgcICQoLDA0ODw";
const NONCE: &str = "PXoWU7zWAMt75FY";

fn account() -> SigningKey {
    key(7)
}

fn server() -> SigningKey {
    key(8)
}

/// The key of the connection.
fn own() -> SigningKey {
    key(5)
}

fn nkey(role: Role, key: &SigningKey) -> String {
    NKey::of(role, key.verifying_key()).as_str().to_owned()
}

fn kind() -> Kind {
    Kind {
        name: "connection",
        typ: "agent-connection+jwt",
        signer: agent(),
        claims: Object::of(&[
            ("iss", quoted(agent().did().as_str())),
            ("aud", quoted(NAMESPACE)),
            ("jti", quoted(ID)),
            ("iat", NOW.to_string()),
            ("exp", (NOW + 30).to_string()),
            ("nkey", quoted(host().as_str())),
        ]),
        optional: &[],
        max_ttl: Some(60),
    }
}

fn is() -> Value {
    json!({ "agent": agent().did().as_str(), "nkey": host().as_str(), "id": ID, "issuedAt": NOW, "expiresAt": NOW + 30 })
}

pub fn cases() -> Vec<Value> {
    let kind = kind();
    let draft = ConnectionDraft {
        key: host(),
        ttl: 30,
        now: NOW,
        id: *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
    };
    let longest = is().with("expiresAt", json!(NOW + 60));
    let mut cases = vec![
        kind.accept("honest", "a fresh key, named once", kind.honest(), is()),
        kind.accept("made-here", "as this library makes it", draft.sign(&agent(), &namespace()).unwrap(), is()),
        kind.accept("longest", "a minute", kind.text(&kind.claims.set("exp", NOW + 60)), longest),
        kind.grammar("own-key", "nkey", quoted(&nkey(Role::User, &agent()))),
        kind.grammar("nkey-server", "nkey", quoted(&nkey(Role::Server, &own()))),
        kind.grammar("nkey-account", "nkey", quoted(&nkey(Role::Account, &own()))),
        kind.grammar("nkey-did", "nkey", quoted(own().did().as_str())),
        kind.grammar("nkey-lower-case", "nkey", quoted(&host().as_str().to_lowercase())),
        kind.grammar("jti-short", "jti", quoted("AAAA")),
        kind.grammar("jti-not-canonical", "jti", quoted("AAECAwQFBgcICQoLDA0OD_")),
    ];
    cases.extend(faults::of(&kind));
    cases
}

/// The members of a request, the inner ones by themselves.
#[derive(Clone)]
struct Request {
    outer: Object,
    nats: Object,
    client: Object,
    options: Object,
}

impl Request {
    fn honest() -> Self {
        let sig = encode(own().sign(NONCE.as_bytes()));
        Self {
            outer: Object::of(&[
                ("aud", quoted("nats-authorization-request")),
                ("exp", (NOW + 2).to_string()),
                ("jti", quoted("WHCQ5EYR7NOB5LCJMRI2YYE3NMQE2G6JCKTU56DFFR6LFH7ZOSEQ")),
                ("iat", NOW.to_string()),
                ("iss", quoted(&nkey(Role::Server, &server()))),
                ("sub", quoted(&nkey(Role::Account, &account()))),
            ]),
            nats: Object::of(&[
                (
                    "server_id",
                    format!(
                        r#"{{"name":"A","host":"127.0.0.1","id":"{}","version":"2.15.1"}}"#,
                        nkey(Role::Server, &server())
                    ),
                ),
                ("user_nkey", quoted(&nkey(Role::User, &key(9)))),
                ("type", quoted("authorization_request")),
                ("version", "2".to_owned()),
            ]),
            client: Object::of(&[
                ("host", quoted("127.0.0.1")),
                ("id", "6".to_owned()),
                ("kind", quoted("Client")),
                ("type", quoted("nats")),
                ("nonce", quoted(NONCE)),
            ]),
            options: Object::of(&[
                ("nkey", quoted(host().as_str())),
                ("sig", quoted(&sig)),
                ("auth_token", quoted(&kind().honest())),
                ("lang", quoted("rust")),
                ("version", quoted("0.51.0")),
                ("protocol", "1".to_owned()),
            ]),
        }
    }

    fn claims(&self) -> Object {
        let nats = self.nats.add("client_info", self.client.json()).add("connect_opts", self.options.json());
        self.outer.add("nats", nats.json())
    }

    fn text(&self) -> String {
        sign(&server(), HEADER, self.claims().json())
    }

    fn outer(&self, name: &str, value: impl ToString) -> String {
        Self { outer: self.outer.set(name, value), ..self.clone() }.text()
    }

    fn nats(&self, name: &str, value: impl ToString) -> String {
        Self { nats: self.nats.set(name, value), ..self.clone() }.text()
    }

    fn client(&self, name: &str, value: impl ToString) -> String {
        Self { client: self.client.set(name, value), ..self.clone() }.text()
    }

    fn options(&self, name: &str, value: impl ToString) -> String {
        Self { options: self.options.set(name, value), ..self.clone() }.text()
    }
}

const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

/// What a server asked when this was written (2.15.1), byte for byte.
const REAL: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJhdWQiOiJuYXRzLWF1dGhvcml6YXRpb24tcmVxdWVzdCIsImV4cCI6MTc5NTI5OTAwOCwianRpIjoiQjNOTUZQTFhESkJPVDNHSlZEWTc2UTJCTlNSQ1JIMzNUNjI1WTJaRUVETFNZVVRPSTdTUSIsImlhdCI6MTc5NTI5OTAwNiwiaXNzIjoiTkNZUFRHNVJVUlRGS1RMM0VFWVlRSUtQT0dSSFBXSEVDNDVUUEJQNEQ2TzY0TU1ON1dTWk42UkgiLCJzdWIiOiJBQkpITE9WTVBBNENJNlI1S0xOR09CNEdTTE5JWTdJT1VQQUpDNFlGTkRMUVZJT0JZUUdVV1ZMQSIsIm5hdHMiOnsic2VydmVyX2lkIjp7Im5hbWUiOiJBIiwiaG9zdCI6IjEyNy4wLjAuMSIsImlkIjoiTkNZUFRHNVJVUlRGS1RMM0VFWVlRSUtQT0dSSFBXSEVDNDVUUEJQNEQ2TzY0TU1ON1dTWk42UkgiLCJ2ZXJzaW9uIjoiMi4xNS4xIn0sInVzZXJfbmtleSI6IlVCVFVKTE5ZWURLQldaMkFTUUwzTE1FVkRFWE1GNENPWExTSEFDSkVLRUJaQU1RQko2N0ozNURaIiwiY2xpZW50X2luZm8iOnsiaG9zdCI6IjEyNy4wLjAuMSIsImlkIjo2LCJ1c2VyIjoiVUFNTUJOVjJFWVI2NU5ZWlo3SUFLNVNJUjVPRE5UVEVSSk9CT0Y0S0pMTVdJNDVZT1hPU1dVTE0iLCJuYW1lIjoiYm9iIiwia2luZCI6IkNsaWVudCIsInR5cGUiOiJuYXRzIn0sImNvbm5lY3Rfb3B0cyI6eyJua2V5IjoiVUFNTUJOVjJFWVI2NU5ZWlo3SUFLNVNJUjVPRE5UVEVSSk9CT0Y0S0pMTVdJNDVZT1hPU1dVTE0iLCJzaWciOiJBQUFBIiwiYXV0aF90b2tlbiI6InRvay5lbn54IiwibmFtZSI6ImJvYiIsImxhbmciOiJydXN0IiwidmVyc2lvbiI6IjAuNTEiLCJwcm90b2NvbCI6MH0sInR5cGUiOiJhdXRob3JpemF0aW9uX3JlcXVlc3QiLCJ2ZXJzaW9uIjoyfX0.9L8FPzV2clHV3sbIjByigG7lQ75wZOadNnML7Z8becTfKwu8Z6uZKn7OHT0Dn4GoVE7-JkmskL7dAVCJrU9BAA";

fn accept(name: &str, why: &str, text: String) -> Value {
    json!({ "name": name, "why": why, "expect": "accept", "text": text, "is": {
        "server": nkey(Role::Server, &server()), "user": nkey(Role::User, &key(9)), "connection": is(),
    } })
}

/// `at` is where it fails: when the request is verified, or when its connection is admitted.
fn refuse(at: &str, code: &str, name: &str, why: &str, text: String) -> Value {
    json!({ "name": name, "why": why, "expect": "reject", "at": at, "code": code, "text": text })
}

pub fn requests() -> Vec<Value> {
    let honest = Request::honest();
    let text = honest.text();
    let no_request = |name: &str, why: &str, text: String| refuse("verify", "INVALID_TOKEN", name, why, text);
    let not_in = |code: &str, name: &str, why: &str, text: String| refuse("admit", code, name, why, text);
    let under = |header: &str| sign(&server(), header, honest.claims().json());
    let [header, claims, signature] = segments(&text);
    let statement = kind();
    let other = |key: &SigningKey| encode(key.sign(NONCE.as_bytes()));
    let certificates = format!(r#"{{"version":"1.3","certs":["{}"]}}"#, "C".repeat(20_000));
    let tls = Request { nats: honest.nats.add("client_tls", certificates), ..honest.clone() };
    let huge = Request { nats: honest.nats.add("x", quoted(&"x".repeat(50_000))), ..honest.clone() };
    let twice = Request { options: honest.options.add("auth_token", quoted("x")), ..honest.clone() };
    let twice_escaped = Request { client: honest.client.add("nonc\\u0065", quoted("x")), ..honest.clone() };
    let deep =
        Request { nats: honest.nats.add("x", format!("{}{}", "[".repeat(20), "]".repeat(20))), ..honest.clone() };
    let without = |name: &str| Request { options: honest.options.without(name), ..honest.clone() }.text();
    let no_nonce = Request { client: honest.client.without("nonce"), ..honest.clone() }.text();
    vec![
        accept("admitted", "a statement, and the nonce signed with the key that it names", text.clone()),
        accept("more members", "servers of other versions say more", tls.text()),
        refuse("admit", "REPLAYED", "the same statement again", "it is used once", text.clone())
            .with("after", json!("admitted")),
        refuse(
            "admit",
            "INVALID_TOKEN",
            "what a server asked",
            "its form is known; no statement of ours is in it",
            REAL.to_owned(),
        )
        .with("now", json!(1_795_299_006))
        .with("account", json!("ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA")),
        no_request("empty", "a compact JWS", String::new()),
        no_request(
            "edited",
            "signed as it is",
            format!("{header}.{}.{signature}", encode(honest.claims().json().replacen(':', ": ", 1))),
        ),
        no_request("unsigned", "64 bytes", format!("{header}.{claims}.")),
        no_request("by another", "signed by the server it names", sign(&key(9), HEADER, honest.claims().json())),
        no_request("too long", "64 KiB at most", huge.text()),
        no_request("alg of before", "ed25519-nkey alone", under(r#"{"typ":"JWT","alg":"ed25519"}"#)),
        no_request("alg upper case", "one spelling", under(r#"{"typ":"JWT","alg":"ED25519-NKEY"}"#)),
        no_request("typ lower case", "one spelling", under(r#"{"typ":"jwt","alg":"ed25519-nkey"}"#)),
        no_request("header member", "no further member", under(r#"{"typ":"JWT","alg":"ed25519-nkey","kid":"x"}"#)),
        no_request(
            "under our header",
            "no statement is taken for another",
            under(&header_of(server().did(), "agent-connection+jwt").json()),
        ),
        no_request("a response", "a request", honest.nats("type", quoted("authorization_response"))),
        no_request("another version", "version 2", honest.nats("version", 3)),
        no_request("another audience", "for the callout", honest.outer("aud", quoted("x"))),
        no_request(
            "another server",
            "the server that signs",
            honest.nats("server_id", format!(r#"{{"id":"{}"}}"#, nkey(Role::Server, &key(9)))),
        ),
        no_request("by a user", "a server asks", {
            let user = quoted(&nkey(Role::User, &server()));
            Request {
                outer: honest.outer.set("iss", &user),
                nats: honest.nats.set("server_id", format!(r#"{{"id":{user}}}"#)),
                ..honest.clone()
            }
            .text()
        }),
        no_request(
            "user that is none",
            "the key of a connection",
            honest.nats("user_nkey", quoted(&nkey(Role::Server, &key(9)))),
        ),
        no_request("a member twice", "a member stands once, at any depth", twice.text()),
        no_request("a member twice, escaped", "a member stands once, at any depth", twice_escaped.text()),
        no_request("nested too deep", "16 levels", deep.text()),
        no_request("null", "null is never a value", honest.client("nonce", "null")),
        no_request("for ever", "300 s at most", honest.outer("exp", NOW + 301)),
        refuse(
            "verify",
            "WRONG_AUDIENCE",
            "another account",
            "for this account",
            honest.outer("sub", quoted(&nkey(Role::Account, &key(9)))),
        ),
        refuse("verify", "TOKEN_EXPIRED", "late", "in time", text.clone()).with("now", json!(NOW + 32)),
        refuse("verify", "TOKEN_NOT_YET_VALID", "early", "in time", text.clone()).with("now", json!(NOW - 31)),
        not_in("INVALID_TOKEN", "no statement", "whoever connects brings one", without("auth_token")),
        not_in(
            "INVALID_TOKEN",
            "a password",
            "whoever connects brings a statement",
            honest.options("auth_token", quoted("secret")),
        ),
        not_in(
            "INVALID_TOKEN",
            "a presence as statement",
            "no statement is taken for another",
            honest.options("auth_token", quoted(&super::presence::kind().honest())),
        ),
        not_in(
            "WRONG_AUDIENCE",
            "for another namespace",
            "for this namespace",
            honest.options("auth_token", quoted(&statement.text(&statement.claims.set("aud", quoted("other"))))),
        ),
        not_in(
            "TOKEN_EXPIRED",
            "a statement of before",
            "in time",
            honest.options(
                "auth_token",
                quoted(&statement.text(&statement.claims.set("iat", NOW - 60).set("exp", NOW - 30))),
            ),
        ),
        not_in(
            "INVALID_TOKEN",
            "another key",
            "the key that the statement names",
            honest.options("nkey", quoted(&nkey(Role::User, &key(9)))),
        ),
        not_in("INVALID_TOKEN", "no key", "the key that the statement names", without("nkey")),
        not_in(
            "INVALID_SIGNATURE",
            "a stolen statement",
            "whoever has no key signs no nonce",
            honest.options("sig", quoted(&other(&key(9)))),
        ),
        not_in(
            "INVALID_SIGNATURE",
            "signed by the DID",
            "with the key of the connection",
            honest.options("sig", quoted(&other(&agent()))),
        ),
        not_in("INVALID_SIGNATURE", "no signature", "the nonce is signed", without("sig")),
        not_in(
            "INVALID_SIGNATURE",
            "a signature that is none",
            "64 bytes of base64url",
            honest.options("sig", quoted("AAAA")),
        ),
        not_in("INVALID_SIGNATURE", "another nonce", "the nonce of this server", honest.client("nonce", quoted("x"))),
        not_in(
            "INVALID_SIGNATURE",
            "an empty nonce",
            "the server asks for a signature",
            honest.client("nonce", quoted("")),
        ),
        not_in("INVALID_SIGNATURE", "no nonce", "the server asks for a signature", no_nonce),
    ]
}

/// What follows: subjects, and the answers that say so.
pub fn answers() -> Value {
    let text = Request::honest().text();
    let account_key = NKey::of(Role::Account, account().verifying_key());
    let request = AuthRequest::verify(&text, &account_key, NOW, 30).unwrap();
    let connection: Connection = request.admit(&namespace(), &ReplayWindow::new(10), NOW, 30).unwrap();
    let any = Rights::of(&connection, &namespace(), Names::FirstCome).unwrap();
    let names = ["team.writer".to_owned(), "writer".to_owned()];
    let granted = Rights::of(&connection, &namespace(), Names::Of(&names)).unwrap();
    let permit = Permit { connection: &connection, rights: &any, account: "AGENTS", ttl: 300, now: NOW, id: [1; 16] };
    let rights = |rights: &Rights| json!({ "publish": rights.publish, "subscribe": rights.subscribe });
    json!({
        "request": text,
        "rights": rights(&any),
        "rightsWithNames": { "names": names, "is": rights(&granted) },
        "rightsOfKeeper": rights(&Rights::of_keeper(&connection, &namespace())),
        "callout": NKey::of(Role::User, callout_key(&account()).verifying_key()).as_str(),
        "rightsOfOperator": rights(&any.clone().and_stops(&connection, &namespace())),
        "account": "AGENTS", "ttl": 300, "id": "AQEBAQEBAQEBAQEBAQEBAQ",
        "yes": permit.answer(&request, &account()).unwrap(),
        "no": request.refuse(ErrorKind::Revoked, &account(), NOW, [1; 16]),
    })
}
