use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OnceCell, oneshot};
use tokio::time::timeout;
use xbind::{Did, Error, ErrorKind, VerifyingKey};
use xbind_runtime::Agent;

use super::client::{Client, Question};
use super::known::Known;
use super::names::Names;
use super::refusal::{Refusal, Result};
use super::tokens::{Tokens, Wanted};
use super::user_token::{USER_TOKEN_TYPE, UserToken};
use super::wire::{About, AgentView, AskChallenge, AskToken, Challenge, NameView, PutName, TokenView};
use crate::{Answer, Settings, thread};

/// How often whoever waits for an answer looks whether the agent is still there.
const LOOK: Duration = Duration::from_millis(100);

/// What an agent asks of the authority of its operator. All of it is signed by the agent, and each answer by the authority.
#[derive(Clone)]
pub struct Registry {
    desk: Arc<Desk>,
    tokens: Tokens,
}

/// A name that is registered.
#[derive(Clone, Debug, Serialize)]
pub struct Registered {
    /// The whole name, with the domain.
    pub name: String,
    /// To whom it leads.
    pub did: String,
}

/// Who asks, and whom.
pub(super) struct Desk {
    agent: Weak<Agent>,
    client: Client,
    /// Given by the owner, or what it said when it was first asked.
    authority: OnceCell<Mutex<Known>>,
}

impl Registry {
    /// An authority at an address, behind a `#` its DID where that is known: without, it is the one that the authority says when
    /// it is first asked. With `resolves` the agent calls by the names there, too.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, `INVALID_DID`.
    pub fn new(agent: &Arc<Agent>, at: &str, resolves: bool, settings: Settings) -> xbind::Result<Self> {
        let (server, did) = at.split_once('#').map_or((at, None), |(server, did)| (server, Some(did)));
        let client = Client::configured(server, settings)?;
        let did = did.map(VerifyingKey::from_did).transpose()?;
        let authority = OnceCell::new_with(did.map(|key| Mutex::new(Known::new(*key.did()))));
        let desk = Arc::new(Desk { agent: Arc::downgrade(agent), client, authority });
        if resolves {
            agent.resolve_names_with(Arc::new(Names::new(desk.clone())));
        }
        let tokens = Tokens::new();
        agent.lend_tokens_by(Arc::new(tokens.clone()));
        Ok(Self { tokens, desk })
    }

    /// Registers the agent's name within the domain of its operator, or says anew what it offers. `done` is told once.
    pub fn register(&self, card: Option<String>, done: impl FnOnce(xbind::Result<Registered>) + Send + 'static) {
        let desk = self.desk.clone();
        self.run(async move { Ok(desk.register(card).await?) }, done);
    }

    /// A token: one that was given before while at least a fifth of its life is left, else a new one, which is asked for
    /// once for all who want it. With the token of a user, which is not kept, it is one to act for him. `done` is told once.
    pub fn token(
        &self,
        wanted: Wanted,
        user: Option<UserToken>,
        done: impl FnOnce(xbind::Result<String>) + Send + 'static,
    ) {
        let (desk, tokens) = (self.desk.clone(), self.tokens.clone());
        self.run(async move { tokens.token(&desk, wanted, user).await }, done);
    }

    /// For as long as the agent may speak.
    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = xbind::Result<T>> + Send + 'static,
        done: impl FnOnce(xbind::Result<T>) + Send + 'static,
    ) {
        let desk = self.desk.clone();
        let watched = async move {
            let mut working = pin!(work);
            loop {
                if let Ok(worked) = timeout(LOOK, &mut working).await {
                    break worked;
                }
                desk.agent()?;
            }
        };
        run(watched, done);
    }
}

/// Work on the thread of this crate. `done` is told once.
pub(super) fn run<T: Send + 'static>(
    work: impl Future<Output = xbind::Result<T>> + Send + 'static,
    done: impl FnOnce(xbind::Result<T>) + Send + 'static,
) {
    let Ok(thread) = thread::handle() else { return done(Err(internal())) };
    thread.spawn(async move {
        let worked = tokio::spawn(work); // a panic ends this request alone
        done(worked.await.unwrap_or_else(|_| Err(internal())));
    });
}

fn internal() -> Error {
    Error::new(ErrorKind::Internal, "an internal fault ended this call")
}

impl Desk {
    /// The agent, while it may speak.
    pub(super) fn agent(&self) -> Result<Arc<Agent>> {
        let agent = self.agent.upgrade().filter(|agent| !agent.is_closed());
        let agent = agent.ok_or_else(|| Error::new(ErrorKind::AgentClosed, "this agent is closed"))?;
        agent.check_may_speak()?;
        Ok(agent)
    }

    /// Who the authority is.
    async fn authority(&self) -> Result<&Mutex<Known>> {
        let find = async || {
            let about = self.client.about().await?;
            self.client.check_address(&about)?;
            Ok(Mutex::new(Known::new(*VerifyingKey::from_did(&about.did)?.did())))
        };
        self.authority.get_or_try_init(find).await
    }

    /// The keys whose tokens may count, by what is known of the authority.
    pub(super) fn counting(&self, now: u64) -> Vec<Did> {
        let known = self.authority.get().map(|known| known.lock().unwrap_or_else(PoisonError::into_inner));
        known.map(|known| known.counting(now).collect()).unwrap_or_default()
    }

    /// Looks whether a key that it had before counts no more. It says so in an answer that it signs.
    pub(super) async fn look_at_keys(&self) -> Result<()> {
        let about: About = self.ask(self.client.question("GET", "/v1")?).await?.json()?;
        let mut known = self.authority().await?.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.follow(&about, xbind_runtime::now())?;
        Ok(())
    }

    /// Asks in the name of the agent.
    pub(super) async fn ask(&self, question: Question) -> Result<Answer> {
        let authority = self.authority().await?;
        let agent = self.agent()?;
        let unsigned = question.unsigned(agent.did())?;
        let (tell, told) = oneshot::channel();
        agent.sign(unsigned.to_sign().as_bytes().to_vec(), move |signature| tell.send(signature).unwrap_or_default());
        drop(agent); // nobody is kept open by a provider that does not answer
        let failed = || Error::new(ErrorKind::SignFailed, "the request to the registry was not signed");
        let wait = timeout(Duration::from_secs(30), told).await;
        let signature = wait.ok().and_then(std::result::Result::ok).flatten().ok_or_else(failed)?;
        self.client.ask(question.with_fields(unsigned.finish(&signature)), authority).await
    }

    async fn register(&self, card: Option<String>) -> Result<Registered> {
        let agent = self.agent()?;
        let (did, label) = (*agent.did(), agent.name().map(str::to_owned));
        drop(agent);
        let label = label.ok_or_else(|| {
            Error::new(ErrorKind::InvalidName, "this agent has no name").with_hint("make it with a name")
        })?;
        let known: AgentView = self.ask(self.client.question("GET", &format!("/v1/agents/{did}"))?).await?.json()?;
        let suffix = format!(".{}", known.domain);
        let name = if label.ends_with(&suffix) { label } else { format!("{label}{suffix}") };
        let question = self.client.question("PUT", &format!("/v1/names/{name}"))?.with(&PutName { card })?;
        let view: NameView = self.ask(question).await?.json()?;
        if view.name != name || view.agent.did != did.as_str() {
            return Err(Refusal::Strange("a name that leads to another agent".to_owned()));
        }
        Ok(Registered { name, did: did.to_string() })
    }

    pub(super) async fn name(&self, name: &str) -> Result<NameView> {
        let view: NameView = self.ask(self.client.question("GET", &format!("/v1/names/{name}"))?).await?.json()?;
        if view.name == name { Ok(view) } else { Err(Refusal::Strange("another name".to_owned())) }
    }

    pub(super) async fn token(&self, wanted: &Wanted, subject_token: Option<UserToken>) -> Result<TokenView> {
        let did = self.agent()?.did().to_string();
        let Wanted { audience, scopes, ttl, .. } = wanted.clone();
        let ask = AskChallenge { did, audience: audience.clone(), scopes: scopes.clone() };
        let question = self.client.question("POST", "/v1/challenges")?.with(&ask)?;
        let Challenge { challenge, .. } = self.ask(question).await?.json()?;
        let subject_token_type = subject_token.as_ref().map(|_| USER_TOKEN_TYPE.to_owned());
        let ask = AskToken { challenge, audience, scopes, ttl, subject_token, subject_token_type };
        self.ask(self.client.question("POST", "/v1/tokens")?.with(&ask)?).await?.json()
    }
}
