//! Runs the command as a user would.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by a panic"
)]

#[cfg(unix)]
pub(crate) mod terminal;
pub(crate) mod visit;

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The command, with nothing of the caller's environment that would change what it does, and no network but loopback.
pub(crate) fn cuecard(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cuecard"));
    command.args(arguments).env("CUECARD_BIND", "loopback");
    let unset = [
        "NO_COLOR",
        "RUST_LOG",
        "HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "CUECARD_DATA_DIR",
        "CUECARD_DECK",
        "CUECARD_STUN",
        "CUECARD_TURN",
    ];
    for name in unset {
        command.env_remove(name);
    }
    command
}

/// A device: a data folder of its own, in which nothing was made yet.
pub(crate) struct Device {
    scratch: tempfile::TempDir,
}

impl Device {
    pub(crate) fn new(name: &str) -> Self {
        let device = Self {
            scratch: tempfile::tempdir().unwrap(),
        };
        device.ok(&["name", name]);
        device
    }

    /// Without a name, and without a folder.
    pub(crate) fn fresh() -> Self {
        Self {
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// A file beside the data.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.scratch.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cuecard(arguments);
        command.env("CUECARD_DATA_DIR", self.folder());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Must end well; its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Must end well; the JSON object that it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{}", told(&output));
        json_of(&output)
    }

    /// Must end with this exit code; its standard error.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}\n{}",
            told(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?}\n{}", told(&output));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Begins a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }
}

/// A command that goes on, with what it says. It is killed with this.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    is_signalled: std::cell::Cell<bool>,
    said: Receiver<(Stream, String)>,
    /// All that it said.
    pub(crate) heard: String,
}

/// Where a line was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Far more than anything here takes: it only ends a test that would go on for ever.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, said) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        let err = BufReader::new(child.stderr.take().unwrap());
        let say_out = say.clone();
        std::thread::spawn(move || pass_on(out, Stream::Out, &say_out));
        std::thread::spawn(move || pass_on(err, Stream::Err, &say));
        Self {
            input: child.stdin.take(),
            is_signalled: std::cell::Cell::new(false),
            child,
            said,
            heard: String::new(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        self.until(Stream::Out, |_| true)
    }

    /// The first line from now on that has this in it, wherever it is said.
    pub(crate) fn hear(&mut self, text: &str) -> String {
        let deadline = Instant::now() + WITHIN;
        loop {
            let (_, line) = self.next(deadline, text);
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn until(&mut self, stream: Stream, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + WITHIN;
        loop {
            let (from, line) = self.next(deadline, "a line");
            if from == stream && is_it(&line) {
                return line;
            }
        }
    }

    fn next(&mut self, deadline: Instant, awaited: &str) -> (Stream, String) {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.said.recv_timeout(left) {
            Ok((from, line)) => {
                self.heard.push_str(&line);
                self.heard.push('\n');
                (from, line)
            }
            Err(why) => panic!("{why} while waiting for {awaited:?}; it said:\n{}", self.heard),
        }
    }

    pub(crate) fn type_in(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
        input.flush().unwrap();
    }

    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    pub(crate) fn signal(&self, which: &str) {
        self.is_signalled.set(true);
        let sent = Command::new("kill")
            .args([which, &self.pid().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, and hears all that it still says; gives its exit code.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        // Whoever was told to end need not be told that nothing more is typed: it would be chance which comes first.
        if !self.is_signalled.get() {
            self.input = None;
        }
        let deadline = Instant::now() + WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok((_, line)) => {
                    self.heard.push_str(&line);
                    self.heard.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on; it said:\n{}", self.heard),
            }
        }
        let code = self.child.wait().unwrap().code();
        (code, std::mem::take(&mut self.heard))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pass_on(from: impl BufRead, stream: Stream, to: &Sender<(Stream, String)>) {
    for line in from.lines() {
        let Ok(line) = line else { return };
        if to.send((stream, line)).is_err() {
            return;
        }
    }
}

/// Ids and times are others in each run: their shape stays.
pub(crate) fn without_chance(text: &str) -> String {
    let is_id = |word: &str| {
        let is_base32 =
            |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_lowercase() && !b"ilou".contains(&byte));
        matches!(word.len(), 8 | 16 | 64) && word.bytes().all(is_base32) && word != "accepted"
    };
    let is_time = |word: &str| {
        word.len() == 8
            && word.bytes().enumerate().all(|(at, byte)| match at {
                2 | 5 => byte == b':',
                _ => byte.is_ascii_digit(),
            })
    };
    let is_date = |word: &str| {
        word.len() == 10
            && word.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let mut shape = String::new();
    for piece in text
        .split_inclusive(|character: char| !(character.is_ascii_alphanumeric() || ":-".contains(character)))
    {
        let word = piece.trim_end_matches(|character: char| {
            !(character.is_ascii_alphanumeric() || ":-".contains(character))
        });
        let end = &piece[word.len()..];
        let same = if is_time(word) {
            "hh:mm:ss".to_owned()
        } else if is_date(word) {
            "yyyy-mm-dd".to_owned()
        } else if is_id(word) {
            "x".repeat(word.len())
        } else {
            word.to_owned()
        };
        shape.push_str(&same);
        shape.push_str(end);
    }
    shape
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    cuecard(arguments).output().unwrap()
}

/// Runs it to its end, which must be a good one, and gives its standard output.
pub(crate) fn stdout_of(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The one JSON object that it prints.
pub(crate) fn json_of(output: &Output) -> Value {
    // A task that panics in one of the processes need not end it: this is where it shows.
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("panicked"),
        "{}",
        told(output)
    );
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let object = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{}", told(output)));
    assert_eq!(text.lines().count(), 1, "one line\n{}", told(output));
    object
}

/// Everything that it said, for a test that fails.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Asserts on every field of a demo's report that a good end fixes.
pub(crate) fn assert_good_end(report: &Value, why: &str) {
    assert_eq!(report["version"], 1, "{why}");
    assert_eq!(report["converged"], true, "{why}");
    let heads = report["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 2, "{why}");
    assert_eq!(heads[0], heads[1], "{why}");
    assert_eq!(heads[0].as_str().unwrap().len(), 64, "{why}");
    assert_eq!(report["cards"], 20, "{why}");
    assert_eq!(report["drafts"]["proposed"], 1, "{why}");
    assert_eq!(report["drafts"]["accepted"], 1, "{why}");
    assert_eq!(report["audio"]["verified"], true, "{why}");
    assert_eq!(report["audio"]["bytes"], 1_058_444, "{why}");
    assert_eq!(report["audio"]["blake3"].as_array().unwrap().len(), 1, "{why}");
    assert!(report["seconds"].as_f64().unwrap() > 0.0, "{why}");
    assert!(report["terms"].as_u64().unwrap() >= 2, "{why}");
    assert!(report["codes_exchanged"].as_u64().unwrap() >= 1, "{why}");
    assert!(report.get("error").is_none(), "{why}");
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 22, "{why}");
    for check in checks {
        assert_eq!(check["ok"], true, "{check}\n{why}");
    }
}
