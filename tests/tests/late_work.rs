//! Work that lost its place comes back: by itself, or by a person's word where the policy is to ask.

use std::time::Duration;

use cuecard::core::Core;
use cuecard::sim::{Peer, Sim};
use cuecard::time::Time;
use cuecard::transport::memory::Conditions;
use cuecard::{DeckId, Event, LateWhy, LateWorkPolicy, Policies, SettlePolicy, TurnWhy};

const SOON: Duration = Duration::from_secs(20);

struct World {
    sim: Sim,
    laptop: Peer,
    phone: Peer,
    deck: DeckId,
}

fn act<T>(sim: &mut Sim, peer: Peer, act: impl FnOnce(&mut Core, Time) -> T) -> T {
    sim.act(peer, act).expect("it is running")
}

impl World {
    /// A laptop whose disk is restored from a backup that lacks three cards, which the phone holds; and that edits on.
    fn restored(seed: u64, policy: LateWorkPolicy) -> Self {
        let mut sim = Sim::new(seed);
        let (laptop, phone) = (sim.device("laptop"), sim.device("phone"));
        let deck = act(&mut sim, laptop, |core, now| {
            core.create_deck(now, "Spanish").unwrap().value
        });
        let key = act(&mut sim, laptop, |core, _| core.deck_key(deck).unwrap());
        act(&mut sim, phone, |core, now| core.join_deck(now, deck, key));
        sim.connect(laptop, phone, Conditions::PERFECT);
        let mut world = Self {
            sim,
            laptop,
            phone,
            deck,
        };
        world.add("uno");
        let backup = world.sim.backup(laptop).unwrap();
        for front in ["dos", "tres", "cuatro"] {
            world.add(front);
        }
        world.sim.cut(laptop, phone);
        world.sim.run_for(SOON);
        world.sim.restore_backup(laptop, &backup).unwrap();
        let policies = Policies {
            late_work: policy,
            settle: SettlePolicy::ByHand,
            ..Policies::default()
        };
        act(&mut world.sim, laptop, |core, _| {
            core.set_policies(deck, policies).unwrap()
        });
        world.add("cinco");
        assert_eq!(world.fronts(laptop), ["cinco", "uno"]);
        world.sim.take_events(phone);
        world.sim.mend(laptop, phone);
        world.sim.run_for(SOON);
        world
    }

    fn add(&mut self, front: &str) {
        let deck = self.deck;
        act(&mut self.sim, self.laptop, |core, now| {
            core.edit(now, deck, |edit| edit.add_card(front, "?").map(drop))
                .unwrap()
        });
        self.sim.run_for(SOON);
    }

    fn fronts(&self, peer: Peer) -> Vec<String> {
        let cards = self.sim.cards(peer, self.deck).into_iter();
        let mut fronts: Vec<String> = cards.map(|card| card.front).collect();
        fronts.sort();
        fronts
    }
}

#[test]
fn what_a_restored_backup_lost_comes_back_without_a_hand() {
    let mut world = World::restored(1, LateWorkPolicy::Accept);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    for peer in [laptop, phone] {
        assert_eq!(world.fronts(peer), ["cinco", "cuatro", "dos", "tres", "uno"]);
        assert!(world.sim.late_work_left(peer, deck).is_empty());
    }
    assert_eq!(world.sim.head(laptop, deck), world.sim.head(phone, deck));
    let turned = world
        .sim
        .take_events(phone)
        .into_iter()
        .find_map(|event| match event {
            Event::Reorganised {
                taken_out,
                why,
                now_in,
                ..
            } => Some((taken_out, why, now_in)),
            _ => None,
        });
    let (taken_out, why, now_in) = turned.expect("the phone's path turned");
    assert_eq!(taken_out, 3);
    assert!(
        matches!(why, TurnWhy::BetterTerm { by, .. } if by == world.sim.id(laptop)),
        "{why:?}"
    );
    assert_eq!(
        now_in
            .iter()
            .map(|late| late.len + 1 - late.from)
            .collect::<Vec<_>>(),
        [3]
    );
    // It stays after a restart, and reaches one who joins then.
    let head = world.sim.head(phone, deck);
    world.sim.crash(phone);
    world.sim.restart(phone).expect("it opens again");
    assert_eq!(world.sim.head(phone, deck), head);
    let key = act(&mut world.sim, phone, |core, _| core.deck_key(deck).unwrap());
    let tablet = world.sim.device("tablet");
    act(&mut world.sim, tablet, |core, now| core.join_deck(now, deck, key));
    world.sim.connect(phone, tablet, Conditions::PERFECT);
    world.sim.run_for(SOON);
    assert_eq!(world.sim.head(tablet, deck), head);
    assert_eq!(world.sim.holdings(tablet, deck), world.sim.holdings(phone, deck));
    // What comes back is no edit of the person's: an undo takes back what they did last.
    let undone = act(&mut world.sim, laptop, |core, now| core.undo(now, deck).map(drop));
    undone.expect("there is something to undo");
    assert_eq!(world.fronts(laptop).len(), 4);
}

#[test]
fn late_work_waits_for_a_person_where_the_policy_is_to_ask() {
    let mut world = World::restored(2, LateWorkPolicy::Ask);
    let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
    assert_eq!(world.fronts(laptop), ["cinco", "uno"]);
    let events = world.sim.take_events(laptop);
    let waiting = events.iter().filter_map(|event| match event {
        Event::LateWorkWaiting { late, why, .. } => Some((*late, why.clone())),
        _ => None,
    });
    let (late, why) = waiting.collect::<Vec<_>>().pop().expect("it waits");
    assert_eq!(why, LateWhy::Policy);
    let by_phone = act(&mut world.sim, phone, |core, now| {
        core.accept_late_work(now, deck, late.term, late.head).map(drop)
    });
    assert!(by_phone.is_err(), "only the editor accepts it");
    act(&mut world.sim, laptop, |core, now| {
        core.accept_late_work(now, deck, late.term, late.head).unwrap()
    });
    world.sim.run_for(SOON);
    for peer in [laptop, phone] {
        assert_eq!(world.fronts(peer), ["cinco", "cuatro", "dos", "tres", "uno"]);
    }
}
