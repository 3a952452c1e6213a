//! A gateway, what is behind it, and who may ask it.

use std::path::PathBuf;

use serde_json::{Value, json};
use xbind::{Did, SigningKey};
use xbind_gateway::{By, Config, Gateway, Question, Row};

use super::client::{Answer, Request, Wire};
use super::tokens::Special;
use super::upstream::{self, Upstream};
use super::{Folder, key, until};

pub const SECRET: &str = "sk-of-the-gateway-alone";
pub const CHAT: &str = "/v1/chat/completions";
/// What a model's server says that has taken 10 tokens and given 5.
pub const REPLY: &str = r#"{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#;

pub struct World {
    pub folder: Folder,
    pub upstream: Upstream,
    pub second: Upstream,
    pub config: Value,
    pub gateway: Option<Gateway>,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Value)) -> Self {
        let mut world = Self::stopped(change);
        world.start();
        world
    }

    /// Not started yet.
    pub fn stopped(change: impl FnOnce(&mut Value)) -> Self {
        let (folder, upstream, second) = (Folder::new(), Upstream::start(), Upstream::start());
        upstream.says(upstream::json(REPLY));
        second.says(upstream::json(REPLY));
        let model = |scope: &str| {
            json!({ "upstreams": ["main"], "scope": scope, "context": 8000, "max_output": 1000,
                "price": { "input": "1", "output": "2" } })
        };
        let mut config = json!({
            "listen": "127.0.0.1:0", "data": "gateway", "audience": super::tokens::AUDIENCE,
            "trust": [key(1).did().as_str()],
            "upstreams": {
                "main": { "url": upstream.url(), "key": { "env": "KEY" }, "timeout": 30, "idle_timeout": 30 },
                "second": { "url": second.url(), "key": { "env": "KEY" }, "header": "x-api-key" },
            },
            "models": { "gpt": model("model:gpt"), "claude": model("model:claude"), "Other": model("model:other") },
            "rate": { "burst": 100_000, "per_second": 100_000 },
        });
        change(&mut config);
        Self { folder, upstream, second, config, gateway: None }
    }

    pub fn read(&self) -> Config {
        let variable = |name: &str| (name == "KEY").then(|| SECRET.to_owned());
        Config::parse(&self.config.to_string(), self.folder.path(), &variable).unwrap()
    }

    pub fn start(&mut self) {
        self.gateway = Some(Gateway::start(self.read()).unwrap());
    }

    pub fn stop(&mut self) {
        drop(self.gateway.take());
    }

    /// The same at the same address.
    pub fn restart(&mut self) {
        let address = self.gateway().address().to_string();
        self.stop();
        self.config["listen"] = address.into();
        self.start();
    }

    /// Another gateway on the same database.
    pub fn beside(&self) -> Gateway {
        let mut config = self.read();
        config.data = self.folder.join("beside");
        config.database = self.database();
        config.listen = "127.0.0.1:0".parse().unwrap();
        Gateway::start(config).unwrap()
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    pub fn host(&self) -> String {
        self.gateway().url().strip_prefix("http://").unwrap().to_owned()
    }

    pub fn database(&self) -> PathBuf {
        self.folder.join("gateway/gateway.db")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("gateway/audit.jsonl")
    }

    /// A token of the issuer, that nobody has to prove anything for.
    pub fn token(&self, subject: &Did) -> String {
        Special::default().token(&key(1), subject)
    }

    pub fn wire(&self) -> Wire {
        Wire::to(self.gateway().address())
    }

    pub fn ask(&self, request: &Request) -> Answer {
        self.begin(request).answer()
    }

    /// Sends it, and waits for nothing.
    pub fn begin(&self, request: &Request) -> Wire {
        let mut wire = self.wire();
        wire.send(&request.bytes(&self.host()));
        wire
    }

    /// Sends bytes as they are, on a connection of their own.
    pub fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut wire = self.wire();
        wire.send(bytes);
        wire.try_answer()
    }

    /// A chat, signed by that key with a token of its own.
    pub fn chat(&self, agent: &SigningKey, body: &Value) -> Answer {
        self.ask(&self.signed(agent, body))
    }

    pub fn signed(&self, agent: &SigningKey, body: &Value) -> Request {
        Request::post(CHAT, body).signed(agent, &self.token(agent.did()), &self.host())
    }

    /// What is on record, oldest first; not what the log says of itself.
    pub fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == "llm.request").collect()
    }

    /// The record of that name, once it is there.
    #[track_caller]
    pub fn record(&self, id: &str) -> Value {
        let find = || self.records().into_iter().find(|record| record["messageId"] == id);
        until(|| find().is_some());
        find().unwrap()
    }

    /// What its note says.
    #[track_caller]
    pub fn note(&self, id: &str) -> Value {
        serde_json::from_str(self.record(id)["note"].as_str().unwrap()).unwrap()
    }

    pub fn usage(&self, by: By) -> Vec<Row> {
        let question = Question { since: 0, until: u64::MAX >> 1, by, step: None, limit: 1000 };
        xbind_gateway::usage(&self.database(), &question).unwrap()
    }

    /// What is charged to that agent in all, with what is reserved: tokens and money.
    pub fn charged(&self, agent: &Did) -> (u64, u64) {
        let rows = self.usage(By::Agent).into_iter().filter(|row| row.name == agent.as_str());
        rows.fold((0, 0), |sum, row| (sum.0 + row.tokens, sum.1 + row.money))
    }

    /// Waits until so many requests are on record.
    #[track_caller]
    pub fn settled(&self, count: usize) -> Vec<Value> {
        until(|| self.records().len() >= count);
        let all = self.records();
        assert_eq!(all.len(), count, "{all:#?}");
        all
    }
}

/// A short chat.
pub fn chat() -> Value {
    json!({ "model": "gpt", "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 100 })
}

pub fn but(mut body: Value, member: &str, value: impl Into<Value>) -> Value {
    body[member] = value.into();
    body
}
