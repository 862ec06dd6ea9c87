//! What lies where in the store: every key and every stream. The form of what lies there is in [`image`].
//!
//! The store keeps opaque bytes. Here, and nowhere else, they get their names.

use std::collections::BTreeSet;

use cuecard_store::{Batch, SnapshotName, Store, StoreError, StreamId};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::core::{Heard, Keyring};
use crate::id::{DeckId, DeviceId, DraftId, TermId};

pub mod image;
pub mod snapshot;

pub use image::{DeckImage, DeclineImage, DraftImage, DraftWordsImage, LogRecord, RecordImage, TermTail};
pub use snapshot::Origin;
use snapshot::is_of_one_deck;

const DECK: u8 = b'd';
const DECK_KEY: u8 = b'k';
const NAME: u8 = b'n';
const ROUTE: u8 = b'r';
const REMOVED: u8 = b'x';

const GENESIS: u8 = b'g';
const DRAFT: u8 = b'f';
const DRAFT_WORDS: u8 = b'v';
const HEARD: u8 = b'h';
const UNFOLLOWED: u8 = b'u';

/// Records read at a time when a deck is opened.
const READ_RECORDS: usize = 4_096;
/// Bytes read at a time when a deck is opened.
const READ_BYTES: usize = 16 * 1024 * 1024;

fn deck_key(deck: DeckId, kind: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(34);
    key.push(DECK);
    key.extend_from_slice(deck.as_bytes());
    key.push(kind);
    key
}

fn stream(purpose: &str, deck: DeckId, of: Option<&[u8; 32]>) -> StreamId {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    hasher.update(deck.as_bytes());
    hasher.update(of.map_or(&[], |of| of.as_slice()));
    StreamId::from_bytes(*hasher.finalize().as_bytes())
}

/// The stream of a term's changes.
#[must_use]
pub fn term_stream(deck: DeckId, term: TermId) -> StreamId {
    stream("cuecard store v0 term", deck, Some(term.as_bytes()))
}

fn record_stream(deck: DeckId) -> StreamId {
    stream("cuecard store v0 records", deck, None)
}

fn draft_stream(deck: DeckId, draft: DraftId) -> StreamId {
    stream("cuecard store v0 draft", deck, Some(draft.as_bytes()))
}

/// Notes that a deck is followed, and keeps its keys.
pub fn put_key(batch: &mut Batch, deck: DeckId, keys: &Keyring) {
    batch.put(key_of(DECK_KEY, deck.as_bytes()), keys.encode().to_vec());
}

/// Keeps the genesis record.
pub fn put_genesis(batch: &mut Batch, deck: DeckId, genesis: &[u8]) {
    batch.put(deck_key(deck, GENESIS), genesis.to_vec());
}

/// Keeps a charter or a term as number `seq` of the deck's records.
pub fn append_record(batch: &mut Batch, deck: DeckId, seq: u64, record: &RecordImage) {
    batch.append(record_stream(deck), seq, to_bytes(record));
}

/// Keeps change number `index` of a term.
pub fn append_change(batch: &mut Batch, deck: DeckId, term: TermId, index: u64, record: &LogRecord) {
    batch.append(term_stream(deck, term), index, to_bytes(record));
}

/// Keeps a draft's description.
pub fn put_draft(batch: &mut Batch, deck: DeckId, draft: DraftId, image: &DraftImage) {
    batch.put(draft_key(deck, draft), to_bytes(image));
}

/// Keeps change number `index` of a draft.
pub fn append_draft_change(batch: &mut Batch, deck: DeckId, draft: DraftId, index: u64, change: &[u8]) {
    batch.append(draft_stream(deck, draft), index, change.to_vec());
}

/// Notes whether a deck is exchanged with other devices.
pub fn put_followed(batch: &mut Batch, deck: DeckId, followed: bool) {
    let key = deck_key(deck, UNFOLLOWED);
    match followed {
        true => batch.delete(key),
        false => batch.put(key, vec![]),
    }
}

/// Notes that a deck is removed: from then on it is not opened, and what is left of it is deleted.
pub fn put_removed(batch: &mut Batch, deck: DeckId) {
    batch.put(key_of(REMOVED, deck.as_bytes()), vec![]);
}

/// The decks that are removed and not deleted yet.
///
/// # Errors
/// What the store says.
pub fn removed(store: &dyn Store) -> Result<BTreeSet<DeckId>, StoreError> {
    let marks = store.scan(&[REMOVED])?;
    let deck = |key: &[u8]| {
        key.get(1..)
            .and_then(|id| id.try_into().ok())
            .map(DeckId::from_bytes)
    };
    Ok(marks.iter().filter_map(|(key, _)| deck(key)).collect())
}

/// Deletes the snapshots of a deck, and makes the batch that deletes all else that is kept of it, and the note that it is
/// removed. Damage does not stop that: what cannot be read any more is not found, and left.
///
/// # Errors
/// What the store says.
pub fn delete(store: &dyn Store, deck: DeckId) -> Result<Batch, StoreError> {
    let name = snapshot::snapshot_name(deck, 0);
    for generation in store.snapshots().generations(name.key)? {
        store.snapshots().delete(SnapshotName { generation, ..name })?;
    }
    let mut batch = Batch::default();
    let records = read_from(store, record_stream(deck), 1).unwrap_or_default();
    let term = |bytes: &Vec<u8>| match from_bytes(bytes, "a record") {
        Ok(RecordImage::Term(term, _)) => Some(term),
        _ => None,
    };
    let terms = records.iter().filter_map(term);
    for term in std::iter::once(TermId::zero_of(deck)).chain(terms) {
        batch.drop_stream(term_stream(deck, term));
    }
    batch.drop_stream(record_stream(deck));
    let mut prefix = vec![DECK];
    prefix.extend_from_slice(deck.as_bytes());
    let mut keys = Vec::new();
    keys_under(store, &prefix, &mut keys)?;
    for key in keys {
        if let Some((_, DRAFT, draft)) = split_deck_key(&key)
            && let Ok(draft) = draft.try_into()
        {
            batch.drop_stream(draft_stream(deck, DraftId::from_bytes(draft)));
        }
        batch.delete(key);
    }
    batch.delete(key_of(DECK_KEY, deck.as_bytes()));
    batch.delete(key_of(REMOVED, deck.as_bytes()));
    Ok(batch)
}

/// Keeps what another device said that it holds.
pub fn put_heard(batch: &mut Batch, deck: DeckId, device: DeviceId, heard: &Heard) {
    let mut key = deck_key(deck, HEARD);
    key.extend_from_slice(device.as_bytes());
    batch.put(key, to_bytes(heard));
}

/// Forgets a draft.
pub fn drop_draft(batch: &mut Batch, deck: DeckId, draft: DraftId) {
    batch.delete(draft_key(deck, draft));
    batch.drop_stream(draft_stream(deck, draft));
}

/// Keeps what was said of a draft; forgets it where nothing is left.
pub fn put_draft_words(batch: &mut Batch, deck: DeckId, draft: DraftId, image: &DraftWordsImage) {
    let mut key = deck_key(deck, DRAFT_WORDS);
    key.extend_from_slice(draft.as_bytes());
    if image.declines.is_empty() && image.withdrawal.is_none() {
        batch.delete(key);
    } else {
        batch.put(key, to_bytes(image));
    }
}

fn draft_key(deck: DeckId, draft: DraftId) -> Vec<u8> {
    let mut key = deck_key(deck, DRAFT);
    key.extend_from_slice(draft.as_bytes());
    key
}

/// Keeps what a device calls itself.
pub fn put_name(batch: &mut Batch, device: DeviceId, name: &str) {
    batch.put(key_of(NAME, device.as_bytes()), name.as_bytes().to_vec());
}

/// Forgets what a device calls itself.
pub fn drop_name(batch: &mut Batch, device: DeviceId) {
    batch.delete(key_of(NAME, device.as_bytes()));
}

/// Keeps a route to a device.
pub fn put_route(batch: &mut Batch, device: DeviceId, route: &[u8]) {
    batch.put(key_of(ROUTE, device.as_bytes()), route.to_vec());
}

fn key_of(kind: u8, id: &[u8; 32]) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(id);
    key
}

/// The names of devices that were met.
///
/// # Errors
/// What the store says.
pub fn names(store: &dyn Store) -> Result<Vec<(DeviceId, String)>, StoreError> {
    let kept = by_device(store, NAME)?;
    Ok(kept
        .into_iter()
        .map(|(device, name)| (device, String::from_utf8_lossy(&name).into_owned()))
        .collect())
}

/// The routes that were kept.
///
/// # Errors
/// What the store says.
pub fn routes(store: &dyn Store) -> Result<Vec<(DeviceId, Vec<u8>)>, StoreError> {
    by_device(store, ROUTE)
}

fn by_device(store: &dyn Store, kind: u8) -> Result<Vec<(DeviceId, Vec<u8>)>, StoreError> {
    let entries = store.scan(&[kind])?;
    let device = |key: &[u8]| {
        key.get(1..)
            .and_then(|id| id.try_into().ok())
            .map(DeviceId::from_bytes)
    };
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| Some((device(&key)?, value)))
        .collect())
}

/// A deck's keys, or why they cannot be read.
pub type KeyFound = Result<Keyring, LoadError>;

/// The decks that the store holds and that are not removed, with their keys; and those whose key is damaged.
///
/// # Errors
/// What the store says.
pub fn decks(store: &dyn Store) -> Result<Vec<(DeckId, KeyFound)>, StoreError> {
    let mut decks = Vec::new();
    scan_decks(store, &[DECK_KEY], &mut decks)?;
    let removed = removed(store)?;
    decks.retain(|(deck, _)| !removed.contains(deck));
    Ok(decks)
}

/// Every key that begins so; where a damaged value hides them, also what can be none.
fn keys_under(store: &dyn Store, prefix: &[u8], keys: &mut Vec<Vec<u8>>) -> Result<(), StoreError> {
    const KEY_BYTES_MAX: usize = 34 + 32;
    match store.scan(prefix) {
        Ok(found) => keys.extend(found.into_iter().map(|(key, _)| key)),
        Err(error) if !is_of_one_deck(&error) => return Err(error),
        Err(_) => {
            keys.push(prefix.to_vec());
            if prefix.len() < KEY_BYTES_MAX {
                for next in 0..=u8::MAX {
                    keys_under(store, &[prefix, &[next]].concat(), keys)?;
                }
            }
        }
    }
    Ok(())
}

/// A damaged value fails the scan that meets it. So look closer there, until it stands alone: the others are found.
fn scan_decks(
    store: &dyn Store,
    prefix: &[u8],
    decks: &mut Vec<(DeckId, KeyFound)>,
) -> Result<(), StoreError> {
    let deck_of = |key: &[u8]| {
        let id = key.get(1..).and_then(|id| id.try_into().ok());
        id.map(DeckId::from_bytes)
    };
    let error = match store.scan(prefix) {
        Ok(entries) => {
            for (key, value) in entries {
                let Some(deck) = deck_of(&key) else { continue };
                let keys = Keyring::decode(deck, &Zeroizing::new(value));
                decks.push((deck, keys.ok_or(LoadError::Form { what: "a deck's key" })));
            }
            return Ok(());
        }
        Err(error) => error,
    };
    if !is_of_one_deck(&error) {
        return Err(error);
    }
    if let Some(deck) = deck_of(prefix) {
        decks.push((deck, Err(error.into())));
        return Ok(());
    }
    for next in 0..=u8::MAX {
        scan_decks(store, &[prefix, &[next]].concat(), decks)?;
    }
    Ok(())
}

/// Reads what the store holds of a deck, to open it from there. See [`snapshot::origins`].
///
/// # Errors
/// What the store says, or damage that its checksums cannot see (a form that does not parse).
pub fn load(store: &dyn Store, deck: DeckId, keys: &Keyring, origin: Origin) -> Result<DeckImage, LoadError> {
    let mut image = DeckImage {
        deck,
        keys: keys.clone(),
        genesis: store.get(&deck_key(deck, GENESIS))?,
        records: vec![],
        snapshot: None,
        next_snapshot: 1,
        tails: vec![],
        drafts: vec![],
        draft_words: vec![],
        heard: vec![],
        followed: store.get(&deck_key(deck, UNFOLLOWED))?.is_none(),
    };
    for bytes in read_from(store, record_stream(deck), 1)? {
        let record: RecordImage = from_bytes(&bytes, "a record")?;
        image.records.push(record);
    }
    let terms = image.records.iter().filter_map(|record| match record {
        RecordImage::Term(term, _) => Some(*term),
        RecordImage::Charter(_) | RecordImage::Admit(_) | RecordImage::Seal(_) | RecordImage::Fork { .. } => {
            None
        }
    });
    let terms: Vec<TermId> = std::iter::once(TermId::zero_of(deck)).chain(terms).collect();
    snapshot::load_logs(store, &mut image, &terms, origin)?;
    for (key, value) in store.scan(&deck_key(deck, DRAFT))? {
        let Some((_, _, draft)) = split_deck_key(&key) else {
            continue;
        };
        let draft: [u8; 32] = draft.try_into().map_err(|_| LoadError::Form {
            what: "a draft's key",
        })?;
        let changes = read_from(store, draft_stream(deck, DraftId::from_bytes(draft)), 1)?;
        image.drafts.push((from_bytes(&value, "a draft")?, changes));
    }
    for (key, value) in store.scan(&deck_key(deck, DRAFT_WORDS))? {
        let draft = split_deck_key(&key).and_then(|(_, _, draft)| draft.try_into().ok());
        let draft = draft.map(DraftId::from_bytes).ok_or(LoadError::Form {
            what: "the key of what was said of a draft",
        })?;
        image
            .draft_words
            .push((draft, from_bytes(&value, "what was said of a draft")?));
    }
    for (key, value) in store.scan(&deck_key(deck, HEARD))? {
        let device = split_deck_key(&key).and_then(|(_, _, device)| device.try_into().ok());
        let device = device.map(DeviceId::from_bytes).ok_or(LoadError::Form {
            what: "the key of what a device said",
        })?;
        image
            .heard
            .push((device, from_bytes(&value, "what a device said")?));
    }
    Ok(image)
}

fn split_deck_key(key: &[u8]) -> Option<(DeckId, u8, &[u8])> {
    let (deck, rest) = key.get(1..)?.split_first_chunk::<32>()?;
    let (&kind, rest) = rest.split_first()?;
    Some((DeckId::from_bytes(*deck), kind, rest))
}

fn read_from(store: &dyn Store, stream: StreamId, from: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut whole = Vec::new();
    loop {
        let part = store.read(stream, from + whole.len() as u64, READ_RECORDS, READ_BYTES)?;
        if part.is_empty() {
            return Ok(whole);
        }
        whole.extend(part.into_iter().map(|record| record.bytes));
    }
}

/// Why what the store holds could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store said so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Bytes whose checksum is right and whose form is not: written by another version, or a bug.
    #[error("{what} in the store has a form that this version does not know; was it written by a newer one?")]
    Form {
        /// What was being read.
        what: &'static str,
    },
    /// Something that must be there is not.
    #[error("{what} is missing from the store")]
    Missing {
        /// What was being read.
        what: &'static str,
    },
}

impl LoadError {
    /// Whether it is about what was kept of one deck: others can be opened all the same.
    pub(crate) fn is_of_one_deck(&self) -> bool {
        match self {
            Self::Store(error) => is_of_one_deck(error),
            Self::Form { .. } | Self::Missing { .. } => true,
        }
    }
}

fn to_bytes<T: Encode<()>>(value: &T) -> Vec<u8> {
    // Encoding into a Vec cannot fail.
    minicbor::to_vec(value).unwrap_or_default()
}

fn from_bytes<'b, T: Decode<'b, ()>>(bytes: &'b [u8], what: &'static str) -> Result<T, LoadError> {
    minicbor::decode(bytes).map_err(|_| LoadError::Form { what })
}

/// A change as it lies in the log.
///
/// # Errors
/// [`LoadError::Form`] when the bytes are not one.
pub fn log_record(bytes: &[u8]) -> Result<LogRecord, LoadError> {
    from_bytes(bytes, "a change")
}
