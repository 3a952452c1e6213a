//! Calls with a method and calls without one go by policies of their own; refusals can be watched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{json, key};
use xbind::ErrorKind;
use xbind::message::card::DESCRIBE;
use xbind_runtime::{
    Agent, AgentOptions, Allow, Event, NewCall, Node, NodeOptions, Outcome, Policies, Policy, Port, Reply, Signer,
    Start, Time,
};

struct World {
    port: Arc<Port>,
    server: Arc<Agent>,
    caller: u32,
}

fn world(options: AgentOptions) -> World {
    let node = Node::new(NodeOptions::default());
    let port = Port::new(Box::new(|| ()), Time::System);
    let join =
        |seed, name: &str, options| port.join(&node, Signer::Local(key(seed)), Some(name.to_owned()), options).unwrap();
    let server = join(1, "server", options);
    let caller = join(2, "caller", AgentOptions::default());
    World { server: port.agent(server).unwrap(), port, caller }
}

impl World {
    fn call(&self, method: Option<&str>) {
        let method = method.map(str::to_owned);
        let call = NewCall { agent: self.caller, to: "server", payload: json("1"), method, ..NewCall::default() };
        self.port.call(call).unwrap();
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        while self.port.flush(100, &mut events) {}
        events
    }

    /// The tickets of the calls that came to the face, and the end of those that came nowhere.
    fn arrived(&self) -> (Vec<u64>, Vec<String>) {
        let (mut tickets, mut ends) = (Vec::new(), Vec::new());
        for event in self.events() {
            match event {
                Event::Call { ticket, .. } => tickets.push(ticket),
                Event::Settled { outcome: Outcome::Failed { error, .. }, .. } => {
                    ends.push(error.kind().code().to_owned())
                }
                Event::Settled { outcome: Outcome::Delivered { .. }, .. } => ends.push("inbox".to_owned()),
                Event::Settled { outcome: Outcome::Answer { from, .. }, .. } => ends.push(from.as_str().to_owned()),
                other => panic!("{other:?}"),
            }
        }
        (tickets, ends)
    }
}

#[test]
fn methods_and_other_calls_go_their_own_ways() {
    let world = world(AgentOptions { describes: true, ..AgentOptions::default() });
    let calls = |methods: &[Option<&str>]| {
        methods.iter().for_each(|method| world.call(*method));
        world.arrived()
    };
    // From the start, the question what there is comes to the face, and other calls into the inbox.
    let (tickets, mut ends) = calls(&[None, Some("a"), Some(DESCRIBE)]);
    ends.sort();
    assert_eq!((tickets.len(), ends), (1, vec!["METHOD_NOT_FOUND".to_owned(), "inbox".to_owned()]));
    assert!(matches!(world.port.start(*tickets.first().unwrap()), Start::Run));
    world.port.reply(*tickets.first().unwrap(), Reply::Payload(json("1")));
    assert_eq!(world.arrived().1, [world.server.did().as_str()]); // who answered is told

    world.server.guard(Some(Policies::default().with_whole("a", Policy::default()))).unwrap();
    let (tickets, ends) = calls(&[Some("a"), None]);
    assert_eq!((tickets.len(), ends), (1, vec!["inbox".to_owned()]));

    // A whole policy leaves nothing to that of calls without a method.
    let closed = Policies::from(Allow::only([])).with_whole("a", Policy::default());
    world.server.guard(Some(closed)).unwrap();
    let (tickets, ends) = calls(&[Some("a"), None, Some("b")]);
    assert_eq!((tickets.len(), ends), (1, vec!["NOT_ALLOWED".to_owned(), "NOT_ALLOWED".to_owned()]));
}

#[test]
fn refusals_are_told_while_somebody_watches() {
    let world = world(AgentOptions::default());
    world.server.guard(Some(Allow::only([]).into())).unwrap();
    let refused = |world: &World| {
        world.call(None);
        let is_refusal = |event: &Event| matches!(event, Event::Decided { refused: Some(ErrorKind::NotAllowed), .. });
        world.events().iter().filter(|event| is_refusal(event)).count()
    };
    assert_eq!(refused(&world), 0);
    world.port.watch(true);
    assert_eq!(refused(&world), 1);
    world.port.watch(false);
    assert_eq!(refused(&world), 0);
}
