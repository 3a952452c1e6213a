//! The file in which an operator says what the gateway is: JSON, each member once, none that is unknown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use xbind_net::authority::wire::present;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, deserialize_with = "present")]
    pub(super) listen: Option<SocketAddr>,
    #[serde(default, deserialize_with = "present")]
    pub(super) url: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) dangerously_allow_plain_http: bool,
    pub(super) data: PathBuf,
    #[serde(default, deserialize_with = "present")]
    pub(super) database: Option<PathBuf>,
    #[serde(default, deserialize_with = "present")]
    pub(super) metrics: Option<SocketAddr>,
    #[serde(default, deserialize_with = "present")]
    pub(super) audience: Option<String>,
    pub(super) trust: Vec<Trusted>,
    #[serde(default)]
    pub(super) status_lists: Vec<String>,
    #[serde(default = "yes")]
    pub(super) bearer: bool,
    #[serde(default, deserialize_with = "present")]
    pub(super) scopes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(super) currency: Option<String>,
    pub(super) upstreams: BTreeMap<String, Upstream>,
    pub(super) models: BTreeMap<String, Model>,
    #[serde(default)]
    pub(super) budgets: Vec<Budget>,
    #[serde(default, deserialize_with = "present")]
    pub(super) approval: Option<Approval>,
    #[serde(default, deserialize_with = "present")]
    pub(super) rate: Option<Rate>,
    #[serde(default, deserialize_with = "present")]
    pub(super) limits: Option<Limits>,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificates: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Trusted {
    Did(String),
    Authority(Authority),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Authority {
    pub(super) did: String,
    pub(super) url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) url: String,
    #[serde(default, deserialize_with = "present")]
    pub(super) key: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(super) header: Option<KeyHeader>,
    #[serde(default)]
    pub(super) fields: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) connect_timeout: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    pub(super) timeout: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    pub(super) idle_timeout: Option<u64>,
}

/// Where a key is that the upstream wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(super) enum Secret {
    File(PathBuf),
    Env(String),
}

/// The field in which it goes there.
#[derive(Clone, Copy, Deserialize)]
pub(super) enum KeyHeader {
    #[serde(rename = "authorization")]
    Authorization,
    #[serde(rename = "x-api-key")]
    XApiKey,
    #[serde(rename = "api-key")]
    ApiKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) upstreams: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) scope: Option<String>,
    pub(super) context: u64,
    pub(super) max_output: u64,
    #[serde(default, deserialize_with = "present")]
    pub(super) price: Option<Price>,
    #[serde(default, deserialize_with = "present")]
    pub(super) limit_member: Option<LimitMember>,
    #[serde(default)]
    pub(super) server_tools: bool,
    #[serde(default)]
    pub(super) members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    pub(super) input: String,
    #[serde(default, deserialize_with = "present")]
    pub(super) cached: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) written: Option<String>,
    pub(super) output: String,
}

/// The member of a chat that says how long its answer may be.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LimitMember {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    pub(super) name: String,
    pub(super) per: Per,
    pub(super) period: Period,
    #[serde(default, deserialize_with = "present")]
    pub(super) tokens: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    pub(super) money: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Per {
    Agent,
    Root,
    Chain,
    All,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Period {
    Minute,
    Hour,
    Day,
    Month,
    Total,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    pub(super) above: String,
    pub(super) approvers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    pub(super) burst: u32,
    pub(super) per_second: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    #[serde(default, deserialize_with = "present")]
    pub(super) body_bytes: Option<usize>,
    #[serde(default, deserialize_with = "present")]
    pub(super) all_body_bytes: Option<usize>,
    #[serde(default, deserialize_with = "present")]
    pub(super) answer_bytes: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    pub(super) answer_seconds: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    pub(super) requests: Option<usize>,
    #[serde(default, deserialize_with = "present")]
    pub(super) requests_per_agent: Option<usize>,
    #[serde(default, deserialize_with = "present")]
    pub(super) connections: Option<usize>,
    #[serde(default, deserialize_with = "present")]
    pub(super) connections_per_address: Option<usize>,
}

/// Where money is limited, each model says what it costs.
pub(super) fn check_prices(file: &File) -> Result<(), String> {
    let is_limited = file.approval.is_some() || file.budgets.iter().any(|budget| budget.money.is_some());
    match file.models.iter().find(|(_, model)| is_limited && model.price.is_none()) {
        None => Ok(()),
        Some((name, _)) => Err(format!("model {name}: money is limited here, so say its price; \"0\" is one")),
    }
}
