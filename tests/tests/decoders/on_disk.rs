//! What lies in the store. Its checksums stand before these decoders; what they cannot see must not fell us either.

use std::fmt::Debug;

use cuecard::disk::snapshot::{SnapshotImage, TermImage};
use cuecard::disk::{self, DraftImage, DraftWordsImage, LogRecord, RecordImage};
use cuecard::{ChangeHash, DeckId, TermId};
use minicbor::{Decode, Encode};

use crate::bounded::{Alone, alone, hammer};
use crate::world::World;

const INPUTS: u64 = 30_000;
const BOUND: (usize, usize) = (256, 64 * 1024);

/// What decodes is the same after it was written again.
fn hammer_form<T>(alone: &Alone, name: &str, samples: &[Vec<u8>])
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    assert!(!samples.is_empty(), "{name}: nothing to begin with");
    hammer(alone, name, INPUTS, samples, BOUND, |bytes| {
        let Ok(value) = minicbor::decode::<T>(bytes) else {
            return false;
        };
        let again = minicbor::to_vec(&value).unwrap();
        assert_eq!(minicbor::decode::<T>(&again).unwrap(), value);
        true
    });
}

#[test]
fn log_records() {
    let alone = alone();
    let seals = [None, Some(vec![3; 138].into())];
    let samples: Vec<Vec<u8>> = World::busy()
        .changes()
        .into_iter()
        .zip(seals.into_iter().cycle())
        .map(|(change, seal)| {
            let change = change.into();
            minicbor::to_vec(LogRecord { change, seal }).unwrap()
        })
        .collect();
    assert!(samples.len() > 10);
    hammer(&alone, "log records", INPUTS, &samples, BOUND, |bytes| {
        let Ok(record) = disk::log_record(bytes) else {
            return false;
        };
        let again = minicbor::to_vec(&record).unwrap();
        assert_eq!(disk::log_record(&again).unwrap(), record);
        true
    });
}

#[test]
fn kept_records_and_drafts() {
    let alone = alone();
    let records = [
        RecordImage::Charter(vec![1; 300].into()),
        RecordImage::Term(TermId::from_bytes([2; 32]), vec![3; 250].into()),
    ];
    let records: Vec<Vec<u8>> = records.iter().map(|one| minicbor::to_vec(one).unwrap()).collect();
    hammer_form::<RecordImage>(&alone, "kept records", &records);

    let world = World::busy();
    hammer_form::<DraftImage>(&alone, "kept drafts", &world.kept::<DraftImage>());
    hammer_form::<DraftWordsImage>(
        &alone,
        "what was said of drafts",
        &world.kept::<DraftWordsImage>(),
    );
}

#[test]
fn snapshots() {
    let alone = alone();
    let term = TermImage::new(
        TermId::from_bytes([1; 32]),
        Some(2),
        [ChangeHash([2; 32]), ChangeHash([3; 32])],
        vec![(2, vec![4; 138])],
        vec![vec![5; 90]],
    );
    let image = SnapshotImage::new(DeckId::from_bytes([6; 32]), vec![term], vec![7; 500]);
    hammer_form::<SnapshotImage>(&alone, "snapshots", &[image.encode()]);
}
