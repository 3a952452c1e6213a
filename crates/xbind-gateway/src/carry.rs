//! A request that is carried to a model's server and its answer back, in a task of its own: whoever asked may be gone, and what was
//! reserved is settled all the same.

use std::sync::Arc;

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;
use xbind::MessageId;
use xbind_net::FetchError;
use xbind_net::upstream::{Reply, ReplyBody};

use crate::answer::Body;
use crate::api::Api;
use crate::app::App;
use crate::books::{About, End};
use crate::budget::{Account, Charge, Exhausted};
use crate::caller::Once;
use crate::config::{Limits, Model};
use crate::forward::Answered;
use crate::passing::Passing;
use crate::problem::{Kind, Problem, Result};
use crate::running::Place;
use crate::usage::{Kind as Form, Usage};

/// The longest answer of a server that refuses, in bytes.
const MAX_REFUSAL: usize = 64 * 1024;
/// The status in records of an answer whose reader was gone before it began.
const GONE: u16 = 499;
/// What is answered by who has waited too long for another.
const IMPATIENT: [u16; 3] = [408, 504, 524];
/// Why an answer ended early that nobody waited for any more.
pub(crate) const CLIENT_GONE: &str = "CLIENT_GONE";

/// Everything that a request needs from here on.
pub(crate) struct Job {
    pub(crate) id: MessageId,
    pub(crate) about: About,
    pub(crate) accounts: Vec<Account>,
    pub(crate) most: Charge,
    pub(crate) once: Vec<Once>,
    pub(crate) request: Sending,
}

/// What is sent, and what it holds meanwhile.
pub(crate) struct Sending {
    pub(crate) api: Api,
    pub(crate) model: Model,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) hides_usage: bool,
    pub(crate) place: Place,
    pub(crate) room: OwnedSemaphorePermit,
}

/// What became of it until its first byte.
pub(crate) enum Begun {
    /// It is answered.
    Answered(Response<Body>),
    /// A budget does not cover it: nothing was reserved.
    Exhausted(Exhausted),
    /// It was paid for, and came to nothing.
    Failed(Problem),
}

/// Carries a request on, and waits for the head of its answer.
///
/// # Errors
/// Those of reserving: nothing was reserved.
pub(crate) async fn begin(app: &Arc<App>, job: Job) -> Result<Begun> {
    let (tell, told) = oneshot::channel();
    app.tasks.spawn(carry(app.clone(), job, tell));
    told.await.unwrap_or_else(|_| Err(Problem::internal()))
}

type Tell = oneshot::Sender<Result<Begun>>;

async fn carry(app: Arc<App>, job: Job, tell: Tell) {
    let Job { id, accounts, most, once, about, request } = job;
    let name = about.model.clone();
    let mut open = match app.books.open_account(id, about, (accounts, most), once).await {
        Ok(Ok(open)) => open,
        Ok(Err(exhausted)) => return drop(tell.send(Ok(Begun::Exhausted(exhausted)))),
        Err(problem) => return drop(tell.send(Err(problem))),
    };
    send(&app, request, &mut open.end, tell).await;
    app.metrics.ended(&name, &open.end, most);
}

/// Nothing was used where nothing was begun.
const NOTHING: Option<(Usage, Charge)> =
    Some((Usage { input: 0, cached: 0, written: 0, output: 0 }, Charge { tokens: 0, money: 0 }));

async fn send(app: &App, request: Sending, end: &mut End, mut tell: Tell) {
    let Sending { api, body, hides_usage, model, fields, mut place, room } = request;
    if tell.is_closed() {
        end.used = NOTHING;
        return gone(end);
    }
    let sent = tokio::select! {
        sent = app.upstreams.send(&model, api, &fields, &body) => sent,
        problem = place.cut() => Err((problem, true)),
        () = tell.closed() => return gone(end),
    };
    drop((body, room));
    let Answered { by, mut reply } = match sent {
        Ok(answered) => answered,
        Err((problem, may_have_begun)) => {
            end.used = NOTHING.filter(|_| !may_have_begun);
            return fail(if may_have_begun { problem.once() } else { problem }, end, tell);
        }
    };
    end.upstream = Some(by);
    if !(200..300).contains(&reply.status) {
        // Who refuses charges nothing; one in between that has lost its patience has asked somebody.
        end.used = NOTHING.filter(|_| !IMPATIENT.contains(&reply.status));
        return refused(reply, &app.config.limits, place, end, tell).await;
    }
    if is_coded(&reply) {
        let why = "the model's server compresses its answer, which was not asked for";
        return fail(Problem::new(Kind::UpstreamFailed, why).once(), end, tell);
    }
    let content_type = reply.fields.get(header::CONTENT_TYPE).cloned();
    let form = content_type.as_ref().and_then(|value| Form::of(value.to_str().ok()?)).unwrap_or(Form::Json);
    // Who waits for a text hears of a server that breaks off before it; who waits for events is told at once that they will come.
    let first = if form == Form::Json {
        let first = tokio::select! {
            first = timeout(app.config.limits.answer, reply.body.next()) => first.unwrap_or(Some(Err(FetchError::BrokenOff))),
            problem = place.cut() => return fail(problem, end, tell),
            () = tell.closed() => return gone(end),
        };
        match first.transpose() {
            Ok(first) => first,
            Err(why) => return fail(broken_off(why).once(), end, tell),
        }
    } else {
        None
    };
    end.status = reply.status;
    let (pieces, body) = Body::passing();
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    let content_type = content_type.unwrap_or_else(|| HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if let Some(length) = reply.fields.get(header::CONTENT_LENGTH).filter(|_| form == Form::Json) {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.clone());
    }
    drop(tell.send(Ok(Begun::Answered(response))));
    let passing = Passing::new(api, form, hides_usage, pieces);
    passing.run(&app.config.limits, &model.price, (first, reply.body), place, end).await;
}

/// Nobody waits for the answer any more.
fn gone(end: &mut End) {
    *end = End {
        status: GONE,
        used: end.used,
        upstream: end.upstream.take(),
        code: Some(CLIENT_GONE.to_owned()),
        answer: None,
    };
}

/// An answer that ends before its end.
pub(crate) fn broken_off(why: FetchError) -> Problem {
    Problem::new(Kind::UpstreamFailed, "the model's server broke off its answer").because(why)
}

fn is_coded(reply: &Reply) -> bool {
    reply.fields.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
}

fn fail(problem: Problem, end: &mut End, tell: Tell) {
    end.status = problem.kind().status();
    end.code = Some(problem.record_code());
    drop(tell.send(Ok(Begun::Failed(problem))));
}

/// What a server says that refuses is told, unless it is about the gateway's own credentials or a fault.
async fn refused(reply: Reply, limits: &Limits, mut place: Place, end: &mut End, mut tell: Tell) {
    let (status, is_plain) = (reply.status, !is_coded(&reply));
    let Reply { fields, body, .. } = reply;
    let text = if matches!(status, 400 | 404 | 409 | 413 | 422 | 429) && is_plain {
        tokio::select! {
            text = timeout(limits.answer, whole(body)) => text.ok().flatten(),
            problem = place.cut() => return fail(problem, end, tell),
            () = tell.closed() => return gone(end),
        }
    } else {
        None
    };
    let Some(text) = text else {
        let problem = Problem::new(Kind::UpstreamFailed, "the model's server has refused the gateway, or failed");
        let problem = problem.because(format!("status {status}"));
        return fail(if status < 500 || IMPATIENT.contains(&status) { problem.once() } else { problem }, end, tell);
    };
    end.status = status;
    end.code = Some("UPSTREAM_REFUSED".to_owned());
    let mut response = Response::new(Body::whole(text));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = fields.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    drop(tell.send(Ok(Begun::Answered(response))));
}

/// All of it, if it comes to its end and is not too long.
async fn whole(mut body: ReplyBody) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    while let Some(piece) = body.next().await {
        text.extend_from_slice(&piece.ok()?);
        if text.len() > MAX_REFUSAL {
            return None;
        }
    }
    Some(text)
}
