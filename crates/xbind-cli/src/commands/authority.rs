//! The authority itself: served, copied, brought back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use xbind_authority::{Config, LogSink, Passphrase, Server, TlsFiles};
use xbind_net::Roots;

use crate::args::{Authority, Copy, Release, RotateKey, Serve};
use crate::commands::Room;
use crate::failure::{Failure, Result};
use crate::said::Said;

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
        Authority::RotateKey(RotateKey { data, prepare }) => {
            let passphrase = room.passphrases().of_authority(&data, false)?;
            let passphrase = passphrase.as_ref().map(|text| text.as_str());
            let keys = xbind_authority::rotate(&data, passphrase, prepare)?;
            room.say(if prepare {
                "next: let verifiers trust the new DID as well, then xbind authority rotate-key"
            } else {
                "next: xbind authority serve, a backup, and the new DID in the TXT records of domains to come"
            });
            let status = if prepare { "prepared" } else { "rotated" };
            let said = json!({ "did": keys.did.as_str(), "before": keys.before.as_str(), "status": status });
            Ok(Said::of(&said))
        }
    }
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
fn log_to(path: &PathBuf) -> Result<LogSink> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let wrong = |error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
    let file = options.open(path).map_err(wrong)?;
    Ok(LogSink(Arc::new(move |line| drop((&file).write_all(format!("{line}\n").as_bytes())))))
}
