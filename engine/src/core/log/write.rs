//! What this device adds to a deck: edits in a term that this run opened, the role for another, the owner's word.

use super::{EditError, Log, RoleError};

use cuecard_store::Batch;
use cuecard_transport::DeviceKey;

use crate::disk::{self, LogRecord};
use crate::document::{DeckChange, Edit, NewChange};
use crate::id::{ChangeHash, DeviceId, TermId};
use crate::op::OpError;
use crate::role::{self, Cause, Charter, Cut, Malformed, Member, Point, Rights, Seal, Term, Verified};
use crate::sync::message::Position;
use crate::time::Time;

impl Log {
    /// An edit by this device, sealed and put into the batch.
    pub(crate) fn edit<T>(
        &mut self,
        key: &DeviceKey,
        now: Time,
        nonce: [u8; 16],
        random: &mut dyn FnMut() -> [u8; 10],
        batch: &mut Batch,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<(T, Vec<DeckChange>), EditError> {
        let opening = self.opening(key, nonce)?;
        let term = opening
            .as_ref()
            .map_or(self.chain.canonical().tip, Verified::<Term>::id);
        let actor = role::actor_of_term(term);
        let previous = self.head();
        let committed = self.document.commit(&actor, now.as_millis(), random, edit)?;
        if let Some(change) = committed.change
            && let Err(error) = self.append_own(key, opening, term, change, batch)
        {
            self.roll_back(previous);
            return Err(error);
        }
        Ok((committed.value, committed.events))
    }

    /// The term that this run has to open before it may append, if any. See the design of the role: a running
    /// process appends only to a term that it opened itself, so that no crash and no restored copy can ever use
    /// the same place twice.
    pub(crate) fn opening(
        &self,
        key: &DeviceKey,
        nonce: [u8; 16],
    ) -> Result<Option<Verified<Term>>, EditError> {
        self.check_whole().map_err(EditError::Broken)?;
        let canonical = self.chain.canonical();
        if canonical.editor != Some(key.id()) {
            return Err(EditError::NotEditor {
                holder: canonical.editor,
            });
        }
        if self.opened.contains(&canonical.tip) {
            return Ok(None);
        }
        Ok(Some(self.next_term(key, nonce, key.id())?))
    }

    fn next_term(
        &self,
        key: &DeviceKey,
        nonce: [u8; 16],
        holder: DeviceId,
    ) -> Result<Verified<Term>, Malformed> {
        let canonical = self.chain.canonical();
        let (parent, cut) = (
            canonical.tip,
            Cut {
                len: canonical.len,
                head: canonical.head,
            },
        );
        let (cause, holder, signer) = (Cause::Handover, Some(holder), key.id());
        Term {
            deck: self.deck,
            parent,
            cause,
            cut,
            holder,
            nonce,
            signer,
        }
        .sign(key)
    }

    /// Takes a change out of the document again: an edit that fails leaves no trace.
    pub(crate) fn roll_back(&mut self, to: ChangeHash) {
        match self.document.fork_at(to) {
            Ok(document) => self.document = document,
            Err(error) => self.broken = Some(error.to_string()),
        }
    }

    /// Keeps, seals and counts a change that the document already holds. It fails where a limit is met, and then
    /// nothing was kept: a term that was just opened has room.
    pub(crate) fn append_own(
        &mut self,
        key: &DeviceKey,
        opening: Option<Verified<Term>>,
        term: TermId,
        change: NewChange,
        batch: &mut Batch,
    ) -> Result<(), EditError> {
        if let Some(opening) = opening {
            self.opened.insert(term);
            self.add_term(opening, batch)?;
        }
        let end = self.chain.line(term).map(|line| line.end());
        let end = end.ok_or(role::Refusal::UnknownTerm(term))?;
        let (len, head) = (end.len + 1, change.hash);
        let position = Position::new(term, Cut { len, head });
        let seal = Seal { term, len, head }.sign(self.deck, key)?;
        let record = LogRecord {
            change: change.bytes.into(),
            seal: Some(seal.encode().into()),
        };
        self.chain.hold(term, end, &[head])?;
        self.chain.add_seal(seal)?;
        disk::append_change(batch, self.deck, term, len, &record);
        self.note_appended(term, len, &record);
        self.set_inside(position);
        Ok(())
    }

    /// Gives the role to `to`.
    pub(crate) fn hand_over(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        to: DeviceId,
        batch: &mut Batch,
    ) -> Result<TermId, RoleError> {
        self.check_whole().map_err(RoleError::Broken)?;
        if self.chain.canonical().editor != Some(key.id()) {
            return Err(RoleError::NotEditor);
        }
        if self.chain.rights(to) != Some(Rights::Hold) {
            return Err(RoleError::MayNotHold(to));
        }
        let term = self.next_term(key, nonce, to)?;
        let id = term.id();
        let head = self.head();
        self.add_term(term, batch)?;
        self.set_inside(Position::new(id, Cut { len: 0, head }));
        Ok(id)
    }

    /// The owner's word on members. What is durable here becomes settled.
    pub(crate) fn set_members(
        &mut self,
        key: &DeviceKey,
        members: Vec<Member>,
        batch: &mut Batch,
    ) -> Result<(), RoleError> {
        self.check_whole().map_err(RoleError::Broken)?;
        let newest = self.chain.charter();
        if newest.owner != key.id() {
            return Err(RoleError::NotOwner);
        }
        // Taking the role from its holder is a claim, and there are none yet: the deck would be without an editor.
        let keeps_hold = |editor: DeviceId| {
            let member = members.iter().find(|member| member.device == editor);
            editor == newest.owner || member.is_some_and(|member| member.rights == Rights::Hold)
        };
        if let Some(editor) = self
            .chain
            .canonical()
            .editor
            .filter(|&editor| !keeps_hold(editor))
        {
            return Err(RoleError::EditorNeedsHold(editor));
        }
        let Position { term, len, head } = self.durable;
        let charter = Charter {
            deck: self.deck,
            generation: newest.generation,
            count: newest.count + 1,
            owner: key.id(),
            signer: key.id(),
            members,
            key_epoch: newest.key_epoch,
            settled: Point { term, len, head },
        };
        self.add_charter(charter.sign(key)?, batch)?;
        Ok(())
    }
}
