//! Who a request is by, on whose behalf, and who pays for it.

use xbind::rights::MAX_TOKEN_TTL;
use xbind::{Digest, Link, VerifiedToken};

use crate::budget::{Holders, Quota};

/// The limits of a grant that count here, over its whole life: tokens, and millionths of the currency.
const TOKENS: &str = "llm.tokens";
const MICROS: &str = "llm.micros";
/// Nano units in a millionth.
const MICRO: u64 = 1000;
/// By how much clocks may differ at the most, in seconds.
const MAX_SKEW: u64 = 300;

/// On whose behalf at the root: the person for whom the first holder acts, or else the first holder.
pub(crate) fn root_of(token: &VerifiedToken) -> String {
    match token.on_behalf_of() {
        Some((issuer, subject)) => format!("{subject} ({issuer})"),
        None => first(token).to_owned(),
    }
}

/// Who got the rights from their issuer.
pub(crate) fn first(token: &VerifiedToken) -> &str {
    token.links().first().map_or_else(|| token.subject(), |link| &link.subject)
}

/// Who is charged: whoever hands on rights pays for what is done with them, too, so that nobody has more by making agents.
pub(crate) fn holders(token: &VerifiedToken) -> Holders {
    let mut agents: Vec<String> = token.links().iter().map(|link| link.subject.clone()).collect();
    agents.sort_unstable();
    agents.dedup();
    let first = token.links().first();
    let chain = first.map_or_else(String::new, |link| format!("{} {}", link.issuer, link.id));
    Holders { agents, root: root_of(token), chain: Digest::of(chain.as_bytes()).text(), quotas: quotas(token) }
}

/// What each grant of the chain says may be spent under it.
fn quotas(token: &VerifiedToken) -> Vec<Quota> {
    let of = |link: &Link| {
        let quota = link.quota.as_ref()?;
        let (tokens, micros) = (quota.get(TOKENS), quota.get(MICROS));
        let money = micros.map(|micros| micros.saturating_mul(MICRO));
        (tokens.is_some() || money.is_some()).then(|| Quota {
            issuer: link.issuer.clone(),
            jti: link.id.clone(),
            // No grant lives longer.
            until: link.issued_at.saturating_add(MAX_TOKEN_TTL).saturating_add(MAX_SKEW),
            tokens,
            money,
        })
    };
    token.links().iter().filter_map(of).collect()
}

/// On whose behalf, from the issuer on, as records name it: the person where there is one, and not who acts.
pub(crate) fn chain(token: &VerifiedToken) -> Vec<String> {
    let person = token.on_behalf_of().map(|(issuer, subject)| format!("{subject} ({issuer})"));
    let mut chain: Vec<String> = token.chain().map(str::to_owned).collect();
    chain.pop();
    if let Some(person) = person {
        chain.insert(1.min(chain.len()), person);
    }
    chain
}
