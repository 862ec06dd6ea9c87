//! Asking which terms lead to what the owner settled, and answering that. Why, says `log::lineage`.

use minicbor::bytes::ByteVec;

use crate::core::{Core, LinkId};
use crate::id::{DeckId, TermId};
use crate::limits::ITEMS_PER_MESSAGE_MAX;
use crate::sync::message::Message;

impl Core {
    /// More came than is kept without knowing whether it leads to what is settled: who sent it is asked, once.
    pub(super) fn ask_lineage(&mut self, link: LinkId, deck: DeckId) {
        let due = self.log_mut(deck).ok().and_then(|log| log.lineage_due());
        let (Some(term), Some(session)) = (due, self.session(link, deck)) else {
            return;
        };
        if session.asked_lineage.replace(term) != Some(term) {
            self.send(link, &Message::Whence { deck, term });
        }
    }

    /// Another asks which terms lead to one.
    pub(super) fn tell_lineage(&mut self, link: LinkId, deck: DeckId, term: TermId) {
        if self.session(link, deck).is_none() {
            return;
        }
        let Ok(log) = self.log(deck) else { return };
        // Records are durable before they are sent.
        let on_disk = log.chain.position(log.durable().term);
        let is_on_disk = log.chain.position(term).is_some_and(|at| Some(at) <= on_disk);
        if !is_on_disk && self.is_beside_unsaved(deck) {
            return;
        }
        let terms = log.chain.ancestry(term).filter_map(|term| log.chain.term(term));
        let terms = terms.take(ITEMS_PER_MESSAGE_MAX);
        let terms: Vec<ByteVec> = terms.map(|term| term.encode().into()).collect();
        if !terms.is_empty() {
            self.send(link, &Message::Lineage { deck, term, terms });
        }
    }
}
