//! Bars for transfers: one each and one for all, with rate and time left. Drawn over themselves on a terminal.

use std::time::{Duration, Instant};

use crate::ask::happening::{Progress, Transfer};
use crate::text::{Paint, bytes, shortened};

/// More than these do not fit beside what people want to read; the rest is in the total.
const BARS_MAX: usize = 6;
const BAR_CHARACTERS: usize = 24;
/// The rate is that of the last while: what was long ago says nothing of what comes.
const RATE_OVER: Duration = Duration::from_secs(5);

/// How fast bytes come.
#[derive(Debug, Default)]
pub(super) struct Rate {
    seen: std::collections::VecDeque<(Instant, u64)>,
}

impl Rate {
    pub(super) fn note(&mut self, now: Instant, have_bytes: u64) {
        self.seen.push_back((now, have_bytes));
        while self.seen.len() > 2
            && self
                .seen
                .get(1)
                .is_some_and(|(at, _)| now.duration_since(*at) >= RATE_OVER)
        {
            self.seen.pop_front();
        }
    }

    /// Bytes a second.
    pub(super) fn per_second(&self) -> Option<u64> {
        let (first, last) = (self.seen.front()?, self.seen.back()?);
        let over_ms = u64::try_from(last.0.duration_since(first.0).as_millis()).ok()?;
        let came = last.1.checked_sub(first.1)?;
        came.checked_mul(1000)?
            .checked_div(over_ms)
            .filter(|rate| *rate > 0)
    }
}

/// The lines of bars, the total last.
pub(super) fn lines(progress: &Progress, rate: &Rate, paint: Paint, width: usize) -> Vec<String> {
    let mut under_way: Vec<&Transfer> = progress
        .transfers
        .iter()
        .filter(|transfer| transfer.have_bytes > 0)
        .collect();
    under_way.truncate(BARS_MAX);
    let mut lines: Vec<String> = under_way
        .iter()
        .map(|transfer| {
            let name = format!("{:20}", shortened(&transfer.name, 20));
            line(&name, transfer.have_bytes, transfer.size_bytes, "", paint)
        })
        .collect();
    let audio = &progress.audio;
    let left = audio.size_bytes.saturating_sub(audio.have_bytes);
    let pace = rate
        .per_second()
        .map(|rate| format!("  {}/s, {} left", bytes(rate), seconds(left / rate.max(1))));
    let name = format!("{:20}", format!("audio {}/{}", audio.whole, audio.all));
    lines.push(line(
        &name,
        audio.have_bytes,
        audio.size_bytes,
        &pace.unwrap_or_default(),
        paint,
    ));
    // A line that wraps cannot be drawn over.
    for line in &mut lines {
        if visible(line) > width {
            *line = plain(line).chars().take(width).collect();
        }
    }
    lines
}

fn line(name: &str, have: u64, size: u64, pace: &str, paint: Paint) -> String {
    let full = if size == 0 {
        BAR_CHARACTERS
    } else {
        usize::try_from(u128::from(have) * BAR_CHARACTERS as u128 / u128::from(size))
            .unwrap_or(BAR_CHARACTERS)
    };
    let full = full.min(BAR_CHARACTERS);
    let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR_CHARACTERS - full));
    let percent = u128::from(have) * 100 / u128::from(size.max(1));
    format!(
        "{name} {} {percent:3} %  {} of {}{pace}",
        paint.good(&bar),
        bytes(have),
        bytes(size)
    )
}

pub(super) fn seconds(count: u64) -> String {
    match count {
        0..60 => format!("{count} s"),
        60..3600 => format!("{} min {} s", count / 60, count % 60),
        _ => format!("{} h {} min", count / 3600, count / 60 % 60),
    }
}

fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

fn visible(line: &str) -> usize {
    plain(line).chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::told::{AudioTotals, DeckName};

    fn progress() -> Progress {
        Progress {
            deck: DeckName {
                id: "d".to_owned(),
                title: "Spanish".to_owned(),
            },
            changes: 3,
            changes_all: None,
            audio: AudioTotals {
                whole: 1,
                all: 3,
                have_bytes: 3 << 20,
                size_bytes: 8 << 20,
            },
            transfers: vec![
                Transfer {
                    blake3: "a".to_owned(),
                    name: "evil\x1b[2J.wav".to_owned(),
                    have_bytes: 1 << 20,
                    size_bytes: 4 << 20,
                },
                Transfer {
                    blake3: "b".to_owned(),
                    name: "waits.wav".to_owned(),
                    have_bytes: 0,
                    size_bytes: 2 << 20,
                },
            ],
        }
    }

    #[test]
    fn there_is_a_bar_for_each_transfer_under_way_and_one_for_all() {
        let mut rate = Rate::default();
        let start = Instant::now();
        rate.note(start, 1 << 20);
        rate.note(start + Duration::from_secs(2), 3 << 20);
        let lines = lines(&progress(), &rate, Paint::plain(), 200);
        assert_eq!(
            lines,
            [
                "evil\\u{1b}[2J.wav    ██████░░░░░░░░░░░░░░░░░░  25 %  1.0 MiB of 4.0 MiB",
                "audio 1/3            █████████░░░░░░░░░░░░░░░  37 %  3.0 MiB of 8.0 MiB  1.0 MiB/s, 5 s left",
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for paint in [Paint::plain(), Paint::new(true)] {
            for line in lines(&progress(), &Rate::default(), paint, 30) {
                assert!(visible(&line) <= 30, "{line:?}");
            }
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_while() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), None);
        let start = Instant::now();
        for second in 0..20 {
            rate.note(
                start + Duration::from_secs(second),
                second.saturating_sub(10) * 1000,
            );
        }
        assert_eq!(rate.per_second(), Some(1000));
    }
}
