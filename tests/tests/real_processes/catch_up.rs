//! A device is thousands of changes behind, and one side is killed while they come.

use cuecard_tests::real::{Ask, Said, Status};

use crate::Two;

const CHANGES: usize = 1_500;
/// The device that is behind stops reading there: some slices are in, others are not.
const HELD_AFTER: u64 = 40_000;

/// The phone is behind by a lot, has some of it, and reads no further.
fn half_way(two: &mut Two) -> Status {
    let before = two.phone.status();
    two.laptop.ask(&Ask::Cable { cut: true });
    two.phone.until("the cut is noticed", |status| status.linked == 0);
    for first in (0..CHANGES).step_by(500) {
        let fronts = (first..first + 500).map(|at| format!("card {at}")).collect();
        two.laptop.ask(&Ask::Add { fronts });
    }
    two.phone.ask(&Ask::HoldAfter {
        binary: false,
        bytes: HELD_AFTER,
    });
    two.laptop.ask(&Ask::Cable { cut: false });
    two.phone
        .hear("that it reads no further", |said| matches!(said, Said::Held));
    // What came is held for a moment, as there is more to come.
    let half = two
        .phone
        .until("what came is taken in", |status| status.entries > before.entries);
    let came = half.entries - before.entries;
    assert!(
        came > 0 && came < CHANGES,
        "{came} changes of {CHANGES} came: not the middle"
    );
    half
}

fn all_there(two: &mut Two) {
    two.equal("all of it is there", 2 + CHANGES);
    let mut cards = two.phone.cards();
    assert_eq!(cards, two.laptop.cards());
    cards.sort();
    let mut wanted: Vec<String> = (0..CHANGES).map(|at| format!("card {at}")).collect();
    wanted.sort();
    assert_eq!(cards, wanted, "each of them, once");
}

pub(crate) fn who_is_behind_is_killed_in_the_middle() {
    let mut two = Two::meet();
    let half = half_way(&mut two);
    two.phone.kill();
    two.phone.start_again();
    let began = two.phone.status();
    all_there(&mut two);
    let done = two.phone.status();
    println!(
        "  {} changes were there at the kill, {} after it; {} bytes came after it",
        half.entries, began.entries, done.received.0
    );
    // What the disk had is not asked for again: less comes than comes for all of it.
    let full = half.received.0 * (CHANGES as u64) / (half.entries as u64);
    assert!(
        done.received.0 < full,
        "{} bytes came again, of some {full} in all",
        done.received.0
    );
}

pub(crate) fn who_is_ahead_is_killed_in_the_middle() {
    let mut two = Two::meet();
    half_way(&mut two);
    two.laptop.kill();
    two.phone.ask(&Ask::GoOn);
    two.phone
        .until("the loss is noticed", |status| status.linked == 0);
    two.laptop.start_again();
    all_there(&mut two);
}
