//! Where a card stands: a text between its neighbours' texts, so that moving one card changes one card.
//!
//! A position is a fraction written in base 62, without its leading point and without trailing zeros (there would
//! be no room below `"10"` and above `"1"`). At the ends of the deck the first four digits count up or down by one,
//! so a deck that is only appended to keeps positions of four characters for seven million cards.

/// The digits, in the order in which texts compare.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits that count, at the ends of the deck.
const COUNTING_DIGITS: usize = 4;

/// A position strictly between two others; `None` is the deck's beginning or end.
///
/// Answers `None` where there is nothing between: the two are equal, the wrong way round, or not positions.
#[must_use]
pub fn between(low: Option<&str>, high: Option<&str>) -> Option<String> {
    let low_digits = low.map_or(Some(Vec::new()), digits_of)?;
    let high_digits = high.map(digits_of).transposed_or_none()?;
    if let Some(high_digits) = &high_digits
        && low_digits >= *high_digits
    {
        return None;
    }
    let counted = match (low, high) {
        (None, None) => Some(count_to(span() / 2)),
        (Some(_), None) => counted(&low_digits)
            .checked_add(1)
            .filter(|next| *next < span())
            .map(count_to),
        (None, Some(_)) => high_digits.as_deref().and_then(|digits| {
            let count = counted(digits);
            // A remainder behind the counting digits already leaves room at the count itself, but one less keeps it short.
            count
                .checked_sub(1)
                .filter(|previous| *previous > 0)
                .map(count_to)
        }),
        (Some(_), Some(_)) => None,
    };
    let digits = counted.unwrap_or_else(|| middle(&low_digits, high_digits.as_deref()));
    Some(
        digits
            .into_iter()
            .filter_map(|digit| DIGITS.get(digit))
            .map(|byte| char::from(*byte))
            .collect(),
    )
}

/// So many positions in order between two others, none much longer than need be.
#[must_use]
pub fn spread(low: Option<&str>, high: Option<&str>, count: usize) -> Option<Vec<String>> {
    let mut positions: Vec<String> = Vec::with_capacity(count);
    if high.is_none() {
        // At the end of the deck they count, which keeps them short.
        for _ in 0..count {
            let below = positions.last().map(String::as_str).or(low);
            positions.push(between(below, None)?);
        }
        return Some(positions);
    }
    if count == 0 {
        return Some(positions);
    }
    let middle = between(low, high)?;
    let below = count / 2;
    positions.extend(spread(low, Some(&middle), below)?);
    let above = spread(Some(&middle), high, count - below - 1)?;
    positions.push(middle);
    positions.extend(above);
    Some(positions)
}

/// Whether a text is a position: only digits, not empty, no trailing zero.
#[must_use]
pub fn is_position(text: &str) -> bool {
    digits_of(text).is_some()
}

fn digits_of(text: &str) -> Option<Vec<usize>> {
    if text.is_empty() || text.ends_with('0') {
        return None;
    }
    text.bytes()
        .map(|byte| DIGITS.binary_search(&byte).ok())
        .collect()
}

trait TransposedOrNone<T> {
    fn transposed_or_none(self) -> Option<Option<T>>;
}

impl<T> TransposedOrNone<T> for Option<Option<T>> {
    /// An absent bound is fine; a bound that is no position is not.
    fn transposed_or_none(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(Some(value)) => Some(Some(value)),
            Some(None) => None,
        }
    }
}

fn span() -> u64 {
    (0..COUNTING_DIGITS).fold(1, |span, _| span * DIGITS.len() as u64)
}

fn counted(digits: &[usize]) -> u64 {
    (0..COUNTING_DIGITS).fold(0, |count, at| {
        count * DIGITS.len() as u64 + digits.get(at).copied().unwrap_or(0) as u64
    })
}

fn count_to(mut count: u64) -> Vec<usize> {
    let mut digits = Vec::with_capacity(COUNTING_DIGITS);
    for _ in 0..COUNTING_DIGITS {
        digits.push((count % DIGITS.len() as u64) as usize);
        count /= DIGITS.len() as u64;
    }
    digits.reverse();
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}

/// The shortest digits halfway between two fractions, the first below the second; no second is one.
fn middle(low: &[usize], high: Option<&[usize]>) -> Vec<usize> {
    let mut result = Vec::new();
    let mut high = high;
    for at in 0.. {
        let below = low.get(at).copied().unwrap_or(0);
        let above = high.map_or(DIGITS.len(), |high| high.get(at).copied().unwrap_or(0));
        if above > below + 1 {
            result.push(below + (above - below) / 2);
            break;
        }
        result.push(below);
        if above == below + 1 {
            // From here on anything above `low` is below `high`.
            high = None;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(seed: &mut u64) -> u64 {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *seed >> 33
    }

    #[test]
    fn a_position_is_strictly_between_its_neighbours_wherever_it_is_put() {
        for start in 0..20_u64 {
            let mut seed = start;
            let mut positions: Vec<String> = Vec::new();
            for _ in 0..400 {
                let at = (seeded(&mut seed) as usize) % (positions.len() + 1);
                let low = at.checked_sub(1).map(|low| positions[low].clone());
                let high = positions.get(at).cloned();
                let new = between(low.as_deref(), high.as_deref()).unwrap();
                assert!(is_position(&new), "seed {start}: {new}");
                assert!(low.is_none_or(|low| low < new), "seed {start}");
                assert!(high.is_none_or(|high| new < high), "seed {start}");
                positions.insert(at, new);
            }
        }
    }

    #[test]
    fn appending_and_prepending_stay_short() {
        let (mut last, mut first) = (between(None, None).unwrap(), between(None, None).unwrap());
        for _ in 0..100_000 {
            last = between(Some(&last), None).unwrap();
            first = between(None, Some(&first)).unwrap();
        }
        assert!(last.len() <= 4 && first.len() <= 4, "{first} {last}");
        assert!(first < last);
    }

    #[test]
    fn always_inserting_at_the_same_place_grows_by_one_character_in_five() {
        let low = between(None, None).unwrap();
        let mut high = between(Some(&low), None).unwrap();
        for _ in 0..1_000 {
            high = between(Some(&low), Some(&high)).unwrap();
        }
        assert!(high.len() < 4 + 1_000 / 5 + 2, "{}", high.len());
    }

    /// Where to insert next, next to what was inserted last.
    type Next = fn(step: u64, last: usize, positions: &[String], seed: &mut u64) -> usize;

    #[test]
    fn whoever_chooses_the_places_a_position_grows_by_one_character_in_five_inserts_at_the_most() {
        let strategies: [Next; 5] = [
            |_, last, _, _| last,
            |_, last, _, _| last + 1,
            |step, last, _, _| last + (step % 2) as usize,
            |_, last, _, seed| last + (seeded(seed) % 2) as usize,
            // Next to the longer neighbour.
            |_, last, positions, _| {
                let length = |at: Option<usize>| at.and_then(|at| positions.get(at)).map_or(0, String::len);
                last + usize::from(length(Some(last + 1)) > length(last.checked_sub(1)))
            },
        ];
        for (number, next) in strategies.into_iter().enumerate() {
            let mut seed = 1;
            let low = between(None, None).unwrap();
            let high = between(Some(&low), None).unwrap();
            let mut positions = vec![low, high];
            let mut last = 1;
            for step in 0..1_000_u64 {
                let new = between(Some(&positions[last - 1]), Some(&positions[last])).unwrap();
                let bound = 4 + 1 + (step as usize + 1).div_ceil(5);
                assert!(
                    new.len() <= bound,
                    "strategy {number}, step {step}: {}",
                    new.len()
                );
                positions.insert(last, new);
                last = next(step, last, &positions, &mut seed).clamp(1, positions.len() - 1);
            }
        }
    }

    #[test]
    fn spread_positions_are_in_order_between_their_bounds_and_short() {
        let bounds = [
            (None, None),
            (Some("V"), None),
            (None, Some("V")),
            (Some("V"), Some("V1")),
        ];
        for (low, high) in bounds {
            for count in [0, 1, 2, 7, 500] {
                let spread = spread(low, high, count).unwrap();
                assert_eq!(spread.len(), count);
                let all: Vec<&str> = low
                    .into_iter()
                    .chain(spread.iter().map(String::as_str))
                    .chain(high)
                    .collect();
                assert!(
                    all.windows(2).all(|pair| pair[0] < pair[1]),
                    "{low:?} {high:?} {count}"
                );
                assert!(spread.iter().all(|one| is_position(one) && one.len() <= 7));
            }
        }
        assert_eq!(spread(Some("V"), Some("V"), 1), None);
    }

    #[test]
    fn the_ends_have_room_even_next_to_extreme_positions() {
        let top = between(Some("zzzz"), None).unwrap();
        assert!(top.as_str() > "zzzz" && is_position(&top));
        let bottom = between(None, Some("0001")).unwrap();
        assert!(bottom.as_str() < "0001" && is_position(&bottom));
    }

    #[test]
    fn nothing_is_between_equals_or_what_is_no_position() {
        assert_eq!(between(Some("V"), Some("V")), None);
        assert_eq!(between(Some("W"), Some("V")), None);
        assert_eq!(between(Some("V0"), None), None);
        assert_eq!(between(None, Some("é")), None);
        assert_eq!(between(None, Some("")), None);
        assert!(!is_position("a/b"));
    }
}
