//! `client_credentials` (RFC 6749 section 4.4): what the agent may do itself.

use xbind::ScopeSet;
use xbind::rights::DEFAULT_TOKEN_TTL;

use crate::oauth::error::Code;
use crate::oauth::form::Form;
use crate::oauth::token::{Asking, Draft};
use crate::problem::{Problem, Result};
use crate::routes::tokens::check_audience;

pub(crate) fn draft(asking: &Asking) -> Result<Draft> {
    let (scopes, audience) = (scopes(&asking.form)?, target(&asking.form)?);
    Ok(Draft { audience, scopes, ttl: DEFAULT_TOKEN_TTL, derived: None })
}

/// What is asked for. There are no scopes that somebody gets who names none.
///
/// # Errors
/// `invalid_scope`.
pub(crate) fn scopes(form: &Form) -> Result<ScopeSet> {
    let text = form.get("scope").ok_or_else(|| Problem::oauth(Code::InvalidScope, "the parameter scope is missing"))?;
    ScopeSet::parse(text).map_err(|error| Problem::oauth(Code::InvalidScope, error.message().to_owned()))
}

/// For whom: exactly one `resource` (RFC 8707) or `audience` (RFC 8693 section 2.1).
///
/// # Errors
/// `invalid_target`.
pub(crate) fn target(form: &Form) -> Result<String> {
    let wrong = |why: &'static str| Problem::oauth(Code::InvalidTarget, why);
    let mut named = form.all("resource").map(|text| (text, true)).chain(form.all("audience").map(|text| (text, false)));
    let (Some((target, is_resource)), None) = (named.next(), named.next()) else {
        return Err(wrong("a token is for exactly one resource or audience"));
    };
    if is_resource && !is_absolute(target) {
        return Err(wrong("a resource is an absolute URI without a fragment"));
    }
    check_audience(target).map_err(|problem| Problem::oauth(Code::InvalidTarget, problem.detail().to_owned()))?;
    Ok(target.to_owned())
}

/// RFC 3986 section 4.3.
fn is_absolute(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && !uri.bytes().any(|byte| byte == b'#' || !byte.is_ascii_graphic())
}
