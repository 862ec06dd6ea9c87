//! Changes are read one after the other; where they are many, by a thread that is ahead of who checks them.
//!
//! Reading a change needs nothing but its bytes, and is a good part of what checking it costs.

use std::sync::mpsc::sync_channel;
use std::thread::{Builder, scope};

use automerge::Change;

use super::operation::Operation;
use super::{Refusal, chunk};

/// So many that starting a thread is nothing beside reading them.
const MANY: usize = 2_048;
/// Changes that are handed over at a time, and how often that may be ahead: it bounds what is held of them.
const AT_A_TIME: usize = 256;
const AHEAD: usize = 4;

type Read<'a> = Result<(Change, Vec<Operation<'a>>), Refusal>;

/// Gives each change to `take`, in order, until one is refused.
pub(super) fn each<'a>(
    changes: &[&'a [u8]],
    mut take: impl FnMut(Change, Vec<Operation<'a>>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut taken = 0;
    if changes.len() >= MANY {
        scope(|scope| {
            let (hand_over, handed) = sync_channel::<Vec<Read<'a>>>(AHEAD);
            let read_all = move || {
                for some in changes.chunks(AT_A_TIME) {
                    // Nobody waits any more: one was refused.
                    if hand_over
                        .send(some.iter().map(|bytes| chunk::read(bytes)).collect())
                        .is_err()
                    {
                        return;
                    }
                }
            };
            // Where there is no thread to be had, nothing is handed over.
            let _ = Builder::new()
                .name("cuecard-read".to_owned())
                .spawn_scoped(scope, read_all);
            for read in handed.iter().flatten() {
                let (change, operations) = read?;
                take(change, operations)?;
                taken += 1;
            }
            Ok::<(), Refusal>(())
        })?;
    }
    for bytes in changes.iter().skip(taken) {
        let (change, operations) = chunk::read(bytes)?;
        take(change, operations)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tests::Pair;

    #[test]
    fn however_many_they_are_all_are_taken_in_order_up_to_the_first_that_is_refused() {
        let mut pair = Pair::new();
        let changes: Vec<Vec<u8>> = (0..10)
            .map(|at| pair.change(|edit| edit.rename_deck(&format!("title {at}"))))
            .collect();
        let message = |change: &Change| change.hash();
        for many in [0, 1, MANY - 1, MANY, MANY + AT_A_TIME * 3 + 7] {
            let all: Vec<&[u8]> = changes.iter().cycle().take(many).map(Vec::as_slice).collect();
            let whole: Vec<_> = all
                .iter()
                .map(|bytes| message(&chunk::read(bytes).unwrap().0))
                .collect();
            let mut taken = vec![];
            let read = each(&all, |change, _| {
                taken.push(message(&change));
                Ok(())
            });
            assert_eq!((read, &taken), (Ok(()), &whole));
            // One that cannot be read, and one that is not wanted.
            for at in [0, 300, many.saturating_sub(1)]
                .into_iter()
                .filter(|at| *at < many)
            {
                let mut crooked = all.clone();
                crooked[at] = b"nothing";
                let mut count = 0;
                let read = each(&crooked, |_, _| {
                    count += 1;
                    Ok(())
                });
                assert!(matches!(read, Err(Refusal::NotAChunk { .. })));
                assert_eq!(count, at);
                let mut count = 0;
                let read = each(&all, |_, _| match count == at {
                    true => Err(Refusal::Empty),
                    false => {
                        count += 1;
                        Ok(())
                    }
                });
                assert_eq!((read, count), (Err(Refusal::Empty), at));
            }
        }
    }
}
