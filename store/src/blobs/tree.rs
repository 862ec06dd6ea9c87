//! The verification tree: proving, checking and rebuilding, shared by every place that keeps blobs.

use std::io::{self, Read};
use std::ops::Range;

use bao_tree::io::outboard::{PreOrderMemOutboard, PreOrderOutboard};
use bao_tree::io::sync::{
    DecodeResponseIter, ReadAt, WriteAt, encode_ranges_validated, outboard, valid_ranges,
};
use bao_tree::io::{BaoContentItem, EncodeError};
use bao_tree::{BaoTree, BlockSize, ByteRanges, ChunkNum, ChunkRanges};

use super::{BlobHash, GROUP_BYTES, group_count};
use crate::BlobError;
use crate::limits::SLICE_GROUPS_MAX;

/// BLAKE3 hashes in chunks of 1 KiB; a group is 2^4 of them.
const CHUNKS_PER_GROUP_LOG: u8 = 4;
const CHUNKS_PER_GROUP: u64 = 1 << CHUNKS_PER_GROUP_LOG;
const CHUNK_BYTES: u64 = GROUP_BYTES / CHUNKS_PER_GROUP;

/// A set of groups.
pub(super) type Groups = ByteRanges;

/// The groups as ranges, in order and not touching.
pub(super) fn ranges_of(groups: &Groups) -> Vec<Range<u64>> {
    groups
        .boundaries()
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [start, end] => Some(*start..*end),
            _ => None,
        })
        .collect()
}

/// A blob's hash and size: all that its tree's shape depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    hash: BlobHash,
    size: u64,
}

/// A slice whose every byte was proven.
pub(super) struct Proven(Vec<BaoContentItem>);

impl Shape {
    pub(super) fn new(hash: BlobHash, size: u64) -> Self {
        Self { hash, size }
    }

    /// The bytes the tree occupies.
    pub(super) fn tree_bytes(self) -> u64 {
        self.tree().outboard_size()
    }

    /// Every group.
    pub(super) fn all_groups(self) -> Groups {
        Groups::from(0..group_count(self.size))
    }

    /// Refuses ranges that are empty, too long or not within the blob.
    pub(super) fn check(self, groups: &Range<u64>) -> Result<(), BlobError> {
        let count = group_count(self.size);
        let long = groups.end.saturating_sub(groups.start);
        if long == 0 || long > SLICE_GROUPS_MAX || groups.end > count {
            let Range { start: first, end } = *groups;
            return Err(BlobError::Range {
                first,
                end,
                groups: count,
                limit: SLICE_GROUPS_MAX,
            });
        }
        Ok(())
    }

    /// Reads the groups with their proof, checking them on the way.
    pub(super) fn encode(
        self,
        data: impl ReadAt,
        tree: impl ReadAt,
        groups: &Range<u64>,
    ) -> Result<Vec<u8>, BlobError> {
        self.check(groups)?;
        let outboard = PreOrderOutboard {
            root: self.hash.root(),
            tree: self.tree(),
            data: tree,
        };
        // With the hashes on the way to them.
        let bytes = groups.end.saturating_sub(groups.start) * GROUP_BYTES + 4_096;
        let mut encoded = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        match encode_ranges_validated(data, outboard, &chunks(groups), &mut encoded) {
            Ok(()) => Ok(encoded),
            Err(EncodeError::Io(source)) if source.kind() != io::ErrorKind::UnexpectedEof => {
                Err(BlobError::io(format!("read blob {}", self.hash), source))
            }
            Err(_) => Err(BlobError::Damaged { hash: self.hash }),
        }
    }

    /// Checks a slice against the hash. Nothing but the exact bytes passes, and nothing behind them.
    pub(super) fn decode(self, groups: &Range<u64>, encoded: &[u8]) -> Result<Proven, BlobError> {
        self.check(groups)?;
        let wanted = chunks(groups);
        let mut rest = encoded;
        let items = DecodeResponseIter::new(self.hash.root(), self.tree(), &mut rest, &wanted)
            .collect::<Result<Vec<_>, _>>();
        match items {
            Ok(items) if rest.is_empty() => Ok(Proven(items)),
            _ => Err(BlobError::Wrong {
                hash: self.hash,
                first: groups.start,
                end: groups.end,
            }),
        }
    }

    /// Writes a proven slice to its places.
    pub(super) fn store(
        self,
        slice: Proven,
        mut data: impl WriteAt,
        tree: &mut impl WriteAt,
    ) -> io::Result<()> {
        let shape = self.tree();
        for item in slice.0 {
            match item {
                BaoContentItem::Leaf(leaf) => data.write_all_at(leaf.offset, &leaf.data)?,
                BaoContentItem::Parent(parent) => {
                    if let Some(place) = shape.pre_order_offset(parent.node) {
                        let mut pair = [0; 64];
                        let (left, right) = pair.split_at_mut(32);
                        left.copy_from_slice(parent.pair.0.as_bytes());
                        right.copy_from_slice(parent.pair.1.as_bytes());
                        tree.write_all_at(place * 64, &pair)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Hashes what is there, and tells which groups prove themselves.
    pub(super) fn sound_groups(self, data: impl ReadAt, tree: impl ReadAt) -> io::Result<Groups> {
        let outboard = PreOrderOutboard {
            root: self.hash.root(),
            tree: self.tree(),
            data: tree,
        };
        let everything = ChunkRanges::all();
        let mut sound = Groups::empty();
        for range in valid_ranges(outboard, data, &everything) {
            let range = range?;
            sound |= Groups::from(range.start.0 / CHUNKS_PER_GROUP..range.end.0.div_ceil(CHUNKS_PER_GROUP));
        }
        Ok(sound)
    }

    fn tree(self) -> BaoTree {
        shape_of(self.size)
    }
}

/// Hashes `size` bytes of content, keeping the tree.
pub(super) fn grow(content: impl Read, size: u64) -> io::Result<(BlobHash, Vec<u8>)> {
    let shape = shape_of(size);
    let bytes = usize::try_from(shape.outboard_size()).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut tree = PreOrderMemOutboard {
        root: BlobHash::of(&[]).root(),
        tree: shape,
        data: vec![0; bytes],
    };
    let root = outboard(content, shape, &mut tree)?;
    Ok((BlobHash::from_bytes(*root.as_bytes()), tree.data))
}

fn shape_of(size: u64) -> BaoTree {
    const GROUP: BlockSize = BlockSize::from_chunk_log(CHUNKS_PER_GROUP_LOG);
    const { assert!(GROUP.bytes() as u64 == GROUP_BYTES && CHUNK_BYTES == 1024) };
    BaoTree::new(size, GROUP)
}

fn chunks(groups: &Range<u64>) -> ChunkRanges {
    let chunk = |group: u64| ChunkNum(group.saturating_mul(CHUNKS_PER_GROUP));
    ChunkRanges::from(chunk(groups.start)..chunk(groups.end))
}

#[cfg(test)]
mod tests {
    use bao_tree::iter::BaoChunk;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{always, bytes, changed, changes};
    use crate::limits::{BLOB_BYTES_MAX, FRAME_GROUPS_MAX};

    /// The encoded length, from the shape alone.
    fn slice_bytes(size: u64, groups: Range<u64>) -> usize {
        let wanted = chunks(&groups);
        // The encoder drops what lies behind the end, in the same way.
        let wanted = bao_tree::io::sync::truncate_ranges(&wanted, size);
        shape_of(size)
            .ranges_pre_order_chunks_iter_ref(wanted, CHUNKS_PER_GROUP_LOG)
            .map(|item| match item {
                BaoChunk::Parent { .. } => 64,
                BaoChunk::Leaf { size, .. } => size,
            })
            .sum()
    }

    #[test]
    fn a_slice_of_three_groups_fits_a_frame_in_the_deepest_tree() {
        const FRAME_PAYLOAD: usize = 64 * 1024 - 64;
        let mut longest = 0;
        for size in [
            BLOB_BYTES_MAX,
            BLOB_BYTES_MAX - 1,
            BLOB_BYTES_MAX / 2 + 1,
            BLOB_BYTES_MAX / 3,
        ] {
            let count = group_count(size);
            // Any three neighbours, at every height of the tree where their paths part, and at both ends.
            let mut starts = vec![0, 1, 2, count - FRAME_GROUPS_MAX];
            for level in 0..16 {
                for step in 0..6 {
                    starts.push(((1_u64 << level) + 2).saturating_sub(step));
                    starts.push((count / 2 + (1 << level)).saturating_sub(step));
                }
            }
            for start in starts
                .into_iter()
                .filter(|start| start + FRAME_GROUPS_MAX <= count)
            {
                longest = longest.max(slice_bytes(size, start..start + FRAME_GROUPS_MAX));
            }
        }
        assert!(
            longest > 3 * 16 * 1024 + 16 * 64,
            "the deepest paths must be among those tried: {longest}"
        );
        assert!(longest < FRAME_PAYLOAD, "{longest} bytes do not fit a frame");
    }

    #[test]
    fn the_length_reckoned_is_the_length_encoded() {
        let content = vec![7; 21 * 16 * 1024 + 5];
        let size = content.len() as u64;
        let (hash, tree) = grow(content.as_slice(), size).unwrap();
        for start in 0..group_count(size) - 2 {
            let encoded = Shape::new(hash, size)
                .encode(&content, &tree, &(start..start + 3))
                .unwrap();
            assert_eq!(
                encoded.len(),
                slice_bytes(size, start..start + 3),
                "from group {start}"
            );
        }
    }

    #[test]
    fn the_hash_is_the_plain_one() {
        for size in [0_usize, 1, 1023, 1024, 1025, 16_384, 16_385, 100_000] {
            let content: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let (hash, tree) = grow(content.as_slice(), size as u64).unwrap();
            assert_eq!(hash, BlobHash::of(&content), "{size} bytes");
            assert_eq!(tree.len() as u64, Shape::new(hash, size as u64).tree_bytes());
        }
    }

    /// A blob of up to nine groups, with its tree.
    fn blob() -> impl Strategy<Value = (Vec<u8>, BlobHash, Vec<u8>)> {
        (0..150_000_usize, any::<u8>()).prop_map(|(size, salt)| {
            let content: Vec<u8> = (0..size).map(|at| (at >> 5) as u8 ^ salt).collect();
            let (hash, tree) = grow(content.as_slice(), size as u64).unwrap();
            (content, hash, tree)
        })
    }

    #[test]
    fn any_bytes_as_a_slice_are_refused_or_the_very_bytes_of_the_blob() {
        // Mostly within the blob, sometimes beyond its end.
        let groups = (0..10_u64, 0..4_u64).prop_map(|(from, groups)| (from, from + groups));
        let case = (blob(), groups, changes(), bytes(), 0..200_000_u64, any::<bool>());
        always(
            case,
            |((content, hash, tree), (from, to), changes, other, said, lie)| {
                let shape = Shape::new(hash, if lie { said } else { content.len() as u64 });
                let honest = Shape::new(hash, content.len() as u64);
                let sound = honest.encode(&content, &tree, &(from..to)).unwrap_or_default();
                for encoded in [changed(sound.clone(), &changes), other, sound.clone()] {
                    if let Ok(slice) = shape.decode(&(from..to), &encoded) {
                        let mut data = vec![0; usize::try_from(shape.size).unwrap()];
                        let mut outboard = vec![0; usize::try_from(shape.tree_bytes()).unwrap()];
                        shape.store(slice, &mut data, &mut outboard).unwrap();
                        let (from, to) = (from * GROUP_BYTES, (to * GROUP_BYTES).min(shape.size));
                        let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
                        prop_assert_eq!(data.get(range.clone()), content.get(range));
                        if shape.size == honest.size {
                            prop_assert_eq!(&encoded, &sound, "there is one slice, and nothing behind it");
                        }
                    }
                }
                Ok(())
            },
        );
    }

    #[test]
    fn what_is_found_sound_of_changed_files_is_unchanged() {
        let case = (blob(), changes(), changes());
        always(case, |((content, hash, tree), to_data, to_tree)| {
            let shape = Shape::new(hash, content.len() as u64);
            let data = changed(content.clone(), &to_data);
            for tree in [changed(tree.clone(), &to_tree), tree, Vec::new()] {
                // A part that is missing is an error of the file, or a part that is not sound.
                let Ok(sound) = shape.sound_groups(&data, &tree) else {
                    continue;
                };
                let ranges = ranges_of(&sound);
                prop_assert!(ranges.is_sorted_by(|one, next| one.end < next.start));
                for range in ranges {
                    let (from, to) = (range.start * GROUP_BYTES, range.end * GROUP_BYTES);
                    let range = from as usize..(to as usize).min(content.len());
                    prop_assert_eq!(data.get(range.clone()), content.get(range));
                }
            }
            Ok(())
        });
    }
}
