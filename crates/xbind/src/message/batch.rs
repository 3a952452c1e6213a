//! Many messages, one signature: the Merkle tree of RFC 9162 section 2.1 over their signing inputs.

use sha2::{Digest as _, Sha256};

/// The fewest messages that share a signature; one alone has a signature of its own.
pub const MIN_BATCH: usize = 2;
/// The most messages that share a signature.
pub const MAX_BATCH: usize = 4096;
/// The longest inclusion proof, in nodes: log2 of [`MAX_BATCH`].
pub(crate) const MAX_PROOF: usize = 12;
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

/// On which side of the way to the root a sibling stands.
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    pub(crate) fn parent(&self, node: &Node, sibling: &Node) -> Node {
        match self {
            Self::Left => parent(sibling, node),
            Self::Right => parent(node, sibling),
        }
    }
}

/// A node on the way from a leaf to the root, numbered level by level, and its sibling; an odd node moves up alone.
pub(crate) struct Step {
    pub(crate) at: usize,
    pub(crate) sibling: Option<(Side, usize)>,
}

/// The way from a leaf to below the root.
pub(crate) fn way(index: usize, size: usize) -> impl Iterator<Item = Step> {
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
