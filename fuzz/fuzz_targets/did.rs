//! Whatever is accepted as a DID is the one text of its key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xbind::VerifyingKey;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(key) = VerifyingKey::from_did(text)
    {
        assert_eq!(key.did().as_str(), text);
        let again = VerifyingKey::from_bytes(key.did().public_key()).expect("the key of an accepted DID");
        assert_eq!(again.did().as_str(), text);
    }
    // The bytes of a key, so that the corpus need not find base58 by chance.
    if let Ok(bytes) = data.try_into()
        && let Ok(key) = VerifyingKey::from_bytes(bytes)
    {
        assert_eq!(key.did().public_key(), bytes);
        let named = VerifyingKey::from_did(key.did().as_str()).expect("the DID of an accepted key");
        assert_eq!(named.did(), key.did());
    }
});
