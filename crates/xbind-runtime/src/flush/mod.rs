//! Seals what agents have to say, a signature per agent and batch, and sends it on its way. A few messages are worked off
//! on the calling thread, many on worker threads.

pub(crate) mod batching;
pub(crate) mod misfit;
pub(crate) mod pool;
pub(crate) mod refusal;

use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use xbind::message::details::MAX_DEADLINE_MS;
use xbind::{Details, Draft, Error, ErrorKind, Handled, InReplyTo, Op, References, Result, Sealed, Unsigned};

use crate::agent::outbox::Outgoing;
use crate::agent::{Agent, closed};
use crate::flush::misfit::Misfits;
use crate::flush::refusal::Refusal;
use crate::node::secrecy::encrypt_all;
use crate::port::event::Outcome;
use crate::sync::Lock;
use crate::transport::{CallId, Departure, Peer, Remote, Route, local};

/// Works off one batch of each of these agents.
pub(crate) fn work_off(agents: Vec<Arc<Agent>>) {
    for agent in agents {
        let _entry = crate::sync::after::enter(); // each by itself: its recipients need not wait for the others
        if work_off_one(&agent) {
            agent.batch_done();
        }
    }
}

/// False if its identity provider signs; `Agent::signed` goes on from there.
fn work_off_one(agent: &Arc<Agent>) -> bool {
    let mut batch = agent.take_batch();
    let sealed = catch_unwind(AssertUnwindSafe(|| seal(agent, &mut batch)));
    match sealed {
        Ok(Ok(Some(sealed))) => carry(agent, sealed, batch),
        Ok(Ok(None)) => return false,
        Ok(Err(error)) => fail(agent, batch, &error),
        Err(_) => fail(agent, batch, &internal()),
    }
    true
}

/// What a closing agent still has to tell callers elsewhere.
pub(crate) fn last_words(agent: &Arc<Agent>) {
    if !agent.is_remote() {
        while agent.outbox_len() > 0 {
            work_off_one(agent);
        }
    }
}

fn seal(agent: &Arc<Agent>, batch: &mut Vec<Outgoing>) -> Result<Option<Vec<Sealed>>> {
    #[cfg(feature = "test-hooks")]
    crate::hooks::maybe_panic();
    if agent.is_remote() {
        batch.retain(|outgoing| outgoing.is_awaited(agent)); // its provider may have kept it waiting for long
    }
    if batch.is_empty() {
        return Ok(Some(Vec::new()));
    }
    encrypt_all(agent, batch);
    if batch.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let issued_at = agent.node.time().unix();
    let drafts = batch.iter().map(|outgoing| Draft {
        op: outgoing.op,
        to: *outgoing.to.did(),
        id: outgoing.id,
        issued_at,
        ttl: match &outgoing.to {
            Peer::Here(_) => agent.options.message_ttl,
            Peer::There(remote) if outgoing.op == Op::Mail => agent.node.keeps(remote).unwrap_or(1),
            Peer::There(remote) => agent.node.limits(remote.route).message_ttl,
        },
        content_type: outgoing.content_type,
        body: &outgoing.body,
        token: outgoing.token.as_deref(),
        in_reply_to: outgoing.in_reply_to,
        details: Details { deadline_ms: waits(agent, outgoing), ..outgoing.details.as_deref() },
    });
    let unsigned = Unsigned::new(agent.did(), drafts)?;
    if agent.is_remote() {
        agent.ask_signature(unsigned, take(batch));
        return Ok(None);
    }
    let signature = agent.with_key(|key| key.sign(unsigned.to_sign()));
    Ok(Some(unsigned.finish(&signature.ok_or_else(closed)?)))
}

/// How long the caller of a call to elsewhere still waits, in milliseconds; whoever is here sees when it waits no more.
fn waits(caller: &Agent, outgoing: &Outgoing) -> Option<u64> {
    let until = outgoing.until.filter(|_| matches!(outgoing.to, Peer::There(_)))?;
    let left = until.saturating_duration_since(caller.node.time().now()).as_millis();
    Some(u64::try_from(left).unwrap_or(MAX_DEADLINE_MS).clamp(1, MAX_DEADLINE_MS))
}

/// Notes what was sealed with the pending calls and carries each message to its recipient.
pub(crate) fn carry(sender: &Arc<Agent>, sealed: Vec<Sealed>, mut batch: Vec<Outgoing>) {
    // Only what is asked is ever answered, so only its digest is needed.
    let Some(references) = sealed.first().map(References::like) else { return };
    let requests: Vec<_> =
        sealed.iter().zip(&batch).map(|(sealed, out)| out.call.map(|_| references.to(sealed))).collect();
    let wanted: Vec<bool> = {
        let mut calls = sender.port.calls.guard();
        let mut still_wanted = |outgoing: &Outgoing, request: &Option<InReplyTo>, sealed: &Sealed| {
            let Some((call, request)) = outgoing.call.zip(request.as_ref()) else { return true };
            calls.sealed(call, request.digest, &sealed.jws, outgoing.details.session.is_some())
        };
        let each = batch.iter().zip(&requests).zip(&sealed);
        each.map(|((outgoing, request), sealed)| still_wanted(outgoing, request, sealed)).collect()
    };
    let mut leaving: Vec<(Route, Vec<Departure>)> = Vec::new();
    let mut misfits = Misfits::default();
    for (((sealed, outgoing), request), wanted) in sealed.into_iter().zip(&mut batch).zip(requests).zip(wanted) {
        if !wanted {
            continue; // the caller gave up before it was sealed
        }
        match &outgoing.to {
            Peer::Here(recipient) => {
                let recipient = recipient.clone();
                carry_here(sender, &recipient, &sealed.jws, outgoing, request);
            }
            Peer::There(remote) => {
                let Remote { did: to, route } = ***remote;
                if misfits.came_after(outgoing) {
                    continue;
                }
                if let Err(error) = sender.node.check_fits(route, sealed.jws.len().saturating_add(outgoing.size())) {
                    misfits.add(sender, outgoing, error);
                    continue;
                }
                let hold = remote.hold.clone();
                let call = outgoing.call.map(|_| CallId { caller: *sender.did(), id: outgoing.id });
                let (body, token) = (take(&mut outgoing.body).into_bytes(), outgoing.token.take());
                let departure = Departure { from: *sender.did(), to, call, jws: sealed.jws, body, token, hold };
                match leaving.iter_mut().find(|(other, _)| *other == route) {
                    Some((_, departures)) => departures.push(departure),
                    None => leaving.push((route, vec![departure])),
                }
            }
        }
    }
    for (route, departures) in leaving {
        for (call, error) in sender.node.depart(route, departures) {
            if let Some(id) = call {
                sender.settle_request(&id, Outcome::Failed { error, remote: None });
            }
        }
    }
}

fn carry_here(
    sender: &Arc<Agent>,
    recipient: &Arc<Agent>,
    jws: &str,
    outgoing: &mut Outgoing,
    request: Option<InReplyTo>,
) {
    let (op, id, answers) = (outgoing.op, outgoing.id, outgoing.in_reply_to);
    let carried = catch_unwind(AssertUnwindSafe(|| local::carry(sender, recipient, jws, outgoing, request)));
    let unknown = |_| Err(internal().with_handled(Handled::Unknown));
    let Err(error) = carried.unwrap_or_else(unknown) else { return };
    let error = if error.handled().is_none() { error.with_handled(Handled::No) } else { error };
    let outcome = Outcome::Failed { error, remote: None };
    match answers {
        None => sender.settle_request(&id, outcome),
        Some(_) if op == Op::Progress => {} // it says nothing that anybody has to know
        Some(request) => recipient.settle_request(&request.id, outcome),
    }
}

/// Nothing of this batch leaves. Callers of the agent learn that it could not answer, its own calls why.
pub(crate) fn fail(agent: &Arc<Agent>, batch: Vec<Outgoing>, error: &Error) {
    for outgoing in batch {
        match (outgoing.in_reply_to, &outgoing.to) {
            (None, _) => {
                let outcome = Outcome::Failed { error: error.clone(), remote: None };
                agent.settle_request(&outgoing.id, outcome);
            }
            (Some(_), _) if outgoing.op == Op::Progress => {}
            (Some(request), Peer::Here(caller)) => {
                let kind = if error.kind() == ErrorKind::Internal { error.kind() } else { ErrorKind::HandlerFailed };
                let (error, remote) = Refusal::of(kind).into_error(agent.did());
                let error = error.with_handled(Handled::Unknown);
                caller.settle_request(&request.id, Outcome::Failed { error, remote });
            }
            (Some(_), Peer::There(_)) => {} // nothing can be told them without a signature
        }
    }
}

pub(crate) fn internal() -> Error {
    Error::new(ErrorKind::Internal, "an internal fault ended this call")
        .with_hint("report it with the steps that led here")
}
