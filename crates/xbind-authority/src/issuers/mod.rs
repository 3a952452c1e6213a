//! Issuers of users' tokens: OIDC providers that whoever runs the server has configured. No request names an address that is
//! asked: a token selects one of them by its `iss`, and that is all.

mod config;
mod introspection;
mod jws;
mod keys;
mod logout;
mod source;
mod subject;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use xbind::ErrorKind;
use xbind_net::{Fetcher, Roots};

pub use config::Settings;
pub use introspection::Activity;
pub use keys::Algorithm;
pub use logout::Logout;
pub(crate) use subject::REMEMBERED;
pub use subject::{Kind, MAX_AGE, Subject};

use crate::store::Fault;
use crate::turns::Turns;
use jws::{Claims, Unverified};
use source::Source;

/// Why a token of a user is not taken: a sentence that holds nothing of it but names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It does not hold, or not for this; and what docs/errors.md calls that. `InvalidConfig`: what whoever runs the server says
    /// of its issuer is wrong.
    Token(Cow<'static, str>, ErrorKind),
    /// The issuer cannot be asked, so nobody can say whether it holds.
    Unavailable(Cow<'static, str>),
}

impl Refused {
    fn token(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Token(why.into(), ErrorKind::InvalidToken)
    }

    fn because(kind: ErrorKind, why: impl Into<Cow<'static, str>>) -> Self {
        Self::Token(why.into(), kind)
    }

    fn unavailable(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(why.into())
    }

    /// The sentence.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Token(why, _) | Self::Unavailable(why) => why,
        }
    }
}

/// All that are configured.
pub struct Issuers {
    known: HashMap<String, Arc<Issuer>>,
    /// How far clocks may differ, in seconds.
    skew: u64,
}

/// One of them.
pub struct Issuer {
    settings: Settings,
    source: Source,
    fetcher: Fetcher,
    /// For whose agents it is asked about a token that is to be exchanged, by the ids of operators: others wait.
    turns: Arc<Turns<String>>,
}

/// Questions for which an exchange waits, at once; and for the agents of one operator.
const TURNS: usize = 16;
const TURNS_EACH: usize = 8;

impl Issuers {
    /// Reads the file in which they stand; none without a file. Nothing is asked yet.
    ///
    /// # Errors
    /// A file that cannot be read, or says something else than docs/oauth.md.
    pub fn read(file: Option<&Path>, roots: Roots, skew: u64) -> Result<Self, Fault> {
        let settings = file.map(config::read).transpose()?.unwrap_or_default();
        // What is asked for again, and when, is decided by each source.
        let net = xbind_net::Settings { roots, interval: Duration::ZERO, ..Default::default() };
        Ok(Self { known: settings.into_iter().map(|own| (own.issuer.clone(), Issuer::new(own, &net))).collect(), skew })
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.known.values()
    }

    /// The one whose `iss` is exactly that.
    #[must_use]
    pub fn find(&self, issuer: &str) -> Option<&Arc<Issuer>> {
        self.known.get(issuer)
    }

    /// What a user's token says, if it holds now.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn subject(&self, token: &str, kind: Kind, now: u64) -> Result<Subject, Refused> {
        let unverified = Unverified::parse(token)?;
        kind.check(&unverified.typ)?;
        let input = unverified.input;
        let (issuer, claims) = self.verified(unverified, now).await?;
        Subject::read(&claims, &issuer.settings, kind, input, (now, self.skew))
    }

    /// What an issuer says of a session that has ended.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn logout(&self, token: &str, now: u64) -> Result<Logout, Refused> {
        let unverified = Unverified::parse(token)?;
        Logout::check(&unverified.typ)?;
        let (issuer, claims) = self.verified(unverified, now).await?;
        Logout::read(&claims, &issuer.settings, (now, self.skew))
    }

    async fn verified(&self, unverified: Unverified<'_>, now: u64) -> Result<(&Arc<Issuer>, Claims), Refused> {
        let issuer = self.find(unverified.issuer()?);
        let unknown = "the issuer of the token is none of those configured here";
        let issuer = issuer.ok_or_else(|| Refused::because(ErrorKind::UntrustedIssuer, unknown))?;
        let key = issuer.key(&unverified.kid, now).await?;
        Ok((issuer, unverified.verified(&key)?))
    }
}

impl Issuer {
    /// It has a fetcher of its own: whose name or server does not answer holds up no other.
    fn new(settings: Settings, net: &xbind_net::Settings) -> Arc<Self> {
        let (fetcher, turns) = (Fetcher::new(net.clone()), Turns::new(TURNS, TURNS_EACH));
        Arc::new(Self { settings, source: Source::default(), fetcher, turns })
    }

    /// What whoever runs the server says of it.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
}
