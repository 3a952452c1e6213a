//! Keys and DIDs.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use napi::bindgen_prelude::{External, Uint8Array, Uint8ArraySlice};
use napi_derive::napi;
use xbind::identity::jwk;
use xbind::{Error, ErrorKind, InReplyTo, Op, Session, SigningKey, VerifyingKey};
use xbind_runtime::{Agent, message_id, now, random};

use crate::bytes::{Bytes, SecretBytes};
use crate::convert::{Fallible, fallible, whole};

/// A signing key in native memory.
#[expect(clippy::large_enum_variant, reason = "most are `Own`; a box would cost each of them an allocation")]
pub enum Key {
    /// An identity's own; none once it was destroyed or handed to an agent.
    Own(RefCell<Option<SigningKey>>),
    /// The key of an agent, for as long as the agent is open.
    Agents(Weak<Agent>),
}

pub type KeyRef = External<Key>;

impl Key {
    pub const fn new(key: SigningKey) -> Self {
        Self::Own(RefCell::new(Some(key)))
    }

    pub fn take(&self) -> Option<SigningKey> {
        match self {
            Self::Own(key) => key.borrow_mut().take(),
            Self::Agents(_) => None,
        }
    }

    pub fn with<T>(&self, kind: ErrorKind, use_key: impl FnOnce(&SigningKey) -> xbind::Result<T>) -> xbind::Result<T> {
        let used = match self {
            Self::Own(key) => key.borrow().as_ref().map(use_key),
            Self::Agents(agent) => agent.upgrade().and_then(|agent| agent.with_key(use_key)),
        };
        used.unwrap_or_else(|| Err(Error::new(kind, "this identity was destroyed")))
    }
}

pub fn fresh_key() -> xbind::Result<SigningKey> {
    SigningKey::generate(|seed| random(seed))
}

#[napi(catch_unwind)]
pub fn generate_key() -> Fallible<KeyRef> {
    fallible(fresh_key().map(Key::new).map(External::new))
}

#[napi(catch_unwind)]
pub fn key_from_seed(seed: SecretBytes) -> Fallible<KeyRef> {
    fallible(SigningKey::from_seed_slice(seed.as_slice()).map(Key::new).map(External::new))
}

#[napi(catch_unwind)]
pub fn key_did(key: &KeyRef) -> Fallible<String> {
    fallible(key.with(ErrorKind::InvalidKey, |key| Ok(key.did().to_string())))
}

/// Writes the signature into the 64 bytes of `signature`, which the caller made in its own realm. `dangerously` signs a
/// statement of ours as well.
#[napi(catch_unwind)]
pub fn key_sign(key: &KeyRef, data: Bytes, dangerously: bool, mut signature: Uint8ArraySlice<'_>) -> Fallible<()> {
    let data = data.as_slice();
    let sign = |key: &SigningKey| if dangerously { Ok(key.sign(data)) } else { key.sign_data(data) };
    // SAFETY: no other code runs on this thread until we return.
    let target = unsafe { signature.as_mut() };
    fallible(key.with(ErrorKind::SignFailed, sign).map(|bytes| target.copy_from_slice(&bytes)))
}

#[napi(catch_unwind)]
pub fn destroy_key(key: &KeyRef) {
    drop(key.take());
}

#[napi(object)]
pub struct BindingDraft {
    pub op: String,
    pub to: String,
    pub content_type: String,
    pub ttl: f64,
    pub now: Option<f64>,
    pub token: Option<String>,
    /// Id and JWS of the call being answered.
    pub request_id: Option<String>,
    pub request: Option<String>,
    pub method: Option<String>,
    pub deadline_ms: Option<f64>,
    pub traceparent: Option<String>,
    pub seq: Option<f64>,
    pub window: Option<f64>,
    pub session: Option<String>,
}

#[napi(object)]
pub struct BindingSealed {
    pub jws: String,
    pub id: String,
}

#[napi(catch_unwind)]
pub fn seal(key: &KeyRef, draft: BindingDraft, body: Bytes) -> Fallible<BindingSealed> {
    fallible(key.with(ErrorKind::SignFailed, |key| {
        let call = draft.request_id.as_deref().zip(draft.request.as_deref());
        let sealed = xbind::seal(
            key,
            &xbind::Draft {
                op: draft.op.parse::<Op>()?,
                to: *VerifyingKey::from_did(&draft.to)?.did(),
                id: message_id()?,
                issued_at: draft.now.map_or_else(now, whole),
                ttl: u32::try_from(whole(draft.ttl)).unwrap_or(u32::MAX),
                content_type: &draft.content_type,
                body: body.as_slice(),
                token: draft.token.as_deref(),
                in_reply_to: call.map(|(id, jws)| InReplyTo::parse(id, jws)).transpose()?,
                details: xbind::Details {
                    method: draft.method.as_deref(),
                    deadline_ms: draft.deadline_ms.map(whole),
                    traceparent: draft.traceparent.as_deref(),
                    seq: draft.seq.map(whole),
                    window: draft.window.map(whole),
                    session: draft.session.as_deref().map(Session::parse).transpose()?,
                },
            },
        )?;
        Ok(BindingSealed { jws: sealed.jws, id: sealed.id.text() })
    }))
}

#[napi(catch_unwind)]
pub fn did_to_public_key(did: String) -> Fallible<Uint8Array> {
    fallible(VerifyingKey::from_did(&did).map(|key| Uint8Array::from(key.did().public_key().as_slice())))
}

#[napi(catch_unwind)]
pub fn public_key_to_did(public_key: Bytes) -> Fallible<String> {
    fallible(VerifyingKey::from_slice(public_key.as_slice()).map(|key| key.did().to_string()))
}

thread_local! {
    /// Keys met lately, so that verifying many signatures of one DID decodes it once.
    static KNOWN: xbind::KeyCache = xbind::KeyCache::new(1024);
}

pub fn known_key(did: &str) -> xbind::Result<Arc<VerifyingKey>> {
    KNOWN.with(|known| known.get(did))
}

#[napi(catch_unwind)]
pub fn verify_signature(did: String, data: Bytes, signature: Bytes) -> Fallible<bool> {
    let key = known_key(&did);
    let signature = signature.as_slice().try_into();
    fallible(key.map(|key| signature.is_ok_and(|signature| key.verify(data.as_slice(), signature))))
}

/// The JWK of a DID's key, as JSON.
#[napi(catch_unwind)]
pub fn jwk_json(did: String) -> Fallible<String> {
    fallible(VerifyingKey::from_did(&did).map(|key| jwk::jwk_json(key.did())))
}

/// The document of a DID, as JSON.
#[napi(catch_unwind)]
pub fn did_document_json(did: String) -> Fallible<String> {
    fallible(VerifyingKey::from_did(&did).map(|key| jwk::did_document_json(key.did())))
}
