//! Cables that a test tampers with: messages that are lost, come twice, or are said again on another link.

use bytes::Bytes;
use cuecard_transport::Lane;

use crate::id::LinkId;
use crate::sim::{Peer, Sim};
use crate::sync::envelope;
use crate::sync::message::Message;

/// How often a message arrives; without one, a frame of audio.
pub(super) type Tampering = Box<dyn Fn(Option<&Message>) -> usize + Send>;

impl Sim {
    /// From now on everything that a device says to another arrives as often as this says: a message, or (none) a frame of
    /// audio. Once is what an honest cable does.
    pub fn tamper(&mut self, arrives: impl Fn(Option<&Message>) -> usize + Send + 'static) {
        self.tampering = Some(Box::new(arrives));
    }

    /// From now on everything arrives once.
    pub fn tamper_no_more(&mut self) {
        self.tampering = None;
    }

    pub(super) fn arrives(&self, lane: Lane, bytes: &Bytes) -> Option<usize> {
        let tampering = self.tampering.as_ref()?;
        match lane {
            Lane::Binary => Some(tampering(None)),
            Lane::Control => Some(tampering(Some(&envelope::open(bytes).ok()?))),
        }
    }

    pub(super) fn listener(&self, link: LinkId) -> Option<Peer> {
        self.links.iter().find_map(|wire| wire.other_end(link)).map(Peer)
    }

    /// What devices said to each other since [`Sim::record`], who said it, and to whom.
    pub fn recorded_ways(&self) -> impl Iterator<Item = (Peer, Peer, Lane, &Bytes)> {
        let ways = self.speakers.iter().zip(&self.listeners);
        let said = self.recorded().iter().zip(ways);
        said.filter_map(|((lane, bytes), (from, to))| Some((*from, (*to)?, *lane, bytes)))
    }

    /// A device says something again, on the link that it has now. Whether it has one.
    pub fn say_again(&mut self, (from, to): (Peer, Peer), lane: Lane, bytes: &Bytes) -> bool {
        let now = self.now;
        let wires = self
            .links
            .iter_mut()
            .filter(|wire| wire.joins(from.0, to.0) && wire.is_up());
        let mut said = false;
        for wire in wires {
            if let Some(link) = wire.number_at(from.0) {
                wire.send(now, link, lane, bytes.clone());
                said = true;
            }
        }
        said
    }
}
