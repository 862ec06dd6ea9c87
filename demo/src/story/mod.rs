//! The story of the demo: two devices, a cut cable, offline edits, reconnection, one history.
//!
//! It is told as steps, each of which says what shall be so, not what to do: after a process was killed it is started
//! again and the step is tried again, from wherever the device finds itself.
//!
//! | file | subject |
//! |---|---|
//! | `steps` | what each step wants, and checks |
//! | `words` | what is written in the deck |
//! | `checks` | what must have been shown |
//! | `process` | a process that plays a device |
//! | `kills` | SIGKILL at random moments |
//! | `report` | what is said at the end |
//! | `narrator` | what is said meanwhile |

mod checks;
mod kills;
mod narrator;
mod process;
pub(crate) mod report;
mod steps;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::{Error, Failure, Kind};
use crate::peer::protocol::{Do, Status, Until};
use crate::text::Paint;

use self::checks::{Check, Checks};
use self::kills::Killer;
use self::narrator::Narrator;
use self::process::{Process, Unanswered};
use self::report::Report;
use self::steps::Step;

/// What the devices are called: the first begins the deck, the second joins it, the others follow it.
const NAMES: [&str; 8] = [
    "laptop", "phone", "tablet", "desktop", "kitchen", "library", "bedroom", "car",
];
const LAPTOP: usize = 0;
const PHONE: usize = 1;

/// What a device may take for anything: far more than it needs, so that a slow machine tells the same story.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);
/// How long something that is bound to come is waited for.
const AWAIT_MS: u64 = 25_000;

/// The process that plays each device at present.
type Slots = Vec<watch::Sender<Option<Arc<Process>>>>;

/// How the story is to be told.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where the devices keep their data: a folder each is made in it.
    pub(crate) folder: PathBuf,
    /// How many devices there are.
    pub(crate) devices: usize,
    /// How often one of the processes is killed.
    pub(crate) kills: u64,
    /// What the kills are drawn from.
    pub(crate) seed: u64,
    /// Whether the processes log.
    pub(crate) verbose: bool,
    /// The colours of what is said on standard error.
    pub(crate) paint: Paint,
}

/// Why a step was not reached.
enum Setback {
    /// A process has ended.
    Died,
    /// A device did not do what it was asked.
    Refused { name: &'static str, refused: Failure },
    /// Anything that trying again does not mend.
    Failed(Error),
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Setback> for Error {
    fn from(setback: Setback) -> Self {
        match setback {
            Setback::Died => Self::Ended("demo's devices".to_owned()),
            Setback::Refused { name, refused } => Self::Refused {
                name: name.to_owned(),
                message: refused.message,
            },
            Setback::Failed(error) => error,
        }
    }
}

/// The processes of a story. They are apart from it so that they can be ended when it is broken off.
#[derive(Debug)]
pub(crate) struct Stage {
    slots: Slots,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Process({})", self.pid())
    }
}

impl Stage {
    /// An empty one, for so many devices.
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            slots: (0..devices.min(NAMES.len()))
                .map(|_| watch::Sender::new(None))
                .collect(),
        }
    }

    /// Kills what still lives, and waits for its end.
    pub(crate) async fn clear(&self) {
        for slot in &self.slots {
            let process = slot.borrow().clone();
            if let Some(process) = process {
                process.kill();
                process.gone().await;
            }
        }
    }
}

/// Tells the story to its end, or to where it fails; the report says which.
pub(crate) async fn tell(stage: &Stage, settings: Settings) -> Report {
    let narrator = Narrator::new(settings.paint);
    let killer = Killer::new(settings.kills, settings.seed, Step::ALL.len() - 1);
    let mut story = Story {
        stage,
        narrator,
        killer,
        checks: Checks::default(),
        facts: Facts {
            devices: vec![String::new(); stage.slots.len()],
            ..Facts::default()
        },
        cable_cut: false,
        settings,
    };
    let told = story.tell().await;
    Report::of(&story, told.err())
}

/// What the story has learnt so far.
#[derive(Debug, Default)]
struct Facts {
    /// The ids of the devices.
    devices: Vec<String>,
    /// How often codes were exchanged.
    code_exchanges: u64,
    /// Entries when the cable was cut.
    entries_before: usize,
    /// Exchanges of codes until the cable was cut: the links after it must come without any.
    codes_before_cut: u64,
    /// When the cable was cut, in seconds of the story.
    cut_at: Option<f64>,
    /// When it was mended.
    mended_at: Option<f64>,
    /// The term that the handover made, if its making was answered.
    handed_term: Option<String>,
    /// How often a process was started again.
    restarts: u64,
    /// What was found at the end.
    end: Option<report::End>,
}

struct Story<'a> {
    stage: &'a Stage,
    settings: Settings,
    narrator: Narrator,
    killer: Killer,
    checks: Checks,
    facts: Facts,
    cable_cut: bool,
}

impl Story<'_> {
    async fn tell(&mut self) -> Result<(), Error> {
        for (number, step) in Step::ALL.into_iter().enumerate() {
            self.narrator.step(number + 1, Step::ALL.len(), step.told());
            if Step::ALL.last() == Some(&step) {
                self.sit_out_kills().await?;
            } else {
                self.killer.step_begins(number, &self.stage.slots, &self.narrator);
            }
            self.reach(step).await?;
        }
        Ok(())
    }

    /// Tries a step until it is reached. Only kills are a reason to try again.
    async fn reach(&mut self, step: Step) -> Result<(), Error> {
        loop {
            let kills_before = self.killer.done();
            let Err(setback) = self.attempt(step).await else {
                return Ok(());
            };
            let killed = self.killer.done() > kills_before || self.someone_is_gone();
            let meant = self.settings.kills > 0 && killed;
            match setback {
                Setback::Died | Setback::Refused { .. } if meant => self.revive().await?,
                setback => return Err(setback.into()),
            }
        }
    }

    fn everyone(&self) -> std::ops::Range<usize> {
        0..self.stage.slots.len()
    }

    /// Those who only follow the deck.
    fn followers(&self) -> std::ops::Range<usize> {
        2..self.stage.slots.len()
    }

    fn someone_is_gone(&self) -> bool {
        self.stage
            .slots
            .iter()
            .any(|slot| slot.borrow().as_ref().is_none_or(|process| process.is_gone()))
    }

    /// Waits for the kills that are still to come.
    async fn sit_out_kills(&mut self) -> Result<(), Error> {
        loop {
            self.revive().await?;
            if !self.killer.next().await {
                return self.revive().await;
            }
        }
    }

    /// Starts whoever is gone, until both live and know the state of the cable.
    async fn revive(&mut self) -> Result<(), Error> {
        while self.someone_is_gone() {
            for who in self.everyone() {
                let gone = self
                    .slot(who)?
                    .borrow()
                    .as_ref()
                    .is_none_or(|process| process.is_gone());
                if !gone {
                    continue;
                }
                match self.start(who).await {
                    Ok(_) | Err(Setback::Died) => {}
                    Err(setback) => return Err(setback.into()),
                }
            }
        }
        Ok(())
    }

    /// Starts a device, with its cable as it is at present.
    async fn start(&mut self, who: usize) -> Result<Status, Setback> {
        let name = name_of(who);
        let process = Process::start(name, &self.data_folder(who), self.settings.verbose)?;
        let before = self.slot(who)?.send_replace(Some(Arc::new(process)));
        self.facts.restarts += u64::from(before.is_some());
        let process = self.process(who)?;
        let started = process.ask(Do::Start {
            cable_cut: self.cable_cut,
        });
        let status: Status = match timeout(ANSWER_WITHIN, started).await {
            Ok(Ok(value)) => read(who, value)?,
            Ok(Err(Unanswered::Gone)) if self.settings.kills == 0 => {
                return Err(Error::Ended(name.to_owned()).into());
            }
            Ok(Err(Unanswered::Gone)) => return Err(Setback::Died),
            Ok(Err(Unanswered::Refused(refused))) => return Err(Setback::Refused { name, refused }),
            Err(_) => return Err(late(who).into()),
        };
        if let Some(device) = self.facts.devices.get_mut(who) {
            device.clone_from(&status.device);
        }
        Ok(status)
    }

    fn data_folder(&self, who: usize) -> PathBuf {
        self.settings.folder.join(name_of(who))
    }

    fn slot(&self, who: usize) -> Result<&watch::Sender<Option<Arc<Process>>>, Error> {
        self.stage
            .slots
            .get(who)
            .ok_or(Error::Ended(name_of(who).to_owned()))
    }

    fn process(&self, who: usize) -> Result<Arc<Process>, Setback> {
        self.slot(who)?.borrow().clone().ok_or(Setback::Died)
    }

    fn device(&self, who: usize) -> String {
        self.facts.devices.get(who).cloned().unwrap_or_default()
    }

    /// Asks a device. The end of either process ends the wait: most of what is asked takes two.
    async fn ask(&self, who: usize, what: Do) -> Result<Value, Setback> {
        let other = if who == LAPTOP { PHONE } else { LAPTOP };
        let (asked, other) = (self.process(who)?, self.process(other)?);
        let answer = tokio::select! {
            answer = timeout(ANSWER_WITHIN, asked.ask(what)) => answer,
            () = other.gone() => return Err(Setback::Died),
        };
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Unanswered::Gone)) => Err(Setback::Died),
            Ok(Err(Unanswered::Refused(refused))) => Err(Setback::Refused {
                name: name_of(who),
                refused,
            }),
            Err(_) => Err(late(who).into()),
        }
    }

    /// Asks for something of a known form.
    async fn learn<T: DeserializeOwned>(&self, who: usize, what: Do) -> Result<T, Setback> {
        Ok(read(who, self.ask(who, what).await?)?)
    }

    async fn status(&self, who: usize) -> Result<Status, Setback> {
        self.learn(who, Do::Status).await
    }

    async fn await_until(&self, who: usize, until: Until) -> Result<Status, Setback> {
        self.learn(
            who,
            Do::Await {
                until,
                within_ms: AWAIT_MS,
            },
        )
        .await
    }

    async fn await_both(&self, until: Until) -> Result<[Status; 2], Setback> {
        let (laptop, phone) = tokio::try_join!(
            self.await_until(LAPTOP, until.clone()),
            self.await_until(PHONE, until)
        )?;
        Ok([laptop, phone])
    }

    /// Whether a device refuses because it is not the editor; any other refusal is a setback.
    async fn is_refused_as_viewer(&self, who: usize, what: Do) -> Result<bool, Setback> {
        match self.ask(who, what).await {
            Ok(_) => Ok(false),
            Err(Setback::Refused { refused, .. }) if refused.kind == Kind::NotEditor => Ok(true),
            Err(setback) => Err(setback),
        }
    }

    fn check(&mut self, check: Check, ok: bool) {
        self.checks.note(check, ok);
        self.narrator.check(check.told(), ok);
    }
}

fn name_of(who: usize) -> &'static str {
    NAMES.get(who).copied().unwrap_or("device")
}

fn late(who: usize) -> Error {
    Error::TooLate(format!(
        "the {} gave no answer within {} s",
        name_of(who),
        ANSWER_WITHIN.as_secs()
    ))
}

fn read<T: DeserializeOwned>(who: usize, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::Answer {
        name: name_of(who).to_owned(),
        error,
    })
}

/// Where each device of a kept story keeps its data.
pub(crate) fn folders(folder: &Path) -> [PathBuf; 2] {
    [LAPTOP, PHONE].map(|who| folder.join(name_of(who)))
}
