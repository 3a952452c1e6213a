//! Replay windows that several processes share: a store that all of them ask keeps the name of the window, and what it has
//! accepted. Nothing of a call from elsewhere begins before the store has said that nobody has it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use xbind::{Did, Digest, Error, ErrorKind, InReplyTo, MessageId, PendingCall, Presented, Result, Session};

use crate::agent::Agent;
use crate::agent::inbox::Request;
use crate::agent::room::Room;
use crate::flush::refusal::Refusal;
use crate::node::Node;
use crate::node::held::{Held, HeldCalls, Waiting};
use crate::sync::Lock;
use crate::sync::after::enter;
use crate::sync::clock;
use crate::transport::local::Incoming;
use crate::transport::{Peer, Route};

/// How much longer a store remembers than a message can be accepted, in seconds, beside the skew of its clock: as long as it may
/// take to answer, and one.
const MARGIN: u64 = 6;

/// Whoever asks a store that several processes share.
pub trait SharedWindow: Send + Sync {
    /// Asks, and tells [`Node::window_told`] what came of it, later, within some seconds, and for each question. It does not
    /// block, and does not call the node.
    fn ask(&self, question: WindowQuestion);

    /// Whether it can ask no more; [`Node::windows_gone`] is told so.
    fn is_gone(&self) -> bool {
        false
    }
}

/// What a store is asked: to remember these keys, one after the other as long as none was there, and after that the name of
/// the window. In that order, because a store that has forgotten what it accepted has forgotten the name too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowQuestion {
    /// For [`Node::window_told`].
    pub number: u64,
    /// What is to be remembered, each until the second `until`; none where only the name is asked for.
    pub keys: Vec<String>,
    /// Seconds since the epoch.
    pub until: u64,
    /// Under which key the name of the window is kept, for ever.
    pub name: String,
    /// The name, if there is none yet.
    pub fresh: String,
}

/// What a store has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowAnswer {
    /// None of the keys was there, and this is the name of the window.
    New(String),
    /// That one was there, counted from 0.
    Taken(usize),
    /// It has failed, or taken too long, or said something else.
    Failed,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Windows {
    are_shared: AtomicBool,
    shared: Mutex<Option<Arc<dyn SharedWindow>>>,
    last: AtomicU64,
    held: Mutex<HeldCalls>,
}

impl Windows {
    pub(crate) fn are_shared(&self) -> bool {
        self.are_shared.load(Ordering::Acquire)
    }

    /// A connection is lost: nobody waits any more for what came over it.
    pub(crate) fn drop_route(&self, route: Route) {
        drop(self.take_if(|held| held.came_over(route)));
    }

    pub(crate) fn close(&self) {
        let held = self.held.guard().take_all();
        drop(held);
    }

    /// Dropped under no lock.
    fn take_if(&self, is_over: impl Fn(&Held) -> bool) -> Vec<Held> {
        if !self.are_shared() {
            return Vec::new();
        }
        self.held.guard().take_if(is_over)
    }

    fn hold(&self, held: Held, keys: Vec<String>, until: u64) {
        let Some(shared) = self.shared.guard().clone() else { return };
        let agent = held.agent.clone();
        let Ok(random) = clock::message_id() else {
            return agent.refuse(held.back, held.reference, ErrorKind::ReplayWindowFull);
        };
        let number = self.last.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.held.guard().insert(number, held);
        let name = format!("xbind-session-{}", agent.did());
        let fresh = Session::from_bytes(*random.as_bytes()).text();
        shared.ask(WindowQuestion { number, keys, until, name, fresh });
        if shared.is_gone() {
            agent.node.window_told(number, &WindowAnswer::Failed);
        }
    }
}

impl Node {
    /// From now on the agents here share their replay windows with whoever asks the same store: calls from elsewhere name the
    /// window as the store does, and begin when it has said that they are new.
    ///
    /// # Errors
    /// `INVALID_CONFIG` if there is one already that is not gone.
    pub fn share_windows(&self, window: Arc<dyn SharedWindow>) -> Result<()> {
        let mut shared = self.windows.shared.guard();
        if shared.as_ref().is_some_and(|shared| !shared.is_gone()) {
            let why = "the agents of this bus share their replay windows already";
            return Err(Error::new(ErrorKind::InvalidConfig, why).with_hint("name the store once for each bus"));
        }
        let gone = shared.replace(window);
        drop(shared);
        drop(gone); // under no lock
        self.windows.are_shared.store(true, Ordering::Release);
        self.memories.share();
        Ok(())
    }

    /// Whoever asked the store can do so no more, and answers nothing that it was asked. Calls are refused until another one does.
    pub fn windows_gone(self: &Arc<Self>) {
        let waiting = self.windows.held.guard().numbers_of_all();
        waiting.into_iter().for_each(|number| self.window_told(number, &WindowAnswer::Failed));
    }

    /// What the store says to a question. Saying it again does no harm.
    pub fn window_told(self: &Arc<Self>, number: u64, answer: &WindowAnswer) {
        let _entry = enter();
        let Some((held, waiting)) = self.windows.held.guard().go_on(number) else { return };
        let (agent, caller, id) = (held.agent.clone(), *held.back.did(), held.reference.id);
        held.go_on(waiting, answer);
        let still_held = self.windows.held.guard().remove(number);
        if still_held.is_none() {
            agent.cancel(&caller, &id); // it has ended while it went on
        }
    }
}

impl Held {
    fn go_on(self, waiting: Waiting, answer: &WindowAnswer) {
        let Self { agent, back, reference, since, slot, .. } = self;
        let named = match answer {
            WindowAnswer::New(text) => Session::parse(text).ok(),
            WindowAnswer::Taken(0) => return, // it was accepted before: nobody is told
            WindowAnswer::Taken(_) => return agent.refuse(back, reference, ErrorKind::ApprovalRequired),
            WindowAnswer::Failed => None,
        };
        let Some(named) = named else {
            agent.memory().name(None);
            return agent.refuse(back, reference, ErrorKind::ReplayWindowFull);
        };
        agent.memory().name(Some(named));
        match waiting {
            Waiting::Unnamed { jws, body, token, clock_skew, max_lifetime } => {
                let incoming = Incoming {
                    jws: &jws,
                    body,
                    token,
                    slot,
                    asked: None,
                    since: Some(since),
                    clock_skew,
                    max_lifetime,
                    names_session: true,
                    only_replies: false,
                    speaks_for: None, // looked at before it was held
                };
                drop(agent.take_in(incoming, |_| back.clone(), Some(reference)));
            }
            Waiting::Claimed(request, session) if session == named => {
                if !agent.is_late(&request) {
                    agent.admit(Request { slot, ..*request });
                }
            }
            // The store has begun anew since, and has forgotten what it accepted.
            Waiting::Claimed(..) => agent.refuse_with(back, reference, &Refusal::stale(Some(named))),
        }
    }
}

impl Agent {
    /// Holds a genuine call until a store has told the name of the window.
    pub(crate) fn hold_unnamed(self: &Arc<Self>, incoming: Incoming<'_>, back: Peer, reference: InReplyTo) {
        let Incoming { jws, body, token, slot, clock_skew, max_lifetime, .. } = incoming;
        let Some(expected) = PendingCall::running(&reference.id, jws) else { return };
        let size = body.len().saturating_add(token.as_ref().map_or(0, String::len));
        let Some(slot) = slot.or_else(|| Room::take(self, back.did(), size)) else {
            return self.refuse_with(back, reference, &Refusal::copied(ErrorKind::InboxFull));
        };
        let waiting = Some(Waiting::Unnamed { jws: jws.to_owned(), body, token, clock_skew, max_lifetime });
        let (agent, since) = (self.clone(), self.node.time().now());
        let held = Held { agent, back, reference, expected, since, slot: Some(slot), waiting };
        self.node.windows.hold(held, Vec::new(), 0);
    }

    /// Holds a call that is new here until a store has said that it is new everywhere, and so is the approval that it brings.
    pub(crate) fn hold_claimed(self: &Arc<Self>, mut request: Request, session: Session, clock_skew: u64) {
        if self.is_late(&request) {
            return;
        }
        let (from, back, reference) = (*request.message.from(), request.caller.clone(), request.reference);
        let slot = request.slot.take().or_else(|| Room::take(self, &from, request.size()));
        let Some(slot) = slot else {
            return self.refuse_with(back, reference, &Refusal::copied(ErrorKind::InboxFull));
        };
        let until = request.message.expires_at().saturating_add(clock_skew.saturating_mul(2)).saturating_add(MARGIN);
        let presented = request.token.as_deref().and_then(|text| Presented::parse(text).ok());
        let mut keys = vec![self.key_of("call", &session, &from, request.message.id().as_bytes())];
        if let Some(approval) = presented.and_then(|presented| presented.approval) {
            keys.push(self.key_of("approval", &session, &from, Digest::of(approval.as_bytes()).as_bytes()));
        }
        let (agent, since, expected) = (self.clone(), self.node.time().now(), request.expected());
        let waiting = Some(Waiting::Claimed(Box::new(request), session));
        let held = Held { agent, back, reference, expected, since, slot: Some(slot), waiting };
        self.node.windows.hold(held, keys, until);
    }

    /// Its caller waits no more, by what it says.
    fn is_late(&self, request: &Request) -> bool {
        request.until.is_some_and(|until| until <= self.node.time().now())
    }

    /// What its caller may say of a call that waits for the store.
    pub(crate) fn held_call(&self, caller: &Did, request: &MessageId) -> Option<PendingCall> {
        let windows = &self.node.windows;
        windows.are_shared().then(|| windows.held.guard().expected(self, caller, request)).flatten()
    }

    /// The caller of that request has given up.
    pub(crate) fn drop_held(&self, caller: &Did, request: &MessageId) {
        if self.node.windows.are_shared() {
            let gone = self.node.windows.held.guard().take_call(self, caller, request);
            drop(gone); // under no lock
        }
    }

    /// What waits for the store here, of one sender or of all, does not begin any more, for this reason. Whether another
    /// process has begun with a copy nobody knows.
    pub(crate) fn end_held(self: &Arc<Self>, sender: Option<&Did>, kind: ErrorKind) {
        let is_over = |held: &Held| Arc::ptr_eq(&held.agent, self) && sender.is_none_or(|did| did == held.back.did());
        for Held { back, reference, .. } in self.node.windows.take_if(is_over) {
            self.refuse_with(back, reference, &Refusal::copied(kind));
        }
    }

    /// Nobody else's messages have it, and it says nothing.
    fn key_of(&self, what: &str, session: &Session, from: &Did, id: &[u8]) -> String {
        let parts = [self.did().public_key().as_slice(), session.as_bytes(), from.public_key().as_slice(), id];
        format!("xbind-{what}-{}", Digest::of(&parts.concat()).text())
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windows").field("shared", &self.are_shared()).finish_non_exhaustive()
    }
}
