//! Bars for transfers: one each and one for all, with rate and time left. Drawn over themselves on a terminal.

use super::pace;
use crate::ask::happening::{Progress, Transfer};
use crate::text::{Paint, bytes, cells, fitting, padded, shortened};

/// More than these do not fit beside what people want to read; the rest is in the total.
const BARS_MAX: usize = 6;
const BAR_CHARACTERS: usize = 24;

/// The lines of bars, the total last.
pub(super) fn lines(progress: &Progress, paint: Paint, width: usize) -> Vec<String> {
    let mut under_way: Vec<&Transfer> = progress
        .transfers
        .iter()
        .filter(|transfer| transfer.have_bytes > 0)
        .collect();
    under_way.truncate(BARS_MAX);
    let mut lines: Vec<String> = under_way
        .iter()
        .map(|transfer| {
            let name = padded(&shortened(&transfer.name, 20), 20);
            line(&name, transfer.have_bytes, transfer.size_bytes, "", paint)
        })
        .collect();
    let audio = &progress.audio;
    let name = padded(&format!("audio {}/{}", audio.whole, audio.all), 20);
    lines.push(line(
        &name,
        audio.have_bytes,
        audio.size_bytes,
        &pace(audio),
        paint,
    ));
    lines.into_iter().map(|line| within(line, width)).collect()
}

/// The line of work on a file: so many bytes, of so many if that is known.
pub(super) fn work(name: &str, (done, all): (u64, Option<u64>), paint: Paint, width: usize) -> String {
    let name = padded(&shortened(name, 20), 20);
    let told = match all {
        Some(all) => line(&name, done, all, "", paint),
        None => format!("{name} {}", bytes(done)),
    };
    within(told, width)
}

/// A line that wraps cannot be drawn over.
fn within(line: String, width: usize) -> String {
    match visible(&line) > width {
        true => fitting(&plain(&line), width).to_owned(),
        false => line,
    }
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
    let (large, name, small, small_name) = match count {
        0..60 => return format!("{count} s"),
        60..3600 => (count / 60, "min", count % 60, "s"),
        _ => (count / 3600, "h", count / 60 % 60, "min"),
    };
    match small {
        0 => format!("{large} {name}"),
        small => format!("{large} {name} {small} {small_name}"),
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
    cells(&plain(line))
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
                bytes_per_second: 1 << 20,
            },
            transfers: vec![
                Transfer {
                    blake3: "a".to_owned(),
                    name: "evil\x1b[2J.wav".to_owned(),
                    have_bytes: 1 << 20,
                    size_bytes: 4 << 20,
                    bytes_per_second: 1 << 20,
                },
                Transfer {
                    blake3: "b".to_owned(),
                    name: "waits.wav".to_owned(),
                    have_bytes: 0,
                    size_bytes: 2 << 20,
                    bytes_per_second: 0,
                },
            ],
        }
    }

    #[test]
    fn there_is_a_bar_for_each_transfer_under_way_and_one_for_all() {
        let lines = lines(&progress(), Paint::plain(), 200);
        assert_eq!(
            lines,
            [
                "evil\\u{1b}[2J.wav    ██████░░░░░░░░░░░░░░░░░░  25 %  1.0 MiB of 4.0 MiB",
                "audio 1/3            █████████░░░░░░░░░░░░░░░  37 %  3.0 MiB of 8.0 MiB, 1.0 MiB/s, 5 s left",
            ]
        );
    }

    #[test]
    fn the_bars_stand_below_each_other_whatever_the_names() {
        let mut progress = progress();
        for (transfer, name) in progress
            .transfers
            .iter_mut()
            .zip(["日本語のとても長い名前.wav", "e\u{301}te\u{301}.wav"])
        {
            name.clone_into(&mut transfer.name);
            transfer.have_bytes = 1 << 20;
        }
        let lines = lines(&progress, Paint::plain(), 200);
        let bars = lines.iter().map(|line| cells(line.split_once('█').unwrap().0));
        assert_eq!(bars.collect::<Vec<_>>(), [21, 21, 21], "{lines:?}");
        for line in super::lines(&progress, Paint::plain(), 13) {
            assert!(visible(&line) <= 13, "{line:?}");
        }
    }

    #[test]
    fn work_on_a_file_has_a_bar_where_its_length_is_known() {
        let told = |all| work("word.wav", (1 << 20, all), Paint::plain(), 200);
        assert_eq!(
            told(Some(4 << 20)),
            "word.wav             ██████░░░░░░░░░░░░░░░░░░  25 %  1.0 MiB of 4.0 MiB"
        );
        assert_eq!(told(None), "word.wav             1.0 MiB");
        assert!(visible(&work("word.wav", (1, Some(2)), Paint::new(true), 30)) <= 30);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for paint in [Paint::plain(), Paint::new(true)] {
            for line in lines(&progress(), paint, 30) {
                assert!(visible(&line) <= 30, "{line:?}");
            }
        }
    }
}
