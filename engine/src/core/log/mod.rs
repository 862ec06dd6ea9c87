//! One deck: its term chain and its document, held together.
//!
//! The chain says what is canonical; the document is always exactly that, so it has one head, and "same head" means
//! "same state". What the chain takes out of the canonical path leaves the document and is kept aside.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cuecard_store::Batch;

use crate::core::draft_log::DraftLog;
use crate::core::drafts::DraftWords;
use crate::core::own_log;
use crate::disk::{self, LogRecord, RecordImage};
use crate::document::Document;
use crate::history::{Writer, WriterKind};
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId, TermId};
use crate::role::{self, Admit, Chain, Charter, Cut, Genesis, KeyEpoch, Member, RecordId, Term, Verified};
use crate::sync::message::Position;

mod aside;
mod beside;
mod compact;
mod error;
mod forks;
mod late;
mod lineage;
mod moves;
mod path;
mod quotas;
mod seals;
mod take;
mod write;

use aside::{Aside, Built};
use beside::Beside;
pub(crate) use beside::Owed;
use compact::Compaction;
pub(crate) use compact::CutOff;
pub use compact::{CompactWhen, NewSnapshot, Remake};
pub(crate) use error::TakeError;
pub use error::{EditError, RoleError};
use forks::Fork;
pub(crate) use forks::Stored;
use late::Asked;
pub use late::{LateError, LateWhy};
use lineage::Lineage;
pub use moves::Role;
pub use path::TurnWhy;
pub(crate) use path::{Followed, Next};
pub(crate) use take::{Due, Slice, line_of, records_of};

/// One deck. See the [module](self).
pub(crate) struct Log {
    pub(crate) deck: DeckId,
    pub(crate) genesis: Genesis,
    pub(crate) chain: Chain,
    pub(crate) document: Document,
    /// The canonical steps that the document holds.
    inside: Vec<Position>,
    /// Changes of terms that are held and not in the document.
    aside: BTreeMap<ChangeHash, Aside>,
    /// Terms of which the path accepts late work that is not here yet.
    wanted: BTreeSet<TermId>,
    /// What leads to the term that the newest charter settles, as long as that is not here.
    lineage: Lineage,
    /// Late work that the app was told of: it asks for a person's word.
    pub(crate) asked: Asked,
    /// Late work that was tried, and cannot be merged.
    pub(crate) unmergeable: BTreeMap<ChangeHash, String>,
    /// Terms whose holders are proved to have cheated, and whether the app was told.
    proven: BTreeMap<TermId, bool>,
    /// Whether there may be late work to accept.
    late_due: bool,
    /// Terms of cheats: those with more than one line.
    forks: BTreeMap<TermId, Fork>,
    /// What is held beside the path, as others are told; worked out when it is asked for.
    beside: Option<Beside>,
    /// Whether that changed since the last batch.
    beside_unsaved: bool,
    /// Branches that were built lately.
    built: Built,
    /// How many were built in all.
    #[cfg(feature = "sim")]
    pub(crate) branches_built: u64,
    /// How many batches that were checked outside took the place of the document.
    #[cfg(feature = "sim")]
    pub(crate) batches_put_in: u64,
    /// Terms that this run of this device opened: the only ones it may append to.
    opened: BTreeSet<TermId>,
    /// Up to where the canonical path is on disk.
    durable: Position,
    /// The last changes that this run made, each with where it ends: they may leave before they are durable.
    fresh: VecDeque<(Position, LogRecord)>,
    /// Set when the path turned: what links were told of it has to be told anew.
    turned: bool,
    /// Charters and terms kept so far.
    records: u64,
    /// Set when the document broke: nothing is edited or taken in any more.
    broken: Option<String>,
    /// Set when a copy of this device was seen at work: nothing is signed until a person says so.
    pub(crate) copied: bool,
    /// The newest charter that this device signed, or found on its disk.
    own_charter: Option<RecordId>,
    /// What the last charter that this run signed says of members.
    own_members: Option<Vec<Member>>,
    /// The key's epoch by the charter that this run last signed.
    own_epoch: KeyEpoch,
    /// Whether this run signed a charter above one of its own that it did not know.
    reissued: bool,
    /// Whether its genesis is on disk.
    pub(crate) is_kept: bool,
    /// The newest charter that is on disk.
    pub(crate) charter_on_disk: Option<RecordId>,
    /// The last claim that this run signed.
    pub(crate) claimed: Option<TermId>,
    /// Terms that came from others since this was last looked at.
    pub(crate) news: Vec<TermId>,
    pub(crate) drafts: BTreeMap<DraftId, DraftLog>,
    /// What was said of drafts.
    pub(crate) words: DraftWords,
    compaction: Compaction,
    /// Changes of this device that an undo or redo found nothing left of: the next one looks further back.
    pub(crate) passed_over: BTreeSet<ChangeHash>,
    /// Who writes as which Automerge actor.
    pub(crate) writers: BTreeMap<automerge::ActorId, Writer>,
}

impl Log {
    /// A new deck, owned and edited by the device that its genesis names.
    pub(crate) fn create(genesis: Genesis) -> (Self, Batch) {
        let mut batch = Batch::default();
        let bytes = genesis.encode();
        let mut log = Self::blank(genesis);
        log.opened.insert(TermId::zero_of(log.deck));
        disk::put_genesis(&mut batch, log.deck, &bytes);
        (log, batch)
    }

    /// A deck of which only the genesis is known.
    pub(crate) fn blank(genesis: Genesis) -> Self {
        let deck = genesis.deck_id();
        let zero = TermId::zero_of(deck);
        let document = Document::genesis(role::actor_of_genesis(deck), genesis.created_ms);
        let chain = Chain::new(genesis, document.genesis_hash());
        let (len, head) = (0, document.genesis_hash());
        let start = Position::new(zero, Cut { len, head });
        let mut log = Self {
            deck,
            chain,
            document,
            inside: vec![start],
            aside: BTreeMap::new(),
            built: Built::default(),
            #[cfg(feature = "sim")]
            branches_built: 0,
            #[cfg(feature = "sim")]
            batches_put_in: 0,
            forks: BTreeMap::new(),
            wanted: BTreeSet::new(),
            lineage: Lineage::default(),
            asked: Asked::default(),
            unmergeable: BTreeMap::new(),
            proven: BTreeMap::new(),
            late_due: true,
            beside: None,
            beside_unsaved: false,
            opened: BTreeSet::new(),
            durable: start,
            fresh: VecDeque::new(),
            turned: false,
            records: 0,
            broken: None,
            copied: false,
            own_charter: None,
            own_members: None,
            own_epoch: KeyEpoch::default(),
            reissued: false,
            is_kept: false,
            charter_on_disk: None,
            claimed: None,
            news: Vec::new(),
            drafts: BTreeMap::new(),
            words: DraftWords::default(),
            compaction: Compaction::default(),
            passed_over: BTreeSet::new(),
            writers: BTreeMap::new(),
            genesis,
        };
        log.writers.insert(
            role::actor_of_genesis(deck),
            Writer {
                device: log.genesis.owner,
                kind: WriterKind::Genesis,
            },
        );
        log.note_writer(zero, Some(log.genesis.owner));
        log
    }

    /// Who an actor is, for a history.
    pub(crate) fn who(&self) -> impl Fn(&automerge::ActorId) -> Option<Writer> + '_ {
        |actor| self.writers.get(actor).cloned()
    }

    pub(crate) fn note_writer(&mut self, term: TermId, holder: Option<DeviceId>) {
        if let Some(holder) = holder {
            self.writers.insert(
                role::actor_of_term(term),
                Writer {
                    device: holder,
                    kind: WriterKind::Term(term),
                },
            );
        }
    }

    pub(crate) fn head(&self) -> ChangeHash {
        self.chain.canonical().head
    }

    /// Where the canonical path ends.
    pub(crate) fn position(&self) -> Position {
        let canonical = self.chain.canonical();
        let (len, head) = (canonical.len, canonical.head);
        Position::new(canonical.tip, Cut { len, head })
    }

    pub(crate) fn durable(&self) -> Position {
        self.durable
    }

    pub(super) fn check_whole(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Takes something in, all of it or nothing: what broke a deck is not to break it again when it is opened.
    pub(crate) fn take_whole<R>(
        &mut self,
        batch: &mut Batch,
        take: impl FnOnce(&mut Self, &mut Batch) -> Result<R, TakeError>,
    ) -> Result<R, TakeError> {
        self.check_whole().map_err(TakeError::Broken)?;
        let (mut own, records) = (Batch::default(), self.records);
        let taken = take(self, &mut own);
        match taken {
            Ok(_) => batch.add_all(own),
            // Their numbers go to the next.
            Err(_) => self.records = records,
        }
        taken
    }

    pub(super) fn broke(&mut self, why: String) -> TakeError {
        self.broken = Some(why.clone());
        TakeError::Broken(why)
    }

    /// The document has grown to there.
    pub(super) fn set_inside(&mut self, position: Position) {
        match self.inside.last_mut() {
            Some(last) if last.term == position.term => *last = position,
            _ => self.inside.push(position),
        }
    }

    /// The term that an actor writes in; none for those of drafts.
    pub(super) fn term_of(&self, actor: &automerge::ActorId) -> Option<TermId> {
        match self.writers.get(actor)?.kind {
            WriterKind::Term(term) => Some(term),
            WriterKind::Draft(_) | WriterKind::Genesis => None,
        }
    }

    /// The draft that a change is of, and its number there.
    pub(crate) fn draft_of_change(&self, change: &ChangeHash) -> Option<(&DraftLog, u64)> {
        let number = |draft: &DraftLog| {
            let found =
                |bytes: &Vec<u8>| own_log::may_be(bytes, change) && own_log::hash_of(bytes) == Some(*change);
            (1..)
                .zip(&draft.changes)
                .find_map(|(number, bytes)| found(bytes).then_some(number))
        };
        self.drafts
            .values()
            .find_map(|draft| Some((draft, number(draft)?)))
    }

    /// What is held beside the path is no longer what it was.
    pub(super) fn beside_changed(&mut self) {
        self.beside = None;
        self.beside_unsaved = true;
        self.late_due = true;
    }

    /// Whether what is held beside the path changed since this was last asked: the batch that follows makes it durable.
    pub(crate) fn take_beside_unsaved(&mut self) -> bool {
        std::mem::take(&mut self.beside_unsaved)
    }

    pub(super) fn add_term(
        &mut self,
        term: Verified<Term>,
        batch: &mut Batch,
    ) -> Result<bool, role::Refusal> {
        let (id, bytes, holder) = (term.id(), term.encode(), term.holder);
        if self.chain.add_term(term)? == role::Added::Known {
            return Ok(false);
        }
        self.note_writer(id, holder);
        self.news.push(id);
        self.beside_changed();
        self.append_record(&RecordImage::Term(id, bytes.into()), batch);
        Ok(true)
    }

    /// How many charters and terms are kept.
    pub(crate) const fn records(&self) -> u64 {
        self.records
    }

    pub(crate) fn count_record(&mut self) {
        self.records += 1;
    }

    fn append_record(&mut self, record: &RecordImage, batch: &mut Batch) {
        self.count_record();
        disk::append_record(batch, self.deck, self.records, record);
    }

    /// Takes in an admission, of this device or another.
    pub(crate) fn add_admit(
        &mut self,
        admit: Verified<Admit>,
        batch: &mut Batch,
    ) -> Result<bool, role::Refusal> {
        let bytes = admit.encode();
        if self.chain.add_admit(admit)? == role::Added::Known {
            return Ok(false);
        }
        self.beside_changed();
        self.append_record(&RecordImage::Admit(bytes.into()), batch);
        Ok(true)
    }

    pub(super) fn add_charter(
        &mut self,
        charter: Verified<Charter>,
        batch: &mut Batch,
    ) -> Result<bool, role::Refusal> {
        let bytes = charter.encode();
        if self.chain.add_charter(charter)? == role::Added::Known {
            return Ok(false);
        }
        self.beside_changed();
        self.append_record(&RecordImage::Charter(bytes.into()), batch);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DECK_CHANGES_MAX;
    use crate::role::{Cause, Term};
    use cuecard_transport::DeviceKey;

    fn log() -> (DeviceKey, Log) {
        let key = DeviceKey::from_bytes(&[1; 32]);
        let genesis = Genesis {
            owner: key.id(),
            nonce: [7; 16],
            created_ms: 0,
        };
        (key, Log::create(genesis).0)
    }

    fn claim(log: &Log, key: &DeviceKey, nonce: u8) -> Vec<u8> {
        let start = log.start();
        let term = Term {
            deck: log.deck,
            parent: start.term,
            cause: Cause::Claim,
            cut: start.cut(),
            holder: Some(key.id()),
            nonce: [nonce; 16],
            signer: key.id(),
        };
        term.sign(key).unwrap().encode()
    }

    #[test]
    fn of_what_breaks_a_deck_nothing_is_kept_and_then_nothing_is_taken() {
        let (key, mut log) = log();
        let (mut batch, [first, second, third]) =
            (Batch::default(), [1, 2, 3].map(|nonce| claim(&log, &key, nonce)));
        log.take_whole(&mut batch, |log, batch| log.take_term(&first, batch))
            .unwrap();
        let (before, records) = (batch.clone(), log.records());
        assert!(!before.is_empty());
        let broken = log.take_whole(&mut batch, |log, batch| {
            assert!(
                log.take_term(&second, batch)?,
                "it is taken in, and then it breaks"
            );
            Err::<(), _>(log.broke("on purpose".to_owned()))
        });
        assert!(matches!(broken, Err(TakeError::Broken(_))));
        assert_eq!((&batch, log.records()), (&before, records));
        let after = log.take_whole(&mut batch, |log, batch| log.take_term(&third, batch));
        assert!(matches!(after, Err(TakeError::Broken(_))), "{after:?}");
        assert_eq!(
            batch, before,
            "a record of later could rest on one that was not kept"
        );
    }

    #[test]
    fn one_change_more_than_a_deck_may_have_is_refused_before_anything_is_done_with_it() {
        let (_, mut log) = log();
        let start = log.start();
        let hash = |number: u64| {
            let mut hash = [0xee; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            ChangeHash(hash)
        };
        let hashes: Vec<ChangeHash> = (1..DECK_CHANGES_MAX).map(hash).collect();
        log.chain.hold(start.term, start.cut(), &hashes).unwrap();
        let after = Cut {
            len: DECK_CHANGES_MAX - 1,
            head: hashes[hashes.len() - 1],
        };
        let change: &[u8] = &[0; 100];
        for goes_on in [true, false] {
            let one = log.check_room(start.term, (after, goes_on), &[change], &[]);
            assert!(one.is_ok(), "{one:?}");
            let two = log.check_room(start.term, (after, goes_on), &[change, change], &[]);
            let is_named = matches!(
                &two,
                Err(TakeError::Surplus {
                    what: "changes of one deck",
                    ..
                })
            );
            assert!(is_named, "{two:?}");
        }
    }
}
