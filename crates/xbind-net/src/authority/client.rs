use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xbind::http::message::{RequestHead, ResponseHead};
use xbind::http::profile::Profile;
use xbind::http::response::{self, ResponsePolicy};
use xbind::http::sign::{NewFields, RequestDraft, UnsignedHttp, prepare};
use xbind::http::target::Scheme;
use xbind::{Did, Error, ErrorKind, SigningKey};

use super::known::Known;
use super::refusal::{Refusal, Result, is_later, shown};
use super::wire::About;
use crate::{Answer, Ask, FetchError, Fetcher, Settings, Target, Whose};

/// The longest answer: the list of a thousand agents fits.
const MAX_BYTES: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(15);
/// What is shown of an address that a stranger gives.
const MAX_SHOWN: usize = 256;
/// How long a signature counts, and how far the clock of the server may be from ours, in seconds.
const TTL: u64 = 60;

/// An authority that is asked.
#[derive(Clone)]
pub struct Client {
    fetcher: Fetcher,
    server: String,
}

/// What it is asked.
pub struct Question {
    method: &'static str,
    target: Target,
    whose: Whose,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Client {
    /// `https://authority.example` or, on this machine, `http://localhost:8080`: nothing behind host and port, in the one
    /// spelling of each.
    ///
    /// # Errors
    /// Why this is no address of an authority.
    pub fn new(server: &str, settings: Settings) -> std::result::Result<Self, String> {
        let server = server.strip_suffix('/').unwrap_or(server);
        let target = Target::parse(server, Whose::Owner).map_err(|error| error.to_string())?;
        let scheme = if target.secure() { "https" } else { "http" };
        if server != format!("{scheme}://{}", target.authority()) {
            return Err("there is more than scheme, host and port".to_owned());
        }
        Ok(Self { fetcher: Fetcher::new(settings), server: server.to_owned() })
    }

    /// The same, where the owner of a program gives the address.
    ///
    /// # Errors
    /// `INVALID_CONFIG`.
    pub(super) fn configured(server: &str, settings: Settings) -> xbind::Result<Self> {
        // Without the address: it may hold a password.
        Self::new(server, settings).map_err(|why| {
            Error::new(ErrorKind::InvalidConfig, format!("the address of the authority cannot be used: {why}"))
                .with_hint("give https://authority.example, or http://localhost:8080 on this machine")
        })
    }

    /// Its address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What is asked at a path.
    ///
    /// # Errors
    /// `Fetch` for a path that is none.
    pub fn question(&self, method: &'static str, path: &str) -> Result<Question> {
        let target = Target::parse(&format!("{}{path}", self.server), Whose::Owner)?;
        Ok(Question::new(method, target, Whose::Owner))
    }

    /// A document at an address: one of this server or, by the rules for strangers, what a token names elsewhere.
    ///
    /// # Errors
    /// `Fetch` for an address that may not be asked.
    pub fn document(&self, url: &str) -> Result<Question> {
        let is_own = url.strip_prefix(&self.server).is_some_and(|rest| rest.starts_with('/'));
        let whose = if is_own { Whose::Owner } else { Whose::Stranger };
        Ok(Question::new("GET", Target::parse(url, whose)?, whose))
    }

    /// Asks, and waits for the answer, which must be signed by that authority where one is given: the question is signed then.
    /// Not for the threads of an executor.
    ///
    /// # Errors
    /// Any [`Refusal`].
    pub fn ask_and_wait(&self, question: Question, authority: Option<&Did>) -> Result<Answer> {
        let asked = question.clone_head();
        let answer = self.fetcher.ask_and_wait(question.into_ask())?;
        authority.map_or(Ok(()), |authority| asked.check(&answer, authority))?;
        succeeded(answer)
    }

    /// Who the authority says it is, on the thread of this crate. Nobody has signed it, nor that it is not told.
    pub(super) async fn about(&self) -> Result<About> {
        let answer = self.fetcher.ask(self.question("GET", "/v1")?.into_ask()).await?;
        if !is_success(&answer) {
            return Err(Refusal::unsigned(&answer));
        }
        let about: About = answer.json()?;
        Ok(About { did: shown(&about.did), url: shown(&about.url), ..about })
    }

    /// Signatures are for the address that the authority has by its own word.
    pub(super) fn check_address(&self, about: &About) -> xbind::Result<()> {
        if about.url == self.server {
            return Ok(());
        }
        let url: String = about.url.chars().take(MAX_SHOWN).collect();
        let why = format!("{} says that it is reached by {url}", self.server);
        Err(Error::new(ErrorKind::InvalidConfig, why).with_hint("give that address"))
    }

    /// Who the authority is now: what it says is signed by the key that it names, and that one follows from the key that is known.
    pub(super) async fn follow(&self, known: &Known, asker: &SigningKey) -> Result<Known> {
        let question = self.question("GET", "/v1")?.signed(asker)?;
        let asked = question.clone_head();
        let answer = match succeeded(self.fetcher.ask(question.into_ask()).await?) {
            Err(refusal) if refusal.is("not-proven") => {
                self.check_address(&self.about().await?)?; // to another one nothing is proven
                return Err(refusal);
            }
            answered => answered?,
        };
        let about: About = answer.json()?;
        let followed = known.follow(&about, xbind_runtime::now())?;
        asked.check(&answer, followed.did())?;
        Ok(followed)
    }

    /// Asks there a question that is signed, and whose answer must be signed by the authority that is known, or by the one that
    /// this one has signed its place over to.
    pub(super) async fn ask(&self, question: Question, known: &Mutex<Known>) -> Result<Answer> {
        let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = question.clone_head();
        let answer = self.fetcher.ask(question.into_ask()).await?;
        let did = *lock().did();
        match asked.check(&answer, &did) {
            Err(Refusal::Unproven(why)) => {
                // Whoever signs nothing makes no key doubtful: once doubtful, always doubtful.
                let about = About { doubtful: Vec::new(), ..self.about().await? };
                let followed = lock().follow(&about, xbind_runtime::now())?;
                if *followed.did() == did {
                    // To another address nothing is proven, and no answer is signed: not this one either.
                    return Err(Refusal::Unproven(self.check_address(&about).err().unwrap_or(why)));
                }
                asked.check(&answer, followed.did())?;
                *lock() = followed;
            }
            checked => checked?,
        }
        succeeded(answer)
    }
}

impl Question {
    fn new(method: &'static str, target: Target, whose: Whose) -> Self {
        let fields = vec![("accept".to_owned(), "*/*".to_owned())];
        Self { method, target, whose, fields, body: Vec::new() }
    }

    /// With a body.
    ///
    /// # Errors
    /// `Strange` for what is no JSON.
    pub fn with(mut self, body: &impl Serialize) -> Result<Self> {
        self.body = serde_json::to_vec(body).map_err(|_| Refusal::Strange("no JSON to send".to_owned()))?;
        self.fields.push(("content-type".to_owned(), "application/json".to_owned()));
        Ok(self)
    }

    /// Signed by a key that is here.
    ///
    /// # Errors
    /// `Own` without a random source.
    pub fn signed(self, key: &SigningKey) -> Result<Self> {
        let unsigned = self.unsigned(key.did())?;
        let signature = key.sign(unsigned.to_sign().as_bytes());
        Ok(self.with_fields(unsigned.finish(&signature)))
    }

    pub(super) fn unsigned(&self, did: &Did) -> Result<UnsignedHttp> {
        let mut nonce = [0; 64];
        xbind_runtime::random(&mut nonce)?;
        let draft = RequestDraft {
            profile: Profile::Xbind,
            created: xbind_runtime::now(),
            ttl: TTL,
            nonce,
            token: None,
            approval: None,
            agent: None,
        };
        Ok(self.with_head(|head| prepare(did, head, &self.body, &draft))?)
    }

    pub(super) fn with_fields(mut self, fields: NewFields) -> Self {
        self.fields.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self
    }

    fn with_head<T>(&self, use_head: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let host = [("host", self.target.authority())];
        let fields: Vec<_> =
            host.into_iter().chain(self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect();
        let scheme = if self.target.secure() { Scheme::Https } else { Scheme::Http };
        use_head(&RequestHead {
            method: self.method,
            scheme,
            authority: None,
            target: &self.target.path(),
            fields: &fields,
        })
    }

    fn clone_head(&self) -> Self {
        let Self { method, target, whose, fields, .. } = self;
        Self { method, target: target.clone(), whose: *whose, fields: fields.clone(), body: Vec::new() }
    }

    /// Whether an answer is one to this question, by that authority.
    fn check(&self, answer: &Answer, authority: &Did) -> Result<()> {
        let fields: Vec<_> = answer.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let head = ResponseHead { status: answer.status, fields: &fields };
        let policy = ResponsePolicy { from: Some(*authority), clock_skew: TTL, max_age: TTL, max_body: MAX_BYTES };
        let verified =
            self.with_head(|asked| response::verify(&policy, &head, &answer.body, asked, xbind_runtime::now()));
        match verified {
            Ok(_) => Ok(()),
            // A limit by address, which is told before anything is proven; a proxy on the way, which has no time.
            Err(_) if is_later(answer) => Err(Refusal::unsigned(answer)),
            Err(error) => Err(Refusal::Unproven(error)),
        }
    }

    fn into_ask(self) -> Ask {
        let Self { method, target, whose, fields, body } = self;
        Ask { method: method.to_owned(), target, whose, fields, body, max_bytes: MAX_BYTES, timeout: TIMEOUT }
    }
}

fn succeeded(answer: Answer) -> Result<Answer> {
    if is_success(&answer) { Ok(answer) } else { Err(Refusal::of(&answer)) }
}

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

impl Answer {
    /// What it says, as JSON.
    ///
    /// # Errors
    /// `Strange`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Refusal::Strange("an answer that it does not document".to_owned()))
    }

    /// What it says.
    ///
    /// # Errors
    /// `Strange`.
    pub fn text(self) -> Result<String> {
        String::from_utf8(self.body).map_err(|_| Refusal::Strange("an answer that is no text".to_owned()))
    }
}

impl From<FetchError> for Refusal {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}
