//! A device is thousands of changes behind, and one side is killed while they come.

use cuecard_tests::real::{Ask, Said, Status};

use crate::Two;

const CHANGES: usize = 1_500;
/// The device that is behind stops reading there: some slices are in, others are not.
const HELD_AFTER: u64 = 40_000;

/// And so many are on its disk by then, or more.
const LEAST: u64 = CHANGES as u64 / 20;
/// What may come twice, or is none of the changes: greetings, statuses, the terms, and what tells of the clock.
const SLACK: u64 = 24 * 1024;

/// No two alike, and none that could be told from another: all of them cost the same on a link.
fn front(number: usize) -> String {
    let noise = u64::try_from(number).unwrap_or_default();
    let noise =
        [1, 2, 3].map(|turn| (noise + turn).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) ^ turn);
    let [a, b, c] = noise.map(|noise| noise.wrapping_mul(0xBF58_476D_1CE4_E5B9));
    format!("card {number} {a:016x}{b:016x}{c:016x}")
}

/// What the phone had before all that, and where it stands in the middle.
struct Half {
    before: Status,
    half: Status,
}

impl Half {
    /// Changes that are on the phone's disk.
    const fn came(&self) -> u64 {
        self.half.durable - self.before.durable
    }

    const fn missing(&self) -> u64 {
        CHANGES as u64 - self.came()
    }
}

/// The phone is behind by a lot, has some of it on its disk, and reads no further.
fn half_way(two: &mut Two) -> Half {
    let before = two.phone.status();
    two.laptop.ask(&Ask::Cable { cut: true });
    two.phone.until("the cut is noticed", |status| status.linked == 0);
    for first in (0..CHANGES).step_by(500) {
        let fronts = (first..first + 500).map(front).collect();
        two.laptop.ask(&Ask::Add { fronts });
    }
    two.phone.ask(&Ask::HoldAfter {
        binary: false,
        bytes: HELD_AFTER,
    });
    let before = Status {
        received: two.phone.status().received,
        ..before
    };
    two.laptop.ask(&Ask::Cable { cut: false });
    two.phone
        .hear("that it reads no further", |said| matches!(said, Said::Held));
    // What came is held for a moment, as there is more to come; then it is on the disk.
    let half = two.phone.until("what came is on the disk", |status| {
        status.durable >= before.durable + LEAST && status.durable == status.changes
    });
    let half = Half { before, half };
    assert!(
        half.missing() >= CHANGES as u64 / 4,
        "{} changes of {CHANGES} came: not the middle",
        half.came()
    );
    half
}

fn all_there(two: &mut Two) {
    two.equal("all of it is there", 2 + CHANGES);
    let mut cards = two.phone.cards();
    assert_eq!(cards, two.laptop.cards());
    cards.sort();
    let mut wanted: Vec<String> = (0..CHANGES).map(front).collect();
    wanted.sort();
    assert_eq!(cards, wanted, "each of them, once");
}

pub(crate) fn who_is_behind_is_killed_in_the_middle() {
    let mut two = Two::meet();
    let half = half_way(&mut two);
    two.phone.kill();
    // So that nothing more comes before it is looked at.
    two.laptop.ask(&Ask::Cable { cut: true });
    two.phone.start_again();
    let began = two.phone.status();
    assert!(
        began.durable >= half.half.durable,
        "{} changes were on the disk at the kill, {} after it",
        half.half.durable,
        began.durable
    );
    assert_eq!(began.durable, began.changes);
    assert!(
        began.durable < half.before.durable + CHANGES as u64,
        "it is still behind"
    );
    two.laptop.ask(&Ask::Cable { cut: false });
    all_there(&mut two);
    let done = two.phone.status();
    // What each costs is known from those that came before the kill.
    let came = half.half.received.0 - half.before.received.0;
    let (missing, each) = (half.missing(), came as f64 / half.came() as f64);
    println!(
        "  {} of {CHANGES} changes were on the disk at the kill, for {came} bytes; {} bytes came after it for {missing}",
        half.came(),
        done.received.0
    );
    let (least, most) = (each * missing as f64 * 0.5, each * missing as f64 * 1.1);
    assert!(
        (done.received.0 as f64) < most + SLACK as f64,
        "{} bytes came again, for {missing} changes of some {each:.0}",
        done.received.0
    );
    assert!(
        done.received.0 as f64 > least,
        "{} bytes cannot have been all that was missing",
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
