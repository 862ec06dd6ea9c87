//! Typing, in virtual time: the first edit leaves at once, the others of its window together, and none is lost in
//! silence.

use std::time::Duration;

use cuecard_transport::DeviceKey;

use super::*;
use crate::card::{Card, TextField};
use crate::core::Input;
use crate::id::CardId;
use crate::op::{OpError, Splice};

/// A device with a deck of one card, and all that its core wanted done since it was last asked.
struct Typist {
    core: Core,
    deck: DeckId,
    card: CardId,
    outputs: Vec<Output>,
}

/// What became of something that had waited.
type Told = (Ticket, Result<Option<Ticket>, String>);

fn at(millis: u64) -> Time {
    Time::from_millis(1_000 + millis)
}

impl Typist {
    fn new() -> Self {
        let mut core = Core::new(DeviceKey::from_bytes(&[1; 32]), "typist".to_owned(), [2; 32]);
        let deck = core.create_deck(at(0), "Spanish").unwrap().value;
        let added = core.edit(at(0), deck, |edit| edit.add_card("", ""));
        let card = added.unwrap().value;
        let mut typist = Self {
            core,
            deck,
            card,
            outputs: Vec::new(),
        };
        typist.settle(0);
        typist
    }

    /// Everything that is to be saved is saved, at once.
    fn settle(&mut self, millis: u64) {
        while let Some(output) = self.core.poll() {
            if let Output::Save { ticket, .. } = &output {
                let (ticket, result) = (*ticket, Ok(()));
                self.core.handle(at(millis), Input::Saved { ticket, result });
            }
            self.outputs.push(output);
        }
    }

    fn type_at(&mut self, millis: u64, place: usize, insert: &str) -> Result<Typed, EditError> {
        let op = Op::CardText {
            card: self.card.clone(),
            field: TextField::Front,
            splices: vec![Splice {
                at: place,
                delete: 0,
                insert: insert.to_owned(),
            }],
        };
        let typed = self.core.type_op(at(millis), self.deck, op);
        self.settle(millis);
        typed
    }

    fn tick(&mut self, millis: u64) {
        self.core.handle(at(millis), Input::Tick);
        self.settle(millis);
    }

    fn card(&self) -> Card {
        let log = self.core.log(self.deck).unwrap();
        log.document.card(&self.card).unwrap()
    }

    fn changes(&self) -> usize {
        crate::history::entry_count(&self.core.log(self.deck).unwrap().document)
    }

    /// When the core asked to be woken, and what became of what waited.
    fn heard(&mut self) -> (Vec<Time>, Vec<Told>) {
        let (mut wakes, mut typed) = (Vec::new(), Vec::new());
        for output in self.outputs.drain(..) {
            match output {
                Output::WakeAt(time) => wakes.push(time),
                Output::Typed { typed: one, result } => {
                    typed.push((one, result.map_err(|error| error.to_string())));
                }
                _ => {}
            }
        }
        (wakes, typed)
    }
}

fn waits(typed: Result<Typed, EditError>) -> Ticket {
    match typed.unwrap() {
        Typed::Waiting(ticket) => ticket,
        Typed::Done(_) => panic!("it should have waited"),
    }
}

#[test]
fn the_first_leaves_at_once_and_those_of_its_window_together_when_it_is_over() {
    let mut typist = Typist::new();
    let before = typist.changes();
    assert!(matches!(typist.type_at(0, 0, "h"), Ok(Typed::Done(Some(_)))));
    assert_eq!(
        (typist.card().front.as_str(), typist.changes()),
        ("h", before + 1)
    );
    let (first, second) = (typist.type_at(5, 1, "o"), typist.type_at(15, 2, "la"));
    let expected = [waits(first), waits(second)];
    typist.tick(15);
    assert_eq!(
        (typist.card().front.as_str(), typist.changes()),
        ("h", before + 1)
    );
    let (wakes, typed) = typist.heard();
    assert_eq!((wakes.last(), typed), (Some(&(at(0) + TYPING_WINDOW)), vec![]));
    typist.tick(16);
    assert_eq!(
        (typist.card().front.as_str(), typist.changes()),
        ("hola", before + 2)
    );
    let (_, typed) = typist.heard();
    let [(one, Ok(Some(a))), (other, Ok(Some(b)))] = typed.as_slice() else {
        panic!("{typed:?}");
    };
    assert_eq!(([*one, *other], a), (expected, b), "one batch makes both durable");
    // The next window began when the change was made.
    waits(typist.type_at(31, 4, "!"));
    typist.tick(32);
    assert_eq!(
        (typist.card().front.as_str(), typist.changes()),
        ("hola!", before + 3)
    );
    // After a window in which nothing waited, the next one leaves at once again.
    typist.tick(48);
    assert!(matches!(typist.type_at(49, 5, "?"), Ok(Typed::Done(Some(_)))));
}

#[test]
fn a_wake_up_that_comes_late_costs_time_and_nothing_else() {
    let mut typist = Typist::new();
    typist.type_at(0, 0, "a").unwrap();
    waits(typist.type_at(1, 1, "b"));
    // Nobody woke the core, and the window is long over: what waited is not overtaken by what comes now.
    assert!(matches!(typist.type_at(90, 2, "c"), Ok(Typed::Done(Some(_)))));
    assert_eq!(typist.card().front, "abc");
    assert_eq!(typist.heard().1.len(), 1);
}

#[test]
fn whatever_else_changes_the_deck_lets_what_waits_leave_first() {
    let mut typist = Typist::new();
    let (deck, card) = (typist.deck, typist.card.clone());
    typist.type_at(0, 0, "a").unwrap();
    waits(typist.type_at(1, 1, "b"));
    let edit = typist.core.edit(at(2), deck, |edit| {
        edit.splice_text(&card, TextField::Front, 2, 0, "c")
    });
    edit.unwrap();
    assert_eq!(typist.card().front, "abc");
    typist.type_at(3, 3, "d").unwrap();
    waits(typist.type_at(4, 4, "e"));
    typist.core.undo(at(5), deck).unwrap();
    assert_eq!(typist.card().front, "abcd", "what was typed last is taken back");
    typist.core.leave_all_typing(at(6));
    typist.settle(6);
    assert_eq!(typist.heard().1.len(), 2);
}

#[test]
fn what_is_not_possible_fails_alone() {
    let mut typist = Typist::new();
    typist.type_at(0, 0, "a").unwrap();
    let good = waits(typist.type_at(1, 1, "b"));
    let bad = waits(typist.type_at(2, 9, "x"));
    let also_good = waits(typist.type_at(3, 2, "c"));
    typist.tick(16);
    assert_eq!(typist.card().front, "abc");
    let (_, typed) = typist.heard();
    let told: Vec<(Ticket, bool)> = typed.iter().map(|(one, result)| (*one, result.is_ok())).collect();
    assert_eq!(told, [(good, true), (bad, false), (also_good, true)]);
    let beyond = OpError::BeyondText { at: 9, length: 2 }.to_string();
    assert_eq!(typed[1].1, Err(beyond));
}

#[test]
fn what_leaves_at_the_end_and_what_the_disk_refuses_is_told() {
    let mut typist = Typist::new();
    typist.type_at(0, 0, "a").unwrap();
    waits(typist.type_at(1, 1, "b"));
    typist.core.leave_all_typing(at(2));
    typist.settle(2);
    assert_eq!(typist.card().front, "ab");
    assert!(matches!(typist.heard().1.as_slice(), [(_, Ok(Some(_)))]));
    typist.type_at(3, 2, "c").unwrap();
    let lost = waits(typist.type_at(4, 3, "d"));
    let ticket = Ticket(u64::MAX);
    let result = Err("no space".to_owned());
    typist.core.handle(at(5), Input::Saved { ticket, result });
    typist.tick(19);
    let (_, typed) = typist.heard();
    assert!(
        matches!(typed.as_slice(), [(one, Err(_))] if *one == lost),
        "{typed:?}"
    );
    assert_eq!(typist.card().front, "abc");
    assert!(matches!(typist.type_at(20, 0, "x"), Err(EditError::Store(_))));
}

#[test]
fn without_a_window_each_is_a_change_of_its_own() {
    let mut typist = Typist::new();
    typist.core.set_typing_window(Duration::ZERO);
    let before = typist.changes();
    for number in 0..5 {
        assert!(matches!(typist.type_at(0, number, "x"), Ok(Typed::Done(Some(_)))));
    }
    assert_eq!(typist.changes(), before + 5);
}

#[test]
fn what_waits_is_bounded() {
    let mut typist = Typist::new();
    typist.type_at(0, 0, "x").unwrap();
    for number in 1..=TYPED_WAITING_MAX {
        waits(typist.type_at(1, number, "x"));
    }
    let next = typist.type_at(1, TYPED_WAITING_MAX + 1, "y");
    assert!(matches!(next, Ok(Typed::Done(Some(_)))));
    assert_eq!(typist.heard().1.len(), TYPED_WAITING_MAX);
    assert!(typist.card().front.ends_with("xy"));
}

#[test]
fn who_may_not_edit_is_told_at_once() {
    let mut typist = Typist::new();
    let stranger = DeckId::from_bytes([9; 32]);
    let op = Op::CardDelete {
        card: typist.card.clone(),
    };
    assert!(matches!(
        typist.core.type_op(at(0), stranger, op),
        Err(EditError::Deck(_))
    ));
}
