//! One signed grant, taken apart: a token (RFC 9068) or a link of a delegation. Its shape is checked here, its truth not.

use crate::did::Did;
use crate::error::{Error, ErrorKind, Result};
use crate::json::{self, Members};
use crate::jws::{self, Header, Text};
use crate::key::VerifyingKey;
use crate::revocation::StatusRef;
use crate::scope::ScopeSet;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// The longest delegation, in bytes, with all that it carries: each link is a third longer than its parent, and a bit.
pub const MAX_DELEGATION_BYTES: usize = 64 * 1024;
/// How many claims a token may carry beyond those that this format names.
pub const MAX_FURTHER_CLAIMS: usize = 64;
/// The longest issuer, subject, audience, id or status list address, in bytes.
pub const MAX_NAME_BYTES: usize = 512;

/// `typ` of an access token (RFC 9068 section 2.1).
pub(crate) const TOKEN_TYPE: &str = "at+jwt";
/// `typ` of a link of a delegation.
pub(crate) const LINK_TYPE: &str = "agent-deleg+jwt";

/// Who granted what to whom, and when: one link of a chain, so that each can be asked whether it was revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Claim `jti`, unique for its issuer.
    pub id: String,
    /// Claim `iss`: a DID, or the name of an issuer known by its JWKS.
    pub issuer: String,
    /// Claim `sub`: a DID, unless an issuer known by its JWKS names something else.
    pub subject: String,
    /// Claim `iat`, seconds since the epoch.
    pub issued_at: u64,
    /// Where its issuer publishes whether it still stands.
    pub status: Option<StatusRef>,
}

/// A grant whose every member is within its grammar.
#[derive(Default)]
pub(crate) struct Grant {
    pub(crate) text: String,
    pub(crate) kid: String,
    pub(crate) link: Link,
    pub(crate) audience: String,
    pub(crate) scopes: ScopeSet,
    pub(crate) expires_at: u64,
    /// The later of `iat` and `nbf`.
    pub(crate) not_before: u64,
    pub(crate) client: Option<String>,
    /// The claims that this format does not name, as the text of one JSON object.
    pub(crate) further: String,
    pub(crate) parent: Option<Parent>,
    /// As long as a signature.
    pub(crate) signature: Vec<u8>,
}

/// What a link says of what it was derived from.
pub(crate) struct Parent {
    /// Claim `prf`: the parent's text.
    pub(crate) text: String,
    /// Claim `act` (RFC 8693 section 4.1), outermost first.
    pub(crate) actors: Vec<String>,
}

impl Grant {
    pub(crate) fn parse(text: String) -> Result<Self> {
        let parts = jws::split(&text).ok_or_else(|| invalid("the token is not a compact JWS"))?;
        let header = Header::parse(&parts.header)
            .ok_or_else(|| invalid("the token's header is not exactly alg (EdDSA or Ed25519), kid and typ"))?;
        let claims: Claims<'_> = jws::parse_object(&parts.payload)
            .ok_or_else(|| invalid("the token's claims are not an object of unrepeated members of the right types"))?;
        if header.kid.len() > MAX_NAME_BYTES {
            return Err(invalid("the header's kid is too long"));
        }
        let grant = match &*header.typ {
            LINK_TYPE => claims.link()?,
            typ if !is_token_type(typ) => return Err(invalid("the header's typ is not that of a token")),
            _ if text.len() > MAX_TOKEN_BYTES => return Err(invalid("the token is longer than 32 KiB")),
            _ => claims.token()?,
        };
        let kid = header.kid.into_cow().into_owned();
        Ok(Self { kid, signature: parts.signature, text, ..grant })
    }

    /// Whether `kid` names the key of the issuer, which is a DID.
    pub(crate) fn has_kid_of(&self, issuer: &Did) -> bool {
        jws::names_key(&self.kid, issuer)
    }

    /// Whether the key signed it.
    pub(crate) fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        let Some((input, _)) = self.text.rsplit_once('.') else { return false };
        self.signature.as_slice().try_into().is_ok_and(|signature| key.verify(input.as_bytes(), signature))
    }
}

/// Whether somebody may be named so in a claim: 1 to 512 bytes without control characters.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.contains(char::is_control)
}

/// Adds claim `status` (Token Status List, section "Referenced Token").
pub(crate) fn push_status(claims: &mut Members, status: &StatusRef) {
    let mut list = Members::new();
    list.number("idx", status.index);
    list.text("uri", &status.uri);
    claims.raw("status", &format!(r#"{{"status_list":{}}}"#, list.finish()));
}

pub(crate) fn invalid(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidToken, why)
}

/// Media types know no case (RFC 9068 section 4, RFC 7515 section 4.1.9).
fn is_token_type(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    };
    short.eq_ignore_ascii_case(TOKEN_TYPE)
}

/// As they stand in the JSON.
#[derive(Default)]
struct Claims<'a> {
    iss: Option<Text<'a>>,
    sub: Option<Text<'a>>,
    aud: Option<Audience<'a>>,
    client_id: Option<Text<'a>>,
    jti: Option<Text<'a>>,
    scope: Option<Text<'a>>,
    iat: Option<u64>,
    exp: Option<u64>,
    nbf: Option<u64>,
    prf: Option<Text<'a>>,
    act: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
    cnf: Option<&'a RawValue>,
    further: Vec<(Text<'a>, &'a RawValue)>,
}

impl<'a> Claims<'a> {
    /// RFC 9068 section 2.2. `act` and `may_act` (RFC 8693) tell of the past there, and are handed on unjudged.
    fn token(mut self) -> Result<Grant> {
        if self.prf.is_some() {
            return Err(invalid("only a delegation carries prf"));
        }
        let client = name(self.client_id.take(), "the claim client_id is missing or empty")?;
        let mut further = Members::new();
        if let Some(act) = self.act.take() {
            self.further.push((Text::from("act"), act));
        }
        for (name, value) in &self.further {
            if !json::is_strict(value.get()) {
                return Err(invalid(
                    "a further claim repeats a member, nests deeper than 16 levels or is no JSON text",
                ));
            }
            further.raw(name, value.get());
        }
        let grant = self.common()?;
        Ok(Grant { client: Some(client), further: further.finish(), ..grant })
    }

    /// Exactly the claims of a link: one that nobody here can judge might be a limit that nobody here keeps.
    fn link(mut self) -> Result<Grant> {
        if self.client_id.is_some() || self.nbf.is_some() || !self.further.is_empty() {
            return Err(invalid("the delegation has a claim that is none of a delegation"));
        }
        let text = self.prf.take().ok_or_else(|| invalid("the delegation carries no prf"))?.into_cow().into_owned();
        let actors = self.act.take().and_then(|act| actors(act.get()));
        let actors = actors.ok_or_else(|| invalid("the delegation's act is missing or malformed"))?;
        Ok(Grant { parent: Some(Parent { text, actors }), ..self.common()? })
    }

    fn add<E: serde::de::Error>(&mut self, name: Text<'a>, value: &'a RawValue) -> std::result::Result<(), E> {
        if self.further.len() >= MAX_FURTHER_CLAIMS {
            return Err(E::custom("too many claims"));
        }
        if self.further.iter().any(|(known, _)| **known == *name) {
            return Err(E::custom("a member is repeated"));
        }
        self.further.push((name, value));
        Ok(())
    }

    /// Whether a member of this format is among them.
    fn names_reserved(&self) -> bool {
        let texts = [&self.iss, &self.sub, &self.client_id, &self.jti, &self.scope, &self.prf];
        texts.iter().any(|claim| claim.is_some())
            || [self.iat, self.exp, self.nbf].iter().any(Option::is_some)
            || [self.act, self.status, self.cnf].iter().any(Option::is_some)
            || self.aud.is_some()
            || self.further.iter().any(|(name, _)| **name == *"may_act")
    }

    fn common(self) -> Result<Grant> {
        if self.cnf.is_some() {
            return Err(invalid("the token is bound by cnf, which is not supported"));
        }
        let issued_at = self.iat.ok_or_else(|| invalid("the claim iat is missing"))?;
        let expires_at = self.exp.ok_or_else(|| invalid("the claim exp is missing"))?;
        if issued_at >= expires_at {
            return Err(invalid("the token expires before it is issued"));
        }
        let scopes = match self.scope {
            None => ScopeSet::empty(),
            Some(text) if text.is_empty() => return Err(invalid("the claim scope is empty")),
            Some(text) => ScopeSet::parse(&text).map_err(|_| invalid("the claim scope is not a list of scopes"))?,
        };
        let status = match self.status {
            None => None,
            Some(status) => Some(status_ref(status).ok_or_else(|| invalid("the claim status is not one status_list"))?),
        };
        Ok(Grant {
            link: Link {
                id: name(self.jti, "the claim jti is missing or empty")?,
                issuer: name(self.iss, "the claim iss is missing or empty")?,
                subject: name(self.sub, "the claim sub is missing or empty")?,
                issued_at,
                status,
            },
            audience: name(self.aud.map(|aud| aud.0), "the claim aud is missing or empty")?,
            scopes,
            expires_at,
            not_before: issued_at.max(self.nbf.unwrap_or(0)),
            ..Grant::default()
        })
    }
}

fn name(claim: Option<Text<'_>>, why: &'static str) -> Result<String> {
    claim.filter(|text| is_name(text)).map(|text| text.into_cow().into_owned()).ok_or_else(|| invalid(why))
}

/// Adds the claims that an issuer wants in its token beyond those of this format: the text of a JSON object.
pub(crate) fn push_further(claims: &mut Members, object: &str) -> Option<()> {
    let parsed: Claims<'_> = jws::parse_object(object.as_bytes())?;
    if parsed.names_reserved() {
        return None;
    }
    for (name, value) in &parsed.further {
        json::is_strict(value.get()).then(|| claims.raw(name, value.get()))?;
    }
    Some(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Claims<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Self, D::Error> {
        struct ClaimsVisitor;
        impl<'de> Visitor<'de> for ClaimsVisitor {
            type Value = Claims<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<Claims<'de>, A::Error> {
                let mut claims = Claims::default();
                while let Some(name) = object.next_key::<Text<'de>>()? {
                    match &*name {
                        "iss" => once(&mut claims.iss, &mut object)?,
                        "sub" => once(&mut claims.sub, &mut object)?,
                        "aud" => once(&mut claims.aud, &mut object)?,
                        "client_id" => once(&mut claims.client_id, &mut object)?,
                        "jti" => once(&mut claims.jti, &mut object)?,
                        "scope" => once(&mut claims.scope, &mut object)?,
                        "iat" => once(&mut claims.iat, &mut object)?,
                        "exp" => once(&mut claims.exp, &mut object)?,
                        "nbf" => once(&mut claims.nbf, &mut object)?,
                        "prf" => once(&mut claims.prf, &mut object)?,
                        "act" => once(&mut claims.act, &mut object)?,
                        "status" => once(&mut claims.status, &mut object)?,
                        "cnf" => once(&mut claims.cnf, &mut object)?,
                        _ => claims.add(name, object.next_value()?)?,
                    }
                }
                Ok(claims)
            }
        }
        json.deserialize_map(ClaimsVisitor)
    }
}

/// Reads a member that stands once, and has a value.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    object: &mut A,
) -> std::result::Result<(), A::Error> {
    match slot.replace(object.next_value()?) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("a member is repeated")),
    }
}

/// One audience, alone or as the one element of an array (RFC 7519 section 4.1.3): a token for several would let each
/// of them use it with the others.
struct Audience<'a>(Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Audience<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(json)?.get();
        let one = if json.starts_with('[') {
            serde_json::from_str::<[Text<'de>; 1]>(json).map(|[one]| one)
        } else {
            serde_json::from_str(json)
        };
        one.map(Audience).map_err(D::Error::custom)
    }
}

fn status_ref(json: &RawValue) -> Option<StatusRef> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Status<'a> {
        #[serde(borrow)]
        status_list: &'a RawValue,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List<'a> {
        idx: u64,
        #[serde(borrow)]
        uri: Text<'a>,
    }
    let status: Status<'_> = jws::parse_object(json.get().as_bytes())?;
    let list: List<'_> = jws::parse_object(status.status_list.get().as_bytes())?;
    is_name(&list.uri).then(|| StatusRef { index: list.idx, uri: list.uri.into_cow().into_owned() })
}

/// The subjects of nested `act` objects that hold nothing else, outermost first.
fn actors(json: &str) -> Option<Vec<String>> {
    if !json::is_strict(json) {
        return None;
    }
    let act: serde_json::Value = serde_json::from_str(json).ok()?;
    let mut actors = Vec::new();
    let mut next = Some(&act);
    while let Some(act) = next {
        let act = act.as_object()?;
        actors.push(act.get("sub")?.as_str()?.to_owned());
        next = act.get("act");
        if act.len() != if next.is_some() { 2 } else { 1 } {
            return None;
        }
    }
    Some(actors)
}
