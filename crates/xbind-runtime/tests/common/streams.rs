//! Agents that answer in parts, readers of such answers, and a stranger to whom every message can be made.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use xbind::{Details, Did, Draft, ErrorKind, InReplyTo, MessageId, Op, SigningKey, seal};
use xbind_runtime::transport::Arrival;
use xbind_runtime::{Allow, CallOptions, Handle, Stream};

use super::calls::{options, route};
use super::{World, json, text};

/// What a reader has got so far, and how it ended.
#[derive(Clone, Default)]
pub struct Read {
    pub parts: Rc<RefCell<Vec<String>>>,
    pub end: Rc<RefCell<Option<Result<String, ErrorKind>>>>,
}

impl Read {
    pub fn parts(&self) -> Vec<String> {
        self.parts.borrow().clone()
    }

    pub fn end(&self) -> Result<String, ErrorKind> {
        self.end.borrow().clone().expect("the stream has ended")
    }
}

pub fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

/// Reads to the end.
pub async fn read(mut stream: Stream, into: Read) {
    let end = loop {
        match stream.next().await {
            Ok(Some(part)) => into.parts.borrow_mut().push(text(&part)),
            Ok(None) => break Ok(stream.value().map(text).expect("a value")),
            Err(error) => break Err(error.kind()),
        }
    };
    *into.end.borrow_mut() = Some(end);
}

pub fn stream(world: &World, from: &Arc<Handle>, to: &str, milliseconds: u64) -> Read {
    let into = Read::default();
    let stream = from.stream(to, json("null"), options(milliseconds)).unwrap();
    world.spawn(0, read(stream, into.clone()));
    into
}

/// Answers each call with so many parts and `"end"`. Counts the parts sent, and how many handlers were told that nobody waits.
pub fn count_up(world: &World, handle: &Arc<Handle>, parts: usize) -> (Rc<Cell<usize>>, Rc<Cell<usize>>) {
    let (sent, stopped) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    handle.handle(Some(Allow::Everyone)).unwrap();
    let (handle, counts, spawned) = (handle.clone(), (sent.clone(), stopped.clone()), world.spawner());
    world.spawn(1, async move {
        while let Some(mut incoming) = handle.next().await {
            let (sent, stopped) = counts.clone();
            let task = async move {
                for n in 0..parts {
                    if let Err(error) = incoming.part(json(&n.to_string())).await {
                        assert_eq!(error.kind(), ErrorKind::Aborted);
                        stopped.set(stopped.get() + 1);
                        return;
                    }
                    sent.set(sent.get() + 1);
                }
                incoming.finish(json("\"end\""));
            };
            spawned.borrow_mut().push((2, Box::pin(task)));
        }
    });
    (sent, stopped)
}

/// An agent whose messages the test makes itself, at node 1 of a world of two.
pub struct Puppet {
    pub key: SigningKey,
    next: Cell<u8>,
}

/// A message that was carried.
#[derive(Clone)]
pub struct Carried {
    pub arrival: Arrival,
    pub claims: serde_json::Value,
}

impl Carried {
    pub fn op(&self) -> &str {
        self.claims["op"].as_str().unwrap()
    }

    pub fn reference(&self) -> InReplyTo {
        reference(&self.arrival)
    }
}

/// A segment of a JWS, as JSON.
pub fn segment(jws: &str, at: usize) -> serde_json::Value {
    let segment = jws.split('.').nth(at).unwrap();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(segment.as_bytes()).unwrap()).unwrap()
}

/// What is said of a message names this.
pub fn reference(message: &Arrival) -> InReplyTo {
    let claims = segment(&message.jws, 1);
    InReplyTo::of(MessageId::parse(claims["jti"].as_str().unwrap()).unwrap(), &message.jws)
}

/// All that left a node so far.
pub fn carried(world: &World, from: usize) -> Vec<Carried> {
    let inner = world.net.inner();
    let own = inner.carried.iter().filter(|(at, ..)| *at == from);
    own.map(|(_, _, arrival)| Carried { arrival: arrival.clone(), claims: segment(&arrival.jws, 1) }).collect()
}

pub fn ops(world: &World, from: usize) -> Vec<String> {
    carried(world, from).iter().map(|message| message.op().to_owned()).collect()
}

impl Puppet {
    pub fn new(world: &World, seed: u8, name: Option<&str>) -> Self {
        let key = super::key(seed);
        world.list(1, name, key.did());
        Self { key, next: Cell::new(seed) }
    }

    pub fn message(
        &self,
        world: &World,
        op: Op,
        to: &Did,
        about: Option<InReplyTo>,
        body: &str,
        details: Details<&str>,
    ) -> Arrival {
        let mut id = [self.key.did().public_key()[0]; 16];
        id[0] = self.next.get();
        self.next.set(self.next.get().wrapping_add(1));
        let draft = Draft {
            op,
            to: *to,
            id: MessageId::from_bytes(id),
            issued_at: world.time().unix(),
            ttl: 30,
            content_type: "application/json",
            body: body.as_bytes(),
            token: None,
            in_reply_to: about,
            details,
        };
        let jws = seal(&self.key, &draft).unwrap().jws;
        Arrival { to: *to, jws, body: body.as_bytes().to_vec(), token: None }
    }

    /// Says something to an agent of node 0.
    pub fn say(
        &self,
        world: &mut World,
        op: Op,
        to: &Did,
        about: Option<InReplyTo>,
        body: &str,
        details: Details<&str>,
    ) -> Arrival {
        let arrival = self.message(world, op, to, about, body, details);
        deliver(world, arrival.clone());
        arrival
    }
}

/// Brings a message to node 0, over the way from node 1.
pub fn deliver(world: &mut World, arrival: Arrival) {
    let back = route(world, 0, 1);
    world.nodes[0].deliver(vec![arrival], back);
    world.settle();
}

pub fn seq(n: u64) -> Details<&'static str> {
    Details { seq: Some(n), ..Details::default() }
}

pub fn window(n: u64) -> Details<&'static str> {
    Details { window: Some(n), ..Details::default() }
}

pub fn windowed(parts: u64, milliseconds: u64) -> CallOptions {
    CallOptions { window: Some(parts), ..options(milliseconds) }
}
