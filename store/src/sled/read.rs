//! Reads whole entries, checked.

use std::collections::BTreeSet;

use ::sled::Tree;

use super::layout::{
    COUNT, Flaw, Head, Place, piece_key, piece_prefix, record_key, stream_prefix, value_key,
};
use super::tree_error;
use crate::{Damage, KeyedValue, Record, Report, StoreError, StreamId};

/// Where entries are looked up.
pub(super) trait Source {
    fn entry(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
}

impl Source for Tree {
    fn entry(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self
            .get(key)
            .map_err(|error| tree_error("read an entry", error))?;
        Ok(value.map(|value| value.to_vec()))
    }
}

/// An entry with all its pieces, if there is one.
pub(super) fn read_entry(
    source: &impl Source,
    head: &[u8],
) -> Result<Option<Result<Vec<u8>, Flaw>>, StoreError> {
    match source.entry(head)? {
        Some(value) => complete(source, head, &value).map(Some),
        None => Ok(None),
    }
}

fn complete(source: &impl Source, head: &[u8], value: &[u8]) -> Result<Result<Vec<u8>, Flaw>, StoreError> {
    match Head::parse(value) {
        Ok(parsed) => parsed.content(head, |index| source.entry(&piece_key(head, index))),
        Err(flaw) => Ok(Err(flaw)),
    }
}

pub(super) fn get(tree: &Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let entry = read_entry(tree, &value_key(key))?;
    entry
        .map(|content| content.map_err(|flaw| flawed(flaw, describe_key(key))))
        .transpose()
}

pub(super) fn scan(tree: &Tree, prefix: &[u8]) -> Result<Vec<KeyedValue>, StoreError> {
    let mut found = Vec::new();
    for entry in tree.scan_prefix(value_key(prefix)) {
        let (head, value) = entry.map_err(|error| tree_error("read through the values", error))?;
        let key = head.get(1..).unwrap_or_default().to_vec();
        let content = complete(tree, &head, &value)?.map_err(|flaw| flawed(flaw, describe_key(&key)))?;
        found.push((key, content));
    }
    Ok(found)
}

pub(super) fn records(
    tree: &Tree,
    stream: StreamId,
    from: u64,
    max_records: usize,
    max_bytes: usize,
) -> Result<Vec<Record>, StoreError> {
    let mut records: Vec<Record> = Vec::new();
    let mut bytes_left = max_bytes;
    let range = record_key(stream, from)..=record_key(stream, u64::MAX);
    for (entry, seq) in tree.range(range).zip(from..=u64::MAX).take(max_records) {
        let (head, value) = entry.map_err(|error| tree_error("read a stream", error))?;
        if head != record_key(stream, seq) {
            break;
        }
        match complete(tree, &head, &value)? {
            Ok(bytes) if records.is_empty() || bytes.len() <= bytes_left => {
                bytes_left = bytes_left.saturating_sub(bytes.len());
                records.push(Record { seq, bytes });
            }
            Ok(_) => break,
            Err(flaw) if records.is_empty() => {
                return Err(flawed(flaw, format!("record {seq} of stream {stream}")));
            }
            Err(_) => break,
        }
    }
    Ok(records)
}

/// The sequence of the first record, by its key alone: whether it is sound is found by reading it.
pub(super) fn first(tree: &Tree, stream: StreamId) -> Result<Option<u64>, StoreError> {
    match tree.scan_prefix(stream_prefix(stream)).keys().next() {
        Some(key) => match Place::of(&key.map_err(|error| tree_error("read a stream", error))?) {
            Place::Record { seq, .. } => Ok(Some(seq)),
            _ => Err(StoreError::Corrupt {
                what: format!("the beginning of stream {stream}"),
            }),
        },
        None => Ok(None),
    }
}

/// How many batches the tree says there were. None if it does not say so soundly: then all that were noted count as
/// lost, which is too many rather than too few.
pub(super) fn count(tree: &Tree) -> Result<u64, StoreError> {
    let content = read_entry(tree, &COUNT)?.and_then(Result::ok);
    Ok(content
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_be_bytes))
}

/// What a walk through the whole tree meets.
pub(super) enum Seen<'k> {
    Stream,
    Record,
    Value,
    Damaged(Damage),
    /// An entry that is no record or value, and no piece of one.
    Stray(&'k [u8]),
}

/// Verifies every entry, and that the pieces are those of entries.
pub(super) fn walk(tree: &Tree, mut see: impl FnMut(Seen<'_>)) -> Result<(), StoreError> {
    let mut last: Option<(StreamId, u64)> = None;
    let mut claimed = BTreeSet::new();
    // 'k' and 'p' come before 's' in the order of keys, so pieces are counted in a walk of their own below.
    for entry in tree.iter() {
        let (head, value) = entry.map_err(|error| tree_error("read everything", error))?;
        let place = Place::of(&head);
        if matches!(place, Place::Piece) {
            continue;
        }
        if matches!(place, Place::Unknown) {
            see(Seen::Stray(&head));
            continue;
        }
        if Head::parse(&value).map_or(true, |parsed| parsed.pieces() > 0) {
            claimed.insert(piece_prefix(&head));
        }
        let sound = match complete(tree, &head, &value)? {
            Ok(_) => true,
            Err(Flaw::Damaged) => false,
            Err(Flaw::Format) => return Err(flawed(Flaw::Format, "the database".to_owned())),
        };
        match place {
            Place::Record { stream, seq } => {
                match last.replace((stream, seq)) {
                    Some((same, before)) if same == stream => {
                        if before.checked_add(1) != Some(seq) {
                            let seq = before.saturating_add(1);
                            see(Seen::Damaged(Damage::Gap { stream, seq }));
                        }
                    }
                    _ => see(Seen::Stream),
                }
                see(if sound {
                    Seen::Record
                } else {
                    Seen::Damaged(Damage::Record { stream, seq })
                });
            }
            Place::Value { .. } if sound => see(Seen::Value),
            Place::Value { key } => see(Seen::Damaged(Damage::Value { key })),
            Place::Count if sound => {}
            Place::Count | Place::Piece | Place::Unknown => see(Seen::Stray(&head)),
        }
    }
    for key in tree
        .scan_prefix(piece_prefix(b"").get(..1).unwrap_or_default())
        .keys()
    {
        let key = key.map_err(|error| tree_error("read everything", error))?;
        let prefix = key.get(..key.len().saturating_sub(4)).unwrap_or_default();
        if !claimed.contains(prefix) {
            see(Seen::Stray(&key));
        }
    }
    Ok(())
}

/// Counts what a walk meets.
pub(super) fn check(tree: &Tree, report: &mut Report) -> Result<(), StoreError> {
    let mut strays = 0;
    walk(tree, |seen| match seen {
        Seen::Stream => report.streams += 1,
        Seen::Record => report.records += 1,
        Seen::Value => report.values += 1,
        Seen::Damaged(damage) => report.add(damage),
        Seen::Stray(_) => strays += 1,
    })?;
    if strays > 0 {
        report.add(Damage::Stray { pieces: strays });
    }
    Ok(())
}

fn flawed(flaw: Flaw, what: String) -> StoreError {
    match flaw {
        Flaw::Damaged => StoreError::Corrupt { what },
        Flaw::Format => StoreError::Format { what },
    }
}

fn describe_key(key: &[u8]) -> String {
    format!("the value under the key \"{}\"", key.escape_ascii())
}
