use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::watch;
use xbind::{Did, Error, ErrorKind};

use super::refusal::Refusal;
use super::registry::Desk;
use super::user_token::UserToken;
use super::wire::TokenView;

/// Tokens of one agent that are kept.
const MAX_TOKENS: usize = 256;
/// A token is renewed when this part of its life is left.
const LEFT: u64 = 5;

/// What a token is to be for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Where it is to be used.
    pub audience: String,
    /// What for, each once, in the order of their bytes.
    pub scopes: Vec<String>,
    /// How long it lives, in seconds.
    pub ttl: Option<u64>,
    /// By which the token of the user is known again for whom the agent acts.
    user: Option<[u8; 32]>,
}

type Told = xbind::Result<Kept>;

#[derive(Clone)]
struct Kept {
    token: String,
    /// Whose key has signed it.
    issuer: String,
    renew_at: u64,
    expires_at: u64,
}

/// The tokens of one agent.
#[derive(Clone, Default)]
pub(super) struct Tokens(Arc<Mutex<HashMap<Wanted, Entry>>>);

enum Entry {
    Kept(Kept),
    Coming(watch::Receiver<Option<Told>>),
}

impl Wanted {
    /// Two who want the same say the same.
    #[must_use]
    pub fn new(audience: String, mut scopes: Vec<String>, ttl: Option<u64>) -> Self {
        scopes.sort_unstable();
        scopes.dedup();
        Self { audience, scopes, ttl, user: None }
    }
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) async fn token(
        &self,
        desk: &Arc<Desk>,
        wanted: Wanted,
        user: Option<UserToken>,
    ) -> xbind::Result<String> {
        // Whoever may not speak any more uses no token either.
        if let Err(refusal) = desk.agent() {
            self.all().clear();
            return Err(refusal.into());
        }
        let wanted = Wanted { user: user.as_ref().map(UserToken::digest), ..wanted };
        let mut coming = match self.find(desk, wanted, user)? {
            Entry::Kept(kept) => return Ok(kept.token),
            Entry::Coming(coming) => coming,
        };
        let lost = || Error::new(ErrorKind::Internal, "an internal fault ended this call");
        let told = coming.wait_for(Option::is_some).await.map_err(|_| lost())?.clone();
        told.unwrap_or_else(|| Err(lost())).map(|kept| kept.token)
    }

    fn find(&self, desk: &Arc<Desk>, wanted: Wanted, user: Option<UserToken>) -> xbind::Result<Entry> {
        let now = xbind_runtime::now();
        // What a key has signed that is doubtful by now is taken nowhere.
        let counting = desk.counting(now);
        let mut all = self.all();
        all.retain(|_, entry| !matches!(entry, Entry::Kept(kept) if kept.expires_at <= now || !kept.is_of(&counting)));
        match all.get(&wanted) {
            Some(Entry::Kept(kept)) if now < kept.renew_at => return Ok(Entry::Kept(kept.clone())),
            Some(Entry::Coming(coming)) => return Ok(Entry::Coming(coming.clone())),
            _ => {}
        }
        if all.len() >= MAX_TOKENS && !all.contains_key(&wanted) {
            all.retain(|_, entry| matches!(entry, Entry::Coming(_)));
            if all.len() >= MAX_TOKENS {
                let why = format!("{MAX_TOKENS} tokens are asked for already");
                return Err(Error::new(ErrorKind::RegistryUnavailable, why).with_hint("try again in a moment"));
            }
        }
        let (tell, coming) = watch::channel(None);
        all.insert(wanted.clone(), Entry::Coming(coming.clone()));
        drop(all);
        let (tokens, desk) = (self.clone(), desk.clone());
        tokio::spawn(async move {
            let mut flight = Flight { tokens, wanted, told: None };
            let came = desk.token(&flight.wanted, user).await;
            if came.is_ok() && flight.tokens.are_of_earlier(&desk.counting(now)) {
                drop(desk.look_at_keys().await); // what cannot be known now is asked with the next
            }
            let told = flight.tokens.came(&flight.wanted, came, now);
            flight.told = told.as_ref().ok().cloned();
            drop(flight);
            tell.send_replace(Some(told));
        });
        Ok(Entry::Coming(coming))
    }

    fn came(&self, wanted: &Wanted, came: Result<TokenView, Refusal>, asked_at: u64) -> Told {
        match came {
            Ok(TokenView { token, expires_at, .. }) => {
                let life = expires_at.saturating_sub(asked_at);
                let renew_at = expires_at.saturating_sub(life.div_ceil(LEFT));
                Ok(Kept { issuer: issuer_of(&token).unwrap_or_default(), token, renew_at, expires_at })
            }
            Err(refusal) => {
                // With the agent's rights or its key, all that it was given may be gone; with those of a user, what it was given
                // for him.
                let denied = refusal.is("scope-denied");
                let all = refusal.is("inactive") || refusal.is("not-permitted") || (denied && wanted.user.is_none());
                let of_user = wanted.user.filter(|_| denied || refusal.is("subject-refused"));
                let is_gone = |kept: &Wanted| all || (of_user.is_some() && kept.user == of_user);
                self.all().retain(|kept, entry| matches!(entry, Entry::Coming(_)) || !is_gone(kept));
                Err(refusal.into())
            }
        }
    }

    /// Whether some are kept of a key that was replaced.
    fn are_of_earlier(&self, counting: &[Did]) -> bool {
        let current = counting.get(..1).unwrap_or_default();
        self.all().values().any(|entry| matches!(entry, Entry::Kept(kept) if !kept.is_of(current)))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Wanted, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_of(&self, keys: &[Did]) -> bool {
        keys.iter().any(|did| did.as_str() == self.issuer)
    }
}

/// Who has issued a token that the authority has given.
fn issuer_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok().map(|Claims { iss }| iss)
}

/// What is under way is over, however it ends.
struct Flight {
    tokens: Tokens,
    wanted: Wanted,
    told: Option<Kept>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut all = self.tokens.all();
        match self.told.take() {
            Some(kept) => drop(all.insert(self.wanted.clone(), Entry::Kept(kept))),
            None => drop(all.remove(&self.wanted)),
        }
    }
}
