//! Whether all that the model will read is in the body, as text. What is not known to be is not: then the input may be as long as
//! the model takes.

use super::members::{Members, list, text};
use crate::api::Api;
use crate::problem::{Problem, Result};

pub(super) fn is_all(api: Api, members: &Members<'_>) -> Result<bool> {
    Ok(match api {
        Api::Chat => all_turns(members, is_chat_turn)?,
        Api::Responses => {
            !has_any(members, &["previous_response_id", "conversation"])
                && is_text_or_none(members, "instructions")
                && members.get("input").is_none_or(|input| is_text_or(input, is_item))
        }
        Api::Embeddings => members.get("input").is_some_and(|input| is_text_or(input, is_embedded)),
        Api::Messages => {
            members.get("system").is_none_or(|system| is_text_or(system, is_text_block))
                && all_turns(members, is_message)?
        }
        // A template may say the prompt any number of times.
        Api::Generate => {
            !has_any(members, &["images", "context", "template"])
                && GENERATED.iter().all(|name| is_text_or_none(members, name))
        }
        Api::OllamaChat => all_turns(members, is_ollama_turn)?,
        Api::Models => false,
    })
}

/// What a part has that is text; some servers look at what is there before they look at its type.
const PART: [&str; 8] =
    ["type", "text", "refusal", "annotations", "citations", "logprobs", "cache_control", "prompt_cache_breakpoint"];
const GENERATED: [&str; 3] = ["prompt", "suffix", "system"];

fn all_turns(members: &Members<'_>, is_text: fn(&Members<'_>) -> bool) -> Result<bool> {
    let turns = members.get("messages").and_then(list);
    let turns = turns.ok_or_else(|| Problem::malformed("\"messages\" is not a list"))?;
    Ok(turns.into_iter().all(|turn| is_object(turn, is_text)))
}

fn is_object(value: &str, is_text: fn(&Members<'_>) -> bool) -> bool {
    Members::of(value).is_some_and(|members| members.is_plain() && is_text(&members))
}

/// A text, or a list of which everything is.
fn is_text_or(value: &str, is_text: fn(&str) -> bool) -> bool {
    is_quoted(value) || list(value).is_some_and(|list| list.into_iter().all(is_text))
}

/// It is known to be JSON.
fn is_quoted(value: &str) -> bool {
    value.starts_with('"')
}

fn is_text_or_none(members: &Members<'_>, name: &str) -> bool {
    members.get(name).is_none_or(is_quoted)
}

fn has_any(members: &Members<'_>, names: &[&str]) -> bool {
    names.iter().any(|name| members.get(name).is_some_and(|value| !matches!(value, "\"\"" | "[]")))
}

fn has_only(members: &Members<'_>, names: &[&str]) -> bool {
    members.iter().all(|(name, value)| value == "null" || names.contains(&name))
}

fn kind(members: &Members<'_>) -> Option<String> {
    members.get("type").and_then(text)
}

fn is_chat_turn(turn: &Members<'_>) -> bool {
    let known =
        ["role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "reasoning_content"];
    has_only(turn, &known) && turn.get("content").is_none_or(|content| is_text_or(content, is_chat_part))
}

fn is_chat_part(part: &str) -> bool {
    is_object(part, |part| has_only(part, &PART) && matches!(kind(part).as_deref(), Some("text" | "refusal")))
}

fn is_item(item: &str) -> bool {
    is_object(item, |item| match kind(item).as_deref() {
        None | Some("message") => item.get("content").is_some_and(|content| is_text_or(content, is_item_part)),
        Some("function_call_output" | "custom_tool_call_output") => {
            item.get("output").is_some_and(|output| is_text_or(output, is_item_part))
        }
        Some("function_call" | "custom_tool_call" | "reasoning") => true,
        Some(_) => false,
    })
}

fn is_item_part(part: &str) -> bool {
    is_object(part, |part| {
        has_only(part, &PART) && matches!(kind(part).as_deref(), Some("input_text" | "output_text" | "refusal"))
    })
}

/// A text, the number of a token, or a list of such numbers.
fn is_embedded(input: &str) -> bool {
    let is_number = |value: &str| value.bytes().all(|byte| byte.is_ascii_digit());
    is_quoted(input) || is_number(input) || list(input).is_some_and(|list| list.into_iter().all(is_number))
}

fn is_message(message: &Members<'_>) -> bool {
    has_only(message, &["role", "content"])
        && message.get("content").is_some_and(|content| is_text_or(content, is_block))
}

fn is_block(block: &str) -> bool {
    is_object(block, |block| match kind(block).as_deref() {
        Some("text") => has_only(block, &PART),
        Some("thinking" | "redacted_thinking" | "tool_use") => true,
        Some("tool_result") => block.get("content").is_none_or(|content| is_text_or(content, is_text_block)),
        _ => false,
    })
}

fn is_text_block(block: &str) -> bool {
    is_object(block, |block| has_only(block, &PART) && kind(block).as_deref() == Some("text"))
}

fn is_ollama_turn(turn: &Members<'_>) -> bool {
    let known = ["role", "content", "thinking", "images", "tool_calls", "tool_name", "tool_call_id"];
    has_only(turn, &known) && !has_any(turn, &["images"])
}
