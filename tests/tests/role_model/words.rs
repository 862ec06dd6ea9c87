//! Words about the role leave no trace: no disk has another record for all that was said. So they are in no set of
//! records, and the model does without them (see `main.rs`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cuecard::core::Core;
use cuecard::disk::{self, snapshot::Origin};
use cuecard::role::{Says, Signed, Word};
use cuecard::sim::{Peer, Sim};
use cuecard::sync::message::Message;
use cuecard::transport::memory::Conditions;
use cuecard::{AutoClaim, DeckId, Member, Policies, Rights, Role, SettlePolicy};

/// How many words of each kind went over a cable, in the order of `Says`.
static SAID: [AtomicUsize; 6] = [const { AtomicUsize::new(0) }; 6];

/// Swallows nothing, and counts.
fn count(message: &Message) -> bool {
    if let Message::Word { bytes, .. } = message {
        let word = Signed::<Word>::decode(bytes).unwrap();
        let kind = match &word.claimed().says {
            Says::Request { .. } => 0,
            Says::Denial { .. } => 1,
            Says::Beat { .. } => 2,
            Says::Echo { .. } => 3,
            Says::Question => 4,
            Says::Answer { .. } => 5,
        };
        SAID[kind].fetch_add(1, Ordering::Relaxed);
    }
    false
}

/// All records and changes that a device has of the deck. (Beside them it notes what others hold.)
fn kept(sim: &Sim, peer: Peer, deck: DeckId) -> String {
    let store = sim.store(peer).unwrap();
    let (_, keys) = disk::decks(store).unwrap().pop().unwrap();
    let image = disk::load(store, deck, &keys.unwrap(), Origin::Log).unwrap();
    format!("{:?} {:?}", image.records, image.tails)
}

#[test]
fn every_kind_of_word_is_said_and_no_disk_has_anything_of_it() {
    let mut sim = Sim::new(1);
    let peers = ["0", "1", "2", "3", "4"].map(|name| sim.device(name));
    let (owner, asks) = (peers[0], peers[1]);
    let create = |core: &mut Core, now| core.create_deck(now, "Spanish").unwrap().value;
    let deck = sim.act(owner, create).unwrap();
    let key = sim.act(owner, |core, _| core.deck_key(deck).unwrap()).unwrap();
    sim.run_for(Duration::from_secs(1));
    let holds = |(rank, peer): (u16, &Peer)| Member {
        device: sim.id(*peer),
        rights: Rights::Hold,
        rank,
    };
    let mut members: Vec<Member> = (1..).zip(&peers[1..]).map(holds).collect();
    members.sort_by_key(|member| member.device);
    let set = |core: &mut Core, now| core.set_members(now, deck, members).map(drop).unwrap();
    sim.act(owner, set).unwrap();
    for &peer in &peers {
        sim.act(peer, |core, now| core.join_deck(now, deck, key));
        let policies = Policies {
            auto_claim: AutoClaim::After(Duration::from_secs(3)),
            settle: SettlePolicy::ByHand,
            ..Policies::default()
        };
        sim.act(peer, |core, _| core.set_policies(deck, policies).unwrap());
    }
    for (at, &a) in peers.iter().enumerate() {
        for &b in &peers[at + 1..] {
            sim.connect(a, b, Conditions::PERFECT);
            sim.swallow(a, b, count);
        }
    }
    sim.run_for(Duration::from_secs(90));
    let before = peers.map(|peer| kept(&sim, peer, deck));

    // The two last ones are alone: they miss the editor, ask each other, and are too few to claim.
    for &a in &peers[..3] {
        for &b in &peers[3..] {
            sim.cut(a, b);
        }
    }
    let request = |core: &mut Core, now| core.request_role(now, deck, "my turn").map(drop).unwrap();
    sim.act(asks, request).unwrap();
    sim.run_for(Duration::from_secs(20));
    let device = sim.id(asks);
    let deny = |core: &mut Core, now| core.deny(now, deck, device, "not now").map(drop).unwrap();
    sim.act(owner, deny).unwrap();
    sim.run_for(Duration::from_secs(20));
    let said = SAID.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert!(
        said.iter().all(|count| *count > 0),
        "every kind was said: {said:?}"
    );
    for (peer, before) in peers.into_iter().zip(before) {
        assert_eq!(kept(&sim, peer, deck), before, "{peer:?} has kept something");
    }
    assert!(
        matches!(sim.role(owner, deck), Some(Role::Editor { .. })),
        "nothing came of it"
    );
    // What they watch can change: an edit is there at once.
    let before = kept(&sim, owner, deck);
    sim.act(owner, |core, now| {
        core.edit(now, deck, |edit| edit.add_card("uno", "?"))
            .map(drop)
            .unwrap()
    });
    sim.run_for(Duration::from_secs(1));
    assert_ne!(kept(&sim, owner, deck), before);
}
