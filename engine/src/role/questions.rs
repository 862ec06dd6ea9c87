//! What a chain can be asked. It answers from what it holds and changes nothing.

use super::canonical::{Canonical, Missing, Step};
use super::chain::{Chain, RecordRef, Records};
use super::late::{LateWork, is_after_leaving, late_work};
use super::line::Line;
use super::record::{Charter, Cut, Genesis, Member, Point, Rights, Seal, Term};
use super::seals::Equivocation;
use super::signed::Verified;
use crate::id::{DeckId, TermId};
use cuecard_transport::DeviceId;

impl Chain {
    /// What counts, and who may append.
    #[must_use]
    pub const fn canonical(&self) -> &Canonical {
        &self.view.canonical
    }

    /// What the choice waits for. It looks at every sibling on the path, so not for every edit.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<Missing> {
        self.view.waiting_for(&self.records)
    }

    /// What is signed and held, and not canonical. It looks at every term, so not for every edit.
    #[must_use]
    pub fn late_work(&self) -> Vec<LateWork> {
        late_work(&self.records, &self.view)
    }

    /// Whether a held change of a term was written after its author had handed the term to another, or released it.
    #[must_use]
    pub fn is_after_leaving(&self, term: TermId, at: Cut) -> bool {
        is_after_leaving(&self.records, term, at)
    }

    /// Whether the term that the newest charter settles is held.
    #[must_use]
    pub fn holds_settled(&self) -> bool {
        self.contains(self.charter().settled.term)
    }

    /// The deck.
    #[must_use]
    pub const fn deck(&self) -> DeckId {
        self.records.deck
    }

    /// How the deck began.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.records.genesis
    }

    /// The newest charter; before any was signed, the one that the genesis implies.
    #[must_use]
    pub fn charter(&self) -> &Charter {
        self.records.charters.newest()
    }

    /// The newest charter that was signed.
    #[must_use]
    pub fn signed_charter(&self) -> Option<&Verified<Charter>> {
        self.records.charters.newest_signed()
    }

    /// The charters that are kept, each once: first the transfers of ownership, in their order.
    pub fn charters(&self) -> impl Iterator<Item = &Verified<Charter>> {
        self.records.charters.iter()
    }

    /// Up to where the owner settled the past, by the newest charter whose settled term is held.
    #[must_use]
    pub fn settled(&self) -> Point {
        self.records.settled()
    }

    /// What this device may do: by the newest charter, and where that does not list it, by an admission. The owner may
    /// always hold; nobody may by an admission.
    #[must_use]
    pub fn rights(&self, device: DeviceId) -> Option<Rights> {
        let Records {
            charters, admissions, ..
        } = &self.records;
        let admitted = || admissions.seats().get(&device).map(|seat| seat.rights);
        charters.rights(device).or_else(admitted)
    }

    /// The members that the newest charter lists. It need not list the owner.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.charter().members
    }

    /// Whether this device owns the deck.
    #[must_use]
    pub fn is_owner(&self, device: DeviceId) -> bool {
        self.charter().owner == device
    }

    /// Whether the term is held.
    #[must_use]
    pub fn contains(&self, term: TermId) -> bool {
        self.records.terms.contains_key(&term)
    }

    /// How many changes a deck has before those of a term, if it goes on with that.
    #[must_use]
    pub fn changes_before(&self, term: TermId) -> Option<u64> {
        Some(self.records.terms.get(&term)?.before)
    }

    /// Who appends, or appended, to a term.
    #[must_use]
    pub fn holder(&self, term: TermId) -> Option<DeviceId> {
        self.records.terms.get(&term)?.holder
    }

    /// A term's record; term 0 has none.
    #[must_use]
    pub fn term(&self, term: TermId) -> Option<&Verified<Term>> {
        self.records.terms.get(&term)?.term.as_ref()
    }

    /// Every term but term 0, each after its parent, in an order that depends on the set alone.
    pub fn terms(&self) -> impl Iterator<Item = &Verified<Term>> {
        let mut next = vec![self.records.root];
        std::iter::from_fn(move || {
            let node = self.records.terms.get(&next.pop()?)?;
            next.extend(node.children.iter().rev());
            Some(node.term.as_ref())
        })
        .flatten()
    }

    /// How many terms are held, term 0 included.
    #[must_use]
    pub fn term_count(&self) -> usize {
        self.records.terms.len()
    }

    /// Whether this term, which is not held yet, would come before what now follows on the same parent of the canonical path,
    /// if what it was cut at is held.
    #[must_use]
    pub fn would_be_chosen(&self, term: &Verified<Term>) -> bool {
        self.view.would_be_chosen(&self.records, term)
    }

    /// The terms that name this one as the one before.
    pub fn children(&self, term: TermId) -> impl Iterator<Item = TermId> {
        self.records
            .terms
            .get(&term)
            .into_iter()
            .flat_map(|node| node.children.iter().copied())
    }

    /// This term, the one before, and so on to term 0.
    pub fn ancestry(&self, term: TermId) -> impl Iterator<Item = TermId> {
        let known = Some(term).filter(|term| self.contains(*term));
        std::iter::successors(known, |term| self.records.terms.get(term)?.parent())
    }

    /// The canonical path from this term on; nothing, if it is not canonical.
    #[must_use]
    pub fn path_from(&self, term: TermId) -> &[Step] {
        let at = self.view.position(term);
        at.and_then(|at| self.canonical().path.get(at..))
            .unwrap_or_default()
    }

    /// Where this term is on the canonical path.
    #[must_use]
    pub fn position(&self, term: TermId) -> Option<usize> {
        self.view.position(term)
    }

    /// The held changes of a term: the only line there is. If there is more than one, up to where they part, and on
    /// along the canonical one.
    #[must_use]
    pub fn line(&self, term: TermId) -> Option<Line<'_>> {
        let held = &self.records.terms.get(&term)?.held;
        let trunk = held.trunk_end();
        let canonical = self
            .path_from(term)
            .first()
            .map(|step| step.upto)
            .filter(|upto| upto.len > trunk.len);
        held.line_to(canonical.unwrap_or(trunk))
    }

    /// The held changes of a term that lead to this place.
    #[must_use]
    pub fn line_to(&self, term: TermId, end: Cut) -> Option<Line<'_>> {
        self.records.terms.get(&term)?.held.line_to(end)
    }

    /// Whether this change of a term is held; with `len` 0, whether the term starts there.
    #[must_use]
    pub fn holds(&self, term: TermId, at: Cut) -> bool {
        let node = self.records.terms.get(&term);
        node.is_some_and(|node| node.held.contains(at))
    }

    /// Whether the way to `end` leads through `point`. Unknown, so no, unless `end` is held.
    #[must_use]
    pub fn passes(&self, term: TermId, end: Cut, point: Cut) -> bool {
        let node = self.records.terms.get(&term);
        node.is_some_and(|node| node.held.passes(end, point))
    }

    /// The last place that the ways to two held places of a term have in common.
    #[must_use]
    pub fn common(&self, term: TermId, a: Cut, b: Cut) -> Option<Cut> {
        Some(self.records.terms.get(&term)?.held.common(a, b))
    }

    /// The end of every held branch of a term; an honest one has one.
    #[must_use]
    pub fn branches(&self, term: TermId) -> Vec<Cut> {
        self.records
            .terms
            .get(&term)
            .map(|node| node.held.ends())
            .unwrap_or_default()
    }

    /// The longest seal of a term whose changes are held; if none is, the longest.
    #[must_use]
    pub fn seal(&self, term: TermId) -> Option<&Verified<Seal>> {
        let node = self.records.terms.get(&term)?;
        node.seals.best(&node.held)
    }

    /// The seals of a term that no longer one is known to include; an honest term has one as soon as its changes are
    /// held.
    pub fn seals(&self, term: TermId) -> impl Iterator<Item = &Verified<Seal>> {
        let node = self.records.terms.get(&term);
        node.into_iter().flat_map(|node| node.seals.iter())
    }

    /// Two seals of one term that disagree: proof that its holder cheated.
    #[must_use]
    pub fn equivocation(&self, term: TermId) -> Option<Equivocation> {
        let node = self.records.terms.get(&term)?;
        node.seals.proof(&node.held)
    }

    /// Every record held, each after those that it needs, in an order that depends on the set alone.
    pub fn records(&self) -> impl Iterator<Item = RecordRef<'_>> {
        let charters = self.records.charters.iter().map(RecordRef::Charter);
        let terms = self.terms().map(RecordRef::Term);
        let seals = self
            .records
            .terms
            .values()
            .flat_map(|node| node.seals.iter())
            .map(RecordRef::Seal);
        let admissions = self.records.admissions.iter().map(RecordRef::Admit);
        charters.chain(terms).chain(seals).chain(admissions)
    }
}
