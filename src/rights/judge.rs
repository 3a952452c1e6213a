//! Judging tokens: what JavaScript is asked for, and what came of it.

use std::cell::RefCell;
use std::sync::Arc;

use napi::bindgen_prelude::{Either3, External};
use napi_derive::napi;
use xbind::{
    Answers, Error, ErrorKind, Held, Judge, JwkSet, KeysState, Link, Need, Presentation, Refused, Revocations, Ruling,
    Scope, TokenPolicy, Trust,
};

use super::did;
use super::revocation::{ListRef, ListsRef};
use super::token::BindingStatus;
use crate::convert::{BindingError, Fallible, fallible, number, whole};

pub struct TokenJudge {
    pub judge: Arc<Judge>,
    /// What JavaScript remembers by its place here. An object of its own for each would be given back only when the event
    /// loop turns, however many are verified before.
    known: RefCell<Vec<(String, Held)>>,
}

pub type JudgeRef = External<TokenJudge>;

#[napi(object, object_to_js = false)]
pub struct BindingTokenPolicy {
    pub audience: String,
    pub clock_skew: f64,
    pub max_lifetime: f64,
    pub dids: Vec<String>,
    pub issuers: Vec<BindingIssuer>,
    /// Those whose keys are fetched.
    pub fetched: Vec<String>,
    pub accept_unknown: bool,
}

#[napi(object, object_to_js = false)]
pub struct BindingIssuer {
    pub issuer: String,
    /// A JWK set.
    pub jwks: String,
}

#[napi(catch_unwind)]
pub fn new_judge(policy: BindingTokenPolicy, revoked: Vec<&ListRef>, lists: Vec<&ListsRef>) -> Fallible<JudgeRef> {
    let revocations = Revocations {
        lists: revoked.iter().map(|list| Arc::clone(list)).collect(),
        status: lists.iter().map(|lists| Arc::clone(lists)).collect(),
        accept_unknown: policy.accept_unknown,
    };
    let judge = policy.trust().and_then(|trust| {
        let core = TokenPolicy {
            clock_skew: whole(policy.clock_skew),
            max_lifetime: whole(policy.max_lifetime),
            ..TokenPolicy::new(&policy.audience)
        };
        Judge::new(core, trust, &policy.fetched, revocations)
    });
    fallible(judge.map(|judge| External::new(TokenJudge { judge: Arc::new(judge), known: RefCell::default() })))
}

impl BindingTokenPolicy {
    fn trust(&self) -> xbind::Result<Trust> {
        let mut trust = Trust::default();
        for text in &self.dids {
            trust = trust.with_did(did(text)?);
        }
        for BindingIssuer { issuer, jwks } in &self.issuers {
            trust = trust.with_issuer(issuer, JwkSet::parse(jwks)?)?;
        }
        Ok(trust)
    }
}

/// The keys of an issuer, or why there are none; says why they cannot be used.
#[napi(catch_unwind)]
pub fn keys_came(judge: &JudgeRef, issuer: String, asked_at: f64, jwks: Option<String>, why: String) -> Option<String> {
    judge.judge.keys_came(&issuer, whole(asked_at), jwks.as_deref().ok_or(why))
}

/// Takes in a status list that was fetched for a link of a token.
#[napi(catch_unwind)]
pub fn put_issuers_list(
    judge: &JudgeRef,
    lists: &ListsRef,
    text: String,
    uri: String,
    issuer: String,
    now: f64,
) -> Option<BindingError> {
    judge.judge.put_list(lists, &text, &uri, &issuer, whole(now)).err().map(BindingError::from)
}

#[napi(object, object_to_js = false)]
pub struct BindingAsked {
    pub now: f64,
    pub scopes: Vec<String>,
    pub presenter: Option<String>,
}

impl BindingAsked {
    fn with<T>(&self, token: &str, judge: impl FnOnce(&Presentation<'_>) -> T) -> xbind::Result<T> {
        if !self.now.is_finite() || self.now < 0.0 {
            return Err(Error::new(ErrorKind::InvalidConfig, "the clock gave no time"));
        }
        let scopes = self.scopes.iter().map(|scope| Scope::parse(scope)).collect::<xbind::Result<Vec<_>>>()?;
        let presenter = self.presenter.as_deref().map(did).transpose()?;
        Ok(judge(&Presentation { token, scopes: &scopes, presenter: presenter.as_ref(), now: whole(self.now) }))
    }
}

/// What has been found out so far.
#[napi(object)]
pub struct BindingAnswers {
    /// There are sources to ask about every link.
    pub sources: bool,
    /// Documents may be fetched.
    pub patient: bool,
    /// Whether each link was revoked, where the sources know.
    pub standing: Option<Vec<Option<bool>>>,
    pub keys_sought: Option<bool>,
    pub lists_sought: Option<bool>,
}

impl From<&Answers> for BindingAnswers {
    fn from(answers: &Answers) -> Self {
        let Answers { sources, patient, ref standing, keys_sought, lists_sought } = *answers;
        let (keys_sought, lists_sought) = (Some(keys_sought), Some(lists_sought));
        Self { sources, patient, standing: standing.clone(), keys_sought, lists_sought }
    }
}

impl From<BindingAnswers> for Answers {
    fn from(answers: BindingAnswers) -> Self {
        let BindingAnswers { sources, patient, standing, keys_sought, lists_sought } = answers;
        let [keys_sought, lists_sought] = [keys_sought, lists_sought].map(|sought| sought == Some(true));
        Self { sources, standing, patient, keys_sought, lists_sought }
    }
}

/// What has to be found out before a token can be judged.
#[napi(object, object_from_js = false)]
pub struct BindingNeeds {
    /// The issuer whose keys have to be fetched.
    pub keys: Option<String>,
    /// Status lists have to be fetched.
    pub lists: bool,
    /// Sources have to be asked.
    pub standing: bool,
    /// About these links, the first issuer's first.
    pub links: Vec<BindingLink>,
    /// What is known so far.
    pub answers: BindingAnswers,
}

impl BindingNeeds {
    pub fn new(answers: &Answers, needs: Vec<Need>) -> Self {
        let mut all = Self { keys: None, lists: false, standing: false, links: Vec::new(), answers: answers.into() };
        for need in needs {
            match need {
                Need::Keys { issuer } => all.keys = Some(issuer),
                Need::Lists(links) => (all.lists, all.links) = (true, links.iter().map(BindingLink::from).collect()),
                Need::Standing(links) => {
                    (all.standing, all.links) = (true, links.iter().map(BindingLink::from).collect());
                }
            }
        }
        all
    }
}

#[napi(object, object_from_js = false)]
pub struct BindingLink {
    pub id: String,
    pub issuer: String,
    pub subject: String,
    pub issued_at: f64,
    pub status: Option<BindingStatus>,
}

impl From<&Link> for BindingLink {
    fn from(link: &Link) -> Self {
        let status = link.status.as_ref();
        Self {
            id: link.id.clone(),
            issuer: link.issuer.clone(),
            subject: link.subject.clone(),
            issued_at: number(link.issued_at),
            status: status.map(|status| BindingStatus { index: number(status.index), uri: status.uri.clone() }),
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct BindingToken {
    pub issuer: String,
    pub subject: String,
    pub audience: String,
    pub scopes: Vec<String>,
    pub id: String,
    pub issued_at: f64,
    pub expires_at: f64,
    pub chain: Vec<String>,
    /// The text of one JSON object.
    pub claims: String,
    /// What the answer about revocation rests on.
    #[napi(ts_type = "'fresh' | 'unchecked' | 'stale' | 'absent' | 'unreadable' | 'unknown'")]
    pub revocation: &'static str,
    /// For [`verify_known_token`], until [`forget_known_tokens`]; none where sources were asked.
    pub known: Option<u32>,
}

/// Why a token is refused.
#[napi(object, object_from_js = false)]
pub struct BindingRefusal {
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
    pub retryable: bool,
    /// What evidence there was.
    #[napi(ts_type = "Token['revocation']")]
    pub revocation: &'static str,
    /// The issuer whose keys are not there, and whether and why they did not come.
    pub keys_of: Option<String>,
    pub keys_asked: bool,
    pub keys_failure: Option<String>,
}

impl From<Refused> for BindingRefusal {
    fn from(refused: Refused) -> Self {
        let BindingError { code, message, hint, retryable, .. } = refused.error.into();
        let (keys_of, state) = refused.keys.map_or((None, KeysState::Unasked), |(of, state)| (Some(of), state));
        let keys_asked = state != KeysState::Unasked;
        let keys_failure = if let KeysState::Failed(why) = state { Some(why) } else { None };
        let revocation = refused.grade.as_str();
        Self { code, message, hint, retryable, revocation, keys_of, keys_asked, keys_failure }
    }
}

/// Judges a token, or says what has to be found out first.
#[napi(catch_unwind)]
pub fn judge_token(
    judge: &JudgeRef,
    token: String,
    asked: BindingAsked,
    answers: BindingAnswers,
) -> Either3<BindingToken, BindingRefusal, BindingNeeds> {
    let answers = Answers::from(answers);
    match asked.with(&token, |presentation| judge.judge.judge(presentation, &answers)) {
        Err(error) => Either3::B(Refused::from(error).into()),
        Ok(Ruling::Refused(refused)) => Either3::B(refused.into()),
        Ok(Ruling::Needs(needs)) => Either3::C(BindingNeeds::new(&answers, needs)),
        Ok(Ruling::Held(held)) => {
            let accepted = accepted(&held);
            let known = (!answers.sources).then(|| judge.remember(token, held)).flatten();
            Either3::A(BindingToken { known, ..accepted })
        }
    }
}

impl TokenJudge {
    fn remember(&self, token: String, held: Held) -> Option<u32> {
        let mut known = self.known.borrow_mut();
        let place = u32::try_from(known.len()).ok()?;
        known.push((token, held));
        Some(place)
    }
}

/// The same for a token that this judge has judged: what the answer about revocation rests on, or nothing if it is refused
/// now.
#[napi(catch_unwind, ts_return_type = "Token['revocation'] | null")]
pub fn verify_known_token(
    judge: &JudgeRef,
    token: u32,
    now: f64,
    scopes: Option<Vec<String>>,
    presenter: Option<String>,
) -> Option<&'static str> {
    let asked = BindingAsked { now, scopes: scopes.unwrap_or_default(), presenter };
    let known = judge.known.borrow();
    let (token, held) = known.get(usize::try_from(token).ok()?)?;
    let judged = asked.with(token, |presentation| judge.judge.judge_again(held, presentation, &Answers::default()));
    judged.ok()?.ok().map(|grade| grade.as_str())
}

#[napi(catch_unwind)]
pub fn forget_known_tokens(judge: &JudgeRef) {
    judge.known.take();
}

fn accepted(held: &Held) -> BindingToken {
    let token = &held.token;
    BindingToken {
        issuer: token.issuer().to_owned(),
        subject: token.subject().to_owned(),
        audience: token.audience().to_owned(),
        scopes: token.scopes().iter().map(|scope| scope.as_str().to_owned()).collect(),
        id: token.id().to_owned(),
        issued_at: number(token.issued_at()),
        expires_at: number(token.expires_at()),
        chain: token.chain().map(str::to_owned).collect(),
        claims: token.claims().to_owned(),
        revocation: held.grade.as_str(),
        known: None,
    }
}
