use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use xbind::{Card, Error, ErrorKind, VerifyingKey};
use xbind_runtime::transport::{Resolved, Resolver};

use super::refusal::{Refusal, Result};
use super::registry::Desk;
use super::wire::NameView;
use crate::thread;

/// How long it is believed where a name leads.
const KEPT: Duration = Duration::from_secs(30);
/// Names of one agent that are kept.
const MAX_NAMES: usize = 1024;
/// How far clocks may differ, in seconds.
const SKEW: u64 = 60;

/// Says where names lead, by the word of the authority.
pub(super) struct Names {
    desk: Arc<Desk>,
    known: Arc<Mutex<HashMap<String, (Instant, String)>>>,
}

impl Names {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, known: Arc::default() }
    }

    fn known(&self, name: &str) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).filter(|(since, _)| since.elapsed() < KEPT).map(|(_, to)| to.clone())
    }
}

impl Resolver for Names {
    fn resolve(&self, name: &str, done: Resolved) {
        // A name there is a label and a domain, in lower case: what cannot be one is nobody's.
        let is_whole = name.matches('.').count() >= 2 && !name.bytes().any(|byte| byte.is_ascii_uppercase());
        if !is_whole {
            return;
        }
        if let Some(to) = self.known(name) {
            return done.leads_to(&to);
        }
        let (desk, known, name) = (self.desk.clone(), self.known.clone(), name.to_owned());
        let Ok(thread) = thread::handle() else { return done.failed(ErrorKind::Internal) };
        thread.spawn(async move {
            match look_up(&desk, &name).await {
                Ok(Some(to)) => {
                    keep(&known, name, to.clone());
                    done.leads_to(&to);
                }
                Ok(None) => drop(done),
                Err(refusal) => done.failed_with(refusal.into()),
            }
        });
    }
}

fn keep(known: &Mutex<HashMap<String, (Instant, String)>>, name: String, to: String) {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MAX_NAMES {
        known.retain(|_, (since, _)| since.elapsed() < KEPT);
        if known.len() >= MAX_NAMES {
            known.clear();
        }
    }
    known.insert(name, (Instant::now(), to));
}

/// Where a name leads; none for one that nobody has.
async fn look_up(desk: &Arc<Desk>, name: &str) -> Result<Option<String>> {
    match desk.name(name).await {
        Ok(view) => place(&view).map(Some),
        Err(refusal) if ["not-found", "name-withdrawn", "malformed"].iter().any(|problem| refusal.is(problem)) => {
            Ok(None)
        }
        Err(refusal) => Err(refusal),
    }
}

/// The DID, or what the agent says itself of where it is: a stranger's word, with the DID that must answer there.
fn place(view: &NameView) -> Result<String> {
    let did = *VerifyingKey::from_did(&view.agent.did)?.did();
    if view.agent.status != "active" {
        let why = format!("{} is {} at its registry", view.name, view.agent.status);
        return Err(Refusal::Own(Error::new(ErrorKind::Revoked, why).with_hint("ask its operator")));
    }
    let card = view.card.as_deref().map(|card| Card::verify(card, Some(&did), xbind_runtime::now(), SKEW));
    // A card that is over, or of an earlier key, says nothing: the agent may be on this bus.
    let address = card.and_then(std::result::Result::ok).and_then(|card| card.addresses().first().cloned());
    Ok(address.map_or_else(|| did.to_string(), |address| format!("~{address}#{did}")))
}
