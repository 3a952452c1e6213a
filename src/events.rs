//! What happened on a port, as one flat array: a number for each kind, then its fields; ts/native/events.ts reads it.

use std::sync::Arc;

use napi::bindgen_prelude::{Array, Env, ToNapiValue, Uint8Array};
use xbind::{Did, Error, ErrorKind};
use xbind_runtime::{Event, Outcome, Payload, Port, Receipt, Reply, Senders};

use crate::convert::{BindingError, number};

/// The array's first two elements are how many are filled, and whether more events are waiting.
pub struct Events<'env> {
    env: &'env Env,
    array: Array<'env>,
    next: u32,
    senders: Senders,
}

impl<'env> Events<'env> {
    pub fn new(env: &'env Env, senders: Senders) -> napi::Result<Self> {
        Ok(Self { env, array: env.create_array(2)?, next: 2, senders })
    }

    pub fn finish(mut self, more: bool) -> (napi::Result<Array<'env>>, Senders) {
        let filled = self.array.set(0, self.next).and_then(|()| self.array.set(1, more));
        (filled.map(|()| self.array), self.senders)
    }

    /// One that cannot be converted ends its own call, and the others come through.
    pub fn push(&mut self, port: &Arc<Port>, event: Event) -> napi::Result<()> {
        let first = self.next;
        let (ticket, call) = match &event {
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
            | Event::Superseded { .. }
            | Event::Arrived { .. }
            | Event::Sign { .. }
            | Event::Closed { .. } => (None, None),
        };
        let Err(_) = self.convert(event) else { return Ok(()) };
        self.next = first;
        self.senders = Senders::default(); // its sender may be noted, and the face has not heard who that is
        if let Some(ticket) = ticket {
            port.reply(ticket, Reply::Refused(ErrorKind::PayloadTooLarge, None));
        }
        if let Some(call) = call {
            port.abandon(call); // a part of its answer is missing
            let error = Error::new(ErrorKind::PayloadTooLarge, "the answer is longer than a string can be");
            self.all(4_u32, number(call), ())?;
            self.set(BindingError::from(error))?;
            self.set(())?;
        }
        Ok(())
    }

    fn convert(&mut self, event: Event) -> napi::Result<()> {
        match event {
            Event::Call { agent, ticket, id, from, issued_at, method, traceparent, payload, guarded, .. } => {
                self.all(0_u32, agent, number(ticket))?;
                self.set(self.env.create_string_latin1(id.text())?)?;
                self.sender(&from)?;
                self.set(number(issued_at))?;
                self.set(guarded.map(|guarded| crate::guard::guarded(&guarded)))?;
                self.set(method.as_deref())?;
                self.set(traceparent.as_deref())?;
                self.payload(payload)
            }
            Event::Cancelled { ticket } => self.both(1_u32, number(ticket)),
            Event::Settled { call, outcome, receipt: Some(receipt), id } => {
                let Receipt { call: asked, answer, request, result } = *receipt;
                self.all(15_u32, number(call), &*asked)?;
                self.all(&*answer, Uint8Array::new(request), Uint8Array::new(result))?;
                self.convert(Event::Settled { call, outcome, receipt: None, id })
            }
            Event::Settled { call, id, outcome, receipt: None } => match outcome {
                Outcome::Answer { from, payload } => {
                    self.both(2_u32, number(call))?;
                    self.sender(&from)?;
                    self.payload(payload)
                }
                Outcome::Delivered { to } => {
                    self.all(3_u32, number(call), id.text())?;
                    self.set(to.as_str())
                }
                Outcome::Failed { error, remote } => {
                    self.all(4_u32, number(call), id.text())?;
                    self.both(BindingError::from(error), remote)
                }
            },
            Event::Arrived { agent } => self.both(5_u32, agent),
            Event::Sign { agent, round, bytes } => {
                self.all(6_u32, agent, round)?;
                self.set(Uint8Array::new(bytes))
            }
            Event::Closed { agent } => self.both(7_u32, agent),
            Event::Unsent { agent, id, from, error } => {
                self.all(8_u32, agent, id.text())?;
                self.both(from.as_str(), BindingError::from(error))
            }
            Event::Idle { agent } => self.both(9_u32, agent),
            Event::Superseded { agent } => self.both(10_u32, agent),
            Event::Decided { agent, id, from, refused } => {
                self.all(11_u32, agent, id.text())?;
                self.both(from.as_str(), refused.map(|kind| kind.code()))
            }
            Event::Part { call, payload } => {
                self.both(12_u32, number(call))?;
                self.payload(payload)
            }
            Event::Progress { call, progress } => {
                self.both(13_u32, number(call))?;
                self.all(progress.progress, progress.total, progress.message)
            }
            Event::Credit { ticket } => self.both(14_u32, number(ticket)),
            Event::Resumed { ticket } => self.both(20_u32, number(ticket)),
            Event::Noted { agent, error } => self.all(21_u32, agent, error.message()),
        }
    }

    /// The slot of a DID that the face knows already, or the slot in which it is to keep this one, the other way up, and the
    /// DID.
    fn sender(&mut self, did: &Did) -> napi::Result<()> {
        let (slot, is_known) = self.senders.slot_of(did);
        if is_known { self.set(slot) } else { self.both(!i32::from(slot), did.as_str()) }
    }

    /// JSON as its text, anything else as bytes.
    fn payload(&mut self, payload: Payload) -> napi::Result<()> {
        #[cfg(feature = "test-hooks")]
        if crate::hooks::is_unconvertible() {
            return Err(napi::Error::from_reason("asked for by a test"));
        }
        match payload {
            Payload::Bytes(bytes) => self.set(Uint8Array::new(bytes)),
            Payload::Json(text) if text.is_ascii() => self.set(self.env.create_string_latin1(&text)?),
            Payload::Json(text) => self.set(text),
        }
    }

    fn all(&mut self, one: impl ToNapiValue, two: impl ToNapiValue, three: impl ToNapiValue) -> napi::Result<()> {
        self.both(one, two)?;
        self.set(three)
    }

    fn both(&mut self, one: impl ToNapiValue, two: impl ToNapiValue) -> napi::Result<()> {
        self.set(one)?;
        self.set(two)
    }

    fn set(&mut self, value: impl ToNapiValue) -> napi::Result<()> {
        self.array.set(self.next, value)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }
}
