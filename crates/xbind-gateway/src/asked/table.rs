//! What the body of each request may have: anything else could choose another model, another price or another upstream.

use crate::api::Api;

/// The top-level members that are known, by what they are called in the documentation of each API.
///
/// Left out, so that the operator has to allow them: what names another model (`moderation`, `fallbacks`) or a stored prompt with
/// tools of its own (`prompt`), what is charged beyond the limit of the output (`prediction`, `context_management`), and what has
/// a price of its own (`audio`).
pub(super) const fn members(api: Api) -> &'static [&'static str] {
    match api {
        Api::Chat => CHAT,
        Api::Responses => RESPONSES,
        Api::Embeddings => EMBEDDINGS,
        Api::Messages => MESSAGES,
        Api::Models => &[],
        Api::Generate => GENERATE,
        Api::OllamaChat => OLLAMA_CHAT,
    }
}

const CHAT: &[&str] = &[
    "best_of",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

const RESPONSES: &[&str] = &[
    "background",
    "conversation",
    "image",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

const EMBEDDINGS: &[&str] = &["dimensions", "encoding_format", "input", "model", "user"];

const MESSAGES: &[&str] = &[
    "cache_control",
    "container",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

const GENERATE: &[&str] = &[
    "context",
    "format",
    "images",
    "keep_alive",
    "logprobs",
    "model",
    "options",
    "prompt",
    "raw",
    "shift",
    "stream",
    "suffix",
    "system",
    "template",
    "think",
    "top_logprobs",
    "truncate",
];

const OLLAMA_CHAT: &[&str] = &[
    "format",
    "keep_alive",
    "logprobs",
    "messages",
    "model",
    "options",
    "shift",
    "stream",
    "think",
    "tools",
    "top_logprobs",
    "truncate",
];

/// What Ollama's `options` may have: how it samples, and how much it looks at. How it uses its machine is the operator's.
pub(super) const OPTIONS: &[&str] = &[
    "frequency_penalty",
    "min_p",
    "num_ctx",
    "num_keep",
    "num_predict",
    "presence_penalty",
    "repeat_last_n",
    "repeat_penalty",
    "seed",
    "stop",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
];

/// The members of a request whose other values have another price, with those that have not.
pub(super) const fn priced(api: Api) -> &'static [(&'static str, &'static [&'static str])] {
    match api {
        Api::Chat => &[("service_tier", &["auto", "default"]), ("modalities", &["text"])],
        Api::Responses => &[("service_tier", &["auto", "default"])],
        Api::Messages => &[
            ("service_tier", &["auto", "default", "standard_only"]),
            ("speed", &["standard"]),
            ("inference_geo", &["global"]),
        ],
        Api::Embeddings | Api::Models | Api::Generate | Api::OllamaChat => &[],
    }
}

/// Where a request says how much it wants to be answered.
pub(super) const fn limits(api: Api) -> &'static [&'static str] {
    match api {
        Api::Chat => &["max_tokens", "max_completion_tokens"],
        Api::Responses => &["max_output_tokens"],
        Api::Messages => &["max_tokens"],
        Api::Embeddings | Api::Models | Api::Generate | Api::OllamaChat => &[],
    }
}
