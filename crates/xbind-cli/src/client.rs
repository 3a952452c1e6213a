//! Asking an authority, as the command does: what fails is told with what to do about it.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xbind::{Did, SigningKey};
use xbind_authority::wire::About;
use xbind_net::authority::{self, Question, Refusal};
use xbind_net::{Answer, FetchError, Roots, Settings};

use crate::failure::{Exit, Failure, Result};
use crate::plain::sentence;

/// An authority that is asked.
pub(crate) struct Client {
    inner: authority::Client,
    /// Whose answers to signed requests count, once that is known.
    authority: Option<Did>,
}

impl Client {
    /// `https://authority.example` or, on this machine, `http://localhost:8080`.
    pub(crate) fn new(server: &str, ca: Option<&PathBuf>) -> Result<Self> {
        let roots = Roots { pem: Vec::new(), files: ca.cloned().into_iter().collect() };
        let client = authority::Client::new(server, Settings { roots, ..Settings::default() });
        client.map(|inner| Self { inner, authority: None }).map_err(|why| {
            Failure::usage(format!("the address of the authority cannot be used: {why}"))
                .hint("give https://authority.example, or http://localhost:8080 on this machine")
        })
    }

    pub(crate) fn server(&self) -> &str {
        self.inner.server()
    }

    /// What is answered to a signed request has to be signed by that authority from now on.
    pub(crate) const fn trust(&mut self, authority: Did) {
        self.authority = Some(authority);
    }

    /// Who the authority is.
    pub(crate) fn about(&self) -> Result<About> {
        self.get("/v1", None)
    }

    /// Whether it can decide.
    pub(crate) fn ready(&self) -> Result<()> {
        self.ask(self.inner.question("GET", "/ready"), None).map(drop)
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str, key: Option<&SigningKey>) -> Result<T> {
        let answer = self.ask(self.inner.question("GET", path), key)?;
        answer.json().map_err(|refusal| self.failed(refusal))
    }

    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: &impl Serialize,
        key: Option<&SigningKey>,
    ) -> Result<T> {
        let answer = self.ask(self.inner.question(method, path).and_then(|question| question.with(body)), key)?;
        answer.json().map_err(|refusal| self.failed(refusal))
    }

    /// The same where the answer is empty.
    pub(crate) fn tell(&self, method: &'static str, path: &str, body: &impl Serialize, key: &SigningKey) -> Result<()> {
        self.ask(self.inner.question(method, path).and_then(|question| question.with(body)), Some(key)).map(drop)
    }

    /// A text at an address: one of this server, or what a token names elsewhere, by the rules for strangers.
    pub(crate) fn text(&self, url: &str) -> Result<String> {
        self.ask(self.inner.document(url), None)?.text().map_err(|refusal| self.failed(refusal))
    }

    fn ask(&self, question: std::result::Result<Question, Refusal>, key: Option<&SigningKey>) -> Result<Answer> {
        let signed = question.and_then(|question| match key {
            Some(key) => question.signed(key),
            None => Ok(question),
        });
        let by = key.and(self.authority.as_ref());
        signed.and_then(|question| self.inner.ask_and_wait(question, by)).map_err(|refusal| self.failed(refusal))
    }

    pub(crate) fn failed(&self, refusal: Refusal) -> Failure {
        let unavailable = |why: String| Failure::new(Exit::Unavailable, "unavailable", why);
        match refusal {
            Refusal::Own(error) => error.into(),
            Refusal::Fetch(error) => self.unreachable(error),
            Refusal::Strange(_) => {
                unavailable(refusal.to_string()).hint("look whether the address is that of an authority: xbind health")
            }
            Refusal::Unproven(_) => Failure::new(Exit::Invalid, "not-signed", refusal.to_string())
                .hint("look whether a proxy on the way changes answers, and at the clocks: xbind doctor"),
            Refusal::Changed { .. } => Failure::new(Exit::Invalid, "authority-changed", refusal.to_string())
                .hint("find out why before you trust it: whoever holds that key issues tokens"),
            Refusal::Problem { slug, detail, later, .. } => {
                let exit = if later { Exit::Unavailable } else { Exit::Refused };
                let failure = Failure::new(exit, &slug, sentence(&detail));
                match hint(&slug) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
        }
    }

    fn unreachable(&self, error: FetchError) -> Failure {
        let failure = Failure::new(Exit::Unavailable, "unavailable", format!("{}: {error}", self.server()));
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
    Client::new(server, None).map(|client| client.server().to_owned())
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
