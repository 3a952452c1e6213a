//! A new key for the agent. Whatever stops it half-way, the next attempt goes on with the same new key.

use serde_json::json;
use xbind::{Rotation, SigningKey};
use xbind_authority::wire::{AgentView, Rotate as Tell};

use crate::args::Rotate;
use crate::commands::{Room, pin};
use crate::failure::{Failure, Result};
use crate::home::{Agent, Role, files, keys};
use crate::said::Said;

pub(crate) fn rotate(room: &Room<'_>, args: &Rotate) -> Result<Said> {
    if let Some(done) = finish(room)? {
        return Ok(done);
    }
    let own = room.as_agent()?;
    if own.agent.alias.is_none() {
        return Err(
            Failure::setup("the agent is not registered").hint("only the authority can tell others of a new key")
        );
    }
    pin(&own.client, own.agent.authority.as_ref())?;
    let new = next_key(room)?;
    let path = format!("/v1/agents/{}", own.agent.did);
    let known: AgentView = own.client.get(&path, None)?;
    let is_told = known.keys.iter().any(|key| key.did == new.did().as_str());
    if !is_told {
        let now = xbind_runtime::now();
        let overlap = if args.emergency { 0 } else { args.overlap };
        let rotation = Rotation { old: *own.key.did(), new: *new.did(), issued_at: now, active_from: now, overlap };
        let tell = Tell { rotation: rotation.sign(&own.key, &new)? };
        let _: AgentView = own.client.send("POST", &format!("{path}/rotations"), &tell, Some(&own.key))?;
    }
    let from = files::read(&next_path(room))?.ok_or_else(|| Failure::failed("the new key is gone"))?;
    files::write(&room.home.key_path(Role::Agent), &from)?;
    done(room, own.agent, &new)
}

/// What is left to do once the new key stands in its place.
fn done(room: &Room<'_>, mut agent: Agent, new: &SigningKey) -> Result<Said> {
    let old = std::mem::replace(&mut agent.did, new.did().to_string());
    room.home.save_agent(&agent)?;
    std::fs::remove_file(next_path(room))?;
    Ok(Said::of(&json!({ "did": agent.did, "before": old, "alias": agent.alias })))
}

/// Ends an attempt that was stopped between the key and the file that names it.
fn finish(room: &Room<'_>) -> Result<Option<Said>> {
    let agent = room.home.agent()?;
    if files::read(&next_path(room))?.is_none() {
        return Ok(None);
    }
    let key = keys::read(&room.home.key_path(Role::Agent), &room.passphrases())?;
    let new = keys::read(&next_path(room), &room.passphrases())?;
    if key.did() != new.did() || key.did().as_str() == agent.did {
        return Ok(None);
    }
    done(room, agent, &new).map(Some)
}

fn next_path(room: &Room<'_>) -> std::path::PathBuf {
    room.home.key_path(Role::Agent).with_file_name("agent.next.key")
}

/// The key of an attempt that was stopped, or a new one, protected as the old one is.
fn next_key(room: &Room<'_>) -> Result<SigningKey> {
    let path = next_path(room);
    if files::read(&path)?.is_none() {
        let passphrase = room.passphrases().same_as(&room.home.key_path(Role::Agent))?;
        let pem = keys::encode(&keys::generate()?, passphrase.as_ref().map(|text| text.as_str()))?;
        files::create(&path, pem.as_bytes())?;
    }
    keys::read(&path, &room.passphrases())
}
