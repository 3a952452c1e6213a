//! Asks a server, and compares what comes with its OpenAPI document.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xbind::SigningKey;
use xbind_authority::openapi;
use xbind_authority::routes::{ROUTES, Route};

use super::client::{Request, Response};
use super::issuer::{IssuerKey, IssuerServer};
use super::oauth::form;
use super::story::Story;

/// What was met: a route and a status, or a problem.
pub type Met = BTreeSet<(String, String)>;

pub struct Probe {
    pub story: Story,
    /// Whose users there are; its key is the one of the seed 1.
    pub issuer: IssuerServer,
    document: Value,
    pub met: Met,
}

pub fn name(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

fn route_of(method: &str, target: &str) -> &'static Route {
    let path = target.split('?').next().unwrap();
    let fits = |pattern: &str| {
        let (a, b): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || a.starts_with('{'))
    };
    let route = ROUTES.iter().find(|route| route.method == method && fits(route.path));
    route.unwrap_or_else(|| panic!("no route takes {method} {target}"))
}

impl Probe {
    pub fn new() -> Self {
        let issuer = IssuerServer::start();
        issuer.publishes(&[("k", &IssuerKey::ed25519(1))]);
        let entry = json!({ "issuer": issuer.url(), "audience": "authority", "algorithms": ["EdDSA"] });
        let mut story = Story::with(|config| {
            let file = config.directory.with_file_name("issuers.json");
            std::fs::write(&file, json!({ "issuers": [entry] }).to_string()).unwrap();
            config.issuers = Some(file);
        });
        let document = story.client.get("/openapi.json").expect(200).json();
        Self { story, issuer, document, met: Met::new() }
    }

    #[track_caller]
    pub fn ask(
        &mut self,
        key: Option<&SigningKey>,
        method: &str,
        target: &str,
        body: Option<Value>,
        what: &str,
    ) -> Response {
        let request = Request::new(method, target, body.as_ref());
        let host = self.story.client.host();
        let request = match key {
            Some(key) => request.signed(key, &host),
            None => request,
        };
        let response = self.send(method, target, &request, what);
        if let Some(body) = body.filter(|_| response.status < 300) {
            let operation = &self.document["paths"][route_of(method, target).path][method.to_lowercase()];
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            fits(&self.document, schema, &body, &format!("body of {}", name(route_of(method, target))));
        }
        response
    }

    /// A form, whose parameters fit the schema where it does what was asked.
    #[track_caller]
    pub fn form(&mut self, target: &str, parameters: &[(&str, &str)], what: &str) -> Response {
        let response = self.send("POST", target, &form(target, parameters), what);
        if response.status < 300 {
            let operation = &self.document["paths"][target]["post"];
            let schema = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
            let body: Value = parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            fits(&self.document, schema, &body, &format!("body of POST {target}"));
        }
        response
    }

    /// What is asked as it stands.
    #[track_caller]
    pub fn send(&mut self, method: &str, target: &str, request: &Request, what: &str) -> Response {
        let response = self.story.client.send(request);
        let route = route_of(method, target);
        let status = response.status.to_string();
        let to_client = route.access.is_oauth();
        let said = match response.status {
            ..300 => status.clone(),
            _ if to_client => response.error(),
            _ => response.problem(),
        };
        assert_eq!(said, what, "{method} {target}: {response:?}");
        let problems = openapi::problems(route);
        let is_listed = if to_client {
            let errors = openapi::errors(route);
            errors
                .iter()
                .any(|(known, codes)| *known == response.status && codes.iter().any(|code| code.name() == said))
        } else {
            problems.iter().any(|(_, kinds)| kinds.iter().any(|kind| kind.slug() == said))
        };
        assert!(response.status < 300 || is_listed, "{} is not documented to refuse with {said}", name(route));
        self.met.insert((name(route), said));
        let path = route.path;
        let operation = &self.document["paths"][path][method.to_lowercase()];
        let documented = &operation["responses"][&status];
        assert!(documented.is_object(), "{} is not documented to answer {status}", name(route));
        let media = response.field("content-type").map(|media| media.split(';').next().unwrap());
        match media {
            None => assert!(documented.get("content").is_none() && response.body.is_empty()),
            Some(media) => {
                let schema = &documented["content"][media]["schema"];
                assert!(schema.is_object(), "{} does not document {media}", name(route));
                let value = if media.ends_with("json") { response.json() } else { json!(response.body) };
                fits(&self.document, schema, &value, &name(route));
            }
        }
        response
    }
}

/// The part of JSON Schema that the document uses.
fn fits(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(path) = schema["$ref"].as_str() {
        let found = document.pointer(path.strip_prefix('#').unwrap());
        return fits(document, found.unwrap_or_else(|| panic!("{path} leads nowhere")), value, place);
    }
    match schema["type"].as_str() {
        Some("string") => assert!(value.is_string(), "{place}: {value} is no string"),
        Some("integer") => assert!(value.is_u64(), "{place}: {value} is no number"),
        Some("boolean") => assert!(value.is_boolean(), "{place}: {value} is no boolean"),
        Some("array") => {
            for item in value.as_array().unwrap_or_else(|| panic!("{place}: {value} is no array")) {
                fits(document, schema.get("items").unwrap_or(&Value::Null), item, place);
            }
        }
        Some("object") => {
            let members = value.as_object().unwrap_or_else(|| panic!("{place}: {value} is no object"));
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(members.contains_key(required.as_str().unwrap()), "{place}: {required} is missing in {value}");
            }
            if let Some(properties) = schema["properties"].as_object() {
                for (member, value) in members {
                    let known = properties.get(member);
                    assert!(known.is_some() || place.contains("did.json"), "{place}: {member} is not documented");
                    fits(document, known.unwrap_or(&Value::Null), value, &format!("{place}.{member}"));
                }
            }
        }
        _ => {}
    }
    if let Some(options) = schema["enum"].as_array() {
        assert!(options.contains(value), "{place}: {value} is none of {options:?}");
    }
    if let Some(constant) = schema.get("const") {
        assert_eq!(constant, value, "{place}");
    }
}
