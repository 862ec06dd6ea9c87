//! An owner is restored from a backup, forgets whom it had removed, and removes somebody again: the deck's key was turned
//! over in two ways, which know nothing of one another.

use std::time::Duration;

use cuecard::Rights;
use cuecard::sim::Peer;
use cuecard_tests::seeds;

use super::world::*;

/// What a seed chooses here comes again after six.
const SEEDS: u64 = 6;

struct Story {
    world: World,
    owner: Peer,
    /// Members all the time.
    stay: Vec<Peer>,
    /// Removed in the life that the owner forgot.
    ben: Peer,
    /// Removed in the other.
    ann: Peer,
}

impl Story {
    /// Five members, each linked to every other, and a backup of the owner's disk.
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let owner = world.owner;
        let [tom, ben, ann] =
            [("tom", 1), ("ben", 2), ("ann", 3)].map(|(name, rank)| world.holder(name, rank));
        // One was let in by an invite, and no charter lists it at first.
        let eve = world.sim.device("eve");
        world.connect(tom, eve);
        let invite = world.invite(tom, Rights::Draft);
        world.join(eve, &invite);
        world.wait("eve was let in", |world| {
            world.rights(owner, eve) == Some(Rights::Draft) && world.in_sync(&[owner, tom, ben, ann, eve])
        });
        for (a, b) in [(tom, ben), (tom, ann), (ben, ann), (owner, eve), (ann, eve)] {
            world.connect(a, b);
        }
        world.sim.run_for(QUIET);
        let stay = vec![tom, eve];
        Self {
            world,
            owner,
            stay,
            ben,
            ann,
        }
    }

    fn cut_owner(&mut self, is_cut: bool) {
        let others = [&self.stay[..], &[self.ben, self.ann]].concat();
        for peer in others {
            match is_cut {
                true => self.world.sim.cut(self.owner, peer),
                false => self.world.sim.mend(self.owner, peer),
            }
        }
    }

    /// All end with one key, which those who were removed in either life do not have, and nothing that was written is gone.
    fn assert_one_key(&mut self, written: &[&str]) {
        let (owner, seed) = (self.owner, self.world.sim.seed());
        let members = [&[owner][..], &self.stay].concat();
        let gone = [self.ben, self.ann];
        self.world.wait("all have one key", |world| {
            let key = world.key(owner);
            let one = members.iter().all(|&peer| world.key(peer) == key);
            one && world.in_sync(&members) && gone.iter().all(|&peer| world.rights(owner, peer).is_none())
        });
        self.world.wait("the editor edits", |world| {
            let deck = world.deck;
            let edited = world.sim.act(owner, |core, now| {
                core.edit(now, deck, |edit| edit.add_card("secret", "?"))
            });
            matches!(edited, Some(Ok(_)))
        });
        self.world.sim.run_for(QUIET);
        let key = self.world.key(owner);
        for &peer in &members {
            assert_eq!(self.world.key(peer), key, "seed {seed}: {peer:?}");
            let fronts = self.world.fronts(peer);
            for front in written.iter().chain(&["secret"]) {
                assert!(
                    fronts.iter().any(|held| held == front),
                    "seed {seed}: {peer:?}: {front} in {fronts:?}"
                );
            }
            for gone in gone {
                assert_eq!(
                    self.world.rights(peer, gone),
                    None,
                    "seed {seed}: {peer:?} of {gone:?}"
                );
            }
            for &member in &self.stay.clone() {
                assert!(
                    self.world.rights(peer, member).is_some(),
                    "seed {seed}: {peer:?} of {member:?}"
                );
            }
            self.world.events(peer);
        }
        for gone in gone {
            assert_ne!(self.world.key(gone), key, "seed {seed}: {gone:?}");
            let fronts = self.world.fronts(gone);
            assert!(
                !fronts.iter().any(|front| front == "secret"),
                "seed {seed}: {gone:?}: {fronts:?}"
            );
        }
    }
}

#[test]
fn whom_a_restored_owner_removed_in_either_life_stays_out_and_all_others_have_one_key() {
    for seed in seeds(SEEDS) {
        let mut story = Story::new(seed);
        let (owner, ben, ann) = (story.owner, story.ben, story.ann);
        let backup = story.world.sim.backup(owner).expect("a backup");
        // One life: Ben goes. Sometimes the key is turned over twice in it.
        story.world.remove(ben);
        story.world.add_card(owner, "without ben");
        let stay = [&[owner, ann][..], &story.stay].concat();
        story.world.wait("they have it", |world| world.in_sync(&stay));
        if seed % 3 == 1 {
            let other = story.world.holder("other", 9);
            story.world.remove(other);
        }
        story.world.sim.run_for(QUIET);
        // The other: Ann goes, and the owner knows nothing of the first.
        story.cut_owner(true);
        story.world.sim.restore_backup(owner, &backup).expect("it opens");
        story.world.sim.run_for(Duration::from_secs(2));
        assert!(story.world.rights(owner, ben).is_some(), "seed {seed}: it forgot");
        story.world.remove(ann);
        story.world.add_card(owner, "without ann");
        story.world.sim.run_for(Duration::from_secs(2));
        if seed % 3 == 2 {
            // Ben, who has the older key and is a member as far as the owner knows, hears of this life first.
            story.world.sim.mend(owner, ben);
            story.world.sim.run_for(Duration::from_secs(5));
        }
        if seed % 2 == 0 {
            story.world.restart(owner);
        }
        story.cut_owner(false);
        story.assert_one_key(&["uno", "without ben", "without ann"]);
        // A device that was away all the time would not bring back what was decided; nor does a start.
        story.world.restart(owner);
        let key = story.world.key(owner);
        story.world.sim.run_for(QUIET);
        assert_eq!(story.world.key(owner), key, "seed {seed}: it is turned over once");
    }
}

/// A member that was away while the owner met its other life comes back with the key of that life: it is sent the present
/// one, and the key is not turned over again.
#[test]
fn one_who_comes_late_to_that_turns_nothing_over() {
    for seed in seeds(SEEDS) {
        let mut story = Story::new(seed);
        let (owner, ben, ann) = (story.owner, story.ben, story.ann);
        let (tom, eve) = (story.stay[0], story.stay[1]);
        let backup = story.world.sim.backup(owner).expect("a backup");
        story.world.remove(ben);
        story.world.add_card(owner, "without ben");
        story.world.sim.run_for(QUIET);
        story.cut_owner(true);
        story.world.sim.cut(tom, eve);
        story.world.sim.cut(ann, eve);
        story.world.sim.restore_backup(owner, &backup).expect("it opens");
        story.world.remove(ann);
        story.world.add_card(owner, "without ann");
        story.world.sim.mend(owner, tom);
        story.world.wait("tom and the owner have one key", |world| {
            world.key(owner) == world.key(tom) && world.in_sync(&[owner, tom])
        });
        story.world.sim.run_for(QUIET);
        let key = story.world.key(owner);
        story.world.restart(owner);
        story.cut_owner(false);
        story.world.sim.mend(tom, eve);
        story.assert_one_key(&["uno", "without ben", "without ann"]);
        assert_eq!(story.world.key(owner), key, "seed {seed}");
    }
}
