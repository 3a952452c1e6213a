//! What strangers spell: no text breaks a parser, and what is accepted has one spelling.

use proptest::prelude::*;
use xbind::SigningKey;
use xbind_authority::domain::{agent, name, operator};

proptest! {
    #[test]
    fn no_text_breaks_a_parser(text in "\\PC{0,80}", near in "[a-z0-9._:-]{0,60}") {
        for text in [&text, &near] {
            let domain = operator::check_domain(text).is_ok();
            prop_assert!(!domain || *text == text.to_ascii_lowercase());
            if let Ok((label, domain)) = name::split(text) {
                prop_assert_eq!(format!("{label}.{domain}"), text.as_str());
                prop_assert!(operator::check_domain(domain).is_ok());
            }
            for text in [text.clone(), format!("did:agent:{text}")] {
                if let Some((domain, fingerprint)) = agent::read_alias(&text) {
                    prop_assert_eq!(agent::alias(domain, &fingerprint), text);
                }
            }
        }
    }

    #[test]
    fn an_operator_is_one_domain_and_one_key(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
        let (a, b) = (SigningKey::from_seed(&a), SigningKey::from_seed(&b));
        let ids = [
            operator::id_of("example.com", a.did()),
            operator::id_of("example.org", a.did()),
            operator::id_of("example.com", b.did()),
        ];
        prop_assert!(ids.iter().all(|id| id.len() == 22));
        prop_assert!(ids[0] != ids[1] && (ids[0] != ids[2] || a.did() == b.did()));
        let (_, value) = operator::txt("example.com", a.did(), b.did());
        prop_assert!(value.len() <= 255, "one string of a TXT record holds it");
        prop_assert!(operator::is_named(&["v=spf1".to_owned(), value.clone()], &value));
        prop_assert!(!operator::is_named(&[value.clone(), value.clone()], &value));
        prop_assert!(!operator::is_named(&[], &value));
    }
}
