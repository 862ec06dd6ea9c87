//! What happens while something is under way: lines, bars, or JSON.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use cuecard::transport::invite::Code;
use tempfile::TempPath;

use crate::ask::Happening;
use crate::ask::happening::Progress;
use crate::ask::told::{DeckName, StatusTold};
use crate::demo::write_out;
use crate::error::Error;
use crate::inspect;
use crate::output::Output;
use crate::text::{bytes, counted, harmless, say, shortened};

use super::bars;
use super::{json, may, pace, short, status};

/// Without a terminal, how far it has come is said this often at the most.
const LINES_EVERY: Duration = Duration::from_secs(5);

/// Shows what happens.
pub(crate) struct Live {
    output: Output,
    /// Lines that are drawn over by what comes next.
    drawn: usize,
    progress: Option<Progress>,
    said_at: Option<Instant>,
    qr: Option<bool>,
    /// Whether a page is shown in the person's browser.
    opens: bool,
    /// What led the browser there.
    led: Option<TempPath>,
}

impl Drop for Live {
    fn drop(&mut self) {
        // What was drawn last stays, whole.
        self.drawn = 0;
    }
}

impl Live {
    /// `qr`: whether a picture of an offer is drawn, and for a light terminal.
    pub(crate) const fn new(output: Output, qr: Option<bool>) -> Self {
        Self {
            output,
            drawn: 0,
            progress: None,
            said_at: None,
            qr,
            opens: false,
            led: None,
        }
    }

    /// Whether a page is shown in the person's browser, and not its address alone.
    pub(crate) const fn opening(mut self, opens: bool) -> Self {
        self.opens = opens;
        self
    }

    /// Shows one happening.
    ///
    /// # Errors
    /// When standard output fails.
    pub(crate) fn show(&mut self, happening: &Happening) -> Result<(), Error> {
        if let Happening::Page { address } = happening
            && self.opens
        {
            self.led = inspect::show(address);
        }
        if let Happening::Work {
            name,
            done_bytes,
            all_bytes,
        } = happening
        {
            self.work(name, *done_bytes, *all_bytes);
            return Ok(());
        }
        if self.output.json {
            return write_out(&json(happening));
        }
        match happening {
            Happening::Offer {
                code,
                deck,
                rights,
                holds_s,
            } => {
                let carries = match deck {
                    Some(deck) => format!(
                        "This offer holds the key of {:?}: give it to nobody but whom you invite, {}.",
                        harmless(&deck.title),
                        may(*rights)
                    ),
                    None => "This offer links another device; it holds no deck's key.".to_owned(),
                };
                self.say(&format!(
                    "{carries}\nOn the other device: run `cuecard join` and paste it there. It holds for {}.\n",
                    bars::seconds(*holds_s)
                ));
                write_out(&format!("{code}\n"))?;
                self.picture(code);
            }
            Happening::NoAnswer { why } => {
                self.say(&format!("that is no answer to this offer: {}", harmless(why)))
            }
            Happening::Answer { code, from, holds_s } => {
                self.say(&format!(
                    "An offer by device {}. Give this answer back to it within {}:\n",
                    short(&from.id),
                    bars::seconds(*holds_s)
                ));
                write_out(&format!("{code}\n"))?;
            }
            Happening::Page { address } => {
                self.say("the page is at this address, for whoever has it; Ctrl-C ends it");
                write_out(&format!("{address}\n"))?;
            }
            // A person is asked, and answers: see `command`.
            Happening::Question { text } => self.say(&harmless(text)),
            Happening::Linked { device, route } => {
                let route = route
                    .as_ref()
                    .map_or_else(String::new, |route| format!(", {route}"));
                self.say(&format!("linked with {}{route}", shortened(&device.name, 40)));
            }
            Happening::Unlinked { device, why } => self.say(&format!(
                "no longer linked with {}: {}",
                shortened(&device.name, 40),
                harmless(why)
            )),
            Happening::Progress(progress) => self.progress(progress.clone()),
            // On a terminal alone, above.
            Happening::Work { .. } => {}
            Happening::InSync { deck, device } => {
                self.say(&format!(
                    "{}: in sync with {}",
                    title(deck),
                    shortened(&device.name, 40)
                ));
            }
            Happening::News { deck, text } => {
                let of = deck
                    .as_ref()
                    .map_or_else(String::new, |deck| format!("{}: ", title(deck)));
                self.say(&format!("{of}{}", harmless(text)));
            }
            Happening::Status(told) => return self.status(told),
            Happening::Ready {
                device,
                dialled,
                decks,
            } => self.say(&format!(
                "{} is up, with {}; it dials {}. Ctrl-C ends it.",
                shortened(&device.name, 40),
                counted(*decks, "deck", "decks"),
                counted(*dialled, "device", "devices")
            )),
        }
        Ok(())
    }

    /// A line that stays, above what is drawn over.
    pub(crate) fn say(&mut self, line: &str) {
        if self.output.quiet {
            return;
        }
        self.clear();
        say(line);
        self.draw();
    }

    fn picture(&mut self, code: &str) {
        let Some(light) = self.qr else { return };
        // A camera cannot read what is in a pipe.
        if self.output.quiet || !io::stderr().is_terminal() {
            return;
        }
        if let Ok(qr) = Code::decode(code).and_then(|code| code.to_qr()) {
            self.say(&format!("\n{}", qr.to_text(light)));
        }
    }

    fn progress(&mut self, progress: Progress) {
        let now = Instant::now();
        let is_news = self.progress.as_ref() != Some(&progress);
        let was_whole = self
            .progress
            .as_ref()
            .is_some_and(|last| last.audio.is_whole() && last.changes == progress.changes);
        self.progress = Some(progress);
        if self.output.bars() {
            self.clear();
            self.draw();
            return;
        }
        let Some(progress) = &self.progress else { return };
        let is_due = self
            .said_at
            .is_none_or(|at| now.duration_since(at) >= LINES_EVERY);
        // Without a terminal: now and then, and when it is whole.
        if self.output.quiet || !is_news || was_whole || !(is_due || progress.audio.is_whole()) {
            return;
        }
        self.said_at = Some(now);
        say(&progress_line(progress));
    }

    fn work(&mut self, name: &str, done: u64, all: Option<u64>) {
        if self.output.bars() {
            self.clear();
            let line = bars::work(name, (done, all), self.output.err, self.output.width());
            self.drawn = 1;
            let _ = io::stderr().write_all((line + "\n").as_bytes());
        }
    }

    /// Draws what is drawn over later.
    fn draw(&mut self) {
        let Some(progress) = self.progress.as_ref().filter(|_| self.output.bars()) else {
            return;
        };
        if progress.audio.is_whole() {
            return;
        }
        let lines = bars::lines(progress, self.output.err, self.output.width());
        self.drawn = lines.len();
        let _ = io::stderr().write_all((lines.join("\n") + "\n").as_bytes());
    }

    fn clear(&mut self) {
        if self.drawn > 0 {
            let _ = write!(io::stderr(), "\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }

    /// On a terminal over what was there before; else one after the other.
    fn status(&mut self, told: &StatusTold) -> Result<(), Error> {
        let text = status::text(told, self.output.out);
        let before = if io::stdout().is_terminal() {
            "\x1b[2J\x1b[H"
        } else {
            ""
        };
        write_out(&format!("{before}{text}"))
    }
}

fn title(deck: &DeckName) -> String {
    match deck.title.as_str() {
        "" => format!("deck {}", short(&deck.id)),
        title => shortened(title, 40),
    }
}

fn progress_line(progress: &Progress) -> String {
    let changes = match progress.changes_all {
        Some(all) if all > progress.changes => format!("{} of {all} changes", progress.changes),
        _ => counted(progress.changes, "change", "changes"),
    };
    let audio = &progress.audio;
    let audio = match audio.all {
        0 => String::new(),
        all => format!(
            ", audio {} of {all}, {} of {}{}",
            audio.whole,
            bytes(audio.have_bytes),
            bytes(audio.size_bytes),
            pace(audio)
        ),
    };
    format!("{}: {changes}{audio}", title(&progress.deck))
}
