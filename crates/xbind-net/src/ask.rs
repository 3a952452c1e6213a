use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{ACCEPT_ENCODING, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use tokio::time::{Instant, timeout_at};

use crate::exchange::answered;
use crate::{FetchError, Fetcher, Target, Whose, thread};

/// A request of whatever method. It is sent once, and nothing of it is remembered.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `GET`, `POST` and the like.
    pub method: String,
    /// Where to.
    pub target: Target,
    /// Who named it, by whose rules the target was read.
    pub whose: Whose,
    /// Fields beside `host`, `connection`, `accept-encoding` and `user-agent`.
    pub fields: Vec<(String, String)>,
    /// What is sent along.
    pub body: Vec<u8>,
    /// The longest answer that is taken.
    pub max_bytes: usize,
    /// From looking up to the last byte of the answer.
    pub timeout: Duration,
}

/// What a server said, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The one media type that it names, without parameters, in lower case.
    pub media_type: String,
    /// All fields that are text, in lower case.
    pub fields: Vec<(String, String)>,
    /// What it sent.
    pub body: Vec<u8>,
}

impl Fetcher {
    /// Asks, and waits for the answer. Not for the threads of an executor.
    ///
    /// # Errors
    /// Any [`FetchError`] but those of documents.
    pub fn ask_and_wait(&self, ask: Ask) -> Result<Answer, FetchError> {
        let fetcher = self.clone();
        let (tell, told) = std::sync::mpsc::channel();
        thread::handle()?.spawn(async move {
            let asked = tokio::spawn(async move { fetcher.ask(ask).await });
            drop(tell.send(asked.await.unwrap_or(Err(FetchError::Internal))));
        });
        told.recv().unwrap_or(Err(FetchError::Internal))
    }

    /// Asks, on whatever executor of tokio this is awaited.
    ///
    /// # Errors
    /// Any [`FetchError`] but those of documents.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, FetchError> {
        let late = FetchError::Timeout(u64::try_from(ask.timeout.as_millis()).unwrap_or(u64::MAX));
        let deadline = Instant::now().checked_add(ask.timeout).ok_or(late)?;
        timeout_at(deadline, self.ask_until(deadline, ask)).await.unwrap_or(Err(late))
    }

    async fn ask_until(&self, deadline: Instant, ask: Ask) -> Result<Answer, FetchError> {
        let stream = self.ways().open(&ask.target, ask.whose, deadline).await?;
        let mut request = Request::builder()
            .method(ask.method.as_str())
            .uri(ask.target.path())
            .header(HOST, ask.target.authority())
            .header(ACCEPT_ENCODING, "identity")
            .header(CONNECTION, "close")
            .header(USER_AGENT, "private.me-autogen");
        for (name, value) in &ask.fields {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(ask.body))).map_err(|_| FetchError::Internal)?;
        let (status, headers, body) = answered(stream, request, ask.max_bytes).await?;
        let mut types = headers.get_all("content-type").iter().filter_map(|value| value.to_str().ok());
        let media_type = match (types.next(), types.next()) {
            (Some(media_type), None) => media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
            _ => String::new(),
        };
        let text =
            |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
        let fields = headers.iter().filter_map(text).collect();
        Ok(Answer { status: status.as_u16(), media_type, fields, body: body.to_vec() })
    }
}
