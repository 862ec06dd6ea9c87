//! A deck opens from a snapshot and what was logged since, its log is cut short, and nobody notices: neither the
//! device itself after a crash at any moment, nor another that asks it for what only the snapshot holds.
//!
//! In every other seed of the simulator *all* stories are told with decks that are compacted all the time; here is what
//! they do not show.

use std::time::Duration;

use cuecard::core::{CompactWhen, Core, EditError, Role};
use cuecard::disk::{snapshot::snapshot_name, term_stream};
use cuecard::sim::{Peer, Sim};
use cuecard::store::{Batch, SnapshotName, Store};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, Event, LateWorkPolicy, Policies, TermId};

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

/// With logs that are cut as short as may be.
fn every(changes: u64) -> CompactWhen {
    CompactWhen {
        changes,
        kept_changes: 0,
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

/// From the log, where it holds them; and made anew of the document, where a snapshot alone does.
#[test]
fn one_that_is_ten_thousand_changes_behind_gets_them() {
    for is_kept in [true, false] {
        let mut sim = Sim::new(1);
        let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
        let when = CompactWhen::default();
        let kept_changes = if is_kept { when.kept_changes } else { 0 };
        for peer in [laptop, phone] {
            sim.compact_when(peer, CompactWhen { kept_changes, ..when });
        }
        let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
        edit_often(&mut sim, laptop, deck, 37);
        join(&mut sim, laptop, phone, deck);
        sim.connect(laptop, phone, Conditions::default());
        sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
            .expect("the beginning");
        sim.cut(laptop, phone);
        edit_often(&mut sim, laptop, deck, 10_000);
        let term = term_of(&sim, laptop, deck);
        assert_eq!(snapshots(&sim, laptop, deck).len(), 2);
        let first = first_left(&sim, laptop, deck, term).expect("a log");
        assert!(
            if is_kept { first == 1 } else { first > 5_000 },
            "it begins at {first}"
        );
        let (asked, made_before) = (sim.records_asked(laptop), sim.done_outside().remade);
        // A second each way: what takes one round trip more takes two.
        let one_way = Duration::from_secs(1);
        sim.lay_anew(laptop, phone, Conditions::latency(one_way));
        let laid = sim.elapsed();
        sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
            .expect("ten thousand changes");
        let took = sim.elapsed() - laid;
        let (asked, made) = (
            sim.records_asked(laptop) - asked,
            sim.done_outside().remade - made_before,
        );
        println!(
            "ten thousand behind: {took:?} from the link, greeting and all; {asked} records asked for, {made} slices made anew"
        );
        assert!(
            took >= 2 * one_way,
            "nothing is sent before it is known what lacks: {took:?}"
        );
        assert!(took < 3 * one_way, "one round trip, and the disks: {took:?}");
        match is_kept {
            true => assert_eq!((asked, made), (10_000, 0), "as they lie, each once"),
            false => assert!(made > 0),
        }
        saved(&mut sim, phone);
        sim.crash(phone);
        sim.restart(phone).expect("it opens");
        assert!(same(&sim, deck, laptop, phone), "and keeps them");
    }
}

/// The last of a log stay over restarts, of either side, and whatever was written since: no more of them than are to stay.
#[test]
fn the_last_changes_are_sent_as_they_lie_also_after_a_restart_and_those_before_made_anew() {
    let mut sim = Sim::new(1);
    let (laptop, phone, tablet) = (sim.device("laptop"), sim.device("phone"), sim.device("tablet"));
    let kept = CompactWhen {
        kept_changes: 500,
        ..every(100)
    };
    sim.compact_when(laptop, kept);
    let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
    edit_often(&mut sim, laptop, deck, 400);
    join(&mut sim, laptop, phone, deck);
    sim.connect(laptop, phone, Conditions::default());
    let meet = |sim: &mut Sim, peer| {
        let met = sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, peer));
        met.expect("it is served");
    };
    meet(&mut sim, phone);
    sim.cut(laptop, phone);
    // In three runs, each with a term of its own, and each longer than what opening reads.
    for _ in 0..3 {
        sim.crash(laptop);
        sim.restart(laptop).expect("it opens");
        edit_often(&mut sim, laptop, deck, 150);
    }
    edit(&mut sim, laptop, deck, "hola");
    saved(&mut sim, laptop);
    sim.crash(laptop);
    sim.restart(laptop).expect("it opens");
    let first = TermId::from_bytes(*deck.as_bytes());
    let begins = first_left(&sim, laptop, deck, first).expect("a part of the first term is among the last");
    assert!(
        (252..=352).contains(&begins),
        "500 of 851 changes stay: from {begins} on"
    );
    let before = sim.done_outside().remade;
    sim.mend(laptop, phone);
    meet(&mut sim, phone);
    assert_eq!(
        sim.done_outside().remade,
        before,
        "it lacked 451, and all lay there"
    );
    assert_eq!(sim.cards(phone, deck), sim.cards(laptop, deck));

    join(&mut sim, laptop, tablet, deck);
    sim.connect(laptop, tablet, Conditions::default());
    meet(&mut sim, tablet);
    let made = sim.done_outside().remade - before;
    assert!(
        (1..=3).contains(&made),
        "{made} slices were made anew, for what lay there no more"
    );
    assert_eq!(sim.cards(tablet, deck), sim.cards(laptop, deck));
}

/// Decks whose logs an earlier version cut as short as it could are opened, served and written on as before.
#[test]
fn a_log_that_was_cut_by_an_older_rule_is_served_and_grows() {
    let mut sim = Sim::new(1);
    let (laptop, phone, tablet) = (sim.device("laptop"), sim.device("phone"), sim.device("tablet"));
    sim.compact_when(laptop, every(100));
    let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
    edit_often(&mut sim, laptop, deck, 1_000);
    let (term, head) = (term_of(&sim, laptop, deck), sim.head(laptop, deck));
    let begins = first_left(&sim, laptop, deck, term).expect("a tail");
    assert!(begins > 800, "it begins at {begins}");

    sim.compact_when(
        laptop,
        CompactWhen {
            changes: 100,
            ..CompactWhen::default()
        },
    );
    sim.crash(laptop);
    sim.restart(laptop).expect("it opens");
    assert_eq!(sim.head(laptop, deck), head);
    join(&mut sim, laptop, phone, deck);
    sim.connect(laptop, phone, Conditions::default());
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
        .expect("it is served");
    assert!(sim.done_outside().remade > 0);
    sim.cut(laptop, phone);
    edit_often(&mut sim, laptop, deck, 1_000);
    assert_eq!(
        first_left(&sim, laptop, deck, term),
        Some(begins),
        "from then on it stays"
    );

    let before = sim.done_outside().remade;
    sim.mend(laptop, phone);
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
        .expect("it is served");
    assert_eq!(sim.done_outside().remade, before, "as it lies");
    join(&mut sim, laptop, tablet, deck);
    sim.connect(laptop, tablet, Conditions::default());
    sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, tablet))
        .expect("it is served");
}

/// What is kept to be sent alone is not read when the deck is opened. Where it is damaged it is made anew, and then it leaves
/// the log, with all before it.
#[test]
fn damage_among_what_is_kept_costs_neither_the_deck_nor_anybody_else() {
    for is_gone in [false, true] {
        let mut sim = Sim::new(1);
        let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
        let kept = CompactWhen {
            kept_changes: 600,
            ..every(100)
        };
        sim.compact_when(laptop, kept);
        let deck = act(&mut sim, laptop, |core, now| core.create_deck(now, "Spanish")).value;
        edit_often(&mut sim, laptop, deck, 800);
        let (term, head) = (term_of(&sim, laptop, deck), sim.head(laptop, deck));
        sim.crash(laptop);
        let begins = first_left(&sim, laptop, deck, term).expect("a log");
        assert!(begins < 300, "it begins at {begins}");
        damage(&sim, laptop, deck, (term, 450), is_gone);
        sim.restart(laptop).expect("it opens");
        assert_eq!(sim.head(laptop, deck), head);

        join(&mut sim, laptop, phone, deck);
        sim.connect(laptop, phone, Conditions::default());
        sim.run_until("both hold the same", LONG, |sim| same(sim, deck, laptop, phone))
            .expect("it is served");
        let events = sim.take_events(laptop);
        let is_damage = |event: &Event| matches!(event, Event::DeckDamaged { .. });
        assert!(!events.iter().any(is_damage), "nobody needs to do anything");
        // The next cut takes it away, sooner than its turn is.
        edit_often(&mut sim, laptop, deck, 210);
        assert_eq!(first_left(&sim, laptop, deck, term), Some(451));
        let store = sim.store(laptop).expect("a device");
        assert!(store.check().expect("it is read").is_sound());
    }
}

/// Puts something else in the place of one record of a term's log, or nothing.
fn damage(sim: &Sim, peer: Peer, deck: DeckId, (term, number): (TermId, u64), is_gone: bool) {
    let (store, stream) = (sim.store(peer).expect("a device"), term_stream(deck, term));
    let first = store
        .first(stream)
        .expect("the log")
        .expect("one that is not empty");
    let records = store
        .read(stream, first, usize::MAX, usize::MAX)
        .expect("the log");
    let mut batch = Batch::new();
    batch.drop_stream(stream);
    for mut record in records {
        if record.seq == number {
            record.bytes = b"no change".to_vec();
        }
        if record.seq != number || !is_gone {
            batch.append(stream, record.seq, record.bytes);
        }
    }
    let saved = store.commit(batch);
    store.persist_all();
    saved.wait().expect("it is damaged");
}

/// The laptop's disk is restored from a backup, and it goes on from there: what it had sealed since, and the phone had
/// put into a snapshot, is late work now. Nothing of it is lost on the way through snapshots, and a third device gets
/// the same deck from either: whether their logs hold nothing, a part or all of what the snapshots do.
#[test]
fn one_on_a_branch_that_lost_turns_and_keeps_what_its_snapshots_held() {
    for kept_changes in [0, 450, 16_384] {
        on_a_branch_that_lost(kept_changes);
    }
}

fn on_a_branch_that_lost(kept_changes: u64) {
    let mut sim = Sim::new(1);
    let (laptop, phone, tablet) = (sim.device("laptop"), sim.device("phone"), sim.device("tablet"));
    for peer in [laptop, phone, tablet] {
        let when = CompactWhen {
            kept_changes,
            ..every(60)
        };
        sim.compact_when(peer, when);
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
    let first = first_left(&sim, phone, deck, lost).expect("a log");
    assert!(match kept_changes {
        0 => first > 150,
        450 => (2..150).contains(&first),
        _ => first == 1,
    });

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
