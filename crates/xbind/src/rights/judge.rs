//! Judging tokens with all that can be known about them: what is at hand here, and what somebody has to be asked first.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::did::Did;
use crate::identity::jwks::JwkSet;
use crate::rights::authorities::{Authorities, AuthorityKey};
use crate::rights::evidence::{Grade, Revocations, Weighing};
use crate::rights::grant::Link;
use crate::rights::issuer_keys::{IssuerKeys, KeysOf, KeysState};
use crate::rights::revocation::Standing;
use crate::rights::scope::Scope;
use crate::rights::status_list::ListSigner;
use crate::rights::status_lists::{Evidence, StatusLists};
use crate::rights::trust::Trust;
use crate::rights::verifier::{Asked, TokenPolicy, TokenVerifier, VerifiedToken};
use std::sync::{Arc, OnceLock};

/// One presentation of a token.
#[derive(Clone, Copy, Debug)]
pub struct Presentation<'a> {
    /// The token, or a chain of delegations.
    pub token: &'a str,
    /// Scopes that it must cover, all of them.
    pub scopes: &'a [Scope<'a>],
    /// Who presents it, proven by other means: it must be the token's subject. `None` takes the token from anybody.
    pub presenter: Option<&'a Did>,
    /// Now, in seconds since the epoch.
    pub now: u64,
}

/// What one judgement may ask for, and what it has been told.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// There are sources elsewhere, which have to be asked about every link.
    pub sources: bool,
    /// What these said of each link: whether it was revoked, where they know.
    pub standing: Option<Vec<Option<bool>>>,
    /// Documents may be fetched: there is time.
    pub patient: bool,
    /// Status lists at hand whose owner wants them anew may be fetched, and nothing else where there is no time.
    pub renews: bool,
    /// Keys, or authorities, were asked for, whatever came of it.
    pub keys_sought: bool,
    /// Status lists were asked for, whatever came of it.
    pub lists_sought: bool,
}

/// Something that has to be found out before a token can be judged.
#[derive(Clone, Debug)]
pub enum Need {
    /// The JWK set of an issuer whose keys are fetched; [`Judge::keys_came`] takes it.
    Keys {
        /// By its name in tokens.
        issuer: String,
    },
    /// Which DIDs the authorities have that [`Judge::authorities_to_ask`] names; [`Judge::authority_came`] takes them.
    Authorities,
    /// The status lists that these links name, where they may be fetched; [`Judge::put_list`] takes them.
    Lists(Vec<Link>),
    /// What sources elsewhere know of each link, for [`Answers::standing`].
    Standing(Vec<Link>),
}

/// What came of a judgement.
#[derive(Debug)]
pub enum Ruling {
    /// Every check has passed.
    Held(Held),
    /// One has not.
    Refused(Refused),
    /// Somebody has to be asked; then judge again, with the same answers and what came.
    Needs(Vec<Need>),
}

/// A token that holds now.
#[derive(Clone, Debug)]
pub struct Held {
    /// What it says.
    pub token: Arc<VerifiedToken>,
    /// What the answer about its revocation rests on.
    pub grade: Grade,
    /// Of the keys that it was verified with.
    generation: u64,
}

/// A token that does not hold.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: Error,
    /// With `REVOCATION_UNKNOWN`, what evidence there was.
    pub grade: Grade,
    /// With `UNTRUSTED_ISSUER`, who would have had to be asked, and how that went.
    pub keys: Option<(KeysOf, KeysState)>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, grade: Grade::Unchecked, keys: None }
    }
}

/// Decides about tokens for one audience: what it is told is evidence, what it says is final. Threads share it.
pub struct Judge {
    verifier: TokenVerifier,
    keys: IssuerKeys,
    authorities: Authorities,
    renew: OnceLock<Renew>,
    revocations: Revocations,
}

/// Is told which authority is to be asked, and when that is.
type Renew = Box<dyn Fn(&str, u64) + Send + Sync>;

impl Judge {
    /// A judge. `fetched` are issuers whose keys come from elsewhere; `trust` need not name them.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for an audience that no token could name, or an issuer that is none; see [`Trust::with_issuer`].
    pub fn new(policy: TokenPolicy, mut trust: Trust, fetched: &[String], revocations: Revocations) -> Result<Self> {
        for issuer in fetched {
            trust = trust.with_issuer(issuer, JwkSet::default())?;
        }
        for lists in &revocations.status {
            trust.names().for_each(|issuer| lists.trust(issuer));
        }
        let authorities = Authorities::new(&trust.authorities);
        let verifier = TokenVerifier::new(policy, trust)?;
        Ok(Self { verifier, keys: IssuerKeys::new(fetched), authorities, renew: OnceLock::new(), revocations })
    }

    /// Has authorities asked before their answers are over, so that nobody waits: `renew` is told which and when, any number of
    /// times while the answer is on its way, and does not block. Without it they are asked when somebody needs them. The
    /// first one to be set stays.
    pub fn renew_with(&self, renew: impl Fn(&str, u64) + Send + Sync + 'static) {
        drop(self.renew.set(Box::new(renew)));
    }

    /// Judges a token: the checks of docs/tokens.md, in that order. What has to be found out first it asks for, and is
    /// asked again, with what came of it, by what holds then.
    pub fn judge(&self, presentation: &Presentation<'_>, answers: &Answers) -> Ruling {
        self.settle(presentation.now);
        let needs = match self.needs(presentation, answers) {
            Ok(needs) => needs,
            Err(error) => return Ruling::Refused(self.refused(presentation, error, Grade::Unchecked)),
        };
        if !needs.is_empty() {
            return Ruling::Needs(needs);
        }
        let generation = self.verifier.generation();
        let weighing = self.weighing(presentation, answers);
        let verified =
            asking(presentation, &weighing, |asked| self.verifier.verify(presentation.token, presentation.now, asked));
        match verified {
            Ok(token) => Ruling::Held(Held { token, grade: weighing.grade(), generation }),
            Err(error) => Ruling::Refused(self.refused(presentation, error, weighing.grade())),
        }
    }

    /// Judges a token again that held before, which costs little: what has changed since is time, keys, revocations. Asks for
    /// nothing.
    ///
    /// # Errors
    /// Why it does not hold any more.
    pub fn judge_again(
        &self,
        held: &Held,
        presentation: &Presentation<'_>,
        answers: &Answers,
    ) -> std::result::Result<Grade, Refused> {
        self.settle(presentation.now);
        let weighing = self.weighing(presentation, answers);
        let verified = asking(presentation, &weighing, |asked| {
            if held.generation == self.verifier.generation() {
                self.verifier.verify_again(&held.token, presentation.now, asked)
            } else {
                self.verifier.verify(presentation.token, presentation.now, asked).map(drop)
            }
        });
        let grade = weighing.grade();
        verified.map(|()| grade).map_err(|error| self.refused(presentation, error, grade))
    }

    /// Takes the JWK set of an issuer in, or why there is none. `asked_at` is when it was asked for. Tells why it cannot be
    /// used, if it cannot.
    pub fn keys_came(&self, issuer: &str, asked_at: u64, keys: std::result::Result<&str, String>) -> Option<String> {
        let keys = keys.and_then(|text| JwkSet::parse(text).map_err(|error| error.message().to_owned()));
        match keys {
            Ok(set) => {
                self.verifier.set_keys(issuer, set);
                self.keys.came(issuer, asked_at, None);
                None
            }
            Err(why) => {
                self.keys.came(issuer, asked_at, Some(why.clone()));
                Some(why)
            }
        }
    }

    /// The authorities that may be asked now, by their names.
    #[must_use]
    pub fn authorities_to_ask(&self, now: u64) -> Vec<String> {
        self.authorities.to_ask(now)
    }

    /// Takes in which DIDs an authority has, or why it does not say so. `asked_at` is when it was asked.
    pub fn authority_came(&self, name: &str, asked_at: u64, said: std::result::Result<Vec<AuthorityKey>, String>) {
        for lists in &self.revocations.status {
            said.iter().flatten().for_each(|key| lists.trust(key.did.as_str()));
        }
        self.authorities.came(name, asked_at, said);
    }

    /// Takes a status list in that was fetched for a link of that issuer's.
    ///
    /// # Errors
    /// Those of [`StatusLists::put`], and `INVALID_DID`.
    pub fn put_list(&self, lists: &StatusLists, text: &str, uri: &str, issuer: &str, now: u64) -> Result<()> {
        match self.verifier.keys_of(issuer) {
            Some(set) => lists.put(text, uri, ListSigner::Issuer(issuer, &set), now),
            None => {
                let key = crate::identity::key::VerifyingKey::from_did(issuer)?;
                lists.put(text, uri, ListSigner::Did(key.did()), now)
            }
        }
    }

    /// What is known of others, as it is at this time.
    fn settle(&self, now: u64) {
        self.keys.forget_old(now, |issuer| self.forget_keys(issuer));
        if self.authorities.is_empty() {
            return;
        }
        self.authorities.settle(now, &self.verifier);
        if let Some(renew) = self.renew.get() {
            self.authorities.due(now).iter().for_each(|name| renew(name, now));
        }
    }

    fn forget_keys(&self, issuer: &str) {
        self.verifier.set_keys(issuer, JwkSet::default());
    }

    fn weighing<'a>(&'a self, presentation: &Presentation<'_>, answers: &'a Answers) -> Weighing<'a> {
        let told = answers.sources.then(|| answers.standing.as_deref().unwrap_or_default());
        Weighing::new(&self.revocations, told, presentation.now)
    }

    /// What has to be found out first. Only a token that passes every other check makes anybody ask.
    fn needs(&self, presentation: &Presentation<'_>, answers: &Answers) -> Result<Vec<Need>> {
        let asks = answers.sources && answers.standing.is_none();
        let knows_all = self.keys.is_empty() && self.authorities.is_empty();
        let seeks_keys = answers.patient && !answers.keys_sought && !knows_all;
        let may_seek =
            (answers.patient || answers.renews) && !answers.lists_sought && !self.revocations.status.is_empty();
        if !(asks || seeks_keys || may_seek) {
            return Ok(Vec::new());
        }
        let now = presentation.now;
        let asked = Asked {
            scopes: presentation.scopes,
            presenter: presentation.presenter,
            standing: &|_| Standing::Valid,
            status: &|_, _| Evidence::Fresh(0),
        };
        let verified = match self.verifier.verify(presentation.token, now, &asked) {
            Ok(verified) => verified,
            Err(error) if seeks_keys && error.kind() == ErrorKind::UntrustedIssuer => {
                let missing = self.verifier.missing_key(presentation.token);
                let issuer = missing.map(|(issuer, _)| issuer).filter(|issuer| self.keys.may_be_asked(issuer, now));
                let need = match issuer {
                    Some(issuer) => Need::Keys { issuer },
                    None if self.may_be_followed(presentation.token, now) => Need::Authorities,
                    None => return Err(error),
                };
                return Ok(vec![need]);
            }
            Err(error) => return Err(error),
        };
        if seeks_keys && self.keys.is_due(verified.issuer(), now) {
            return Ok(vec![Need::Keys { issuer: verified.issuer().to_owned() }]);
        }
        let mut needs = Vec::new();
        if asks {
            needs.push(Need::Standing(verified.links().to_vec()));
        }
        let due = |link: &Link| {
            let is_due = |lists: &Arc<StatusLists>, status| lists.is_due(&link.issuer, status, now);
            link.status.as_ref().is_some_and(|status| {
                answers.patient || self.revocations.status.iter().any(|lists| is_due(lists, status))
            })
        };
        if may_seek && verified.links().iter().any(due) {
            needs.push(Need::Lists(verified.links().to_vec()));
        }
        Ok(needs)
    }

    /// Whether an authority may have come to have the DID of a token.
    fn may_be_followed(&self, token: &str, now: u64) -> bool {
        !self.authorities.to_ask(now).is_empty() && self.verifier.is_of_strange_did(token)
    }

    fn refused(&self, presentation: &Presentation<'_>, error: Error, grade: Grade) -> Refused {
        let mut refused = Refused { grade, ..error.into() };
        if refused.error.kind() != ErrorKind::UntrustedIssuer {
            return refused;
        }
        if !self.keys.is_empty() {
            let issuer = self.verifier.missing_key(presentation.token).map(|(issuer, _)| issuer);
            refused.keys = issuer.and_then(|issuer| {
                let state = self.keys.state(&issuer)?;
                Some((KeysOf::Issuer(issuer), state))
            });
        }
        if !self.authorities.is_empty() && self.verifier.is_of_strange_did(presentation.token) {
            refused.keys = self.authorities.state().map(|(name, state)| (KeysOf::Authority(name), state));
        }
        refused
    }
}

fn asking<T>(
    presentation: &Presentation<'_>,
    weighing: &Weighing<'_>,
    verify: impl FnOnce(&Asked<'_>) -> Result<T>,
) -> Result<T> {
    verify(&Asked {
        scopes: presentation.scopes,
        presenter: presentation.presenter,
        standing: &|link| weighing.standing(link),
        status: &|issuer, status| weighing.status(issuer, status),
    })
}
