//! What an app is told of how far a deck has come: who is in sync, behind or ahead by how many, what is saved where; of
//! each change, where it is safe; and a first sync as a person sees it.

use std::collections::BTreeSet;
use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Peer, Sim};
use cuecard::sync::message::Message;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{
    ChangeHash, DeckId, DeviceId, Engine, Event, Fate, Member, Reach, Rights, Safety, Stand, SyncProgress,
};

use crate::world::{SOON, World, world};

pub(crate) const IN_SYNC: Option<Stand> = Some(Stand { behind: 0, ahead: 0 });

const fn apart(behind: u64, ahead: u64) -> Option<Stand> {
    Some(Stand { behind, ahead })
}

#[test]
fn it_is_told_who_lacks_how_much_and_what_is_safe_where() {
    for seed in [1, 2] {
        let mut world = world(seed);
        let (laptop, phone, tablet) = (world.laptop, world.phone, world.tablet);
        let first = world.add(laptop, "hola");
        // Nobody can have it yet, nor has the disk.
        assert_eq!(
            world.safety(laptop, first),
            Safety {
                fate: Fate::Canonical,
                here: false,
                with: BTreeSet::new()
            }
        );
        assert_eq!(world.state(laptop).unsaved, 1);
        assert_eq!(world.stand(laptop, phone), apart(1, 0));
        world.sim.run_for(SOON);
        let safe = world.safety(laptop, first);
        assert!(safe.here);
        assert_eq!(safe.with, world.ids(&[phone, tablet]));
        assert_eq!(world.state(laptop).unsaved, 0);
        for other in [phone, tablet] {
            assert_eq!(world.stand(laptop, other), IN_SYNC);
            assert_eq!(world.stand(other, laptop), IN_SYNC);
            assert!(matches!(world.reach(laptop, other), Reach::Linked(_)));
        }
        // The phone never met the tablet: it is a member all the same.
        assert_eq!(world.reach(phone, tablet), Reach::Never);
        assert_eq!(world.stand(phone, tablet), None);

        // The phone goes away; the work goes on.
        world.sim.cut(laptop, phone);
        world.sim.run_for(SOON);
        let later = ["uno", "dos", "tres"].map(|front| world.add(laptop, front));
        world.sim.run_for(SOON);
        assert_eq!(world.stand(laptop, phone), apart(3, 0));
        assert_eq!(world.stand(laptop, tablet), IN_SYNC);
        assert_eq!(world.safety(laptop, first).with, world.ids(&[phone, tablet]));
        for change in later {
            assert_eq!(world.safety(laptop, change).with, world.ids(&[tablet]));
        }
        let Reach::LastHeard { at_ms } = world.reach(laptop, phone) else {
            panic!("the phone is away");
        };
        assert!(at_ms > 0);

        // That is remembered across a restart, as it was.
        world.sim.run_for(SOON);
        world.sim.crash(laptop);
        world.sim.restart(laptop).unwrap();
        assert_eq!(world.stand(laptop, phone), apart(3, 0), "seed {seed}");
        assert_eq!(world.reach(laptop, phone), Reach::LastHeard { at_ms });
        let with = world.safety(laptop, first).with;
        assert!(with.contains(&world.sim.id(phone)), "{with:?}");

        // Back again, it is told how much there is to come, and when that is here.
        world.sim.take_events(phone);
        world.sim.mend(laptop, phone);
        world.sim.run_for(SOON);
        assert_eq!(world.stand(laptop, phone), IN_SYNC);
        assert_eq!(world.safety(laptop, later[2]).with, world.ids(&[phone, tablet]));
        let (steps, complete) = progress(&world.sim.take_events(phone), world.deck);
        let total = world.state(laptop).changes;
        assert_eq!(
            steps.first(),
            Some(&SyncProgress {
                have: total - 3,
                total
            })
        );
        assert_eq!(complete, 1);
        assert_eq!(world.state(phone).syncing, None);
    }
}

/// What was told of catching up, and how often that it was complete.
fn progress(events: &[Event], of: DeckId) -> (Vec<SyncProgress>, usize) {
    let mut steps = Vec::new();
    let mut complete = 0;
    for event in events {
        match *event {
            Event::Syncing { deck, have, total } if deck == of => {
                assert_eq!(complete, 0, "it is complete only at the end");
                steps.push(SyncProgress { have, total });
            }
            Event::SyncComplete { deck } if deck == of => complete += 1,
            _ => {}
        }
    }
    (steps, complete)
}

/// An app looks again when it is told to, and not before: what it believes then is what is so.
#[test]
fn whoever_looks_again_when_told_to_knows_whom_the_deck_is_exchanged_with() {
    let seed = 3;
    let mut world = world(seed);
    let (laptop, phone, tablet, deck) = (world.laptop, world.phone, world.tablet, world.deck);
    let peers = [laptop, phone, tablet];
    let look = |world: &World, of: Peer| -> BTreeSet<DeviceId> {
        let devices = world.state(of).devices.into_iter();
        let linked = devices.filter(|with| with.reach.is_linked());
        linked.map(|with| with.device).collect()
    };
    let mut believed: Vec<_> = peers.iter().map(|&peer| look(&world, peer)).collect();
    assert_eq!(believed[0].len(), 2, "seed {seed}");
    let mut changes = 0;
    let mut live = |world: &mut World, of: &str, time: Duration| {
        let step = Duration::from_millis(10);
        for _ in 0..time.as_millis() / step.as_millis() {
            world.sim.run_for(step);
            for (&peer, believed) in peers.iter().zip(&mut believed) {
                let events = world.sim.take_events(peer);
                let told = events
                    .iter()
                    .any(|event| matches!(event, Event::ReachChanged { deck: of, .. } if *of == deck));
                let now = look(world, peer);
                if told {
                    changes += usize::from(*believed != now);
                    *believed = now;
                } else {
                    assert_eq!(*believed, now, "{peer:?} was not told, as {of}, seed {seed}");
                }
            }
        }
        std::mem::take(&mut changes)
    };
    let follow = |follows: bool| move |core: &mut Core, now| core.set_followed(now, deck, follows).map(drop);
    world.sim.cut(laptop, phone);
    assert_eq!(live(&mut world, "a cable was cut", SOON), 2);
    // Nothing was written meanwhile: nothing else is told of.
    world.sim.mend(laptop, phone);
    assert_eq!(live(&mut world, "the cable was mended", SOON), 2);
    for peer in [phone, laptop] {
        world.sim.act(peer, follow(false)).unwrap().unwrap();
        assert!(live(&mut world, "a deck was not followed any more", SOON) >= 2);
        assert!(look(&world, peer).is_empty());
        world.sim.act(peer, follow(true)).unwrap().unwrap();
        assert!(live(&mut world, "it was followed again", SOON) >= 2);
    }
    let kept = Member {
        device: world.sim.id(phone),
        rights: Rights::Hold,
        rank: 1,
    };
    let remove = |core: &mut Core, now| core.set_members(now, deck, vec![kept]).map(drop);
    world.sim.act(laptop, remove).unwrap().unwrap();
    assert!(live(&mut world, "the tablet was removed", SOON) >= 2);
    assert_eq!(look(&world, laptop), world.ids(&[phone]));
    assert_eq!(look(&world, phone), world.ids(&[laptop]));
    assert_eq!(look(&world, tablet), BTreeSet::new());
}

#[test]
fn two_that_went_different_ways_are_both_ahead_and_behind() {
    let mut world = world(3);
    let (laptop, phone, tablet, deck) = (world.laptop, world.phone, world.tablet, world.deck);
    world.sim.cut(laptop, phone);
    world.sim.run_for(SOON);
    let lost = ["a", "b"].map(|front| world.add(laptop, front));
    world.sim.run_for(SOON);
    // The phone believes that the editor is gone, and the owner, who is with it, takes its side... by a claim.
    world
        .sim
        .act(phone, |core, now| core.claim(now, deck))
        .unwrap()
        .unwrap();
    let kept = ["c", "d", "e"].map(|front| world.add(phone, front));
    world.sim.run_for(SOON);
    let apart_now = world.stand(phone, laptop).unwrap();
    assert!(apart_now.behind >= 3, "{apart_now:?}");
    world.sim.mend(laptop, phone);
    world.sim.run_for(Duration::from_secs(30));
    // One way counts; what was on the other came back as late work and is part of the deck again.
    let head = world.sim.head(laptop, deck);
    for peer in [phone, tablet] {
        assert_eq!(world.sim.head(peer, deck), head);
    }
    for (peer, other) in [
        (laptop, phone),
        (laptop, tablet),
        (phone, laptop),
        (tablet, laptop),
    ] {
        assert_eq!(world.stand(peer, other), IN_SYNC, "{peer:?} of {other:?}");
    }
    for change in lost.into_iter().chain(kept) {
        let safe = world.safety(laptop, change);
        assert_eq!((safe.fate, safe.here), (Fate::Canonical, true));
        assert_eq!(safe.with, world.ids(&[phone, tablet]));
    }
}

#[test]
fn a_change_of_a_draft_is_followed_into_the_deck() {
    let mut world = world(4);
    let (laptop, phone, tablet, deck) = (world.laptop, world.phone, world.tablet, world.deck);
    let open = |core: &mut Core, now| {
        let draft = core.open_draft(now, deck, "a few more")?.value;
        core.edit_draft(now, deck, draft, |edit| edit.add_card("cuatro", "four").map(drop))?;
        Ok::<_, cuecard::EditError>(draft)
    };
    let draft = world.sim.act(phone, open).unwrap().unwrap();
    world.sim.run_for(SOON);
    let drafts = world.sim.drafts(phone, deck);
    let base = drafts[0].base;
    let of_draft = |world: &World| {
        let preview = world.sim.draft_head(phone, deck, draft).unwrap();
        assert_ne!(preview, base);
        preview
    };
    let change = of_draft(&world);
    let safe = world.safety(phone, change);
    assert_eq!(
        (safe.fate, safe.here, safe.with),
        (Fate::Draft(draft), true, BTreeSet::new())
    );
    world
        .sim
        .act(phone, |core, now| core.propose_draft(now, deck, draft))
        .unwrap()
        .unwrap();
    world.sim.run_for(SOON);
    let safe = world.safety(phone, change);
    assert_eq!(safe.with, world.ids(&[laptop]), "delivered");
    // Its author adds to it while away, so that the editor accepts the shorter one first.
    world.sim.cut(laptop, phone);
    world.sim.run_for(SOON);
    let extend = |core: &mut Core, now| {
        core.edit_draft(now, deck, draft, |edit| edit.add_card("seis", "six").map(drop))?;
        core.propose_draft(now, deck, draft).map(drop)
    };
    world.sim.act(phone, extend).unwrap().unwrap();
    let added = of_draft(&world);
    let accept = |world: &mut World| {
        let accept = |core: &mut Core, now| core.accept_draft(now, deck, draft).map(drop);
        world.sim.act(laptop, accept).unwrap().unwrap();
        world.sim.run_for(SOON);
    };
    accept(&mut world);
    // The tablet has the acceptance, and so it has the draft, though not what came after.
    world.sim.cut(laptop, tablet);
    world.sim.run_for(SOON);
    world.add(laptop, "cinco");
    world.sim.mend(laptop, phone);
    world.sim.run_for(SOON);
    for peer in [laptop, phone] {
        let safe = world.safety(peer, change);
        assert_eq!((safe.fate, safe.here), (Fate::Canonical, true), "{peer:?}");
    }
    assert_eq!(world.safety(laptop, change).with, world.ids(&[phone, tablet]));
    assert_eq!(world.stand(laptop, tablet), apart(1, 0));
    // What is accepted later brings that in no second time: it is safe where it was.
    accept(&mut world);
    assert_eq!(world.safety(laptop, change).with, world.ids(&[phone, tablet]));
    assert_eq!(world.safety(laptop, added).with, world.ids(&[phone]));
}

#[test]
fn what_a_liar_says_of_numbers_is_capped_and_hurts_nobody() {
    let mut world = world(5);
    let (laptop, deck) = (world.laptop, world.deck);
    world.add(laptop, "hola");
    world.sim.run_for(SOON);
    let key = world
        .sim
        .act(laptop, |core, _| core.deck_key(deck).unwrap())
        .unwrap();
    let liar = cuecard::transport::DeviceKey::generate().unwrap().id();
    let intruder = world.sim.intrude_with_key(laptop, liar, deck, &key);
    world.sim.run_for(SOON);
    let status = world
        .sim
        .heard(intruder)
        .into_iter()
        .find(|message| matches!(message, Message::Status { .. }));
    let Some(Message::Status {
        charter,
        locator,
        beside,
        ..
    }) = status
    else {
        panic!("the laptop said where it stands");
    };
    let mut ahead = locator.clone();
    ahead[0].len += 1;
    ahead[0].head = ChangeHash([7; 32]);
    for locator in [locator, ahead] {
        world.sim.say(
            intruder,
            &Message::Status {
                deck,
                charter,
                locator: locator.clone(),
                beside,
                changes: u64::MAX,
            },
        );
        let held = locator[0];
        let (taken, changes) = (0, u64::MAX);
        world.sim.say(
            intruder,
            &Message::Ack {
                deck,
                held,
                taken,
                changes,
            },
        );
        let state = world.state(laptop);
        let seen = state.device(liar).unwrap().stand.unwrap();
        assert!(seen.ahead <= cuecard::limits::DECK_CHANGES_MAX, "{seen:?}");
        world.sim.run_for(SOON);
    }
    // It was no member: nothing of it is kept.
    assert!(matches!(world.state(laptop).syncing, Some(SyncProgress { .. })));
    world.sim.crash(laptop);
    world.sim.restart(laptop).unwrap();
    assert_eq!(world.state(laptop).device(liar), None);
    assert_eq!(world.state(laptop).syncing, None);
}

#[test]
fn a_first_sync_is_counted_and_read_before_its_audio_is_here() {
    let mut sim = Sim::new(6);
    let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
    let conditions = Conditions {
        // So slow that the deck takes longer than what comes is held.
        bandwidth: Some(150_000),
        ..Conditions::latency(Duration::from_millis(20))
    };
    sim.connect(laptop, phone, conditions);
    let create = |core: &mut Core, now| core.create_deck(now, "large").unwrap().value;
    let deck = sim.act(laptop, create).unwrap();
    let other = sim.act(laptop, create).unwrap();
    let sound: Vec<u8> = (0..6_000_000_u32)
        .map(|at| (at.wrapping_mul(at) >> 7) as u8)
        .collect();
    let audio = sim.import_audio(laptop, &sound).unwrap();
    let blob = audio.blob;
    sim.act(laptop, |core, now| {
        core.edit(now, deck, |edit| {
            let card = edit.add_card("hola", "hello")?;
            edit.attach_audio(&card, "front", audio)
        })
        .unwrap();
        for number in 0..1_500 {
            core.edit(now, deck, |edit| {
                edit.add_card(&format!("{number}"), "?").map(drop)
            })
            .unwrap();
        }
    });
    sim.run_for(SOON);
    let keys = [deck, other].map(|deck| sim.act(laptop, |core, _| core.deck_key(deck).unwrap()).unwrap());
    sim.act(phone, |core, now| {
        core.join_deck(now, deck, keys[0]);
        core.join_deck(now, other, keys[1]);
    });
    let have_cards = |sim: &Sim| !sim.cards(phone, deck).is_empty();
    sim.run_until("the first cards are here", SOON, have_cards)
        .unwrap();
    // The other deck is of use in the middle of it.
    assert!(sim.sync_state(phone, deck).unwrap().syncing.is_some());
    sim.act(laptop, |core, now| {
        core.edit(now, other, |edit| edit.add_card("at once", "?").map(drop))
            .unwrap();
    });
    let other_is_here = |sim: &Sim| sim.cards(phone, other).len() == 1;
    sim.run_until("the other deck's card", SOON, other_is_here)
        .unwrap();
    let complete = |sim: &Sim| {
        let state = sim.sync_state(phone, deck).unwrap();
        state.syncing.is_none() && state.changes == 1_502
    };
    sim.run_until("it is complete", Duration::from_secs(60), complete)
        .unwrap();
    assert_eq!(sim.cards(phone, deck).len(), 1_501);
    assert!(!sim.holds_audio(phone, blob), "the cards came first");
    let (steps, times) = progress(&sim.take_events(phone), deck);
    assert_eq!(times, 1);
    // Slices that come one upon the other are taken in together, so they are few.
    assert!(steps.len() >= 2, "{steps:?}");
    assert_eq!(
        steps[0],
        SyncProgress {
            have: 0,
            total: 1_502
        }
    );
    for pair in steps.windows(2) {
        assert!(pair[0].have <= pair[1].have, "{pair:?}");
        assert_eq!(pair[1].total, 1_502);
    }
    sim.run_until("the audio", Duration::from_secs(60), |sim| {
        sim.holds_audio(phone, blob)
    })
    .unwrap();
}

#[tokio::test]
async fn an_app_asks_of_its_edit_and_of_its_devices() {
    let folder = tempfile::tempdir().unwrap();
    let laptop = Engine::builder()
        .name("laptop")
        .open(folder.path())
        .await
        .unwrap();
    let phone = Engine::builder()
        .name("phone")
        .open(folder.path().join("phone"))
        .await
        .unwrap();
    let deck = laptop.create_deck("Spanish").await.unwrap();
    let nothing = deck.edit(|_| Ok(()));
    assert_eq!(nothing.change(), None);
    nothing.await.unwrap();
    let edit = deck.edit(|edit| edit.add_card("hola", "hello"));
    let change = edit.change().expect("it changed something");
    assert_eq!(change, deck.head().unwrap());
    edit.await.unwrap();
    let safe = deck.safe_where(change).unwrap().unwrap();
    assert_eq!(
        (safe.fate, safe.here, safe.with.len()),
        (Fate::Canonical, true, 0)
    );
    assert_eq!(deck.safe_where(ChangeHash([1; 32])).unwrap(), None);

    let mut events = laptop.events();
    let copy = phone.join(&deck.invite(Rights::Draft).unwrap()).await.unwrap();
    assert_eq!(copy.sync_state().unwrap().changes, 0, "nothing of it is here");
    let (here, there) = pair(laptop.device(), phone.device(), Conditions::PERFECT, 1);
    let (at_laptop, _at_phone) = (laptop.attach(here), phone.attach(there));
    let until = async |events: &mut cuecard::Events, is_it: &dyn Fn(&Event) -> bool| {
        let wait = async { while !events.next().await.is_some_and(|event| is_it(&event)) {} };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
    };
    until(&mut events, &|event| {
        matches!(event, Event::SafeWith { in_sync: true, .. })
    })
    .await;
    let safe = deck.safe_where(change).unwrap().unwrap();
    assert_eq!(safe.with, BTreeSet::from([phone.device()]));
    let state = deck.sync_state().unwrap();
    let known = state.device(phone.device()).unwrap();
    assert_eq!(known.name.as_deref(), Some("phone"));
    assert_eq!((known.stand, known.saved), (IN_SYNC, Some(change)));
    let Reach::Linked(quality) = known.reach else {
        panic!("it is linked");
    };
    assert_eq!(quality.route, cuecard::transport::RouteKind::Memory);

    // A draft's edit has its change, too.
    let draft = copy.draft("more").await.unwrap();
    let edit = draft.edit(|edit| edit.add_card("adiós", "bye"));
    let drafted = edit.change().unwrap();
    edit.await.unwrap();
    let safe = copy.safe_where(drafted).unwrap().unwrap();
    assert_eq!(safe.fate, Fate::Draft(draft.id()));

    // The laptop is closed and opened: what is safe with the phone still is.
    laptop.shutdown().await.unwrap();
    at_laptop.ended().await;
    drop((deck, laptop, events));
    let laptop = Engine::open(folder.path()).await.unwrap();
    let deck = laptop.decks().pop().unwrap();
    let state = deck.sync_state().unwrap();
    let known = state.device(phone.device()).unwrap();
    assert!(matches!(known.reach, Reach::LastHeard { at_ms } if at_ms > 1_700_000_000_000));
    assert_eq!((known.stand, known.saved), (IN_SYNC, Some(change)));
    assert_eq!(known.name.as_deref(), Some("phone"));
    phone.shutdown().await.unwrap();
}
