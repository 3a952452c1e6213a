//! What was decided: asked of the authority, or verified in its files.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use xbind::{Digest, VerifyingKey};
use xbind_authority::wire::AuditView;
use xbind_runtime::Wanted;

use crate::args::{Audit, Tail, VerifyLog};
use crate::commands::{OfOperator, Room};
use crate::failure::{Failure, Result};
use crate::plain::{self, plain};
use crate::said::Said;

/// How often the authority is asked for what is new.
const PAUSE: Duration = Duration::from_secs(5);

pub(crate) fn run(room: &Room<'_>, args: Audit) -> Result<Said> {
    match args {
        Audit::Tail(args) => tail(room, &args),
        Audit::Verify(args) => verify(room, &args),
    }
}

/// A record a line: with `--json` as it stands in the log.
fn tail(room: &Room<'_>, args: &Tail) -> Result<Said> {
    let own = room.as_operator()?;
    let print = |record: &Value| {
        room.terminal.out(&format!("{}\n", if room.common.json { plain::json(record) } else { line(record) }));
    };
    let mut after = None;
    let mut last = VecDeque::new();
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    each(&own, args, &mut after, |record| {
        if last.len() >= limit {
            last.pop_front();
        }
        last.push_back(record);
    })?;
    last.iter().for_each(print);
    while args.follow && !room.terminal.stops_within(PAUSE) {
        each(&own, args, &mut after, |record| {
            // Each of these questions is a record itself.
            let text = |name: &str| record.get(name).and_then(Value::as_str);
            if (text("event"), text("from")) != (Some("audit.read"), Some(&own.operator.did)) {
                print(&record);
            }
        })?;
    }
    Ok(Said::nothing())
}

/// Every record behind that one that is there now.
fn each(own: &OfOperator, args: &Tail, after: &mut Option<u64>, mut take: impl FnMut(Value)) -> Result<()> {
    loop {
        let view = page(own, args, *after, MAX_PAGE)?;
        for record in &view.records {
            let record: Value = serde_json::from_str(record.get()).unwrap_or_default();
            *after = record.get("seq").and_then(Value::as_u64).or(*after);
            take(record);
        }
        let Some(next) = view.next else { return Ok(()) };
        *after = Some(next);
    }
}

const MAX_PAGE: u64 = 1000;

fn page(own: &OfOperator, args: &Tail, after: Option<u64>, limit: u64) -> Result<AuditView> {
    let mut query = format!("limit={limit}");
    let numbers = [("after", after), ("since", args.since), ("until", args.until)];
    for (name, value) in numbers {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={value}"));
        }
    }
    for (name, value) in [("agent", &args.agent), ("token", &args.token)] {
        if let Some(value) = value {
            let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.-_".contains(&byte));
            if !is_plain {
                return Err(Failure::usage(format!("{value} is no {name}")));
            }
            query.push_str(&format!("&{name}={value}"));
        }
    }
    own.client.get(&format!("/v1/audit?{query}"), Some(&own.key))
}

/// Time, what happened and what came of it, to whom, and what there is to say of it.
fn line(record: &Value) -> String {
    let word = |name: &str| match record.get(name) {
        Some(Value::String(text)) => plain(text),
        Some(other) => plain(&other.to_string()),
        None => "-".to_owned(),
    };
    let outcome = if record.get("code").is_some() { "code" } else { "outcome" };
    ["time", "event", outcome, "from", "to", "token", "note"].map(word).join(" ")
}

fn verify(room: &Room<'_>, args: &VerifyLog) -> Result<Said> {
    let did = args.did.as_deref().map(|did| VerifyingKey::from_did(did).map(|key| *key.did())).transpose()?;
    let head = match (args.seq, &args.digest) {
        (Some(seq), Some(digest)) => {
            let digest = Digest::parse(digest).ok_or_else(|| Failure::usage("that is no digest"))?;
            Some((seq, digest))
        }
        _ => None,
    };
    if did.is_none() {
        room.say("without --did it is verified by the key that the log names itself");
    }
    let verified = xbind_runtime::verify(&args.file, Wanted { did, head, ..Wanted::default() })?;
    let mut said: Value = serde_json::from_str(&verified.json()).unwrap_or_default();
    if let Some(members) = said.as_object_mut() {
        members.insert("valid".to_owned(), json!(true));
    }
    Ok(Said::of(&said))
}
