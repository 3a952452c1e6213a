//! Policies of agents, and what JavaScript is asked about a call.

use std::time::Duration;

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use xbind::{Answers, Error, ErrorKind, ScopeSet, VerifiedToken};
use xbind_runtime::{Allow, ApprovalPolicy, Guarded, MethodPolicy, Policies, Question, Start, Testimony};

use crate::convert::{Fallible, fallible, whole};
use crate::port::{in_port, with_port};
use crate::rights::dids;
use crate::rights::judge::{BindingAnswers, BindingNeeds, JudgeRef};

/// What calls have to satisfy: those without a method, or those of one, all of it.
#[napi(object, object_to_js = false)]
pub struct BindingCallPolicy {
    pub method: Option<String>,
    /// The DIDs that may call.
    pub only: Option<Vec<String>>,
    /// JavaScript says who may call.
    pub asks_allowed: Option<bool>,
    /// The place of its judge of tokens.
    pub judge: Option<u32>,
    pub scopes: Option<Vec<String>>,
    pub approval: Option<BindingApprovalPolicy>,
}

#[napi(object, object_to_js = false)]
pub struct BindingApprovalPolicy {
    pub by: Vec<String>,
    /// JavaScript says which calls need one.
    pub asked: bool,
    pub timeout_ms: f64,
}

/// Sets an agent's policies, the first of them for calls without a method; without any, calls go to the inbox. Returns
/// their number, which [`judge`] is told.
#[napi(catch_unwind)]
pub fn guard(port: u32, agent: u32, policies: Option<Vec<BindingCallPolicy>>, judges: Vec<&JudgeRef>) -> Fallible<u32> {
    fallible(with_port(port, |port| {
        let policies = policies.map(|policies| {
            let mut all = Policies::default();
            for policy in policies {
                let core = policy.to_core(&judges)?;
                all = match policy.method {
                    None => Policies::from(core),
                    Some(method) => all.with_whole(&method, core.into()),
                };
            }
            xbind::Result::Ok(all)
        });
        port.agent(agent)?.guard(policies.transpose()?)
    }))
}

impl BindingCallPolicy {
    fn to_core(&self, judges: &[&JudgeRef]) -> xbind::Result<MethodPolicy> {
        let allow = match &self.only {
            Some(only) => Some(Allow::only(dids(only)?)),
            None => (self.asks_allowed == Some(true)).then_some(Allow::Asked),
        };
        let judge = self.judge.map(|place| {
            let judge = usize::try_from(place).ok().and_then(|place| judges.get(place));
            let judge = judge.ok_or_else(|| Error::new(ErrorKind::Internal, "the policy has no judge"))?;
            xbind::Result::Ok(judge.judge.clone())
        });
        let approval = self.approval.as_ref().map(|approval| {
            let timeout = Duration::from_millis(whole(approval.timeout_ms));
            xbind::Result::Ok(ApprovalPolicy { approvers: dids(&approval.by)?, asked: approval.asked, timeout })
        });
        let scopes = self.scopes.as_ref().map(ScopeSet::of);
        Ok(MethodPolicy {
            allow,
            judge: judge.transpose()?,
            scopes: scopes.transpose()?,
            approval: approval.transpose()?,
        })
    }
}

/// Whether the handler may begin with a call: 0 if it may, 1 if the call is over, 2 if it is to be given back, 3 if somebody
/// is asked (the event `resumed` follows), 4 if it is to be said whether it needs an approval; or what has to be found out.
#[napi(catch_unwind)]
pub fn judge(
    port: u32,
    ticket: f64,
    policies: Option<u32>,
    allowed: Option<bool>,
    needs_approval: Option<bool>,
    sources: bool,
    answers: Option<BindingAnswers>,
) -> Either<u32, BindingNeeds> {
    let said = Testimony { policies, allowed, needs_approval, sources, answers: answers.map(Answers::from) };
    let start = with_port(port, |port| {
        port.attend();
        Ok(port.judge(whole(ticket), said))
    });
    match start.unwrap_or(Start::Gone) {
        Start::Run => Either::A(0),
        Start::Gone => Either::A(1),
        Start::Back => Either::A(2),
        Start::Wait => Either::A(3),
        Start::Ask(Question::Approval) => Either::A(4),
        Start::Ask(Question::Evidence(answers, needs)) => Either::B(BindingNeeds::new(&answers, needs)),
    }
}

/// JavaScript waits for somebody before it can say more; false if the call is over.
#[napi(catch_unwind)]
pub fn wait(port: u32, ticket: f64) -> bool {
    with_port(port, |port| {
        port.attend();
        Ok(port.wait(whole(ticket)))
    })
    .unwrap_or(false)
}

/// JavaScript knows more: the event `resumed` says when to judge.
#[napi(catch_unwind)]
pub fn resume(port: u32, ticket: f64) {
    in_port(port, |port| port.resume(whole(ticket)));
}

/// What the token of a running call grants: its scopes in one line, and each of its chain in another.
#[napi(catch_unwind)]
pub fn rights(port: u32, ticket: f64) -> Option<String> {
    let token = with_port(port, |port| Ok(port.rights(whole(ticket)))).ok().flatten()?;
    Some(lines(&token))
}

/// As one text: 1 if JavaScript is to say whether the caller may call, plus 2 if tokens are judged; then what [`rights`] says,
/// where the token holds so far.
pub fn guarded(guarded: &Guarded) -> String {
    let asks = u8::from(guarded.asks_allowed).saturating_add(u8::from(guarded.judges).saturating_mul(2));
    match &guarded.token {
        None => asks.to_string(),
        Some(token) => format!("{asks}\n{}", lines(token)),
    }
}

/// Names hold no control characters.
fn lines(token: &VerifiedToken) -> String {
    let mut text = token.scopes().as_str().to_owned();
    for name in token.chain() {
        text.push('\n');
        text.push_str(name);
    }
    text
}
