//! A deck in parts, for a file: read as for a device that has nothing, and taken in like what a device sends.

use std::collections::BTreeMap;

use cuecard_store::StreamId;

use crate::blob::fetch::Held;
use crate::core::catch_up::{RECORDS_PER_MESSAGE_MAX, push_slice};
use crate::core::log::{Log, Next, Owed, Stored, TakeError};
use crate::core::{Applied, BlobDone, Core, DeckError, Input, StoreHasFailed, Ticket};
use crate::disk::LogRecord;
use crate::id::{BlobId, DeckId, LinkId};
use crate::limits::SLICE_CHANGES_MAX;
use crate::sync::message::{Item, Message, Position};
use crate::time::Time;

/// No link has this number: answers to what came from a file go nowhere.
const NO_LINK: LinkId = LinkId::new(0);

/// What comes next of a deck.
#[derive(Debug)]
pub(crate) struct Part {
    /// What goes before the changes.
    pub(crate) items: Vec<Item>,
    /// Up to where it leads without them.
    pub(crate) at: Position,
    /// The changes that follow; without any this is the end.
    pub(crate) changes: Option<Changes>,
}

/// Changes that follow on a line: some that are at hand, the others to be read from a log.
#[derive(Debug)]
pub(crate) struct Changes {
    end: Position,
    begins: Vec<LogRecord>,
    /// From which log, from which number on, and how many.
    pub(crate) read: Option<(StreamId, u64, usize)>,
}

/// Why a deck cannot be read on, or a part of it not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PartError {
    #[error(transparent)]
    Deck(#[from] DeckError),
    #[error("the deck's path turned meanwhile")]
    Turned,
    #[error("its log is damaged")]
    Damaged,
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
}

impl Core {
    /// What comes next of a deck for who holds everything up to `at`; from the beginning, with its genesis and charter.
    pub(crate) fn export_from(&self, deck: DeckId, at: Option<Position>) -> Result<Part, PartError> {
        let log = self.log(deck)?;
        let mut items = Vec::new();
        let mut at = match at {
            Some(at) if log.is_on_path(at) => at,
            Some(_) => return Err(PartError::Turned),
            None => {
                items.push(Item::Genesis(log.genesis.encode().into()));
                // Transfers, too: they prove who the owner is.
                let charters = log.chain.charters();
                items.extend(charters.map(|charter| Item::Charter(charter.encode().into())));
                log.start()
            }
        };
        let changes = loop {
            match log.next_after(at) {
                Next::Nothing => break None,
                Next::Term(begins, bytes) => {
                    items.push(Item::Term(bytes.into()));
                    at = begins;
                    if items.len() >= RECORDS_PER_MESSAGE_MAX {
                        break None;
                    }
                }
                Next::Changes { end } => break Some(changes_to(log, at, end)),
            }
        };
        Ok(Part { items, at, changes })
    }

    /// What is held beside the path: records, and lines that lost.
    pub(crate) fn export_beside(&mut self, deck: DeckId) -> Result<Vec<Owed>, PartError> {
        Ok(self.log_mut(deck)?.owed_to(&[]))
    }

    /// What goes before a slice: the late work that it begins by accepting.
    pub(crate) fn export_first(&self, deck: DeckId, items: &[Item]) -> Result<Vec<Owed>, PartError> {
        let before = self.log(deck)?.late_before(items);
        Ok(before.map(|(_, lines)| lines).unwrap_or_default())
    }

    /// The changes of a line that lost, after one place.
    pub(crate) fn export_line(&self, deck: DeckId, at: Position, end: Position) -> Result<Part, PartError> {
        let changes = Some(changes_to(self.log(deck)?, at, end));
        let items = vec![];
        Ok(Part { items, at, changes })
    }

    /// The part with the changes in it, and where it ends.
    pub(crate) fn export_slice(
        &self,
        deck: DeckId,
        part: Part,
        read: Vec<LogRecord>,
    ) -> Result<(Vec<Item>, Position), PartError> {
        let log = self.log(deck)?;
        let Part {
            mut items,
            at,
            changes,
        } = part;
        let Some(Changes { end, begins, .. }) = changes else {
            return Ok((items, at));
        };
        let mut records = [begins, read].concat();
        let is_sealed = records.iter().any(|record| record.seal.is_some());
        if !is_sealed && log.is_cut(at.term, at.len + records.len() as u64 + 1) {
            // The log was cut while it was being read.
            records = log.records_cut(at.term, at.len + 1, SLICE_CHANGES_MAX as u64);
        }
        let wanted = end.len.saturating_sub(at.len);
        let slice = push_slice(log, at, end, wanted, records, &mut items);
        let (reached, _) = slice.ok_or(PartError::Damaged)?;
        Ok((items, reached))
    }

    /// The drafts that wait for an editor, as they are offered.
    pub(crate) fn export_drafts(&self, deck: DeckId) -> Result<Vec<Message>, PartError> {
        let drafts = self.log(deck)?.drafts.values();
        let proposed = drafts.filter(|draft| draft.state().is_proposed());
        let items = proposed.filter_map(|draft| draft.item());
        Ok(items.map(|draft| Message::Propose { deck, draft }).collect())
    }

    /// All the audio that a deck refers to, with its size.
    pub(crate) fn export_audio(&self, deck: DeckId) -> Result<BTreeMap<BlobId, u64>, PartError> {
        let audio = self.log(deck)?.document.all_audio().into_iter();
        Ok(audio.map(|audio| (audio.blob, audio.bytes)).collect())
    }

    /// Takes in a part of a deck from a file: through the gate, like what a device sends.
    pub(crate) fn import(
        &mut self,
        now: Time,
        deck: DeckId,
        message: &Message,
    ) -> Result<Applied<()>, PartError> {
        self.set_now(now);
        self.check_store()?;
        let before = Ticket(self.next_number);
        let refused = |why: &str| Err(PartError::Refused(why.to_owned()));
        let taken = match message {
            Message::Entries { deck: of, items } if *of == deck => self.take_in_order(deck, items, None).0,
            // One branch too many is no reason to refuse the deck.
            Message::Branches { deck: of, items } if *of == deck => match self.take_each(deck, items).0 {
                Err(TakeError::Surplus { .. }) => Ok(()),
                taken => taken,
            },
            Message::Propose { deck: of, draft } if *of == deck => self.take_proposal(NO_LINK, deck, draft),
            _ => return refused("something that does not belong in a file of this deck"),
        };
        taken.map_err(|error| PartError::Refused(error.to_string()))?;
        // All before it is durable before it is.
        let newest = self.saving.keys().next_back().copied();
        let ticket = newest.filter(|ticket| *ticket > before);
        Ok(Applied { value: (), ticket })
    }

    /// Audio came by another way, whole.
    pub(crate) fn audio_imported(&mut self, now: Time, blob: BlobId) {
        let held = Held::Whole;
        self.handle(now, Input::BlobDone(BlobDone::Opened { blob, held }));
    }

    /// How many changes a deck has; none while nothing of it has arrived.
    pub(crate) fn change_count(&self, deck: DeckId) -> usize {
        let count = |log: &Log| crate::history::entry_count(&log.document);
        self.log(deck).map_or(0, count)
    }
}

/// Where the changes after one place of a line are, up to another.
fn changes_to(log: &Log, at: Position, end: Position) -> Changes {
    let (begins, read) = match log.stored(end, at.cut()) {
        Stored::Here(records) => (records, None),
        Stored::Log(stream) => {
            let begins = log.records_cut(end.term, at.len + 1, SLICE_CHANGES_MAX as u64);
            let is_enough = begins.iter().any(|record| record.seal.is_some());
            let next = at.len + 1 + begins.len() as u64;
            let count = SLICE_CHANGES_MAX.saturating_sub(begins.len());
            (begins, (!is_enough).then_some((stream, next, count)))
        }
    };
    Changes { end, begins, read }
}
