//! `cuecard inspect`: the page that shows a deck's past and present, served on loopback.
//!
//! | file | subject |
//! |---|---|
//! | `guard` | who may look |
//! | `routes` | what can be asked for |
//! | `past`, `now` | what is answered |
//! | `index`, `list` | the history: in lanes, searched, grouped |
//! | `views` | the deck at any step, quickly |
//! | `told` | all of it as JSON |
//! | `live` | what happens, as it happens |
//! | `sound` | audio, in ranges |
//! | `stage` | the built-in demo: two devices and a cable to cut |
//! | `assets` | the page itself, in `demo/page/` |

mod assets;
mod book;
mod guard;
mod index;
mod list;
mod live;
mod now;
mod past;
mod routes;
mod sound;
mod stage;
mod told;
mod views;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cuecard::{DeckId, Engine};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::Global;
use crate::cli::look::Inspect;
use crate::command::network;
use crate::error::Error;
use crate::home::Home;
use crate::node::{Node, is_in_use};
use crate::text::say;
use crate::{signal, story};

use book::Book;
use guard::Guard;
use stage::Stage;

/// Pages that may listen at a time.
const LISTENERS_MAX: usize = 16;
/// Answers that are under way are waited for so long at the end.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// What is looked at.
pub(crate) enum Subject {
    /// This device, as the running peer.
    Node(Arc<Node>),
    /// The two devices of a demo, whose folders these are; made up if they are empty.
    Stage([PathBuf; 2]),
}

/// How it is served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving {
    /// The port; one that is free if none is named.
    pub(crate) port: Option<u16>,
    /// Whether to show the page in the person's browser.
    pub(crate) open: bool,
}

/// All that the page is served from.
struct App {
    guard: Guard,
    peers: Vec<Engine>,
    stage: Option<Arc<Stage>>,
    books: Mutex<BTreeMap<(usize, DeckId), Arc<Book>>>,
    closing: watch::Receiver<bool>,
    listeners: Arc<AtomicUsize>,
}

/// A place among those who listen, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl App {
    /// A deck of a device, if it has it.
    fn book(&self, peer: usize, deck: DeckId) -> Option<Arc<Book>> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(book) = books.get(&(peer, deck)) {
            return Some(book.clone());
        }
        let engine = self.peers.get(peer)?.clone();
        let book = Arc::new(Book::new(engine.clone(), engine.deck(deck)?));
        books.insert((peer, deck), book.clone());
        Some(book)
    }

    fn listen(&self) -> Option<Place> {
        let before = self.listeners.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.listeners.clone());
        (before < LISTENERS_MAX).then_some(place)
    }

    /// Reads what every page asks for first, before it is asked for.
    fn read_ahead(self: &Arc<Self>) {
        for (peer, engine) in self.peers.iter().enumerate() {
            for deck in engine.decks() {
                if let Some(book) = self.book(peer, deck.id()) {
                    // Whatever cannot be read now says so when it is asked for.
                    tokio::task::spawn_blocking(move || book.read_ahead());
                }
            }
        }
    }
}

/// Serves the page until the person has seen enough.
///
/// # Errors
/// When a device cannot be opened, or the port cannot be had.
pub(crate) async fn run(subject: Subject, serving: Serving) -> Result<(), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, serving.port.unwrap_or(0)))
        .await
        .map_err(Error::Listen)?;
    let port = listener.local_addr().map_err(Error::Listen)?.port();
    let (peers, stage, node) = match subject {
        Subject::Node(node) => (vec![node.engine().clone()], None, Some(node)),
        Subject::Stage(folders) => {
            let stage = Arc::new(Stage::open(&folders).await?);
            (stage.engines().to_vec(), Some(stage), None)
        }
    };
    if let Some(stage) = &stage {
        let begun = if stage.has_begun() {
            stage.link().await
        } else {
            stage.begin().await
        };
        begun.map_err(|oops| Error::Demo(oops.why().to_owned()))?;
    }
    let (close, closing) = watch::channel(false);
    let app = Arc::new(App {
        guard: Guard::new(port)?,
        peers,
        stage,
        books: Mutex::default(),
        closing,
        listeners: Arc::default(),
    });
    app.read_ahead();
    let address = app.guard.address();
    say("the page is at this address, for whoever has it; Ctrl-C ends it");
    crate::demo::write_out(&format!("{address}\n"))?;
    let _leads_here = serving.open.then(|| show(&address));
    let mut ends = app.closing.clone();
    let served = axum::serve(listener, routes::router(&app)).with_graceful_shutdown(async move {
        let _ = ends.wait_for(|closing| *closing).await;
    });
    let mut serving = tokio::spawn(served.into_future());
    let code = tokio::select! {
        code = signal::ended() => code,
        ended = &mut serving => {
            let ended = ended.map_err(|error| Error::Listen(std::io::Error::other(error)))?;
            return ended.map_err(Error::Listen);
        }
    };
    // Nobody listens any more: the streams end, and with them the last answers.
    let _ = close.send(true);
    let _ = tokio::time::timeout(ENDS_WITHIN, serving).await;
    if let Some(stage) = &app.stage {
        stage.end().await;
    }
    if let Some(node) = node {
        node.close().await?;
    }
    Err(Error::Interrupted(code))
}

/// Does what was typed.
///
/// # Errors
/// As [`run`].
pub(crate) async fn command(asked: Inspect, global: &Global) -> Result<(), Error> {
    let serving = Serving {
        port: asked.port,
        open: !asked.no_open,
    };
    if asked.demo {
        // Removed when this is over.
        let place = tempfile::Builder::new().prefix("cuecard-demo-").tempdir();
        let place = place.map_err(|error| Error::folder(&std::env::temp_dir(), error))?;
        return run(Subject::Stage(story::folders(place.path())), serving).await;
    }
    let home = Home::find(global.data_dir.clone())?;
    if !home.has_device() {
        return Err(Error::NoDevice {
            folder: home.folder().to_owned(),
        });
    }
    let network = network(&asked.network)?;
    let node = match Node::open(&home, "cuecard inspect", Some(&network)).await {
        Err(error) if is_in_use(&error) => {
            return Err(Error::OpenElsewhere {
                holder: home.holder(),
            });
        }
        opened => opened?,
    };
    node.run()?;
    run(Subject::Node(node), serving).await
}

/// Opens the person's browser; where there is none, the address is on the screen. What programs are started with is for
/// all of the machine to see, so the browser gets a file that only this person can read, and the file leads here. It is
/// there for as long as what this returns.
fn show(address: &str) -> Option<TempDir> {
    let folder = tempfile::Builder::new().prefix("cuecard-").tempdir().ok()?;
    let file = folder.path().join("inspect.html");
    let page = format!("<!doctype html><meta http-equiv=\"refresh\" content=\"0;url={address}\">\n");
    std::fs::write(&file, page).ok()?;
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let quiet = Stdio::null;
    let started = Command::new(program)
        .arg(&file)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet())
        .spawn();
    started.is_ok().then_some(folder)
}
