//! The bytes that are forwarded: those that came, unless something of them has to be another.

use hyper::body::Bytes;

use super::members::{Members, quoted, written};
use super::{Asked, table};
use crate::api::Api;
use crate::problem::{Problem, Result};

/// Where a chat says the most it wants, if it says nothing itself: servers know one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum LimitMember {
    /// `max_tokens`, which all know, save for OpenAI's models that reason.
    MaxTokens,
    /// `max_completion_tokens`.
    #[default]
    MaxCompletionTokens,
}

impl LimitMember {
    /// How it is spelled.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// How a request is forwarded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// The model by its name there.
    pub model: &'a str,
    /// The most tokens of one answer.
    pub limit: u64,
    /// Where a chat says that.
    pub limit_member: LimitMember,
    /// Whether a streamed chat asks for its usage.
    pub adds_usage: bool,
}

/// The body that is forwarded: the same bytes where nothing is to change, else the members in their order, each as it was
/// written, with the model renamed, no limit above that of the terms, and the usage asked for.
///
/// # Errors
///
/// If the body is not the one that was read.
pub(crate) fn forwarded(api: Api, body: &Bytes, asked: &Asked, terms: &Terms<'_>) -> Result<Bytes> {
    let is_renamed = asked.model != terms.model;
    let is_limited = is_generating(api) && asked.max_output.is_none_or(|most| most > terms.limit);
    let is_asked = api == Api::Chat && terms.adds_usage && asked.stream && !asked.wants_usage;
    if !(is_renamed || is_limited || is_asked) {
        return Ok(body.clone());
    }
    let members = str::from_utf8(body).ok().and_then(Members::of).ok_or_else(Problem::internal)?;
    let mut changes = Vec::new();
    if is_renamed {
        changes.push(("model", quoted(terms.model)));
    }
    if is_limited {
        changes.extend(limits(api, &members, terms));
    }
    if is_asked {
        changes.push(("stream_options", with(&members, "stream_options", "include_usage", "true")));
    }
    Ok(Bytes::from(written(Some(&members), &changes)))
}

const fn is_generating(api: Api) -> bool {
    !matches!(api, Api::Embeddings | Api::Models)
}

fn limits(api: Api, members: &Members<'_>, terms: &Terms<'_>) -> Vec<(&'static str, String)> {
    let limit = terms.limit.to_string();
    if matches!(api, Api::Generate | Api::OllamaChat) {
        return vec![("options", with(members, "options", "num_predict", &limit))];
    }
    let names = table::limits(api).iter().copied();
    let mut named: Vec<_> = names.clone().filter(|name| members.get(name).is_some()).collect();
    if named.is_empty() {
        named = if api == Api::Chat { vec![terms.limit_member.name()] } else { names.collect() };
    }
    named.into_iter().map(|name| (name, limit.clone())).collect()
}

/// The object under that name, or a new one, with that member.
fn with(members: &Members<'_>, object: &str, name: &str, value: &str) -> String {
    written(members.get(object).and_then(Members::of).as_ref(), &[(name, value.to_owned())])
}
