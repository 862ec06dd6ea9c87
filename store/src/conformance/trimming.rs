//! The contract of [`Batch::trim_stream`](crate::Batch::trim_stream).

use super::{MANY, NONE, OTHER, Place, STREAM, batch, save, seqs};
use crate::{StoreError, StreamId};

pub(super) const CHECKS: [fn(&dyn Place); 2] = [
    streams_are_trimmed_at_the_front,
    trimming_has_its_place_in_the_order_of_a_batch,
];

/// A stream whose name comes before that of [`STREAM`].
const BEFORE: StreamId = StreamId::from_bytes([6; 32]);

fn streams_are_trimmed_at_the_front(place: &dyn Place) {
    let store = place.open().unwrap();
    assert_eq!(store.first(STREAM).unwrap(), None);
    save(&*store, |batch| {
        (0..600).for_each(|seq| {
            batch.append(
                STREAM,
                seq,
                vec![seq as u8; if seq % 50 == 7 { 9000 } else { 20 }],
            )
        });
        (0..3).for_each(|seq| batch.append(OTHER, seq, vec![2]));
        batch.append(BEFORE, 5, vec![3; 9000]);
    });
    assert_eq!(store.first(STREAM).unwrap(), Some(0));
    assert_eq!(store.first(BEFORE).unwrap(), Some(5));
    for (first, left) in [(0, 0), (257, 257), (256, 257), (599, 599)] {
        save(&*store, |batch| batch.trim_stream(STREAM, first));
        assert_eq!(store.first(STREAM).unwrap(), Some(left), "trimmed to {first}");
        let expected: Vec<u64> = (left..600).collect();
        assert_eq!(seqs(&*store, STREAM, left), expected);
        assert_eq!(seqs(&*store, STREAM, 0) == NONE, left > 0);
        let report = store.check().unwrap();
        assert!(
            report.is_sound() && report.records == expected.len() as u64 + 4,
            "no piece stays: {report:?}"
        );
    }
    save(&*store, |batch| {
        batch.append(STREAM, 600, vec![7]);
        batch.trim_stream(OTHER, u64::MAX);
        batch.trim_stream(StreamId::from_bytes([99; 32]), 3);
    });
    store.close().unwrap();

    let store = place.open().unwrap();
    assert_eq!(seqs(&*store, STREAM, 599), [599, 600]);
    assert_eq!(store.first(STREAM).unwrap(), Some(599), "it stays trimmed");
    assert_eq!(store.first(OTHER).unwrap(), None);
    assert_eq!(
        store.first(BEFORE).unwrap(),
        Some(5),
        "its neighbour is not touched"
    );
    assert_eq!(store.check().unwrap().streams, 2);
}

fn trimming_has_its_place_in_the_order_of_a_batch(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        (1..=4).for_each(|seq| batch.append(STREAM, seq, vec![1; 5000]))
    });
    save(&*store, |batch| {
        batch.append(STREAM, 5, vec![5]);
        batch.trim_stream(STREAM, 5);
        // The places before may be taken again; those that stayed may not.
        batch.append(STREAM, 4, vec![4]);
        batch.append(STREAM, 5, vec![5]);
    });
    assert_eq!(seqs(&*store, STREAM, 4), [4, 5]);
    assert_eq!(store.read(STREAM, 4, 1, MANY).unwrap()[0].bytes, [4]);
    assert_eq!(store.first(STREAM).unwrap(), Some(4));
    let rewriting = store.commit(batch(|batch| {
        batch.trim_stream(STREAM, 5);
        batch.append(STREAM, 5, vec![6]);
    }));
    assert!(matches!(rewriting.wait(), Err(StoreError::Taken { seq: 5, .. })));
    assert_eq!(
        store.first(STREAM).unwrap(),
        Some(4),
        "a refused batch trims nothing"
    );
}
