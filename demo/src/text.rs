//! Text on a terminal: made harmless, shortened, coloured or not.

use std::fmt::Write as _;
use std::io::Write as _;

/// Whether a character hides, moves or reorders what a person sees: escape sequences, line breaks, direction marks.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text with everything escaped that a terminal would obey instead of showing. Cards and device names come from
/// other people: an escape sequence in one could rewrite the screen.
pub(crate) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The harmless text, cut to so many characters with an ellipsis.
pub(crate) fn shortened(text: &str, characters_max: usize) -> String {
    let shown = harmless(text);
    if shown.chars().count() <= characters_max {
        return shown;
    }
    let mut cut: String = shown.chars().take(characters_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A line on standard error. Nobody reading it any more (`2>&1 | head`) is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Bytes as people say them.
pub(crate) fn bytes(count: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    let (unit, name) = match count {
        0..KIB => return format!("{count} bytes"),
        KIB..MIB => (KIB, "KiB"),
        _ => (MIB, "MiB"),
    };
    let tenths = count.saturating_mul(10) / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// A moment as hours, minutes and seconds, UTC.
pub(crate) fn time_of_day(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// A moment as a date and the time of day, UTC.
pub(crate) fn date_and_time(unix_ms: u64) -> String {
    let days = i64::try_from(unix_ms / 86_400_000).unwrap_or(0);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02} {}", time_of_day(unix_ms))
}

/// Year, month and day of a day counted from 1970: years that begin in March put the leap day at their end, and 400 of them
/// are one round.
const fn date(days: i64) -> (i64, i64, i64) {
    let since_march = days + 719_468;
    let round = since_march.div_euclid(146_097);
    let day_of_round = since_march.rem_euclid(146_097);
    let year_of_round =
        (day_of_round - day_of_round / 1_460 + day_of_round / 36_524 - day_of_round / 146_096) / 365;
    let day_of_year = day_of_round - (365 * year_of_round + year_of_round / 4 - year_of_round / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_round + round * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Colours, or none. Never the only signal: what they tell is also said by a name or a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours if `on`.
    pub(crate) const fn new(on: bool) -> Self {
        Self { on }
    }

    /// No colours.
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self { on: false }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// For what matters.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For what is beside the point.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// For what went well.
    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// For what did not.
    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// One colour a lane, readable on light and dark.
    pub(crate) fn lane(self, lane: usize, text: &str) -> String {
        const COLOURS: [&str; 6] = ["36", "35", "33", "34", "32", "31"];
        let colour = COLOURS.get(lane % COLOURS.len()).copied().unwrap_or("0");
        self.with(colour, text)
    }
}

/// A list of names: the first few, and how many more.
pub(crate) fn some_of(names: &[String], shown_max: usize) -> String {
    let mut text = names
        .iter()
        .take(shown_max)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let more = names.len().saturating_sub(shown_max);
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_shown_not_obeyed() {
        let hostile = "hola\x1b[2J\u{9b}31m\r\n\u{202e}txt\u{7f}";
        let shown = harmless(hostile);
        assert_eq!(shown, "hola\\u{1b}[2J\\u{9b}31m\\r\\n\\u{202e}txt\\u{7f}");
        assert!(!shown.chars().any(is_harmful));
    }

    #[test]
    fn ordinary_text_of_any_language_stays_as_it_is() {
        for text in ["¿cómo estás?", "日本語", "naïve", "a\\b"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn long_text_is_cut_after_it_was_made_harmless() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        assert_eq!(shortened("\x1b\x1b\x1b", 8), "\\u{1b}\\…");
    }

    #[test]
    fn without_colour_there_is_no_escape_code() {
        let plain = Paint::plain();
        for text in [
            plain.bold("x"),
            plain.dim("x"),
            plain.good("x"),
            plain.bad("x"),
            plain.lane(3, "x"),
        ] {
            assert_eq!(text, "x");
        }
        assert_eq!(Paint::new(true).bold("x"), "\x1b[1mx\x1b[0m");
    }

    #[test]
    fn quantities_read_well() {
        assert_eq!(bytes(1_058_444), "1.0 MiB");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(time_of_day(86_399_999), "23:59:59");
        assert_eq!(date_and_time(0), "1970-01-01 00:00:00");
        assert_eq!(date_and_time(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(date_and_time(1_709_251_199_000), "2024-02-29 23:59:59");
        assert_eq!(date_and_time(1_795_824_000_000), "2026-11-28 00:00:00");
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(some_of(&names, 2), "a, b and 1 more");
        assert_eq!(some_of(&names, 3), "a, b, c");
    }
}
