//! What a person sees of a history: lanes, merges, runs.

use std::collections::BTreeMap;

use super::draw;
use crate::history::{Entry, History, OpTold};
use crate::text::Paint;

struct Story {
    history: History,
}

impl Story {
    fn new() -> Self {
        let devices = [("L", "laptop"), ("P", "phone")].map(|(id, name)| (id.to_owned(), name.to_owned()));
        Self {
            history: History {
                deck: "d".to_owned(),
                title: "Spanish".to_owned(),
                head: String::new(),
                devices: BTreeMap::from(devices),
                drafts: BTreeMap::from([("D".to_owned(), "two words".to_owned())]),
                late_work: 0,
                entries: Vec::new(),
            },
        }
    }

    fn entry(&mut self, hash: &str, device: &str, kind: Kind, op: &str, about: &str, deps: &[&str]) {
        let (term, draft) = match kind {
            Kind::Genesis => (None, None),
            Kind::Term(term) => (Some(term), None),
            Kind::Draft(draft) => (None, Some(draft.to_owned())),
        };
        let accepted = (op == "draft.accept").then(|| about.to_owned());
        let told = OpTold {
            op: op.to_owned(),
            card: None,
            text: accepted.is_none().then(|| about.to_owned()),
            draft: accepted,
            late: None,
        };
        let entry = Entry {
            hash: hash.to_owned(),
            deps: deps.iter().map(|&dep| dep.to_owned()).collect(),
            device: device.to_owned(),
            is_genesis: matches!(kind, Kind::Genesis),
            term,
            term_id: None,
            draft,
            time_ms: 1_000 * self.history.entries.len() as u64,
            ops: if matches!(kind, Kind::Genesis) {
                Vec::new()
            } else {
                vec![told]
            },
        };
        self.history.head = hash.to_owned();
        self.history.entries.insert(0, entry);
    }

    fn drawn(&self) -> String {
        let drawing = draw(&self.history, Paint::plain(), false, None);
        drawing
            .lines()
            .skip(2)
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Genesis,
    Term(u64),
    Draft(&'static str),
}

/// A deck, a draft beside offline edits, its acceptance, and the role handed over.
fn a_story() -> Story {
    let mut story = Story::new();
    story.entry("g", "L", Kind::Genesis, "", "", &[]);
    story.entry("a1", "L", Kind::Term(0), "card.add", "hola", &["g"]);
    story.entry("a2", "L", Kind::Term(0), "card.add", "casa", &["a1"]);
    story.entry("t1", "L", Kind::Term(0), "card.text", "hola", &["a2"]);
    story.entry("d1", "P", Kind::Draft("D"), "card.add", "mar", &["a2"]);
    story.entry("t2", "L", Kind::Term(0), "card.text", "casa", &["t1"]);
    story.entry("d2", "P", Kind::Draft("D"), "card.add", "sol", &["d1"]);
    story.entry("m", "L", Kind::Term(1), "draft.accept", "D", &["t2", "d2"]);
    story.entry("p", "P", Kind::Term(3), "card.tag", "sol", &["m"]);
    story
}

#[test]
fn lanes_merge_and_runs_are_drawn() {
    // The row of "casa" is where the draft begins: a run never hides what something else hangs on.
    let expected = "\x20 ●   phone   term 3     00:00:08  card.tag         sol  ← head
◉─┴─╮ laptop  term 1     00:00:07  draft.accept     \"two words\" by phone
│   ○ phone   draft      00:00:06  card.add ×2      mar, sol
●   │ laptop  term 0     00:00:05  card.text ×2     hola, casa
●───╯ laptop  term 0     00:00:02  card.add ×2      hola, casa
◆     laptop  beginning  00:00:00  deck.created     Spanish
";
    let drawn = a_story().drawn();
    assert_eq!(drawn, expected, "\n{drawn}");
}

#[test]
fn the_drawing_does_not_depend_on_the_order_of_arrival() {
    let story = a_story();
    let mut other = a_story();
    other.history.entries.reverse();
    assert_eq!(story.drawn(), other.drawn());
}

#[test]
fn drafts_that_overlap_take_lanes_of_their_own() {
    let mut story = Story::new();
    story.entry("g", "L", Kind::Genesis, "", "", &[]);
    story.entry("d1", "P", Kind::Draft("D"), "card.add", "mar", &["g"]);
    story.entry("e1", "P", Kind::Draft("E"), "card.add", "sol", &["g"]);
    story.entry("m1", "L", Kind::Term(0), "draft.accept", "D", &["g", "d1"]);
    story.entry("m2", "L", Kind::Term(0), "draft.accept", "E", &["m1", "e1"]);
    let drawn = story.drawn();
    let drafts: Vec<usize> = drawn
        .lines()
        .filter(|line| line.contains(" draft "))
        .filter_map(|line| line.find('○'))
        .collect();
    assert_eq!(drafts.len(), 2, "\n{drawn}");
    let columns: Vec<usize> = drawn
        .lines()
        .filter(|line| line.contains(" draft "))
        .filter_map(|line| line.chars().position(|character| character == '○'))
        .collect();
    assert_ne!(columns[0], columns[1], "\n{drawn}");
}

#[test]
fn hostile_names_and_texts_cannot_steer_the_terminal() {
    let mut story = Story::new();
    story
        .history
        .devices
        .insert("L".to_owned(), "lap\x1b[2Jtop".to_owned());
    story.entry("g", "L", Kind::Genesis, "", "", &[]);
    story.entry(
        "a",
        "L",
        Kind::Term(0),
        "card.add",
        "ho\u{202e}la\r\n\x07",
        &["g"],
    );
    let drawn = draw(&story.history, Paint::plain(), false, None);
    assert!(
        !drawn
            .chars()
            .any(|character| character.is_control() && character != '\n'),
        "{drawn:?}"
    );
    assert!(!drawn.contains('\u{202e}'), "{drawn:?}");
    assert_eq!(drawn.lines().count(), 4, "{drawn:?}");
}

/// A terminal would break a longer line in the middle of the lanes.
#[test]
fn nothing_is_wider_than_there_is_room_for_and_the_head_stays_marked() {
    let mut story = a_story();
    story.entry(
        "z1",
        "P",
        Kind::Term(3),
        "card.add",
        &"長い単語 ".repeat(9),
        &["p"],
    );
    for room in [100, 80, 72] {
        let drawn = draw(&story.history, Paint::plain(), true, Some(room));
        for line in drawn.lines() {
            assert!(crate::text::cells(line) <= room, "{room}: {line}");
        }
        assert!(drawn.contains("← head"), "{drawn}");
    }
}
