//! Who is where, by what agents have said of themselves, signed, and by what was heard of their hosts. A host is a process with
//! a connection; its number makes the routes to it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use xbind::cluster::NKey;
use xbind::{Did, EncryptionKey, Session};

/// Agents that are remembered, and hosts.
const MAX: (usize, usize) = (1 << 20, 65_536);
/// A host that nothing was heard of for so long is asked whether it is there.
pub(super) const SILENT: Duration = Duration::from_secs(2);
/// It is taken to be gone if nobody listens for it either, or after so long in any case.
pub(super) const GONE: Duration = Duration::from_secs(10);

/// Everybody who is known to be elsewhere.
#[derive(Debug, Default)]
pub(super) struct Directory {
    hosts: HashMap<NKey, Host>,
    paths: HashMap<Path, NKey>,
    last: Path,
    by_did: HashMap<Did, Vec<NKey>>,
    by_name: HashMap<Box<str>, Vec<Did>>,
    agents: usize,
    turn: usize,
}

/// What an agent has said of itself, and that was verified.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) did: Did,
    pub(super) host: NKey,
    pub(super) name: Option<Box<str>>,
    pub(super) session: Session,
    /// To which bodies are encrypted.
    pub(super) key: Option<EncryptionKey>,
    /// The largest message of the broker that its host takes.
    pub(super) frame: usize,
    pub(super) issued: u64,
    /// When it counts no more, with what clocks may differ.
    pub(super) expires: u64,
    /// It has left: it is not found any more, and what it said before may still come.
    pub(super) has_left: bool,
}

#[derive(Debug)]
struct Host {
    path: Path,
    heard: Instant,
    /// Nobody listened for it lately: others are asked while it is so.
    is_away: bool,
    /// Nothing has come from it since this process has its connection: it may still be on its way to another broker.
    is_expected: bool,
    frame: usize,
    agents: HashMap<Did, Seen>,
}

/// What becomes of a host that nobody listens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// Nothing was heard of it lately either.
    Gone,
    /// It is waited for, as long as it would be if it were silent.
    Expected,
    /// It was there a moment ago.
    Lately,
}

/// What calls to an agent need: the window that they name, and the key to which they are encrypted.
pub(super) type Known = (Session, Option<EncryptionKey>);

/// The way to a host: a number that is used for no other way.
pub(super) type Path = u32;

impl Directory {
    /// An agent has said, signed, where it is. What is older than what is known counts for nothing.
    pub(super) fn learn(&mut self, seen: Seen, unix: u64, now: Instant) {
        if seen.expires <= unix || self.agents >= MAX.0 {
            return;
        }
        let Some(there) = self.reach(&seen.host, now) else { return };
        let before = there.agents.get(&seen.did);
        if before.is_some_and(|before| before.issued > seen.issued || before.has_left && before.issued == seen.issued) {
            return;
        }
        let (did, host, name) = (seen.did, seen.host, seen.name.clone());
        there.frame = seen.frame;
        let before = there.agents.insert(did, seen);
        if before.is_none() {
            self.agents = self.agents.saturating_add(1);
            self.by_did.entry(did).or_insert_with(|| Vec::with_capacity(1)).push(host); // mostly it is the only one
        }
        let old = before.and_then(|before| before.name);
        if old == name {
            return;
        }
        if let Some(old) = old {
            self.unname(&old, &did);
        }
        if let Some(name) = name {
            let holders = self.by_name.entry(name).or_insert_with(|| Vec::with_capacity(1));
            if !holders.contains(&did) {
                holders.push(did);
            }
        }
    }

    /// An agent has left a host, at that time by its clock: it is not found there any more. What it has said before may still come.
    pub(super) fn leave(&mut self, host: &NKey, did: &Did, at: u64) {
        let known = self.hosts.get_mut(host).and_then(|there| there.agents.get_mut(did));
        let Some(known) = known.filter(|known| !known.has_left && known.issued <= at) else { return };
        known.has_left = true;
        if let Some(name) = known.name.take() {
            self.unname(&name, did);
        }
    }

    /// Forgets an agent of a host.
    pub(super) fn forget(&mut self, host: &NKey, did: &Did) {
        let Some(known) = self.hosts.get_mut(host).and_then(|there| there.agents.remove(did)) else { return };
        self.agents = self.agents.saturating_sub(1);
        if let Some(hosts) = self.by_did.get_mut(did) {
            hosts.retain(|other| other != host);
            if hosts.is_empty() {
                self.by_did.remove(did);
            }
        }
        if let Some(name) = known.name {
            self.unname(&name, did);
        }
    }

    /// Takes a name from an agent, unless it has it on another host.
    fn unname(&mut self, name: &str, did: &Did) {
        let hosts = self.by_did.get(did).map(Vec::as_slice).unwrap_or_default();
        let still = hosts.iter().filter_map(|host| self.hosts.get(host)?.agents.get(did));
        if still.into_iter().any(|known| known.name.as_deref() == Some(name)) {
            return;
        }
        if let Some(holders) = self.by_name.get_mut(name) {
            holders.retain(|other| other != did);
            if holders.is_empty() {
                self.by_name.remove(name);
            }
        }
    }

    /// Something has come from a host: whether it is known, and the way to it if it was away.
    pub(super) fn heard(&mut self, host: &NKey, now: Instant) -> (bool, Option<Path>) {
        let Some(host) = self.hosts.get_mut(host) else { return (false, None) };
        host.heard = now;
        host.is_expected = false;
        (true, std::mem::take(&mut host.is_away).then_some(host.path))
    }

    fn reach(&mut self, host: &NKey, now: Instant) -> Option<&mut Host> {
        if !self.hosts.contains_key(host) {
            if self.hosts.len() >= MAX.1 {
                return None;
            }
            self.last = self.last.checked_add(1)?;
            self.paths.insert(self.last, *host);
            let agents = HashMap::new();
            let new = Host { path: self.last, heard: now, is_away: false, is_expected: false, frame: 0, agents };
            self.hosts.insert(*host, new);
        }
        self.hosts.get_mut(host)
    }

    /// What was silent is taken to be there for now: it is this process that could hear nothing.
    pub(super) fn hear_all(&mut self, now: Instant) {
        for host in self.hosts.values_mut() {
            host.heard = now;
            host.is_expected = true;
        }
    }

    pub(super) fn hosts(&self) -> Vec<NKey> {
        self.hosts.keys().copied().collect()
    }

    /// The host of that text, if it is known: that it is a key was found out when it was first heard of.
    pub(super) fn host_called(&self, text: &str) -> Option<NKey> {
        self.hosts.get_key_value(text).map(|(host, _)| *host)
    }

    /// The way to a host; none to one that nobody is known on.
    pub(super) fn path_to(&self, host: &NKey) -> Option<Path> {
        self.hosts.get(host).map(|host| host.path)
    }

    /// The largest message of the broker that goes that way.
    pub(super) fn frame(&self, path: Path) -> Option<usize> {
        self.hosts.get(self.paths.get(&path)?).map(|host| host.frame)
    }

    /// Whose way that is; none of one that is over.
    pub(super) fn host_of(&self, path: Path) -> Option<NKey> {
        self.paths.get(&path).copied()
    }

    /// Nobody listens for that host.
    pub(super) fn away(&mut self, host: &NKey, now: Instant) -> Away {
        let Some(host) = self.hosts.get_mut(host) else { return Away::Gone };
        host.is_away = true;
        if now.saturating_duration_since(host.heard) >= SILENT {
            Away::Gone
        } else if host.is_expected {
            Away::Expected
        } else {
            Away::Lately
        }
    }

    /// Hosts that are to be asked whether they are there, and those that are gone in any case.
    pub(super) fn silent(&self, now: Instant) -> (Vec<NKey>, Vec<NKey>) {
        let quiet = |host: &Host| now.saturating_duration_since(host.heard);
        let silent = self.hosts.iter().filter(|(_, host)| quiet(host) >= SILENT);
        let (gone, asked): (Vec<_>, Vec<_>) = silent.partition(|(_, host)| quiet(host) >= GONE);
        let keys = |all: Vec<(&NKey, &Host)>| all.into_iter().map(|(did, _)| *did).collect();
        (keys(asked), keys(gone))
    }

    /// Forgets a host and its agents; the way that is over.
    pub(super) fn drop_host(&mut self, host: &NKey) -> Option<Path> {
        let agents: Vec<Did> = self.hosts.get(host)?.agents.keys().copied().collect();
        agents.iter().for_each(|did| self.forget(host, did));
        let gone = self.hosts.remove(host)?;
        self.paths.remove(&gone.path);
        Some(gone.path)
    }

    /// Forgets agents whose word is too old.
    pub(super) fn expire(&mut self, unix: u64) {
        let old: Vec<(NKey, Did)> = self
            .hosts
            .iter()
            .flat_map(|(host, there)| there.agents.iter().map(move |(did, known)| (*host, *did, known.expires)))
            .filter(|(_, _, expires)| *expires <= unix)
            .map(|(host, did, _)| (host, did))
            .collect();
        old.iter().for_each(|(host, did)| self.forget(host, did));
    }

    /// Whether an agent has said that it is on that host.
    pub(super) fn speaks(&self, host: &NKey, did: &Did, unix: u64) -> bool {
        self.hosts.get(host).and_then(|there| there.agents.get(did)).is_some_and(|known| known.expires > unix)
    }

    /// Whether an agent is anywhere. Asking takes nobody's turn.
    pub(super) fn has(&self, did: &Did, unix: u64) -> bool {
        let at = |host| self.hosts.get(host)?.agents.get(did).filter(|known| known.expires > unix && !known.has_left);
        self.by_did.get(did).is_some_and(|hosts| hosts.iter().any(|host| at(host).is_some()))
    }

    /// Where an agent is: one of its hosts, by turns; one that is not away, if there is one.
    pub(super) fn way_to(&mut self, did: &Did, unix: u64) -> Option<(Path, Known)> {
        let hosts = self.by_did.get(did)?;
        let mut ways: Vec<(bool, Path, Known)> = Vec::with_capacity(hosts.len());
        for host in hosts {
            let Some(there) = self.hosts.get(host) else { continue };
            if let Some(known) = there.agents.get(did).filter(|known| known.expires > unix && !known.has_left) {
                ways.push((there.is_away, there.path, (known.session, known.key)));
            }
        }
        let best = ways.iter().any(|(is_away, ..)| !is_away);
        ways.retain(|(is_away, ..)| !(best && *is_away));
        self.turn = self.turn.wrapping_add(1);
        let at = self.turn.checked_rem(ways.len())?;
        ways.get(at).map(|(_, path, known)| (*path, *known))
    }

    /// Who answers to a name.
    pub(super) fn named(&self, name: &str) -> &[Did] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Everybody, each once, with a name.
    pub(super) fn all(&self) -> Vec<(Did, Option<Box<str>>)> {
        let mut all: HashMap<Did, &Seen> = HashMap::new();
        for (did, known) in self.hosts.values().flat_map(|host| &host.agents).filter(|(_, known)| !known.has_left) {
            let newest = all.entry(*did).or_insert(known);
            if newest.issued < known.issued {
                *newest = known;
            }
        }
        let mut all: Vec<_> = all.into_iter().map(|(did, known)| (did, known.name.clone())).collect();
        all.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use xbind::cluster::Role;

    fn did(seed: u8) -> Did {
        *xbind::SigningKey::from_seed(&[seed; 32]).did()
    }

    fn key(seed: u8) -> NKey {
        NKey::of(Role::User, &xbind::VerifyingKey::from_did(did(seed).as_str()).unwrap())
    }

    fn seen(agent: u8, host: u8, name: Option<&str>, issued: u64) -> Seen {
        let (name, session) = (name.map(Box::from), Session::from_bytes([agent; 16]));
        Seen {
            did: did(agent),
            host: key(host),
            name,
            session,
            key: None,
            frame: 1 << 20,
            issued,
            expires: 1000,
            has_left: false,
        }
    }

    #[test]
    fn replicas_take_turns_and_one_that_is_away_is_asked_last() {
        let (mut all, now) = (Directory::default(), Instant::now());
        [10, 11, 12].into_iter().for_each(|host| all.learn(seen(1, host, Some("writer"), 1), 0, now));
        let mut asked = HashSet::new();
        for _ in 0..3 {
            assert!(all.has(&did(1), 0), "nobody's turn is taken");
            asked.insert(all.way_to(&did(1), 0).unwrap().0);
        }
        assert_eq!(asked.len(), 3);
        assert_eq!(all.named("writer"), [did(1)]);
        assert_eq!(all.away(&key(10), now), Away::Lately);
        let away = all.path_to(&key(10)).unwrap();
        assert!((0..6).all(|_| all.way_to(&did(1), 0).unwrap().0 != away));
        for host in [11, 12] {
            all.drop_host(&key(host)).unwrap();
        }
        assert_eq!(all.way_to(&did(1), 0).unwrap().0, away, "better than none");
        assert_eq!(all.named("writer"), [did(1)]);
        assert_eq!(all.away(&key(10), now + SILENT), Away::Gone);
        assert_eq!(all.drop_host(&key(10)), Some(away));
        assert_eq!((all.way_to(&did(1), 0), all.all().len()), (None, 0));
        assert!(all.named("writer").is_empty());
        assert_eq!(all.host_of(away), None);
    }

    #[test]
    fn what_is_older_or_over_counts_for_nothing() {
        let (mut all, now) = (Directory::default(), Instant::now());
        all.learn(seen(1, 10, None, 1), 1000, now);
        assert!(all.all().is_empty());
        for (name, issued) in [("new", 5), ("old", 4), ("new", 6)] {
            all.learn(seen(1, 10, Some(name), issued), 0, now);
            assert_eq!((all.named("old"), all.named("new")), (&[][..], &[did(1)][..]));
        }
        assert!(all.speaks(&key(10), &did(1), 999) && !all.speaks(&key(10), &did(1), 1000));
        assert!(!all.speaks(&key(11), &did(1), 0) && !all.speaks(&key(10), &did(2), 0));
        all.expire(1000);
        assert!(all.way_to(&did(1), 0).is_none());
    }

    #[test]
    fn who_is_silent_is_asked_and_gone_at_last_and_heard_again_it_is_there() {
        let (mut all, now) = (Directory::default(), Instant::now());
        all.learn(seen(1, 10, None, 1), 0, now);
        assert_eq!(all.silent(now), (vec![], vec![]));
        let called = |host: NKey| all.host_called(host.as_str());
        assert_eq!((called(key(10)), called(key(11))), (Some(key(10)), None));
        assert_eq!(all.silent(now + SILENT), (vec![key(10)], vec![]));
        assert_eq!(all.silent(now + GONE), (vec![], vec![key(10)]));
        assert_eq!(all.heard(&key(10), now + GONE), (true, None));
        assert_eq!(all.away(&key(10), now + GONE), Away::Lately);
        assert_eq!(all.heard(&key(10), now + GONE), (true, all.path_to(&key(10))));
        assert_eq!(all.silent(now + GONE), (vec![], vec![]));
        let before = all.drop_host(&key(10)).unwrap();
        assert_eq!(all.heard(&key(10), now), (false, None));
        all.learn(seen(1, 10, None, 1), 0, now);
        assert_ne!(Some(before), all.path_to(&key(10)), "a way that is over is not used again");
    }

    #[test]
    fn two_identities_of_one_name_both_have_it() {
        let (mut all, now) = (Directory::default(), Instant::now());
        all.learn(seen(1, 10, Some("writer"), 1), 0, now);
        all.learn(seen(2, 11, Some("writer"), 1), 0, now);
        assert_eq!(all.named("writer").len(), 2);
        all.leave(&key(10), &did(1), 0);
        assert_eq!(all.named("writer").len(), 2, "it has come since");
        all.leave(&key(10), &did(1), 1);
        assert_eq!(all.named("writer"), [did(2)]);
        assert_eq!((all.all().len(), all.way_to(&did(1), 0)), (1, None));
        assert!(all.speaks(&key(10), &did(1), 0), "its last words may still come");
        all.learn(seen(1, 10, Some("writer"), 1), 0, now);
        assert_eq!(all.named("writer"), [did(2)], "an old presence brings nobody back");
        all.learn(seen(1, 10, Some("writer"), 2), 0, now);
        assert_eq!(all.named("writer").len(), 2);
    }
}
