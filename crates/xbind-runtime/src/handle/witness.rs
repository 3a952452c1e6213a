//! Who answers what the policies of a handle ask: the program itself.

use std::fmt;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use xbind::{Answers, Did, Need};

use crate::guard::case::{Question, Testimony};
use crate::handle::desk::{Asked, Desk};
use crate::port::Port;
use crate::port::answer::Start;
use crate::port::event::Payload;
use crate::sync::Lock;

type Allows = Box<dyn Fn(&Did) -> bool + Send + Sync>;
type NeedsApproval = Box<dyn Fn(&Did, &Payload, Option<&str>) -> bool + Send + Sync>;
type FindsOut = Box<dyn Fn(Inquiry) + Send + Sync>;

/// What a program says about calls. What it is asked and has no answer for keeps calls out.
#[derive(Default)]
pub struct Witness {
    /// Whether an agent may call, for [`Allow::Asked`](crate::Allow::Asked).
    pub allows: Option<Allows>,
    /// Whether a call of that agent, with that payload and of that method, needs an approval, for [`ApprovalPolicy::asked`](crate::ApprovalPolicy::asked).
    pub needs_approval: Option<NeedsApproval>,
    /// Finds out what the judge of tokens needs: it fetches keys and lists, and with [`Witness::has_sources`] knows what was
    /// revoked. It may take its time.
    pub finds_out: Option<FindsOut>,
    /// Revocations are known here that no list holds: every token is asked about.
    pub has_sources: bool,
}

/// What is to be found out about a token. Whoever drops it unanswered does not know.
pub struct Inquiry {
    /// Documents are put into the judge itself; the answer of sources goes into [`Inquiry::answer`].
    pub needs: Vec<Need>,
    answers: Answers,
    ticket: u64,
    told: Arc<Mutex<Option<Answers>>>,
    port: Weak<Port>,
}

impl Inquiry {
    /// All was done that can be done: the call is judged again. `standing` says of each link whether it was revoked, where
    /// that is known.
    pub fn answer(mut self, standing: Vec<Option<bool>>) {
        self.answers.standing = Some(standing);
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        let mut answers = take(&mut self.answers);
        for need in &self.needs {
            match need {
                Need::Keys { .. } | Need::Authorities => answers.keys_sought = true,
                Need::Lists(_) => answers.lists_sought = true,
                Need::Standing(_) => drop(answers.standing.get_or_insert_default()),
            }
        }
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(answers);
        if let Some(port) = self.port.upgrade() {
            port.resume(self.ticket);
        }
    }
}

impl Desk {
    /// A call that may begin; nothing where it may not, or somebody is asked first.
    pub(crate) fn judge(self: &Arc<Self>, asked: Asked) -> Option<Asked> {
        let Some(guarded) = &asked.guarded else {
            self.count_judging(true);
            let ready = match self.port.start(asked.ticket) {
                Start::Run => Some(asked),
                Start::Back => {
                    self.port.give_back(asked.ticket, asked.payload);
                    None
                }
                Start::Wait => {
                    self.keep(asked);
                    None
                }
                Start::Gone | Start::Ask(_) => None,
            };
            self.count_judging(false);
            return ready;
        };
        let (policies, witness) = self.witness.guard().clone();
        let allowed = guarded.asks_allowed.then(|| witness.allows.as_ref().is_some_and(|allows| allows(&asked.from)));
        let sources = guarded.judges && witness.has_sources;
        let mut said = Testimony { policies: Some(policies), allowed, sources, ..Testimony::default() };
        said.answers = asked.told.guard().take();
        self.count_judging(true);
        let judged = self.judge_with(asked, said, &witness);
        self.count_judging(false);
        judged
    }

    fn judge_with(self: &Arc<Self>, asked: Asked, mut said: Testimony, witness: &Witness) -> Option<Asked> {
        loop {
            match self.port.judge(asked.ticket, said.clone()) {
                Start::Run => return Some(asked),
                Start::Gone => return None,
                Start::Back => {
                    self.port.give_back(asked.ticket, asked.payload);
                    return None;
                }
                Start::Ask(Question::Approval) => {
                    let needs = witness.needs_approval.as_ref();
                    said.needs_approval =
                        Some(needs.is_none_or(|needs| needs(&asked.from, &asked.payload, asked.method.as_deref())));
                    said.answers = None;
                }
                Start::Ask(Question::Evidence(answers, needs)) => {
                    let ticket = asked.ticket;
                    let (told, port) = (asked.told.clone(), Arc::downgrade(&self.port));
                    let inquiry = Inquiry { needs, answers, ticket, told, port };
                    if self.port.wait(ticket) {
                        self.keep(asked);
                        if let Some(finds_out) = &witness.finds_out {
                            finds_out(inquiry);
                        }
                    }
                    return None;
                }
                Start::Wait => {
                    self.keep(asked);
                    return None;
                }
            }
        }
    }

    /// Until somebody has answered.
    fn keep(&self, asked: Asked) {
        let mut waiting = self.waiting.guard();
        if waiting.resumed.remove(&asked.ticket) {
            waiting.incoming.push_back(asked);
        } else {
            waiting.parked.insert(asked.ticket, asked);
        }
    }

    fn count_judging(&self, one_more: bool) {
        let mut waiting = self.waiting.guard();
        waiting.judging = if one_more { waiting.judging.saturating_add(1) } else { waiting.judging.saturating_sub(1) };
        if waiting.judging == 0 {
            waiting.resumed.clear();
        }
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("has_sources", &self.has_sources).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquiry").field("needs", &self.needs).finish_non_exhaustive()
    }
}
