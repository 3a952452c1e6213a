//! Asking an authority: requests signed by RFC 9421, answers read strictly, problems told as failures.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use xbind::SigningKey;
use xbind::http::message::RequestHead;
use xbind::http::profile::Profile;
use xbind::http::sign::{RequestDraft, sign};
use xbind::http::target::Scheme;
use xbind_authority::wire::About;
use xbind_net::{Answer, Ask, FetchError, Fetcher, Roots, Settings, Target, Whose};

use crate::failure::{Exit, Failure, Result};

/// The longest answer: the list of a thousand agents fits.
const MAX_BYTES: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a signature counts, in seconds.
const TTL: u64 = 60;

/// An authority that is asked.
pub(crate) struct Client {
    fetcher: Fetcher,
    server: String,
}

impl Client {
    /// `https://authority.example` or, on this machine, `http://localhost:8080`.
    pub(crate) fn new(server: &str, ca: Option<&PathBuf>) -> Result<Self> {
        let roots = Roots { pem: Vec::new(), files: ca.cloned().into_iter().collect() };
        let fetcher = Fetcher::new(Settings { roots, ..Settings::default() });
        Ok(Self { fetcher, server: check_server(server)? })
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Who the authority is.
    pub(crate) fn about(&self) -> Result<About> {
        self.get("/v1", None)
    }

    /// Whether it can decide.
    pub(crate) fn ready(&self) -> Result<()> {
        self.ask("GET", "/ready", None, None).map(drop)
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str, key: Option<&SigningKey>) -> Result<T> {
        read(&self.ask("GET", path, None, key)?.body)
    }

    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: &impl Serialize,
        key: Option<&SigningKey>,
    ) -> Result<T> {
        read(&self.ask(method, path, Some(json(body)?), key)?.body)
    }

    /// The same where the answer is empty.
    pub(crate) fn tell(&self, method: &str, path: &str, body: &impl Serialize, key: &SigningKey) -> Result<()> {
        self.ask(method, path, Some(json(body)?), Some(key)).map(drop)
    }

    /// A text at an address: one of this server, or what a token names elsewhere, by the rules for strangers.
    pub(crate) fn text(&self, url: &str) -> Result<String> {
        let is_own = url.strip_prefix(&self.server).is_some_and(|rest| rest.starts_with('/'));
        let target = Target::parse(url, if is_own { Whose::Owner } else { Whose::Stranger })?;
        let answer = self.exchange("GET", target, None, None, if is_own { Whose::Owner } else { Whose::Stranger })?;
        String::from_utf8(answer.body).map_err(|_| strange("an answer that is no text"))
    }

    fn ask(&self, method: &str, path: &str, body: Option<Vec<u8>>, key: Option<&SigningKey>) -> Result<Answer> {
        let target = Target::parse(&format!("{}{path}", self.server), Whose::Owner)?;
        self.exchange(method, target, body, key, Whose::Owner)
    }

    fn exchange(
        &self,
        method: &str,
        target: Target,
        body: Option<Vec<u8>>,
        key: Option<&SigningKey>,
        whose: Whose,
    ) -> Result<Answer> {
        let mut fields = vec![("accept".to_owned(), "*/*".to_owned())];
        if body.is_some() {
            fields.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = body.unwrap_or_default();
        if let Some(key) = key {
            fields.extend(signed(method, &target, &fields, &body, key)?);
        }
        let ask =
            Ask { method: method.to_owned(), target, whose, fields, body, max_bytes: MAX_BYTES, timeout: TIMEOUT };
        let answer = self.fetcher.ask_and_wait(ask).map_err(|error| self.unreachable(error))?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(refused(&answer)) }
    }

    fn unreachable(&self, error: FetchError) -> Failure {
        let failure = Failure::new(Exit::Unavailable, "unavailable", format!("{}: {error}", self.server));
        #[expect(clippy::wildcard_enum_match_arm, reason = "there is nothing to do about the others")]
        match error {
            FetchError::NoConnection | FetchError::NoAddress => failure.hint("look whether it runs: xbind health"),
            FetchError::UnknownIssuer => failure.hint("give --ca with the certificate of its issuer"),
            _ => failure,
        }
    }
}

/// The one spelling that is kept: scheme, host and port.
pub(crate) fn check_server(server: &str) -> Result<String> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("{server} is no address of an authority: {why}"))
            .hint("give https://authority.example, or http://localhost:8080 on this machine")
    };
    let server = server.strip_suffix('/').unwrap_or(server);
    let target = Target::parse(server, Whose::Owner).map_err(|error| wrong(&error))?;
    let scheme = if target.secure() { "https" } else { "http" };
    if server != format!("{scheme}://{}", target.authority()) {
        return Err(wrong(&"there is more than scheme, host and port"));
    }
    Ok(server.to_owned())
}

fn signed(
    method: &str,
    target: &Target,
    fields: &[(String, String)],
    body: &[u8],
    key: &SigningKey,
) -> Result<Vec<(String, String)>> {
    let mut nonce = [0; 64];
    xbind_runtime::random(&mut nonce)?;
    let host = [("host", target.authority())];
    let all: Vec<_> =
        host.into_iter().chain(fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect();
    let scheme = if target.secure() { Scheme::Https } else { Scheme::Http };
    let path = target.path();
    let head = RequestHead { method, scheme, authority: None, target: &path, fields: &all };
    let draft = RequestDraft {
        profile: Profile::Xbind,
        created: xbind_runtime::now(),
        ttl: TTL,
        nonce,
        token: None,
        approval: None,
        agent: None,
    };
    Ok(sign(key, &head, body, &draft)?.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|error| Failure::failed(error.to_string()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|_| strange("an answer that it does not document"))
}

fn strange(what: &str) -> Failure {
    Failure::new(Exit::Unavailable, "unavailable", format!("the server gave {what}"))
        .hint("look whether the address is that of an authority: xbind health")
}

/// Refusals are problems (RFC 9457); whoever is busy or at fault may be asked again later.
fn refused(answer: &Answer) -> Failure {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |member: &str| problem.get(member).and_then(Value::as_str);
    let slug = text("type").and_then(|kind| kind.strip_prefix("urn:xbind:problem:"));
    let (Some(slug), "application/problem+json") = (slug, answer.media_type.as_str()) else {
        return strange(&format!("status {} and no problem of an authority", answer.status));
    };
    let exit = if answer.status == 429 || answer.status >= 500 { Exit::Unavailable } else { Exit::Refused };
    let failure = Failure::new(exit, slug, text("detail").unwrap_or(slug));
    match hint(slug) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn hint(slug: &str) -> Option<&'static str> {
    Some(match slug {
        "not-proven" => "compare the clocks, and the server's address with the one that it says it has: xbind health",
        "scope-denied" => "its operator grants scopes: xbind agent-scopes set --scopes …",
        "inactive" => "its operator lets a suspended agent go on: xbind reactivate",
        "domain-not-proven" => "publish the record of xbind verify-operator instructions; DNS may take a while",
        "domain-taken" => "whoever runs the server frees a domain whose operator is gone",
        "enrolment-over" => "let the agent run xbind register agent once more",
        "dns-unavailable" | "busy" | "rate-limited" => "try again in a moment",
        _ => return None,
    })
}
