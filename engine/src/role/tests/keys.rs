//! The deck's key, wrapped: each member opens its own, nobody else anything, and no bytes fit anywhere but where they belong.

use super::*;

fn key() -> DeckKey {
    DeckKey::from_bytes([0x77; 32])
}

fn wrap(deck: &Deck, epoch: u32, to: &[usize]) -> WrappedKeys {
    let devices = to.iter().map(|&who| deck.device(who));
    WrappedKeys::wrap(deck.id(), epoch, &key(), &[9; 32].into(), devices)
}

#[test]
fn each_member_opens_its_own_and_others_nothing() {
    let deck = Deck::new();
    let wrapped = wrap(&deck, 1, &[0, 1, 2]);
    for who in 0..3 {
        assert_eq!(wrapped.unwrap_with(&deck.keys[who]), Some(key()), "device {who}");
    }
    for who in 3..5 {
        assert_eq!(wrapped.unwrap_with(&deck.keys[who]), None, "device {who}");
    }
    // The key pair that was used for this epoch opens nothing either: it is no member.
    assert_eq!(wrapped.unwrap_with(&DeviceKey::from_bytes(&[9; 32])), None);
}

/// What is wrapped for one member, deck or epoch, moved to another place: its tag does not fit there.
#[test]
fn what_is_wrapped_opens_in_its_own_place_only() {
    let deck = Deck::new();
    let bytes = wrap(&deck, 1, &[1, 2]).encode();
    let opens = |bytes: &[u8], who: usize| {
        let wrapped = WrappedKeys::decode(bytes).unwrap();
        wrapped.unwrap_with(&deck.keys[who]).is_some()
    };
    assert!(opens(&bytes, 1) && opens(&bytes, 2));
    let mut other_deck = bytes.clone();
    other_deck[2] ^= 1;
    let mut other_epoch = bytes.clone();
    other_epoch[2 + 32] ^= 2;
    let mut other_ephemeral = bytes.clone();
    other_ephemeral[38..70].copy_from_slice(deck.device(3).as_bytes());
    // Each has the other's: an entry is 32 + 32 + 16 bytes.
    let (first, second) = (71 + 32..71 + 80, 71 + 80 + 32..71 + 160);
    let mut swapped = bytes.clone();
    swapped[first.clone()].copy_from_slice(&bytes[second.clone()]);
    swapped[second].copy_from_slice(&bytes[first]);
    for wrong in [other_deck, other_epoch, other_ephemeral, swapped] {
        assert!(!opens(&wrong, 1) && !opens(&wrong, 2));
    }
}

#[test]
fn a_charter_names_one_set_of_wrapped_keys() {
    let deck = Deck::new();
    let wrapped = wrap(&deck, 1, &[0, 1]);
    assert_eq!(wrapped.epoch().number, 1);
    let same = WrappedKeys::decode(&wrapped.encode()).unwrap();
    assert_eq!(same.epoch(), wrapped.epoch());
    for other in [wrap(&deck, 2, &[0, 1]), wrap(&deck, 1, &[0, 1, 2])] {
        assert_ne!(other.epoch(), wrapped.epoch());
    }
}

#[test]
fn an_id_that_is_no_key_gets_nothing_and_stops_nobody() {
    let deck = Deck::new();
    let nobody = [[0; 32], [2; 32]].map(DeviceId::from_bytes);
    let devices = nobody.into_iter().chain([deck.device(1), deck.device(1)]);
    let wrapped = WrappedKeys::wrap(deck.id(), 1, &key(), &[9; 32].into(), devices);
    assert_eq!(wrapped.unwrap_with(&deck.keys[1]), Some(key()));
    assert_eq!(wrapped.encode().len(), 71 + 80, "one entry");
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?} {:?}", key(), DeviceKey::from_bytes(&[0x77; 32]));
    assert!(!printed.contains("77") && !printed.contains("119"), "{printed}");
}
