//! Agents that call and echo, in a world of the test's own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use xbind::ErrorKind;
use xbind_runtime::transport::Route;
use xbind_runtime::{AgentOptions, Allow, CallOptions, Handle, Key, Node};

use super::{World, json, key, sleep, text};

pub type Answer = Rc<RefCell<Option<Result<String, ErrorKind>>>>;
pub type Seen = Rc<RefCell<Vec<String>>>;

pub fn options(milliseconds: u64) -> CallOptions {
    CallOptions { timeout: Some(Duration::from_millis(milliseconds)), ..CallOptions::default() }
}

/// Long enough that only what never comes misses it.
pub fn patient() -> CallOptions {
    CallOptions { timeout: Some(Duration::from_secs(120)), ..CallOptions::default() }
}

pub fn join_on(node: &Arc<Node>, seed: u8, name: Option<&str>) -> Handle {
    node.join(Key::Local(key(seed)), name.map(str::to_owned), AgentOptions::default()).unwrap()
}

pub fn join(world: &World, node: usize, seed: u8, name: Option<&str>) -> Arc<Handle> {
    join_with(world, node, seed, name, AgentOptions::default())
}

pub fn join_with(world: &World, node: usize, seed: u8, name: Option<&str>, options: AgentOptions) -> Arc<Handle> {
    let handle = world.nodes[node].join(Key::Local(key(seed)), name.map(str::to_owned), options).unwrap();
    world.list(node, name, handle.did());
    Arc::new(handle)
}

pub fn call(world: &World, from: &Arc<Handle>, to: &str, payload: &str, milliseconds: u64) -> Answer {
    let (from, to, payload) = (from.clone(), to.to_owned(), json(payload));
    world.start(0, async move {
        let answer = from.call(&to, payload, options(milliseconds)).await;
        answer.map(|payload| text(&payload)).map_err(|error| error.kind())
    })
}

/// Answers each call with what it carries, after so many milliseconds; the list is what was handled, in order.
pub fn echo(world: &World, handle: &Arc<Handle>, milliseconds: u64) -> Seen {
    let seen = Seen::default();
    handle.handle(Some(Allow::Everyone)).unwrap();
    let (handle, list, net) = (handle.clone(), seen.clone(), world.net.clone());
    let spawned = world.spawner();
    world.spawn(1, async move {
        while let Some(incoming) = handle.next().await {
            list.borrow_mut().push(text(&incoming.payload));
            let net = net.clone();
            let reply = async move {
                if milliseconds > 0 {
                    sleep(net, milliseconds).await;
                }
                let payload = json(&text(&incoming.payload));
                incoming.reply(payload);
            };
            spawned.borrow_mut().push((2, Box::pin(reply)));
        }
    });
    seen
}

pub fn ok(answer: &Answer) -> String {
    answer.borrow().clone().expect("the call has ended").expect("the call was answered")
}

pub fn err(answer: &Answer) -> ErrorKind {
    answer.borrow().clone().expect("the call has ended").expect_err("the call failed")
}

pub fn route(world: &World, from: usize, to: usize) -> Route {
    world.net.inner().route(from, to)
}
