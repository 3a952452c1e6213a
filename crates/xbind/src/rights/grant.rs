//! One signed grant, taken apart: a token (RFC 9068) or a link of a delegation. Its shape is checked here, its truth not.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::key::VerifyingKey;
use crate::json::Members;
use crate::message::jws::{self, Header};
use crate::rights::grant_claims::Claims;
use crate::rights::quota::Quota;
use crate::rights::revocation::StatusRef;
use crate::rights::scope::ScopeSet;
use std::borrow::Cow;

/// The longest token, in bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// The longest delegation, in bytes, with all that it carries: each link is a third longer than its parent, and a bit.
pub const MAX_DELEGATION_BYTES: usize = 64 * 1024;
/// How many claims a token may carry beyond those that this format names.
pub(crate) const MAX_FURTHER_CLAIMS: usize = 64;
/// The longest issuer, subject, audience, id or status list address, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 512;

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
    /// Who may use it: claim `sub`, a DID, unless an issuer known by its JWKS names something else; of a token that a DID has
    /// issued to somebody who acts for another, the subject of `act`.
    pub subject: String,
    /// Claim `iat`, seconds since the epoch.
    pub issued_at: u64,
    /// Where its issuer publishes whether it still stands.
    pub status: Option<StatusRef>,
    /// What it says of limits itself, claim `quota`; those of the grants before it hold as well.
    pub quota: Option<Quota>,
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
    /// Claim `cnf`: the thumbprint of the key that whoever presents it has to prove (RFC 7800, RFC 9449 section 6.1).
    pub(crate) bound_to: Option<String>,
    /// Claim `sub_id` (RFC 9493 section 3.2.3): issuer and subject of whoever the holder acts for.
    pub(crate) on_behalf_of: Option<(String, String)>,
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

pub(crate) fn invalid(why: impl Into<Cow<'static, str>>) -> Error {
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
