//! Compaction: a snapshot of what the log holds, so that opening a deck need not read each change, and the log can be
//! cut short.
//!
//! The order makes it safe at every step. The snapshot is taken in memory, and given to the disk only when all that it
//! holds is durable in the log. Once it is durable itself, one batch notes it and cuts the logs, but only as far as the
//! snapshot *before* it reaches: that one stays, and makes the same deck with a longer tail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cuecard_store::{Batch, SnapshotName};

use super::seals::SealsKept;
use super::{Log, Position};

use crate::core::own_log;
use crate::core::{Input, ReadId, of_work};
use crate::disk::snapshot::{self, Kept, SnapshotImage, TermImage};
use crate::disk::{LogRecord, TermTail};
use crate::document::Document;
use crate::id::{ChangeHash, TermId, Ticket};
use crate::limits::{SLICE_BYTES_MAX, SLICE_CHANGES_MAX};
use crate::role::Cut;

/// When a deck is compacted: when the changes behind its snapshot reach one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactWhen {
    /// So many changes: each costs about 25 µs when the deck is opened.
    pub changes: u64,
    /// So many bytes, and half of what the snapshot has.
    pub bytes: usize,
}

impl Default for CompactWhen {
    fn default() -> Self {
        Self {
            changes: 2_000,
            bytes: 64 * 1024,
        }
    }
}

/// A snapshot on its way to the disk.
#[derive(Debug)]
pub struct NewSnapshot {
    /// Its name.
    pub name: SnapshotName,
    /// The head that the deck has in it.
    pub head: ChangeHash,
    /// What it holds.
    pub content: Vec<u8>,
    /// The one before, which stays; older ones go.
    pub previous: Option<u64>,
}

/// Changes of a term that its log may no longer hold: what they are made anew of, beside the document.
#[derive(Debug, Default)]
pub(crate) struct CutOff(Vec<CutChange>);

#[derive(Debug)]
struct CutChange {
    hash: ChangeHash,
    /// Its bytes, where it is not in the document.
    aside: Option<Vec<u8>>,
    seal: Option<Vec<u8>>,
}

/// Changes to be made anew of a document, as it was. That takes 10 µs each, so it is done outside of the core.
pub struct Remake {
    read: ReadId,
    document: Document,
    cut_off: CutOff,
}

impl fmt::Debug for Remake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remake({:?}, {} changes)", self.read, self.cut_off.0.len())
    }
}

impl Remake {
    /// Does it. It answers as the log would.
    #[must_use]
    pub fn run(self) -> Input {
        Input::LogRead {
            read: self.read,
            // None: then the core makes them, for itself.
            result: Ok(of_work(|| self.cut_off.records(&self.document)).unwrap_or_default()),
        }
    }
}

impl CutOff {
    /// As many as may fit into a slice: no more is copied than is sent.
    fn taken_of(mut changes: impl Iterator<Item = CutChange>) -> Self {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes <= SLICE_BYTES_MAX
            && let Some(change) = changes.next()
        {
            bytes += change.aside.as_ref().map_or(0, Vec::len);
            taken.push(change);
        }
        Self(taken)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes as they lay in the log: at most a slice of bytes.
    fn records(self, document: &Document) -> Vec<LogRecord> {
        let beside = |change: &&CutChange| change.aside.is_none();
        let inside: Vec<ChangeHash> = self.0.iter().filter(beside).map(|change| change.hash).collect();
        let mut inside = document.changes_bytes(&inside);
        let (mut records, mut bytes) = (Vec::with_capacity(self.0.len()), 0);
        for CutChange { hash, aside, seal } in self.0 {
            let Some(change) = aside.or_else(|| inside.remove(&hash)) else {
                break;
            };
            bytes += change.len();
            if bytes > SLICE_BYTES_MAX && !records.is_empty() {
                break;
            }
            records.push(LogRecord {
                change: change.into(),
                seal: seal.map(Into::into),
            });
        }
        records
    }
}

/// A snapshot, and up to which change of each term it holds them all.
#[derive(Debug, Clone, Default)]
struct Mark {
    generation: u64,
    lens: BTreeMap<TermId, u64>,
    bytes: usize,
}

/// What a log knows of its snapshots.
#[derive(Debug)]
pub(super) struct Compaction {
    /// The newest durable snapshot.
    newest: Option<Mark>,
    /// The one that is being written.
    writing: Option<Mark>,
    /// Waits until the batch with this ticket is durable.
    waiting: Option<(Ticket, NewSnapshot)>,
    next_generation: u64,
    /// Up to which change of each term the log may have been cut short. They are in the document, or aside.
    cut: BTreeMap<TermId, u64>,
    /// Up to where this run has cut them short.
    trimmed: BTreeMap<TermId, u64>,
    seals: BTreeMap<TermId, SealsKept>,
    /// What was added to the log since the newest snapshot.
    tail_changes: u64,
    tail_bytes: usize,
    /// Doubled when the disk refuses a snapshot, so that it is not asked again with each edit.
    patience: u64,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            newest: None,
            writing: None,
            waiting: None,
            next_generation: 1,
            cut: BTreeMap::new(),
            trimmed: BTreeMap::new(),
            seals: BTreeMap::new(),
            tail_changes: 0,
            tail_bytes: 0,
            patience: 1,
        }
    }
}

impl Compaction {
    fn is_due(&self, when: CompactWhen) -> bool {
        let half = self.newest.as_ref().map_or(0, |newest| newest.bytes / 2);
        let patience = usize::try_from(self.patience).unwrap_or(usize::MAX);
        self.writing.is_none()
            && self.waiting.is_none()
            && (self.tail_changes >= when.changes.saturating_mul(self.patience)
                || self.tail_bytes >= when.bytes.max(half).saturating_mul(patience))
    }
}

impl Compaction {
    /// Up to which change of each term the next snapshot has to hold them all, on the path or not: what the log may have
    /// been cut by, and what the newest snapshot holds, by which it is cut once the next one is there.
    fn snapped(&self) -> BTreeMap<TermId, u64> {
        let mut lens = self.cut.clone();
        for (term, len) in self.newest.iter().flat_map(|newest| &newest.lens) {
            let cut = lens.entry(*term).or_default();
            *cut = (*len).max(*cut);
        }
        lens
    }

    fn snapped_of(&self, term: TermId) -> u64 {
        let newest = self.newest.as_ref().and_then(|newest| newest.lens.get(&term));
        let cut = self.cut.get(&term);
        cut.into_iter().chain(newest).copied().max().unwrap_or(0)
    }
}

impl Log {
    /// A change was put into the log of a term.
    pub(super) fn note_appended(&mut self, term: TermId, number: u64, record: &LogRecord) {
        let seal = record.seal.as_ref().map(|seal| seal.as_slice());
        self.note_put(term, number, &record.change, seal);
    }

    /// The same, in its parts.
    pub(super) fn note_put(&mut self, term: TermId, number: u64, change: &[u8], seal: Option<&[u8]>) {
        // What a slice accepts goes before it.
        let begins = own_log::merges(change);
        let accepts = begins.then(|| own_log::acceptance(change)).flatten();
        let drafted = accepts.and_then(|(draft, deps)| self.drafts.get(&draft)?.accepted_item(&deps));
        let drafted: usize = drafted.map_or(0, |draft| draft.changes.iter().map(|change| change.len()).sum());
        let compaction = &mut self.compaction;
        compaction.tail_changes += 1;
        compaction.tail_bytes += change.len() + seal.map_or(0, <[u8]>::len);
        let seals = compaction.seals.entry(term).or_default();
        seals.push(number, change.len() + drafted, begins, seal);
    }

    /// Takes a snapshot, if one is due. It waits until the batch with this ticket, the last one of the log, is durable.
    pub(crate) fn compact_when_due(&mut self, when: CompactWhen, after: Ticket) {
        if self.broken.is_some() || !self.compaction.is_due(when) {
            return;
        }
        let Some(image) = self.snapshot_image() else {
            return;
        };
        let generation = self.compaction.next_generation;
        let content = image.encode();
        let lens = image.terms.iter().map(|term| (term.term, term.len())).collect();
        let mark = Mark {
            generation,
            lens,
            bytes: content.len(),
        };
        let snapshot = NewSnapshot {
            name: snapshot::snapshot_name(self.deck, generation),
            head: self.head(),
            content,
            previous: self.compaction.newest.as_ref().map(|mark| mark.generation),
        };
        self.compaction.next_generation += 1;
        self.compaction.tail_changes = 0;
        self.compaction.tail_bytes = 0;
        self.compaction.writing = Some(mark);
        self.compaction.waiting = Some((after, snapshot));
    }

    /// The snapshot that waited for this batch, or an earlier one, to be durable.
    pub(crate) fn take_snapshot(&mut self, durable: Ticket) -> Option<NewSnapshot> {
        let waiting = &mut self.compaction.waiting;
        Some(waiting.take_if(|(after, _)| *after <= durable)?.1)
    }

    /// The snapshot is durable: what the one before it holds too leaves the log.
    pub(crate) fn snapshot_put(&mut self, batch: &mut Batch) {
        let compaction = &mut self.compaction;
        let Some(newest) = compaction.writing.take() else {
            return;
        };
        compaction.patience = 1;
        let previous = compaction.newest.replace(newest);
        let kept = Kept {
            newest: compaction.newest.as_ref().map_or(0, |mark| mark.generation),
            previous: previous.as_ref().map(|mark| mark.generation),
        };
        snapshot::put_kept(batch, self.deck, kept);
        for (term, len) in previous.map(|mark| mark.lens).unwrap_or_default() {
            let cut = compaction.cut.entry(term).or_default();
            *cut = len.max(*cut);
            let trimmed = compaction.trimmed.entry(term).or_default();
            if *trimmed < len {
                *trimmed = len;
                snapshot::trim_term(batch, self.deck, term, len + 1);
            }
        }
    }

    /// The disk did not take the snapshot. The log is whole without it; the next try waits longer.
    pub(crate) fn snapshot_failed(&mut self) {
        let compaction = &mut self.compaction;
        compaction.writing = None;
        compaction.waiting = None;
        compaction.patience = compaction.patience.saturating_mul(2);
    }

    /// What the log holds now. `None` where a term's held changes do not lead on from what was cut: then the log has to
    /// stay as it is. Of a term with more than one line it holds the one that lies in the log; the others, and the seals
    /// that prove the cheat, stay among the records, which are never cut short.
    fn snapshot_image(&self) -> Option<SnapshotImage> {
        let on_path: BTreeSet<TermId> = self.inside.iter().map(|step| step.term).collect();
        let mut left = self.compaction.snapped();
        left.retain(|term, len| *len > 0 && !on_path.contains(term));
        let path = self
            .inside
            .iter()
            .map(|step| self.term_image(step.term, Some(*step)));
        let terms = path.chain(left.keys().map(|term| self.term_image(*term, None)));
        let terms = terms.collect::<Option<Vec<TermImage>>>()?;
        Some(SnapshotImage::new(self.deck, terms, self.document.snapshot()))
    }

    fn term_image(&self, term: TermId, path: Option<Position>) -> Option<TermImage> {
        let cut = self.compaction.snapped_of(term);
        let line = self.logged_line(term)?;
        // The path goes along that line to its end there, or leaves it for another line of a cheat's.
        let is_on_line = |step: &Position| line.hash_at(step.len) == Some(step.head);
        let inside = match path {
            Some(step) if is_on_line(&step) => Some(step.len),
            Some(step) => Some(self.chain.common(term, line.end(), step.cut())?.len),
            None => None,
        };
        let leaves_for = path.filter(|step| !is_on_line(step));
        let inside_len = inside.unwrap_or(0);
        let len = inside_len.max(cut);
        let hashes = (1..=len)
            .map(|number| line.hash_at(number))
            .collect::<Option<Vec<_>>>()?;
        let beyond = hashes.iter().skip(usize::try_from(inside_len).ok()?);
        let aside = beyond
            .map(|hash| self.held_bytes(hash))
            .collect::<Option<Vec<_>>>()?;
        let seals = self.compaction.seals.get(&term).into_iter();
        let seals = seals
            .flat_map(SealsKept::iter)
            .take_while(|(number, _)| *number <= len)
            .map(|(number, seal)| (number, seal.to_vec()))
            .collect();
        let image = TermImage::new(term, inside, hashes, seals, aside);
        Some(match leaves_for {
            Some(step) => image.leaving_for(step.cut()),
            None => image,
        })
    }

    /// Changes of a term that its log may no longer hold, from number `from` on, as they lay there: about `count`, so that
    /// the last is sealed, and at most a slice of bytes. None where the log holds them.
    pub(crate) fn records_cut(&self, term: TermId, from: u64, count: u64) -> Vec<LogRecord> {
        self.cut_off(term, from, count).records(&self.document)
    }

    /// The same, to be made outside; it answers this question.
    pub(crate) fn remake(&self, read: ReadId, cut_off: CutOff) -> Remake {
        Remake {
            read,
            document: self.document.clone(),
            cut_off,
        }
    }

    /// What [`Log::records_cut`] makes them of.
    pub(crate) fn cut_off(&self, term: TermId, from: u64, count: u64) -> CutOff {
        let cut = self.compaction.cut.get(&term).copied().unwrap_or(0);
        let Some(line) = self.logged_line(term) else {
            return CutOff::default();
        };
        let seals = self.compaction.seals.get(&term);
        let most = SLICE_CHANGES_MAX as u64;
        let end = seals.and_then(|seals| seals.end_near(from, count.min(most)));
        let to = end
            .unwrap_or(u64::MAX)
            .min(cut)
            .min(from.saturating_add(most - 1));
        let change = |number| {
            let hash = line.hash_at(number)?;
            let seal = seals.and_then(|seals| seals.at(number));
            Some(CutChange {
                hash,
                aside: self.aside.get(&hash).map(|aside| aside.bytes.clone()),
                seal: seal.map(<[u8]>::to_vec),
            })
        };
        CutOff::taken_of((from..=to).map_while(change))
    }

    /// Whether that change of a term may no longer be in its log.
    pub(crate) fn is_cut(&self, term: TermId, number: u64) -> bool {
        self.compaction.cut.get(&term).is_some_and(|cut| number <= *cut)
    }

    /// The bytes of a change, wherever it is held in memory. Late work that was accepted is in the document.
    pub(super) fn held_bytes(&self, hash: &ChangeHash) -> Option<Vec<u8>> {
        let aside = self.bytes_aside(hash).map(<[u8]>::to_vec);
        aside.or_else(|| self.document.change_bytes(hash))
    }

    /// What the newest snapshot holds, as it was read: from here on the log is cut there.
    pub(crate) fn restore_compaction(&mut self, generation: u64, terms: &[TermImage], bytes: usize) {
        let lens: BTreeMap<TermId, u64> = terms.iter().map(|term| (term.term, term.len())).collect();
        // Where exactly the log begins does not matter: what is in the snapshot can be had from it.
        self.compaction.cut = lens.clone();
        self.compaction.newest = Some(Mark {
            generation,
            lens,
            bytes,
        });
        for term in terms {
            let seals = term.seals.iter().map(|(len, seal)| (*len, seal.to_vec()));
            let seals = SealsKept::restored(seals.collect());
            self.compaction.seals.insert(term.term, seals);
        }
    }

    /// The number of the next snapshot.
    pub(crate) fn set_next_snapshot(&mut self, generation: u64) {
        self.compaction.next_generation = generation;
    }

    /// Records that were read back from the log of a term.
    pub(crate) fn note_tail(&mut self, tail: &TermTail) {
        for (number, record) in (tail.from..).zip(&tail.records) {
            self.note_appended(tail.term, number, record);
        }
    }

    /// The document has these steps of the path in it.
    pub(crate) fn set_path(&mut self, steps: Vec<(TermId, Cut)>) {
        self.inside = steps
            .into_iter()
            .map(|(term, cut)| Position::new(term, cut))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_lies_aside_no_more_is_copied_than_a_slice_holds() {
        let large = SLICE_BYTES_MAX / 16;
        let mut copied = 0;
        let changes = (0..8_192_u64).map(|number| {
            copied += 1;
            CutChange {
                hash: ChangeHash(*blake3::hash(&number.to_le_bytes()).as_bytes()),
                aside: Some(vec![7; large]),
                seal: None,
            }
        });
        let cut_off = CutOff::taken_of(changes);
        assert_eq!(copied, 17, "one more than fits");
        let actor = crate::role::actor_of_genesis(crate::DeckId::from_bytes([1; 32]));
        assert_eq!(cut_off.records(&Document::genesis(actor, 0)).len(), 16);
    }

    #[test]
    fn one_that_is_larger_than_a_slice_is_a_slice() {
        let larger = |aside| CutChange {
            hash: ChangeHash([1; 32]),
            aside: Some(vec![7; aside]),
            seal: None,
        };
        let changes = [SLICE_BYTES_MAX + 1, 1].map(larger);
        assert_eq!(CutOff::taken_of(changes.into_iter()).0.len(), 1);
    }
}
