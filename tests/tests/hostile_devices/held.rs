//! Slices that are held until those behind them have come: what is wrong among them is found as if each had come alone,
//! and who promises more than comes gains nothing.

use std::time::Duration;

use cuecard::core::CompactWhen;
use cuecard::document::Document;
use cuecard::limits::{
    BEHIND_MAX, CHECKED_OUTSIDE_MIN, HELD_AT_MOST, HELD_BYTES_MAX, HOLDINGS_MAX, SLICE_BYTES_MAX,
};
use cuecard::role::{Cause, Cut, Says, Seal, Signed, Term, Word};
use cuecard::sim::Intruder;
use cuecard::store::Store;
use cuecard::sync::holdings::Holding;
use cuecard::sync::message::{DraftItem, Item, Message, PROTOCOL_VERSION, Position};
use cuecard::transport::DeviceKey;
use cuecard::{Event, Member, Rights, Role, TermId};

use super::authority::sealed;
use super::limits::large_and_sealed;
use super::world::*;

/// A deck whose editor mallory is.
pub(super) struct Handed {
    pub(super) world: World,
    pub(super) term: TermId,
    pub(super) document: Document,
    /// A slice that the laptop has.
    pub(super) known: Item,
}

impl Handed {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = World::new(seed, Some(Rights::Hold));
        let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.id());
        let term = act(&mut world.sim, laptop, |core, now| {
            core.hand_over(now, deck, mallory).unwrap().value
        });
        world.sim.run_for(SOON);
        let (document, at) = world.document();
        Self {
            known: known_slice(&document, at),
            world,
            term,
            document,
        }
    }

    /// Mallory is the editor of another deck of the laptop's, which all is about from now on. Says how many cards it has.
    pub(super) fn on_another_deck(&mut self) -> usize {
        let (laptop, mallory) = (self.world.laptop, self.world.mallory.id());
        let member = Member {
            device: mallory,
            rights: Rights::Hold,
            rank: 1,
        };
        let sim = &mut self.world.sim;
        let deck = act(sim, laptop, |core, now| {
            core.create_deck(now, "French").unwrap().value
        });
        sim.run_for(SOON);
        act(sim, laptop, |core, now| {
            core.set_members(now, deck, vec![member]).unwrap()
        });
        sim.run_for(SOON);
        self.world.deck_key = act(sim, laptop, |core, _| core.deck_key(deck).unwrap());
        self.term = act(sim, laptop, |core, now| {
            core.hand_over(now, deck, mallory).unwrap().value
        });
        sim.run_for(SOON);
        self.world.deck = deck;
        self.document = self.world.document().0;
        self.cards()
    }

    /// Mallory is linked, and says that it has far more than it will ever send.
    pub(super) fn promise(&mut self) -> Intruder {
        let intruder = self.world.intrude();
        let status = self.promised();
        self.world.sim.say(intruder, &status);
        intruder
    }

    pub(super) fn promised(&self) -> Message {
        let at = Position {
            term: self.term,
            len: 0,
            head: self.document.heads()[0],
        };
        Message::Status {
            deck: self.world.deck,
            charter: Some((0, 0)),
            locator: vec![at],
            beside: NOTHING,
            changes: 1_000_000,
        }
    }

    pub(super) fn say(&mut self, intruder: Intruder, item: Item) {
        let (deck, items) = (self.world.deck, vec![item]);
        self.world.sim.say(intruder, &Message::Entries { deck, items });
    }

    pub(super) fn slice(&mut self, number: u64) -> Item {
        let (front, mallory) = (format!("number {number}"), self.world.mallory.clone());
        let place = (self.term, number);
        sealed(
            &self.world,
            &mut self.document,
            place,
            &front,
            1_750_000_000_000,
            &mallory,
        )
    }

    /// As many slices as are checked outside.
    pub(super) fn slices_of_a_check(&mut self) -> Vec<Item> {
        self.more_slices_of_a_check(1)
    }

    /// The same, from some number on.
    pub(super) fn more_slices_of_a_check(&mut self, from: u64) -> Vec<Item> {
        let count = CHECKED_OUTSIDE_MIN as u64 + 10;
        (from..from + count).map(|number| self.slice(number)).collect()
    }

    /// A batch of slices is being checked, and its last messages say nothing yet.
    pub(super) fn check(&mut self, intruder: Intruder) -> u64 {
        let slices = self.slices_of_a_check();
        let count = slices.len() as u64;
        for slice in slices {
            self.say(intruder, slice);
        }
        let (laptop, deck) = (self.world.laptop, self.world.deck);
        let checks = |sim: &cuecard::sim::Sim| sim.is_checking(laptop, deck);
        let begun = self.world.sim.run_until("it is being checked", SOON, checks);
        begun.unwrap();
        assert_eq!(self.cards(), 3, "nothing of it counts");
        count
    }

    pub(super) fn cards(&self) -> usize {
        self.world.sim.cards(self.world.laptop, self.world.deck).len()
    }
}

fn seal_of(item: &mut Item, seal: Seal, world: &World, key: &DeviceKey) {
    if let Item::Changes { seal: bytes, .. } = item {
        *bytes = seal.sign(world.deck, key).unwrap().encode().into();
    }
}

#[test]
fn what_is_wrong_among_what_is_held_ends_it_there() {
    for (what, expected) in [
        ("change", "the checksum is not that of the content"),
        ("seal", "the changes do not end in the head that is vouched for"),
        ("signature", "the signature of this record is wrong"),
    ] {
        let mut handed = Handed::new(181);
        let intruder = handed.promise();
        let mut slices: Vec<Item> = (1..=5).map(|number| handed.slice(number)).collect();
        let (term, mallory) = (handed.term, handed.world.mallory.clone());
        let (len, head) = (3, handed.document.heads()[0]);
        match &mut slices[2] {
            Item::Changes { changes, .. } if what == "change" => {
                let at = changes[0].windows(8).position(|bytes| bytes == b"number 3");
                // Spelled in its columns, a character at a time and one after the other.
                let at = at.expect("its text is in it");
                let mut forged = changes[0].to_vec();
                forged[at] = b'N';
                changes[0] = forged.into();
            }
            // Mallory's own word, and over another change than that which came.
            item if what == "seal" => seal_of(item, Seal { term, len, head }, &handed.world, &mallory),
            item => seal_of(
                item,
                Seal { term, len, head },
                &handed.world,
                &DeviceKey::from_bytes(&[0x77; 32]),
            ),
        }
        handed.world.refusals();
        for slice in slices {
            handed.say(intruder, slice);
        }
        assert_eq!(handed.cards(), 3, "{what}: all of it is held");
        handed.world.sim.run_for(2 * HELD_AT_MOST);
        assert_eq!(handed.cards(), 5, "{what}: what goes before it counts");
        assert!(handed.world.sim.is_thrown_out(intruder), "{what}");
        let why = handed.world.refusals();
        assert!(why.len() == 1 && why[0].contains(expected), "{what}: {why:?}");
        let (laptop, deck) = (handed.world.laptop, handed.world.deck);
        let head = handed.world.sim.head(laptop, deck);
        handed.world.sim.crash(laptop);
        handed.world.sim.restart(laptop).expect("it opens again");
        assert_eq!(handed.world.sim.head(laptop, deck), head, "{what}");
        assert_eq!(
            handed.world.sim.document_heads(laptop, deck),
            Vec::from_iter(head),
            "{what}"
        );
    }
}

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

#[test]
fn a_link_that_ends_does_not_take_with_it_what_had_come() {
    let mut handed = Handed::new(184);
    let intruder = handed.promise();
    let slice = handed.slice(1);
    handed.say(intruder, slice);
    assert_eq!(handed.cards(), 3, "it is held");
    handed.world.sim.leave(intruder);
    assert_eq!(handed.cards(), 4);
}

#[test]
fn what_is_wrong_in_a_large_batch_is_found_outside_and_ends_it_there() {
    for what in ["change", "seal"] {
        let mut handed = Handed::new(185);
        let intruder = handed.promise();
        let (count, wrong) = (CHECKED_OUTSIDE_MIN as u64 + 10, CHECKED_OUTSIDE_MIN as u64 - 5);
        let mut slices: Vec<Item> = (1..=count).map(|number| handed.slice(number)).collect();
        let (term, mallory) = (handed.term, handed.world.mallory.clone());
        let head = handed.document.heads()[0];
        match &mut slices[wrong as usize - 1] {
            Item::Changes { changes, .. } if what == "change" => {
                let text = format!("number {wrong}");
                let at = changes[0]
                    .windows(text.len())
                    .position(|bytes| bytes == text.as_bytes());
                let mut forged = changes[0].to_vec();
                forged[at.expect("its text is in it")] = b'N';
                changes[0] = forged.into();
            }
            item => seal_of(
                item,
                Seal {
                    term,
                    len: wrong,
                    head,
                },
                &handed.world,
                &mallory,
            ),
        }
        handed.world.refusals();
        for slice in slices {
            handed.say(intruder, slice);
        }
        let (laptop, deck) = (handed.world.laptop, handed.world.deck);
        let checks = |sim: &cuecard::sim::Sim| sim.is_checking(laptop, deck);
        let begun = handed.world.sim.run_until("it is being checked", SOON, checks);
        begun.unwrap();
        handed.world.sim.run_for(2 * HELD_AT_MOST);
        let before = usize::try_from(wrong - 1).unwrap();
        assert_eq!(handed.cards(), 3 + before, "{what}: what goes before it counts");
        assert!(handed.world.sim.is_thrown_out(intruder), "{what}");
        assert_eq!(handed.world.refusals().len(), 1, "{what}");
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

/// Whatever is said meanwhile, a batch goes on being checked where nothing waits for it.
#[test]
fn nothing_that_is_said_has_a_batch_taken_in_at_once() {
    let mut handed = Handed::new(192);
    let intruder = handed.promise();
    let count = handed.check(intruder);
    let (laptop, deck, key) = (handed.world.laptop, handed.world.deck, handed.world.deck_key);
    let draft = DraftItem {
        record: vec![1].into(),
        changes: vec![],
    };
    let said = [
        Message::Greet {
            version: PROTOCOL_VERSION,
            name: "intruder".to_owned(),
            proofs: vec![intruder.proof(deck, &key)],
            early: vec![],
        },
        Message::Knock {
            deck,
            draft: false,
            signature: None,
        },
        Message::Lineage {
            deck,
            term: handed.term,
            terms: vec![],
        },
        Message::NewKey {
            deck,
            proof: intruder.proof(deck, &key),
            genesis: vec![1].into(),
            charters: vec![],
            keys: vec![1].into(),
        },
        Message::Withdraw {
            deck,
            record: vec![1].into(),
        },
        Message::Propose { deck, draft },
    ];
    for message in &said {
        handed.world.sim.say(intruder, message);
        assert_eq!(handed.cards(), 3, "{message:?}");
    }
    assert!(handed.world.sim.is_checking(laptop, deck));
    handed.world.sim.leave(intruder);
    assert_eq!(handed.cards(), 3, "it left");
    assert!(handed.world.sim.is_checking(laptop, deck));
    handed.world.sim.run_for(2 * HELD_AT_MOST);
    assert_eq!(handed.cards(), 3 + usize::try_from(count).unwrap());
    assert_eq!(handed.world.sim.held_bytes(laptop), 0);
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

/// What says that the role went to another may be held while the patience with the one before ends.
#[test]
fn an_editor_that_handed_over_is_not_said_to_be_silent() {
    let begin = || {
        let mut handed = Handed::new(194);
        let (laptop, deck, key) = (handed.world.laptop, handed.world.deck, handed.world.deck_key);
        let neighbour = DeviceKey::from_bytes(&[0x66; 32]).id();
        let neighbour = handed.world.sim.intrude_with_key(laptop, neighbour, deck, &key);
        let status = handed.promised();
        handed.world.sim.say(neighbour, &status);
        // The editor was there just now.
        let editor = handed.world.intrude();
        handed.world.sim.leave(editor);
        handed.world.sim.take_events(laptop);
        (handed, neighbour)
    };
    let is_silent = |handed: &mut Handed| {
        let told = handed.world.sim.take_events(handed.world.laptop);
        told.iter()
            .any(|event| matches!(event, Event::EditorSilent { .. }))
    };
    let step = HELD_AT_MOST / 5;
    let (mut handed, _) = begin();
    let steps = (0..10_000).take_while(|_| {
        handed.world.sim.run_for(step);
        !is_silent(&mut handed)
    });
    let steps = steps.count();
    assert!((100..9_000).contains(&steps), "{steps}");
    let (mut handed, neighbour) = begin();
    for _ in 0..steps - 1 {
        handed.world.sim.run_for(step);
    }
    let (laptop, deck, mallory) = (
        handed.world.laptop,
        handed.world.deck,
        handed.world.mallory.clone(),
    );
    let handover = Term {
        deck,
        parent: handed.term,
        cause: Cause::Handover,
        cut: Cut {
            len: 0,
            head: handed.document.heads()[0],
        },
        holder: Some(handed.world.sim.id(laptop)),
        nonce: [1; 16],
        signer: mallory.id(),
    };
    let handover = handover.sign(&mallory).unwrap().encode();
    handed.say(neighbour, Item::Term(handover.into()));
    assert!(!is_silent(&mut handed));
    let role = handed.world.sim.role(laptop, deck);
    assert!(matches!(role, Some(Role::Viewer { .. })), "it is held: {role:?}");
    handed.world.sim.run_for(SOON);
    assert!(!is_silent(&mut handed));
    let role = handed.world.sim.role(laptop, deck);
    assert!(matches!(role, Some(Role::Editor { .. })), "{role:?}");
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

/// Behind what is being checked somebody asks whether the editor is heard, and then comes a sign of it: in a term that is
/// known, and in one that came with what is held.
#[test]
fn who_asks_for_the_editor_is_answered_by_all_that_had_come() {
    for is_new in [false, true] {
        let mut handed = Handed::new(189);
        let (laptop, deck, mallory) = (
            handed.world.laptop,
            handed.world.deck,
            handed.world.mallory.clone(),
        );
        // Nothing of the editor is heard for a while.
        handed.world.sim.run_for(Duration::from_secs(120));
        let intruder = handed.promise();
        let count = handed.check(intruder);
        let end = Cut {
            len: count,
            head: handed.document.heads()[0],
        };
        let mut term = handed.term;
        if is_new {
            let next = Term {
                deck,
                parent: term,
                cause: Cause::Handover,
                cut: end,
                holder: Some(mallory.id()),
                nonce: [3; 16],
                signer: mallory.id(),
            };
            let next = next.sign(&mallory).unwrap();
            term = next.id();
            handed.say(intruder, Item::Term(next.encode().into()));
        }
        let beat = Says::Beat {
            number: u64::MAX,
            interval_ms: 1_000,
            end,
            asks: false,
        };
        for (nonce, term, says) in [(1, handed.term, Says::Question), (2, term, beat)] {
            let word = Word {
                deck,
                term,
                nonce: [nonce; 16],
                signer: mallory.id(),
                says,
            };
            let bytes = word.sign(&mallory).unwrap().encode().into();
            handed.world.sim.say(intruder, &Message::Word { deck, bytes });
        }
        assert!(
            handed.world.sim.is_checking(laptop, deck),
            "all that waits for a check"
        );
        handed.world.sim.run_for(2 * HELD_AT_MOST);
        let heard = handed.world.sim.heard(intruder).into_iter();
        let words = heard.filter_map(|message| match message {
            Message::Word { bytes, .. } => {
                Some(Signed::<Word>::decode(&bytes).unwrap().claimed().says.clone())
            }
            _ => None,
        });
        let answers: Vec<bool> = words
            .filter_map(|says| match says {
                Says::Answer { hears, .. } => Some(hears),
                _ => None,
            })
            .collect();
        assert_eq!(answers, [true], "in a new term: {is_new}");
    }
}
