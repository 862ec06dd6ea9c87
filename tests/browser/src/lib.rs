//! A real Chromium for tests: opens pages, runs scripts in them, presses keys, takes pictures. For tests alone, so a
//! failure panics with what Chromium said.
//!
//! It speaks the DevTools protocol over a pipe: no port is opened, and Chromium ends when the pipe does. Everything
//! blocks, with a bound on each wait; within an async test, use a thread that may block.

mod pipe;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use pipe::Pipe;

/// How long one answer may take: far longer than any does on a slow machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Names under which Chromium is installed, by frequency.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Set to make a missing browser a failure instead of a test that was skipped.
const REQUIRED: &str = "CUECARD_REQUIRE_BROWSER";

/// A running Chromium with an empty profile.
pub struct Browser {
    pipe: Arc<Pipe>,
    /// Gone when this is dropped, after Chromium.
    _profile: tempfile::TempDir,
}

/// One page of it.
pub struct Page {
    pipe: Arc<Pipe>,
    session: String,
}

impl Browser {
    /// Starts Chromium, if this machine has one. Without one this says loudly that `test` was skipped and is `None`; with
    /// `CUECARD_REQUIRE_BROWSER=1` it panics instead.
    #[must_use]
    pub fn start(test: &str) -> Option<Self> {
        let Some(program) = find() else {
            assert!(
                std::env::var_os(REQUIRED).is_none_or(|value| value != "1"),
                "{test} needs Chromium, and there is none; install it (Debian: the package `chromium`)"
            );
            eprintln!("\n!!! SKIPPED: {test}\n!!! It needs Chromium, and there is none on the path.\n");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder for Chromium's profile");
        Some(Self {
            pipe: Pipe::start(&program, profile.path()),
            _profile: profile,
        })
    }

    /// Opens a page and waits until it is loaded.
    #[must_use]
    pub fn open(&self, url: &str) -> Page {
        let target = self
            .pipe
            .call(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.pipe.call(None, "Target.attachToTarget", attach);
        let page = Page {
            pipe: Arc::clone(&self.pipe),
            session: attached["sessionId"].as_str().expect("a session").to_owned(),
        };
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page.go_to(url);
        page
    }

    /// Opens a file of this machine, which counts as a secure place as `https` does.
    #[must_use]
    pub fn open_file(&self, file: &Path) -> Page {
        self.open(&format!("file://{}", file.display()))
    }
}

impl Page {
    /// Goes to another address and waits until it is loaded.
    pub fn go_to(&self, url: &str) {
        let gone = self.call("Page.navigate", json!({ "url": url }));
        assert!(gone["errorText"].is_null(), "{url}: {}", gone["errorText"]);
        self.eval("document.readyState === 'complete' || new Promise(done => addEventListener('load', () => done(true)))");
    }

    /// Runs a script, awaits what it gives, and returns that.
    ///
    /// # Panics
    /// With what the script threw.
    pub fn eval(&self, script: &str) -> Value {
        let question =
            json!({ "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let answer = self.call("Runtime.evaluate", question);
        let thrown = &answer["exceptionDetails"];
        assert!(
            thrown.is_null(),
            "the page threw {} in: {script}",
            thrown["exception"]["description"].as_str().unwrap_or("something")
        );
        answer["result"]["value"].clone()
    }

    /// Calls a function of the page with arguments, awaits it, and returns its result.
    ///
    /// # Panics
    /// With what it threw.
    pub fn run(&self, function: &str, arguments: &[Value]) -> Value {
        let arguments: Vec<String> = arguments.iter().map(Value::to_string).collect();
        self.eval(&format!("{function}({})", arguments.join(", ")))
    }

    /// How large the window is, in CSS pixels, and whether the person prefers dark.
    pub fn look(&self, width: u32, height: u32, dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [scheme] }));
    }

    /// What else the person prefers, as `prefers-reduced-motion`.
    pub fn prefer(&self, feature: &str, value: &str) {
        let feature = json!({ "name": feature, "value": value });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Presses and releases a key, by the name that `KeyboardEvent.key` gives it.
    pub fn press(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            " " => (32, " "),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            _ => (0, key),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Clicks the middle of the first element that matches, as a person would: one that is disabled is waited for.
    ///
    /// # Panics
    /// When there is none.
    pub fn click(&self, selector: &str) {
        let selected = json!(selector);
        self.wait_for(&format!("!document.querySelector({selected})?.disabled"));
        let found = format!(
            "(() => {{ const e = document.querySelector({}); if (!e) return null; e.scrollIntoView({{ block: 'center' }}); \
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()",
            selected
        );
        let place = self.eval(&found);
        assert!(place.is_array(), "nothing matches {selector}");
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Waits until a script gives something true; what it gave is returned.
    ///
    /// # Panics
    /// When it does not within a minute.
    pub fn wait_for(&self, script: &str) -> Value {
        let polling = format!(
            "new Promise((done, failed) => {{ const started = performance.now(); const look = () => {{ let found; \
             try {{ found = ({script}); }} catch (error) {{ failed(error); return; }} \
             if (found) done(found); else if (performance.now() - started > 45000) done(null); \
             else setTimeout(look, 20); }}; look(); }})"
        );
        let found = self.eval(&polling);
        assert!(!found.is_null(), "waited in vain for: {script}");
        found
    }

    /// What the page looks like, as a PNG.
    #[must_use]
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        from_base64(picture["data"].as_str().expect("a picture"))
    }

    /// What the page complained about so far: errors of scripts, failed requests, refused policies.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        // What was said before this answer has arrived with it.
        self.eval("1");
        self.pipe.complaints(&self.session)
    }

    fn call(&self, method: &str, parameters: Value) -> Value {
        self.pipe.call(Some(&self.session), method, parameters)
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|program| program.is_file())
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for block in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits =
            block.iter().fold(0_u32, |bits, &byte| (bits << 6) | value(byte)) << (6 * (4 - block.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..block.len()]);
    }
    bytes
}
