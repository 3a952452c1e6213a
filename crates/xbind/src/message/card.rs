//! Cards: what an agent offers, in its own signed words: its name, its methods, and where it can be reached.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::json::{self, Members};
use crate::message::details::is_method;
use crate::message::jws::{self, Text, UnsignedJws, present};
use crate::message::kind::Kind;
use crate::rights::grant::invalid;
use crate::rights::scope::ScopeSet;

/// How long a card holds unless its agent says otherwise, in seconds.
pub const DEFAULT_CARD_TTL: u64 = 3600;
/// The longest life of a card, in seconds.
pub const MAX_CARD_TTL: u64 = 604_800;
/// The longest card, in bytes.
pub const MAX_CARD_BYTES: usize = 65_536;
/// How many methods a card names at most.
pub const MAX_METHODS: usize = 256;
/// The longest description of a method, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 2048;
/// How deep a schema may nest; the schema itself is the first level.
pub const MAX_SCHEMA_DEPTH: usize = 64;
/// How many addresses a card names at most.
pub const MAX_ADDRESSES: usize = 16;
/// The longest address, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 2048;

/// `typ` of the protected header.
pub(crate) const TYPE: &str = "agent-card+jwt";
const CARD: Kind =
    Kind { typ: TYPE, one: "a card", this: "the card", max_bytes: MAX_CARD_BYTES, max_ttl: MAX_CARD_TTL };
/// The method that tells what an agent offers.
pub const DESCRIBE: &str = "xbind.describe";
/// How the methods begin that every agent answers by itself, in any case: no card offers them.
const RESERVED: &str = "xbind.";

/// A method that an agent offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardMethod {
    /// 1 to 128 of `A-Z a-z 0-9 _ . -`, not beginning with `xbind.`.
    pub name: String,
    /// What it does, 1 to 2048 bytes without control characters but tab and line feed.
    pub description: Option<String>,
    /// The JSON Schema of its argument: the text of a JSON object.
    pub input: Option<String>,
    /// The JSON Schema of its answer: the text of a JSON object.
    pub output: Option<String>,
    /// What a token must grant to call it.
    pub scopes: ScopeSet,
}

/// A card to be signed.
#[derive(Clone, Copy, Debug)]
pub struct CardDraft<'a> {
    /// The agent's label, by the grammar of names.
    pub name: Option<&'a str>,
    /// What it offers: at most [`MAX_METHODS`], none twice.
    pub methods: &'a [CardMethod],
    /// Where it can be reached: at most [`MAX_ADDRESSES`] URLs, none twice.
    pub addresses: &'a [String],
    /// How long it holds, 1 to [`MAX_CARD_TTL`] seconds.
    pub ttl: u64,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

impl CardDraft<'_> {
    /// The card before it is signed, for an agent whose key may be elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, agent: &Did) -> Result<UnsignedJws> {
        let expires_at = CARD.expiry(self.now, self.ttl)?;
        if let Some(why) = fault(self.name, self.methods, self.addresses) {
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let mut claims = Members::new();
        claims.text("iss", agent.as_str());
        claims.number("iat", self.now);
        claims.number("exp", expires_at);
        if let Some(name) = self.name {
            claims.text("name", name);
        }
        claims.raw("methods", &list(self.methods.iter().map(CardMethod::json)));
        claims.raw("addresses", &list(self.addresses.iter().map(|address| quoted(address))));
        let jws = UnsignedJws::new(agent, TYPE, &claims.finish());
        if jws.finished_len() > MAX_CARD_BYTES {
            let why = format!("the card would be {} bytes long, the limit is {MAX_CARD_BYTES}", jws.finished_len());
            return Err(Error::new(ErrorKind::InvalidConfig, why).with_hint("shorten descriptions and schemas"));
        }
        Ok(jws)
    }

    /// Signs it: a compact JWS of type `agent-card+jwt`, at most 64 KiB of ASCII.
    ///
    /// # Errors
    /// As [`unsigned`](Self::unsigned).
    pub fn sign(&self, key: &SigningKey) -> Result<String> {
        Ok(self.unsigned(key.did())?.sign(key))
    }
}

/// What an agent offers, by its own signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    did: Did,
    name: Option<String>,
    methods: Vec<CardMethod>,
    addresses: Vec<String>,
    issued_at: u64,
    expires_at: u64,
}

impl Card {
    /// Verifies a card of `agent`, or of whomever it names when that is `None`. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if it is no card or not signed by the agent that it names; `UNTRUSTED_ISSUER` if that is another
    /// one; `TOKEN_NOT_YET_VALID`, `TOKEN_EXPIRED`.
    pub fn verify(text: &str, agent: Option<&Did>, now: u64, clock_skew: u64) -> Result<Self> {
        let parts = CARD.split(text)?;
        let (kid, claims) = CARD.read::<Claims<'_>>(&parts)?;
        let key = VerifyingKey::from_did(&claims.iss).map_err(|_| invalid("the claim iss is no DID"))?;
        let card = claims.card(*key.did())?;
        if agent.is_some_and(|agent| *agent != card.did) {
            return Err(Error::new(ErrorKind::UntrustedIssuer, "the card is another agent's"));
        }
        if !jws::names_key(&kid, &card.did) {
            return Err(invalid("the header's kid is not the key of iss"));
        }
        CARD.check_time(card.issued_at, card.expires_at, now, clock_skew)?;
        if !parts.is_signed_by(&key) {
            return Err(invalid("the card is not signed by its agent"));
        }
        Ok(card)
    }

    /// Who signed it.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// The agent's label, which proves nothing.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it offers, in its own order.
    #[must_use]
    pub fn methods(&self) -> &[CardMethod] {
        &self.methods
    }

    /// Where it says that it can be reached: URLs.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Seconds since the epoch, by the agent's clock.
    #[must_use]
    pub const fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Seconds since the epoch, by the agent's clock.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

impl CardMethod {
    fn json(&self) -> String {
        let mut method = Members::new();
        method.text("name", &self.name);
        if let Some(description) = &self.description {
            method.text("description", description);
        }
        for (member, schema) in [("input", &self.input), ("output", &self.output)] {
            if let Some(schema) = schema {
                method.raw(member, schema);
            }
        }
        method.raw("scopes", &list(self.scopes.iter().map(|scope| quoted(scope.as_str()))));
        method.finish()
    }

    fn fault(&self) -> Option<&'static str> {
        if !is_offered(&self.name) {
            Some("a method's name is not 1 to 128 of A-Z, a-z, 0-9, _, . and -, or begins with xbind.")
        } else if self.description.as_ref().is_some_and(|text| !is_description(text)) {
            Some("a method's description is not 1 to 2048 bytes without control characters")
        } else if [&self.input, &self.output].into_iter().flatten().any(|schema| !is_schema(schema)) {
            Some("a method's schema is not a JSON object without repeated members, nested at most 64 levels")
        } else {
            None
        }
    }
}

/// Exactly these members, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Claims<'a> {
    iss: Text<'a>,
    iat: u64,
    exp: u64,
    #[serde(default, deserialize_with = "present")]
    name: Option<Text<'a>>,
    methods: Vec<&'a RawValue>,
    addresses: Vec<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Method<'a> {
    name: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    description: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    input: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    output: Option<&'a RawValue>,
    scopes: Vec<Text<'a>>,
}

impl Claims<'_> {
    fn card(&self, did: Did) -> Result<Card> {
        CARD.check_life(self.iat, self.exp)?;
        if self.methods.len() > MAX_METHODS || self.addresses.len() > MAX_ADDRESSES {
            return Err(invalid("the card names more than 256 methods or 16 addresses"));
        }
        let methods: Option<Vec<_>> = self.methods.iter().map(|method| read(method)).collect();
        let card = Card {
            did,
            name: self.name.as_deref().map(str::to_owned),
            methods: methods.ok_or_else(|| invalid("a method has not the members of a method"))?,
            addresses: self.addresses.iter().map(|address| (**address).to_owned()).collect(),
            issued_at: self.iat,
            expires_at: self.exp,
        };
        fault(card.name(), &card.methods, &card.addresses).map_or(Ok(card), |why| Err(invalid(why)))
    }
}

fn read(method: &RawValue) -> Option<CardMethod> {
    let method: Method<'_> = jws::parse_object(method.get().as_bytes())?;
    let text = |schema: Option<&RawValue>| schema.map(|schema| schema.get().to_owned());
    Some(CardMethod {
        input: text(method.input),
        output: text(method.output),
        scopes: ScopeSet::of(method.scopes.iter().map(|scope| &**scope)).ok()?,
        name: method.name.into_cow().into_owned(),
        description: method.description.map(|text| text.into_cow().into_owned()),
    })
}

fn fault(name: Option<&str>, methods: &[CardMethod], addresses: &[String]) -> Option<&'static str> {
    let mut names = HashSet::new();
    let mut seen = HashSet::new();
    if name.is_some_and(|name| !is_label(name)) {
        Some("the card's name does not follow the grammar of names")
    } else if methods.len() > MAX_METHODS {
        Some("a card names at most 256 methods")
    } else if addresses.len() > MAX_ADDRESSES {
        Some("a card names at most 16 addresses")
    } else if !methods.iter().all(|method| names.insert(&method.name)) {
        Some("a card names a method once")
    } else if !addresses.iter().all(|address| seen.insert(address)) {
        Some("a card names an address once")
    } else if !addresses.iter().all(|address| is_address(address)) {
        Some("an address is not an absolute URL of at most 2048 bytes without credentials and fragment")
    } else {
        methods.iter().find_map(CardMethod::fault)
    }
}

/// Whether an agent may offer a method of that name: those that begin with `xbind.`, in any case, are none of its own.
#[must_use]
pub fn is_offered(name: &str) -> bool {
    let reserved = name.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    is_method(name) && !reserved
}

pub(crate) fn is_label(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    bytes.len() <= 64 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

fn is_description(text: &str) -> bool {
    let told = |c: char| matches!(c, '\t' | '\n') || !c.is_control();
    (1..=MAX_DESCRIPTION_BYTES).contains(&text.len()) && text.chars().all(told)
}

fn is_schema(text: &str) -> bool {
    text.starts_with('{') && json::is_strict_within(text, MAX_SCHEMA_DEPTH)
}

/// A URL as far as a card goes (RFC 3986): a scheme in lower case, `://` and an authority without credentials; printable ASCII
/// without what no URL holds, and no fragment. Whether it may be asked is for whoever asks it.
fn is_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let named = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
    text.len() <= MAX_ADDRESS_BYTES
        && named
        && !authority.is_empty()
        && !authority.contains('@')
        && rest.bytes().all(plain)
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    json::push_quoted(&mut out, text);
    out
}
