//! The way to a model's server: fixed by the operator, with fields of the gateway's own, and to the next one only where nothing
//! was taken by the one before.

use std::collections::BTreeMap;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use xbind_net::Settings;
use xbind_net::upstream::{Reply, Unsent, Upstream, UpstreamRequest};
use xbind_server::{Fault, fault};

use crate::api::Api;
use crate::asked::Asked;
use crate::config::{Config, Model};
use crate::problem::{Kind, Problem, Result};

/// Answers that say that the request was not taken, and may be elsewhere.
const ELSEWHERE: [u16; 5] = [429, 500, 502, 503, 529];

/// All servers, with what is kept open to them.
pub(crate) struct Upstreams(BTreeMap<String, Way>);

struct Way {
    upstream: Upstream,
    config: crate::config::Upstream,
}

/// What was answered, and by whom.
pub(crate) struct Answered {
    pub(crate) by: String,
    pub(crate) reply: Reply,
}

impl Upstreams {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// An address that is none.
    pub(crate) fn new(config: &Config) -> std::result::Result<Self, Fault> {
        let way = |(name, one): (&String, &crate::config::Upstream)| {
            let settings = Settings { roots: config.roots.clone(), ..Settings::default() };
            let upstream = Upstream::new(&one.url, settings)
                .map_err(|why| fault(format!("upstream {name}: {}: {why}", one.url)))?;
            Ok((name.clone(), Way { upstream, config: one.clone() }))
        };
        config.upstreams.iter().map(way).collect::<std::result::Result<_, Fault>>().map(Self)
    }

    /// Sends a request on, and waits for the head of its answer.
    ///
    /// # Errors
    /// `upstream-failed`, `upstream-slow`; whether the server may have begun with it is beside it.
    pub(crate) async fn send(
        &self,
        model: &Model,
        api: Api,
        fields: &HeaderMap,
        body: &Bytes,
    ) -> std::result::Result<Answered, (Problem, bool)> {
        let failed = |why: &dyn std::fmt::Display| {
            Problem::new(Kind::UpstreamFailed, "the model's server could not be reached, or broke off").because(why)
        };
        let mut last = (Problem::internal().because("a model has no upstream"), false);
        for (place, name) in model.upstreams.iter().enumerate() {
            let Some(way) = self.0.get(name) else { continue };
            let is_last = place.saturating_add(1) == model.upstreams.len();
            let mut all = fields.clone();
            for (name, value) in &way.config.fields {
                all.insert(name, value.clone());
            }
            let (path, body) = (api.path().to_owned(), body.clone());
            let request = UpstreamRequest { method: Method::POST, path, fields: all, body };
            match way.upstream.send(request, way.config.times).await {
                Ok(reply) if is_last || !ELSEWHERE.contains(&reply.status) => {
                    return Ok(Answered { by: name.clone(), reply });
                }
                Ok(_) => {}
                Err(Unsent::NotSent(why)) => last = (failed(&format!("{name}: {why}")), false),
                // Nobody knows what it has begun with: elsewhere it would be paid for twice.
                Err(Unsent::Lost(why)) => return Err((failed(&format!("{name}: {why}")), true)),
                Err(Unsent::Late) => {
                    let why = "the model's server did not begin to answer in time";
                    return Err((Problem::new(Kind::UpstreamSlow, why).because(name), true));
                }
            }
        }
        Err(last)
    }
}

/// The fields of a request, all of them made here: of the caller's, only those that say how it wants to be answered.
pub(crate) fn fields(api: Api, asked: &Asked, said: &HeaderMap, id: &str) -> Result<HeaderMap> {
    let mut fields = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(HeaderName::from_static(name), value);
        }
    };
    set(CONTENT_TYPE.as_str(), "application/json");
    set(ACCEPT.as_str(), if asked.stream { "text/event-stream, application/json" } else { "application/json" });
    set("x-request-id", id);
    if api == Api::Messages {
        let version = match said.get("anthropic-version") {
            None => "2023-06-01",
            Some(value) => value
                .to_str()
                .ok()
                .filter(|text| is_date(text))
                .ok_or_else(|| Problem::malformed("the field anthropic-version is no date such as 2023-06-01"))?,
        };
        set("anthropic-version", version);
        if said.contains_key("anthropic-beta") {
            return Err(Problem::malformed(
                "the field anthropic-beta is not passed on: the operator sets it for an upstream",
            ));
        }
    }
    if let Some((trace, flags)) = trace(said) {
        let mut span = [0; 8];
        xbind_runtime::random(&mut span)?;
        let span = data_encoding::HEXLOWER.encode(&span);
        set("traceparent", &format!("00-{trace}-{span}-{flags}"));
        let state = said.get("tracestate").and_then(|value| value.to_str().ok());
        if let Some(state) = state.filter(|state| state.len() <= 512) {
            set("tracestate", state);
        }
    }
    Ok(fields)
}

/// Trace id and flags of a W3C traceparent of version 00, if there is one.
pub(crate) fn trace(said: &HeaderMap) -> Option<(&str, &str)> {
    let mut all = said.get_all("traceparent").iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let mut parts = value.to_str().ok()?.split('-');
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    let parts = (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next());
    match parts {
        ("00", trace, span, flags, None)
            if is_hex(trace, 32) && is_set(trace) && is_hex(span, 16) && is_set(span) && is_hex(flags, 2) =>
        {
            Some((trace, flags))
        }
        _ => None,
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}
