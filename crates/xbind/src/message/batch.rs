//! Many messages, one signature: the Merkle tree of RFC 9162 section 2.1 over their signing inputs.

use crate::cache::Cache;
use crate::identity::key::VerifyingKey;
use sha2::{Digest as _, Sha256};
use std::sync::{Mutex, PoisonError};

/// The fewest messages that share a signature; one alone has a signature of its own.
pub const MIN_BATCH: usize = 2;
/// The most messages that share a signature.
pub const MAX_BATCH: usize = 4096;
/// The longest inclusion proof, in nodes: log2 of [`MAX_BATCH`].
const MAX_PROOF: usize = 12;
/// What the root signature covers starts with this, so that it can't be taken for anything else that a key signs.
const CONTEXT: &[u8; 15] = b"xbind-batch-v1\0";

/// A node of the tree: a SHA-256 digest.
pub type Node = [u8; 32];

/// The leaf of one message: SHA-256 of 0x00 and its signing input.
#[must_use]
pub fn leaf(signing_input: &[u8]) -> Node {
    leaf_hasher().chain_update(signing_input).finalize().into()
}

/// Takes the signing input of one message, piece by piece.
pub(crate) fn leaf_hasher() -> Sha256 {
    Sha256::new_with_prefix([0])
}

/// A tree with all its levels, so that every proof is a few look-ups.
pub struct Tree {
    /// Leaves first, root last.
    levels: Vec<Vec<Node>>,
}

impl Tree {
    /// The tree over these leaves, in this order; `None` unless there are 2 to 4096.
    #[must_use]
    pub fn new(leaves: Vec<Node>) -> Option<Self> {
        if !(MIN_BATCH..=MAX_BATCH).contains(&leaves.len()) {
            return None;
        }
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => parent(left, right),
                    [alone] => *alone, // an odd node moves up as it is
                    _ => [0; 32],
                })
                .collect();
            levels.push(above);
        }
        Some(Self { levels })
    }

    /// How many leaves it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// The node over all of them.
    #[must_use]
    pub fn root(&self) -> Node {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or_default()
    }

    /// The siblings on the way from a leaf to the root (RFC 9162 section 2.1.3), lowest first; none for a leaf that
    /// is not there.
    #[must_use]
    pub fn proof(&self, index: usize) -> Vec<Node> {
        let mut proof = Vec::with_capacity(MAX_PROOF);
        let mut at = index;
        for level in self.levels.iter().filter(|_| index < self.size()) {
            proof.extend(level.get(at ^ 1));
            at >>= 1;
        }
        proof
    }
}

/// How many nodes prove a leaf of a tree of that size.
#[must_use]
pub fn proof_len(index: usize, size: usize) -> usize {
    way(index, size).filter_map(|step| step.sibling).count()
}

/// The root that a leaf and its proof lead to; `None` unless the leaf is inside a tree of 2 to 4096 and the proof has
/// exactly the nodes that its place asks for.
#[must_use]
pub fn root_from_proof(leaf: &Node, index: usize, size: usize, proof: &[Node]) -> Option<Node> {
    if !(MIN_BATCH..=MAX_BATCH).contains(&size) || index >= size {
        return None;
    }
    let mut node = *leaf;
    let mut proof = proof.iter();
    for (side, _) in way(index, size).filter_map(|step| step.sibling) {
        node = side.parent(&node, proof.next()?);
    }
    proof.next().is_none().then_some(node)
}

/// What the key signs for a whole tree: a context, the size as 4 bytes big-endian, and the root.
#[must_use]
pub fn signed_bytes(size: u32, root: &Node) -> [u8; 51] {
    let mut bytes = [0; 51];
    let parts = CONTEXT.iter().copied().chain(size.to_be_bytes()).chain(root.iter().copied());
    for (to, from) in bytes.iter_mut().zip(parts) {
        *to = from;
    }
    bytes
}

/// A message's place in its batch: the third segment of its JWS.
pub(crate) struct Membership<'a> {
    pub(crate) signature: &'a [u8; 64],
    pub(crate) size: u32,
    pub(crate) index: u32,
    pub(crate) proof: &'a [Node],
}

impl<'a> Membership<'a> {
    /// Root signature (64 bytes), size and index (4 bytes each, big-endian), then 32 bytes a node.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (signature, rest) = bytes.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (proof, []) = rest.as_chunks() else { return None };
        Some(Self { signature, size: u32::from_be_bytes(*size), index: u32::from_be_bytes(*index), proof })
    }
}

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
    /// same root are not computed again; the decision is that of [`root_from_proof`] and [`RootCache::verify`].
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

    /// Whether `signature` is the key's over the root of a tree of that size, as [`VerifyingKey::verify`] decides it:
    /// only the very signature that was verified is ever remembered.
    #[must_use]
    pub fn verify(&self, key: &VerifyingKey, size: u32, root: &Node, signature: &[u8; 64]) -> bool {
        let name = (*key.did().public_key(), size, *root);
        self.knows(&name, signature) || self.learn(key, name, signature)
    }

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
        let mut shown = Vec::with_capacity(2 * MAX_PROOF);
        let mut node = *leaf;
        let mut met = false;
        let mut proof = proof.iter();
        for Step { at, sibling } in way(index, self.size) {
            met = met || self.knows(at, &node);
            if !met {
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

/// On which side of the way to the root a sibling stands.
enum Side {
    Left,
    Right,
}

impl Side {
    fn parent(&self, node: &Node, sibling: &Node) -> Node {
        match self {
            Self::Left => parent(sibling, node),
            Self::Right => parent(node, sibling),
        }
    }
}

/// A node on the way from a leaf to the root, numbered level by level, and its sibling; an odd node moves up alone.
struct Step {
    at: usize,
    sibling: Option<(Side, usize)>,
}

/// The way from a leaf to below the root.
fn way(index: usize, size: usize) -> impl Iterator<Item = Step> {
    let mut at = index;
    let mut width = size;
    let mut level: usize = 0;
    std::iter::from_fn(move || {
        if width <= 1 {
            return None;
        }
        let sibling = match at ^ 1 {
            left if left < at => Some((Side::Left, level.saturating_add(left))),
            right if right < width => Some((Side::Right, level.saturating_add(right))),
            _ => None,
        };
        let step = Step { at: level.saturating_add(at), sibling };
        level = level.saturating_add(width);
        at >>= 1;
        width = width.div_ceil(2);
        Some(step)
    })
}

fn parent(left: &Node, right: &Node) -> Node {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}
