//! The record of a request, as it is written and read again.

use serde::{Deserialize, Serialize};
use xbind::record::{MAX_TEXT_BYTES, Verdict};
use xbind::{Did, Digest};
use xbind_runtime::{AuditLog, Decided, Query};

use super::{Before, Ended, Used};
use crate::budget::Charge;
use crate::usage::Usage;

/// Who, on whose behalf, what for, what it took, and the digests of what was said.
pub(super) fn decided(by: Did, ended: &Ended) -> Decided {
    let Ended { id, about, end, most, .. } = ended;
    let outcome = match (&end.code, most) {
        (None, _) => Verdict::Answered,
        (Some(_), Some(_)) => Verdict::Failed,
        (Some(_), None) => Verdict::Refused,
    };
    let charged = end.used.map(|(_, charge)| charge).or(*most).unwrap_or_default();
    let usage = end.used.map(|(usage, _)| usage);
    let note = Note {
        model: about.model.as_str().into(),
        upstream: end.upstream.as_deref().map(Into::into),
        status: Some(end.status).filter(|status| *status != 0),
        input: usage.map(|usage| usage.input),
        cached: usage.map(|usage| usage.cached).filter(|cached| *cached != 0),
        output: usage.map(|usage| usage.output),
        charged: charged.tokens,
        cost: crate::money::shown(charged.money).into(),
        answer: end.answer.as_deref().map(Into::into),
        proof: about.proof.as_str().into(),
        trace: about.trace.as_deref().map(Into::into),
    };
    let mut decided = Decided::new("llm.request", outcome, by, about.time);
    decided.from = xbind::VerifyingKey::from_did(&about.agent).ok().map(|key| *key.did());
    decided.method = Some(about.api.name().into());
    decided.message = Some(*id);
    decided.digest = Digest::parse(&about.request);
    decided.token = Some(about.token.as_str()).filter(|token| !token.is_empty()).map(Into::into);
    decided.chain = about.chain.iter().map(|link| clipped(link, MAX_TEXT_BYTES).into()).collect();
    decided.code = end.code.clone().map(Into::into);
    decided.note = note.text().map(Into::into);
    if decided.misfit().is_some() {
        // It must be written whatever strangers are called: what nobody writes is charged to nobody.
        decided.chain = decided.chain.iter().map(|link| clipped(link, SHORT).into()).collect();
        decided.token = decided.token.as_deref().map(|token| clipped(token, SHORT).into());
    }
    decided
}

/// The most records of one agent in one second that are looked at.
const MANY: usize = 10_000;
/// As long as names are where all are too long together.
const SHORT: usize = 128;

/// So much of a text as fits.
fn clipped(text: &str, most: usize) -> &str {
    let ends = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..ends.unwrap_or_default()).unwrap_or_default()
}

/// What the note of a record says, as JSON.
#[derive(Serialize, Deserialize)]
struct Note<'a> {
    model: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cached: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<u64>,
    charged: u64,
    cost: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Text<'a>>,
    proof: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Text<'a>>,
}

type Text<'a> = std::borrow::Cow<'a, str>;

impl Note<'_> {
    /// As JSON that fits: names are shorter where it would not.
    fn text(mut self) -> Option<String> {
        let text = serde_json::to_string(&self).ok()?;
        if text.len() <= MAX_TEXT_BYTES {
            return Some(text);
        }
        self.model = clipped(&self.model, SHORT).to_owned().into();
        self.upstream = self.upstream.map(|name| clipped(&name, SHORT).to_owned().into());
        serde_json::to_string(&self).ok()
    }

    fn used(&self) -> Used {
        let (input, output) = (self.input?, self.output?);
        let usage = Usage { input, cached: self.cached.unwrap_or(0), output, ..Usage::default() };
        Some((usage, Charge { tokens: self.charged, money: crate::money::decimal(&self.cost)? }))
    }
}

/// Which of them are on record, and what they have used by that: the log is written before the database, and whoever is killed
/// between the two has told the end already.
pub(super) fn before(log: &AuditLog, all: &[Ended]) -> Before {
    let mut found = Before::new();
    for Ended { id, about, .. } in all {
        let until = Some(about.time.saturating_add(1));
        let query =
            Query { agent: Some(about.agent.clone()), since: Some(about.time), until, limit: MANY, ..Query::default() };
        let id = id.text();
        for line in log.query(&query).unwrap_or_default() {
            let Some(Line { message_id, note }) = serde_json::from_str(&line).ok() else { continue };
            if message_id == id {
                let note = note.as_deref().and_then(|note| serde_json::from_str::<Note<'_>>(note).ok());
                found.insert(id.clone(), note.and_then(|note| note.used()));
            }
        }
    }
    found
}

/// What is looked at of a line of the log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    message_id: String,
    #[serde(default)]
    note: Option<String>,
}
