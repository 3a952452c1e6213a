//! The claims of names of agents here, and whose others are, as far as it is known.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::{Receiver, Sender, channel};
use xbind::Did;

use super::bucket::PATIENCE;
use super::due::{Due, Place};

/// Names that are remembered with their holders.
const MAX_KNOWN: usize = 65_536;

/// The names of agents here, and whose others are.
#[derive(Debug, Default)]
pub(super) struct Claims {
    own: HashMap<Did, Claim>,
    /// Who here claims a name, in the order in which they came.
    by_name: HashMap<String, Vec<Did>>,
    due: Due<Instant, Did>,
    /// Claims of agents that have gone, by their places, until the broker has taken them away.
    given_up: HashMap<u64, Did>,
    /// Who had a name when it was asked for: it stays his while he is there.
    known: HashMap<Box<str>, Did>,
    pub(super) absences: Absences,
    /// Who waits to hear whether an agent here has its name.
    waiting: HashMap<Did, Vec<Sender<()>>>,
}

#[derive(Debug)]
struct Claim {
    name: String,
    text: Option<String>,
    begun: Instant,
    standing: Standing,
    /// Where it stands, while it is held.
    seq: Option<u64>,
    /// When something is done about it; not while its key or the broker is asked.
    due: Option<Place<Instant>>,
    /// The broker is asked.
    is_asked: bool,
}

/// Whether a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    /// At that place.
    Held(u64),
    Taken(Did),
}

/// What is to be done about a claim.
#[derive(Debug)]
pub(super) enum Step {
    /// Its agent has to sign it.
    Sign(Did, String),
    /// The broker has to be asked.
    Ask(Did, String, String),
}

/// Since when holders are not there, by what is seen here, and by the place of their claims.
#[derive(Debug, Default)]
pub(super) struct Absences(HashMap<u64, Instant>);

impl Absences {
    /// Whether the holder by that claim is gone for so long.
    pub(super) fn is_over(&mut self, claim: u64, is_there: bool, now: Instant, kept: Duration) -> bool {
        if is_there {
            self.0.remove(&claim);
            return false;
        }
        let since = *self.0.entry(claim).or_insert(now);
        now.saturating_duration_since(since) >= kept
    }

    pub(super) fn forget(&mut self, claim: u64) {
        self.0.remove(&claim);
    }
}

impl Claims {
    /// Notes who is here, in the order in which they came. What was held by those who are not any more is to be given up.
    pub(super) fn note(&mut self, here: &[(Did, Option<String>)], now: Instant) {
        let names: HashMap<&Did, &Option<String>> = here.iter().map(|(did, name)| (did, name)).collect();
        let is_here = |did: &Did, claim: &Claim| names.get(did).is_some_and(|name| name.as_ref() == Some(&claim.name));
        let gone: Vec<Did> = self.own.iter().filter(|(did, claim)| !is_here(did, claim)).map(|(did, _)| *did).collect();
        gone.iter().for_each(|did| self.drop_claim(did));
        for (did, name) in here {
            // The newest agent of a DID is the one that is called.
            let Some(Some(name)) = names.get(did).filter(|newest| **newest == name) else { continue };
            if self.own.contains_key(did) {
                continue;
            }
            let due = Some(self.due.put(now, *did));
            let (text, begun, standing) = (None, now, Standing::Open);
            let claim = Claim { name: name.clone(), text, begun, standing, seq: None, due, is_asked: false };
            self.own.insert(*did, claim);
            self.by_name.entry(name.clone()).or_insert_with(|| Vec::with_capacity(1)).push(*did);
        }
    }

    fn drop_claim(&mut self, did: &Did) {
        let Some(claim) = self.own.remove(did) else { return };
        claim.due.into_iter().for_each(|place| self.due.take(place));
        self.given_up.extend(claim.seq.map(|seq| (seq, *did)));
        if let Some(all) = self.by_name.get_mut(&claim.name) {
            all.retain(|other| other != did);
            if all.is_empty() {
                self.by_name.remove(&claim.name);
            }
        }
    }

    /// All is asked for again.
    pub(super) fn check_again(&mut self, now: Instant) {
        let is_due = |did: &&Did| self.own.get(*did).is_some_and(|claim| claim.due.is_some());
        let all: Vec<Did> = self.by_name.values().flatten().filter(is_due).copied().collect();
        all.iter().for_each(|did| self.put(did, now));
    }

    fn put(&mut self, did: &Did, at: Instant) {
        let Some(claim) = self.own.get_mut(did) else { return };
        claim.due.take().into_iter().for_each(|place| self.due.take(place));
        claim.due = Some(self.due.put(at, *did));
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first()
    }

    /// What is to be done next. Of those who want one name, one is asked for at a time.
    pub(super) fn next(&mut self, now: Instant) -> Option<Step> {
        loop {
            let did = self.due.next(now)?;
            let claim = self.own.get_mut(&did)?;
            claim.due = None;
            let Some(text) = claim.text.clone() else { return Some(Step::Sign(did, claim.name.clone())) };
            let name = claim.name.clone();
            let others = self.by_name.get(&name).map(Vec::as_slice).unwrap_or_default();
            if others.iter().any(|other| self.own.get(other).is_some_and(|claim| claim.is_asked)) {
                continue; // it is its turn when that is known
            }
            if let Some(claim) = self.own.get_mut(&did) {
                claim.is_asked = true;
            }
            return Some(Step::Ask(did, name, text));
        }
    }

    /// An agent has signed its claim, or could not.
    pub(super) fn signed(&mut self, did: &Did, name: &str, text: Option<String>, again: Instant) {
        if let Some(claim) = self.own.get_mut(did).filter(|claim| claim.name == name) {
            claim.text = text;
            self.put(did, again);
        }
    }

    /// The broker has said how a claim stands, if it did. Whether that is new.
    pub(super) fn stands(&mut self, did: &Did, name: &str, standing: Option<Standing>, again: Instant) -> bool {
        let now = Instant::now();
        let Some(claim) = self.own.get_mut(did).filter(|claim| claim.name == name && claim.is_asked) else {
            // Nobody is here any more who could have it.
            if let Some(Standing::Held(seq)) = standing {
                self.give_up(seq, *did);
            }
            return false;
        };
        claim.is_asked = false;
        let before = claim.standing;
        claim.standing = standing.unwrap_or(before);
        claim.seq = if let Standing::Held(seq) = claim.standing { Some(seq) } else { None };
        let is_new = claim.standing != before;
        if is_new {
            drop(self.waiting.remove(did)); // they look again
        }
        self.put(did, again);
        let waiting = self.by_name.get(name).into_iter().flatten();
        let is_waiting =
            |did: &&Did| self.own.get(*did).is_some_and(|claim| claim.due.is_none() && claim.text.is_some());
        let waiting: Vec<Did> = waiting.filter(is_waiting).copied().collect();
        waiting.iter().for_each(|did| self.put(did, now));
        is_new
    }

    /// What an agent here may say that it is called; none while that is not known yet.
    pub(super) fn name_of(&self, did: &Did, now: Instant) -> Option<Option<String>> {
        let Some(claim) = self.own.get(did) else { return Some(None) };
        match claim.standing {
            Standing::Held(_) => Some(Some(claim.name.clone())),
            Standing::Open if now.saturating_duration_since(claim.begun) < PATIENCE => None,
            Standing::Open | Standing::Taken(_) => Some(None),
        }
    }

    /// The name of an agent here and how its claim stands, or what ends once that may be known.
    pub(super) fn standing(&mut self, did: &Did) -> Result<(String, Standing), Receiver<()>> {
        let known = self.own.get(did).filter(|claim| claim.standing != Standing::Open);
        known.map(|claim| (claim.name.clone(), claim.standing)).ok_or_else(|| {
            let (told, come) = channel();
            let waiting = self.waiting.entry(*did).or_default();
            waiting.retain(|told| !told.is_closed());
            waiting.push(told);
            come
        })
    }

    /// Whose a name is, as far as it is known and no question is needed.
    pub(super) fn holder(&self, name: &str) -> Option<Did> {
        let holds = |did: &&Did| self.own.get(*did).is_some_and(|claim| claim.seq.is_some());
        let own = self.by_name.get(name).into_iter().flatten().find(holds);
        own.or_else(|| self.known.get(name)).copied()
    }

    pub(super) fn know(&mut self, name: &str, did: Did) {
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(name.into(), did);
    }

    /// Claims that are to be given up, and whose they were.
    pub(super) fn given_up(&self) -> Vec<(u64, Did)> {
        self.given_up.iter().map(|(seq, did)| (*seq, *did)).collect()
    }

    pub(super) fn give_up(&mut self, seq: u64, did: Did) {
        self.given_up.insert(seq, did);
    }

    /// A claim is given up, or is to stay.
    pub(super) fn is_given_up(&mut self, seq: u64, did: &Did) {
        self.given_up.remove(&seq);
        if self.own.get(did).is_some_and(|claim| claim.seq == Some(seq)) {
            self.put(did, Instant::now()); // it has come again meanwhile
        }
    }

    /// Nobody is here any more. Names that the broker was asked for: nobody has heard whose they are.
    pub(super) fn end(&mut self) -> Vec<(Did, String)> {
        let asked = self.own.iter().filter(|(_, claim)| claim.is_asked && claim.seq.is_none());
        let asked = asked.map(|(did, claim)| (*did, claim.name.clone())).collect();
        self.note(&[], Instant::now());
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_gone_keeps_a_name_for_its_time_and_no_longer() {
        let (mut absences, now, kept) = (Absences::default(), Instant::now(), Duration::from_secs(60));
        let later = |seconds| now.checked_add(Duration::from_secs(seconds)).unwrap();
        assert!(!absences.is_over(1, true, now, kept));
        assert!(!absences.is_over(1, false, later(100), kept), "it was there a moment ago");
        assert!(!absences.is_over(1, false, later(159), kept));
        assert!(!absences.is_over(2, false, later(159), kept), "each claim for itself");
        assert!(absences.is_over(1, false, later(160), kept));
        assert!(!absences.is_over(1, true, later(161), kept), "it has come back");
        assert!(!absences.is_over(1, false, later(200), kept), "and is waited for as long again");
    }
    fn did(seed: u8) -> Did {
        *xbind::SigningKey::from_seed(&[seed; 32]).did()
    }

    #[test]
    fn of_those_who_want_one_name_one_is_asked_for_at_a_time_in_the_order_in_which_they_came() {
        let (mut claims, now) = (Claims::default(), Instant::now());
        let here = [3, 1, 2].map(|seed| (did(seed), Some("writer".to_owned())));
        claims.note(&here, now);
        for (agent, _) in &here {
            assert!(matches!(claims.next(now), Some(Step::Sign(did, _)) if did == *agent));
            claims.signed(agent, "writer", Some("signed".to_owned()), now);
        }
        let later = now.checked_add(Duration::from_secs(60)).unwrap();
        for (agent, _) in &here {
            assert!(matches!(claims.next(Instant::now()), Some(Step::Ask(did, ..)) if did == *agent));
            assert!(claims.next(Instant::now()).is_none(), "it is not known yet");
            let standing = if *agent == did(3) { Standing::Held(7) } else { Standing::Taken(did(3)) };
            assert!(claims.stands(agent, "writer", Some(standing), later));
        }
        assert_eq!((claims.holder("writer"), claims.next(Instant::now()).is_none()), (Some(did(3)), true));
        claims.note(&here[1..], now);
        assert_eq!((claims.given_up(), claims.holder("writer")), (vec![(7, did(3))], None));
        // What was said to one that has gone is given up, too.
        claims.check_again(now);
        assert!(matches!(claims.next(Instant::now()), Some(Step::Ask(asked, ..)) if asked == did(1)));
        assert_eq!(claims.end(), [(did(1), "writer".to_owned())]);
        assert!(!claims.stands(&did(1), "writer", Some(Standing::Held(9)), later));
        claims.is_given_up(7, &did(3));
        assert_eq!(claims.given_up(), [(9, did(1))]);
    }
}
