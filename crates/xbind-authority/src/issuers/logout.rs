//! What an issuer says of a session that has ended: OpenID Connect Back-Channel Logout 1.0.

use serde_json::Value;

use crate::issuers::jws::Claims;
use crate::issuers::{Refused, Settings};

/// How long after it was issued it is taken, in seconds.
const MAX_AGE: u64 = 300;
/// Section 2.4.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The end of one session, or of all that a user has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    /// Whose user.
    pub issuer: String,
    /// Who.
    pub subject: Option<String>,
    /// Which session; all without one.
    pub session: Option<String>,
    /// What the issuer uses once.
    pub id: String,
    /// When it was said, by the issuer's clock.
    pub issued_at: u64,
}

impl Logout {
    pub(crate) fn check(typ: &str) -> Result<(), Refused> {
        // The first version of the specification had no typ of its own.
        if matches!(typ, "logout+jwt" | "jwt") {
            return Ok(());
        }
        Err(Refused::token("the typ of the token is not logout+jwt"))
    }

    pub(crate) fn read(claims: &Claims, settings: &Settings, (now, skew): (u64, u64)) -> Result<Self, Refused> {
        let events = claims.get("events").and_then(Value::as_object);
        if !events.is_some_and(|events| events.get(EVENT).is_some_and(Value::is_object)) {
            return Err(Refused::token("the token says of no session that it has ended"));
        }
        if claims.has("nonce") {
            return Err(Refused::token("a logout token has no nonce"));
        }
        if claims.audiences()?.iter().all(|audience| *audience != settings.client_id) {
            return Err(claims.not_for(&settings.client_id));
        }
        let issued_at = claims.required_time("iat")?;
        if issued_at > now.saturating_add(skew) {
            return Err(Refused::token("the token does not count yet"));
        }
        let ends_at = claims.time("exp")?.unwrap_or(u64::MAX).min(issued_at.saturating_add(MAX_AGE));
        if ends_at.saturating_add(skew) <= now {
            return Err(Refused::token("the token has expired"));
        }
        let (subject, session) = (claims.text("sub")?, claims.text("sid")?);
        if subject.is_none() && session.is_none() {
            return Err(Refused::token("the token names neither sub nor sid"));
        }
        Ok(Self {
            issuer: settings.issuer.clone(),
            subject: subject.map(str::to_owned),
            session: session.map(str::to_owned),
            id: claims.required("jti")?.to_owned(),
            issued_at,
        })
    }
}
