//! From the head of a request to its answer, the same for all routes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::http::{HeaderMap, HeaderValue, Request, Response, header};
use xbind::Did;
use xbind::http::MAX_TARGET_BYTES;
use xbind::http::message::{RequestHead, ResponseHead};
use xbind::http::response::{self, ResponseDraft};
use xbind::http::verify::AuthenticRequest;
use xbind_server::{Left, Limiter, Peer, Rate, network};

use crate::app::App;
use crate::http::MAX_BODY;
use crate::http::call::{Answer, Call};
use crate::oauth::error::told;
use crate::problem::{Kind, Problem, Result};
use crate::routes::{Access, Route};

/// How long the signature of an answer counts, in seconds.
const ANSWER_TTL: u64 = 60;

/// What is announced of a rate: its name, its policy, what is left.
type Announced = (&'static str, Rate, Left);

/// What was found out on the way.
#[derive(Default)]
struct Seen {
    announced: Option<Announced>,
    address: Option<IpAddr>,
    from: Option<Did>,
    /// Whether an OAuth client asks, who reads no problems.
    to_client: bool,
    /// The head of a request whose signature holds: the answer is signed for it.
    signed: Option<Parts>,
    /// Whether somebody who is registered sent it, the first time and not too soon.
    is_known: bool,
}

impl Seen {
    /// A line of the log: the route and not the path, no field, no body; what was asked stands in the audit log.
    fn log(&self, app: &App, method: &str, path: &str, answered: &Result<Answer>, took: Duration) {
        if app.config().log.is_none() {
            return;
        }
        let problem = answered.as_ref().err();
        app.log(&serde_json::json!({
            "time": xbind_runtime::now(),
            "method": method,
            "route": path,
            "status": self.status(answered),
            "micros": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "address": self.address,
            "from": self.from.as_ref().map(Did::as_str),
            "problem": problem.map(|problem| problem.kind().slug()),
            "cause": problem.and_then(Problem::cause),
        }));
    }

    fn status(&self, answered: &Result<Answer>) -> u16 {
        match answered {
            Ok(answer) => answer.status,
            Err(problem) if self.to_client => told(problem).0,
            Err(problem) => problem.kind().status(),
        }
    }
}

/// Answers a request for that route.
pub(crate) async fn answer(app: Arc<App>, route: &'static Route, request: Request<Body>) -> Response<Body> {
    let began = Instant::now();
    let mut seen = Seen { to_client: route.access.is_oauth(), ..Seen::default() };
    let answered = run(&app, route, request, &mut seen).await;
    let took = began.elapsed();
    app.metrics.answered(route.path, seen.status(&answered), took);
    seen.log(&app, route.method, route.path, &answered, took);
    let mut response = respond(answered, seen.announced, seen.to_client);
    if let Some(request) = seen.signed.take() {
        sign(&app, &request, &mut response, &seen).await;
    }
    response.map(Body::from)
}

/// Answers a request that no route takes.
pub(crate) async fn refuse(app: Arc<App>, request: Request<Body>, kind: Kind, detail: &'static str) -> Response<Body> {
    let mut seen = Seen::default();
    let address = origin(&request, &mut seen);
    let limited = count(&app, address, &mut seen).and_then(|()| check_target(&request));
    let answered = limited.and_then(|()| Err(Problem::new(kind, detail)));
    app.metrics.answered("", seen.status(&answered), Duration::ZERO);
    seen.log(&app, "", "", &answered, Duration::ZERO);
    respond(answered, seen.announced, false).map(Body::from)
}

async fn run(app: &Arc<App>, route: &'static Route, request: Request<Body>, seen: &mut Seen) -> Result<Answer> {
    let address = origin(&request, seen);
    if route.access != Access::Issuer {
        count(app, address, seen)?;
    }
    match call(app, route, request, address, seen).await {
        Ok(call) => (route.handler)(call).await,
        Err(problem) => {
            if route.access == Access::Issuer {
                count(app, address, seen)?;
            }
            Err(problem)
        }
    }
}

async fn call(
    app: &Arc<App>,
    route: &'static Route,
    request: Request<Body>,
    address: IpAddr,
    seen: &mut Seen,
) -> Result<Call> {
    check_target(&request)?;
    let (mut parts, body) = request.into_parts();
    let path = RawPathParams::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| Problem::new(Kind::Malformed, "the path is not UTF-8"))?;
    let path = path.iter().map(|(_, value)| value.to_owned()).collect();
    let query = members(parts.uri.query().unwrap_or_default(), route.query)?;
    let now = xbind_runtime::now();
    let signed = match route.access {
        Access::Client | Access::Issuer => None,
        Access::Anybody if !parts.headers.contains_key("signature-input") => None,
        Access::Anybody | Access::Signed => {
            let signed = authenticate(app, &parts, now)?;
            seen.from = Some(*signed.from());
            seen.signed = Some(parts.clone());
            Some(signed)
        }
    };
    let body = read(app, &parts, body).await?;
    let now = xbind_runtime::now();
    if let Some(signed) = &signed {
        let is_known = app.verifier.accept(&app.store, signed, &body, now)?;
        // Copies of what it has signed use up nothing of its own.
        let left = take(&app.by_did, *signed.from());
        seen.announced = left.as_ref().ok().map(|left| ("did", app.by_did.rate(), *left));
        left?;
        seen.is_known = is_known;
    }
    if body.is_empty() == route.body.is_some() {
        return Err(Problem::new(
            Kind::Malformed,
            if body.is_empty() { "the request has no body" } else { "this request has no body" },
        ));
    }
    if route.body.is_some() && !is(route.media(), &parts) {
        return Err(Problem::new(Kind::MediaType, format!("the body has to be {}", route.media())));
    }
    let fields = parts.headers;
    Ok(Call { app: app.clone(), path, query, fields, body, signed, address, now })
}

/// Whence it comes: of IPv6, its /64.
fn origin(request: &Request<Body>, seen: &mut Seen) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    seen.address = Some(peer);
    network(peer)
}

fn count(app: &App, address: IpAddr, seen: &mut Seen) -> Result<()> {
    let left = take(&app.by_address, address);
    seen.announced = left.as_ref().ok().map(|left| ("address", app.by_address.rate(), *left));
    left.map(drop)
}

fn check_target(request: &Request<Body>) -> Result<()> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET_BYTES) {
        return Err(Problem::new(
            Kind::TargetTooLong,
            format!("a request target has {MAX_TARGET_BYTES} bytes at most"),
        ));
    }
    Ok(())
}

pub(crate) fn take<K: Eq + std::hash::Hash>(limiter: &Limiter<K>, key: K) -> Result<Left> {
    limiter.check(key).map_err(|wait| {
        Problem::new(Kind::RateLimited, format!("the next request may come in {wait} s")).with_retry_after(wait)
    })
}

fn authenticate(app: &App, parts: &Parts, now: u64) -> Result<AuthenticRequest> {
    if parts.uri.authority().is_some() {
        return Err(Problem::new(Kind::Malformed, "the request target does not begin with a slash"));
    }
    let fields = fields(&parts.headers).ok_or_else(|| Problem::new(Kind::Malformed, "a header field is not UTF-8"))?;
    Ok(app.verifier.authenticate(&head(app, parts, &fields), now)?)
}

fn fields(headers: &HeaderMap) -> Option<Vec<(&str, &str)>> {
    headers.iter().map(|(name, value)| Some((name.as_str(), str::from_utf8(value.as_bytes()).ok()?))).collect()
}

fn head<'a>(app: &App, parts: &'a Parts, fields: &'a [(&'a str, &'a str)]) -> RequestHead<'a> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    RequestHead { method: parts.method.as_str(), scheme: app.scheme(), authority: None, target, fields }
}

/// Signs what is answered to a signed request, for it alone. What cannot be signed goes out as it is: nobody takes it for
/// signed. Strangers have a small part of what a signer elsewhere can do, and of that each address has a part.
async fn sign(app: &App, request: &Parts, response: &mut Response<Bytes>, seen: &Seen) {
    let keys = app.keys.now();
    let Ok(signer) = keys.current() else { return };
    let prepared = || {
        let (asked, said) = (fields(&request.headers)?, fields(response.headers())?);
        let answer = ResponseHead { status: response.status().as_u16(), fields: &said };
        let draft = ResponseDraft { created: xbind_runtime::now(), ttl: ANSWER_TTL };
        response::prepare(signer.did(), &answer, response.body(), &head(app, request, &asked), draft).ok()
    };
    let Some(unsigned) = prepared() else { return };
    let signature = if seen.is_known || signer.is_here() {
        signer.sign(unsigned.to_sign()).await
    } else {
        let Some(place) = seen.address.and_then(|address| app.for_strangers.enter(address)) else { return };
        let (signer, text) = (signer.clone(), unsigned.to_sign().to_owned());
        // It goes on although nobody waits for it any more, and so its place is taken for as long.
        let signing = tokio::spawn(async move {
            let _place = place;
            signer.sign(&text).await
        });
        signing.await.unwrap_or_else(|_| Err(Problem::internal()))
    };
    let Ok(signature) = signature else { return };
    for (name, value) in unsigned.finish(&signature) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

async fn read(app: &App, parts: &Parts, body: Body) -> Result<Bytes> {
    let too_large = || Problem::new(Kind::TooLarge, format!("a body has {MAX_BODY} bytes at most"));
    let said = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if said.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    let all = tokio::time::timeout(app.config().times.body, Limited::new(body, MAX_BODY).collect());
    match all.await {
        Ok(Ok(all)) => Ok(all.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Kind::Malformed, "the body ended before its end")),
        Err(_) => Err(Problem::new(Kind::TooSlow, "the body did not come in time")),
    }
}

fn is(wanted: &str, parts: &Parts) -> bool {
    let Some(Ok(value)) = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let media = value.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case(wanted)
}

/// `a=1&b=2`: members that the route knows, each once.
fn members(query: &str, known: &[&str]) -> Result<Vec<(String, String)>> {
    let wrong = |why: String| Problem::new(Kind::Malformed, why);
    let mut members: Vec<(String, String)> = Vec::new();
    for member in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = member.split_once('=').unwrap_or((member, ""));
        let value = percent_decoded(value).ok_or_else(|| wrong("the query is not percent-encoded UTF-8".to_owned()))?;
        if !known.contains(&name) {
            return Err(wrong(format!("the query of this path has {}", shown(known))));
        }
        if members.iter().any(|(other, _)| other == name) {
            return Err(wrong(format!("{name} stands twice in the query")));
        }
        members.push((name.to_owned(), value));
    }
    Ok(members)
}

fn shown(known: &[&str]) -> String {
    if known.is_empty() { "no members".to_owned() } else { format!("the members {}", known.join(", ")) }
}

pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(hex).ok().filter(|hex| !hex.contains('+'))?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn respond(answered: Result<Answer>, announced: Option<Announced>, to_client: bool) -> Response<Bytes> {
    let (answer, problem) = match answered {
        Ok(answer) => (answer, None),
        Err(problem) if to_client => {
            let (status, body) = told(&problem);
            let (content_type, body) = ("application/json", body.into());
            (Answer { status, content_type, max_age: None, body }, Some(problem))
        }
        Err(problem) => {
            let body = problem.json().into();
            let status = problem.kind().status();
            let content_type = "application/problem+json";
            (Answer { status, content_type, max_age: None, body }, Some(problem))
        }
    };
    let mut response = Response::new(answer.body);
    *response.status_mut() = hyper::StatusCode::from_u16(answer.status).unwrap_or_default();
    let fields = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            fields.insert(name, value);
        }
    };
    if !answer.content_type.is_empty() {
        set("content-type", answer.content_type.to_owned());
    }
    set("cache-control", answer.max_age.map_or_else(|| "no-store".to_owned(), |age| format!("public, max-age={age}")));
    set("x-content-type-options", "nosniff".to_owned());
    if let Some((name, rate, left)) = announced {
        let window = rate.burst.div_ceil(rate.per_second.max(1));
        set("ratelimit-policy", format!("\"{name}\";q={};w={window}", rate.burst));
        set("ratelimit", format!("\"{name}\";r={};t={}", left.remaining, left.full_in));
    }
    if let Some(problem) = problem {
        if let Some(seconds) = problem.retry_after() {
            set("retry-after", seconds.to_string());
        }
        if problem.kind() == Kind::NotProven && !to_client {
            set("www-authenticate", "Signature profile=\"xbind\"".to_owned());
            let covered = "xbind=(\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\");tag=\"xbind\"";
            set("accept-signature", covered.to_owned());
        }
    }
    response
}
