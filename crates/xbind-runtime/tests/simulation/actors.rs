//! What agents of a simulation do, and what must hold whenever they do it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use xbind::{Did, ErrorKind, MessageId};
use xbind_runtime::{CallOptions, Handle, Incoming, Payload, Progress, Stream};

use crate::common::{Net, Rng, Spawned, json, sleep, text};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    None,
    Everyone,
    Only(Did),
}

pub struct Actor {
    pub node: usize,
    pub did: Did,
    pub name: Option<String>,
    pub handle: Option<Arc<Handle>>,
    pub policy: Policy,
    pub inbox_messages: usize,
    /// It names a DID whose key it does not have.
    pub impostor: bool,
    /// A key elsewhere that fails at times.
    pub unsure: bool,
}

/// What the test knows of everything that happened.
#[derive(Default)]
pub struct Ledger {
    pub next: u64,
    /// Caller and target of each call by its number.
    pub begun: HashMap<u64, (usize, String)>,
    pub ended: HashSet<u64>,
    pub answered: usize,
    pub parts: usize,
    pub failed: HashMap<ErrorKind, usize>,
    pub handled: HashSet<(usize, Did, Did, MessageId)>,
    pub lettered: HashSet<(usize, Did, Did, MessageId)>,
    /// The last number that an agent has handled of each caller.
    pub last: HashMap<(usize, Did), u64>,
    pub stopped: HashSet<(usize, Did)>,
    pub closed_nodes: HashSet<usize>,
}

#[derive(Clone)]
pub struct Shared {
    pub net: Net,
    pub ledger: Rc<RefCell<Ledger>>,
    pub actors: Rc<RefCell<Vec<Actor>>>,
    pub rng: Rc<RefCell<Rng>>,
    pub spawned: Spawned,
    pub ordered: bool,
}

impl Shared {
    pub fn below(&self, n: u64) -> u64 {
        self.rng.borrow_mut().below(n)
    }

    pub fn percent(&self, p: u64) -> bool {
        self.rng.borrow_mut().percent(p)
    }
}

pub fn number_in(text: &str, member: &str) -> Option<u64> {
    let (_, rest) = text.split_once(&format!("\"{member}\":"))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What must hold whenever a handler begins.
pub fn check_start(shared: &Shared, own: usize, incoming: &Incoming) {
    let actors = shared.actors.borrow();
    let (actor, mut ledger) = (&actors[own], shared.ledger.borrow_mut());
    assert!(!actor.impostor, "an impostor was called");
    assert!(ledger.handled.insert((actor.node, actor.did, incoming.from, incoming.id)), "a message was handled twice");
    for did in [actor.did, incoming.from] {
        assert!(!ledger.stopped.contains(&(actor.node, did)), "a handler began for a stopped identity");
    }
    assert!(!ledger.closed_nodes.contains(&actor.node), "a handler began on a closed node");
    match actor.policy {
        Policy::None => panic!("a handler began that was taken away"),
        Policy::Only(did) => assert_eq!(did, incoming.from, "a handler began for one who is not allowed"),
        Policy::Everyone => {}
    }
    let text = text(&incoming.payload);
    let Some(number) = number_in(&text, "n") else {
        assert!(text.contains("stranger"), "{text}");
        return;
    };
    let caller = ledger.begun[&number].0;
    assert_eq!(actors[caller].did, incoming.from, "a call has another sender than it had");
    if actors[caller].node == actor.node {
        assert!(!ledger.ended.contains(&number), "a handler began for a call that had ended");
    }
    if shared.ordered {
        let last = ledger.last.insert((own, incoming.from), number).unwrap_or_default();
        assert!(last < number, "call {number} was handled after call {last}");
    }
}

/// The handler of an agent.
pub async fn serve(shared: Shared, own: usize, handle: Arc<Handle>) {
    while let Some(incoming) = handle.next().await {
        check_start(&shared, own, &incoming);
        let fate = shared.below(100);
        let (late, ms) = (shared.percent(60), shared.below(1500));
        let more = shared.clone();
        let mut incoming = incoming;
        let task = async move {
            if fate < 8 {
                sleep(more.net.clone(), 60_000).await; // it never answers in time
            } else if late {
                sleep(more.net.clone(), ms).await;
            }
            let text = text(&incoming.payload);
            let mut parts = 0;
            if incoming.in_parts() {
                let count = more.below(25);
                while parts < count {
                    if more.percent(20) {
                        let pause = more.below(300);
                        sleep(more.net.clone(), pause).await;
                    }
                    let part = format!(r#"{{"n":{},"part":{parts}}}"#, number_in(&text, "n").unwrap_or_default());
                    if incoming.part(json(&part)).await.is_err() {
                        return; // nobody waits any more
                    }
                    parts += 1;
                }
            } else if more.percent(20) {
                let _ = incoming.progress(&Progress::default());
            }
            match fate {
                8..16 => incoming.refuse(ErrorKind::HandlerFailed),
                16..22 => drop(incoming),
                _ => {
                    let echo = number_in(&text, "n").unwrap_or_default();
                    incoming.reply(json(&format!(r#"{{"echo":{echo},"parts":{parts}}}"#)));
                }
            }
        };
        shared.spawned.borrow_mut().push((own, Box::pin(task)));
    }
}

pub async fn collect(shared: Shared, own: usize, handle: Arc<Handle>) {
    loop {
        let Ok(letters) = handle.receive(3).await else { return };
        for letter in &letters {
            let actors = shared.actors.borrow();
            let (actor, mut ledger) = (&actors[own], shared.ledger.borrow_mut());
            let fresh = ledger.lettered.insert((actor.node, actor.did, letter.from, letter.id));
            assert!(fresh, "a letter came twice");
            assert!(
                !ledger.handled.contains(&(actor.node, actor.did, letter.from, letter.id)),
                "handled and in the inbox"
            );
            assert!(!ledger.stopped.contains(&(actor.node, letter.from)), "a letter of a stopped identity stayed");
        }
        let wait = shared.below(400);
        sleep(shared.net.clone(), wait).await;
        drop(letters);
    }
}

/// Reads an answer in parts: exactly those that were sent, in order, and all of them if it ends well.
async fn read(shared: &Shared, number: u64, mut stream: Stream) -> xbind::Result<Payload> {
    let mut next = 0;
    loop {
        if shared.percent(30) {
            let pause = shared.below(300);
            sleep(shared.net.clone(), pause).await;
        }
        let Some(part) = stream.next().await? else { break };
        let part = text(&part);
        assert_eq!((number_in(&part, "n"), number_in(&part, "part")), (Some(number), Some(next)), "{part}");
        next += 1;
        shared.ledger.borrow_mut().parts += 1;
    }
    assert!(stream.next().await?.is_none(), "it has ended");
    let value = text(stream.value().expect("it ended well"));
    assert_eq!(number_in(&value, "parts"), Some(next), "{value}");
    Ok(json(&value))
}

/// Notes the end also of a future that is dropped.
pub struct Ends(Rc<RefCell<Ledger>>, u64);

impl Drop for Ends {
    fn drop(&mut self) {
        assert!(self.0.borrow_mut().ended.insert(self.1));
    }
}

pub async fn call(shared: Shared, own: usize, to: String, one_way: bool, timeout: u64) {
    let Some(handle) = shared.actors.borrow()[own].handle.clone() else { return };
    let number = {
        let mut ledger = shared.ledger.borrow_mut();
        ledger.next += 1;
        let number = ledger.next;
        ledger.begun.insert(number, (own, to.clone()));
        number
    };
    let ends = Ends(shared.ledger.clone(), number);
    let payload = json(&format!(r#"{{"n":{number}}}"#));
    let timeout = Some(std::time::Duration::from_millis(timeout));
    let total = Some(std::time::Duration::from_secs(20));
    let options = CallOptions { timeout, ..CallOptions::default() };
    let in_parts = !one_way && shared.percent(40);
    let result = if one_way {
        handle.send(&to, payload, options).await.map(|_| None)
    } else if in_parts {
        let window = Some(1 + shared.below(8));
        match handle.stream(&to, payload, CallOptions { total, window, ..options }) {
            Ok(stream) => read(&shared, number, stream).await.map(Some),
            Err(error) => Err(error),
        }
    } else {
        handle.call(&to, payload, options).await.map(Some)
    };
    let mut ledger = shared.ledger.borrow_mut();
    match result {
        Ok(Some(answer)) => {
            let answer = text(&answer);
            assert_eq!(number_in(&answer, "echo"), Some(number), "call {number}: {answer}");
            ledger.answered += 1;
        }
        Ok(None) => ledger.answered += 1,
        Err(error) => *ledger.failed.entry(error.kind()).or_default() += 1,
    }
    drop(ledger);
    drop(ends);
}
