//! The limits of decks, messages and links, each with its reason, and the test that meets it. How much is under way at a
//! time is beside the code that decides it.
//!
//! The transport has [limits of its own](crate::transport::limits), and so has [the store](crate::store::limits).

/// A control message, inflated. A slice of ordinary changes is far below; this bounds the hostile.
///
/// Test: `engine/src/sync/envelope.rs::a_bomb_is_refused_before_it_is_inflated`.
pub const MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// One change. Typing is batched, so only a large paste comes near; it bounds what one check may cost.
///
/// Test: `engine/src/gate/tests/form.rs::too_many_bytes`.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;
/// Operations in one change: a run of equal operations compresses to nothing, so bytes alone do not bound it.
///
/// Test: `engine/src/gate/tests/form.rs::a_run_of_operations_that_would_never_end`.
pub const CHANGE_OPS_MAX: usize = 10_000;
/// Changes in one slice of a catch-up: as many as are checked and taken in within some hundred milliseconds. Automerge takes
/// a large batch in several times faster than the same changes in many small ones (29 and 125 µs a change, ten thousand
/// and two hundred at a time), so slices are as long as what waits behind one may wait.
///
/// Test: `engine/src/sync/lists.rs::as_many_as_a_list_may_have_are_read_and_one_more_is_refused`.
pub const SLICE_CHANGES_MAX: usize = 8_192;
/// Bytes of changes in one slice: half a message, so that records and seals fit beside them.
///
/// Test: `engine/src/gate/tests/sizes.rs::too_many_bytes_of_changes_at_a_time`.
pub const SLICE_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;
/// Bytes that are read of a log at a time: the changes of a slice as they lie there, each in a record. With less, a slice as
/// long as it may be would be read without its seal, and could not be sent on.
///
/// Test: `tests/tests/hostile_devices/slices.rs::one_as_long_as_it_may_be_can_be_sent_on`.
pub const LOG_READ_BYTES_MAX: usize = SLICE_BYTES_MAX + 16 * SLICE_CHANGES_MAX;
/// Slices on their way to one device before it acknowledges: enough to fill a long path, bounded in memory.
///
/// Test: `engine/src/sync/session.rs::so_many_slices_and_bytes_are_on_their_way_and_no_more_until_one_is_acknowledged`.
pub const SLICES_UNACKED_MAX: usize = 16;
/// Bytes of slices that came by one link and wait to be taken in with those behind them, or are being checked, and of what
/// waits behind them: as much as an honest device sends ahead, and a batch. What is beyond is asked for again.
///
/// Test: `tests/tests/hostile_devices/held.rs::so_much_is_held_and_no_more`.
pub const HELD_BYTES_MAX: usize = UNACKED_BYTES_MAX + SLICE_BYTES_MAX;
/// The same of all links together. Those that take all that they may leave room for others: beyond this, each link still has
/// room for a batch of its own, or for one message.
///
/// Test: `tests/tests/hostile_devices/together.rs::so_much_is_held_of_all_links_together_and_each_has_room_of_its_own`.
pub const HELD_BYTES_ALL_MAX: usize = 4 * HELD_BYTES_MAX;
/// Changes in a batch that is checked outside of the core: below, making a copy of the document would not be worth it.
///
/// Test: `tests/tests/held.rs::from_so_many_changes_on_a_batch_is_checked_outside`.
pub const CHECKED_OUTSIDE_MIN: usize = 512;
/// Operations of what is held from which on it is checked outside, however few changes it is: more than one change may have, which is
/// put in at once.
///
/// Test: `tests/tests/held.rs::from_so_many_operations_on_a_batch_is_checked_outside`.
pub const CHECKED_OUTSIDE_OPS_MIN: u64 = 2 * CHANGE_OPS_MAX as u64;
/// Messages that wait behind what is held of one deck: a few of each kind.
///
/// Test: `tests/tests/hostile_devices/held.rs::what_waits_behind_a_batch_has_an_end`.
pub const BEHIND_MAX: usize = 32;
/// How long they wait at the most: on a slow path people see a deck grow four times a second.
///
/// Test: `tests/tests/hostile_devices/held.rs::what_does_not_come_is_not_waited_for`.
pub const HELD_AT_MOST: std::time::Duration = std::time::Duration::from_millis(250);
/// Positions in a locator: ten, then doubling distances over at most [`DECK_TERMS_MAX`] terms, is below thirty. Each
/// is looked for along the whole path, and a repeated one compresses to nothing.
///
/// Test: `engine/src/sync/lists.rs::as_many_as_a_list_may_have_are_read_and_one_more_is_refused`.
pub const LOCATOR_POSITIONS_MAX: usize = 64;
/// Things held beside the canonical path that one message lists, at 80 bytes each. One that holds more, of many members that
/// all burden it with what they may, lists the first of them, and is sent a few things that it holds.
///
/// Test: `engine/src/sync/lists.rs::as_many_as_a_list_may_have_are_read_and_one_more_is_refused`.
pub const HOLDINGS_MAX: usize = 32_768;
/// Terms signed by one member that are not on the canonical path, or by all together who are no members. An honest one
/// leaves one behind when a backup is restored or a partition ends; a cheat signs them by the thousand.
///
/// Test: `tests/tests/hostile_devices/cheats.rs::a_flood_of_handovers_is_refused_by_name`.
pub const TERMS_ASIDE_PER_MEMBER_MAX: usize = 256;
/// Seals of one member over changes that are not held, or of all together who are no members: each tells of a line that is to
/// be had somewhere. An honest device is told of a few.
///
/// Test: `tests/tests/hostile_devices/spending.rs::a_flood_of_seals_over_nothing_is_refused_by_name_and_costs_others_little`.
pub const SEALS_ASIDE_PER_MEMBER_MAX: usize = 256;
/// Changes of one member that are not part of the deck, or of all together who are no members: what its drafts may come
/// to. What an editor accepts no longer counts.
///
/// Test: `tests/tests/hostile_devices/limits.rs::what_a_member_leaves_beside_the_deck_has_an_end_and_travels_in_rounds`.
pub const CHANGES_ASIDE_PER_MEMBER_MAX: usize = DRAFTS_PER_MEMBER_MAX * 1_000;
/// Bytes of those changes.
///
/// Test: `tests/tests/hostile_devices/limits.rs::what_a_member_leaves_beside_the_deck_has_an_end_and_travels_in_rounds`.
pub const BYTES_ASIDE_PER_MEMBER_MAX: usize = DRAFTS_PER_MEMBER_MAX * DRAFT_BYTES_MAX;
/// Bytes of records and branches that are sent before the other side says anew what it holds: they are not
/// acknowledged one by one, and a queue has an end.
///
/// Test: `tests/tests/hostile_devices/limits.rs::what_a_member_leaves_beside_the_deck_has_an_end_and_travels_in_rounds`.
pub const BRANCHES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Parts in one message: two hundred records, the drafts that a slice accepts, genesis and charters. An empty part is four
/// bytes on the wire and a hundred in memory.
///
/// Test: `engine/src/sync/lists.rs::as_many_as_a_list_may_have_are_read_and_one_more_is_refused`.
pub const ITEMS_PER_MESSAGE_MAX: usize = 408;
/// Bytes of slices on their way to one device before it acknowledges.
///
/// Test: `engine/src/sync/session.rs::so_many_slices_and_bytes_are_on_their_way_and_no_more_until_one_is_acknowledged`.
pub const UNACKED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Changes in a deck, over all its terms, and in what any record says. What a draft or late work brought in counts as one: its
/// acceptance.
///
/// Test: `engine/src/deck/full.rs::a_deck_that_has_all_its_changes_is_read_and_still_reaches_others`.
pub const DECK_CHANGES_MAX: u64 = 1_000_000;
/// Cards in a deck, tombstones included.
///
/// Test: `engine/src/gate/tests/sizes.rs::a_card_too_many`.
pub const DECK_CARDS_MAX: usize = 100_000;
/// One text field. Automerge keeps some 30 bytes a character in memory.
///
/// Test: `engine/src/document/tests.rs::a_text_has_at_most_so_many_bytes`.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Further texts that one card ever had: a form has some ten, and each is looked at whenever the card is read. One that
/// was emptied again stays in the document.
///
/// Test: `engine/src/gate/tests/texts.rs::a_card_has_only_so_many`.
pub const CARD_TEXTS_MAX: usize = 64;
/// One piece of audio.
///
/// Test: `engine/src/blob/pulling/tests.rs::what_the_store_holds_is_not_asked_for_and_what_is_too_long_never_is`.
pub const BLOB_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Open drafts of one member: a member can burden the others only so far.
///
/// Test: `tests/tests/hostile_devices/drafts.rs::a_flood_of_drafts_is_refused_by_name`.
pub const DRAFTS_PER_MEMBER_MAX: usize = 8;
/// Drafts of one member that were declined or withdrawn, kept by others so that an editor can look at them again: a few,
/// as each may have a mebibyte. All stay with their author.
///
/// Test: `tests/tests/drafts/quotas.rs::of_what_is_over_others_keep_the_latest_four_of_an_author`.
pub const DRAFTS_CLOSED_PER_MEMBER_MAX: usize = 4;
/// Withdrawals of one member: they keep what was taken back from coming back by a third device. Each is 150 bytes.
///
/// Test: `tests/tests/hostile_devices/drafts.rs::a_flood_of_withdrawals_pushes_out_its_authors_own_and_nothing_else`.
pub const WITHDRAWALS_PER_MEMBER_MAX: usize = 32;
/// Declines kept of one draft, on all branches: an editor can say so once for each time that it was proposed.
///
/// Test: `engine/src/core/drafts/standing.rs::of_the_declines_of_a_draft_the_latest_are_kept`.
pub const DECLINES_PER_DRAFT_MAX: usize = 16;
/// Marks of drafts in one message, and kept of one device: open and closed drafts and withdrawals of all members are below.
///
/// Test: `engine/src/sync/lists.rs::as_many_as_a_list_may_have_are_read_and_one_more_is_refused`.
pub const DRAFT_MARKS_MAX: usize = 4_096;
/// Bytes of drafts on their way to one device before it answers: several, bounded in memory.
///
/// Test: `tests/tests/hostile_devices/limits.rs::so_many_bytes_of_drafts_are_offered_before_the_other_answers`.
pub const DRAFT_OFFERS_BYTES_MAX: usize = 4 * DRAFT_BYTES_MAX;
/// Drafts that a device offered and that were not kept, to be asked for again when there is room.
///
/// Test: `tests/tests/hostile_devices/limits.rs::of_what_found_no_room_so_many_are_asked_for_again`.
pub const DRAFTS_REFUSED_KEPT_MAX: usize = 64;
/// Changes in one draft.
///
/// Test: `tests/tests/drafts/quotas.rs::a_draft_has_at_most_a_thousand_changes`.
pub const DRAFT_CHANGES_MAX: u64 = 1_000;
/// Bytes of one draft's changes.
///
/// Test: `tests/tests/hostile_devices/drafts.rs::a_draft_beyond_its_quota_ends_the_link`.
pub const DRAFT_BYTES_MAX: usize = 1024 * 1024;
/// Terms in a deck: fork choice looks at all of them.
///
/// Test: `engine/src/role/chain.rs::a_deck_has_at_most_so_many_terms`.
pub const DECK_TERMS_MAX: usize = 100_000;
/// Members of a deck: the charter is one record.
///
/// Test: `tests/tests/members/floods.rs::a_flood_of_knocks_with_a_leaked_invite_ends_at_the_limit_on_members`.
pub const MEMBERS_MAX: usize = 64;
/// Charters kept at once: transfers, and those whose settled term is not held yet. Owners sign few; this bounds a
/// hostile one.
///
/// Test: `engine/src/role/tests/owner.rs::a_flood_of_charters_ends_at_the_limit`.
pub const CHARTERS_MAX: usize = 4_096;
/// Transfers that one owner signed of its time: an honest one signs one, and two copies of it perhaps one each; a cheat that
/// gave the deck away goes on to sign others, and all are kept as proof.
///
/// Test: `engine/src/role/tests/owner.rs::transfers_without_end_by_one_who_gave_the_deck_away_leave_room_for_its_owner`.
pub const TRANSFERS_OF_ONE_OWNER_MAX: usize = 16;
/// Charters kept that are older than the newest and by others than the deck's owner, those apart that made it the owner.
///
/// Test: `engine/src/role/tests/owner.rs::owners_that_nobody_follows_do_not_fill_the_deck`.
pub const CHARTERS_OF_FORMER_OWNERS_MAX: usize = 64;
/// Names kept of devices that are no members, wrote nothing that is here, and are not linked: of who was just let in, say.
///
/// Test: `tests/tests/hostile_devices/spending.rs::names_of_made_up_devices_are_not_kept_without_end`.
pub const NAMES_OF_OTHERS_MAX: usize = MEMBERS_MAX;
/// Keys of a deck kept at once. A member that was away for more removals than that needs a new invite; each greeting is
/// compared with all of them.
///
/// Test: `engine/src/core/keyring.rs::only_so_many_old_keys_are_kept`.
pub const DECK_KEYS_KEPT_MAX: usize = 16;
/// Admissions kept of one member that may hold the role: enough to fill the deck, and a few who were given more rights.
///
/// Test: `engine/src/role/tests/members.rs::a_flood_of_admissions_ends_at_the_quota_and_at_the_seats`.
pub const ADMISSIONS_PER_MEMBER_MAX: usize = 2 * MEMBERS_MAX;
/// Bytes queued for one link. One that asks and never reads is closed at this; an honest one that is far behind in many
/// large decks at once may be, too, and goes on from where it stands when it is linked again.
///
/// Test: `tests/tests/two_engines.rs::a_device_that_asks_and_never_takes_is_let_go`.
pub const LINK_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Decks spoken of on one link.
///
/// Test: `tests/tests/hostile_devices/limits.rs::a_greeting_beyond_the_limits_is_refused`.
pub const DECKS_PER_LINK_MAX: usize = 64;
/// Bytes of a status that a greeting says early, sealed and inflated: several times what the longest locator takes.
///
/// Test: `engine/src/sync/early.rs::no_more_of_one_is_opened_than_a_status_has`.
pub const EARLY_STATUS_BYTES_MAX: usize = 16 * 1024;
/// How often each side of a link hears of the other where nothing is to follow from silence: what links are set up with.
///
/// Test: `tests/tests/as_an_app_sees_it/asleep.rs::where_others_take_over_soon_silence_is_noticed_soon`.
pub const LINK_HEARTBEAT: std::time::Duration = std::time::Duration::from_millis(7_500);
/// Links of one engine.
///
/// Test: `tests/tests/hostile_devices/limits.rs::a_link_too_many_is_closed_and_the_others_stay`.
pub const LINKS_MAX: usize = 64;
/// Blobs asked for at one time.
///
/// Test: `engine/src/blob/pulling/tests.rs::a_thousand_blobs_that_nobody_has_do_not_stand_in_the_way_of_one_that_somebody_has`.
pub const BLOB_WANTS_MAX: usize = 1_024;
/// Bytes of audio being encoded for one link: what an honest device asks for ahead, twice, as it asks again for what it
/// believes lost.
///
/// Test: `tests/tests/audio/hostile.rs::a_flood_of_pulls_is_served_within_bounds`.
pub const SERVING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Blobs that a link asked for while they were not here, to be told of: as many as it may ask for at one time, a few times
/// over. Who asks for more is not told, and asks again.
///
/// Test: none; it bounds memory alone, and shows nowhere.
pub const ASKS_KEPT_MAX: usize = 4 * BLOB_WANTS_MAX;
/// Edits of this device, in each deck, whose undoing finds its audio: ten times what people take back. What they replaced
/// longer ago may be collected.
///
/// Test: `tests/tests/audio/collect.rs::after_a_hundred_edits_it_goes_at_its_author_too`.
pub const UNDO_KEEPS_AUDIO_OF: usize = 100;
/// Titles, file names, MIME types, slots, tags, field names: shown in lists, so short.
///
/// Test: `engine/src/document/tests.rs::what_another_device_would_refuse_is_refused_here`.
pub const NAME_BYTES_MAX: usize = 256;
/// A note on a draft.
///
/// Test: `engine/src/role/tests/encoding.rs::what_others_would_not_read_is_not_signed`.
pub const NOTE_BYTES_MAX: usize = 1024;
/// The message of a change: a batch of a thousand ops names each in some fifty bytes.
///
/// Test: `engine/src/gate/tests/form.rs::messages_that_are_none`.
pub const CHANGE_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// A text in a free field: one value, replaced as a whole, so not a place for prose.
///
/// Test: `engine/src/card.rs::a_text_in_a_field_has_at_most_so_many_bytes`.
pub const FIELD_BYTES_MAX: usize = 4 * 1024;
/// A position. Cards behind are moved up long before, so only a hostile device comes near.
///
/// Test: `engine/src/gate/tests/sizes.rs::a_position_that_is_too_long`.
pub const POSITION_BYTES_MAX: usize = 1024;
/// A position longer than this has the cards behind it moved up: always inserting at one place adds a character in
/// five inserts, and each card's position is read to order the deck.
///
/// Test: `engine/src/document/tests.rs::positions_stay_short_wherever_cards_are_put_and_each_stands_where_it_was_put`.
pub const POSITION_BYTES_CROWDED: usize = 128;
/// Cards moved up to make room for one: their notes take half of a change's message at most.
///
/// Test: `engine/src/gate/tests/sizes.rs::cards_that_stand_too_close_are_moved_up_and_only_so_many_for_one`.
pub const CARDS_MOVED_UP_MAX: usize = 512;
/// Operations in a deck, over all changes. Automerge numbers them in 32 bits and panics beyond.
///
/// Test: `engine/src/document/tests.rs::a_deck_has_at_most_so_many_operations`.
pub const DECK_OPS_MAX: u64 = 1 << 31;
/// References from one change's operations to what they replace: one for most, more where concurrent values are settled.
///
/// Test: `engine/src/gate/tests/form.rs::references_without_number`.
pub const REFERENCES_MAX: u64 = 2 * CHANGE_OPS_MAX as u64;
/// A word about the role: its longest part is a note.
///
/// Test: `tests/tests/hostile_devices/words.rs::a_word_beyond_the_limits_is_refused_before_it_is_read`.
pub const WORD_BYTES_MAX: usize = NOTE_BYTES_MAX + 512;
/// Words of one device a second, at the most: ten editors' signs at the shortest interval, with their answers.
///
/// Test: `tests/tests/hostile_devices/words.rs::who_never_stops_talking_is_thrown_out`.
pub const WORDS_PER_SECOND_MAX: u32 = 64;
/// Words that are remembered, so that each is passed on once: those of every member in the time that one takes to go
/// around.
///
/// Test: `engine/src/core/words.rs::so_many_words_are_remembered_and_the_oldest_is_forgotten_first`.
pub const WORDS_RECENT_MAX: usize = 4_096;
/// A device asks for the role no more often than this.
///
/// Test: `tests/tests/partition_stories/requests.rs::a_device_asks_at_most_every_five_seconds_and_only_if_it_may_hold_the_role`.
pub const ROLE_REQUESTS_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
/// How long what is typed after a change waits to join the next one: a frame of a screen, so nobody sees it.
///
/// Test: `engine/src/core/typing/tests.rs::the_first_leaves_at_once_and_those_of_its_window_together_when_it_is_over`.
pub const TYPING_WINDOW: std::time::Duration = std::time::Duration::from_millis(16);
/// After a device slept, how long it waits for somebody to say who has the role, before it signs anything of its own accord:
/// links come back within half a second where there is a way.
///
/// Test: `tests/tests/as_an_app_sees_it/asleep.rs::who_wakes_up_alone_waits_no_longer_than_it_must`.
pub const RESUMED_ALONE: std::time::Duration = std::time::Duration::from_secs(2);
/// How long a device that goes to sleep takes for what is under way: phones give a moment, no more.
///
/// Test: `tests/tests/as_an_app_sees_it/suspended.rs::a_link_that_takes_nothing_is_closed_all_the_same`.
pub const SUSPEND_WITHIN: std::time::Duration = std::time::Duration::from_millis(500);
/// Own changes kept at hand until they are durable, so that they can leave before: what a busy program writes in a second.
/// More than that is sent from the disk.
///
/// Test: none; it bounds memory alone, and shows nowhere.
pub const FRESH_CHANGES_MAX: usize = 3_200;
/// Typed ops that wait for one window: nobody types that fast, and a program that does gets one change for so many.
///
/// Test: `engine/src/core/typing/tests.rs::what_waits_is_bounded`.
pub const TYPED_WAITING_MAX: usize = 1_000;
/// What a member shows of itself: a name, the name of a text, and fixed fields.
///
/// Test: `tests/tests/hostile_devices/presence.rs::beyond_the_limits_is_refused`.
pub const PRESENCE_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 256;
/// Presence leaves no more often than this, the latest first: a hand on a mouse is not seen to move more smoothly.
///
/// Test: `tests/tests/live/presence.rs::a_hand_that_moves_leaves_ten_times_a_second_and_the_last_is_seen`.
pub const PRESENCE_EVERY: std::time::Duration = std::time::Duration::from_millis(100);
/// What one member shows in a second, as it arrives: ten, and as many again where a path that had stalled lets all go at
/// once. More is neither shown nor passed on.
///
/// Test: `tests/tests/hostile_devices/presence.rs::who_never_stops_showing_itself_is_thrown_out`.
pub const PRESENCES_PER_SECOND_MAX: u32 = 20;
/// Presences that a device lets through without showing them, in a second, before the link to who floods is closed.
///
/// Test: `tests/tests/hostile_devices/presence.rs::who_never_stops_showing_itself_is_thrown_out`.
pub const PRESENCES_PER_SECOND_FLOOD: u32 = 200;
/// Presences kept of one deck: of all members, and of those who are linked and are none yet.
///
/// Test: none; members and links together come to no more, which the compiler checks below.
pub const PRESENCES_MAX: usize = 2 * MEMBERS_MAX;
const _: () = assert!(PRESENCES_MAX >= MEMBERS_MAX + LINKS_MAX);
/// Devices in one question whether they are still there.
///
/// Test: `engine/src/sync/lists.rs::as_many_as_a_list_may_have_are_read_and_one_more_is_refused`.
pub const DOUBTED_MAX: usize = PRESENCES_MAX;
/// Such questions by one link in a second: one when a route is lost, and one for each other that is, at about the same time.
///
/// Test: `tests/tests/hostile_devices/presence.rs::who_never_stops_asking_is_thrown_out`.
pub const DOUBTS_PER_SECOND_MAX: u32 = 64;
/// What is played: ids, the name of a slot, and fixed fields.
///
/// Test: `tests/tests/hostile_devices/playback.rs::beyond_the_limits_is_refused`.
pub const PLAYBACK_BYTES_MAX: usize = NAME_BYTES_MAX + 512;
/// Playback leaves no more often than this: who drags a slider hears where it was let go.
///
/// Test: `tests/tests/live/playback.rs::a_slider_that_is_dragged_leaves_ten_times_a_second`.
pub const PLAYBACK_EVERY: std::time::Duration = std::time::Duration::from_millis(100);
/// What is played, by one link in a second, as it arrives: see [`PRESENCES_PER_SECOND_MAX`]. More is not looked at.
///
/// Test: `tests/tests/hostile_devices/playback.rs::who_never_stops_playing_is_thrown_out`.
pub const PLAYBACKS_PER_SECOND_MAX: u32 = 40;
/// And before the link is closed.
///
/// Test: `tests/tests/hostile_devices/playback.rs::who_never_stops_playing_is_thrown_out`.
pub const PLAYBACKS_PER_SECOND_FLOOD: u32 = 400;
/// The longest time between a person's hand and what is heard: longer feels broken.
///
/// Test: `tests/tests/live/playback.rs::a_lead_is_at_most_two_seconds_and_what_is_not_there_is_not_played`.
pub const PLAYBACK_LEAD_MAX: std::time::Duration = std::time::Duration::from_secs(2);
/// Pings by one link in a second: four, and all that a path that had stalled lets go at once.
///
/// Test: `tests/tests/hostile_devices/presence.rs::who_never_stops_asking_is_thrown_out`.
pub const PINGS_PER_SECOND_MAX: u32 = 64;
