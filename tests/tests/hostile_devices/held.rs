//! Slices that are held until those behind them have come: how much, how much behind them, and for how long. Who promises
//! more than comes gains nothing.

use std::time::Duration;

use cuecard::core::CompactWhen;
use cuecard::limits::{
    BEHIND_MAX, CHANGE_OPS_MAX, CHECKED_OUTSIDE_MIN, CHECKED_OUTSIDE_OPS_MIN, HELD_AT_MOST, HELD_BYTES_MAX,
    HOLDINGS_MAX, SLICE_BYTES_MAX,
};
use cuecard::store::Store;
use cuecard::sync::holdings::Holding;
use cuecard::sync::message::{DraftItem, Item, Message};
use cuecard::{Rights, TermId, role};

use super::authority::slice_of;
use super::handed::Handed;
use super::limits::large_and_sealed;
use super::world::*;

#[test]
fn what_does_not_come_is_not_waited_for() {
    let mut handed = Handed::new(183);
    let intruder = handed.promise();
    let slice = handed.slice(1);
    handed.say(intruder, slice);
    handed.world.sim.run_for(HELD_AT_MOST / 2);
    assert_eq!(handed.cards(), 3, "it is held");
    handed.world.sim.run_for(HELD_AT_MOST);
    assert_eq!(handed.cards(), 4, "and no longer than it may be");
}

/// A new link's pulses wake the device, too: a wake-up that was for one of them is not the last one.
#[test]
fn what_is_held_does_not_wait_longer_because_something_else_was_due_before() {
    let mut handed = Handed::new(186);
    let intruder = handed.promise();
    for number in 1..=8 {
        let slice = handed.slice(number);
        handed.say(intruder, slice);
        handed.world.sim.run_for(HELD_AT_MOST - Duration::from_millis(5));
        assert_eq!(handed.cards() as u64, 2 + number, "it is held");
        handed.world.sim.run_for(Duration::from_millis(10));
        assert_eq!(handed.cards() as u64, 3 + number, "and no longer than it may be");
        // Between two pulses.
        handed.world.sim.run_for(Duration::from_millis(30));
    }
}

/// While a batch is checked, more comes: as much as an honest device sends ahead, and no more. Nothing of it is taken in here
/// and now, which would stop everything else.
#[test]
fn so_much_is_held_and_no_more() {
    const MEBIBYTE: usize = 1024 * 1024;
    for what in ["changes", "a long seal", "seals", "drafts", "beside", "words"] {
        let mut handed = Handed::new(186);
        let intruder = handed.promise();
        let count = handed.check(intruder);
        let (laptop, deck) = (handed.world.laptop, handed.world.deck);
        let (term, after) = (handed.term, handed.document.heads()[0]);
        let mut most = 0;
        for _ in 0..HELD_BYTES_MAX / MEBIBYTE + 2 {
            // What it is will be looked at when it is taken in: each has a mebibyte.
            let parts = vec![vec![7_u8; 128 * 1024].into(); 8];
            let changes = |changes, seal: Vec<u8>| Item::Changes {
                term,
                from: count + 1,
                changes,
                seal: seal.into(),
                after,
            };
            let draft = |record| {
                Item::Draft(DraftItem {
                    record,
                    changes: vec![],
                })
            };
            let items: Vec<Item> = match what {
                "changes" => vec![changes(parts, vec![1])],
                "a long seal" => vec![changes(vec![], vec![7; MEBIBYTE])],
                "drafts" => parts.into_iter().map(draft).collect(),
                _ => parts.into_iter().map(Item::Seal).collect(),
            };
            let message = match what {
                "beside" => Message::Branches { deck, items },
                "words" => {
                    let bytes = vec![7; MEBIBYTE].into();
                    Message::Word { deck, bytes }
                }
                _ => Message::Entries { deck, items },
            };
            handed.world.sim.say(intruder, &message);
            assert_eq!(handed.cards(), 3, "{what}: nothing is taken in");
            most = most.max(handed.world.sim.held_bytes(laptop));
        }
        assert!(most <= HELD_BYTES_MAX, "{what}: {most} bytes are held");
        assert!(most > HELD_BYTES_MAX - 2 * MEBIBYTE, "{what}: {most}");
        assert!(handed.world.sim.is_checking(laptop, deck), "{what}");
        handed.world.sim.run_for(2 * HELD_AT_MOST);
        assert_eq!(handed.cards(), 3 + usize::try_from(count).unwrap(), "{what}");
        assert_eq!(handed.world.sim.held_bytes(laptop), 0, "{what}");
        // What is beside the path and is none of it is no offence by itself.
        let is_out = handed.world.sim.is_thrown_out(intruder);
        assert!(is_out || what == "beside", "{what}: for what that was");
    }
}

/// What a batch's own messages list is held with it, wherever it goes.
#[test]
fn what_waits_behind_slices_that_become_a_batch_counts() {
    let mut handed = Handed::new(191);
    let intruder = handed.promise();
    let slice = handed.slice(1);
    handed.say(intruder, slice);
    let (laptop, deck) = (handed.world.laptop, handed.world.deck);
    let held = vec![Holding::Record([7; 32]); HOLDINGS_MAX];
    let bytes = size_of_val(held.as_slice());
    handed.world.sim.say(intruder, &Message::Holdings { deck, held });
    for number in 2..=CHECKED_OUTSIDE_MIN as u64 + 10 {
        let slice = handed.slice(number);
        handed.say(intruder, slice);
    }
    assert!(handed.world.sim.held_bytes(laptop) > bytes);
    let checks = |sim: &cuecard::sim::Sim| sim.is_checking(laptop, deck);
    let begun = handed.world.sim.run_until("it is being checked", SOON, checks);
    begun.unwrap();
    assert!(handed.world.sim.held_bytes(laptop) > bytes);
}

/// Where several times as much is still to come, what is there is begun with: nothing stands idle meanwhile.
#[test]
fn of_a_long_catch_up_the_first_batch_begins_early() {
    const FIRST: u64 = 4_096;
    for (count, times, begins) in [
        (FIRST - 1, 100, false),
        (FIRST, 100, true),
        // With as little still to come, better all at once.
        (FIRST, 3, false),
    ] {
        let mut handed = Handed::new(189);
        let (laptop, deck) = (handed.world.laptop, handed.world.deck);
        let have = handed.world.sim.sync_state(laptop, deck).unwrap().changes;
        let intruder = handed.world.intrude();
        let mut status = handed.promised();
        if let Message::Status { changes, .. } = &mut status {
            *changes = have + count + times * count;
        }
        handed.world.sim.say(intruder, &status);
        let slice = Item::Changes {
            term: handed.term,
            from: 1,
            changes: vec![vec![7_u8; 9].into(); count as usize],
            seal: vec![1].into(),
            after: handed.document.heads()[0],
        };
        handed.say(intruder, slice);
        // It is no change: once it is looked at, it is thrown out.
        let is_out = handed.world.sim.is_thrown_out(intruder);
        assert_eq!(is_out, begins, "{count}, and {times} times as many to come");
        handed.world.sim.run_for(2 * HELD_AT_MOST);
        assert!(handed.world.sim.is_thrown_out(intruder), "and later in any case");
    }
}

#[test]
fn what_waits_behind_a_batch_has_an_end() {
    let mut handed = Handed::new(187);
    let intruder = handed.promise();
    let count = handed.check(intruder);
    let (deck, term) = (handed.world.deck, handed.term);
    let asks = Message::Whence { deck, term };
    handed.world.sim.heard(intruder);
    let answers = |handed: &mut Handed| {
        let heard = handed.world.sim.heard(intruder).into_iter();
        let answers = heard.filter(|message| matches!(message, Message::Lineage { .. }));
        answers.count()
    };
    for number in 0..BEHIND_MAX {
        handed.world.sim.say(intruder, &asks);
        assert_eq!(answers(&mut handed), 0, "number {number} waits");
    }
    handed.world.sim.say(intruder, &asks);
    assert_eq!(answers(&mut handed), 1, "one more does not");
    assert_eq!(handed.cards(), 3, "and nothing is taken in for that");
    handed.world.sim.run_for(2 * HELD_AT_MOST);
    assert_eq!(handed.cards(), 3 + usize::try_from(count).unwrap());
    assert_eq!(answers(&mut handed), BEHIND_MAX);
    assert!(!handed.world.sim.is_thrown_out(intruder));
}

/// Who may read a deck can say all the time that more of it is coming.
#[test]
fn what_never_comes_does_not_keep_a_deck_from_being_compacted() {
    let mut world = World::new(193, Some(Rights::Read));
    let (laptop, deck) = (world.laptop, world.deck);
    let (document, at) = world.document();
    let when = CompactWhen {
        changes: 2,
        ..CompactWhen::default()
    };
    world.sim.compact_when(laptop, when);
    let intruder = world.intrude();
    let status = Message::Status {
        deck,
        charter: Some((0, 0)),
        locator: vec![at],
        beside: NOTHING,
        changes: 1_000_000,
    };
    world.sim.say(intruder, &status);
    let snapshots = |world: &World| world.sim.store(laptop).unwrap().snapshots().list().unwrap().len();
    for number in 0..300 {
        let mut slice = known_slice(&document, at);
        if let Item::Changes { term, .. } = &mut slice {
            *term = TermId::from_bytes([9; 32]);
        }
        let items = vec![slice];
        world.sim.say(intruder, &Message::Entries { deck, items });
        let title = format!("title {number}");
        act(&mut world.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.rename_deck(&title)).unwrap()
        });
        world.sim.run_for(HELD_AT_MOST * 4 / 5);
        assert!(number > 100 || snapshots(&world) == 0, "as if more came");
    }
    assert!(!world.sim.is_thrown_out(intruder));
    assert!(snapshots(&world) > 0);
}

/// What is promised and never comes keeps what did come for a moment, and in bounds.
#[test]
fn so_much_is_one_batch_and_no_more() {
    let mut handed = Handed::new(182);
    let (intruder, mallory) = (handed.promise(), handed.world.mallory.clone());
    let before = handed.world.sim.head(handed.world.laptop, handed.world.deck);
    let mut sent = 0;
    for number in 1.. {
        let place = (handed.term, number);
        let slice = large_and_sealed(&handed.world, &mut handed.document, place, &mallory);
        if let Item::Changes { changes, .. } = &slice {
            sent += changes[0].len();
        }
        handed.say(intruder, slice);
        if handed.world.sim.head(handed.world.laptop, handed.world.deck) != before {
            break;
        }
        assert!(sent <= SLICE_BYTES_MAX, "{sent} bytes are held");
    }
    assert!(sent > SLICE_BYTES_MAX - 300_000, "{sent}");
    assert!(!handed.world.sim.is_thrown_out(intruder));
    handed.world.sim.run_for(2 * HELD_AT_MOST);
    let head = handed.world.sim.head(handed.world.laptop, handed.world.deck);
    assert_eq!(head, Some(handed.document.heads()[0]), "the last of it, too");
}

/// A few bytes may say ten thousand operations. Each of these slices says fewer than are checked outside, and is cut off from the next
/// by a seal that is known.
#[test]
fn what_does_much_in_all_is_checked_outside_however_it_is_cut() {
    const EACH: usize = CHANGE_OPS_MAX * 9 / 10;
    let mut handed = Handed::new(192);
    let (laptop, deck, term) = (handed.world.laptop, handed.world.deck, handed.term);
    let mallory = handed.world.mallory.clone();
    let cut_off = |handed: &mut Handed, number: u8| {
        let after = handed.document.heads()[0];
        let committed = handed.document.commit(
            &role::actor_of_term(term),
            1_750_000_000_000,
            &mut || [number; 10],
            |edit| edit.add_card(&"x".repeat(EACH), ""),
        );
        let place = (term, u64::from(number));
        let slice = slice_of(&handed.world, place, committed.unwrap(), after, &mallory);
        let Item::Changes { seal, .. } = &slice else {
            panic!("a slice")
        };
        let seal = Item::Seal(seal.clone());
        [slice, seal]
    };
    let intruder = handed.promise();
    let mut said = Vec::new();
    // The second time the first three come once more, and are known; the third time there is less.
    for (from, upto, is_outside) in [(0, 3, true), (0, 6, true), (6, 8, false)] {
        for number in said.len() as u8 / 2 + 1..=upto {
            said.extend(cut_off(&mut handed, number));
        }
        let items = said[2 * from..].to_vec();
        handed.world.sim.say(intruder, &Message::Entries { deck, items });
        let checks = |sim: &cuecard::sim::Sim| sim.is_checking(laptop, deck);
        let begun = handed
            .world
            .sim
            .run_until("it is being checked", 2 * HELD_AT_MOST, checks);
        assert_eq!(begun.is_ok(), is_outside, "{upto}");
        handed.world.sim.run_for(SOON);
        assert_eq!(handed.cards(), 3 + usize::from(upto), "all of it is taken in");
        assert!(!handed.world.sim.is_thrown_out(intruder));
    }
    assert!(2 * (EACH as u64) < CHECKED_OUTSIDE_OPS_MIN && CHECKED_OUTSIDE_OPS_MIN < 3 * EACH as u64);
}
