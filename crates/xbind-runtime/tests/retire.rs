//! An agent that takes calls from the start, and one that lets nothing new in before it closes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use xbind::{ErrorKind, SigningKey};
use xbind_runtime::{
    AgentOptions, Allow, Event, NewCall, Node, NodeOptions, Outcome, Payload, Port, Reply, Signer, Start, Time,
};

use std::sync::Arc;

struct World {
    node: Arc<Node>,
    port: Arc<Port>,
}

impl World {
    fn new() -> Self {
        Self { node: Node::new(NodeOptions::default()), port: Port::new(Box::new(|| ()), Time::System) }
    }

    fn agent(&self, name: &str, options: AgentOptions) -> u32 {
        let key = SigningKey::from_seed(&[name.bytes().fold(0, u8::wrapping_add); 32]);
        self.port.join(&self.node, Signer::Local(key), Some(name.to_owned()), options).unwrap()
    }

    fn call(&self, agent: u32, to: &str, one_way: bool) -> u64 {
        let payload = Payload::Json("1".to_owned());
        self.port.call(NewCall { agent, to, payload, one_way, timeout: None, ..NewCall::default() }).unwrap()
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        while self.port.flush(64, &mut events) {}
        events
    }
}

fn tickets(events: &[Event]) -> Vec<u64> {
    let ticket = |event: &Event| if let Event::Call { ticket, .. } = event { Some(*ticket) } else { None };
    events.iter().filter_map(ticket).collect()
}

fn ended(events: &[Event], number: u64) -> Option<Result<(), ErrorKind>> {
    events.iter().find_map(|event| {
        let Event::Settled { call, outcome, .. } = event else { return None };
        let end = if let Outcome::Failed { error, .. } = outcome { Err(error.kind()) } else { Ok(()) };
        (*call == number).then_some(end)
    })
}

fn is_idle(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Idle { .. }))
}

#[test]
fn one_that_handles_takes_the_first_call() {
    let world = World::new();
    let caller = world.agent("caller", AgentOptions::default());
    world.agent("callee", AgentOptions { handles: true, ..AgentOptions::default() });
    let call = world.call(caller, "callee", false);
    let events = world.events();
    let [ticket] = tickets(&events)[..] else { panic!("no call came: {events:?}") };
    assert!(matches!(world.port.start(ticket), Start::Run));
    world.port.reply(ticket, Reply::Payload(Payload::Json("2".to_owned())));
    assert_eq!(ended(&world.events(), call), Some(Ok(())));
}

#[test]
fn one_that_retires_lets_nothing_in_and_says_when_it_is_idle() {
    let world = World::new();
    let (caller, other) =
        (world.agent("caller", AgentOptions::default()), world.agent("other", AgentOptions::default()));
    let options = AgentOptions { handles: true, concurrency: 1, ..AgentOptions::default() };
    let callee = world.agent("retiring", options);
    let (running, waiting) = (world.call(caller, "retiring", false), world.call(caller, "retiring", false));
    let [ticket] = tickets(&world.events())[..] else { panic!("one call at a time") };
    assert!(matches!(world.port.start(ticket), Start::Run));

    world.port.retire(callee).unwrap();
    let (late, message) = (world.call(caller, "retiring", false), world.call(other, "retiring", true));
    let onward = world.call(callee, "other", true);
    let events = world.events();
    for number in [waiting, late, message] {
        assert_eq!(ended(&events, number), Some(Err(ErrorKind::AgentClosed)));
    }
    assert_eq!(ended(&events, onward), Some(Ok(())), "it may still ask others");
    assert_eq!((ended(&events, running), is_idle(&events)), (None, false));
    let agent = world.port.agent(callee).unwrap();
    assert_eq!(agent.guard(Some(Allow::Everyone.into())).unwrap_err().kind(), ErrorKind::AgentClosed);
    drop(agent);

    world.port.reply(ticket, Reply::Payload(Payload::Json("2".to_owned())));
    let events = world.events();
    assert_eq!((ended(&events, running), is_idle(&events)), (Some(Ok(())), true));
    world.port.close(callee);
    assert_eq!(world.port.retire(callee).unwrap_err().kind(), ErrorKind::AgentClosed);
}

#[test]
fn one_that_has_nothing_to_do_is_idle_at_once() {
    let world = World::new();
    let agent = world.agent("agent", AgentOptions::default());
    world.port.retire(agent).unwrap();
    assert!(is_idle(&world.events()));
}

#[test]
fn a_handler_that_nobody_waits_for_is_waited_for() {
    let world = World::new();
    let caller = world.agent("caller", AgentOptions::default());
    let callee = world.agent("callee", AgentOptions { handles: true, ..AgentOptions::default() });
    let call = world.call(caller, "callee", false);
    let [ticket] = tickets(&world.events())[..] else { panic!("no call came") };
    assert!(matches!(world.port.start(ticket), Start::Run));
    world.port.retire(callee).unwrap();
    world.port.abandon(call);
    assert!(!is_idle(&world.events()));
    world.port.reply(ticket, Reply::Payload(Payload::Json("2".to_owned())));
    assert!(is_idle(&world.events()));
}

#[test]
fn the_older_of_two_of_one_did_hears_of_the_newer() {
    let world = World::new();
    let older = world.agent("agent", AgentOptions::default());
    assert!(world.events().is_empty());
    world.agent("agent", AgentOptions::default());
    let events = world.events();
    assert!(matches!(events[..], [Event::Superseded { agent }] if agent == older), "{events:?}");
}

#[test]
fn what_happens_without_its_face_is_told_to_one_that_asks() {
    let world = World::new();
    let caller = world.agent("caller", AgentOptions::default());
    let tells = AgentOptions { tells: true, ..AgentOptions::default() };
    let callee = world.agent("callee", tells);
    let told = |world: &World| -> Vec<_> {
        let reason = |event: &Event| if let Event::Decided { refused, .. } = event { Some(*refused) } else { None };
        world.events().iter().filter_map(reason).collect()
    };
    world.call(caller, "callee", false);
    world.call(caller, "callee", true);
    assert_eq!(told(&world), [None, None]);
    world.port.agent(callee).unwrap().guard(Some(Allow::only([]).into())).unwrap();
    world.call(caller, "callee", false);
    assert_eq!(told(&world), [Some(ErrorKind::NotAllowed)]);
}
