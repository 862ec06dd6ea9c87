//! Audio that nobody needs goes, and none that somebody needs.

use std::time::Duration;

use cuecard::limits::UNDO_KEEPS_AUDIO_OF;
use cuecard::sim::Peer;
use cuecard::transport::memory::Conditions;
use cuecard::{CardId, Event, LateWorkPolicy, Member, Policies, Rights, SettlePolicy};

use crate::world::*;

const GRACE: Duration = Duration::from_secs(3_600);

fn grace(world: &mut World, peer: Peer, grace: Duration) {
    act(&mut world.sim, peer, |core, _| core.set_audio_grace(grace));
}

/// Collects; how many went.
fn collect(world: &mut World, peer: Peer) -> u64 {
    world.sim.take_events(peer);
    act(&mut world.sim, peer, |core, now| core.collect_audio(now));
    world.sim.run_for(SOON);
    let events = world.sim.take_events(peer).into_iter();
    let deleted = events.filter_map(|event| match event {
        Event::AudioCollected { deleted, .. } => Some(deleted),
        _ => None,
    });
    deleted.sum()
}

/// Notes what is not needed, waits for the grace period, and collects.
fn collect_after_grace(world: &mut World, peer: Peer) -> u64 {
    grace(world, peer, GRACE);
    assert_eq!(collect(world, peer), 0, "nothing goes before its time");
    world.sim.run_for(GRACE);
    collect(world, peer)
}

fn linked(seed: u64) -> (World, Peer) {
    let mut world = World::new(seed);
    let viewer = world.follower("viewer");
    world.sim.connect(world.author, viewer, Conditions::PERFECT);
    (world, viewer)
}

fn edit(world: &mut World, edit: impl FnOnce(&mut cuecard::Edit<'_>) -> Result<(), cuecard::OpError>) {
    let (deck, author) = (world.deck, world.author);
    act(&mut world.sim, author, |core, now| {
        core.edit(now, deck, edit).unwrap()
    });
    world.sim.run_for(SOON);
}

#[test]
fn what_was_replaced_goes_where_nobody_can_undo_it() {
    let (mut world, viewer) = linked(1);
    let author = world.author;
    let (card, before) = world.sounding("uno", &sound(1, 50_000));
    world.time_until_whole(viewer, before.blob, SOON);
    let now = world.attach(&card, &sound(2, 50_000));
    world.time_until_whole(viewer, now.blob, SOON);
    assert_eq!(collect_after_grace(&mut world, viewer), 1);
    assert!(!world.sim.holds_audio(viewer, before.blob) && world.sim.holds_audio(viewer, now.blob));
    // Who replaced it may want it back: and all have it again then.
    assert_eq!(collect_after_grace(&mut world, author), 0);
    let deck = world.deck;
    act(&mut world.sim, author, |core, now| {
        core.undo(now, deck).map(drop).unwrap()
    });
    world.time_until_whole(viewer, before.blob, SOON);
    // What was undone can be done again, after a restart as well.
    world.sim.crash(author);
    world.sim.restart(author).unwrap();
    assert_eq!(collect_after_grace(&mut world, author), 0);
    act(&mut world.sim, author, |core, now| {
        core.redo(now, deck).map(drop).unwrap()
    });
    world.sim.run_for(SOON);
    assert!(world.sim.holds_audio(author, now.blob) && world.sim.holds_audio(viewer, now.blob));
}

#[test]
fn after_a_hundred_edits_it_goes_at_its_author_too() {
    let (mut world, _) = linked(2);
    let author = world.author;
    let (card, before) = world.sounding("uno", &sound(1, 50_000));
    let now = world.attach(&card, &sound(2, 50_000));
    for number in 0..UNDO_KEEPS_AUDIO_OF {
        assert!(world.sim.holds_audio(author, before.blob), "{number} edits");
        if number.is_multiple_of(33) {
            assert_eq!(collect_after_grace(&mut world, author), 0, "{number} edits");
        }
        edit(&mut world, |edit| edit.tag(&card, &number.to_string()));
    }
    // The first of the hundred is the edit after the one that replaced it.
    assert_eq!(collect_after_grace(&mut world, author), 1);
    assert!(!world.sim.holds_audio(author, before.blob) && world.sim.holds_audio(author, now.blob));
}

#[test]
fn the_audio_of_a_deleted_card_goes_and_comes_back_with_it() {
    let (mut world, viewer) = linked(3);
    let (card, audio) = world.sounding("uno", &sound(1, 50_000));
    world.time_until_whole(viewer, audio.blob, SOON);
    edit(&mut world, |edit| edit.delete_card(&card));
    assert_eq!(collect_after_grace(&mut world, viewer), 1);
    edit(&mut world, |edit| edit.restore_card(&card));
    world.time_until_whole(viewer, audio.blob, SOON);
}

#[test]
fn what_is_needed_again_in_time_stays() {
    let (mut world, viewer) = linked(4);
    let (card, audio) = world.sounding("uno", &sound(1, 50_000));
    world.time_until_whole(viewer, audio.blob, SOON);
    edit(&mut world, |edit| edit.detach_audio(&card, "front"));
    grace(&mut world, viewer, GRACE);
    assert_eq!(collect(&mut world, viewer), 0);
    world.sim.run_for(GRACE / 2);
    world.attach_ref(&card, audio.clone());
    world.sim.run_for(GRACE);
    assert_eq!(collect(&mut world, viewer), 0);
    assert!(world.sim.holds_audio(viewer, audio.blob));
}

#[test]
fn what_is_on_its_way_stays() {
    let mut world = World::new(5);
    let (author, viewer) = (world.author, world.follower("viewer"));
    world.sim.connect(author, viewer, path(100_000));
    let (_, audio) = world.sounding("uno", &sound(1, 1_000_000));
    world.sim.run_for(Duration::from_secs(5));
    // Half of it is here, and its source is gone for longer than the grace period.
    world.sim.crash(author);
    assert_eq!(collect_after_grace(&mut world, viewer), 0);
    let have = |world: &mut World| {
        let progress = act(&mut world.sim, viewer, |core, _| core.audio_progress(audio.blob));
        progress.expect("it is wanted").have_bytes
    };
    assert!(have(&mut world) > 200_000);
    world.sim.restart(author).unwrap();
    world.sim.record();
    world.time_until_whole(viewer, audio.blob, SOON);
    assert!(said(world.sim.recorded()).1 < 800_000, "the first half was kept");
}

/// Of the past, which nobody needs any more, and somebody asked for: it comes slowly, and both sides collect meanwhile.
#[test]
fn what_is_being_sent_stays_on_both_sides_until_it_has_come() {
    let mut world = World::new(9);
    let (author, viewer, deck) = (world.author, world.follower("viewer"), world.deck);
    world.sim.connect(author, viewer, path(50_000));
    let (card, before) = world.sounding("uno", &sound(1, 1_000_000));
    world.attach(&card, &sound(2, 1_000));
    for number in 0..=UNDO_KEEPS_AUDIO_OF {
        edit(&mut world, |edit| edit.tag(&card, &number.to_string()));
    }
    for peer in [author, viewer] {
        grace(&mut world, peer, GRACE);
        collect(&mut world, peer);
    }
    world.sim.run_for(GRACE - SOON);
    assert!(world.sim.holds_audio(author, before.blob) && !world.sim.holds_audio(viewer, before.blob));
    act(&mut world.sim, viewer, |core, now| {
        core.ask_for_audio(now, deck, &before).unwrap();
    });
    // It takes some twenty seconds, and the time of grace ends meanwhile.
    for _ in 0..4 {
        world.sim.run_for(Duration::from_secs(4));
        for peer in [author, viewer] {
            grace(&mut world, peer, Duration::ZERO);
            act(&mut world.sim, peer, |core, now| core.collect_audio(now));
        }
        assert!(!world.sim.holds_audio(viewer, before.blob), "it is on its way");
    }
    world.time_until_whole(viewer, before.blob, SOON);
    world.sim.run_for(SOON * 4);
    assert_eq!(collect(&mut world, author), 1, "and goes when it was sent");
    assert_eq!(collect(&mut world, viewer), 1);
}

#[test]
fn what_drafts_name_stays() {
    let (mut world, viewer) = linked(6);
    let (author, deck) = (world.author, world.deck);
    let card = world.card("uno");
    let members = vec![Member {
        device: world.sim.id(viewer),
        rights: Rights::Draft,
        rank: 1,
    }];
    act(&mut world.sim, author, |core, now| {
        core.set_members(now, deck, members).unwrap()
    });
    world.sim.run_for(SOON);
    let audio = world.sim.import_audio(viewer, &sound(6, 70_000)).unwrap();
    let blob = audio.blob;
    let draft = act(&mut world.sim, viewer, |core, now| {
        let draft = core.open_draft(now, deck, "better").unwrap().value;
        core.edit_draft(now, deck, draft, |edit| edit.attach_audio(&card, "front", audio))
            .unwrap();
        draft
    });
    world.sim.run_for(SOON);
    assert_eq!(collect_after_grace(&mut world, viewer), 0, "it is being written");
    act(&mut world.sim, viewer, |core, now| {
        core.propose_draft(now, deck, draft).unwrap()
    });
    world.time_until_whole(author, blob, SOON);
    for peer in [author, viewer] {
        assert_eq!(collect_after_grace(&mut world, peer), 0, "it waits for a word");
    }
    // It says so after a restart, too.
    for peer in [author, viewer] {
        world.sim.crash(peer);
        world.sim.restart(peer).unwrap();
        assert_eq!(collect_after_grace(&mut world, peer), 0);
        assert!(world.sim.holds_audio(peer, blob));
    }
}

#[test]
fn what_late_work_names_stays() {
    let (mut world, viewer) = linked(7);
    let (author, deck) = (world.author, world.deck);
    world.card("uno");
    let backup = world.sim.backup(author).unwrap();
    world.sim.run_for(SOON);
    let (card, audio) = world.sounding("dos", &sound(1, 50_000));
    world.time_until_whole(viewer, audio.blob, SOON);
    world.sim.cut(author, viewer);
    world.sim.run_for(SOON);
    // The author's disk is restored from before that, and edits on: what only the viewer has is late work now.
    world.sim.restore_backup(author, &backup).unwrap();
    let policies = Policies {
        late_work: LateWorkPolicy::Ask,
        settle: SettlePolicy::ByHand,
        ..Policies::default()
    };
    act(&mut world.sim, author, |core, _| {
        core.set_policies(deck, policies).unwrap()
    });
    world.card("tres");
    world.sim.run_for(SOON);
    world.sim.mend(author, viewer);
    world.sim.run_for(SOON);
    let has = |world: &World, peer: Peer, card: &CardId| {
        world.sim.cards(peer, deck).iter().any(|here| here.id == *card)
    };
    assert!(!has(&world, viewer, &card) && !has(&world, author, &card));
    assert_eq!(collect_after_grace(&mut world, viewer), 0);
    // What it names is known from the disk, too.
    world.sim.crash(viewer);
    world.sim.restart(viewer).unwrap();
    assert_eq!(collect_after_grace(&mut world, viewer), 0);
    assert!(world.sim.holds_audio(viewer, audio.blob));
    let late = world.sim.late_work_left(author, deck)[0];
    act(&mut world.sim, author, |core, now| {
        core.accept_late_work(now, deck, late.term, late.head).unwrap();
    });
    world.time_until_whole(author, audio.blob, SOON);
    assert!(has(&world, author, &card));
}

#[test]
fn it_is_done_by_itself_and_goes_on_after_a_restart() {
    let (mut world, viewer) = linked(8);
    let (card, audio) = world.sounding("uno", &sound(1, 50_000));
    world.time_until_whole(viewer, audio.blob, SOON);
    edit(&mut world, |edit| edit.detach_audio(&card, "front"));
    // It is opened for a few minutes an hour, and never for as long as the grace period.
    for hour in 0..30 {
        world.sim.run_for(Duration::from_secs(120));
        let here = world.sim.holds_audio(viewer, audio.blob);
        assert!(here || hour >= 24, "gone after {hour} hours");
        world.sim.crash(viewer);
        world.sim.run_for(Duration::from_secs(3_480));
        world.sim.restart(viewer).unwrap();
    }
    assert!(!world.sim.holds_audio(viewer, audio.blob));
}
