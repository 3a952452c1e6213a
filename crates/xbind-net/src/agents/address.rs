//! An address that calls name: what waits for it, and what is under way there.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use hyper::body::Bytes;
use xbind::Did;
use xbind_runtime::transport::{CallId, Departure, Remote, Route};

use super::QUEUED;
use super::client::lock;
use super::connection::Connection;
use crate::{Target, Whose};

/// Messages in one request.
const MAX_MESSAGES: usize = 1024;
/// How often the very same call is sent once more.
const AGAIN: u8 = 2;

pub(super) struct Address {
    pub(super) whose: Whose,
    pub(super) target: Target,
    pub(super) route: Route,
    pub(super) queue: Mutex<Queue>,
    pub(super) idle: Mutex<Vec<Connection>>,
    /// Who answers there, by what the address itself says.
    pub(super) agents: Mutex<Vec<Did>>,
    /// Calls whose answer may still come.
    under_way: Mutex<HashMap<CallId, Sent>>,
}

/// A call as it was sent, and in which exchange last.
struct Sent {
    bytes: Bytes,
    exchange: u64,
    left: u8,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) calls: VecDeque<Departure>,
    /// What is said of calls that run: they must not wait for these.
    pub(super) words: VecDeque<Departure>,
    pub(super) bytes: usize,
    /// The node has more.
    pub(super) left: bool,
    pub(super) requests: usize,
    pub(super) word_requests: usize,
}

impl Address {
    pub(super) fn new(whose: Whose, target: Target, route: Route) -> Self {
        Self {
            whose,
            target,
            route,
            queue: Mutex::default(),
            idle: Mutex::default(),
            agents: Mutex::default(),
            under_way: Mutex::default(),
        }
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

    pub(super) fn next(&self, words: bool) -> Option<Vec<Departure>> {
        let mut queue = lock(&self.queue);
        let lane = if words { &mut queue.words } else { &mut queue.calls };
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        while batch.len() < MAX_MESSAGES
            && bytes < QUEUED
            && let Some(parcel) = lane.pop_front()
        {
            bytes = bytes.saturating_add(parcel.size());
            batch.push(parcel);
        }
        queue.bytes = queue.bytes.saturating_sub(bytes);
        if !batch.is_empty() {
            return Some(batch);
        }
        let under_way = if words { &mut queue.word_requests } else { &mut queue.requests };
        *under_way = under_way.saturating_sub(1);
        None
    }
}
