use xbind::{Did, Error, ErrorKind, Rotation, VerifyingKey};

use super::refusal::{Refusal, Result};
use super::wire::About;

/// An authority as somebody knows it: by the key that it had when he last looked, and by the statements that have led there.
/// What it says of itself later is believed where the key that is known has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    did: Did,
    /// The statements that have led there.
    rotations: Vec<Statement>,
    /// The one that leads to the key that it is to have, of the one that it has.
    next: Option<Statement>,
}

/// As it was read, and as it is written.
type Statement = (Rotation, String);

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
        let read = |text: &String| Ok((Rotation::verify(text)?, text.clone()));
        known.rotations = rotations.iter().map(read).collect::<Result<_>>()?;
        let mut next = known.did;
        for (rotation, _) in known.rotations.iter().rev() {
            if rotation.new != next {
                return Err(Error::new(ErrorKind::InvalidToken, "the rotations lead to another authority").into());
            }
            next = rotation.old;
        }
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
        self.rotations.iter().chain(&self.next).map(|(_, text)| text.clone()).collect()
    }

    /// Every DID whose tokens may count now: the one that is to sign next among them, so that nobody has to look in the very moment.
    pub fn counting(&self, now: u64) -> impl Iterator<Item = Did> {
        let earlier = self.rotations.iter().map(|(rotation, _)| rotation);
        let earlier = earlier.filter(move |rotation| !rotation.is_emergency() && now < rotation.old_until());
        let next = self.next.iter().map(|(rotation, _)| rotation.new);
        [self.did].into_iter().chain(earlier.map(|rotation| rotation.old)).chain(next)
    }

    /// A statement of the current key.
    fn leads_on(&self, text: &str) -> Option<Statement> {
        let read = Rotation::verify(text).ok().filter(|read| read.old == self.did)?;
        Some((read, text.to_owned()))
    }

    /// The same authority, as it says now who it is: with another key only where each key has signed over to the next.
    ///
    /// # Errors
    /// `Changed`: it has another key, and none that is known says so.
    pub fn follow(&self, about: &About, now: u64) -> Result<Self> {
        let changed = || Refusal::Changed { was: self.did, is: about.did.clone() };
        let mut known = self.clone();
        for text in &about.rotations {
            if let Some(statement) = known.leads_on(text) {
                known.did = statement.0.new;
                known.rotations.push(statement);
            }
        }
        if known.did.as_str() != about.did {
            return Err(changed());
        }
        // What is over leads nowhere any more, nor does what leads from a key that is doubtful, or to it.
        let over = known.rotations.iter().take_while(|(rotation, _)| rotation.old_until() <= now).count();
        let is_doubtful = |(rotation, _): &Statement| about.doubtful.iter().any(|did| did == rotation.old.as_str());
        let doubtful = known.rotations.iter().rposition(is_doubtful).map_or(0, |last| last.saturating_add(1));
        known.rotations.drain(..over.max(doubtful));
        known.next = about.next.as_deref().and_then(|next| known.leads_on(next));
        Ok(known)
    }
}
