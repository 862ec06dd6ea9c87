//! A switch between two devices that loses everything without a word: what a pulled cable, a sleeping laptop or a dead
//! router look like. For tests and demonstrations.

use std::sync::Arc;

use tokio::sync::watch;

use crate::wire::{End, Lost};

/// A cloneable switch. While cut, nothing passes and nobody is told; clones are the same switch.
///
/// On a link in memory its ends are those of the link; on an endpoint's sockets that endpoint is [`End::A`], and [`End::B`] all
/// that it talks to.
#[derive(Debug, Clone, Default)]
pub struct Cable {
    lost: Arc<watch::Sender<Lost>>,
}

impl Cable {
    /// A cable in good order.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses everything from now on. There is no goodbye: links notice by their heartbeat.
    pub fn cut(&self) {
        self.lost.send_replace(Lost::both());
    }

    /// Loses what this end sends, from now on, and lets the rest pass: the silence is one-way.
    pub fn cut_one_way(&self, from: End) {
        self.lost.send_replace(Lost::one_way(from));
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.lost.send_replace(Lost::default());
    }

    /// Whether nothing passes at present, neither way.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.loses(End::A) && self.loses(End::B)
    }

    pub(crate) fn loses(&self, from: End) -> bool {
        self.lost.borrow().from(from)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Lost> {
        self.lost.subscribe()
    }
}
