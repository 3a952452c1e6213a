//! What a port tells its face.

use xbind::{Did, Error, MessageId, VerifiedMessage};

/// A body on the bus: raw bytes, shared by nobody.
pub type Body = Vec<u8>;

/// The media type of a body that holds JSON.
pub const JSON: &str = "application/json";
/// The media type of a body of plain bytes.
pub const OCTETS: &str = "application/octet-stream";

/// Something that the face has to do, in the order in which it happened.
#[derive(Debug)]
pub enum Event {
    /// Run the handler of this agent; answer with [`Port::reply`](crate::Port::reply) under the ticket.
    Call {
        /// The face's agent.
        agent: u32,
        /// The running call.
        ticket: u64,
        /// The opened request.
        message: Box<VerifiedMessage<Body>>,
        /// What the caller presents; its signature covers it.
        token: Option<String>,
    },
    /// The caller of a running call has given up, or the agent closed: abort the handler's signal.
    Cancelled {
        /// The running call.
        ticket: u64,
    },
    /// A call or send of this face has ended.
    Settled {
        /// The number that [`Port::call`](crate::Port::call) was given.
        call: u64,
        /// The id of its message; none if it could not begin.
        id: Option<MessageId>,
        /// How it ended.
        outcome: Outcome,
    },
    /// A handler's answer cannot be sent: its caller is told `HANDLER_FAILED`, this is for the log.
    Unsent {
        /// The face's agent.
        agent: u32,
        /// Why.
        error: Error,
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
        time: u32,
        /// What to sign.
        bytes: Vec<u8>,
    },
    /// The agent's bus was closed.
    Closed {
        /// The face's agent.
        agent: u32,
    },
}

/// How a call or send ended.
#[derive(Debug)]
pub enum Outcome {
    /// The opened answer.
    Answer(Box<VerifiedMessage<Body>>),
    /// The message of a `send` stands in the inbox of this agent, which has signed for it.
    Delivered {
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
