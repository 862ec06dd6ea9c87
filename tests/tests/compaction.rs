//! A deck opens from a snapshot and what was logged since, its log is cut short, and nobody notices: neither the
//! device itself after a crash at any moment, nor another that asks it for what only the snapshot holds.
//!
//! In every other seed of the simulator *all* stories are told with decks that are compacted all the time; here is what
//! they do not show.

use std::time::Duration;

use cuecard::core::{CompactWhen, Core, EditError, Role};
use cuecard::disk::{snapshot::snapshot_name, term_stream};
use cuecard::sim::{Peer, Sim};
use cuecard::store::{SnapshotName, Store};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, LateWorkPolicy, Policies, TermId};

const LONG: Duration = Duration::from_secs(600);

fn act<T, E: std::fmt::Debug>(
    sim: &mut Sim,
    peer: Peer,
    act: impl FnOnce(&mut Core, Time) -> Result<T, E>,
) -> T {
    sim.act(peer, act).expect("it is running").expect("it is allowed")
}

fn edit(sim: &mut Sim, peer: Peer, deck: DeckId, text: &str) {
    let applied: Result<_, EditError> = sim
        .act(peer, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(text, ""))
        })
        .expect("it is running");
    applied.expect("it may edit");
}

/// Edits without a card for each: what is counted here is changes.
fn edit_often(sim: &mut Sim, peer: Peer, deck: DeckId, count: usize) {
    for at in 0..count {
        let title = format!("title {at}");
        act(sim, peer, |core, now| {
            core.edit(now, deck, |edit| edit.rename_deck(&title))
        });
        if at % 50 == 49 {
            saved(sim, peer);
        }
    }
    saved(sim, peer);
}

fn saved(sim: &mut Sim, peer: Peer) {
    sim.run_until("everything is saved", LONG, |sim| sim.is_all_saved(peer))
        .expect("the disk gets on");
    // Snapshots, and the notes on them.
    sim.run_for(Duration::from_millis(50));
}

fn every(changes: u64) -> CompactWhen {
    CompactWhen {
        changes,
        ..CompactWhen::default()
    }
}

fn snapshots(sim: &Sim, peer: Peer, deck: DeckId) -> Vec<SnapshotName> {
    let names = sim.store(peer).expect("a device").snapshots().list();
    let key = snapshot_name(deck, 0).key;
    names
        .expect("the snapshots")
        .into_iter()
        .filter(|name| name.key == key)
        .collect()
}

fn term_of(sim: &Sim, peer: Peer, deck: DeckId) -> TermId {
    match sim.role(peer, deck) {
        Some(Role::Editor { term, .. }) => term,
        other => panic!("not the editor: {other:?}"),
    }
}

/// The number of the first change that is left of a term's log.
fn first_left(sim: &Sim, peer: Peer, deck: DeckId, term: TermId) -> Option<u64> {
    let store = sim.store(peer).expect("a device");
    store.first(term_stream(deck, term)).expect("the log")
}

fn join(sim: &mut Sim, owner: Peer, guest: Peer, deck: DeckId) {
    let key = act(sim, owner, |core, _| core.deck_key(deck));
    sim.act(guest, |core, now| core.join_deck(now, deck, key));
}

fn same(sim: &Sim, deck: DeckId, a: Peer, b: Peer) -> bool {
    sim.head(a, deck).is_some() && sim.head(a, deck) == sim.head(b, deck)
}

#[test]
fn a_deck_opens_from_two_snapshots_and_a_short_log() {
    let mut sim = Sim::new(1);
    let laptop = sim.device("laptop");
    sim.compact_when(laptop, every(50));
    let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
    edit_often(&mut sim, laptop, deck, 20);
    assert!(snapshots(&sim, laptop, deck).is_empty(), "not yet");
    edit_often(&mut sim, laptop, deck, 400);
    edit(&mut sim, laptop, deck, "hola");
    saved(&mut sim, laptop);
    let term = term_of(&sim, laptop, deck);
    let kept = snapshots(&sim, laptop, deck);
    assert_eq!(kept.len(), 2, "the newest and the one before: {kept:?}");
    let first = first_left(&sim, laptop, deck, term).expect("a tail");
    assert!((300..400).contains(&first), "the log begins at {first}");

    let (head, cards) = (sim.head(laptop, deck), sim.cards(laptop, deck));
    sim.crash(laptop);
    sim.restart(laptop).expect("it opens");
    assert_eq!((sim.head(laptop, deck), sim.cards(laptop, deck)), (head, cards));
    // And it goes on: in a new term, with new snapshots.
    edit_often(&mut sim, laptop, deck, 200);
    assert_eq!(snapshots(&sim, laptop, deck).len(), 2);
    assert!(snapshots(&sim, laptop, deck)[0] > kept[1]);
    assert_eq!(
        first_left(&sim, laptop, deck, term),
        None,
        "what two snapshots hold leaves the log"
    );
    let head = sim.head(laptop, deck);
    sim.crash(laptop);
    sim.restart(laptop).expect("it opens");
    assert_eq!(sim.head(laptop, deck), head);
}

#[test]
fn many_bytes_are_as_good_a_reason_as_many_changes() {
    let mut sim = Sim::new(1);
    let laptop = sim.device("laptop");
    let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
    let long = "long ".repeat(1_800);
    for _ in 0..6 {
        edit(&mut sim, laptop, deck, &long);
    }
    saved(&mut sim, laptop);
    assert!(snapshots(&sim, laptop, deck).is_empty(), "some 55 KB");
    edit(&mut sim, laptop, deck, &long);
    edit(&mut sim, laptop, deck, &long);
    saved(&mut sim, laptop);
    assert_eq!(
        snapshots(&sim, laptop, deck).len(),
        1,
        "some 74 KB behind no snapshot"
    );
    edit(&mut sim, laptop, deck, &long);
    saved(&mut sim, laptop);
    assert_eq!(snapshots(&sim, laptop, deck).len(), 1, "9 KB behind 74");
}

#[test]
fn a_newcomer_gets_what_only_the_snapshot_holds() {
    let mut sim = Sim::new(1);
    let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
    sim.compact_when(laptop, every(100));
    let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
    edit_often(&mut sim, laptop, deck, 1_000);
    edit(&mut sim, laptop, deck, "hola");
    saved(&mut sim, laptop);
    // A restart, so that nothing is left in memory but what the disk had.
    sim.crash(laptop);
    sim.restart(laptop).expect("it opens");
    edit(&mut sim, laptop, deck, "adios");
    saved(&mut sim, laptop);
    join(&mut sim, laptop, phone, deck);
    sim.connect(laptop, phone, Conditions::default());
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
        .expect("a newcomer is served");
    assert_eq!(sim.cards(phone, deck), sim.cards(laptop, deck));
}

#[test]
fn one_that_is_ten_thousand_changes_behind_gets_them() {
    let mut sim = Sim::new(1);
    let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
    sim.compact_when(laptop, CompactWhen::default());
    sim.compact_when(phone, CompactWhen::default());
    let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
    edit_often(&mut sim, laptop, deck, 37);
    join(&mut sim, laptop, phone, deck);
    sim.connect(laptop, phone, Conditions::default());
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
        .expect("the beginning");
    sim.cut(laptop, phone);
    edit_often(&mut sim, laptop, deck, 10_000);
    let term = term_of(&sim, laptop, deck);
    assert!(first_left(&sim, laptop, deck, term).is_some_and(|first| first > 5_000));
    // A second each way: what takes one round trip more takes two.
    let one_way = Duration::from_secs(1);
    sim.lay_anew(laptop, phone, Conditions::latency(one_way));
    let laid = sim.elapsed();
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
        .expect("ten thousand changes");
    let took = sim.elapsed() - laid;
    println!("ten thousand behind: {took:?} from the link, greeting and all");
    assert!(
        took >= 2 * one_way,
        "nothing is sent before it is known what lacks: {took:?}"
    );
    assert!(took < 3 * one_way, "one round trip, and the disks: {took:?}");
    saved(&mut sim, phone);
    sim.crash(phone);
    sim.restart(phone).expect("it opens");
    assert!(same(&sim, deck, laptop, phone), "and keeps them");
}

/// The laptop's disk is restored from a backup, and it goes on from there: what it had sealed since, and the phone had
/// put into a snapshot, is late work now. Nothing of it is lost on the way through snapshots, and a third device gets
/// the same deck from either.
#[test]
fn one_on_a_branch_that_lost_turns_and_keeps_what_its_snapshots_held() {
    let mut sim = Sim::new(1);
    let (laptop, phone, tablet) = (sim.device("laptop"), sim.device("phone"), sim.device("tablet"));
    for peer in [laptop, phone, tablet] {
        sim.compact_when(peer, every(60));
    }
    let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
    edit_often(&mut sim, laptop, deck, 150);
    let backup = sim.backup(laptop).expect("a backup");
    join(&mut sim, laptop, phone, deck);
    sim.connect(laptop, phone, Conditions::default());
    // One part after the other, so that the phone writes a snapshot with each.
    for _ in 0..4 {
        sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
            .expect("the beginning");
        saved(&mut sim, phone);
        edit_often(&mut sim, laptop, deck, 100);
    }
    edit(&mut sim, laptop, deck, "lost");
    saved(&mut sim, laptop);
    let lost = term_of(&sim, laptop, deck);
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
        .expect("the end");
    saved(&mut sim, phone);
    assert!(first_left(&sim, phone, deck, lost).is_some_and(|first| first > 150));

    sim.cut(laptop, phone);
    sim.restore_backup(laptop, &backup).expect("it opens");
    edit_often(&mut sim, laptop, deck, 700);
    edit(&mut sim, laptop, deck, "stays");
    saved(&mut sim, laptop);
    sim.mend(laptop, phone);
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
        .expect("it turns");
    let before = sim.late_work(phone, deck);
    assert!(!before.is_empty(), "what lost is kept");
    // Several snapshots after the turn hold what the log no longer does.
    edit_often(&mut sim, laptop, deck, 300);
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
        .expect("it follows");
    saved(&mut sim, phone);
    sim.crash(phone);
    sim.restart(phone).expect("it opens");
    assert_eq!(sim.late_work(phone, deck), before, "and kept over a restart");
    assert!(same(&sim, deck, laptop, phone));

    sim.cut(laptop, phone);
    join(&mut sim, laptop, tablet, deck);
    sim.connect(phone, tablet, Conditions::default());
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, phone, tablet))
        .expect("the phone serves what it only has in a snapshot");
    assert_eq!(sim.cards(tablet, deck), sim.cards(laptop, deck));
}

/// What lost is kept over a restart at any time: also when the last snapshot but one held it as part of the path, and the
/// last was the first to be taken after the path had turned. (The log is cut short by what both hold.)
#[test]
fn what_lost_is_kept_by_the_very_next_snapshot() {
    let mut sim = Sim::new(1);
    let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
    sim.compact_when(phone, every(60));
    let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
    edit_often(&mut sim, laptop, deck, 30);
    let backup = sim.backup(laptop).expect("a backup");
    edit_often(&mut sim, laptop, deck, 70);
    edit(&mut sim, laptop, deck, "lost");
    saved(&mut sim, laptop);
    join(&mut sim, laptop, phone, deck);
    sim.connect(laptop, phone, Conditions::default());
    let meet = |sim: &mut Sim, what| {
        let met = sim.run_until(what, LONG, |sim| same(sim, deck, laptop, phone));
        met.expect("they come to the same");
        saved(sim, phone);
    };
    meet(&mut sim, "the phone has what will be lost");
    assert_eq!(snapshots(&sim, phone, deck).len(), 1);

    sim.cut(laptop, phone);
    sim.restore_backup(laptop, &backup).expect("it opens");
    act(&mut sim, laptop, |core, _| {
        let policies = Policies {
            late_work: LateWorkPolicy::Ask,
            ..Policies::default()
        };
        core.set_policies(deck, policies)
    });
    edit(&mut sim, laptop, deck, "stays");
    sim.mend(laptop, phone);
    meet(&mut sim, "the phone turns");
    let lost = sim.late_work_left(phone, deck);
    assert!(!lost.is_empty(), "what lost is kept");
    while snapshots(&sim, phone, deck).len() < 2 {
        edit(&mut sim, laptop, deck, "more");
        meet(&mut sim, "the phone follows");
    }
    sim.crash(phone);
    sim.restart(phone).expect("it opens");
    assert_eq!(sim.late_work_left(phone, deck), lost, "and kept over a restart");
}
