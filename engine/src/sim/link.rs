//! One simulated cable, and the links that come up over it, break and come back.

use std::time::Duration;

use bytes::Bytes;
use cuecard_transport::Lane;
use cuecard_transport::memory::{Conditions, End, Wire};

use crate::core::{Input, LinkId};
use crate::id::DeviceId;
use crate::sync::envelope;
use crate::sync::message::Message;

/// How long a heartbeat lets the other side be silent.
const SILENCE: Duration = Duration::from_millis(1_500);

pub(super) struct SimLink {
    ends: [usize; 2],
    wire: Wire,
    state: State,
    sent_bytes: u64,
    swallows: Option<fn(&Message) -> bool>,
}

enum State {
    /// To be tried at that time, if the cable is whole and both devices run.
    Down { retry_at: Duration },
    /// Up, with the number that each end knows it by; an end that noticed its end is `None`.
    Up {
        numbers: [Option<LinkId>; 2],
        dies_at: [Option<Duration>; 2],
    },
}

impl SimLink {
    pub(super) fn new(ends: [usize; 2], conditions: Conditions, seed: u64, now: Duration) -> Self {
        Self {
            ends,
            wire: Wire::new(conditions, seed),
            state: State::Down { retry_at: now },
            sent_bytes: 0,
            swallows: None,
        }
    }

    pub(super) const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    pub(super) fn swallow(&mut self, swallows: fn(&Message) -> bool) {
        self.swallows = Some(swallows);
    }

    pub(super) fn joins(&self, a: usize, b: usize) -> bool {
        self.ends == [a, b] || self.ends == [b, a]
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(
            self.state,
            State::Up {
                numbers: [Some(_), Some(_)],
                ..
            }
        )
    }

    pub(super) fn cut(&mut self, now: Duration, slack_ms: [u64; 2]) {
        self.wire.cut();
        if let State::Up { dies_at, .. } = &mut self.state {
            for (dies_at, slack) in dies_at.iter_mut().zip(slack_ms) {
                dies_at.get_or_insert(now + SILENCE + Duration::from_millis(slack));
            }
        }
    }

    pub(super) fn mend(&mut self) {
        self.wire.mend();
    }

    /// A device stopped: its end is gone at once, and the other has to notice.
    pub(super) fn end_died(&mut self, device: usize, now: Duration, slack_ms: u64) {
        for at in 0..2 {
            if self.ends.get(at) != Some(&device) {
                continue;
            }
            self.clear_wire();
            if let State::Up { numbers, dies_at } = &mut self.state {
                let [number_a, number_b] = numbers;
                let [dies_a, dies_b] = dies_at;
                let (gone, other) = if at == 0 {
                    (number_a, dies_b)
                } else {
                    (number_b, dies_a)
                };
                *gone = None;
                other.get_or_insert(now + SILENCE + Duration::from_millis(slack_ms));
                if numbers.iter().all(Option::is_none) {
                    // Nobody is left to notice, and nothing else need ever happen.
                    let retry_at = now + Duration::from_millis(slack_ms);
                    self.state = State::Down { retry_at };
                }
            }
        }
    }

    fn clear_wire(&mut self) {
        let was_cut = self.wire.is_cut();
        self.wire.cut();
        if !was_cut {
            self.wire.mend();
        }
    }

    fn end_of(&self, link: LinkId) -> Option<End> {
        match &self.state {
            State::Up {
                numbers: [Some(a), _],
                ..
            } if *a == link => Some(End::A),
            State::Up {
                numbers: [_, Some(b)],
                ..
            } if *b == link => Some(End::B),
            _ => None,
        }
    }

    /// The device at the other end, if it is up.
    pub(super) fn other_end(&self, link: LinkId) -> Option<usize> {
        let [a, b] = self.ends;
        Some(match self.end_of(link)? {
            End::A => b,
            End::B => a,
        })
    }

    /// The number that the end at a device has, while the link is up.
    pub(super) fn number_at(&self, device: usize) -> Option<LinkId> {
        let State::Up { numbers, .. } = &self.state else {
            return None;
        };
        let ends = self.ends.iter().zip(numbers);
        ends.into_iter().find(|(end, _)| **end == device)?.1.to_owned()
    }

    pub(super) fn send(&mut self, now: Duration, link: LinkId, lane: Lane, bytes: Bytes) {
        // Over a link of which one end is gone nothing arrives: the other end would not know the number.
        if let Some(end) = self.end_of(link)
            && self.is_up()
            && !self.swallows(&bytes)
        {
            self.sent_bytes += bytes.len() as u64;
            self.wire.send(now, end, lane, bytes);
        }
    }

    fn swallows(&self, bytes: &[u8]) -> bool {
        let swallows =
            |swallows: fn(&Message) -> bool| envelope::open(bytes).is_ok_and(|message| swallows(&message));
        self.swallows.is_some_and(swallows)
    }

    /// One end closed it: the other is told at once, as a clean close tells it.
    pub(super) fn close(&mut self, now: Duration, link: LinkId) {
        let end = self.end_of(link);
        let State::Up { numbers, dies_at } = &mut self.state else {
            return;
        };
        let [number_a, number_b] = numbers;
        let [dies_a, dies_b] = dies_at;
        match end {
            Some(End::A) => (*number_a, *dies_b) = (None, Some(now)),
            Some(End::B) => (*number_b, *dies_a) = (None, Some(now)),
            None => return,
        }
        self.clear_wire();
    }

    pub(super) fn next_at(&self, running: impl Fn(usize) -> bool) -> Option<Duration> {
        match &self.state {
            State::Down { retry_at } => {
                let possible = !self.wire.is_cut() && self.ends.iter().all(|&end| running(end));
                possible.then_some(*retry_at)
            }
            State::Up { numbers, dies_at } => {
                let deaths = numbers.iter().zip(dies_at).filter(|(number, _)| number.is_some());
                let deaths = deaths.filter_map(|(_, dies_at)| *dies_at);
                deaths.chain(self.wire.next_at()).min()
            }
        }
    }

    /// What happens over this cable by now: inputs for devices.
    pub(super) fn due(
        &mut self,
        now: Duration,
        retry: Duration,
        running: &[bool],
        ids: &[DeviceId],
        numbers: &mut dyn FnMut() -> u64,
    ) -> Vec<(usize, Input)> {
        let mut inputs = Vec::new();
        let [device_a, device_b] = self.ends;
        while let Some(delivery) = self.wire.deliver(now) {
            if let State::Up {
                numbers: [Some(a), Some(b)],
                ..
            } = &self.state
            {
                let (device, link) = if delivery.to == End::A {
                    (device_a, *a)
                } else {
                    (device_b, *b)
                };
                let (lane, bytes) = (delivery.lane, delivery.message);
                inputs.push((device, Input::Received { link, lane, bytes }));
            }
        }
        if let State::Up { numbers, dies_at } = &mut self.state {
            for ((number, dies_at), device) in numbers.iter_mut().zip(dies_at).zip(self.ends) {
                if dies_at.is_some_and(|at| at <= now)
                    && let Some(link) = number.take()
                {
                    inputs.push((
                        device,
                        Input::LinkDown {
                            link,
                            reason: "nothing heard".to_owned(),
                        },
                    ));
                }
            }
            if numbers.iter().all(Option::is_none) {
                self.clear_wire();
                self.state = State::Down {
                    retry_at: now + retry,
                };
            }
        } else if let State::Down { retry_at } = self.state
            && retry_at <= now
            && !self.wire.is_cut()
            && self.ends.iter().all(|&end| running.get(end) == Some(&true))
        {
            let (a, b) = (LinkId::new(numbers()), LinkId::new(numbers()));
            let transcript = *blake3::hash(&numbers().to_le_bytes()).as_bytes();
            self.state = State::Up {
                numbers: [Some(a), Some(b)],
                dies_at: [None, None],
            };
            for (device, link, other) in [(device_a, a, device_b), (device_b, b, device_a)] {
                let Some(&peer) = ids.get(other) else { continue };
                inputs.push((
                    device,
                    Input::LinkUp {
                        link,
                        peer,
                        transcript,
                    },
                ));
            }
        }
        inputs
    }
}
