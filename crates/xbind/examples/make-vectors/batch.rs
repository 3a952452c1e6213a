//! Batches: known answers for whole trees, and places in them that do not hold.

use super::forge::*;
use data_encoding::HEXLOWER;
use serde::Serialize;
use xbind::message::batch::{self, Tree};
use xbind::{Draft, MessageId, Op, Sealed, SigningKey, Unsigned};

/// A batch and some of its messages.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeAnswer {
    size: u32,
    root_hex: String,
    signed_hex: String,
    root_signature_hex: String,
    messages: Vec<Member>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    index: usize,
    leaf_hex: String,
    proof_hex: Vec<String>,
    jws: String,
    body_utf8: String,
}

pub fn file() -> File {
    let all = |size: usize| (0..size).collect::<Vec<_>>();
    File {
        note: "Batches of one sender (wire-format.md, Many messages, one signature). Message n of a batch has n as its \
               id and {\"n\":n} as its body. `cases` are opened as those of message-v1.json are. Keys: RFC 8032 section \
               7.1, TEST 1 to 3.",
        now: NOW,
        recipient: keys().recipient.did().as_str().to_owned(),
        trees: vec![
            answer(2, &all(2)),
            answer(3, &all(3)),
            answer(7, &all(7)),
            answer(8, &all(8)),
            answer(1000, &[0, 1, 511, 512, 998, 999]),
        ],
        cases: [places(), signatures(), neighbours()].concat(),
    }
}

fn answer(size: usize, shown: &[usize]) -> TreeAnswer {
    let sealed = sealed(&keys().sender, size);
    let inputs: Vec<&str> = sealed.iter().map(|message| message.jws.rsplit_once('.').unwrap().0).collect();
    let tree = Tree::new(inputs.iter().map(|input| batch::leaf(input.as_bytes())).collect()).unwrap();
    let width = u32::try_from(size).unwrap();
    let signed = batch::signed_bytes(width, &tree.root());
    TreeAnswer {
        size: width,
        root_hex: HEXLOWER.encode(&tree.root()),
        signed_hex: HEXLOWER.encode(&signed),
        root_signature_hex: HEXLOWER.encode(&keys().sender.sign(&signed)),
        messages: shown
            .iter()
            .map(|&index| Member {
                index,
                leaf_hex: HEXLOWER.encode(&batch::leaf(inputs[index].as_bytes())),
                proof_hex: tree.proof(index).iter().map(|node| HEXLOWER.encode(node)).collect(),
                jws: sealed[index].jws.clone(),
                body_utf8: body(index),
            })
            .collect(),
    }
}

fn body(index: usize) -> String {
    format!("{{\"n\":{index}}}")
}

/// A batch to the recipient.
fn sealed(key: &SigningKey, size: usize) -> Vec<Sealed> {
    let to = *keys().recipient.did();
    let bodies: Vec<String> = (0..size).map(body).collect();
    let drafts: Vec<Draft<'_>> = bodies
        .iter()
        .zip(0_u128..)
        .map(|(body, n)| Draft {
            op: Op::Call,
            to,
            id: MessageId::from_bytes(n.to_be_bytes()),
            issued_at: NOW,
            ttl: 30,
            content_type: "application/json",
            body: body.as_bytes(),
            token: None,
            in_reply_to: None,
            details: xbind::Details::default(),
        })
        .collect();
    let unsigned = Unsigned::new(key.did(), &drafts).unwrap();
    let signature = key.sign(unsigned.to_sign());
    unsigned.finish(&signature)
}

/// Message 2 of 7: three nodes prove it.
struct Victim {
    input: String,
    signature: Vec<u8>,
    proof: Vec<u8>,
}

fn victim() -> Victim {
    let jws = sealed(&keys().sender, 7).swap_remove(2).jws;
    let (input, third) = jws.rsplit_once('.').unwrap();
    let third = data_encoding::BASE64URL_NOPAD.decode(third.as_bytes()).unwrap();
    Victim { input: input.to_owned(), signature: third[..64].to_vec(), proof: third[72..].to_vec() }
}

impl Victim {
    fn placed(&self, size: u32, index: u32, proof: &[u8]) -> String {
        let third = [&self.signature[..], &size.to_be_bytes(), &index.to_be_bytes(), proof].concat();
        format!("{}.{}", self.input, encode(third))
    }

    fn signed(&self, signature: &[u8]) -> String {
        Self { input: self.input.clone(), signature: signature.to_vec(), proof: Vec::new() }.placed(7, 2, &self.proof)
    }
}

fn wrong(name: &'static str, why: &'static str, jws: String) -> Case {
    refuse("INVALID_SIGNATURE", name, why, jws).body(&body(2))
}

fn places() -> Vec<Case> {
    let it = victim();
    let proof = &it.proof[..];
    let (first, rest) = proof.split_at(32);
    let other_leaf = sealed(&keys().sender, 7).swap_remove(3).jws;
    let other_third = other_leaf.rsplit_once('.').unwrap().1;
    let mut flipped = proof.to_vec();
    flipped[40] ^= 0x80;
    vec![
        accept("batch-valid", "message 2 of 7", it.placed(7, 2, proof)).body(&body(2)),
        wrong("index-next", "another place", it.placed(7, 3, proof)),
        wrong("index-first", "another place", it.placed(7, 0, proof)),
        wrong("index-last", "another place, on a shorter way", it.placed(7, 6, proof)),
        wrong("index-is-size", "a place outside the tree", it.placed(7, 7, proof)),
        wrong("index-beyond", "a place outside the tree", it.placed(7, u32::MAX, proof)),
        wrong("size-8", "the same way in a larger tree: size is signed", it.placed(8, 2, proof)),
        wrong("size-6", "the same way in a smaller tree: size is signed", it.placed(6, 2, proof)),
        wrong("size-0", "a tree of none", it.placed(0, 0, &[])),
        wrong("size-1", "one message alone is signed by itself", it.placed(1, 0, &[])),
        wrong("size-4097", "one too many", it.placed(4097, 2, &[proof, &[0; 320]].concat())),
        wrong("size-huge", "far too many", it.placed(u32::MAX, 2, proof)),
        wrong("proof-empty", "no proof", it.placed(7, 2, &[])),
        wrong("proof-short", "a node is missing at the top", it.placed(7, 2, &proof[..64])),
        wrong("proof-short-first", "a node is missing at the bottom", it.placed(7, 2, rest)),
        wrong("proof-long", "a node too many", it.placed(7, 2, &[proof, &[0; 32]].concat())),
        wrong("proof-long-repeated", "a node twice", it.placed(7, 2, &[first, proof].concat())),
        wrong("proof-ragged", "part of a node", it.placed(7, 2, &proof[..95])),
        wrong("proof-ragged-long", "part of a node too many", it.placed(7, 2, &[proof, &[0]].concat())),
        wrong("proof-flipped", "one bit differs", it.placed(7, 2, &flipped)),
        wrong("proof-reordered", "the nodes in another order", it.placed(7, 2, &[rest, first].concat())),
        wrong("proof-of-neighbour", "the place and proof of another message", format!("{}.{other_third}", it.input)),
    ]
}

fn signatures() -> Vec<Case> {
    let Keys { sender, recipient, stranger } = keys();
    let it = victim();
    let proof = &it.proof[..];
    let root = batch::root_from_proof(&batch::leaf(it.input.as_bytes()), 2, 7, it.proof.as_chunks().0).unwrap();
    let signed = batch::signed_bytes(7, &root);
    let mut flipped = it.signature.clone();
    flipped[63] ^= 0x10;
    let other = sealed(&sender, 8).swap_remove(0).jws;
    let other = data_encoding::BASE64URL_NOPAD.decode(other.rsplit_once('.').unwrap().1.as_bytes()).unwrap();
    let single = header(sender.did()).json();
    let batched = header(sender.did()).set("alg", quoted("Ed25519-MT-SHA256")).json();
    let claims = claims(sender.did(), recipient.did()).json();
    let relabelled = format!("{}.{}", encode(single), it.input.split_once('.').unwrap().1);
    let third = [&it.signature[..], &7_u32.to_be_bytes(), &2_u32.to_be_bytes(), proof].concat();
    let node_as_leaf = {
        let pair: Vec<u8> = [&[1][..], &batch::leaf(it.input.as_bytes()), &proof[..32]].concat();
        sender.sign(&pair)
    };
    vec![
        wrong("root-signature-flipped", "one bit differs", it.signed(&flipped)),
        wrong("root-signature-of-another-tree", "the signature of another batch", it.signed(&other[..64])),
        wrong("root-signature-of-another-key", "somebody else signed this root", it.signed(&stranger.sign(&signed))),
        wrong("root-signature-without-context", "the root alone was signed", it.signed(&sender.sign(&root))),
        wrong(
            "root-signature-without-size",
            "context and root were signed, not the size",
            it.signed(&sender.sign(&[&signed[..15], &root].concat())),
        ),
        wrong(
            "root-signature-of-leaf",
            "the message was signed by itself",
            it.signed(&sender.sign(it.input.as_bytes())),
        ),
        wrong("root-signature-of-node", "a node below the root was signed", it.signed(&node_as_leaf)),
        wrong("root-signature-zero", "zeros", it.signed(&[0; 64])),
        wrong("third-segment-short", "no place", format!("{}.{}", it.input, encode(&it.signature))),
        wrong("third-segment-71", "half a place", format!("{}.{}", it.input, encode(&third[..71]))),
        wrong("third-segment-empty", "no signature", format!("{}.", it.input)),
        wrong("single-under-batch-alg", "a plain signature under the batch's alg", sign(&sender, batched, &claims))
            .body(BODY),
        wrong(
            "batch-under-single-alg",
            "a place in a batch under the plain alg",
            format!("{relabelled}.{}", encode(&third)),
        ),
        wrong(
            "alg-rewritten",
            "the batch's alg is part of what is signed",
            format!("{relabelled}.{}", encode(sender.sign(it.input.as_bytes()))),
        ),
        wrong("batch-body", "the body of another message", it.placed(7, 2, proof)).body(&body(3)),
    ]
}

/// What an accepted message of a batch does to others.
fn neighbours() -> Vec<Case> {
    let Keys { sender, recipient, .. } = keys();
    let it = victim();
    let valid = it.placed(7, 2, &it.proof);
    let mut signature = it.signature.clone();
    signature[0] ^= 1;
    // The same leaf in a second batch, and the same message signed by itself.
    let second = batch::leaf(it.input.as_bytes());
    let root = Tree::new(vec![second, [7; 32]]).unwrap().root();
    let resigned = sender.sign(&batch::signed_bytes(2, &root));
    let moved = format!(
        "{}.{}",
        it.input,
        encode([&resigned[..], &2_u32.to_be_bytes(), &0_u32.to_be_bytes(), &[7; 32]].concat())
    );
    let alone = sign(
        &sender,
        header(sender.did()).json(),
        claims_for(sender.did(), recipient.did(), body(2).as_bytes(), "application/json")
            .set("jti", quoted(&encode(2_u128.to_be_bytes())))
            .json(),
    );
    vec![
        refuse("REPLAYED", "batch-replay", "the same message again", valid).after("batch-valid").body(&body(2)),
        accept("batch-second-root", "a leaf of a second batch", moved.clone()).body(&body(2)),
        refuse("REPLAYED", "batch-replay-second-root", "the same leaf under a second root", moved)
            .after("batch-valid")
            .body(&body(2)),
        refuse("REPLAYED", "batch-replay-alone", "the same id, signed by itself", alone)
            .after("batch-valid")
            .body(&body(2)),
        accept("batch-neighbour", "another message of the batch", sealed(&sender, 7).swap_remove(3).jws)
            .after("batch-valid")
            .body(&body(3)),
        wrong(
            "known-root-other-signature",
            "a root that is known, under a signature that is not",
            it.signed(&signature),
        )
        .after("batch-valid"),
        refuse("WRONG_AUDIENCE", "batch-other-recipient", "for somebody else", elsewhere(&sender)).body(&body(0)),
    ]
}

fn elsewhere(sender: &SigningKey) -> String {
    let bodies = [body(0), body(1)];
    let drafts = [0, 1].map(|n| Draft {
        op: Op::Send,
        to: *keys().stranger.did(),
        id: MessageId::from_bytes([n; 16]),
        issued_at: NOW,
        ttl: 30,
        content_type: "application/json",
        body: bodies[usize::from(n)].as_bytes(),
        token: None,
        in_reply_to: None,
        details: xbind::Details::default(),
    });
    let unsigned = Unsigned::new(sender.did(), &drafts).unwrap();
    let signature = sender.sign(unsigned.to_sign());
    unsigned.finish(&signature).swap_remove(0).jws
}
