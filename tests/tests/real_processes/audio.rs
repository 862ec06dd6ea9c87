//! A piece of audio is on its way when one side is killed. What had been verified is verified again on the disk, and not
//! sent again: the bytes that come by the binary lane are counted.

use cuecard_tests::real::{Ask, Status};

use crate::Two;

const SOUND: u64 = 11;
const BYTES: usize = 12 << 20;
/// The receiver stops reading there: in the middle, by its own hand, so that the kill cannot come too late.
const HELD_AFTER: u64 = 5 << 20;
/// What may come twice: what was on its way and not yet verified, and the hashes that go with it.
const SLACK: u64 = 2 << 20;

/// Verification data and headers: 64 bytes for each group of 16 KiB, and a little.
fn with_overhead(bytes: u64) -> u64 {
    bytes + bytes / 64
}

/// The phone has some of the audio and reads no further.
fn half_way(two: &mut Two) -> Status {
    two.phone.ask(&Ask::HoldAfter {
        binary: true,
        bytes: HELD_AFTER,
    });
    two.laptop.ask(&Ask::Import {
        seed: SOUND,
        bytes: BYTES,
    });
    two.phone.hear("that it reads no further", |said| {
        matches!(said, cuecard_tests::real::Said::Held)
    });
    // What was read is still being verified and written.
    let half = two
        .phone
        .until("the audio has begun", |status| status.audio.0 > HELD_AFTER / 2);
    assert!(half.audio.0 < BYTES as u64, "{half:?}");
    assert!(half.received.1 >= HELD_AFTER);
    half
}

fn whole(status: &Status) -> bool {
    status.audio == (BYTES as u64, BYTES as u64)
}

fn verified(two: &mut Two) {
    let verify = Ask::Verify {
        seed: SOUND,
        bytes: BYTES,
    };
    assert_eq!(two.phone.ask(&verify), true, "byte for byte");
    two.equal("and the deck as well", 3);
}

pub(crate) fn the_receiver_is_killed_in_the_middle() {
    let mut two = Two::meet();
    let half = half_way(&mut two);
    two.phone.kill();
    two.phone.start_again();
    let done = two.phone.until("the audio is whole", whole);
    let missing = BYTES as u64 - half.audio.0;
    println!(
        "  {} of {BYTES} bytes were verified at the kill; {} came after it",
        half.audio.0, done.received.1
    );
    assert!(
        done.received.1 <= with_overhead(missing) + SLACK,
        "{} bytes came for {missing} that were missing",
        done.received.1
    );
    // It was not simply all there.
    assert!(done.received.1 >= missing / 2);
    verified(&mut two);
}

pub(crate) fn the_sender_is_killed_in_the_middle() {
    let mut two = Two::meet();
    let half = half_way(&mut two);
    two.laptop.kill();
    two.phone.ask(&Ask::GoOn);
    two.phone
        .until("the loss is noticed", |status| status.linked == 0);
    two.laptop.start_again();
    let done = two.phone.until("the audio is whole", whole);
    let came = done.received.1;
    println!(
        "  {} of {BYTES} bytes were verified at the kill; {came} came in all",
        half.audio.0
    );
    assert!(
        came <= with_overhead(BYTES as u64) + SLACK,
        "{came} bytes came for {BYTES}"
    );
    verified(&mut two);
}
