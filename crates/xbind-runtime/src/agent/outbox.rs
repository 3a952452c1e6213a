//! What an agent has to say: ready to be signed, or held back until there is room where it goes.
//!
//! The order of what goes to one peer is kept everywhere: who finds others waiting for the same place waits behind them.

use std::collections::VecDeque;
use std::fmt;
use std::mem::{replace, take};
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use xbind::message::details::SESSION;
use xbind::{Details, Did, Error, ErrorKind, Hashed, InReplyTo, MessageId, Op, Result};

use crate::agent::Agent;
use crate::agent::lookup::Lookups;
use crate::agent::parking::Place;
use crate::agent::room::{Load, Slot};
use crate::agent::signing::{Asked, Statement};
use crate::flush::refusal::Refusal;
use crate::port::parts::Guard;
use crate::sync::Lock;
use crate::transport::Peer;

/// How many messages may wait to be signed before no refusal joins them, and how many refusals wait for one route that takes
/// nothing: whoever reads what he is told is told all of it.
const REFUSALS: (usize, usize) = (65_536, 4096);
/// The most messages to sign that an agent makes room for because it had so many last time.
const MAX_USUAL: usize = 256;

/// A message to be signed.
pub(crate) struct Outgoing {
    pub(crate) op: Op,
    pub(crate) id: MessageId,
    pub(crate) to: Peer,
    pub(crate) body: Hashed,
    pub(crate) content_type: &'static str,
    /// What the caller presents; it travels beside the message.
    pub(crate) token: Option<String>,
    pub(crate) in_reply_to: Option<InReplyTo>,
    pub(crate) details: Details<Box<str>>,
    /// The caller's pending call; none for replies.
    pub(crate) call: Option<u64>,
    /// Of an answer: the number of the call at its caller, if that is here, so that it need not be looked for.
    pub(crate) asked: Option<u64>,
    /// It has waited for the session that it names: it does so once, whatever is forgotten until it is signed.
    pub(crate) told: bool,
    /// When its caller waits no more; told to recipients elsewhere.
    pub(crate) until: Option<Instant>,
    /// Its place at the recipient.
    pub(crate) slot: Option<Slot>,
    /// Held until it is signed.
    pub(crate) _guard: Option<Guard>,
}

impl Outgoing {
    pub(crate) fn size(&self) -> usize {
        self.body.len().saturating_add(self.token.as_ref().map_or(0, String::len))
    }

    /// What it takes of the room for all that waits here. A refusal takes none: strangers have as many made as they like.
    pub(super) fn load(&self) -> Load {
        if self.is_refusal() { Load::default() } else { Load::of(self.size()) }
    }

    /// Whether it tells somebody elsewhere how a call of his has failed.
    fn is_refusal(&self) -> bool {
        self.op == Op::Error && matches!(self.to, Peer::There(_))
    }

    /// Whether this is a part or the end of the answer to that request.
    pub(crate) fn answers(&self, caller: &Did, request: &InReplyTo) -> bool {
        let is_said = matches!(self.op, Op::Part | Op::Result | Op::Error | Op::Receipt);
        is_said && self.in_reply_to.as_ref() == Some(request) && self.to.did() == caller
    }

    /// The call that this is, or that it answers.
    pub(crate) fn request_id(&self) -> &MessageId {
        self.in_reply_to.as_ref().map_or(&self.id, |request| &request.id)
    }

    /// Whether it says for which replay window of its recipient it is meant, where sessions are named.
    pub(crate) fn names_session(&self) -> bool {
        self.call.is_some() && self.op != Op::Mail && self.details.method.as_deref() != Some(SESSION)
    }

    /// Whether it is known here when nobody waits for the end of that call any more.
    pub(crate) const fn is_ours(&self) -> bool {
        self.call.is_some() || matches!(self.to, Peer::Here(_))
    }

    /// Whether somebody still waits for the end of that call. Whether callers elsewhere do is not known here.
    pub(crate) fn is_awaited(&self, sender: &Agent) -> bool {
        match (self.call, &self.to) {
            (Some(number), _) => sender.port.calls.guard().is_pending(number),
            (None, Peer::Here(caller)) => caller.port.calls.guard().is_awaited(self.request_id()),
            (None, Peer::There(_)) => true,
        }
    }
}

#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) closed: bool,
    /// False until the agent has proved its key: nothing leaves before.
    pub(crate) listed: bool,
    pub(super) ready: Vec<Outgoing>,
    /// How many there were last time; an agent that has nothing to say keeps no room for them.
    usual: usize,
    /// Most agents never have to hold anything back.
    pub(super) held: Option<Box<Held>>,
    /// Of all that waits here.
    pub(super) load: Load,
    /// Entries whose call has ended meanwhile.
    pub(super) dead: usize,
    /// On a list of agents to flush, or being flushed: at most one batch of an agent is under way, which keeps its order.
    pub(crate) queued: bool,
    /// What the identity provider was asked to sign.
    pub(crate) asked: Option<Box<Asked>>,
    /// How often it was asked.
    pub(crate) rounds: u32,
    /// What it was asked to sign beside messages.
    pub(crate) statements: Vec<Statement>,
}

#[derive(Default)]
pub(super) struct Held {
    /// What waits for room, by where.
    pub(super) parked: HashMap<Place, VecDeque<Outgoing>>,
    lookups: Lookups,
}

impl Outbox {
    pub(crate) fn new(listed: bool) -> Self {
        Self { listed, ..Self::default() }
    }

    pub(crate) fn lookups(&mut self) -> &mut Lookups {
        &mut self.held.get_or_insert_default().lookups
    }

    pub(crate) fn looks_up(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.lookups.is_empty())
    }

    /// What was reserved is free again.
    pub(crate) fn free(&mut self, load: Load) {
        self.load = self.load.minus(load);
    }

    /// Whether there is room for an answer, beside what waits here.
    fn takes(&self, answer: &Outgoing, bound: Load) -> bool {
        let Peer::There(remote) = &answer.to else { return true };
        if !answer.is_refusal() {
            return self.load.plus(answer.load()).fits(bound);
        }
        let there = self.held.as_ref().and_then(|held| held.parked.get(&Place::Route(remote.route)));
        self.ready.len() < REFUSALS.0 && there.is_none_or(|waiting| waiting.len() < REFUSALS.1)
    }

    /// Whether answers are still to go out.
    pub(crate) fn owes_answers(&self) -> bool {
        let is_answer = |outgoing: &Outgoing| outgoing.in_reply_to.is_some();
        let parked = || self.held.iter().flat_map(|held| held.parked.values()).flatten();
        self.queued || self.ready.iter().any(is_answer) || parked().any(is_answer)
    }

    /// Everything, when the agent goes.
    pub(crate) fn drain(&mut self) -> Vec<Outgoing> {
        let held = self.held.take().unwrap_or_default();
        (self.load, self.dead) = (Load::default(), 0);
        take(&mut self.ready).into_iter().chain(held.parked.into_values().flatten()).collect()
    }
}

impl Agent {
    /// Notes what a call will take, or says that there is no room for it.
    pub(crate) fn reserve_outbox(&self, bytes: usize) -> Result<()> {
        let mut outbox = self.outbox.guard();
        if outbox.closed {
            return Err(crate::agent::closed());
        }
        let bound = self.outbox_bound();
        let mut load = outbox.load.plus(Load::of(bytes));
        if !load.fits(bound) && outbox.dead > 0 {
            self.sweep(&mut outbox);
            load = outbox.load.plus(Load::of(bytes));
        }
        if !load.fits(bound) {
            let why = format!("{} messages of this agent wait to go out", outbox.load.messages);
            return Err(
                Error::new(ErrorKind::InboxFull, why).with_hint("wait for some of its calls before making more")
            );
        }
        outbox.load = load;
        Ok(())
    }

    /// Adds an answer. Where its way is blocked and there is no room, it is dropped; the owner is told, of refusals he was.
    pub(crate) fn enqueue_answer(self: &Arc<Self>, outgoing: Outgoing) {
        let mut outbox = self.outbox.guard();
        if outbox.closed {
            drop(outbox);
            if let (Peer::Here(caller), Some(request)) = (&outgoing.to, &outgoing.in_reply_to) {
                caller.settle_request(&request.id, self.ended(ErrorKind::AgentClosed));
            }
            return;
        }
        if !outbox.takes(&outgoing, self.outbox_bound()) {
            if outgoing.is_refusal() && Refusal::decode(&outgoing.body).kind != ErrorKind::HandlerFailed {
                return;
            }
            let error =
                Error::new(ErrorKind::InboxFull, "an answer was dropped: its way is blocked and the outbox full");
            let (id, from) = (*outgoing.request_id(), *outgoing.to.did());
            return self.port.push(crate::Event::Unsent { agent: self.number, id, from, error });
        }
        outbox.load = outbox.load.plus(outgoing.load());
        self.put_out(&mut outbox, outgoing);
    }

    /// Adds a question of the runtime's own, before all that waits; false if the agent is closed.
    pub(crate) fn enqueue_question(self: &Arc<Self>, outgoing: Outgoing) -> bool {
        let mut outbox = self.outbox.guard();
        if outbox.closed {
            return false;
        }
        outbox.load = outbox.load.plus(outgoing.load());
        self.put_out(&mut outbox, outgoing);
        true
    }

    pub(crate) fn put_out(self: &Arc<Self>, outbox: &mut Outbox, mut outgoing: Outgoing) {
        if !outbox.listed {
            return outbox.ready.push(outgoing); // it takes no room of others before it may leave
        }
        match self.where_to_wait(outbox, &mut outgoing) {
            Some(place) => self.hold_back(outbox, place, outgoing),
            None => self.make_ready(outbox, outgoing),
        }
    }

    pub(super) fn make_ready(self: &Arc<Self>, outbox: &mut Outbox, outgoing: Outgoing) {
        let bytes = outgoing.body.len();
        if outbox.ready.capacity() == 0 {
            outbox.ready.reserve_exact(outbox.usual);
        }
        outbox.ready.push(outgoing);
        let joins = !replace(&mut outbox.queued, true);
        self.port.add_dirty(joins.then_some(self), 1, bytes);
    }

    /// What to seal next, at most a batch.
    pub(crate) fn take_batch(self: &Arc<Self>) -> Vec<Outgoing> {
        let mut outbox = self.outbox.guard();
        let rest = outbox.ready.len().min(xbind::message::batch::MAX_BATCH);
        let rest = outbox.ready.split_off(rest);
        let mut batch = replace(&mut outbox.ready, rest);
        self.name_sessions(&mut outbox, &mut batch);
        let load = batch.iter().fold(Load::default(), |sum, outgoing| sum.plus(outgoing.load()));
        outbox.load = outbox.load.minus(load);
        outbox.usual = batch.len().min(MAX_USUAL);
        batch
    }

    /// What the next batch holds, at least.
    pub(crate) fn outbox_load(&self) -> Load {
        let outbox = self.outbox.guard();
        outbox.ready.iter().fold(Load::default(), |sum, outgoing| sum.plus(Load::of(outgoing.size())))
    }

    pub(crate) fn outbox_len(&self) -> usize {
        self.outbox.guard().ready.len()
    }

    /// A batch is through; the agent may have more to sign by now.
    pub(crate) fn batch_done(self: &Arc<Self>) {
        let mut outbox = self.outbox.guard();
        outbox.queued = !outbox.ready.is_empty() && outbox.listed;
        if outbox.queued {
            self.port.add_dirty(Some(self), 0, 0);
        } else if outbox.ready.is_empty() {
            outbox.ready = Vec::new();
            if outbox.held.as_ref().is_some_and(|held| held.parked.is_empty() && held.lookups.is_empty()) {
                outbox.held = None;
            }
        }
        drop(outbox);
        self.check_idle();
    }

    /// The agent may speak from now on: what it had to say so far goes as if it were said now.
    pub(crate) fn let_speak(self: &Arc<Self>) {
        let mut outbox = self.outbox.guard();
        outbox.listed = true;
        for outgoing in take(&mut outbox.ready) {
            self.put_out(&mut outbox, outgoing);
        }
    }

    /// A call that had not been sealed has ended: its entry is dropped in time.
    pub(crate) fn forget_unsealed(&self, id: &MessageId) {
        let mut outbox = self.outbox.guard();
        // A provider may keep it here for long, but not its place at the recipient.
        if self.is_remote()
            && let Some(outgoing) = outbox.ready.iter_mut().find(|outgoing| outgoing.id == *id)
        {
            outgoing.slot = None;
        }
        outbox.dead = outbox.dead.saturating_add(1);
        if outbox.dead > 64 && outbox.dead > outbox.load.messages / 2 {
            self.sweep(&mut outbox);
        }
    }

    fn sweep(&self, outbox: &mut Outbox) {
        let Outbox { ready, held, load, dead, .. } = outbox;
        let mut gone = Load::default();
        let mut keep = |outgoing: &Outgoing| {
            let awaited = outgoing.is_awaited(self);
            if !awaited {
                gone = gone.plus(outgoing.load());
            }
            awaited
        };
        ready.retain(&mut keep);
        if let Some(held) = held {
            held.parked.retain(|_, waiting| {
                waiting.retain(&mut keep);
                !waiting.is_empty()
            });
            let calls = self.port.calls.guard();
            gone = gone.plus(held.lookups.retain(|number| calls.is_pending(number)));
        }
        *load = load.minus(gone);
        *dead = 0;
    }

    /// A call did not begin: what was reserved for it is free again.
    pub(crate) fn free_outbox(&self, bytes: usize) {
        self.outbox.guard().free(Load::of(bytes));
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("op", &self.op).field("id", &self.id).finish_non_exhaustive()
    }
}
