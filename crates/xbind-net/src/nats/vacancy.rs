//! Names of agents that have gone: where connections get in by statements, nobody else may take them away.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::time::sleep;
use xbind::Did;
use xbind::cluster::{NKey, NameRecord, Namespace, Presence, Role};

use super::bucket::{Bucket, Entry, Followed};
use super::claims::Absences;
use super::envelope;
use super::link::{SKEW, lock};
use super::mail;

/// Agents that are followed.
const MAX_THERE: usize = 1 << 20;
/// How often is looked whether who is gone still has a mailbox.
const AWAY: Duration = Duration::from_secs(60);
/// How often is looked who is gone.
const LOOKED: Duration = Duration::from_secs(5);

/// Who is there, and whose names are whose, as it stands with the broker.
#[derive(Default)]
struct Seen {
    /// Until when, and since when, by the key of the presence.
    there: HashMap<String, (Did, u64, u64)>,
    /// The holder by the place of the claim; none where there is no claim, which keeps a name no longer than one who has gone.
    claims: BTreeMap<u64, (String, Option<Did>)>,
    by_key: HashMap<String, u64>,
    /// All that was there has come, and nobody follows anew.
    is_whole: [bool; 2],
    /// Who has left in good order, and has not come again.
    left: HashSet<Did>,
}

/// Takes names from those who have gone, for good.
pub(super) async fn free([agents, names, boxes]: [Bucket; 3], namespace: Namespace, kept: Duration) {
    let (seen, again) = (Mutex::new(Seen::default()), [Notify::new(), Notify::new()]);
    let of_agents = |followed: Followed<'_>| {
        let mut seen = lock(&seen);
        match followed {
            Followed::Begun => seen.is_whole = [false, seen.is_whole[1]],
            Followed::Whole => seen.is_whole = [true, seen.is_whole[1]],
            Followed::Entry(Entry { key, removed: Some(left), .. }) => {
                let host = key.split('.').next().and_then(|host| NKey::parse(Role::User, host).ok());
                let at = host.and_then(|host| envelope::read_leave(&host, &namespace, key, left));
                let issued = seen.there.get(key).map(|(_, _, issued)| *issued);
                if at.zip(issued).is_some_and(|(at, issued)| issued <= at) {
                    let gone = seen.there.remove(key).map(|(did, ..)| did);
                    seen.left.extend(gone);
                }
            }
            Followed::Entry(entry) => {
                let text = entry.text();
                let presence =
                    text.and_then(|text| Presence::read_entry(entry.key, text, &namespace, now(), SKEW).ok());
                // Whatever else stands there somebody else wrote, or it is known to have run out.
                let Some(presence) = presence else { return };
                let before = seen.there.get(entry.key).map_or(0, |(_, _, issued)| *issued);
                if presence.issued_at() >= before && (before > 0 || seen.there.len() < MAX_THERE) {
                    let until = presence.expires_at().saturating_add(SKEW);
                    seen.left.remove(presence.agent());
                    seen.there.insert(entry.key.to_owned(), (*presence.agent(), until, presence.issued_at()));
                }
            }
        }
    };
    let of_names = |followed: Followed<'_>| {
        let mut seen = lock(&seen);
        match followed {
            Followed::Begun => {
                (seen.claims, seen.by_key) = Default::default();
                seen.is_whole = [seen.is_whole[0], false];
            }
            Followed::Whole => seen.is_whole = [seen.is_whole[0], true],
            Followed::Entry(entry) => {
                let (key, text) = (entry.key, entry.text());
                let record = text.and_then(|text| NameRecord::read_entry(key, text, &namespace, now(), SKEW).ok());
                let before = seen.by_key.insert(key.to_owned(), entry.seq);
                before.map(|before| seen.claims.remove(&before));
                seen.claims.insert(entry.seq, (key.to_owned(), record.map(|record| *record.agent())));
            }
        }
    };
    let looking = async {
        let (mut absences, mut away) = (Absences::default(), HashMap::new());
        loop {
            sleep(LOOKED.min(kept)).await;
            let over = lock(&seen).over(&mut absences, kept);
            away.retain(|_, since: &mut Instant| since.elapsed() < AWAY);
            for seq in over {
                let holder = lock(&seen).claims.get(&seq).and_then(|(_, holder)| *holder);
                if let Some(holder) = holder.filter(|_| !away.contains_key(&seq)) {
                    match mail::read(&boxes, &holder, &namespace, now()).await {
                        Ok(None) => {}
                        Ok(Some(_)) => drop(away.insert(seq, Instant::now())),
                        Err(_) => continue,
                    }
                }
                if away.contains_key(&seq) {
                    continue; // he will read his mail
                }
                let _ = names.delete(seq).await; // of several that look, one does
                absences.forget(seq);
                let mut seen = lock(&seen);
                let gone = seen.claims.remove(&seq);
                gone.map(|(key, _)| seen.by_key.remove(&key));
            }
        }
    };
    let [agents_again, names_again] = &again;
    tokio::join!(agents.follow(agents_again, of_agents), names.follow(names_again, of_names), looking);
}

impl Seen {
    fn over(&mut self, absences: &mut Absences, kept: Duration) -> Vec<u64> {
        if self.is_whole != [true, true] {
            return Vec::new();
        }
        let unix = now();
        self.there.retain(|_, (_, until, _)| *until > unix);
        let there: HashSet<Did> = self.there.values().map(|(did, ..)| *did).collect();
        let holders: HashSet<Did> = self.claims.values().filter_map(|(_, holder)| *holder).collect();
        self.left.retain(|did| holders.contains(did));
        let now = Instant::now();
        let is_over = |(seq, (_, holder)): (&u64, &(String, Option<Did>))| {
            let is_there = holder.is_some_and(|holder| there.contains(&holder));
            let has_left = !is_there && holder.is_some_and(|holder| self.left.contains(&holder));
            (absences.is_over(*seq, is_there, now, kept) || has_left).then_some(*seq)
        };
        self.claims.iter().filter_map(is_over).collect()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
