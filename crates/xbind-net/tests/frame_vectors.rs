//! `vectors/frames.json`: what comes of bodies with messages, in whatever pieces they come.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

#[path = "../examples/make-frame-vectors.rs"]
#[allow(dead_code, reason = "a program of its own")]
mod maker;

use serde::Deserialize;
use xbind_net::agents::{Frames, write};
use xbind_runtime::transport::Departure;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    max_body: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    bytes: String,
    messages: Vec<Message>,
    code: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Message {
    to: String,
    jws: String,
    body: String,
    presented: Option<String>,
}

const TEXT: &str = include_str!("../../../vectors/frames.json");

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_case_in_pieces_of_any_size() {
    let Vectors { max_body, cases } = serde_json::from_str(TEXT).unwrap();
    assert!(cases.len() > 25);
    for Case { name, bytes: all, messages, code } in cases {
        let all = bytes(&all);
        for size in [1, 2, 7, 66, 67, 68, 1000, all.len().max(1)] {
            if size < 7 && all.len() > 10_000 {
                continue;
            }
            let (mut frames, mut arrivals) = (Frames::new(max_body), Vec::new());
            let read = all.chunks(size).try_for_each(|piece| frames.read(piece, &mut arrivals));
            let ended = read.and_then(|()| frames.end());
            let came = arrivals.iter().map(|arrival| Message {
                to: arrival.to.to_string(),
                jws: arrival.jws.clone(),
                body: hex(&arrival.body),
                presented: arrival.token.clone(),
            });
            assert_eq!(came.collect::<Vec<_>>(), messages, "{name}, in pieces of {size}");
            let said = ended.err().map(|why| why.kind().code().to_owned());
            assert_eq!(said, code, "{name}, in pieces of {size}");
        }
        if code.is_none() {
            let mut again = Vec::new();
            for Message { to, jws, body, presented } in messages {
                let to = *xbind::VerifyingKey::from_did(&to).unwrap().did();
                let message =
                    Departure { from: to, to, call: None, jws, body: bytes(&body), token: presented, hold: None };
                assert!(write(&message, &mut again));
            }
            assert_eq!(again, all, "{name}, written again");
        }
    }
}

#[test]
fn the_maker_makes_the_same_bytes() {
    let (name, text) = maker::file();
    assert_eq!(name, "frames.json");
    assert!(text == TEXT, "run `cargo run -p xbind-net --example make-frame-vectors`");
}
