//! Whose users the operator's agents may act for.

use std::fmt::Write as _;
use std::path::Path;

use xbind_authority::wire::ExchangePolicy;

use crate::args::Exchange;
use crate::commands::Room;
use crate::failure::{Failure, Result};
use crate::plain::plain;
use crate::said::Said;

/// The longest file, in bytes: what a request can hold.
const MAX_FILE: u64 = 96 * 1024;

pub(crate) fn run(room: &Room<'_>, args: &Exchange) -> Result<Said> {
    let view: ExchangePolicy = match args {
        Exchange::Show => {
            let own = room.as_operator()?;
            own.client.get(&format!("/v1/operators/{}/exchange", own.id), Some(&own.key))?
        }
        Exchange::Set(args) => {
            let policy = read(room, &args.file)?;
            let own = room.as_operator()?;
            own.client.send("PUT", &format!("/v1/operators/{}/exchange", own.id), &policy, Some(&own.key))?
        }
    };
    Ok(Said::of(&view).with_text(shown(&view)))
}

fn read(room: &Room<'_>, file: &Path) -> Result<ExchangePolicy> {
    let wrong = |why: String| Failure::usage(format!("{}: {why}", file.display()));
    let text = room.document(file, MAX_FILE).map_err(|error| wrong(error.to_string()))?;
    if !xbind::is_strict_json(&text) || !text.trim_start().starts_with('{') {
        return Err(wrong("no JSON object, or a member stands twice".to_owned()));
    }
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// A line for each scope of a user: the issuer, the scope, and what it gives.
fn shown(policy: &ExchangePolicy) -> String {
    let mut lines = String::new();
    for own in &policy.issuers {
        for (scope, given) in &own.scopes {
            let line = format!("{} {} → {}", own.issuer, scope, given.join(" "));
            writeln!(lines, "{}", plain(&line)).unwrap_or_default();
        }
    }
    lines.trim_end().to_owned()
}
