//! The contract of [`Store::repair`](crate::Store::repair), as far as damage can be made through a store.

use super::{MANY, OTHER, Place, STREAM, save, seqs};
use crate::{Loss, Repair};

pub(super) const CHECKS: [fn(&dyn Place); 2] =
    [a_sound_store_loses_nothing, what_is_behind_a_gap_is_set_aside];

fn a_sound_store_loses_nothing(place: &dyn Place) {
    let store = place.open().unwrap();
    assert_eq!(store.repair().unwrap(), Repair::default());
    save(&*store, |batch| {
        (3..9).for_each(|seq| batch.append(STREAM, seq, vec![1; 6000]));
        batch.put(b"key".to_vec(), vec![1; 20_000]);
    });
    store.blobs().import(&mut &b"content"[..], 100).unwrap();
    assert_eq!(store.repair().unwrap(), Repair::default());
    assert_eq!(seqs(&*store, STREAM, 3), [3, 4, 5, 6, 7, 8]);
}

fn what_is_behind_a_gap_is_set_aside(place: &dyn Place) {
    let store = place.open().unwrap();
    save(&*store, |batch| {
        [2, 3, 5, 6, 9]
            .into_iter()
            .for_each(|seq| batch.append(STREAM, seq, vec![1; 6000]));
        (0..3).for_each(|seq| batch.append(OTHER, seq, vec![2]));
        batch.put(b"key".to_vec(), b"value".to_vec());
    });
    let repair = store.repair().unwrap();
    let lost = Loss::Records {
        stream: STREAM,
        first: 4,
        records: 3,
    };
    assert_eq!((repair.losses_total, repair.losses), (1, vec![lost]));
    let report = store.check().unwrap();
    assert!(
        report.is_sound() && report.records == 5 && report.values == 1,
        "{report:?}"
    );
    save(&*store, |batch| batch.append(STREAM, 4, vec![4]));
    store.close().unwrap();

    let store = place.open().unwrap();
    assert_eq!(seqs(&*store, STREAM, 2), [2, 3, 4]);
    assert_eq!(store.read(STREAM, 4, 1, MANY).unwrap()[0].bytes, [4]);
    assert_eq!(seqs(&*store, OTHER, 0), [0, 1, 2]);
}
