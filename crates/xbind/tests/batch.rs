//! Many messages, one signature.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::arithmetic_side_effects, reason = "sizes chosen here")]

mod common;

use common::{Verifier, batch, draft, recipient, sender, vectors};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};
use xbind::message::batch::{MAX_BATCH, Node, Tree, leaf, root_from_proof};
use xbind::{Draft, ErrorKind, Op, References, SigningKey, Unsigned, seal};

/// MTH of RFC 9162 section 2.1.1, word for word, over leaf hashes.
fn mth(leaves: &[Node]) -> Node {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node(&mth(&leaves[..k]), &mth(&leaves[k..]))
        }
    }
}

/// PATH of RFC 9162 section 2.1.3.1.
fn path(m: usize, leaves: &[Node]) -> Vec<Node> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut proof, last) =
        if m < k { (path(m, &leaves[..k]), mth(&leaves[k..])) } else { (path(m - k, &leaves[k..]), mth(&leaves[..k])) };
    proof.push(last);
    proof
}

fn node(left: &Node, right: &Node) -> Node {
    Sha256::digest([&[1][..], left, right].concat()).into()
}

fn leaves(size: usize) -> Vec<Node> {
    (0..size).map(|n| leaf(&n.to_be_bytes())).collect()
}

#[test]
fn a_reference_is_the_digest_of_the_whole_message_whatever_it_begins_like() {
    let alone = seal(&sender(), &draft(1, b"alone")).unwrap();
    let other = seal(&SigningKey::from_seed(&[77; 32]), &draft(2, b"other")).unwrap();
    let drafts: Vec<_> = (3..8).map(|n| draft(n, b"together")).collect();
    let together = batch(&sender(), &drafts);
    for like in [&alone, &other, &together[0]] {
        let references = References::like(like);
        for sealed in together.iter().chain([&alone, &other]) {
            assert_eq!(references.to(sealed), sealed.reference());
        }
    }
}

#[test]
fn a_leaf_is_hashed_as_rfc_9162_says() {
    assert_eq!(leaf(b"abc"), <Node>::from(Sha256::digest(b"\0abc")));
}

#[test]
fn trees_are_those_of_rfc_9162() {
    for size in (2..=70).chain([127, 128, 129, 1000, 4095, 4096]) {
        let leaves = leaves(size);
        let tree = Tree::new(leaves.clone()).unwrap();
        assert_eq!(tree.root(), mth(&leaves), "size {size}");
        let every = if size <= 70 { 1 } else { 499 };
        for index in (0..size).step_by(every).chain([size - 1]) {
            assert_eq!(tree.proof(index), path(index, &leaves), "leaf {index} of {size}");
            assert_eq!(root_from_proof(&leaves[index], index, size, &tree.proof(index)), Some(tree.root()));
        }
    }
}

#[test]
fn no_other_place_leads_to_the_root() {
    for size in 2..=17 {
        let leaves = leaves(size);
        let tree = Tree::new(leaves.clone()).unwrap();
        for index in 0..size {
            let proof = tree.proof(index);
            for other in (0..size + 3).filter(|other| *other != index) {
                assert_ne!(root_from_proof(&leaves[index], other, size, &proof), Some(tree.root()));
            }
            assert_eq!(root_from_proof(&leaves[index], index, size, &proof[..proof.len() - 1]), None);
            assert_eq!(root_from_proof(&leaves[index], index, size, &[&proof[..], &[[0; 32]]].concat()), None);
            assert_ne!(root_from_proof(&leaves[(index + 1) % size], index, size, &proof), Some(tree.root()));
        }
    }
}

#[test]
fn sizes_are_bounded() {
    for size in [0, 1, MAX_BATCH + 1] {
        assert!(Tree::new(leaves(size)).is_none(), "size {size}");
        assert_eq!(root_from_proof(&[0; 32], 0, size, &[]), None, "size {size}");
    }
    assert!(Tree::new(leaves(2)).unwrap().proof(2).is_empty());
    let draft = draft(1, b"");
    assert_eq!(
        Unsigned::new(sender().did(), <&[Draft<'_>]>::default()).err().unwrap().kind(),
        ErrorKind::MalformedMessage
    );
    let many = vec![draft; MAX_BATCH + 1];
    assert_eq!(Unsigned::new(sender().did(), &many).err().unwrap().kind(), ErrorKind::MalformedMessage);
}

#[test]
fn one_draft_is_signed_plainly() {
    let draft = draft(1, b"{}");
    let sealed = batch(&sender(), &[draft]);
    assert_eq!(sealed.len(), 1);
    assert_eq!(sealed[0].jws, seal(&sender(), &draft).unwrap().jws);
}

#[test]
fn every_message_of_a_batch_opens_by_itself() {
    for size in [2, 3, 4, 5, 8, 33, 100] {
        let bodies: Vec<_> = (0..size).map(|n| format!("{{\"n\":{n}}}")).collect();
        let drafts: Vec<_> = bodies.iter().zip(0..).map(|(body, n)| draft(n, body.as_bytes())).collect();
        for (n, sealed) in batch(&sender(), &drafts).iter().enumerate() {
            let alone = Verifier::new(recipient().did());
            let opened = alone.open(&sealed.jws, bodies[n].as_bytes()).unwrap();
            assert_eq!(*opened.id(), drafts[n].id);
        }
    }
}

#[test]
fn the_largest_batch_opens() {
    let drafts: Vec<_> = (0..4096).map(|n| draft(n, b"{}")).collect();
    let mut home = Verifier::new(recipient().did());
    home.window = xbind::ReplayWindow::new(4096);
    for sealed in batch(&sender(), &drafts) {
        home.open(&sealed.jws, b"{}").unwrap();
    }
    assert_eq!(home.window.len(), 4096);
}

#[test]
fn a_bad_draft_spoils_its_batch() {
    let good = draft(1, b"");
    let drafts = [good, Draft { ttl: 0, ..good }, Draft { to: *sender().did(), ..good }];
    assert_eq!(Unsigned::new(sender().did(), &drafts).err().unwrap().kind(), ErrorKind::MalformedMessage);
    let drafts = [good, Draft { to: *sender().did(), ..good }, Draft { ttl: 0, ..good }];
    assert_eq!(Unsigned::new(sender().did(), &drafts).err().unwrap().kind(), ErrorKind::WrongAudience);
}

#[test]
fn a_batch_serves_many_recipients() {
    let other = SigningKey::from_seed(&[9; 32]);
    let drafts = [draft(1, b"a"), Draft { to: *other.did(), op: Op::Send, ..draft(2, b"b") }];
    let sealed = batch(&sender(), &drafts);
    assert!(Verifier::new(recipient().did()).open(&sealed[0].jws, b"a").is_ok());
    assert!(Verifier::new(other.did()).open(&sealed[1].jws, b"b").is_ok());
}

#[test]
fn a_wrong_signature_makes_messages_that_nobody_opens() {
    let drafts = [draft(1, b"a"), draft(2, b"b")];
    let sealed = Unsigned::new(sender().did(), &drafts).unwrap().finish(&[7; 64]);
    let error = Verifier::new(recipient().did()).open(&sealed[0].jws, b"a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSignature);
}

#[test]
fn what_was_proved_before_changes_no_decision() {
    for size in [2_usize, 3, 5, 8, 13, 33, 130] {
        let bodies: Vec<_> = (0..size).map(|n| n.to_string()).collect();
        let drafts: Vec<_> = bodies.iter().zip(0..).map(|(body, n)| draft(n, body.as_bytes())).collect();
        let sealed = batch(&sender(), &drafts);
        let third = |n: usize| BASE64URL_NOPAD.decode(sealed[n].jws.rsplit_once('.').unwrap().1.as_bytes()).unwrap();
        for stride in [1, 3, 7].into_iter().filter(|stride| size % stride != 0 || *stride == 1) {
            let warm = Verifier::new(recipient().did());
            for n in (0..size).map(|n| n * stride % size) {
                let (input, _) = sealed[n].jws.rsplit_once('.').unwrap();
                let body = bodies[n].as_bytes();
                let right = third(n);
                let mut wrong = vec![third((n + 1) % size), right[..right.len() - 32].to_vec()];
                wrong.push([&right[..], &[0; 32]].concat());
                wrong.push([&right[..], &right[72..104]].concat());
                for at in (0..8).map(|word| word * 9).chain((72..right.len()).step_by(31)) {
                    let mut flipped = right.clone();
                    flipped[at] ^= 1;
                    wrong.push(flipped);
                }
                if right.len() >= 136 {
                    let mut swapped = right.clone();
                    swapped[72..136].rotate_left(32);
                    wrong.push(swapped);
                }
                for wrong in wrong.iter().filter(|wrong| **wrong != right) {
                    let forged = format!("{input}.{}", BASE64URL_NOPAD.encode(wrong));
                    assert_eq!(
                        warm.open(&forged, body).unwrap_err().kind(),
                        ErrorKind::InvalidSignature,
                        "{n} of {size}"
                    );
                }
                warm.open(&sealed[n].jws, body).unwrap();
            }
        }
    }
}

#[test]
fn the_known_trees() {
    let file = vectors("message-batch.json");
    let sizes: Vec<_> = file["trees"].as_array().unwrap().iter().map(|tree| tree["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [2, 3, 7, 8, 1000]);
    for tree in file["trees"].as_array().unwrap() {
        let size = tree["size"].as_u64().unwrap();
        let hex = |text: &serde_json::Value| HEXLOWER.decode(text.as_str().unwrap().as_bytes()).unwrap();
        let root: Node = hex(&tree["rootHex"]).try_into().unwrap();
        let signed = [b"xbind-batch-v1\0".to_vec(), u32::try_from(size).unwrap().to_be_bytes().to_vec(), root.to_vec()];
        assert_eq!(hex(&tree["signedHex"]), signed.concat());
        for message in tree["messages"].as_array().unwrap() {
            let (input, third) = message["jws"].as_str().unwrap().rsplit_once('.').unwrap();
            assert_eq!(hex(&message["leafHex"]), leaf(input.as_bytes()));
            let index = message["index"].as_u64().unwrap();
            let proof: Vec<Node> =
                message["proofHex"].as_array().unwrap().iter().map(|node| hex(node).try_into().unwrap()).collect();
            let third = BASE64URL_NOPAD.decode(third.as_bytes()).unwrap();
            assert_eq!(third[..64], hex(&tree["rootSignatureHex"]));
            assert_eq!(third[64..72], ((size << 32) | index).to_be_bytes());
            assert_eq!(third[72..], *proof.as_flattened());
            let (index, size) = (usize::try_from(index).unwrap(), usize::try_from(size).unwrap());
            assert_eq!(root_from_proof(&leaf(input.as_bytes()), index, size, &proof), Some(root));
        }
    }
}
