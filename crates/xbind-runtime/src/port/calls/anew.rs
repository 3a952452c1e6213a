//! Calls that are signed anew, under another id.

use std::sync::Arc;
use std::time::Instant;

use xbind::MessageId;

use crate::agent::Agent;
use crate::port::anew::Again;
use crate::port::calls::{Calls, Purpose, Stage};
use crate::transport::Peer;

impl Calls {
    /// Who made a call that may be signed anew, whom it is for, and its size.
    pub(crate) fn may_be_anew(&self, number: u64) -> Option<(Arc<Agent>, Box<str>, usize)> {
        let call = self.slots.get(number)?;
        let again = call.again.as_ref().filter(|again| again.left > 0)?;
        let is_unread = call.sink.is_none_or(|sink| sink.count() == 0);
        is_unread.then(|| (call.caller.clone(), again.to.clone(), again.size()))
    }

    /// It begins anew, under another id; what it is made of.
    pub(crate) fn begin_anew(&mut self, number: u64, id: MessageId, stage: Stage) -> Option<Again> {
        let call = self.slots.get_mut(number)?;
        let again = call.again.as_mut()?;
        again.left = again.left.saturating_sub(1);
        let again = Again::clone(again);
        self.by_id.remove(&call.id);
        (call.id, call.stage, call.names_session, call.last_word) = (id, stage, false, None);
        self.by_id.insert(id, number);
        Some(again)
    }

    /// A question for a session begins anew, under another id; who asks whom, and until when.
    pub(crate) fn ask_anew(&mut self, number: u64, id: MessageId) -> Option<(Arc<Agent>, Peer, Option<Instant>)> {
        let call = self.slots.get_mut(number)?;
        let Purpose::Session(_, left) = &mut call.purpose else { return None };
        *left = left.checked_sub(1)?;
        let recipient = call.recipient.clone()?;
        self.by_id.remove(&call.id);
        (call.id, call.stage) = (id, Stage::Waiting);
        self.by_id.insert(id, number);
        Some((call.caller.clone(), recipient, call.deadline))
    }
}
