//! What a caller may do: its token judged by all that is known now, and again for what it asks for.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;
use xbind::{Answers, Held, Judge, Link, Need, Presentation, Revocations, Ruling, Scope, Standing, TokenPolicy, Trust};
use xbind_net::authority::Follower;
use xbind_net::{Fetcher, Settings, Target, Whose};
use xbind_server::{Fault, fault};

use crate::caller::Caller;
use crate::config::{Config, Trusted};
use crate::lists::Lists;
use crate::problem::{Kind, Problem, Result};

/// How often somebody is asked for what a judgement needs.
const ROUNDS: usize = 4;
/// What is remembered of tokens that were verified, in bytes.
const CACHE: usize = 16 << 20;

/// Shared by all requests.
pub(crate) struct Rights {
    judge: Arc<Judge>,
    followers: Arc<[Follower]>,
    pub(crate) lists: Arc<Lists>,
    base: Vec<String>,
}

impl Rights {
    /// What the configuration says of trust.
    ///
    /// # Errors
    /// An authority at no address, an audience that no token could name.
    pub(crate) fn new(config: &Config, audience: &str, clock_skew: u64) -> std::result::Result<Self, Fault> {
        let settings = || Settings { roots: config.roots.clone(), ..Settings::default() };
        let (mut trust, mut followers, mut origins) = (Trust::default(), Vec::new(), HashSet::new());
        for trusted in &config.trust {
            trust = match trusted {
                Trusted::Did(did) => trust.with_did(*did),
                Trusted::Authority { did, url } => {
                    if config.trust.iter().any(|other| matches!(other, Trusted::Did(other) if other.as_str() == did)) {
                        return Err(fault(format!(
                            "trust names {did} with the address of an authority and without it"
                        )));
                    }
                    let follower = Follower::new(url, did, settings())?;
                    origins.insert(origin(follower.server())?);
                    let trust = trust.with_authority(follower.server())?;
                    followers.push(follower);
                    trust
                }
            };
        }
        let of_links = config.status_lists.iter().map(|url| origin(url)).collect::<std::result::Result<_, Fault>>()?;
        let lists = Arc::new(Lists::new(Fetcher::new(settings()), origins, of_links));
        let revocations = Revocations { status: vec![lists.at_hand.clone()], ..Revocations::default() };
        let policy = TokenPolicy { clock_skew, cache_bytes: CACHE, ..TokenPolicy::new(audience) };
        let judge = Arc::new(Judge::new(policy, trust, &[], revocations)?);
        let followers: Arc<[Follower]> = followers.into();
        if !followers.is_empty() {
            let (followers, weak) = (followers.clone(), Arc::downgrade(&judge));
            judge.renew_with(move |name, now| {
                let named = followers.iter().filter(|follower| follower.server() == name);
                named.for_each(|follower| ask(follower, &weak, now, None));
            });
        }
        Ok(Self { judge, followers, lists, base: config.scopes.clone() })
    }

    /// Judges what a caller presents, for what every request needs. Waits for what has to be asked for.
    ///
    /// # Errors
    /// Why it does not hold.
    pub(crate) async fn judge(&self, caller: &Caller, now: u64) -> Result<Held> {
        let scopes = scopes(&self.base)?;
        let (token, presenter) = (caller.token.as_str(), caller.presenter());
        let mut answers = Answers { patient: true, ..Answers::default() };
        for _ in 0..ROUNDS {
            let presentation = Presentation { token, scopes: &scopes, presenter, now };
            match self.judge.judge(&presentation, &answers) {
                Ruling::Held(held) => return Ok(held),
                Ruling::Refused(refused) => return Err(refused.error.into()),
                Ruling::Needs(needs) => {
                    for need in needs {
                        self.find_out(need, now, &mut answers).await?;
                    }
                }
            }
        }
        Err(Problem::internal().because("a judgement needs more than it was given"))
    }

    async fn find_out(&self, need: Need, now: u64, answers: &mut Answers) -> Result<()> {
        match need {
            Need::Keys { .. } => answers.keys_sought = true,
            Need::Authorities => {
                answers.keys_sought = true;
                let mut asked = Vec::new();
                for follower in &*self.followers {
                    let (tell, told) = oneshot::channel();
                    asked.push(told);
                    ask(
                        follower,
                        &Arc::downgrade(&self.judge),
                        now,
                        Some(Box::new(move || tell.send(()).unwrap_or_default())),
                    );
                }
                for told in asked {
                    drop(told.await);
                }
            }
            Need::Lists(links) => {
                answers.lists_sought = true;
                self.lists.need(&self.judge, &links).await?;
            }
            Need::Standing(_) => drop(answers.standing.get_or_insert_default()),
        }
        Ok(())
    }

    /// Judges again what held a moment ago, for more that it has to grant.
    ///
    /// # Errors
    /// Why it does not hold for that.
    pub(crate) fn judge_for(&self, held: &Held, caller: &Caller, wanted: &[String], now: u64) -> Result<()> {
        let scopes = scopes(wanted)?;
        let presentation = Presentation { token: &caller.token, scopes: &scopes, presenter: caller.presenter(), now };
        let judged = self.judge.judge_again(held, &presentation, &Answers::default());
        judged.map(drop).map_err(|refused| refused.error.into())
    }

    /// Why what runs with these links may not go on.
    pub(crate) fn ends(&self, links: &[Link], now: u64) -> Option<Problem> {
        match self.lists.stand(links, now) {
            Standing::Valid => None,
            Standing::Revoked => Some(Problem::new(Kind::Revoked, "the token was revoked while the request ran")),
            Standing::Unknown => {
                Some(Problem::new(Kind::RevocationUnknown, "nobody can tell any more whether the token was revoked"))
            }
        }
    }

    /// Has what is relied upon renewed.
    pub(crate) fn renew(&self) {
        self.lists.renew(&self.judge);
    }
}

fn scopes(texts: &[String]) -> Result<Vec<Scope<'_>>> {
    let denied = |text: &str| Problem::new(Kind::ScopeDenied, format!("no token can grant {text:?}"));
    texts.iter().map(|text| Scope::parse(text).map_err(|_| denied(text))).collect()
}

fn origin(url: &str) -> std::result::Result<String, Fault> {
    let target = Target::parse(url, Whose::Owner).map_err(|why| fault(format!("{url}: {why}")))?;
    Ok(format!("{}://{}", if target.secure() { "https" } else { "http" }, target.authority()))
}

fn ask(follower: &Follower, judge: &Weak<Judge>, now: u64, done: Option<Box<dyn FnOnce() + Send>>) {
    let (name, own) = (follower.server().to_owned(), judge.clone());
    let take = move |said| {
        if let Some(judge) = own.upgrade() {
            judge.authority_came(&name, now, said);
        }
    };
    let is_such = |name: &String| name == follower.server();
    follower.ask(|| judge.upgrade().is_some_and(|judge| judge.authorities_to_ask(now).iter().any(is_such)), take, done);
}
