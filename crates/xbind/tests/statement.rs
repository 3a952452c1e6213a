//! What a key does not sign for a stranger.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use proptest::prelude::*;
use xbind::identity::statement::is_statement;
use xbind::{
    ApprovalDraft, ApprovedCall, Bits, CardDraft, Decision, DelegationDraft, Draft, ErrorKind, MessageId, Op, ScopeSet,
    SigningKey, StatusList, StatusListDraft, TokenDraft, Unsigned,
};

const TYPES: [&str; 17] = [
    "agent-msg+jwt",
    "agent-card+jwt",
    "at+jwt",
    "agent-deleg+jwt",
    "agent-approval+jwt",
    "agent-rotation+jwt",
    "statuslist+jwt",
    "agent-audit+jwt",
    "agent-audit-witness+jwt",
    "agent-presence+jwt",
    "agent-mailbox+jwt",
    "agent-name+jwt",
    "agent-stop+jwt",
    "agent-heartbeat+jwt",
    "agent-connection+jwt",
    "client-authentication+jwt",
    "dpop+jwt",
];

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// A signing input with this header.
fn input(header: &str) -> Vec<u8> {
    format!("{}.e30", BASE64URL_NOPAD.encode(header.as_bytes())).into_bytes()
}

#[test]
fn nothing_that_keys_sign_here_is_signed_for_a_stranger() {
    let (key, to) = (key(1), key(2));
    let draft = |id: u8| Draft {
        op: Op::Send,
        to: *to.did(),
        id: MessageId::from_bytes([id; 16]),
        issued_at: 1,
        ttl: 30,
        content_type: "application/json",
        body: b"1",
        token: None,
        in_reply_to: None,
        details: xbind::Details::default(),
    };
    let scopes = ScopeSet::of(["a:b"]).unwrap();
    let token = TokenDraft {
        subject: *to.did(),
        audience: key.did().as_str(),
        scopes: &scopes,
        quota: None,
        ttl: 60,
        claims: "{}",
        cnf_jkt: None,
        on_behalf_of: None,
        status: None,
        now: 1,
        id: [1; 16],
    };
    let token = xbind::issue(&key, &token).unwrap();
    let subject = *self::key(3).did();
    let delegation = DelegationDraft {
        subject,
        audience: None,
        scopes: None,
        quota: None,
        ttl: None,
        status: None,
        now: 1,
        id: [2; 16],
    };
    let call = ApprovedCall {
        caller: *to.did(),
        recipient: subject.as_str(),
        method: None,
        session: None,
        content_type: "text/plain",
        body: b"1",
    };
    let approval = ApprovalDraft { decision: Decision::Approve, call, ttl: 60, now: 1, id: [3; 16] };
    let list = StatusList::new(Bits::of(1).unwrap(), 8).unwrap();
    let list_draft = StatusListDraft { uri: "https://example.com/list", now: 1, lifetime: 60, ttl: None };
    let compact = [
        token.clone(),
        xbind::delegate(&to, &token, &delegation).unwrap(),
        xbind::approve(&key, &approval).unwrap(),
        list.sign(&key, &list_draft).unwrap(),
        CardDraft { name: None, methods: &[], addresses: &[], ttl: 60, now: 1 }.sign(&key).unwrap(),
    ];
    let mut signed: Vec<Vec<u8>> =
        compact.iter().map(|jws| jws.rsplit_once('.').unwrap().0.as_bytes().to_vec()).collect();
    signed.push(Unsigned::new(key.did(), &[draft(1)]).unwrap().to_sign().to_vec());
    signed.push(Unsigned::new(key.did(), &[draft(1), draft(2)]).unwrap().to_sign().to_vec());
    signed.push(input(&format!(r#"{{"alg":"EdDSA","kid":"x","typ":"{}"}}"#, "agent-rotation+jwt")));
    for bytes in signed {
        assert_eq!(key.sign_data(&bytes).unwrap_err().kind(), ErrorKind::SignFailed, "{bytes:?}");
    }
}

#[test]
fn lenient_readings_are_refused_as_well() {
    for typ in TYPES {
        let spelled: String = typ.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect();
        let headers = [
            format!(r#"{{"typ":"{typ}"}}"#),
            format!(" \n{{ \"alg\" : \"none\" ,\t\"typ\" : \"{typ}\" }} "),
            format!(r#"{{"typ":"{}"}}"#, typ.to_uppercase()),
            format!(r#"{{"typ":"application/{typ}"}}"#),
            format!(r#"{{"typ":"Application\/{typ}; charset=utf-8"}}"#),
            format!(r#"{{"typ":"{spelled}"}}"#),
            format!(r#"{{"\u0074yp":" {typ} "}}"#),
            format!(r#"{{"typ":"JWT","typ":"{typ}"}}"#),
            format!(r#"{{'typ':'{}'}}"#, typ.replace('-', "\\x2d").replace('s', "\u{17f}")),
            format!("\u{feff}{{\"typ\":\"{typ}\"}}"),
            format!(r#"{{"TYP":["{typ}"]}}"#),
        ];
        for header in &headers {
            let utf16: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for bytes in [header.as_bytes(), &utf16].into_iter().take(if header.is_ascii() { 2 } else { 1 }) {
                let plain = BASE64URL_NOPAD.encode(bytes);
                let (left, right) = plain.split_at(plain.len() / 2);
                let again = bytes.len() / 6 * 3;
                for first in [
                    plain.clone(),
                    BASE64URL.encode(bytes),
                    BASE64.encode(bytes),
                    BASE64_NOPAD.encode(bytes),
                    format!("  \r\n..{plain}"),
                    format!("{left}\n {right}"),
                    format!("{left}\0{right}=="),
                    format!("{}{}", BASE64URL.encode(&bytes[..again + 1]), BASE64URL.encode(&bytes[again + 1..])),
                ] {
                    for rest in ["e30", "", "e30.e30", "not base64 at all"] {
                        assert!(is_statement(format!("{first}.{rest}").as_bytes()), "{header}: {first}.{rest}");
                    }
                }
            }
        }
    }
    for context in ["xbind-", "xbind-batch-v1\0", "XBIND-Body-v1", "xbind-anything that comes later"] {
        assert!(is_statement(context.as_bytes()), "{context}");
    }
}

#[test]
fn what_proves_an_oauth_client_is_not_signed_for_a_stranger() {
    let input = |header: &str, claims: &str| {
        format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()))
    };
    let did = key(1).did().to_string();
    for client in [did.as_str(), "did:agent:example.com:00112233445566778899aabbccddeeff"] {
        for header in [r#"{"alg":"EdDSA"}"#, r#"{"alg":"Ed25519","typ":"JWT","kid":"x"}"#] {
            let plain =
                format!(r#"{{"iss":"{client}","sub":"{client}","aud":"https://a.example","exp":60,"jti":"1"}}"#);
            let spelled = plain.replace("iss", "\\u0069ss").replace(":\"did", " : \"\\u0064id");
            for claims in [&plain, &spelled] {
                assert!(is_statement(input(header, claims).as_bytes()), "{header} {claims}");
            }
            // Somebody else's, and one that proves no client.
            for claims in [plain.replace(client, "service"), plain.replace("\"jti\"", "\"nonce\"")] {
                assert!(!is_statement(input(header, &claims).as_bytes()), "{header} {claims}");
            }
        }
    }
}

#[test]
fn other_bytes_are_signed() {
    let key = key(1);
    for data in [
        &b""[..],
        b".",
        b"..",
        b"a.b.c",
        b"hello, world. This is text.",
        b"xbind",
        b" xbind-",
        b"my-protocol xbind-batch-v1",
        br#"{"typ":"at+jwt"}"#,
        &input(r#"{"alg":"EdDSA","typ":"JWT"}"#),
        &[0; 1000],
    ] {
        assert_eq!(key.sign_data(data).unwrap(), key.sign(data));
    }
}

proptest! {
    #[test]
    fn a_header_stays_one_wherever_others_skip_characters(at in 0..40_usize, junk in "[ \n\t!*\\x00-\\x08=]{1,3}", typ in 0..9_usize) {
        let mut text = BASE64URL_NOPAD.encode(format!(r#"{{"alg":"EdDSA","typ":"{}"}}"#, TYPES[typ]).as_bytes());
        text.insert_str(at.min(text.len()), &junk);
        let data = format!("{text}.e30");
        prop_assert!(is_statement(data.as_bytes()));
    }

    #[test]
    fn noise_does_no_harm(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!is_statement(&noise) || noise.starts_with(b"xbind-"));
    }
}
