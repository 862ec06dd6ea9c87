//! Every list in a message has an end: as many as it may have are read, and one more is refused.

use super::envelope;
use super::message::*;
use crate::id::{ChangeHash, DeckId, DraftId, TermId};
use crate::limits::*;
use crate::sync::holdings::{Digest, Holding};

const DECK: DeckId = DeckId::from_bytes([1; 32]);

fn at() -> Position {
    Position {
        term: TermId::from_bytes([2; 32]),
        len: 1,
        head: ChangeHash([3; 32]),
    }
}

fn none() -> minicbor::bytes::ByteVec {
    vec![].into()
}

fn slice(changes: usize) -> Message {
    let items = vec![Item::Changes {
        term: at().term,
        from: 1,
        changes: vec![none(); changes],
        seal: none(),
        after: at().head,
    }];
    Message::Entries { deck: DECK, items }
}

fn status(positions: usize) -> Message {
    Message::Status {
        deck: DECK,
        charter: None,
        locator: vec![at(); positions],
        beside: Digest([0; 32]),
        changes: 0,
    }
}

fn draft(changes: usize) -> Message {
    let (record, changes) = (none(), vec![none(); changes]);
    let draft = DraftItem { record, changes };
    Message::Propose { deck: DECK, draft }
}

fn marks(count: usize) -> Message {
    let mark = DraftMark {
        draft: DraftId::from_bytes([4; 32]),
        version: 1,
        head: [5; 32],
        withdrawn: 0,
    };
    Message::DraftsHeld {
        deck: DECK,
        whole: true,
        marks: vec![mark; count],
    }
}

fn new_key(charters: usize) -> Message {
    Message::NewKey {
        deck: DECK,
        proof: DeckProof([6; 16]),
        genesis: none(),
        charters: vec![none(); charters],
        keys: none(),
    }
}

fn ping(decks: usize) -> Message {
    let pulse = DeckPulse {
        deck: DECK,
        held: at(),
        beside: Digest([0; 32]),
        changes: 1,
    };
    Message::Ping {
        number: 1,
        decks: vec![pulse; decks],
    }
}

fn doubt(devices: usize) -> Message {
    let devices = vec![cuecard_transport::DeviceId::from_bytes([7; 32]).into(); devices];
    Message::Doubt { deck: DECK, devices }
}

#[test]
fn as_many_as_a_list_may_have_are_read_and_one_more_is_refused() {
    type Make = fn(usize) -> Message;
    let entries: Make = |count| Message::Entries {
        deck: DECK,
        items: vec![Item::Charter(none()); count],
    };
    let branches: Make = |count| Message::Branches {
        deck: DECK,
        items: vec![Item::Charter(none()); count],
    };
    let holdings: Make = |count| Message::Holdings {
        deck: DECK,
        held: vec![Holding::Record([8; 32]); count],
    };
    let lineage: Make = |count| Message::Lineage {
        deck: DECK,
        term: at().term,
        terms: vec![none(); count],
    };
    let greeting: Make = |count| {
        let early = EarlyStatus {
            place: 0,
            sealed: none(),
        };
        Message::Greet {
            version: PROTOCOL_VERSION,
            name: String::new(),
            proofs: vec![],
            early: vec![early; count],
        }
    };
    let lists: [(&str, usize, Make); 12] = [
        ("changes in a slice", SLICE_CHANGES_MAX, slice),
        ("positions in a locator", LOCATOR_POSITIONS_MAX, status),
        ("items in entries", ITEMS_PER_MESSAGE_MAX, entries),
        ("items in branches", ITEMS_PER_MESSAGE_MAX, branches),
        ("holdings", HOLDINGS_MAX, holdings),
        ("terms in a lineage", ITEMS_PER_MESSAGE_MAX, lineage),
        (
            "changes in a draft",
            usize::try_from(DRAFT_CHANGES_MAX).unwrap(),
            draft,
        ),
        ("marks of drafts", DRAFT_MARKS_MAX, marks),
        ("charters", CHARTERS_MAX, new_key),
        ("statuses in a greeting", DECKS_PER_LINK_MAX, greeting),
        ("pulses", DECKS_PER_LINK_MAX, ping),
        ("devices in doubt", DOUBTED_MAX, doubt),
    ];
    for (what, most, make) in lists {
        let most_of_it = make(most);
        assert_eq!(
            envelope::open(&envelope::seal_up(&most_of_it)),
            Ok(most_of_it),
            "{what}"
        );
        let refused = envelope::open(&envelope::seal_up(&make(most + 1)));
        let why = refused.map(drop).unwrap_err().to_string();
        assert!(
            why.contains(&format!("a list of more than {most}")),
            "{what}: {why}"
        );
    }
}
