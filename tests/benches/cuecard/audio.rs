//! Audio, beside the bare lane that carries it; and what an edit waits for while it passes.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cuecard::transport::limits::BINARY_MESSAGE_BYTES_MAX;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::transport::{CloseReason, DeviceKey, Lane, LinkEvent};
use cuecard::{AudioAbout, Deck, Engine, Rights};
use cuecard_tests::engines::{until_so, webrtc_link};
use cuecard_tests::real::device::sound;
use cuecard_tests::real::tally::{Counted, Tally};

use crate::fixture::runtime_for_two as runtime;
use crate::live::Linked;
use crate::runner::{Table, Target, Unit, in_turns, middle};

const MEBIBYTE: usize = 1 << 20;
const BYTES: usize = 64 * MEBIBYTE;
/// What one source at the end of a longer path gives: an uplink of 64 Mbit/s.
const SOURCE_BYTES_A_SECOND: u64 = 8_000_000;
const STRIPED_BYTES: usize = 24 * MEBIBYTE;

async fn attach(deck: &Deck, seed: u64, bytes: usize) {
    let about = AudioAbout {
        mime: "audio/wav".to_owned(),
        name: format!("{seed}.wav"),
        duration_ms: 1,
    };
    let audio = deck.import_audio(Cursor::new(sound(seed, bytes)), about).await;
    let audio = audio.expect("audio");
    deck.edit(|edit| {
        let card = edit.add_card("audio", "?")?;
        edit.attach_audio(&card, "front", audio)
    })
    .await
    .expect("it is attached");
}

/// Waits until so much audio is held, whole.
async fn until_whole(engine: &Engine, bytes: usize) {
    let mut events = engine.events();
    until_so(&mut events, "the audio", || {
        let all = engine.audio();
        let held: u64 = all.iter().map(|audio| audio.have_bytes).sum();
        held == bytes as u64 && all.iter().all(cuecard::BlobProgress::is_whole)
    })
    .await;
}

/// The same bytes on the bare binary lane.
async fn bare(bytes: usize) -> Duration {
    let key = |number| DeviceKey::from_bytes(&[number; 32]);
    let (here, there) = webrtc_link(&key(1), &key(2)).await;
    let message = Bytes::from(vec![7; BINARY_MESSAGE_BYTES_MAX]);
    let began = Instant::now();
    let sending = tokio::spawn(async move {
        let mut left = bytes;
        while left > 0 {
            let part = message.slice(..left.min(message.len()));
            left -= part.len();
            here.send(Lane::Binary, part).await.expect("it is sent");
        }
        here
    });
    let mut came = 0;
    while came < bytes {
        match there.recv().await {
            LinkEvent::Message { bytes, .. } => came += bytes.len(),
            LinkEvent::Closed(why) => panic!("{why}"),
        }
    }
    let took = began.elapsed();
    sending.await.expect("it was sent").close(CloseReason::Here).await;
    took
}

pub(crate) fn one_source(table: &mut Table) {
    let runtime = runtime();
    let mut seed = 0;
    let mut received = |kept: &str, folder: &mut dyn FnMut() -> Option<PathBuf>| {
        let ours = || {
            runtime.block_on(async {
                seed += 1;
                let linked = Linked::new(folder().as_deref()).await;
                attach(&linked.deck, seed, BYTES).await;
                // From when the other side hears of it; hashing and keeping it here come before.
                let began = Instant::now();
                until_whole(&linked.there, BYTES).await;
                let took = began.elapsed();
                linked.here.shutdown().await.expect("it closes");
                linked.there.shutdown().await.expect("it closes");
                took
            })
        };
        let times = in_turns(3, ours, || runtime.block_on(bare(BYTES)));
        table.add(
            &format!("audio of 64 MiB from one source, kept {kept}, beside the bare binary lane; in MiB"),
            Unit::Rate(64),
            Target::AtLeast(0.9),
            times,
        );
    };
    let folders: Vec<_> = (0..8).map(|_| tempfile::tempdir().expect("a folder")).collect();
    let mut each = folders.iter();
    received("on disk", &mut || {
        let folder = each.next().expect("a folder for each round");
        Some(folder.path().to_owned())
    });
    received("in memory", &mut || None);
    runtime.block_on(async {
        let (here, there) = (
            Engine::in_memory("here").expect("an engine"),
            Engine::in_memory("there").expect("an engine"),
        );
        let deck = here.create_deck("bench").await.expect("a deck");
        attach(&deck, 1, MEBIBYTE).await;
        let copy = there.join(&deck.invite(Rights::Read).expect("an invite")).await;
        let copy = copy.expect("joined");
        let tally = Arc::new(Tally::default());
        let (end_here, end_there) = pair(here.device(), there.device(), Conditions::PERFECT, 1);
        here.attach(end_here);
        there.attach(Counted::around(end_there, &tally));
        until_whole(&there, MEBIBYTE).await;
        let before = tally.received().1;
        attach(&deck, 1, MEBIBYTE).await;
        let mut events = there.events();
        until_so(&mut events, "the card", || copy.head().ok() == deck.head().ok()).await;
        attach(&deck, 2, MEBIBYTE).await;
        // What comes after it shows that nothing of it came before.
        until_whole(&there, 2 * MEBIBYTE).await;
        let after = tally.received().1 - before;
        table.add_once(
            "bytes for the same audio again and another piece, beside that piece",
            Unit::Kibibytes,
            Target::AtMost(1.02),
            after as f64,
            before as f64,
        );
    });
}

/// The time until audio is whole that so many devices have, each over a path of its own.
async fn from_sources(count: usize, seed: u64) -> Duration {
    let owner = Engine::in_memory("owner").expect("an engine");
    let deck = owner.create_deck("bench").await.expect("a deck");
    attach(&deck, seed, STRIPED_BYTES).await;
    let invite = deck.invite(Rights::Read).expect("an invite");
    let mut sources = vec![owner];
    for number in 1..count {
        let source = Engine::in_memory(&format!("source {number}")).expect("an engine");
        source.join(&invite).await.expect("joined");
        cuecard_tests::engines::link(&sources[0], &source);
        until_whole(&source, STRIPED_BYTES).await;
        sources.push(source);
    }
    let there = Engine::in_memory("there").expect("an engine");
    there.join(&invite).await.expect("joined");
    let path = Conditions {
        latency: Duration::from_millis(10),
        bandwidth: Some(SOURCE_BYTES_A_SECOND),
        ..Conditions::PERFECT
    };
    let began = Instant::now();
    for source in &sources {
        let (ours, theirs) = pair(source.device(), there.device(), path, 1);
        source.attach(ours);
        there.attach(theirs);
    }
    until_whole(&there, STRIPED_BYTES).await;
    let took = began.elapsed();
    for engine in sources.iter().chain([&there]) {
        engine.shutdown().await.expect("it closes");
    }
    took
}

pub(crate) fn three_sources(table: &mut Table) {
    let runtime = runtime();
    let times = in_turns(
        2,
        || runtime.block_on(from_sources(3, 3)),
        || runtime.block_on(from_sources(1, 3)),
    );
    table.add(
        "24 MiB of audio from three sources at 20 ms and 8 MB/s each, beside one; in MiB",
        Unit::Rate(24),
        Target::AtLeast(2.0),
        times,
    );
}

pub(crate) fn edits_during_a_transfer(table: &mut Table) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let linked = Linked::new(Some(folder.path())).await;
        let idle = linked.edits(200).await;
        let (mut under_load, mut seed) = (vec![], 10);
        while under_load.len() < 200 {
            seed += 1;
            attach(&linked.deck, seed, BYTES).await;
            // Edits count as long as the audio is on its way.
            loop {
                let audio = linked.there.audio();
                let is_whole = audio.len() as u64 == seed - 10 && audio.iter().all(|audio| audio.is_whole());
                if is_whole || under_load.len() >= 200 {
                    break;
                }
                under_load.extend(linked.edits(1).await);
            }
        }
        for (name, at) in [("p50", 0.5), ("p99", 0.99)] {
            let (ours, base) = (middle(&under_load, at), middle(&idle, at));
            table.add_once(
                &format!("edit to event during a transfer, on disk, {name}, beside idle"),
                Unit::TimeOfOne(1),
                Target::None,
                ours,
                base,
            );
        }
        let p99 = middle(&under_load, 0.99);
        table.add_one(
            "edit to event during a transfer, p99",
            Unit::TimeOfOne(1),
            Target::Within(Duration::from_millis(50)),
            p99,
        );
        // What the transfer did meanwhile.
        assert!(!linked.copy.cards().expect("the deck").is_empty());
        linked.here.shutdown().await.expect("it closes");
        linked.there.shutdown().await.expect("it closes");
    });
}
