//! The role in the log: who has it, and the records by which this device moves it or says who may.

use super::{Log, RoleError};

use cuecard_store::Batch;
use cuecard_transport::DeviceKey;

use crate::id::{DeviceId, TermId};
use crate::role::{
    Cause, Charter, KeyEpoch, Member, Point, RecordId, Refusal, Rights, Standing, Term, Verified,
};
use crate::sync::message::Position;

/// Who may edit, seen from this device, and whether a record that is still on its way may change that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This device may.
    Editor {
        /// The term in which its present time as editor began. (A term carries no time: the history has that of its first
        /// change.)
        since: TermId,
        /// The term that it appends to.
        term: TermId,
        /// Whether the owner settled that.
        standing: Standing,
    },
    /// Another may.
    Viewer {
        /// Which one.
        editor: DeviceId,
        /// Whether the owner settled that.
        standing: Standing,
    },
    /// Nobody may at present.
    Vacant {
        /// Whether the owner settled that.
        standing: Standing,
    },
}

impl Log {
    /// Who may edit, seen from `me`.
    pub(crate) fn role(&self, me: DeviceId) -> Role {
        let canonical = self.chain.canonical();
        let standing = canonical.standing;
        match canonical.editor.filter(|_| self.broken.is_none()) {
            Some(editor) if editor == me => Role::Editor {
                since: self.since(),
                term: canonical.tip,
                standing,
            },
            Some(editor) => Role::Viewer { editor, standing },
            None => Role::Vacant { standing },
        }
    }

    /// The first of the consecutive terms of who holds the last one.
    pub(crate) fn since(&self) -> TermId {
        let canonical = self.chain.canonical();
        let holder = self.chain.holder(canonical.tip);
        let steps = canonical.path.iter().rev().map(|step| step.term);
        let same = steps.take_while(|term| self.chain.holder(*term) == holder);
        same.last().unwrap_or(canonical.tip)
    }

    /// Gives the role to `to`.
    pub(crate) fn hand_over(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        to: DeviceId,
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        self.check_editor(key.id())?;
        if self.chain.rights(to) != Some(Rights::Hold) {
            return Err(RoleError::MayNotHold(to));
        }
        self.open_own(key, nonce, batch)?;
        let term = self.next_term(key, nonce, Cause::Handover, Some(to))?;
        self.move_role(term, None, batch)
    }

    /// Lets the role go.
    pub(crate) fn release(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        self.check_editor(key.id())?;
        self.open_own(key, nonce, batch)?;
        let term = self.next_term(key, nonce, Cause::Release, None)?;
        self.move_role(term, None, batch)
    }

    /// Takes the role, provisionally.
    pub(crate) fn claim(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        let me = key.id();
        self.check_usable()?;
        if self.chain.canonical().editor == Some(me) {
            return Err(RoleError::AlreadyEditor);
        }
        if self.chain.rights(me) != Some(Rights::Hold) {
            return Err(RoleError::MayNotHold(me));
        }
        let claim = self.next_term(key, nonce, Cause::Claim, Some(me))?;
        self.opened.insert(claim.id());
        let moved = self.move_role(claim, None, batch);
        if let Ok(claim) = moved {
            self.claimed = Some(claim);
        }
        moved
    }

    /// Answers a claim on a term that this run wrote in: "I was there". The word of a term's holder wins.
    pub(crate) fn keep_role(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        parent: TermId,
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        self.check_usable()?;
        let line = self.chain.line(parent).ok_or(Refusal::UnknownTerm(parent))?;
        let term = Term {
            deck: self.deck,
            parent,
            cause: Cause::Handover,
            cut: line.end(),
            holder: Some(key.id()),
            nonce,
            signer: key.id(),
        };
        let term = term.sign(key)?;
        self.opened.insert(term.id());
        self.move_role(term, None, batch)
    }

    /// The owner takes the role, and settles that.
    pub(crate) fn take_over(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        self.check_owner(key.id())?;
        if self.chain.canonical().editor == Some(key.id()) {
            return Err(RoleError::AlreadyEditor);
        }
        let (members, epoch) = (self.chain.members().to_vec(), self.chain.charter().key_epoch);
        self.take_over_with(key, nonce, members, epoch, batch)
    }

    fn take_over_with(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        members: Vec<Member>,
        key_epoch: KeyEpoch,
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        let claim = self.next_term(key, nonce, Cause::Claim, Some(key.id()))?;
        let settled = Point {
            term: claim.id(),
            len: 0,
            head: claim.cut.head,
        };
        // Batches become durable in their order, and both records are in one: what is settled is on disk with it.
        let charter = Charter {
            key_epoch,
            ..self.next_charter(members, settled)
        };
        let charter = charter.sign(key)?;
        self.opened.insert(claim.id());
        self.move_role(claim, Some(charter), batch)
    }

    /// The owner's word on members. What is durable here becomes settled. An editor that loses the right to hold the role
    /// is followed by the owner: its term counts up to there.
    pub(crate) fn set_members(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        members: Vec<Member>,
        key_epoch: KeyEpoch,
        batch: &mut Batch,
    ) -> Result<(), RoleError> {
        self.check_owner(key.id())?;
        let keeps_hold = |editor: DeviceId| {
            let member = members.iter().find(|member| member.device == editor);
            editor == key.id() || member.is_some_and(|member| member.rights == Rights::Hold)
        };
        let editor = self.chain.canonical().editor;
        if editor.is_some_and(|editor| !keeps_hold(editor)) {
            return self
                .take_over_with(key, nonce, members, key_epoch, batch)
                .map(drop);
        }
        let charter = Charter {
            key_epoch,
            ..self.next_charter(members, self.settled_now())
        };
        self.keep_own_charter(charter.sign(key)?, batch)
    }

    /// Gives the deck to another owner. This device stays a member that may hold the role.
    pub(crate) fn transfer_ownership(
        &mut self,
        key: &DeviceKey,
        to: DeviceId,
        batch: &mut Batch,
    ) -> Result<(), RoleError> {
        let me = key.id();
        self.check_owner(me)?;
        let mut members = self.chain.members().to_vec();
        if to == me || !members.iter().any(|member| member.device == to) {
            return Err(RoleError::NotAMember(to));
        }
        let last = members.iter().map(|member| member.rank).max().unwrap_or(0);
        members.retain(|member| member.device != me);
        members.push(Member {
            device: me,
            rights: Rights::Hold,
            rank: last.saturating_add(1),
        });
        members.sort_by_key(|member| member.device);
        let next = self.next_charter(members, self.settled_now());
        let charter = Charter {
            generation: next.generation.saturating_add(1),
            count: 0,
            owner: to,
            ..next
        };
        self.keep_own_charter(charter.sign(key)?, batch)
    }

    /// The owner settles what is durable here. Nothing, if it is settled.
    pub(crate) fn settle(&mut self, key: &DeviceKey, batch: &mut Batch) -> Result<(), RoleError> {
        self.check_owner(key.id())?;
        let settled = self.settled_now();
        if settled == self.chain.charter().settled {
            return Ok(());
        }
        let members = self.chain.members().to_vec();
        let charter = self.next_charter(members, settled).sign(key)?;
        self.keep_own_charter(charter, batch)
    }

    /// Says again, above it, what the newest charter says, or what this run last said: the newest is this device's own,
    /// and it does not know it. Once a run, so that two copies of a device do not outbid each other for ever.
    pub(crate) fn reissue_charter(&mut self, key: &DeviceKey, batch: &mut Batch) -> Result<bool, RoleError> {
        if !self.has_met_own_charter(key.id()) || self.reissued || self.check_owner(key.id()).is_err() {
            return Ok(false);
        }
        self.reissued = true;
        let members = self.own_members.clone();
        let members = members.unwrap_or_else(|| self.chain.members().to_vec());
        let next = self.next_charter(members, self.settled_now());
        let charter = Charter {
            // Whom either of them removed must not come back by an older key.
            key_epoch: next.key_epoch.max(self.own_epoch),
            ..next
        };
        self.keep_own_charter(charter.sign(key)?, batch)?;
        Ok(true)
    }

    /// Whether the newest charter is by this device, and this device did not know.
    pub(crate) fn has_met_own_charter(&self, me: DeviceId) -> bool {
        let newest = self.chain.signed_charter();
        newest.is_some_and(|newest| newest.signer == me && Some(newest.record_id()) != self.own_charter)
    }

    /// After a start: what is on disk is known.
    pub(crate) fn note_charter_known(&mut self) {
        self.own_charter = self.chain.signed_charter().map(Verified::record_id);
        self.charter_on_disk = self.newest_charter();
        self.is_kept = true;
    }

    /// The newest charter, unless it is the one that the genesis implies. An owner that was restored from a backup signs two
    /// of one generation and count, so those do not name it.
    pub(crate) fn newest_charter(&self) -> Option<RecordId> {
        self.chain.signed_charter().map(Verified::record_id)
    }

    /// Whether the newest charter, and with it all that were before it, is on the disk.
    pub(crate) fn newest_charter_is_saved(&self) -> bool {
        self.newest_charter() == self.charter_on_disk
    }

    /// Generation and count of the newest charter.
    pub(crate) fn charter_order(&self) -> (u32, u32) {
        let charter = self.chain.charter();
        (charter.generation, charter.count)
    }

    /// Whether this run opened the term.
    pub(crate) fn opened_here(&self, term: TermId) -> bool {
        self.opened.contains(&term)
    }

    /// Whether a term goes on from one that this run opened.
    pub(crate) fn descends_from_this_run(&self, term: TermId) -> bool {
        self.chain
            .ancestry(term)
            .skip(1)
            .any(|before| self.opened.contains(&before))
    }

    fn check_usable(&self) -> Result<(), RoleError> {
        self.check_whole().map_err(RoleError::Broken)?;
        if self.copied {
            return Err(RoleError::CopyAtWork);
        }
        Ok(())
    }

    fn check_editor(&self, me: DeviceId) -> Result<(), RoleError> {
        self.check_usable()?;
        if self.chain.canonical().editor == Some(me) {
            Ok(())
        } else {
            Err(RoleError::NotEditor)
        }
    }

    /// Whether `me` may sign a charter. Not on less than what was settled before: a backup that was restored may hold
    /// less, and would take back what it once said.
    fn check_owner(&self, me: DeviceId) -> Result<(), RoleError> {
        self.check_usable()?;
        let newest = self.chain.charter();
        if newest.owner != me {
            return Err(RoleError::NotOwner);
        }
        let Point { term, .. } = newest.settled;
        let is_held = self.chain.position(term).is_some() && self.chain.holds(term, newest.settled.cut());
        if is_held {
            Ok(())
        } else {
            Err(RoleError::NotCaughtUp)
        }
    }

    /// Whether `me` is the owner, and holds all that it has to hold to say so.
    pub(crate) fn may_sign_charters(&self, me: DeviceId) -> bool {
        self.check_owner(me).is_ok()
    }

    /// What a charter of now settles: what is durable, and never less than what is settled.
    fn settled_now(&self) -> Point {
        let before = self.chain.charter().settled;
        let Position { term, len, head } = self.durable;
        if self.is_before(self.durable, Position::new(before.term, before.cut())) {
            return before;
        }
        Point { term, len, head }
    }

    fn next_charter(&self, members: Vec<Member>, settled: Point) -> Charter {
        let newest = self.chain.charter();
        Charter {
            deck: self.deck,
            generation: newest.generation,
            count: newest.count.saturating_add(1),
            owner: newest.owner,
            signer: newest.owner,
            members,
            key_epoch: newest.key_epoch,
            settled,
        }
    }

    fn keep_own_charter(&mut self, charter: Verified<Charter>, batch: &mut Batch) -> Result<(), RoleError> {
        let (id, members, epoch) = (charter.record_id(), charter.members.clone(), charter.key_epoch);
        self.add_charter(charter, batch)?;
        (self.own_charter, self.own_members) = (Some(id), Some(members));
        self.own_epoch = epoch;
        Ok(())
    }

    /// Adds a term of this device, with a charter that settles it. Nothing is added, unless it counts then.
    fn move_role(
        &mut self,
        term: Verified<Term>,
        charter: Option<Verified<Charter>>,
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        let (id, holder) = (term.id(), term.holder);
        let mut tried = self.chain.clone();
        tried.add_term(term.clone())?;
        if let Some(charter) = charter.clone() {
            tried.add_charter(charter)?;
        }
        let now = tried.canonical();
        if now.tip != id || now.editor != holder {
            return Err(RoleError::NotCaughtUp);
        }
        self.add_term(term, batch)?;
        self.news.retain(|news| *news != id);
        if let Some(charter) = charter {
            self.keep_own_charter(charter, batch)?;
        }
        Ok(id)
    }
}
