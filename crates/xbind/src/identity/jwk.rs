//! The public key in the forms that others read: JWK (RFC 7517, RFC 8037) and DID document (did:key v0.9).

use crate::base64::encode;

use crate::identity::did::Did;
use sha2::{Digest, Sha256};

/// The public JWK as JSON text: `kty`, `crv`, `x`, `kid` (the verification method of the DID document), `alg`, `use`.
#[must_use]
pub fn jwk_json(did: &Did) -> String {
    let x = encode(did.public_key());
    let fragment = did.multibase();
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{did}#{fragment}","alg":"EdDSA","use":"sig"}}"#)
}

/// The SHA-256 thumbprint of the JWK (RFC 7638): 43 characters of base64url.
#[must_use]
pub fn thumbprint(did: &Did) -> String {
    let x = encode(did.public_key());
    encode(&Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)))
}

/// The DID document as JSON text: one `Multikey` that authenticates, asserts, invokes and delegates.
#[must_use]
pub fn did_document_json(did: &Did) -> String {
    let multibase = did.multibase();
    let method = format!("{did}#{multibase}");
    format!(
        concat!(
            r#"{{"@context":["https://www.w3.org/ns/did/v1","https://w3id.org/security/multikey/v1"],"#,
            r#""id":"{did}","#,
            r#""verificationMethod":[{{"id":"{method}","type":"Multikey","controller":"{did}","#,
            r#""publicKeyMultibase":"{multibase}"}}],"#,
            r#""authentication":["{method}"],"assertionMethod":["{method}"],"#,
            r#""capabilityInvocation":["{method}"],"capabilityDelegation":["{method}"]}}"#
        ),
        did = did,
        method = method,
        multibase = multibase,
    )
}
