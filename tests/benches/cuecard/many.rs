//! Several devices, each a process: what an edit costs each of them, and what a deck costs that nobody edits.

use std::cell::Cell;
use std::process::Command;
use std::time::{Duration, Instant};

use cuecard_tests::real::{Ask, Process, Settings, Status, pair_up, star};

use crate::runner::{Table, Target, Unit};

const EDITS_A_SECOND: u32 = 100;
const PATIENT: Settings = Settings {
    auto_claim: None,
    patient: true,
    disk_can_be_held: false,
};

/// What a stretch of editing cost.
struct Cost {
    edits: usize,
    /// Of the editor, and of one of the others.
    cpu: (f64, f64),
    bytes: (f64, f64),
}

/// So many devices, all linked to the editor, for so long.
fn edit_for(count: usize, time: Duration) -> Cost {
    let folder = tempfile::tempdir().expect("a folder");
    let mut devices = star(count, folder.path(), PATIENT);
    let before: Vec<Status> = devices.iter_mut().map(Process::status).collect();
    devices[0].ask(&Ask::Stream {
        per_second: EDITS_A_SECOND,
    });
    std::thread::sleep(time);
    devices[0].ask(&Ask::Stream { per_second: 0 });
    let ended = Instant::now();
    // One more may be under way.
    let entries = Cell::new(0);
    let first = devices[0].until("it edits no more", |status| {
        entries.replace(status.entries) == status.entries
    });
    for device in &mut devices {
        device.until("all have all of it", |status| status.head == first.head);
    }
    eprintln!(
        "  {count} devices: equal {:.0?} after the last edit",
        ended.elapsed()
    );
    let after: Vec<Status> = devices.iter_mut().map(Process::status).collect();
    let edits = after[0].entries - before[0].entries;
    assert!(
        edits as f64 > time.as_secs_f64() * f64::from(EDITS_A_SECOND) * 0.5,
        "{edits} edits"
    );
    let each = |of: &dyn Fn(&Status) -> u64| {
        let used: Vec<f64> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| (of(after) - of(before)) as f64 / edits as f64)
            .collect();
        let others = &used[1..];
        (used[0], others.iter().sum::<f64>() / others.len() as f64)
    };
    Cost {
        edits,
        cpu: each(&|status| status.cpu_ms),
        bytes: each(&|status| status.sent.0 + status.sent.1 + status.received.0 + status.received.1),
    }
}

fn tell(table: &mut Table, count: usize, time: Duration) {
    let cost = edit_for(count, time);
    let name = format!("{count} devices, {} edits in {:.0?}", cost.edits, time);
    for (who, cpu, bytes) in [
        ("the editor", cost.cpu.0, cost.bytes.0),
        ("each of the others", cost.cpu.1, cost.bytes.1),
    ] {
        table.add_one(
            &format!("{name}: processor time an edit, {who}"),
            Unit::TimeOfOne(1),
            Target::None,
            cpu / 1e3,
        );
        table.add_one(
            &format!("{name}: bytes an edit, {who}"),
            Unit::Kibibytes,
            Target::None,
            bytes,
        );
    }
}

/// Ten devices for a minute.
pub(crate) fn ten_devices(table: &mut Table) {
    tell(table, 10, Duration::from_secs(60));
}

pub(crate) fn against_the_number_of_devices(table: &mut Table) {
    for count in [2, 5, 10, 20] {
        tell(table, count, Duration::from_secs(10));
    }
}

/// Where this runs in a network of its own, so that all that passes there is ours.
const OWN_NETWORK: &str = "CUECARD_BENCH_OWN_NETWORK";

/// Two devices with a deck that nobody edits, for a minute.
pub(crate) fn idle(table: &mut Table) {
    if std::env::var_os(OWN_NETWORK).is_none() && in_own_network(table) {
        return;
    }
    let (share, bytes) = idle_cost();
    tell_idle(table, share, bytes);
}

fn tell_idle(table: &mut Table, share: f64, bytes: f64) {
    table.add_one(
        "a deck that nobody edits: share of a core and link, in per mille (target: 2)",
        Unit::Count,
        Target::None,
        share * 1e3,
    );
    table.add_one(
        "the same: bytes a minute and link, both ways, with all headers (target: 8 KiB)",
        Unit::Kibibytes,
        Target::None,
        bytes,
    );
}

/// Runs this measure again in a network namespace, and takes over what it says. False where the machine does not let us.
fn in_own_network(table: &mut Table) -> bool {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("unshare")
        .args(["-n", "sh", "-c", "ip link set lo up && exec \"$0\" idle"])
        .arg(program)
        .env(OWN_NETWORK, "1")
        .output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        eprintln!(
            "  no network of its own here: bytes are those of messages alone, without headers and heartbeats"
        );
        return false;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let number = |name: &str| -> Option<f64> {
        said.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let (Some(share), Some(bytes)) = (number("SHARE"), number("BYTES")) else {
        return false;
    };
    tell_idle(table, share, bytes);
    true
}

/// The share of a core that one device uses for one link, and the bytes a minute that pass on it.
fn idle_cost() -> (f64, f64) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |name| Process::start(&folder.path().join(name), PATIENT);
    let (mut here, mut there) = (start("here"), start("there"));
    here.ask(&Ask::Create);
    pair_up(&mut here, &mut there, true);
    let head = here.until("they are linked", |status| status.linked == 1).head;
    there.until("the deck is there", |status| status.head == head);
    // What comes right after a link comes up is none of this.
    std::thread::sleep(Duration::from_secs(5));
    let own_network = std::env::var_os(OWN_NETWORK).is_some();
    let stand = |here: &mut Process, there: &mut Process| {
        let (here, there) = (here.status(), there.status());
        let messages = here.sent.0 + here.sent.1 + there.sent.0 + there.sent.1;
        let bytes = if own_network { loopback_bytes() } else { messages };
        (here.cpu_ms + there.cpu_ms, bytes)
    };
    let before = stand(&mut here, &mut there);
    std::thread::sleep(Duration::from_secs(60));
    let after = stand(&mut here, &mut there);
    let share = (after.0 - before.0) as f64 / 1e3 / 60.0 / 2.0;
    let bytes = (after.1 - before.1) as f64;
    eprintln!("SHARE {share}\nBYTES {bytes}");
    (share, bytes)
}

/// All that has passed on this network's loopback.
fn loopback_bytes() -> u64 {
    let devices = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    let field = line.and_then(|line| line.split_whitespace().next());
    field.and_then(|text| text.parse().ok()).unwrap_or(0)
}
