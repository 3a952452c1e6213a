//! What most tests begin with: a server, an operator whose domain is proven, an agent.

use serde_json::{Value, json};
use xbind::SigningKey;
use xbind_authority::{Config, Server};

use super::client::Client;
use super::dns::DnsServer;
use super::{Folder, key};

pub const DOMAIN: &str = "example.com";

pub struct Story {
    pub folder: Folder,
    pub dns: DnsServer,
    pub server: Server,
    pub client: Client,
}

impl Story {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (folder, dns) = (Folder::new(), DnsServer::start());
        let mut config = Config::new(folder.join("authority"));
        config.resolver = Some(dns.address);
        config.rate_per_address.burst = 1_000_000;
        config.rate_per_did.burst = 1_000_000;
        change(&mut config);
        let server = Server::start(config).unwrap();
        let client = Client::new(server.address());
        Self { folder, dns, server, client }
    }

    /// Stops it and starts it anew.
    pub fn restart(&mut self) {
        self.restart_after(|| ());
    }

    /// The same, with something done in between.
    pub fn restart_after(&mut self, between: impl FnOnce()) {
        self.restart_with(|_| between());
    }

    /// The same, with something else in its configuration.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::new(self.folder.join("authority"));
        config.resolver = Some(self.dns.address);
        config.listen = self.server.address();
        config.rate_per_did.burst = 1_000_000;
        config.rate_per_address.burst = 1_000_000;
        let nothing = {
            let mut spare = Config::new(self.folder.join("spare"));
            spare.resolver = Some(self.dns.address);
            Server::start(spare).unwrap()
        };
        std::mem::replace(&mut self.server, nothing).stop();
        change(&mut config);
        self.server = Server::start(config).unwrap();
        self.client = Client::new(self.server.address());
    }

    /// The operator of a domain, whose TXT record is set as it is told to.
    pub fn operator(&mut self, operator: &SigningKey, domain: &str) -> String {
        let body = json!({ "domain": domain });
        let told = self.client.ask(operator, "POST", "/v1/operators", Some(&body)).expect(200).json();
        self.dns.set(told["txt"]["name"].as_str().unwrap(), &[told["txt"]["value"].as_str().unwrap()]);
        let id = told["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/operators/{id}/verification");
        let verified = self.client.ask(operator, "POST", &path, Some(&body)).expect(200).json();
        assert_eq!(verified["status"], "verified");
        id
    }

    pub fn agent(&mut self, operator: &SigningKey, id: &str, agent: &SigningKey, scopes: &[&str]) -> Value {
        let enrolment = self.client.ask(agent, "POST", "/v1/enrolments", Some(&json!({ "operator": id }))).expect(200);
        let body = json!({ "did": agent.did().as_str(), "enrolment": enrolment.json()["enrolment"], "scopes": scopes });
        let path = format!("/v1/operators/{id}/agents");
        self.client.ask(operator, "POST", &path, Some(&body)).expect(201).json()
    }

    /// An operator (key 1) and an agent (key 2).
    pub fn begun(&mut self, scopes: &[&str]) -> (String, SigningKey, SigningKey) {
        let (operator, agent) = (key(1), key(2));
        let id = self.operator(&operator, DOMAIN);
        self.agent(&operator, &id, &agent, scopes);
        (id, operator, agent)
    }

    pub fn challenge(&mut self, agent: &SigningKey, audience: &str, scopes: &[&str]) -> String {
        let body = json!({ "did": agent.did().as_str(), "audience": audience, "scopes": scopes });
        self.client.post("/v1/challenges", &body).expect(200).json()["challenge"].as_str().unwrap().to_owned()
    }

    pub fn token(&mut self, agent: &SigningKey, audience: &str, scopes: &[&str]) -> super::client::Response {
        let challenge = self.challenge(agent, audience, scopes);
        let body = json!({ "challenge": challenge, "audience": audience, "scopes": scopes });
        self.client.ask(agent, "POST", "/v1/tokens", Some(&body))
    }
}
