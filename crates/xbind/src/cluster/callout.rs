//! What a NATS server asks about a connection (NATS ADR-26): who is it, and what may it do.

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::base64;
use crate::cluster::connection::Connection;
use crate::cluster::namespace::Namespace;
use crate::cluster::nkey::{NKey, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::key::SigningKey;
use crate::json;
use crate::message::jws::{self, Text, present};
use crate::message::kind::Kind;
use crate::message::replay::ReplayWindow;
use crate::rights::grant::invalid;

/// The longest request, in bytes: it carries the certificates of the client.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// The protected header of all that NATS signs.
pub(crate) const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
/// `alg` of it.
pub(crate) const ALG: &str = "ed25519-nkey";
/// Whom a request is for.
const AUDIENCE: &str = "nats-authorization-request";
/// What kind of JWT of NATS it is.
const TYPE: &str = "authorization_request";
/// How long a server waits for an answer, in seconds, is for its configuration to say; never so long.
const MAX_TTL: u64 = 300;

const REQUEST: Kind = Kind {
    typ: "JWT",
    one: "a request of a NATS server",
    this: "the request",
    max_bytes: MAX_REQUEST_BYTES,
    max_ttl: MAX_TTL,
};

/// How what the key of the callout's own connection is made of begins.
const OWN_CONTEXT: &[u8] = b"xbind-callout-v1\0";

/// The key of the connection over which whoever holds the account's key is asked: made of that key, so that an owner has one
/// secret to keep, and another one, because servers have a connection sign what they choose. It is the SHA-256 of the account's
/// signature of `xbind-callout-v1` and a zero byte.
#[must_use]
pub fn callout_key(account: &SigningKey) -> SigningKey {
    SigningKey::from_seed(&Zeroizing::new(jws::sha256(&*Zeroizing::new(account.sign(OWN_CONTEXT)))))
}

/// A server's question, signed by the server's key. That the server is one of the cluster is what the subject says that it came on:
/// no client may publish there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthRequest {
    server: NKey,
    encryption_key: Option<String>,
    user: NKey,
    token: Option<String>,
    nkey: Option<String>,
    signature: Option<String>,
    nonce: Option<String>,
}

impl AuthRequest {
    /// Verifies a request for the account of that key. `now` is in seconds since the epoch. What servers of other versions say
    /// beside that is passed over.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it is no request, or not signed by the server that it names; `WRONG_AUDIENCE` for another account;
    /// `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn verify(text: &str, account: &NKey, now: u64, clock_skew: u64) -> Result<Self> {
        let parts = REQUEST.split(text)?;
        if !jws::parse_object::<Header<'_>>(&parts.header).is_some_and(|header| header.is_of_nats()) {
            return Err(invalid("the header is not that of a NATS server"));
        }
        let no_request = || invalid("the claims are not those of a request of a NATS server");
        let strict = str::from_utf8(&parts.payload).is_ok_and(json::is_strict);
        let claims: Claims<'_> = jws::parse_object(&parts.payload).filter(|_| strict).ok_or_else(no_request)?;
        let asked = claims.nats;
        if *asked.r#type != *TYPE
            || asked.version != 2
            || *claims.aud != *AUDIENCE
            || *claims.iss != *asked.server_id.id
        {
            return Err(no_request());
        }
        REQUEST.check_life(claims.iat, claims.exp)?;
        let key = |role, text: &str, why: &'static str| NKey::parse(role, text).map_err(|_| invalid(why));
        let server = key(Role::Server, &claims.iss, "the claim iss is no key of a server")?;
        let user = key(Role::User, &asked.user_nkey, "the user_nkey is no key of a connection")?;
        if *claims.sub != *account.as_str() {
            return Err(Error::new(ErrorKind::WrongAudience, "the request is for another account"));
        }
        REQUEST.check_time(claims.iat, claims.exp, now, clock_skew)?;
        let signature = parts.signature.as_slice().try_into().ok();
        if !signature.is_some_and(|signature| server.verify(parts.signing_input.as_bytes(), signature)) {
            return Err(invalid("the request is not signed by its server"));
        }
        let owned = |text: Option<Text<'_>>| text.map(|text| text.into_cow().into_owned());
        let Options { auth_token, nkey, sig } = asked.connect_opts;
        let [token, nkey, signature, nonce] = [auth_token, nkey, sig, asked.client_info.nonce].map(owned);
        let encryption_key = owned(asked.server_id.xkey);
        Ok(Self { server, encryption_key, user, token, nkey, signature, nonce })
    }

    /// Whether the connection gets in: it presents a statement for this namespace that nobody used before, and has signed the
    /// server's nonce with the key that the statement names. Whether its DID may come in at all (a list, the stops of operators)
    /// is asked behind that. The window is that of all who answer, or each has its own: then a statement is used once at each,
    /// and still by nobody but whoever has the key.
    ///
    /// # Errors
    /// Those of [`Connection::verify`]; `INVALID_TOKEN` without a statement, or with another key than it names;
    /// `INVALID_SIGNATURE` for a nonce that was not signed; `REPLAYED`, `REPLAY_WINDOW_FULL`.
    pub fn admit(&self, namespace: &Namespace, used: &ReplayWindow, now: u64, clock_skew: u64) -> Result<Connection> {
        let no_statement = || invalid("the connection presents no statement").with_hint("it travels as auth_token");
        let text = self.token.as_deref().ok_or_else(no_statement)?;
        let connection = Connection::verify(text, namespace, now, clock_skew)?;
        if self.nkey.as_deref() != Some(connection.key().as_str()) {
            return Err(invalid("the connection has another key than its statement names"));
        }
        if !self.is_nonce_signed_by(connection.key()) {
            let why = "the connection has not signed the server's nonce with its key";
            return Err(Error::new(ErrorKind::InvalidSignature, why).with_hint(
                "a server sends a nonce if one of its own users, such as that of the callout, has an nkey",
            ));
        }
        let until = connection.expires_at().saturating_add(clock_skew);
        used.reserve(connection.agent(), connection.id(), until, now)?.commit();
        Ok(connection)
    }

    /// The server that asks.
    #[must_use]
    pub const fn server(&self) -> &NKey {
        &self.server
    }

    /// The key to which the server wants its answer encrypted, `X…`, as it has signed it: see [`CalloutBox`](super::CalloutBox).
    #[must_use]
    pub fn encryption_key(&self) -> Option<&str> {
        self.encryption_key.as_deref()
    }

    /// Whom the answer must be about: a key that the server has made up for this request.
    #[must_use]
    pub const fn user(&self) -> &NKey {
        &self.user
    }

    fn is_nonce_signed_by(&self, key: &NKey) -> bool {
        let signature = self.signature.as_deref().and_then(base64::decode_array);
        let nonce = self.nonce.as_deref().filter(|nonce| !nonce.is_empty());
        nonce.zip(signature).is_some_and(|(nonce, signature)| key.verify(nonce.as_bytes(), &signature))
    }
}

/// Exactly these members, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Header<'a> {
    typ: Text<'a>,
    alg: Text<'a>,
}

impl Header<'_> {
    fn is_of_nats(&self) -> bool {
        *self.typ == *"JWT" && *self.alg == *ALG
    }
}

/// What is looked at; a server's next version may say more.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    sub: Text<'a>,
    aud: Text<'a>,
    iat: u64,
    exp: u64,
    nats: Asked<'a>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Asked<'a> {
    r#type: Text<'a>,
    version: u64,
    server_id: Server<'a>,
    user_nkey: Text<'a>,
    client_info: Client<'a>,
    connect_opts: Options<'a>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Server<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    xkey: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Client<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    nonce: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Options<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    auth_token: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    nkey: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    sig: Option<Text<'a>>,
}
