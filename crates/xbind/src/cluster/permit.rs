//! What a connection may do, and how a NATS server is told (NATS ADR-26): a user JWT in an answer, both signed by the account.

use crate::cluster::callout::{AuthRequest, HEADER};
use crate::cluster::connection::Connection;
use crate::cluster::namespace::{Bucket, Namespace};
use crate::cluster::nkey::{NKey, Role};
use crate::cluster::token;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::key::SigningKey;
use crate::json::Members;
use crate::message::MessageId;
use crate::message::jws::UnsignedJws;
use crate::rights::grant::is_name;

/// The longest time that a connection may stay before it has to show a new statement, in seconds.
pub const MAX_PERMIT_TTL: u64 = 300;

/// Which names a connection may claim.
#[derive(Clone, Copy, Debug)]
pub enum Names<'a> {
    /// Any; the broker lets the first have it.
    FirstCome,
    /// These alone.
    Of(&'a [String]),
}

/// The subjects of one connection: what it may publish to, and what it may subscribe to. All else is refused by the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Subjects and patterns.
    pub publish: Vec<String>,
    /// Subjects and patterns.
    pub subscribe: Vec<String>,
}

impl Rights {
    /// What follows from a connection statement: its host takes messages at its own subjects alone, says who is there under its own
    /// key alone, has the mailbox of its own DID alone, and reads what the bus keeps under its own consumer's name alone. It may
    /// send to every host, and to every mailbox within the share of its DID.
    ///
    /// # Errors
    /// `INVALID_NAME` for what is no name.
    pub fn of(connection: &Connection, namespace: &Namespace, names: Names<'_>) -> Result<Self> {
        let (host, agent) = (connection.key(), token::of_did(connection.agent()));
        let [agents, named, boxes, seen] =
            [Bucket::Agents, Bucket::Names, Bucket::Boxes, Bucket::Seen].map(|bucket| namespace.bucket(bucket));
        let (mail, mailbox) = (namespace.mail_stream(), namespace.mailbox(connection.agent()));
        let mut publish = vec![
            namespace.inboxes(),
            namespace.beat(host),
            namespace.mail_of(connection.agent()),
            format!("$KV.{agents}.{host}.*"),
            format!("$KV.{boxes}.{agent}"),
            format!("$KV.{seen}.{agent}.*"),
            format!("$JS.API.CONSUMER.CREATE.{mail}.{agent}.{mailbox}"),
            format!("$JS.API.CONSUMER.MSG.NEXT.{mail}.{agent}"),
            format!("$JS.ACK.{mail}.{agent}.>"),
        ];
        match names {
            Names::FirstCome => publish.push(format!("$KV.{named}.*")),
            Names::Of(names) => {
                let no_name =
                    || Error::new(ErrorKind::InvalidName, "a name to be claimed does not follow the grammar of names");
                for name in names {
                    publish.push(format!("$KV.{named}.{}", Namespace::name_key(name).ok_or_else(no_name)?));
                }
            }
        }
        for bucket in [Bucket::Agents, Bucket::Names, Bucket::Stops] {
            publish.extend(reading(namespace, bucket, host));
        }
        publish.push(looking_up(namespace, Bucket::Boxes));
        let subscribe = vec![namespace.inbox(host), format!("{}>", namespace.replies(host)), namespace.beats()];
        Ok(Self { publish, subscribe })
    }

    /// The same for a connection whose DID is an operator: it may write its own stops and heartbeats, too.
    #[must_use]
    pub fn and_stops(mut self, connection: &Connection, namespace: &Namespace) -> Self {
        let (bucket, operator) = (namespace.bucket(Bucket::Stops), token::of_did(connection.agent()));
        self.publish.push(format!("$KV.{bucket}.{operator}.>"));
        self
    }

    /// For the connection of whoever judges all others: it makes what the bus keeps, reads who was stopped and who is there, and
    /// takes names from those who are gone.
    #[must_use]
    pub fn of_keeper(connection: &Connection, namespace: &Namespace) -> Self {
        let host = connection.key();
        let streams = Bucket::ALL.map(|bucket| format!("KV_{}", namespace.bucket(bucket)));
        let streams = streams.into_iter().chain([namespace.mail_stream()]);
        let making = |stream| [format!("$JS.API.STREAM.INFO.{stream}"), format!("$JS.API.STREAM.CREATE.{stream}")];
        let read = [Bucket::Stops, Bucket::Agents, Bucket::Names].map(|bucket| reading(namespace, bucket, host));
        let freeing = format!("$JS.API.STREAM.MSG.DELETE.KV_{}", namespace.bucket(Bucket::Names));
        let publish = streams.flat_map(making).chain(read.into_iter().flatten());
        let publish = publish.chain([freeing, looking_up(namespace, Bucket::Boxes)]).collect();
        Self { publish, subscribe: vec![format!("{}>", namespace.replies(host))] }
    }

    fn json(&self) -> String {
        let allow = |subjects: &[String]| {
            let quoted: Vec<_> = subjects.iter().map(|subject| format!(r#""{subject}""#)).collect();
            format!(r#"{{"allow":[{}]}}"#, quoted.join(","))
        };
        // Without an explicit -1 a limit is 0.
        format!(
            r#"{{"pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"allowed_connection_types":["STANDARD","WEBSOCKET"],"type":"user","version":2}}"#,
            allow(&self.publish),
            allow(&self.subscribe)
        )
    }
}

/// To read single entries of a bucket.
fn looking_up(namespace: &Namespace, bucket: Bucket) -> String {
    format!("$JS.API.DIRECT.GET.KV_{}.>", namespace.bucket(bucket))
}

/// To read a bucket by a consumer of the host's own name.
fn reading(namespace: &Namespace, bucket: Bucket, host: &NKey) -> [String; 6] {
    let stream = format!("KV_{}", namespace.bucket(bucket));
    [
        format!("$JS.API.STREAM.INFO.{stream}"),
        looking_up(namespace, bucket),
        format!("$JS.API.CONSUMER.CREATE.{stream}.{host}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.{host}.>"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{host}"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.{host}"),
    ]
}

/// A yes, to be signed by the account.
#[derive(Clone, Copy, Debug)]
pub struct Permit<'a> {
    /// Who gets in.
    pub connection: &'a Connection,
    /// What it may do.
    pub rights: &'a Rights,
    /// The name of the account that it is put into, as in the server's configuration: 1 to 512 bytes without control characters.
    pub account: &'a str,
    /// How long it may stay, 1 to [`MAX_PERMIT_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
    /// Fresh random bytes.
    pub id: [u8; 16],
}

impl Permit<'_> {
    /// Signs the answer to a request with the account's key, which is no agent's.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a permit outside its bounds.
    pub fn answer(&self, request: &AuthRequest, account: &SigningKey) -> Result<String> {
        let expires_at = self.now.checked_add(self.ttl).filter(|_| (1..=MAX_PERMIT_TTL).contains(&self.ttl));
        let out_of_bounds = || Error::new(ErrorKind::InvalidConfig, "a connection may stay 1 to 300 s");
        let expires_at = expires_at.ok_or_else(out_of_bounds)?;
        if !is_name(self.account) {
            return Err(Error::new(ErrorKind::InvalidConfig, "the name of the account is not 1 to 512 bytes"));
        }
        let mut user = claims(account, request.user(), self.account, self.now, self.id);
        user.number("exp", expires_at);
        user.text("name", self.connection.agent().as_str());
        user.raw("nats", &self.rights.json());
        Ok(answer(request, account, ("jwt", &signed(account, user)), self.now, self.id))
    }
}

impl AuthRequest {
    /// Signs a no. The reason is for the server's log; the client learns only that it was refused.
    #[must_use]
    pub fn refuse(&self, reason: ErrorKind, account: &SigningKey, now: u64, id: [u8; 16]) -> String {
        answer(self, account, ("error", reason.code()), now, id)
    }
}

fn answer(
    request: &AuthRequest,
    account: &SigningKey,
    (member, value): (&str, &str),
    now: u64,
    id: [u8; 16],
) -> String {
    let mut nats = Members::new();
    nats.text(member, value);
    nats.text("type", "authorization_response");
    nats.number("version", 2);
    let mut response = claims(account, request.user(), request.server().as_str(), now, id);
    response.raw("nats", &nats.finish());
    signed(account, response)
}

fn claims(account: &SigningKey, subject: &NKey, audience: &str, now: u64, id: [u8; 16]) -> Members {
    let mut claims = Members::new();
    claims.text("jti", &MessageId::from_bytes(id).text());
    claims.number("iat", now);
    claims.text("iss", NKey::of(Role::Account, account.verifying_key()).as_str());
    claims.text("sub", subject.as_str());
    claims.text("aud", audience);
    claims
}

fn signed(account: &SigningKey, claims: Members) -> String {
    UnsignedJws::under(HEADER, &claims.finish()).sign(account)
}
