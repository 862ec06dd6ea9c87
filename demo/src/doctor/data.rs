//! The data folder, what is in it, and mending it.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cuecard::Engine;
use cuecard::store::{Loss, Options, Repair, Report, SledStore, Store as _, StoreError};

use crate::error::{Error, Kind};
use crate::home::{Home, try_writing};
use crate::node::reach::running_peer;
use crate::paste;
use crate::text::{bytes, counted};

use super::Findings;

const KEY_BYTES: u64 = 32;
/// Cuecard is younger than this; a clock that says otherwise was never set.
const CLOCK_MIN_MS: u64 = 1_700_000_000_000;
/// Clocks of two devices differ by less, or one of them is wrong.
const AHEAD_MAX_MS: u64 = 10 * 60 * 1000;

/// What a repair has just told is not told again.
pub(super) async fn look(home: &Home, is_repaired: bool, findings: &mut Findings) {
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|time| u64::try_from(time.as_millis()).ok())
        .unwrap_or(0);
    if now_ms < CLOCK_MIN_MS {
        findings.wrong(
            "clock",
            Kind::Failed,
            "this machine's clock was never set",
            "set it: codes run out by it, and the history shows it",
        );
    }
    if !home.folder().exists() {
        findings.note(
            "data",
            format!("nothing was made in {} yet", home.folder().display()),
            "`cuecard new TITLE` begins a deck, `cuecard join` takes one from another device",
        );
        return;
    }
    let can_write = folder(home, findings);
    key(home, findings);
    if !home.store().is_dir() {
        return findings.note(
            "data",
            "nothing was saved here yet",
            "`cuecard new TITLE` begins a deck",
        );
    }
    if running_peer(home).await {
        let holder = home.holder().map_or_else(String::new, |holder| {
            format!(" {} (`{}`)", holder.pid, holder.command)
        });
        return findings.note(
            "store",
            format!("the running peer{holder} has it open and answers"),
            "for a look at every record, end the peer first",
        );
    }
    if !can_write {
        return;
    }
    let store = home.store();
    let checked = tokio::task::spawn_blocking(move || check(&store)).await;
    let is_sound = match checked {
        Ok(Ok((report, lost))) => told_report(&report, if is_repaired { 0 } else { lost }, findings),
        Ok(Err(error)) => {
            failed(error, findings);
            false
        }
        Err(error) => {
            findings.wrong(
                "store",
                Kind::Damaged,
                error.to_string(),
                "`cuecard doctor --repair`",
            );
            false
        }
    };
    if is_sound {
        decks(home, now_ms, findings).await;
    }
}

/// Whether it can be written.
fn folder(home: &Home, findings: &mut Findings) -> bool {
    let shown = home.folder().display();
    if let Err(error) = try_writing(home.folder()) {
        findings.wrong(
            "folder",
            Kind::Disk,
            format!("{shown} cannot be written: {error}"),
            "let this user write it and free some space, or name another with --data-dir",
        );
        return false;
    }
    match mode(home.folder()) {
        Some(mode) if mode & 0o077 != 0 => findings.note(
            "folder",
            format!("{shown} is open to other users (mode {mode:o}); keys in it are not"),
            format!("`chmod 700 {shown}` closes it"),
        ),
        _ => findings.well("folder", format!("{shown} can be written")),
    }
    true
}

fn key(home: &Home, findings: &mut Findings) {
    let path = home.key_file();
    let about = match fs::metadata(&path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return findings.note(
                "key",
                "there is no device key yet",
                "the first command that needs one makes it",
            );
        }
        Err(error) => {
            return findings.wrong(
                "key",
                Kind::Disk,
                format!("{} cannot be read: {error}", path.display()),
                "let this user read it",
            );
        }
    };
    if about.len() != KEY_BYTES {
        return findings.wrong(
            "key",
            Kind::Damaged,
            format!(
                "{} has {}, and a key has {KEY_BYTES}",
                path.display(),
                bytes(about.len())
            ),
            "restore it from a backup, or set it aside to become a new device",
        );
    }
    match mode(&path) {
        Some(mode) if mode & 0o077 != 0 => findings.wrong(
            "key",
            Kind::Failed,
            format!("other users can read the device key (mode {mode:o})"),
            format!(
                "`chmod 600 {}` closes it; if others use this machine, begin anew as another device",
                path.display()
            ),
        ),
        _ => findings.well("key", "the device key is there, and this user's alone"),
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}

/// Reads and verifies every record, snapshot and piece of audio.
fn check(store: &Path) -> Result<(Report, u64), StoreError> {
    let store = SledStore::open(store, Options::default())?;
    let report = store.check()?;
    let lost = store.lost_batches();
    store.close()?;
    Ok((report, lost))
}

fn told_report(report: &Report, lost: u64, findings: &mut Findings) -> bool {
    if lost > 0 {
        findings.wrong(
            "store",
            Kind::Damaged,
            format!("the disk has lost {lost} batches that had been saved"),
            "look after the disk; link to a device that has the decks, and what was lost comes back",
        );
    }
    if !report.is_sound() {
        findings.wrong(
            "store",
            Kind::Damaged,
            format!("{} things are not as they were saved", report.damages_total),
            "`cuecard doctor --repair` sets them aside; what is lost by that comes back from other devices",
        );
        return false;
    }
    findings.well(
        "store",
        format!(
            "{} records, {} snapshots and {} pieces of audio, all as they were saved",
            report.records, report.snapshots, report.blobs
        ),
    );
    true
}

fn failed(error: StoreError, findings: &mut Findings) {
    let error = Error::Store(error);
    let to_do = match error.kind() {
        Kind::Damaged => "`cuecard doctor --repair` sets aside what is damaged, and says what that costs",
        Kind::Busy => "wait for the other command, or end it",
        _ => "see what the system says, and try again",
    };
    findings.wrong("store", error.kind(), error.to_string(), to_do);
}

async fn decks(home: &Home, now_ms: u64, findings: &mut Findings) {
    let engine = match Engine::open(home.folder()).await {
        Ok(engine) => engine,
        Err(error) => {
            let error = Error::from(error);
            return findings.wrong("decks", error.kind(), error.to_string(), "see what it says");
        }
    };
    for damaged in engine.damaged_decks() {
        findings.wrong(
            "decks",
            Kind::Damaged,
            damaged.to_string(),
            format!(
                "`cuecard remove --deck {}` removes it here; then `cuecard join`, or `cuecard import` of what another device \
                 exported, brings it back",
                damaged.deck.short()
            ),
        );
    }
    let decks = engine.decks();
    findings.well("decks", counted(decks.len(), "deck opens", "decks open"));
    let newest = decks
        .iter()
        .filter_map(|deck| deck.history().ok()?.next())
        .map(|entry| entry.time_ms)
        .max();
    match newest {
        Some(newest) if newest > now_ms + AHEAD_MAX_MS => findings.wrong(
            "clock",
            Kind::Failed,
            format!(
                "the newest entry here is {} minutes ahead of this clock",
                (newest - now_ms) / 60_000
            ),
            "set the clock of this machine, or of the device that wrote it: codes run out by it",
        ),
        _ => findings.well("clock", "no entry is ahead of it"),
    }
    // What was opened to be looked at is closed whatever it says.
    if let Err(error) = engine.shutdown().await {
        findings.wrong("store", Kind::Disk, error.to_string(), "look after the disk");
    }
}

/// Mends the store, with a person's consent.
///
/// # Errors
/// When the person does not want it, or it cannot be done.
pub(super) async fn repair(home: &Home, yes: bool, findings: &mut Findings) -> Result<(), Error> {
    if !home.store().is_dir() {
        return Err(Error::NoDevice {
            folder: home.folder().to_owned(),
        });
    }
    let question = format!(
        "This sets aside what is damaged in {}, within that folder, so that the rest opens again. Nothing is deleted; what \
         is set aside is no longer part of the decks, and comes back from other devices that have it.",
        home.store().display()
    );
    paste::confirm(&question, yes).await?;
    let store = home.store();
    let repairing = move || -> Result<Repair, StoreError> {
        let (store, repair) = SledStore::open_repaired(store, Options::default())?;
        store.close()?;
        Ok(repair)
    };
    let repair = tokio::task::spawn_blocking(repairing).await??;
    if repair.is_lossless() {
        findings.well("repair", "nothing had to be set aside");
        return Ok(());
    }
    let mut told: Vec<String> = repair.losses.iter().map(loss).collect();
    let more = repair.losses_total.saturating_sub(told.len() as u64);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    let aside: Vec<String> = repair
        .set_aside
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    findings.note(
        "repair",
        format!("set aside: {}", told.join("; ")),
        format!(
            "link to a device that has the decks, and it comes back; what was set aside is in {}",
            if aside.is_empty() {
                home.store().display().to_string()
            } else {
                aside.join(", ")
            }
        ),
    );
    Ok(())
}

fn loss(loss: &Loss) -> String {
    match loss {
        Loss::Records { records, .. } => format!("{records} records at the end of a log"),
        Loss::Value { .. } => "a setting".to_owned(),
        Loss::Stray { pieces } => format!("{pieces} stray pieces"),
        Loss::Snapshot { .. } => "a snapshot".to_owned(),
        Loss::Blob { .. } => "a part of a piece of audio".to_owned(),
        Loss::Batches { batches } => format!("the latest {batches} batches"),
        Loss::Database { why } => format!("all records, as the database could not be read ({why})"),
        _ => "something of a later version".to_owned(),
    }
}
