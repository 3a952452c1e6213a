use xbind::{Did, Error, ErrorKind, Rotation, VerifyingKey};

use super::refusal::{Refusal, Result};
use super::wire::About;

/// An authority as somebody knows it: by the key that it had when he last looked, and by the statements that have led there.
/// What it says of itself later is believed where the key that is known has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    did: Did,
    rotations: Vec<String>,
    /// The key that it is to have, by a statement of the one that it has.
    next: Option<(Did, String)>,
}

impl Known {
    /// By its DID.
    #[must_use]
    pub const fn new(did: Did) -> Self {
        Self { did, rotations: Vec::new(), next: None }
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
        let mut next = known.did;
        for rotation in rotations.iter().rev() {
            let rotation = Rotation::verify(rotation)?;
            if rotation.new != next {
                return Err(Error::new(ErrorKind::InvalidToken, "the rotations lead to another authority").into());
            }
            next = rotation.old;
        }
        known.rotations = rotations.to_vec();
        Ok(known)
    }

    /// Its DID.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// The statements that have led there, and one that leads on, if there is one.
    #[must_use]
    pub fn rotations(&self) -> Vec<String> {
        self.rotations.iter().chain(self.next.iter().map(|(_, rotation)| rotation)).cloned().collect()
    }

    /// Every DID whose tokens may count now: the one that is to sign next among them, so that nobody has to look in the very moment.
    pub fn counting(&self, now: u64) -> impl Iterator<Item = Did> {
        let rotations = self.rotations.iter().filter_map(|rotation| Rotation::verify(rotation).ok());
        let earlier = rotations.filter(move |rotation| !rotation.is_emergency() && now < rotation.old_until());
        let next = self.next.iter().map(|(did, _)| *did);
        [self.did].into_iter().chain(earlier.map(|rotation| rotation.old)).chain(next)
    }

    /// The key that a statement of the current one leads to.
    fn leads_on(&self, rotation: &str) -> Option<(Did, String)> {
        let read = Rotation::verify(rotation).ok().filter(|read| read.old == self.did)?;
        Some((read.new, rotation.to_owned()))
    }

    /// The same authority, as it says now who it is: with another key only where each key has signed over to the next.
    ///
    /// # Errors
    /// `Changed`: it has another key, and none that is known says so.
    pub fn follow(&self, about: &About, now: u64) -> Result<Self> {
        let changed = || Refusal::Changed { was: self.did, is: about.did.clone() };
        let mut known = self.clone();
        for text in &about.rotations {
            let Ok(rotation) = Rotation::verify(text) else { continue };
            if rotation.old == known.did {
                known.did = rotation.new;
                known.rotations.push(text.clone());
            }
        }
        if known.did.as_str() != about.did {
            return Err(changed());
        }
        // What is over leads nowhere any more, nor does what leads from a key that is doubtful, or to it.
        let is_over = |text: &String| Rotation::verify(text).is_ok_and(|rotation| rotation.old_until() <= now);
        let over = known.rotations.iter().take_while(|text| is_over(text)).count();
        let is_doubtful = |text: &String| {
            Rotation::verify(text).is_ok_and(|rotation| about.doubtful.iter().any(|did| did == rotation.old.as_str()))
        };
        let doubtful = known.rotations.iter().rposition(is_doubtful).map_or(0, |last| last.saturating_add(1));
        known.rotations.drain(..over.max(doubtful));
        known.next = about.next.as_deref().and_then(|next| known.leads_on(next));
        Ok(known)
    }
}
