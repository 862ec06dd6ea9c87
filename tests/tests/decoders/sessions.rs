//! A core at the end of a link whose other side says anything: it goes on, and its deck is the one it was.

use cuecard::transport::Lane;
use cuecard::transport::mutants::Mutants;

use crate::bounded::{alone, hammer};
use crate::world::World;

/// After so many inputs the two are linked anew, and must agree.
const ROUND: u64 = 250;

#[test]
fn a_core_outlives_whatever_its_neighbour_says() {
    let alone = alone();
    let mut world = World::busy();
    let deck = world.deck;
    let mut samples = world.said.clone();
    samples.sort();
    samples.dedup();
    let mut mutants = Mutants::new(2);
    let (mut number, mut refusals, mut rounds) = (0_u64, 0_u64, 0_u64);
    let bound = (0, 64 * 1024 * 1024);
    hammer(&alone, "a neighbour", 4_000, &samples, bound, |bytes| {
        number += 1;
        let lane = match mutants.below(16) {
            0 => Lane::Binary,
            _ => Lane::Control,
        };
        let device = usize::from(mutants.below(2) == 0);
        world.receive(device, lane, bytes);
        // Mostly its answers are lost: what is asked for would only be sent again.
        match mutants.below(8) {
            0 => world.settle(),
            _ => world.settle_alone(),
        }
        if world.is_closed() {
            refusals += 1;
            world.link_up();
        }
        if number.is_multiple_of(ROUND) {
            rounds += 1;
            world.link_up();
            world.act(0, |core, now| {
                let edited = core.edit(now, deck, |edit| edit.rename_deck(&format!("round {number}")));
                edited.expect("the owner is still the editor");
            });
            world.settle();
            assert!(world.is_in_sync(), "after input {number}");
            // What was said would fill the memory of a long run.
            world.said.clear();
        }
        true
    });
    assert!(rounds == 0 || refusals > 0, "nothing was ever refused");
    println!("a neighbour: {refusals} links closed, {rounds} rounds in agreement");
}
