//! Text on a terminal: made harmless, shortened, coloured or not.

use std::fmt::Write as _;
use std::io::Write as _;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Whether a character hides, moves or reorders what a person sees: escape sequences, line breaks, direction marks. What
/// joins letters or keeps them apart (U+200C, U+200D) does neither: Persian and Hindi are written with it.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
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

/// How many cells of a terminal a text takes: two for most of Chinese, Japanese and Korean and for emoji, none for marks
/// upon a letter.
pub(crate) fn cells(text: &str) -> usize {
    text.width()
}

/// The text with spaces behind it, up to so many cells: for columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(cells(text))))
}

/// The width of a column that has these in it.
pub(crate) fn widest(texts: impl IntoIterator<Item = impl AsRef<str>>) -> usize {
    texts
        .into_iter()
        .map(|text| cells(text.as_ref()))
        .max()
        .unwrap_or(0)
}

/// As much of a text as has room in so many cells; no letter is parted from its marks.
pub(crate) fn fitting(text: &str, cells_max: usize) -> &str {
    let mut end = 0;
    for (at, letter) in text.grapheme_indices(true) {
        let next = at + letter.len();
        if text.get(..next).is_none_or(|part| cells(part) > cells_max) {
            break;
        }
        end = next;
    }
    text.get(..end).unwrap_or(text)
}

/// The harmless text, cut to so many cells with an ellipsis.
pub(crate) fn shortened(text: &str, cells_max: usize) -> String {
    // What is far too long need not be looked at whole: no letter that people write has more characters than that.
    let all = harmless(text);
    let end = all.char_indices().nth(cells_max.saturating_mul(16).max(64));
    let shown = end.and_then(|(end, _)| all.get(..end)).unwrap_or(&all);
    if shown.len() == all.len() && cells(shown) <= cells_max {
        return all;
    }
    format!("{}…", fitting(shown, cells_max.saturating_sub(1)))
}

/// A line on standard error, in as many as the terminal needs. Nobody reading it any more (`2>&1 | head`) is no reason to
/// stop.
pub(crate) fn say(line: &str) {
    say_under(line, 0);
}

/// The same, with what does not fit under what stands behind so many cells.
pub(crate) fn say_under(line: &str, indent: usize) {
    let told = match terminal_size::terminal_size_of(std::io::stderr()) {
        Some((width, _)) => wrapped(line, usize::from(width.0), indent),
        None => line.to_owned(),
    };
    let _ = writeln!(std::io::stderr(), "{told}");
}

/// Lines that are too wide, broken between words: a terminal would break commands in the middle. What has no spaces in it,
/// as a code, stays whole.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut told = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (mut begin, mut used) = (told.len(), 0);
        for word in line.split_inclusive(' ') {
            // Spaces at the beginning are its indent, and no word to break behind.
            let shown = begin + told.get(begin..).unwrap_or_default().trim_end().len();
            if shown > begin && used + cells_seen(word.trim_end()) > width {
                told.truncate(shown);
                told.push('\n');
                told.push_str(&" ".repeat(indent));
                (begin, used) = (told.len(), indent);
            }
            told.push_str(word);
            used += cells_seen(word);
        }
    }
    told
}

/// How many cells a text takes of which parts are coloured: what turns colours on and off takes none.
fn cells_seen(text: &str) -> usize {
    let mut pieces = text.split("\x1b[");
    let first = cells(pieces.next().unwrap_or_default());
    let rest = pieces.map(|piece| piece.split_once('m').map_or(0, |(_, text)| cells(text)));
    first + rest.sum::<usize>()
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

/// So many of something.
pub(crate) fn counted<N: std::fmt::Display + PartialEq + From<u8>>(
    count: N,
    one: &str,
    many: &str,
) -> String {
    let what = if count == N::from(1) { one } else { many };
    format!("{count} {what}")
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
    fn what_is_said_is_broken_between_words_and_nothing_else_is() {
        let said = "nothing was made there yet; `cuecard new TITLE` begins a deck";
        assert_eq!(
            wrapped(said, 30, 0),
            "nothing was made there yet;\n`cuecard new TITLE` begins a\ndeck"
        );
        assert_eq!(wrapped(said, 100, 0), said);
        assert_eq!(wrapped("one\n\n  two", 7, 0), "one\n\n  two");
        assert_eq!(
            wrapped("one\n\n  two", 4, 0),
            "one\n\n  two",
            "an empty line is not taken for a space"
        );
        assert_eq!(wrapped("\n    one two", 6, 0), "\n    one\ntwo");
        let code = "114nPrr6DUf7BUisDCs4g7UXdJTtbct8gRXiLkBtt9hm";
        assert_eq!(wrapped(code, 10, 0), code);
        assert_eq!(wrapped("猫猫 猫猫 x", 7, 0), "猫猫\n猫猫 x");
        // What follows stands under the text; colours take no room.
        let paint = Paint::new(true);
        let (ok, one) = (paint.good("ok"), paint.bold("one two three"));
        assert_eq!(
            wrapped(&format!("{ok}  {one}"), 11, 4),
            "\u{1b}[32mok\u{1b}[0m  \u{1b}[1mone two\n    three\u{1b}[0m"
        );
    }

    #[test]
    fn control_and_direction_characters_are_shown_not_obeyed() {
        let hostile = "hola\x1b[2J\u{9b}31m\r\n\u{202e}txt\u{7f}";
        let shown = harmless(hostile);
        assert_eq!(shown, "hola\\u{1b}[2J\\u{9b}31m\\r\\n\\u{202e}txt\\u{7f}");
        assert!(!shown.chars().any(is_harmful));
    }

    #[test]
    fn ordinary_text_of_any_language_stays_as_it_is() {
        for text in [
            "¿cómo estás?",
            "日本語",
            "naïve",
            "a\\b",
            "می\u{200c}خواهم",
            "👨\u{200d}👩\u{200d}👧",
        ] {
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
    fn columns_are_counted_in_cells() {
        for (text, width) in [
            ("hola", 4),
            ("日本語", 6),
            ("한국어", 6),
            ("e\u{301}", 1),
            ("👋", 2),
            ("👨\u{200d}👩\u{200d}👧", 2),
            ("🇪🇸", 2),
            ("שלום", 4),
            ("می\u{200c}خواهم", 7),
        ] {
            assert_eq!(cells(text), width, "{text}");
            assert_eq!(padded(text, 9), format!("{text}{}", " ".repeat(9 - width)));
        }
        assert_eq!(padded("日本語", 2), "日本語");
        assert_eq!(widest(["日本語", "hola"]), 6);
    }

    #[test]
    fn a_cut_is_between_letters_and_never_wider_than_asked() {
        assert_eq!(shortened("日本語", 6), "日本語");
        assert_eq!(shortened("日本語です", 6), "日本…");
        assert_eq!(shortened("日本語です", 7), "日本語…");
        assert_eq!(shortened("cafe\u{301}s", 5), "cafe\u{301}s");
        assert_eq!(shortened("cafe\u{301} solo", 5), "cafe\u{301}…");
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(shortened(&format!("{family}{family}"), 3), format!("{family}…"));
        assert_eq!(shortened(&format!("{family}{family}"), 2), "…");
        let marks = format!("a{}bc", "\u{301}".repeat(100_000));
        assert!(shortened(&marks, 1).chars().count() < 100);
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
        assert_eq!(counted(1_u64, "entry", "entries"), "1 entry");
        assert_eq!(counted(0_usize, "entry", "entries"), "0 entries");
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
