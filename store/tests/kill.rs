//! Kills a process that writes, again and again, and looks for what it had acknowledged.
//!
//! The writer is this program, started by itself. It keeps several commits under way, and says on its output
//! which are saved. After each kill the store must open, hold every acknowledged record, and be one line
//! without damage; the next writer goes on from there. What a kill cannot show, a missing sync, is the
//! subject of `durability.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test speaks by panicking")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cuecard_store::{Batch, BlobStatus, Options, SledStore, Store, StreamId};

const STREAM: StreamId = StreamId::from_bytes([4; 32]);
const WRITER: &str = "as-writer";
const ROUNDS: u64 = 15;
const UNDER_WAY: usize = 4;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == WRITER) {
        Some(at) => write_until_killed(Path::new(arguments.get(at + 1).unwrap())),
        // Test runners list tests before they run them.
        None if arguments.iter().any(|argument| argument == "--list") => println!("kill: test"),
        None => nothing_acknowledged_is_gone_after_a_kill(),
    }
}

fn content(seq: u64) -> Vec<u8> {
    let length = (seq * 7919) % 9000;
    (0..length).map(|at| (at ^ seq) as u8).collect()
}

fn write_until_killed(folder: &Path) {
    let store = SledStore::open(folder, Options::default()).unwrap();
    let mut output = std::io::stdout().lock();
    let mut under_way = VecDeque::new();
    for seq in length(&store).. {
        let mut batch = Batch::new();
        batch.append(STREAM, seq, content(seq));
        batch.put(b"length".to_vec(), (seq + 1).to_be_bytes().to_vec());
        under_way.push_back((seq, store.commit(batch)));
        if under_way.len() >= UNDER_WAY
            && let Some((seq, saved)) = under_way.pop_front()
        {
            saved.wait().unwrap();
            writeln!(output, "record {seq}").unwrap();
            output.flush().unwrap();
        }
        if seq % 5 == 0 {
            let (hash, size) = store.blobs().import(&mut content(seq).as_slice(), 9000).unwrap();
            writeln!(output, "blob {hash} {size}").unwrap();
            output.flush().unwrap();
        }
    }
}

fn length(store: &SledStore) -> u64 {
    let value = store.get(b"length").unwrap();
    value.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
}

fn nothing_acknowledged_is_gone_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    let mut blobs = Vec::new();
    for round in 1..=ROUNDS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .arg(WRITER)
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Another moment each round: at once, or after up to some hundred answers.
        let lines = (round * round * 13) % 400;
        let mut output = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let mut take = |line: String| {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("record"), Some(seq), None) => acknowledged = seq.parse::<u64>().unwrap() + 1,
                (Some("blob"), Some(hash), Some(size)) => {
                    blobs.push((hash.parse().unwrap(), size.parse::<u64>().unwrap()));
                }
                _ => panic!("the writer said {line:?}"),
            }
        };
        while seen < lines {
            take(output.next().unwrap().unwrap());
            seen += 1;
        }
        // Then at another moment of what it does next.
        let until = Instant::now() + Duration::from_micros(round * 277 % 3000);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it said before it died counts as well; its last line may be cut.
        for line in output.map_while(Result::ok) {
            if line.split(' ').count() >= 2 && !line.is_empty() && is_complete(&line) {
                take(line);
            }
        }
        look_for(folder.path(), acknowledged, &blobs, round);
    }
    println!(
        "{ROUNDS} kills, {acknowledged} records and {} blobs acknowledged, none gone",
        blobs.len()
    );
    assert!(
        acknowledged > 100 && !blobs.is_empty(),
        "the writers must have written"
    );
}

/// A line cut short could be taken for a smaller number, which claims less than was said: harmless. A blob
/// needs its whole name and a size.
fn is_complete(line: &str) -> bool {
    let words: Vec<_> = line.split(' ').collect();
    match words.as_slice() {
        ["record", seq] => !seq.is_empty(),
        ["blob", hash, size] => hash.len() == 64 && !size.is_empty(),
        _ => false,
    }
}

fn look_for(folder: &Path, acknowledged: u64, blobs: &[(cuecard_store::BlobHash, u64)], round: u64) {
    let store = SledStore::open(folder, Options::default()).unwrap();
    assert_eq!(store.set_aside(), None, "round {round}: a kill is no damage");
    assert_eq!(store.lost_batches(), 0, "round {round}: nor a loss");
    let records = store.read(STREAM, 0, usize::MAX, usize::MAX).unwrap();
    let kept = records.len() as u64;
    assert!(
        kept >= acknowledged,
        "round {round}: {acknowledged} acknowledged, {kept} kept"
    );
    assert!(
        records.iter().all(|record| record.bytes == content(record.seq)),
        "round {round}"
    );
    assert_eq!(
        length(&store),
        kept,
        "round {round}: a batch is whole or not there"
    );
    let report = store.check().unwrap();
    assert!(
        report.is_sound() && report.records == kept,
        "round {round}: {report:?}"
    );
    for (hash, _) in blobs {
        let status = store.blobs().status(*hash).unwrap();
        assert!(
            matches!(status, BlobStatus::Whole { .. }),
            "round {round}: blob {hash} is gone"
        );
    }
    store.close().unwrap();
}
