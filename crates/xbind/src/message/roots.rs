//! What was verified of batches: their roots, and of the latest ones the nodes.

use crate::cache::Cache;
use crate::identity::key::VerifyingKey;
use crate::message::batch::{MAX_PROOF, Membership, Node, Step, root_from_proof, signed_bytes, way};
use std::sync::{Mutex, PoisonError};

/// Remembers roots whose signature was verified, so that each batch costs its recipients one verification.
///
/// Holds at most `capacity` roots (about 200 bytes each); what was met long ago makes room. Of a few of the latest it also
/// remembers the nodes that were proved (at most 270 KB each). Threads may share it.
pub struct RootCache {
    kept: Cache<RootKey, [u8; 64]>,
    proven: [Mutex<Option<Proven>>; PROVEN],
}

/// Issuer, size and root.
type RootKey = ([u8; 32], u32, Node);

impl RootCache {
    /// An empty cache; it owns no heap until the first root comes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { kept: Cache::new(capacity), proven: Default::default() }
    }

    /// Whether a message is in the tree of that signature, which is the key's. The nodes that lead other messages to the
    /// same root are not computed again; the decision is that of [`root_from_proof`] and [`VerifyingKey::verify`].
    pub(crate) fn has_member(&self, key: &VerifyingKey, leaf: &Node, place: &Membership<'_>) -> bool {
        let (Ok(index), Ok(size)) = (usize::try_from(place.index), usize::try_from(place.size)) else { return false };
        let [first, ..] = place.signature;
        let Some(slot) = self.proven.get(usize::from(*first) % PROVEN) else { return false };
        let slot = || slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot().as_mut().is_some_and(|it| it.is_of(key, place) && it.admit(leaf, index, place.proof)) {
            return true;
        }
        let Some(root) = root_from_proof(leaf, index, size, place.proof) else { return false };
        let name = (*key.did().public_key(), place.size, root);
        let again = self.knows(&name, place.signature);
        if !again && !self.learn(key, name, place.signature) {
            return false;
        }
        if again || size <= SMALL {
            let mut proven = Proven::new(key, place, size, root);
            proven.admit(leaf, index, place.proof);
            *slot() = Some(proven);
        }
        true
    }

    /// Only the very signature that was verified is ever remembered.
    fn learn(&self, key: &VerifyingKey, name: RootKey, signature: &[u8; 64]) -> bool {
        let (_, size, root) = &name;
        let valid = key.verify(&signed_bytes(*size, root), signature);
        if valid {
            self.kept.keep(name, *signature);
        }
        valid
    }

    fn knows(&self, name: &RootKey, signature: &[u8; 64]) -> bool {
        self.kept.get(name).is_some_and(|known| known == *signature)
    }
}

/// How many trees are remembered with their nodes.
const PROVEN: usize = 16;
/// A tree of at most so many leaves is remembered when its first message comes, a larger one with the second.
const SMALL: usize = 128;

/// The nodes of a tree whose root is signed, as far as proofs have shown them.
struct Proven {
    issuer: [u8; 32],
    signature: [u8; 64],
    size: usize,
    root: Node,
    /// Level by level, leaves first.
    nodes: Vec<Option<Node>>,
}

impl Proven {
    fn new(key: &VerifyingKey, place: &Membership<'_>, size: usize, root: Node) -> Self {
        let room = size.saturating_mul(2).saturating_add(MAX_PROOF);
        let nodes = vec![None; room];
        Self { issuer: *key.did().public_key(), signature: *place.signature, size, root, nodes }
    }

    fn is_of(&self, key: &VerifyingKey, place: &Membership<'_>) -> bool {
        self.signature == *place.signature
            && self.issuer == *key.did().public_key()
            && u32::try_from(self.size) == Ok(place.size)
    }

    fn knows(&self, at: usize, node: &Node) -> bool {
        self.nodes.get(at).and_then(Option::as_ref) == Some(node)
    }

    /// True if leaf and proof lead to the root: computed up to the first node that is known to lie below it, and from there
    /// on the same siblings as in the proof that has shown that node. False decides nothing.
    fn admit(&mut self, leaf: &Node, index: usize, proof: &[Node]) -> bool {
        if index >= self.size {
            return false;
        }
        let mut shown = Vec::new(); // most find a node that is known at once
        let mut node = *leaf;
        let mut met = false;
        let mut proof = proof.iter();
        for Step { at, sibling } in way(index, self.size) {
            met = met || self.knows(at, &node);
            if !met {
                if shown.is_empty() {
                    shown.reserve(2 * MAX_PROOF);
                }
                shown.push((at, node));
            }
            let Some((side, beside)) = sibling else { continue };
            let Some(sibling) = proof.next() else { return false };
            if !met {
                shown.push((beside, *sibling));
                node = side.parent(&node, sibling);
            } else if !self.knows(beside, sibling) {
                return false;
            }
        }
        if proof.next().is_some() || !(met || node == self.root) {
            return false;
        }
        for (at, node) in shown {
            if let Some(place) = self.nodes.get_mut(at) {
                *place = Some(node);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::key::SigningKey;

    #[test]
    fn a_cache_of_roots_decides_as_none_would() {
        let (key, other) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let root = [3; 32];
        let signature = key.sign(&signed_bytes(5, &root));
        let flipped = signature.map(|byte| byte ^ 1);
        for capacity in [0, 2, 100] {
            let roots = RootCache::new(capacity);
            let verify = |key: &SigningKey, size: u32, root: Node, signature: &[u8; 64]| {
                let name = (*key.did().public_key(), size, root);
                roots.knows(&name, signature) || roots.learn(key.verifying_key(), name, signature)
            };
            for _ in 0..3 {
                assert!(verify(&key, 5, root, &signature));
                assert!(!verify(&key, 5, root, &flipped), "another signature");
                assert!(!verify(&key, 6, root, &signature), "another size");
                assert!(!verify(&key, 5, [4; 32], &signature), "another root");
                assert!(!verify(&other, 5, root, &signature), "another key");
            }
        }
    }
}
