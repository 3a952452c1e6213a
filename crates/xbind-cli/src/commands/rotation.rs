//! A new key for the agent or the operator. Whatever stops it half-way, the next attempt goes on with the same new key.

use std::path::PathBuf;

use serde_json::json;
use xbind::{Rotation, SigningKey};
use xbind_authority::wire::{AgentView, OperatorView, Rotate as Tell};

use crate::args::Rotate;
use crate::commands::{OfAgent, OfOperator, Room};
use crate::failure::{Failure, Result};
use crate::home::{Agent, Home, Operator, Role, files, keys};
use crate::said::Said;

/// Whose key it is, and where that is kept.
struct Place {
    home: Home,
    owner: Owner,
}

enum Owner {
    Agent(Agent),
    Operator(Operator),
}

pub(crate) fn rotate(room: &Room<'_>, args: &Rotate) -> Result<Said> {
    let home = if args.operator { room.home.operator()?.0 } else { room.home.clone() };
    let _alone = home.lock()?;
    let mut place = if args.operator {
        let (home, operator) = room.home.operator()?;
        Place { home, owner: Owner::Operator(operator) }
    } else {
        Place { home: room.home.clone(), owner: Owner::Agent(room.home.agent()?) }
    };
    if place.is_between(room)? {
        let new = keys::read(&place.next_path(), &room.passphrases())?;
        return place.done(&new);
    }
    let new = if args.operator { of_operator(room, &mut place)? } else { of_agent(room, args, &mut place)? };
    let from = files::read(&place.next_path())?.ok_or_else(|| Failure::failed("the new key is gone"))?;
    files::write(&place.key_path(), &from)?;
    place.done(&new)
}

/// Tells the authority of the agent's next key, which it may know already.
fn of_agent(room: &Room<'_>, args: &Rotate, place: &mut Place) -> Result<SigningKey> {
    let OfAgent { agent, key, client } = room.as_agent()?;
    if agent.alias.is_none() {
        return Err(
            Failure::setup("the agent is not registered").hint("only the authority can tell others of a new key")
        );
    }
    let new = place.next_key(room)?;
    let path = format!("/v1/agents/{}", agent.did);
    let is_known = || -> Result<bool> {
        let known: AgentView = client.get(&path, Some(&key))?;
        Ok(known.keys.iter().any(|key| key.did == new.did().as_str()))
    };
    tell_unless(is_known, || {
        let tell = statement(&key, &new, if args.emergency { 0 } else { args.overlap })?;
        client.send::<AgentView>("POST", &format!("{path}/rotations"), &tell, Some(&key)).map(drop)
    })?;
    place.owner = Owner::Agent(agent);
    Ok(new)
}

/// The same for the operator, whose old key ends at once.
fn of_operator(room: &Room<'_>, place: &mut Place) -> Result<SigningKey> {
    let OfOperator { operator, id, key, client } = room.as_operator()?;
    let new = place.next_key(room)?;
    let path = format!("/v1/operators/{id}");
    let is_known = || Ok(client.get::<OperatorView>(&path, Some(&new))?.did == new.did().as_str());
    tell_unless(is_known, || {
        let tell = statement(&key, &new, 0)?;
        client.send::<OperatorView>("POST", &format!("{path}/rotations"), &tell, Some(&key)).map(drop)
    })?;
    place.owner = Owner::Operator(operator);
    Ok(new)
}

/// What an attempt that was stopped has sent may arrive while this one asks: then it is refused, and all is well.
fn tell_unless(is_known: impl Fn() -> Result<bool>, tell: impl FnOnce() -> Result<()>) -> Result<()> {
    if is_known()? {
        return Ok(());
    }
    tell().or_else(|failure| if is_known()? { Ok(()) } else { Err(failure) })
}

fn statement(old: &SigningKey, new: &SigningKey, overlap: u64) -> Result<Tell> {
    let now = xbind_runtime::now();
    let rotation = Rotation { old: *old.did(), new: *new.did(), issued_at: now, active_from: now, overlap };
    Ok(Tell { rotation: rotation.sign(old, new)? })
}

impl Place {
    const fn role(&self) -> Role {
        match self.owner {
            Owner::Agent(_) => Role::Agent,
            Owner::Operator(_) => Role::Operator,
        }
    }

    fn key_path(&self) -> PathBuf {
        self.home.key_path(self.role())
    }

    fn next_path(&self) -> PathBuf {
        self.key_path().with_file_name(format!("{}.next.key", self.role().name()))
    }

    fn did(&mut self) -> &mut String {
        match &mut self.owner {
            Owner::Agent(agent) => &mut agent.did,
            Owner::Operator(operator) => &mut operator.did,
        }
    }

    /// Whether an attempt was stopped between the key and the file that names it, or behind that.
    fn is_between(&mut self, room: &Room<'_>) -> Result<bool> {
        let (key, next) = (self.key_path(), self.next_path());
        if files::read(&next)?.is_none() {
            return Ok(false);
        }
        Ok(*files::read(&key)?.unwrap_or_default() == *files::read(&next)?.unwrap_or_default() && {
            let key = keys::read(&key, &room.passphrases())?;
            key.did().as_str() != self.did()
        })
    }

    /// What is left to do once the new key stands in its place.
    fn done(mut self, new: &SigningKey) -> Result<Said> {
        let before = std::mem::replace(self.did(), new.did().to_string());
        let said = match &self.owner {
            Owner::Agent(agent) => {
                self.home.save_agent(agent)?;
                json!({ "did": agent.did, "before": before, "alias": agent.alias })
            }
            Owner::Operator(operator) => {
                self.home.save_operator(operator)?;
                json!({ "did": operator.did, "before": before, "id": operator.id })
            }
        };
        std::fs::remove_file(self.next_path())?;
        Ok(Said::of(&said))
    }

    /// The key of an attempt that was stopped, or a new one, protected as the old one is.
    fn next_key(&self, room: &Room<'_>) -> Result<SigningKey> {
        let path = self.next_path();
        if files::read(&path)?.is_none() {
            let passphrase = room.passphrases().same_as(&self.key_path())?;
            let pem = keys::encode(&keys::generate()?, passphrase.as_ref().map(|text| text.as_str()))?;
            files::create(&path, pem.as_bytes())?;
        }
        keys::read(&path, &room.passphrases())
    }
}
