//! Drafts of one deck on one link: what either side said that it holds.
//!
//! Like all of a session a guess, which the next status corrects.

use std::collections::BTreeMap;

use crate::id::{ChangeHash, DraftId};
use crate::sync::message::DraftMark;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Whether the other side said what it holds.
    pub(crate) heard: bool,
    /// What it holds, or does not need.
    pub(crate) theirs: BTreeMap<DraftId, DraftMark>,
    /// Whether it was told all that is held here.
    pub(crate) introduced: bool,
    /// What it was told.
    pub(crate) told: BTreeMap<DraftId, DraftMark>,
    /// The versions and the withdrawals that it was sent.
    pub(crate) offered: BTreeMap<DraftId, (u32, u32)>,
    /// Of that, what it has not answered yet, and the bytes.
    pub(crate) unanswered: BTreeMap<DraftId, usize>,
    /// What it offered and was not kept: it is asked for again when it may fit.
    pub(crate) refused: BTreeMap<DraftId, Lack>,
    /// Up to when there is nothing left to say.
    pub(crate) said: Option<When>,
}

/// What a draft was not kept for want of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// What it was written on.
    Base(ChangeHash),
    /// Room, or a right, as things stood then.
    Room(u64),
}

/// A point in what happened to a deck's drafts and members here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    /// Anything at all.
    pub(crate) revision: u64,
    /// What may make room, or give a right.
    pub(crate) room: u64,
}

impl Exchange {
    /// It said anew where it stands: say everything again.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            heard: self.heard,
            theirs: std::mem::take(&mut self.theirs),
            ..Self::default()
        };
    }

    /// It has, or does not need, or does not take what it was sent.
    pub(crate) fn answered(&mut self, draft: DraftId) {
        self.unanswered.remove(&draft);
        self.said = None;
    }
}
