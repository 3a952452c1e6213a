//! From the head of a request to that of its answer, in this order: which path, who, may he, how often, what for, may he that,
//! approved, paid for, forwarded.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, Version};
use xbind::http::MAX_TARGET_BYTES;
use xbind::http::approval::ApprovalDemand;
use xbind::{Digest, Held, MessageId};
use xbind_server::{Left, Peer};

use crate::answer::Body;
use crate::api::Api;
use crate::app::App;
use crate::asked::{Asked, Terms, forwarded};
use crate::books::{About, End};
use crate::budget::{Charge, Exhausted, Unit, accounts};
use crate::caller::{Caller, Once};
use crate::carry::{self, Job, Sending};
use crate::config::Model;
use crate::problem::{Kind, Problem, Result};
use crate::running::Place;
use crate::{body, forward, holders, models};

/// What was found out on the way.
struct Seen {
    id: MessageId,
    api: Option<Api>,
    address: IpAddr,
    left: Option<Left>,
    /// Once it is proven who sends it, and what: it is on record then, however it ends.
    about: Option<About>,
    /// Which budget does not cover it.
    exhausted: Option<Exhausted>,
}

/// Somebody who is proven asks for something.
struct Case {
    api: Api,
    parts: Parts,
    caller: Caller,
    held: Held,
    place: Place,
}

/// What was asked for, and what it may cost.
struct Order<'a> {
    asked: Asked,
    model: &'a Model,
    most: Charge,
    once: Vec<Once>,
}

/// Answers a request.
pub(crate) async fn answer(app: Arc<App>, request: Request<Incoming>) -> Response<Body> {
    let began = Instant::now();
    let address = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let mut random = [0; 16];
    let is_random = xbind_runtime::random(&mut random).is_ok();
    let id = MessageId::from_bytes(random);
    let mut seen = Seen { id, api: None, address, left: None, about: None, exhausted: None };
    let mut answered = if is_random { run(&app, request, &mut seen).await } else { Err(Problem::internal()) };
    if let Err(problem) = answered {
        answered = Err(on_record(&app, &mut seen, problem).await);
    }
    let problem = answered.as_ref().err();
    let status =
        answered.as_ref().map_or_else(|problem| problem.kind().status(), |response| response.status().as_u16());
    app.metrics.answered(seen.api, status, began.elapsed());
    app.log(|| {
        serde_json::json!({
            "time": xbind_runtime::now(),
            "route": seen.api.map_or("", Api::path),
            "status": status,
            "micros": u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            "address": seen.address,
            "record": seen.id.text(),
            "problem": problem.map(|problem| problem.kind().slug()),
            "cause": problem.and_then(Problem::cause),
        })
    });
    let mut response = answered.unwrap_or_else(|problem| refusal(&seen, &problem));
    announce(&app, &seen, &mut response);
    response
}

async fn run(app: &Arc<App>, request: Request<Incoming>, seen: &mut Seen) -> Result<Response<Body>> {
    seen.api = Api::at(request.uri().path());
    let api = route(&request)?;
    if request.method().as_str() != api.method() {
        return Err(Problem::new(Kind::MethodNotAllowed, format!("the path takes {}", api.method())));
    }
    let (parts, body) = request.into_parts();
    let case = open(app, api, parts, seen).await?;
    if api == Api::Models {
        let is_granted = |scope: &str| case.may(app, &[scope.to_owned()]).is_ok();
        return Ok(json(200, models::list(&app.config.models, is_granted)));
    }
    if !is_json(&case.parts) {
        return Err(Problem::new(Kind::MediaType, "the body has to be application/json"));
    }
    let (body, room) = body::read(app, body).await?;
    let now = xbind_runtime::now();
    let once = app.door.accept(&case.caller, &body, now)?;
    let mut about = case.about(now, &body);
    seen.about = Some(about.clone());
    let order = order(app, &case, &body, once, &mut about, seen)?;
    let fields = forward::fields(api, &order.asked, &case.parts.headers, &seen.id.text())?;
    let terms = Terms {
        model: order.model.name.as_deref().unwrap_or(&order.asked.model),
        limit: order.model.max_output,
        limit_member: order.model.limit_member,
        adds_usage: true,
    };
    let job = Job {
        id: seen.id,
        about,
        accounts: accounts(&app.config.budgets, &holders::holders(&case.held.token), now),
        most: order.most,
        once: order.once,
        request: Sending {
            api,
            body: forwarded(api, &body, &order.asked, &terms)?,
            hides_usage: api == Api::Chat && order.asked.stream && !order.asked.wants_usage,
            model: order.model.clone(),
            fields,
            place: case.place,
            room,
        },
    };
    drop(body); // what is forwarded may be another
    match carry::begin(app, job).await? {
        carry::Begun::Answered(response) => {
            seen.about = None;
            Ok(response)
        }
        carry::Begun::Exhausted(exhausted) => {
            let problem = exhausted_budget(&exhausted, &app.config.currency, now);
            seen.exhausted = Some(exhausted);
            Err(problem)
        }
        carry::Begun::Failed(problem) => {
            seen.about = None; // what was reserved has its record
            Err(problem)
        }
    }
}

/// The path is one of ours, letter for letter, and nothing else is in the target: no host, no query.
fn route(request: &Request<Incoming>) -> Result<Api> {
    let uri = request.uri();
    if uri.authority().is_some() || uri.scheme().is_some() {
        return Err(Problem::malformed("the request target does not begin with a slash"));
    }
    if uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET_BYTES) {
        return Err(Problem::new(
            Kind::TargetTooLong,
            format!("a request target has {MAX_TARGET_BYTES} bytes at most"),
        ));
    }
    let api = Api::at(uri.path()).ok_or_else(|| Problem::new(Kind::NotFound, "there is no such path"))?;
    if uri.query().is_some() {
        return Err(Problem::malformed("the paths of this gateway have no query"));
    }
    read_in_one_way(request)?;
    Ok(api)
}

/// Whoever else reads the request on its way sees the same host, and the same end.
fn read_in_one_way(request: &Request<Incoming>) -> Result<()> {
    let count = |name: HeaderName| request.headers().get_all(name).iter().count();
    let least = usize::from(request.version() != Version::HTTP_10);
    if !(least..=1).contains(&count(header::HOST)) {
        return Err(Problem::malformed("the request has no field host, or more than one"));
    }
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let is_plain = codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !is_plain || count(header::TRANSFER_ENCODING) > 1 {
        return Err(Problem::malformed("the transfer-encoding is not chunked alone"));
    }
    Ok(())
}

/// Who sends it, whether what he presents holds, whether he may ask again now, and whether there is room for it.
async fn open(app: &Arc<App>, api: Api, parts: Parts, seen: &mut Seen) -> Result<Case> {
    let now = xbind_runtime::now();
    let proven = match app.door.caller(&parts, now) {
        Ok(caller) => app.rights.judge(&caller, now).await.map(|held| (caller, held)),
        Err(problem) => Err(problem),
    };
    let (caller, held) = match proven {
        Ok(proven) => proven,
        Err(problem) => return Err(app.refuse_stranger(seen.address, problem)),
    };
    // Nobody has more room by handing rights on.
    let holder = holders::first(&held.token);
    app.may_ask(holder, &mut seen.left)?;
    let place = app.running.enter(holder, held.token.clone())?;
    Ok(Case { api, parts, caller, held, place })
}

impl Case {
    fn may(&self, app: &App, scopes: &[String]) -> Result<()> {
        app.rights.judge_for(&self.held, &self.caller, scopes, xbind_runtime::now())
    }

    fn about(&self, now: u64, body: &[u8]) -> About {
        let token = &self.held.token;
        About {
            time: now,
            agent: token.subject().to_owned(),
            chain: holders::chain(token),
            root: holders::root_of(token),
            token: token.id().to_owned(),
            proof: self.caller.how().to_owned(),
            api: self.api,
            model: String::new(),
            request: Digest::of(body).text(),
            trace: forward::trace(&self.parts.headers).map(|(trace, _)| trace.to_owned()),
        }
    }
}

/// What is asked for, whether he may that, and whether somebody has approved it who has to.
fn order<'a>(
    app: &'a App,
    case: &Case,
    body: &Bytes,
    once: Option<Once>,
    about: &mut About,
    seen: &mut Seen,
) -> Result<Order<'a>> {
    let mut asked = Asked::read(case.api, body, &app.members)?;
    let (name, model) = app.config.models.get_key_value(&asked.model).ok_or_else(|| {
        Problem::new(
            Kind::UnknownModel,
            "there is no model of that name here: GET /v1/models names those that there are",
        )
    })?;
    // What strangers name it otherwise is in no record.
    about.model.clone_from(name);
    seen.about = Some(about.clone());
    if model.members != app.members {
        asked = Asked::read(case.api, body, &model.members)?;
    }
    let tools = asked.tools.iter().map(|tool| format!("tool:{tool}"));
    let wanted: Vec<String> = [model.scope.clone()].into_iter().chain(tools).collect();
    case.may(app, &wanted)?;
    if asked.at_the_model && !model.server_tools {
        let why = "the request names a tool that runs where the model does, which the operator does not allow for it";
        return Err(Problem::new(Kind::NotPermitted, why));
    }
    let input = asked.most_input(body.len(), model.context);
    let each = asked.max_output.unwrap_or(u64::MAX).min(model.max_output);
    let output = if case.api == Api::Embeddings { 0 } else { each.saturating_mul(asked.answers) };
    let money = model.price.most(input, output);
    let most = Charge { tokens: input.saturating_add(output), money };
    let mut once: Vec<Once> = once.into_iter().collect();
    if let Some(approval) = app.config.approval.as_ref().filter(|approval| money > approval.above) {
        let signed = case.caller.as_signed().ok_or_else(|| {
            let why =
                "the request may cost more than goes without an approval, which only a signed request brings along";
            Problem::new(Kind::ApprovalRequired, why)
        })?;
        let demand = ApprovalDemand { approvers: &approval.approvers, recipient: &app.audience };
        let used = app.door.verifier.approve(signed, body, &demand, xbind_runtime::now())?;
        once.push(Once { claim: format!("approval {}", used.claim), until: used.until });
    }
    Ok(Order { asked, model, most, once })
}

fn is_json(parts: &Parts) -> bool {
    let mut all = parts.headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return false };
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json") && !parts.headers.contains_key(header::CONTENT_ENCODING)
}

/// Puts a refusal of somebody who is proven on record, before he is told.
async fn on_record(app: &App, seen: &mut Seen, problem: Problem) -> Problem {
    let Some(about) = seen.about.take() else { return problem };
    let end = End { status: problem.kind().status(), code: Some(problem.record_code()), ..End::default() };
    match app.books.refuse(seen.id, about, end).await {
        Ok(()) => problem,
        Err(unrecorded) => unrecorded,
    }
}

fn exhausted_budget(exhausted: &Exhausted, currency: &str, now: u64) -> Problem {
    let Exhausted { budget, until, unit, left, limit, .. } = exhausted;
    let shown = |amount: u64| match unit {
        Unit::Tokens => format!("{amount} tokens"),
        Unit::Money => format!("{} {currency}", crate::money::shown(amount)),
    };
    let (left, limit) = (shown(*left), shown(*limit));
    let when = until.map_or_else(String::new, |until| format!("; it begins anew in {} s", until.saturating_sub(now)));
    let problem = Problem::new(
        Kind::BudgetExhausted,
        format!("the budget {budget} has {left} left of {limit}, and the request may cost more{when}"),
    );
    until.map_or(problem.clone(), |until| problem.with_retry_after(until.saturating_sub(now)))
}

fn json(status: u16, value: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(value));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn refusal(seen: &Seen, problem: &Problem) -> Response<Body> {
    let mut response = json(problem.kind().status(), problem.json(seen.api));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after() {
        fields.insert(header::RETRY_AFTER, seconds.into());
    }
    let kind = problem.kind();
    if kind == Kind::NotProven {
        fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Signature profile=\"xbind\", Bearer, DPoP"));
    }
    // Clients of models send again what has failed, unless they are told.
    if problem.is_final() {
        fields.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
    }
    if let Some(api) = seen.api.filter(|_| kind == Kind::MethodNotAllowed) {
        fields.insert(header::ALLOW, HeaderValue::from_static(api.method()));
    }
    response
}

/// What every answer bears: which record it has, and what is left of the rate or of the budget that was too small.
fn announce(app: &App, seen: &Seen, response: &mut Response<Body>) {
    let fields = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            fields.insert(HeaderName::from_static(name), value);
        }
    };
    set("xbind-record", seen.id.text());
    set("cache-control", "no-store".to_owned());
    set("x-content-type-options", "nosniff".to_owned());
    let rate = app.config.rate;
    if let Some(exhausted) = &seen.exhausted {
        let (left, limit) = (exhausted.left, exhausted.limit);
        set("ratelimit-policy", format!("\"budget\";q={limit}"));
        let now = xbind_runtime::now();
        let time = exhausted.until.map_or_else(String::new, |until| format!(";t={}", until.saturating_sub(now)));
        set("ratelimit", format!("\"budget\";r={left}{time}"));
    } else if let Some(left) = &seen.left {
        let window = rate.burst.div_ceil(rate.per_second.max(1));
        set("ratelimit-policy", format!("\"agent\";q={};w={window}", rate.burst));
        set("ratelimit", format!("\"agent\";r={};t={}", left.remaining, left.full_in));
    }
}
