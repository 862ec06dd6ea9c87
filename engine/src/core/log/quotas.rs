//! What a member, or all together who are none, may leave with others that is no part of the deck.

use std::collections::BTreeMap;

use super::{Log, TakeError};

use crate::core::draft_log::DraftLog;
use crate::id::{DeviceId, DraftId, TermId};
use crate::limits::{
    BYTES_ASIDE_PER_MEMBER_MAX, CHANGES_ASIDE_PER_MEMBER_MAX, DECK_CHANGES_MAX, SEALS_ASIDE_PER_MEMBER_MAX,
    TERMS_ASIDE_PER_MEMBER_MAX,
};
use crate::role::{Cut, Seal, Term, Verified};

/// Lines of one term: an honest one has one, and a cheat is proved by two.
const LINES_PER_TERM_MAX: usize = 64;
/// Drafts of one author, or of all together who are no members, that were accepted beside the path.
const DRAFTS_ASIDE_MAX: usize = 256;

impl Log {
    /// On whose account something is that is not part of the deck: a member's own, or that of all together who are
    /// none, so that keys made for the purpose gain nothing.
    pub(super) fn account(&self, device: DeviceId) -> Option<DeviceId> {
        Some(device).filter(|device| self.chain.rights(*device).is_some())
    }

    fn account_of(&self, term: TermId) -> Option<DeviceId> {
        self.chain.holder(term).and_then(|holder| self.account(holder))
    }

    pub(super) fn surplus(&self, by: Option<DeviceId>, what: &'static str) -> TakeError {
        TakeError::Surplus { by, what }
    }

    /// Terms that do not count are kept up to a quota. One that is chosen over what is held is always taken: all
    /// devices have to come to the same.
    pub(super) fn check_room_for_term(&mut self, term: &Verified<Term>) -> Result<(), TakeError> {
        let aside = self
            .chain
            .term_count()
            .saturating_sub(self.chain.canonical().path.len());
        if aside < TERMS_ASIDE_PER_MEMBER_MAX
            || self.wanted.contains(&term.id())
            // What it was cut at is held, so that it counts now: of those that might one day, anybody can sign any number.
            || (self.chain.would_be_chosen(term) && self.chain.holds(term.parent, term.cut))
        {
            return Ok(());
        }
        let account = self.account(term.signer);
        let same = |held: &&Verified<Term>| {
            self.chain.position(held.id()).is_none() && self.account(held.signer) == account
        };
        if self.chain.terms().filter(same).count() >= TERMS_ASIDE_PER_MEMBER_MAX {
            return Err(self.surplus_unless_settled(account, "terms"));
        }
        Ok(())
    }

    /// Seals of what is not held are kept up to a quota: they tell what to ask for, and anybody can sign any number of them.
    pub(super) fn check_room_for_seal(&self, seal: &Verified<Seal>) -> Result<(), TakeError> {
        let is_known = |kept: &Verified<Seal>| kept.cut() == seal.cut();
        if self.chain.holds(seal.term, seal.cut()) || self.chain.seals(seal.term).any(is_known) {
            return Ok(());
        }
        let account = self.account_of(seal.term);
        let terms =
            std::iter::once(TermId::zero_of(self.deck)).chain(self.chain.terms().map(Verified::<Term>::id));
        let unheld = terms
            .filter(|term| self.account_of(*term) == account)
            .flat_map(|term| self.chain.seals(term))
            .filter(|kept| !self.chain.holds(kept.term, kept.cut()));
        if unheld.count() >= SEALS_ASIDE_PER_MEMBER_MAX {
            return Err(self.surplus(account, "seals"));
        }
        Ok(())
    }

    /// Drafts that are accepted beside the path are kept up to a quota of their authors: what a member may propose, and as
    /// much again. One that is known counts with what was added to it.
    fn check_room_for_drafts(&self, drafts: &[DraftLog]) -> Result<(), TakeError> {
        let mut come: BTreeMap<DraftId, &DraftLog> = BTreeMap::new();
        for draft in drafts {
            let id = draft.id();
            let known = come.get(&id).copied().or_else(|| self.drafts.get(&id));
            if known.is_none_or(|known| known.bytes() < draft.bytes()) {
                come.insert(id, draft);
            }
        }
        for draft in come.values() {
            let account = self.account(draft.author);
            let same = |other: &&DraftLog| {
                self.account(other.author) == account && !self.document.contains(&other.head())
            };
            let kept = self.drafts.iter().filter(|(id, _)| !come.contains_key(id));
            let kept = kept.map(|(_, kept)| kept);
            let (mut count, mut bytes) = (0, 0);
            for other in kept.chain(come.values().copied()).filter(same) {
                count += 1;
                bytes += other.bytes();
            }
            if count > DRAFTS_ASIDE_MAX || bytes > 2 * BYTES_ASIDE_PER_MEMBER_MAX {
                return Err(self.surplus(account, "drafts"));
            }
        }
        Ok(())
    }

    /// Whether there is room for a slice: asked before anything of it is looked at more closely, and before anything changes.
    pub(super) fn check_room(
        &mut self,
        term: TermId,
        (after, goes_on): (Cut, bool),
        fresh: &[&[u8]],
        drafts: &[DraftLog],
    ) -> Result<(), TakeError> {
        let before = self.chain.changes_before(term).unwrap_or_default();
        let upto = before.saturating_add(after.len);
        if upto.saturating_add(fresh.len() as u64) > DECK_CHANGES_MAX {
            return Err(self.surplus(self.account_of(term), "changes of one deck"));
        }
        if goes_on {
            return Ok(());
        }
        self.check_room_aside(term, after, fresh, drafts)
    }

    /// Changes that do not count are kept up to a quota, unless the path waits for them.
    fn check_room_aside(
        &mut self,
        term: TermId,
        after: Cut,
        fresh: &[&[u8]],
        drafts: &[DraftLog],
    ) -> Result<(), TakeError> {
        if self.path_waits_for(term, after) || self.wanted.contains(&term) {
            return Ok(());
        }
        self.check_room_for_drafts(drafts)?;
        let lines = self.chain.branches(term);
        if lines.len() >= LINES_PER_TERM_MAX && !lines.contains(&after) {
            return Err(self.surplus(self.chain.holder(term), "lines of one term"));
        }
        let account = self.account_of(term);
        let (mut count, mut bytes) = (fresh.len(), fresh.iter().map(|raw| raw.len()).sum::<usize>());
        for aside in self
            .aside
            .values()
            .filter(|aside| self.account_of(aside.term) == account)
        {
            count += 1;
            bytes += aside.bytes.len();
        }
        if count > CHANGES_ASIDE_PER_MEMBER_MAX || bytes > BYTES_ASIDE_PER_MEMBER_MAX {
            return Err(self.surplus_unless_settled(account, "changes"));
        }
        Ok(())
    }
}
