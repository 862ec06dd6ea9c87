//! A switch between two devices that loses everything without a word: what a pulled cable, a sleeping laptop or a dead
//! router look like. For tests and demonstrations.

use std::sync::Arc;

use tokio::sync::watch;

/// A cloneable switch. While cut, nothing passes in either direction and nobody is told; clones are the same switch.
#[derive(Debug, Clone)]
pub struct Cable {
    cut: Arc<watch::Sender<bool>>,
}

impl Cable {
    /// A cable in good order.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cut: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Loses everything from now on. There is no goodbye: links notice by their heartbeat.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.cut.send_replace(false);
    }

    /// Whether nothing passes at present.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }
}

impl Default for Cable {
    fn default() -> Self {
        Self::new()
    }
}
