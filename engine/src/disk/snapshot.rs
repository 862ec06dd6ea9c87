//! The form of a snapshot: what a deck's logs held up to a point, in one piece.
//!
//! A deck is opened from a snapshot and the *tail*: the records of its terms behind it. The newest snapshot and the one
//! before it are kept, and a term's log only loses what the older of the two holds: if the newer one is damaged, the
//! older one and a longer tail make the same deck.

use cuecard_store::{Batch, SnapshotName, Store, StoreError};
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::{DeckImage, LoadError, TermTail, deck_key, from_bytes, read_from, term_stream, to_bytes};
use crate::id::{ChangeHash, DeckId, TermId};
use crate::role::Cut;

const SNAPSHOTS: u8 = b's';

/// The format of a snapshot's content. A reader refuses what it does not know.
const VERSION: u8 = 0;

/// What a deck's logs held up to a point.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SnapshotImage {
    #[n(0)]
    version: u8,
    /// Of which deck.
    #[n(1)]
    pub deck: DeckId,
    /// The canonical path, in order, as far as the document holds it; then terms that left the path since their log was
    /// cut short.
    #[n(2)]
    pub terms: Vec<TermImage>,
    /// The document, without Automerge's own compression: saving is seven times faster so.
    #[n(3)]
    pub document: ByteVec,
}

/// What a snapshot holds of one term.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TermImage {
    /// Which term.
    #[n(0)]
    pub term: TermId,
    /// How many of its changes are canonical; none where it is not on the path.
    #[n(1)]
    pub inside: Option<u64>,
    /// The hash of every change held here, in order: hashing them all again would cost more than loading the document.
    #[n(2)]
    hashes: ByteVec,
    /// Seals, by the number that each ends in, close enough to cut slices at.
    #[n(3)]
    pub seals: Vec<(u64, ByteVec)>,
    /// The changes that follow the canonical ones and are in the document no more.
    #[n(4)]
    pub aside: Vec<ByteVec>,
    /// Where the path ends in this term, if that is on another of its lines: its holder sealed more than one.
    #[n(5)]
    leaves_for: Option<(u64, ByteArray<32>)>,
}

impl SnapshotImage {
    /// A snapshot of these terms and this document.
    #[must_use]
    pub fn new(deck: DeckId, terms: Vec<TermImage>, document: Vec<u8>) -> Self {
        Self {
            version: VERSION,
            deck,
            terms,
            document: document.into(),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        to_bytes(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, LoadError> {
        let image: Self = from_bytes(bytes, "a snapshot")?;
        if image.version == VERSION {
            Ok(image)
        } else {
            Err(LoadError::Form { what: "a snapshot" })
        }
    }

    /// Up to which change of a term it holds them all.
    #[must_use]
    pub fn len_of(&self, term: TermId) -> u64 {
        let of = self.terms.iter().find(|image| image.term == term);
        of.map_or(0, TermImage::len)
    }
}

impl TermImage {
    /// A term whose changes have these hashes.
    #[must_use]
    pub fn new(
        term: TermId,
        inside: Option<u64>,
        hashes: impl IntoIterator<Item = ChangeHash>,
        seals: Vec<(u64, Vec<u8>)>,
        aside: Vec<Vec<u8>>,
    ) -> Self {
        let mut joined = Vec::new();
        for hash in hashes {
            joined.extend_from_slice(&hash.0);
        }
        Self {
            term,
            inside,
            hashes: joined.into(),
            seals: seals.into_iter().map(|(len, seal)| (len, seal.into())).collect(),
            aside: aside.into_iter().map(Into::into).collect(),
            leaves_for: None,
        }
    }

    /// The same, where the path goes on to here by another line.
    pub(crate) fn leaving_for(mut self, end: Cut) -> Self {
        self.leaves_for = Some((end.len, end.head.0.into()));
        self
    }

    /// Where the path ends in this term, if that is on another line than these changes.
    pub(crate) fn leaves_for(&self) -> Option<Cut> {
        let (len, head) = self.leaves_for?;
        Some(Cut {
            len,
            head: ChangeHash(*head),
        })
    }

    /// How many of its changes it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        (self.hashes.len() / 32) as u64
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The hashes of its changes, in order.
    #[must_use]
    pub fn hashes(&self) -> Vec<ChangeHash> {
        let (hashes, _) = self.hashes.as_chunks::<32>();
        hashes.iter().copied().map(ChangeHash).collect()
    }
}

/// Which snapshots a deck may be opened from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Kept {
    /// The newest.
    #[n(0)]
    pub newest: u64,
    /// The one before, up to which the logs may have been cut short.
    #[n(1)]
    pub previous: Option<u64>,
}

/// Where a deck can be opened from, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A snapshot and the tail behind it.
    Snapshot(u64),
    /// Its whole log.
    Log,
}

/// The name of a deck's snapshot.
#[must_use]
pub fn snapshot_name(deck: DeckId, generation: u64) -> SnapshotName {
    let key = blake3::derive_key("cuecard store v0 snapshot", deck.as_bytes());
    SnapshotName { key, generation }
}

/// Notes which snapshots are kept.
pub fn put_kept(batch: &mut Batch, deck: DeckId, kept: Kept) {
    batch.put(deck_key(deck, SNAPSHOTS), to_bytes(&kept));
}

/// Cuts a term's log short: changes before number `first` are in two snapshots.
pub fn trim_term(batch: &mut Batch, deck: DeckId, term: TermId, first: u64) {
    batch.trim_stream(term_stream(deck, term), first);
}

/// From where a deck can be opened, and the number of its next snapshot.
///
/// # Errors
/// What the store says.
pub fn origins(store: &dyn Store, deck: DeckId) -> Result<(Vec<Origin>, u64), LoadError> {
    let kept = match store.get(&deck_key(deck, SNAPSHOTS))? {
        Some(bytes) => Some(from_bytes::<Kept>(&bytes, "the note on snapshots")?),
        None => None,
    };
    let generations = store.snapshots().generations(snapshot_name(deck, 0).key)?;
    let next = generations.last().copied().max(kept.map(|kept| kept.newest));
    // Older ones are left over from a crash: the logs may not reach back to them.
    let oldest = kept.map_or(0, |kept| kept.previous.unwrap_or(kept.newest));
    let usable = generations.into_iter().rev().filter(|&found| found >= oldest);
    let mut origins: Vec<Origin> = usable.map(Origin::Snapshot).collect();
    // Logs are cut short only once there are two snapshots.
    if kept.is_none_or(|kept| kept.previous.is_none()) {
        origins.push(Origin::Log);
    }
    Ok((origins, next.unwrap_or(0) + 1))
}

/// Reads the changes of a deck: a snapshot, if that is where it is opened from, and the tail of each term.
pub(super) fn load_logs(
    store: &dyn Store,
    image: &mut DeckImage,
    terms: &[TermId],
    origin: Origin,
) -> Result<(), LoadError> {
    let deck = image.deck;
    if let Origin::Snapshot(generation) = origin {
        let name = snapshot_name(deck, generation);
        let found = store.snapshots().read(name)?;
        let found = found.ok_or(LoadError::Missing { what: "a snapshot" })?;
        let head: [u8; 32] = found
            .expectation
            .try_into()
            .map_err(|_| LoadError::Form { what: "a snapshot" })?;
        image.snapshot = Some((
            generation,
            ChangeHash(head),
            SnapshotImage::decode(&found.content)?,
        ));
    }
    let snapshot = image.snapshot.as_ref().map(|(_, _, snapshot)| snapshot);
    let lens: std::collections::BTreeMap<TermId, u64> = snapshot
        .iter()
        .flat_map(|snapshot| &snapshot.terms)
        .map(|term| (term.term, term.len()))
        .collect();
    for &term in terms {
        let stream = term_stream(deck, term);
        let from = lens.get(&term).copied().unwrap_or(0) + 1;
        let records = read_from(store, stream, from)?;
        if records.is_empty() {
            // Reading ends at a hole; one at the very beginning looks like the end.
            if store.first(stream)?.is_some_and(|first| first > from) {
                return Err(LoadError::Missing {
                    what: "a part of the log",
                });
            }
            continue;
        }
        let parsed = records.iter().map(|record| from_bytes(record, "a change"));
        let records = parsed.collect::<Result<_, _>>()?;
        image.tails.push(TermTail { term, from, records });
    }
    Ok(())
}

/// How the store sees damage that costs one deck and not all.
pub(crate) fn is_of_one_deck(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Corrupt { .. } | StoreError::Unexpected { .. } | StoreError::Format { .. }
    )
}
