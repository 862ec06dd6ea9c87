//! Worlds with a device whose person has modified its engine: it takes itself for one that may hold the role, and does in
//! earnest what follows from that. It claims the role, edits, hands it to itself and to others, accepts and declines drafts,
//! plays, and tells everybody, for as long as it likes. Nobody's deck changes by that, and all else goes on.

use std::time::Duration;

use cuecard::sim::Peer;
use cuecard::{DeckInvite, Rights, Role};
use cuecard_tests::on_all_cores;

use crate::world::{Outcome, World};

const SEEDS: u64 = 40;

/// Every front that the modified engine writes.
const MARK: &str = "mallory was here";

impl World {
    /// It has joined like anybody who was invited, and is linked with two of the others for good.
    fn let_in_modified(&mut self) -> Outcome<Peer> {
        let rights = [Rights::Read, Rights::Draft][self.sim.random(2) as usize];
        let by = self.editors().first().copied().ok_or("nobody may edit")?;
        let invite: DeckInvite = self.sim.invite(by, self.deck, rights).ok_or("no invite")?;
        let mallory = self.sim.device("mallory");
        for _ in 0..2 {
            let friend = self.some_peer();
            let conditions = cuecard::transport::memory::Conditions {
                latency: Duration::from_millis(20),
                jitter: Duration::from_millis(5),
                ..cuecard::transport::memory::Conditions::PERFECT
            };
            self.sim.connect(mallory, friend, conditions);
        }
        self.sim.act(mallory, |core, now| core.join(now, &invite));
        self.sim.run_for(Duration::from_secs(2));
        self.sim.modify(mallory);
        Ok(mallory)
    }

    /// Something that only who holds the role may do. Says whether its own engine let it.
    fn usurp(&mut self, mallory: Peer, number: u64) -> bool {
        let deck = self.deck;
        let (me, to) = (self.sim.id(mallory), self.some_peer());
        let to = self.sim.id(to);
        let kind = self.sim.random(9);
        let draft = self
            .sim
            .drafts(mallory, deck)
            .into_iter()
            .find(|draft| draft.state.is_proposed());
        let did = self.sim.act(mallory, |core, now| match (kind, draft) {
            (0, _) => core.claim(now, deck).is_ok(),
            (1, _) => core.hand_over(now, deck, me).is_ok(),
            (2, _) => core.hand_over(now, deck, to).is_ok(),
            (3, Some(draft)) => core.accept_draft(now, deck, draft.draft).is_ok(),
            (4, Some(draft)) => core.decline_draft(now, deck, draft.draft, MARK).is_ok(),
            (5, _) => core.release(now, deck).is_ok(),
            (6, _) => core.undo(now, deck).is_ok(),
            (7, _) => core.request_role(now, deck, MARK).is_ok(),
            _ => core
                .edit(now, deck, |edit| {
                    edit.add_card(&format!("{MARK} {number}"), "?").map(drop)
                })
                .is_ok(),
        });
        did == Some(true)
    }
}

/// One world. How often the modified engine did something that it may not.
fn run(seed: u64) -> Outcome<(u64, bool)> {
    let mut world = World::new(seed)?;
    let mallory = world.let_in_modified()?;
    let (mut did, mut edited) = (0, false);
    for number in 0..20 {
        world.step(number)?;
        for turn in 0..2 {
            did += u64::from(world.usurp(mallory, 2 * number + turn));
            edited |= matches!(world.sim.role(mallory, world.deck), Some(Role::Editor { .. }));
            let pause = Duration::from_millis(world.sim.random(400));
            world.sim.run_for(pause);
        }
        world.note_durable();
    }
    world.heal()?;
    world.check()?;
    world.go_on()?;
    for &peer in &world.peers {
        let cards = world.sim.cards(peer, world.deck);
        if let Some(card) = cards.iter().find(|card| card.front.contains(MARK)) {
            return Err(format!("seed {seed}: {peer:?} shows {:?}", card.front));
        }
    }
    Ok((did, edited))
}

#[test]
fn a_modified_engine_changes_nobody_s_deck() {
    let told = on_all_cores((10_000..10_000 + SEEDS).collect(), run);
    let told: Vec<(u64, bool)> = told
        .into_iter()
        .map(|told| told.unwrap_or_else(|why| panic!("{why}")))
        .collect();
    let (did, edited): (Vec<u64>, Vec<bool>) = told.into_iter().unzip();
    let edited = edited.into_iter().filter(|edited| *edited).count();
    println!(
        "{} deeds in {SEEDS} worlds; in {edited} of them it took itself for the editor",
        did.iter().sum::<u64>()
    );
    // It really did what it may not, nearly everywhere.
    assert!(edited as u64 > SEEDS * 3 / 4, "{did:?}");
}
