//! Many commands and events at once: each crossing of the border costs more than what one of them carries. They lie as
//! words (32-bit numbers) and UTF-8 text in one piece of memory, which ts/crossing.ts makes and describes.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Array, Env, ToNapiValue, Uint8Array};
use xbind::{Did, MessageId};
use xbind_runtime::{Event, NewCall, Outcome, Payload, Port, Reply};

use crate::convert::BindingError;

/// Where things lie in the memory, in bytes: commands, then events, then text.
const EVENTS_AT: usize = 16 << 10;
const TEXT_AT: usize = 32 << 10;

/// The most words of an event.
const EVENT_WORDS: usize = 10;
/// The most events that have room, behind the two words of their head.
pub const MOST_EVENTS: usize = ((TEXT_AT - EVENTS_AT) / 4 - 2) / EVENT_WORDS;

/// Text of more bytes crosses by itself, as does what comes after so much.
const LONG_TEXT: usize = 16 << 10;
const MOST_TEXT: usize = 64 << 10;

/// Does what `words` words of commands ask for. A face that writes nonsense is heard up to there.
pub fn submit(port: &Arc<Port>, memory: &[u8], words: usize) {
    let (Some(commands), Some(text)) = (memory.get(..EVENTS_AT), memory.get(TEXT_AT..)) else { return };
    let (commands, _) = commands.as_chunks();
    let mut commands = Commands { words: commands.iter().take(words), text };
    while commands.next(port).is_some() {}
}

struct Commands<'a> {
    words: std::iter::Take<std::slice::Iter<'a, [u8; 4]>>,
    text: &'a [u8],
}

impl<'a> Commands<'a> {
    fn next(&mut self, port: &Port) -> Option<()> {
        match self.word()? {
            0 => {
                let agent = self.word()?;
                let number = self.number()?;
                let flags = self.word()?;
                let timeout = Duration::from_millis(self.word()?.into());
                let (to, content) = (self.word()?, self.word()?);
                let token = if flags & 2 == 0 { None } else { Some(self.word()?) };
                let to = self.text(to)?;
                let payload = Payload::Json(self.text(content)?.to_owned());
                let token = match token {
                    Some(length) => Some(self.text(length)?.to_owned()),
                    None => None,
                };
                let one_way = flags & 1 != 0;
                port.call(NewCall { number, agent, to, payload, one_way, timeout: Some(timeout), token });
            }
            1 => {
                let ticket = self.number()?;
                let length = self.word()?;
                let value = self.text(length)?.to_owned();
                port.reply(ticket, Reply::Payload(Payload::Json(value)));
            }
            _ => return None,
        }
        Some(())
    }

    fn word(&mut self) -> Option<u32> {
        self.words.next().map(|bytes| u32::from_ne_bytes(*bytes))
    }

    fn number(&mut self) -> Option<u64> {
        Some(wide(self.word()?, self.word()?))
    }

    fn text(&mut self, length: u32) -> Option<&'a str> {
        let (text, rest) = self.text.split_at_checked(usize::try_from(length).ok()?)?;
        self.text = rest;
        std::str::from_utf8(text).ok()
    }
}

/// A number of two words, the lower one first.
pub fn wide(low: u32, high: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

/// What `flush` has to say, as words. What words cannot hold goes into an array: the bodies' text in one piece, then the
/// strings, bytes and objects of the events, in the order in which they are read.
pub struct Events<'a, 'env> {
    env: &'env Env,
    kept: &'a mut Kept,
    beside: Array<'env>,
    next: u32,
}

/// What a port keeps from flush to flush.
#[derive(Default)]
pub struct Kept {
    senders: Senders,
    words: Vec<u32>,
    text: String,
}

impl<'a, 'env> Events<'a, 'env> {
    pub fn new(env: &'env Env, kept: &'a mut Kept) -> napi::Result<Self> {
        kept.words.clear();
        kept.text.clear();
        Ok(Self { env, kept, beside: env.create_array(1)?, next: 1 })
    }

    /// The words go into the memory, behind their count and whether more events are waiting.
    pub fn finish(mut self, memory: &mut [u8], more: bool) -> napi::Result<Array<'env>> {
        let head = [u32::try_from(self.kept.words.len()).unwrap_or(u32::MAX), more.into()];
        let (places, _) = memory.get_mut(EVENTS_AT..TEXT_AT).unwrap_or_default().as_chunks_mut();
        for (place, word) in places.iter_mut().zip(head.iter().chain(&self.kept.words)) {
            *place = word.to_ne_bytes();
        }
        self.beside.set(0, self.env.create_string_latin1(&self.kept.text)?)?;
        Ok(self.beside)
    }

    pub fn push(&mut self, event: Event) -> napi::Result<()> {
        match event {
            Event::Call { agent, ticket, id, from, issued_at, payload, token } => {
                self.kept.words.extend([0, agent]);
                self.number(ticket);
                self.beside(self.env.create_string_latin1(id.text())?)?;
                self.sender(&from)?;
                self.number(issued_at);
                self.kept.words.push(token.is_some().into());
                if token.is_some() {
                    self.beside(token)?;
                }
                self.payload(payload)
            }
            Event::Cancelled { ticket } => {
                self.kept.words.push(1);
                self.number(ticket);
                Ok(())
            }
            Event::Settled { call, id, outcome } => self.outcome(call, id, outcome),
            Event::Arrived { agent } => {
                self.kept.words.extend([5, agent]);
                Ok(())
            }
            Event::Sign { agent, time, bytes } => {
                self.kept.words.extend([6, agent, time]);
                self.beside(Uint8Array::new(bytes))
            }
            Event::Closed { agent } => {
                self.kept.words.extend([7, agent]);
                Ok(())
            }
            Event::Unsent { agent, error } => {
                self.kept.words.extend([8, agent]);
                self.beside(BindingError::from(error))
            }
        }
    }

    fn outcome(&mut self, call: u64, id: Option<MessageId>, outcome: Outcome) -> napi::Result<()> {
        self.kept.words.push(match outcome {
            Outcome::Answer(_) => 2,
            Outcome::Delivered { .. } => 3,
            Outcome::Failed { .. } => 4,
        });
        self.number(call);
        let id = id.map(|id| id.text());
        match outcome {
            Outcome::Answer(payload) => self.payload(payload),
            Outcome::Delivered { to } => {
                self.beside(id)?;
                self.beside(to.as_str())
            }
            Outcome::Failed { error, remote } => {
                self.beside(id)?;
                self.beside(BindingError::from(error))?;
                self.beside(remote)
            }
        }
    }

    fn number(&mut self, number: u64) {
        let low = u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
        let high = u32::try_from(number >> 32).unwrap_or_default();
        self.kept.words.extend([low, high]);
    }

    /// The slot of a DID that the face knows already, or, the other way up, the slot in which it is to keep this one.
    fn sender(&mut self, did: &Did) -> napi::Result<()> {
        let (slot, is_known) = self.kept.senders.slot_of(did);
        self.kept.words.push(if is_known { slot } else { !slot });
        if is_known { Ok(()) } else { self.beside(did.as_str()) }
    }

    /// The length of short ASCII JSON, whose text joins that of the others; else the most there is, and the payload goes
    /// beside: JSON as its text, anything else as bytes.
    fn payload(&mut self, payload: Payload) -> napi::Result<()> {
        let text = match payload {
            Payload::Json(text) => text,
            Payload::Bytes(bytes) => {
                self.kept.words.push(u32::MAX);
                return self.beside(Uint8Array::new(bytes));
            }
        };
        if !text.is_ascii() {
            self.kept.words.push(u32::MAX);
            return self.beside(text);
        }
        if text.len() > LONG_TEXT || self.kept.text.len() > MOST_TEXT {
            self.kept.words.push(u32::MAX);
            return self.beside(self.env.create_string_latin1(&text)?);
        }
        self.kept.text.push_str(&text);
        self.kept.words.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    fn beside(&mut self, value: impl ToNapiValue) -> napi::Result<()> {
        self.beside.set(self.next, value)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }
}

/// The DIDs that the face keeps as strings: making one for every call would cost more. A public key has one place where
/// it may be kept, and drives out the one that was there.
#[derive(Default)]
struct Senders {
    kept: Vec<[u8; 32]>,
}

impl Senders {
    const SLOTS: u16 = 4096;

    fn slot_of(&mut self, did: &Did) -> (u32, bool) {
        if self.kept.is_empty() {
            self.kept.resize(Self::SLOTS.into(), [0; 32]);
        }
        let key = did.public_key();
        let slot = key.first_chunk().map_or(0, |bytes| u16::from_ne_bytes(*bytes)) % Self::SLOTS;
        let Some(kept) = self.kept.get_mut(usize::from(slot)) else { return (0, false) };
        (slot.into(), std::mem::replace(kept, *key) == *key)
    }
}
