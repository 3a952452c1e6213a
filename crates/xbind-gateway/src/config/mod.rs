//! What an operator says of a gateway, read and checked once.

mod file;
mod shown;
mod upstream;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::header::HeaderMap;
use xbind::{Did, Scope, VerifyingKey};
use xbind_net::Roots;
use xbind_net::upstream::UpstreamTimes;
use xbind_server::{Fault, LogSink, Passphrase, Rate, TlsFiles, fault};

use crate::asked::LimitMember;
use crate::budget::{Budget, Per, Period};
use crate::money::{Price, decimal};

/// The longest file, in bytes.
const MAX_FILE: usize = 1 << 20;
/// Names of upstreams, models and budgets, in bytes.
const MAX_NAME: usize = 256;
/// The largest number of tokens that a model takes or gives, and the largest bound of bytes or seconds that is one.
const MAX_TOKENS: u64 = 1 << 32;

/// A gateway to be started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// How clients reach it: `https://llm.example`. Without it, the address that it listens on.
    pub url: Option<String>,
    /// Serves TLS itself.
    pub tls: Option<TlsFiles>,
    /// Listens beyond loopback without TLS: whoever is on the way reads everything.
    pub dangerously_allow_plain_http: bool,
    /// Where its key, its log and, unless something else is said, its database are.
    pub data: PathBuf,
    /// The database, which several gateways may share.
    pub database: PathBuf,
    /// Where Prometheus asks; nowhere without.
    pub metrics: Option<SocketAddr>,
    /// For whom tokens have to be; the URL without it.
    pub audience: Option<String>,
    /// Whose tokens count.
    pub trust: Vec<Trusted>,
    /// Origins beside those of the authorities from which status lists are fetched, those that delegations name among them.
    pub status_lists: Vec<String>,
    /// Whether who cannot sign may present a token that is bound to nobody.
    pub bearer: bool,
    /// What every request needs.
    pub scopes: Vec<String>,
    /// What money is counted in, for people.
    pub currency: String,
    /// What is asked for there, by the names of clients.
    pub models: BTreeMap<String, Model>,
    /// The servers behind it, by name.
    pub upstreams: BTreeMap<String, Upstream>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) approval: Option<Approval>,
    /// How often one agent may ask, with all to whom it has handed on its rights.
    pub rate: Rate,
    /// What may be under way.
    pub limits: Limits,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// The passphrase of its key.
    pub passphrase: Option<Passphrase>,
    /// Takes a line of JSON for each request.
    pub log: Option<LogSink>,
}

/// Whose tokens count.
#[derive(Clone, Debug)]
pub enum Trusted {
    /// A DID's.
    Did(Did),
    /// Those of an authority that is followed as its keys change.
    Authority {
        /// A DID that it has, or had.
        did: String,
        /// Where it is.
        url: String,
    },
}

/// A server behind the gateway.
#[derive(Clone)]
pub struct Upstream {
    /// Its address.
    pub url: String,
    /// What is sent with each request; its key is among them.
    pub(crate) fields: HeaderMap,
    /// How long is waited for it.
    pub(crate) times: UpstreamTimes,
}

/// Fields hold keys.
impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A model, as clients name it.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its upstreams: the first, and those that are asked where the one before did not take the request.
    pub upstreams: Vec<String>,
    /// Its name there.
    pub name: Option<String>,
    /// What a token has to grant.
    pub scope: String,
    pub(crate) context: u64,
    pub(crate) max_output: u64,
    pub(crate) price: Price,
    pub(crate) limit_member: LimitMember,
    /// Whether tools may run where the model does: what they cost is not metered.
    pub(crate) server_tools: bool,
    pub(crate) members: Vec<String>,
}

/// What needs somebody's yes.
#[derive(Clone, Debug)]
pub(crate) struct Approval {
    pub(crate) above: u64,
    pub(crate) approvers: Vec<Did>,
}

/// What may be under way, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one body.
    pub body_bytes: usize,
    /// Bytes of all bodies that wait for an answer's first byte.
    pub all_body_bytes: usize,
    /// Bytes of one answer.
    pub answer_bytes: u64,
    /// How long one answer may take.
    pub answer: Duration,
    /// Requests at once.
    pub requests: usize,
    /// Of one agent, with all to whom it has handed on its rights.
    pub requests_per_agent: usize,
    /// Connections at once.
    pub connections: usize,
    /// Of one address.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 10 << 20,
            all_body_bytes: 256 << 20,
            answer_bytes: 64 << 20,
            answer: Duration::from_secs(600),
            requests: 4096,
            requests_per_agent: 256,
            connections: 4096,
            connections_per_address: 2048,
        }
    }
}

impl Config {
    /// Reads the file; paths in it begin in its folder.
    ///
    /// # Errors
    /// A file that cannot be read, or says something wrong.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let text = upstream::text(path, MAX_FILE).map_err(|why| fault(format!("{}: {why}", path.display())))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, folder, &|name| std::env::var(name).ok())
            .map_err(|why| fault(format!("{}: {why}", path.display())))
    }

    /// Reads what such a file says; paths begin in that folder.
    ///
    /// # Errors
    /// Something that is wrong with it.
    pub fn parse(text: &str, folder: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        read(text, folder, variable).map_err(fault)
    }
}

fn read(text: &str, folder: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Result<Config, String> {
    if !text.trim_start().starts_with('{') || !xbind::is_strict_json(text) {
        return Err("no JSON object, or a member stands twice".to_owned());
    }
    let file: file::File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    file::check_prices(&file)?;
    let upstreams: BTreeMap<_, _> = file
        .upstreams
        .into_iter()
        .map(|(name, one)| {
            let read = upstream::read(one, folder, variable).map_err(|why| format!("upstream {name}: {why}"))?;
            Ok((checked(name, "upstream")?, read))
        })
        .collect::<Result<_, String>>()?;
    let models: BTreeMap<_, _> = file
        .models
        .into_iter()
        .map(|(name, one)| {
            let read = model(&name, one, &upstreams).map_err(|why| format!("model {name}: {why}"))?;
            Ok((checked(name, "model")?, read))
        })
        .collect::<Result<_, String>>()?;
    if models.is_empty() {
        return Err("models names none".to_owned());
    }
    if file.trust.is_empty() {
        return Err("trust names nobody".to_owned());
    }
    let scopes = file.scopes.unwrap_or_else(|| vec!["llm:read".to_owned()]);
    scopes.iter().try_for_each(|scope| check_scope(scope))?;
    let data = folder.join(file.data);
    let rate = file
        .rate
        .map_or(Rate { burst: 200, per_second: 50 }, |rate| Rate { burst: rate.burst, per_second: rate.per_second });
    if rate.burst == 0 || rate.per_second == 0 {
        return Err("rate: burst and per_second are 1 at least".to_owned());
    }
    let own = folder.to_owned();
    Ok(Config {
        listen: file.listen.unwrap_or_else(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
        url: file.url,
        tls: file.tls.map(|tls| TlsFiles { certificates: own.join(tls.certificates), key: own.join(tls.key) }),
        dangerously_allow_plain_http: file.dangerously_allow_plain_http,
        database: file.database.map_or_else(|| data.join("gateway.db"), |path| folder.join(path)),
        data,
        metrics: file.metrics,
        audience: file.audience,
        trust: file.trust.into_iter().map(trusted).collect::<Result<_, String>>()?,
        status_lists: file.status_lists,
        bearer: file.bearer,
        scopes,
        currency: checked(file.currency.unwrap_or_else(|| "USD".to_owned()), "currency")?,
        models,
        upstreams,
        budgets: budgets(file.budgets)?,
        approval: file.approval.map(approval).transpose()?,
        rate,
        limits: limits(file.limits)?,
        roots: Roots::default(),
        passphrase: None,
        log: None,
    })
}

fn checked(name: String, what: &str) -> Result<String, String> {
    let fits = (1..=MAX_NAME).contains(&name.len()) && !name.contains(char::is_control);
    if fits {
        Ok(name)
    } else {
        Err(format!("the name of a {what} has 1 to {MAX_NAME} bytes, none of them a control character"))
    }
}

fn check_scope(scope: &str) -> Result<(), String> {
    Scope::parse(scope).map(drop).map_err(|_| format!("{scope:?} is no scope"))
}

fn trusted(trusted: file::Trusted) -> Result<Trusted, String> {
    let did =
        |text: &str| VerifyingKey::from_did(text).map(|key| *key.did()).map_err(|error| format!("trust: {error}"));
    Ok(match trusted {
        file::Trusted::Did(text) => Trusted::Did(did(&text)?),
        file::Trusted::Authority(file::Authority { did: text, url }) => {
            did(&text)?;
            Trusted::Authority { did: text, url }
        }
    })
}

fn model(name: &str, one: file::Model, upstreams: &BTreeMap<String, Upstream>) -> Result<Model, String> {
    let mut seen = HashSet::new();
    if one.upstreams.is_empty() || !one.upstreams.iter().all(|upstream| seen.insert(upstream)) {
        return Err("upstreams names none, or one twice".to_owned());
    }
    if let Some(unknown) = one.upstreams.iter().find(|upstream| !upstreams.contains_key(*upstream)) {
        return Err(format!("there is no upstream {unknown}"));
    }
    let scope = one.scope.unwrap_or_else(|| format!("model:{name}"));
    check_scope(&scope).map_err(|why| format!("{why}: say `scope`"))?;
    let tokens = |count: u64, what: &str| match count {
        1..=MAX_TOKENS => Ok(count),
        _ => Err(format!("{what} is 1 to {MAX_TOKENS} tokens")),
    };
    let price = match one.price {
        None => Price { input: 0, cached: 0, written: 0, output: 0 },
        Some(price) => {
            let read = |text: &str| decimal(text).ok_or_else(|| format!("{text:?} is no price like \"2.50\""));
            let input = read(&price.input)?;
            let or_input = |text: Option<&str>| text.map_or(Ok(input), read);
            let (cached, written) = (or_input(price.cached.as_deref())?, or_input(price.written.as_deref())?);
            Price { input, cached, written, output: read(&price.output)? }
        }
    };
    Ok(Model {
        name: one.name.map(|name| checked(name, "model")).transpose()?,
        scope,
        context: tokens(one.context, "context")?,
        max_output: tokens(one.max_output, "max_output")?,
        price,
        limit_member: match one.limit_member {
            Some(file::LimitMember::MaxTokens) => LimitMember::MaxTokens,
            Some(file::LimitMember::MaxCompletionTokens) | None => LimitMember::MaxCompletionTokens,
        },
        server_tools: one.server_tools,
        members: one.members,
        upstreams: one.upstreams,
    })
}

fn budgets(all: Vec<file::Budget>) -> Result<Vec<Budget>, String> {
    let mut names = HashSet::new();
    all.into_iter()
        .map(|one| {
            let name = checked(one.name, "budget")?;
            if !names.insert(name.clone()) {
                return Err(format!("there are two budgets {name}"));
            }
            let money = one
                .money
                .as_deref()
                .map(|text| decimal(text).ok_or_else(|| format!("budget {name}: {text:?} is no amount like \"5.00\"")));
            let money = money.transpose()?;
            if money.is_none() && one.tokens.is_none() {
                return Err(format!("budget {name} limits nothing: say tokens, money or both"));
            }
            let per = match one.per {
                file::Per::Agent => Per::Agent,
                file::Per::Root => Per::Root,
                file::Per::Chain => Per::Chain,
                file::Per::All => Per::All,
            };
            let period = match one.period {
                file::Period::Minute => Period::Minute,
                file::Period::Hour => Period::Hour,
                file::Period::Day => Period::Day,
                file::Period::Month => Period::Month,
                file::Period::Total => Period::Total,
            };
            Ok(Budget { name, per, period, tokens: one.tokens, money })
        })
        .collect()
}

fn approval(approval: file::Approval) -> Result<Approval, String> {
    let above = decimal(&approval.above).ok_or_else(|| "approval: above is an amount like \"1.00\"".to_owned())?;
    let read = |text: &String| {
        VerifyingKey::from_did(text).map(|key| *key.did()).map_err(|error| format!("approval: {error}"))
    };
    let approvers: Vec<_> = approval.approvers.iter().map(read).collect::<Result<_, _>>()?;
    if approvers.is_empty() {
        Err("approval: approvers names nobody".to_owned())
    } else {
        Ok(Approval { above, approvers })
    }
}

fn limits(said: Option<file::Limits>) -> Result<Limits, String> {
    let usual = Limits::default();
    let Some(said) = said else { return Ok(usual) };
    let at_least_one = |said: Option<usize>, usual: usize, name: &str| match said.unwrap_or(usual) {
        0 => Err(format!("limits: {name} is 1 at least")),
        some => Ok(some),
    };
    let limits = Limits {
        body_bytes: at_least_one(said.body_bytes, usual.body_bytes, "body_bytes")?,
        all_body_bytes: at_least_one(said.all_body_bytes, usual.all_body_bytes, "all_body_bytes")?,
        answer_bytes: match said.answer_bytes.unwrap_or(usual.answer_bytes) {
            0 => return Err("limits: answer_bytes is 1 at least".to_owned()),
            some => some,
        },
        answer: match said.answer_seconds.unwrap_or(usual.answer.as_secs()) {
            seconds @ 1..=86_400 => Duration::from_secs(seconds),
            _ => return Err("limits: answer_seconds is 1 to 86400".to_owned()),
        },
        requests: at_least_one(said.requests, usual.requests, "requests")?,
        requests_per_agent: at_least_one(said.requests_per_agent, usual.requests_per_agent, "requests_per_agent")?,
        connections: at_least_one(said.connections, usual.connections, "connections")?,
        connections_per_address: at_least_one(
            said.connections_per_address,
            usual.connections_per_address,
            "connections_per_address",
        )?,
    };
    // A semaphore counts no further.
    let most = usize::try_from(u32::MAX >> 3).unwrap_or(usize::MAX);
    if limits.body_bytes > limits.all_body_bytes || limits.all_body_bytes > most {
        return Err(format!("limits: body_bytes is at most all_body_bytes, and that is at most {most}"));
    }
    Ok(limits)
}
