//! The authority itself: served, copied, brought back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use xbind_authority::{AuthorityKey, Config, LogSink, Passphrase, Server, Step, TlsFiles};
use xbind_net::Roots;

use crate::args::{ActivateKey, Authority, Copy, Data, PrepareKey, Release, RevokeKey, RotateKey, Serve, TaintKey};
use crate::commands::Room;
use crate::failure::{Failure, Result};
use crate::plain::utc;
use crate::said::Said;

/// How long a key is prepared unless somebody says, in seconds.
const A_DAY: u64 = 86_400;
/// How often a command that runs until it is stopped looks up.
pub(crate) const A_WHILE: Duration = Duration::from_secs(3600);

pub(crate) fn run(room: &Room<'_>, args: Authority) -> Result<Said> {
    match args {
        Authority::Serve(args) => serve(room, args),
        Authority::Backup(Copy { from, to }) => {
            xbind_authority::backup(&from, &to)?;
            Ok(Said::of(&json!({ "from": from, "to": to })))
        }
        Authority::Restore(Copy { from, to }) => {
            xbind_authority::restore(&from, &to)?;
            room.say("what was signed before is not accepted any more");
            Ok(Said::of(&json!({ "from": from, "to": to })))
        }
        Authority::Release(Release { data, domain }) => {
            let passphrase = room.passphrases().of_authority(&data, false)?;
            xbind_authority::release(&data, passphrase.as_ref().map(|text| text.as_str()), &domain)?;
            Ok(Said::of(&json!({ "domain": domain, "status": "released" })))
        }
        Authority::Keys(at) => keys(room, &at, &Step::List {}, None),
        Authority::PrepareKey(PrepareKey { at, after }) => keys(
            room,
            &at,
            &Step::Prepare { after },
            Some("next: let verifiers that know DIDs trust the new one as well"),
        ),
        Authority::ActivateKey(ActivateKey { at, at_once }) => {
            keys(room, &at, &Step::Activate { at_once }, Some(ROTATED))
        }
        Authority::TaintKey(TaintKey { at, key, since }) => {
            keys(room, &at, &Step::Taint { did: key, since }, Some(STOLEN))
        }
        Authority::RevokeKey(RevokeKey { at, key }) => keys(room, &at, &Step::Revoke { did: key }, Some(STOLEN)),
        Authority::RotateKey(args) => rotate(room, &args),
    }
}

const ROTATED: &str = "next: a backup, and the new DID in the TXT records of domains to come";
const STOLEN: &str =
    "next: verifiers that know DIDs trust the new one, and that one no more; agents ask for tokens anew";

fn take(room: &Room<'_>, Data { data }: &Data, step: &Step) -> Result<Vec<AuthorityKey>> {
    // A server that runs has its keys open.
    let passphrase =
        if xbind_authority::is_served(data) { None } else { room.passphrases().of_authority(data, false)? };
    Ok(xbind_authority::keys(data, passphrase.map(Passphrase::from).as_ref(), step)?)
}

fn in_state<'a>(keys: &'a [AuthorityKey], state: &str) -> Option<&'a str> {
    keys.iter().find(|key| key.state == state).map(|key| key.did.as_str())
}

fn rotate(room: &Room<'_>, RotateKey { at, prepare }: &RotateKey) -> Result<Said> {
    let (step, state, status, next) = if *prepare {
        (
            Step::Prepare { after: A_DAY },
            "prepared",
            "prepared",
            "next: xbind authority activate-key, or wait for a day",
        )
    } else {
        (Step::Rotate {}, "active", "rotated", ROTATED)
    };
    let keys = take(room, at, &step)?;
    room.say(next);
    let did = in_state(&keys, state);
    let earlier = keys.iter().take_while(|key| Some(key.did.as_str()) != did);
    Ok(Said::of(&json!({ "did": did, "before": earlier.last().map(|key| &key.did), "status": status })))
}

fn keys(room: &Room<'_>, at: &Data, step: &Step, next: Option<&str>) -> Result<Said> {
    let keys = take(room, at, step)?;
    if let Some(next) = next {
        room.say(next);
    }
    let (did, prepared) = (in_state(&keys, "active"), in_state(&keys, "prepared"));
    let line = |key: &AuthorityKey| {
        let times =
            [("active from", key.active_at), ("counts until", key.until), ("doubtful since", key.doubtful_from)];
        let times = times.iter().filter_map(|(name, time)| time.map(|time| format!(", {name} {}", utc(time))));
        format!("{} {}{}\n", key.did, key.state, times.collect::<String>())
    };
    let text = keys.iter().map(line).collect::<String>();
    Ok(Said::of(&json!({ "did": did, "prepared": prepared, "keys": keys })).with_text(text))
}

fn serve(room: &Room<'_>, args: Serve) -> Result<Said> {
    let tls = match (args.tls_cert, args.tls_key) {
        (Some(certificates), Some(key)) => Some(TlsFiles { certificates, key }),
        (None, None) => None,
        _ => return Err(Failure::usage("a certificate and its key go together")),
    };
    let passphrase = room.passphrases().of_authority(&args.data, args.encrypt)?.map(Passphrase::from);
    let log = args.log.map(|path| log_to(&path)).transpose()?;
    // What clients take for the address of an authority on this machine, unless they are told.
    let (ip, port) = (args.listen.ip(), args.listen.port());
    let is_local = ip.is_loopback() && ip.is_ipv4() && port != 0 && tls.is_none();
    let config = Config {
        listen: args.listen,
        public_url: args.url.or_else(|| is_local.then(|| format!("http://localhost:{port}"))),
        tls,
        dangerously_allow_plain_http: args.dangerously_allow_plain_http,
        resolver: args.resolver,
        issuers: args.issuers,
        roots: Roots { pem: Vec::new(), files: room.common.ca.clone().into_iter().collect() },
        rotate_every: args.rotate_every,
        passphrase,
        log,
        ..Config::new(args.data)
    };
    if room.terminal.stops_within(Duration::ZERO) {
        return Ok(Said::nothing());
    }
    let server = Server::start(config)?;
    let said = json!({ "url": server.url(), "did": server.did().as_str(), "listen": server.address().to_string() });
    Said::of(&said).print(room.terminal, room.common.json);
    room.say("runs until it is stopped: Ctrl-C");
    while !room.terminal.stops_within(A_WHILE) {}
    server.stop();
    Ok(Said::nothing())
}

/// Appends a line for each request to a file of its owner's alone.
pub(crate) fn log_to(path: &Path) -> Result<LogSink> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let wrong = |error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
    let file = options.open(path).map_err(wrong)?;
    Ok(LogSink(Arc::new(move |line| drop((&file).write_all(format!("{line}\n").as_bytes())))))
}
