//! One bus among those that share a broker, and what its parts are called there.

use crate::cluster::nkey::NKey;
use crate::cluster::stop::Stopped;
use crate::cluster::token;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::message::{Digest, MessageId};

/// The longest namespace, in bytes.
const MAX_BYTES: usize = 32;

/// The name of a bus on its brokers: 1 to 32 of `A-Z a-z 0-9 _ -`. Statements are for one namespace alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(Box<str>);

/// What a bus keeps with its broker, each kind in a bucket (a stream of the last value of each key).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Which agents are there: presence.
    Agents,
    /// Whose names are whose.
    Names,
    /// Who was stopped, and the heartbeats of those who stop.
    Stops,
    /// Who has a mailbox.
    Boxes,
    /// Which mail was accepted.
    Seen,
}

impl Namespace {
    /// Reads one.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for another text.
    pub fn parse(text: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        Err(Error::new(ErrorKind::InvalidConfig, "a namespace is 1 to 32 of A-Z a-z 0-9 _ -"))
    }

    /// Its text, as in the claim `aud`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the host of that key takes messages: calls, answers and all else.
    #[must_use]
    pub fn inbox(&self, host: &NKey) -> String {
        format!("xb1.{}.{host}.c", self.0)
    }

    /// All of these.
    pub(crate) fn inboxes(&self) -> String {
        format!("xb1.{}.*.c", self.0)
    }

    /// Where the host of that key says, each second, that it is there.
    #[must_use]
    pub fn beat(&self, host: &NKey) -> String {
        format!("xb1.{}.{host}.b", self.0)
    }

    /// All of these.
    #[must_use]
    pub fn beats(&self) -> String {
        format!("xb1.{}.*.b", self.0)
    }

    /// How the subjects begin at which the broker itself answers that host, with the full stop after it. No other host may
    /// publish there.
    #[must_use]
    pub fn replies(&self, host: &NKey) -> String {
        format!("xb1.{}.{host}.r.", self.0)
    }

    /// Where mail waits for that agent which came over a connection of that sender: it has a share of its own in each mailbox.
    #[must_use]
    pub fn mail(&self, agent: &Did, sender: &Did) -> String {
        format!("xb1.{}.mail.{}.{}", self.0, token::of_did(agent), token::of_did(sender))
    }

    /// All of that agent's.
    #[must_use]
    pub fn mailbox(&self, agent: &Did) -> String {
        format!("xb1.{}.mail.{}.*", self.0, token::of_did(agent))
    }

    /// All that come over connections of that sender.
    pub(crate) fn mail_of(&self, sender: &Did) -> String {
        format!("xb1.{}.mail.*.{}", self.0, token::of_did(sender))
    }

    /// All of these.
    #[must_use]
    pub fn mailboxes(&self) -> String {
        format!("xb1.{}.mail.*.*", self.0)
    }

    /// The name of the stream that keeps mail.
    #[must_use]
    pub fn mail_stream(&self) -> String {
        format!("XB1_{}_MAIL", self.0)
    }

    /// The name of a bucket. Its stream has the same name behind `KV_`.
    #[must_use]
    pub fn bucket(&self, bucket: Bucket) -> String {
        format!("XB1_{}_{}", self.0, bucket.word())
    }

    /// The key under which the presence of an agent stands that this host speaks for.
    #[must_use]
    pub fn presence_key(host: &NKey, agent: &Did) -> String {
        format!("{host}.{}", token::of_did(agent))
    }

    /// The key under which a name stands; none for what is no name.
    #[must_use]
    pub fn name_key(name: &str) -> Option<String> {
        token::of_name(name)
    }

    /// The key under which an agent's mailbox stands, and the name of the consumer that reads it.
    #[must_use]
    pub fn mailbox_key(agent: &Did) -> String {
        token::of_did(agent).to_owned()
    }

    /// The key under which an agent notes that it has accepted mail, before anybody is given it: its own token, and the SHA-256 of
    /// `xbind-mail-v1`, a zero byte, the sender's public key and the id. Creating it fails for whoever comes second.
    #[must_use]
    pub fn seen_key(agent: &Did, sender: &Did, id: &MessageId) -> String {
        let noted = [b"xbind-mail-v1\0", sender.public_key().as_slice(), id.as_bytes()].concat();
        format!("{}.{}", token::of_did(agent), Digest::of(&noted).text())
    }

    /// The key under which an operator's word about somebody stands.
    #[must_use]
    pub fn stop_key(operator: &Did, stopped: &Stopped) -> String {
        format!("{}.{}", token::of_did(operator), stopped.token())
    }

    /// The key under which an operator's heartbeat stands.
    #[must_use]
    pub fn heartbeat_key(operator: &Did) -> String {
        format!("{}.beat", token::of_did(operator))
    }
}

impl Bucket {
    pub(crate) const ALL: [Self; 5] = [Self::Agents, Self::Names, Self::Stops, Self::Boxes, Self::Seen];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Agents => "AGENTS",
            Self::Names => "NAMES",
            Self::Stops => "STOPS",
            Self::Boxes => "BOXES",
            Self::Seen => "SEEN",
        }
    }
}
