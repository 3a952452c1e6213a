//! A real authority, an operator (key 1) whose domain is proven, and its agent (key 2).

use serde_json::{Value, json};
use xbind::SigningKey;
use xbind_authority::{Config, Server};

use super::client::{Answer, Request, Wire};
use super::dns::DnsServer;
use super::tokens::AUDIENCE;
use super::{Folder, key};

pub struct Authority {
    folder: Folder,
    server: Option<Server>,
    address: std::net::SocketAddr,
    url: String,
    operator: String,
    scopes: Vec<String>,
}

impl Authority {
    pub fn start(scopes: &[&str]) -> Self {
        let (folder, dns) = (Folder::new(), DnsServer::start());
        let mut config = Config::new(folder.join("authority"));
        config.resolver = Some(dns.address);
        config.rate_per_address.burst = 1_000_000;
        config.rate_per_did.burst = 1_000_000;
        let server = Server::start(config).unwrap();
        let (address, url) = (server.address(), server.url().to_owned());
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let mut own = Self { folder, server: Some(server), address, url, operator: String::new(), scopes };
        let body = json!({ "domain": "example.com" });
        let told = own.ask(&key(1), "POST", "/v1/operators", Some(&body)).expect(200).json();
        dns.set(told["txt"]["name"].as_str().unwrap(), &[told["txt"]["value"].as_str().unwrap()]);
        own.operator = told["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/operators/{}/verification", own.operator);
        own.ask(&key(1), "POST", &path, Some(&body)).expect(200);
        let body = json!({ "operator": own.operator });
        let enrolment = own.ask(&key(2), "POST", "/v1/enrolments", Some(&body)).expect(200).json();
        let body = json!({ "did": key(2).did().as_str(), "enrolment": enrolment["enrolment"], "scopes": own.scopes });
        let path = format!("/v1/operators/{}/agents", own.operator);
        own.ask(&key(1), "POST", &path, Some(&body)).expect(201);
        own
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn did(&self) -> String {
        self.server.as_ref().unwrap().did().to_string()
    }

    /// What it issues to the agent.
    pub fn token(&self) -> Value {
        let body = json!({ "did": key(2).did().as_str(), "audience": AUDIENCE, "scopes": self.scopes });
        let told = self.ask(&key(2), "POST", "/v1/challenges", Some(&body)).expect(200).json();
        let body = json!({ "challenge": told["challenge"], "audience": AUDIENCE, "scopes": self.scopes });
        self.ask(&key(2), "POST", "/v1/tokens", Some(&body)).expect(201).json()
    }

    pub fn revoke(&self, token: &Value) {
        let path = format!("/v1/tokens/{}/revocation", token["id"].as_str().unwrap());
        self.ask(&key(2), "POST", &path, Some(&json!({}))).expect(204);
    }

    pub fn suspend(&self) {
        let path = format!("/v1/operators/{}/agents/{}/status", self.operator, key(2).did());
        self.ask(&key(1), "PUT", &path, Some(&json!({ "status": "suspended" }))).expect(200);
    }

    pub fn stop(&mut self) {
        drop(self.server.take());
    }

    fn ask(&self, key: &SigningKey, method: &str, target: &str, body: Option<&Value>) -> Answer {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut request = body.map_or_else(|| Request::get(target), |body| Request::post(target, body));
        request.method = method.to_owned();
        let mut wire = Wire::to(self.address);
        wire.send(&request.signed_alone(key, host).bytes(host));
        wire.answer()
    }
}
