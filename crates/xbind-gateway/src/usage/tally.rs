//! What the documents of an answer say was taken, as each API tells it.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::Usage;
use crate::api::Api;

/// More tokens than any answer can take.
const MAX_TOLD: u64 = 1 << 40;

/// What was told so far.
pub(super) struct Tally {
    api: Api,
    told: Option<Usage>,
    has_output: bool,
    is_final: bool,
    is_wrong: bool,
}

/// Counts by all their names. Every number is a whole one that is not negative, and none is there twice.
#[derive(Deserialize, Default)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
    input_tokens_details: Option<Details>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Details {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Document {
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ResponseEvent {
    response: Document,
}

#[derive(Deserialize)]
struct MessageStart {
    message: Document,
}

#[derive(Deserialize)]
struct MessageDelta {
    usage: Option<Counts>,
    delta: Option<Delta>,
}

#[derive(Deserialize)]
struct Delta {
    stop_reason: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Line {
    done: Option<bool>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
}

impl Tally {
    pub(super) const fn new(api: Api) -> Self {
        Self { api, told: None, has_output: false, is_final: false, is_wrong: false }
    }

    /// What was told, if that was the last word and can be.
    pub(super) fn usage(&self) -> Option<Usage> {
        let is_last = self.is_final && !self.is_wrong;
        self.told.filter(|told| is_last && (1..=MAX_TOLD).contains(&told.input) && told.output <= MAX_TOLD)
    }

    /// Something could not be read: what was told before it may not be the last word.
    pub(super) const fn forget(&mut self) {
        self.told = None;
        self.has_output = false;
        self.is_final = false;
    }

    /// The whole answer.
    pub(super) fn document(&mut self, json: &[u8]) {
        match self.api {
            Api::Generate | Api::OllamaChat => self.line(Some(json)),
            Api::Models => {}
            Api::Chat | Api::Responses | Api::Embeddings | Api::Messages => {
                let counts = serde_json::from_slice::<Document>(json).ok().and_then(|document| document.usage);
                self.is_final = true;
                self.told = counts.and_then(|counts| counts.usage(self.api));
            }
        }
    }

    /// One line of an answer; None is one that was too long.
    pub(super) fn line(&mut self, line: Option<&[u8]>) {
        if !matches!(self.api, Api::Generate | Api::OllamaChat) || line.is_some_and(|line| line.trim_ascii().is_empty())
        {
            return;
        }
        let Some(line) = line.and_then(|line| serde_json::from_slice::<Line>(line).ok()) else { return self.forget() };
        if line.done == Some(true) {
            // It says neither where it has taken nothing.
            let output = line.eval_count.unwrap_or(0);
            let told = line.prompt_eval_count.map(|input| Usage { input, output, ..Usage::default() });
            self.is_wrong |= self.is_final;
            self.is_final = true;
            self.told = told;
        }
    }

    /// The data of one event. Says whether it only tells the usage of a streamed chat. One that was cut off does not take back what
    /// was told before.
    pub(super) fn event(&mut self, data: &[u8], is_cut: bool) -> bool {
        let read = match self.api {
            Api::Chat => self.chunk(data),
            Api::Responses => self.response(data).map(|()| false),
            Api::Messages => self.message(data).map(|()| false),
            Api::Embeddings | Api::Models | Api::Generate | Api::OllamaChat => Some(false),
        };
        if read.is_none() && !is_cut {
            self.forget();
        }
        read.unwrap_or(false)
    }

    fn chunk(&mut self, data: &[u8]) -> Option<bool> {
        if data.trim_ascii() == b"[DONE]" {
            self.is_final = true;
            return Some(false);
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).ok()?;
        self.is_final = false;
        let Some(usage) = chunk.usage.filter(|usage| usage.get().starts_with('{')) else { return Some(false) };
        let is_alone = chunk.choices.is_some_and(|choices| is_empty_list(choices.get()));
        let counts = serde_json::from_str::<Counts>(usage.get()).ok();
        let Some(told) = counts.and_then(|counts| counts.usage(self.api)) else {
            self.forget();
            return Some(is_alone);
        };
        // Some servers tell it more than once, and then it grows.
        self.is_wrong |= self.told.is_some_and(|before| before.input > told.input || before.output > told.output);
        self.told = Some(told);
        self.is_final = is_alone;
        Some(is_alone)
    }

    fn response(&mut self, data: &[u8]) -> Option<()> {
        let event: Typed<'_> = serde_json::from_slice(data).ok()?;
        if matches!(event.kind.as_ref(), "response.completed" | "response.incomplete" | "response.failed") {
            let event: ResponseEvent = serde_json::from_slice(data).ok()?;
            self.is_wrong |= self.is_final;
            self.told = Some(event.response.usage?.usage(self.api)?);
            self.is_final = true;
        }
        Some(())
    }

    fn message(&mut self, data: &[u8]) -> Option<()> {
        let event: Typed<'_> = serde_json::from_slice(data).ok()?;
        match event.kind.as_ref() {
            "message_start" => {
                let start: MessageStart = serde_json::from_slice(data).ok()?;
                self.is_wrong |= self.told.is_some();
                self.told = Some(start.message.usage?.usage(self.api)?);
            }
            "message_delta" => {
                let MessageDelta { usage, delta } = serde_json::from_slice(data).ok()?;
                let counts = usage?;
                // It has all the output, and the input only where that has grown.
                let before = self.told?;
                let now = Counts { input_tokens: counts.input_tokens.or(Some(0)), ..counts }.usage(self.api)?;
                let input = if now.input > before.input { now } else { before };
                self.told = Some(Usage { output: now.output.max(before.output), ..input });
                self.has_output = true;
                self.is_final |= delta.is_some_and(|delta| delta.stop_reason.is_some());
            }
            "message_stop" => self.is_final |= self.has_output,
            _ => {}
        }
        Some(())
    }
}

/// It is known to be JSON.
fn is_empty_list(json: &str) -> bool {
    json.strip_prefix('[').and_then(|json| json.strip_suffix(']')).is_some_and(|inside| inside.trim().is_empty())
}

impl Counts {
    fn usage(self, api: Api) -> Option<Usage> {
        let usage = match api {
            Api::Chat => Usage {
                input: self.prompt_tokens?,
                output: with_the_rest(self.prompt_tokens?, self.completion_tokens?, self.total_tokens),
                ..self.prompt_tokens_details.unwrap_or_default().cache(self.prompt_tokens?)
            },
            Api::Responses => Usage {
                input: self.input_tokens?,
                output: with_the_rest(self.input_tokens?, self.output_tokens?, self.total_tokens),
                ..self.input_tokens_details.unwrap_or_default().cache(self.input_tokens?)
            },
            Api::Embeddings => {
                Usage { input: self.prompt_tokens?.max(self.total_tokens.unwrap_or(0)), ..Usage::default() }
            }
            Api::Messages => {
                let cached = self.cache_read_input_tokens.unwrap_or(0);
                let written = self.cache_creation_input_tokens.unwrap_or(0);
                let input = self.input_tokens?.checked_add(cached)?.checked_add(written)?;
                Usage { input, cached, written, output: self.output_tokens? }
            }
            Api::Models | Api::Generate | Api::OllamaChat => return None,
        };
        let is_possible = usage.cached.checked_add(usage.written)? <= usage.input;
        (is_possible && usage.input.checked_add(usage.output).is_some()).then_some(usage)
    }
}

/// Some servers count what was thought in the total alone.
fn with_the_rest(input: u64, output: u64, total: Option<u64>) -> u64 {
    output.max(total.unwrap_or(0).saturating_sub(input))
}

impl Details {
    fn cache(&self, input: u64) -> Usage {
        let cached = self.cached_tokens.unwrap_or(0);
        let written = self.cache_write_tokens.unwrap_or(0).min(input.saturating_sub(cached));
        Usage { cached, written, ..Usage::default() }
    }
}
