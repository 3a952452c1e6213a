//! What is kept under `.xbind`: who this is, where it is registered, and keys. A profile is the same for one more agent.

pub(crate) mod authority;
pub(crate) mod files;
pub(crate) mod keys;

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xbind::SigningKey;

use crate::failure::{Failure, Result};
use authority::Authority;
use keys::Passphrases;

/// An operator, as `operator.json` has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operator {
    /// 1.
    pub(crate) version: u8,
    /// The root key.
    pub(crate) did: String,
    pub(crate) domain: String,
    /// The URL of the authority.
    pub(crate) server: String,
    #[serde(flatten)]
    pub(crate) authority: Authority,
    /// Its id at the authority, since it was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

/// An agent, as `agent.json` has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agent {
    /// 1.
    pub(crate) version: u8,
    pub(crate) did: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    #[serde(flatten)]
    pub(crate) authority: Authority,
    /// The id of its operator, since it asked to be taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operator: Option<String>,
    /// Its name that stays, since it was taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<String>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Operator,
    Agent,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Agent => "agent",
        }
    }
}

/// A directory with identities.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    root: PathBuf,
    profile: Option<String>,
}

const MAX_PROFILE: usize = 63;

impl Home {
    pub(crate) fn new(root: PathBuf, profile: Option<String>) -> Result<Self> {
        if let Some(name) = &profile {
            let is_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
            if name.is_empty() || name.len() > MAX_PROFILE || !name.bytes().all(is_name) {
                return Err(Failure::usage("a profile is 1 to 63 of a-z, 0-9, _ and -"));
            }
        }
        // A slash at its end would lead through a link.
        Ok(Self { root: root.components().collect(), profile })
    }

    /// The same home for another agent.
    pub(crate) fn of_profile(&self, profile: Option<&str>) -> Result<Self> {
        Self::new(self.root.clone(), profile.map(str::to_owned))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn place(&self) -> PathBuf {
        match &self.profile {
            Some(profile) => self.root.join("profiles").join(profile),
            None => self.root.clone(),
        }
    }

    pub(crate) fn key_path(&self, role: Role) -> PathBuf {
        self.place().join("keys").join(format!("{}.key", role.name()))
    }

    pub(crate) fn path(&self, role: Role) -> PathBuf {
        self.place().join(format!("{}.json", role.name()))
    }

    /// Every directory on the way, from the outside.
    fn directories(&self) -> Vec<PathBuf> {
        let mut all = vec![self.root.clone()];
        if self.profile.is_some() {
            all.extend([self.root.join("profiles"), self.place()]);
        }
        all.push(self.place().join("keys"));
        all
    }

    /// Makes the directories that are not there. What is kept must not go into a repository.
    pub(crate) fn make(&self) -> Result<()> {
        for directory in self.directories() {
            files::directory(&directory)?;
        }
        let ignore = self.root.join(".gitignore");
        if files::read(&ignore)?.is_none() {
            files::write(&ignore, b"*\n")?;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        for directory in self.directories() {
            match std::fs::symlink_metadata(&directory) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                _ => files::check_directory(&directory)?,
            }
        }
        Ok(())
    }

    fn load<T: DeserializeOwned>(&self, role: Role) -> Result<Option<T>> {
        self.check()?;
        let path = self.path(role);
        let Some(bytes) = files::read(&path)? else { return Ok(None) };
        let wrong = |why: &dyn std::fmt::Display| Failure::setup(format!("{} cannot be used: {why}", path.display()));
        let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| wrong(&error))?;
        if json.get("version").and_then(serde_json::Value::as_u64) != Some(1) {
            return Err(wrong(&"its version is not 1").hint("it was written by a later xbind: use that one"));
        }
        serde_json::from_value(json).map(Some).map_err(|error| wrong(&error))
    }

    fn store(&self, role: Role, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value).map_err(|error| Failure::failed(error.to_string()))?;
        text.push(b'\n');
        files::write(&self.path(role), &text)
    }

    /// The operator here.
    pub(crate) fn own_operator(&self) -> Result<Option<Operator>> {
        self.load(Role::Operator)
    }

    /// The operator whose word counts here: of this profile, or else the one beside all profiles.
    pub(crate) fn operator(&self) -> Result<(Self, Operator)> {
        for home in [self.clone(), Self { profile: None, ..self.clone() }] {
            if let Some(operator) = home.own_operator()? {
                return Ok((home, operator));
            }
        }
        Err(Failure::setup(format!("there is no operator in {}", self.place().display()))
            .hint("xbind init --operator --domain … --server …"))
    }

    pub(crate) fn find_agent(&self) -> Result<Option<Agent>> {
        self.load(Role::Agent)
    }

    pub(crate) fn agent(&self) -> Result<Agent> {
        self.find_agent()?.ok_or_else(|| {
            Failure::setup(format!("there is no agent in {}", self.place().display()))
                .hint("xbind init --domain … --server …, or another --profile")
        })
    }

    pub(crate) fn save_operator(&self, operator: &Operator) -> Result<()> {
        self.store(Role::Operator, operator)
    }

    pub(crate) fn save_agent(&self, agent: &Agent) -> Result<()> {
        self.store(Role::Agent, agent)
    }

    /// Lets no other command change what is kept here until it is dropped: what is read before a server is asked is still so when
    /// it has answered. Nothing where nothing is kept.
    pub(crate) fn lock(&self) -> Result<Option<File>> {
        self.check()?;
        let place = self.place();
        if place.is_dir() { files::lock(&place.join(".lock")).map(Some) } else { Ok(None) }
    }

    /// Notes who the authority is now beside what is kept by now, unless a command that changes it will note it itself.
    pub(crate) fn note_operator_authority(&self, seen: &Operator) -> Result<()> {
        let Ok(_alone) = self.lock() else { return Ok(()) };
        match self.own_operator()? {
            Some(now) if now.did == seen.did => {
                self.save_operator(&Operator { authority: seen.authority.clone(), ..now })
            }
            _ => Ok(()),
        }
    }

    /// The same of the agent's.
    pub(crate) fn note_agent_authority(&self, seen: &Agent) -> Result<()> {
        let Ok(_alone) = self.lock() else { return Ok(()) };
        match self.find_agent()? {
            Some(now) if now.did == seen.did => self.save_agent(&Agent { authority: seen.authority.clone(), ..now }),
            _ => Ok(()),
        }
    }

    /// The key, which must be the one that the file beside it names.
    pub(crate) fn key(&self, role: Role, did: &str, passphrases: &Passphrases<'_>) -> Result<SigningKey> {
        self.check()?;
        let key = keys::read(&self.key_path(role), passphrases)?;
        if key.did().as_str() != did {
            let (key_path, path) = (self.key_path(role), self.path(role));
            let why = format!("{} is not the key that {} names", key_path.display(), path.display());
            return Err(Failure::setup(why).hint("xbind identity rotate goes on where it was stopped; else bring the file back that belongs to the other"));
        }
        Ok(key)
    }

    /// Puts a new key there, which must be none yet.
    pub(crate) fn create_key(&self, role: Role, key: &SigningKey, passphrase: Option<&str>) -> Result<()> {
        files::create(&self.key_path(role), keys::encode(key, passphrase)?.as_bytes())
    }
}
