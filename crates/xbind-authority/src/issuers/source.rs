//! Where the keys of an issuer come from, when they are asked for, and how long they are believed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use xbind_net::{FetchError, Rules, Whose};

use xbind::ErrorKind;

use crate::issuers::keys::{Key, KeySet, MAX_BYTES};
use crate::issuers::{Issuer, Refused};

/// How many seconds lie between two questions.
const COOLDOWN: u64 = 30;
/// Keys are asked for again after this part of the time for which they are believed, and not sooner than that.
const REFRESH: u64 = 6;
/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// OpenID Connect Discovery 1.0 section 4.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The keys of an issuer, as far as they have come.
#[derive(Default)]
pub(crate) struct Source {
    state: Mutex<State>,
    /// One asks at a time: who waits for him finds what he was told.
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    /// When the keys at hand were asked for.
    came_at: u64,
    asked_at: Option<u64>,
    failure: Option<String>,
    endpoint: Option<String>,
}

/// What of a discovery document concerns us.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    introspection_endpoint: Option<String>,
}

/// What an issuer has told.
struct Told {
    keys: KeySet,
    endpoint: Option<String>,
}

impl Issuer {
    /// Its key of that `kid`.
    pub(crate) async fn key(self: &Arc<Self>, kid: &str, now: u64) -> Result<Arc<Key>, Refused> {
        let refresh = self.settings.max_age.checked_div(REFRESH).unwrap_or_default().max(COOLDOWN);
        let fresh = || self.source.state().keys_within(refresh, now)?.find(kid);
        if let Some(key) = fresh() {
            return Ok(key);
        }
        let asking = self.source.asking.clone().lock_owned().await;
        if let Some(key) = fresh() {
            return Ok(key);
        }
        if self.source.state().is_cool(now) {
            // It goes on for the others if whoever has begun it is gone.
            let issuer = self.clone();
            let asked = tokio::spawn(async move {
                let _asking = asking;
                issuer.source.state().asked_at = Some(now);
                let told = issuer.ask().await;
                issuer.source.state().came(told, now);
            });
            asked.await.map_err(|_| Refused::unavailable("the keys of the issuer could not be asked for"))?;
        }
        let state = self.source.state();
        match state.keys_within(self.settings.max_age, now) {
            Some(keys) => {
                let why = "the issuer has no key of that kid";
                keys.find(kid).ok_or_else(|| Refused::because(ErrorKind::UntrustedIssuer, why))
            }
            None => {
                let why = state.failure.as_deref().unwrap_or("they were asked for a moment ago");
                Err(Refused::unavailable(format!("the keys of the issuer cannot be had: {why}")))
            }
        }
    }

    /// Where it is asked about tokens, as it has told last.
    pub(crate) fn introspection_endpoint(&self) -> Option<String> {
        let configured = self.settings.introspection.as_ref()?.endpoint.clone();
        configured.or_else(|| self.source.state().endpoint.clone())
    }

    /// Whose word an address is: the owner's if it is of the issuer that he has configured, and a stranger's if the issuer
    /// names somebody else.
    pub(crate) fn whose(&self, url: &str) -> Whose {
        let settings = &self.settings;
        let configured =
            [settings.jwks_uri.as_deref(), settings.introspection.as_ref().and_then(|it| it.endpoint.as_deref())];
        let is_own = origin(url) == origin(&settings.issuer) || configured.contains(&Some(url));
        if is_own { Whose::Owner } else { Whose::Stranger }
    }

    async fn ask(&self) -> Result<Told, String> {
        let settings = &self.settings;
        let asks = settings.introspection.as_ref().is_some_and(|asking| asking.endpoint.is_none());
        let (jwks_uri, endpoint) = match &settings.jwks_uri {
            Some(uri) if !asks => (uri.clone(), None),
            configured => {
                let discovered = self.discover().await?;
                let uri = configured.clone().or(discovered.jwks_uri).ok_or("its discovery document has no jwks_uri")?;
                (uri, discovered.introspection_endpoint)
            }
        };
        let document = self.fetch(&jwks_uri).await?;
        Ok(Told { keys: KeySet::parse(&document, &settings.algorithms)?, endpoint })
    }

    async fn discover(&self) -> Result<Discovered, String> {
        let issuer = &self.settings.issuer;
        let document = self.fetch(&format!("{}{DISCOVERY}", issuer.trim_end_matches('/'))).await?;
        let text = str::from_utf8(&document).map_err(|_| "its discovery document is no text")?;
        if !xbind::is_strict_json(text) || !text.trim_start().starts_with('{') {
            return Err("its discovery document is no JSON, or repeats a member".to_owned());
        }
        let discovered: Discovered = serde_json::from_str(text).map_err(|_| "its discovery document is none")?;
        if discovered.issuer != *issuer {
            return Err("its discovery document is that of another issuer".to_owned());
        }
        Ok(discovered)
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let accept = "application/json, application/jwk-set+json".to_owned();
        let rules = Rules { whose: self.whose(url), max_bytes: MAX_BYTES, timeout: TIMEOUT, accept };
        let document = self.fetcher.fetch(url, &rules).await.map_err(|why: FetchError| why.to_string())?;
        Ok(document.bytes().to_vec())
    }
}

impl Source {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keys_within(&self, seconds: u64, now: u64) -> Option<&Arc<KeySet>> {
        self.keys.as_ref().filter(|_| age(self.came_at, now).is_some_and(|age| age < seconds))
    }

    fn is_cool(&self, now: u64) -> bool {
        self.asked_at.and_then(|at| age(at, now)).is_none_or(|age| age >= COOLDOWN)
    }

    /// What could not be had leaves what there was.
    fn came(&mut self, told: Result<Told, String>, now: u64) {
        match told {
            Ok(told) => {
                self.keys = Some(Arc::new(told.keys));
                self.endpoint = told.endpoint;
                self.came_at = now;
                self.failure = None;
            }
            Err(why) => self.failure = Some(why),
        }
    }
}

/// How long ago that was, in seconds; nobody knows if the clock was set back since. Who began a moment earlier is no such clock.
const fn age(at: u64, now: u64) -> Option<u64> {
    if at > now.saturating_add(COOLDOWN) { None } else { Some(now.saturating_sub(at)) }
}

/// Scheme and authority, as they are written.
fn origin(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at.saturating_add(3));
    let end = url.get(after..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |at| after.saturating_add(at));
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::issuers::{Algorithm, Settings};

    fn settings(name: &str) -> Settings {
        Settings {
            issuer: format!("https://{name}"),
            jwks_uri: None,
            audience: String::new(),
            client_id: String::new(),
            algorithms: vec![Algorithm::EdDsa],
            introspection: None,
            max_age: 60,
        }
    }

    #[test]
    fn keys_are_believed_for_their_time_whatever_becomes_of_the_clock() {
        let keys = KeySet::parse(br#"{"keys":[]}"#, &[Algorithm::EdDsa]);
        let mut state = State::default();
        state.came(Ok(Told { keys: keys.unwrap(), endpoint: None }), 1000);
        state.asked_at = Some(1000);
        let is_believed = |now| state.keys_within(60, now).is_some();
        assert!(is_believed(1000) && is_believed(1059) && is_believed(999));
        assert!(!is_believed(1060) && !is_believed(969));
        assert!(state.is_cool(1030) && !state.is_cool(1029) && !state.is_cool(999) && state.is_cool(969));
    }

    #[tokio::test]
    async fn an_issuer_whose_name_nobody_answers_for_holds_up_no_other() {
        let (release, held) = mpsc::channel::<()>();
        let (held, waiting) = (Mutex::new(held), Arc::new(AtomicUsize::new(0)));
        let counted = waiting.clone();
        let lookup = move |name: &str| {
            if name == "silent.example" {
                counted.fetch_add(1, Ordering::SeqCst);
                held.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap_or_default();
            }
            Err(io::ErrorKind::NotFound.into())
        };
        let net = xbind_net::Settings { lookup: Arc::new(lookup), interval: Duration::ZERO, ..Default::default() };
        let [silent, other] = ["silent.example", "other.example"].map(|name| Issuer::new(settings(name), &net));
        for n in 0..8 {
            let silent = silent.clone();
            tokio::spawn(async move { silent.fetch(&format!("https://silent.example/{n}")).await });
        }
        while waiting.load(Ordering::SeqCst) < 8 {
            tokio::task::yield_now().await;
        }
        let told = other.fetch("https://other.example/").await;
        assert_eq!(told.err(), Some(FetchError::NoAddress.to_string()));
        drop(release);
    }
}
