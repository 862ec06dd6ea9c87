//! One link between two ends as a pure model: no sockets, no tokio, no clock. The same seed and the same calls give the
//! same deliveries, so whole-system tests run in virtual time and repeat from the seed they print.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::link::Lane;

/// What the path between two ends is like, both ways alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Time from one end to the other.
    pub latency: Duration,
    /// Up to this much more, evenly drawn for each message.
    pub jitter: Duration,
    /// The share of packets that is lost, 0 to 1. Lanes are reliable: a loss shows as the delay of sending again.
    pub loss: f64,
    /// Bytes a second in each direction; `None` for no bound.
    pub bandwidth: Option<u64>,
}

impl Conditions {
    /// A path without delay, loss or bound.
    pub const PERFECT: Self = Self {
        latency: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        bandwidth: None,
    };

    /// A path with this latency and nothing else.
    #[must_use]
    pub const fn latency(latency: Duration) -> Self {
        Self {
            latency,
            ..Self::PERFECT
        }
    }
}

impl Default for Conditions {
    fn default() -> Self {
        Self::PERFECT
    }
}

/// One of the two ends of a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The first.
    A,
    /// The second.
    B,
}

impl End {
    /// The one across.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What is lost at present: what leaves either end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    from_a: bool,
    from_b: bool,
}

impl Lost {
    pub(crate) const fn both() -> Self {
        Self {
            from_a: true,
            from_b: true,
        }
    }

    pub(crate) const fn one_way(from: End) -> Self {
        Self {
            from_a: matches!(from, End::A),
            from_b: matches!(from, End::B),
        }
    }

    pub(crate) const fn from(self, end: End) -> bool {
        match end {
            End::A => self.from_a,
            End::B => self.from_b,
        }
    }

    pub(crate) const fn is_any(self) -> bool {
        self.from_a || self.from_b
    }
}

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The end it arrived at.
    pub to: End,
    /// The lane it came by.
    pub lane: Lane,
    /// Its bytes.
    pub message: Bytes,
}

/// The seeded model of one link. Time is what the caller says it is, counted from any start, never going back.
#[derive(Debug, Clone)]
pub struct Wire {
    conditions: Conditions,
    random: Random,
    in_flight: BTreeMap<(Duration, u64), Delivery>,
    sent: u64,
    directions: [Direction; 2],
    lost: Lost,
}

/// Payload of one packet in the model: what a datagram carries beside its headers.
const PACKET_BYTES: usize = 1200;

/// A packet is not lost more often than this in a row: the model of a link is one that lives.
const RETRANSMITS_MAX: u32 = 8;

/// The least time after which a sender sends again.
const RETRANSMIT_AFTER_MIN: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, Default)]
struct Direction {
    /// When the last message of each lane has left.
    control_sent_at: Duration,
    binary_sent_at: Duration,
    /// When the last message of each lane arrives: what keeps the order.
    control_arrives_at: Duration,
    binary_arrives_at: Duration,
}

impl Wire {
    /// A wire in good order.
    #[must_use]
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            random: Random(seed),
            in_flight: BTreeMap::new(),
            sent: 0,
            directions: [Direction::default(); 2],
            lost: Lost::default(),
        }
    }

    /// Puts a message on the wire. It is gone if the wire is cut this way.
    pub fn send(&mut self, now: Duration, from: End, lane: Lane, message: Bytes) {
        if self.lost.from(from) {
            return;
        }
        let takes = self.transmission(message.len());
        let extra = self.jitter() + self.retransmission(message.len());
        let latency = self.conditions.latency;
        let [from_a, from_b] = &mut self.directions;
        let direction = match from {
            End::A => from_a,
            End::B => from_b,
        };
        let arrives_at = match lane {
            Lane::Control => {
                // Control never queues behind binary; while both flow, each gets half of the bandwidth.
                let starts_at = direction.control_sent_at.max(now);
                let shared = direction.binary_sent_at > starts_at;
                direction.control_sent_at = starts_at + if shared { takes * 2 } else { takes };
                if shared {
                    direction.binary_sent_at += takes;
                }
                let arrives_at = direction.control_sent_at + latency + extra;
                direction.control_arrives_at = direction.control_arrives_at.max(arrives_at);
                direction.control_arrives_at
            }
            Lane::Binary => {
                let starts_at = direction.binary_sent_at.max(direction.control_sent_at).max(now);
                direction.binary_sent_at = starts_at + takes;
                let arrives_at = direction.binary_sent_at + latency + extra;
                direction.binary_arrives_at = direction.binary_arrives_at.max(arrives_at);
                direction.binary_arrives_at
            }
        };
        self.sent += 1;
        let to = from.other();
        self.in_flight
            .insert((arrives_at, self.sent), Delivery { to, lane, message });
    }

    /// When the next message arrives, if one is on its way.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.in_flight.keys().next().map(|(at, _)| *at)
    }

    /// The next message that has arrived by `now`; call until `None`.
    pub fn deliver(&mut self, now: Duration) -> Option<Delivery> {
        let entry = self.in_flight.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Drops all that is on its way and all that is sent until [`Wire::mend`]. The lanes of a real link end with it, so
    /// whoever models one closes the link, as its heartbeat would.
    pub fn cut(&mut self) {
        self.lost = Lost::both();
        self.in_flight.clear();
        self.directions = [Direction::default(); 2];
    }

    /// The same for what this end has sent and sends, while the other way nothing is lost.
    pub fn cut_one_way(&mut self, from: End) {
        self.lost = Lost::one_way(from);
        self.in_flight.retain(|_, delivery| delivery.to == from);
        let [from_a, from_b] = &mut self.directions;
        *match from {
            End::A => from_a,
            End::B => from_b,
        } = Direction::default();
    }

    /// Lets messages pass again.
    pub fn mend(&mut self) {
        self.lost = Lost::default();
    }

    /// Whether nothing passes at present, neither way.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.lost.from(End::A) && self.lost.from(End::B)
    }

    fn transmission(&self, bytes: usize) -> Duration {
        let Some(bandwidth) = self.conditions.bandwidth else {
            return Duration::ZERO;
        };
        let nanos = (bytes as u128 * 1_000_000_000) / u128::from(bandwidth.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn jitter(&mut self) -> Duration {
        if self.conditions.jitter.is_zero() {
            return Duration::ZERO;
        }
        self.conditions.jitter.mul_f64(self.random.unit())
    }

    /// Packets of a message are sent again side by side, so the unluckiest decides.
    fn retransmission(&mut self, bytes: usize) -> Duration {
        let loss = self.conditions.loss;
        if loss <= 0.0 {
            return Duration::ZERO;
        }
        let packets = bytes.div_ceil(PACKET_BYTES).max(1);
        let mut worst = 0;
        for _ in 0..packets {
            let mut losses = 0;
            while losses < RETRANSMITS_MAX && self.random.unit() < loss {
                losses += 1;
            }
            worst = worst.max(losses);
        }
        (self.conditions.latency * 2).max(RETRANSMIT_AFTER_MIN) * worst
    }
}

/// SplitMix64: enough for a model, the same on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 inclusive to 1 exclusive.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn number(n: u32) -> Bytes {
        Bytes::copy_from_slice(&n.to_le_bytes())
    }

    fn run(seed: u64) -> Vec<(Duration, Delivery)> {
        let conditions = Conditions {
            latency: 20 * MS,
            jitter: 30 * MS,
            loss: 0.1,
            bandwidth: Some(1_000_000),
        };
        let mut wire = Wire::new(conditions, seed);
        for n in 0..200 {
            let lane = if n % 3 == 0 { Lane::Binary } else { Lane::Control };
            let from = if n % 2 == 0 { End::A } else { End::B };
            wire.send(n * MS, from, lane, number(n));
        }
        let mut arrived = Vec::new();
        while let Some(at) = wire.next_at() {
            arrived.push((at, wire.deliver(at).unwrap()));
        }
        arrived
    }

    #[test]
    fn a_seed_repeats_and_each_lane_keeps_its_order() {
        for seed in 0..50 {
            let arrived = run(seed);
            assert_eq!(arrived, run(seed), "seed {seed}");
            assert_eq!(arrived.len(), 200, "seed {seed}");
            for to in [End::A, End::B] {
                for lane in [Lane::Control, Lane::Binary] {
                    let numbers: Vec<u32> = arrived
                        .iter()
                        .filter(|(_, d)| d.to == to && d.lane == lane)
                        .map(|(_, d)| u32::from_le_bytes(d.message[..].try_into().unwrap()))
                        .collect();
                    assert!(numbers.is_sorted(), "seed {seed} {to:?} {lane:?}: {numbers:?}");
                }
            }
        }
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn control_overtakes_binary_and_shares_the_bandwidth() {
        let conditions = Conditions {
            bandwidth: Some(1_000_000),
            ..Conditions::latency(10 * MS)
        };
        let mut wire = Wire::new(conditions, 0);
        wire.send(
            Duration::ZERO,
            End::A,
            Lane::Binary,
            Bytes::from(vec![0; 1_000_000]),
        );
        wire.send(Duration::ZERO, End::A, Lane::Control, Bytes::from(vec![0; 1_000]));
        assert_eq!(wire.next_at(), Some(12 * MS), "twice 1 ms, then 10 ms");
        assert_eq!(wire.deliver(12 * MS).unwrap().lane, Lane::Control);
        assert_eq!(wire.deliver(1_009 * MS), None);
    }

    #[test]
    fn a_cut_loses_what_is_on_its_way_and_what_follows() {
        let mut wire = Wire::new(Conditions::latency(10 * MS), 0);
        wire.send(Duration::ZERO, End::A, Lane::Control, number(1));
        wire.cut();
        wire.send(MS, End::B, Lane::Control, number(2));
        assert_eq!(wire.next_at(), None);
        wire.mend();
        wire.send(2 * MS, End::A, Lane::Control, number(3));
        assert_eq!(wire.deliver(12 * MS).unwrap().message, number(3));
    }

    #[test]
    fn silence_one_way_loses_nothing_of_the_other() {
        let mut wire = Wire::new(Conditions::latency(10 * MS), 0);
        wire.send(Duration::ZERO, End::A, Lane::Control, number(1));
        wire.send(Duration::ZERO, End::B, Lane::Control, number(2));
        wire.cut_one_way(End::A);
        wire.send(MS, End::A, Lane::Control, number(3));
        wire.send(MS, End::B, Lane::Control, number(4));
        assert!(!wire.is_cut());
        let mut heard = Vec::new();
        while let Some(at) = wire.next_at() {
            heard.extend(wire.deliver(at).map(|delivery| (delivery.to, delivery.message)));
        }
        assert_eq!(heard, [(End::A, number(2)), (End::A, number(4))]);
        wire.mend();
        wire.send(20 * MS, End::A, Lane::Control, number(5));
        assert_eq!(wire.deliver(30 * MS).unwrap().message, number(5));
    }

    #[test]
    fn loss_delays_and_never_drops() {
        let lossy = Conditions {
            loss: 0.5,
            ..Conditions::latency(10 * MS)
        };
        let mut wire = Wire::new(lossy, 7);
        for n in 0..100 {
            wire.send(Duration::ZERO, End::A, Lane::Control, number(n));
        }
        let mut last = Duration::ZERO;
        let mut count = 0;
        while let Some(at) = wire.next_at() {
            wire.deliver(at).unwrap();
            last = at;
            count += 1;
        }
        assert_eq!(count, 100);
        assert!(last >= 60 * MS, "half of all lost and nothing late: {last:?}");
    }
}
