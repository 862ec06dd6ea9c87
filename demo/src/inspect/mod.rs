//! `cuecard inspect`: the page that shows a deck's past and present, served on loopback.
//!
//! | file | subject |
//! |---|---|
//! | `guard` | who may look |
//! | `routes` | what can be asked for |
//! | `asked` | of what, how much at once, and when there is no answer |
//! | `past`, `now` | what is answered |
//! | `index`, `list` | the history: in lanes, searched, grouped |
//! | `views` | the deck at any step, quickly |
//! | `told` | all of it as JSON |
//! | `live` | what happens, as it happens |
//! | `sound` | audio, in ranges |
//! | `stage` | the built-in demo: two devices and a cable to cut |
//! | `assets` | the page itself, in `demo/page/` |

mod asked;
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
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cuecard::{DeckId, Engine};
use tempfile::TempPath;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ask::talk::Talk;
use crate::ask::{Happening, Told};
use crate::cli::look::Inspect;
use crate::error::Error;
use crate::node::Node;
use crate::node::links::lock;
use crate::output::Output;
use crate::tell::live::Live;
use crate::{signal, story};

use book::Book;
use guard::Guard;
use stage::Stage;

/// Pages that may listen at a time.
const LISTENERS_MAX: usize = 16;
/// Answers that are under way are waited for so long at the end.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// All that the page is served from.
struct App {
    guard: Guard,
    peers: Vec<Engine>,
    stage: Option<Arc<Stage>>,
    books: Mutex<BTreeMap<(usize, DeckId), Arc<Book>>>,
    closing: watch::Receiver<bool>,
    listeners: AtomicUsize,
}

/// A place among those who listen, given back when dropped. With the last of them, nobody is there any more.
struct Place(Arc<App>);

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.listeners.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.nobody_is_there();
        }
    }
}

impl App {
    /// A deck of a device, if it has it.
    fn book(&self, peer: usize, deck: DeckId) -> Option<Arc<Book>> {
        let mut books = lock(&self.books);
        let engine = self.peers.get(peer)?.clone();
        let Some(kept) = engine.deck(deck) else {
            // It was removed: what was read of it goes as well.
            books.remove(&(peer, deck));
            return None;
        };
        if let Some(book) = books.get(&(peer, deck)) {
            return Some(book.clone());
        }
        let book = Arc::new(Book::new(engine, kept));
        books.insert((peer, deck), book.clone());
        Some(book)
    }

    /// Forgets what was read of decks that were removed.
    fn forget_removed(&self) {
        lock(&self.books).retain(|(peer, deck), _| {
            let engine = self.peers.get(*peer);
            engine.is_some_and(|engine| engine.deck(*deck).is_some())
        });
    }

    fn listen(self: &Arc<Self>) -> Option<Place> {
        let before = self.listeners.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.clone());
        (before < LISTENERS_MAX).then_some(place)
    }

    fn nobody_is_there(&self) {
        for book in lock(&self.books).values() {
            // A deck that is not followed any more shows nobody.
            let _ = book.deck.set_presence(None);
        }
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

/// A page that is served. It ends when this is dropped, with all that listens to it.
struct Page {
    app: Arc<App>,
    address: String,
    serving: JoinHandle<std::io::Result<()>>,
    close: watch::Sender<bool>,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.serving.abort();
        self.app.nobody_is_there();
    }
}

impl Page {
    /// Begins to serve, at a port or at one that is free.
    async fn open(peers: Vec<Engine>, stage: Option<Arc<Stage>>, port: Option<u16>) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))
            .await
            .map_err(Error::Listen)?;
        let port = listener.local_addr().map_err(Error::Listen)?.port();
        let (close, closing) = watch::channel(false);
        let app = Arc::new(App {
            guard: Guard::new(port)?,
            peers,
            stage,
            books: Mutex::default(),
            closing,
            listeners: AtomicUsize::default(),
        });
        app.read_ahead();
        let mut ends = app.closing.clone();
        let served = axum::serve(listener, routes::router(&app)).with_graceful_shutdown(async move {
            // Gone is as good as closing.
            let _ = ends.wait_for(|closing| *closing).await;
        });
        Ok(Self {
            address: app.guard.address(),
            app,
            serving: tokio::spawn(served.into_future()),
            close,
        })
    }

    /// For as long as it can be served; gives why it cannot any more.
    async fn served(&mut self) -> Error {
        match (&mut self.serving).await {
            Ok(Ok(())) => Error::Listen(std::io::ErrorKind::ConnectionAborted.into()),
            Ok(Err(error)) => Error::Listen(error),
            Err(error) => Error::Task(error),
        }
    }

    /// Nobody listens any more: the streams end, and with them the last answers.
    async fn end(mut self) {
        let _ = self.close.send(true);
        let _ = tokio::time::timeout(ENDS_WITHIN, &mut self.serving).await;
    }
}

/// Serves the page on this device until whoever asked for it hangs up.
///
/// # Errors
/// When the port cannot be had.
pub(crate) async fn of_node(node: &Node, port: Option<u16>, talk: &Talk) -> Result<Told, Error> {
    let mut page = Page::open(vec![node.engine().clone()], None, port).await?;
    let address = page.address.clone();
    talk.say(Happening::Page { address }).await;
    Err(page.served().await)
}

/// Serves the page on the two devices of a demo, whose folders these are, until the person has seen enough. The story is
/// made up if the folders are empty.
///
/// # Errors
/// When a device cannot be opened, or the port cannot be had.
pub(crate) async fn of_stage(folders: [PathBuf; 2], port: Option<u16>, live: &mut Live) -> Result<(), Error> {
    let stage = Arc::new(Stage::open(&folders).await?);
    let begun = if stage.has_begun() {
        stage.link().await
    } else {
        stage.begin().await
    };
    begun.map_err(|oops| Error::Demo(oops.why().to_owned()))?;
    let mut page = Page::open(stage.engines().to_vec(), Some(stage.clone()), port).await?;
    live.show(&Happening::Page {
        address: page.address.clone(),
    })?;
    let why = tokio::select! {
        code = signal::ended() => Error::Interrupted(code),
        why = page.served() => why,
    };
    page.end().await;
    stage.end().await;
    Err(why)
}

/// Shows the page on two devices made up for the occasion. They are removed when this is over.
///
/// # Errors
/// As [`of_stage`].
pub(crate) async fn demo(asked: &Inspect, output: Output) -> Result<(), Error> {
    let place = tempfile::Builder::new().prefix("cuecard-demo-").tempdir();
    let place = place.map_err(|error| Error::folder(&std::env::temp_dir(), error))?;
    let mut live = Live::new(output, None).opening(!asked.no_open);
    of_stage(story::folders(place.path()), asked.port, &mut live).await
}

/// Opens the person's browser; where there is none, the address is on the screen. What programs are started with is for
/// all of the machine to see, so the browser gets a file that only this person can read, and the file leads here. It is
/// there for as long as what this returns.
pub(crate) fn show(address: &str) -> Option<TempPath> {
    // Such a file is made for this person alone to read.
    let mut file = tempfile::Builder::new()
        .prefix("cuecard-")
        .suffix(".html")
        .tempfile()
        .ok()?;
    let page = format!("<!doctype html><meta http-equiv=\"refresh\" content=\"0;url={address}\">\n");
    file.write_all(page.as_bytes()).ok()?;
    let file = file.into_temp_path();
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
    started.is_ok().then_some(file)
}
