use std::convert::Infallible;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use crate::{FetchError, Rules, Target};

/// The longest head of an answer: bytes and lines.
const MAX_HEAD: (usize, usize) = (16 * 1024, 64);

/// Asks once, and reads one answer with status 200.
pub(crate) async fn exchange<S>(stream: S, target: &Target, rules: &Rules) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (answer, _connection) = asked(stream, request(target, rules)?).await?;
    vet(&answer, rules)?;
    read(answer.into_body(), rules.max_bytes).await
}

/// Asks once, and reads one answer of whatever status.
pub(crate) async fn answered<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    max_bytes: usize,
) -> Result<(StatusCode, HeaderMap, Bytes), FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (answer, _connection) = asked(stream, request).await?;
    vet_codings(answer.headers())?;
    let (head, body) = answer.into_parts();
    Ok((head.status, head.headers, read(body, max_bytes).await?))
}

/// The head of an answer, and what its connection ends with.
async fn asked<S, B>(stream: S, request: Request<B>) -> Result<(Response<Incoming>, JoinSet<()>), FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut client = http1::Builder::new();
    client.max_buf_size(MAX_HEAD.0).max_headers(MAX_HEAD.1);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(|error| reason(&error))?;
    // Ends with its caller, whatever it waits for.
    let mut connections = JoinSet::new();
    connections.spawn(async move { drop(connection.await) });
    let answer = sender.send_request(request).await.map_err(|error| reason(&error))?;
    Ok((answer, connections))
}

fn request(target: &Target, rules: &Rules) -> Result<Request<Empty<Bytes>>, FetchError> {
    Request::get(target.path())
        .header(HOST, target.authority())
        .header(ACCEPT, &rules.accept)
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close")
        .header(USER_AGENT, "private.me-autogen")
        .body(Empty::new())
        .map_err(|_| FetchError::Internal)
}

fn vet(answer: &Response<Incoming>, rules: &Rules) -> Result<(), FetchError> {
    let headers = answer.headers();
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    vet_codings(headers)?;
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let expected = match (types.next(), types.next()) {
        (None, _) => true,
        (Some(media_type), None) => media_type.to_str().is_ok_and(|media_type| rules.expects(media_type)),
        (Some(_), Some(_)) => false,
    };
    if !expected {
        return Err(FetchError::MediaType);
    }
    match answer.body().size_hint().exact() {
        Some(length) if length > u64::try_from(rules.max_bytes).unwrap_or(u64::MAX) => {
            Err(FetchError::TooLong(rules.max_bytes))
        }
        _ => Ok(()),
    }
}

fn vet_codings(headers: &HeaderMap) -> Result<(), FetchError> {
    let is_plain = only(headers, CONTENT_ENCODING, "identity") && only(headers, TRANSFER_ENCODING, "chunked");
    is_plain.then_some(()).ok_or(FetchError::Encoded)
}

/// Whether a header is absent or says this.
fn only(headers: &HeaderMap, name: HeaderName, value: &str) -> bool {
    headers.get_all(name).iter().all(|said| said.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
}

async fn read(mut body: Incoming, max_bytes: usize) -> Result<Bytes, FetchError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| reason(&error))?.into_data() else { continue };
        if data.len() > max_bytes.saturating_sub(bytes.len()) {
            return Err(FetchError::TooLong(max_bytes));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

pub(crate) fn reason(error: &hyper::Error) -> FetchError {
    if error.is_parse() { FetchError::NotHttp } else { FetchError::BrokenOff }
}
