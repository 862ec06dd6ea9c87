//! A device in a process of its own, from outside.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ask::{Ask, Said, Status};
use super::device::AS_DEVICE;

/// How long anything may take before a test gives up: far longer than it takes on a slow machine.
pub const WITHIN: Duration = Duration::from_secs(60);
/// How often a status is looked at again.
pub const LOOK_AGAIN: Duration = Duration::from_millis(15);

/// How a device is opened.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Settings {
    /// With `auto_claim` after so long.
    pub auto_claim: Option<Duration>,
    /// With links that beat as they do by default, and not so often that a cut is noticed soon.
    pub patient: bool,
    /// With a disk that can be told to take nothing more: [`Ask::HoldDisk`].
    pub disk_can_be_held: bool,
}

/// A device that runs.
pub struct Process {
    folder: PathBuf,
    settings: Settings,
    child: Child,
    to: ChildStdin,
    lines: Receiver<(Instant, Value)>,
    said: VecDeque<(Instant, Said)>,
    /// Its id.
    pub device: String,
}

impl Process {
    /// Starts a device on a folder.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(folder: &Path, settings: Settings) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg(AS_DEVICE)
            .arg(folder)
            .arg(serde_json::to_string(&settings).expect("JSON"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let to = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let at = Instant::now();
                // A line that a kill cut short is no word.
                let Ok(value) = serde_json::from_str(&line) else {
                    return;
                };
                if tell.send((at, value)).is_err() {
                    return;
                }
            }
        });
        let mut process = Self {
            folder: folder.to_owned(),
            settings,
            child,
            to,
            lines,
            said: VecDeque::new(),
            device: String::new(),
        };
        let (_, ready) = process.hear("ready", |said| matches!(said, Said::Ready { .. }));
        if let Said::Ready { device } = ready {
            process.device = device;
        }
        process
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn next(&mut self, what: &str) -> (Instant, Value) {
        match self.lines.recv_timeout(WITHIN) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("{:?}: no {what} within {WITHIN:?}", self.folder),
            Err(RecvTimeoutError::Disconnected) => panic!("{:?}: it ended; {what} was to come", self.folder),
        }
    }

    /// Asks, and waits for the reply.
    ///
    /// # Panics
    /// When there is none, or it is an error.
    pub fn ask(&mut self, ask: &Ask) -> Value {
        let reply = self.reply(ask);
        match reply.get("ok") {
            Some(ok) => ok.clone(),
            None => panic!("{:?}: {ask:?}: {reply}", self.folder),
        }
    }

    /// Asks for what it is to refuse: why it does.
    ///
    /// # Panics
    /// When it does not.
    pub fn refused(&mut self, ask: &Ask) -> String {
        let reply = self.reply(ask);
        match reply.get("err").and_then(Value::as_str) {
            Some(why) => why.to_owned(),
            None => panic!("{:?}: {ask:?} was not refused: {reply}", self.folder),
        }
    }

    fn reply(&mut self, ask: &Ask) -> Value {
        let line = serde_json::to_string(ask).expect("JSON");
        writeln!(self.to, "{line}").unwrap_or_else(|error| panic!("{line}: it does not listen: {error}"));
        loop {
            let (at, value) = self.next(&line);
            if value.get("said").is_none() {
                return value;
            }
            let said = serde_json::from_value(value).expect("a word");
            self.said.push_back((at, said));
        }
    }

    /// As [`Process::ask`], for what has a form.
    ///
    /// # Panics
    /// When the reply has another.
    pub fn ask_for<T: DeserializeOwned>(&mut self, ask: &Ask) -> T {
        serde_json::from_value(self.ask(ask)).expect("a reply of this form")
    }

    /// Waits for what it says by itself: what, and when it was heard.
    ///
    /// # Panics
    /// When it does not say so.
    pub fn hear(&mut self, what: &str, is_it: impl Fn(&Said) -> bool) -> (Instant, Said) {
        loop {
            if let Some(at) = self.said.iter().position(|(_, said)| is_it(said)) {
                return self.said.remove(at).expect("it is there");
            }
            let (at, value) = self.next(what);
            let said = serde_json::from_value(value).expect("a word");
            self.said.push_back((at, said));
        }
    }

    /// Where it stands.
    pub fn status(&mut self) -> Status {
        self.ask_for(&Ask::Status)
    }

    /// Waits until its status is so.
    ///
    /// # Panics
    /// When it does not come to be.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + WITHIN;
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{:?}: still waiting until {what}: {status:?}",
                self.folder
            );
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }

    /// The fronts of all its cards.
    pub fn cards(&mut self) -> Vec<String> {
        self.ask_for(&Ask::Cards)
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("to kill it");
        self.child.wait().expect("its end");
    }

    /// Starts it again, on what its disk has.
    ///
    /// # Panics
    /// When it still runs, or does not start.
    pub fn start_again(&mut self) {
        assert!(
            self.child.try_wait().expect("its state").is_some(),
            "it still runs"
        );
        *self = Self::start(&self.folder.clone(), self.settings);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Links two devices by codes, the first of which may invite the other to its deck. Connecting goes on when this returns.
pub fn pair_up(offering: &mut Process, answering: &mut Process, with_deck: bool) {
    let (offer, code): (usize, String) = offering.ask_for(&Ask::Offer { with_deck });
    let code = answering.ask_for(&Ask::Answer { code });
    offering.ask(&Ask::Accept { offer, code });
}

/// So many devices on folders below this one, all linked to each other, with one deck that all may hold. The first of them
/// is owner and editor.
///
/// # Panics
/// When that does not come to be.
#[must_use]
pub fn mesh(count: usize, folder: &Path, settings: Settings) -> Vec<Process> {
    let mut devices: Vec<Process> = (0..count)
        .map(|number| Process::start(&folder.join(format!("device-{number}")), settings))
        .collect();
    let ids = devices.iter().map(|device| device.device.clone()).collect();
    devices[0].ask(&Ask::Create);
    devices[0].ask(&Ask::Holders { devices: ids });
    for number in 1..count {
        let (first, others) = devices.split_at_mut(number);
        for (from, device) in first.iter_mut().enumerate() {
            pair_up(device, &mut others[0], from == 0);
        }
    }
    let head = devices[0].status().head;
    for device in &mut devices {
        device.until("all are linked and have the deck", |status| {
            status.linked == count - 1 && status.head == head
        });
    }
    devices
}

/// So many devices on folders below this one, all linked to the first, which is owner and editor of the deck of all.
///
/// # Panics
/// When that does not come to be.
#[must_use]
pub fn star(count: usize, folder: &Path, settings: Settings) -> Vec<Process> {
    let mut devices: Vec<Process> = (0..count)
        .map(|number| Process::start(&folder.join(format!("device-{number}")), settings))
        .collect();
    devices[0].ask(&Ask::Create);
    for number in 1..count {
        let (first, others) = devices.split_at_mut(number);
        pair_up(&mut first[0], &mut others[0], true);
    }
    devices[0].until("all are linked", |status| status.linked == count - 1);
    let head = devices[0].status().head;
    for device in &mut devices {
        device.until("all have the deck", |status| status.head == head);
    }
    devices
}
