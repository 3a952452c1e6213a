//! One request with messages, and its response.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use tokio::time::{Instant, sleep, timeout};
use xbind::ErrorKind;
use xbind_runtime::Node;
use xbind_runtime::transport::{CallId, Way};

use super::address::{Address, Parcel};
use super::client::Shared;
use super::connection::{Connection, Sent, vet};
use super::frame::Frames;
use super::why;
use crate::FetchError;

/// How long connecting may take, TLS included, how long, three times, the head of a response, and how long a request with nothing
/// that anybody waits for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether anybody still waits for what a request may bring.
const LOOKING: Duration = Duration::from_secs(1);
/// What a server says that takes no request as large as this one.
const TOO_LARGE: FetchError = FetchError::Status(413);

/// The messages of a request.
pub(super) struct Load {
    pub(super) body: Bytes,
    /// Where each of them is; which call it is, if it is one.
    pub(super) pieces: Vec<(Option<CallId>, Range<usize>)>,
    pub(super) exchange: u64,
    /// They go over a connection that nothing was sent on.
    pub(super) fresh: bool,
    /// Some have left before.
    pub(super) again: bool,
}

/// The request had more bytes than are taken there, and several messages.
pub(super) struct TooLarge;

/// How an exchange ended.
enum End {
    Whole(Connection),
    /// Nobody waits for the rest.
    Unwanted,
    /// Nothing of it left.
    Kept(FetchError),
    /// Nobody knows what arrived.
    Lost(ErrorKind, FetchError),
    TooLarge,
}

impl Load {
    fn calls(&self) -> impl Iterator<Item = CallId> {
        self.pieces.iter().filter_map(|(call, _)| *call)
    }
}

impl Shared {
    pub(super) async fn exchange(self: Arc<Self>, address: &Arc<Address>, batch: Vec<Parcel>, words: bool) {
        let Some(node) = self.node.upgrade() else { return };
        let (mut body, mut pieces) = (Vec::new(), Vec::new());
        for parcel in batch.iter().filter(|parcel| parcel.call().is_none_or(|call| node.awaits(call))) {
            let from = body.len();
            if parcel.write(&mut body) {
                pieces.push((parcel.call(), from..body.len()));
            }
        }
        let again = batch.iter().any(|parcel| matches!(parcel, Parcel::Again(..)));
        drop((batch, node));
        if pieces.is_empty() {
            return;
        }
        let load = Load { body: body.into(), pieces, exchange: self.next(), fresh: false, again };
        let calls = load.pieces.iter().filter_map(|(call, range)| Some(((*call)?, load.body.slice(range.clone()))));
        address.sent(load.exchange, calls);
        if let Err(TooLarge) = self.request(address, &load).await {
            self.split(address, &load, words);
        }
    }

    /// What was in that request goes in smaller ones.
    fn split(&self, address: &Address, load: &Load, words: bool) {
        let Some(node) = self.node.upgrade() else { return };
        let goes = |call: &Option<CallId>| match call {
            Some(call) => address.is_over(load.exchange, call) && node.awaits(*call),
            None => true,
        };
        let pieces = load.pieces.iter().filter(|(call, _)| goes(call));
        let parcels = pieces.map(|(call, range)| Parcel::Again(*call, load.body.slice(range.clone())));
        address.split(words, load.body.len(), parcels.collect());
    }

    /// One exchange. What became of it is told, unless its messages are to go in smaller ones.
    pub(super) async fn request(self: &Arc<Self>, address: &Arc<Address>, load: &Load) -> Result<(), TooLarge> {
        let told = |kind, why| why::error(kind, &address.target, why);
        let end = tokio::select! {
            biased; // also where something comes all the time
            () = self.is_unwanted(load) => End::Unwanted,
            end = self.run(address, load) => end,
        };
        match end {
            End::Whole(connection) => {
                address.idle.keep(connection);
                self.ended(address, load, |node, call| {
                    if node.awaits(call) {
                        address.forget_agents(); // whoever was called has perhaps gone
                    }
                    if node.asks_session(call) {
                        node.refused(call, why::unnamed(&address.target));
                    } else {
                        node.lost_with(call, why::unanswered(&address.target));
                    }
                });
            }
            End::Unwanted => self.ended(address, load, |_, _| {}),
            End::Kept(why) => {
                address.forget_agents();
                let error = told(ErrorKind::AgentNotFound, why);
                self.ended(address, load, |node, call| node.failed_with(call, error.clone()));
            }
            End::Lost(kind, why) => {
                self.forget(address);
                let [error, unasked] = [kind, ErrorKind::AgentNotFound].map(|kind| told(kind, why));
                self.ended(address, load, |node, call| {
                    if !node.asks_session(call) {
                        node.lost_with(call, error.clone());
                    } else if kind == ErrorKind::AgentClosed {
                        node.lost_with(call, unasked.clone()); // nothing of the calls that wait for it has left
                    } else {
                        node.refused(call, unasked.clone()); // the server answers, and no agent
                    }
                });
            }
            End::TooLarge if load.pieces.len() > 1 => return Err(TooLarge),
            End::TooLarge => {
                let error = why::too_large(&address.target, load.body.len());
                self.ended(address, load, |node, call| node.refused(call, error.clone()));
            }
        }
        Ok(())
    }

    async fn run(self: &Arc<Self>, address: &Arc<Address>, load: &Load) -> End {
        let lost = |why| End::Lost(ErrorKind::AgentClosed, why);
        let mut may_have_come = load.again;
        loop {
            let kept = if load.fresh { None } else { address.idle.take() };
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(kept) if !kept.is_open() => continue,
                Some(kept) => kept,
                None => match self.connect(address).await {
                    Ok(connection) => connection,
                    Err(why) if may_have_come => return lost(why),
                    Err(why) => return End::Kept(why),
                },
            };
            let patience = PATIENCE.saturating_mul(3);
            let response = match timeout(patience, connection.send(&address.target, load.body.clone())).await {
                Ok(Sent::Answered(response)) => response,
                Ok(Sent::Kept) if reused => continue,
                // Calls name the replay window that they are for: whoever gets the same bytes again begins nothing twice.
                Ok(Sent::Lost) if reused => {
                    may_have_come = true;
                    continue;
                }
                Ok(Sent::Kept) if !may_have_come => return End::Kept(FetchError::BrokenOff),
                Ok(Sent::Kept | Sent::Lost) => return lost(FetchError::BrokenOff),
                Err(_) => return lost(late(patience)),
            };
            return match vet(&response) {
                Err(TOO_LARGE) => End::TooLarge,
                Err(why) => End::Lost(ErrorKind::AgentNotFound, why),
                Ok(()) => match self.read(address, response.into_body()).await {
                    Read::Whole if connection.is_ready().await => End::Whole(connection),
                    Read::Unwanted => End::Unwanted,
                    Read::Whole | Read::BrokenOff => lost(FetchError::BrokenOff),
                },
            };
        }
    }

    /// Until nobody waits any more for what the response may bring. Of words about calls nothing is said: they are soon done with.
    async fn is_unwanted(&self, load: &Load) {
        if load.calls().next().is_none() {
            return sleep(PATIENCE).await;
        }
        loop {
            sleep(LOOKING).await;
            let Some(node) = self.node.upgrade() else { return };
            if !load.calls().any(|call| node.awaits(call)) {
                return;
            }
        }
    }

    async fn read(&self, address: &Address, mut body: Incoming) -> Read {
        let Some(mut frames) = self.node.upgrade().map(|node| Frames::for_node(&node)) else { return Read::Unwanted };
        loop {
            let frame = body.frame().await;
            let Some(frame) = frame else {
                return if frames.end().is_ok() { Read::Whole } else { Read::BrokenOff };
            };
            let Ok(frame) = frame else { return Read::BrokenOff };
            let Ok(data) = frame.into_data() else { continue };
            let mut arrivals = Vec::new();
            let read = frames.read(&data, &mut arrivals);
            let Some(node) = self.node.upgrade() else { return Read::Unwanted };
            node.deliver(arrivals, Way { route: address.route, hold: None, only_replies: true, speaks_for: None });
            if read.is_err() {
                return Read::BrokenOff;
            }
        }
    }

    async fn connect(self: &Arc<Self>, address: &Arc<Address>) -> Result<Connection, FetchError> {
        let deadline = Instant::now().checked_add(PATIENCE).ok_or(late(PATIENCE))?;
        let closed = {
            let (shared, address) = (Arc::downgrade(self), Arc::downgrade(address));
            move || {
                if let (Some(shared), Some(address)) = (shared.upgrade(), address.upgrade()) {
                    address.idle.drop_closed();
                    shared.forget(&address);
                }
            }
        };
        let connecting =
            async { Connection::over(self.ways.open(&address.target, address.whose, deadline).await?, closed).await };
        timeout(PATIENCE, connecting).await.unwrap_or(Err(late(PATIENCE)))
    }

    /// Whoever is there next may be another process.
    fn forget(&self, address: &Address) {
        address.forget_agents();
        if let Some(node) = self.node.upgrade() {
            node.forget_sessions(address.route);
        }
    }

    fn ended(&self, address: &Address, load: &Load, end: impl Fn(&Arc<Node>, CallId)) {
        let over: Vec<_> = load.calls().filter(|call| address.is_over(load.exchange, call)).collect();
        if let Some(node) = self.node.upgrade() {
            over.into_iter().for_each(|call| end(&node, call));
        }
    }
}

fn late(patience: Duration) -> FetchError {
    FetchError::Timeout(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX))
}

enum Read {
    /// To its end.
    Whole,
    BrokenOff,
    /// Nobody waits for the rest.
    Unwanted,
}
