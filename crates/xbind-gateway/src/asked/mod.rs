//! What a request asks for, read strictly before anybody judges it, and the bytes that are forwarded.

mod forwarded;
mod members;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod tools;

use xbind::is_strict_json_within;

pub(crate) use self::forwarded::{LimitMember, Terms, forwarded};
use self::members::{Members, boolean, count, list, text};
use crate::api::Api;
use crate::problem::{Problem, Result};

/// How deep a body may nest: schemas of tools do.
const MAX_DEPTH: usize = 64;
/// The longest name of a model or a tool, in bytes.
const MAX_NAME: usize = 256;
/// The most tokens anybody can ask for.
const MAX_TOKENS: u64 = 1 << 31;
/// The most answers to one request.
const MAX_ANSWERS: u64 = 128;
/// The most tokens that an upstream puts around what is in the body: its own words for tools, roles and turns.
const AROUND: u64 = 1024;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The model by the name that was sent, letter for letter.
    pub model: String,
    /// Whether the answer comes in parts.
    pub stream: bool,
    /// The most tokens of one answer, where it was said.
    pub max_output: Option<u64>,
    /// How many answers.
    pub answers: u64,
    /// How many inputs, each of which may be as long as the model takes.
    pub inputs: u64,
    /// The tools that it may use, by their names; those that run where the model does, by their types. Each once.
    pub tools: Vec<String>,
    /// Whether one of them runs where the model does. Then it is the upstream that says how often the model is asked, each time
    /// with all that came before: no count of tokens is a bound for that.
    pub at_the_model: bool,
    /// Whether all that the model reads is in the body, as text.
    pub is_text: bool,
    /// Whether the answer's usage was asked for, where that is asked for.
    pub wants_usage: bool,
    /// How many tokens the model is to look at, where the request says so.
    context: Option<u64>,
}

impl Asked {
    /// Reads the body of a request. `also` are further members that the operator allows; `options.NAME` are those of Ollama's
    /// options. Of those nothing is known, so the input may then be as long as the model takes.
    ///
    /// # Errors
    ///
    /// If the body is not what it has to be: one JSON object, no member twice, none that is not known.
    pub(crate) fn read(api: Api, body: &[u8], also: &[String]) -> Result<Self> {
        let json = str::from_utf8(body).map_err(|_| Problem::malformed("the body is not UTF-8"))?;
        let members = is_strict_json_within(json, MAX_DEPTH).then(|| Members::of(json)).flatten();
        let Some(members) = members else {
            let detail = "the body is not one JSON object with each member once, nested at most 64 deep";
            return Err(Problem::malformed(detail));
        };
        let is_known = are_known(api, &members, also)?;
        ends_with_its_answer(api, &members)?;
        has_the_usual_price(api, &members, also)?;
        let options = options(api, &members, also)?;
        let tools = tools::read(api, &members)?;
        Ok(Self {
            model: model(&members)?,
            stream: flag(&members, "stream")?.unwrap_or(matches!(api, Api::Generate | Api::OllamaChat)),
            max_output: max_output(api, &members, options.as_ref())?,
            answers: answers(&members)?,
            inputs: inputs(api, &members),
            is_text: is_known && !tools.at_the_model && text::is_all(api, &members)?,
            at_the_model: tools.at_the_model,
            tools: tools.names,
            wants_usage: wants_usage(api, &members)?,
            context: options.as_ref().and_then(|options| options.get("num_ctx")).and_then(|n| count(n, MAX_TOKENS)),
        })
    }

    /// The most tokens that the input can have: no token is shorter than a byte. `context` is what the model takes at once.
    pub(crate) fn most_input(&self, body_len: usize, context: u64) -> u64 {
        let longest = context.max(self.context.unwrap_or(0)).saturating_mul(self.inputs);
        if !self.is_text {
            return longest;
        }
        u64::try_from(body_len).unwrap_or(u64::MAX).saturating_add(AROUND).min(longest)
    }
}

/// Whether every member is one of the table; an error if one of them is not allowed either.
fn are_known(api: Api, members: &Members<'_>, also: &[String]) -> Result<bool> {
    let table = table::members(api);
    let mut is_known = true;
    for (name, _) in members.iter().filter(|(name, _)| !table.contains(name)) {
        // What differs from a known one in case alone is that one to some upstreams.
        if !also.iter().any(|allowed| allowed == name) || table.contains(&folded(name).as_str()) {
            return Err(not_allowed(name, name));
        }
        is_known = false;
    }
    Ok(is_known)
}

/// The name as parsers compare it that look at no case.
fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn not_allowed(name: &str, allowed: &str) -> Problem {
    let (name, allowed) = (shortened(name), shortened(allowed));
    Problem::malformed(format!("the member {name} is not known here; the operator can allow {allowed}"))
}

/// What a stranger has written, as it can be shown.
fn shortened(name: &str) -> String {
    let short: String = name.chars().take(64).collect();
    let dots = if short.len() < name.len() { "…" } else { "" };
    format!("{short:?}{dots}")
}

/// Nothing goes on after the answer has ended: nobody would meter it.
fn ends_with_its_answer(api: Api, members: &Members<'_>) -> Result<()> {
    if api == Api::Responses && flag(members, "background")? == Some(true) {
        return Err(Problem::malformed("\"background\" is true, and what goes on after its answer cannot be metered"));
    }
    Ok(())
}

fn has_the_usual_price(api: Api, members: &Members<'_>, also: &[String]) -> Result<()> {
    for (name, usual) in table::priced(api) {
        let Some(value) = members.get(name) else { continue };
        let values = list(value).unwrap_or_else(|| vec![value]);
        let is_usual = values.into_iter().all(|value| text(value).is_some_and(|value| usual.contains(&value.as_str())));
        if !is_usual && !also.iter().any(|allowed| allowed == name) {
            let detail =
                format!("{name:?} is {}, which has another price; the operator can allow {name:?}", brief(value));
            return Err(Problem::malformed(detail));
        }
    }
    Ok(())
}

fn brief(value: &str) -> String {
    text(value).map_or_else(|| "not of the usual kind".to_owned(), |text| shortened(&text))
}

fn model(members: &Members<'_>) -> Result<String> {
    let model = members.get("model").and_then(text).filter(|model| is_name(model));
    model.ok_or_else(|| Problem::malformed("\"model\" is not a text of 1 to 256 bytes without control characters"))
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && !name.contains(char::is_control)
}

fn flag(members: &Members<'_>, name: &str) -> Result<Option<bool>> {
    let Some(value) = members.get(name) else { return Ok(None) };
    boolean(value).map(Some).ok_or_else(|| Problem::malformed(format!("{name:?} is neither true nor false")))
}

fn number(members: &Members<'_>, name: &str, most: u64) -> Result<Option<u64>> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let number = count(value, most).map(Some);
    number.ok_or_else(|| Problem::malformed(format!("{name:?} is not a whole number from 1 to {most}")))
}

/// An object whose members are read here.
fn object<'a>(members: &Members<'a>, name: &str) -> Result<Option<Members<'a>>> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let inner = Members::of(value).filter(Members::is_plain).map(Some);
    inner.ok_or_else(|| Problem::malformed(format!("{name:?} is not an object with members in small letters")))
}

fn options<'a>(api: Api, members: &Members<'a>, also: &[String]) -> Result<Option<Members<'a>>> {
    if !matches!(api, Api::Generate | Api::OllamaChat) {
        return Ok(None);
    }
    let options = object(members, "options")?;
    for (name, _) in options.iter().flat_map(Members::iter) {
        let long = format!("options.{name}");
        if !table::OPTIONS.contains(&name) && !also.contains(&long) {
            return Err(not_allowed(name, &long));
        }
    }
    if let Some(options) = &options {
        number(options, "num_ctx", MAX_TOKENS)?;
    }
    Ok(options)
}

fn max_output(api: Api, members: &Members<'_>, options: Option<&Members<'_>>) -> Result<Option<u64>> {
    if let Some(options) = options {
        return number(options, "num_predict", MAX_TOKENS);
    }
    let mut said = None;
    for name in table::limits(api) {
        let Some(limit) = number(members, name, MAX_TOKENS)? else { continue };
        if said.replace(limit).is_some_and(|other| other != limit) {
            return Err(Problem::malformed("\"max_tokens\" and \"max_completion_tokens\" are not the same"));
        }
    }
    if api == Api::Messages && said.is_none() {
        return Err(Problem::malformed("\"max_tokens\" is missing"));
    }
    Ok(said)
}

fn answers(members: &Members<'_>) -> Result<u64> {
    let n = number(members, "n", MAX_ANSWERS)?.unwrap_or(1);
    Ok(number(members, "best_of", MAX_ANSWERS)?.unwrap_or(1).max(n))
}

/// How many inputs are embedded: a list of texts or of lists is one of inputs, and one of numbers is an input.
fn inputs(api: Api, members: &Members<'_>) -> u64 {
    let list = members.get("input").filter(|_| api == Api::Embeddings).and_then(list).unwrap_or_default();
    let is_of_inputs = list.iter().any(|value| !value.starts_with(|c: char| c.is_ascii_digit()));
    if is_of_inputs { u64::try_from(list.len()).unwrap_or(u64::MAX) } else { 1 }
}

fn wants_usage(api: Api, members: &Members<'_>) -> Result<bool> {
    if !matches!(api, Api::Chat | Api::Responses) {
        return Ok(false);
    }
    let options = object(members, "stream_options")?;
    let wants = options.as_ref().map(|options| flag(options, "include_usage")).transpose()?.flatten();
    Ok(wants.unwrap_or(false))
}
