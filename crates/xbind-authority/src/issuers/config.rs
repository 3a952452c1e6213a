//! The file in which whoever runs the server says which issuers there are.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use xbind_net::authority::wire::{objects, present};
use xbind_net::{Target, Whose};
use xbind_server::files::is_open_to;
use zeroize::Zeroizing;

use crate::issuers::introspection::TIMEOUT;
use crate::issuers::jws::is_name;
use crate::issuers::keys::Algorithm;
use crate::store::{Fault, fault};

/// The most issuers.
const MAX_ISSUERS: usize = 64;
/// The longest file, in bytes; and that of a secret.
const MAX_FILE: usize = 256 * 1024;
const MAX_SECRET: usize = 4096;
/// For how long keys are believed that came last, in seconds, if the issuer cannot be asked; and what may be said instead.
const DEFAULT_MAX_AGE: u64 = 3600;
const MAX_AGES: std::ops::RangeInclusive<u64> = 60..=86_400;
/// How often an issuer is asked whether a session still stands, in seconds; and what may be said instead.
const DEFAULT_EVERY: u64 = 60;
const EVERIES: std::ops::RangeInclusive<u64> = 1..=3600;
/// For how long a good answer counts, in seconds, unless something else is said: so many times as long, and so much longer at
/// least. What may be said instead leaves time for the next question, which waits for the one before, so long as that may take:
/// to look who is to be asked about, to ask, and to write what is said.
const DEFAULT_STALE: u64 = 5;
const DEFAULT_LONGER: u64 = 30;
const MIN_LONGER: u64 = 7;
const MAX_STALE: u64 = 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "objects")]
    issuers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    issuer: String,
    #[serde(default, deserialize_with = "present")]
    jwks_uri: Option<String>,
    audience: String,
    #[serde(default, deserialize_with = "present")]
    client_id: Option<String>,
    algorithms: Vec<Algorithm>,
    #[serde(default, deserialize_with = "present")]
    introspection: Option<Asking>,
    #[serde(default, deserialize_with = "present")]
    max_age: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    #[serde(default, deserialize_with = "present")]
    endpoint: Option<String>,
    client_id: String,
    client_secret_file: PathBuf,
    #[serde(default, deserialize_with = "present")]
    every: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    stale: Option<u64>,
}

/// What whoever runs the server says of an issuer.
pub struct Settings {
    /// The exact text of `iss`.
    pub issuer: String,
    /// Where its keys are; discovered without one.
    pub(crate) jwks_uri: Option<String>,
    /// What `aud` of users' tokens must name.
    pub audience: String,
    /// What `aud` of logout tokens must name: who the authority is where it is a client of the issuer.
    pub(crate) client_id: String,
    /// How it may sign.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Whether and how it is asked about tokens.
    pub(crate) introspection: Option<Introspection>,
    /// How long keys are believed that came last, in seconds.
    pub(crate) max_age: u64,
}

/// How an issuer is asked whether a token still counts (RFC 7662).
pub(crate) struct Introspection {
    /// Where; discovered without one.
    pub(crate) endpoint: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_secret: Zeroizing<String>,
    /// How often, in seconds.
    pub(crate) every: u64,
    /// For how long a good answer counts, in seconds.
    pub(crate) stale: u64,
}

impl Settings {
    /// How often the issuer is asked about a session from which tokens are derived, and for how long a good answer counts, in
    /// seconds; none where it is not asked.
    #[must_use]
    pub fn asked(&self) -> Option<(u64, u64)> {
        self.introspection.as_ref().map(|asking| (asking.every, asking.stale))
    }
}

/// Reads the file.
pub(crate) fn read(path: &Path) -> Result<Vec<Settings>, Fault> {
    let wrong = |why: String| fault(format!("{}: {why}", path.display()));
    let (text, _) = text(path, MAX_FILE).map_err(&wrong)?;
    if !text.trim_start().starts_with('{') || !xbind::is_strict_json(&text) {
        return Err(wrong("no JSON object, or a member stands twice".to_owned()));
    }
    let file: File = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if file.issuers.len() > MAX_ISSUERS {
        return Err(wrong(format!("there are {MAX_ISSUERS} issuers at most")));
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut names = HashSet::new();
    let mut all = Vec::new();
    for entry in file.issuers {
        let issuer = entry.issuer.clone();
        if !names.insert(issuer.clone()) {
            return Err(wrong(format!("{issuer} stands there twice")));
        }
        all.push(settings(entry, folder).map_err(|why| wrong(format!("{issuer}: {why}")))?);
    }
    Ok(all)
}

fn settings(entry: Entry, folder: &Path) -> Result<Settings, String> {
    check_url(&entry.issuer)?;
    if entry.issuer.contains('?') || !is_name(&entry.issuer) {
        return Err("an issuer has no query, and 512 bytes at most".to_owned());
    }
    let named = [Some(&entry.audience), entry.client_id.as_ref()];
    if !named.into_iter().flatten().all(|name| is_name(name)) {
        return Err("an audience and a client_id have 1 to 512 bytes without control characters".to_owned());
    }
    if entry.algorithms.is_empty() {
        return Err("say which algorithms: RS256, ES256, EdDSA".to_owned());
    }
    entry.jwks_uri.as_deref().map(check_url).transpose()?;
    let max_age = entry.max_age.unwrap_or(DEFAULT_MAX_AGE);
    if !MAX_AGES.contains(&max_age) {
        return Err(format!("max_age is {} to {} s", MAX_AGES.start(), MAX_AGES.end()));
    }
    Ok(Settings {
        client_id: entry.client_id.unwrap_or_else(|| entry.audience.clone()),
        issuer: entry.issuer,
        jwks_uri: entry.jwks_uri,
        audience: entry.audience,
        algorithms: entry.algorithms,
        introspection: entry.introspection.map(|asking| introspection(asking, folder)).transpose()?,
        max_age,
    })
}

fn introspection(asking: Asking, folder: &Path) -> Result<Introspection, String> {
    let Asking { endpoint, client_id, client_secret_file, every, stale } = asking;
    endpoint.as_deref().map(check_url).transpose()?;
    let every = every.unwrap_or(DEFAULT_EVERY);
    if !EVERIES.contains(&every) {
        return Err(format!("every is {} to {} s", EVERIES.start(), EVERIES.end()));
    }
    let usual = every.saturating_mul(DEFAULT_STALE).max(every.saturating_add(DEFAULT_LONGER));
    let least = every.max(TIMEOUT.as_secs()).saturating_add(MIN_LONGER);
    let stale = stale.unwrap_or(usual);
    if !(least..=MAX_STALE).contains(&stale) {
        let why = format!("{MIN_LONGER} more than every, and than a question may take");
        return Err(format!("stale is {least}, which is {why}, to {MAX_STALE} s"));
    }
    let path = folder.join(client_secret_file);
    let named = |why: String| format!("{}: {why}", path.display());
    let (secret, found) = text(&path, MAX_SECRET).map_err(named)?;
    // Whoever mounts secrets may do it by links, and for a group.
    if is_open_to(&found, 0o007) {
        return Err(named("it may be read by others: chmod 600".to_owned()));
    }
    let secret = Zeroizing::new(secret.trim_end_matches(['\r', '\n']).to_owned());
    if !is_name(&client_id) || secret.is_empty() || secret.chars().any(char::is_control) {
        return Err("client_id or secret is empty, or holds control characters".to_owned());
    }
    Ok(Introspection { endpoint, client_id, client_secret: secret, every, stale })
}

fn check_url(url: &str) -> Result<(), String> {
    Target::parse(url, Whose::Owner).map(drop).map_err(|why| format!("{url}: {why}"))
}

/// A file that is no longer than that, whatever is said of its length; and what the system says of the one that was read.
fn text(path: &Path, max: usize) -> Result<(Zeroizing<String>, Metadata), String> {
    let cannot = |error: std::io::Error| error.to_string();
    // A pipe is waited for when it is opened.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("it is no file but a directory, a device or a pipe".to_owned());
    }
    let most = max.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    let file = fs::File::open(path).map_err(cannot)?;
    let found = file.metadata().map_err(cannot)?;
    file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > max {
        return Err(format!("the file has more than {max} bytes"));
    }
    let text = str::from_utf8(&bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    Ok((Zeroizing::new(text.to_owned()), found))
}
