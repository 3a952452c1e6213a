//! Verifying requests: who sent this one, was it meant for us, is it whole, and is it new.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::approval::Approvable;
use super::base::{self, Component, Message};
use super::digest::Digests;
use super::message::{APPROVAL, Request, RequestHead, TOKEN, malformed};
use super::profile::Profile;
use super::signatures::{self, Texts};
use super::target::Authority;
use crate::base64;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::jwk;
use crate::identity::key::{KeyCache, VerifyingKey};
use crate::message::replay::ReplayWindow;
use crate::message::{Digest, MessageId};

/// What a verifier of requests accepts.
#[derive(Clone, Debug)]
pub struct RequestPolicy {
    /// Which signatures.
    pub profile: Profile,
    /// For whom requests may be meant, as `Host` names them.
    pub authorities: Vec<String>,
    /// How far clocks may differ, in seconds.
    pub clock_skew: u64,
    /// How old a signature may be, however long it says that it holds, in seconds.
    pub max_age: u64,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// When the verifier began, if nobody remembers what was accepted before: what was created until then, with the skew,
    /// is not accepted.
    pub started: Option<u64>,
    /// Whose requests are accepted; everybody's without.
    pub allowed: Option<Vec<Did>>,
    /// The keys that profiles name by thumbprint; nothing is fetched.
    pub keys: Vec<Did>,
    /// How many requests of one sender are remembered, and a third more of others.
    pub max_tracked: usize,
}

/// Verifies requests, each once. Threads may share it.
pub struct RequestVerifier {
    policy: RequestPolicy,
    authorities: Vec<Authority>,
    allowed: Option<HashSet<Did>>,
    by_thumbprint: HashMap<String, Did>,
    known: KeyCache,
    window: ReplayWindow,
    approvals: ReplayWindow,
}

/// A request whose head is genuine, for us and in time. Its body was not looked at, and it may be a copy.
#[derive(Clone, Debug)]
pub struct AuthenticRequest {
    key: Arc<VerifyingKey>,
    created: u64,
    until: u64,
    nonce: String,
    token: Option<String>,
    approval: Option<String>,
    approvable: Approvable,
    covered: Vec<String>,
    digests: Option<Digests>,
}

/// How many keys a verifier remembers having decoded.
const KNOWN_KEYS: usize = 4096;

impl RequestVerifier {
    /// # Errors
    /// `INVALID_CONFIG` without an authority, or for one that is none.
    pub fn new(policy: RequestPolicy) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(ErrorKind::InvalidConfig, why)
                .with_hint("give each as clients name it: api.example or localhost:8080")
        };
        if policy.authorities.is_empty() {
            return Err(wrong("authorities names none".to_owned()));
        }
        let read = |text: &String| Authority::parse(text).ok_or_else(|| wrong(format!("{text:?} is no authority")));
        Ok(Self {
            authorities: policy.authorities.iter().map(read).collect::<Result<_>>()?,
            allowed: policy.allowed.as_ref().map(|dids| dids.iter().copied().collect()),
            by_thumbprint: policy.keys.iter().map(|did| (jwk::thumbprint(did), *did)).collect(),
            known: KeyCache::new(KNOWN_KEYS),
            window: ReplayWindow::new(policy.max_tracked),
            approvals: ReplayWindow::new(policy.max_tracked),
            policy,
        })
    }

    /// Verifies the head of a request.
    ///
    /// # Errors
    /// In this order: `MALFORMED_MESSAGE`, `INVALID_SIGNATURE` (none, or one that does not cover what it must),
    /// `WRONG_AUDIENCE`, `MESSAGE_NOT_YET_VALID`, `MESSAGE_EXPIRED`, `REPLAYED` (from before the start), `INVALID_DID`,
    /// `NOT_ALLOWED` (a thumbprint), `INVALID_SIGNATURE`, `NOT_ALLOWED`.
    pub fn authenticate(&self, head: &RequestHead<'_>, now: u64) -> Result<AuthenticRequest> {
        let Self { policy, .. } = self;
        let request = Request::read(head)?;
        let texts = Texts::read(request.fields)?;
        let claimed = texts.with_tag(policy.profile.tag())?;
        let nonce = claimed.nonce.as_deref().ok_or_else(|| malformed("the signature has no parameter nonce"))?;
        let covered = base::components(&claimed.list)?;
        policy.profile.check(&request, &covered)?;
        self.check_authority(&request)?;
        let until = signatures::check_time(&claimed, policy.clock_skew, policy.max_age, now)?;
        self.check_start(claimed.created, now)?;
        let key = self.key(&claimed.keyid)?;
        let signed = base::base_of(Message::Request(&request), &claimed.list, &covered)?;
        if !key.verify(signed.as_bytes(), &claimed.signature) {
            return Err(forged());
        }
        self.check_allowed(key.did())?;
        let digests = digests(&covered, request.fields.one("content-digest")?)?;
        Ok(AuthenticRequest {
            key,
            created: claimed.created,
            until,
            nonce: nonce.to_owned(),
            token: covered_field(&request, &covered, TOKEN)?,
            approval: covered_field(&request, &covered, APPROVAL)?,
            approvable: Approvable::of(&request)?,
            covered: covered.iter().map(Component::shown).collect(),
            digests,
        })
    }

    /// Accepts an authentic request with its body, once.
    ///
    /// # Errors
    /// `PAYLOAD_TOO_LARGE`, `INVALID_SIGNATURE` (another body), `MESSAGE_EXPIRED` (meanwhile), `REPLAYED`,
    /// `REPLAY_WINDOW_FULL`.
    pub fn accept(&self, request: &AuthenticRequest, body: &[u8], now: u64) -> Result<()> {
        if body.len() > self.policy.max_body {
            let why = format!("the body has more than {} bytes", self.policy.max_body);
            return Err(Error::new(ErrorKind::PayloadTooLarge, why).with_hint("send less, or raise maxBodyBytes"));
        }
        check_body(request.digests.as_ref(), body)?;
        signatures::check_until(request.until, now)?;
        let reserved = self.window.reserve(request.from(), &request.nonce_id(), request.until, now);
        match reserved {
            Ok(place) => place.commit(),
            Err(error) if error.kind() == ErrorKind::Replayed => {
                return Err(Error::new(ErrorKind::Replayed, "a request with this nonce was accepted before"));
            }
            Err(error) => return Err(error.with_hint("raise maxTrackedRequests, or lower maxAgeSeconds")),
        }
        Ok(())
    }

    /// Takes back that a request was accepted, or an approval of that approver and id used: nothing came of it, and it may come
    /// again, as it is.
    pub fn forget(&self, request: Option<&AuthenticRequest>, approval: Option<(&Did, &MessageId)>) {
        if let Some(request) = request {
            self.window.forget(request.from(), &request.nonce_id());
        }
        if let Some((approver, id)) = approval {
            self.approvals.forget(approver, id);
        }
    }

    pub(super) const fn clock_skew(&self) -> u64 {
        self.policy.clock_skew
    }

    /// The approvals that were used.
    pub(super) const fn approvals(&self) -> &ReplayWindow {
        &self.approvals
    }

    fn check_authority(&self, request: &Request<'_>) -> Result<()> {
        let is_ours = |ours: &Authority| ours.clone().normal(request.scheme) == request.authority;
        if self.authorities.iter().any(is_ours) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::WrongAudience, format!("the request is for {}", request.authority.text()))
            .with_hint("add it to authorities if clients are to reach this server by that name"))
    }

    pub(super) fn check_start(&self, created: u64, now: u64) -> Result<()> {
        let Some(started) = self.policy.started else { return Ok(()) };
        let open = started.saturating_add(self.policy.clock_skew);
        if created > open {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Replayed, "the request may have been accepted before this verifier began").with_hint(
            format!(
                "sign it anew after {} s, or give the verifier a store of nonces that outlives it",
                open.saturating_sub(now).saturating_add(1)
            ),
        ))
    }

    fn key(&self, keyid: &str) -> Result<Arc<VerifyingKey>> {
        let did = if self.policy.profile.names_dids() {
            keyid
        } else {
            let known = self.by_thumbprint.get(keyid).map(Did::as_str);
            known.ok_or_else(|| {
                Error::new(ErrorKind::NotAllowed, "the key of this thumbprint is not known here")
                    .with_hint("give its DID among the verifier's keys")
            })?
        };
        self.known.get(did)
    }

    /// Asked last, so that nobody learns without a key who is allowed.
    fn check_allowed(&self, did: &Did) -> Result<()> {
        if self.allowed.as_ref().is_none_or(|allowed| allowed.contains(did)) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotAllowed, format!("{did} may not send requests here"))
            .with_hint("ask its owner to add your DID to `allow`"))
    }
}

impl AuthenticRequest {
    /// Who signed it.
    #[must_use]
    pub fn from(&self) -> &Did {
        self.key.did()
    }

    /// When, in seconds since the epoch.
    #[must_use]
    pub const fn created(&self) -> u64 {
        self.created
    }

    /// The last second in which it may be accepted.
    #[must_use]
    pub const fn until(&self) -> u64 {
        self.until
    }

    /// Parameter `nonce`.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// What it presents in `Xbind-Token`.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// What it brings along in `Xbind-Approval`.
    #[must_use]
    pub fn approval(&self) -> Option<&str> {
        self.approval.as_deref()
    }

    pub(super) const fn approvable(&self) -> &Approvable {
        &self.approvable
    }

    /// The names of the components that the signature covers; of a member of a field `name;key="member"`, for the rest of the
    /// field is not covered.
    #[must_use]
    pub fn covered(&self) -> &[String] {
        &self.covered
    }

    /// By which a store knows it: one text for each sender and nonce.
    #[must_use]
    pub fn claim(&self) -> String {
        let mut both = self.from().as_str().to_owned();
        both.push(' ');
        both.push_str(&self.nonce);
        base64::encode(Digest::of(both.as_bytes()).as_bytes())
    }

    fn nonce_id(&self) -> MessageId {
        let digest = Digest::of(self.nonce.as_bytes());
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        MessageId::from_bytes(id)
    }
}

/// The value of a field that comes once, if it is covered.
fn covered_field(request: &Request<'_>, covered: &[Component<'_>], name: &str) -> Result<Option<String>> {
    let value = request.fields.one(name)?.filter(|_| signatures::must_cover(covered, name).is_ok());
    Ok(value.map(str::to_owned))
}

pub(super) fn forged() -> Error {
    Error::new(ErrorKind::InvalidSignature, "the signature is not by this key over this message")
        .with_hint("a proxy may have changed it, or it was meant for another method, path, query or host")
}

/// What the body must be: only a digest that is covered counts.
pub(super) fn digests(covered: &[Component<'_>], value: Option<&str>) -> Result<Option<Digests>> {
    let value = value.filter(|_| signatures::must_cover(covered, "content-digest").is_ok());
    value.map(Digests::read).transpose()
}

pub(super) fn check_body(digests: Option<&Digests>, body: &[u8]) -> Result<()> {
    match digests {
        Some(digests) => digests.check(body),
        None if body.is_empty() => Ok(()),
        None => Err(Error::new(
            ErrorKind::InvalidSignature,
            "the signature does not cover content-digest, and there is a body",
        )),
    }
}
