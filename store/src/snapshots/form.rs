//! How a snapshot lies in its file.
//!
//! ```text
//! "cue-snap" (8)  version (1)  flags (1)  key (32)  generation (8)
//! length (2)  expectation   length (8)  content   checksum (32)
//! ```
//!
//! Numbers are big-endian. The checksum is the BLAKE3 hash of all before it, in this version and in every later
//! one, so that damage is told from a newer format. Flag bit 0 is reserved for content encrypted at rest.

use super::{Snapshot, SnapshotName};
use crate::limits::{EXPECTATION_BYTES_MAX, SNAPSHOT_BYTES_MAX};

const MAGIC: &[u8; 8] = b"cue-snap";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 32;
const FIXED_BYTES: usize = 8 + 1 + 1 + 32 + 8 + 2 + 8 + CHECKSUM_BYTES;

/// A file longer than this is none of ours.
pub(super) const FILE_BYTES_MAX: usize = FIXED_BYTES + EXPECTATION_BYTES_MAX + SNAPSHOT_BYTES_MAX;

/// Why a file is not the snapshot of its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Damaged,
    Format,
}

/// What comes before the content, and what comes behind it.
pub(super) fn frame(
    name: SnapshotName,
    expectation: &[u8],
    content: &[u8],
) -> (Vec<u8>, [u8; CHECKSUM_BYTES]) {
    let mut head = Vec::with_capacity(FIXED_BYTES + expectation.len());
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&[VERSION, 0]);
    head.extend_from_slice(&name.key);
    head.extend_from_slice(&name.generation.to_be_bytes());
    // Whoever puts a snapshot checks its lengths first, so this never saturates.
    let length = u16::try_from(expectation.len()).unwrap_or(u16::MAX);
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(expectation);
    head.extend_from_slice(&(content.len() as u64).to_be_bytes());
    let checksum = *blake3::Hasher::new()
        .update(&head)
        .update(content)
        .finalize()
        .as_bytes();
    (head, checksum)
}

/// Takes a file apart. Nothing in it is believed before the checksum was compared.
pub(super) fn parse(name: SnapshotName, mut file: Vec<u8>) -> Result<Snapshot, Flaw> {
    let (body, checksum) = file.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Flaw::Damaged)?;
    if blake3::hash(body) != *checksum {
        return Err(Flaw::Damaged);
    }
    let rest = body.strip_prefix(MAGIC).ok_or(Flaw::Damaged)?;
    let (known, rest) = rest.split_first_chunk::<2>().ok_or(Flaw::Damaged)?;
    if *known != [VERSION, 0] {
        return Err(Flaw::Format);
    }
    let (key, rest) = rest.split_first_chunk::<32>().ok_or(Flaw::Damaged)?;
    let (generation, rest) = rest.split_first_chunk::<8>().ok_or(Flaw::Damaged)?;
    // Sound, but under a name that is not its own.
    if *key != name.key || u64::from_be_bytes(*generation) != name.generation {
        return Err(Flaw::Damaged);
    }
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Flaw::Damaged)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (expectation, rest) = rest.split_at_checked(length).ok_or(Flaw::Damaged)?;
    let (length, content) = rest.split_first_chunk::<8>().ok_or(Flaw::Damaged)?;
    if u64::from_be_bytes(*length) != content.len() as u64 {
        return Err(Flaw::Damaged);
    }
    let expectation = expectation.to_vec();
    // In place: a snapshot is the largest thing in memory when a deck is opened.
    let content_from = body.len() - content.len();
    file.truncate(file.len() - CHECKSUM_BYTES);
    file.drain(..content_from);
    Ok(Snapshot {
        expectation,
        content: file,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{always, bytes, changed, changes};

    const NAME: SnapshotName = SnapshotName {
        key: [5; 32],
        generation: 3,
    };

    fn file(expectation: &[u8], content: &[u8]) -> Vec<u8> {
        let (head, checksum) = frame(NAME, expectation, content);
        [&head, content, &checksum].concat()
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let whole = file(b"head", b"what the deck was");
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(NAME, flipped), Err(Flaw::Damaged), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert_eq!(
                parse(NAME, whole[..length].to_vec()),
                Err(Flaw::Damaged),
                "cut to {length}"
            );
        }
        assert_eq!(parse(NAME, [whole.as_slice(), &[0]].concat()), Err(Flaw::Damaged));
        assert_eq!(parse(NAME, whole).unwrap().content, b"what the deck was");
    }

    #[test]
    fn a_snapshot_under_the_name_of_another_is_noticed() {
        let whole = file(b"head", b"content");
        for other in [
            SnapshotName {
                generation: 4,
                ..NAME
            },
            SnapshotName { key: [6; 32], ..NAME },
        ] {
            assert_eq!(parse(other, whole.clone()), Err(Flaw::Damaged));
        }
    }

    #[test]
    fn a_sound_file_of_a_later_format_is_told_from_damage() {
        let whole = file(b"head", b"content");
        for at in [8, 9] {
            let mut later = whole[..whole.len() - CHECKSUM_BYTES].to_vec();
            later[at] += 1;
            let checksum = *blake3::hash(&later).as_bytes();
            later.extend_from_slice(&checksum);
            assert_eq!(parse(NAME, later), Err(Flaw::Format));
        }
    }

    #[test]
    fn whatever_is_read_as_a_snapshot_is_what_would_be_written_for_it() {
        let case = (bytes(), bytes(), changes(), any::<bool>(), any::<bool>());
        always(
            case,
            |(expectation, content, changes, from_sound, with_checksum)| {
                let expectation = &expectation[..expectation.len().min(EXPECTATION_BYTES_MAX)];
                let mut bytes = match from_sound {
                    true => changed(file(expectation, &content), &changes),
                    false => content,
                };
                if with_checksum {
                    let checksum = *blake3::hash(&bytes).as_bytes();
                    bytes.extend_from_slice(&checksum);
                }
                if let Ok(found) = parse(NAME, bytes.clone()) {
                    let (head, checksum) = frame(NAME, &found.expectation, &found.content);
                    prop_assert_eq!([&head, found.content.as_slice(), &checksum].concat(), bytes);
                }
                Ok(())
            },
        );
    }

    #[test]
    fn a_snapshot_with_changed_fields_and_a_right_checksum_is_taken_apart_safely() {
        always((bytes(), changes()), |(content, changes)| {
            let mut bytes = file(b"head", &content);
            bytes.truncate(bytes.len() - CHECKSUM_BYTES);
            let mut bytes = changed(bytes, &changes);
            let checksum = *blake3::hash(&bytes).as_bytes();
            bytes.extend_from_slice(&checksum);
            if let Ok(found) = parse(NAME, bytes.clone()) {
                let (head, checksum) = frame(NAME, &found.expectation, &found.content);
                prop_assert_eq!([&head, found.content.as_slice(), &checksum].concat(), bytes);
            }
            Ok(())
        });
    }
}
