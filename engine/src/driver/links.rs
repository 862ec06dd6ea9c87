//! A link, from its first word to its last: what comes by it goes to the core, and what is queued for it leaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use cuecard_transport::{CloseReason, Lane, Link, LinkEvent};
use tokio::sync::{mpsc, watch};

use super::{Shared, lock};
use crate::core::{CloseWhy, Input, LinkId, LinkQuality};
use crate::limits::LINK_QUEUE_BYTES_MAX;
use crate::sync::envelope;

/// A link, as the driver has it.
pub(super) struct LinkHandle {
    pub(super) link: Arc<dyn Link>,
    pub(super) control: mpsc::UnboundedSender<Bytes>,
    pub(super) binary: mpsc::UnboundedSender<Bytes>,
    /// Bytes in both queues.
    pub(super) queued: watch::Sender<usize>,
}

impl Shared {
    pub(super) fn queue(&self, link: LinkId, lane: Lane, bytes: Bytes) {
        let full = match lock(&self.links).get(&link) {
            None => return,
            Some(handle) => {
                let queue = match lane {
                    Lane::Control => &handle.control,
                    Lane::Binary => &handle.binary,
                };
                handle.queued.send_modify(|queued| *queued += bytes.len());
                let queued = *handle.queued.borrow();
                // A link that is going down takes no more; its end is reported by its reader.
                drop(queue.send(bytes));
                queued > LINK_QUEUE_BYTES_MAX
            }
        };
        if full {
            let why = "it asks for more than it takes".to_owned();
            self.close_link(link, &CloseWhy::Refused(why));
        }
    }

    pub(super) fn close_link(&self, link: LinkId, why: &CloseWhy) {
        let Some(handle) = lock(&self.links).remove(&link) else {
            return;
        };
        let reason = match why {
            CloseWhy::Replaced => CloseReason::Replaced,
            CloseWhy::Refused(why) => CloseReason::Protocol(why.clone()),
        };
        // Not `tokio::spawn`: the thread that waits for the disk can be the one that says so.
        self.runtime.spawn(async move { handle.link.close(reason).await });
    }

    /// What is known of a link that is up. May be asked while the core is held.
    pub(crate) fn link_quality(&self, link: LinkId) -> Option<LinkQuality> {
        let handle = lock(&self.links).get(&link).map(|handle| handle.link.clone())?;
        let stats = handle.stats();
        Some(LinkQuality {
            route: handle.route(),
            round_trip: stats.round_trip,
            loss_per_mille: stats.loss_per_mille,
        })
    }

    /// Runs a link until it is over, and says why it ended.
    pub(crate) async fn run_link(self: Arc<Self>, link: Arc<dyn Link>) -> CloseReason {
        let (mut closing, mut sleep) = (self.closing.subscribe(), self.sleep.subscribe());
        if !sleep.borrow().is_awake() {
            link.close(CloseReason::Here).await;
            return CloseReason::Here;
        }
        let id = LinkId::new(self.next_link.fetch_add(1, Ordering::Relaxed));
        let (control, control_queue) = mpsc::unbounded_channel();
        let (binary, binary_queue) = mpsc::unbounded_channel();
        let (peer, transcript) = (link.peer(), link.transcript());
        let queued = watch::Sender::new(0);
        lock(&self.links).insert(
            id,
            LinkHandle {
                link: link.clone(),
                control,
                binary,
                queued: queued.clone(),
            },
        );
        tokio::spawn(send_all(
            link.clone(),
            Lane::Control,
            control_queue,
            queued.clone(),
        ));
        // Kept here too, it would have whoever waits for what is queued wait for the end of the link.
        tokio::spawn(send_all(link.clone(), Lane::Binary, binary_queue, queued));
        self.take_in(Input::LinkUp {
            link: id,
            peer,
            transcript,
        })
        .await;
        let reason = loop {
            let event = tokio::select! {
                // Whatever came: a device that is to sleep begins nothing more.
                biased;
                _ = closing.wait_for(|closing| *closing) => LinkEvent::Closed(CloseReason::Here),
                _ = sleep.wait_for(|sleep| !sleep.is_awake()) => break CloseReason::Here,
                event = link.recv() => event,
            };
            match event {
                LinkEvent::Closed(reason) => break reason,
                LinkEvent::Message { lane, bytes } => {
                    let link = id;
                    let input = match lane {
                        Lane::Control => Input::Opened {
                            link,
                            message: envelope::open(&bytes).map(Box::new),
                        },
                        Lane::Binary => Input::Received { link, lane, bytes },
                    };
                    self.take_in(input).await;
                }
            }
        };
        if matches!(reason, CloseReason::Here) {
            // What is queued still leaves.
            let _ = sleep.wait_for(|sleep| !sleep.is_leaving()).await;
        }
        lock(&self.links).remove(&id);
        // With the end of a link what is held of it is taken in, and that may take longer than there is time.
        let _ = sleep.wait_for(|sleep| !sleep.is_falling()).await;
        self.take_in(Input::LinkDown {
            link: id,
            reason: reason.to_string(),
        })
        .await;
        link.close(reason.clone()).await;
        reason
    }
}

async fn send_all(
    link: Arc<dyn Link>,
    lane: Lane,
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    queued: watch::Sender<usize>,
) {
    while let Some(bytes) = queue.recv().await {
        let len = bytes.len();
        if link.send(lane, bytes).await.is_err() {
            return;
        }
        queued.send_modify(|queued| *queued -= len);
    }
}
