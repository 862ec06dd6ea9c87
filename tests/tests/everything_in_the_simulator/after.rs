//! When all is mended and quiet: what must hold.

use std::collections::BTreeSet;
use std::time::Duration;

use cuecard::core::{Core, DeckError};
use cuecard::time::Time;
use cuecard::{Event, Fate, Role};

use crate::forged::what_is_no_deck;
use crate::world::{Outcome, World};

const LONG: Duration = Duration::from_secs(180);

impl World {
    /// All cables whole, all devices running, all decks followed, the liar gone; and time.
    pub(crate) fn heal(&mut self) -> Outcome {
        for (a, b) in self.cables.clone() {
            self.sim.mend(a, b);
        }
        for &intruder in &self.intruders {
            self.sim.leave(intruder);
        }
        for peer in self.peers.clone() {
            self.attempt(peer, |core, now, deck| core.set_followed(now, deck, true));
        }
        self.settle("all hold the same")?;
        // Where nobody may edit, the owner takes the role; and what was late comes back with that.
        if self.editors().is_empty() {
            for peer in self.peers.clone() {
                self.attempt(peer, |core, now, deck| core.take_over(now, deck));
            }
            self.settle("all hold the same, with an editor again")?;
        }
        Ok(())
    }

    fn settle(&mut self, what: &str) -> Outcome {
        let end = self.sim.elapsed() + LONG;
        // What was done a moment ago nobody else knows of yet.
        while self.sim.elapsed() < end {
            self.sim.run_for(Duration::from_millis(500));
            if self.is_settled() {
                self.note_durable();
                return Ok(());
            }
        }
        Err(self.told(what))
    }

    fn is_settled(&mut self) -> bool {
        // Who has just woken up does nothing by itself.
        let wakes =
            |sim: &mut cuecard::sim::Sim, peer| sim.act(peer, |core, _| core.is_waking()) == Some(true);
        let peers = self.peers.clone();
        if peers.into_iter().any(|peer| wakes(&mut self.sim, peer)) {
            return false;
        }
        let saved = self.peers.iter().all(|&peer| self.sim.is_all_saved(peer));
        let linked = self.cables.iter().all(|&(a, b)| self.sim.is_linked(a, b));
        if !saved || !linked {
            return false;
        }
        // Terms without a change count, too: they say who may edit.
        let stands = self.peers.iter().map(|&peer| self.sim.position(peer, self.deck));
        let stands: BTreeSet<_> = stands.collect();
        if stands.len() != 1 || stands.contains(&None) {
            return false;
        }
        let beside = self.peers.iter().map(|&peer| self.sim.holdings(peer, self.deck));
        let beside: BTreeSet<_> = beside.collect();
        let one = beside.len() == 1 && self.editors().len() <= 1;
        one && self.lacks_audio().is_none() && self.believes_to_lack().is_none()
    }

    /// A device that believes that a linked one has more than it.
    fn believes_to_lack(&self) -> Option<String> {
        let of = |peer: &cuecard::sim::Peer| {
            let state = self.sim.sync_state(*peer, self.deck)?;
            let has_more = |device: &cuecard::DeviceSync| {
                let is_linked = matches!(device.reach, cuecard::Reach::Linked(_));
                let is_honest = self.peers.iter().any(|peer| self.sim.id(*peer) == device.device);
                is_linked && is_honest && device.stand.is_some_and(|stand| stand.ahead > 0)
            };
            let apart = state.devices.iter().find(|device| has_more(device))?;
            Some(format!("{peer:?} believes that it lacks something: {apart:?}"))
        };
        self.peers.iter().find_map(of)
    }

    /// A device that lacks audio which a card refers to. What went with a disk of which an older backup was put back, may be
    /// gone for all.
    fn lacks_audio(&self) -> Option<String> {
        for blob in self.blobs.keys() {
            let cards = self.sim.cards(self.peers[0], self.deck);
            let is_named = cards
                .iter()
                .any(|card| card.audio.values().any(|audio| audio.blob == *blob));
            let has = |peer: &&cuecard::sim::Peer| self.sim.holds_audio(**peer, *blob);
            let may_be_gone = !self.restored.is_empty() && !self.peers.iter().any(|peer| has(&peer));
            if is_named
                && !may_be_gone
                && let Some(peer) = self.peers.iter().find(|peer| !has(peer))
            {
                return Some(format!("{peer:?} lacks {blob:?}"));
            }
        }
        None
    }

    fn told(&mut self, what: &str) -> String {
        let mut text = format!(
            "seed {}: {what} did not come: {:?}",
            self.sim.seed(),
            self.trouble
        );
        let all: BTreeSet<_> = self
            .peers
            .iter()
            .flat_map(|&peer| self.sim.holdings(peer, self.deck))
            .collect();
        for peer in self.peers.clone() {
            let holdings = self.sim.holdings(peer, self.deck);
            let lacks: Vec<_> = all.difference(&holdings).collect();
            let mut events = self.sim.take_events(peer);
            events.retain(|event| !matches!(event, Event::Changed { .. } | Event::SafeWith { .. }));
            let latest = events.split_off(events.len().saturating_sub(5));
            text += &format!(
                "\n{peer:?} {:?}: head {:?}, {:?}, saved {}, lacks {lacks:?}, latest {latest:?}",
                self.sim.id(peer),
                self.sim.head(peer, self.deck),
                self.sim.role(peer, self.deck),
                self.sim.is_all_saved(peer),
            );
        }
        text += &format!("\naudio: {:?}\n{:?}", self.lacks_audio(), self.believes_to_lack());
        text
    }

    /// A device that was told that a deck is broken, or that an honest device said or sent what is against the rules.
    fn blamed(&mut self) -> Option<String> {
        let honest: Vec<_> = self.peers.iter().map(|peer| self.sim.id(*peer)).collect();
        let is_blame = |event: &Event| match event {
            Event::DeckBroken { .. } => true,
            Event::Refused { device, .. } | Event::AudioSourceBanned { device, .. } => {
                honest.contains(device)
            }
            _ => false,
        };
        let is_forged = |event: &Event| match event {
            Event::Refused { device, why } if !honest.contains(device) => {
                let rules = ["not part of the schema", "not in its past", "does not say what"];
                rules.iter().any(|rule| why.contains(rule))
            }
            _ => false,
        };
        for peer in self.peers.clone() {
            let told = self.sim.take_events(peer);
            self.refused += told.iter().filter(|event| is_forged(event)).count() as u64;
            if let Some(blame) = told.into_iter().find(is_blame) {
                return Some(format!("{peer:?} was told {blame:?}"));
            }
        }
        None
    }

    /// What holds at any time: a deck is the path that counts, and nobody believes that one may edit who may not.
    pub(crate) fn check_meanwhile(&self) -> Outcome {
        let (seed, deck, mallory) = (self.sim.seed(), self.deck, self.mallory.id());
        for &peer in &self.peers {
            let head = self.sim.head(peer, deck);
            if self.sim.document_heads(peer, deck) != head.into_iter().collect::<Vec<_>>() {
                return Err(format!(
                    "seed {seed}: the document of {peer:?} is not the canonical path"
                ));
            }
            let role = self.sim.role(peer, deck);
            let is_hers = matches!(role, Some(Role::Viewer { editor, .. }) if editor == mallory);
            if is_hers && !self.trouble.mallory_holds {
                return Err(format!("seed {seed}: {peer:?} believes that mallory may edit"));
            }
        }
        Ok(())
    }

    pub(crate) fn check(&mut self) -> Outcome {
        let (seed, deck) = (self.sim.seed(), self.deck);
        let wrong = |what: String| Err(format!("seed {seed}: {what}"));
        if let Some(early) = self.sim.sent_too_early().first() {
            return wrong(format!("sent before it was durable: {early:?}"));
        }
        if let Some(blamed) = self.blamed() {
            return wrong(blamed);
        }
        let first = self.peers[0];
        let cards = self.sim.cards(first, deck);
        self.check_meanwhile()?;
        let mut editors = 0;
        for peer in self.peers.clone() {
            if self.sim.cards(peer, deck) != cards {
                return wrong(format!("{peer:?} has other cards"));
            }
            let unaccepted = self.sim.unaccepted(peer, deck);
            if !unaccepted.is_empty() {
                return wrong(format!(
                    "{peer:?} has in the deck what nobody accepted: {unaccepted:?}"
                ));
            }
            if self.sim.strayed(peer).is_some() {
                return wrong(format!("who listens to {peer:?} has another deck than it"));
            }
            let proofs = self
                .sim
                .act(peer, |core, _| core.proofs(deck))
                .ok_or("it does not run")?;
            let mut proofs = proofs.map_err(|error| error.to_string())?;
            self.proofs += proofs.len() as u64;
            proofs.retain(|proof| proof.a.signed_by() != self.mallory.id());
            if !proofs.is_empty() {
                return wrong(format!(
                    "{peer:?} holds that an honest device sealed two lines: {proofs:?}"
                ));
            }
            editors += usize::from(matches!(self.sim.role(peer, deck), Some(Role::Editor { .. })));
        }
        if editors != 1 {
            return wrong(format!("{editors} may edit"));
        }
        // Only she makes what would be no deck; all hold the same of it, and the same drafts.
        if self.forged > 0 {
            let whole = self.sim.document(first, deck).into_iter();
            let drafts = self.sim.draft_documents(first, deck).into_iter();
            let documents = whole.map(|deck| (deck, false));
            for (document, is_draft) in documents.chain(drafts.map(|draft| (draft, true))) {
                if let Some(what) = what_is_no_deck(&document, is_draft) {
                    return wrong(format!("what {first:?} holds is no deck: {what}"));
                }
            }
        }
        let left = |core: &mut Core, _: Time, deck| {
            let mut late = core.late_work(deck)?;
            late.retain(|late| matches!(core.why_late_work_asks(deck, late), Ok(None)));
            Ok::<_, DeckError>(late)
        };
        for editor in self.editors() {
            let left = self.attempt(editor, left).unwrap_or_default();
            if let Some(first) = left.first().copied() {
                let accept = |core: &mut Core, now: Time| {
                    core.accept_late_work(now, deck, first.term, first.head).map(drop)
                };
                let accepted = self.sim.act(editor, accept);
                let of = self.peers.iter().find(|peer| self.sim.id(**peer) == first.author);
                return wrong(format!(
                    "nobody need be asked, and it did not come back: {left:?}, of {of:?}; by hand: {accepted:?}"
                ));
            }
        }
        for written in self.written.iter().filter(|written| written.durable) {
            let fates: Vec<_> = self
                .peers
                .iter()
                .map(|&peer| self.sim.fate(peer, deck, written.change))
                .collect();
            let kept = match written.draft {
                None => {
                    let all = fates.iter().all(|fate| *fate == fates[0]);
                    all && matches!(fates[0], Some(Fate::Canonical | Fate::Late))
                }
                Some(_) => self.sim.fate(written.by, deck, written.change).is_some(),
            };
            if !kept {
                return wrong(format!("{written:?} became {fates:?}"));
            }
        }
        Ok(())
    }

    /// What is edited now reaches everybody.
    pub(crate) fn go_on(&mut self) -> Outcome {
        let [editor] = self.editors()[..] else {
            return Err("nobody, or more than one, may edit".to_owned());
        };
        let add = |core: &mut Core, now, deck| {
            core.edit(now, deck, |edit| edit.add_card("the last one", "?").map(drop))
                .map(drop)
        };
        self.attempt(editor, add).ok_or("the editor may not edit")?;
        self.settle("all hold what was added in the end")?;
        let has_it = |peer: &cuecard::sim::Peer| {
            let cards = self.sim.cards(*peer, self.deck);
            cards.iter().any(|card| card.front == "the last one")
        };
        if self.peers.iter().all(has_it) {
            return Ok(());
        }
        let seed = self.sim.seed();
        Err(self.told(&format!("seed {seed}: the last card, of {editor:?}")))
    }
}
