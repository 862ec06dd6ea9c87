//! What is written in the story: a deck of Spanish words, and what two people make of it.

use crate::peer::protocol::CardEdit;

/// What the deck is called.
pub(super) const TITLE: &str = "Spanish 101";
/// The card with the melody.
pub(super) const SUNG: &str = "hola";
/// What the draft's author says of it.
pub(super) const NOTE: &str = "sea and manners";

/// The first cards.
pub(super) const WORDS: [(&str, &str); 12] = [
    ("hola", "hello"),
    ("gracias", "thank you"),
    ("la casa", "the house"),
    ("el perro", "the dog"),
    ("el gato", "the cat"),
    ("el libro", "the book"),
    ("el agua", "the water"),
    ("el pan", "the bread"),
    ("la leche", "the milk"),
    ("el amigo", "the friend"),
    ("la ciudad", "the city"),
    ("mañana", "tomorrow"),
];

/// The deck when all is told: front, back, tag. The order is not fixed: two people put cards at its end at one time.
pub(super) const AT_THE_END: [(&str, &str, Option<&str>); 20] = [
    ("domingo", "Sunday", None),
    ("el agua", "the water (feminine)", None),
    ("el amigo", "the friend (male)", None),
    ("el gato", "the cat (male)", None),
    ("el mar", "the sea", Some("nature")),
    ("el perro", "the dog (male)", None),
    ("gracias", "thank you", Some("polite")),
    ("hola", "hello (greeting)", Some("basics")),
    ("jueves", "Thursday", None),
    ("la casa", "at the house (building)", None),
    ("la ciudad", "the city", None),
    ("la leche", "the milk", None),
    ("la montaña", "the mountain", None),
    ("la playa", "the beach", None),
    ("lunes", "Monday (the week begins)", None),
    ("martes", "Tuesday", None),
    ("mañana", "tomorrow (or: morning)", None),
    ("miércoles", "Wednesday", None),
    ("sábado", "Saturday (the weekend begins)", None),
    ("viernes", "Friday", None),
];

/// The first cards, as edits.
pub(super) fn first() -> Vec<CardEdit> {
    WORDS.iter().map(|(front, back)| add(front, back)).collect()
}

/// What the editor does while the cable is cut: each is one change, and none undoes another.
pub(super) fn offline() -> Vec<CardEdit> {
    let mut edits = vec![
        behind("hola", " (greeting)"),
        behind("la casa", " (building)"),
        behind("el perro", " (male)"),
        behind("el gato", " (male)"),
        behind("el libro", " (noun)"),
        behind("el agua", " (feminine)"),
        behind("el amigo", " (male)"),
        behind("mañana", " (or: morning)"),
        move_behind("mañana", "gracias"),
        move_behind("la ciudad", "la casa"),
        move_behind("el amigo", "el perro"),
        move_behind("la leche", "el agua"),
    ];
    let days = [
        ("lunes", "Monday"),
        ("martes", "Tuesday"),
        ("miércoles", "Wednesday"),
        ("jueves", "Thursday"),
        ("viernes", "Friday"),
        ("sábado", "Saturday"),
        ("domingo", "Sunday"),
    ];
    edits.extend(days.iter().map(|(front, back)| add(front, back)));
    edits.extend([delete("el pan"), delete("el libro"), tag("hola", "basics")]);
    edits
}

/// What the other device proposes meanwhile; one of its cards is edited on both sides.
pub(super) fn draft() -> Vec<CardEdit> {
    let before = CardEdit::Before {
        card: "la casa".to_owned(),
        piece: "at ".to_owned(),
    };
    vec![add("el mar", "the sea"), before, tag("gracias", "polite")]
}

/// What the new editor does.
pub(super) fn after_handover() -> Vec<CardEdit> {
    vec![tag("el mar", "nature"), behind("lunes", " (the week begins)")]
}

/// What the editor writes while it cannot know that the role was taken over.
pub(super) fn late() -> Vec<CardEdit> {
    vec![add(LATE, "the beach"), behind("sábado", " (the weekend begins)")]
}

/// The card that is written late.
pub(super) const LATE: &str = "la playa";

/// What the owner writes after it took the role over.
pub(super) fn taken_over() -> Vec<CardEdit> {
    vec![add("la montaña", "the mountain")]
}

/// An edit that no viewer may make.
pub(super) fn not_allowed() -> CardEdit {
    add("prohibido", "forbidden")
}

fn add(front: &str, back: &str) -> CardEdit {
    CardEdit::Add {
        front: front.to_owned(),
        back: back.to_owned(),
    }
}

fn behind(card: &str, piece: &str) -> CardEdit {
    CardEdit::Behind {
        card: card.to_owned(),
        piece: piece.to_owned(),
    }
}

fn move_behind(card: &str, after: &str) -> CardEdit {
    CardEdit::Move {
        card: card.to_owned(),
        after: after.to_owned(),
    }
}

fn delete(card: &str) -> CardEdit {
    CardEdit::Delete {
        card: card.to_owned(),
    }
}

fn tag(card: &str, tag: &str) -> CardEdit {
    CardEdit::Tag {
        card: card.to_owned(),
        tag: tag.to_owned(),
    }
}
