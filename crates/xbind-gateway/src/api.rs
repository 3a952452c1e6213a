//! The paths that are served, each exactly as it stands here.

/// What a request is, by its method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) enum Api {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
    /// Anthropic's messages.
    Messages,
    /// The models that the caller may use.
    Models,
    /// Ollama's completion of a prompt.
    Generate,
    /// Ollama's chat.
    OllamaChat,
}

impl Api {
    /// Every path.
    pub(crate) const ALL: [Self; 7] =
        [Self::Chat, Self::Responses, Self::Embeddings, Self::Messages, Self::Models, Self::Generate, Self::OllamaChat];

    /// The path of a request target, which has nothing else.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Embeddings => "/v1/embeddings",
            Self::Messages => "/v1/messages",
            Self::Models => "/v1/models",
            Self::Generate => "/api/generate",
            Self::OllamaChat => "/api/chat",
        }
    }

    /// Its method.
    pub(crate) const fn method(self) -> &'static str {
        if matches!(self, Self::Models) { "GET" } else { "POST" }
    }

    /// How records and metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat.completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Messages => "messages",
            Self::Models => "models",
            Self::Generate => "ollama.generate",
            Self::OllamaChat => "ollama.chat",
        }
    }

    /// The one with that path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.path() == path)
    }
}
