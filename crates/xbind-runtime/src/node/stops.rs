//! Who may act: an identity can be stopped, here by the owner of the node, or everywhere by operators.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use xbind::{Did, Error, ErrorKind, Result, Standing, VerifiedToken, VerifyingKey};

use crate::node::Node;
use crate::sync::Lock;
use crate::sync::after::enter;

/// Says what is known of those who were stopped elsewhere. It is asked often, on any thread, and answers at once; it does not
/// call the node.
pub trait Overseer: Send + Sync {
    /// Whether that identity may act, at that time in seconds since the epoch. Of whom nobody knows, nothing is served.
    fn of_agent(&self, did: &Did, now: u64) -> Standing;
    /// Whether a token, or a link of one, of that id stands.
    fn of_token(&self, id: &str, now: u64) -> Standing;
}

#[derive(Default)]
pub(crate) struct Stops {
    /// Identities that may neither call nor be called here any more.
    here: RwLock<HashSet<Did>>,
    any_here: AtomicBool,
    overseer: OnceLock<Arc<dyn Overseer>>,
}

impl Node {
    /// Stops an identity on this node, at once and for good: see [`Node::end_identity`].
    pub fn stop(self: &Arc<Self>, did: &Did) {
        self.stops.here.write().unwrap_or_else(PoisonError::into_inner).insert(*did);
        self.stops.any_here.store(true, Ordering::Release);
        self.end_identity(did);
    }

    /// Asks somebody else as well who was stopped. False if somebody is asked already.
    pub fn oversee(&self, overseer: Arc<dyn Overseer>) -> bool {
        self.stops.overseer.set(overseer).is_ok()
    }

    /// Ends what an identity does here, which was stopped just now: its queued and running calls, and those to it, end with
    /// `REVOKED`, what it has sent leaves inboxes and queues, handlers that work for it see their signal abort, none begins any more,
    /// and it can neither call nor be called. It approves nothing more, and tokens that it has issued or delegated count no more.
    pub fn end_identity(self: &Arc<Self>, did: &Did) {
        let _entry = enter();
        for agent in self.agents_of(did) {
            self.directory.guard().give_up(&agent); // one that has not shown its key need not any more
            agent.record_own("agent.stopped");
            agent.end_all(ErrorKind::Revoked);
            self.seek_again(&agent);
        }
        for agent in self.all_agents() {
            agent.drop_sender(did);
        }
        self.each_port(|port| port.end_with(self, did));
    }

    /// Whether none of these was stopped, and that is known.
    pub(crate) fn check_running(&self, dids: &[&Did]) -> Result<()> {
        if self.stops.any_here.load(Ordering::Acquire) {
            let all = self.stops.here.read().unwrap_or_else(PoisonError::into_inner);
            dids.iter().find(|did| all.contains(**did)).map_or(Ok(()), |did| Err(stopped(did)))?;
        }
        let Some(overseer) = self.stops.overseer.get() else { return Ok(()) };
        let now = self.time().unix();
        dids.iter().try_for_each(|did| match overseer.of_agent(did, now) {
            Standing::Valid => Ok(()),
            Standing::Revoked => Err(stopped(did)),
            Standing::Unknown => Err(unknown()),
        })
    }

    /// Whether that identity was stopped, as far as is known.
    #[must_use]
    pub fn is_stopped(&self, did: &Did) -> bool {
        self.check_running(&[did]).is_err_and(|error| error.kind() == ErrorKind::Revoked)
    }

    /// Whether nothing through which these rights came was stopped: neither who issued the token, nor who delegated it, nor one
    /// of its links.
    pub(crate) fn check_chain(&self, token: &VerifiedToken) -> Result<()> {
        let overseer = self.stops.overseer.get();
        if overseer.is_none() && !self.stops.any_here.load(Ordering::Acquire) {
            return Ok(());
        }
        let now = self.time().unix();
        if let Some(overseer) = overseer {
            token.links().iter().try_for_each(|link| match overseer.of_token(&link.id, now) {
                Standing::Valid => Ok(()),
                Standing::Revoked => Err(Error::new(ErrorKind::Revoked, "an operator has stopped the token")),
                Standing::Unknown => Err(unknown()),
            })?;
        }
        let mut keys = token.chain().filter_map(|name| VerifyingKey::from_did(name).ok());
        keys.try_for_each(|key| self.check_running(&[key.did()]))
    }
}

pub(crate) fn stopped(did: &Did) -> Error {
    Error::new(ErrorKind::Revoked, format!("{did} was stopped on this bus"))
        .with_hint("ask whoever runs the bus; a stopped identity stays stopped")
}

fn unknown() -> Error {
    Error::new(ErrorKind::RevocationUnknown, "nobody here knows whom the operators have stopped: nothing is served")
        .with_hint("see that every operator's heartbeat is written, and that the broker is reached; then try again")
}
