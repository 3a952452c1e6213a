//! Whose tokens count, and the authorities that are asked for the keys that they have.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::Deserialize;
use xbind::{Error, ErrorKind, JwkSet, Result, Trust};
use xbind_net::authority::Follower;

use crate::did::{at_place, did};
use crate::net;
use crate::number::Whole;
use crate::record::Telling;

/// Whose tokens count, and for how long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JudgePolicy {
    /// For whom tokens have to be.
    pub audience: String,
    /// By how many seconds clocks may differ.
    pub clock_skew: Whole,
    /// The longest life in seconds.
    pub max_lifetime: Whole,
    /// Whose tokens count.
    pub trust: Vec<Trusted>,
    /// Tokens of which nobody knows whether they were revoked are accepted.
    pub accept_unknown: bool,
}

/// Whose tokens count: a DID's, those of an issuer with other keys, or those of an authority whose DID changes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Trusted {
    /// A DID.
    Did(String),
    /// An issuer.
    Issuer(Issuer),
    /// An authority.
    Authority(Authority),
}

/// An issuer that is no DID.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// As its tokens name it.
    pub issuer: String,
    /// A JWK set; none where its keys are fetched.
    pub jwks: Option<String>,
}

/// An authority that is followed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// A DID that it has, or had.
    pub did: String,
    /// Where it is.
    pub url: String,
}

/// Who is trusted.
pub(crate) struct Trustees {
    pub(crate) trust: Trust,
    /// Issuers whose keys are fetched.
    pub(crate) fetched: Vec<String>,
    pub(crate) authorities: Authorities,
}

impl JudgePolicy {
    pub(crate) fn trustees(&self) -> Result<Trustees> {
        let (mut trust, mut fetched, mut followers) = (Trust::default(), Vec::new(), Vec::new());
        for (at, trusted) in self.trust.iter().enumerate() {
            let placed = |error: Error| at_place(&error, "trust", at);
            trust = match trusted {
                Trusted::Did(text) => trust.with_did(did(text).map_err(placed)?),
                Trusted::Issuer(Issuer { issuer, jwks: Some(jwks) }) => {
                    trust.with_issuer(issuer, JwkSet::parse(jwks)?)?
                }
                Trusted::Issuer(Issuer { issuer, jwks: None }) => {
                    fetched.push(issuer.clone());
                    trust
                }
                Trusted::Authority(authority) => {
                    let follower = self.follower(authority).map_err(placed)?;
                    let trust = trust.with_authority(follower.server())?;
                    followers.push(follower);
                    trust
                }
            };
        }
        Ok(Trustees { trust, fetched, authorities: Authorities(followers.into()) })
    }

    /// A DID that is trusted by itself, too, would count whatever its authority says of it.
    fn follower(&self, Authority { did, url }: &Authority) -> Result<Follower> {
        if self.trust.iter().any(|trusted| matches!(trusted, Trusted::Did(other) if other == did)) {
            let why = format!("trust names {did} with the address of an authority and without it");
            return Err(Error::new(ErrorKind::InvalidConfig, why).with_hint("leave out the DID that stands alone"));
        }
        Follower::new(url, did, net::settings())
    }
}

/// The authorities that a judge follows.
#[derive(Clone)]
pub(crate) struct Authorities(Arc<[Follower]>);

impl Authorities {
    /// Asks for the judge from now on, before answers are over.
    pub(crate) fn serve(&self, judge: &Arc<xbind::Judge>) {
        if self.0.is_empty() {
            return;
        }
        let (followers, weak) = (self.clone(), Arc::downgrade(judge));
        judge.renew_with(move |name, now| {
            let named = followers.0.iter().filter(|follower| follower.server() == name);
            named.for_each(|follower| ask(follower, &weak, now, None));
        });
    }

    /// Asks those that the judge would have asked.
    pub(crate) fn ask(&self, judge: &Arc<xbind::Judge>, now: u64) -> Telling<()> {
        let (followers, judge) = (self.clone(), Arc::downgrade(judge));
        Box::new(move |tell| {
            let all = Arc::new(Done(Mutex::new(Some(tell))));
            for follower in &*followers.0 {
                let one = all.clone();
                ask(follower, &judge, now, Some(Box::new(move || drop(one))));
            }
        })
    }
}

fn ask(follower: &Follower, judge: &Weak<xbind::Judge>, now: u64, done: Option<Box<dyn FnOnce() + Send>>) {
    let (name, own) = (follower.server().to_owned(), judge.clone());
    let take = move |said| {
        if let Some(judge) = own.upgrade() {
            judge.authority_came(&name, now, said);
        }
    };
    let is_such = |name: &String| name == follower.server();
    follower.ask(|| judge.upgrade().is_some_and(|judge| judge.authorities_to_ask(now).iter().any(is_such)), take, done);
}

/// Tells when the last who holds it has let it go, however that comes.
struct Done(Mutex<Option<Tell>>);

type Tell = Box<dyn FnOnce(()) + Send>;

impl Drop for Done {
    fn drop(&mut self) {
        let tell = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tell) = tell {
            tell(());
        }
    }
}
