//! The contract of [`Blobs::collect`](crate::Blobs::collect) and [`Blobs::pin`](crate::Blobs::pin).

use std::collections::BTreeSet;

use super::Place;
use crate::{BlobHash, BlobStatus, Collected, Grace, Store};

pub(super) const CHECKS: [fn(&dyn Place); 6] = [
    idle_blobs_go_when_their_grace_is_over,
    being_needed_again_starts_the_grace_anew,
    taking_a_blob_in_again_starts_the_grace_anew,
    nothing_is_collected_under_a_pin,
    the_grace_goes_on_after_reopening,
    a_clock_that_is_set_back_collects_nothing_early,
];

const PERIOD_MS: u64 = 1000;

fn import(store: &dyn Store, content: &[u8]) -> BlobHash {
    let limit = content.len() as u64;
    store.blobs().import(&mut &*content, limit).unwrap().0
}

fn collect(store: &dyn Store, live: &[BlobHash], now_ms: u64) -> Collected {
    let grace = Grace {
        now_ms,
        period_ms: PERIOD_MS,
    };
    let live: BTreeSet<_> = live.iter().copied().collect();
    store.blobs().collect(&live, grace).unwrap()
}

fn is_here(store: &dyn Store, hash: BlobHash) -> bool {
    store.blobs().status(hash).unwrap() != BlobStatus::Absent
}

fn expect(deleted: u64, deleted_bytes: u64, waiting: u64, pinned: u64) -> Collected {
    Collected {
        deleted,
        deleted_bytes,
        waiting,
        pinned,
    }
}

fn idle_blobs_go_when_their_grace_is_over(place: &dyn Place) {
    let store = place.open().unwrap();
    let live = import(&*store, &[1; 50_000]);
    let idle = import(&*store, &[2; 40_000]);
    let partial = BlobHash::of(b"partial");
    store.blobs().begin(partial, 30_000).unwrap();
    let wanted = BlobHash::of(b"wanted");
    store.blobs().begin(wanted, 20_000).unwrap();
    let live = [live, wanted, BlobHash::of(b"not here at all")];
    assert_eq!(collect(&*store, &live, 5000), expect(0, 0, 2, 0));
    assert_eq!(collect(&*store, &live, 5999), expect(0, 0, 2, 0));
    assert_eq!(collect(&*store, &live, 6000), expect(2, 70_000, 0, 0));
    assert!(!is_here(&*store, idle) && !is_here(&*store, partial));
    assert!(is_here(&*store, live[0]) && is_here(&*store, wanted));
    assert_eq!(collect(&*store, &live, 9_000_000), expect(0, 0, 0, 0));
    store.blobs().begin(idle, 40_000).unwrap();
    store.close().unwrap();

    let store = place.open().unwrap();
    assert_eq!(store.blobs().list().unwrap().len(), 3);
    assert!(store.check().unwrap().is_sound());
}

fn being_needed_again_starts_the_grace_anew(place: &dyn Place) {
    let store = place.open().unwrap();
    let blob = import(&*store, b"content");
    collect(&*store, &[], 1000);
    collect(&*store, &[blob], 1900);
    assert_eq!(collect(&*store, &[], 2500), expect(0, 0, 1, 0));
    assert_eq!(collect(&*store, &[], 3499), expect(0, 0, 1, 0));
    assert_eq!(collect(&*store, &[], 3500), expect(1, 7, 0, 0));
}

fn taking_a_blob_in_again_starts_the_grace_anew(place: &dyn Place) {
    let store = place.open().unwrap();
    let imported = import(&*store, b"imported");
    let begun = BlobHash::of(b"begun");
    store.blobs().begin(begun, 5).unwrap();
    collect(&*store, &[], 1000);
    import(&*store, b"imported");
    store.blobs().begin(begun, 5).unwrap();
    store.close().unwrap();

    let store = place.open().unwrap();
    assert_eq!(collect(&*store, &[], 2000), expect(0, 0, 2, 0));
    assert!(is_here(&*store, imported) && is_here(&*store, begun));
    assert_eq!(collect(&*store, &[], 3000), expect(2, 13, 0, 0));
}

fn nothing_is_collected_under_a_pin(place: &dyn Place) {
    let store = place.open().unwrap();
    let blob = import(&*store, b"content");
    let partial = BlobHash::of(b"partial");
    collect(&*store, &[], 1000);
    let (first, second) = (store.blobs().pin(blob), store.blobs().pin(blob));
    // Before it is here, as for a transfer that is about to begin.
    let early = store.blobs().pin(partial);
    store.blobs().begin(partial, 100).unwrap();
    assert_eq!((first.hash(), early.hash()), (blob, partial));
    assert_eq!(collect(&*store, &[], 1_000_000), expect(0, 0, 0, 2));
    drop(first);
    assert_eq!(
        collect(&*store, &[], 2_000_000),
        expect(0, 0, 0, 2),
        "one of two pins is left"
    );
    drop((second, early));
    assert_eq!(
        collect(&*store, &[], 3_000_000),
        expect(0, 0, 2, 0),
        "the grace begins when the pin goes"
    );
    assert_eq!(collect(&*store, &[], 3_001_000), expect(2, 107, 0, 0));
}

fn the_grace_goes_on_after_reopening(place: &dyn Place) {
    let store = place.open().unwrap();
    import(&*store, b"content");
    for now_ms in [1000, 1300, 1600] {
        assert_eq!(collect(&*store, &[], now_ms), expect(0, 0, 1, 0));
    }
    store.close().unwrap();

    let store = place.open().unwrap();
    assert_eq!(collect(&*store, &[], 1999), expect(0, 0, 1, 0));
    store.close().unwrap();
    let store = place.open().unwrap();
    assert_eq!(collect(&*store, &[], 2000), expect(1, 7, 0, 0));
}

fn a_clock_that_is_set_back_collects_nothing_early(place: &dyn Place) {
    let store = place.open().unwrap();
    import(&*store, b"content");
    collect(&*store, &[], 1_000_000);
    assert_eq!(collect(&*store, &[], 500), expect(0, 0, 1, 0));
    assert_eq!(collect(&*store, &[], 1499), expect(0, 0, 1, 0));
    assert_eq!(
        collect(&*store, &[], 1500),
        expect(1, 7, 0, 0),
        "nor is it kept until the old time comes again"
    );
}
