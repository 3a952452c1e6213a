//! What an owner runs for the buses on its brokers: who lets connections in, and what an operator says.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use serde::{Deserialize, Serialize};
use xbind::cluster::{CalloutBox, MAX_PERMIT_TTL, NKey, Role, Stopped, Verb, callout_key};
use xbind::{Did, Error, ErrorKind, Result, SigningKey};
use xbind_net::nats::{Admission, Decision, Door, Operating, Operator, Reach};

use crate::did::{did, dids};
use crate::key::Key;
use crate::nats::{Cluster, copy};
use crate::number::Whole;
use crate::record::{Later, Telling};

/// What is run: one of both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Serving {
    /// How to reach the brokers.
    pub cluster: Cluster,
    /// Lets connections in.
    pub door: Option<DoorOptions>,
    /// Speaks for an operator.
    pub operator: Option<OperatorOptions>,
}

/// Who is let in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DoorOptions {
    /// The account that connections are put into.
    pub account: String,
    /// How long they may stay.
    pub stay_seconds: Whole,
    /// Who may stop agents.
    pub operators: Vec<String>,
    /// The program says who may come in; else everybody may.
    pub asks: bool,
}

/// What an operator has said before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OperatorOptions {
    /// How long a heartbeat holds.
    pub life_seconds: Whole,
    /// Statements that its owner has kept.
    pub known: Vec<String>,
}

/// What is said to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Word {
    // ts: 'next' | 'decide' | 'stop' | 'resume' | 'close'
    /// What it is to do.
    pub verb: String,
    /// Of a question that was told.
    pub number: Option<Whole>,
    /// Whether it may come in.
    pub allowed: Option<bool>,
    /// An agent that is stopped or resumed.
    pub did: Option<String>,
    /// A token that is.
    pub token: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What it says; nothing once it is closed.
#[derive(Debug, Default, Serialize)]
pub struct Said {
    /// The number of a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<Whole>,
    /// Who wants to come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did: Option<String>,
    /// What an operator has signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
}

/// How the keys of an auth callout are spelled in the configuration of servers.
#[derive(Debug, Serialize)]
pub struct CalloutKeys {
    /// The account's, which signs what a connection may do.
    pub issuer: String,
    /// The one that the callout connects with: a user of the account that servers ask.
    pub callout: String,
    /// To which servers encrypt what they ask, where they are told to.
    pub xkey: String,
}

/// Spells the keys that follow from one.
///
/// # Errors
/// `SIGN_FAILED` for a key that is gone.
pub fn callout_keys(issuer: &Key) -> Result<CalloutKeys> {
    issuer.sign(|key| {
        let callout = callout_key(key);
        let spelled = |role, key: &SigningKey| NKey::of(role, key.verifying_key()).to_string();
        let xkey = CalloutBox::of(key).as_str().to_owned();
        Ok(CalloutKeys { issuer: spelled(Role::Account, key), callout: spelled(Role::User, &callout), xkey })
    })
}

/// What runs.
#[derive(Debug)]
pub struct Service {
    runs: Runs,
    questions: Arc<Questions>,
}

#[derive(Debug)]
enum Runs {
    Door(Door),
    Operator(Operator),
}

/// What is asked of the program, in its order.
#[derive(Debug, Default)]
struct Questions(Mutex<Open>);

#[derive(Default)]
struct Open {
    waiting: VecDeque<(u64, Did)>,
    open: HashMap<u64, Decision>,
    last: u64,
    taker: Option<Tell>,
    is_closed: bool,
}

type Tell = Box<dyn FnOnce(Result<Said>) + Send>;

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// Begins a service; it waits.
#[must_use]
pub fn serve(serving: &Serving, key: &Key) -> Later<Service> {
    let questions = Arc::new(Questions::default());
    let begun = begun(serving, key, &questions);
    Box::new(move || {
        let (told, came) = mpsc::channel();
        begun?(Box::new(move |runs| drop(told.send(runs))));
        let runs =
            came.recv().map_err(|_| Error::new(ErrorKind::Internal, "the thread of the network has ended"))??;
        Ok(Service { runs, questions })
    })
}

type Done = Box<dyn FnOnce(Result<Runs>) + Send>;

fn begun(serving: &Serving, key: &Key, questions: &Arc<Questions>) -> Result<Box<dyn FnOnce(Done) + Send>> {
    let reach = serving.cluster.reach()?;
    match (&serving.door, &serving.operator) {
        (Some(door), None) => {
            let admission = door.admission(reach, copy(key)?, questions)?;
            Ok(Box::new(|done| {
                Door::open_then(admission, |door| done(door.map(Runs::Door).map_err(Error::from)));
            }))
        }
        (None, Some(OperatorOptions { life_seconds: Whole(life), known })) => {
            let operating = Operating { reach, key: copy(key)?, life: *life, known: known.clone() };
            Ok(Box::new(|done| Operator::open_then(operating, |operator| done(operator.map(Runs::Operator)))))
        }
        _ => Err(Error::new(ErrorKind::Internal, "a service is one of both")),
    }
}

impl DoorOptions {
    fn admission(&self, reach: Reach, issuer: SigningKey, questions: &Arc<Questions>) -> Result<Admission> {
        let Self { account, stay_seconds: Whole(stay), operators, asks } = self;
        if !(1..=MAX_PERMIT_TTL).contains(stay) || account.is_empty() {
            let why = "a connection may stay 1 to 300 s, in an account with a name";
            return Err(Error::new(ErrorKind::InvalidConfig, why));
        }
        let (questions, asks) = (questions.clone(), *asks);
        let allow = move |did, decision: Decision| {
            if asks { questions.ask(did, decision) } else { decision.is(true) }
        };
        let (operators, account) = (dids(operators, "operators")?, account.clone());
        Ok(Admission { reach, issuer, account, stay: *stay, operators, allow: Arc::new(allow) })
    }
}

impl Questions {
    fn ask(&self, did: Did, decision: Decision) {
        let mut open = self.lock();
        if open.is_closed {
            return;
        }
        open.open.retain(|_, decision| !decision.is_over());
        open.last = open.last.wrapping_add(1);
        let number = open.last;
        open.open.insert(number, decision);
        open.waiting.push_back((number, did));
        Self::tell(open);
    }

    fn take(&self, taker: Tell) {
        let mut open = self.lock();
        open.taker = Some(taker);
        Self::tell(open);
    }

    /// Nobody is called under the lock.
    fn tell(mut open: MutexGuard<'_, Open>) {
        let all = &mut *open;
        all.waiting.retain(|(number, _)| all.open.contains_key(number));
        let said = match all.waiting.front() {
            Some((number, did)) => Said { number: Some(Whole(*number)), did: Some(did.to_string()), ..Said::default() },
            None if all.is_closed => Said::default(),
            None => return,
        };
        let Some(taker) = all.taker.take() else { return };
        all.waiting.pop_front();
        drop(open);
        taker(Ok(said));
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Says something to it.
    #[must_use]
    pub fn told(&self, word: &Word) -> Telling<Result<Said>> {
        match (&*word.verb, &self.runs) {
            ("next", _) => {
                let questions = self.questions.clone();
                return Box::new(move |tell| questions.take(tell));
            }
            ("decide", _) => {
                let decision = word.number.and_then(|Whole(number)| self.questions.lock().open.remove(&number));
                if let Some(decision) = decision {
                    decision.is(word.allowed == Some(true));
                }
            }
            ("close", runs) => {
                match runs {
                    Runs::Door(door) => door.close(),
                    Runs::Operator(operator) => operator.close(),
                }
                let mut open = self.questions.lock();
                open.is_closed = true;
                open.waiting.clear();
                Questions::tell(open);
            }
            (_, Runs::Operator(operator)) => return said(operator, word),
            (_, Runs::Door(_)) => {}
        }
        Box::new(|tell| tell(Ok(Said::default())))
    }
}

fn said(operator: &Operator, word: &Word) -> Telling<Result<Said>> {
    let verb = if word.verb == "resume" { Verb::Resume } else { Verb::Stop };
    let stopped = match (&word.did, &word.token) {
        (None, Some(id)) => Ok(Stopped::Token(id.clone())),
        (text, _) => did(text.as_deref().unwrap_or_default()).map(Stopped::Agent),
    };
    let (told, came) = mpsc::channel::<Tell>();
    let telling = move |said: Result<String>| {
        if let Ok(tell) = came.recv() {
            tell(said.map(|statement| Said { statement: Some(statement), ..Said::default() }));
        }
    };
    match stopped {
        Ok(stopped) => operator.say(verb, stopped, word.reason.as_deref(), telling),
        Err(error) => return Box::new(|tell| tell(Err(error))),
    }
    Box::new(move |tell| drop(told.send(tell)))
}
