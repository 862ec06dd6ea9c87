//! The owner's word: which charter is the newest, who has which right, and what is settled.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::record::{Charter, Member, Point, Rights};
use super::signed::{RecordId, Verified};
use crate::id::TermId;
use crate::limits::{CHARTERS_MAX, CHARTERS_OF_FORMER_OWNERS_MAX, TRANSFERS_OF_ONE_OWNER_MAX};
use cuecard_transport::DeviceId;

/// Newest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Age(u32, u32, Reverse<RecordId>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Charters {
    /// What the genesis implies.
    implied: Charter,
    /// Every transfer, for ever: they prove who the owner of a generation is.
    transfers: BTreeMap<(u32, RecordId), Verified<Charter>>,
    /// From the newest one whose settled term is held onwards.
    kept: BTreeMap<Age, Verified<Charter>>,
}

impl Charters {
    pub(super) const fn new(implied: Charter) -> Self {
        Self {
            implied,
            transfers: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    pub(super) fn newest(&self) -> &Charter {
        self.kept
            .values()
            .next_back()
            .map_or(&self.implied, |charter| charter)
    }

    pub(super) fn newest_signed(&self) -> Option<&Verified<Charter>> {
        self.kept.values().next_back()
    }

    /// All that are kept, each once: first the transfers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Verified<Charter>> {
        self.transfers
            .values()
            .chain(self.kept.values().filter(|charter| charter.count > 0))
    }

    /// Whether an owner of the right generation signed it. A cheating owner may have named two successors.
    pub(super) fn is_by_an_owner(&self, charter: &Charter) -> bool {
        let generation = match charter.count {
            0 => charter.generation.checked_sub(1),
            _ => Some(charter.generation),
        };
        match generation {
            None => false,
            Some(0) => charter.signer == self.implied.owner,
            Some(generation) => self
                .transfers
                .iter()
                .skip_while(|((of, _), _)| *of < generation)
                .take_while(|((of, _), _)| *of == generation)
                .any(|(_, transfer)| transfer.owner == charter.signer),
        }
    }

    /// Whether no record that is still to come can make this charter right. Only the first generation is sure of its
    /// one owner: an owner who cheats can name two successors, and the other name may come later.
    pub(super) fn knows_every_owner_for(&self, charter: &Charter) -> bool {
        charter.generation <= u32::from(charter.count == 0)
    }

    /// What there is no room for, of this charter's kind. Who owned the deck once can go on to sign transfers of its time,
    /// and each is kept: it is not to take the room of those who own the deck since.
    pub(super) fn no_room_for(&self, charter: &Verified<Charter>) -> Option<&'static str> {
        if self.transfers.len() + self.kept.len() >= CHARTERS_MAX {
            return Some("charters");
        }
        let is_rival = |((generation, _), transfer): &(&(u32, RecordId), &Verified<Charter>)| {
            *generation == charter.generation && transfer.signer == charter.signer
        };
        if charter.count == 0 && self.transfers.iter().filter(is_rival).count() >= TRANSFERS_OF_ONE_OWNER_MAX
        {
            return Some("transfers by one owner");
        }
        let newest = self.newest();
        let age = |charter: &Charter| (charter.generation, charter.count);
        if charter.signer == newest.owner || age(charter) >= age(newest) {
            return None;
        }
        let by_others = self.iter().filter(|kept| kept.signer != newest.owner).count();
        // Of each generation one made the owner who it is.
        let aside = by_others.saturating_sub(usize::try_from(newest.generation).unwrap_or(usize::MAX));
        (aside >= CHARTERS_OF_FORMER_OWNERS_MAX).then_some("charters by former owners")
    }

    pub(super) fn knows(&self, charter: &Verified<Charter>) -> bool {
        let id = charter.record_id();
        let age = Age(charter.generation, charter.count, Reverse(id));
        self.kept.contains_key(&age) || self.transfers.contains_key(&(charter.generation, id))
    }

    /// Returns whether it was new.
    pub(super) fn insert(&mut self, charter: Verified<Charter>, is_held: impl Fn(TermId) -> bool) -> bool {
        let id = charter.record_id();
        let mut new = false;
        if charter.count == 0 {
            let key = (charter.generation, id);
            new = self.transfers.insert(key, charter.clone()).is_none();
        }
        let age = Age(charter.generation, charter.count, Reverse(id));
        let oldest = self.kept.keys().next();
        let base_held = self
            .kept
            .values()
            .next()
            .is_some_and(|oldest| is_held(oldest.settled.term));
        if oldest.is_some_and(|oldest| base_held && age < *oldest) {
            return new;
        }
        new |= self.kept.insert(age, charter).is_none();
        self.prune(is_held);
        new
    }

    /// Drops what is older than the newest one whose settled term is held.
    pub(super) fn prune(&mut self, is_held: impl Fn(TermId) -> bool) {
        let base = self
            .kept
            .iter()
            .rev()
            .find(|(_, charter)| is_held(charter.settled.term));
        if let Some((&base, _)) = base {
            self.kept = self.kept.split_off(&base);
        }
    }

    /// What the newest charter settles whose settled term is held.
    pub(super) fn settled(&self, is_held: impl Fn(TermId) -> bool) -> Point {
        let charter = self
            .kept
            .values()
            .rev()
            .find(|charter| is_held(charter.settled.term));
        charter.map_or(self.implied.settled, |charter| charter.settled)
    }

    pub(super) fn any_settles(&self, term: TermId) -> bool {
        self.kept.values().any(|charter| charter.settled.term == term)
    }

    pub(super) fn rights(&self, device: DeviceId) -> Option<Rights> {
        #[cfg(feature = "sim")]
        if crate::sim::is_modified(device) {
            return Some(Rights::Hold);
        }
        let newest = self.newest();
        if device == newest.owner {
            return Some(Rights::Hold);
        }
        member(newest, device).map(|member| member.rights)
    }

    pub(super) fn may_hold(&self, device: DeviceId) -> bool {
        #[cfg(feature = "sim")]
        if crate::sim::is_broken(crate::sim::Rule::HoldNeedsTheRight) {
            return self.rights(device).is_some();
        }
        self.rights(device) == Some(Rights::Hold)
    }

    /// Smaller is better. The owner comes before every member.
    pub(super) fn rank(&self, device: DeviceId) -> (bool, u16) {
        let newest = self.newest();
        if device == newest.owner {
            return (false, 0);
        }
        (
            true,
            member(newest, device).map_or(u16::MAX, |member| member.rank),
        )
    }
}

fn member(charter: &Charter, device: DeviceId) -> Option<&Member> {
    let at = charter
        .members
        .binary_search_by(|member| member.device.cmp(&device))
        .ok()?;
    charter.members.get(at)
}
