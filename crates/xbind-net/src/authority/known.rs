use xbind::{AuthorityKey, Did, Error, ErrorKind, Rotation, VerifyingKey};

use super::refusal::{Refusal, Result};
use super::wire::About;

/// An authority as somebody knows it: by the key that it had when he last looked, and by the statements that have led there.
/// What it says of itself later is believed where the key that is known has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    did: Did,
    steps: Vec<Step>,
    /// The key that it is to have, by a statement of the one that it has.
    next: Option<Step>,
    /// Those of them that count no more.
    doubtful: Vec<Did>,
}

/// From one key to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    read: Rotation,
    rotation: String,
}

impl Step {
    fn read(rotation: &str) -> xbind::Result<Self> {
        Ok(Self { read: Rotation::verify(rotation)?, rotation: rotation.to_owned() })
    }
}

impl Known {
    /// By its DID.
    #[must_use]
    pub const fn new(did: Did) -> Self {
        Self { did, steps: Vec::new(), next: None, doubtful: Vec::new() }
    }

    /// As it was kept, with the statements that have led to that DID.
    ///
    /// # Errors
    /// `Own`: a text that is no DID, statements that lead elsewhere.
    pub fn read(did: &str, rotations: &[String]) -> Result<Self> {
        let mut known = Self::new(*VerifyingKey::from_did(did)?.did());
        let mut rotations = rotations;
        if let [earlier @ .., last] = rotations
            && let Some(next) = known.leads_on(last)
        {
            (known.next, rotations) = (Some(next), earlier);
        }
        known.steps = rotations.iter().map(|rotation| Step::read(rotation)).collect::<xbind::Result<_>>()?;
        let mut next = known.did;
        for step in known.steps.iter().rev() {
            if step.read.new != next {
                return Err(Error::new(ErrorKind::InvalidToken, "the rotations lead to another authority").into());
            }
            next = step.read.old;
        }
        Ok(known)
    }

    /// Its DID.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// The statements that have led there, and one that leads on, if there is one: what is kept without the keys that are doubtful
    /// has neither what leads from one of these, nor what leads to it.
    #[must_use]
    pub fn rotations(&self) -> Vec<String> {
        let doubtful = self.steps.iter().rposition(|step| self.doubtful.contains(&step.read.old));
        let steps = self.steps.iter().skip(doubtful.map_or(0, |last| last.saturating_add(1)));
        steps.chain(&self.next).map(|step| step.rotation.clone()).collect()
    }

    /// Every DID whose tokens may count now: the one that is to sign next among them, so that nobody has to look in the very moment.
    pub fn counting(&self, now: u64) -> impl Iterator<Item = Did> {
        self.keys().filter(move |key| key.until.is_none_or(|until| now < until)).map(|key| key.did)
    }

    /// The same at any time, each with its end.
    pub fn keys(&self) -> impl Iterator<Item = AuthorityKey> {
        let lasting = |did: Did| AuthorityKey { did, until: None };
        let earlier = self.steps.iter().map(|step| step.read).filter(|read| !read.is_emergency());
        let earlier = earlier.map(|read| AuthorityKey { did: read.old, until: Some(read.old_until()) });
        let next = self.next.iter().map(move |step| lasting(step.read.new));
        let all = [lasting(self.did)].into_iter().chain(earlier).chain(next);
        all.filter(|key| !self.doubtful.contains(&key.did))
    }

    /// The key that a statement of the current one leads to.
    fn leads_on(&self, rotation: &str) -> Option<Step> {
        Step::read(rotation).ok().filter(|step| step.read.old == self.did)
    }

    /// The same authority, as it says now who it is: with another key only where each key has signed over to the next.
    ///
    /// # Errors
    /// `Changed`: it has another key, and none that is known says so.
    pub fn follow(&self, about: &About, now: u64) -> Result<Self> {
        let mut known = self.clone();
        for rotation in &about.rotations {
            if let Some(step) = known.leads_on(rotation) {
                known.did = step.read.new;
                known.steps.push(step);
            }
        }
        if known.did.as_str() != about.did {
            return Err(Refusal::Changed { was: self.did, is: about.did.clone() });
        }
        let over = known.steps.iter().take_while(|step| step.read.old_until() <= now).count();
        known.steps.drain(..over);
        known.next = about.next.as_deref().and_then(|next| known.leads_on(next));
        // Once doubtful, always doubtful.
        let said = |did: &Did| about.doubtful.iter().any(|doubtful| doubtful == did.as_str());
        let is_doubtful = |did: &Did| self.doubtful.contains(did) || said(did);
        let next = known.next.iter().map(|step| step.read.new);
        let all = known.steps.iter().map(|step| step.read.old).chain([known.did]).chain(next);
        known.doubtful = all.filter(is_doubtful).collect();
        Ok(known)
    }
}
