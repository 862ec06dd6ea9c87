//! `cuecard demo`: the stage, the story, and what is said about it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli::care::Demo;
use crate::error::Error;
use crate::inspect;
use crate::output::Output;
use crate::story::{self, Settings, Stage};
use crate::tell::live::Live;
use crate::text::say;

/// How a demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every check was made, and is so.
    Good,
    /// Not so.
    Bad,
    /// By a person.
    Interrupted,
}

/// Where the devices of a demo keep their data.
enum Place {
    Kept(PathBuf),
    /// Removed when this is dropped.
    Passing(TempDir),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Passing(folder) => folder.path(),
        }
    }
}

/// Plays the demo.
///
/// # Errors
/// When there is no place for it; what goes wrong within the story is in its report.
pub(crate) async fn run(demo: Demo, output: Output, verbose: bool) -> Result<Ended, Error> {
    let place = match &demo.keep {
        Some(keep) => {
            make_empty(keep)?;
            Place::Kept(keep.clone())
        }
        None => {
            let made = tempfile::Builder::new().prefix("cuecard-demo-").tempdir();
            Place::Passing(made.map_err(|error| Error::folder(&std::env::temp_dir(), error))?)
        }
    };
    let seed = match demo.seed {
        Some(seed) => seed,
        None => random_seed()?,
    };
    if demo.kills > 0 {
        let kills = demo.kills;
        say(&format!(
            "{kills} kills, drawn from seed {seed}; the same again with --kills {kills} --seed {seed}"
        ));
    }
    let settings = Settings {
        folder: place.path().to_owned(),
        devices: usize::from(demo.devices),
        kills: demo.kills,
        seed,
        verbose,
        paint: output.err,
    };
    let stage = Stage::new(settings.devices);
    let report = tokio::select! {
        report = story::tell(&stage, settings) => Some(report),
        _ = tokio::signal::ctrl_c() => None,
    };
    // Before the folder goes: nobody may write to it any more.
    stage.clear().await;
    let Some(report) = report else {
        say("interrupted; the processes are ended");
        return Ok(Ended::Interrupted);
    };
    let told = if output.json {
        report.to_json()? + "\n"
    } else {
        report.told(output.out, output.room())
    };
    write_out(&told)?;
    if !output.json && report.is_good() {
        write_out(&next(&place))?;
    }
    if demo.inspect && report.is_good() {
        let mut live = Live::new(output, None).opening(true);
        inspect::of_stage(story::folders(place.path()), None, &mut live).await?;
    }
    if let Some(complaint) = report.complaint() {
        say(&format!("cuecard: {complaint}"));
    }
    Ok(if report.is_good() { Ended::Good } else { Ended::Bad })
}

/// Sees that a folder is there and empty.
///
/// # Errors
/// When it is not empty: what is in it is not to be mixed with what comes.
fn make_empty(folder: &Path) -> Result<(), Error> {
    let failed = |error: io::Error| Error::folder(folder, error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    match std::fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(Error::NotEmpty {
            folder: folder.to_owned(),
        }),
    }
}

fn random_seed() -> Result<u64, Error> {
    let mut bytes = [0; 4];
    // Four bytes: short enough to be typed again.
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(u32::from_le_bytes(bytes).into())
}

/// The beginning of a deck of one's own.
const OWN: &str = "cuecard new \"Spanish 101\"   # a deck of your own: add cards, and share it";

/// The page, on two devices of its own.
const PAGE: &str = "cuecard inspect --demo   # a page in the browser, with a link to cut";

/// What to try next.
fn next(place: &Place) -> String {
    let tries = match place {
        Place::Kept(folder) => {
            let [laptop, phone] = story::folders(folder);
            [
                format!("cuecard log --data-dir {}", laptop.display()),
                format!("cuecard show --data-dir {}", phone.display()),
                format!("cuecard log --graph --full --data-dir {}", phone.display()),
                PAGE.to_owned(),
                OWN.to_owned(),
            ]
        }
        Place::Passing(_) => [
            "cuecard demo --keep cuecard-demo".to_owned(),
            "cuecard log --graph --full --data-dir cuecard-demo/phone   # then".to_owned(),
            "cuecard demo --kills 8".to_owned(),
            PAGE.to_owned(),
            OWN.to_owned(),
        ],
    };
    format!("\nNext:\n  {}\n", tries.join("\n  "))
}

/// Writes to standard output. A reader that has seen enough is no error.
///
/// # Errors
/// What the system says.
pub(crate) fn write_out(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Pipe(error)),
        _ => Ok(()),
    }
}
