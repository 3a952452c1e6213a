//! `POST /oauth/token`: a proven agent asks by one of the grants, and is given a token.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use xbind::{MessageId, ScopeSet, VerifyingKey};
use xbind_runtime::Decided;

use crate::app::App;
use crate::domain::agent::Agent;
use crate::domain::root::{self, Derived};
use crate::domain::token::{self, Wanted};
use crate::domain::{note, note_token};
use crate::http::call::{Answer, Call};
use crate::oauth::client::{self, Client};
use crate::oauth::client_credentials;
use crate::oauth::dpop;
use crate::oauth::error::Code;
use crate::oauth::exchange;
use crate::oauth::form::Form;
use crate::problem::{Problem, Result};
use crate::routes::tokens::{Asks, sign};
use crate::routes::who;
use crate::wire::AccessToken;

/// What a grant is given.
pub(crate) struct Asking {
    /// The server.
    pub app: Arc<App>,
    /// Who asks.
    pub client: Client,
    /// What for.
    pub form: Form,
    /// The thumbprint of the key that a DPoP proof has proven: the token is bound to it.
    pub dpop: Option<String>,
    /// Seconds since the epoch.
    pub now: u64,
}

/// What a grant gives: the token to be. Whether the agent may have these scopes is looked at for all of them alike.
pub(crate) struct Draft {
    /// Where it may be used.
    pub audience: String,
    /// What for: one scope at least.
    pub scopes: ScopeSet,
    /// How long, in seconds.
    pub ttl: u64,
    /// The user for whom the agent acts, and the token of his from which it is derived.
    pub derived: Option<Derived>,
}

/// A row for each `grant_type`.
#[derive(Clone, Copy)]
enum Grant {
    ClientCredentials,
    TokenExchange,
}

/// Their names.
pub(crate) const GRANTS: &[&str] = &["client_credentials", exchange::GRANT];

impl Grant {
    fn of(name: &str) -> Result<Self> {
        match name {
            "client_credentials" => Ok(Self::ClientCredentials),
            exchange::GRANT => Ok(Self::TokenExchange),
            _ => {
                let why = format!("the grants of this server are {}", GRANTS.join(", "));
                Err(Problem::oauth(Code::UnsupportedGrantType, why))
            }
        }
    }

    async fn draft(self, asking: &Asking) -> Result<Draft> {
        match self {
            Self::ClientCredentials => client_credentials::draft(asking),
            Self::TokenExchange => exchange::draft(asking).await,
        }
    }
}

pub(crate) async fn answer(call: Call) -> Result<Answer> {
    let form = Form::parse(&call.body)?;
    let grant = Grant::of(form.required("grant_type")?)?;
    let mut client = client::authenticate(&call, &form)?;
    let (dpop, refused) = match dpop::proven(&call, &mut client) {
        Ok(dpop) => (dpop, None),
        Err(problem) => (None, Some(problem)),
    };
    let asking = Asking { app: call.app.clone(), client, form, dpop, now: call.now };
    let draft = match refused {
        None => grant.draft(&asking).await,
        Some(problem) => Err(problem),
    };
    issue(asking, draft).await
}

/// Decides about it, and puts that on record, a refusal by the grant among them: the client's assertion is used up by either.
async fn issue(asking: Asking, draft: Result<Draft>) -> Result<Answer> {
    let Asking { app, client, form, dpop, now } = asking;
    let Client { proven, .. } = client;
    let from = proven.from;
    let mut id = [0; 16];
    xbind_runtime::random(&mut id)?;
    let text = MessageId::from_bytes(id).text().to_string();
    let jti = text.clone();
    let noted = asked(&form, draft.as_ref().ok());
    let make = move |db: &Connection, _: &Agent, decided: &mut Decided| {
        decided.token = Some(jti.into());
        decided.note = noted;
        let draft = draft?;
        decided.to = VerifyingKey::from_did(&draft.audience).ok().map(|key| *key.did());
        let wanted = Wanted { did: from, scopes: draft.scopes.clone(), ttl: draft.ttl, id, challenge: id };
        let issued = token::issue(db, &wanted, now)?;
        if let Some(derived) = &draft.derived {
            root::derive(db, derived, &wanted, &issued, now)?;
        }
        Ok((issued, draft))
    };
    app.keys.now().current()?.check()?; // nothing is put on record that nobody will sign
    let (issued, draft) = app.decide_for(proven, now, "token.issued", who::as_agent(from, now), make).await?;
    if let Some(derived) = &draft.derived {
        app.sessions.watch(&app.issuers, derived, &issued.agent.operator, draft.ttl, now);
    }
    let asks = Asks {
        from,
        audience: &draft.audience,
        scopes: &draft.scopes,
        ttl: draft.ttl,
        now,
        id,
        cnf_jkt: dpop.as_deref(),
        on_behalf_of: draft.derived.as_ref().map(Derived::on_behalf_of),
    };
    let view = sign(&app, &issued, &asks, text).await?;
    app.metrics.tokens.fetch_add(1, Ordering::Relaxed);
    let token = AccessToken {
        access_token: view.token,
        issued_token_type: draft.derived.as_ref().map(|_| exchange::ACCESS_TOKEN.to_owned()),
        token_type: if dpop.is_some() { "DPoP" } else { "Bearer" }.to_owned(),
        expires_in: draft.ttl,
        scope: draft.scopes.as_str().to_owned(),
    };
    Ok(Answer::json(200, &token))
}

/// Audience and scopes, and for whom; of what was refused before it was understood, what the client wrote.
fn asked(form: &Form, draft: Option<&Draft>) -> Option<Box<str>> {
    let Some(Draft { audience, scopes, derived, .. }) = draft else {
        let texts: Vec<_> = ["resource", "audience", "scope"].into_iter().flat_map(|name| form.all(name)).collect();
        return note(&format!("asked: {}", texts.join(" ")));
    };
    note_token(derived.as_ref().map(Derived::on_behalf_of), audience, scopes)
}
