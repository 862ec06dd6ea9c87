//! Chromium's end of the DevTools protocol: JSON messages with a zero byte after each, over two pipes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use crate::ANSWER_WITHIN;

/// Chromium reads its protocol from descriptor 3 and writes it to 4; a shell makes these of the two that a child gets.
const WITH_PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null";

/// A quiet browser that calls nobody, and WebRTC over loopback. It hides its addresses behind `.local` names as it does for everybody.
const FLAGS: [&str; 17] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // A page that is behind another one is looked at, too.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--allow-loopback-in-peer-connection",
];

pub(crate) struct Pipe {
    child: Mutex<Child>,
    to: Mutex<(ChildStdin, u64)>,
    heard: Mutex<Heard>,
    news: Condvar,
}

#[derive(Default)]
struct Heard {
    answers: BTreeMap<u64, Value>,
    complaints: Vec<(String, String)>,
    ended: bool,
}

impl Pipe {
    pub(crate) fn start(program: &Path, profile: &Path) -> Arc<Self> {
        let mut child = Command::new("sh")
            .args(["-c", WITH_PIPES])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Chromium starts");
        let to = child.stdin.take().expect("a pipe to Chromium");
        let from = child.stdout.take().expect("a pipe from Chromium");
        let pipe = Arc::new(Self {
            child: Mutex::new(child),
            to: Mutex::new((to, 0)),
            heard: Mutex::default(),
            news: Condvar::new(),
        });
        let weak = Arc::downgrade(&pipe);
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            loop {
                let mut message = Vec::new();
                let read = from.read_until(0, &mut message).unwrap_or(0);
                message.pop();
                let Some(pipe) = weak.upgrade() else { return };
                let mut heard = pipe.heard.lock().expect("no reader panicked");
                if read == 0 {
                    heard.ended = true;
                    pipe.news.notify_all();
                    return;
                }
                let message: Value = serde_json::from_slice(&message).expect("Chromium writes JSON");
                heard.take(message);
                pipe.news.notify_all();
            }
        });
        pipe
    }

    pub(crate) fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        let id = {
            let mut to = self.to.lock().expect("no writer panicked");
            to.1 += 1;
            let mut message = json!({ "id": to.1, "method": method, "params": parameters });
            if let Some(session) = session {
                message["sessionId"] = json!(session);
            }
            let mut bytes = message.to_string().into_bytes();
            bytes.push(0);
            to.0.write_all(&bytes).expect("Chromium listens");
            to.1
        };
        let heard = self.heard.lock().expect("no reader panicked");
        let waited = self.news.wait_timeout_while(heard, ANSWER_WITHIN, |heard| {
            !heard.ended && !heard.answers.contains_key(&id)
        });
        let (mut heard, _) = waited.expect("no reader panicked");
        let answer = heard.answers.remove(&id);
        let answer =
            answer.unwrap_or_else(|| panic!("Chromium did not answer {method} (ended: {})", heard.ended));
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    pub(crate) fn complaints(&self, session: &str) -> Vec<String> {
        let heard = self.heard.lock().expect("no reader panicked");
        let of_page = heard.complaints.iter().filter(|(of, _)| of == session);
        of_page.map(|(_, complaint)| complaint.clone()).collect()
    }
}

impl Heard {
    fn take(&mut self, message: Value) {
        if let Some(id) = message["id"].as_u64() {
            self.answers.insert(id, message);
            return;
        }
        let parameters = &message["params"];
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => &parameters["exceptionDetails"],
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => &parameters["entry"],
            Some("Runtime.consoleAPICalled") if parameters["type"] == "error" => &parameters["args"],
            _ => return,
        };
        let session = message["sessionId"].as_str().unwrap_or_default();
        self.complaints.push((session.to_owned(), complaint.to_string()));
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            // It ends by itself when the pipe does; a test does not wait for that.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
