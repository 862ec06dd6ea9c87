//! A device that is behind, and one that has nothing, beside what Automerge alone does with the same changes.

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use automerge::sync::{Message, State, SyncDoc};
use automerge::{Automerge, Change};
use cuecard::export::ExportWith;
use cuecard::transport::CloseReason;
use cuecard::transport::memory::{Conditions, pair};
use cuecard::{Deck, Engine, Rights};
use cuecard_tests::engines::until_so;
use cuecard_tests::real::tally::{Counted, Tally};

use crate::fixture::{add_cards, deck_in_memory, edit_one, fill, runtime_for_two as runtime};
use crate::runner::{Table, Target, Unit, in_turns, middle, timed};

const CARDS: usize = 1_000;
/// A path on which round trips can be counted by the clock: a tenth of a second each, so that the work in between is
/// little beside them.
const FAR: Duration = Duration::from_millis(50);

/// What a catch-up took: time, and bytes both ways.
#[derive(Clone, Copy)]
struct Passed {
    took: Duration,
    bytes: u64,
    /// How many greetings are among that, and how many bytes they have.
    greetings: (u64, u64),
}

impl Passed {
    fn without_greetings(self) -> f64 {
        (self.bytes - self.greetings.1) as f64
    }
}

/// Links two and waits until one has all that the other has; keeps the link.
async fn link_up(
    ahead: (&Engine, &Deck),
    behind: (&Engine, &Deck),
    conditions: Conditions,
) -> (Passed, impl AsyncFnOnce()) {
    let (ours, theirs) = pair(ahead.0.device(), behind.0.device(), conditions, 1);
    let tally = Arc::new(Tally::default());
    let mut events = behind.0.events();
    let head = ahead.1.head().ok();
    let began = Instant::now();
    let here = ahead.0.attach(Arc::clone(&ours));
    let there = behind.0.attach(Counted::around(theirs, &tally));
    until_so(&mut events, "the rest", || behind.1.head().ok() == head).await;
    let passed = Passed {
        took: began.elapsed(),
        bytes: tally.received().0 + tally.sent().0,
        greetings: tally.greetings(),
    };
    (passed, async move || {
        ours.close(CloseReason::Here).await;
        here.ended().await;
        there.ended().await;
    })
}

/// A deck at two points of its life.
struct Deck2 {
    engine: Engine,
    deck: Deck,
    /// As it was, as a file with its key.
    early: Vec<u8>,
    /// The same without anything of ours.
    bare: Vec<u8>,
}

impl Deck2 {
    async fn new(behind: usize) -> Self {
        let engine = Engine::in_memory("ahead").expect("an engine");
        let deck = engine.create_deck("bench").await.expect("a deck");
        let cards = add_cards(&deck, CARDS).await;
        let with = ExportWith::default().and_key();
        let (early, _) = deck.export_to(Vec::new(), with).await.expect("it is exported");
        let bare = deck.automerge_document().expect("the deck");
        let have = deck.entry_count().expect("the deck");
        fill(&deck, &cards, have + behind).await;
        Self {
            engine,
            deck,
            early,
            bare,
        }
    }

    /// A device that is behind.
    async fn follower(&self) -> (Engine, Deck) {
        let engine = Engine::in_memory("behind").expect("an engine");
        let imported = engine.import_from(Cursor::new(self.early.clone())).await;
        (engine, imported.expect("it is imported").deck)
    }

    /// Links it and waits until it has all; what passed, too.
    async fn catch_up(&self, follower: &Engine, copy: &Deck, conditions: Conditions) -> Passed {
        let ahead = (&self.engine, &self.deck);
        let (passed, unlink) = link_up(ahead, (follower, copy), conditions).await;
        unlink().await;
        follower.shutdown().await.expect("it closes");
        passed
    }

    /// The changes that it is behind by, as they are.
    fn changes(&self) -> Vec<Vec<u8>> {
        let early = Automerge::load(&self.bare).expect("it loads");
        let late = self.deck.automerge_document().expect("the deck");
        let late = Automerge::load(&late).expect("it loads");
        let changes = late.get_changes(&early.get_heads());
        changes.iter().map(|change| change.raw_bytes().to_vec()).collect()
    }
}

/// What Automerge's own protocol sends, both ways, and in how many messages.
fn automerge_sync(behind: &[u8], ahead: &[u8]) -> (u64, u32) {
    let mut here = Automerge::load(ahead).expect("it loads");
    let mut there = Automerge::load(behind).expect("it loads");
    let (mut at_here, mut at_there) = (State::new(), State::new());
    let (mut bytes, mut messages) = (0, 0);
    loop {
        let up = there.generate_sync_message(&mut at_there).map(Message::encode);
        if let Some(up) = &up {
            let message = Message::decode(up).expect("a message");
            here.receive_sync_message(&mut at_here, message)
                .expect("it is taken");
        }
        let down = here.generate_sync_message(&mut at_here).map(Message::encode);
        if let Some(down) = &down {
            let message = Message::decode(down).expect("a message");
            there
                .receive_sync_message(&mut at_there, message)
                .expect("it is taken");
        }
        for message in [&up, &down].into_iter().flatten() {
            bytes += message.len() as u64;
            messages += 1;
        }
        if up.is_none() && down.is_none() {
            assert_eq!(here.get_heads(), there.get_heads());
            return (bytes, messages);
        }
    }
}

pub(crate) fn behind(table: &mut Table) {
    let runtime = runtime();
    for (behind, rounds) in [(1, 15), (100, 15), (10_000, 5)] {
        let at = runtime.block_on(Deck2::new(behind));
        let changes = at.changes();
        assert_eq!(changes.len(), behind);
        let mut all = Vec::new();
        let ours = || {
            runtime.block_on(async {
                let (follower, copy) = at.follower().await;
                let passed = at.catch_up(&follower, &copy, Conditions::PERFECT).await;
                all.push(passed);
                passed.took
            })
        };
        let base = || {
            let mut document = Automerge::load(&at.bare).expect("it loads");
            timed(|| {
                let read = |bytes: &Vec<u8>| Change::try_from(bytes.as_slice()).expect("a change");
                let changes: Vec<Change> = changes.iter().map(read).collect();
                document.apply_changes(changes).expect("they apply");
            })
        };
        let times = in_turns(rounds, ours, base);
        // One change takes less time than greeting does, whoever applies it.
        let target = if behind == 1 {
            Target::None
        } else {
            Target::AtMost(1.15)
        };
        let name = format!("{behind} behind");
        table.add(
            &format!("{name}, link to head, beside `apply_changes`"),
            Unit::TimeOfOne(1),
            target,
            times,
        );
        let late = at.deck.automerge_document().expect("the deck");
        let (theirs, messages) = automerge_sync(&at.bare, &late);
        table.add_once(
            &format!("{name}, bytes both ways, beside Automerge's own sync ({messages} messages)"),
            Unit::Kibibytes,
            Target::AtMost(1.0),
            most(&all, |passed| passed.bytes as f64),
            theirs as f64,
        );
        table.add_once(
            &format!("{name}, the same from the first status on, without greetings"),
            Unit::Kibibytes,
            Target::None,
            most(&all, |passed| passed.without_greetings()),
            theirs as f64,
        );
        table.add_one(
            &format!("{name}, greetings that passed, both ways, the most of all rounds"),
            Unit::Count,
            Target::None,
            most(&all, |passed| passed.greetings.0 as f64),
        );
        if behind == 1 {
            met_before(table, &runtime, theirs);
        }
        if behind < 10_000 {
            // What more of them cost would drown what the path costs.
            round_trips(table, &runtime, &at, &name);
        }
        runtime.block_on(at.engine.shutdown()).expect("it closes");
    }
}

/// By the clock, over a path on which a round trip takes far longer than all the work.
fn round_trips(table: &mut Table, runtime: &tokio::runtime::Runtime, at: &Deck2, name: &str) {
    let took = |conditions| {
        runtime.block_on(async {
            let (follower, copy) = at.follower().await;
            at.catch_up(&follower, &copy, conditions).await.took.as_secs_f64()
        })
    };
    let more = took(Conditions::latency(FAR)) - took(Conditions::PERFECT);
    table.add_one(
        &format!("{name}, round trips from link to head, greeting included"),
        Unit::Count,
        Target::None,
        more.max(0.0) / (2.0 * FAR.as_secs_f64()),
    );
}

fn most(all: &[Passed], of: impl Fn(Passed) -> f64) -> f64 {
    all.iter().map(|passed| of(*passed)).fold(0.0, f64::max)
}

/// One behind, as it is where a member comes back: the two have been linked before.
fn met_before(table: &mut Table, runtime: &tokio::runtime::Runtime, theirs: u64) {
    let passed = runtime.block_on(async {
        let (ahead, behind) = (Engine::in_memory("ahead"), Engine::in_memory("behind"));
        let (ahead, behind) = (ahead.expect("an engine"), behind.expect("an engine"));
        let deck = ahead.create_deck("bench").await.expect("a deck");
        let cards = add_cards(&deck, CARDS).await;
        let invite = deck.invite(Rights::Read).expect("an invite");
        let copy = behind.join(&invite).await.expect("joined");
        let (here, there) = ((&ahead, &deck), (&behind, &copy));
        let (_, unlink) = link_up(here, there, Conditions::PERFECT).await;
        for ((engine, deck), other) in [(here, behind.device()), (there, ahead.device())] {
            let mut events = engine.events();
            let is_met = || {
                let state = deck.sync_state().expect("the deck");
                let members = deck.members().expect("the deck");
                let is_member = |member: &cuecard::MemberInfo| member.device == behind.device();
                let stand = state.device(other).and_then(|device| device.stand);
                stand.is_some_and(cuecard::Stand::is_in_sync) && members.list.iter().any(is_member)
            };
            until_so(&mut events, "both know each other", is_met).await;
        }
        unlink().await;
        let mut all = Vec::new();
        for (at, conditions) in [Conditions::PERFECT, Conditions::latency(FAR)]
            .into_iter()
            .enumerate()
        {
            let edited = deck.edit(|edit| edit_one(edit, &cards, at)).await;
            edited.expect("an edit");
            let (passed, unlink) = link_up(here, there, conditions).await;
            all.push(passed);
            unlink().await;
        }
        behind.shutdown().await.expect("it closes");
        ahead.shutdown().await.expect("it closes");
        all
    });
    let [near, far] = passed[..] else { return };
    table.add_once(
        "1 behind, a member that comes back, bytes both ways, beside Automerge's own sync",
        Unit::Kibibytes,
        Target::AtMost(1.0),
        near.bytes as f64,
        theirs as f64,
    );
    let more = far.took.saturating_sub(near.took);
    table.add_one(
        "1 behind, a member that comes back, round trips from link to head, greeting included",
        Unit::Count,
        Target::None,
        more.as_secs_f64() / (2.0 * FAR.as_secs_f64()),
    );
}

/// Edits of another deck on a device that a deck comes to: what the engine does at a time is what they wait for.
pub(crate) fn edits_meanwhile(table: &mut Table) {
    const EVERY: Duration = Duration::from_millis(10);
    let runtime = runtime();
    for changes in [10_000, 100_000] {
        let late = runtime.block_on(async {
            let (engine, deck, _) = deck_in_memory(CARDS, changes).await;
            let joining = Engine::in_memory("new").expect("an engine");
            let other = joining.create_deck("another").await.expect("a deck");
            let cards = add_cards(&other, CARDS).await;
            let invite = deck.invite(Rights::Read).expect("an invite");
            let copy = joining.join(&invite).await.expect("joined");
            let (here, there) = pair(engine.device(), joining.device(), Conditions::PERFECT, 1);
            let head = deck.head().ok();
            let here = engine.attach(here);
            joining.attach(there);
            let (mut due, mut late, mut at) = (Instant::now(), Vec::new(), 0);
            while copy.head().ok() != head {
                // Each counts from when a person would have made it, also those that come late as the one before did.
                tokio::time::sleep_until(due.into()).await;
                at += 1;
                let edited = other.edit(|edit| edit_one(edit, &cards, at)).await;
                edited.expect("an edit");
                late.push(due.elapsed().as_secs_f64());
                due += EVERY;
            }
            joining.shutdown().await.expect("it closes");
            here.ended().await;
            late
        });
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            table.add_one(
                &format!("edit of another deck while {changes} changes come, {name}"),
                Unit::TimeOfOne(1),
                match name {
                    "p99" => Target::Within(Duration::from_millis(50)),
                    _ => Target::None,
                },
                middle(&late, share),
            );
        }
    }
}

pub(crate) fn new_device(table: &mut Table) {
    const CHANGES: usize = 100_000;
    let runtime = runtime();
    let (engine, deck) = runtime.block_on(async {
        let engine = Engine::in_memory("ahead").expect("an engine");
        let deck = engine.create_deck("bench").await.expect("a deck");
        let cards = add_cards(&deck, CARDS).await;
        fill(&deck, &cards, CHANGES).await;
        (engine, deck)
    });
    let saved = deck.automerge_document().expect("the deck");
    let ours = || {
        runtime.block_on(async {
            let joining = Engine::in_memory("new").expect("an engine");
            let invite = deck.invite(Rights::Read).expect("an invite");
            let copy = joining.join(&invite).await.expect("joined");
            let mut events = joining.events();
            let (here, there) = pair(engine.device(), joining.device(), Conditions::PERFECT, 1);
            let began = Instant::now();
            let here = engine.attach(here);
            joining.attach(there);
            let head = deck.head().ok();
            let wait = async {
                while copy.head().ok() != head {
                    events.next().await.expect("it runs");
                }
            };
            let waited = tokio::time::timeout(Duration::from_secs(300), wait).await;
            waited.expect("the deck within five minutes");
            let took = began.elapsed();
            joining.shutdown().await.expect("it closes");
            here.ended().await;
            took
        })
    };
    let base = || {
        // The transfer is within the process: a copy.
        timed(|| Automerge::load(&saved.clone()).expect("it loads"))
    };
    table.add(
        "new device, 100,000 changes, beside `Automerge::load` and the transfer",
        Unit::TimeOfOne(1),
        Target::AtMost(1.3),
        in_turns(2, ours, base),
    );
}
