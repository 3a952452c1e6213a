//! What a port tells its face.

use std::sync::Arc;

use xbind::message::JSON;
use xbind::{Did, Error, ErrorKind, MessageId, VerifiedMessage};

use crate::guard::case::Guarded;
use crate::port::progress::Progress;

/// A body on the bus: raw bytes, shared by nobody.
pub type Body = Vec<u8>;

/// The media type of a body of plain bytes.
pub const OCTETS: &str = "application/octet-stream";

/// What a call or its answer carries.
#[derive(Debug)]
pub enum Payload {
    /// JSON text, as `JSON.stringify` makes it.
    Json(String),
    /// Plain bytes.
    Bytes(Body),
}

impl Payload {
    /// Its length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nothing asks for that")]
    pub const fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Its bytes, and its media type.
    #[must_use]
    pub const fn parts(&self) -> (&[u8], &'static str) {
        match self {
            Self::Json(text) => (text.as_bytes(), JSON),
            Self::Bytes(bytes) => (bytes.as_slice(), OCTETS),
        }
    }

    /// What a message carries. A body that is not text is bytes, whatever its media type says.
    #[must_use]
    pub fn of(message: VerifiedMessage<Body>) -> Self {
        let is_json = message.content_type() == JSON;
        let body = message.into_body();
        if !is_json {
            return Self::Bytes(body);
        }
        String::from_utf8(body).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Json)
    }
}

/// Something that the face has to do, in the order in which it happened.
#[derive(Debug)]
pub enum Event {
    /// Run the handler of this agent: [`Port::start`](crate::Port::start) says whether it still may, and
    /// [`Port::reply`](crate::Port::reply) takes its answer, under the ticket.
    Call {
        /// The face's agent.
        agent: u32,
        /// The running call.
        ticket: u64,
        /// The id of its message.
        id: MessageId,
        /// The caller, as its signature proves it.
        from: Did,
        /// Seconds since the epoch.
        issued_at: u64,
        /// What the caller signed for.
        payload: Payload,
        /// What the caller presents; its signature covers it.
        token: Option<Arc<str>>,
        /// The method asked for.
        method: Option<Box<str>>,
        /// Where the call belongs in a trace (W3C Trace Context); proves nothing.
        traceparent: Option<Box<str>>,
        /// The caller takes the answer in parts.
        in_parts: bool,
        /// Where more than the caller's DID decides: then [`Port::judge`](crate::Port::judge) says whether the handler may
        /// begin.
        guarded: Option<Box<Guarded>>,
    },
    /// Whoever was asked about a call has answered, or the call has ended: judge it again.
    Resumed {
        /// The running call.
        ticket: u64,
    },
    /// Something happened at an agent that its owner should know.
    Noted {
        /// The face's agent.
        agent: u32,
        /// What.
        error: Error,
    },
    /// The caller of a running call has given up, or waits no more by what it said, or the agent closed: abort the handler's
    /// signal.
    Cancelled {
        /// The running call.
        ticket: u64,
    },
    /// There is room for another part of the answer to a running call: [`Port::flow`](crate::Port::flow) said that there was
    /// none.
    Credit {
        /// The running call.
        ticket: u64,
    },
    /// The next part of the answer to a call of this face. [`Port::took`](crate::Port::took) says when it was read; whether
    /// the answer is whole is what [`Event::Settled`] says.
    Part {
        /// The number that [`Port::call`](crate::Port::call) gave.
        call: u64,
        /// What the one asked signed for.
        payload: Payload,
    },
    /// The other side works on a call of this face that has a `total` time.
    Progress {
        /// The number that [`Port::call`](crate::Port::call) gave.
        call: u64,
        /// How far it is.
        progress: Progress,
    },
    /// A call or send of this face has ended.
    Settled {
        /// The number that [`Port::call`](crate::Port::call) gave.
        call: u64,
        /// The id of its message.
        id: MessageId,
        /// How it ended.
        outcome: Outcome,
        /// The messages themselves, where they were wanted and the other side has answered.
        receipt: Option<Box<Receipt>>,
    },
    /// A handler's answer cannot be sent: its caller is told `HANDLER_FAILED`, this is for the log.
    Unsent {
        /// The face's agent.
        agent: u32,
        /// The id of the call.
        id: MessageId,
        /// Its caller.
        from: Did,
        /// Why.
        error: Error,
    },
    /// For the log of an agent that is told of it: a message was put into the inbox, or refused, without its face.
    Decided {
        /// The face's agent.
        agent: u32,
        /// The id of the message.
        id: MessageId,
        /// Its sender.
        from: Did,
        /// Why it was refused; none for what stands in the inbox.
        refused: Option<ErrorKind>,
    },
    /// An agent that [`Port::retire`](crate::Port::retire) was asked to let go has nothing left to do, and may be closed.
    Idle {
        /// The face's agent.
        agent: u32,
    },
    /// An agent asks something by itself: [`Port::next_deadline`](crate::Port::next_deadline) may be sooner now.
    Timed {
        /// The face's agent.
        agent: u32,
    },
    /// A newer agent of the same DID came: from now on it is the one that is called.
    Superseded {
        /// The face's agent.
        agent: u32,
    },
    /// The inbox of an agent whose face is waiting has a message.
    Arrived {
        /// The face's agent.
        agent: u32,
    },
    /// Ask the identity provider of this agent to sign; answer with [`Port::signed`](crate::Port::signed).
    Sign {
        /// The face's agent.
        agent: u32,
        /// Which asking this is.
        round: u32,
        /// What to sign.
        bytes: Vec<u8>,
    },
    /// The agent's bus was closed.
    Closed {
        /// The face's agent.
        agent: u32,
    },
}

/// What was asked, for a receipt.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Empty before it was signed.
    pub(crate) jws: Box<str>,
    pub(crate) body: Body,
}

/// A call or send and what answered it, to be shown to others: see [`xbind::record::Receipt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The JWS of the call or send.
    pub call: Box<str>,
    /// The JWS of what answered it.
    pub answer: Box<str>,
    /// The body of the call.
    pub request: Body,
    /// The body of the answer.
    pub result: Body,
}

/// How a call or send ended.
#[derive(Debug)]
pub enum Outcome {
    /// It was answered.
    Answer {
        /// By whom: the one asked, as its signature proves it.
        from: Did,
        /// What the answer carries.
        payload: Payload,
    },
    /// The message of a `send` stands in the inbox of this agent, which has signed for it.
    Delivered {
        /// The recipient.
        to: Did,
    },
    /// The message of a `send` is kept for this agent, which is away: whoever keeps it says so, and the agent has signed for nothing.
    Kept {
        /// The recipient.
        to: Did,
    },
    /// It failed here, or the other side's signed answer says so.
    Failed {
        /// What went wrong.
        error: Error,
        /// With `HANDLER_FAILED`: the JSON object that the handler chose to tell.
        remote: Option<String>,
    },
}

impl Outcome {
    /// There is no room for it, now.
    pub(crate) fn is_full(&self) -> bool {
        self.is(ErrorKind::InboxFull)
    }

    /// It failed with that.
    pub(crate) fn is(&self, kind: ErrorKind) -> bool {
        matches!(self, Self::Failed { error, .. } if error.kind() == kind)
    }
}
