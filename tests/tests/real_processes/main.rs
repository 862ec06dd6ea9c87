//! The stories of sync with nothing made up: devices are processes, their folders real, their links WebRTC on loopback,
//! and what kills them is SIGKILL.
//!
//! - `offline`: both sides go on without the other, and what they did comes together.
//! - `audio`: either side is killed in the middle of a transfer; what was verified is not sent again.
//! - `catch_up`: either side is killed in the middle of a catch-up.
//! - `abandoned`: the editor is killed and nobody claims; the others write drafts until it is back. One that is
//!   linked with another viewer alone is told, too.
//! - `failover`: ten devices, the editor is killed, the next edit comes from another one.
//!
//! Each can be run alone: `cargo test -p cuecard-tests --test real_processes -- failover`. How long it takes until the
//! next edit is measured in the long form of the last:
//! `CUECARD_FAILOVERS=40 cargo test --release -p cuecard-tests --test real_processes -- failover`.

mod abandoned;
mod audio;
mod catch_up;
mod failover;
mod offline;

use std::time::Instant;

use cuecard_tests::real::process::{LOOK_AGAIN, WITHIN};
use cuecard_tests::real::{Ask, Process, Settings, device, pair_up};

/// Name and story.
const STORIES: [(&str, fn()); 8] = [
    ("offline", offline::both_sides_go_on_and_come_together),
    ("audio_receiver", audio::the_receiver_is_killed_in_the_middle),
    ("audio_sender", audio::the_sender_is_killed_in_the_middle),
    (
        "catch_up_receiver",
        catch_up::who_is_behind_is_killed_in_the_middle,
    ),
    ("catch_up_sender", catch_up::who_is_ahead_is_killed_in_the_middle),
    ("abandoned", abandoned::the_editor_is_gone_and_nobody_claims),
    (
        "abandoned_chain",
        abandoned::the_far_end_of_a_chain_is_told_that_the_editor_is_gone_and_back,
    ),
    (
        "failover",
        failover::the_editor_is_killed_and_the_next_edit_is_another_s,
    ),
];

fn main() {
    if device::run_if_asked() {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Test runners list tests before they run them.
    if arguments.iter().any(|argument| argument == "--list") {
        STORIES.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let wanted: Vec<_> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut told = 0;
    for (name, story) in STORIES {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            let started = Instant::now();
            story();
            println!("{name}: ok, {:.1?}", started.elapsed());
            told += 1;
        }
    }
    if told == 0 {
        println!("no story of that name");
    }
}

/// A laptop with a deck, and a phone that follows it and may hold the role.
struct Two {
    laptop: Process,
    phone: Process,
    _folder: tempfile::TempDir,
}

impl Two {
    fn meet() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let start = |name| Process::start(&folder.path().join(name), Settings::default());
        let (mut laptop, mut phone) = (start("laptop"), start("phone"));
        laptop.ask(&Ask::Create);
        let devices = vec![laptop.device.clone(), phone.device.clone()];
        laptop.ask(&Ask::Holders { devices });
        pair_up(&mut laptop, &mut phone, true);
        let mut two = Self {
            laptop,
            phone,
            _folder: folder,
        };
        two.equal("the deck is there", 1);
        two
    }

    /// Waits until both are linked and have the same deck, of at least so many entries.
    fn equal(&mut self, what: &str, entries: usize) {
        let deadline = Instant::now() + WITHIN;
        loop {
            let (here, there) = (self.laptop.status(), self.phone.status());
            let is_linked = here.linked == 1 && there.linked == 1;
            if is_linked && here.entries >= entries && here.head == there.head {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "still waiting: {what}: {here:?}, {there:?}"
            );
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }
}
