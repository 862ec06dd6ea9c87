//! Late work: what an editor's successors had not seen. It is kept, and the editor's engine accepts it like a draft.

use std::collections::{BTreeMap, BTreeSet};

use cuecard_store::Batch;
use cuecard_transport::DeviceKey;

use super::beside::Owed;
use super::{EditError, Log, TakeError};

use crate::core::own_log;
use crate::core::{DeckError, LateWorkPolicy, StoreHasFailed};
use crate::document::DeckChange;
use crate::id::{ChangeHash, DeviceId, TermId};
use crate::role::{self, Cut, Equivocation, LateWork, Rights, Term, Verified};
use crate::sync::message::{Item, Position};
use crate::time::Time;

/// Why late work is not accepted by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LateWhy {
    /// This device's policy is to ask.
    #[error("this device asks before it accepts late work")]
    Policy,
    /// Its author wrote it after handing the term to another, or releasing it.
    #[error("it was written after its author had given the role away")]
    AfterLeaving,
    /// Who wrote it, or a part that comes with it, has not the right to be editor.
    #[error("{} may not be editor, and wrote a part of it", .0.short())]
    MayNotHold(DeviceId),
    /// It cannot be merged.
    #[error("it cannot be merged: {0}")]
    Unmergeable(String),
}

/// Why late work was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LateError {
    /// No such late work is held here.
    #[error("no late work of term {} that ends in {head} is held here", .term.short())]
    Unknown {
        /// Of which term.
        term: TermId,
        /// Its last change.
        head: ChangeHash,
    },
    /// It is part of the deck.
    #[error("this late work is part of the deck already")]
    Accepted,
    /// It cannot be merged.
    #[error("this late work cannot be merged: {0}")]
    Unmergeable(String),
    /// Accepting is an edit, and this device may not edit.
    #[error(transparent)]
    Edit(#[from] EditError),
}

/// Late work that the app was told of, as it asks for a person's word.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    heads: BTreeSet<ChangeHash>,
    /// Lines of who may not be editor. Anybody makes one longer, piece by piece: it is told of once.
    lines: BTreeSet<TermId>,
    /// What was looked at since what decides about it last changed, and that.
    looked: BTreeSet<ChangeHash>,
    by: Option<((u32, u32), TermId, LateWorkPolicy)>,
}

impl Asked {
    /// Takes note of one that asks. True when the app is to be told.
    pub(crate) fn note(&mut self, late: &LateWork, may_hold: bool) -> bool {
        self.looked.insert(late.head);
        let is_new = self.heads.insert(late.head);
        is_new && (may_hold || self.lines.insert(late.term))
    }
}

impl From<DeckError> for LateError {
    fn from(error: DeckError) -> Self {
        Self::Edit(error.into())
    }
}

impl From<StoreHasFailed> for LateError {
    fn from(error: StoreHasFailed) -> Self {
        Self::Edit(error.into())
    }
}

impl Log {
    /// Late work that is not part of the deck, what rests on other late work first: it brings that with it.
    pub(crate) fn late_work(&self) -> Vec<LateWork> {
        let mut late = self.chain.late_work();
        late.retain(|late| !self.document.contains(&late.head));
        late.sort_by_cached_key(|late| std::cmp::Reverse(self.chain.ancestry(late.term).count()));
        late
    }

    /// Late work to be looked at: all of it when the charter, the editor's term or the policy is another, else what is new. To look
    /// at one costs as much as all that comes with it, and whatever anybody puts beside the deck is a reason to look.
    pub(crate) fn late_work_to_settle(&mut self, policy: LateWorkPolicy) -> Vec<LateWork> {
        let charter = self.chain.charter();
        let by = Some((
            (charter.generation, charter.count),
            self.chain.canonical().tip,
            policy,
        ));
        if self.asked.by != by {
            self.asked.by = by;
            self.asked.looked.clear();
        }
        let mut late = self.late_work();
        late.retain(|late| !self.asked.looked.contains(&late.head));
        late
    }

    /// Whether a change is late work.
    pub(crate) fn is_late(&self, change: ChangeHash) -> bool {
        self.chain.late_work().iter().any(|late| {
            let end = Cut {
                len: late.len,
                head: late.head,
            };
            let line = self.chain.line_to(late.term, end);
            line.is_some_and(|line| (late.from..=late.len).any(|number| line.hash_at(number) == Some(change)))
        })
    }

    /// Whether there may be late work that was not looked at.
    pub(crate) fn take_late_due(&mut self) -> bool {
        std::mem::take(&mut self.late_due)
    }

    /// The proofs that holders sealed two lines.
    pub(crate) fn proofs(&self) -> Vec<Equivocation> {
        let proven = self.proven.keys();
        proven.filter_map(|term| self.chain.equivocation(*term)).collect()
    }

    /// Looks whether the seals of a term, of which one is new, prove a cheat.
    pub(super) fn look_for_proof(&mut self, term: TermId) {
        if self.chain.seals(term).nth(1).is_some() && self.chain.equivocation(term).is_some() {
            self.proven.entry(term).or_insert(false);
            // Nobody is editor now, and what was canonical may be late.
            self.late_due = true;
        }
    }

    /// What was proved when the deck was last open is no news.
    pub(crate) fn restore_proofs(&mut self) {
        let mut terms: Vec<TermId> = self.chain.terms().map(Verified::<Term>::id).collect();
        terms.push(TermId::zero_of(self.deck));
        for term in terms {
            self.look_for_proof(term);
        }
        self.proven.values_mut().for_each(|told| *told = true);
    }

    /// The terms and devices that the app was not told of.
    pub(crate) fn take_proofs(&mut self) -> Vec<(TermId, DeviceId)> {
        let chain = &self.chain;
        let untold = |(term, told): (&TermId, &mut bool)| {
            let is_news = !std::mem::replace(told, true);
            is_news.then(|| Some((*term, chain.holder(*term)?))).flatten()
        };
        self.proven.iter_mut().filter_map(untold).collect()
    }

    /// Why this late work needs a person's word, if it does: by whom it and all that comes with it is.
    pub(crate) fn why_ask(&self, late: &LateWork) -> Option<LateWhy> {
        if let Some(why) = self.unmergeable.get(&late.head) {
            return Some(LateWhy::Unmergeable(why.clone()));
        }
        let closure = self.closure(&[late.head], |hash| self.document.contains(hash));
        let comes = match closure {
            Ok(closure) => closure.changes,
            Err(_) => return Some(LateWhy::Unmergeable("a part of it is not here".to_owned())),
        };
        let comes: BTreeSet<ChangeHash> = comes.into_iter().collect();
        // Of each term the last change that comes says it for those before.
        let mut last: BTreeMap<TermId, Cut> = BTreeMap::new();
        for hash in &comes {
            let Some(aside) = self.aside.get(hash) else {
                continue;
            };
            let Some(len) = own_log::number_of(&aside.bytes) else {
                continue;
            };
            let head = *hash;
            if last.get(&aside.term).is_none_or(|known| known.len < len) {
                last.insert(aside.term, Cut { len, head });
            }
        }
        if last
            .iter()
            .any(|(term, at)| self.chain.is_after_leaving(*term, *at))
        {
            return Some(LateWhy::AfterLeaving);
        }
        let drafted = |hash| self.draft_of_change(hash).map(|(draft, _)| draft.author());
        for hash in &comes {
            let author = match self.aside.get(hash) {
                Some(aside) => self.chain.holder(aside.term),
                None => drafted(hash),
            };
            if let Some(author) = author.filter(|author| self.chain.rights(*author) != Some(Rights::Hold)) {
                return Some(LateWhy::MayNotHold(author));
            }
        }
        None
    }

    /// Accepts late work: a change of this device that depends on its own line and on the late one, and on nothing else.
    pub(crate) fn accept_late(
        &mut self,
        key: &DeviceKey,
        now: Time,
        nonce: [u8; 16],
        term: TermId,
        head: ChangeHash,
        batch: &mut Batch,
    ) -> Result<Vec<DeckChange>, LateError> {
        let opening = self.opening(key, nonce)?;
        let own = opening
            .as_ref()
            .map_or(self.chain.canonical().tip, Verified::<Term>::id);
        if self.document.contains(&head) {
            return Err(LateError::Accepted);
        }
        if self.aside.get(&head).is_none_or(|aside| aside.term != term) {
            return Err(LateError::Unknown { term, head });
        }
        let unmergeable = |error: TakeError| LateError::Unmergeable(error.to_string());
        let previous = self.head();
        // On a copy: nothing changes unless all of it can be merged.
        let mut document = self.document.clone();
        let (brought, mut changes) = self.put_late(&mut document, &[head]).map_err(unmergeable)?;
        let actor = role::actor_of_term(own);
        let accepted = document
            .accept_late(&actor, now.as_millis(), term, previous, head)
            .map_err(|error| LateError::Unmergeable(error.to_string()))?;
        changes.extend(accepted.events);
        let before = std::mem::replace(&mut self.document, document);
        if let Some(change) = accepted.change
            && let Err(error) = self.append_own(key, opening, own, change, batch)
        {
            self.document = before;
            return Err(error.into());
        }
        self.forget_these(&brought);
        self.reopen_drafts();
        Ok(changes)
    }

    /// The late work that a slice begins by accepting, and what goes before that slice.
    pub(crate) fn late_before(&self, items: &[Item]) -> Option<(ChangeHash, Vec<Owed>)> {
        let begins = items.iter().find_map(|item| match item {
            Item::Changes { changes, after, .. } => {
                Some((own_log::late_acceptance(changes.first()?)?, after))
            }
            _ => None,
        });
        let ((term, deps), after) = begins?;
        let late = deps.into_iter().find(|head| head != after)?;
        Some((late, self.late_lines(term, late)))
    }

    /// What another device needs before it can take in an acceptance of late work: its lines up to that head, from where
    /// they leave the path, each after what it rests on.
    fn late_lines(&self, term: TermId, head: ChangeHash) -> Vec<Owed> {
        let mut lines = Vec::new();
        let len = self
            .held_bytes(&head)
            .and_then(|bytes| own_log::number_of(&bytes));
        let Some(len) = len else { return lines };
        let (mut at, mut cut) = (term, Cut { len, head });
        loop {
            let end = Position::new(at, cut);
            let start = self.chain.line_to(at, cut).map(|line| line.start());
            let Some(start) = start else { break };
            let path = self.chain.path_from(at).first().map(|step| step.upto);
            let shared = path.and_then(|path| self.chain.common(at, path, cut));
            let after = shared.unwrap_or(Cut { len: 0, head: start });
            if after.len < cut.len {
                lines.push(Owed::Line { after, end });
            }
            if path.is_some() {
                break;
            }
            let Some(record) = self.chain.term(at) else { break };
            lines.push(Owed::Item(Item::Term(record.encode().into())));
            (at, cut) = (record.parent, record.cut);
        }
        lines.reverse();
        lines
    }
}
