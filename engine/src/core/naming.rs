//! What devices call themselves.

use std::collections::BTreeSet;

use cuecard_store::Batch;

use crate::core::{Core, LinkId};
use crate::disk;
use crate::id::DeviceId;
use crate::limits::NAMES_OF_OTHERS_MAX;

impl Core {
    /// Keeps what a device calls itself, once a link, and only of devices that share a deck with this one: a stranger
    /// gets no say over our disk.
    pub(super) fn note_name(&mut self, link: LinkId, peer: DeviceId, name: String) {
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        if state.sessions.is_empty() || std::mem::replace(&mut state.is_named, true) {
            return;
        }
        if self.names.get(&peer) == Some(&name) {
            return;
        }
        let mut batch = Batch::default();
        disk::put_name(&mut batch, peer, &name);
        self.names.insert(peer, name);
        for gone in self.names_too_many() {
            disk::drop_name(&mut batch, gone);
            self.names.remove(&gone);
        }
        self.save_beside(batch);
    }

    /// The names that are one too many: whoever has a key of a deck can be any number of devices. Those of members stay, of who
    /// wrote something that is here, and of who is linked.
    fn names_too_many(&self) -> Vec<DeviceId> {
        let too_many = self.names.len().saturating_sub(NAMES_OF_OTHERS_MAX);
        if too_many == 0 {
            return vec![];
        }
        let logs = || self.decks.values().filter_map(|state| state.log.as_ref());
        let writers: BTreeSet<DeviceId> = logs()
            .flat_map(|log| log.writers.values())
            .map(|writer| writer.device)
            .collect();
        let is_member = |device: &DeviceId| logs().any(|log| log.chain.rights(*device).is_some());
        let others = self.names.keys().copied();
        let others: Vec<DeviceId> = others
            .filter(|device| !writers.contains(device) && !is_member(device))
            .collect();
        let too_many = others.len().saturating_sub(NAMES_OF_OTHERS_MAX);
        let is_linked = |device: &DeviceId| self.links.values().any(|state| state.peer == *device);
        let mut gone = others;
        gone.retain(|device| !is_linked(device));
        gone.truncate(too_many);
        gone
    }
}
