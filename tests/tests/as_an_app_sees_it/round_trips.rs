//! Catching up takes one round trip from where a device says how it stands, and the half before it in which they greet.

use std::time::Duration;

use cuecard::sim::Sim;
use cuecard::sync::envelope::open;
use cuecard::sync::message::Message;
use cuecard::transport::memory::Conditions;

use crate::world::{SOON, world};

const ONE_WAY: Duration = Duration::from_secs(1);
const ROUND_TRIP: Duration = Duration::from_secs(2);
/// For disks, and for thinking.
const MOMENT: Duration = Duration::from_millis(100);

fn is_said(sim: &Sim, is_it: impl Fn(&Message) -> bool) -> bool {
    let mut said = sim.recorded().iter().filter_map(|(_, bytes)| open(bytes).ok());
    said.any(|message| is_it(&message))
}

#[test]
fn one_or_a_hundred_behind_is_one_round_trip() {
    for behind in [1, 100] {
        let mut world = world(34);
        let (laptop, phone, deck) = (world.laptop, world.phone, world.deck);
        world.sim.cut(laptop, phone);
        world.sim.run_for(SOON);
        for number in 0..behind {
            world.add(laptop, &format!("card {number}"));
        }
        world.sim.lay_anew(laptop, phone, Conditions::latency(ONE_WAY));
        world.sim.record();
        let up = world.sim.elapsed();
        let stands = |sim: &Sim| is_said(sim, |message| matches!(message, Message::Status { .. }));
        world
            .sim
            .run_until("it says how it stands", SOON, stands)
            .unwrap();
        let said = world.sim.elapsed();
        assert_ne!(world.sim.head(phone, deck), world.sim.head(laptop, deck));
        let is_there = |sim: &Sim| sim.head(phone, deck) == sim.head(laptop, deck);
        world.sim.run_until("all is there", SOON, is_there).unwrap();
        let there = world.sim.elapsed();
        println!(
            "{behind} behind: {:?} from the link, {:?} from the status",
            there - up,
            there - said
        );
        // Not less, either: nothing is sent before it is known what lacks.
        let from_status = ROUND_TRIP..=ROUND_TRIP + MOMENT;
        assert!(
            from_status.contains(&(there - said)),
            "{behind}: {:?}",
            there - said
        );
        let from_link = ROUND_TRIP + ONE_WAY..=ROUND_TRIP + ONE_WAY + MOMENT;
        assert!(from_link.contains(&(there - up)), "{behind}: {:?}", there - up);
    }
}
