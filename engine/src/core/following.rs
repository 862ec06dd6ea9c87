//! Decks that are followed, set aside, or removed for good; and a device that sleeps for a while.

use std::collections::{BTreeMap, BTreeSet};

use cuecard_store::Batch;

use super::{Applied, Core, DeckError, EditError, LinkId, Output, Ticket};
use crate::disk;
use crate::event::Event;
use crate::id::DeckId;
use crate::limits::RESUMED_ALONE;
use crate::role::Rights;
use crate::time::Time;

/// Decks on their way out, and those whose role was not looked at since this device slept.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// Decks that are gone for the app, and whose files are being deleted.
    removing: BTreeMap<DeckId, Removal>,
    /// Decks in which others may have taken the role meanwhile: up to when to wait for news of it.
    asleep: BTreeMap<DeckId, Time>,
}

/// How far the removal of a deck has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removal {
    /// With this batch it becomes certain.
    Noted(Ticket),
    /// What is kept of the deck is being looked for.
    Certain,
    /// With this batch it is gone.
    Deleting(Ticket),
}

impl Core {
    /// Whether a deck is followed: exchanged with the devices that are linked. One that is not is kept as it is.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn is_followed(&self, deck: DeckId) -> Result<bool, DeckError> {
        let state = self.decks.get(&deck).ok_or_else(|| self.not_here(deck))?;
        Ok(state.followed)
    }

    /// Begins to follow a deck again, or stops.
    ///
    /// # Errors
    /// When the deck is not here, or the disk has failed.
    pub fn set_followed(
        &mut self,
        now: Time,
        deck: DeckId,
        followed: bool,
    ) -> Result<Applied<()>, EditError> {
        self.set_now(now);
        self.check_store()?;
        if self.is_followed(deck)? == followed {
            return Ok(Applied {
                value: (),
                ticket: None,
            });
        }
        self.leave_typing(deck);
        let mut batch = Batch::default();
        disk::put_followed(&mut batch, deck, followed);
        let ticket = Some(self.save(deck, batch, None));
        if !followed {
            self.close_sessions(deck);
        }
        if let Some(state) = self.decks.get_mut(&deck) {
            state.followed = followed;
        }
        self.event(Event::FollowedChanged { deck, followed });
        self.greet_all();
        Ok(Applied { value: (), ticket })
    }

    /// Removes a deck: for the app it is gone at once, and for good when the batch is durable. Its files follow.
    ///
    /// # Errors
    /// When the deck is not here, or the disk has failed.
    pub fn remove_deck(&mut self, now: Time, deck: DeckId) -> Result<Applied<()>, EditError> {
        self.set_now(now);
        self.check_store()?;
        if !self.closed.contains_key(&deck) {
            self.is_followed(deck)?;
        }
        self.leave_typing(deck);
        self.close_sessions(deck);
        self.fetches.forget_deck(deck);
        self.decks.remove(&deck);
        self.closed.remove(&deck);
        self.following.asleep.remove(&deck);
        let mut batch = Batch::default();
        disk::put_removed(&mut batch, deck);
        let ticket = Ticket(self.number());
        self.outputs.push_back(Output::Save { ticket, batch });
        self.following.removing.insert(deck, Removal::Noted(ticket));
        self.event(Event::DeckRemoved { deck });
        self.greet_all();
        let (value, ticket) = ((), Some(ticket));
        Ok(Applied { value, ticket })
    }

    /// Whether the files of a deck that was removed are still being deleted.
    #[must_use]
    pub fn is_being_removed(&self, deck: DeckId) -> bool {
        self.following.removing.contains_key(&deck)
    }

    /// A batch is durable. If it notes a removal, all that was ever written of that deck is on the disk by now, and can go.
    pub(super) fn removal_is_saved(&mut self, ticket: Ticket) {
        let mut found = self.following.removing.iter();
        let found = found.find_map(|(&deck, &removal)| match removal {
            Removal::Noted(noted) if noted == ticket => Some((deck, false)),
            Removal::Deleting(deleting) if deleting == ticket => Some((deck, true)),
            _ => None,
        });
        match found {
            Some((deck, true)) => drop(self.following.removing.remove(&deck)),
            Some((deck, false)) => self.go_on_removing(deck),
            None => {}
        }
    }

    /// A deck is noted as removed on the disk: what is left of it is to go.
    pub(crate) fn go_on_removing(&mut self, deck: DeckId) {
        self.following.removing.insert(deck, Removal::Certain);
        self.outputs.push_back(Output::RemoveDeck { deck });
    }

    /// What is kept of a deck was found; or it goes when the engine is next opened.
    pub(super) fn deck_found(&mut self, deck: DeckId, result: Result<Batch, String>) {
        match result {
            Ok(batch) => {
                let ticket = Ticket(self.number());
                self.outputs.push_back(Output::Save { ticket, batch });
                self.following.removing.insert(deck, Removal::Deleting(ticket));
            }
            Err(why) => tracing::error!(deck = %deck.short(), why, "a removed deck is not deleted yet"),
        }
    }

    /// The disk failed before it took that the deck is removed: it is here again.
    pub(super) fn removal_failed(&mut self, deck: DeckId) {
        self.following.removing.remove(&deck);
    }

    /// Ends all talk of a deck, with what was heard of it kept.
    fn close_sessions(&mut self, deck: DeckId) {
        let links: Vec<LinkId> = self.links_of(deck);
        for &link in &links {
            self.keep_heard_of(link, &[deck]);
        }
        self.end_sessions(deck);
        for link in links {
            self.way_ended(link, deck);
        }
        self.pull_audio();
        if let Some(state) = self.decks.get_mut(&deck) {
            state.syncing = None;
        }
    }

    /// Before this device sleeps: what is typed leaves, and what was heard of others is kept. What is held is not taken in:
    /// that takes long, and it is still on its way.
    pub fn suspend(&mut self, now: Time) {
        self.set_now(now);
        self.leave_what_is_typed();
        self.keep_all_heard(now);
    }

    /// After it slept: others may have taken the role meanwhile. Nothing is signed by this device of its own accord until
    /// somebody who may hold the role has said where the deck stands, or nobody is there to say so; and what it knew of who
    /// hears whom is void.
    pub fn resume(&mut self, now: Time) {
        self.set_now(now);
        let (until, me) = (self.now + RESUMED_ALONE, self.device());
        for (&deck, state) in &mut self.decks {
            state.role.slept();
            let others = |log: &super::Log| log.holders().iter().any(|holder| *holder != me);
            if state.followed && state.log.as_ref().is_some_and(others) {
                self.following.asleep.insert(deck, until);
            }
        }
        self.wake_decks();
    }

    /// Whether it is not known yet, since this device slept, who has the role of some deck.
    #[must_use]
    pub fn is_waking(&self) -> bool {
        !self.following.asleep.is_empty()
    }

    /// The same of one deck.
    pub(super) fn is_asleep(&self, deck: DeckId) -> bool {
        self.following.asleep.contains_key(&deck)
    }

    /// Looks which decks were heard of, or waited for long enough.
    pub(super) fn wake_decks(&mut self) {
        if self.following.asleep.is_empty() {
            return;
        }
        let now = self.now;
        let is_told = |(deck, until): (&DeckId, &Time)| {
            if now >= *until {
                return true;
            }
            let Some(state) = self.decks.get(deck) else {
                return true;
            };
            let Some(log) = &state.log else { return true };
            let may_hold = |device| log.chain.rights(device) >= Some(Rights::Hold);
            let met = state.role.met().iter().any(|device| may_hold(*device));
            met && self.is_caught_up(*deck)
        };
        let told: BTreeSet<DeckId> = self
            .following
            .asleep
            .iter()
            .filter(|entry| is_told(*entry))
            .map(|(deck, _)| *deck)
            .collect();
        self.following.asleep.retain(|deck, _| !told.contains(deck));
        for deck in told {
            self.settle_late(deck);
        }
        // A wake-up that was for something else must not be the last one.
        let next = self.following.asleep.values().min().copied();
        self.outputs.extend(next.map(Output::WakeAt));
    }
}
