//! Agents with policies, and who issues tokens for them and approves of their calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use xbind::{
    ApprovalDraft, ApprovedCall, Decision, DelegationDraft, Did, Judge, Revocations, ScopeSet, SigningKey, TokenDraft,
    TokenPolicy, Trust, approve, delegate, issue,
};
use xbind_runtime::{Allow, ApprovalPolicy, CallOptions, Handle, Inquiry, Policies, Policy, Witness};

use super::calls::{Answer, Seen, options};
use super::{World, json, key, text};

pub const ISSUER: u8 = 77;

/// Answers `done`, and notes what was asked.
pub fn serve(world: &World, handle: &Arc<Handle>, policy: impl Into<Policies>, witness: Witness) -> Seen {
    let seen = Seen::default();
    handle.guard(Some(policy.into()), witness).unwrap();
    let (handle, list) = (handle.clone(), seen.clone());
    world.spawn(1, async move {
        while let Some(incoming) = handle.next().await {
            list.borrow_mut().push(text(&incoming.payload));
            incoming.reply(json("\"done\""));
        }
    });
    seen
}

pub fn judge_with(audience: &Did, revocations: Revocations) -> Arc<Judge> {
    let trust = Trust::default().with_did(*key(ISSUER).did());
    Arc::new(Judge::new(TokenPolicy::new(audience.as_str()), trust, &[], revocations).unwrap())
}

pub fn judging(audience: &Did, scopes: &str) -> Policy {
    let judge = Some(judge_with(audience, Revocations::default()));
    Policy { judge, scopes: ScopeSet::parse(scopes).unwrap(), ..Policy::default() }
}

pub fn token(world: &World, subject: &Did, audience: &Did, ttl: u64) -> String {
    let scopes = ScopeSet::parse("invoice.pay").unwrap();
    let draft = TokenDraft {
        subject: *subject,
        audience: audience.as_str(),
        scopes: &scopes,
        quota: None,
        ttl,
        claims: "{}",
        cnf_jkt: None,
        on_behalf_of: None,
        status: None,
        now: world.time().unix(),
        id: [7; 16],
    };
    issue(&key(ISSUER), &draft).unwrap()
}

pub fn hand_on(world: &World, holder: &SigningKey, token: &str, subject: &Did) -> String {
    let (subject, now) = (*subject, world.time().unix());
    let draft = DelegationDraft {
        subject,
        audience: None,
        scopes: None,
        quota: None,
        ttl: None,
        status: None,
        now,
        id: [8; 16],
    };
    delegate(holder, token, &draft).unwrap()
}

pub fn present(world: &World, from: &Arc<Handle>, to: &Did, payload: &str, token: Option<String>, ms: u64) -> Answer {
    let (from, to, payload) = (from.clone(), to.as_str().to_owned(), json(payload));
    world.start(0, async move {
        let answer = from.call(&to, payload, CallOptions { token, ..options(ms) }).await;
        answer.map(|payload| text(&payload)).map_err(|error| error.kind())
    })
}

pub fn approving(approver: &Did) -> Policy {
    let approval = ApprovalPolicy { approvers: vec![*approver], asked: false, timeout: Duration::from_secs(10) };
    Policy { approval: Some(approval), ..Policy::default() }
}

pub fn statement(
    world: &World,
    by: u8,
    decision: Decision,
    caller: &Did,
    recipient: &Did,
    body: &[u8],
    id: u8,
) -> String {
    let (caller, recipient, content_type) = (*caller, recipient.as_str(), "application/json");
    sign(world, by, decision, ApprovedCall { caller, recipient, method: None, session: None, content_type, body }, id)
}

pub fn sign(world: &World, by: u8, decision: Decision, call: ApprovedCall<'_>, id: u8) -> String {
    approve(&key(by), &ApprovalDraft { decision, call, ttl: 60, now: world.time().unix(), id: [id; 16] }).unwrap()
}

/// Decides about each request with what the test says; the first argument is how often it was asked.
pub fn approver(world: &World, handle: &Arc<Handle>, decide: impl Fn(usize) -> Option<String> + 'static) -> Seen {
    let seen = Seen::default();
    handle.handle(Some(Allow::Everyone)).unwrap();
    let (handle, list) = (handle.clone(), seen.clone());
    world.spawn(2, async move {
        let mut kept = Vec::new();
        while let Some(incoming) = handle.next().await {
            list.borrow_mut().push(text(&incoming.payload));
            let asked = list.borrow().len();
            match decide(asked) {
                Some(answer) => incoming.reply(json(&answer)),
                None => kept.push(incoming),
            }
        }
    });
    seen
}

pub fn approval_answer(statement: &str) -> String {
    format!(r#"{{"approval":"{statement}"}}"#)
}

/// Asks for the standing of each link, and keeps the question until the test answers it.
pub fn source(kept: &Arc<Mutex<Vec<Inquiry>>>) -> Witness {
    let kept = kept.clone();
    let finds_out = move |inquiry: Inquiry| kept.lock().unwrap().push(inquiry);
    Witness { finds_out: Some(Box::new(finds_out)), has_sources: true, ..Witness::default() }
}
