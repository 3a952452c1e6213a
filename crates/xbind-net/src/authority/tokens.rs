use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::watch;
use xbind::{Did, Error, ErrorKind};
use xbind_runtime::Lender;

use super::refusal::Refusal;
use super::registry::Desk;
use super::user_token::UserToken;
use super::wire::TokenView;

/// Tokens of one agent that are kept, for itself, and as many for users: whoever brings users' tokens takes no place of its own.
const MAX_TOKENS: usize = 256;
/// Whoever says that a token was revoked makes nobody ask for another one earlier than so many seconds after that was asked for.
const REST: u64 = 10;
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
    mark: u64,
    asked_at: u64,
    /// Whose key has signed it.
    issuer: String,
    renew_at: u64,
    expires_at: u64,
}

/// The tokens of one agent.
#[derive(Clone, Default)]
pub(super) struct Tokens {
    all: Arc<Mutex<HashMap<Wanted, Entry>>>,
    marks: RandomState,
}

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
        make_room(&mut all, &wanted)?;
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
                let (issuer, mark) = (issuer_of(&token).unwrap_or_default(), self.mark(&token));
                Ok(Kept { token, mark, issuer, asked_at, renew_at, expires_at })
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
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lender for Tokens {
    fn mark(&self, token: &str) -> u64 {
        self.marks.hash_one(token)
    }

    /// The next who wants the same asks the authority, which says whether there is another one.
    fn revoked(&self, mark: u64) {
        self.forget(mark, xbind_runtime::now());
    }
}

impl Tokens {
    fn forget(&self, mark: u64, now: u64) {
        let is_gone = |kept: &Kept| kept.mark == mark && kept.asked_at.saturating_add(REST) <= now;
        self.all().retain(|_, entry| !matches!(entry, Entry::Kept(kept) if is_gone(kept)));
    }
}

/// Forgets what is kept where one more would be too many; what is under way stays.
fn make_room(all: &mut HashMap<Wanted, Entry>, wanted: &Wanted) -> xbind::Result<()> {
    let is_such = |other: &Wanted| other.user.is_some() == wanted.user.is_some();
    let is_full = |all: &HashMap<Wanted, Entry>| all.keys().filter(|other| is_such(other)).count() >= MAX_TOKENS;
    if all.contains_key(wanted) || !is_full(all) {
        return Ok(());
    }
    all.retain(|other, entry| !is_such(other) || matches!(entry, Entry::Coming(_)));
    if is_full(all) {
        let why = format!("{MAX_TOKENS} tokens are asked for already");
        return Err(Error::new(ErrorKind::RegistryUnavailable, why).with_hint("try again in a moment"));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics fails")]

    use super::*;

    fn wanted(audience: usize, user: Option<u8>) -> Wanted {
        let user = user.map(|user| [user; 32]);
        Wanted { user, ..Wanted::new(audience.to_string(), Vec::new(), None) }
    }

    #[test]
    fn users_tokens_take_no_place_of_the_agents_own() {
        let mark = Tokens::new().mark("");
        let kept = || {
            Entry::Kept(Kept {
                token: String::new(),
                mark,
                issuer: String::new(),
                asked_at: 0,
                renew_at: 0,
                expires_at: 0,
            })
        };
        let coming = || Entry::Coming(watch::channel(None).1);
        let mut all: HashMap<_, _> = (0..MAX_TOKENS).map(|n| (wanted(n, Some(1)), coming())).collect();
        all.insert(wanted(0, None), kept());
        assert_eq!(make_room(&mut all, &wanted(0, Some(2))).unwrap_err().kind(), ErrorKind::RegistryUnavailable);
        make_room(&mut all, &wanted(1, None)).unwrap();
        make_room(&mut all, &wanted(3, Some(1))).unwrap();
        assert!(all.len() == MAX_TOKENS + 1 && all.contains_key(&wanted(0, None)));
        // What is kept goes where there is no more room for its like.
        all.insert(wanted(5, Some(1)), kept());
        make_room(&mut all, &wanted(0, Some(2))).unwrap();
        assert!(!all.contains_key(&wanted(5, Some(1))) && all.contains_key(&wanted(0, None)));
    }

    #[test]
    fn a_token_that_was_found_revoked_is_forgotten_but_not_again_and_again() {
        let tokens = Tokens::new();
        let wanted = |audience: &str| Wanted::new(audience.to_owned(), Vec::new(), None);
        let keep = |audience: &str, asked_at: u64| {
            let token = format!("token for {audience}");
            let (mark, renew_at, expires_at) = (tokens.mark(&token), 3000, 4000);
            tokens.all().insert(
                wanted(audience),
                Entry::Kept(Kept { token, mark, issuer: String::new(), asked_at, renew_at, expires_at }),
            );
            mark
        };
        let (one, other) = (keep("one", 1000), keep("other", 1000));
        assert_ne!(one, other);
        tokens.forget(tokens.mark("unknown"), 2000);
        tokens.forget(one, 1009);
        assert_eq!(tokens.all().len(), 2, "it was asked for a moment ago");
        tokens.forget(one, 1010);
        assert!(!tokens.all().contains_key(&wanted("one")) && tokens.all().contains_key(&wanted("other")));
        tokens.forget(keep("one", 1010), 1019);
        assert!(tokens.all().contains_key(&wanted("one")));
    }
}
