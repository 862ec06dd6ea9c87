//! The command, serving its page; and plain HTTP to ask it with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cuecard_browser::{Browser, Page};

/// A running `cuecard inspect`.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cuecard"))
            .arg("inspect")
            .arg("--no-open")
            .args(arguments)
            .env("CUECARD_BIND", "loopback")
            .env_remove("CUECARD_DATA_DIR")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("http://127.0.0.1:"), "{address:?}");
        Self { child, address }
    }

    pub(crate) fn origin(&self) -> &str {
        self.address.split("/#").next().unwrap()
    }

    pub(crate) fn authority(&self) -> &str {
        self.origin().strip_prefix("http://").unwrap()
    }

    pub(crate) fn token(&self) -> &str {
        self.address.split("token=").nth(1).unwrap()
    }

    /// Opens the page, and waits until it is whole.
    pub(crate) fn open(&self, browser: &Browser) -> Page {
        let page = browser.open("about:blank");
        page.look(1440, 900, false);
        page.go_to(&self.address);
        page.wait_for("document.body.classList.contains('ready') && document.querySelector('.row.entry')");
        page
    }

    /// One request as written, and all of the answer: what no browser would let a page send.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.authority()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

/// A data folder that is filled first, and the command that serves it.
pub(crate) fn serve(fill: impl AsyncFnOnce(&Path)) -> (tempfile::TempDir, Served) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(fill(folder.path()));
    let served = Served::start(&["--data-dir", folder.path().to_str().unwrap()]);
    (folder, served)
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that a page always shows is within the window, and what scrolls has most of it.
pub(crate) fn assert_fits(page: &Page) {
    let told = page.eval(
        "(() => { const box = (of) => document.querySelector(of).getBoundingClientRect(); const slider = box('#slider'); \
         return [slider.top > 0 && slider.bottom <= innerHeight, box('#timeline').height < 110, box('main').height > innerHeight / 3, \
         document.documentElement.scrollHeight <= innerHeight]; })()",
    );
    assert_eq!(told, serde_json::json!([true, true, true, true]));
}

/// Keeps a picture, for people to look at: in `target/pictures/`.
pub(crate) fn keep_picture(page: &Page, name: &str) {
    let folder = pictures();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), page.picture()).unwrap();
}

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("pictures")
}
