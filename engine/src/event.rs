//! What the app is told.

use std::time::Duration;

use crate::blob::progress::BlobProgress;
use crate::core::{LateWhy, PlaybackRefusal, TurnWhy};
use crate::document::DeckChange;
use crate::id::{BlobId, DeckId, DeviceId, DraftId, TermId};
use crate::role::{LateWork, Rights};
use crate::sync::message::DraftRefusal;

/// Something that happened, here or elsewhere.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A device is linked. [`Event::Unlinked`] follows when it no longer is, and not before.
    Linked {
        /// Which device.
        device: DeviceId,
    },
    /// A device is no longer linked.
    Unlinked {
        /// Which device.
        device: DeviceId,
        /// Why.
        reason: String,
    },
    /// A deck is on this device that was not: it was created, joined or taken in from a file. Of one that was joined nothing
    /// has arrived yet.
    DeckAdded {
        /// Which deck.
        deck: DeckId,
    },
    /// A deck is no longer on this device: [`crate::Engine::remove_deck`] was called. Should the disk fail before it has
    /// taken that, [`Event::WentBack`] says that the deck is here again. (That the owner removed this device from a deck is
    /// [`Event::Removed`].)
    DeckRemoved {
        /// Which deck.
        deck: DeckId,
    },
    /// A deck is exchanged with other devices again, or no longer: [`crate::Deck::follow`] or [`crate::Deck::unfollow`] was
    /// called.
    FollowedChanged {
        /// Which deck.
        deck: DeckId,
        /// Whether it is followed now.
        followed: bool,
    },
    /// A deck was changed: by this device or another one, by a draft that was accepted, or by a reorganisation.
    Changed {
        /// Which deck.
        deck: DeckId,
        /// Counts up with everything that changes a deck here, from when the engine was opened. What came together has
        /// one number. A [`Mirror`](crate::Mirror) leaves out what it holds already.
        revision: u64,
        /// What changed.
        change: DeckChange,
    },
    /// Another device holds the role now, or nobody does.
    RoleMoved {
        /// Which deck.
        deck: DeckId,
        /// Who may edit.
        editor: Option<DeviceId>,
    },
    /// The editor, another device, was not heard of for as long as anything of it would be on its way: it is not linked with this
    /// device, and others pass on no sign of it either. Nothing follows from that but what [`Policies`](crate::Policies) say. Until
    /// [`Event::EditorHeard`] or [`Event::RoleMoved`], [`Deck::sync_state`](crate::Deck::sync_state) says so, too.
    EditorSilent {
        /// Of which deck.
        deck: DeckId,
        /// Which device.
        editor: DeviceId,
    },
    /// An editor that was silent was heard of again.
    EditorHeard {
        /// Of which deck.
        deck: DeckId,
        /// Which device.
        editor: DeviceId,
    },
    /// A device asks for the role, and this one has it.
    RoleRequested {
        /// Which deck.
        deck: DeckId,
        /// Who asks.
        by: DeviceId,
        /// Why.
        note: String,
    },
    /// This device asked for the role, and does not get it.
    RoleDenied {
        /// Which deck.
        deck: DeckId,
        /// Who has the role.
        by: DeviceId,
        /// Why not.
        reason: String,
    },
    /// Another device gave the role to this one.
    RoleGranted {
        /// Which deck.
        deck: DeckId,
        /// Who had it.
        by: DeviceId,
    },
    /// The owner settled what came before, or more of it: only a later word of the owner's undoes that. Whether the role of
    /// now is among it, [`Deck::role`](crate::Deck::role) says.
    Settled {
        /// Of which deck.
        deck: DeckId,
    },
    /// A device that may not hold the role claimed it. That counts for nothing.
    ClaimRefused {
        /// Which deck.
        deck: DeckId,
        /// Who claimed.
        by: DeviceId,
    },
    /// Another process is at work as this very device: it went on from what this one wrote. Nothing is written here until
    /// a person says which is to go on ([`crate::Deck::go_on`]).
    CopyAtWork {
        /// Which deck.
        deck: DeckId,
        /// The term that this process did not open.
        term: TermId,
    },
    /// This device, the owner, met a word of its own about members that it did not know: its disk was restored from a
    /// backup, or a copy of it is at work. What the members are now is worth a look.
    OwnCharterMet {
        /// Which deck.
        deck: DeckId,
    },
    /// Members or rights are others now.
    MembersChanged {
        /// Which deck.
        deck: DeckId,
    },
    /// A device was let in, or given more rights, by a member that may hold the role.
    MemberAdmitted {
        /// To which deck.
        deck: DeckId,
        /// Which device.
        device: DeviceId,
        /// To do what.
        rights: Rights,
        /// By whom.
        by: DeviceId,
    },
    /// A device that came with an invite asks to be admitted, and this device does not do so by itself: see
    /// [`crate::Deck::admit`].
    AdmissionAsked {
        /// To which deck.
        deck: DeckId,
        /// Which device.
        device: DeviceId,
        /// To do what.
        rights: Rights,
    },
    /// The deck's key was turned over, because somebody was removed; this device has the new one. Invites from before
    /// are void.
    KeyTurned {
        /// Which deck.
        deck: DeckId,
    },
    /// The owner removed this device. What was read stays readable here, nothing new comes, and what is edited here
    /// reaches nobody. A new invite leads back in. Said only to a device that is linked when it happens: the others keep
    /// silent to it.
    Removed {
        /// From which deck.
        deck: DeckId,
    },
    /// A reorganisation took changes out of the deck. They are kept, as late work.
    Reorganised {
        /// Which deck.
        deck: DeckId,
        /// How many changes were taken out.
        taken_out: u64,
        /// Why the deck took another way.
        why: TurnWhy,
        /// Where they are now.
        now_in: Vec<LateWork>,
    },
    /// Late work is held here that this device, the editor, does not accept by itself. A line by one that may not be editor is
    /// told of once, however it grows.
    LateWorkWaiting {
        /// Which deck.
        deck: DeckId,
        /// What waits.
        late: LateWork,
        /// What for.
        why: LateWhy,
    },
    /// A device sealed two different lines of one term as its editor: a cheat. The proof is kept and passed on; see
    /// [`crate::Deck::proofs`].
    TwoSeals {
        /// Which deck.
        deck: DeckId,
        /// Of which term.
        term: TermId,
        /// Who.
        device: DeviceId,
    },
    /// A draft was proposed, here or elsewhere, for the first time or anew.
    DraftProposed {
        /// Which deck.
        deck: DeckId,
        /// Which draft.
        draft: DraftId,
        /// Who wrote it.
        author: DeviceId,
    },
    /// Another device holds a draft of ours, durably, and passes it on.
    DraftDelivered {
        /// Which deck.
        deck: DeckId,
        /// Which draft.
        draft: DraftId,
        /// Which device.
        to: DeviceId,
    },
    /// Another device does not keep a draft of ours.
    DraftRefused {
        /// Which deck.
        deck: DeckId,
        /// Which draft.
        draft: DraftId,
        /// Which device.
        by: DeviceId,
        /// Why.
        why: DraftRefusal,
    },
    /// A draft is part of the deck, as far as its author had proposed it.
    DraftAccepted {
        /// Which deck.
        deck: DeckId,
        /// Which draft.
        draft: DraftId,
        /// Who wrote it.
        author: DeviceId,
    },
    /// The editor does not want a draft. It stays with its author.
    DraftDeclined {
        /// Which deck.
        deck: DeckId,
        /// Which draft.
        draft: DraftId,
        /// Who wrote it.
        author: DeviceId,
        /// The editor.
        by: DeviceId,
        /// Why.
        reason: String,
    },
    /// Its author took a draft back.
    DraftWithdrawn {
        /// Which deck.
        deck: DeckId,
        /// Which draft.
        draft: DraftId,
        /// Who wrote it.
        author: DeviceId,
    },
    /// An own draft turned out to have another text elsewhere, proposed before under the same id: this device's disk was
    /// restored from a backup, or copied. That text stands; what only this device had is in a draft of its own.
    DraftWrittenAnew {
        /// Which deck.
        deck: DeckId,
        /// Which draft.
        draft: DraftId,
        /// The new one: not proposed.
        anew: DraftId,
    },
    /// What was said of a draft no longer counts, as a reorganisation took it out of the deck's log: it waits again.
    DraftReopened {
        /// Which deck.
        deck: DeckId,
        /// Which draft.
        draft: DraftId,
        /// Who wrote it.
        author: DeviceId,
    },
    /// A device said which changes it holds durably: they are safe with it. Audio and drafts are not part of that. What
    /// that means, [`Deck::sync_state`](crate::Deck::sync_state) tells in numbers, and
    /// [`Deck::safe_where`](crate::Deck::safe_where) for each change.
    SafeWith {
        /// Which deck.
        deck: DeckId,
        /// Which device.
        device: DeviceId,
        /// Whether that is what shows here, all of it and nothing else.
        in_sync: bool,
    },
    /// A device that is linked exchanges a deck with this one from now on, or no longer: it follows the deck and has its
    /// key, or does not. Which of both, [`Deck::sync_state`](crate::Deck::sync_state) says.
    ReachChanged {
        /// Which deck.
        deck: DeckId,
        /// Which device.
        device: DeviceId,
    },
    /// Devices that are linked have changes of a deck that are not here yet: they are coming. Cards can be read, and other
    /// decks used, meanwhile; audio follows, and is told of by [`Event::Audio`]. Ends with [`Event::SyncComplete`], unless
    /// all those devices are [`Event::Unlinked`] before: it goes on with the next that is linked.
    Syncing {
        /// Which deck.
        deck: DeckId,
        /// How many changes are here, durably.
        have: u64,
        /// How many there are, as the others say.
        total: u64,
    },
    /// Every change that linked devices have of a deck is here, durably. Its audio may still be on its way.
    SyncComplete {
        /// Which deck.
        deck: DeckId,
    },
    /// A linked device and this one had stood at different places of a deck for longer than anything was under way. They
    /// tell each other anew what they hold; [`Event::SafeWith`] follows when they agree.
    Diverged {
        /// Which deck.
        deck: DeckId,
        /// Which device.
        device: DeviceId,
    },
    /// Somebody came, or left, or shows something else of itself: see [`crate::Deck::presence`].
    PresenceChanged {
        /// In which deck.
        deck: DeckId,
        /// Who.
        device: DeviceId,
    },
    /// Something else should be heard from now on, or nothing: see [`crate::Deck::playback`].
    PlaybackChanged {
        /// In which deck.
        deck: DeckId,
    },
    /// What a device plays counts for nothing. One that is late, or that had the role a moment ago, is no offence.
    PlaybackRefused {
        /// In which deck.
        deck: DeckId,
        /// By whom.
        by: DeviceId,
        /// Why.
        reason: PlaybackRefusal,
    },
    /// A snapshot of a deck could not be written. Nothing is lost: its log is whole, and it is tried again later.
    CompactionFailed {
        /// Which deck.
        deck: DeckId,
        /// What the store said.
        why: String,
    },
    /// A deck's document broke while a change was applied. Nothing wrong was kept: open the engine again, and it is
    /// rebuilt from the log.
    DeckBroken {
        /// Which deck.
        deck: DeckId,
        /// What happened.
        why: String,
    },
    /// Part of what is kept of a deck on this device cannot be read any more, so other devices cannot get it from here. What the
    /// deck shows is whole while the engine is open. Copy it to another device by [`crate::Deck::export_to`], or see that one that
    /// has it is linked; then remove the deck here and join it again. Told once.
    DeckDamaged {
        /// Which deck.
        deck: DeckId,
        /// What cannot be read.
        why: String,
    },
    /// Audio came closer: at most four times a second for each piece, and always when it is whole or its source has
    /// stalled.
    Audio(BlobProgress),
    /// Audio cannot be kept, as the disk would not take it. It is tried again in a minute; edits go on.
    AudioFailed {
        /// Which.
        blob: BlobId,
        /// What the store said.
        why: String,
        /// Whether that is for want of room: then somebody has to free some.
        no_room: bool,
    },
    /// A device sent audio that is not what its hash says. It is asked for none for a while, on new links, too. What it
    /// says of decks is checked by itself, and goes on.
    AudioSourceBanned {
        /// Which device.
        device: DeviceId,
        /// What it sent wrong bytes of.
        blob: BlobId,
        /// For how long.
        lasts: Duration,
    },
    /// Audio that nobody needed for the grace period was deleted.
    AudioCollected {
        /// How many pieces.
        deleted: u64,
        /// The bytes they had.
        deleted_bytes: u64,
    },
    /// A device sent something that was refused; its link is closed.
    Refused {
        /// Which device.
        device: DeviceId,
        /// What was wrong.
        why: String,
    },
    /// The disk failed. Nothing is acknowledged any more until the engine is opened again.
    StoreFailed {
        /// What the store said.
        why: String,
    },
    /// The disk failed, and a deck is again what the disk has of it: read it again. What was taken out had not been
    /// acknowledged.
    WentBack {
        /// Which deck.
        deck: DeckId,
    },
    /// This reader was too slow: so many events were dropped for it. Read the deck again.
    Lagged {
        /// How many.
        missed: u64,
    },
}

impl Event {
    /// The deck that it is about, where it is about one.
    #[must_use]
    pub const fn deck(&self) -> Option<DeckId> {
        match self {
            Self::DeckAdded { deck }
            | Self::DeckRemoved { deck }
            | Self::FollowedChanged { deck, .. }
            | Self::Changed { deck, .. }
            | Self::RoleMoved { deck, .. }
            | Self::RoleRequested { deck, .. }
            | Self::RoleDenied { deck, .. }
            | Self::RoleGranted { deck, .. }
            | Self::ClaimRefused { deck, .. }
            | Self::CopyAtWork { deck, .. }
            | Self::OwnCharterMet { deck, .. }
            | Self::WentBack { deck, .. }
            | Self::MembersChanged { deck }
            | Self::MemberAdmitted { deck, .. }
            | Self::AdmissionAsked { deck, .. }
            | Self::KeyTurned { deck }
            | Self::Settled { deck }
            | Self::Removed { deck }
            | Self::Reorganised { deck, .. }
            | Self::LateWorkWaiting { deck, .. }
            | Self::TwoSeals { deck, .. }
            | Self::DraftProposed { deck, .. }
            | Self::DraftDelivered { deck, .. }
            | Self::DraftRefused { deck, .. }
            | Self::DraftAccepted { deck, .. }
            | Self::DraftDeclined { deck, .. }
            | Self::DraftWithdrawn { deck, .. }
            | Self::DraftReopened { deck, .. }
            | Self::DraftWrittenAnew { deck, .. }
            | Self::SafeWith { deck, .. }
            | Self::ReachChanged { deck, .. }
            | Self::EditorSilent { deck, .. }
            | Self::EditorHeard { deck, .. }
            | Self::Syncing { deck, .. }
            | Self::SyncComplete { deck }
            | Self::Diverged { deck, .. }
            | Self::PresenceChanged { deck, .. }
            | Self::PlaybackChanged { deck }
            | Self::PlaybackRefused { deck, .. }
            | Self::CompactionFailed { deck, .. }
            | Self::DeckDamaged { deck, .. }
            | Self::DeckBroken { deck, .. } => Some(*deck),
            Self::Linked { .. }
            | Self::Unlinked { .. }
            | Self::Audio(_)
            | Self::AudioFailed { .. }
            | Self::AudioSourceBanned { .. }
            | Self::AudioCollected { .. }
            | Self::Refused { .. }
            | Self::StoreFailed { .. }
            | Self::Lagged { .. } => None,
        }
    }
}
