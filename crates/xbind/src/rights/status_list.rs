//! A list of the status of many tokens, signed by their issuer (Token Status List, draft-ietf-oauth-status-list-18).

use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::jwks::JwkSet;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::json::{self, Members};
use crate::message::jws::{self, Header, Text, UnsignedJws, present};
use crate::rights::bits::{Bits, config};
use crate::rights::grant::{self, invalid};
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest list, in bytes once inflated: 8 388 608 tokens of one bit each.
pub const MAX_LIST_BYTES: usize = 1 << 20;
/// The longest signed list, in bytes of its text.
pub(crate) const MAX_LIST_TOKEN_BYTES: usize = 2 << 20;

/// The token stands.
pub const VALID: u8 = 0;
/// The token was revoked, for good.
pub const INVALID: u8 = 1;
/// The token is revoked for the time being; takes lists of 2 bits at least.
pub const SUSPENDED: u8 = 2;

/// `typ` of the protected header.
pub(crate) const TYPE: &str = "statuslist+jwt";
/// Best compression: a list is written once and fetched often.
const LEVEL: u8 = 9;

/// The status of each index, the first in the lowest bits of the first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusList {
    bits: Bits,
    bytes: Vec<u8>,
}

impl StatusList {
    /// A list of at least that many tokens, all of them [`VALID`].
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a list of none, or longer than 1 MiB.
    pub fn new(bits: Bits, len: u64) -> Result<Self> {
        let bytes = len.checked_mul(u64::from(bits.count())).map(|bits| bits.div_ceil(8));
        match bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes @ 1..=MAX_LIST_BYTES) => Ok(Self { bits, bytes: vec![0; bytes] }),
            _ => Err(config("a status list holds 1 token to 1 MiB of tokens")),
        }
    }

    /// A list with these bytes.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for none, or more than 1 MiB of them.
    pub fn from_bytes(bits: Bits, bytes: Vec<u8>) -> Result<Self> {
        match bytes.len() {
            1..=MAX_LIST_BYTES => Ok(Self { bits, bytes }),
            _ => Err(config("a status list holds 1 token to 1 MiB of tokens")),
        }
    }

    /// Its bytes, the first index in the lowest bits of the first.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The status at an index, or `None` beyond the end.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<u8> {
        self.bits.get(&self.bytes, index)
    }

    /// Sets the status at an index.
    ///
    /// # Errors
    /// `INVALID_CONFIG` beyond the end, or for a status that the bits cannot hold.
    pub fn set(&mut self, index: u64, status: u8) -> Result<()> {
        self.bits.set(&mut self.bytes, index, status)
    }

    /// How many bits each status takes.
    #[must_use]
    pub const fn bits(&self) -> Bits {
        self.bits
    }

    /// How many tokens it has room for.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it always holds one at least")]
    pub fn len(&self) -> u64 {
        self.bits.room(self.bytes.len())
    }

    /// Signs the list: a compact JWS of type `statuslist+jwt`.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn sign(&self, key: &SigningKey, draft: &StatusListDraft<'_>) -> Result<String> {
        Ok(self.unsigned(key.did(), draft)?.sign(key))
    }

    /// The list before it is signed, for an issuer whose key is elsewhere.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a draft outside its bounds.
    pub fn unsigned(&self, issuer: &Did, draft: &StatusListDraft<'_>) -> Result<UnsignedJws> {
        if !grant::is_name(draft.uri) {
            return Err(config("the address of the list is not 1 to 512 bytes without control characters"));
        }
        if draft.ttl == Some(0) || draft.lifetime == 0 {
            return Err(config("a status list lives and may be kept for 1 s at least"));
        }
        let expires_at = draft.now.checked_add(draft.lifetime);
        let expires_at = expires_at.ok_or_else(|| config("the time of expiry is beyond what can be counted"))?;
        let mut claims = Members::new();
        claims.text("iss", issuer.as_str());
        claims.text("sub", draft.uri);
        claims.number("iat", draft.now);
        claims.number("exp", expires_at);
        if let Some(ttl) = draft.ttl {
            claims.number("ttl", ttl);
        }
        claims.raw("status_list", &self.json());
        Ok(UnsignedJws::new(issuer, TYPE, &claims.finish()))
    }

    fn json(&self) -> String {
        let mut packed = String::new();
        base64::encode_into(&compress_to_vec_zlib(&self.bytes, LEVEL), &mut packed);
        let mut list = Members::new();
        list.number("bits", self.bits.count().into());
        list.text("lst", &packed);
        list.finish()
    }

    /// Its own statuses, and those of the other where its own are [`VALID`].
    fn or(mut self, other: &Self) -> Self {
        self.bytes.resize(self.bytes.len().max(other.bytes.len()), 0);
        let largest = self.bits.largest();
        for (own, its) in self.bytes.iter_mut().zip(&other.bytes) {
            let mut mask = largest;
            while mask != 0 {
                if *own & mask == 0 {
                    *own |= its & mask;
                }
                mask = mask.checked_shl(self.bits.count().into()).unwrap_or(0);
            }
        }
        self
    }

    fn from_json(json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct List<'a> {
            bits: u64,
            #[serde(borrow)]
            lst: Text<'a>,
        }
        let list: List<'_> = jws::parse_object(json.as_bytes())?;
        let bits = Bits::of(list.bits)?;
        let bytes = inflate(&base64::decode(&list.lst)?)?;
        (!bytes.is_empty()).then_some(Self { bits, bytes })
    }
}

/// A list to be signed.
#[derive(Clone, Copy, Debug)]
pub struct StatusListDraft<'a> {
    /// Where it is published: what tokens name in `status.status_list.uri`.
    pub uri: &'a str,
    /// Now, in seconds since the epoch.
    pub now: u64,
    /// How long it may be relied upon, in seconds.
    pub lifetime: u64,
    /// How long a copy may be kept before the next is fetched, in seconds.
    pub ttl: Option<u64>,
}

/// Whose signature makes a list count: the issuer of the tokens that it is about.
#[derive(Clone, Copy, Debug)]
pub enum ListSigner<'a> {
    /// An issuer known by its key.
    Did(&'a Did),
    /// An issuer known by name, and its keys.
    Issuer(&'a str, &'a JwkSet),
}

impl ListSigner<'_> {
    /// As tokens name it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Did(did) => did.as_str(),
            Self::Issuer(name, _) => name,
        }
    }

    fn key(&self, kid: &str) -> Option<VerifyingKey> {
        match self {
            Self::Did(did) if jws::names_key(kid, did) => VerifyingKey::from_bytes(did.public_key()).ok(),
            Self::Did(_) => None,
            Self::Issuer(_, keys) => keys.get(kid).cloned(),
        }
    }
}

/// A list whose signature was verified. Whether it is fresh is another question.
#[derive(Clone, Debug)]
pub struct SignedList {
    /// When it was signed, in seconds since the epoch.
    pub issued_at: u64,
    /// Until when it may be relied upon.
    pub expires_at: Option<u64>,
    /// How long a copy may be kept, in seconds.
    pub ttl: Option<u64>,
    /// The list.
    pub list: StatusList,
}

impl SignedList {
    /// How much memory the list takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.list.bytes.len()
    }

    /// Both of two lists that were signed in the same second: what one of them revokes is revoked.
    pub(crate) fn merged(&self, other: Self) -> Result<Self> {
        if self.list.bits != other.list.bits {
            let why = "the status list is no newer than the one at hand, and of another number of bits";
            return Err(Error::new(ErrorKind::TokenExpired, why));
        }
        let earlier = |one: Option<u64>, two: Option<u64>| one.into_iter().chain(two).min();
        Ok(Self {
            issued_at: other.issued_at,
            expires_at: earlier(self.expires_at, other.expires_at),
            ttl: earlier(self.ttl, other.ttl),
            list: other.list.or(&self.list),
        })
    }
}

/// Reads a signed list that was fetched from `uri`.
///
/// # Errors
/// `INVALID_TOKEN` for anything but a list for this address, signed by this signer, of at most 1 MiB.
pub fn read_status_list(text: &str, uri: &str, signer: ListSigner<'_>) -> Result<SignedList> {
    if text.len() > MAX_LIST_TOKEN_BYTES {
        return Err(invalid("the status list is longer than 2 MiB"));
    }
    let parts = jws::split(text).ok_or_else(|| invalid("the status list is not a compact JWS"))?;
    let header = Header::parse(&parts.header)
        .ok_or_else(|| invalid("the status list's header is not exactly alg (EdDSA or Ed25519), kid and typ"))?;
    if *header.typ != *TYPE {
        return Err(invalid("the header's typ is not that of a status list"));
    }
    let claims = claims(&parts.payload).ok_or_else(|| invalid("the claims are not those of a status list"))?;
    if *claims.sub != *uri {
        return Err(invalid("the status list is for another address"));
    }
    if claims.iss.as_ref().is_some_and(|issuer| **issuer != *signer.name()) {
        return Err(invalid("the status list is by another issuer"));
    }
    if claims.exp.is_some_and(|exp| exp <= claims.iat) || claims.ttl == Some(0) {
        return Err(invalid("the status list expires before it is issued"));
    }
    let key = signer.key(&header.kid).ok_or_else(|| invalid("the header's kid is not the key of the issuer"))?;
    if !parts.is_signed_by(&key) {
        return Err(invalid("the status list is not signed by its issuer"));
    }
    // Inflated last: only an issuer may make us work.
    let list = StatusList::from_json(claims.status_list.get())
        .ok_or_else(|| invalid("the status list does not hold 1 byte to 1 MiB of zlib"))?;
    Ok(SignedList { issued_at: claims.iat, expires_at: claims.exp, ttl: claims.ttl, list })
}

/// Other members are allowed, as the draft has it.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    iss: Option<Text<'a>>,
    #[serde(borrow)]
    sub: Text<'a>,
    iat: u64,
    #[serde(default, deserialize_with = "present")]
    exp: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    ttl: Option<u64>,
    #[serde(borrow)]
    status_list: &'a RawValue,
}

fn claims(payload: &[u8]) -> Option<Claims<'_>> {
    json::is_strict(str::from_utf8(payload).ok()?).then_some(())?;
    jws::parse_object(payload)
}

/// One whole zlib stream (RFC 1950) and nothing after it, of at most [`MAX_LIST_BYTES`].
fn inflate(packed: &[u8]) -> Option<Vec<u8>> {
    let flags = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER
        | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
        | inflate_flags::TINFL_FLAG_COMPUTE_ADLER32;
    // DEFLATE packs 258 bytes into 2 bits at best.
    let mut bytes = vec![0; packed.len().saturating_mul(1032).min(MAX_LIST_BYTES)];
    let (status, read, written) = decompress(&mut DecompressorOxide::new(), packed, &mut bytes, 0, flags);
    if status != TINFLStatus::Done || read != packed.len() {
        return None;
    }
    bytes.truncate(written);
    bytes.shrink_to_fit();
    Some(bytes)
}
