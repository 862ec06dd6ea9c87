//! A small internet in network namespaces: two homes, each behind an address translator of its own, and a server that both
//! reach. All of it is gone when the test is over.
//!
//! ```text
//! home a 10.1.0.2 -- 10.1.0.1 translator 198.51.100.11 --+
//!                                                         +-- 198.51.100.1 server
//! home b 10.2.0.2 -- 10.2.0.1 translator 198.51.100.12 --+
//! ```

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the server is, for STUN and TURN.
pub(crate) const SERVER: &str = "198.51.100.1:3478";
/// Where home b is seen from outside.
const HOME_B: &str = "198.51.100.12";
/// What the relay asks for.
pub(crate) const USER: &str = "cue";
pub(crate) const PASSWORD: &str = "card";

/// Set to make a machine without namespaces a failure instead of a test that was skipped.
const REQUIRED: &str = "CUECARD_REQUIRE_NAMESPACES";

/// How a translator chooses the outer port.
#[derive(Clone, Copy)]
pub(crate) enum Translator {
    /// One for all whom the device talks to.
    Cone,
    /// A new one for each of them.
    Symmetric,
}

pub(crate) struct World {
    prefix: String,
    server: Option<Child>,
}

static WORLDS: AtomicU32 = AtomicU32::new(0);

impl World {
    /// `None`, said loudly, where this machine does not let us.
    pub(crate) fn build(test: &str, translators: Translator, with_server: bool) -> Option<Self> {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let world = Self {
            prefix: format!("cue{}x{number}", std::process::id() % 100_000),
            server: None,
        };
        let tools = ["ip", "nft", "turnserver"];
        let missing = tools.into_iter().find(|tool| !is_there(tool));
        let why = match missing {
            Some(tool) => Some(format!("there is no `{tool}`")),
            None if !run(&["ip", "netns", "add", &world.name("net")]) => Some("it needs root".to_owned()),
            None => None,
        };
        if let Some(why) = why {
            assert!(
                std::env::var_os(REQUIRED).is_none_or(|value| value != "1"),
                "{test} needs network namespaces: {why}"
            );
            eprintln!("\n!!! SKIPPED: {test}\n!!! It needs network namespaces: {why}.\n");
            return None;
        }
        Some(world.lay_out(translators, with_server))
    }

    fn name(&self, part: &str) -> String {
        format!("{}{part}", self.prefix)
    }

    fn lay_out(mut self, translators: Translator, with_server: bool) -> Self {
        let net = self.name("net");
        within(&net, "ip link set lo up");
        within(&net, "ip link add bridge type bridge");
        within(&net, "ip addr add 198.51.100.1/24 dev bridge");
        within(&net, "ip link set bridge up");
        for (number, home) in [(1, "a"), (2, "b")] {
            let (home, translator) = (self.name(home), self.name(&format!("t{home}")));
            for space in [&home, &translator] {
                assert!(run(&["ip", "netns", "add", space]));
                within(space, "ip link set lo up");
            }
            let wire = |from: &str, name: &str, to: &str, far: &str| {
                within(
                    from,
                    &format!("ip link add {name} type veth peer name {far} netns {to}"),
                );
                within(from, &format!("ip link set {name} up"));
                within(to, &format!("ip link set {far} up"));
            };
            wire(&home, "out", &translator, "in");
            wire(&translator, "out", &net, &format!("home{number}"));
            within(&net, &format!("ip link set home{number} master bridge"));
            within(&home, &format!("ip addr add 10.{number}.0.2/24 dev out"));
            within(&home, &format!("ip route add default via 10.{number}.0.1"));
            within(&translator, &format!("ip addr add 10.{number}.0.1/24 dev in"));
            within(
                &translator,
                &format!("ip addr add 198.51.100.1{number}/24 dev out"),
            );
            within(&translator, "sysctl -qw net.ipv4.ip_forward=1");
            let how = match translators {
                Translator::Cone => "masquerade",
                Translator::Symmetric => "masquerade random",
            };
            within(&translator, "nft add table ip t");
            within(
                &translator,
                "nft add chain ip t out { type nat hook postrouting priority 100 ; }",
            );
            within(&translator, &format!("nft add rule ip t out oifname out {how}"));
            // What nobody asked for is dropped, as at home. (Answered, it would hold its port against whom it is for.)
            within(
                &translator,
                "nft add chain ip t in { type filter hook input priority 0 ; }",
            );
            within(&translator, "nft add rule ip t in iifname out ct state new drop");
        }
        if with_server {
            let user = format!("{USER}:{PASSWORD}");
            let options = [
                "-n",
                "--no-tls",
                "--no-dtls",
                "--no-cli",
                "--lt-cred-mech",
                "--realm",
                "cuecard.test",
            ];
            let ip = SERVER.split(':').next().unwrap();
            let server = Command::new("ip")
                .args(["netns", "exec", &net, "turnserver"])
                .args(options)
                .args([
                    "--user",
                    &user,
                    "--listening-ip",
                    ip,
                    "--relay-ip",
                    ip,
                    "--log-file",
                    "stdout",
                ])
                .arg("--pidfile=/dev/null")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .stdin(Stdio::null())
                .spawn()
                .unwrap();
            self.server = Some(server);
        }
        self
    }

    /// From now on home a's translator loses the first so many bytes to home b, so that the direct path works later than
    /// one by the server does.
    pub(crate) fn lose_first_of_direct_path(&self, bytes: u32) {
        let translator = self.name("ta");
        within(
            &translator,
            "nft add chain ip t first { type filter hook forward priority 0 ; }",
        );
        let rule = format!("nft add rule ip t first ip daddr {HOME_B} quota until {bytes} bytes drop");
        within(&translator, &rule);
    }

    /// From now on home a's translator has this outer address instead of that one, and none inside.
    pub(crate) fn move_home_a(&self, from: &str, to: &str) {
        let translator = self.name("ta");
        within(&translator, "ip addr flush dev in");
        within(&translator, &format!("ip addr del {from}/24 dev out"));
        within(&translator, &format!("ip addr add {to}/24 dev out"));
    }

    /// Runs this very test program as a device in a home: the test named there.
    pub(crate) fn device(&self, home: &str, entry: &str, environment: &[(&str, &str)]) -> Device {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.name(home)])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", entry, "--nocapture"])
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        Device {
            child,
            to: Some(to),
            from,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        for part in ["a", "b", "ta", "tb", "net"] {
            // Some were never made.
            let _ = Command::new("ip")
                .args(["netns", "del", &self.name(part)])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// A device in a process of its own, that says and hears one line at a time.
pub(crate) struct Device {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Device {
    /// What it says after this word, past whatever else it says.
    pub(crate) fn hear(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.from.read_line(&mut line).unwrap(),
                0,
                "it ended without saying {word}"
            );
            if let Some((_, rest)) = line.split_once(word) {
                return rest.trim().to_owned();
            }
        }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Nothing more will be said: it ends, if it has not ended yet.
    pub(crate) fn end(&mut self) {
        self.to = None;
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(tool).is_file())
}

fn run(command: &[&str]) -> bool {
    Command::new(command[0])
        .args(&command[1..])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn within(space: &str, command: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let done = Command::new("ip")
        .args(["netns", "exec", space])
        .args(&words)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}
