use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use xbind::{AuthorityKey, Result, SigningKey, VerifyingKey};

use super::client::Client;
use super::known::Known;
use super::registry::run;
use crate::{FetchError, Settings};

/// How long the answer may take, whatever has to be asked for it, while tokens wait for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is kept of a reason, in characters: a stranger may have written it.
const MAX_REASON: usize = 256;

/// An authority that is followed from a DID that it had, for whoever accepts its tokens. It never goes back to a key that was
/// left behind.
#[derive(Clone)]
pub struct Follower(Arc<Followed>);

struct Followed {
    client: Client,
    /// Nobody's: answers are signed for whoever has signed the question.
    asker: SigningKey,
    known: Mutex<Known>,
    /// Those who wait for the answer, while a question is on its way.
    waiting: Mutex<Option<Vec<Waiter>>>,
}

/// Is told that the answer has come, or that none will.
type Waiter = Box<dyn FnOnce() + Send>;

impl Follower {
    /// The authority at an address, which has or had that DID.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, `INVALID_DID`, and `INTERNAL` without a random source.
    pub fn new(server: &str, did: &str, settings: Settings) -> Result<Self> {
        let client = Client::configured(server, settings)?;
        let known = Mutex::new(Known::new(*VerifyingKey::from_did(did)?.did()));
        let asker = SigningKey::generate(|seed| xbind_runtime::random(seed))?;
        Ok(Self(Arc::new(Followed { client, asker, known, waiting: Mutex::default() })))
    }

    /// Its address.
    #[must_use]
    pub fn server(&self) -> &str {
        self.0.client.server()
    }

    /// Asks for the DIDs whose tokens it stands for, once for all who ask meanwhile: `take` is told, or why there is no answer,
    /// if it is this call that asks. `done` comes after that, whoever has asked; at once where nobody asks and nothing is wanted any
    /// more, since the answer came a moment ago. `is_wanted` must be quick.
    pub fn ask(
        &self,
        is_wanted: impl FnOnce() -> bool,
        take: impl FnOnce(std::result::Result<Vec<AuthorityKey>, String>) + Send + 'static,
        done: Option<Waiter>,
    ) {
        let Self(followed) = self.clone();
        let mut waiting = followed.waiting();
        match &mut *waiting {
            Some(waiting) => return waiting.extend(done),
            // An answer may have come since this call began.
            None if !is_wanted() => {
                drop(waiting);
                return done.into_iter().for_each(|done| done());
            }
            none => *none = Some(done.into_iter().collect()),
        }
        drop(waiting);
        let asking = followed.clone();
        run(async move { Ok(asking.ask().await) }, move |said| {
            take(said.unwrap_or_else(|error| Err(error.message().to_owned())));
            let waiting = followed.waiting().take();
            waiting.into_iter().flatten().for_each(|done| done());
        });
    }
}

impl Followed {
    async fn ask(&self) -> std::result::Result<Vec<AuthorityKey>, String> {
        let known = self.known().clone();
        let late = |_| FetchError::Timeout(u64::try_from(TIMEOUT.as_millis()).unwrap_or(u64::MAX)).into();
        let followed = timeout(TIMEOUT, self.client.follow(&known, &self.asker)).await.map_err(late).flatten();
        let reason = |why: String| why.chars().filter(|char| !char.is_control()).take(MAX_REASON).collect::<String>();
        let followed = followed.map_err(|refusal| reason(refusal.to_string()))?;
        let keys = followed.keys().collect();
        *self.known() = followed;
        Ok(keys)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
