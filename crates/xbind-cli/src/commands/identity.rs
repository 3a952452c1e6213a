//! Identities: made, shown, carried.

use serde_json::{Value, json};
use xbind::SigningKey;
use xbind::identity::jwk;

use crate::args::{Export, Identity, Import, Init};
use crate::client::check_server;
use crate::commands::Room;
use crate::failure::{Failure, Result};
use crate::home::authority::Authority;
use crate::home::keys::{self, Passphrases};
use crate::home::{Agent, Operator, Role};
use crate::said::Said;

pub(crate) fn init(room: &Room<'_>, args: &Init) -> Result<Said> {
    let server = check_server(&args.server)?;
    let domain = args.domain.clone();
    xbind_authority::domain::operator::check_domain(&domain)
        .map_err(|problem| Failure::usage(problem.detail().to_owned()))?;
    let role = if args.operator { Role::Operator } else { Role::Agent };
    let key = new_key(room, role, args.encrypt)?;
    let did = key.did().to_string();
    match role {
        Role::Operator => {
            let operator =
                Operator { version: 1, did: did.clone(), domain, server, authority: Authority::default(), id: None };
            room.home.save_operator(&operator)?;
        }
        Role::Agent => {
            let (domain, server) = (Some(domain), Some(server));
            let agent = Agent { version: 1, did: did.clone(), domain, server, ..Agent::default() };
            room.home.save_agent(&agent)?;
        }
    }
    let profile = room.common.profile.as_ref().map(|name| format!(" --profile {name}")).unwrap_or_default();
    room.say(&match role {
        Role::Operator => format!("next: xbind register operator{profile}"),
        // An operator who is here takes it in by itself.
        Role::Agent if room.home.operator().is_ok() => format!("next: xbind register agent{profile}"),
        Role::Agent => format!("next: xbind register agent{profile} --operator-id …"),
    });
    Ok(shown(room, role, &did))
}

/// A key where there is none yet.
fn new_key(room: &Room<'_>, role: Role, is_encrypted: bool) -> Result<SigningKey> {
    is_free(room, role)?;
    let passphrase = room.passphrases().fresh(is_encrypted)?;
    put_key(room, role, keys::generate()?, passphrase.as_ref().map(|text| text.as_str()))
}

fn is_free(room: &Room<'_>, role: Role) -> Result<()> {
    room.home.make()?;
    let is_there = match role {
        Role::Operator => room.home.own_operator()?.is_some(),
        Role::Agent => room.home.find_agent()?.is_some(),
    };
    if is_there {
        let path = room.home.path(role);
        return Err(Failure::setup(format!("{} is there already", path.display()))
            .hint("take another --profile, or another --dir"));
    }
    Ok(())
}

fn put_key(room: &Room<'_>, role: Role, key: SigningKey, passphrase: Option<&str>) -> Result<SigningKey> {
    // A key without a file beside it is what a killed init left: it was never used.
    let left = room.home.key_path(role);
    if crate::home::files::read(&left)?.is_some() {
        return Err(Failure::setup(format!("{} is there already", left.display()))
            .hint("it belongs to no identity here: bring its file back, or move the key away"));
    }
    room.home.create_key(role, &key, passphrase)?;
    Ok(key)
}

fn shown(room: &Room<'_>, role: Role, did: &str) -> Said {
    let (file, key) = (room.home.path(role), room.home.key_path(role));
    Said::of(&json!({ "role": role.name(), "did": did, "file": file, "key": key }))
}

pub(crate) fn run(room: &Room<'_>, args: Identity) -> Result<Said> {
    match args {
        Identity::New(args) => {
            let key = new_key(room, Role::Agent, args.encrypt)?;
            alone(room, &key)
        }
        Identity::Show(which) => show(room, which.operator),
        Identity::Export(args) => export(room, &args),
        Identity::Import(args) => import(room, &args),
        Identity::Rotate(args) => super::rotation::rotate(room, &args),
    }
}

/// An agent without a domain.
fn alone(room: &Room<'_>, key: &SigningKey) -> Result<Said> {
    let did = key.did().to_string();
    room.home.save_agent(&Agent { version: 1, did: did.clone(), ..Agent::default() })?;
    Ok(shown(room, Role::Agent, &did))
}

/// The role and the DID of one of the two here.
fn did_here(room: &Room<'_>, is_operator: bool) -> Result<(Role, String)> {
    if !is_operator {
        return Ok((Role::Agent, room.home.agent()?.did));
    }
    let none = || Failure::setup("there is no operator here").hint("xbind init --operator --domain … --server …");
    Ok((Role::Operator, room.home.own_operator()?.ok_or_else(none)?.did))
}

/// Without opening the key.
fn show(room: &Room<'_>, is_operator: bool) -> Result<Said> {
    let (role, did) = did_here(room, is_operator)?;
    let did = *xbind::VerifyingKey::from_did(&did)?.did();
    let jwk: Value = serde_json::from_str(&jwk::jwk_json(&did)).unwrap_or_default();
    let said = json!({ "role": role.name(), "did": did.as_str(), "thumbprint": jwk::thumbprint(&did), "jwk": jwk });
    Ok(Said::of(&said))
}

fn export(room: &Room<'_>, args: &Export) -> Result<Said> {
    let (role, did) = did_here(room, args.which.operator)?;
    let key = room.home.key(role, &did, &room.passphrases())?;
    let path = args.out_passphrase_file.as_deref();
    let passphrase = match path {
        Some(_) => Passphrases { terminal: room.terminal, file: path }.given()?,
        None if args.plain => None,
        // Whoever protects a key does not lose that by copying it.
        None => room.passphrases().same_as(&room.home.key_path(role))?,
    };
    crate::home::files::create(
        &args.out,
        keys::encode(&key, passphrase.as_ref().map(|text| text.as_str()))?.as_bytes(),
    )?;
    Ok(Said::of(&json!({ "did": did, "file": args.out, "encrypted": passphrase.is_some() })))
}

fn import(room: &Room<'_>, args: &Import) -> Result<Said> {
    is_free(room, Role::Agent)?;
    let wrong = |why: std::io::Error| Failure::setup(format!("{} cannot be read: {why}", args.from.display()));
    let bytes = keys::read_outside(&args.from).map_err(wrong)?;
    let (key, passphrase) = keys::open(&bytes, &room.passphrases())?;
    let key = put_key(room, Role::Agent, key, passphrase.as_ref().map(|text| text.as_str()))?;
    alone(room, &key)
}
