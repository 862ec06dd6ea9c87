//! Where a draft stands: worked out from what its author signed, what the deck's log says and what was heard.
//!
//! Nothing of it is kept as such, so that no order of arrival, no crash and no turn of the path can leave it wrong: an
//! acceptance counts while the document holds what it merged, a decline while the document holds the change that says so.

use std::collections::{BTreeMap, BTreeSet};

use cuecard_store::Batch;

use crate::core::draft_log::DraftLog;
use crate::core::log::Log;
use crate::core::own_log;
use crate::disk::{self, DeclineImage, DraftWordsImage};
use crate::id::{ChangeHash, DeviceId, DraftId, TermId};
use crate::limits::{DECLINES_PER_DRAFT_MAX, WITHDRAWALS_PER_MEMBER_MAX};
use crate::role::{Rights, Verified, Withdrawal};

/// Where a draft stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DraftState {
    /// Being written by its author, and not proposed as it is now.
    #[default]
    Open,
    /// Signed and offered: to be accepted or declined by the editor.
    Proposed,
    /// The same, of an own draft that other devices hold durably by now.
    Delivered {
        /// Which devices.
        to: BTreeSet<DeviceId>,
    },
    /// Part of the deck.
    Accepted,
    /// Not wanted by the editor. Its author can propose it again, as it is or edited on.
    Declined {
        /// The editor who said so.
        by: DeviceId,
        /// Why.
        reason: String,
    },
    /// Taken back by its author, who can propose it again.
    Withdrawn,
}

impl DraftState {
    /// Whether it waits for the editor's word.
    #[must_use]
    pub const fn is_proposed(&self) -> bool {
        matches!(self, Self::Proposed | Self::Delivered { .. })
    }

    /// Whether it is over unless its author proposes it again.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Declined { .. } | Self::Withdrawn)
    }
}

/// What there is to say of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftInfo {
    /// Its id.
    pub draft: DraftId,
    /// Who wrote it.
    pub author: DeviceId,
    /// What its author says of it.
    pub note: String,
    /// The head that it was opened at.
    pub base: ChangeHash,
    /// How many changes it has.
    pub len: u64,
    /// How many of them its author proposed.
    pub proposed: u64,
    /// When it was last proposed, or else opened, in milliseconds since 1970 by its author's clock.
    pub time_ms: u64,
    /// Where it stands.
    pub state: DraftState,
}

/// What is compared to see whether there is news.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    version: u32,
    /// How many of its changes are part of the deck.
    accepted: u64,
    pub(crate) state: DraftState,
}

/// What became of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Proposed,
    Accepted,
    Declined { by: DeviceId, reason: String },
    Withdrawn,
    Reopened,
}

/// An editor's word against a draft, in a change of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decline {
    change: ChangeHash,
    version: u32,
    by: DeviceId,
    reason: String,
}

/// An author's word against its own draft.
#[derive(Debug, Clone)]
pub(super) struct Withdrawn {
    pub(super) record: Verified<Withdrawal>,
    /// Whether it is on this disk, and so may be passed on.
    pub(super) saved: bool,
}

/// What was said of drafts, whether or not they are held here.
#[derive(Default)]
pub(crate) struct DraftWords {
    /// Found in changes of the log, canonical or not.
    declines: BTreeMap<DraftId, Vec<Decline>>,
    pub(super) withdrawals: BTreeMap<DraftId, Withdrawn>,
    /// Drafts that are not part of the deck, all of them.
    pub(super) unfinished: BTreeSet<DraftId>,
    pub(super) news: Vec<(DraftId, DeviceId, News)>,
    /// Versions that the policy would accept and that could not be merged: they wait for a person.
    pub(super) unmergeable: BTreeMap<DraftId, u32>,
    /// Drafts whose text another took the place of, signed under the same id; to be looked at before the batch is saved.
    pub(super) replaced: Vec<DraftLog>,
    /// Grows whenever there may be something to tell a neighbour.
    pub(super) revision: u64,
    /// How many drafts came to an end so far: each makes room for another.
    pub(super) ended: u64,
}

impl DraftWords {
    fn image(&self, draft: DraftId) -> DraftWordsImage {
        let declines = self.declines.get(&draft).into_iter().flatten();
        let decline = |decline: &Decline| DeclineImage {
            change: decline.change.0,
            version: decline.version,
            by: *decline.by.as_bytes(),
            reason: decline.reason.clone(),
        };
        let withdrawal = self.withdrawals.get(&draft);
        DraftWordsImage {
            declines: declines.map(decline).collect(),
            withdrawal: withdrawal.map(|withdrawn| withdrawn.record.encode().into()),
        }
    }

    pub(crate) fn restore(
        &mut self,
        draft: DraftId,
        image: DraftWordsImage,
        withdrawal: Option<Verified<Withdrawal>>,
    ) {
        let decline = |image: DeclineImage| Decline {
            change: ChangeHash(image.change),
            version: image.version,
            by: DeviceId::from_bytes(image.by),
            reason: image.reason,
        };
        let declines: Vec<Decline> = image.declines.into_iter().map(decline).collect();
        if !declines.is_empty() {
            self.declines.insert(draft, declines);
        }
        if let Some(record) = withdrawal {
            self.withdrawals.insert(draft, Withdrawn { record, saved: true });
        }
    }

    pub(super) fn withdrawn(&self, draft: DraftId) -> u32 {
        self.withdrawals
            .get(&draft)
            .map_or(0, |withdrawn| withdrawn.record.version)
    }
}

impl Log {
    /// Keeps what changes that just passed the gate (or were made here) say against drafts. To be called for every change,
    /// canonical or not: whether it counts is asked each time.
    pub(crate) fn note_verdicts(&mut self, term: TermId, changes: &[&[u8]], batch: &mut Batch) {
        let Some(by) = self.chain.holder(term) else { return };
        for bytes in changes {
            let Some((draft, version, reason, change)) = own_log::declined_draft(bytes) else {
                continue;
            };
            let declines = self.words.declines.entry(draft).or_default();
            if declines.iter().any(|known| known.change == change) {
                continue;
            }
            let document = &self.document;
            keep_decline(
                declines,
                Decline {
                    change,
                    version,
                    by,
                    reason,
                },
                |said| document.contains(&said.change),
            );
            disk::put_draft_words(batch, self.deck, draft, &self.words.image(draft));
            self.refresh_draft(draft);
        }
    }

    /// Keeps an author's word. False where it is old, or older than all that is kept of that author.
    pub(super) fn note_withdrawal(&mut self, record: Verified<Withdrawal>, batch: &mut Batch) -> bool {
        let (draft, author) = (record.draft(), record.author);
        if self.words.withdrawn(draft) >= record.version {
            return false;
        }
        let saved = false;
        self.words.withdrawals.insert(draft, Withdrawn { record, saved });
        let of_author = |words: &DraftWords| {
            let theirs = words
                .withdrawals
                .iter()
                .filter(|(_, w)| w.record.author == author);
            let mut theirs: Vec<(u64, DraftId)> = theirs.map(|(id, w)| (w.record.signed_ms, *id)).collect();
            theirs.sort_unstable();
            theirs
        };
        // The oldest go: whoever still offers such a draft meets its author's word again at the next link to it.
        let theirs = of_author(&self.words);
        let too_many = theirs.len().saturating_sub(WITHDRAWALS_PER_MEMBER_MAX);
        for (_, dropped) in theirs.into_iter().take(too_many) {
            self.words.withdrawals.remove(&dropped);
            disk::put_draft_words(batch, self.deck, dropped, &self.words.image(dropped));
            self.refresh_draft(dropped);
        }
        disk::put_draft_words(batch, self.deck, draft, &self.words.image(draft));
        self.refresh_draft(draft);
        self.words.withdrawals.contains_key(&draft)
    }

    /// The decline that counts against a version of a draft: of several the one of the newest version.
    pub(super) fn decline_of(&self, draft: DraftId, version: u32) -> Option<&Decline> {
        let declines = self.words.declines.get(&draft)?.iter();
        let counts = declines.filter(|said| said.version >= version && self.document.contains(&said.change));
        counts.max_by_key(|said| (said.version, said.change))
    }

    /// The last word against a version of a draft. Its author's goes before an editor's on the same version; a word on a
    /// newer one goes before both, also where that version never came.
    fn closed(&self, draft: DraftId, version: u32) -> Option<DraftState> {
        let withdrawn = Some(self.words.withdrawn(draft)).filter(|withdrawn| *withdrawn >= version);
        match (withdrawn, self.decline_of(draft, version)) {
            (withdrawn, Some(said)) if withdrawn.is_none_or(|withdrawn| said.version > withdrawn) => {
                let (by, reason) = (said.by, said.reason.clone());
                Some(DraftState::Declined { by, reason })
            }
            (Some(_), _) => Some(DraftState::Withdrawn),
            (None, _) => None,
        }
    }

    fn standing_of(&self, draft: DraftId) -> Option<Standing> {
        let entry = self.drafts.get(&draft)?;
        let accepted = entry.accepted_in(&self.document).map_or(0, |record| record.len);
        let version = entry.version();
        let edited_on = entry.len() > entry.signed_len();
        let state = if accepted > 0 && accepted >= entry.len() {
            DraftState::Accepted
        } else if entry.signed_len() <= accepted {
            DraftState::Open
        } else if let Some(closed) = self.closed(draft, version) {
            if edited_on { DraftState::Open } else { closed }
        } else if entry.held_by.is_empty() {
            DraftState::Proposed
        } else {
            let to = entry.held_by.clone();
            DraftState::Delivered { to }
        };
        Some(Standing {
            version,
            accepted,
            state,
        })
    }

    /// Whether a draft is offered to anybody: not one that came with what somebody accepted beside the path, and whose author
    /// may not propose.
    pub(crate) fn is_offered(&self, draft: &DraftLog) -> bool {
        !draft.is_accepted() || self.may_be_offered(draft.author, &draft.standing)
    }

    fn may_be_offered(&self, author: DeviceId, standing: &Standing) -> bool {
        standing.accepted > 0 || self.chain.rights(author) >= Some(Rights::Draft)
    }

    /// Looks anew where a draft stands, and keeps what is news.
    pub(crate) fn refresh_draft(&mut self, draft: DraftId) {
        self.words.revision += 1;
        let Some(now) = self.standing_of(draft) else {
            self.words.unfinished.remove(&draft);
            return;
        };
        let Some(entry) = self.drafts.get_mut(&draft) else {
            return;
        };
        let before = std::mem::replace(&mut entry.standing, now.clone());
        let author = entry.author;
        if now.state == DraftState::Accepted {
            self.words.unfinished.remove(&draft);
        } else {
            self.words.unfinished.insert(draft);
        }
        let is_offered = self.may_be_offered(author, &now);
        let is_news = |news: &News| is_offered || !matches!(news, News::Proposed);
        if let Some(news) = news(&before, &now).filter(is_news) {
            self.words.ended += u64::from(!matches!(news, News::Proposed | News::Reopened));
            self.words.news.push((draft, author, news));
        }
    }

    /// Looks at all drafts anew: to be called when the path turned, or changes came back that it had lost. A draft whose
    /// acceptance or decline is no longer canonical is proposed again; nothing is written for it.
    pub(crate) fn reopen_drafts(&mut self) {
        let all: Vec<DraftId> = self.drafts.keys().copied().collect();
        for draft in all {
            self.refresh_draft(draft);
        }
    }

    /// Looks at all drafts for the first time: how they stand is no news.
    pub(crate) fn restore_drafts(&mut self) {
        self.reopen_drafts();
        self.words.news.clear();
    }
}

fn news(before: &Standing, now: &Standing) -> Option<News> {
    if now.accepted > before.accepted {
        return Some(News::Accepted);
    }
    if now.accepted < before.accepted {
        return Some(News::Reopened);
    }
    match &now.state {
        DraftState::Open | DraftState::Accepted => None,
        DraftState::Proposed | DraftState::Delivered { .. } if now.version > before.version => {
            Some(News::Proposed)
        }
        DraftState::Proposed | DraftState::Delivered { .. } => {
            before.state.is_closed().then_some(News::Reopened)
        }
        DraftState::Declined { by, reason } if before.state != now.state => Some(News::Declined {
            by: *by,
            reason: reason.clone(),
        }),
        DraftState::Withdrawn if before.state != now.state => Some(News::Withdrawn),
        DraftState::Declined { .. } | DraftState::Withdrawn => None,
    }
}

/// The latest so many: an editor can decline a draft as often as it is proposed. Those that do not count go first: anybody
/// can say something beside the path.
fn keep_decline(declines: &mut Vec<Decline>, decline: Decline, counts: impl Fn(&Decline) -> bool) {
    declines.push(decline);
    if declines.len() > DECLINES_PER_DRAFT_MAX {
        let goes = declines.iter().position(|said| !counts(said)).unwrap_or(0);
        declines.remove(goes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_declines_of_a_draft_the_latest_are_kept() {
        let mut declines = Vec::new();
        let most = u32::try_from(DECLINES_PER_DRAFT_MAX).unwrap();
        for version in 1..=most + 3 {
            let decline = Decline {
                change: ChangeHash([0; 32]),
                version,
                by: DeviceId::from_bytes([1; 32]),
                reason: String::new(),
            };
            keep_decline(&mut declines, decline, |_| true);
        }
        let versions: Vec<u32> = declines.iter().map(|decline| decline.version).collect();
        assert_eq!(versions, (4..=most + 3).collect::<Vec<_>>());
        // Beside the path anybody says what it likes: of that the newest goes, too.
        let before = declines.clone();
        let beside = Decline {
            version: 99,
            ..declines[0].clone()
        };
        keep_decline(&mut declines, beside, |said| said.version < 99);
        assert_eq!(declines, before);
    }
}
