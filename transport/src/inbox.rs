//! Messages received and not yet read, bounded in bytes: a full inbox is what makes the sender wait.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::limits::{BINARY_INBOX_BYTES_MAX, CONTROL_INBOX_BYTES_MAX, MESSAGE_COST_BYTES_MIN};
use crate::link::Lane;

/// A message with the room it takes; reading it gives the room back.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The side that fills.
#[derive(Clone)]
pub(crate) struct Filler {
    control: Half,
    binary: Half,
}

#[derive(Clone)]
struct Half {
    queue: mpsc::UnboundedSender<Held>,
    room: Arc<Semaphore>,
    room_max: usize,
}

/// The side that reads.
pub(crate) struct Inbox {
    queues: Mutex<Queues>,
}

struct Queues {
    control: mpsc::UnboundedReceiver<Held>,
    binary: mpsc::UnboundedReceiver<Held>,
}

/// Room reserved for one message.
pub(crate) struct Room(OwnedSemaphorePermit);

pub(crate) fn inbox() -> (Filler, Inbox) {
    lanes(CONTROL_INBOX_BYTES_MAX, BINARY_INBOX_BYTES_MAX)
}

/// Two bounded lanes of messages.
pub(crate) fn lanes(control_bytes_max: usize, binary_bytes_max: usize) -> (Filler, Inbox) {
    let (control_in, control) = mpsc::unbounded_channel();
    let (binary_in, binary) = mpsc::unbounded_channel();
    let half = |queue, room_max| Half {
        queue,
        room: Arc::new(Semaphore::new(room_max)),
        room_max,
    };
    (
        Filler {
            control: half(control_in, control_bytes_max),
            binary: half(binary_in, binary_bytes_max),
        },
        Inbox {
            queues: Mutex::new(Queues { control, binary }),
        },
    )
}

impl Filler {
    fn half(&self, lane: Lane) -> &Half {
        match lane {
            Lane::Control => &self.control,
            Lane::Binary => &self.binary,
        }
    }

    /// Waits until `bytes` more may be held.
    pub(crate) async fn room(&self, lane: Lane, bytes: usize) -> Option<Room> {
        let half = self.half(lane);
        let cost = bytes.clamp(MESSAGE_COST_BYTES_MIN, half.room_max);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let room = Arc::clone(&half.room).acquire_many_owned(cost).await;
        room.ok().map(Room)
    }

    /// Room at once, or none.
    #[cfg(feature = "webrtc")]
    pub(crate) fn try_room(&self, lane: Lane, bytes: usize) -> Option<Room> {
        let half = self.half(lane);
        let cost = bytes.clamp(MESSAGE_COST_BYTES_MIN, half.room_max);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let room = Arc::clone(&half.room).try_acquire_many_owned(cost);
        room.ok().map(Room)
    }

    /// Adds a message to what the reader has yet to read. False when the reader is gone.
    pub(crate) fn fill(&self, lane: Lane, bytes: Bytes, room: Room) -> bool {
        let held = Held { bytes, _room: room.0 };
        self.half(lane).queue.send(held).is_ok()
    }
}

impl Inbox {
    /// Each lane for a reader of its own.
    #[cfg(feature = "webrtc")]
    pub(crate) fn split(self) -> (mpsc::UnboundedReceiver<Held>, mpsc::UnboundedReceiver<Held>) {
        let Queues { control, binary } = self.queues.into_inner();
        (control, binary)
    }

    /// The next message, control first. `None` when both lanes have ended. Cancel safe.
    pub(crate) async fn next(&self) -> Option<(Lane, Bytes)> {
        let mut queues = self.queues.lock().await;
        let Queues { control, binary } = &mut *queues;
        tokio::select! {
            biased;
            Some(held) = control.recv() => Some((Lane::Control, held.bytes)),
            Some(held) = binary.recv() => Some((Lane::Binary, held.bytes)),
            else => None,
        }
    }

    /// What is already there.
    pub(crate) async fn ready(&self) -> Option<(Lane, Bytes)> {
        let mut queues = self.queues.lock().await;
        if let Ok(held) = queues.control.try_recv() {
            return Some((Lane::Control, held.bytes));
        }
        let held = queues.binary.try_recv().ok()?;
        Some((Lane::Binary, held.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_urgent_is_read_first_however_much_came_before_it() {
        let (filler, inbox) = inbox();
        for (lane, byte) in [
            (Lane::Binary, 1),
            (Lane::Binary, 2),
            (Lane::Control, 3),
            (Lane::Control, 4),
        ] {
            let room = filler.room(lane, 1).await.unwrap();
            assert!(filler.fill(lane, Bytes::from(vec![byte]), room));
        }
        let mut read = Vec::new();
        for _ in 0..2 {
            read.push(inbox.next().await.unwrap().1[0]);
        }
        read.push(inbox.ready().await.unwrap().1[0]);
        read.push(inbox.next().await.unwrap().1[0]);
        assert_eq!(read, [3, 4, 1, 2]);
    }
}
