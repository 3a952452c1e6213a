//! DPoP (RFC 9449) where tokens are asked for: the token that is given is bound to the agent's key.

use xbind::{DpopProof, DpopRequest};

use crate::app::Once;
use crate::http::call::Call;
use crate::oauth::TOKEN_PATH;
use crate::oauth::client::Client;
use crate::oauth::error::Code;
use crate::problem::{Problem, Result};

/// The thumbprint of the key that the field `DPoP` proves, if it is there: it has to be the client's own. The proof is used up with
/// the client's assertion.
///
/// # Errors
/// `invalid_dpop_proof`.
pub(crate) fn proven(call: &Call, client: &mut Client) -> Result<Option<String>> {
    let wrong = |why: &'static str| Problem::oauth(Code::InvalidDpopProof, why);
    let mut fields = call.fields.get_all("dpop").iter();
    let Some(field) = fields.next() else { return Ok(None) };
    let text = field.to_str().ok().filter(|_| fields.next().is_none());
    let text = text.ok_or_else(|| wrong("the field DPoP is not one proof"))?;
    let (app, skew) = (&call.app, call.app.config().clock_skew);
    let url = format!("{}{TOKEN_PATH}", app.url());
    let request = DpopRequest { method: "POST", url: &url, token: None };
    let proof = DpopProof::verify(text, &request, call.now, skew)
        .map_err(|error| Problem::oauth(Code::InvalidDpopProof, error.message().to_owned()))?;
    if *proof.did() != client.proven.from {
        return Err(wrong("the DPoP proof is by another key than the client's own"));
    }
    if app.restored_at().is_some_and(|at| proof.issued_at() <= at.saturating_add(skew)) {
        return Err(wrong("the DPoP proof may have been used before the server was brought back from a copy"));
    }
    let again = (Code::InvalidDpopProof, "the DPoP proof was used before");
    client.proven.once.push(Once { claim: proof.claim(), until: proof.until(skew), again });
    Ok(Some(proof.thumbprint()))
}
