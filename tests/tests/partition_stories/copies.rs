//! One device that is two: its data folder was copied, and both go on.

use cuecard::core::EditError;
use cuecard::{Event, RoleError};

use crate::world::{SOON, World};

#[test]
fn a_process_that_sees_itself_at_work_elsewhere_stops_and_asks_its_person() {
    let (mut world, [laptop, phone]) = World::new(51, ["laptop", "phone"]);
    world.edit(laptop, "before");
    world.quiet();
    let copy = world.sim.copy_of(laptop, "the copy").unwrap();
    // The copy hears of what the laptop wrote, and goes on from there.
    world
        .sim
        .connect(copy, phone, cuecard::transport::memory::Conditions::PERFECT);
    world.sim.run_for(SOON);
    world.edit(copy, "by the copy");
    world.sim.run_for(SOON);
    let told = world.events(laptop);
    let copied = |event: &Event| matches!(event, Event::CopyAtWork { .. });
    assert!(told.iter().any(copied), "{told:?}");
    let refused = world.act(laptop, |core, now, deck| {
        core.edit(now, deck, |edit| edit.add_card("no", "?").map(drop))
            .map(drop)
            .unwrap_err()
    });
    assert!(matches!(refused, EditError::CopyAtWork), "{refused}");
    let refused = world.act(laptop, |core, now, deck| core.release(now, deck).unwrap_err());
    assert_eq!(refused, RoleError::CopyAtWork);

    // The person ends the copy and goes on here.
    world.sim.crash(copy);
    world.act(laptop, |core, _, deck| core.go_on(deck).unwrap());
    world.edit(laptop, "the one that stays");
    world.the_end();
}
