//! Changes are read one after the other; where they are many, by a thread that is ahead of who checks them.
//!
//! Reading a change needs nothing but its bytes, and is a good part of what checking it costs.

use std::panic::catch_unwind;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, scope};

use automerge::Change;

use super::operation::Operation;
use super::{Refusal, chunk};
use crate::limits::CHANGE_OPS_MAX;

/// So many that starting a thread is nothing beside reading them.
const MANY: usize = 2_048;
/// Changes that are handed over at a time; fewer where they do more, as a few bytes may say ten thousand operations. With how
/// often that may be ahead it bounds what is held of them.
const AT_A_TIME: usize = 256;
const AHEAD: usize = 4;

type Read<'a> = Result<(Change, Vec<Operation<'a>>), Refusal>;

/// Gives each change to `take`, in order, until one is refused.
pub(super) fn each<'a>(
    changes: &[&'a [u8]],
    take: impl FnMut(Change, Vec<Operation<'a>>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    each_read(changes, chunk::read, take)
}

fn each_read<'a>(
    changes: &[&'a [u8]],
    read: fn(&'a [u8]) -> Read<'a>,
    mut take: impl FnMut(Change, Vec<Operation<'a>>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut taken = 0;
    if changes.len() >= MANY {
        scope(|scope| {
            let (hand_over, handed) = sync_channel::<Vec<Read<'a>>>(AHEAD);
            let read_all = move || {
                let mut left = changes.iter();
                while left.len() > 0 {
                    let (mut some, mut operations, mut is_refused) = (Vec::new(), 0, false);
                    while some.len() < AT_A_TIME
                        && operations < CHANGE_OPS_MAX
                        && !is_refused
                        && let Some(bytes) = left.next()
                    {
                        // One that panics is refused where it stands, and not those before it.
                        let read = catch_unwind(|| read(bytes)).unwrap_or(Err(Refusal::Fault));
                        operations += read.as_ref().map_or(0, |(_, operations)| operations.len());
                        is_refused = read.is_err();
                        some.push(read);
                    }
                    // Or nobody waits any more.
                    if hand_over.send(some).is_err() || is_refused {
                        return;
                    }
                }
            };
            // Where there is no thread to be had, nothing is handed over.
            let _ = Builder::new()
                .name("cuecard-read".to_owned())
                .spawn_scoped(scope, read_all);
            for one in handed.iter().flatten() {
                let (change, operations) = one?;
                take(change, operations)?;
                taken += 1;
            }
            Ok::<(), Refusal>(())
        })?;
    }
    for bytes in changes.iter().skip(taken) {
        let (change, operations) = read(bytes)?;
        take(change, operations)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::gate::tests::Pair;

    static MUCH_READ: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn of_changes_that_do_much_few_are_read_ahead() {
        fn much(bytes: &[u8]) -> Read<'_> {
            MUCH_READ.fetch_add(1, Ordering::SeqCst);
            let (change, operations) = chunk::read(bytes)?;
            let much = operations.iter().cycle().take(CHANGE_OPS_MAX).cloned();
            Ok((change, much.collect()))
        }
        let mut pair = Pair::new();
        let change = pair.change(|edit| edit.rename_deck("title"));
        let all = vec![change.as_slice(); MANY];
        // One in each hand-over that waits, one that is being taken, one that waits for room.
        let most = AHEAD + 2;
        let mut taken = 0;
        let read = each_read(&all, much, |_, _| {
            taken += 1;
            let ahead = MUCH_READ.load(Ordering::SeqCst) - taken;
            assert!(ahead <= most, "{ahead} ahead of number {taken}");
            match taken < 100 {
                true => Ok(()),
                false => Err(Refusal::Empty),
            }
        });
        assert_eq!((read, taken), (Err(Refusal::Empty), 100));
        let ahead = MUCH_READ.load(Ordering::SeqCst) - taken;
        assert!(ahead <= most, "{ahead} more were read after the refusal");
    }

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
