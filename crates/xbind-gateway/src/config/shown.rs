//! What a configuration means, for whoever has written it: nothing is opened, asked or told that is secret.

use serde_json::{Value, json};
use xbind_net::{Target, Whose};
use xbind_server::{Fault, check_exposure, fault, read_url};

use super::{Config, Model, Trusted, Upstream};
use crate::budget::{Budget, Per, Period};
use crate::money::shown;

impl Config {
    /// Looks at what it says as far as that is possible without opening or asking anything.
    ///
    /// # Errors
    /// An address beyond this machine without TLS, a URL that is none.
    pub fn check(&self) -> Result<(), Fault> {
        check_exposure(self.listen, self.tls.is_some() || self.dangerously_allow_plain_http)?;
        if let Some(url) = &self.url {
            read_url(url).ok_or_else(|| fault(format!("{url:?} is no URL like https://llm.example")))?;
        }
        let is_reached = |name: &str, url: &str| {
            Target::parse(url, Whose::Owner).map(drop).map_err(|why| fault(format!("{name}: {url}: {why}")))
        };
        for (name, upstream) in &self.upstreams {
            is_reached(&format!("upstream {name}"), &upstream.url)?;
        }
        for trusted in &self.trust {
            if let Trusted::Authority { url, .. } = trusted {
                is_reached("trust", url)?;
            }
        }
        self.status_lists.iter().try_for_each(|url| is_reached("status_lists", url))
    }

    /// All that it says, with what is taken where it says nothing.
    #[must_use]
    pub fn shown(&self) -> Value {
        let limits = &self.limits;
        json!({
            "listen": self.listen,
            "url": self.url,
            "audience": self.audience.as_ref().or(self.url.as_ref()),
            "tls": self.tls.is_some(),
            "metrics": self.metrics,
            "data": self.data,
            "database": self.database,
            "trust": self.trust.iter().map(trusted).collect::<Vec<_>>(),
            "status_lists": self.status_lists,
            "bearer": self.bearer,
            "scopes": self.scopes,
            "currency": self.currency,
            "upstreams": self.upstreams.iter().map(|(name, one)| (name.clone(), upstream(one))).collect::<Value>(),
            "models": self.models.iter().map(|(name, one)| (name.clone(), model(name, one))).collect::<Value>(),
            "budgets": self.budgets.iter().map(budget).collect::<Vec<_>>(),
            "approval": self.approval.as_ref().map(|approval| json!({
                "above": shown(approval.above),
                "approvers": approval.approvers.iter().map(xbind::Did::as_str).collect::<Vec<_>>(),
            })),
            "rate": { "burst": self.rate.burst, "per_second": self.rate.per_second },
            "limits": {
                "body_bytes": limits.body_bytes,
                "all_body_bytes": limits.all_body_bytes,
                "answer_bytes": limits.answer_bytes,
                "answer_seconds": limits.answer.as_secs(),
                "requests": limits.requests,
                "requests_per_agent": limits.requests_per_agent,
                "connections": limits.connections,
                "connections_per_address": limits.connections_per_address,
            },
        })
    }
}

fn trusted(trusted: &Trusted) -> Value {
    match trusted {
        Trusted::Did(did) => json!({ "did": did.as_str() }),
        Trusted::Authority { did, url } => json!({ "did": did, "url": url }),
    }
}

/// Names of fields, but nothing of what they say: keys are among them.
fn upstream(one: &Upstream) -> Value {
    json!({
        "url": one.url,
        "fields": one.fields.keys().map(hyper::header::HeaderName::as_str).collect::<Vec<_>>(),
        "connect_timeout": one.times.connect.as_secs(),
        "timeout": one.times.head.as_secs(),
        "idle_timeout": one.times.idle.as_secs(),
    })
}

fn model(name: &str, one: &Model) -> Value {
    json!({
        "upstreams": one.upstreams,
        "name": one.name.as_deref().unwrap_or(name),
        "scope": one.scope,
        "context": one.context,
        "max_output": one.max_output,
        "price": {
            "input": shown(one.price.input),
            "cached": shown(one.price.cached),
            "written": shown(one.price.written),
            "output": shown(one.price.output),
        },
        "limit_member": one.limit_member.name(),
        "server_tools": one.server_tools,
        "members": one.members,
    })
}

fn budget(one: &Budget) -> Value {
    let per = match one.per {
        Per::Agent => "agent",
        Per::Root => "root",
        Per::Chain => "chain",
        Per::All => "all",
    };
    let period = match one.period {
        Period::Minute => "minute",
        Period::Hour => "hour",
        Period::Day => "day",
        Period::Month => "month",
        Period::Total => "total",
    };
    json!({ "name": one.name, "per": per, "period": period, "tokens": one.tokens, "money": one.money.map(shown) })
}
