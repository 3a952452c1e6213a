//! Keys of the transit engine of a Vault or OpenBao server: `POST /v1/<mount>/sign/<key>`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use xbind::VerifyingKey;

use super::{Answer, Keeper, MAX_PATIENCE, Result, Signer, SignerFault, elsewhere, patience, secret, within};
use crate::{Ask, FetchError, Fetcher, Roots, Settings, Target, Whose, tls};

/// The longest answer.
const MAX_BYTES: usize = 64 << 10;
/// How long it may take to tell its keys.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A key of a transit engine, with all its versions: each is a key of its own, and known by its public key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultKey {
    /// `https://vault.example:8200`; on this machine http as well.
    pub url: String,
    /// Its name there.
    pub key: String,
    /// Where the engine is mounted; `transit` without.
    #[serde(default)]
    pub mount: Option<String>,
    /// In which namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// A file with the token, read for each request.
    pub token_file: PathBuf,
    /// A PEM file with certificates to trust beside the usual ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long a signature may take, in milliseconds: 5000 without, at most 30,000.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// The server, and the path of a key.
struct Engine {
    fetcher: Fetcher,
    url: String,
    mount: String,
    key: String,
    namespace: Option<String>,
    token_file: PathBuf,
}

/// One version of a key.
struct Version {
    engine: Arc<Engine>,
    number: u64,
}

#[derive(Deserialize)]
struct Said<T> {
    data: T,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    derived: bool,
    keys: BTreeMap<u64, PublicKey>,
}

#[derive(Deserialize)]
struct PublicKey {
    public_key: String,
}

#[derive(Deserialize)]
struct Signed {
    signature: String,
}

impl VaultKey {
    pub(super) async fn open(&self) -> Result<Vec<Signer>> {
        let patience = patience(self.timeout_ms)?;
        let mut engine = self.engine()?;
        let asking = async {
            if let Some(file) = &self.ca_file {
                let pem = elsewhere(file, |file| tls::read(file).map_err(|_| FetchError::Roots.into())).await?;
                let roots = Roots { pem: vec![pem], files: Vec::new() };
                roots.check()?;
                engine.fetcher = Fetcher::new(Settings { roots, ..Settings::default() });
            }
            engine.ask::<Keys>("GET", "keys", Vec::new()).await
        };
        let Keys { kind, derived, keys } = within(TIMEOUT, asking).await??;
        let engine = Arc::new(engine);
        if kind != "ed25519" || derived {
            return Err(SignerFault::NotEd25519);
        }
        let signers = keys.into_iter().rev().map(|(number, PublicKey { public_key })| {
            let bytes = STANDARD.decode_to_vec(&public_key).map_err(|_| SignerFault::Strange)?;
            let key = VerifyingKey::from_slice(&bytes).map_err(|_| SignerFault::NotEd25519)?;
            Ok(Signer::new(key, Box::new(Version { engine: engine.clone(), number }), patience))
        });
        let signers = signers.collect::<Result<Vec<_>>>()?;
        if signers.is_empty() { Err(SignerFault::NoKey) } else { Ok(signers) }
    }

    fn engine(&self) -> Result<Engine> {
        let url = self.url.strip_suffix('/').unwrap_or(&self.url);
        let target = Target::parse(url, Whose::Owner)?;
        let scheme = if target.secure() { "https" } else { "http" };
        if url != format!("{scheme}://{}", target.authority()) {
            return Err(SignerFault::Config("the signer's address has more than scheme, host and port"));
        }
        let mount = self.mount.as_deref().unwrap_or("transit");
        let is_plain = |name: &str| {
            let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !name.is_empty() && !name.starts_with('.') && name.len() <= 128 && name.bytes().all(of_name)
        };
        if !is_plain(&self.key) || !mount.split('/').all(is_plain) {
            return Err(SignerFault::Config(
                "the signer's key and mount are letters, digits, hyphens, dots and underscores",
            ));
        }
        if self.namespace.as_ref().is_some_and(|name| !name.split('/').all(is_plain)) {
            return Err(SignerFault::Config("the signer's namespace is no plain name"));
        }
        Ok(Engine {
            fetcher: Fetcher::new(Settings::default()),
            url: url.to_owned(),
            mount: mount.to_owned(),
            key: self.key.clone(),
            namespace: self.namespace.clone(),
            token_file: self.token_file.clone(),
        })
    }
}

impl Engine {
    /// Asks, with the token that is in the file. One that was replaced meanwhile is tried, too.
    async fn ask<T: DeserializeOwned>(&self, method: &str, what: &str, body: Vec<u8>) -> Result<T> {
        let token = elsewhere(&self.token_file, secret).await?;
        let mut answer = self.ask_with(&token, method, what, body.clone()).await?;
        if answer.status == 403 {
            let now = elsewhere(&self.token_file, secret).await?;
            if now != token {
                answer = self.ask_with(&now, method, what, body).await?;
            }
        }
        match answer.status {
            200 => Ok(serde_json::from_slice::<Said<T>>(&answer.body).map_err(|_| SignerFault::Strange)?.data),
            404 => Err(SignerFault::NoKey),
            status => Err(SignerFault::Status(status)),
        }
    }

    async fn ask_with(&self, token: &str, method: &str, what: &str, body: Vec<u8>) -> Result<crate::Answer> {
        let url = format!("{}/v1/{}/{what}/{}", self.url, self.mount, self.key);
        let mut fields = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("x-vault-request".to_owned(), "true".to_owned()),
            ("x-vault-token".to_owned(), token.to_owned()),
        ];
        fields.extend(self.namespace.iter().map(|name| ("x-vault-namespace".to_owned(), name.clone())));
        if !body.is_empty() {
            fields.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let ask = Ask {
            method: method.to_owned(),
            target: Target::parse(&url, Whose::Owner)?,
            whose: Whose::Owner,
            fields,
            body,
            max_bytes: MAX_BYTES,
            timeout: Duration::from_millis(MAX_PATIENCE), // whoever asks has less
        };
        Ok(self.fetcher.ask(ask).await?)
    }
}

impl Keeper for Version {
    fn sign<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a> {
        Box::pin(async move {
            let input = STANDARD.encode_to_string(bytes);
            let body = format!(r#"{{"input":"{input}","key_version":{}}}"#, self.number);
            let Signed { signature } = self.engine.ask("POST", "sign", body.into_bytes()).await?;
            let signature = signature.rsplit(':').next().unwrap_or_default();
            STANDARD.decode_to_vec(signature).map_err(|_| SignerFault::Lied)
        })
    }
}
