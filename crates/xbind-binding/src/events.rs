//! What happened on a port, as one flat list: a number for each kind, then its fields. ts/native/events.ts reads it, from a
//! [`Tape`](crate::tape::Tape).

use std::sync::Arc;

use xbind::{Did, Error, ErrorKind, Handled, MessageId};
use xbind_runtime::{Event, Outcome, Payload, Port, Receipt, Reply, Senders};

pub use xbind_runtime::Letter;

use crate::guard::guarded;
use crate::spare;

/// A value of such a list.
pub enum Value<'a> {
    /// Nothing.
    None,
    /// A small whole number.
    Small(i32),
    /// A whole number of at least 0.
    Whole(u64),
    /// Any other number.
    Number(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A failure.
    Failure(Error),
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::None, Value::Text)
    }
}

impl From<Option<f64>> for Value<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::None, Value::Number)
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

/// A list in the making, of the face's own values.
pub trait List {
    /// Why a value cannot be made.
    type Error;
    /// How far a list goes.
    type Mark;

    /// Adds a value.
    ///
    /// # Errors
    /// The face's.
    fn push(&mut self, value: Value<'_>) -> Result<(), Self::Error>;

    /// How far it goes.
    fn mark(&self) -> Self::Mark;

    /// Forgets what came since then.
    fn cut(&mut self, mark: Self::Mark);
}

/// Writes what happened. An event that cannot be converted ends its own call, and the others come through.
///
/// # Errors
/// What the list gives for the failure of a call.
pub(crate) fn write<L: List>(
    list: &mut L,
    port: &Arc<Port>,
    senders: &mut Senders,
    happened: Vec<Event>,
) -> Result<(), L::Error> {
    for event in happened {
        let first = list.mark();
        let (ticket, call) = of(&event);
        let Err(_) = Writer { list, senders }.event(event) else { continue };
        list.cut(first);
        *senders = Senders::default(); // its sender may be noted, and the face has not heard who that is
        if let Some(ticket) = ticket {
            port.reply(ticket, Reply::Refused(ErrorKind::PayloadTooLarge, None));
        }
        if let Some(call) = call {
            let _ = port.abandon(call); // a part of its answer is missing
            let error = Error::new(ErrorKind::PayloadTooLarge, "the answer is longer than a string can be")
                .with_handled(Handled::Yes);
            let lost = [Value::Small(4), call.into(), Value::None, Value::Failure(error), Value::None];
            lost.into_iter().try_for_each(|value| list.push(value))?;
        }
    }
    Ok(())
}

/// The ticket or the call of an event with content.
const fn of(event: &Event) -> (Option<u64>, Option<u64>) {
    match event {
        Event::Call { ticket, .. } => (Some(*ticket), None),
        Event::Settled { call, .. } | Event::Part { call, .. } => (None, Some(*call)),
        Event::Cancelled { .. }
        | Event::Resumed { .. }
        | Event::Noted { .. }
        | Event::Credit { .. }
        | Event::Progress { .. }
        | Event::Unsent { .. }
        | Event::Decided { .. }
        | Event::Idle { .. }
        | Event::Timed { .. }
        | Event::Superseded { .. }
        | Event::Arrived { .. }
        | Event::Sign { .. }
        | Event::Closed { .. } => (None, None),
    }
}

/// Writes messages of an inbox, five values each: one-way (1) or not (0), id, sender, seconds, content.
///
/// # Errors
/// What the list gives.
pub fn write_letters<L: List>(list: &mut L, letters: Vec<Letter>) -> Result<(), L::Error> {
    for letter in letters {
        list.push(Value::Small(letter.one_way.into()))?;
        list.push(Value::Text(&letter.id.text()))?;
        list.push(Value::Text(letter.from.as_str()))?;
        list.push(letter.issued_at.into())?;
        write_payload(list, letter.payload)?;
    }
    Ok(())
}

fn write_payload<L: List>(list: &mut L, payload: Payload) -> Result<(), L::Error> {
    match payload {
        Payload::Json(text) => {
            let pushed = list.push(Value::Text(&text));
            spare::keep(text.into_bytes());
            pushed
        }
        Payload::Bytes(bytes) => list.push(Value::Bytes(bytes)),
    }
}

struct Writer<'a, L> {
    list: &'a mut L,
    senders: &'a mut Senders,
}

impl<L: List> Writer<'_, L> {
    fn event(&mut self, event: Event) -> Result<(), L::Error> {
        match event {
            Event::Call { agent, ticket, id, from, issued_at, method, traceparent, payload, guarded: asks, .. } => {
                self.kind(0, agent)?;
                self.push(ticket)?;
                self.push(Some(id.text().as_str()))?;
                self.sender(&from)?;
                self.push(issued_at)?;
                self.push(asks.map(|asks| guarded(&asks)).as_deref())?;
                self.push(method.as_deref())?;
                self.push(traceparent.as_deref())?;
                write_payload(self.list, payload)
            }
            Event::Cancelled { ticket } => self.kind(1, ticket),
            Event::Settled { call, id, outcome, receipt } => {
                if let Some(receipt) = receipt {
                    self.receipt(call, *receipt)?;
                }
                self.settled(call, &id, outcome)
            }
            Event::Arrived { agent } => self.kind(5, agent),
            Event::Sign { agent, round, bytes } => {
                self.kind(6, agent)?;
                self.push(u64::from(round))?;
                self.list.push(Value::Bytes(bytes))
            }
            Event::Closed { agent } => self.kind(7, agent),
            Event::Unsent { agent, id, from, error } => {
                self.kind(8, agent)?;
                self.push(Some(id.text().as_str()))?;
                self.push(Some(from.as_str()))?;
                self.list.push(Value::Failure(error))
            }
            Event::Idle { agent } => self.kind(9, agent),
            Event::Superseded { agent } => self.kind(10, agent),
            Event::Timed { agent } => self.kind(23, agent),
            Event::Decided { agent, id, from, refused } => {
                self.kind(11, agent)?;
                self.push(Some(id.text().as_str()))?;
                self.push(Some(from.as_str()))?;
                self.push(refused.map(ErrorKind::code))
            }
            Event::Part { call, payload } => {
                self.kind(12, call)?;
                write_payload(self.list, payload)
            }
            Event::Progress { call, progress } => {
                self.kind(13, call)?;
                self.push(progress.progress)?;
                self.push(progress.total)?;
                self.push(progress.message.as_deref())
            }
            Event::Credit { ticket } => self.kind(14, ticket),
            Event::Resumed { ticket } => self.kind(20, ticket),
            Event::Noted { agent, error } => {
                self.kind(21, agent)?;
                self.push(Some(error.message()))
            }
        }
    }

    /// The end of the call follows.
    fn receipt(&mut self, call: u64, receipt: Receipt) -> Result<(), L::Error> {
        self.kind(15, call)?;
        self.push(Some(&*receipt.call))?;
        self.push(Some(&*receipt.answer))?;
        self.list.push(Value::Bytes(receipt.request))?;
        self.list.push(Value::Bytes(receipt.result))
    }

    fn settled(&mut self, call: u64, id: &MessageId, outcome: Outcome) -> Result<(), L::Error> {
        match outcome {
            Outcome::Answer { from, payload } => {
                self.kind(2, call)?;
                self.sender(&from)?;
                write_payload(self.list, payload)
            }
            Outcome::Delivered { to } => {
                self.kind(3, call)?;
                self.push(Some(id.text().as_str()))?;
                self.push(Some(to.as_str()))
            }
            Outcome::Kept { to } => {
                self.kind(22, call)?;
                self.push(Some(id.text().as_str()))?;
                self.push(Some(to.as_str()))
            }
            Outcome::Failed { error, remote } => {
                self.kind(4, call)?;
                self.push(Some(id.text().as_str()))?;
                self.list.push(Value::Failure(error))?;
                self.push(remote.as_deref())
            }
        }
    }

    /// The slot of a DID that the face knows already, or the slot in which it is to keep this one, the other way up, and the
    /// DID.
    fn sender(&mut self, did: &Did) -> Result<(), L::Error> {
        let (slot, is_known) = self.senders.slot_of(did);
        if is_known {
            return self.list.push(Value::Small(slot.into()));
        }
        self.list.push(Value::Small(!i32::from(slot)))?;
        self.push(Some(did.as_str()))
    }

    /// The kind of an event, and the agent, call or ticket that it is of.
    fn kind(&mut self, kind: i32, of: impl Into<u64>) -> Result<(), L::Error> {
        self.list.push(Value::Small(kind))?;
        self.push(of.into())
    }

    fn push<'v>(&mut self, value: impl Into<Value<'v>>) -> Result<(), L::Error> {
        self.list.push(value.into())
    }
}
