//! Whatever a stranger writes.

use proptest::prelude::*;
use xbind_net::address::{Class, class};
use xbind_net::{Target, Whose};

/// Texts made of what matters in URLs.
fn almost_url() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "https://",
        "http://",
        "https:",
        "/",
        "//",
        "\\",
        "@",
        ":",
        "443",
        "80",
        "0",
        ".",
        "..",
        "[",
        "]",
        "::1",
        "::",
        "ffff:",
        "127.0.0.1",
        "127",
        "1",
        "0x7f",
        "0177",
        "10",
        "169.254",
        "localhost",
        "login",
        "example",
        "xn--",
        "%31",
        "%2e",
        "?",
        "#",
        " ",
        "\t",
        "\u{3002}",
        "\u{ff11}",
        "-",
        "_",
        "LOCAL",
        "internal",
    ]);
    (prop::bool::ANY, prop::collection::vec(parts, 0..8))
        .prop_map(|(whole, parts)| format!("{}{}", if whole { "https://" } else { "" }, parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_taken_is_plain(text in prop_oneof![almost_url(), any::<String>()]) {
        for whose in [Whose::Owner, Whose::Stranger] {
            let Ok(target) = Target::parse(&text, whose) else { continue };
            prop_assert_eq!(&Target::parse(target.as_str(), whose), &Ok(target.clone()));
            let authority = text.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
            let host = authority.to_ascii_lowercase();
            let host = host.strip_suffix(":443").unwrap_or(&host);
            prop_assert!(host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte)), "{}", host);
            prop_assert!(target.as_str().contains(host));
            if whose == Whose::Stranger {
                prop_assert!(target.as_str().starts_with("https://"));
                prop_assert!(host.contains('.') || host.starts_with('['), "{}", host);
                prop_assert!(host != "localhost" && !host.ends_with(".localhost"), "{}", host);
                if let Ok(address) = host.trim_matches(['[', ']']).parse() {
                    prop_assert_eq!(class(address), Class::Public);
                }
            }
        }
    }
}
