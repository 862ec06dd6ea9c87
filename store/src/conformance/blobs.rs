//! The contract of [`Blobs`](crate::Blobs).

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::Place;
use crate::limits::{BLOB_BYTES_MAX, SLICE_GROUPS_MAX};
use crate::{BlobError, BlobHash, BlobStatus, GROUP_BYTES, Store, group_count};

pub(super) const CHECKS: [fn(&dyn Place); 13] = [
    an_import_has_the_plain_hash_and_reads_back,
    an_import_keeps_to_its_limit,
    an_empty_blob_is_a_blob,
    a_blob_travels_in_slices_of_any_order,
    sizes_at_every_edge_travel,
    wrong_bytes_change_nothing,
    held_groups_can_be_sent_on,
    what_is_not_here_is_not_sent,
    ranges_outside_are_refused,
    another_size_is_refused,
    a_partial_blob_is_resumed_after_reopening,
    a_wrong_size_never_becomes_whole,
    a_removed_blob_is_gone,
];

/// Content whose groups all differ.
fn content(size: u64) -> Vec<u8> {
    (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

fn import(store: &dyn Store, content: &[u8]) -> BlobHash {
    store
        .blobs()
        .import(&mut &*content, content.len() as u64)
        .unwrap()
        .0
}

fn read(store: &dyn Store, hash: BlobHash) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.blobs().open(hash).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Which groups, and the slice.
type Slice = (Range<u64>, Vec<u8>);

/// Slices of a blob made elsewhere: this store never had it whole.
fn slices(content: &[u8], groups: u64) -> (BlobHash, Vec<Slice>) {
    let elsewhere = crate::MemoryStore::new();
    let hash = import(&elsewhere, content);
    let count = group_count(content.len() as u64);
    let starts = (0..count).step_by(groups as usize);
    let encode = |start: u64| {
        let range = start..(start + groups).min(count);
        (range.clone(), elsewhere.blobs().encode(hash, range).unwrap())
    };
    (hash, starts.map(encode).collect())
}

fn an_import_has_the_plain_hash_and_reads_back(place: &dyn Place) {
    let store = place.open().unwrap();
    let bytes = content(100_000);
    let (hash, size) = store.blobs().import(&mut &*bytes, 100_000).unwrap();
    assert_eq!((hash, size), (BlobHash::of(&bytes), 100_000));
    assert_eq!(store.blobs().status(hash).unwrap(), BlobStatus::Whole { size });
    assert!(read(&*store, hash) == bytes);
    let mut reader = store.blobs().open(hash).unwrap();
    reader.seek(SeekFrom::Start(99_990)).unwrap();
    let mut end = Vec::new();
    reader.read_to_end(&mut end).unwrap();
    assert_eq!(end, bytes[99_990..]);
    assert_eq!(import(&*store, &bytes), hash, "a second time is no error");
    drop((reader, store.close()));

    let store = place.open().unwrap();
    assert!(read(&*store, hash) == bytes);
    let list = store.blobs().list().unwrap();
    assert!(list.len() == 1 && list[0].hash == hash && list[0].size == size && list[0].whole);
}

fn an_import_keeps_to_its_limit(place: &dyn Place) {
    let store = place.open().unwrap();
    let result = store.blobs().import(&mut &content(101)[..], 100);
    assert!(matches!(result, Err(BlobError::TooLarge { limit: 100 })));
    assert_eq!(store.blobs().list().unwrap(), []);
    store.blobs().import(&mut &content(100)[..], 100).unwrap();
    let endless = store.blobs().import(&mut std::io::repeat(1), 1_000_000);
    assert!(matches!(endless, Err(BlobError::TooLarge { limit: 1_000_000 })));
}

fn an_empty_blob_is_a_blob(place: &dyn Place) {
    let store = place.open().unwrap();
    let hash = BlobHash::of(b"");
    assert_eq!(
        store.blobs().begin(hash, 0).unwrap(),
        BlobStatus::Whole { size: 0 }
    );
    assert_eq!(read(&*store, hash), b"");
    assert_eq!(import(&*store, b""), hash);
    assert_eq!(store.blobs().verify(hash).unwrap(), BlobStatus::Whole { size: 0 });
    assert!(matches!(
        store.blobs().encode(hash, 0..1),
        Err(BlobError::Range { groups: 0, .. })
    ));
    let not_empty = BlobHash::of(b"something");
    assert!(matches!(
        store.blobs().begin(not_empty, 0),
        Err(BlobError::Wrong { .. })
    ));
    assert_eq!(store.blobs().status(not_empty).unwrap(), BlobStatus::Absent);
}

fn a_blob_travels_in_slices_of_any_order(place: &dyn Place) {
    let store = place.open().unwrap();
    let bytes = content(40 * GROUP_BYTES + 77);
    let (hash, mut slices) = slices(&bytes, 3);
    let size = bytes.len() as u64;
    let begun = store.blobs().begin(hash, size).unwrap();
    assert_eq!(begun, BlobStatus::Partial { size, have: vec![] });
    // The last first, then every second from both ends, one of them twice.
    slices.reverse();
    let (even, odd): (Vec<_>, Vec<_>) = slices.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let mut status = begun;
    for (_, (groups, encoded)) in even.iter().chain(even.last()).chain(odd.iter().rev()) {
        assert!(
            matches!(status, BlobStatus::Partial { .. }),
            "whole before the last slice"
        );
        assert!(
            store.blobs().open(hash).is_err(),
            "nothing is read before it is whole"
        );
        status = store.blobs().write(hash, groups.clone(), encoded).unwrap();
    }
    assert_eq!(status, BlobStatus::Whole { size });
    assert!(read(&*store, hash) == bytes);
    let (_, (groups, encoded)) = &even[0];
    assert_eq!(
        store.blobs().write(hash, groups.clone(), encoded).unwrap(),
        status,
        "late ones do no harm"
    );
}

fn sizes_at_every_edge_travel(place: &dyn Place) {
    let store = place.open().unwrap();
    let edges = [
        1,
        1023,
        1024,
        1025,
        GROUP_BYTES - 1,
        GROUP_BYTES,
        GROUP_BYTES + 1,
        2 * GROUP_BYTES,
    ];
    for size in edges
        .into_iter()
        .chain([2 * GROUP_BYTES + 1, 5 * GROUP_BYTES - 1, 8 * GROUP_BYTES])
    {
        let bytes = content(size);
        for groups in [1, 2, SLICE_GROUPS_MAX] {
            let (hash, slices) = slices(&bytes, groups);
            store.blobs().begin(hash, size).unwrap();
            for (groups, encoded) in &slices {
                store.blobs().write(hash, groups.clone(), encoded).unwrap();
            }
            assert!(
                read(&*store, hash) == bytes,
                "{size} bytes in slices of {groups} groups"
            );
            store.blobs().remove(hash).unwrap();
        }
    }
}

fn wrong_bytes_change_nothing(place: &dyn Place) {
    let store = place.open().unwrap();
    let bytes = content(9 * GROUP_BYTES + 5);
    let (hash, slices) = slices(&bytes, 3);
    let blobs = store.blobs();
    blobs.begin(hash, bytes.len() as u64).unwrap();
    let before = blobs.write(hash, slices[0].0.clone(), &slices[0].1).unwrap();
    let (groups, encoded) = &slices[1];
    let refused = |groups: &Range<u64>, encoded: &[u8], what: &str| {
        let result = blobs.write(hash, groups.clone(), encoded);
        assert!(
            matches!(result, Err(BlobError::Wrong { .. })),
            "{what}: {result:?}"
        );
        assert_eq!(blobs.status(hash).unwrap(), before, "{what}");
        assert_eq!(blobs.verify(hash).unwrap(), before, "{what}: also on the disk");
    };
    for at in (0..encoded.len()).step_by(997).chain([encoded.len() - 1]) {
        let mut flipped = encoded.clone();
        flipped[at] ^= 0x10;
        refused(groups, &flipped, &format!("byte {at} flipped"));
    }
    for length in [0, 1, 64, encoded.len() / 2, encoded.len() - 1] {
        refused(groups, &encoded[..length], &format!("cut to {length}"));
    }
    refused(groups, &[encoded.as_slice(), &[0]].concat(), "a byte more");
    refused(&slices[2].0, encoded, "groups of another place");
    refused(&(3..5), encoded, "fewer groups than were sent");
    blobs.write(hash, groups.clone(), encoded).unwrap();
}

fn held_groups_can_be_sent_on(place: &dyn Place) {
    let store = place.open().unwrap();
    let bytes = content(20 * GROUP_BYTES);
    let (hash, slices) = slices(&bytes, 2);
    store.blobs().begin(hash, bytes.len() as u64).unwrap();
    store
        .blobs()
        .write(hash, slices[3].0.clone(), &slices[3].1)
        .unwrap();
    let sent_on = store.blobs().encode(hash, slices[3].0.clone()).unwrap();
    assert!(
        sent_on == slices[3].1,
        "a partial holder sends what a whole one would"
    );
    assert!(store.blobs().encode(hash, 6..7).is_ok(), "and parts of it");
    for groups in [5..7, 7..9, 0..1] {
        let result = store.blobs().encode(hash, groups);
        assert!(matches!(result, Err(BlobError::Missing { .. })));
    }
}

fn what_is_not_here_is_not_sent(place: &dyn Place) {
    let store = place.open().unwrap();
    let hash = BlobHash::of(b"elsewhere");
    assert_eq!(store.blobs().status(hash).unwrap(), BlobStatus::Absent);
    assert_eq!(store.blobs().verify(hash).unwrap(), BlobStatus::Absent);
    assert!(matches!(
        store.blobs().encode(hash, 0..1),
        Err(BlobError::Absent { .. })
    ));
    assert!(matches!(
        store.blobs().write(hash, 0..1, b"x"),
        Err(BlobError::Absent { .. })
    ));
    assert!(matches!(store.blobs().open(hash), Err(BlobError::Absent { .. })));
}

#[allow(clippy::reversed_empty_ranges, reason = "a peer may well send such")]
fn ranges_outside_are_refused(place: &dyn Place) {
    let store = place.open().unwrap();
    let bytes = content(100 * GROUP_BYTES);
    let hash = import(&*store, &bytes);
    let partial = BlobHash::of(b"partial");
    store.blobs().begin(partial, 100 * GROUP_BYTES).unwrap();
    for groups in [
        0..0,
        5..4,
        99..101,
        100..101,
        0..SLICE_GROUPS_MAX + 1,
        u64::MAX - 1..u64::MAX,
        0..u64::MAX,
    ] {
        let result = store.blobs().encode(hash, groups.clone());
        assert!(matches!(result, Err(BlobError::Range { .. })), "{groups:?}");
        let result = store.blobs().encode(partial, groups.clone());
        assert!(
            matches!(result, Err(BlobError::Range { .. })),
            "{groups:?} of a partial one"
        );
        let result = store.blobs().write(partial, groups.clone(), b"");
        assert!(
            matches!(result, Err(BlobError::Range { .. })),
            "{groups:?} written"
        );
    }
    assert!(store.blobs().encode(hash, 36..100).is_ok());
    let too_large = store.blobs().begin(BlobHash::of(b"huge"), BLOB_BYTES_MAX + 1);
    assert!(matches!(too_large, Err(BlobError::TooLarge { .. })));
}

fn another_size_is_refused(place: &dyn Place) {
    let store = place.open().unwrap();
    let bytes = content(50_000);
    let hash = import(&*store, &bytes);
    let other = store.blobs().begin(hash, 50_001);
    assert!(matches!(
        other,
        Err(BlobError::OtherSize {
            begun: 50_000,
            asked: 50_001,
            ..
        })
    ));
    let partial = BlobHash::of(b"partial");
    store.blobs().begin(partial, 1000).unwrap();
    assert!(matches!(
        store.blobs().begin(partial, 1001),
        Err(BlobError::OtherSize { .. })
    ));
    store.blobs().begin(partial, 1000).unwrap();
}

fn a_partial_blob_is_resumed_after_reopening(place: &dyn Place) {
    let store = place.open().unwrap();
    let bytes = content(30 * GROUP_BYTES + 1);
    let size = bytes.len() as u64;
    let (hash, slices) = slices(&bytes, 4);
    store.blobs().begin(hash, size).unwrap();
    for at in [0, 2, 7] {
        store
            .blobs()
            .write(hash, slices[at].0.clone(), &slices[at].1)
            .unwrap();
    }
    store.close().unwrap();

    let store = place.open().unwrap();
    let list = store.blobs().list().unwrap();
    assert!(list.len() == 1 && list[0].hash == hash && list[0].size == size && !list[0].whole);
    let resumed = store.blobs().begin(hash, size).unwrap();
    assert_eq!(
        resumed,
        BlobStatus::Partial {
            size,
            have: vec![0..4, 8..12, 28..31]
        }
    );
    let mut status = resumed;
    for at in [1, 3, 4, 5, 6] {
        status = store
            .blobs()
            .write(hash, slices[at].0.clone(), &slices[at].1)
            .unwrap();
    }
    assert_eq!(status, BlobStatus::Whole { size });
    assert!(read(&*store, hash) == bytes);
}

fn a_wrong_size_never_becomes_whole(place: &dyn Place) {
    let store = place.open().unwrap();
    let bytes = content(6 * GROUP_BYTES);
    let (hash, slices) = slices(&bytes, 1);
    for lie in [
        bytes.len() as u64 - 1,
        bytes.len() as u64 + 1,
        5 * GROUP_BYTES,
        7 * GROUP_BYTES,
    ] {
        store.blobs().begin(hash, lie).unwrap();
        for (groups, encoded) in &slices {
            let result = store.blobs().write(hash, groups.clone(), encoded);
            assert!(
                !matches!(result, Ok(BlobStatus::Whole { .. })),
                "begun with {lie} bytes"
            );
        }
        store.blobs().remove(hash).unwrap();
    }
}

fn a_removed_blob_is_gone(place: &dyn Place) {
    let store = place.open().unwrap();
    let hash = import(&*store, &content(40_000));
    let partial = BlobHash::of(b"partial");
    store.blobs().begin(partial, 40_000).unwrap();
    for hash in [hash, partial] {
        store.blobs().remove(hash).unwrap();
        store.blobs().remove(hash).unwrap();
        assert_eq!(store.blobs().status(hash).unwrap(), BlobStatus::Absent);
    }
    store.close().unwrap();
    assert_eq!(place.open().unwrap().blobs().list().unwrap(), []);
}
