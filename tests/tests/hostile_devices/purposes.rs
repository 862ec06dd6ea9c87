//! Signatures of the right device over the right content, made for another purpose.

use cuecard::DeckId;
use cuecard::Rights;
use cuecard::role::{
    self, Admit, Cause, Charter, Cut, Playing, Record, Says, Seal, Shown, Signed, Term, Verified, Withdrawal,
    Word,
};
use cuecard::sync::message::{Item, Message};
use cuecard::transport::DeviceKey;

use super::authority::*;
use super::world::*;

/// A record under its right signer's signature of the same content, made for `purpose`.
pub(crate) fn signed_for<T: Record>(
    record: &Verified<T>,
    purpose: &str,
    deck: DeckId,
    key: &DeviceKey,
) -> Vec<u8> {
    let bytes = record.encode();
    let body = &bytes[..bytes.len() - 64];
    let message = [purpose.as_bytes(), &[0], deck.as_bytes(), body].concat();
    [body, &key.sign(&message)].concat()
}

const PURPOSES: [&str; 10] = [
    "cuecard charter",
    "cuecard term",
    "cuecard seal",
    "cuecard draft",
    "cuecard draft withdrawal",
    "cuecard admission",
    "cuecard invite",
    "cuecard word",
    "cuecard presence",
    "cuecard playback",
];

/// The record as it would be under a signature for each purpose but its own.
fn for_each_purpose<T: Record>(
    record: &Verified<T>,
    own: &str,
    deck: DeckId,
    key: &DeviceKey,
) -> Vec<Vec<u8>> {
    assert_eq!(
        signed_for(record, own, deck, key),
        record.encode(),
        "it is signed for its own"
    );
    let others = PURPOSES.iter().filter(|purpose| **purpose != own);
    others
        .map(|purpose| signed_for(record, purpose, deck, key))
        .collect()
}

/// Whoever signs anything signs it for one purpose: no signature can be carried over to a record of another kind.
#[test]
fn a_signature_for_another_purpose_is_refused_by_name() {
    let mut world = World::new(76, Some(Rights::Hold));
    let phone = phone(&mut world);
    let (laptop, deck, mallory) = (world.laptop, world.deck, world.mallory.clone());
    let owner = world.sim.key(laptop).unwrap();
    let theirs = items(&mut world, phone, deck);
    let (document, at) = world.document();
    let mut messages = Vec::new();

    let mut charter = Signed::<Charter>::decode(&charter_of(&theirs))
        .unwrap()
        .claimed()
        .clone();
    charter.count += 1;
    let charter = charter.sign(&owner).unwrap();
    for bytes in for_each_purpose(&charter, "cuecard charter", deck, &owner) {
        messages.push(entries(&world, Item::Charter(bytes.into())));
    }
    let claim = Term {
        deck,
        parent: at.term,
        cause: Cause::Claim,
        cut: Cut {
            len: at.len,
            head: at.head,
        },
        holder: Some(mallory.id()),
        nonce: [1; 16],
        signer: mallory.id(),
    };
    for bytes in for_each_purpose(&claim.sign(&mallory).unwrap(), "cuecard term", deck, &mallory) {
        messages.push(entries(&world, Item::Term(bytes.into())));
    }
    let mut branch = document.fork_at(at.head).unwrap();
    let place = (at.term, at.len + 1);
    let slice = sealed(&world, &mut branch, place, "purpose", 1_750_000_000_000, &owner);
    let Item::Changes { seal, .. } = &slice else {
        panic!("a slice");
    };
    let genuine = *Signed::<Seal>::decode(seal).unwrap().claimed();
    for bytes in for_each_purpose(&genuine.sign(deck, &owner).unwrap(), "cuecard seal", deck, &owner) {
        let mut slice = slice.clone();
        if let Item::Changes { seal, .. } = &mut slice {
            *seal = bytes.into();
        }
        messages.push(entries(&world, slice));
    }
    let (change, head) = drafted(&world, &document, [4; 16], "purpose");
    let item = draft_item(&world, at.head, [4; 16], head, vec![change]);
    let draft = Signed::<role::Draft>::decode(&item.record)
        .unwrap()
        .claimed()
        .clone();
    for bytes in for_each_purpose(&draft.sign(&mallory).unwrap(), "cuecard draft", deck, &mallory) {
        let mut draft = item.clone();
        draft.record = bytes.into();
        messages.push(Message::Propose { deck, draft });
    }
    let withdrawal = Withdrawal {
        deck,
        author: mallory.id(),
        nonce: [4; 16],
        version: 1,
        signed_ms: 1,
    };
    for bytes in for_each_purpose(
        &withdrawal.sign(&mallory).unwrap(),
        "cuecard draft withdrawal",
        deck,
        &mallory,
    ) {
        let record = bytes.into();
        messages.push(Message::Withdraw { deck, record });
    }
    let admit = Admit {
        deck,
        epoch: charter.key_epoch.number,
        device: DeviceKey::from_bytes(&[88; 32]).id(),
        rights: Rights::Draft,
        signer: owner.id(),
    };
    for bytes in for_each_purpose(&admit.sign(&owner).unwrap(), "cuecard admission", deck, &owner) {
        messages.push(entries(&world, Item::Admit(bytes.into())));
    }
    let word = Word {
        deck,
        term: at.term,
        nonce: [4; 16],
        signer: mallory.id(),
        says: Says::Request { note: String::new() },
    };
    for bytes in for_each_purpose(&word.sign(&mallory).unwrap(), "cuecard word", deck, &mallory) {
        let bytes = bytes.into();
        messages.push(Message::Word { deck, bytes });
    }
    let shown = Shown {
        deck,
        signer: mallory.id(),
        sequence: 1,
        presence: None,
    };
    for bytes in for_each_purpose(&shown.sign(&mallory).unwrap(), "cuecard presence", deck, &mallory) {
        let bytes = bytes.into();
        messages.push(Message::Presence { deck, bytes });
    }
    let playing = Playing {
        deck,
        term: at.term,
        signer: mallory.id(),
        sequence: 1,
        said_ms: 1,
        track: None,
    };
    for bytes in for_each_purpose(
        &playing.sign(&mallory).unwrap(),
        "cuecard playback",
        deck,
        &mallory,
    ) {
        let (bytes, clock) = (bytes.into(), None);
        messages.push(Message::Playback { deck, bytes, clock });
    }
    assert_eq!(messages.len(), 9 * (PURPOSES.len() - 1));
    for message in &messages {
        let why = refusal(&mut world, phone, message);
        assert!(why.contains(WRONG_SIGNATURE), "{why}: {message:?}");
    }
    assert_unharmed(&mut world, phone);
}
