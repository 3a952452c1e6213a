//! What may be wrong: this program, its files, the clock, the server, DNS.

use serde::Serialize;

use crate::args::Doctor;
use crate::commands::{Room, status};
use crate::failure::{Exit, Failure, Result};
use crate::home::authority::check_address;
use crate::home::{Role, files};
use crate::plain::plain;
use crate::said::Said;

/// How far clocks may differ, in seconds.
const MAX_SKEW: u64 = 5;

/// One look.
#[derive(Serialize)]
struct Look {
    name: &'static str,
    /// `fine`, `wrong`, or `skipped` where there is nothing to look at.
    state: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Look {
    fn of(name: &'static str, found: Result<Option<String>>) -> Self {
        match found {
            Ok(Some(detail)) => Self { name, state: "fine", detail, hint: None },
            Ok(None) => Self { name, state: "skipped", detail: "there is nothing to look at".to_owned(), hint: None },
            Err(failure) => Self { name, state: "wrong", detail: failure.message, hint: failure.hint },
        }
    }
}

pub(crate) fn run(room: &Room<'_>, args: &Doctor) -> Result<Said> {
    let looks = vec![
        Look::of("program", Ok(Some(program()))),
        Look::of("operator", identity(room, Role::Operator)),
        Look::of("agent", identity(room, Role::Agent)),
        Look::of("server", server(room, args)),
        Look::of("clock", clock(room, args)),
        Look::of("dns", dns(room, args)),
    ];
    let text: String = looks.iter().map(line).collect();
    let is_wrong = looks.iter().any(|look| look.state == "wrong");
    let exit = if is_wrong { Exit::Invalid } else { Exit::Done };
    Ok(Said::of(&serde_json::json!({ "looks": looks })).with_text(text).with_exit(exit))
}

fn line(look: &Look) -> String {
    let hint = look.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}: {}: {}\n", look.name, look.state, plain(&format!("{}{hint}", look.detail)))
}

fn program() -> String {
    let libc = if cfg!(target_env = "gnu") {
        "glibc"
    } else if cfg!(target_env = "musl") {
        "musl"
    } else {
        "the system's libc"
    };
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("xbind {} for {arch} on {os}, with {libc}", env!("CARGO_PKG_VERSION"))
}

/// Files and their modes; the key is not opened.
fn identity(room: &Room<'_>, role: Role) -> Result<Option<String>> {
    let did = match role {
        Role::Operator => room.home.own_operator()?.map(|operator| operator.did),
        Role::Agent => room.home.find_agent()?.map(|agent| agent.did),
    };
    let Some(did) = did else { return Ok(None) };
    let key = room.home.key_path(role);
    let missing = || Failure::setup(format!("there is no key {}", key.display()));
    files::read(&key)?.ok_or_else(missing)?;
    Ok(Some(did))
}

/// The address of the authority, if there is anybody who names one.
fn address(room: &Room<'_>, args: &Doctor) -> Option<String> {
    room.server(args.server.server.as_ref()).ok()
}

fn server(room: &Room<'_>, args: &Doctor) -> Result<Option<String>> {
    let Some(address) = address(room, args) else { return Ok(None) };
    let client = room.client(&address)?;
    client.ready()?;
    let about = client.about()?;
    check_address(&client, &about)?;
    let known = [
        room.home.find_agent()?.map(|agent| agent.authority.known()),
        room.home.own_operator()?.map(|operator| operator.authority.known()),
    ];
    for known in known.into_iter().flatten().filter(|_| args.server.server.is_none()) {
        let Some(known) = known? else { continue };
        known.follow(&about, xbind_runtime::now()).map_err(|refusal| client.failed(refusal))?;
    }
    Ok(Some(format!("{address} is {}", about.did)))
}

fn clock(room: &Room<'_>, args: &Doctor) -> Result<Option<String>> {
    let Some(address) = address(room, args) else { return Ok(None) };
    let ahead = status::clock_ahead(&room.client(&address)?.about()?);
    if ahead.unsigned_abs() > MAX_SKEW {
        return Err(Failure::setup(format!("the server's clock is {ahead} s ahead of this one"))
            .hint("set both by NTP: signatures are refused beyond 5 s"));
    }
    Ok(Some(format!("the server's clock is {ahead} s ahead of this one")))
}

/// The record that proves the operator's domain.
fn dns(room: &Room<'_>, args: &Doctor) -> Result<Option<String>> {
    let Some(operator) = room.home.own_operator()? else { return Ok(None) };
    let Some(authority) = operator.authority.known()? else { return Ok(None) };
    let own = xbind::VerifyingKey::from_did(&operator.did)?;
    let (name, value) = xbind_authority::domain::operator::txt(&operator.domain, own.did(), authority.did());
    let records = xbind_authority::look_up(&name, args.resolver)?;
    if records.contains(&value) {
        return Ok(Some(format!("{name} names this operator")));
    }
    Err(Failure::setup(format!("{name} has no TXT record that names this operator"))
        .hint("publish the record of xbind verify-operator instructions"))
}
