//! Which seals of one term are kept: those that no longer one is known to include.
//!
//! Usually that is one. More than one wait until the changes are held that tell whether they lie on one line. If they
//! do not, the holder cheated, and these very seals prove it.

use std::collections::BTreeMap;

use super::line::Held;
use super::record::{Cut, Seal};
use super::signed::Verified;

/// Seals of one term that wait for changes, or prove a cheat. An honest holder's collapse into one as soon as its
/// changes are held, so only a cheat or a flood comes near.
pub(super) const SEALS_PER_TERM_MAX: usize = 64;

/// Two seals of one term that cannot both be honest: neither lies on the way to the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Equivocation {
    /// The shorter one, or the one with the smaller head.
    pub a: Verified<Seal>,
    /// The other.
    pub b: Verified<Seal>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Seals(BTreeMap<Cut, Verified<Seal>>);

impl Seals {
    pub(super) fn is_known(&self, seal: &Verified<Seal>, held: &Held) -> bool {
        self.0
            .keys()
            .any(|kept| *kept == seal.cut() || held.passes(*kept, seal.cut()))
    }

    /// Whether there is no room for a seal of something that is not held. One of what is held always has room: whoever holds
    /// more lines of a term bounds them, and its document has them already.
    pub(super) fn is_full_for(&self, seal: &Verified<Seal>, held: &Held) -> bool {
        self.0.len() >= SEALS_PER_TERM_MAX && !held.contains(seal.cut())
    }

    pub(super) fn insert(&mut self, seal: Verified<Seal>, held: &Held) {
        self.0.insert(seal.cut(), seal);
        self.prune(held);
        // What nobody may ever see goes first.
        let unheld = |seals: &BTreeMap<Cut, Verified<Seal>>| {
            let mut cuts = seals.keys().rev();
            cuts.find(|cut| !held.contains(**cut)).copied()
        };
        while self.0.len() > SEALS_PER_TERM_MAX
            && let Some(cut) = unheld(&self.0)
        {
            self.0.remove(&cut);
        }
    }

    /// Drops what longer seals are now known to include.
    pub(super) fn prune(&mut self, held: &Held) {
        if self.0.len() < 2 {
            return;
        }
        let cuts: Vec<Cut> = self.0.keys().copied().collect();
        self.0
            .retain(|cut, _| !cuts.iter().any(|other| other != cut && held.passes(*other, *cut)));
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Verified<Seal>> {
        self.0.values()
    }

    /// The longest whose changes are held; else the longest.
    pub(super) fn best(&self, held: &Held) -> Option<&Verified<Seal>> {
        self.iter()
            .rev()
            .find(|seal| held.contains(seal.cut()))
            .or(self.iter().next_back())
    }

    /// Up to where they say, beyond `base`, that the term counts: the longest one that is held, and if held ones
    /// disagree, the last change that they have in common.
    pub(super) fn end(&self, held: &Held, base: Cut) -> Cut {
        let mut ends = self.0.keys().copied().filter(|cut| held.passes(*cut, base));
        let Some(first) = ends.next() else { return base };
        ends.fold(first, |common, end| held.common(common, end))
    }

    pub(super) fn proof(&self, held: &Held) -> Option<Equivocation> {
        let mut seals = self.0.iter();
        while let Some((cut, seal)) = seals.next() {
            // The kept ones are not known to lie on one line. They are known not to, if the longer one is held.
            let other = seals
                .clone()
                .find(|(other, _)| other.len == cut.len || held.contains(**other));
            if let Some((_, other)) = other {
                return Some(Equivocation {
                    a: seal.clone(),
                    b: other.clone(),
                });
            }
        }
        None
    }
}
