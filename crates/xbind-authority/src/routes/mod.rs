//! What can be asked for: a row for each route, which the router, the OpenAPI document and its tests read.

pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod exchange;
pub(crate) mod names;
pub(crate) mod operators;
pub(crate) mod public;
pub(crate) mod tokens;
pub(crate) mod views;
pub(crate) mod who;

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodFilter, on};

use crate::app::App;
use crate::http::call::{Answering, Call};
use crate::http::pipeline;
use crate::oauth;
use crate::oauth::error::Code;
use crate::problem::Kind;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Anybody,
    /// Whoever has signed the request; the handler says whose signature counts.
    Signed,
    /// An OAuth client, which proves itself in the form that is its request's body.
    Client,
    /// An issuer of users' tokens, whose word is in that form: whoever brings it is counted only where it does not hold.
    Issuer,
}

impl Access {
    /// Whether requests are forms, and refusals those of OAuth.
    #[must_use]
    pub const fn is_oauth(self) -> bool {
        matches!(self, Self::Client | Self::Issuer)
    }
}

/// A method of a path.
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Its path, with variable parts in braces.
    pub path: &'static str,
    /// Who may ask.
    pub access: Access,
    /// What its query may hold.
    pub query: &'static [&'static str],
    /// The schema of its body, if it has one.
    pub body: Option<&'static str>,
    /// What it answers with when it does what was asked: status, media type, schema.
    pub answer: (u16, &'static str, &'static str),
    /// The problems of its own, beside those that any request can meet.
    pub problems: &'static [Kind],
    /// What OAuth clients are refused with, beside that.
    pub errors: &'static [Code],
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What does it.
    pub(crate) handler: fn(Call) -> Answering,
}

impl Route {
    /// The media type of its body.
    #[must_use]
    pub const fn media(&self) -> &'static str {
        if self.access.is_oauth() { FORM } else { JSON }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

macro_rules! routes {
    ($($access:ident $method:literal $path:literal $([$($query:literal)*])? $(($body:literal))? => $handler:path,
        $status:literal $media:ident $schema:literal $({$($problem:ident)*})? $(<$($code:ident)*>)? $summary:literal;)*) => {
        &[$(Route {
            method: $method,
            path: $path,
            access: Access::$access,
            query: &[$($($query),*)?],
            body: routes!(@body $($body)?),
            answer: ($status, $media, $schema),
            problems: &[$($(Kind::$problem),*)?],
            errors: &[$($(Code::$code),*)?],
            summary: $summary,
            handler: |call| Box::pin($handler(call)),
        }),*]
    };
    (@body) => { None };
    (@body $body:literal) => { Some($body) };
}

const TEXT: &str = "text/plain; version=0.0.4";
const STATUS_LIST: &str = "application/statuslist+jwt";
const DIRECTORY: &str = "application/http-message-signatures-directory+json";
const NONE: &str = "";

/// All there are.
#[rustfmt::skip]
pub const ROUTES: &[Route] = routes! {
    Anybody "GET" "/live" => public::live, 200 JSON "Health" "Whether the process runs";
    Anybody "GET" "/ready" => public::ready, 200 JSON "Health" {AuditFailed} "Whether it can decide: database and log can be written";
    Anybody "GET" "/metrics" => public::metrics, 200 TEXT "Text" "Counts, as Prometheus reads them";
    Anybody "GET" "/openapi.json" => public::openapi, 200 JSON "OpenApi" "This document";
    Anybody "GET" "/.well-known/jwks.json" => public::jwks, 200 JSON "JwkSet" "The keys that sign tokens";
    Anybody "GET" "/.well-known/http-message-signatures-directory" => public::directory, 200 DIRECTORY "JwkSet" "The keys of the authority's agents, for Web Bot Auth";
    Anybody "GET" "/.well-known/oauth-authorization-server" => oauth::metadata::answer, 200 JSON "OAuthMetadata" "What OAuth clients can do here";
    Anybody "GET" "/v1" => public::about, 200 JSON "About" "Who the authority is, and what its clock says";
    Anybody "GET" "/v1/status/{list}" => public::status_list, 200 STATUS_LIST "Text" {NotFound SignerFailed} "A signed list of what became of tokens";

    Signed "POST" "/v1/operators" ("ProveDomain") => operators::register, 200 JSON "OperatorView" {DomainTaken} "Says what the owner of a domain has to publish, so that the signing key is its operator's";
    Signed "POST" "/v1/operators/{operator}/verification" ("ProveDomain") => operators::verify, 200 JSON "OperatorView" {NotPermitted DomainTaken DomainNotProven DnsUnavailable} "Looks for it, and makes the holder of the signing key the operator of the domain";
    Anybody "GET" "/v1/operators/{operator}" => operators::get, 200 JSON "OperatorView" {NotFound} "An operator whose domain is proven";
    Signed "POST" "/v1/operators/{operator}/rotations" ("Rotate") => operators::rotate, 200 JSON "OperatorView" {NotPermitted NotFound AgentTaken RotationRefused} "Replaces the root key of an operator";

    Signed "GET" "/v1/operators/{operator}/exchange" => exchange::get, 200 JSON "ExchangePolicy" {NotPermitted NotFound} "Whose users the agents of an operator may act for";
    Signed "PUT" "/v1/operators/{operator}/exchange" ("ExchangePolicy") => exchange::set, 200 JSON "ExchangePolicy" {NotPermitted NotFound} "Says whose users the agents of an operator may act for, and what that gives them";

    Signed "POST" "/v1/enrolments" ("Enrol") => agents::enrol, 200 JSON "Enrolment" {NotFound} "Proves the key of an agent for an operator, which can take it in then";
    Signed "POST" "/v1/operators/{operator}/agents" ("AddAgent") => agents::add, 201 JSON "OwnAgentView" {NotPermitted NotFound AgentTaken Conflict EnrolmentOver LimitReached} "Takes an agent in";
    Signed "GET" "/v1/operators/{operator}/agents" ["status" "after" "limit"] => agents::list, 200 JSON "AgentList" {NotPermitted NotFound} "The agents of an operator";
    Signed "GET" "/v1/operators/{operator}/agents/{did}" => agents::own, 200 JSON "OwnAgentView" {NotPermitted NotFound Inactive} "An agent, for its operator and itself";
    Signed "PUT" "/v1/operators/{operator}/agents/{did}/scopes" ("SetScopes") => agents::set_scopes, 200 JSON "OwnAgentView" {NotPermitted NotFound} "Says what an agent may ask tokens for";
    Signed "PUT" "/v1/operators/{operator}/agents/{did}/status" ("SetStatus") => agents::set_status, 200 JSON "OwnAgentView" {NotPermitted NotFound Conflict} "Suspends an agent, lets it go on, or revokes it for good";
    Anybody "GET" "/v1/agents/{did}" => agents::get, 200 JSON "AgentView" {NotFound} "An agent and its keys";
    Anybody "GET" "/v1/agents/{did}/did.json" => agents::document, 200 JSON "DidDocument" {NotFound} "The DID document of an agent's alias";
    Signed "POST" "/v1/agents/{did}/rotations" ("Rotate") => agents::rotate, 200 JSON "AgentView" {NotPermitted NotFound Inactive AgentTaken RotationRefused} "Takes the next key of an agent in";

    Anybody "POST" "/v1/challenges" ("AskChallenge") => tokens::challenge, 200 JSON "Challenge" "A challenge for one token";
    Signed "POST" "/v1/tokens" ("AskToken") => tokens::issue, 201 JSON "TokenView" {NotPermitted Inactive ScopeDenied SubjectRefused ChallengeOver SignerFailed} "A token, for whoever signs the challenge";
    Signed "POST" "/v1/tokens/{id}/revocation" ("Revoke") => tokens::revoke, 204 NONE "" {NotFound Inactive} "Revokes a token";
    Anybody "POST" "/v1/introspection" ("Introspect") => tokens::introspect, 200 JSON "Introspection" "Whether a token counts now";

    Client "POST" "/oauth/token" ("TokenRequest") => oauth::token::answer, 200 JSON "AccessToken" <UnsupportedGrantType InvalidScope InvalidTarget InvalidDpopProof> "A token, for an OAuth client";
    Client "POST" "/oauth/introspect" ("TokenQuestion") => oauth::introspection::introspect, 200 JSON "TokenAnswer" "What a token says, for whom it concerns";
    Client "POST" "/oauth/revoke" ("TokenQuestion") => oauth::introspection::revoke, 200 NONE "" <UnauthorizedClient> "Revokes a token of the client's own";
    Issuer "POST" "/oauth/backchannel-logout" ("LogoutRequest") => oauth::logout::answer, 200 NONE "" "Ends what was derived from a session of a user, on the word of its issuer";

    Anybody "GET" "/v1/names/{name}" => names::get, 200 JSON "NameView" {NotFound NameWithdrawn} "What a name leads to";
    Signed "PUT" "/v1/names/{name}" ("PutName") => names::put, 200 JSON "NameView" {NotPermitted Inactive NameTaken LimitReached} "Registers a name for the signing agent";
    Signed "DELETE" "/v1/names/{name}" => names::delete, 204 NONE "" {NotPermitted NotFound Inactive} "Gives a name up (its agent), or frees it (the operator)";

    Signed "GET" "/v1/audit" ["agent" "token" "since" "until" "after" "limit"] => audit::query, 200 JSON "AuditView" {NotPermitted} "What was decided in the signing operator's domain";
    Signed "GET" "/v1/audit/tokens/{id}" => audit::trail, 200 JSON "AuditView" {NotPermitted Inactive} "What became of a token, for its operator and its parties";
};

/// The router of all routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let filter = match route.method {
            "GET" => MethodFilter::GET,
            "PUT" => MethodFilter::PUT,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::POST,
        };
        let app = app.clone();
        router = router.route(route.path, on(filter, move |request| pipeline::answer(app.clone(), route, request)));
    }
    let (none, other) = (app.clone(), app);
    router
        .fallback(move |request| pipeline::refuse(none.clone(), request, Kind::NotFound, "there is no such path"))
        .method_not_allowed_fallback(move |request| {
            pipeline::refuse(other.clone(), request, Kind::MethodNotAllowed, "the path does not take this method")
        })
}
