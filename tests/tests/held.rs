//! Slices of a catch-up are held for a moment, so that Automerge is given many changes at once. Whatever happens meanwhile,
//! what comes of it is what would have come of it had they been under way for that moment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use cuecard::card::TextField;
use cuecard::core::Core;
use cuecard::limits::{CHANGE_OPS_MAX, CHECKED_OUTSIDE_MIN, CHECKED_OUTSIDE_OPS_MIN, HELD_AT_MOST};
use cuecard::sim::{Peer, Rule, Sim, with_broken, with_checked_from};
use cuecard::sync::message::{Item, Message};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{CardId, DeckId, Event, LateWorkPolicy, Member, Policies, Rights, Role, SettlePolicy, TermId};

const SOON: Duration = Duration::from_secs(20);
/// More than two slices of a catch-up, of which the first has some two hundred changes.
const CHANGES: usize = 700;
const _: () = assert!(CHANGES > CHECKED_OUTSIDE_MIN);

fn act<T>(sim: &mut Sim, peer: Peer, act: impl FnOnce(&mut Core, Time) -> T) -> T {
    sim.act(peer, act).expect("it is running")
}

thread_local! {
    /// Slices that passed between two, and messages of what is beside the path.
    static SLICES: Cell<usize> = const { Cell::new(0) };
    static BESIDE: Cell<usize> = const { Cell::new(0) };
    /// Which slices passed, and how often it was said where one stands.
    static PASSED: RefCell<Vec<(TermId, u64)>> = const { RefCell::new(vec![]) };
    static STOOD: Cell<usize> = const { Cell::new(0) };
}

struct World {
    sim: Sim,
    laptop: Peer,
    phone: Peer,
    deck: DeckId,
    card: CardId,
}

impl World {
    /// Another device that follows the deck, linked with the laptop.
    fn join(&mut self, name: &'static str) -> Peer {
        let (laptop, deck) = (self.laptop, self.deck);
        let peer = self.sim.device(name);
        let key = act(&mut self.sim, laptop, |core, _| core.deck_key(deck).unwrap());
        act(&mut self.sim, peer, |core, now| core.join_deck(now, deck, key));
        self.sim.connect(laptop, peer, Conditions::PERFECT);
        peer
    }

    fn new(seed: u64) -> Self {
        Self::behind_by(seed, CHANGES)
    }

    /// A phone that is so many changes behind, and not linked.
    fn behind_by(seed: u64, changes: usize) -> Self {
        let mut sim = Sim::new(seed);
        let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
        let deck = act(&mut sim, laptop, |core, now| {
            core.create_deck(now, "Spanish").unwrap().value
        });
        let key = act(&mut sim, laptop, |core, _| core.deck_key(deck).unwrap());
        act(&mut sim, phone, |core, now| core.join_deck(now, deck, key));
        let member = Member {
            device: sim.id(phone),
            rights: Rights::Hold,
            rank: 1,
        };
        act(&mut sim, laptop, |core, now| {
            core.set_members(now, deck, vec![member]).unwrap()
        });
        let card = act(&mut sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.add_card("uno", ""))
                .unwrap()
                .value
        });
        sim.connect(laptop, phone, Conditions::PERFECT);
        sim.run_for(SOON);
        sim.cut(laptop, phone);
        sim.run_for(SOON);
        let mut world = Self {
            sim,
            laptop,
            phone,
            deck,
            card,
        };
        for number in 0..changes {
            world.edit(&number.to_string());
        }
        world.sim.run_for(SOON);
        world.sim.take_events(phone);
        world
    }

    fn edit(&mut self, back: &str) {
        let (deck, card) = (self.deck, self.card.clone());
        act(&mut self.sim, self.laptop, |core, now| {
            let written = core.edit(now, deck, |edit| {
                edit.set_field(
                    &card,
                    "seen",
                    Some(cuecard::card::FieldValue::Text(back.to_owned())),
                )
            });
            written.unwrap()
        });
    }

    /// The phone has the first slice, and no more.
    fn has_first(&self, behind: usize) -> bool {
        (100..=256).contains(&(behind - self.behind()))
    }

    /// The phone is linked, and holds what came: the rest does not come.
    fn hold(&mut self) {
        self.sim
            .swallow(self.laptop, self.phone, |message| match message {
                Message::Entries { items, .. } => items
                    .iter()
                    .any(|item| matches!(item, Item::Changes { from, .. } if from % CHANGES as u64 > 100)),
                _ => false,
            });
        self.sim.mend(self.laptop, self.phone);
        let (phone, deck) = (self.phone, self.deck);
        let told = |sim: &Sim| {
            sim.sync_state(phone, deck)
                .is_some_and(|state| state.syncing.is_some())
        };
        self.sim.run_until("the phone hears of it", SOON, told).unwrap();
        self.sim.run_for(HELD_AT_MOST / 5);
        assert!(self.behind() >= CHANGES, "what came is held");
    }

    /// The phone is linked, and all that it lacks is being checked, outside of its core.
    fn check(&mut self) {
        self.sim.mend(self.laptop, self.phone);
        let (phone, deck) = (self.phone, self.deck);
        let checks = |sim: &Sim| sim.is_checking(phone, deck);
        self.sim.run_until("it is being checked", SOON, checks).unwrap();
        assert!(self.behind() >= CHANGES, "nothing of it counts yet");
    }

    /// The laptop's disk loses a card, which the tablet has; and once they are linked again it is late work, and accepted.
    fn lose_a_card(&mut self, tablet: Peer) {
        let (laptop, deck) = (self.laptop, self.deck);
        let backup = self.sim.backup(laptop).unwrap();
        act(&mut self.sim, laptop, |core, now| {
            core.edit(now, deck, |edit| edit.add_card("perdida", "")).unwrap()
        });
        self.sim.run_for(SOON);
        self.sim.cut(laptop, tablet);
        self.sim.run_for(SOON);
        self.sim.restore_backup(laptop, &backup).unwrap();
        let policies = Policies {
            late_work: LateWorkPolicy::Accept,
            settle: SettlePolicy::ByHand,
            ..Policies::default()
        };
        act(&mut self.sim, laptop, |core, _| {
            core.set_policies(deck, policies).unwrap()
        });
        self.edit("anew");
        self.sim.mend(laptop, tablet);
        self.sim.run_for(SOON);
        self.edit("and on");
        self.sim.run_for(SOON);
    }

    fn is_checking(&self) -> bool {
        self.sim.is_checking(self.phone, self.deck)
    }

    fn behind(&self) -> usize {
        let changes = |peer| self.sim.sync_state(peer, self.deck).unwrap().changes;
        usize::try_from(changes(self.laptop) - changes(self.phone)).unwrap()
    }

    /// Nothing is lost any more, and both come to the same.
    fn settle(&mut self) {
        self.sim.swallow(self.laptop, self.phone, |_| false);
        let (laptop, phone, deck) = (self.laptop, self.phone, self.deck);
        self.sim.cut(laptop, phone);
        self.sim.run_for(SOON);
        self.sim.mend(laptop, phone);
        self.sim
            .run_until("both are the same", SOON, |sim| {
                sim.head(laptop, deck) == sim.head(phone, deck)
            })
            .unwrap();
        self.sim.run_for(SOON);
        assert_eq!(self.sim.cards(laptop, deck), self.sim.cards(phone, deck));
        assert_eq!(self.sim.late_work_left(laptop, deck).len(), 0);
        assert_eq!(
            self.sim.strayed(phone),
            None,
            "what the app was told is what is there"
        );
    }
}

#[test]
fn slices_that_come_one_upon_the_other_are_one_batch() {
    let mut world = World::new(1);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    world.sim.mend(laptop, phone);
    let same = |sim: &Sim| sim.head(laptop, deck) == sim.head(phone, deck);
    world.sim.run_until("all of it", SOON, same).unwrap();
    let told = world.sim.take_events(phone).into_iter();
    let revisions: BTreeSet<u64> = told
        .filter_map(|event| match event {
            Event::Changed { revision, .. } => Some(revision),
            _ => None,
        })
        .collect();
    assert_eq!(revisions.len(), 1, "told at once: {revisions:?}");
    world.settle();
}

/// Whether a phone that comes back had what it lacked checked outside.
fn is_checked_outside(mut world: World) -> bool {
    world.sim.mend(world.laptop, world.phone);
    let (end, mut was_checking) = (world.sim.elapsed() + SOON, false);
    while world.behind() > 0 {
        assert!(world.sim.elapsed() < end, "still {} behind", world.behind());
        world.sim.run_for(Duration::from_millis(1));
        was_checking |= world.is_checking();
    }
    was_checking
}

#[test]
fn from_so_many_changes_on_a_batch_is_checked_outside() {
    for (changes, is_outside) in [(CHECKED_OUTSIDE_MIN - 1, false), (CHECKED_OUTSIDE_MIN, true)] {
        let world = World::behind_by(17, changes);
        assert_eq!(is_checked_outside(world), is_outside, "{changes}");
    }
}

#[test]
fn from_so_many_operations_on_a_batch_is_checked_outside() {
    const EACH: usize = CHANGE_OPS_MAX * 9 / 10;
    for (changes, is_outside) in [(2, false), (3, true)] {
        assert_eq!((changes * EACH) as u64 >= CHECKED_OUTSIDE_OPS_MIN, is_outside);
        let mut world = World::behind_by(18, 1);
        let (laptop, deck, card) = (world.laptop, world.deck, world.card.clone());
        for _ in 0..changes {
            // An operation for each character.
            let text = "x".repeat(EACH);
            act(&mut world.sim, laptop, |core, now| {
                core.edit(now, deck, |edit| {
                    edit.splice_text(&card, TextField::Back, 0, 0, &text)
                })
                .unwrap()
            });
        }
        world.sim.run_for(SOON);
        assert_eq!(is_checked_outside(world), is_outside, "{changes}");
    }
}

#[test]
fn what_is_held_is_not_said_to_be_held() {
    let mut world = World::new(3);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    world.hold();
    let device = world.sim.id(phone);
    let stand = world
        .sim
        .sync_state(laptop, deck)
        .unwrap()
        .device(device)
        .unwrap()
        .stand;
    assert!(stand.unwrap().behind >= CHANGES as u64, "{stand:?}");
    world.sim.crash(phone);
    world.sim.restart(phone).unwrap();
    assert!(world.behind() >= CHANGES, "it never came");
    world.settle();
}

#[test]
fn a_draft_is_written_on_what_shows_and_accepted_behind_what_was_held() {
    let mut world = World::new(5);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    world.hold();
    let draft = act(&mut world.sim, phone, |core, now| {
        let draft = core.open_draft(now, deck, "mine").unwrap().value;
        core.edit_draft(now, deck, draft, |edit| edit.add_card("borrador", ""))
            .unwrap();
        core.propose_draft(now, deck, draft).unwrap();
        draft
    });
    assert!(world.behind() >= CHANGES, "writing it did not wait for anything");
    world.edit("meanwhile");
    world.settle();
    act(&mut world.sim, laptop, |core, now| {
        core.accept_draft(now, deck, draft).unwrap()
    });
    world.settle();
    assert_eq!(world.sim.cards(phone, deck).len(), 2);
}

#[test]
fn who_claims_claims_on_what_had_come() {
    let mut world = World::new(6);
    let (phone, deck) = (world.phone, world.deck);
    world.hold();
    let behind = world.behind();
    act(&mut world.sim, phone, |core, now| core.claim(now, deck).unwrap());
    assert!(matches!(world.sim.role(phone, deck), Some(Role::Editor { .. })));
    assert!(world.has_first(behind), "first that");
    act(&mut world.sim, phone, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("reclamada", ""))
            .unwrap()
    });
    world.settle();
    assert_eq!(world.sim.cards(phone, deck).len(), 2);
}

/// The path turns while slices of the old one are held: they are of a line that goes on from the common past, and stay.
#[test]
fn a_path_that_turns_meanwhile_loses_nothing() {
    let mut world = World::new(7);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    // A tablet claimed long ago and wrote: the laptop has not heard of it.
    let tablet = world.sim.device("tablet");
    let (ours, theirs) = (world.sim.id(phone), world.sim.id(tablet));
    let members = [ours, theirs].map(|device| Member {
        device,
        rights: Rights::Hold,
        rank: 1,
    });
    act(&mut world.sim, laptop, |core, now| {
        core.set_members(now, deck, members.to_vec()).unwrap()
    });
    let key = act(&mut world.sim, laptop, |core, _| core.deck_key(deck).unwrap());
    act(&mut world.sim, tablet, |core, now| core.join_deck(now, deck, key));
    world.sim.connect(laptop, tablet, Conditions::PERFECT);
    world.sim.run_for(SOON);
    world.sim.cut(laptop, tablet);
    world.sim.run_for(SOON);
    act(&mut world.sim, tablet, |core, now| {
        core.claim(now, deck).unwrap();
        core.edit(now, deck, |edit| edit.add_card("tableta", "")).unwrap()
    });
    for number in 0..CHANGES {
        world.edit(&format!("again {number}"));
    }
    world.sim.run_for(SOON);
    world.hold();
    world.sim.connect(tablet, phone, Conditions::PERFECT);
    world.sim.run_for(HELD_AT_MOST / 5);
    world.settle();
    world.sim.mend(laptop, tablet);
    let heads = |sim: &Sim| {
        let head = sim.head(laptop, deck);
        [tablet, phone].iter().all(|peer| sim.head(*peer, deck) == head)
    };
    world.sim.run_until("all three", SOON, heads).unwrap();
    world.sim.run_for(SOON);
    assert_eq!(world.sim.cards(phone, deck).len(), 2);
}

#[test]
fn what_cannot_wait_for_a_check_does_it_itself() {
    let mut world = World::new(9);
    let (phone, deck) = (world.phone, world.deck);
    world.check();
    act(&mut world.sim, phone, |core, now| core.claim(now, deck).unwrap());
    assert!(!world.is_checking());
    assert_eq!(world.behind(), 0, "who claims claims on what had come");
    act(&mut world.sim, phone, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("reclamada", ""))
            .unwrap()
    });
    // What comes of the check is of a document that was.
    world.sim.run_for(HELD_AT_MOST);
    assert_eq!(world.sim.cards(phone, deck).len(), 2);
    world.settle();
    assert_eq!(world.sim.cards(phone, deck).len(), 2);
}

#[test]
fn what_can_wait_does_not_stop_a_check() {
    let mut world = World::new(10);
    let (phone, deck) = (world.phone, world.deck);
    world.check();
    act(&mut world.sim, phone, |core, now| {
        let draft = core.open_draft(now, deck, "mine").unwrap().value;
        core.edit_draft(now, deck, draft, |edit| edit.add_card("borrador", ""))
            .unwrap()
    });
    assert!(world.is_checking(), "a draft is written on what shows");
    assert!(world.behind() >= CHANGES);
    let (device, card) = (world.sim.id(world.laptop), world.card.clone());
    world.edit("one more, which comes while that is checked");
    let same = |sim: &Sim| sim.head(world.laptop, deck) == sim.head(phone, deck);
    world.sim.run_until("all of it", SOON, same).unwrap();
    assert!(
        world
            .sim
            .sync_state(phone, deck)
            .unwrap()
            .device(device)
            .is_some()
    );
    assert_eq!(world.sim.cards(phone, deck)[0].id, card);
    world.settle();
}

/// Who is let in is said beside the path, and with the end of a catch-up.
#[test]
fn what_is_beside_the_path_does_not_stop_a_check() {
    let mut world = World::new(14);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    let tablet = world.sim.device("tablet");
    let device = world.sim.id(tablet);
    act(&mut world.sim, laptop, |core, now| {
        core.admit(now, deck, device, Rights::Read).unwrap()
    });
    world.sim.run_for(SOON);
    BESIDE.set(0);
    world.sim.swallow(laptop, phone, |message| {
        if matches!(message, Message::Branches { .. }) {
            BESIDE.set(BESIDE.get() + 1);
        }
        false
    });
    world.check();
    let came = |_: &Sim| BESIDE.get() > 0;
    world
        .sim
        .run_until("it is said who is let in", SOON, came)
        .unwrap();
    world.sim.run_for(Duration::from_micros(20));
    assert!(world.is_checking());
    assert!(world.behind() >= CHANGES);
    let same = |sim: &Sim| sim.head(laptop, deck) == sim.head(phone, deck);
    world.sim.run_until("all of it", SOON, same).unwrap();
    let told = world.sim.take_events(phone);
    let is_told = |event: &Event| matches!(event, Event::MemberAdmitted { device: of, .. } if *of == device);
    assert!(told.iter().any(is_told), "and that after it");
    world.settle();
}

#[test]
fn what_came_is_not_sent_back() {
    let mut world = World::new(15);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    world.settle();
    SLICES.set(0);
    world.sim.swallow(laptop, phone, |message| {
        if let Message::Entries { items, .. } = message {
            let is_slice = |item: &&Item| matches!(item, Item::Changes { .. });
            SLICES.set(SLICES.get() + items.iter().filter(is_slice).count());
        }
        false
    });
    for number in 0..30 {
        world.edit(&format!("live {number}"));
        let same = |sim: &Sim| sim.head(laptop, deck) == sim.head(phone, deck);
        world.sim.run_until("it is there", SOON, same).unwrap();
        world.sim.run_for(Duration::from_millis(100));
    }
    assert_eq!(SLICES.get(), 30, "each one way, and once");
}

#[test]
fn what_is_being_checked_is_not_said_to_be_held() {
    let mut world = World::new(11);
    let phone = world.phone;
    world.check();
    world.sim.crash(phone);
    world.sim.restart(phone).unwrap();
    assert!(world.behind() >= CHANGES, "it never came");
    world.settle();
}

#[test]
fn a_link_that_ends_during_a_check_does_not_take_with_it_what_had_come() {
    let mut world = World::new(12);
    world.check();
    world.sim.cut(world.laptop, world.phone);
    world.sim.run_for(SOON);
    assert_eq!(world.behind(), 0);
    world.settle();
}

/// Two have what the phone lacks, and both send it.
#[test]
fn the_same_from_two_is_checked_once_and_comes_to_the_same() {
    let mut world = World::new(13);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    let tablet = world.join("tablet");
    world.settle();
    world.sim.connect(tablet, phone, Conditions::PERFECT);
    world.sim.run_for(SOON);
    world.sim.cut(laptop, phone);
    world.sim.cut(tablet, phone);
    for number in 0..CHANGES {
        world.edit(&format!("again {number}"));
    }
    world.sim.run_for(SOON);
    world.sim.mend(tablet, phone);
    world.check();
    world.edit("meanwhile");
    world.settle();
    assert_eq!(world.sim.cards(tablet, deck), world.sim.cards(phone, deck));
}

/// Late work goes beside the path, and then the slice that accepts it: also where both come while all before them is still being
/// checked.
#[test]
fn late_work_is_taken_in_before_what_accepts_it() {
    for is_slow in [false, true] {
        let mut world = World::new(17);
        let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
        let tablet = world.join("tablet");
        world.sim.run_for(SOON);
        world.lose_a_card(tablet);
        assert_eq!(world.sim.cards(laptop, deck).len(), 2, "it came back");
        world.sim.cut(laptop, tablet);
        if is_slow {
            world.sim.work_slowly(phone, Duration::from_secs(1));
        }
        STOOD.set(0);
        world.sim.swallow(laptop, phone, |message| {
            match message {
                Message::Entries { items, .. } => PASSED.with_borrow_mut(|passed| {
                    passed.extend(items.iter().filter_map(|item| match item {
                        Item::Changes { term, from, .. } => Some((*term, *from)),
                        _ => None,
                    }));
                }),
                Message::Status { .. } => STOOD.set(STOOD.get() + 1),
                _ => {}
            }
            false
        });
        world.sim.mend(laptop, phone);
        let same = |sim: &Sim| sim.head(laptop, deck) == sim.head(phone, deck);
        world.sim.run_until("all of it", SOON, same).unwrap();
        world.sim.run_for(SOON);
        let mut passed = PASSED.take();
        let all = passed.len();
        passed.sort_unstable();
        passed.dedup();
        assert!(all >= 3, "{passed:?}");
        // Where they stand was said with their greetings, and had not to be said again.
        let once = (passed.len(), STOOD.get());
        assert_eq!(once, (all, 0), "once each, slow: {is_slow}: {passed:?}");
        world.settle();
        assert_eq!(world.sim.cards(phone, deck).len(), 2);
    }
}

/// A check begins with the document, in which what is accepted of late work is not: it would be in vain.
#[test]
fn what_accepts_late_work_is_not_checked_outside() {
    with_checked_from(1, || {
        let mut world = World::behind_by(21, 1);
        let tablet = world.join("tablet");
        world.sim.run_for(SOON);
        world.lose_a_card(tablet);
        world.settle();
        let outside = world.sim.done_outside();
        assert!(outside.put_in > 0, "{outside:?}");
        assert_eq!(outside.checks, outside.put_in + outside.overtaken, "{outside:?}");
    });
}

/// What is done outside of the core is done by one thread, for all decks and links.
#[test]
fn what_panics_outside_of_the_core_costs_that_and_nothing_else() {
    // In the second world the laptop makes its changes anew, too.
    for seed in [19, 20] {
        with_broken(Rule::WorksDoNotPanic, || {
            let mut world = World::new(seed);
            world.settle();
            assert_eq!(world.behind(), 0);
        });
    }
}
