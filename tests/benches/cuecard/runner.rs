//! Two sides in turns, and what came of it as a table.

use std::fmt;
use std::time::{Duration, Instant};

/// What a ratio (ours to the base) or a time should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// At most so many times the base.
    AtMost(f64),
    /// At least so many times the base.
    AtLeast(f64),
    /// In less time than this; there is no base.
    Within(Duration),
    /// No more than this number, as it is; there is no base.
    Most(f64),
    /// To be read beside another row.
    None,
}

/// Times of both sides, in seconds, round by round.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    ours: Vec<f64>,
    base: Vec<f64>,
}

/// Runs both sides in turns, each beginning every other round, after one round that does not count.
pub(crate) fn in_turns(
    rounds: usize,
    mut ours: impl FnMut() -> Duration,
    mut base: impl FnMut() -> Duration,
) -> Rounds {
    ours();
    base();
    let mut times = Rounds::default();
    for round in 0..rounds {
        if round % 2 == 0 {
            times.ours.push(ours().as_secs_f64());
            times.base.push(base().as_secs_f64());
        } else {
            times.base.push(base().as_secs_f64());
            times.ours.push(ours().as_secs_f64());
        }
    }
    times
}

/// Runs one side alone.
pub(crate) fn alone(rounds: usize, mut ours: impl FnMut() -> Duration) -> Rounds {
    ours();
    Rounds {
        ours: (0..rounds).map(|_| ours().as_secs_f64()).collect(),
        base: Vec::new(),
    }
}

/// How long something took.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let value = run();
    let took = start.elapsed();
    std::hint::black_box(value);
    took
}

/// How the numbers of a row are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// Time of one of so many that a round did.
    TimeOfOne(u32),
    /// So many a second, of so many that a round did. Ratios are of rates, too.
    Rate(u32),
    /// Mebibytes, of numbers that are bytes.
    Mebibytes,
    /// The same, of smaller ones.
    Kibibytes,
    /// A number.
    Count,
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    measure: String,
    ours: String,
    base: String,
    ratio: String,
    target: String,
    met: &'static str,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds what came of a measure.
    pub(crate) fn add(&mut self, measure: &str, unit: Unit, target: Target, rounds: Rounds) {
        let Rounds { ours, base } = rounds;
        let (ours_mid, base_mid) = (middle(&ours, 0.5), middle(&base, 0.5));
        let is_rate = matches!(unit, Unit::Rate(_));
        // Round by round: what slows the machine down slows both sides of a round.
        let ratios: Vec<f64> = ours
            .iter()
            .zip(&base)
            .map(|(ours, base)| if is_rate { base / ours } else { ours / base })
            .collect();
        let ratio = middle(&ratios, 0.5);
        let (target, met) = match target {
            Target::AtMost(most) => (format!("at most {most}"), Some(ratio <= most)),
            Target::AtLeast(least) => (format!("at least {least}"), Some(ratio >= least)),
            Target::Within(most) => {
                let each = ours_mid / unit.count();
                let time = Unit::TimeOfOne(1).show(most.as_secs_f64());
                (format!("below {time}"), Some(each < most.as_secs_f64()))
            }
            Target::Most(most) => (format!("at most {}", unit.show(most)), Some(ours_mid <= most)),
            Target::None => (String::new(), None),
        };
        let shown = if ratios.is_empty() {
            String::new()
        } else {
            format!(
                "{ratio:.2} ({:.2} to {:.2})",
                middle(&ratios, 0.25),
                middle(&ratios, 0.75)
            )
        };
        let row = Row {
            measure: measure.to_owned(),
            ours: unit.show(ours_mid),
            base: if base.is_empty() {
                String::new()
            } else {
                unit.show(base_mid)
            },
            ratio: shown,
            target,
            met: match met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            },
        };
        eprintln!(
            "  {}: ours {}, base {}, ratio {}",
            row.measure, row.ours, row.base, row.ratio
        );
        self.0.push(row);
    }

    /// Adds a pair of numbers that are no times.
    pub(crate) fn add_once(&mut self, measure: &str, unit: Unit, target: Target, ours: f64, base: f64) {
        let rounds = Rounds {
            ours: vec![ours],
            base: vec![base],
        };
        self.add(measure, unit, target, rounds);
    }
}

impl Table {
    /// Adds a number that has nothing beside it.
    pub(crate) fn add_one(&mut self, measure: &str, unit: Unit, target: Target, ours: f64) {
        let rounds = Rounds {
            ours: vec![ours],
            base: Vec::new(),
        };
        self.add(measure, unit, target, rounds);
    }
}

impl Unit {
    fn count(self) -> f64 {
        match self {
            Self::TimeOfOne(count) | Self::Rate(count) => f64::from(count),
            Self::Mebibytes | Self::Kibibytes | Self::Count => 1.0,
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::TimeOfOne(count) => {
                let seconds = value / f64::from(count);
                if seconds < 1e-3 {
                    format!("{:.1} µs", seconds * 1e6)
                } else if seconds < 1.0 {
                    format!("{:.1} ms", seconds * 1e3)
                } else {
                    format!("{seconds:.2} s")
                }
            }
            Self::Rate(count) => format!("{:.0}/s", f64::from(count) / value),
            Self::Mebibytes => format!("{:.1} MiB", value / (1024.0 * 1024.0)),
            Self::Kibibytes => format!("{:.1} KiB", value / 1024.0),
            Self::Count => format!("{value:.2}"),
        }
    }
}

/// The value below which this share of them lies.
pub(crate) fn middle(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| measure | ours | base | ratio (middle half of the rounds) | target | met |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for row in &self.0 {
            let Row {
                measure,
                ours,
                base,
                ratio,
                target,
                met,
            } = row;
            writeln!(f, "| {measure} | {ours} | {base} | {ratio} | {target} | {met} |")?;
        }
        Ok(())
    }
}
