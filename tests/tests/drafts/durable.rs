//! What an author signed is on its disk before anybody hears of it: else a power cut could leave others with more of a
//! draft than its author knows of.

use cuecard::Rights;
use cuecard::sim::Intruder;
use cuecard::sync::message::{Message, PROTOCOL_VERSION};

use super::world::World;

/// How many proposals and withdrawals were said to the listener.
fn heard(world: &mut World, listener: Intruder) -> (usize, usize) {
    let messages = world.sim.heard(listener);
    let count = |is_it: &dyn Fn(&Message) -> bool| messages.iter().filter(|message| is_it(message)).count();
    (
        count(&|message| matches!(message, Message::Propose { .. })),
        count(&|message| matches!(message, Message::Withdraw { .. })),
    )
}

#[test]
fn neither_a_proposal_nor_a_withdrawal_leaves_before_it_is_durable() {
    let mut world = World::new(1);
    let (laptop, deck) = (world.laptop, world.deck);
    let phone = world.device("phone", Some(Rights::Draft));
    world.connect(laptop, phone);
    world.cut(laptop, phone);
    let key = world.act(phone, |core, _| core.deck_key(deck).unwrap());
    let listener = world.sim.id(laptop);
    let listener = world.sim.intrude_with_key(phone, listener, deck, &key);
    // What the first greeting said to a member that is known is sealed; of a deck that is shown again it is said anew.
    for proofs in [vec![], vec![listener.proof(deck, &key)]] {
        let greeting = Message::Greet {
            version: PROTOCOL_VERSION,
            name: "laptop".to_owned(),
            proofs,
            early: vec![],
        };
        world.sim.say(listener, &greeting);
    }
    world.run();
    // It has all of the deck and no drafts, and says so again and again: each time it is told what it lacks.
    let status = world
        .sim
        .heard(listener)
        .into_iter()
        .find(|message| matches!(message, Message::Status { .. }));
    let status = status.expect("the phone said where it stands");
    let (whole, marks) = (true, vec![]);
    let held = Message::DraftsHeld { deck, whole, marks };
    let ask = |world: &mut World| {
        for message in [&status, &held] {
            world.sim.say(listener, message);
        }
    };
    let draft = world.open(phone, "cuatro");
    world.saved(phone);
    world.propose(phone, draft);
    ask(&mut world);
    assert!(!world.sim.is_all_saved(phone));
    assert_eq!(heard(&mut world, listener), (0, 0), "it is not on the disk yet");
    world.run();
    assert_eq!(heard(&mut world, listener), (1, 0));
    world.withdraw(phone, draft);
    ask(&mut world);
    assert!(!world.sim.is_all_saved(phone));
    assert_eq!(heard(&mut world, listener), (0, 0), "nor is this");
    world.run();
    assert_eq!(heard(&mut world, listener), (0, 1));
}
