//! How things stand: of an agent, of this identity, of the authority.

use serde_json::{Value, json};
use xbind_authority::wire::{About, OwnAgentView, SetStatus};

use crate::args::{Change, Server};
use crate::commands::Room;
use crate::failure::{Failure, Result};
use crate::plain::plain;
use crate::said::Said;

pub(crate) fn change(room: &Room<'_>, args: Change, status: &str) -> Result<Said> {
    set(room, args.agent.agent, &SetStatus { status: status.to_owned(), reason: args.reason })
}

pub(crate) fn set(room: &Room<'_>, agent: Option<String>, status: &SetStatus) -> Result<Said> {
    let did = room.agent_or(agent)?;
    let own = room.as_operator()?;
    let path = format!("/v1/operators/{}/agents/{did}/status", own.id);
    let view: OwnAgentView = own.client.send("PUT", &path, status, Some(&own.key))?;
    Ok(Said::of(&view))
}

pub(crate) fn whoami(room: &Room<'_>) -> Result<Said> {
    let agent = room.home.find_agent()?;
    let operator = room.home.own_operator()?;
    if agent.is_none() && operator.is_none() {
        let why = format!("there is nobody in {}", room.home.place().display());
        return Err(Failure::setup(why).hint("xbind init, or another --profile or --dir"));
    }
    let mut said = serde_json::Map::new();
    for (name, value) in [("agent", agent.map(|agent| json!(agent))), ("operator", operator.map(|own| json!(own)))] {
        if let Some(Value::Object(mut members)) = value {
            members.remove("version");
            said.insert(name.to_owned(), Value::Object(members));
        }
    }
    Ok(Said::of(&said))
}

pub(crate) fn health(room: &Room<'_>, args: &Server) -> Result<Said> {
    let client = room.client(&room.server(args.server.as_ref())?)?;
    client.ready()?;
    let about = client.about()?;
    if about.url != client.server() {
        room.say(&format!("it says that it is reached by {}: signatures have to be for that", plain(&about.url)));
    }
    Ok(Said::of(&json!({
        "status": "ready", "server": client.server(), "url": about.url, "did": about.did,
        "version": about.version, "clock_ahead": clock_ahead(&about),
    })))
}

/// How many seconds the server's clock is ahead of this one.
pub(crate) fn clock_ahead(about: &About) -> i64 {
    let ahead = i128::from(about.time).saturating_sub(i128::from(xbind_runtime::now()));
    i64::try_from(ahead).unwrap_or(i64::MAX)
}
