//! `cuecard doctor`: looks at data, keys, permissions and the network, and says what is wrong and what to do.
//!
//! | file | subject |
//! |---|---|
//! | here | the findings, and how they are told |
//! | `data` | the data folder and what is in it; mending it |
//! | `network` | addresses, sockets, servers |

mod data;
mod network;

use serde::Serialize;

use crate::cli::{Global, care};
use crate::command;
use crate::demo::write_out;
use crate::error::{Error, Kind};
use crate::home::Home;
use crate::output::Output;
use crate::tell;
use crate::text::{Paint, harmless};

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Well,
    /// Worth knowing.
    Note,
    /// Not as it should be.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    what: &'static str,
    /// How it was found.
    state: State,
    /// In words.
    told: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_do: Option<String>,
    /// The exit code's kind, where it is wrong.
    #[serde(skip)]
    kind: Kind,
}

/// What was found, in order.
#[derive(Debug, Default, Serialize)]
struct Findings {
    kind: &'static str,
    findings: Vec<Finding>,
}

impl Findings {
    fn add(
        &mut self,
        what: &'static str,
        state: State,
        told: impl Into<String>,
        kind: Kind,
        to_do: Option<String>,
    ) {
        self.findings.push(Finding {
            what,
            state,
            told: told.into(),
            to_do,
            kind,
        });
    }

    fn well(&mut self, what: &'static str, told: impl Into<String>) {
        self.add(what, State::Well, told, Kind::Failed, None);
    }

    fn note(&mut self, what: &'static str, told: impl Into<String>, to_do: impl Into<String>) {
        self.add(what, State::Note, told, Kind::Failed, Some(to_do.into()));
    }

    fn wrong(&mut self, what: &'static str, kind: Kind, told: impl Into<String>, to_do: impl Into<String>) {
        self.add(what, State::Wrong, told, kind, Some(to_do.into()));
    }

    /// The first thing that is wrong, as the end of the command.
    fn verdict(&self) -> Result<(), Error> {
        let wrong = |finding: &&Finding| finding.state == State::Wrong;
        let Some(first) = self.findings.iter().find(wrong) else {
            return Ok(());
        };
        let count = self.findings.iter().filter(wrong).count();
        Err(Error::NotWell(
            first.kind,
            format!("{count} of {} things looked at are not well", self.findings.len()),
        ))
    }

    fn text(&self, paint: Paint) -> String {
        let width = self
            .findings
            .iter()
            .map(|finding| finding.what.len())
            .max()
            .unwrap_or(0);
        self.findings
            .iter()
            .map(|finding| {
                let mark = match finding.state {
                    State::Well => paint.good("✓"),
                    State::Note => paint.bold("·"),
                    State::Wrong => paint.bad("✗"),
                };
                let to_do = finding.to_do.as_ref().map_or_else(String::new, |to_do| {
                    format!("\n  {:width$}  → {}", "", harmless(to_do))
                });
                format!(
                    "{mark} {:width$}  {}{to_do}\n",
                    finding.what,
                    harmless(&finding.told)
                )
            })
            .collect()
    }
}

/// Looks, mends if that was asked for, and tells.
///
/// # Errors
/// When something is wrong; its kind is that of the first.
pub(crate) async fn run(args: care::Doctor, global: &Global) -> Result<(), Error> {
    let output = Output::new(global);
    let home = Home::find(global.data_dir.clone())?;
    let mut findings = Findings {
        kind: "doctor",
        findings: Vec::new(),
    };
    findings.well("version", format!("cuecard {}", env!("CARGO_PKG_VERSION")));
    if args.repair {
        data::repair(&home, global.yes, &mut findings).await?;
    }
    data::look(&home, args.repair, &mut findings).await;
    if !args.offline {
        match command::network(&args.network) {
            Ok(network) => network::look(&network, &mut findings).await,
            Err(error) => findings.wrong("network", error.kind(), error.to_string(), "mend the setting"),
        }
    }
    if output.json {
        write_out(&tell::json(&findings))?;
    } else {
        write_out(&findings.text(output.out))?;
    }
    findings.verdict()
}
