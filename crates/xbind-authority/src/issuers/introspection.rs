//! Asking an issuer whether a token still counts (RFC 7662).

use std::fmt::Write as _;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use xbind::ErrorKind;
use xbind_net::{Ask, Target};
use zeroize::Zeroizing;

use crate::issuers::{Issuer, Refused};

/// How long one question may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// The longest code of a refusal that is shown, in bytes.
const MAX_CODE: usize = 64;

/// What an issuer says of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It counts, for that user.
    Active,
    /// It does not, any more.
    Inactive,
}

#[derive(Deserialize)]
struct Told {
    active: bool,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    iss: Option<String>,
}

impl Issuer {
    /// The same as [`activity`](Self::activity), for an agent of that operator that waits: few are asked about at once. And when it
    /// was asked, in seconds since the epoch.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn activity_in_turn(
        &self,
        operator: &str,
        token: &str,
        subject: &str,
    ) -> Result<(Activity, u64), Refused> {
        let turn = tokio::time::timeout(TIMEOUT, self.turns.enter(operator.to_owned())).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Refused::unavailable("the issuer is asked about too many tokens"));
        };
        let at = xbind_runtime::now();
        Ok((self.activity(token, subject).await?, at))
    }

    /// Whether a token of that user counts now; always where the issuer is not to be asked.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn activity(&self, token: &str, subject: &str) -> Result<Activity, Refused> {
        let Some(asking) = &self.settings.introspection else { return Ok(Activity::Active) };
        let cannot = |why: &dyn std::fmt::Display| {
            Refused::unavailable(format!("the issuer cannot be asked whether the token counts: {why}"))
        };
        let endpoint = self.introspection_endpoint();
        let endpoint = endpoint.ok_or_else(|| cannot(&"its discovery document has no introspection_endpoint"))?;
        let whose = self.whose(&endpoint);
        let credentials = Zeroizing::new(format!("{}:{}", form(&asking.client_id), form(&asking.client_secret)));
        let ask = Ask {
            method: "POST".to_owned(),
            target: Target::parse(&endpoint, whose).map_err(|why| cannot(&why))?,
            whose,
            fields: vec![
                ("accept".to_owned(), "application/json".to_owned()),
                ("authorization".to_owned(), format!("Basic {}", BASE64.encode(credentials.as_bytes()))),
                ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ],
            body: format!("token={}&token_type_hint=access_token", form(token)).into_bytes(),
            max_bytes: MAX_ANSWER,
            timeout: TIMEOUT,
        };
        let answer = self.fetcher.ask(ask).await.map_err(|why| cannot(&why))?;
        if answer.status != 200 {
            return Err(refusal(answer.status, &answer.body));
        }
        let text = str::from_utf8(&answer.body).unwrap_or_default();
        if !xbind::is_strict_json(text) || !text.trim_start().starts_with('{') {
            return Err(cannot(&"its answer is no JSON, or repeats a member"));
        }
        let told: Told = serde_json::from_str(text).map_err(|_| cannot(&"its answer does not say"))?;
        let is_his =
            told.sub.is_none_or(|sub| sub == subject) && told.iss.is_none_or(|iss| iss == self.settings.issuer);
        Ok(if told.active && is_his { Activity::Active } else { Activity::Inactive })
    }
}

/// What an issuer that says no may say of it (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct Denied {
    error: String,
}

/// It may know later, but where it says that it is asked what it does not tell: then what the file says of it is wrong.
fn refusal(status: u16, body: &[u8]) -> Refused {
    let denied: Option<Denied> = serde_json::from_slice(body).ok();
    let is_code = |error: &String| {
        (1..=MAX_CODE).contains(&error.len()) && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let error = denied.map(|denied| denied.error).filter(is_code);
    let said = error.as_ref().map(|error| format!(", {error}")).unwrap_or_default();
    let why = format!("the issuer cannot be asked whether the token counts: it answered {status}{said}");
    let is_final = matches!(status, 400 | 401 | 403)
        && error.is_some_and(|error| !matches!(&*error, "temporarily_unavailable" | "server_error" | "slow_down"));
    if is_final { Refused::because(ErrorKind::InvalidConfig, why) } else { Refused::unavailable(why) }
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B).
fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuers::{Settings, TURNS_EACH};

    #[tokio::test]
    async fn an_answer_is_as_old_as_the_question_and_no_older() {
        let settings = Settings {
            issuer: "https://a.example".to_owned(),
            jwks_uri: None,
            audience: String::new(),
            client_id: String::new(),
            algorithms: Vec::new(),
            introspection: None,
            max_age: 60,
        };
        let issuer = Issuer::new(settings, &xbind_net::Settings::default());
        let (answered, free_at) = loop {
            let mut turns = Vec::new();
            for _ in 0..TURNS_EACH {
                turns.push(issuer.turns.enter("op".to_owned()).await.unwrap());
            }
            let own = issuer.clone();
            let asking = tokio::spawn(async move { own.activity_in_turn("op", "token", "alice").await });
            let begun = xbind_runtime::now();
            while xbind_runtime::now() <= begun {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let free_at = xbind_runtime::now();
            drop(turns);
            // On a slow machine it may have waited for too long.
            if let Ok(answered) = asking.await.unwrap() {
                break (answered, free_at);
            }
        };
        assert!(answered.0 == Activity::Active && answered.1 >= free_at, "{answered:?} {free_at}");
    }
}
