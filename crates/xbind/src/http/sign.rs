//! Signing requests.

use std::borrow::Cow;

use base64_simd::STANDARD;

use super::MAX_TTL;
use super::approval;
use super::base::{self, Component, Message};
use super::digest::{Digests, content_digest};
use super::message::{APPROVAL, Request, RequestHead, TOKEN, malformed};
use super::profile::{AGENT, DERIVED, PRESENT, Profile, is_agent_url};
use super::sfv::{self, Bare, InnerList};
use super::signatures::Texts;
use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::jwk;
use crate::identity::key::{SigningKey, VerifyingKey};
use crate::rights::grant::MAX_DELEGATION_BYTES;

/// How a request is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct RequestDraft<'a> {
    /// By which rules.
    pub profile: Profile,
    /// Seconds since the epoch.
    pub created: u64,
    /// 1 to [`MAX_TTL`] seconds.
    pub ttl: u64,
    /// From a random source; `xbind` takes the first 16 bytes.
    pub nonce: [u8; 64],
    /// A token to present.
    pub token: Option<&'a str>,
    /// The approval of this very request to bring along.
    pub approval: Option<&'a str>,
    /// Where the key is published: an https URL, which `Wba` must have.
    pub agent: Option<&'a str>,
}

/// Fields that a message is given; each takes the place of one of its name.
pub type NewFields = Vec<(&'static str, String)>;

/// A message that waits for its signature, by a key that may be elsewhere.
#[derive(Clone, Debug)]
pub struct UnsignedHttp {
    signer: Did,
    base: String,
    fields: NewFields,
    label: &'static str,
    signatures: Option<String>,
}

impl UnsignedHttp {
    /// What the key signs: the signature base (RFC 9421 section 2.5).
    #[must_use]
    pub fn to_sign(&self) -> &str {
        &self.base
    }

    /// The fields to be set. The signature is not checked here.
    #[must_use]
    pub fn finish(self, signature: &[u8; 64]) -> NewFields {
        let mut fields = self.fields;
        let mut value = appended(self.signatures);
        value.push_str(self.label);
        value.push_str("=:");
        STANDARD.encode_append(signature, &mut value);
        value.push(':');
        fields.push(("signature", value));
        fields
    }

    /// The same with a signature that somebody else was asked for.
    ///
    /// # Errors
    /// `SIGN_FAILED` unless it is one of [`to_sign`](Self::to_sign), by the key of the signer's DID.
    pub fn finish_checked(self, signature: &[u8]) -> Result<NewFields> {
        let key = VerifyingKey::from_did(self.signer.as_str())?;
        match signature.try_into() {
            Ok(signature) if key.verify(self.base.as_bytes(), signature) => Ok(self.finish(signature)),
            Ok(_) | Err(_) => {
                Err(Error::new(ErrorKind::SignFailed, "this is no signature of the message by the key of its DID")
                    .with_hint("sign the bytes as they are, with the Ed25519 key of the DID, and return 64 bytes"))
            }
        }
    }
}

fn appended(before: Option<String>) -> String {
    before.map(|before| before + ", ").unwrap_or_default()
}

pub(super) fn config(why: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, why)
}

pub(super) fn expiry(created: u64, ttl: u64) -> Result<u64> {
    let is_date = created <= 999_999_999_999_999 - MAX_TTL;
    if !is_date || !(1..=MAX_TTL).contains(&ttl) {
        return Err(config(format!("a signature lives {ttl} s")).with_hint("give whole seconds from 1 to 300"));
    }
    Ok(created.saturating_add(ttl))
}

/// Prepares a request for the signature of that DID.
///
/// # Errors
/// `MALFORMED_MESSAGE` for a request that no verifier would read; `INVALID_TOKEN`; `INVALID_CONFIG` for a life out of
/// bounds, a `Signature-Agent` that the profile does not take, one that is there already, a request that is signed already
/// in this profile, or whose `Content-Digest` is that of another body.
pub fn prepare(did: &Did, head: &RequestHead<'_>, body: &[u8], draft: &RequestDraft<'_>) -> Result<UnsignedHttp> {
    let RequestDraft { profile, .. } = *draft;
    let expires = expiry(draft.created, draft.ttl)?;
    let given = Request::read(head)?;
    let mut fields = added(&given, body, draft)?;
    let before = Before::read(&given, profile.tag(), profile.label())?;
    let all: Vec<_> =
        head.fields.iter().copied().chain(fields.iter().map(|(name, value)| (*name, value.as_str()))).collect();
    let request = Request::read(&RequestHead { fields: &all, ..*head })?;

    // Verifiers of Web Bot Auth disagree about the query of a request that has none.
    let is_there = |name: &&str| profile == Profile::Xbind || *name != "@query" || request.target.query.is_some();
    let mut components: Vec<_> =
        DERIVED.iter().filter(|name| is_there(name)).map(|name| Component::plain(name)).collect();
    components.extend(PRESENT.iter().filter(|name| request.fields.has(name)).map(|name| Component::plain(name)));
    match (profile, request.fields.has(AGENT)) {
        (Profile::Wba, _) => {
            components.push(Component { key: Some(profile.label().into()), ..Component::plain(AGENT) })
        }
        (Profile::WbaLegacy, true) => components.push(Component::plain(AGENT)),
        (Profile::WbaLegacy | Profile::Xbind, _) => {}
    }
    let (keyid, nonce) = match profile {
        Profile::Xbind => (did.as_str().to_owned(), base64::encode(draft.nonce.get(..16).unwrap_or_default())),
        Profile::Wba | Profile::WbaLegacy => (jwk::thumbprint(did), STANDARD.encode_to_string(draft.nonce)),
    };
    let parameters = Said { created: draft.created, expires, nonce: Some(&nonce), keyid: &keyid, tag: profile.tag() };
    let list = parameters.list(&components);
    profile.check(&request, &components)?;
    let base = base::base_of(Message::Request(&request), &list, &components)?;
    fields.push(("signature-input", before.input(profile.label(), &list)));
    Ok(UnsignedHttp { signer: *did, base, fields, label: profile.label(), signatures: before.signatures })
}

/// Signs a request with a key that is here.
///
/// # Errors
/// Those of [`prepare`].
pub fn sign(key: &SigningKey, head: &RequestHead<'_>, body: &[u8], draft: &RequestDraft<'_>) -> Result<NewFields> {
    let unsigned = prepare(key.did(), head, body, draft)?;
    let signature = key.sign(unsigned.to_sign().as_bytes());
    Ok(unsigned.finish(&signature))
}

fn added(given: &Request<'_>, body: &[u8], draft: &RequestDraft<'_>) -> Result<NewFields> {
    let mut fields = NewFields::new();
    if let Some(digest) = digest_of(given.fields.one("content-digest")?, body)? {
        fields.push(("content-digest", digest));
    }
    if let Some(token) = draft.token {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if token.is_empty() || token.len() > MAX_DELEGATION_BYTES || !token.bytes().all(is_token) {
            return Err(Error::new(ErrorKind::InvalidToken, "the token has not the form of one"));
        }
        if given.fields.has(TOKEN) {
            return Err(config("the request presents a token already"));
        }
        fields.push((TOKEN, token.to_owned()));
    }
    if let Some(approval) = draft.approval {
        if given.fields.has(APPROVAL) {
            return Err(config("the request brings an approval already"));
        }
        fields.push(approval::field(approval)?);
    }
    match (draft.profile, draft.agent) {
        (Profile::Xbind, None) | (Profile::WbaLegacy, None) => {}
        (Profile::Wba, None) => {
            return Err(config("the profile wba says where the key is published")
                .with_hint("give signatureAgent: an https URL"));
        }
        (Profile::Xbind, Some(_)) => return Err(config("the profile xbind has no signatureAgent")),
        (Profile::Wba | Profile::WbaLegacy, Some(_)) if given.fields.has(AGENT) => {
            return Err(config("the request names a Signature-Agent already"));
        }
        (Profile::Wba | Profile::WbaLegacy, Some(agent)) => {
            if !is_agent_url(agent) {
                return Err(config("signatureAgent is no https URL"));
            }
            let mut value = String::new();
            if draft.profile == Profile::Wba {
                value.push_str(draft.profile.label());
                value.push('=');
            }
            sfv::write_string(&mut value, agent);
            fields.push((AGENT, value));
        }
    }
    Ok(fields)
}

/// The digest that a message still needs.
pub(super) fn digest_of(given: Option<&str>, body: &[u8]) -> Result<Option<String>> {
    match given {
        Some(value) => Digests::read(value)?
            .check(body)
            .map_err(|_| config("the message has a Content-Digest of another body"))
            .map(|()| None),
        None => Ok((!body.is_empty()).then(|| content_digest(body))),
    }
}

/// The parameters of a signature.
pub(super) struct Said<'a> {
    pub(super) created: u64,
    pub(super) expires: u64,
    pub(super) nonce: Option<&'a str>,
    pub(super) keyid: &'a str,
    pub(super) tag: &'a str,
}

impl Said<'_> {
    pub(super) fn list<'a>(&'a self, components: &[Component<'a>]) -> InnerList<'a> {
        let seconds = |value: u64| Bare::Integer(i64::try_from(value).unwrap_or(i64::MAX));
        let text = |value: &'a str| Bare::String(Cow::Borrowed(value));
        let mut parameters = vec![("created", seconds(self.created)), ("expires", seconds(self.expires))];
        parameters.extend(self.nonce.map(|nonce| ("nonce", text(nonce))));
        parameters.extend([("keyid", text(self.keyid)), ("alg", text("ed25519")), ("tag", text(self.tag))]);
        InnerList { items: components.iter().map(Component::to_item).collect(), parameters }
    }
}

/// The signatures that a message bears already.
struct Before {
    inputs: Option<String>,
    signatures: Option<String>,
}

impl Before {
    fn read(given: &Request<'_>, tag: &str, label: &str) -> Result<Self> {
        let text = |name: &str| given.fields.joined(name).map(|value| value.map(Cow::into_owned));
        let (inputs, signatures) = (text("signature-input")?, text("signature")?);
        if inputs.is_none() && signatures.is_none() {
            return Ok(Self { inputs, signatures });
        }
        let texts = Texts::read(given.fields)?;
        let is_tagged = texts.with_tag(tag).map_or_else(|error| error.kind() != ErrorKind::InvalidSignature, |_| true);
        if is_tagged || texts.has_label(label) {
            return Err(config("the request is signed already"));
        }
        Ok(Self { inputs, signatures })
    }

    fn input(&self, label: &str, list: &InnerList<'_>) -> String {
        written(appended(self.inputs.clone()), label, list)
    }
}

/// Appends one signature's member of `Signature-Input`.
fn written(mut text: String, label: &str, list: &InnerList<'_>) -> String {
    text.push_str(label);
    text.push('=');
    sfv::write_list(&mut text, list);
    text
}

impl UnsignedHttp {
    /// The only signature of a message.
    pub(super) fn alone(
        signer: Did,
        base: String,
        mut fields: NewFields,
        label: &'static str,
        list: &InnerList<'_>,
    ) -> Self {
        fields.push(("signature-input", written(String::new(), label, list)));
        Self { signer, base, fields, label, signatures: None }
    }
}

/// For a message that has to be signed before it can be answered.
pub(super) fn unsigned_request() -> Error {
    malformed("the request that is answered bears no signature of the profile xbind")
}
