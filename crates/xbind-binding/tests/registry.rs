//! Who is meant, where somebody asks for an agent that is here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

use std::sync::Arc;

use xbind_binding::agent::{self, Node, Options};
use xbind_binding::key::Key;
use xbind_binding::registry::agent_of;
use xbind_binding::{port, ports};

fn join(port: u32, node: &Arc<Node>, name: &str, key: Option<&Key>) -> u32 {
    let text = format!(
        r#"{{ "name": "{name}", "maxPayloadBytes": 1000, "messageTtl": 5, "inboxMessages": 9, "inboxBytes": 10000,
            "concurrency": 9, "handles": false, "tells": false }}"#
    );
    let options: Options = serde_json::from_str(&text).unwrap();
    port::join(port, node, &options, key, None, None, false).unwrap()
}

#[test]
fn an_agent_is_found_by_its_name_or_did_where_it_is_and_nowhere_else() {
    let (here, elsewhere) = (ports::open(Box::new(|| ())), ports::open(Box::new(|| ())));
    let [node, other] = [(); 2].map(|()| agent::new_node(30.0, None, false));
    let code = |port, node, id: &str| agent_of(port, node, id).unwrap_err().kind().code();
    let writer = join(here, &node, "writer", None);
    let did = port::agent_did(here, writer).unwrap();
    assert_eq!(agent_of(here, &node, "writer").unwrap(), writer);
    assert_eq!(agent_of(here, &node, &did).unwrap(), writer);
    for (port, node, id) in [
        (here, &other, "writer"),
        (elsewhere, &node, "writer"),
        (here, &node, ""),
        (here, &node, "Writer"),
        (99, &node, "writer"),
    ] {
        assert_eq!(code(port, node, id), "AGENT_NOT_FOUND", "{id}");
    }
    assert!(!agent_of(here, &node, "x\ny").unwrap_err().message().contains('\n'));

    join(here, &node, "writer", None);
    assert_eq!(code(here, &node, "writer"), "AMBIGUOUS_NAME");
    assert_eq!(agent_of(here, &node, &did).unwrap(), writer);
    port::close_agent(here, writer);
    assert_eq!(code(here, &node, &did), "AGENT_NOT_FOUND");
}

#[test]
fn of_several_agents_of_one_did_it_is_the_newest() {
    let (port, node) = (ports::open(Box::new(|| ())), agent::new_node(30.0, None, false));
    let key = || Key::of_seed(&[7; 32]).unwrap();
    let [_, newest] = [(); 2].map(|()| join(port, &node, "writer", Some(&key())));
    assert_eq!(agent_of(port, &node, "writer").unwrap(), newest);
    assert_eq!(agent_of(port, &node, &key().did().unwrap()).unwrap(), newest);
}
