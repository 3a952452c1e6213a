//! Nothing makes the parsers of tokens and statements panic, and what they accept was signed by whom it names.
#![no_main]

mod forge;

use forge::{header, segments, signed};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use xbind::{
    Approval, ApprovedCall, Asked, DelegationDraft, Did, JwkSet, Quota, Rotation, Scope, ScopeSet, SigningKey, TokenDraft,
    TokenPolicy, TokenVerifier, Trust, delegate, issue,
};

const NOW: u64 = 1_735_689_600;
const AUDIENCE: &str = "https://api.example";

static KEYS: LazyLock<[SigningKey; 3]> = LazyLock::new(|| [1, 2, 3].map(|n| SigningKey::from_seed(&[n; 32])));
static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    TokenVerifier::new(TokenPolicy::new(AUDIENCE), Trust::default().with_did(did(0))).expect("a good policy")
});
/// By the trusted issuer, to the second key.
static ROOT: LazyLock<String> = LazyLock::new(|| {
    let scopes = ScopeSet::parse("a.* b").expect("good scopes");
    let quota = Quota::of([("a", 5), ("b", 0)]).expect("good limits");
    issue(&KEYS[0], &TokenDraft { quota: Some(&quota), ..draft("{}", &scopes) }).expect("an honest token")
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 7 {
        0 => as_text(rest),
        1 => as_signed_segments(rest, 0),
        2 => as_signed_segments(rest, 1),
        3 => as_link(rest),
        4 => as_draft(rest),
        5 => as_jwks(rest),
        _ => as_statement(rest),
    }
});

/// The whole text of a token.
fn as_text(text: &[u8]) {
    if let Ok(token) = str::from_utf8(text) {
        check(token);
        let _ = delegate(&KEYS[1], token, &delegation(None));
        let _ = VERIFIER.missing_key(token);
    }
}

/// Header and claims, parted by a zero byte, under an honest signature: whatever they hold gets past it.
fn as_signed_segments(json: &[u8], signer: usize) {
    let (header, claims) = segments(json);
    check(&signed(&KEYS[signer], header, claims));
}

/// The claims of a link, `@` standing for the root that it derives from; the holder signs them.
fn as_link(claims: &[u8]) {
    let holder = &KEYS[1];
    let claims = String::from_utf8_lossy(claims).replace('@', &ROOT);
    check(&signed(holder, &header(holder, "agent-deleg+jwt"), claims.as_bytes()));
}

/// Scopes and further claims, parted by a zero byte: what is issued verifies, and what is delegated is no wider.
fn as_draft(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    let (scopes, claims) = text.split_once('\0').unwrap_or((text, "{}"));
    let Ok(scopes) = ScopeSet::parse(scopes) else { return };
    assert_eq!(ScopeSet::of(scopes.iter().map(Scope::as_str)).expect("its own scopes"), scopes);
    if let Ok(token) = issue(&KEYS[0], &draft(claims, &scopes)) {
        let verified = VERIFIER.verify(&token, NOW, &Asked::default()).expect("what was issued");
        assert_eq!(verified.scopes(), &scopes);
    }
    if let Ok(link) = delegate(&KEYS[1], &ROOT, &delegation(Some(&scopes))) {
        let verified = VERIFIER.verify(&link, NOW, &Asked::default()).expect("what was delegated");
        assert!(ScopeSet::parse("a.* b").expect("good scopes").first_missing(verified.scopes()).is_none());
    }
}

fn as_jwks(json: &[u8]) {
    if let Ok(json) = str::from_utf8(json)
        && let Ok(set) = JwkSet::parse(json)
    {
        assert!(set.is_empty() || json.contains("kid") || json.contains('\\'));
    }
}

fn as_statement(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    if let Ok(rotation) = Rotation::verify(text) {
        assert_ne!(rotation.old, rotation.new);
    }
    let recipient = did(2);
    let call = ApprovedCall {
        caller: did(1),
        recipient: recipient.as_str(),
        method: None,
        session: None,
        content_type: "application/json",
        body: b"{}",
    };
    if let Ok(approval) = Approval::verify(text, &call, &[did(0)], NOW, 30) {
        assert_eq!(*approval.approver(), did(0));
    }
}

/// Verifies it twice, the second time from memory.
fn check(token: &str) {
    let outcomes = [(); 2].map(|()| VERIFIER.verify(token, NOW, &Asked::default()));
    let [Ok(verified), Ok(again)] = &outcomes else {
        let kinds = outcomes.map(|outcome| outcome.err().map(|error| error.kind()));
        assert_eq!(kinds[0], kinds[1], "memory changes the verdict");
        return;
    };
    assert_eq!(verified.links(), again.links());
    assert_eq!(verified.issuer(), did(0).as_str());
    assert_eq!(verified.audience(), AUDIENCE);
    assert!(verified.issued_at() < verified.expires_at());
    assert!(verified.links().len() <= 9);
    assert!(verified.links().windows(2).all(|pair| pair[0].subject == pair[1].issuer));
    for (name, held) in verified.quotas() {
        let said: Vec<_> = verified.links().iter().filter_map(|link| link.quota.as_ref()?.get(name)).collect();
        assert!(said.is_sorted_by(|above, below| above >= below) && said.last() == Some(&held), "a limit grew");
    }
}

fn draft<'a>(claims: &'a str, scopes: &'a ScopeSet) -> TokenDraft<'a> {
    TokenDraft { subject: did(1), audience: AUDIENCE, scopes, quota: None, ttl: 3600, claims, cnf_jkt: None, on_behalf_of: None, status: None, now: NOW, id: [1; 16] }
}

fn delegation(scopes: Option<&ScopeSet>) -> DelegationDraft<'_> {
    DelegationDraft { subject: did(2), audience: None, scopes, quota: None, ttl: None, status: None, now: NOW, id: [2; 16] }
}

fn did(n: usize) -> Did {
    *KEYS[n].did()
}
