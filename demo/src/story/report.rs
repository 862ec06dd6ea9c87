//! What is said when the story is over: the graph and a summary for people, one JSON object for machines.

use serde::Serialize;

use crate::error::Error;
use crate::graph;
use crate::history::History;
use crate::peer::protocol::AudioTold;
use crate::text::{Paint, bytes, harmless};

use super::Story;
use super::checks::Checked;

/// What was found on both devices at the end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) heads: Vec<String>,
    pub(super) converged: bool,
    pub(super) cards: usize,
    pub(super) drafts_proposed: usize,
    pub(super) drafts_accepted: usize,
    pub(super) audio: Vec<AudioTold>,
    pub(super) history: History,
}

/// The outcome of a story.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    version: u32,
    converged: bool,
    heads: Vec<String>,
    entries: usize,
    terms: usize,
    cards: usize,
    drafts: Drafts,
    audio: Audio,
    codes_exchanged: u64,
    kills: Kills,
    seconds: f64,
    checks: Vec<Checked>,
    /// Why the story was not told to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    history: Option<History>,
    #[serde(skip)]
    all_true: bool,
}

#[derive(Debug, Default, Serialize)]
struct Drafts {
    proposed: usize,
    accepted: usize,
}

#[derive(Debug, Default, Serialize)]
struct Audio {
    bytes: u64,
    verified: bool,
    blake3: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Kills {
    asked: u64,
    done: u64,
    restarts: u64,
    seed: u64,
}

impl Report {
    pub(super) fn of(story: &Story<'_>, error: Option<Error>) -> Self {
        let facts = &story.facts;
        let kills = Kills {
            asked: story.settings.kills,
            done: story.killer.done(),
            restarts: facts.restarts,
            seed: story.settings.seed,
        };
        let mut report = Self {
            version: 1,
            converged: false,
            heads: Vec::new(),
            entries: 0,
            terms: 0,
            cards: 0,
            drafts: Drafts::default(),
            audio: Audio::default(),
            codes_exchanged: facts.code_exchanges,
            // Whoever asked for kills and got fewer has seen nothing.
            all_true: story.checks.all_true() && kills.done == kills.asked && error.is_none(),
            kills,
            seconds: (story.narrator.seconds() * 1000.0).round() / 1000.0,
            checks: story.checks.report(),
            error: error.map(|error| error.to_string()),
            history: None,
        };
        if let Some(end) = &facts.end {
            report.converged = end.converged;
            report.heads = end.heads.clone();
            report.entries = end.history.entries.len();
            report.terms = terms(&end.history);
            report.cards = end.cards;
            report.drafts = Drafts {
                proposed: end.drafts_proposed,
                accepted: end.drafts_accepted,
            };
            if let Some(first) = end.audio.first() {
                report.audio = Audio {
                    bytes: first.bytes,
                    verified: end.audio.iter().all(|audio| audio.verified && audio == first),
                    blake3: first.hashes.clone(),
                };
            }
            report.history = Some(end.history.clone());
        }
        report
    }

    /// Whether every check was made, and is so.
    pub(crate) fn is_good(&self) -> bool {
        self.all_true && self.converged
    }

    /// Why it is not good, in a line.
    pub(crate) fn complaint(&self) -> Option<String> {
        if let Some(error) = &self.error {
            return Some(error.clone());
        }
        let unmet = self
            .checks
            .iter()
            .filter(|check| !check.ok)
            .map(|check| check.name);
        let unmet: Vec<&str> = unmet.collect();
        (!self.is_good()).then(|| format!("not shown: {}", unmet.join("; ")))
    }

    /// As one JSON object.
    ///
    /// # Errors
    /// When it cannot be written so.
    pub(crate) fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(Error::Json)
    }

    /// For people: the graph and a summary.
    pub(crate) fn told(&self, paint: Paint, room: Option<usize>) -> String {
        let Some(history) = &self.history else {
            return String::new();
        };
        let made = self.checks.iter().filter(|check| check.ok).count();
        let mut told = format!(
            "\n{}\n\n",
            paint.bold(&format!("{}: the merge history", harmless(&history.title)))
        );
        told.push_str(&graph::draw(history, paint, false, room));
        let head = self
            .heads
            .first()
            .and_then(|head| head.get(..8))
            .unwrap_or_default();
        let same = if self.converged {
            paint.good("the same")
        } else {
            paint.bad("not the same")
        };
        told.push_str(&format!(
            "\n{} devices hold {same}, with head {head}:\n{} cards, {} entries in {} terms, {} of audio.\n",
            self.heads.len(),
            self.cards,
            self.entries,
            self.terms,
            bytes(self.audio.bytes),
        ));
        if self.kills.asked > 0 {
            told.push_str(&format!(
                "{} kills by SIGKILL (seed {}), {} restarts.\n",
                self.kills.done, self.kills.seed, self.kills.restarts
            ));
        }
        let all = self.checks.len();
        let verdict = format!("{made} of {all} checks");
        let verdict = if made == all {
            paint.good(&verdict)
        } else {
            paint.bad(&verdict)
        };
        told.push_str(&format!("{verdict} in {:.1} s.\n", self.seconds));
        told
    }
}

fn terms(history: &History) -> usize {
    let terms: std::collections::BTreeSet<u64> =
        history.entries.iter().filter_map(|entry| entry.term).collect();
    terms.len()
}
