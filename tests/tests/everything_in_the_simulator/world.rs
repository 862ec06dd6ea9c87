//! A world: its devices, its cables, and what is expected of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cuecard::core::Core;
use cuecard::document::Document;
use cuecard::sim::{Backup, Intruder, Peer, Sim};
use cuecard::time::Time;
use cuecard::transport::DeviceKey;
use cuecard::transport::memory::Conditions;
use cuecard::{BlobId, ChangeHash, DeckId, DeviceId, DraftId, Member, Rights, Role, TermId};

pub(crate) type Outcome<T = ()> = Result<T, String>;

/// A change of the deck or of a draft, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) by: Peer,
    pub(crate) change: ChangeHash,
    /// Whether it is known to be durable.
    pub(crate) durable: bool,
    pub(crate) draft: Option<DraftId>,
}

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) peers: Vec<Peer>,
    pub(crate) cables: Vec<(Peer, Peer)>,
    pub(crate) deck: DeckId,
    pub(crate) key: [u8; 32],
    pub(crate) written: Vec<Written>,
    pub(crate) backups: Vec<(Peer, Backup)>,
    /// Those that have begun anew from a backup.
    pub(crate) restored: BTreeSet<Peer>,
    pub(crate) blobs: BTreeMap<BlobId, Vec<u8>>,
    /// A member that says what it likes, and the links that it has.
    pub(crate) mallory: DeviceKey,
    pub(crate) intruders: Vec<Intruder>,
    /// How often she was asked for audio, and sent what is none of it.
    pub(crate) answered: u64,
    /// How many changes she signed that no engine makes, and how often she was thrown out for one.
    pub(crate) forged: u64,
    pub(crate) refused: u64,
    /// Proofs that she signed two lines, at all devices in the end.
    pub(crate) proofs: u64,
    /// A term that she signed, its record, and the deck as it was where that begins.
    pub(crate) her_term: Option<(TermId, Vec<u8>, Document)>,
    /// How often each kind of deed was done.
    pub(crate) done: [u64; crate::deeds::KINDS],
    /// What may go wrong in this world.
    pub(crate) trouble: Trouble,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) crashes: bool,
    pub(crate) backups: bool,
    pub(crate) disks: bool,
    pub(crate) mallory: bool,
    /// Whether she may hold the role, too.
    pub(crate) mallory_holds: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Outcome<Self> {
        let mut sim = Sim::new(seed);
        // Most worlds are small: there more of them can be seen.
        let count = match sim.random(20) {
            0 => 5 + sim.random(6) as usize,
            1..=8 => 3 + sim.random(2) as usize,
            _ => 2 + sim.random(2) as usize,
        };
        let peers: Vec<Peer> = (0..count)
            .map(|number| sim.device(&format!("device {number}")))
            .collect();
        // In some worlds what is done outside of a core takes its time, on each device another one, up to two seconds.
        if seed % 3 == 1 {
            for (number, &peer) in (seed / 3..).zip(&peers) {
                sim.work_slowly(peer, Duration::from_millis(number % 5 * 500));
            }
        }
        let cables = lay(&mut sim, &peers);
        if sim.random(3) == 0 {
            sim.double_messages(100);
        }
        let mallory = sim.random(3) == 0;
        let trouble = Trouble {
            crashes: sim.random(3) > 0,
            backups: sim.random(3) == 0,
            disks: sim.random(3) == 0,
            mallory,
            mallory_holds: mallory && sim.random(3) == 0,
        };
        let owner = peers[sim.random(count as u64) as usize];
        let created = sim.act(owner, |core, now| core.create_deck(now, "everything"));
        let created = created.ok_or("it does not run")?;
        let deck = created.map_err(|error| error.to_string())?.value;
        sim.run_for(Duration::from_millis(200));
        let key = sim
            .act(owner, |core, _| core.deck_key(deck).ok())
            .flatten()
            .ok_or("no key")?;
        let mallory = DeviceKey::from_bytes(blake3::hash(&seed.to_le_bytes()).as_bytes());
        let member = |(rank, device, rights): (u16, DeviceId, Rights)| Member { device, rights, rank };
        let honest = (1..)
            .zip(&peers)
            .map(|(rank, &peer)| (rank, sim.id(peer), Rights::Hold));
        let rights = match trouble.mallory_holds {
            true => Rights::Hold,
            false => Rights::Draft,
        };
        let all = honest.chain([(99, mallory.id(), rights)]);
        let mut members: Vec<Member> = all.map(member).collect();
        members.sort_by_key(|member| member.device);
        let set = |core: &mut Core, now| core.set_members(now, deck, members).map(drop);
        let set = sim.act(owner, set).ok_or("it does not run")?;
        set.map_err(|error| error.to_string())?;
        for &peer in &peers {
            sim.act(peer, |core, now| core.join_deck(now, deck, key));
        }
        sim.run_for(Duration::from_secs(2));
        Ok(Self {
            sim,
            peers,
            cables,
            deck,
            key,
            written: vec![],
            backups: vec![],
            restored: BTreeSet::new(),
            blobs: BTreeMap::new(),
            mallory,
            intruders: vec![],
            answered: 0,
            forged: 0,
            refused: 0,
            proofs: 0,
            her_term: None,
            done: [0; crate::deeds::KINDS],
            trouble,
        })
    }

    pub(crate) fn some_peer(&mut self) -> Peer {
        let at = self.sim.random(self.peers.len() as u64) as usize;
        self.peers[at]
    }

    /// Those who believe that they may edit.
    pub(crate) fn editors(&self) -> Vec<Peer> {
        let edits = |peer: &Peer| matches!(self.sim.role(*peer, self.deck), Some(Role::Editor { .. }));
        self.peers.iter().copied().filter(edits).collect()
    }

    /// Does something that may be refused. Says whether it was not.
    pub(crate) fn attempt<T, E>(
        &mut self,
        peer: Peer,
        act: impl FnOnce(&mut Core, Time, DeckId) -> Result<T, E>,
    ) -> Option<T> {
        let deck = self.deck;
        self.sim
            .act(peer, |core, now| act(core, now, deck).ok())
            .flatten()
    }

    /// Takes note of what a device changed, if its head is another one than before.
    pub(crate) fn note_change(&mut self, by: Peer, before: Option<ChangeHash>) {
        if let Some(change) = self.sim.head(by, self.deck).filter(|head| Some(*head) != before) {
            self.written.push(Written {
                by,
                change,
                durable: false,
                draft: None,
            });
        }
    }

    pub(crate) fn note_durable(&mut self) {
        for written in &mut self.written {
            written.durable |= self.sim.is_running(written.by) && self.sim.is_all_saved(written.by);
        }
    }

    /// What a power cut took was never durable.
    pub(crate) fn crash(&mut self, peer: Peer) {
        self.note_durable();
        self.written
            .retain(|written| written.by != peer || written.durable);
        self.sim.crash(peer);
    }

    /// Begins anew from a backup: what nobody else holds durably is gone with the disk, and so are drafts.
    pub(crate) fn restore(&mut self, peer: Peer, backup: &Backup) -> Outcome {
        self.note_durable();
        let (sim, deck, peers) = (&self.sim, self.deck, &self.peers);
        let restored = &self.restored;
        let kept_by = |other: &Peer, change| {
            let sure = *other != peer && sim.is_running(*other) && sim.is_all_saved(*other);
            sure && sim.fate(*other, deck, change).is_some()
        };
        self.written.retain(|written| {
            let gone = written.by == peer || restored.contains(&written.by);
            !gone || (written.draft.is_none() && peers.iter().any(|other| kept_by(other, written.change)))
        });
        self.restored.insert(peer);
        self.sim.restore_backup(peer, backup)
    }
}

/// Cables in some shape, of every quality.
fn lay(sim: &mut Sim, peers: &[Peer]) -> Vec<(Peer, Peer)> {
    let count = peers.len();
    let shape = sim.random(5);
    let mut cables = Vec::new();
    for a in 0..count {
        let parent = if a == 0 { 0 } else { sim.random(a as u64) as usize };
        for b in 0..a {
            let joined = match shape {
                0 => b + 1 == a,
                1 => b == 0,
                2 => b + 1 == a || (b == 0 && a + 1 == count),
                3 => true,
                _ => b == parent,
            };
            if joined {
                cables.push((peers[b], peers[a]));
            }
        }
    }
    for &(a, b) in &cables {
        // In one room, over the city, over a satellite.
        let (latency, jitter) = [(2_000, 500), (60_000, 40_000), (400_000, 40_000)][sim.random(3) as usize];
        let conditions = Conditions {
            latency: Duration::from_micros(sim.random(latency)),
            jitter: Duration::from_micros(sim.random(jitter)),
            loss: sim.random(4) as f64 / 100.0,
            bandwidth: Some(300_000 + sim.random(5_000_000)),
        };
        sim.connect(a, b, conditions);
    }
    cables
}
