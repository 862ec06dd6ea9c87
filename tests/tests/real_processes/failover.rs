//! Ten devices, all linked. The editor is killed; the others find that out, one of them claims, and edits; the time is
//! taken until another device has that edit. Then the killed one comes back, and all goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cuecard_tests::real::{Ask, Process, Said, Settings, mesh};

const DEVICES: usize = 10;
const AUTO_CLAIM: Duration = Duration::from_secs(1);
/// Beyond what it takes on a loaded machine, and below what is waited for an editor that was never heard: only the long form
/// says how long it takes.
const BOUND: Duration = Duration::from_secs(20);

fn rounds() -> usize {
    let rounds = match std::env::var("CUECARD_FAILOVERS") {
        Ok(text) => text.parse().expect("CUECARD_FAILOVERS is a number"),
        Err(_) => 3,
    };
    assert!(rounds > 0, "a run of nothing must not look like one that passed");
    rounds
}

pub(crate) fn the_editor_is_killed_and_the_next_edit_is_another_s() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        auto_claim: Some(AUTO_CLAIM),
        ..Settings::default()
    };
    let started = Instant::now();
    let mut devices = mesh(DEVICES, folder.path(), settings);
    println!("  {DEVICES} devices linked in {:.1?}", started.elapsed());
    let mut times = Vec::new();
    for round in 0..rounds() {
        times.push(one_failover(&mut devices, round));
    }
    settled(&mut devices);
    // Where two claimed at a time, both of them edited, and nothing of that is lost either.
    let fronts: BTreeSet<String> = devices[0].cards().into_iter().collect();
    let wanted: BTreeSet<String> = (0..times.len()).map(|round| format!("round {round}")).collect();
    assert_eq!(fronts, wanted);
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!(
        "  from the kill to the next edit at another device, {} times: p50 {:.0?}, p95 {:.0?}, worst {:.0?}",
        times.len(),
        at(0.5),
        at(0.95),
        at(1.0)
    );
}

fn one_failover(devices: &mut [Process], round: usize) -> Duration {
    let editor = settled(devices);
    let front = format!("round {round}");
    for device in devices.iter_mut() {
        device.ask(&Ask::Watch { front: front.clone() });
        if device.device != editor {
            device.ask(&Ask::EditOnceEditor { front: front.clone() });
        }
    }
    let killed = devices.iter().position(|device| device.device == editor);
    let killed = killed.expect("the editor is one of them");
    devices[killed].kill();
    let at = Instant::now();
    let mut seen = Vec::new();
    for (number, device) in devices.iter_mut().enumerate() {
        if number != killed {
            let (when, _) = device.hear(
                "the next edit",
                |said| matches!(said, Said::Seen { front: seen } if *seen == front),
            );
            seen.push(when.saturating_duration_since(at));
        }
    }
    seen.sort();
    // The first to have it is the new editor itself.
    let next = seen[1];
    println!("  round {round}: {killed} was the editor; the others had the next edit after {seen:.0?}");
    assert!(next < BOUND, "{next:?} from the kill to the next edit");
    devices[killed].start_again();
    next
}

/// All are linked, with one deck and one editor: which.
fn settled(devices: &mut [Process]) -> String {
    let count = devices.len();
    let deadline = Instant::now() + cuecard_tests::real::process::WITHIN;
    loop {
        let stands: Vec<_> = devices.iter_mut().map(Process::status).collect();
        let first = stands[0].clone();
        let is_one = |stand: &cuecard_tests::real::Status| {
            stand.linked == count - 1 && stand.head == first.head && stand.editor == first.editor
        };
        if let Some(editor) = &first.editor
            && stands.iter().all(is_one)
        {
            return editor.clone();
        }
        assert!(
            Instant::now() < deadline,
            "they do not come together: {stands:#?}"
        );
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
