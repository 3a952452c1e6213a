//! Seals what agents have to say, a signature per agent and batch, opens it for the recipients and hands it over. A few
//! messages are worked off on the calling thread, many on worker threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use xbind::{Draft, Error, ErrorKind, InReplyTo, MessageId, Op, Recipient, Result, Sealed, Unsigned, open};

use crate::agent::{Agent, Outgoing, Request};
use crate::calls::Call;
use crate::clock;
use crate::event::{Outcome, Payload};
use crate::refusal::Refusal;
use crate::sync::Lock;

/// Works off one batch of each of these agents.
pub(crate) fn work_off(agents: Vec<Arc<Agent>>) {
    for agent in agents {
        let mut batch = agent.take_batch();
        let sealed = catch_unwind(AssertUnwindSafe(|| seal(&agent, &mut batch)));
        match sealed {
            Ok(Ok(Some(sealed))) => deliver(&agent, sealed, batch),
            Ok(Ok(None)) => continue, // its identity provider signs; Agent::signed goes on from there
            Ok(Err(error)) => fail(&agent, batch, &error),
            Err(_) => fail(&agent, batch, &internal()),
        }
        agent.batch_done();
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
    let issued_at = clock::now();
    let drafts: Vec<_> = batch
        .iter()
        .map(|outgoing| Draft {
            op: outgoing.op,
            to: *outgoing.to.did(),
            id: outgoing.id,
            issued_at,
            ttl: agent.message_ttl(),
            content_type: outgoing.content_type,
            body: &outgoing.body,
            token: outgoing.token.as_deref(),
            in_reply_to: outgoing.in_reply_to,
        })
        .collect();
    let unsigned = Unsigned::new(agent.did(), &drafts)?;
    drop(drafts);
    if agent.is_remote() {
        agent.ask_signature(unsigned, std::mem::take(batch));
        return Ok(None);
    }
    let signature = agent.with_key(|key| key.sign(unsigned.to_sign()));
    let signature = signature.ok_or_else(|| Error::new(ErrorKind::AgentClosed, "this agent is closed"))?;
    Ok(Some(unsigned.finish(&signature)))
}

/// Notes what was sealed with the pending calls and carries each message to its recipient.
pub(crate) fn deliver(sender: &Arc<Agent>, sealed: Vec<Sealed>, batch: Vec<Outgoing>) {
    // Only what is asked is ever answered, so only its digest is needed.
    let requests: Vec<_> =
        sealed.iter().zip(&batch).map(|(sealed, out)| out.call.map(|_| sealed.reference())).collect();
    let wanted: Vec<bool> = {
        let mut calls = sender.port.calls.guard();
        let still_wanted = |(outgoing, request): (&Outgoing, &Option<InReplyTo>)| match (outgoing.call, request) {
            (Some(call), Some(request)) => calls.sealed(call, request.digest),
            _ => true,
        };
        batch.iter().zip(&requests).map(still_wanted).collect()
    };
    for (((sealed, outgoing), request), wanted) in sealed.iter().zip(batch).zip(requests).zip(wanted) {
        if !wanted {
            continue; // the caller gave up before it was sealed
        }
        let (id, to, answers) = (outgoing.id, outgoing.to.clone(), outgoing.in_reply_to);
        let carried = catch_unwind(AssertUnwindSafe(|| carry(sender, &sealed.jws, outgoing, request)));
        let Err(error) = carried.unwrap_or_else(|_| Err(internal())) else { continue };
        let outcome = Outcome::Failed { error, remote: None };
        match answers {
            None => sender.settle_request(&id, outcome),
            Some(request) => to.settle_request(&request.id, outcome),
        }
    }
}

/// The bus as a transport: the recipient opens what it is given, like from any other transport.
fn carry(sender: &Arc<Agent>, jws: &str, outgoing: Outgoing, request: Option<InReplyTo>) -> Result<()> {
    let recipient = outgoing.to;
    recipient.bus.check_running(&[sender.did(), recipient.did()])?; // stopped since the message was issued
    let policy = recipient.policy();
    let opener =
        Recipient { policy: &policy, known: &recipient.bus.known, replay: recipient.replay(), refused: &|_, _| None };
    let mut answered = None;
    let pending = |id: &MessageId| {
        answered = recipient.port.calls.guard().take_id(id);
        answered.as_ref().and_then(Call::expected)
    };
    let token = outgoing.token;
    let opened = open(&opener, clock::now(), jws, outgoing.body, token.as_deref(), pending);
    match (opened, request, answered) {
        (Ok(message), Some(reference), _) => {
            recipient.admit(Request { message, token, reference, caller: sender.clone() });
        }
        (Ok(message), None, Some(call)) => {
            let outcome = if message.op() == Op::Error {
                let (error, remote) = Refusal::decode(message.body()).into_error(message.from());
                Outcome::Failed { error, remote }
            } else if call.one_way {
                Outcome::Delivered { to: *message.from() }
            } else {
                Outcome::Answer(Payload::of(message))
            };
            recipient.port.settle(&call, outcome);
        }
        (Ok(_), None, None) => {} // opening a reply has taken the call that it answers
        (Err(error), Some(request), _) if error.kind() == ErrorKind::ReplayWindowFull => {
            recipient.refuse_opened(sender.clone(), request, error.kind());
        }
        (Err(error), _, answered) => {
            if let Some(call) = answered {
                recipient.port.calls.guard().put_back(call);
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Nothing of this batch leaves. Callers of the agent learn that it could not answer, its own calls why.
pub(crate) fn fail(agent: &Arc<Agent>, batch: Vec<Outgoing>, error: &Error) {
    for outgoing in batch {
        match outgoing.in_reply_to {
            None => {
                let outcome = Outcome::Failed { error: error.clone(), remote: None };
                agent.settle_request(&outgoing.id, outcome);
            }
            Some(request) => {
                let kind = if error.kind() == ErrorKind::Internal { error.kind() } else { ErrorKind::HandlerFailed };
                let (error, remote) = Refusal::of(kind).into_error(agent.did());
                outgoing.to.settle_request(&request.id, Outcome::Failed { error, remote });
            }
        }
    }
}

pub(crate) fn internal() -> Error {
    Error::new(ErrorKind::Internal, "an internal fault ended this call")
        .with_hint("report it with the steps that led here")
}
