//! What agents put on record of their calls, and what follows where that cannot be done.

use std::fmt;
use std::sync::{Arc, Mutex};

use xbind::record::Verdict;
use xbind::{Did, ErrorKind, InReplyTo, Result, VerifyingKey};

use crate::agent::Agent;
use crate::guard::case::Case;
use crate::port::Port;
use crate::port::event::Event;
use crate::port::tickets::Running;
use crate::record::{Audit, Decided, Done, Taken, tell, unrecorded};
use crate::sync::Lock;
use crate::sync::after::enter;
use crate::sync::clock;

/// Where decisions are put on record, and whether what cannot be is done all the same.
#[derive(Clone)]
pub struct Recording {
    /// The log.
    pub audit: Arc<dyn Audit>,
    /// Agents go on where nothing can be recorded: what they do then, nobody can show.
    pub dangerously_unrecorded: bool,
}

impl Recording {
    fn read(owner: &Did, json: &str) -> Result<Decided> {
        let did_of = |did: &str| VerifyingKey::from_did(did).map(|key| *key.did());
        Decided::read(json, owner, clock::now(), did_of)
    }

    fn take(&self, decided: Decided, done: Option<Done>) -> Taken {
        let taken = self.audit.take(decided, done);
        if taken == Taken::No && self.dangerously_unrecorded { Taken::Yes } else { taken }
    }

    /// Puts on record what the JSON object of a record says; who decided is `owner` unless it says otherwise. What is to be
    /// done next, when this returns, must not be done where that fails; what `has_happened` is kept as long as there is room.
    ///
    /// # Errors
    /// `AUDIT_FAILED`, but where that is of no matter; also for what is no record.
    pub fn put(&self, json: &str, owner: &Did, has_happened: bool) -> Result<()> {
        let put = |decided| {
            if !has_happened {
                return self.audit.take_now(decided, self.dangerously_unrecorded);
            }
            let taken = self.audit.take(decided, None);
            (taken != Taken::No).then_some(()).ok_or_else(unrecorded)
        };
        let taken = Self::read(owner, json).map_err(|_| unrecorded()).and_then(put);
        if self.dangerously_unrecorded { Ok(()) } else { taken }
    }

    /// The same for what is done when this says so: where the log is kept with [`Durability::Always`](crate::Durability), when
    /// the disk has it; then true, for much may have happened meanwhile.
    pub fn commit(&self, json: &str, owner: &Did, told: impl FnOnce(Result<bool>) + Send + 'static) {
        let goes_on = self.dangerously_unrecorded;
        let told = Arc::new(Mutex::new(Some(move |(taken, has_waited): (bool, bool)| {
            told((taken || goes_on).then_some(has_waited).ok_or_else(unrecorded));
        })));
        let own = told.clone();
        let done: Done = Box::new(move |taken| tell(&own, (taken, true)));
        match Self::read(owner, json).map_or(Taken::No, |decided| self.audit.take(decided, Some(done))) {
            Taken::Later => {}
            taken @ (Taken::Yes | Taken::No) => tell(&told, (taken == Taken::Yes, false)),
        }
    }
}

/// How far the record of a call that is to begin has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Noted {
    #[default]
    Unasked,
    Asked,
    There,
    Refused,
}

impl Agent {
    fn decided(&self, event: &'static str, outcome: Verdict) -> Decided {
        Decided::new(event, outcome, *self.did(), self.node.time().unix())
    }

    /// Puts on record what `complete` makes of it; false where that cannot be done, and must be.
    pub(crate) fn record(
        &self,
        event: &'static str,
        outcome: Verdict,
        done: Option<Done>,
        complete: impl FnOnce(&mut Decided),
    ) -> Taken {
        let Some(recording) = &self.recording else { return Taken::Yes };
        let mut decided = self.decided(event, outcome);
        complete(&mut decided);
        recording.take(decided, done)
    }

    /// Whether anything may begin, or leave, as far as its log is concerned.
    pub(crate) fn can_record(&self) -> bool {
        let is_stuck = |recording: &Recording| !recording.dangerously_unrecorded && !recording.audit.can_write();
        !self.recording.as_deref().is_some_and(is_stuck)
    }

    /// That a message of that sender was refused.
    pub(crate) fn record_refusal(&self, request: &InReplyTo, from: Did, kind: ErrorKind, asked: Asked<'_>) {
        self.record("call", Verdict::Refused, None, |decided| {
            decided.from = Some(from);
            decided.message = Some(request.id);
            decided.digest = Some(request.digest);
            decided.code = Some(kind.code().into());
            asked.complete(decided);
        });
    }

    /// That a message stands in the inbox, before it does.
    pub(crate) fn record_delivery(&self, request: &InReplyTo, from: Did, done: Done) -> Taken {
        self.record("message", Verdict::Accepted, Some(done), |decided| {
            decided.from = Some(from);
            decided.message = Some(request.id);
            decided.digest = Some(request.digest);
        })
    }

    /// Puts on record what the JSON object of a record says, for what is done when this says so; who decided is this agent. See
    /// [`Recording::commit`].
    pub fn commit(&self, json: &str, told: impl FnOnce(Result<()>) + Send + 'static) {
        match &self.recording {
            Some(recording) => recording.commit(json, self.did(), |done| told(done.map(drop))),
            None => told(Ok(())),
        }
    }

    /// That it is there, or has gone, or was stopped.
    pub(crate) fn record_own(&self, event: &'static str) -> bool {
        self.record(event, Verdict::Accepted, None, |_| ()) != Taken::No
    }
}

/// What is known of a call, beside who asked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) case: Option<&'a Case>,
}

impl Asked<'_> {
    fn complete(self, decided: &mut Decided) {
        decided.method = self.method.map(Box::from);
        if let Some(case) = self.case {
            case.complete(decided);
        }
    }
}

impl Case {
    fn complete(&self, decided: &mut Decided) {
        if let Some(token) = self.guarded().token {
            decided.token = Some(token.id().into());
            decided.chain = token.chain().map(Box::from).collect();
        }
    }
}

impl Running {
    fn complete(&self, decided: &mut Decided) {
        decided.from = Some(*self.caller.did());
        decided.method.clone_from(&self.method);
        decided.message = Some(self.request.id);
        decided.digest = Some(self.request.digest);
    }

    /// How the work on it ended, where it was begun, or it is on record that it was; false where its answer must not go out.
    pub(crate) fn record_end(&self, outcome: Verdict, code: Option<ErrorKind>) -> bool {
        let is_void = self.cancelled && self.noted == Noted::There;
        !(self.begun || is_void) || self.record_as(outcome, code)
    }

    /// That the work on it came to nothing, where it is on record that it was begun.
    pub(crate) fn record_void(&self) {
        if self.noted == Noted::There {
            self.record_as(Verdict::Failed, Some(ErrorKind::Aborted));
        }
    }

    fn record_as(&self, outcome: Verdict, code: Option<ErrorKind>) -> bool {
        let taken = self.agent.record("call", outcome, None, |decided| {
            self.complete(decided);
            decided.code = code.map(|kind| kind.code().into());
        });
        taken != Taken::No
    }
}

impl Port {
    /// Puts on record that the handler begins with a call; [`Taken::Later`] is followed by an [`Event::Resumed`].
    pub(crate) fn record_start(self: &Arc<Self>, ticket: u64, agent: &Arc<Agent>) -> Taken {
        let Some(recording) = &agent.recording else { return Taken::Yes };
        let mut known = agent.decided("call", Verdict::Accepted);
        let case = {
            let mut tickets = self.tickets.guard();
            let Some(running) = tickets.get_mut(ticket) else { return Taken::Yes };
            match std::mem::replace(&mut running.noted, Noted::Asked) {
                Noted::Unasked => {}
                noted @ (Noted::Asked | Noted::There | Noted::Refused) => {
                    running.noted = noted;
                    return taken(noted);
                }
            }
            running.complete(&mut known);
            running.case.clone()
        };
        if let Some(case) = case {
            case.complete(&mut known);
        }
        let waits = recording.audit.waits();
        let done = if waits { self.resumes(ticket, agent, &known) } else { Box::new(|_| ()) };
        let recorded = recording.take(known, Some(done));
        match recorded {
            Taken::Yes => _ = self.mark_noted(ticket, Noted::There),
            Taken::No => _ = self.mark_noted(ticket, Noted::Refused),
            Taken::Later => {}
        }
        recorded
    }

    /// What lets a call go on that waits for its record.
    fn resumes(self: &Arc<Self>, ticket: u64, agent: &Arc<Agent>, known: &Decided) -> Done {
        let (port, own, void) = (Arc::downgrade(self), agent.clone(), known.failed(ErrorKind::Aborted));
        Box::new(move |there| {
            let _entry = enter();
            let goes_on = there || own.recording.as_ref().is_some_and(|recording| recording.dangerously_unrecorded);
            let noted = if goes_on { Noted::There } else { Noted::Refused };
            match port.upgrade().filter(|port| port.mark_noted(ticket, noted)) {
                Some(port) => port.push(Event::Resumed { ticket }),
                None if there => {
                    own.record("call", Verdict::Failed, None, |decided| {
                        *decided = Decided { time: decided.time, ..void }
                    });
                }
                None => {}
            }
        })
    }

    /// False where the call has ended.
    fn mark_noted(&self, ticket: u64, noted: Noted) -> bool {
        self.tickets.guard().get_mut(ticket).map(|running| running.noted = noted).is_some()
    }
}

const fn taken(noted: Noted) -> Taken {
    match noted {
        Noted::There => Taken::Yes,
        Noted::Refused => Taken::No,
        Noted::Unasked | Noted::Asked => Taken::Later,
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unrecorded = &self.dangerously_unrecorded;
        f.debug_struct("Recording").field("dangerously_unrecorded", unrecorded).finish_non_exhaustive()
    }
}
