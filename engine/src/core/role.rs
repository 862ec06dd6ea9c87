//! What this device may do with the role, and what it does about what others did.

use std::collections::BTreeSet;
use std::time::Duration;

use cuecard_store::Batch;
use cuecard_transport::DeviceKey;

use crate::core::key_turn::Planned;
use crate::core::log::{Log, RoleError};
use crate::core::policy::SettlePolicy;
use crate::core::silence::Silence;
use crate::core::watch::Watch;
use crate::core::words::Words;
use crate::core::{Applied, Core, DeckError, LinkId, Output};
use crate::event::Event;
use crate::id::{DeckId, DeviceId, TermId};
use crate::limits::MEMBERS_MAX;
use crate::role::{Cause, Member, Point, Rights, Standing};
use crate::time::Time;

/// An owner that settles by itself does so at most this often: each time is a record for ever.
const SETTLE_EVERY: Duration = Duration::from_secs(60);

/// What a run remembers of a deck's role beside its log.
#[derive(Debug, Default)]
pub(crate) struct RoleState {
    /// The editor that the app was last told of; `None`: nothing was told yet.
    pub(super) told: Option<Option<DeviceId>>,
    /// What the app was last told is settled.
    told_settled: Option<Point>,
    /// Devices that said in this run what they hold.
    pub(super) met: BTreeSet<DeviceId>,
    /// When this device last settled by itself.
    settled_at: Option<Time>,
    pub(super) words: Words,
    pub(super) watch: Watch,
    pub(super) silence: Silence,
    /// Whether the app was told of a charter of its own that this device did not know.
    told_charter: bool,
}

impl RoleState {
    /// The device slept: what it knew of who hears whom, and whom it met, is of before.
    pub(super) fn slept(&mut self) {
        self.watch.slept();
        self.silence.slept();
        self.met.clear();
    }

    /// Devices that said in this run, or since this device slept, what they hold.
    pub(super) const fn met(&self) -> &BTreeSet<DeviceId> {
        &self.met
    }

    /// Of a deck that this device has just created.
    pub(super) fn told(editor: DeviceId) -> Self {
        Self {
            told: Some(Some(editor)),
            ..Self::default()
        }
    }
}

impl Core {
    /// Gives the role to a member: grants it, if it was asked for.
    ///
    /// # Errors
    /// By any device but the editor, and when `to` may not hold it.
    pub fn hand_over(&mut self, now: Time, deck: DeckId, to: DeviceId) -> Result<Applied<TermId>, RoleError> {
        self.change_role(now, deck, |log, key, nonce, batch| {
            log.hand_over(key, nonce, to, batch)
        })
    }

    /// Lets the role go: whoever may hold it can claim it.
    ///
    /// # Errors
    /// By any device but the editor.
    pub fn release(&mut self, now: Time, deck: DeckId) -> Result<Applied<TermId>, RoleError> {
        self.change_role(now, deck, Log::release)
    }

    /// Takes the role from an editor that is gone, or after a release. It is provisional until the owner settles it: a
    /// word of the editor that is still on its way may undo it, and then the work done meanwhile is late work.
    ///
    /// # Errors
    /// When this device may not hold the role, has it, or does not hold all of the deck that it knows of.
    pub fn claim(&mut self, now: Time, deck: DeckId) -> Result<Applied<TermId>, RoleError> {
        self.change_role(now, deck, Log::claim)
    }

    /// The owner takes the role, and settles that: nothing that is still on its way undoes it.
    ///
    /// # Errors
    /// By any device but the owner, and when it has the role, or does not hold all of the deck that it knows of.
    pub fn take_over(&mut self, now: Time, deck: DeckId) -> Result<Applied<TermId>, RoleError> {
        self.change_role(now, deck, Log::take_over)
    }

    /// Sets members and rights: the owner's word. What is durable here and now becomes settled by it. If it takes the
    /// right to hold the role from the editor, the owner is the editor from then on.
    ///
    /// # Errors
    /// By any device but the owner, and when it does not hold all of the deck that it knows of.
    pub fn set_members(
        &mut self,
        now: Time,
        deck: DeckId,
        members: Vec<Member>,
    ) -> Result<Applied<()>, RoleError> {
        self.sign_members(now, deck, members, None)
    }

    /// Ends a device's membership, whether the charter lists it or it was admitted, and turns the deck's key over.
    ///
    /// # Errors
    /// As [`Core::set_members`], and when it is no member.
    pub fn remove_member(
        &mut self,
        now: Time,
        deck: DeckId,
        device: DeviceId,
    ) -> Result<Applied<()>, RoleError> {
        let chain = &self.log(deck)?.chain;
        if chain.is_owner(device) || chain.rights(device).is_none() {
            return Err(RoleError::NotAMember(device));
        }
        let mut members = chain.members().to_vec();
        members.retain(|member| member.device != device);
        self.sign_members(now, deck, members, Some(device))
    }

    fn sign_members(
        &mut self,
        now: Time,
        deck: DeckId,
        members: Vec<Member>,
        removed: Option<DeviceId>,
    ) -> Result<Applied<()>, RoleError> {
        let planned = self.plan_members(deck, members, removed)?;
        self.sign_planned(now, deck, planned)
    }

    pub(super) fn sign_planned(
        &mut self,
        now: Time,
        deck: DeckId,
        planned: Planned,
    ) -> Result<Applied<()>, RoleError> {
        let (members, epoch) = (planned.members.clone(), planned.epoch);
        self.change_role_as(now, deck, Some(planned), |log, key, nonce, batch| {
            log.set_members(key, nonce, members, epoch, batch)
        })
    }

    /// Gives the deck to a member. This device stays one that may hold the role.
    ///
    /// # Errors
    /// By any device but the owner, and when `to` is no member.
    pub fn transfer_ownership(
        &mut self,
        now: Time,
        deck: DeckId,
        to: DeviceId,
    ) -> Result<Applied<()>, RoleError> {
        self.change_role(now, deck, |log, key, _, batch| {
            log.transfer_ownership(key, to, batch)
        })
    }

    /// Settles what is durable here: only a later word of the owner's undoes it.
    ///
    /// # Errors
    /// By any device but the owner, and when it does not hold all of the deck that it knows of.
    pub fn settle(&mut self, now: Time, deck: DeckId) -> Result<Applied<()>, RoleError> {
        self.change_role(now, deck, |log, key, _, batch| log.settle(key, batch))
    }

    /// After [`Event::CopyAtWork`]: this is the one that goes on.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn go_on(&mut self, deck: DeckId) -> Result<(), DeckError> {
        self.log_mut(deck)?.copied = false;
        Ok(())
    }

    /// Who may do what, beside the owner.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn members(&self, deck: DeckId) -> Result<Vec<Member>, DeckError> {
        Ok(self.log(deck)?.chain.members().to_vec())
    }

    pub(super) fn change_role<T>(
        &mut self,
        now: Time,
        deck: DeckId,
        change: impl FnOnce(&mut Log, &DeviceKey, [u8; 16], &mut Batch) -> Result<T, RoleError>,
    ) -> Result<Applied<T>, RoleError> {
        self.change_role_as(now, deck, None, change)
    }

    /// The same, where members, and perhaps the deck's key, are to be as planned.
    fn change_role_as<T>(
        &mut self,
        now: Time,
        deck: DeckId,
        planned: Option<Planned>,
        change: impl FnOnce(&mut Log, &DeviceKey, [u8; 16], &mut Batch) -> Result<T, RoleError>,
    ) -> Result<Applied<T>, RoleError> {
        self.set_now(now);
        self.check_store()?;
        self.take_held_of(deck);
        self.leave_typing(deck);
        let (key, nonce) = (self.key.clone(), self.random_bytes());
        let mut batch = Batch::default();
        let log = self.log_mut(deck)?;
        let charter = log.charter_order();
        let value = change(log, &key, nonce, &mut batch)?;
        if let Some(planned) = &planned {
            planned.keep(deck, &mut batch);
        }
        if batch.is_empty() {
            return Ok(Applied { value, ticket: None });
        }
        let followed = log.follow_chain();
        let members = log.charter_order() != charter;
        // Before the batch is named durable: what it makes canonical is durable with it.
        let ticket = Some(self.save(deck, batch, None));
        if let Some(planned) = planned {
            self.planned_is_signed(deck, planned, ticket);
        }
        match followed {
            Ok(followed) => {
                if let Some((why, now_in)) = followed.turn {
                    self.event(Event::Reorganised {
                        deck,
                        taken_out: followed.taken_out,
                        why,
                        now_in,
                    });
                }
                self.tell_changes(deck, followed.changes);
            }
            Err(error) => self.event(Event::DeckBroken {
                deck,
                why: error.to_string(),
            }),
        }
        self.tell_drafts(deck);
        self.after_turn(deck);
        self.watch_role(deck);
        if members {
            self.members_changed(deck);
        }
        Ok(Applied { value, ticket })
    }

    /// A device said what it holds of a deck.
    pub(super) fn note_met(&mut self, link: LinkId, deck: DeckId) {
        let peer = self.peer_of(link);
        if let (Some(peer), Some(state)) = (peer, self.decks.get_mut(&deck)) {
            let is_member = (state.log.as_ref()).is_some_and(|log| log.chain.rights(peer).is_some());
            // Who is none may become one, and anybody can be any number of them.
            if is_member || state.role.met.len() < 2 * MEMBERS_MAX {
                state.role.met.insert(peer);
            }
        }
        self.repeat_words(link, deck);
    }

    /// Looks at every deck's role, after anything happened.
    pub(super) fn watch_roles(&mut self) {
        let decks: Vec<DeckId> = self.decks.keys().copied().collect();
        for deck in decks {
            self.take_role_news(deck);
            if self.is_asleep(deck) {
                self.watch_role(deck);
                continue;
            }
            self.claim_anew(deck);
            self.watch_role(deck);
            // Who has just become the editor by its own hand takes in what was late before.
            self.settle_late(deck);
            self.settle_by_itself(deck);
            self.see_to_requests(deck);
            self.keep_watch(deck);
        }
    }

    /// Tells the app when the role has moved, and when the owner has settled more.
    pub(super) fn watch_role(&mut self, deck: DeckId) {
        let me = self.device();
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let (editor, settled) = (log.chain.canonical().editor, log.chain.settled());
        let told = state.role.told.replace(editor);
        if told != Some(editor) {
            // Of a handover that counts alone: anybody who was editor once can sign others.
            let is_mine = told.is_some() && editor == Some(me);
            let term = log.chain.term(log.chain.canonical().tip).filter(|_| is_mine);
            let given = term.filter(|term| term.cause == Cause::Handover && term.signer != me);
            let granted = given.map(|term| Event::RoleGranted {
                deck,
                by: term.signer,
            });
            self.outputs.extend(granted.map(Output::Event));
            self.outputs
                .push_back(Output::Event(Event::RoleMoved { deck, editor }));
        }
        let told = state.role.told_settled.replace(settled);
        if told.is_some_and(|told| told != settled) {
            self.event(Event::Settled { deck });
        }
    }

    /// What terms that came say beyond who is the editor.
    fn take_role_news(&mut self, deck: DeckId) {
        let me = self.device();
        let Ok(log) = self.log_mut(deck) else { return };
        let news = std::mem::take(&mut log.news);
        let mut events = Vec::new();
        for &id in &news {
            let Some(term) = log.chain.term(id) else { continue };
            let (cause, signer) = (term.cause, term.signer);
            if signer == me && !log.opened_here(id) && log.descends_from_this_run(id) {
                // It goes on from what this run signed, so it is not of this device's past.
                log.copied = true;
                events.push(Event::CopyAtWork { deck, term: id });
            }
            if cause == Cause::Claim && log.chain.rights(signer) < Some(Rights::Hold) {
                events.push(Event::ClaimRefused { deck, by: signer });
            }
        }
        for event in events {
            self.event(event);
        }
        for claim in news {
            self.answer_claim(deck, claim);
        }
        self.reissue_charter(deck);
    }

    /// A release of the editor's that was on its way beats a claim, and leaves nobody: who claimed wanted the role, and
    /// claims anew. Once, as the new claim follows on the release.
    fn claim_anew(&mut self, deck: DeckId) {
        let Ok(log) = self.log_mut(deck) else { return };
        let Some(claimed) = log.claimed else { return };
        let canonical = log.chain.canonical();
        if log.chain.position(claimed).is_some() || canonical.editor.is_some() {
            return;
        }
        let tip = log.chain.term(canonical.tip);
        let is_sibling = tip.is_some_and(|tip| {
            let parent = log.chain.term(claimed).map(|claim| claim.parent);
            tip.cause == Cause::Release && parent == Some(tip.parent)
        });
        if is_sibling {
            log.claimed = None;
            let now = self.now;
            if let Err(error) = self.claim(now, deck) {
                tracing::warn!(deck = %deck.short(), %error, "the role was not claimed anew");
            }
        }
    }

    /// A charter of one's own that one does not know of comes from a life that a restored backup forgot, or from a copy.
    fn reissue_charter(&mut self, deck: DeckId) {
        let me = self.device();
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let two_ways = state.keys.remaining.is_some() && log.may_sign_charters(me);
        if !two_ways && !log.has_met_own_charter(me) {
            return;
        }
        if !std::mem::replace(&mut state.role.told_charter, true) {
            self.event(Event::OwnCharterMet { deck });
        }
        // What cannot be signed now is tried again when more has come.
        let now = self.now;
        let again = match two_ways {
            true => self.join_the_ways(deck),
            false => {
                let again = self.change_role(now, deck, |log, key, _, batch| log.reissue_charter(key, batch));
                again.map(drop)
            }
        };
        if let Err(error) = again {
            tracing::warn!(deck = %deck.short(), %error, "a charter was not issued again");
        }
    }

    /// The owner's engine settles the past, once it has heard from enough of the others.
    fn settle_by_itself(&mut self, deck: DeckId) {
        let (me, now) = (self.device(), self.now);
        if self.policies(deck).settle != SettlePolicy::Auto || self.store_failed.is_some() {
            return;
        }
        let Some(state) = self.decks.get(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let is_settled = log.chain.canonical().standing == Standing::Settled;
        if is_settled || !log.chain.is_owner(me) {
            return;
        }
        let holders = log.holders();
        let met = holders
            .iter()
            .filter(|device| **device == me || state.role.met.contains(device));
        if met.count() * 2 <= holders.len() {
            return;
        }
        if let Some(last) = state.role.settled_at
            && now.since(last) < SETTLE_EVERY
        {
            self.outputs.push_back(Output::WakeAt(last + SETTLE_EVERY));
            return;
        }
        // Not caught up, say: it is looked at again when more has come.
        if let Ok(applied) = self.settle(now, deck)
            && applied.ticket.is_some()
            && let Some(state) = self.decks.get_mut(&deck)
        {
            state.role.settled_at = Some(now);
        }
    }
}

impl Log {
    /// Who may hold the role: the owner first, then by rank.
    pub(crate) fn holders(&self) -> Vec<DeviceId> {
        let charter = self.chain.charter();
        let mut members: Vec<&Member> = charter
            .members
            .iter()
            .filter(|member| member.rights == Rights::Hold && member.device != charter.owner)
            .collect();
        members.sort_by_key(|member| (member.rank, member.device));
        let members = members.into_iter().map(|member| member.device);
        std::iter::once(charter.owner).chain(members).collect()
    }
}
