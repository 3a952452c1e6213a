//! Nothing makes the parser of JWK sets panic, and whatever it accepts holds the keys that any other reader sees there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use xbind::identity::jwk::jwk_json;
use xbind::identity::MAX_JWKS_BYTES;
use xbind::{ErrorKind, JwkSet, VerifyingKey};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data) {
        check(text);
    }
    // The bytes of a key, so that the corpus need not find a point of the curve by chance.
    if let Ok(bytes) = data.try_into()
        && let Ok(key) = VerifyingKey::from_bytes(bytes)
    {
        let jwk = jwk_json(key.did());
        let set = JwkSet::parse(&format!(r#"{{"keys":[{jwk}]}}"#)).expect("the JWK of a key");
        assert_eq!(set.len(), 1);
        assert_eq!(set.get(&kid_of(key.did().as_str())).expect("by its kid").did(), key.did());
        // Twice is one kid for two keys.
        assert!(JwkSet::parse(&format!(r#"{{"keys":[{jwk},{jwk}]}}"#)).is_err());
    }
});

fn check(text: &str) {
    let set = match JwkSet::parse(text) {
        Ok(set) => set,
        Err(error) => return assert_eq!(error.kind(), ErrorKind::InvalidKey),
    };
    assert!(text.len() <= MAX_JWKS_BYTES && set.is_empty() == (set.len() == 0));
    let json: Value = serde_json::from_str(text).expect("what is accepted is JSON");
    let keys = json["keys"].as_array().expect("with an array of keys");
    let mut used = 0;
    for jwk in keys {
        assert!(jwk.is_object() && jwk.get("d").is_none() && jwk.get("k").is_none());
        let Some(key) = jwk["kid"].as_str().and_then(|kid| set.get(kid)) else { continue };
        assert_eq!((&jwk["kty"], &jwk["crv"]), (&"OKP".into(), &"Ed25519".into()));
        let own: Value = serde_json::from_str(&jwk_json(key.did())).expect("a JWK");
        assert_eq!(jwk["x"], own["x"]);
        used += 1;
    }
    assert_eq!(set.len(), used);
}

fn kid_of(did: &str) -> String {
    format!("{did}#{}", did.trim_start_matches("did:key:"))
}
