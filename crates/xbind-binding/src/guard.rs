//! Policies of agents, and what a face is asked about a call.

use std::sync::Arc;

use serde::Deserialize;
use xbind::{Error, ErrorKind, Result, ScopeSet, VerifiedToken};
use xbind_runtime::{Agent, Allow, Guarded, MethodPolicy, Policies, Policy, Port, Question, Start, Testimony};

use crate::did::dids;
use crate::judge::{Answers, Judge, Needs};
use crate::number::Whole;

/// What calls have to satisfy: those without a method, or those of one, all of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CallPolicy {
    /// The method; none for calls without one.
    pub method: Option<String>,
    /// The DIDs that may call.
    pub only: Option<Vec<String>>,
    /// The face says who may call.
    pub asks_allowed: Option<bool>,
    /// The place of its judge of tokens.
    pub judge: Option<u32>,
    /// What a token has to grant.
    pub scopes: Option<Vec<String>>,
    /// Who has to approve.
    pub approval: Option<ApprovalPolicy>,
}

/// Who has to approve of a call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApprovalPolicy {
    /// DIDs.
    pub by: Vec<String>,
    /// The face says which calls need one.
    pub asked: bool,
    /// How long the approver may take.
    pub timeout_ms: Whole,
}

/// Sets an agent's policies, the first of them for calls without a method; without any, calls go to the inbox. Returns their
/// number, which [`judge`] is told.
///
/// # Errors
/// `INVALID_DID`, `INVALID_CONFIG`, `AGENT_CLOSED`.
pub fn guard(agent: &Arc<Agent>, policies: Option<&[CallPolicy]>, judges: &[&Judge]) -> Result<u32> {
    let Some(policies) = policies else { return agent.guard(None) };
    let mut all = Policies::default();
    for policy in policies {
        let core = policy.to_core(judges)?;
        all = match &policy.method {
            None => Policies::from(core),
            Some(method) => all.with_whole(method, Policy::from(core)),
        };
    }
    agent.guard(Some(all))
}

impl CallPolicy {
    fn to_core(&self, judges: &[&Judge]) -> Result<MethodPolicy> {
        let allow = match &self.only {
            Some(only) => Some(Allow::only(dids(only, "allow")?)),
            None => (self.asks_allowed == Some(true)).then_some(Allow::Asked),
        };
        let judge = self.judge.map(|place| {
            let judge = usize::try_from(place).ok().and_then(|place| judges.get(place));
            let judge = judge.ok_or_else(|| Error::new(ErrorKind::Internal, "the policy has no judge"))?;
            Result::Ok(Arc::clone(judge.core()))
        });
        Ok(MethodPolicy {
            allow,
            judge: judge.transpose()?,
            scopes: self.scopes.as_ref().map(ScopeSet::of).transpose()?,
            approval: self.approval.as_ref().map(ApprovalPolicy::to_core).transpose()?,
        })
    }
}

impl ApprovalPolicy {
    fn to_core(&self) -> Result<xbind_runtime::ApprovalPolicy> {
        let approvers = dids(&self.by, "approval.by")?;
        Ok(xbind_runtime::ApprovalPolicy { approvers, asked: self.asked, timeout: self.timeout_ms.milliseconds() })
    }
}

/// What a face says of a call.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Of which policies it speaks.
    pub policies: Option<u32>,
    /// Whether the caller may call at all.
    pub allowed: Option<bool>,
    /// Whether the call needs an approval.
    pub needs_approval: Option<bool>,
    /// There are sources of revocations to ask.
    pub sources: bool,
    /// What it has found out.
    pub answers: Option<Answers>,
}

/// The call is over.
pub const GONE: u32 = 1;

/// Whether the handler may begin with a call: 0 if it may, 1 if the call is over, 2 if it is to be given back, 3 if somebody
/// is asked (the event `resumed` follows), 4 if it is to be said whether it needs an approval.
///
/// # Errors
/// What has to be found out first.
pub fn judge(port: &Arc<Port>, ticket: u64, said: Said) -> std::result::Result<u32, Needs> {
    let Said { policies, allowed, needs_approval, sources, answers } = said;
    let answers = answers.map(xbind::Answers::from);
    match port.judge(ticket, Testimony { policies, allowed, needs_approval, sources, answers }) {
        Start::Run => Ok(0),
        Start::Gone => Ok(GONE),
        Start::Back => Ok(2),
        Start::Wait => Ok(3),
        Start::Ask(Question::Approval) => Ok(4),
        Start::Ask(Question::Evidence(answers, needs)) => Err(Needs::new(&answers, needs)),
    }
}

/// The same for a call by which nothing is asked: 0 to 3.
#[must_use]
pub fn start(port: &Arc<Port>, ticket: u64) -> u32 {
    match port.start(ticket) {
        Start::Run => 0,
        Start::Gone => GONE,
        Start::Back => 2,
        Start::Ask(_) | Start::Wait => 3,
    }
}

/// What the token of a running call grants: its scopes in one line, behind a tab in the same its limits as `name=most`, and each of its chain
/// in another; of who acts for another then an
/// empty line, and issuer and subject of that one.
#[must_use]
pub fn rights(port: &Port, ticket: u64) -> Option<String> {
    port.rights(ticket).map(|token| lines(&token))
}

/// As one text: 1 if the face is to say whether the caller may call, plus 2 if tokens are judged; then what [`rights`] says,
/// where the token holds so far.
#[must_use]
pub(crate) fn guarded(guarded: &Guarded) -> String {
    let asks = u8::from(guarded.asks_allowed).saturating_add(u8::from(guarded.judges).saturating_mul(2));
    match &guarded.token {
        None => asks.to_string(),
        Some(token) => format!("{asks}\n{}", lines(token)),
    }
}

/// Names hold no control characters.
fn lines(token: &VerifiedToken) -> String {
    let mut text = token.scopes().as_str().to_owned();
    for (at, (name, most)) in token.quotas().into_iter().enumerate() {
        text.push(if at == 0 { '\t' } else { ' ' });
        text.push_str(&format!("{name}={most}"));
    }
    let other = token.on_behalf_of().map(|(issuer, subject)| ["", issuer, subject]);
    for name in token.chain().chain(other.into_iter().flatten()) {
        text.push('\n');
        text.push_str(name);
    }
    text
}
