//! The editor is gone, and a majority of those who may hold the role sees to it without a person.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Fate, Peer, Sim};
use cuecard::sync::message::Message;
use cuecard::{AutoClaim, Event, Policies, Role};
use cuecard_tests::on_all_cores;

use crate::world::{SOON, World};

fn fails_over(after: Duration) -> Policies {
    Policies {
        auto_claim: AutoClaim::After(after),
        ..Policies::default()
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn edits(sim: &Sim, peer: Peer, world: &World) -> bool {
    matches!(sim.role(peer, world.deck), Some(Role::Editor { .. }))
}

/// Of ten devices the one that is editor is killed, some time after the role was handed to it, and that some time after
/// all began: from the kill to the next edit of another on disk.
fn followed(seed: u64, before: Duration, some_time: impl FnOnce(&mut World, Peer)) -> Duration {
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let (mut world, peers) = World::new(1_000 + seed, names);
    world.set_policies(&peers, &fails_over(SECOND));
    world.sim.run_for(before);
    world.hand_over(peers[0], peers[4]);
    some_time(&mut world, peers[4]);
    let killed = world.sim.elapsed();
    world.sim.crash(peers[4]);
    let mut next = None;
    while next.is_none() && world.sim.elapsed() < killed + SECOND * 20 {
        world.sim.run_for(Duration::from_millis(5));
        next = peers
            .iter()
            .copied()
            .find(|peer| *peer != peers[4] && edits(&world.sim, *peer, &world));
    }
    let next = next.unwrap_or_else(|| panic!("seed {seed}: nobody followed: {:?}", world.roles()));
    world.edit(next, "after");
    let took = world.sim.elapsed() - killed;
    world.sim.restart(peers[4]).unwrap();
    world.the_end();
    assert_eq!(world.fate("after"), Some(Fate::Canonical), "seed {seed}");
    took
}

#[test]
fn a_killed_editor_is_followed_within_a_second_and_a_half() {
    let some_time = |world: &mut World, editor| {
        world.quiet();
        world.edit(editor, "before");
        // Killed anywhere between two of its signs.
        let pause = Duration::from_millis(2_000 + world.sim.random(400));
        world.sim.run_for(pause);
    };
    let mut took = on_all_cores((0..20).collect(), |seed| {
        followed(seed, Duration::ZERO, some_time)
    });
    took.sort();
    println!("from the kill to the next edit on disk: {took:?}");
    assert!(took[18] < Duration::from_millis(1_500), "95 in 100: {took:?}");
}

/// Once a failover took twelve seconds: how often the new editor shows itself had not been heard yet, so all waited as
/// for one that does so every five seconds.
#[test]
fn one_that_is_killed_as_soon_as_all_know_it_is_followed_as_soon() {
    let all_know = |world: &mut World, editor: Peer| {
        let editor = world.sim.id(editor);
        let knows = |world: &World, peer: Peer| match world.sim.role(peer, world.deck) {
            Some(Role::Viewer { editor: known, .. }) => known == editor,
            Some(Role::Editor { .. }) => world.sim.id(peer) == editor,
            _ => false,
        };
        while !world.peers.clone().into_iter().all(|peer| knows(world, peer)) {
            world.sim.run_for(Duration::from_millis(1));
        }
        let pause = Duration::from_millis(world.sim.random(40));
        world.sim.run_for(pause);
    };
    let mut took: Vec<Duration> = (100..104)
        // Until the first editor has said how often it shows itself.
        .map(|seed| followed(seed, SECOND * 6, all_know))
        .collect();
    took.sort();
    println!("from the kill to the next edit on disk: {took:?}");
    assert!(took[3] < Duration::from_millis(1_500), "{took:?}");
}

/// An app that says "after ten seconds" means that: a link that is down for a while does not cost the role.
#[test]
fn nobody_claims_before_the_time_that_is_set() {
    let (mut world, [laptop, phone, tablet]) = World::new(78, ["laptop", "phone", "tablet"]);
    let all = world.peers.clone();
    world.set_policies(&all, &fails_over(SECOND * 10));
    world.sim.run_for(SECOND * 12);
    world.split(&[&[laptop], &[phone, tablet]]);
    world.sim.run_for(SECOND * 9);
    world.meet();
    world.sim.run_for(SECOND * 5);
    assert!(edits(&world.sim, laptop, &world), "it was away for nine seconds");
    world.split(&[&[laptop], &[phone, tablet]]);
    world.sim.run_for(SECOND * 11);
    assert!(edits(&world.sim, phone, &world), "it was away for longer");
    world.the_end();
}

/// Once a failover took 25 seconds: the editor was killed as soon as all others had the deck, and its next sign, which says
/// how often it shows itself, would have come in a moment.
#[test]
fn one_that_is_killed_as_soon_as_others_have_its_deck_is_followed_as_soon() {
    let (mut world, [laptop, phone, tablet, watch, desk]) =
        World::new(81, ["laptop", "phone", "tablet", "watch", "desk"]);
    let others = [phone, tablet, watch, desk];
    let create = |core: &mut Core, now, _| core.create_deck(now, "French").unwrap().value;
    world.deck = world.act(laptop, create);
    world.sim.run_for(SOON);
    world.set_members(laptop, &others).unwrap();
    world.set_policies(&[laptop], &fails_over(SECOND));
    let key = world.act(laptop, |core, _, deck| core.deck_key(deck).unwrap());
    for peer in others {
        world.act(peer, |core, now, deck| core.join_deck(now, deck, key));
    }
    world.set_policies(&others, &fails_over(SECOND));
    let has_it = |world: &World, peer| matches!(world.sim.role(peer, world.deck), Some(Role::Viewer { .. }));
    while !others.iter().all(|peer| has_it(&world, *peer)) {
        world.sim.run_for(Duration::from_millis(5));
    }
    // What they hold is acknowledged, and no two signs are closer together than a tenth of a second.
    world.sim.run_for(Duration::from_millis(200));
    let took = followed_by(&mut world, laptop, &others);
    assert!(took < Duration::from_millis(1_500), "{took:?}");
}

/// Nobody has heard it in this run, so nobody knows how often it shows itself.
#[test]
fn an_editor_that_was_dead_before_all_others_were_started_is_followed() {
    let names = ["laptop", "phone", "tablet", "watch", "desk"];
    let (mut world, [laptop, phone, tablet, watch, desk]) = World::new(79, names);
    let others = [phone, tablet, watch, desk];
    for peer in world.peers.clone() {
        world.sim.crash(peer);
    }
    for peer in others {
        world.sim.restart(peer).unwrap();
    }
    world.set_policies(&others, &fails_over(SECOND));
    let took = followed_by(&mut world, laptop, &others);
    assert!(took > SECOND * 4, "links may take their time: {took:?}");
    assert!(took < SECOND * 6, "{took:?}");
}

/// All are started again at the same time, and the link with the editor takes longest: it keeps the role.
#[test]
fn an_editor_whose_links_come_up_late_after_all_were_started_keeps_the_role() {
    let (mut world, [laptop, phone, tablet]) = World::new(80, ["laptop", "phone", "tablet"]);
    let all = world.peers.clone();
    for &peer in &all {
        world.sim.crash(peer);
    }
    world.split(&[&[laptop], &[phone, tablet]]);
    for &peer in &all {
        world.sim.restart(peer).unwrap();
    }
    world.set_policies(&all, &fails_over(SECOND));
    world.sim.run_for(SECOND * 3);
    world.meet();
    world.sim.run_for(SECOND * 10);
    assert!(edits(&world.sim, laptop, &world));
    world.the_end();
}

/// From the death of an editor until one of the others is it.
fn followed_by(world: &mut World, editor: Peer, others: &[Peer]) -> Duration {
    let killed = world.sim.elapsed();
    if world.sim.is_running(editor) {
        world.sim.crash(editor);
    }
    while !others.iter().any(|peer| edits(&world.sim, *peer, world)) {
        assert!(world.sim.elapsed() < killed + SECOND * 40, "{:?}", world.roles());
        world.sim.run_for(Duration::from_millis(5));
    }
    let took = world.sim.elapsed() - killed;
    world.sim.restart(editor).unwrap();
    world.the_end();
    took
}

#[test]
fn without_the_policy_a_closed_laptop_keeps_the_role() {
    let (mut world, [laptop, phone, tablet]) = World::new(71, ["laptop", "phone", "tablet"]);
    world.sim.crash(laptop);
    world.sim.run_for(Duration::from_secs(600));
    for peer in [phone, tablet] {
        assert!(matches!(
            world.sim.role(peer, world.deck),
            Some(Role::Viewer { .. })
        ));
    }
    world.sim.restart(laptop).unwrap();
    world.the_end();
    assert_eq!(world.editor(), Some(laptop));
}

#[test]
fn two_devices_never_fail_over_by_themselves() {
    let (mut world, [laptop, phone]) = World::new(72, ["laptop", "phone"]);
    world.set_policies(&[laptop, phone], &fails_over(SECOND));
    world.sim.crash(laptop);
    world.sim.run_for(Duration::from_secs(60));
    assert!(matches!(
        world.sim.role(phone, world.deck),
        Some(Role::Viewer { .. })
    ));
    world.sim.restart(laptop).unwrap();
    world.the_end();
}

#[test]
fn who_is_cut_off_with_too_few_does_not_claim_and_who_is_with_most_does() {
    let names = ["laptop", "phone", "tablet", "watch", "desk"];
    let (mut world, [laptop, phone, tablet, watch, desk]) = World::new(73, names);
    let all = world.peers.clone();
    world.set_policies(&all, &fails_over(SECOND));
    world.edit(laptop, "before");
    world.quiet();
    world.split(&[&[laptop, phone, tablet], &[watch, desk]]);
    world.sim.run_for(Duration::from_secs(60));
    world.edit(laptop, "on the larger side");
    for peer in [watch, desk] {
        assert!(!edits(&world.sim, peer, &world), "two of five do not decide");
    }
    world.meet();
    assert_eq!(world.editor(), Some(laptop));
    world.split(&[&[laptop, phone], &[tablet, watch, desk]]);
    world.edit(laptop, "on the smaller side");
    world.sim.run_for(Duration::from_secs(60));
    assert!(
        edits(&world.sim, tablet, &world),
        "the best rank of the larger side"
    );
    world.edit(tablet, "on the larger side now");
    world.the_end();
    assert_eq!(
        world.editor(),
        Some(tablet),
        "the laptop was not heard, so it steps down"
    );
    assert_eq!(world.fate("on the larger side now"), Some(Fate::Canonical));
}

#[test]
fn an_editor_heard_through_another_device_is_not_followed() {
    let names = ["laptop", "phone", "tablet", "watch", "desk"];
    let (mut world, [laptop, phone, tablet, watch, desk]) = World::new(74, names);
    let all = world.peers.clone();
    world.set_policies(&all, &fails_over(SECOND));
    // A chain: all but the phone hear the laptop only through others.
    world.split(&[
        &[laptop, phone],
        &[phone, tablet],
        &[tablet, watch],
        &[watch, desk],
    ]);
    world.sim.run_for(Duration::from_secs(120));
    world.edit(laptop, "still here");
    world.sim.run_for(SOON);
    assert_eq!(world.editor(), Some(laptop));
    world.the_end();
}

#[test]
fn an_editor_that_a_majority_hears_throughout_keeps_the_role_against_a_claim_by_hand() {
    let (mut world, [laptop, phone, tablet]) = World::new(75, ["laptop", "phone", "tablet"]);
    world.sim.run_for(Duration::from_secs(30));
    world.edit(laptop, "before");
    world.claim(tablet);
    world.edit(tablet, "claimed");
    world.the_end();
    assert_eq!(world.editor(), Some(laptop), "it says that it was there");
    assert!(world.fate("claimed").is_some());
    world.edit(laptop, "goes on");
    world.the_end();
    assert_eq!(world.fate("goes on"), Some(Fate::Canonical));
    assert!(!edits(&world.sim, phone, &world));
}

/// Where only a person claims, an editor asks for answers every five minutes, and neighbours pass them on.
#[test]
fn one_at_the_end_of_a_chain_keeps_the_role_against_a_claim_by_hand_for_as_long_as_most_hear_it() {
    let names = ["laptop", "phone", "tablet", "watch", "desk"];
    let (mut world, [laptop, phone, tablet, watch, desk]) = World::new(86, names);
    let whole: [&[Peer]; 4] = [
        &[laptop, phone],
        &[phone, tablet],
        &[tablet, watch],
        &[watch, desk],
    ];
    world.split(&whole);
    world.sim.run_for(SECOND * 60 * 11);
    world.edit(laptop, "before");
    world.sim.run_for(SOON);
    world.claim(desk);
    world.edit(desk, "claimed");
    world.sim.run_for(SOON);
    assert!(edits(&world.sim, laptop, &world), "it says that it was there");
    // The chain breaks where the laptop does not see it, and what it asks next is not answered by most.
    world.split(&[&[laptop, phone], &[tablet, watch], &[watch, desk]]);
    world.sim.run_for(SECOND * 60 * 6);
    world.claim(tablet);
    world.edit(tablet, "claimed again");
    world.split(&whole);
    world.sim.run_for(SOON);
    assert!(edits(&world.sim, tablet, &world), "{:?}", world.roles());
    world.the_end();
    assert_eq!(world.editor(), Some(tablet));
    assert_eq!(world.fate("claimed again"), Some(Fate::Canonical));
}

/// It asks sooner where a link of its own ended: whoever claims a minute later does not find itself overruled.
#[test]
fn an_editor_that_was_cut_off_for_a_minute_yields_to_a_claim_by_hand() {
    let (mut world, [laptop, phone, tablet]) = World::new(87, ["laptop", "phone", "tablet"]);
    world.sim.run_for(SECOND * 60 * 7);
    world.split(&[&[laptop], &[phone, tablet]]);
    world.sim.run_for(SECOND * 75);
    world.claim(phone);
    world.edit(phone, "claimed");
    world.meet();
    world.the_end();
    assert_eq!(world.editor(), Some(phone));
    assert_eq!(world.fate("claimed"), Some(Fate::Canonical));
}

#[test]
fn a_new_run_that_beat_a_claim_without_being_heard_hands_over_to_the_claimer() {
    let (mut world, [laptop, phone, tablet]) = World::new(76, ["laptop", "phone", "tablet"]);
    world.edit(laptop, "before");
    world.quiet();
    world.sim.crash(laptop);
    world.split(&[&[laptop], &[phone, tablet]]);
    world.sim.restart(laptop).unwrap();
    world.edit(laptop, "alone, in a new run");
    world.sim.run_for(Duration::from_secs(60));
    world.claim(phone);
    world.edit(phone, "claimed");
    world.sim.run_for(SOON);
    world.the_end();
    assert_eq!(world.editor(), Some(phone));
    assert_eq!(world.fate("alone, in a new run"), Some(Fate::Canonical));
    assert_eq!(
        world.fate("claimed"),
        Some(Fate::Canonical),
        "it came back as late work"
    );
}

/// By default nothing moves the role but people: a claim of long ago that only now arrives is nobody's word of today.
#[test]
fn a_claim_of_long_ago_does_not_move_the_role_of_an_editor_that_is_alone() {
    let names = ["laptop", "phone", "tablet", "watch"];
    let (mut world, [laptop, phone, tablet, watch]) = World::new(77, names);
    world.edit(laptop, "before");
    world.quiet();
    world.split(&[&[laptop, phone, tablet], &[watch]]);
    world.sim.run_for(Duration::from_secs(60));
    world.claim(watch);
    world.edit(watch, "claimed");
    // The laptop's next run never heard of that, and its handover to itself is what counts; then comes another run.
    for front in ["in a new run", "and in another one"] {
        world.sim.crash(laptop);
        world.sim.restart(laptop).unwrap();
        world.sim.run_for(SOON);
        world.edit(laptop, front);
        world.sim.run_for(SOON);
    }
    // All others have gone home when the watch comes.
    world.split(&[&[laptop], &[phone, tablet], &[watch]]);
    world.sim.run_for(Duration::from_secs(120));
    world.split(&[&[laptop, watch], &[phone, tablet]]);
    world.sim.run_for(Duration::from_secs(20));
    assert!(edits(&world.sim, laptop, &world), "it keeps the role");
    world.the_end();
    assert_eq!(world.editor(), Some(laptop));
    assert_eq!(world.fate("claimed"), Some(Fate::Canonical), "as late work");
}

/// What an editor wrote comes to these devices in one batch, over links with that one, and they take two seconds to check it. To
/// all of them, and to those beside, the editor is there throughout.
fn check_slowly(world: &mut World, editor: Peer, from: Peer, checkers: &[Peer], beside: &[Peer]) {
    let all = world.peers.clone();
    world.set_policies(&all, &fails_over(SECOND));
    world.sim.run_for(SOON);
    for &peer in checkers {
        world.sim.work_slowly(peer, SECOND * 2);
        let is_slice = |message: &Message| matches!(message, Message::Entries { .. });
        world.sim.swallow(from, peer, is_slice);
    }
    for number in 0..600 {
        world.act(editor, |core, now, deck| {
            let front = number.to_string();
            core.edit(now, deck, |edit| edit.add_card(&front, "").map(drop))
                .unwrap();
        });
    }
    world.sim.run_for(SECOND);
    let listeners = [checkers, beside].concat();
    for &peer in checkers {
        world.sim.swallow(from, peer, |_| false);
    }
    for &peer in &listeners {
        world.sim.take_events(peer);
    }
    let (deck, peers) = (world.deck, checkers.to_vec());
    let check = |sim: &Sim| peers.iter().all(|peer| sim.is_checking(*peer, deck));
    // What was swallowed is asked for again, at the latest when a ping says where the other stands.
    let late = Duration::from_secs(90);
    world.sim.run_until("it is being checked", late, check).unwrap();
    world.sim.run_for(SECOND * 3 / 2);
    assert!(
        check(&world.sim),
        "it is checked for longer than an editor may be silent"
    );
    world.sim.run_for(SOON);
    for &peer in &listeners {
        let events = world.sim.take_events(peer).into_iter();
        let wrong: Vec<Event> = events
            .filter(|event| matches!(event, Event::RoleMoved { .. } | Event::EditorSilent { .. }))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
    assert!(edits(&world.sim, editor, world), "{:?}", world.roles());
    world.edit(editor, "goes on");
    world.the_end();
}

/// Once the role was taken from an editor while the others checked what it had written: its signs waited behind that.
#[test]
fn an_editor_keeps_the_role_while_others_check_what_it_wrote() {
    let (mut world, [laptop, phone, tablet]) = World::new(83, ["laptop", "phone", "tablet"]);
    check_slowly(&mut world, laptop, laptop, &[phone, tablet], &[]);
}

#[test]
fn an_editor_that_others_pass_on_the_signs_of_is_not_silent_while_what_it_wrote_is_checked() {
    let (mut world, [laptop, phone, tablet]) = World::new(85, ["laptop", "phone", "tablet"]);
    world.sim.cut(laptop, tablet);
    check_slowly(&mut world, laptop, phone, &[tablet], &[]);
}

/// A sign of a term that is known says nothing that depends on the batch: who passes it on need not have checked that.
#[test]
fn an_editor_is_not_silent_to_who_hears_of_it_through_one_that_is_checking() {
    let (mut world, [laptop, phone, tablet]) = World::new(86, ["laptop", "phone", "tablet"]);
    world.sim.cut(laptop, tablet);
    check_slowly(&mut world, laptop, laptop, &[phone], &[tablet]);
}
