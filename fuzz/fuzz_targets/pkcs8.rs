//! Nothing makes the importer panic or allocate without bounds, and a plain key without attributes has two texts only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xbind::identity::pkcs8;

fuzz_target!(|data: &[u8]| {
    // Without a passphrase no key is derived, so the parser alone is exercised, at its own speed.
    let Ok(key) = pkcs8::decode(data, None) else { return };
    let version_1 = pkcs8::encode_der(&key);
    if data.first() == Some(&0x30) {
        match data.len() {
            48 => assert_eq!(data, &version_1[..]),
            83 => assert_eq!((&data[16..48], &data[51..]), (&version_1[16..], &key.did().public_key()[..])),
            n => assert!(n > 48, "shorter than any key"),
        }
    }
    let again = pkcs8::decode(pkcs8::encode_pem(&key).as_bytes(), None).expect("what was exported");
    assert_eq!(again.did(), key.did());
});
