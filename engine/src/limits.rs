//! The limits of decks, messages and links, each with its reason. How much is under way at a time is beside the code
//! that decides it.

/// A control message, inflated. A slice of 200 changes of ordinary size is far below; this bounds the hostile.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// One change. Typing is batched, so only a large paste comes near; it bounds what one check may cost.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;
/// Operations in one change: a run of equal operations compresses to nothing, so bytes alone do not bound it.
pub const CHANGE_OPS_MAX: usize = 10_000;
/// Changes in one slice of a catch-up: keeps one message, and one check, short.
pub const SLICE_CHANGES_MAX: usize = 200;
/// Bytes of changes in one slice: half a message, so that records and seals fit beside them.
pub const SLICE_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;
/// Slices on their way to one device before it acknowledges: enough to fill a long path, bounded in memory.
pub const SLICES_UNACKED_MAX: usize = 16;
/// Positions in a locator: ten, then doubling distances over at most [`DECK_TERMS_MAX`] terms, is below thirty. Each
/// is looked for along the whole path, and a repeated one compresses to nothing.
pub const LOCATOR_POSITIONS_MAX: usize = 64;
/// Things held beside the canonical path that one message lists. What every member may burden the others with, at 80
/// bytes each, is below; one that holds more lists the first of them, and is sent a few things that it holds.
pub const HOLDINGS_MAX: usize = 32_768;
/// Terms signed by one member that are not on the canonical path, or by all together who are no members. An honest one
/// leaves one behind when a backup is restored or a partition ends; a cheat signs them by the thousand.
pub const TERMS_ASIDE_PER_MEMBER_MAX: usize = 256;
/// Changes of one member that are not part of the deck, or of all together who are no members: what its drafts may come
/// to. What an editor accepts no longer counts.
pub const CHANGES_ASIDE_PER_MEMBER_MAX: usize = DRAFTS_PER_MEMBER_MAX * 1_000;
/// Bytes of those changes.
pub const BYTES_ASIDE_PER_MEMBER_MAX: usize = DRAFTS_PER_MEMBER_MAX * DRAFT_BYTES_MAX;
/// Bytes of records and branches that are sent before the other side says anew what it holds: they are not
/// acknowledged one by one, and a queue has an end.
pub const BRANCHES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Parts in one message: a slice of terms or changes, the drafts it accepts, genesis and charter. An empty part is four
/// bytes on the wire and a hundred in memory.
pub const ITEMS_PER_MESSAGE_MAX: usize = 2 * SLICE_CHANGES_MAX + 8;
/// Bytes of slices on their way to one device before it acknowledges.
pub const UNACKED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Changes in a deck.
pub const DECK_CHANGES_MAX: u64 = 1_000_000;
/// Cards in a deck, tombstones included.
pub const DECK_CARDS_MAX: usize = 100_000;
/// One text field. Automerge keeps some 30 bytes a character in memory.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Further texts that one card ever had: a form has some ten, and each is looked at whenever the card is read. One that
/// was emptied again stays in the document.
pub const CARD_TEXTS_MAX: usize = 64;
/// One piece of audio.
pub const BLOB_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Open drafts of one member: a member can burden the others only so far.
pub const DRAFTS_PER_MEMBER_MAX: usize = 8;
/// Drafts of one member that were declined or withdrawn, kept by others so that an editor can look at them again: a few,
/// as each may have a mebibyte. All stay with their author.
pub const DRAFTS_CLOSED_PER_MEMBER_MAX: usize = 4;
/// Withdrawals of one member: they keep what was taken back from coming back by a third device. Each is 150 bytes.
pub const WITHDRAWALS_PER_MEMBER_MAX: usize = 32;
/// Declines kept of one draft, on all branches: an editor can say so once for each time that it was proposed.
pub const DECLINES_PER_DRAFT_MAX: usize = 16;
/// Marks of drafts in one message, and kept of one device: open and closed drafts and withdrawals of all members are below.
pub const DRAFT_MARKS_MAX: usize = 4_096;
/// Bytes of drafts on their way to one device before it answers: several, bounded in memory.
pub const DRAFT_OFFERS_BYTES_MAX: usize = 4 * DRAFT_BYTES_MAX;
/// Drafts that a device offered and that were not kept, to be asked for again when there is room.
pub const DRAFTS_REFUSED_KEPT_MAX: usize = 64;
/// Changes in one draft.
pub const DRAFT_CHANGES_MAX: u64 = 1_000;
/// Bytes of one draft's changes.
pub const DRAFT_BYTES_MAX: usize = 1024 * 1024;
/// Terms in a deck: fork choice looks at all of them.
pub const DECK_TERMS_MAX: usize = 100_000;
/// Members of a deck: the charter is one record.
pub const MEMBERS_MAX: usize = 64;
/// Charters kept at once: transfers, and those whose settled term is not held yet. Owners sign few; this bounds a
/// hostile one.
pub const CHARTERS_MAX: usize = 4_096;
/// Keys of a deck kept at once. A member that was away for more removals than that needs a new invite; each greeting is
/// compared with all of them.
pub const DECK_KEYS_KEPT_MAX: usize = 16;
/// Admissions kept of one member that may hold the role: enough to fill the deck, and a few who were given more rights.
pub const ADMISSIONS_PER_MEMBER_MAX: usize = 2 * MEMBERS_MAX;
/// Bytes queued for one link. One that asks and never reads is closed at this; an honest one that is far behind in many
/// large decks at once may be, too, and goes on from where it stands when it is linked again.
pub const LINK_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Decks spoken of on one link.
pub const DECKS_PER_LINK_MAX: usize = 64;
/// Links of one engine.
pub const LINKS_MAX: usize = 64;
/// Blobs asked for at one time.
pub const BLOB_WANTS_MAX: usize = 1_024;
/// Bytes of audio being encoded for one link: what an honest device asks for ahead, twice, as it asks again for what it
/// believes lost.
pub const SERVING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Blobs that a link asked for while they were not here, to be told of: as many as it may ask for at one time, a few times
/// over. Who asks for more is not told, and asks again.
pub const ASKS_KEPT_MAX: usize = 4 * BLOB_WANTS_MAX;
/// Edits of this device, in each deck, whose undoing finds its audio: ten times what people take back. What they replaced
/// longer ago may be collected.
pub const UNDO_KEEPS_AUDIO_OF: usize = 100;
/// Titles, file names, MIME types, slots, tags, field names: shown in lists, so short.
pub const NAME_BYTES_MAX: usize = 256;
/// A note on a draft.
pub const NOTE_BYTES_MAX: usize = 1024;
/// The message of a change: a batch of a thousand ops names each in some fifty bytes.
pub const CHANGE_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// A text in a free field: one value, replaced as a whole, so not a place for prose.
pub const FIELD_BYTES_MAX: usize = 4 * 1024;
/// A position. Cards behind are moved up long before, so only a hostile device comes near.
pub const POSITION_BYTES_MAX: usize = 1024;
/// A position longer than this has the cards behind it moved up: always inserting at one place adds a character in
/// five inserts, and each card's position is read to order the deck.
pub const POSITION_BYTES_CROWDED: usize = 128;
/// Cards moved up to make room for one: their notes take half of a change's message at most.
pub const CARDS_MOVED_UP_MAX: usize = 512;
/// Operations in a deck, over all changes. Automerge numbers them in 32 bits and panics beyond.
pub const DECK_OPS_MAX: u64 = 1 << 31;
/// References from one change's operations to what they replace: one for most, more where concurrent values are settled.
pub const REFERENCES_MAX: u64 = 2 * CHANGE_OPS_MAX as u64;
/// A word about the role: its longest part is a note.
pub const WORD_BYTES_MAX: usize = NOTE_BYTES_MAX + 512;
/// Words of one device a second, at the most: ten editors' signs at the shortest interval, with their answers.
pub const WORDS_PER_SECOND_MAX: u32 = 64;
/// Words that are remembered, so that each is passed on once: those of every member in the time that one takes to go
/// around.
pub const WORDS_RECENT_MAX: usize = 4_096;
/// A device asks for the role no more often than this.
pub const ROLE_REQUESTS_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
/// How long what is typed after a change waits to join the next one: a frame of a screen, so nobody sees it.
pub const TYPING_WINDOW: std::time::Duration = std::time::Duration::from_millis(16);
/// Typed ops that wait for one window: nobody types that fast, and a program that does gets one change for so many.
pub const TYPED_WAITING_MAX: usize = 1_000;
/// What a member shows of itself: a name, the name of a text, and fixed fields.
pub const PRESENCE_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 256;
/// Presence leaves no more often than this, the latest first: a hand on a mouse is not seen to move more smoothly.
pub const PRESENCE_EVERY: std::time::Duration = std::time::Duration::from_millis(100);
/// What one member shows in a second, as it arrives: ten, and as many again where a path that had stalled lets all go at
/// once. More is neither shown nor passed on.
pub const PRESENCES_PER_SECOND_MAX: u32 = 20;
/// Presences that a device lets through without showing them, in a second, before the link to who floods is closed.
pub const PRESENCES_PER_SECOND_FLOOD: u32 = 200;
/// Presences kept of one deck: of all members, and of those who are linked and are none yet.
pub const PRESENCES_MAX: usize = 2 * MEMBERS_MAX;
/// Devices in one question whether they are still there.
pub const DOUBTED_MAX: usize = PRESENCES_MAX;
/// Such questions by one link in a second: one when a route is lost, and one for each other that is, at about the same time.
pub const DOUBTS_PER_SECOND_MAX: u32 = 64;
/// What is played: ids, the name of a slot, and fixed fields.
pub const PLAYBACK_BYTES_MAX: usize = NAME_BYTES_MAX + 512;
/// Playback leaves no more often than this: who drags a slider hears where it was let go.
pub const PLAYBACK_EVERY: std::time::Duration = std::time::Duration::from_millis(100);
/// What is played, by one link in a second, as it arrives: see [`PRESENCES_PER_SECOND_MAX`]. More is not looked at.
pub const PLAYBACKS_PER_SECOND_MAX: u32 = 40;
/// And before the link is closed.
pub const PLAYBACKS_PER_SECOND_FLOOD: u32 = 400;
/// The longest time between a person's hand and what is heard: longer feels broken.
pub const PLAYBACK_LEAD_MAX: std::time::Duration = std::time::Duration::from_secs(2);
/// Pings by one link in a second: four, and all that a path that had stalled lets go at once.
pub const PINGS_PER_SECOND_MAX: u32 = 64;
