//! Judging tokens: what the face is asked for, and what came of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xbind::{
    Error, Held, KeysOf, KeysState, Need, Presentation, Refused, Result, Revocations, Ruling, Scope, TokenPolicy,
};

use crate::did::did;
use crate::number::{seconds, whole};
use crate::record::Telling;
use crate::revocation::ListSource;
use crate::token::{OnBehalfOf, Status};
use crate::trust::{Authorities, Trustees};

pub use crate::trust::JudgePolicy;

/// A judge of tokens, for a face that keeps what it has told.
pub struct Judge {
    core: Arc<xbind::Judge>,
    authorities: Authorities,
    /// What the face remembers by its place here. An object of its own for each might be given back late, however many are
    /// verified before.
    known: RefCell<Vec<(String, Held)>>,
}

/// What somebody asks of a token.
struct Asked<'a> {
    /// By the user's clock.
    now: f64,
    /// What it has to grant.
    scopes: &'a [String],
    /// The DID that presents it.
    presenter: Option<&'a str>,
}

impl Asked<'_> {
    fn with<T>(&self, token: &str, judge: impl FnOnce(&Presentation<'_>) -> T) -> Result<T> {
        let now = seconds(self.now)?;
        let scopes = self.scopes.iter().map(|scope| Scope::parse(scope)).collect::<Result<Vec<_>>>()?;
        let presenter = self.presenter.map(did).transpose()?;
        Ok(judge(&Presentation { token, scopes: &scopes, presenter: presenter.as_ref(), now }))
    }
}

impl Judge {
    /// A judge.
    ///
    /// # Errors
    /// `INVALID_DID`, `INVALID_KEY` (a JWK set), `INVALID_CONFIG`.
    pub fn new(
        policy: &JudgePolicy,
        lists: Vec<&Arc<xbind::RevocationList>>,
        sources: Vec<&ListSource>,
    ) -> Result<Self> {
        let lists = lists.into_iter().cloned().collect();
        let status = sources.into_iter().map(|source| source.lists.clone()).collect();
        let Trustees { trust, fetched, authorities } = policy.trustees()?;
        let core = TokenPolicy {
            clock_skew: policy.clock_skew.0,
            max_lifetime: policy.max_lifetime.0,
            ..TokenPolicy::new(&policy.audience)
        };
        let revocations = Revocations { lists, status, accept_unknown: policy.accept_unknown };
        let core = Arc::new(xbind::Judge::new(core, trust, &fetched, revocations)?);
        authorities.serve(&core);
        Ok(Self { core, authorities, known: RefCell::default() })
    }

    /// The judge itself.
    #[must_use]
    pub const fn core(&self) -> &Arc<xbind::Judge> {
        &self.core
    }

    /// The keys of an issuer, or why there are none; says why they cannot be used.
    #[must_use]
    pub fn keys_came(&self, issuer: &str, asked_at: f64, jwks: Option<&str>, why: &str) -> Option<String> {
        self.core.keys_came(issuer, whole(asked_at), jwks.ok_or_else(|| why.to_owned()))
    }

    /// Asks the authorities that may be asked now; what they say, the judge has when this comes.
    #[must_use]
    pub fn ask_authorities(&self, now: f64) -> Telling<()> {
        self.authorities.ask(&self.core, whole(now))
    }

    /// Takes in a status list that was fetched for a link of a token.
    ///
    /// # Errors
    /// Those of [`xbind::Judge::put_list`].
    pub fn put_list(&self, source: &ListSource, text: &str, uri: &str, issuer: &str, now: f64) -> Result<()> {
        self.core.put_list(&source.lists, text, uri, issuer, whole(now))
    }

    /// Judges a token by the user's clock, for what it has to grant to the DID that presents it; or says what has to be found out first.
    pub fn judge(
        &self,
        token: &str,
        now: f64,
        scopes: &[String],
        presenter: Option<&str>,
        answers: &Answers,
    ) -> Judged {
        let asked = Asked { now, scopes, presenter };
        let answers = xbind::Answers::from(answers.clone());
        match asked.with(token, |presentation| self.core.judge(presentation, &answers)) {
            Err(error) => Judged::Refused(Refused::from(error).into()),
            Ok(Ruling::Refused(refused)) => Judged::Refused(refused.into()),
            Ok(Ruling::Needs(needs)) => Judged::Needs(Needs::new(&answers, needs)),
            Ok(Ruling::Held(held)) => {
                let accepted = Token::from(&held);
                let known = (!answers.sources).then(|| self.remember(token.to_owned(), held)).flatten();
                Judged::Held(Token { known, ..accepted })
            }
        }
    }

    fn remember(&self, token: String, held: Held) -> Option<u32> {
        let mut known = self.known.borrow_mut();
        let place = u32::try_from(known.len()).ok()?;
        known.push((token, held));
        Some(place)
    }

    /// The same for a token that this judge has judged: what the answer about revocation rests on, or nothing if it is
    /// refused now.
    #[must_use]
    pub fn judge_known(
        &self,
        place: u32,
        now: f64,
        scopes: Option<&[String]>,
        presenter: Option<&str>,
    ) -> Option<&'static str> {
        let asked = Asked { now, scopes: scopes.unwrap_or_default(), presenter };
        let known = self.known.borrow();
        let (token, held) = known.get(usize::try_from(place).ok()?)?;
        let answers = xbind::Answers::default();
        let judged = asked.with(token, |presentation| self.core.judge_again(held, presentation, &answers));
        judged.ok()?.ok().map(|grade| grade.as_str())
    }

    /// Forgets what [`judge`](Self::judge) gave places.
    pub fn forget(&self) {
        self.known.take();
    }
}

/// What has been found out so far.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Answers {
    /// There are sources to ask about every link.
    pub sources: bool,
    /// Documents may be fetched.
    pub patient: bool,
    /// Whether each link was revoked, where the sources know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<Vec<Option<bool>>>,
    /// Keys were asked for.
    pub keys_sought: Option<bool>,
    /// Lists were asked for.
    pub lists_sought: Option<bool>,
}

impl From<&xbind::Answers> for Answers {
    fn from(answers: &xbind::Answers) -> Self {
        let xbind::Answers { sources, patient, ref standing, keys_sought, lists_sought, .. } = *answers;
        let (keys_sought, lists_sought) = (Some(keys_sought), Some(lists_sought));
        Self { sources, patient, standing: standing.clone(), keys_sought, lists_sought }
    }
}

impl From<Answers> for xbind::Answers {
    fn from(answers: Answers) -> Self {
        let Answers { sources, patient, standing, keys_sought, lists_sought } = answers;
        let [keys_sought, lists_sought] = [keys_sought, lists_sought].map(|sought| sought == Some(true));
        Self { sources, standing, patient, keys_sought, lists_sought, ..Self::default() }
    }
}

/// How a token was judged.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Judged {
    /// It holds.
    Held(Token),
    /// It does not.
    Refused(Refusal),
    /// Somebody has to be asked.
    Needs(Needs),
}

/// What has to be found out before a token can be judged.
#[derive(Debug, Serialize)]
pub struct Needs {
    /// The issuer whose keys have to be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// Authorities have to be asked which keys they have.
    pub authorities: bool,
    /// Status lists have to be fetched.
    pub lists: bool,
    /// Sources have to be asked.
    pub standing: bool,
    /// About these links, the first issuer's first.
    pub links: Vec<Link>,
    /// What is known so far.
    pub answers: Answers,
}

impl Needs {
    /// What a judge needs.
    #[must_use]
    pub fn new(answers: &xbind::Answers, needs: Vec<Need>) -> Self {
        let (links, answers) = (Vec::new(), answers.into());
        let mut all = Self { keys: None, authorities: false, lists: false, standing: false, links, answers };
        for need in needs {
            match need {
                Need::Keys { issuer } => all.keys = Some(issuer),
                Need::Authorities => all.authorities = true,
                Need::Lists(links) => (all.lists, all.links) = (true, links.iter().map(Link::from).collect()),
                Need::Standing(links) => (all.standing, all.links) = (true, links.iter().map(Link::from).collect()),
            }
        }
        all
    }
}

/// One grant in a chain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The token's id.
    pub id: String,
    /// Who grants.
    pub issuer: String,
    /// To whom.
    pub subject: String,
    /// Seconds since the epoch.
    pub issued_at: u64,
    /// Where its status is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

impl From<&xbind::Link> for Link {
    fn from(link: &xbind::Link) -> Self {
        let xbind::Link { id, issuer, subject, issued_at, status, .. } = link.clone();
        Self { id, issuer, subject, issued_at, status: status.as_ref().map(Status::from) }
    }
}

/// A token that holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Who grants.
    pub issuer: String,
    /// Who may use it.
    pub subject: String,
    /// For whom it counts.
    pub audience: String,
    /// What it grants.
    pub scopes: Vec<String>,
    /// The limits that hold, by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<BTreeMap<String, u64>>,
    /// Its id.
    pub id: String,
    /// Seconds since the epoch.
    pub issued_at: u64,
    /// Seconds since the epoch.
    pub expires_at: u64,
    /// Those through whose hands it went.
    pub chain: Vec<String>,
    /// The text of one JSON object.
    pub claims: String,
    /// For whom the first of them acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<OnBehalfOf>,
    /// What the answer about revocation rests on.
    // ts: 'fresh' | 'unchecked' | 'stale' | 'absent' | 'unreadable' | 'unknown'
    pub revocation: &'static str,
    /// For [`Judge::judge_known`], until [`Judge::forget`]; none where sources were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<u32>,
}

impl From<&Held> for Token {
    fn from(held: &Held) -> Self {
        let token = &held.token;
        let quotas = token.quotas();
        Self {
            issuer: token.issuer().to_owned(),
            subject: token.subject().to_owned(),
            audience: token.audience().to_owned(),
            scopes: token.scopes().iter().map(|scope| scope.as_str().to_owned()).collect(),
            quota: (!quotas.is_empty())
                .then(|| quotas.into_iter().map(|(name, most)| (name.to_owned(), most)).collect()),
            id: token.id().to_owned(),
            issued_at: token.issued_at(),
            expires_at: token.expires_at(),
            chain: token.chain().map(str::to_owned).collect(),
            claims: token.claims().to_owned(),
            on_behalf_of: token
                .on_behalf_of()
                .map(|(issuer, subject)| OnBehalfOf { issuer: issuer.to_owned(), subject: subject.to_owned() }),
            revocation: held.grade.as_str(),
            known: None,
        }
    }
}

/// Why a token is refused.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The code.
    pub code: &'static str,
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// What evidence there was.
    // ts: Token['revocation']
    pub revocation: &'static str,
    /// The issuer whose keys are not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_of: Option<String>,
    /// Where the authority is that does not know the DID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Whether they were asked for, or it was asked.
    pub keys_asked: bool,
    /// Why they did not come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_failure: Option<String>,
}

impl From<Refused> for Refusal {
    fn from(Refused { error, grade, keys }: Refused) -> Self {
        let (of, state) = keys.unzip();
        let (keys_of, authority) = match of {
            Some(KeysOf::Issuer(issuer)) => (Some(issuer), None),
            Some(KeysOf::Authority(authority)) => (None, Some(authority)),
            None => (None, None),
        };
        let state = state.unwrap_or(KeysState::Unasked);
        let keys_asked = state != KeysState::Unasked;
        let keys_failure = if let KeysState::Failed(why) = state { Some(why) } else { None };
        Self {
            code: error.kind().code(),
            message: Error::message(&error).to_owned(),
            hint: error.hint().map(str::to_owned),
            retryable: error.kind().retryable(),
            revocation: grade.as_str(),
            keys_of,
            authority,
            keys_asked,
            keys_failure,
        }
    }
}
