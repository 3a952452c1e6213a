//! An address that calls name: what waits for it, and what is under way there.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use xbind::Did;
use xbind_runtime::transport::{CallId, Departure, Remote, Route};

use super::QUEUED;
use super::client::lock;
use super::frame::{HEAD, write};
use super::idle::IdleThere;
use crate::{Target, Whose};

/// Messages in one request.
const MAX_MESSAGES: usize = 1024;
/// Requests under way to one address, and beside them those that carry only words about calls that run.
const MAX_REQUESTS: (usize, usize) = (128, 8);
/// How long it is believed who answers at an address.
const LISTED: Duration = Duration::from_secs(30);
/// How often the very same call is sent once more.
const AGAIN: u8 = 2;
/// The least that is sent at a time, and after which time twice as much is tried where less was taken: one request in that time
/// is refused in vain.
const WIDER: (usize, Duration) = (1024, Duration::from_secs(60));

pub(super) struct Address {
    pub(super) whose: Whose,
    pub(super) target: Target,
    pub(super) route: Route,
    pub(super) queue: Mutex<Queue>,
    pub(super) idle: IdleThere,
    /// Who answers there, by what the address itself says, and since when that is known.
    agents: Mutex<Option<(Instant, Vec<Did>)>>,
    /// Calls whose answer may still come.
    under_way: Mutex<HashMap<CallId, Sent>>,
}

/// A call as it was sent, and in which exchange last.
struct Sent {
    bytes: Bytes,
    exchange: u64,
    left: u8,
}

pub(super) struct Queue {
    pub(super) calls: VecDeque<Parcel>,
    /// What is said of calls that run: they must not wait for these.
    pub(super) words: VecDeque<Parcel>,
    pub(super) bytes: usize,
    /// The node has more.
    pub(super) left: bool,
    pub(super) requests: usize,
    pub(super) word_requests: usize,
    most: Most,
}

/// What is sent there in one request, unless a message alone has more.
struct Most {
    bytes: usize,
    /// When it last changed.
    since: Option<Instant>,
}

impl Most {
    fn at(&mut self, now: Instant) -> usize {
        if self.since.is_some_and(|since| now.saturating_duration_since(since) >= WIDER.1) {
            self.bytes = self.bytes.saturating_mul(2).min(QUEUED);
            self.since = (self.bytes < QUEUED).then_some(now);
        }
        self.bytes
    }

    /// A request of so many bytes was too large.
    fn narrow(&mut self, bytes: usize, now: Instant) {
        self.bytes = self.bytes.min(bytes / 2).max(WIDER.0);
        self.since = Some(now);
    }
}

/// A message that waits.
#[expect(clippy::large_enum_variant, reason = "almost all of them are new")]
pub(super) enum Parcel {
    New(Departure),
    /// One that left in a request that was too large, as it was.
    Again(Option<CallId>, Bytes),
}

impl Address {
    pub(super) fn new(whose: Whose, target: Target, route: Route) -> Self {
        Self {
            whose,
            target,
            route,
            queue: Mutex::default(),
            idle: IdleThere::new(),
            agents: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    /// Who answers there, by a list that is not old, and has no more than one.
    pub(super) fn agents(&self) -> Option<Vec<Did>> {
        let known = lock(&self.agents);
        known.as_ref().filter(|(since, _)| since.elapsed() < LISTED).map(|(_, agents)| agents.clone())
    }

    /// The address has said who answers there. Several are asked for again: nobody can be called before all but one have gone.
    pub(super) fn list(&self, agents: &[Did]) {
        *lock(&self.agents) = (agents.len() == 1).then(|| (Instant::now(), agents.to_vec()));
    }

    /// Somebody else may answer there now.
    pub(super) fn forget_agents(&self) {
        *lock(&self.agents) = None;
    }

    /// These calls leave in that exchange.
    pub(super) fn sent(&self, exchange: u64, calls: impl IntoIterator<Item = (CallId, Bytes)>) {
        let sent = calls.into_iter().map(|(call, bytes)| (call, Sent { bytes, exchange, left: AGAIN }));
        lock(&self.under_way).extend(sent);
    }

    /// What that call was, if it may leave once more, in that exchange.
    pub(super) fn again(&self, exchange: u64, call: &CallId) -> Option<Bytes> {
        let mut under_way = lock(&self.under_way);
        let sent = under_way.get_mut(call)?;
        sent.left = sent.left.checked_sub(1)?;
        sent.exchange = exchange;
        Some(sent.bytes.clone())
    }

    /// The exchange is over; whether the call was in no later one.
    pub(super) fn is_over(&self, exchange: u64, call: &CallId) -> bool {
        let mut under_way = lock(&self.under_way);
        let is_last = under_way.get(call).is_some_and(|sent| sent.exchange == exchange);
        if is_last {
            under_way.remove(call);
        }
        is_last
    }

    pub(super) fn remotes(&self, agents: &[Did]) -> Vec<Remote> {
        agents.iter().map(|did| Remote { did: *did, route: self.route }).collect()
    }

    /// The next request of that lane, and whether another one is to begin beside it. None if nothing waits: this one is over.
    pub(super) fn next(&self, words: bool) -> Option<(Vec<Parcel>, bool)> {
        let mut queue = lock(&self.queue);
        let most = queue.most.at(Instant::now());
        let lane = if words { &mut queue.words } else { &mut queue.calls };
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        while batch.len() < MAX_MESSAGES
            && let Some(parcel) = lane.front()
            && (batch.is_empty() || bytes.saturating_add(parcel.size()) <= most)
            && let Some(parcel) = lane.pop_front()
        {
            bytes = bytes.saturating_add(parcel.size());
            batch.push(parcel);
        }
        queue.bytes = queue.bytes.saturating_sub(bytes);
        if batch.is_empty() {
            let under_way = queue.requests_of(words);
            *under_way = under_way.saturating_sub(1);
            return None;
        }
        Some((batch, queue.may_begin(words)))
    }

    /// A request of so many bytes is more than is taken there: its messages wait again, before all others, for smaller ones.
    pub(super) fn split(&self, words: bool, bytes: usize, parcels: Vec<Parcel>) {
        let mut queue = lock(&self.queue);
        queue.most.narrow(bytes, Instant::now());
        for parcel in parcels.into_iter().rev() {
            queue.bytes = queue.bytes.saturating_add(parcel.size());
            let lane = if words { &mut queue.words } else { &mut queue.calls };
            lane.push_front(parcel);
        }
    }
}

impl Queue {
    fn requests_of(&mut self, words: bool) -> &mut usize {
        if words { &mut self.word_requests } else { &mut self.requests }
    }

    /// Counts one more request in, if something waits for it.
    pub(super) fn may_begin(&mut self, words: bool) -> bool {
        let (waits, most) =
            if words { (!self.words.is_empty(), MAX_REQUESTS.1) } else { (!self.calls.is_empty(), MAX_REQUESTS.0) };
        let under_way = self.requests_of(words);
        let begins = waits && *under_way < most;
        *under_way = under_way.saturating_add(usize::from(begins));
        begins
    }
}

impl Default for Queue {
    fn default() -> Self {
        let (calls, words) = (VecDeque::new(), VecDeque::new());
        let most = Most { bytes: QUEUED, since: None };
        Self { calls, words, bytes: 0, left: false, requests: 0, word_requests: 0, most }
    }
}

impl Parcel {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::New(departure) => departure.size().saturating_add(HEAD),
            Self::Again(_, bytes) => bytes.len(),
        }
    }

    pub(super) const fn call(&self) -> Option<CallId> {
        match self {
            Self::New(departure) => departure.call,
            Self::Again(call, _) => *call,
        }
    }

    /// False, and nothing appended, for one that the format cannot hold.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::New(departure) => write(departure, out),
            Self::Again(_, bytes) => {
                out.extend_from_slice(bytes);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_at_a_time_grows_again_a_step_a_minute() {
        let begun = Instant::now();
        let after = |seconds| begun.checked_add(Duration::from_secs(seconds)).unwrap_or(begun);
        let mut most = Most { bytes: QUEUED, since: None };
        assert_eq!(most.at(after(1000)), QUEUED);
        most.narrow(8 * WIDER.0, after(1000));
        most.narrow(8 * WIDER.0, after(1001)); // others were under way
        assert_eq!([1001, 1060].map(|seconds| most.at(after(seconds))), [4 * WIDER.0; 2]);
        assert_eq!([1061, 1061, 1120, 5000].map(|at| most.at(after(at)) / WIDER.0), [8, 8, 8, 16]);
        most.narrow(16 * WIDER.0, after(5001));
        assert_eq!(most.at(after(5002)), 8 * WIDER.0);
        let grown: Vec<_> = (0..20).map(|minute| most.at(after(6000 + minute * 60))).collect();
        assert!(grown.is_sorted() && grown.last() == Some(&QUEUED) && most.since.is_none());
        most.narrow(2, after(9000));
        assert_eq!(most.at(after(9000)), WIDER.0);
    }
}
