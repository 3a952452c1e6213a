//! The OpenAPI 3.1 document: made of the routes, so none is missing; the schemas stand in a file.

use serde_json::{Map, Value, json};

use crate::oauth::error::Code;
use crate::problem::Kind;
use crate::routes::{Access, ROUTES, Route};

/// JSON Schemas of bodies and answers.
const SCHEMAS: &str = include_str!("schemas.json");

/// Problems that any request can meet: one to a route that is open to all may be signed, too.
const ALWAYS: [Kind; 9] = [
    Kind::Malformed,
    Kind::NotProven,
    Kind::TooLarge,
    Kind::RateLimited,
    Kind::TooSlow,
    Kind::Replayed,
    Kind::Internal,
    Kind::Busy,
    Kind::TargetTooLong,
];
/// And any that has to be signed.
const SIGNED: [Kind; 1] = [Kind::AuditFailed];

/// The document of a server that is reached there.
#[must_use]
pub fn document(url: &str) -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "xbind authority",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An operator's trust domain. Requests are signed as HTTP Message Signatures (RFC 9421) with Ed25519.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": url }],
        "paths": paths,
        "components": {
            "schemas": serde_json::from_str::<Value>(SCHEMAS).unwrap_or_default(),
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Signature",
                    "description": "RFC 9421, with the parameter tag=\"xbind\": covers @method, @authority, @path, @query and the body's Content-Digest; keyid is a did:key",
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = Map::new();
    operation.insert("summary".to_owned(), route.summary.into());
    operation.insert("operationId".to_owned(), operation_id(route).into());
    let security = match route.access {
        Access::Signed => json!([{ "signature": [] }]),
        Access::Anybody => json!([{}, { "signature": [] }]),
        Access::Client | Access::Issuer => json!([]), // it proves itself in the form
    };
    operation.insert("security".to_owned(), security);
    let parameter = |place: &'static str| move |name: &str| json!({ "name": name, "in": place, "required": place == "path", "schema": schema_of(name) });
    let parts = parts(route.path).map(parameter("path"));
    let members = route.query.iter().copied().map(parameter("query"));
    let parameters: Vec<_> = parts.chain(members).collect();
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = route.body {
        operation
            .insert("requestBody".to_owned(), json!({ "required": true, "content": content(route.media(), body) }));
    }
    operation.insert("responses".to_owned(), responses(route));
    operation.into()
}

/// Of a part of a path or a member of a query.
fn schema_of(name: &str) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match name {
        "did" => text("^did:(key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}|agent:[a-z0-9-]+([.][a-z0-9-]+)+:[0-9a-f]{32})$"),
        "agent" => text("^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$"),
        "operator" | "id" | "token" => text("^[A-Za-z0-9_-]{22}$"),
        "name" => {
            text("^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){1,7}[.][a-z]{2,20}$")
        }
        "status" => json!({ "type": "string", "enum": ["active", "suspended", "revoked"] }),
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
        _ => json!({ "type": "integer", "minimum": 0 }),
    }
}

fn responses(route: &Route) -> Value {
    let (status, media, schema) = route.answer;
    let mut responses = Map::new();
    let done = if media.is_empty() {
        json!({ "description": "It is done" })
    } else {
        json!({ "description": "It is done", "content": content(media, schema) })
    };
    responses.insert(status.to_string(), done);
    if route.access.is_oauth() {
        for (status, codes) in errors(route) {
            let when: Vec<_> = codes.iter().map(|code| format!("{}: {}", code.name(), code.when())).collect();
            let error = json!({ "description": when.join("; "), "content": content("application/json", "OAuthError") });
            responses.insert(status.to_string(), error);
        }
        return responses.into();
    }
    for (status, kinds) in problems(route) {
        let titles: Vec<_> = kinds.iter().map(|kind| format!("{}: {}", kind.slug(), kind.title())).collect();
        let problem =
            json!({ "description": titles.join("; "), "content": content("application/problem+json", "Problem") });
        responses.insert(status.to_string(), problem);
    }
    responses.into()
}

/// All that a route may refuse with, by status.
#[must_use]
pub fn problems(route: &Route) -> Vec<(u16, Vec<Kind>)> {
    let signed = SIGNED.iter().filter(|_| route.access == Access::Signed);
    let body = [Kind::MediaType];
    let body = body.iter().filter(|_| route.body.is_some());
    let mut all: Vec<Kind> = ALWAYS.iter().chain(signed).chain(body).chain(route.problems).copied().collect();
    all.sort_by_key(|kind| (kind.status(), kind.slug()));
    all.dedup();
    let mut grouped: Vec<(u16, Vec<Kind>)> = Vec::new();
    for kind in all {
        match grouped.last_mut().filter(|(status, _)| *status == kind.status()) {
            Some((_, kinds)) => kinds.push(kind),
            None => grouped.push((kind.status(), vec![kind])),
        }
    }
    grouped
}

/// All that a route may refuse an OAuth client with, by status.
#[must_use]
pub fn errors(route: &Route) -> Vec<(u16, Vec<Code>)> {
    let always = problems(route).into_iter().flat_map(|(_, kinds)| kinds).chain(SIGNED).map(Code::of);
    let own = route.errors.iter().map(|code| (*code, code.status()));
    let mut grouped: Vec<(u16, Vec<Code>)> = Vec::new();
    for (code, status) in always.chain(own) {
        match grouped.iter_mut().find(|(known, _)| *known == status) {
            Some((_, codes)) if codes.contains(&code) => {}
            Some((_, codes)) => codes.push(code),
            None => grouped.push((status, vec![code])),
        }
    }
    grouped
}

fn content(media: &str, schema: &str) -> Value {
    let media = media.split(';').next().unwrap_or_default();
    json!({ media: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// `get_v1_names_name`.
fn operation_id(route: &Route) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let text: String = format!("{}{}", route.method.to_ascii_lowercase(), route.path).chars().map(plain).collect();
    text.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}
