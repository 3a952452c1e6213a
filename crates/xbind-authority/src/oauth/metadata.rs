//! What a client can find out by itself (RFC 8414).

use serde_json::json;

use crate::http::call::{Answer, Call};
use crate::oauth::token::GRANTS;
use crate::oauth::{INTROSPECTION_PATH, REVOCATION_PATH, TOKEN_PATH};
use crate::problem::Result;

/// How long others may keep it, in seconds.
const AGE: u64 = 300;

pub(crate) async fn answer(call: Call) -> Result<Answer> {
    let url = call.app.url();
    let (methods, algorithms) = (["private_key_jwt"], ["EdDSA", "Ed25519"]);
    let metadata = json!({
        "issuer": url,
        "token_endpoint": format!("{url}{TOKEN_PATH}"),
        "introspection_endpoint": format!("{url}{INTROSPECTION_PATH}"),
        "revocation_endpoint": format!("{url}{REVOCATION_PATH}"),
        "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": GRANTS,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": algorithms,
    });
    Ok(Answer::json(200, &metadata).kept(AGE))
}
