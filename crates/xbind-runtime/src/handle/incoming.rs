//! A call at a handle that answers calls.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use xbind::{Did, ErrorKind, MessageId, Result};

use crate::handle::aborted;
use crate::handle::desk::Desk;
use crate::port::answer::Reply;
use crate::port::event::Payload;
use crate::port::parts::Flow;
use crate::port::progress::Progress;
use crate::sync::Lock;

/// A call for a handle that answers calls. Dropping it without an answer tells the caller `HANDLER_FAILED`.
pub struct Incoming {
    pub(super) desk: Arc<Desk>,
    pub(super) ticket: Option<u64>,
    /// The id of its message, unique for its sender.
    pub id: MessageId,
    /// The caller, as its signature proves it.
    pub from: Did,
    /// What the caller signed for.
    pub payload: Payload,
    /// What it presents.
    pub token: Option<Arc<str>>,
    pub(super) method: Option<Box<str>>,
    pub(super) in_parts: bool,
}

impl Incoming {
    /// The method that the caller asks for.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// Whether the caller takes the answer in parts; else [`Incoming::part`] puts them together.
    #[must_use]
    pub const fn in_parts(&self) -> bool {
        self.in_parts
    }

    /// Sends one part of the answer, when there is room for it; [`Incoming::finish`] ends it.
    ///
    /// # Errors
    /// `ABORTED` where nobody waits for the answer any more; `INVALID_PAYLOAD` and `PAYLOAD_TOO_LARGE`, which end the call.
    pub async fn part(&mut self, payload: Payload) -> Result<()> {
        let Some(ticket) = self.ticket else { return Err(aborted()) };
        let is_open = poll_fn(|context| {
            let waker = context.waker().clone();
            self.desk.waiting.guard().for_room.insert(ticket, waker); // before asking, or its word could be missed
            match self.desk.port.flow(ticket) {
                Flow::Wait => Poll::Pending,
                flow @ (Flow::Open | Flow::Over) => Poll::Ready(flow == Flow::Open),
            }
        })
        .await;
        self.desk.waiting.guard().for_room.remove(&ticket);
        if !is_open {
            return Err(aborted());
        }
        self.desk.port.part(ticket, payload).map(|_| ())
    }

    /// Ends an answer in parts.
    pub fn finish(mut self, payload: Payload) {
        self.answer(Reply::End(payload));
    }

    /// Tells the caller how far it is.
    ///
    /// # Errors
    /// `INVALID_PAYLOAD`, `PAYLOAD_TOO_LARGE`: more than 4096 bytes of JSON.
    pub fn progress(&self, progress: &Progress) -> Result<()> {
        self.ticket.map_or(Ok(()), |ticket| self.desk.port.progress(ticket, progress))
    }

    /// Answers it.
    pub fn reply(mut self, payload: Payload) {
        self.answer(Reply::Payload(payload));
    }

    /// Refuses it.
    pub fn refuse(mut self, kind: ErrorKind) {
        self.answer(Reply::Refused(kind, None));
    }

    /// Whether nobody waits for the answer any more: the caller gave up, its time is over, or its connection is lost. Nothing
    /// wakes a handler for it, so a long one asks now and then; [`Incoming::part`] tells it too.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ticket.is_none_or(|ticket| self.desk.port.is_cancelled(ticket))
    }

    fn answer(&mut self, reply: Reply) {
        if let Some(ticket) = self.ticket.take() {
            self.desk.waiting.guard().for_room.remove(&ticket);
            self.desk.port.reply(ticket, reply);
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.answer(Reply::Refused(ErrorKind::HandlerFailed, None));
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("id", &self.id).field("from", &self.from).finish_non_exhaustive()
    }
}
