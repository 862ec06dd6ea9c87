//! What changes say of themselves, and where cards stand.

use cuecard::op::Notes;
use cuecard::position::{between, is_position, spread};
use cuecard::transport::mutants::Mutants;

use crate::bounded::{alone, hammer};
use crate::world::World;

const INPUTS: u64 = 30_000;

#[test]
fn messages_of_changes() {
    let alone = alone();
    let world = World::busy();
    let samples: Vec<Vec<u8>> = world.notes().into_iter().map(String::into_bytes).collect();
    assert!(samples.len() > 10, "only {} messages", samples.len());
    hammer(
        &alone,
        "messages of changes",
        INPUTS,
        &samples,
        (128, 64 * 1024),
        |bytes| {
            let Ok(said) = std::str::from_utf8(bytes) else {
                return false;
            };
            let Ok(notes) = Notes::parse(said) else {
                return false;
            };
            assert_eq!(notes.render(), said, "two spellings of one message");
            true
        },
    );
}

#[test]
fn positions_between_any_two_are_between_them() {
    let _alone = alone();
    let mut known = vec![between(None, None).unwrap()];
    let mut mutants = Mutants::new(1);
    for _ in 0..20_000 {
        let (a, b) = (mutants.one_of(&known).cloned(), mutants.one_of(&known).cloned());
        let mut mutant = a.clone().unwrap_or_default().into_bytes();
        mutants.mutate(&mut mutant, &[b"zzzz".to_vec(), b"0001".to_vec()]);
        let mutant = String::from_utf8_lossy(&mutant).into_owned();
        let (low, high) = (a.clone().min(b.clone()), a.max(b));
        let one_side_open = mutants.below(8) == 0;
        let low = low.filter(|_| !one_side_open);
        if let Some(new) = between(low.as_deref(), high.as_deref()) {
            assert!(is_position(&new), "{new:?}");
            assert!(low.as_ref().is_none_or(|low| *low < new), "{low:?} {new:?}");
            assert!(high.as_ref().is_none_or(|high| new < *high), "{new:?} {high:?}");
            if new.len() < 40 && known.len() < 500 {
                known.push(new);
            }
        }
        let count = mutants.below(20) as usize;
        if let Some(some) = spread(low.as_deref(), high.as_deref(), count) {
            assert_eq!(some.len(), count);
            assert!(some.is_sorted() && some.iter().all(|one| is_position(one)));
        }
        // What is none is told by its look, and gives no panic where it is used as one.
        if !is_position(&mutant) || mutant.len() > 100 {
            let _ = between(Some(&mutant), None);
            let _ = between(None, Some(&mutant));
        } else if known.len() < 500 {
            known.push(mutant);
        }
    }
    assert!(known.len() > 100, "only {} positions", known.len());
}
