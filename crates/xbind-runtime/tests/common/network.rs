//! The network: every parcel goes through it, and it is not a good one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use xbind::{Did, Draft, ErrorKind, InReplyTo, MessageId, Op, SigningKey, seal};
use xbind_runtime::transport::{
    Arrival, CallId, Departure, Limits, Remote, Resolved, Resolver, Route, SignDone, Transport, TransportId,
};

use super::Rng;

/// What the network does, in percent of the parcels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub lost: u64,
    pub failed: u64,
    pub doubled: u64,
    pub tampered: u64,
    pub misdelivered: u64,
    pub replayed: u64,
    pub forged: u64,
    pub blocks: u64,
    pub reorders: bool,
    /// Milliseconds.
    pub delay: u64,
    /// Of questions: late, dropped, failed, wrong, never answered.
    pub lookups: [u64; 5],
    /// Calls name the session of their recipient.
    pub sessions: bool,
}

pub enum Happening {
    Arrive { at: usize, arrival: Arrival, back: Route },
    Writable { at: usize, route: Route },
    Gone { at: usize, route: Route },
    Failed { at: usize, call: CallId, why: ErrorKind },
    Found(Resolved, Vec<Remote>),
    NotFound(Resolved, ErrorKind),
    Signed(SignDone, Option<[u8; 64]>),
    Wake(Waker),
}

pub struct Inner {
    pub rng: Rng,
    pub faults: Faults,
    pub limits: Limits,
    /// Milliseconds since the beginning.
    pub now: u64,
    serial: u64,
    pub agenda: BTreeMap<(u64, u64), Happening>,
    pub ids: Vec<TransportId>,
    /// Of the connection between two nodes, the lower number first.
    generations: HashMap<(usize, usize), u32>,
    /// When the last parcel from one to the other arrives.
    last: HashMap<(usize, usize), u64>,
    /// How many more a connection takes; none: as many as there are.
    pub room: HashMap<(usize, usize), usize>,
    /// Who is where: names and DIDs.
    pub book: Vec<(Option<String>, Did, usize)>,
    pub closed: Vec<usize>,
    pub carried: Vec<(usize, usize, Arrival)>,
    /// The calls among them.
    pub calls: Vec<CallId>,
    kept: Vec<Resolved>,
    pub kept_signs: Vec<SignDone>,
    stranger: SigningKey,
    pub epoch: u64,
    pub questions: Vec<String>,
    /// Calls name the session of their recipient.
    pub sessions: bool,
}

/// The network between the nodes of a test.
#[derive(Clone)]
pub struct Net(pub Arc<Mutex<Inner>>);

pub struct Wire {
    pub net: Net,
    pub own: usize,
}

pub struct Book {
    pub net: Net,
    pub own: usize,
}

impl Net {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: Rng::new(seed ^ 0xabcd),
            faults,
            limits: Limits { max_parcel: 1 << 20, clock_skew: 5, message_ttl: 30 },
            now: 0,
            serial: 0,
            agenda: BTreeMap::new(),
            ids: Vec::new(),
            generations: HashMap::new(),
            last: HashMap::new(),
            room: HashMap::new(),
            book: Vec::new(),
            closed: Vec::new(),
            carried: Vec::new(),
            calls: Vec::new(),
            kept: Vec::new(),
            kept_signs: Vec::new(),
            stranger: SigningKey::from_seed(&[0xee; 32]),
            epoch: 0,
            questions: Vec::new(),
            sessions: faults.sessions,
        })))
    }

    pub fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// A fresh connection in place of an old one; both ends learn that it is gone.
    pub fn cut(&self, one: usize, other: usize) {
        let mut inner = self.inner();
        let (from, to) = (inner.route(one, other), inner.route(other, one));
        *inner.generations.entry((one.min(other), one.max(other))).or_default() += 1;
        inner.room.remove(&(one, other));
        inner.room.remove(&(other, one));
        let now = inner.now;
        inner.plan(now, Happening::Gone { at: one, route: from });
        inner.plan(now + 1, Happening::Gone { at: other, route: to });
    }

    pub fn block(&self, from: usize, to: usize, takes: usize) {
        self.inner().room.insert((from, to), takes);
    }

    pub fn unblock(&self, from: usize, to: usize) {
        let mut inner = self.inner();
        inner.room.remove(&(from, to));
        let (now, route) = (inner.now, inner.route(from, to));
        inner.plan(now, Happening::Writable { at: from, route });
    }

    pub fn forget_kept(&self) {
        let (kept, signs) = {
            let mut inner = self.inner();
            (std::mem::take(&mut inner.kept), std::mem::take(&mut inner.kept_signs))
        };
        drop(kept);
        drop(signs);
    }
}

impl Inner {
    pub fn plan(&mut self, at: u64, what: Happening) {
        self.serial += 1;
        self.agenda.insert((at, self.serial), what);
    }

    pub fn generation(&self, one: usize, other: usize) -> u32 {
        self.generations.get(&(one.min(other), one.max(other))).copied().unwrap_or_default()
    }

    /// The way from one node to another.
    pub fn route(&self, from: usize, to: usize) -> Route {
        self.ids[from].route(to as u32, self.generation(from, to))
    }

    fn arrive(&mut self, from: usize, to: usize, arrival: Arrival, extra: u64) {
        let jitter = if self.faults.delay == 0 { 0 } else { self.rng.below(self.faults.delay) };
        let mut when = self.now + jitter + extra;
        if !self.faults.reorders {
            let last = self.last.entry((from, to)).or_default();
            when = when.max(*last);
            *last = when;
        }
        let back = self.route(to, from);
        self.plan(when, Happening::Arrive { at: to, arrival, back });
    }

    /// What a hostile network makes of a parcel.
    fn take(&mut self, from: usize, to: usize, parcel: Departure) {
        let Departure { to: recipient, call, jws, body, token, .. } = parcel;
        let arrival = Arrival { to: recipient, jws, body, token };
        self.carried.push((from, to, arrival.clone()));
        self.calls.extend(call);
        let faults = self.faults;
        if self.rng.percent(faults.lost) {
            return;
        }
        if let Some(call) = call
            && self.rng.percent(faults.failed)
        {
            let when = self.now + self.rng.below(faults.delay);
            return self.plan(when, Happening::Failed { at: from, call, why: ErrorKind::AgentNotFound });
        }
        if self.rng.percent(faults.tampered) {
            let mut bad = arrival.clone();
            match self.rng.below(4) {
                0 if !bad.body.is_empty() => bad.body[0] ^= 1,
                1 => bad.token = Some("not signed for".to_owned()),
                2 => bad.jws.truncate(bad.jws.len() / 2),
                _ => {
                    let at = self.rng.below(bad.jws.len() as u64) as usize;
                    let mut bytes = bad.jws.into_bytes();
                    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                    bad.jws = String::from_utf8(bytes).unwrap();
                }
            }
            self.arrive(from, to, bad, 0);
            if self.rng.percent(50) {
                return; // in place of the true one
            }
        }
        if self.rng.percent(faults.misdelivered) {
            let other = self.rng.below(self.book.len() as u64) as usize;
            let (_, did, at) = self.book[other].clone();
            if at != from {
                self.arrive(from, at, Arrival { to: did, ..arrival.clone() }, 0);
                self.arrive(from, at, arrival.clone(), 0);
            }
        }
        if self.rng.percent(faults.forged) {
            self.forge(from, to, &arrival, call);
        }
        if self.rng.percent(faults.doubled) {
            self.arrive(from, to, arrival.clone(), 0);
        }
        if self.rng.percent(faults.replayed) {
            let extra = self.rng.below(40_000);
            let (from, to, old) = self.carried[self.rng.below(self.carried.len() as u64) as usize].clone();
            let back = self.route(to, from);
            let when = self.now + extra;
            self.plan(when, Happening::Arrive { at: to, arrival: old, back });
        }
        self.arrive(from, to, arrival, 0);
    }

    /// A stranger calls the recipient, and answers the call in its place.
    fn forge(&mut self, from: usize, to: usize, seen: &Arrival, call: Option<CallId>) {
        if seen.to == *self.stranger.did() {
            return;
        }
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.rng.next().to_be_bytes());
        let draft = |op, to, in_reply_to, body: &'static [u8]| Draft {
            op,
            to,
            id: MessageId::from_bytes(id),
            issued_at: self.epoch + self.now / 1000,
            ttl: 5,
            content_type: "application/json",
            body,
            token: None,
            in_reply_to,
            details: xbind::Details::default(),
        };
        let own = draft(Op::Call, seen.to, None, br#"{"stranger":1}"#);
        let strange = seal(&self.stranger, &own).unwrap().jws;
        let answer = call.map(|call| {
            let request = InReplyTo::of(call.id, &seen.jws);
            let forged = draft(Op::Result, call.caller, Some(request), br#"{"forged":1}"#);
            (call.caller, seal(&self.stranger, &forged).unwrap().jws)
        });
        let arrival = Arrival { to: seen.to, jws: strange, body: br#"{"stranger":1}"#.to_vec(), token: None };
        self.arrive(from, to, arrival, 0);
        if let Some((caller, jws)) = answer {
            self.arrive(to, from, Arrival { to: caller, jws, body: br#"{"forged":1}"#.to_vec(), token: None }, 0);
        }
    }
}

impl Transport for Wire {
    fn carry(&self, route: Route, parcels: &mut Vec<Departure>) {
        let mut inner = self.net.inner();
        let (from, to) = (self.own, route.id as usize);
        if route.generation != inner.generation(from, to) {
            parcels.clear(); // lost with its connection
            return;
        }
        if !inner.room.contains_key(&(from, to)) && !parcels.is_empty() {
            let blocks = inner.faults.blocks;
            if inner.rng.percent(blocks) {
                let takes = inner.rng.below(3) as usize;
                inner.room.insert((from, to), takes);
                let when = inner.now + 1 + inner.rng.below(2000);
                inner.plan(when, Happening::Writable { at: from, route });
            }
        }
        let count = match inner.room.get_mut(&(from, to)) {
            Some(room) => {
                let count = (*room).min(parcels.len());
                *room -= count;
                count
            }
            None => parcels.len(),
        };
        for parcel in parcels.drain(..count) {
            inner.take(from, to, parcel);
        }
    }

    fn limits(&self, _: Route) -> Limits {
        self.net.inner().limits
    }

    fn names_sessions(&self) -> bool {
        self.net.inner().sessions
    }

    fn close(&self, _: Duration) {
        self.net.inner().closed.push(self.own);
    }
}

impl Resolver for Book {
    fn resolve(&self, to: &str, done: Resolved) {
        let answer = {
            let mut inner = self.net.inner();
            inner.questions.push(to.to_owned());
            let entries = inner
                .book
                .iter()
                .filter(|(name, did, at)| *at != self.own && (name.as_deref() == Some(to) || did.as_str() == to));
            let found: Vec<_> = entries.map(|(_, did, at)| (*did, *at)).collect();
            let remotes = found.iter().map(|(did, at)| Remote { did: *did, route: inner.route(self.own, *at) });
            let mut remotes: Vec<_> = remotes.collect();
            let [late, dropped, failed, wrong, never] = inner.faults.lookups;
            let p = inner.rng.below(100);
            if p < never {
                inner.kept.push(done);
                return;
            }
            if p < never + wrong && !remotes.is_empty() {
                remotes[0].did = *SigningKey::from_seed(&[0xdd; 32]).did();
            }
            if p >= never + wrong && p < never + wrong + failed {
                let when = inner.now + inner.rng.below(500);
                return inner.plan(when, Happening::NotFound(done, ErrorKind::AgentNotFound));
            }
            if p >= never + wrong + failed && p < never + wrong + failed + dropped {
                Err(())
            } else if inner.rng.percent(late) {
                let when = inner.now + inner.rng.below(3000);
                return inner.plan(when, Happening::Found(done, remotes));
            } else {
                Ok(remotes)
            }
        };
        match answer {
            Ok(remotes) => done.found(&remotes),
            Err(()) => drop(done),
        }
    }
}
