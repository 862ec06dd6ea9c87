//! Many decks over one link: as many as a link carries, and of more those that both have.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::limits::DECKS_PER_LINK_MAX;
use cuecard::sim::{Peer, Sim};
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, Rights};

fn create(sim: &mut Sim, peer: Peer, title: &str) -> DeckId {
    let deck = sim
        .act(peer, |core, now| core.create_deck(now, title).unwrap().value)
        .unwrap();
    sim.act(peer, |core, now| {
        core.edit(now, deck, |edit| edit.add_card(title, "?").map(drop))
            .unwrap();
    });
    deck
}

fn share(sim: &mut Sim, from: Peer, to: Peer, deck: DeckId) {
    let invite = sim.invite(from, deck, Rights::Draft).unwrap();
    sim.act(to, |core, now| core.join(now, &invite));
}

#[test]
fn as_many_decks_as_a_link_carries_are_exchanged_over_one() {
    let mut sim = Sim::new(21);
    let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
    sim.connect(laptop, phone, Conditions::latency(Duration::from_millis(20)));
    let decks: Vec<DeckId> = (0..DECKS_PER_LINK_MAX)
        .map(|number| create(&mut sim, laptop, &format!("deck {number}")))
        .collect();
    sim.run_for(Duration::from_secs(2));
    for &deck in &decks {
        share(&mut sim, laptop, phone, deck);
    }
    sim.run_for(Duration::from_secs(10));
    // And live edits in each, from one moment on.
    for &deck in &decks {
        let edit = |core: &mut Core, now| core.edit(now, deck, |edit| edit.add_card("live", "?").map(drop));
        sim.act(laptop, |core, now| edit(core, now).map(drop))
            .unwrap()
            .unwrap();
    }
    sim.run_for(Duration::from_secs(5));
    for &deck in &decks {
        assert_eq!(sim.cards(phone, deck).len(), 2);
        assert_eq!(sim.head(phone, deck), sim.head(laptop, deck));
    }
}

#[test]
fn of_more_than_a_link_carries_those_that_both_have_are_exchanged() {
    let mut sim = Sim::new(22);
    let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
    // Each has many of its own; three they came to share when there was room.
    let shared: Vec<DeckId> = (0..3)
        .map(|number| create(&mut sim, laptop, &format!("shared {number}")))
        .collect();
    sim.connect(laptop, phone, Conditions::latency(Duration::from_millis(20)));
    sim.run_for(Duration::from_secs(1));
    for &deck in &shared {
        share(&mut sim, laptop, phone, deck);
    }
    sim.run_for(Duration::from_secs(5));
    for peer in [laptop, phone] {
        for number in 0..2 * DECKS_PER_LINK_MAX {
            create(&mut sim, peer, &format!("own {number}"));
        }
    }
    sim.run_for(Duration::from_secs(5));
    for again in [false, true] {
        if again {
            // Also after both began anew.
            sim.crash(laptop);
            sim.crash(phone);
            sim.restart(laptop).unwrap();
            sim.restart(phone).unwrap();
            sim.run_for(Duration::from_secs(5));
        }
        for &deck in &shared {
            let edit =
                |core: &mut Core, now| core.edit(now, deck, |edit| edit.add_card("live", "?").map(drop));
            sim.act(laptop, |core, now| edit(core, now).map(drop))
                .unwrap()
                .unwrap();
        }
        sim.run_for(Duration::from_secs(5));
        for &deck in &shared {
            let cards = sim.cards(phone, deck).len();
            assert_eq!(cards, if again { 3 } else { 2 }, "again: {again}");
        }
    }
}

#[test]
fn who_has_more_than_a_link_carries_is_joined_all_the_same() {
    for seed in 23..27 {
        let mut sim = Sim::new(seed);
        let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
        let decks: Vec<DeckId> = (0..2 * DECKS_PER_LINK_MAX)
            .map(|number| create(&mut sim, laptop, &format!("deck {number}")))
            .collect();
        // The other has as many of its own, and none of these is known to be shared with anybody.
        for number in 0..2 * DECKS_PER_LINK_MAX {
            create(&mut sim, phone, &format!("own {number}"));
        }
        sim.connect(laptop, phone, Conditions::latency(Duration::from_millis(20)));
        sim.run_for(Duration::from_secs(5));
        let joined = &decks[DECKS_PER_LINK_MAX - 4..DECKS_PER_LINK_MAX + 4];
        for &deck in joined {
            share(&mut sim, laptop, phone, deck);
        }
        sim.run_for(Duration::from_secs(10));
        for &deck in joined {
            assert_eq!(sim.head(phone, deck), sim.head(laptop, deck), "seed {seed}");
        }
    }
}

#[test]
fn of_more_shared_decks_than_a_link_carries_it_carries_all_that_it_can_and_rests() {
    let mut sim = Sim::new(27);
    let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
    let decks: Vec<DeckId> = (0..2 * DECKS_PER_LINK_MAX)
        .map(|number| create(&mut sim, laptop, &format!("deck {number}")))
        .collect();
    sim.run_for(Duration::from_secs(2));
    for &deck in &decks {
        share(&mut sim, laptop, phone, deck);
    }
    sim.connect(laptop, phone, Conditions::latency(Duration::from_millis(20)));
    sim.run_for(Duration::from_secs(20));
    let shared = |sim: &Sim| {
        let same = |deck: &&DeckId| sim.head(phone, **deck).is_some();
        decks.iter().filter(same).count()
    };
    assert_eq!(shared(&sim), DECKS_PER_LINK_MAX);
    sim.record();
    sim.run_for(Duration::from_secs(20));
    let greetings = |sim: &Sim| {
        let opened = sim
            .recorded()
            .iter()
            .filter_map(|(_, bytes)| cuecard::sync::envelope::open(bytes).ok());
        opened
            .filter(|message| matches!(message, cuecard::sync::message::Message::Greet { .. }))
            .count()
    };
    assert_eq!(greetings(&sim), 0, "they do not go on choosing");
    // One more has no place: what was said is not said again.
    create(&mut sim, laptop, "one more");
    sim.run_for(Duration::from_secs(20));
    assert_eq!(greetings(&sim), 0, "it shows nothing else than before");
}
