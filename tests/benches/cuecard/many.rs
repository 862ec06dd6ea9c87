//! Several devices, each a process: what an edit costs each of them, and what a deck costs that nobody edits.

use std::cell::Cell;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cuecard_tests::real::{Ask, Process, Settings, Status, mesh, star};

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

/// Where this runs in a network of its own, so that all that passes there is ours: which deck it is about.
const OWN_NETWORK: &str = "CUECARD_BENCH_OWN_NETWORK";
/// How long nobody edits.
const IDLE_FOR: Duration = Duration::from_secs(60);

/// A deck that nobody edits, and who has it.
struct Idle {
    /// What it is called between processes.
    key: &'static str,
    name: &'static str,
    devices: fn(&Path) -> Vec<Process>,
    /// Whether the target is about it.
    has_target: bool,
}

const IDLE: [Idle; 4] = [
    Idle {
        key: "reader",
        name: "an editor and one that reads",
        devices: |folder| star(2, folder, PATIENT),
        has_target: true,
    },
    Idle {
        key: "holder",
        name: "two that may hold the role",
        devices: |folder| mesh(2, folder, PATIENT),
        has_target: true,
    },
    Idle {
        key: "three",
        name: "three that may, each linked with each",
        devices: |folder| mesh(3, folder, PATIENT),
        has_target: true,
    },
    Idle {
        key: "after",
        name: "two that may, the role is claimed after 1 s",
        devices: |folder| {
            let auto_claim = Some(Duration::from_secs(1));
            mesh(
                2,
                folder,
                Settings {
                    auto_claim,
                    ..PATIENT
                },
            )
        },
        has_target: false,
    },
];

/// Several devices with a deck that nobody edits, for a minute; each kind of deck in a network of its own, at the same time.
pub(crate) fn idle(table: &mut Table) {
    if let Ok(key) = std::env::var(OWN_NETWORK) {
        let idle = IDLE.iter().find(|idle| idle.key == key).expect("a known deck");
        return idle.say();
    }
    let alone: Vec<_> = IDLE.iter().map(Idle::in_own_network).collect();
    for (idle, alone) in IDLE.iter().zip(alone) {
        let cost = alone.and_then(|child| heard(child.wait_with_output().ok()?));
        let cost = cost.unwrap_or_else(|| {
            eprintln!(
                "  no network of its own here: bytes are those of messages, without headers and heartbeats"
            );
            idle.cost(false)
        });
        idle.tell(table, cost);
    }
}

impl Idle {
    /// Runs this measure again, of one deck, in a network namespace: `None` where the machine does not let us.
    fn in_own_network(&self) -> Option<Child> {
        Command::new("unshare")
            .args(["-n", "sh", "-c", "ip link set lo up && exec \"$0\" idle"])
            .arg(std::env::current_exe().expect("this program"))
            .env(OWN_NETWORK, self.key)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()
    }

    fn say(&self) {
        let (share, bytes) = self.cost(true);
        eprintln!("SHARE {share}\nBYTES {bytes}");
    }

    /// The share of a core that one end of a link costs, and the bytes a minute that pass on a link.
    fn cost(&self, in_own_network: bool) -> (f64, f64) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut devices = (self.devices)(folder.path());
        let ends = devices
            .iter_mut()
            .map(|device| device.status().linked)
            .sum::<usize>();
        // What comes right after a link comes up is none of this.
        std::thread::sleep(Duration::from_secs(5));
        let mut stand = || {
            let stands: Vec<Status> = devices.iter_mut().map(Process::status).collect();
            let cpu_ms = stands.iter().map(|status| status.cpu_ms).sum::<u64>();
            let messages = stands.iter().map(|status| status.sent.0 + status.sent.1).sum();
            (
                cpu_ms,
                if in_own_network {
                    loopback_bytes()
                } else {
                    messages
                },
            )
        };
        let before = stand();
        std::thread::sleep(IDLE_FOR);
        let after = stand();
        let share = (after.0 - before.0) as f64 / 1e3 / IDLE_FOR.as_secs_f64() / ends as f64;
        let minutes = IDLE_FOR.as_secs_f64() / 60.0;
        (share, (after.1 - before.1) as f64 / minutes / (ends as f64 / 2.0))
    }

    fn tell(&self, table: &mut Table, (share, bytes): (f64, f64)) {
        let target = |most| {
            if self.has_target {
                Target::Most(most)
            } else {
                Target::None
            }
        };
        let name = self.name;
        table.add_one(
            &format!("nobody edits, {name}: share of a core and link, in per mille"),
            Unit::Count,
            target(2.0),
            share * 1e3,
        );
        table.add_one(
            "the same: bytes a minute and link, both ways, with all headers",
            Unit::Kibibytes,
            target(8.0 * 1024.0),
            bytes,
        );
    }
}

/// What a measure in a network of its own said.
fn heard(output: Output) -> Option<(f64, f64)> {
    let said = String::from_utf8_lossy(&output.stderr);
    let number = |name: &str| -> Option<f64> {
        let rest = said.lines().find_map(|line| line.strip_prefix(name))?;
        rest.trim().parse().ok()
    };
    Some((number("SHARE")?, number("BYTES")?))
}

/// All that has passed on this network's loopback.
fn loopback_bytes() -> u64 {
    let devices = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    let field = line.and_then(|line| line.split_whitespace().next());
    field.and_then(|text| text.parse().ok()).unwrap_or(0)
}
