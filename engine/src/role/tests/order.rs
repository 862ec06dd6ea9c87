//! Order of arrival cannot matter, and the chain says what the plain reference says: for every order of small sets,
//! and for many orders and parts of larger ones by ten devices, cheats, transfers and nonsense included.

use super::reference::{Answer, Item, Reference};
use super::*;

/// A random history: honest and hostile devices, and an owner who may be confused.
pub(super) fn history(deck: &Deck, draw: &mut Draw, size: usize, devices: usize) -> Vec<Item> {
    struct Known {
        id: TermId,
        holder: Option<usize>,
        places: Vec<Cut>,
    }
    let mut terms = vec![Known {
        id: deck.zero(),
        holder: Some(0),
        places: vec![deck.start()],
    }];
    let mut items = Vec::new();
    let (mut generation, mut count, mut owner) = (0, 0, 0);
    let mut label = 0;
    if draw.chance(80) {
        count += 1;
        items.push(Item::Charter(deck.charter(
            owner,
            (0, count),
            &(1..devices).collect::<Vec<_>>(),
            (deck.zero(), deck.start()),
        )));
    }
    while items.len() < size {
        let at = if draw.chance(60) {
            terms.len() - 1
        } else {
            draw.below(terms.len())
        };
        let (id, holder) = (terms[at].id, terms[at].holder);
        let last = terms[at].places.len() - 1;
        let place = if draw.chance(75) {
            terms[at].places[last]
        } else {
            terms[at].places[draw.below(last + 1)]
        };
        let what = draw.below(100);
        let term = match (what, holder) {
            (0..40, Some(holder)) => {
                label += 1;
                let next = Cut {
                    len: place.len + 1,
                    head: change(label),
                };
                items.push(Item::Change(id, place, next.head));
                terms[at].places.push(next);
                if draw.chance(75) && items.len() < size {
                    items.push(Item::Seal(deck.seal(holder, id, next)));
                }
                continue;
            }
            (40..62, Some(holder)) => {
                let to = draw.below(devices);
                (
                    deck.handover(holder, id, place, to, draw.next().to_le_bytes()[0]),
                    Some(to),
                )
            }
            (62..68, Some(holder)) => (deck.release(holder, id, place), None),
            (0..84, _) => {
                let by = draw.below(devices);
                (deck.claim(by, id, place, draw.next().to_le_bytes()[0]), Some(by))
            }
            (84..97, _) => {
                // Now and then twice the same count, as after a restored backup.
                count += u32::from(draw.chance(85) || count == 0);
                let hold: Vec<usize> = (0..devices).filter(|_| draw.chance(65)).collect();
                items.push(Item::Charter(deck.charter(
                    owner,
                    (generation, count),
                    &hold,
                    (id, place),
                )));
                continue;
            }
            (_, _) => {
                let new = draw.below(devices);
                let transfer = deck.charter_signed_by(owner, new, (generation + 1, 0), &[0, 1], (id, place));
                items.push(Item::Charter(transfer.unwrap()));
                if draw.chance(85) {
                    (generation, count, owner) = (generation + 1, 0, new);
                }
                continue;
            }
        };
        let (term, holder) = term;
        terms.push(Known {
            id: term.id(),
            holder,
            places: vec![Cut {
                len: 0,
                head: place.head,
            }],
        });
        items.push(Item::Term(term));
    }
    items
}

/// Brings the items in this order; what comes too early waits outside, as with the real caller.
pub(super) fn bring(deck: &Deck, items: &[Item], told: &str) -> Chain {
    let mut chain = deck.chain();
    let mut waiting: Vec<&Item> = items.iter().collect();
    loop {
        let before = waiting.len();
        waiting.retain(|item| {
            let outcome = match item {
                Item::Charter(charter) => chain.add_charter(charter.clone()),
                Item::Term(term) => chain.add_term(term.clone()),
                Item::Seal(seal) => chain.add_seal(seal.clone()),
                Item::Change(term, after, hash) => chain.hold(*term, *after, &[*hash]),
            };
            match outcome {
                Ok(_) => false,
                Err(
                    Refusal::UnknownParent(_)
                    | Refusal::UnknownTerm(_)
                    | Refusal::UnknownOwner
                    | Refusal::Gap,
                ) => true,
                Err(refusal) => panic!("{told}: {refusal:?} for {item:?}"),
            }
        });
        if waiting.len() == before {
            return chain;
        }
    }
}

pub(super) fn answer(chain: &Chain) -> Answer {
    let canonical = chain.canonical();
    let last = canonical.path[canonical.path.len() - 1];
    assert_eq!(
        (canonical.tip, canonical.len, canonical.head),
        (last.term, last.upto.len, last.upto.head)
    );
    let path = canonical.path.iter().map(|step| (step.term, step.upto)).collect();
    Answer {
        path,
        editor: canonical.editor,
    }
}

/// Whatever is sealed, with everything it depends on held, is canonical or late; and late work is named once.
fn nothing_is_lost(chain: &Chain, items: &[Item], told: &str) {
    let late = chain.late_work();
    for one in &late {
        let end = Cut {
            len: one.len,
            head: one.head,
        };
        let canonical = chain
            .path_from(one.term)
            .first()
            .and_then(|step| chain.line_to(one.term, step.upto));
        let first = chain
            .line_to(one.term, end)
            .and_then(|line| line.hash_at(one.from));
        assert!(first.is_some(), "{told}: {one:?}");
        assert!(
            canonical.is_none_or(|line| line.hash_at(one.from) != first),
            "{told}: {one:?} is canonical"
        );
        let includes = |other: &LateWork| {
            let line = chain.line_to(
                other.term,
                Cut {
                    len: other.len,
                    head: other.head,
                },
            );
            other != one
                && other.term == one.term
                && line.is_some_and(|l| l.hash_at(one.len) == Some(one.head))
        };
        assert!(!late.iter().any(includes), "{told}: {one:?} is named twice");
    }
    let is_held = |term: TermId, cut: Cut| chain.line_to(term, cut).is_some();
    for item in items {
        let Item::Seal(seal) = item else { continue };
        let everything_before = chain
            .ancestry(seal.term)
            .all(|id| chain.term(id).is_none_or(|term| is_held(term.parent, term.cut)));
        if !chain.contains(seal.term) || !is_held(seal.term, seal.cut()) || !everything_before {
            continue;
        }
        let ends = late.iter().filter(|late| late.term == seal.term).map(|late| Cut {
            len: late.len,
            head: late.head,
        });
        let canonical = chain.path_from(seal.term).first().map(|step| step.upto);
        let found = ends.chain(canonical).any(|end| {
            let line = chain.line_to(seal.term, end);
            line.is_some_and(|line| line.hash_at(seal.len) == Some(seal.head))
        });
        assert!(found, "{told}: {seal:?} is neither canonical nor late");
    }
}

#[test]
fn every_order_of_small_sets_gives_one_chain() {
    let deck = Deck::new();
    for seed in 0..60 {
        let items = history(&deck, &mut Draw(seed), 6, 4);
        let first = bring(&deck, &items, &format!("seed {seed}"));
        assert_eq!(
            answer(&first),
            Reference::new(&deck, &items).answer(),
            "seed {seed}"
        );
        let mut order: Vec<usize> = (0..items.len()).collect();
        while next_permutation(&mut order) {
            let told = format!("seed {seed}, order {order:?}");
            let permuted: Vec<Item> = order.iter().map(|&at| items[at].clone()).collect();
            assert!(bring(&deck, &permuted, &told) == first, "{told}");
        }
    }
}

#[test]
fn many_orders_and_parts_of_larger_sets_agree_with_the_reference() {
    let deck = Deck::new();
    for seed in 1_000..1_600 {
        let mut draw = Draw(seed);
        let size = 8 + draw.below(40);
        let mut items = history(&deck, &mut draw, size, 10);
        if draw.chance(50) {
            items.retain(|_| draw.chance(90));
        }
        let told = format!("seed {seed}");
        let first = bring(&deck, &items, &told);
        // The reference judges what the chain could take in; what still waits outside is not part of the set.
        let expected = Reference::new(&deck, &items).answer();
        assert_eq!(answer(&first), expected, "{told}");
        nothing_is_lost(&first, &items, &told);
        for round in 0..4 {
            draw.shuffle(&mut items);
            let told = format!("seed {seed}, round {round}");
            assert!(bring(&deck, &items, &told) == first, "{told}");
        }
    }
}

#[test]
fn at_every_moment_the_mended_path_is_what_the_reference_says() {
    let deck = Deck::new();
    for seed in 5_000..5_150 {
        let mut draw = Draw(seed);
        let mut items = history(&deck, &mut draw, 18, 4);
        draw.shuffle(&mut items);
        for count in 0..items.len() {
            let told = format!("seed {seed}, the first {count}");
            let part = &items[..count];
            assert_eq!(
                answer(&bring(&deck, part, &told)),
                Reference::new(&deck, part).answer(),
                "{told}"
            );
        }
    }
}

fn next_permutation(order: &mut [usize]) -> bool {
    let Some(at) = (1..order.len()).rev().find(|&at| order[at - 1] < order[at]) else {
        return false;
    };
    let with = (at..order.len())
        .rev()
        .find(|&with| order[with] > order[at - 1])
        .unwrap();
    order.swap(at - 1, with);
    order[at..].reverse();
    true
}
