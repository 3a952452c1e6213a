//! A user, as his token says.

use serde_json::Value;
use xbind::{Digest, ErrorKind};

use crate::issuers::jws::Claims;
use crate::issuers::{Refused, Settings};

/// The oldest token of a user that is taken, in seconds since it was issued: so long a logout is remembered.
pub const MAX_AGE: u64 = 86_400;
/// The longest `sub`, in bytes (OpenID Connect Core 1.0 section 2).
const MAX_SUBJECT: usize = 255;
/// Scopes of a user's token, in bytes.
const MAX_SCOPE: usize = 8192;
/// Claims of what is no token to act by: an end of a session, what is good for the holder of a key only, and what somebody
/// acts by already.
const NEVER: [&str; 3] = ["act", "cnf", "events"];
/// Where the scopes of an access token stand: there, or as Microsoft calls it.
const SCOPES: [&str; 2] = ["scope", "scp"];
/// What a user's ID token stands for.
const OPENID: &str = "openid";

/// How long the end of a session is remembered after it was said, in seconds: no token from before it is taken then.
pub(crate) const REMEMBERED: u64 = MAX_AGE + 600;

/// What a token is said to be (RFC 8693 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `urn:ietf:params:oauth:token-type:access_token`.
    AccessToken,
    /// `urn:ietf:params:oauth:token-type:id_token`.
    IdToken,
    /// `urn:ietf:params:oauth:token-type:jwt`: an access token, which says so or not.
    Jwt,
}

impl Kind {
    /// The kind of that URN.
    #[must_use]
    pub fn of(urn: &str) -> Option<Self> {
        match urn.strip_prefix("urn:ietf:params:oauth:token-type:")? {
            "access_token" => Some(Self::AccessToken),
            "id_token" => Some(Self::IdToken),
            "jwt" => Some(Self::Jwt),
            _ => None,
        }
    }

    /// An ID token is never an access token, and neither is anything else that says what it is.
    pub(crate) fn check(self, typ: &str) -> Result<(), Refused> {
        let fits = match self {
            Self::AccessToken | Self::Jwt => matches!(typ, "at+jwt" | "jwt"),
            Self::IdToken => typ == "jwt",
        };
        if fits { Ok(()) } else { Err(Refused::token("the typ of the token is that of something else")) }
    }
}

/// A user, for as long as his token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Whose user.
    pub issuer: String,
    /// Who, at that issuer.
    pub subject: String,
    /// In which session, if it says so.
    pub session: Option<String>,
    /// What the token is known by here: the SHA-256 of its header and claims, for whoever has it can make another of its signature
    /// (ES256), which holds as well.
    pub digest: [u8; 32],
    /// What the user may do there. Of an ID token, `openid` alone.
    pub scopes: Vec<String>,
    /// Who may act for him, if it says so: `sub` of `may_act`.
    pub may_act: Option<String>,
    /// When it was issued.
    pub issued_at: u64,
    /// Its end.
    pub expires_at: u64,
}

impl Subject {
    pub(crate) fn read(
        claims: &Claims,
        settings: &Settings,
        kind: Kind,
        input: &str,
        (now, skew): (u64, u64),
    ) -> Result<Self, Refused> {
        if let Some(never) = NEVER.iter().find(|never| claims.has(never)) {
            return Err(Refused::token(format!("a token with {never} is none of a user to act for")));
        }
        let audiences = claims.audiences()?;
        if !audiences.contains(&settings.audience.as_str()) {
            return Err(claims.not_for(&settings.audience));
        }
        let azp = claims.text("azp")?;
        let is_for_another = azp.map_or(audiences.len() > 1, |azp| azp != settings.audience);
        if kind == Kind::IdToken && is_for_another {
            return Err(Refused::token("the ID token was issued to another client"));
        }
        if kind == Kind::IdToken && SCOPES.iter().any(|name| claims.has(name)) {
            return Err(Refused::token("a token with scopes is an access token, and no ID token"));
        }
        let subject = claims.required("sub")?;
        // A DID is a key's here, and whoever has the key speaks for it himself.
        if subject.len() > MAX_SUBJECT || subject.starts_with("did:") {
            return Err(Refused::token("sub of the token is longer than 255 bytes, or a DID"));
        }
        let (issued_at, expires_at) = (claims.required_time("iat")?, claims.required_time("exp")?);
        let starts_at = claims.time("nbf")?.unwrap_or(issued_at).max(issued_at);
        if starts_at > now.saturating_add(skew) {
            return Err(Refused::because(ErrorKind::TokenNotYetValid, "the token does not count yet"));
        }
        // What is derived from it cannot outlive it, so there is no use in one that is over.
        if expires_at <= now || expires_at <= issued_at {
            return Err(Refused::because(ErrorKind::TokenExpired, "the token has expired"));
        }
        if issued_at.saturating_add(MAX_AGE) < now {
            return Err(Refused::because(ErrorKind::TokenExpired, "the token was issued more than a day ago"));
        }
        Ok(Self {
            issuer: settings.issuer.clone(),
            subject: subject.to_owned(),
            session: claims.text("sid")?.map(str::to_owned),
            digest: *Digest::of(input.as_bytes()).as_bytes(),
            scopes: if kind == Kind::IdToken { vec![OPENID.to_owned()] } else { scopes(claims)? },
            may_act: may_act(claims)?,
            issued_at,
            expires_at,
        })
    }
}

fn scopes(claims: &Claims) -> Result<Vec<String>, Refused> {
    match SCOPES.iter().find_map(|name| claims.get(name)) {
        None => Ok(Vec::new()),
        Some(Value::String(all)) if all.len() <= MAX_SCOPE => {
            Ok(all.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
        }
        Some(_) => Err(Refused::token("scope of the token is no text of 8192 bytes at most")),
    }
}

/// `sub` of it, and nothing else: what cannot be judged might be a limit (RFC 8693 section 4.4).
fn may_act(claims: &Claims) -> Result<Option<String>, Refused> {
    let Some(value) = claims.get("may_act") else { return Ok(None) };
    let one = value.as_object().filter(|members| members.len() == 1);
    let sub = one.and_then(|members| members.get("sub")?.as_str());
    sub.map(|sub| Some(sub.to_owned()))
        .ok_or_else(|| Refused::token("may_act of the token is not a sub and nothing else"))
}
