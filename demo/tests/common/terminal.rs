//! A pseudo-terminal with the command in it, as a person has it before them.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const WITHIN: Duration = Duration::from_secs(60);

/// A command in a terminal of 120 by 40 characters, or of another width.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// All that was written to it.
    pub(crate) seen: String,
}

impl Terminal {
    /// Starts the command as the leader of a session that has the terminal, so that Ctrl-C reaches it.
    pub(crate) fn start(command: &Command) -> Self {
        Self::of_width(command, 120)
    }

    pub(crate) fn of_width(command: &Command, width: u16) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: width,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let mut led = Command::new("setsid");
        led.args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => led.env(name, value),
                None => led.env_remove(name),
            };
        }
        led.env("TERM", "xterm");
        let child = led
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave))
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().unwrap();
        let (show, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is how a terminal that nobody has open any more ends.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if show.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keyboard,
            screen: shown,
            seen: String::new(),
        }
    }

    /// Waits until this was written.
    pub(crate) fn see(&mut self, text: &str) {
        let deadline = Instant::now() + WITHIN;
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => panic!("{why} while waiting for {text:?}; it showed:\n{}", self.seen),
            }
        }
    }

    /// Waits until anything more was written.
    pub(crate) fn see_more(&mut self) {
        let bytes = self.screen.recv_timeout(WITHIN).unwrap();
        self.seen.push_str(&String::from_utf8_lossy(&bytes));
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end; gives the exit code, and all that was written.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + WITHIN;
        let status = self.child.wait().unwrap();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("somebody still has the terminal:\n{}", self.seen),
            }
        }
        (status.code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
