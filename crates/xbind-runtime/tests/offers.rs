//! Calls with a method and calls without one go by policies of their own; refusals can be watched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{json, key};
use xbind::ErrorKind;
use xbind_runtime::{
    Agent, AgentOptions, Allow, Event, MethodPolicy, NewCall, Node, NodeOptions, Outcome, Policies, Port, Reply,
    Signer, Start, Time,
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

fn nobody() -> Allow {
    Allow::only([])
}

fn policies(unnamed: Option<Allow>, method: Option<Allow>) -> Option<Policies> {
    let all = unnamed.map_or_else(Policies::default, Policies::from);
    Some(all.with_method("a", MethodPolicy { allow: method, ..MethodPolicy::default() }))
}

#[test]
fn methods_and_other_calls_go_their_own_ways() {
    let world = world(AgentOptions { describes: true, ..AgentOptions::default() });
    let both = |method: &str| {
        world.call(Some(method));
        world.call(None);
        world.arrived()
    };
    // From the start, what it offers is asked of the face, and other calls go into the inbox.
    let (tickets, ends) = both("xbind.describe");
    assert_eq!((tickets.len(), ends), (1, vec!["inbox".to_owned()]));
    assert_eq!(both("a").1, ["METHOD_NOT_FOUND", "inbox"]);
    world.port.reply(*tickets.first().unwrap(), Reply::Payload(json("1")));
    assert_eq!(world.arrived().1, [world.server.did().as_str()]); // who answered is told

    world.server.guard(policies(Some(Allow::Everyone), Some(nobody()))).unwrap();
    let (tickets, ends) = both("a");
    assert_eq!((tickets.len(), ends), (1, vec!["NOT_ALLOWED".to_owned()]));

    // What a method leaves out is as for calls without one; the reserved names are nobody else's.
    world.server.guard(policies(Some(nobody()), None)).unwrap();
    assert_eq!(both("a").1, ["NOT_ALLOWED", "NOT_ALLOWED"]);
    world.server.guard(policies(Some(Allow::Everyone), None)).unwrap();
    for reserved in ["xbind.other", "XBIND.describe"] {
        let (tickets, ends) = both(reserved);
        assert_eq!((tickets.len(), ends), (1, vec!["METHOD_NOT_FOUND".to_owned()]));
    }
}

#[test]
fn calls_for_the_inbox_do_not_wait_behind_methods() {
    let world = world(AgentOptions { concurrency: 1, ..AgentOptions::default() });
    world.server.guard(policies(None, None)).unwrap();
    for _ in 0..3 {
        world.call(Some("a"));
    }
    let (tickets, ends) = world.arrived();
    assert_eq!((tickets.len(), ends.len()), (1, 0));
    world.call(None);
    assert_eq!(world.arrived().1, ["inbox"]);
    // And the others come one by one.
    let mut next = tickets;
    for _ in 0..3 {
        let ticket = next.pop().expect("one at a time");
        assert!(matches!(world.port.start(ticket), Start::Run));
        world.port.reply(ticket, Reply::Refused(ErrorKind::MethodNotFound, None));
        next = world.arrived().0;
    }
    assert!(next.is_empty());
}

#[test]
fn what_was_let_in_is_judged_by_the_policy_of_its_kind_when_it_begins() {
    let world = world(AgentOptions::default());
    world.server.guard(policies(Some(Allow::Everyone), None)).unwrap();
    world.call(Some("a"));
    world.call(None);
    let (tickets, _) = world.arrived();
    world.server.guard(policies(None, Some(nobody()))).unwrap();
    let starts: Vec<_> = tickets.iter().map(|ticket| world.port.start(*ticket)).collect();
    assert!(matches!(starts.as_slice(), [Start::Gone, Start::Back]));
    world.port.give_back(*tickets.last().unwrap(), json("1"));
    let (_, mut ends) = world.arrived();
    ends.sort();
    assert_eq!(ends, ["NOT_ALLOWED", "inbox"]);
}

#[test]
fn refusals_are_told_while_somebody_watches() {
    let world = world(AgentOptions::default());
    world.server.guard(Some(nobody().into())).unwrap();
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
