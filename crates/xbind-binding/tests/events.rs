//! What happened on a port, as a face reads it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]

use xbind_binding::agent::{self, Options};
use xbind_binding::events::{List, Value, write_letters};
use xbind_binding::tape::Tape;
use xbind_binding::{port, ports};
use xbind_runtime::Payload;

/// A face's list: text of what it was given. One that fails does so once, at the next content.
#[derive(Default)]
struct Told {
    values: Vec<String>,
    fails: bool,
}

impl List for Told {
    type Error = ();
    type Mark = usize;

    fn push(&mut self, value: Value<'_>) -> Result<(), ()> {
        self.values.push(match value {
            Value::None => "-".to_owned(),
            Value::Small(value) => value.to_string(),
            Value::Whole(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Text(text) if self.fails && text.starts_with('"') => {
                self.fails = false;
                return Err(());
            }
            Value::Text(text) => text.to_owned(),
            Value::Bytes(bytes) => format!("{bytes:?}"),
            Value::Failure(error) => error.kind().code().to_owned(),
        });
        Ok(())
    }

    fn mark(&self) -> usize {
        self.values.len()
    }

    fn cut(&mut self, mark: usize) {
        self.values.truncate(mark);
    }
}

fn options(name: &str, handles: bool) -> Options {
    let text = format!(
        r#"{{ "name": "{name}", "maxPayloadBytes": 1000, "messageTtl": 5, "inboxMessages": 9, "inboxBytes": 10000,
            "concurrency": 9, "handles": {handles}, "tells": false }}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// A port with two agents; the second has a handler, or not.
fn two(handles: bool) -> (u32, u32, u32) {
    let (node, number) = (agent::new_node(30.0, None, false), ports::open(Box::new(|| ())));
    let [one, other] = [("one", false), ("other", handles)]
        .map(|(name, handles)| port::join(number, &node, &options(name, handles), None, None, None, false).unwrap());
    (number, one, other)
}

fn call(number: u32, from: u32, to: &str) -> f64 {
    let payload = Payload::Json("\"hello\"".to_owned());
    port::call_with(number, from, to, payload, false, 30_000.0, None, Some("m"), None, None, None, false, false)
        .unwrap()
}

fn flush(number: u32, fails: bool) -> Vec<String> {
    let mut told = Told { fails, ..Told::default() };
    for _ in 0..9 {
        ports::flush(number, 9, false, &mut told).unwrap();
    }
    told.values
}

#[test]
fn a_call_is_told_started_and_answered() {
    let (number, one, other) = two(true);
    port::guard(number, other, Some(&serde_json::from_str("[{}]").unwrap()), Vec::new()).unwrap();
    let (called, did) = (call(number, one, "other"), port::agent_did(number, one).unwrap());
    let told = flush(number, false);
    assert_eq!((&*told[0], &*told[1], told.len()), ("0", &*other.to_string(), 11));
    assert!(told[4].starts_with('-'), "a DID that is new comes with a place of its own: {told:?}");
    assert_eq!(told[5], did);
    assert_eq!(told[7..], ["-", "m", "-", "\"hello\""]);
    let ticket: f64 = told[2].parse().unwrap();
    assert_eq!((port::start(number, ticket), port::is_cancelled(number, ticket)), (0, false));
    port::answer(number, ticket, Payload::Bytes(vec![1, 2]));
    let told = flush(number, false);
    assert_eq!((&*told[0], &*told[1], &*told[4]), ("2", &*called.to_string(), "[1, 2]"));
    // From now on the place stands for the DID.
    call(number, one, "other");
    let told = flush(number, false);
    assert_eq!(told.len(), 10);
    assert!(!told[4].starts_with('-'));
    ports::close(number);
}

#[test]
fn what_cannot_be_converted_ends_its_own_call() {
    let (number, one, other) = two(true);
    port::guard(number, other, Some(&serde_json::from_str("[{}]").unwrap()), Vec::new()).unwrap();
    let (lost, kept) = (call(number, one, "other"), call(number, one, "other"));
    let told = flush(number, true);
    let failed = told.iter().position(|value| value == "PAYLOAD_TOO_LARGE").expect("the first call is refused");
    assert_eq!(told[failed - 2], lost.to_string());
    assert_eq!(told.iter().filter(|value| *value == "\"hello\"").count(), 1);
    assert!(lost < kept);
    ports::close(number);
}

#[test]
fn an_inbox_gives_five_values_a_message() {
    let (number, one, other) = two(false);
    let payload = Payload::Json("7".to_owned());
    port::call_with(number, one, "other", payload, true, 30_000.0, None, None, None, None, None, false, false).unwrap();
    flush(number, false);
    let mut told = Told::default();
    write_letters(&mut told, port::receive(number, other, 9.0, false).unwrap()).unwrap();
    assert_eq!(
        (&*told.values[0], &told.values[2], &*told.values[4]),
        ("1", &port::agent_did(number, one).unwrap(), "7")
    );
    assert_eq!(told.values.len(), 5);
    ports::close(number);
    assert!(port::receive(number, other, 9.0, false).is_err());
    assert_eq!((port::start(number, 1.0), port::flow(number, 1.0), port::is_cancelled(number, 1.0)), (1, 2, true));
}

#[test]
fn a_tape_holds_whole_numbers_and_the_list_all_else() {
    let mut tape = Tape::new(Told::default());
    for value in [0, 65_536, 9_007_199_254_740_991] {
        tape.push(Value::Whole(value)).unwrap();
    }
    tape.push(Value::Small(-2)).unwrap();
    tape.push(Value::None).unwrap();
    let mark = tape.mark();
    for value in [Value::Number(0.5), Value::Whole(9_007_199_254_740_992), Value::Bytes(vec![1])] {
        tape.push(value).unwrap();
    }
    tape.cut(mark);
    for value in [1.0, f64::NAN] {
        tape.push(Value::Number(value)).unwrap();
    }
    tape.push(Value::Text("a")).unwrap();
    let (list, words) = tape.finish();
    assert_eq!(list.values, ["1", "NaN", "a"]);
    let numbers = [[3, 0, 0, 0, 0], [3, 0, 1, 0, 0], [3, 0xffff, 0xffff, 0xffff, 0x1f]].concat();
    assert_eq!(words, [numbers, vec![2, 0xfffe, 0xffff, 1, 0, 0, 0]].concat());
}
