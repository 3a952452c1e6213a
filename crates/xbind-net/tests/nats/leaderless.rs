//! Brokers that have not chosen yet who decides what they keep.

use super::*;

/// One of three that name each other.
fn one_of(ports: &[u16; 3], at: usize) -> Server {
    let [name, own] = [format!("server-{at}"), format!("nats://127.0.0.1:{}", ports[at])];
    let routes = ports.map(|port| format!("nats://127.0.0.1:{port}")).join(",");
    Server::start(&["--server_name", &name, "--cluster_name", "three", "--cluster", &own, "--routes", &routes])
}

#[test]
fn who_connects_waits_for_a_leader_and_is_told_if_there_is_none() {
    let listeners = [0, 1, 2].map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
    drop(listeners);
    let first = one_of(&ports, 0);
    block_on(async {
        let node = Node::new(NodeOptions::default());
        assert_eq!(Bus::connect(&node, settings(&first, "main")).await.unwrap_err(), Fault::Undecided);
        let told = xbind::Error::from(Fault::Undecided);
        assert_eq!(told.kind(), ErrorKind::BrokerUnavailable);
        let begun = std::thread::spawn(move || [1, 2].map(|at| one_of(&ports, at)));
        let bus = loop {
            match Bus::connect(&node, settings(&first, "main")).await {
                Ok(bus) => break bus,
                Err(fault) => assert_eq!(fault, Fault::Undecided),
            }
        };
        assert_eq!(bus.status(), Status::Connected);
        drop(begun.join().unwrap());
    });
}
