//! The records of one deck, and the door they come in by.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use super::admit::{self, Admissions, Admit, Admitted};
use super::canonical::View;
use super::charters::Charters;
use super::keys::KeyEpoch;
use super::line::Held;
use super::record::{Cause, Charter, Cut, Genesis, Point, Seal, Term};
use super::seals::Seals;
use super::signed::{RecordId, Verified};
use crate::id::{ChangeHash, DeckId, TermId};
use crate::limits::{DECK_CHANGES_MAX, DECK_TERMS_MAX};
use cuecard_transport::DeviceId;

/// Whether an addition changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Added {
    /// It did.
    New,
    /// It was held before, or something held says at least as much.
    Known,
}

/// Why a record or change is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is about another deck.
    #[error("this record belongs to another deck")]
    OtherDeck,
    /// The term's parent is not known.
    #[error("the term before this one is not known yet; ask for {0} and try again")]
    UnknownParent(TermId),
    /// The term is not known.
    #[error("term {0} is not known yet; ask for it and try again")]
    UnknownTerm(TermId),
    /// No transfer that is known makes its signer an owner.
    #[error("the transfer that made this charter's signer the owner is not known; ask for it and try again")]
    UnknownOwner,
    /// A charter that no owner signed.
    #[error("this charter was not signed by the deck's owner; it is refused")]
    NotTheOwner,
    /// A handover, release or seal that the term's holder did not sign.
    #[error("only the holder of a term hands it over, releases or seals it; this record is refused")]
    NotTheHolder,
    /// A cut or seal that cannot be on its term.
    #[error("this record names a place that is not on its term; it is refused")]
    OffTheLine,
    /// Changes of a term that nobody holds.
    #[error("nobody may append to this term; its changes are refused")]
    NobodyHolds,
    /// Changes that do not follow held ones.
    #[error("changes before these are not held yet; ask for them and try again")]
    Gap,
    /// An admission by one that may not admit, or in another epoch of the deck's key, by the newest charter known.
    #[error(
        "only a member that may hold the role admits others, and for the deck's present key; this admission counts \
        for nothing here"
    )]
    MayNotAdmit,
    /// A limit is reached.
    #[error("the deck has reached its limit of {0}; nothing more is taken in")]
    Full(&'static str),
}

/// The records of one deck and which of its changes are held; see [`Chain::canonical`] for what they come to.
///
/// Equal sets of records and changes make equal chains, whatever the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub(super) records: Records,
    pub(super) view: View,
}

// The view is a function of the records, so they alone are hashed.
impl Hash for Chain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.records.hash(state);
    }
}

/// A record that a chain holds.
#[derive(Debug, Clone, Copy)]
pub enum RecordRef<'a> {
    /// A charter.
    Charter(&'a Verified<Charter>),
    /// A term.
    Term(&'a Verified<Term>),
    /// A seal.
    Seal(&'a Verified<Seal>),
    /// An admission.
    Admit(&'a Verified<Admit>),
}

impl RecordRef<'_> {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> RecordId {
        match self {
            Self::Charter(charter) => charter.record_id(),
            Self::Term(term) => term.record_id(),
            Self::Seal(seal) => seal.record_id(),
            Self::Admit(admit) => admit.record_id(),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Charter(charter) => charter.encode(),
            Self::Term(term) => term.encode(),
            Self::Seal(seal) => seal.encode(),
            Self::Admit(admit) => admit.encode(),
        }
    }
}

impl Chain {
    /// The chain of a new deck: its owner holds term 0, which is settled at `start`, the deck's first change.
    #[must_use]
    pub fn new(genesis: Genesis, start: ChangeHash) -> Self {
        let deck = genesis.deck_id();
        let root = TermId::zero_of(deck);
        let implied = Charter {
            deck,
            generation: 0,
            count: 0,
            owner: genesis.owner,
            signer: genesis.owner,
            members: Vec::new(),
            key_epoch: KeyEpoch::default(),
            settled: Point {
                term: root,
                len: 0,
                head: start,
            },
        };
        let zero = Node {
            term: None,
            before: 0,
            holder: Some(genesis.owner),
            children: BTreeSet::new(),
            held: Held::new(start),
            seals: Seals::default(),
        };
        let records = Records {
            genesis,
            deck,
            root,
            charters: Charters::new(implied),
            admissions: Admissions::default(),
            terms: BTreeMap::from([(root, zero)]),
        };
        let view = View::new(&records);
        Self { records, view }
    }

    /// Takes in the owner's word.
    ///
    /// # Errors
    /// [`Refusal::UnknownOwner`] asks to try again after an earlier transfer; every other is final.
    pub fn add_charter(&mut self, charter: Verified<Charter>) -> Result<Added, Refusal> {
        self.is_of_this_deck(charter.covers_deck())?;
        let Records {
            charters,
            terms,
            admissions,
            ..
        } = &mut self.records;
        if !charters.is_by_an_owner(&charter) {
            let known = charters.knows_every_owner_for(&charter);
            return Err(if known {
                Refusal::NotTheOwner
            } else {
                Refusal::UnknownOwner
            });
        }
        if charters.knows(&charter) {
            return Ok(Added::Known);
        }
        if let Some(what) = charters.no_room_for(&charter) {
            return Err(Refusal::Full(what));
        }
        if !charters.insert(charter, |term| terms.contains_key(&term)) {
            return Ok(Added::Known);
        }
        admissions.follow(charters);
        self.view.rebuild(&self.records);
        Ok(Added::New)
    }

    /// Takes in a term. Whether its signer and holder have the right is judged when choosing, since a charter that
    /// comes later may give or take it.
    ///
    /// # Errors
    /// [`Refusal::UnknownParent`] asks to try again after the parent; every other is final.
    pub fn add_term(&mut self, term: Verified<Term>) -> Result<Added, Refusal> {
        self.is_of_this_deck(term.covers_deck())?;
        let Records { charters, terms, .. } = &mut self.records;
        let (id, parent) = (term.id(), term.parent);
        if terms.contains_key(&id) {
            return Ok(Added::Known);
        }
        let is_full = terms.len() >= DECK_TERMS_MAX;
        let before = terms.get_mut(&parent).ok_or(Refusal::UnknownParent(parent))?;
        match term.cause {
            Cause::Handover | Cause::Release if before.holder != Some(term.signer) => {
                return Err(Refusal::NotTheHolder);
            }
            Cause::Handover | Cause::Release | Cause::Claim => {}
        }
        let fits = match term.cut.len {
            0 => term.cut.head == before.held.start,
            _ => before.holder.is_some(),
        };
        if !fits {
            return Err(Refusal::OffTheLine);
        }
        if is_full {
            return Err(Refusal::Full("terms"));
        }
        before.children.insert(id);
        let node = Node {
            before: before.before.saturating_add(term.cut.len),
            holder: term.holder,
            children: BTreeSet::new(),
            held: Held::new(term.cut.head),
            seals: Seals::default(),
            term: Some(term),
        };
        terms.insert(id, node);
        if charters.any_settles(id) {
            charters.prune(|term| terms.contains_key(&term));
            self.view.rebuild(&self.records);
        } else {
            self.view.term_added(&self.records, id, parent);
        }
        Ok(Added::New)
    }

    /// Whether an admission would count, by the newest charter: to be asked before its signature is checked, which costs
    /// more than making one up.
    ///
    /// # Errors
    /// As [`Chain::add_admit`].
    pub fn may_admit(&self, admit: &Admit) -> Result<(), Refusal> {
        self.is_of_this_deck(admit.deck)?;
        if admit::counts(admit, &self.records.charters) {
            Ok(())
        } else {
            Err(Refusal::MayNotAdmit)
        }
    }

    /// Takes in an admission. Unlike a term it can be judged at once, and is forgotten when a newer charter overrules it:
    /// it decides about nothing but reading and proposing, and anybody can sign any number of them.
    ///
    /// # Errors
    /// [`Refusal::MayNotAdmit`] may be otherwise after a newer charter; every other is final.
    pub fn add_admit(&mut self, admit: Verified<Admit>) -> Result<Added, Refusal> {
        self.may_admit(&admit)?;
        let Records {
            charters, admissions, ..
        } = &mut self.records;
        if admissions.knows(admit.record_id()) {
            return Ok(Added::Known);
        }
        if admissions.insert(admit, charters) {
            Ok(Added::New)
        } else {
            Err(Refusal::Full("admissions by one member"))
        }
    }

    /// The devices that were let in beside those whom the charter lists.
    pub fn admitted(&self) -> impl Iterator<Item = (DeviceId, Admitted)> {
        self.records
            .admissions
            .seats()
            .iter()
            .map(|(&device, &seat)| (device, seat))
    }

    /// The admissions that count.
    pub fn admissions(&self) -> impl Iterator<Item = &Verified<Admit>> {
        self.records.admissions.iter()
    }

    /// Takes in a seal.
    ///
    /// # Errors
    /// [`Refusal::UnknownTerm`] asks to try again after the term, and [`Refusal::Full`] after some of its changes;
    /// every other is final.
    pub fn add_seal(&mut self, seal: Verified<Seal>) -> Result<Added, Refusal> {
        self.is_of_this_deck(seal.covers_deck())?;
        let term = seal.term;
        let node = self
            .records
            .terms
            .get_mut(&term)
            .ok_or(Refusal::UnknownTerm(term))?;
        if node.holder != Some(seal.signed_by()) {
            return Err(Refusal::NotTheHolder);
        }
        if node.seals.is_known(&seal, &node.held) {
            return Ok(Added::Known);
        }
        if node.seals.is_full_for(&seal, &node.held) {
            return Err(Refusal::Full("seals in this term"));
        }
        node.seals.insert(seal, &node.held);
        self.view.term_grew(&self.records, term);
        Ok(Added::New)
    }

    /// Takes note that the bytes of these changes are held: those that follow `after` in a term, in order. `after` is
    /// itself a held change, or the term's start with `len` 0.
    ///
    /// The caller has checked that a seal of the holder, or a cut of its own, covers them, and that the heads of the
    /// drafts and late work that they merge are held. It also bounds the branches that it takes in of one term (see
    /// [`Chain::branches`]); more than one is always a cheat, but a later term may have been cut on any of them.
    ///
    /// # Errors
    /// [`Refusal::UnknownTerm`] and [`Refusal::Gap`] ask to try again; every other is final.
    pub fn hold(&mut self, term: TermId, after: Cut, hashes: &[ChangeHash]) -> Result<Added, Refusal> {
        let node = self
            .records
            .terms
            .get_mut(&term)
            .ok_or(Refusal::UnknownTerm(term))?;
        if node.holder.is_none() {
            return Err(Refusal::NobodyHolds);
        }
        if !node.held.contains(after) {
            return Err(Refusal::Gap);
        }
        let upto = node.before.saturating_add(after.len);
        if upto.saturating_add(hashes.len() as u64) > DECK_CHANGES_MAX {
            return Err(Refusal::Full("changes"));
        }
        let mut added = Added::Known;
        let mut last = after;
        for &hash in hashes {
            if node.held.insert(last, hash) {
                added = Added::New;
            }
            last = Cut {
                len: last.len + 1,
                head: hash,
            };
        }
        if added == Added::New {
            node.seals.prune(&node.held);
            self.view.term_grew(&self.records, term);
        }
        Ok(added)
    }

    fn is_of_this_deck(&self, deck: DeckId) -> Result<(), Refusal> {
        if deck == self.records.deck {
            Ok(())
        } else {
            Err(Refusal::OtherDeck)
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Records {
    pub(super) genesis: Genesis,
    pub(super) deck: DeckId,
    pub(super) root: TermId,
    pub(super) charters: Charters,
    pub(super) admissions: Admissions,
    pub(super) terms: BTreeMap<TermId, Node>,
}

#[cfg(test)]
impl Chain {
    /// As if so many changes had been made before what is here: nobody waits for a million.
    pub(crate) fn pretend_before(&mut self, changes: u64) {
        for node in self.records.terms.values_mut() {
            node.before += changes;
        }
    }
}

impl Records {
    pub(super) fn settled(&self) -> Point {
        self.charters.settled(|term| self.terms.contains_key(&term))
    }
}

/// A term and what is held of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// Term 0 has no record.
    pub(super) term: Option<Verified<Term>>,
    /// How many changes a deck has that goes on with it: all cuts on the way to it. Of so many a deck is full, whoever is asked and
    /// whatever else is held.
    pub(super) before: u64,
    pub(super) holder: Option<DeviceId>,
    pub(super) children: BTreeSet<TermId>,
    pub(super) held: Held,
    pub(super) seals: Seals,
}

impl Node {
    pub(super) fn parent(&self) -> Option<TermId> {
        self.term.as_ref().map(|term| term.parent)
    }

    /// Where it starts. Term 0 starts where it says itself.
    pub(super) fn cut(&self) -> Cut {
        let start = Cut {
            len: 0,
            head: self.held.start,
        };
        self.term.as_ref().map_or(start, |term| term.cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::record::Cut;
    use cuecard_transport::DeviceKey;

    fn chain(key: &DeviceKey, start: ChangeHash) -> Chain {
        let genesis = Genesis {
            owner: key.id(),
            nonce: [7; 16],
            created_ms: 0,
        };
        Chain::new(genesis, start)
    }

    #[test]
    fn a_deck_has_at_most_so_many_changes_over_all_its_terms() {
        let (key, start) = (DeviceKey::from_bytes(&[1; 32]), ChangeHash([0; 32]));
        let mut chain = chain(&key, start);
        let (deck, root) = (chain.records.deck, chain.records.root);
        let hash = |number: u8| ChangeHash([number; 32]);
        let at = |len: u8| Cut {
            len: u64::from(len),
            head: if len == 0 { start } else { hash(len) },
        };
        // A deck that has had nearly all of them: a million changes take longer than what is looked at here.
        chain.records.terms.get_mut(&root).unwrap().before = DECK_CHANGES_MAX - 3;
        let full = Err(Refusal::Full("changes"));
        assert_eq!(chain.hold(root, at(0), &[1, 2, 3, 4].map(hash)), full);
        assert_eq!(chain.changes_before(root), Some(DECK_CHANGES_MAX - 3));
        assert_eq!(chain.hold(root, at(0), &[1, 2, 3].map(hash)), Ok(Added::New));
        assert_eq!(chain.hold(root, at(3), &[hash(4)]), full);
        // A term that begins at a cut has what was before that, and no more: a handover makes no room.
        let term = |cut: Cut, nonce: u8| {
            let term = Term {
                deck,
                parent: root,
                cause: Cause::Handover,
                cut,
                holder: Some(key.id()),
                nonce: [nonce; 16],
                signer: key.id(),
            };
            term.sign(&key).unwrap()
        };
        for (cut, room) in [(at(3), 0_u8), (at(1), 2)] {
            let term = term(cut, room);
            let id = term.id();
            assert_eq!(chain.add_term(term), Ok(Added::New));
            let (start, more) = (
                Cut {
                    len: 0,
                    head: cut.head,
                },
                [11, 12, 13].map(hash),
            );
            assert_eq!(chain.changes_before(id), Some(DECK_CHANGES_MAX - u64::from(room)));
            let (fits, one_more) = (&more[..usize::from(room)], &more[..usize::from(room) + 1]);
            assert_eq!(chain.hold(id, start, one_more), full);
            assert!(chain.hold(id, start, fits).is_ok());
        }
    }

    #[test]
    fn a_deck_has_at_most_so_many_terms() {
        let key = DeviceKey::from_bytes(&[1; 32]);
        let start = ChangeHash([0; 32]);
        let mut chain = chain(&key, start);
        let (deck, root) = (chain.records.deck, chain.records.root);
        let next = |nonce| {
            let term = Term {
                deck,
                parent: root,
                cause: Cause::Handover,
                cut: Cut { len: 0, head: start },
                holder: Some(key.id()),
                nonce: [nonce; 16],
                signer: key.id(),
            };
            term.sign(&key).unwrap()
        };
        // Terms that stand nowhere: a hundred thousand signatures take longer than what is looked at here.
        let nobodys = chain.records.terms[&root].clone();
        for number in chain.records.terms.len() as u64..DECK_TERMS_MAX as u64 - 1 {
            let mut id = [0xee; 32];
            id[..8].copy_from_slice(&number.to_le_bytes());
            chain
                .records
                .terms
                .insert(TermId::from_bytes(id), nobodys.clone());
        }
        assert_eq!(chain.add_term(next(1)), Ok(Added::New));
        assert_eq!(chain.add_term(next(2)), Err(Refusal::Full("terms")));
        assert_eq!(chain.add_term(next(1)), Ok(Added::Known));
    }
}
