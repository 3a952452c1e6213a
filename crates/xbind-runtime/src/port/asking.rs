//! What agents ask of others: calls begin, are given up, and are told how far they are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use xbind::message::details;
use xbind::{Details, Error, ErrorKind, Handled, InReplyTo, MessageId, Op, Result, Session};

use crate::agent::lookup::Lookup;
use crate::agent::outbox::Outgoing;
use crate::agent::{Agent, closed};
use crate::flush;
use crate::node::finding::Found;
use crate::port::anew::{ATTEMPTS, Again};
use crate::port::calls::{Call, Granted, MAX_PENDING, Patience, Purpose, Stage};
use crate::port::event::{Event, Kept, Outcome, Payload};
use crate::port::progress::Progress;
use crate::port::sink::{Fits, Sink};
use crate::port::{Port, encode, incomplete};
use crate::sync::Lock;
use crate::sync::after::enter;
use crate::sync::clock;
use crate::transport::Peer;

/// The most bytes of what a caller presents: a chain of delegations and an approval.
const MAX_TOKEN: usize = xbind::rights::MAX_PRESENTED_BYTES;

/// The most parts that a caller lets come ahead of its reader.
const MAX_WINDOW: u64 = 65_536;

/// A call to begin.
#[derive(Debug)]
pub struct NewCall<'a> {
    /// The caller.
    pub agent: u32,
    /// Name or DID of the recipient.
    pub to: &'a str,
    /// What it carries.
    pub payload: Payload,
    /// A send, which only a receipt answers.
    pub one_way: bool,
    /// Without one it may stay pending for ever.
    pub timeout: Option<Duration>,
    /// What the caller presents.
    pub token: Option<String>,
    /// The method asked for.
    pub method: Option<String>,
    /// Where it belongs in a trace (W3C Trace Context).
    pub traceparent: Option<String>,
    /// With it, each part that comes or is read and each word of progress starts `timeout` anew, up to this time for the whole
    /// call, and words of progress are told with [`Event::Progress`].
    pub total: Option<Duration>,
    /// The messages themselves are wanted, with [`Event::Settled`].
    pub receipt: bool,
    /// With it the answer may come in parts, each told with [`Event::Part`]: how many may come before [`Port::took`] says
    /// that they were read. [`WINDOW`](crate::WINDOW) suits most.
    pub window: Option<u64>,
    /// It may run twice without harm: it is signed anew, a few times, where it may have been lost with its connection, or
    /// was meant for a session that is over.
    pub idempotent: bool,
}

impl Default for NewCall<'_> {
    fn default() -> Self {
        Self {
            agent: 0,
            to: "",
            payload: Payload::Bytes(Vec::new()),
            one_way: false,
            timeout: None,
            token: None,
            method: None,
            traceparent: None,
            total: None,
            receipt: false,
            window: None,
            idempotent: false,
        }
    }
}

impl Port {
    /// Begins a call, which goes out with the next [`Port::flush`], and returns its number. An [`Event::Settled`] tells how
    /// it ended.
    ///
    /// # Errors
    /// Why it cannot begin: `AGENT_CLOSED`, `AGENT_NOT_FOUND`, `AMBIGUOUS_NAME`, `INVALID_NAME`, `INVALID_DID`, `REVOKED`,
    /// `WRONG_AUDIENCE`, `INVALID_PAYLOAD`, `PAYLOAD_TOO_LARGE`, `INVALID_TOKEN`, `INVALID_CONFIG` (a method that can have no such
    /// name, a traceparent that is none, a window out of bounds), `INBOX_FULL`.
    pub fn call(self: &Arc<Self>, call: NewCall<'_>) -> Result<u64> {
        self.call_for(call, None)
    }

    /// The same, at times to ask for an approval of the call that runs under that ticket.
    pub(crate) fn call_for(self: &Arc<Self>, call: NewCall<'_>, ticket: Option<u64>) -> Result<u64> {
        let _entry = enter();
        let purpose = ticket.map_or(Purpose::Face, Purpose::Approval);
        let begun = catch_unwind(AssertUnwindSafe(|| self.begin(call, purpose)));
        begun.unwrap_or_else(|_| Err(flush::internal()))
    }

    fn begin(self: &Arc<Self>, call: NewCall<'_>, purpose: Purpose) -> Result<u64> {
        let idempotent = call.idempotent && !call.one_way;
        let NewCall {
            agent, to, payload, one_way, timeout, token, method, traceparent, total, receipt, window, ..
        } = call;
        let caller = self.agent(agent)?;
        let found = caller.node.find(&caller, to)?;
        match &found {
            Found::Peer(peer) => caller.check_recipient(peer)?,
            Found::Ask => caller.node.check_running(&[caller.did()])?,
        }
        check_details(method.as_deref(), traceparent.as_deref(), window)?;
        let (body, content_type) = encode(payload)?;
        caller.check_size(body.len())?;
        let presented = token.as_ref().map_or(0, String::len);
        if presented > MAX_TOKEN {
            return Err(Error::new(ErrorKind::InvalidToken, format!("what is presented is over {MAX_TOKEN} bytes")));
        }
        let bytes = body.len().saturating_add(presented);
        let id = clock::message_id()?;
        caller.reserve_outbox(bytes)?;
        let now = self.time.now();
        let until = total.or(timeout).and_then(|total| now.checked_add(total));
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout)).or(until);
        let deadline = until.map_or(deadline, |until| deadline.map(|deadline| deadline.min(until)));
        let (recipient, stage) = match &found {
            Found::Peer(peer) => (Some(peer.clone()), Stage::Waiting),
            Found::Ask => (None, Stage::Sought),
        };
        let has_method = method.is_some();
        let details = Details {
            method: method.map(String::into_boxed_str),
            traceparent: traceparent.map(String::into_boxed_str),
            window: window.filter(|_| !one_way),
            ..Details::default()
        };
        let is_near = matches!(&found, Found::Peer(Peer::Here(_)));
        let again = (idempotent && !is_near).then(|| {
            let (body, token, details) = (body.clone(), token.clone(), details.clone());
            Box::new(Again { to: to.into(), body, content_type, token, details, until, left: ATTEMPTS })
        });
        let call = Call {
            recipient,
            one_way,
            has_method,
            stage,
            deadline,
            purpose,
            again,
            patience: total.map(|total| Patience { each: timeout.unwrap_or(total), until }),
            sink: window.filter(|_| !one_way).map(Sink::new),
            lent: caller.lent(token.as_ref()),
            kept: receipt.then(|| Box::new(Kept { jws: Box::default(), body: body.clone() })),
            ..Call::new(caller.clone(), id)
        };
        let number = self.calls.guard().begin(call);
        let Some(number) = number else {
            caller.free_outbox(bytes);
            return Err(Error::new(ErrorKind::InboxFull, format!("{MAX_PENDING} calls wait for an answer here"))
                .with_hint("wait for some of them before making more"));
        };
        let op = if one_way { Op::Send } else { Op::Call };
        let draft = move |to| Outgoing {
            op,
            id,
            to,
            body: body.into(),
            content_type,
            token,
            in_reply_to: None,
            details,
            call: Some(number),
            asked: None,
            told: false,
            until: until.filter(|_| !one_way),
            slot: None,
            _guard: None,
        };
        self.send_off(&caller, to, found, number, bytes, draft);
        if !caller.outbox.guard().listed {
            caller.prove()?; // again, where an earlier proof failed
        }
        Ok(number)
    }

    /// Into the outbox, or behind earlier calls whose recipient is looked up.
    pub(crate) fn send_off(
        &self,
        caller: &Arc<Agent>,
        to: &str,
        found: Found,
        number: u64,
        bytes: usize,
        draft: impl FnOnce(Peer) -> Outgoing + Send + 'static,
    ) {
        let mut outbox = caller.outbox.guard();
        if outbox.closed {
            drop(outbox);
            return caller.fail_call(number, closed());
        }
        let found = match found {
            Found::Peer(peer) if !outbox.looks_up() => {
                return caller.put_out(&mut outbox, draft(peer));
            }
            Found::Peer(peer) => Some(Ok(peer)),
            Found::Ask => None,
        };
        let known = found.clone();
        let first = {
            let calls = self.calls.guard();
            let lookup = Lookup { to: to.into(), number, draft: Box::new(draft), found };
            outbox.lookups().push(lookup, bytes, |number| calls.is_pending(number))
        };
        if let Some(found) = known {
            outbox.lookups().resolved(to, &found);
            return caller.release_lookups(&mut outbox);
        }
        drop(outbox);
        if first {
            caller.node.seek(caller, to);
        }
    }

    /// The caller gives up: the call is forgotten without an event, and the handler that works on it is told. Whether the
    /// other side ran the call: nobody knows, once it was signed.
    pub fn abandon(&self, call: u64) -> Handled {
        let _entry = enter();
        let taken = self.calls.guard().take(call);
        let Some(call) = taken else { return Handled::Unknown }; // it has just ended, in a way that nobody was told yet
        Self::give_up(&call);
        if matches!(call.stage, Stage::Sought) {
            call.caller.lookups_ended();
        }
        if call.has_left() { Handled::Unknown } else { Handled::No }
    }

    /// Nobody waits for that call any more.
    pub(crate) fn give_up(call: &Call) {
        call.caller.forget_asked(&call.id);
        if !matches!(call.stage, Stage::Sealed(_)) {
            call.caller.forget_unsealed(&call.id);
        }
        match (&call.recipient, call.stage) {
            (Some(Peer::Here(recipient)), _) => recipient.cancel(call.caller.did(), &call.id),
            (Some(there), Stage::Sealed(digest)) if !call.one_way => {
                let request = InReplyTo { id: call.id, digest };
                call.caller.say(Op::Cancel, there.clone(), request, Details::default());
            }
            _ => {}
        }
    }

    /// The face has read so many parts of the answer to a call: as many more may come.
    pub fn took(&self, call: u64, parts: u64) {
        let _entry = enter();
        let granted = self.calls.guard().read(call, parts, self.time.now());
        let Some(Granted { caller, to, request, window }) = granted else { return };
        match to {
            Peer::Here(recipient) => recipient.grant(caller.did(), &request.id, window),
            there @ Peer::There(_) => {
                caller.say(Op::More, there, request, Details { window: Some(window), ..Details::default() });
            }
        }
    }

    /// Part `seq` of the answer to a call of this port.
    pub(crate) fn part_came(self: &Arc<Self>, id: &MessageId, seq: u64, payload: Payload) {
        let came = self.calls.guard().part(id, seq, self.time.now());
        match came {
            Some((call, Fits::Next)) => self.push(Event::Part { call, payload }),
            Some((call, Fits::Never)) => {
                let taken = self.calls.guard().take(call);
                if let Some(call) = taken {
                    Self::give_up(&call);
                    self.settle(&call, Outcome::Failed { error: incomplete(), remote: None });
                }
            }
            Some((_, Fits::Again)) | None => {}
        }
    }

    /// Whoever was asked with the call of that id says which session it has.
    pub(crate) fn heard_session(&self, id: &MessageId, session: Option<Session>) {
        let asked = self.calls.guard().asked(id);
        if let Some((caller, peer)) = asked {
            caller.node.know_session(&peer, session);
        }
    }

    /// Word `seq` of progress of a call of this port.
    pub(crate) fn word_came(self: &Arc<Self>, id: &MessageId, seq: u64, body: &[u8]) {
        let Some(progress) = Progress::decode(body) else { return };
        let call = self.calls.guard().word(id, seq, self.time.now());
        if let Some(call) = call {
            self.push(Event::Progress { call, progress });
        }
    }
}

fn check_details(method: Option<&str>, traceparent: Option<&str>, window: Option<u64>) -> Result<()> {
    if !method.is_none_or(details::is_method) {
        let why = "a method is named with 1 to 128 of A-Z a-z 0-9 _ . -";
        return Err(
            Error::new(ErrorKind::InvalidConfig, why).with_hint("take the name from what the other agent offers")
        );
    }
    if !traceparent.is_none_or(details::is_traceparent) {
        let why = "the traceparent is none of W3C Trace Context";
        return Err(Error::new(ErrorKind::InvalidConfig, why));
    }
    if window.is_some_and(|window| window == 0 || window > MAX_WINDOW) {
        return Err(Error::new(ErrorKind::InvalidConfig, format!("a window is 1 to {MAX_WINDOW} parts")));
    }
    Ok(())
}
