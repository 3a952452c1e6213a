//! One call that has to satisfy more than a list: what it presents, and what has been found out about it.

use std::fmt;
use std::sync::{Arc, Mutex};

use xbind::{
    Answers, Approval, ApprovedCall, Decision, Did, ErrorKind, Held, Need, Presentation, Presented, Ruling, Scope,
    ScopeSet, Session, VerifiedToken,
};

use crate::flush::refusal::Refusal;
use crate::guard::Shown;
use crate::guard::policy::{Allow, Policy};
use crate::sync::Lock;

/// Seconds by which the clocks of approvers may differ.
const APPROVAL_SKEW: u64 = xbind::message::DEFAULT_SKEW;

/// How many seconds what a source says may wait for a place.
const ANSWER_LIFE: u64 = 1;

/// What a face says about a call. It is asked by [`Event::Call`](crate::Event::Call), and by [`Start::Ask`](crate::Start).
#[derive(Clone, Debug, Default)]
pub struct Testimony {
    /// The policies that it answers for, where it was asked; see [`Agent::guard`](crate::Agent::guard).
    pub policies: Option<u32>,
    /// Whether the caller may call at all; where it is asked, nothing else than yes lets it in.
    pub allowed: Option<bool>,
    /// Whether the call needs an approval.
    pub needs_approval: Option<bool>,
    /// There are sources of revocations that only the face can ask.
    pub sources: bool,
    /// What it has found out for the judge of tokens.
    pub answers: Option<Answers>,
}

/// What a face has to find out before a call can be judged.
#[derive(Debug)]
pub enum Question {
    /// Evidence about the token, for [`Testimony::answers`]: these, to be filled in, and what is needed.
    Evidence(Answers, Vec<Need>),
    /// Whether the call needs an approval, for [`Testimony::needs_approval`].
    Approval,
}

/// What a face is told of a call that has to satisfy more than a list.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// [`Testimony::allowed`] is wanted.
    pub asks_allowed: bool,
    /// Tokens are judged: [`Testimony::sources`] is wanted.
    pub judges: bool,
    /// What the token grants, where it holds so far.
    pub token: Option<Arc<VerifiedToken>>,
}

/// See the module's documentation.
pub(crate) struct Case {
    pub(crate) policy: Arc<Policy>,
    pub(crate) caller: Did,
    recipient: Did,
    method: Option<Box<str>>,
    session: Option<Session>,
    pub(crate) presented: Option<Arc<str>>,
    /// What is approved: a copy of the body, and its media type.
    body: Option<(Vec<u8>, Box<str>)>,
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    held: Option<Held>,
    answers: Answers,
    /// When whoever was asked has answered, until the call is judged with that.
    answered_at: Option<u64>,
    /// It has waited for a place so long that it was asked anew, and keeps its place until it is answered.
    keeps_place: bool,
    pub(crate) approving: Approving,
}

/// How far asking the approver has come.
#[derive(Clone, Default)]
pub(crate) enum Approving {
    #[default]
    Unasked,
    Asking,
    /// By this call.
    Asked(u64),
    Came(String),
    Failed(ErrorKind),
}

/// What the guard says about a call now.
pub(crate) enum Verdict {
    /// It may begin; an approval must be used first, if there is one.
    Admit(Option<Box<Approval>>),
    Refuse(Refusal),
    Ask(Question),
    /// The approver has to be asked: with this body, that one, for so long.
    AskApprover(Did, String),
    /// The approver was asked.
    Wait,
}

impl From<ErrorKind> for Verdict {
    fn from(kind: ErrorKind) -> Self {
        Self::Refuse(Refusal::of(kind))
    }
}

impl Case {
    /// A case as it comes in: what can be said of it without asking anybody. A refusal counts once the caller is allowed.
    pub(crate) fn open(policy: &Arc<Policy>, recipient: Did, call: &Shown<'_>, now: u64) -> Result<Self, Refusal> {
        let case = Self {
            policy: policy.clone(),
            caller: *call.from,
            recipient,
            method: call.method.map(Box::from),
            session: call.session,
            presented: call.presented.cloned(),
            body: policy.approval.as_ref().map(|_| (call.body.to_vec(), call.content_type.into())),
            state: Mutex::default(),
        };
        let verdict = {
            let mut state = case.state.guard();
            case.judge_token(&mut state, now)
        };
        match verdict {
            // The face may know more, or has to be asked whether the caller may hear this.
            Err(Verdict::Refuse(refusal)) if !may_be_asked(refusal.kind) && !case.asks_allowed() => Err(refusal),
            _ => Ok(case),
        }
    }

    fn asks_allowed(&self) -> bool {
        matches!(self.policy.allow, Allow::Asked)
    }

    pub(crate) fn guarded(&self) -> Guarded {
        Guarded { asks_allowed: self.asks_allowed(), judges: self.policy.judge.is_some(), token: self.token() }
    }

    /// The token, where it holds so far.
    pub(crate) fn token(&self) -> Option<Arc<VerifiedToken>> {
        self.state.guard().held.as_ref().map(|held| held.token.clone())
    }

    /// Judges the call with what the face says and what is known here, by what holds now.
    pub(crate) fn judge(&self, said: Testimony, now: u64) -> Verdict {
        if self.asks_allowed() && said.allowed != Some(true) {
            return ErrorKind::NotAllowed.into();
        }
        let mut state = self.state.guard();
        if let Some(answers) = said.answers {
            state.take_in(answers, now);
        }
        state.answers.sources |= said.sources;
        match self.judge_token(&mut state, now).and_then(|()| self.judge_approval(&mut state, said.needs_approval, now))
        {
            Ok(approval) => Verdict::Admit(approval),
            Err(verdict) => verdict,
        }
    }

    fn judge_token(&self, state: &mut State, now: u64) -> Result<(), Verdict> {
        if !self.policy.wants_token() {
            return Ok(());
        }
        state.answers.renews = true; // what is at hand does for as long as its owner says
        let presented = self.presented();
        let (Some(judge), Some(token)) = (&self.policy.judge, presented.token) else {
            return Err(Verdict::Refuse(denied(self.policy.scopes.as_str(), "")));
        };
        // What was taken back counts before what it would not have granted.
        let presentation = Presentation { token, scopes: &[], presenter: Some(&self.caller), now };
        let is_told = !state.answers.sources || state.answers.standing.is_some();
        if let Some(held) = state.held.as_ref().filter(|_| is_told) {
            let Err(refused) = judge.judge_again(held, &presentation, &state.answers) else { return Ok(()) };
            state.held = None;
            if !may_be_asked(refused.error.kind()) || state.answers.patient {
                return Err(refusal(&refused));
            }
        }
        loop {
            match judge.judge(&presentation, &state.answers) {
                Ruling::Held(held) => {
                    self.check_scopes(held.token.scopes())?;
                    state.held = Some(held);
                    return Ok(());
                }
                Ruling::Needs(needs) => {
                    return Err(Verdict::Ask(Question::Evidence(state.answers.clone(), needs)));
                }
                // Keys and lists are fetched only where what is at hand does not do, so that a known token is quick.
                Ruling::Refused(refused) if may_be_asked(refused.error.kind()) && !state.answers.patient => {
                    state.answers.patient = true;
                }
                Ruling::Refused(refused) => return Err(refusal(&refused)),
            }
        }
    }

    fn check_scopes(&self, held: &ScopeSet) -> Result<(), Verdict> {
        let missing: Vec<_> = self.policy.scopes.iter().filter(|scope| !held.covers(*scope)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let needs: Vec<_> = missing.into_iter().map(Scope::as_str).collect();
        Err(Verdict::Refuse(denied(&needs.join(" "), held.as_str())))
    }

    fn judge_approval(
        &self,
        state: &mut State,
        needed: Option<bool>,
        now: u64,
    ) -> Result<Option<Box<Approval>>, Verdict> {
        let (Some(policy), Some(body)) = (&self.policy.approval, &self.body) else { return Ok(None) };
        match needed {
            None if policy.asked => return Err(Verdict::Ask(Question::Approval)),
            Some(false) if policy.asked => return Ok(None),
            _ => {}
        }
        let call = ApprovedCall {
            caller: self.caller,
            recipient: self.recipient.as_str(),
            method: self.method.as_deref(),
            session: self.session,
            content_type: &body.1,
            body: &body.0,
        };
        let check = |statement: &str, otherwise: ErrorKind| match Approval::verify(
            statement,
            &call,
            &policy.approvers,
            now,
            APPROVAL_SKEW,
        ) {
            Ok(approval) if approval.decision() == Decision::Approve => Ok(Some(Box::new(approval))),
            Ok(_) => Err(Verdict::from(ErrorKind::ApprovalRefused)),
            Err(_) => Err(otherwise.into()),
        };
        if let Some(statement) = self.presented().approval {
            return check(statement, ErrorKind::ApprovalRequired);
        }
        match &state.approving {
            Approving::Came(statement) => check(statement, ErrorKind::ApprovalFailed),
            Approving::Failed(kind) => Err((*kind).into()),
            Approving::Asking | Approving::Asked(_) => Err(Verdict::Wait),
            Approving::Unasked => {
                let Some(approver) = policy.approvers.first() else { return Err(ErrorKind::ApprovalRequired.into()) };
                let chain = state.held.as_ref().map(|held| held.token.chain().collect::<Vec<_>>());
                let request = xbind::approval_request(&call, chain.unwrap_or_default());
                state.approving = Approving::Asking;
                state.keeps_place = false;
                state.answers = Answers::default(); // until the approver has decided, sources may have come to know better
                Err(Verdict::AskApprover(*approver, request))
            }
        }
    }

    /// Whoever was asked has answered.
    pub(crate) fn answered(&self, now: u64) {
        self.state.guard().answered_at = Some(now);
    }

    pub(crate) fn keeps_place(&self) -> bool {
        self.state.guard().keeps_place
    }

    /// Which kind an approval that cannot be used has: one that came along was no good, one that was asked for failed.
    pub(crate) fn unusable(&self) -> ErrorKind {
        let asked = self.presented().approval.is_none();
        if asked { ErrorKind::ApprovalFailed } else { ErrorKind::ApprovalRequired }
    }

    /// Its form was looked at when it came in.
    fn presented(&self) -> Presented<'_> {
        let text = self.presented.as_deref().unwrap_or_default();
        let (token, approval) = text.split_once('~').unwrap_or((text, ""));
        Presented {
            token: Some(token).filter(|part| !part.is_empty()),
            approval: Some(approval).filter(|part| !part.is_empty()),
        }
    }

    /// Whether the approver that was asked has signed something.
    pub(crate) fn has_statement(&self) -> bool {
        matches!(self.state.guard().approving, Approving::Came(_))
    }

    /// The call to the approver, if one is under way.
    pub(crate) fn approver_call(&self) -> Option<u64> {
        if let Approving::Asked(call) = self.state.guard().approving { Some(call) } else { None }
    }
}

impl State {
    /// What was found out counts for the moment: a call that has waited for a place since is asked about once more.
    fn take_in(&mut self, answers: Answers, now: u64) {
        let is_old = self.answered_at.take().is_some_and(|at| now.saturating_sub(at) > ANSWER_LIFE);
        if is_old && !self.keeps_place {
            self.keeps_place = true;
            self.answers = Answers { sources: answers.sources, ..Answers::default() };
        } else {
            self.answers = answers;
        }
    }
}

/// Whether keys or sources that take time may know more.
fn may_be_asked(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UntrustedIssuer | ErrorKind::RevocationUnknown)
}

fn refusal(refused: &xbind::Refused) -> Verdict {
    refused.error.kind().into()
}

/// Scopes hold nothing that JSON would have to escape.
fn denied(needs: &str, holds: &str) -> Refusal {
    let detail = format!(r#"{{"needs":"{needs}","holds":"{holds}"}}"#);
    Refusal::with(ErrorKind::ScopeDenied, Some(detail))
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("caller", &self.caller).finish_non_exhaustive()
    }
}
