//! What an operator says of a server behind the gateway, and the secrets that it wants.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use xbind_net::upstream::UpstreamTimes;
use zeroize::Zeroizing;

use super::{Upstream, file};

/// The longest key, in bytes.
const MAX_SECRET: usize = 4096;
/// The longest name of a variable that is shown, in bytes: keys are longer.
const MAX_VARIABLE: usize = 32;

/// Reads what is said of one.
pub(super) fn read(
    one: file::Upstream,
    folder: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Upstream, String> {
    let mut fields = HeaderMap::new();
    for (name, value) in &one.fields {
        let read = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        let (Ok(name), Ok(value)) = read else { return Err(format!("{name:?} is no field, or has no value of one")) };
        if MADE.contains(&name.as_str()) {
            return Err(format!("the field {name} is made here"));
        }
        fields.insert(name, value);
    }
    if let Some(key) = one.key {
        // What stands in its place may be the key itself, which no message shows.
        let key = serde_json::from_value(key);
        let key = key.map_err(|_| r#"key is { "file": path } or { "env": name }, never the key itself"#.to_owned())?;
        let key = secret(key, folder, variable)?;
        let (name, value) = match one.header.unwrap_or(file::KeyHeader::Authorization) {
            file::KeyHeader::Authorization => ("authorization", Zeroizing::new(format!("Bearer {}", *key))),
            file::KeyHeader::XApiKey => ("x-api-key", key),
            file::KeyHeader::ApiKey => ("api-key", key),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| "the key cannot stand in a field".to_owned())?;
        value.set_sensitive(true);
        fields.insert(name, value);
    } else if one.header.is_some() {
        return Err("header says where a key goes, and there is none".to_owned());
    }
    let seconds = |said: Option<u64>, usual: u64, name: &str| match said.unwrap_or(usual) {
        seconds @ 1..=3600 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{name} is 1 to 3600 s")),
    };
    let times = UpstreamTimes {
        connect: seconds(one.connect_timeout, 10, "connect_timeout")?,
        head: seconds(one.timeout, 300, "timeout")?,
        idle: seconds(one.idle_timeout, 120, "idle_timeout")?,
    };
    Ok(Upstream { url: one.url, fields, times })
}

/// Fields that are made for each request.
const MADE: [&str; 11] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
];

fn secret(
    secret: file::Secret,
    folder: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Zeroizing<String>, String> {
    let read = match secret {
        file::Secret::File(path) => {
            let path = folder.join(path);
            let named = |why: String| format!("{}: {why}", path.display());
            let found = fs::metadata(&path).map_err(|error| named(error.to_string()))?;
            // Whoever mounts secrets may do it by links, and for a group.
            if xbind_server::files::is_open_to(&found, 0o007) {
                return Err(named("it may be read by others: chmod 600".to_owned()));
            }
            text(&path, MAX_SECRET).map_err(named)?
        }
        file::Secret::Env(name) => {
            // It may be the key itself.
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let shown = if is_name && name.len() <= MAX_VARIABLE { &*name } else { "of that name" };
            Zeroizing::new(variable(&name).ok_or_else(|| format!("the environment has no variable {shown}"))?)
        }
    };
    let key = Zeroizing::new(read.trim_end_matches(['\r', '\n']).to_owned());
    let is_plain = key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || !is_plain {
        Err("the key is empty, or not of printable characters".to_owned())
    } else {
        Ok(key)
    }
}

/// A file that is no longer than that, whatever is said of its length.
pub(super) fn text(path: &Path, max: usize) -> Result<Zeroizing<String>, String> {
    let cannot = |error: std::io::Error| error.to_string();
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("it is no file but a directory, a device or a pipe".to_owned());
    }
    let most = max.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    let file = fs::File::open(path).map_err(cannot)?;
    file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > max {
        return Err(format!("the file has more than {max} bytes"));
    }
    String::from_utf8(bytes.to_vec()).map(Zeroizing::new).map_err(|_| "the file is not UTF-8".to_owned())
}
