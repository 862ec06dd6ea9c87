//! Many seeds: devices in some shape, links that are cut and mended, devices that crash: in the end all audio is whole
//! everywhere.
//!
//! `CUECARD_SEED=n` runs one world, `CUECARD_SEEDS=n` as many.

use std::time::Duration;

use cuecard::BlobId;
use cuecard::sim::Peer;
use cuecard::transport::memory::Conditions;
use cuecard_tests::seeds;

use crate::world::*;

#[test]
fn whatever_breaks_on_the_way_all_audio_is_whole_in_the_end() {
    for seed in seeds(40) {
        story(seed);
    }
}

fn story(seed: u64) {
    let mut world = World::new(seed);
    let mut peers = vec![world.author];
    for number in 0..2 + world.sim.random(3) {
        let peer = world.follower(&format!("follower {number}"));
        peers.push(peer);
    }
    let cables = lay(&mut world, &peers);
    let mut blobs: Vec<BlobId> = Vec::new();
    for step in 0..25 {
        let pause = world.sim.random(1_200);
        world.sim.run_for(Duration::from_millis(pause));
        let (a, b) = cables[world.sim.random(cables.len() as u64) as usize];
        let peer = peers[world.sim.random(peers.len() as u64) as usize];
        match world.sim.random(8) {
            0 | 1 => world.sim.cut(a, b),
            2 | 3 => world.sim.mend(a, b),
            4 => world.sim.crash(peer),
            5 | 6 => {
                if !world.sim.is_running(peer) {
                    world
                        .sim
                        .restart(peer)
                        .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
                }
            }
            _ => {
                if world.sim.is_running(world.author) {
                    let bytes = world.sim.random(400_000) as usize;
                    let (_, audio) = world.sounding(&step.to_string(), &sound(seed * 100 + step, bytes));
                    blobs.push(audio.blob);
                }
            }
        }
    }
    for &peer in &peers {
        if !world.sim.is_running(peer) {
            world
                .sim
                .restart(peer)
                .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        }
    }
    for &(a, b) in &cables {
        world.sim.mend(a, b);
    }
    let deck = world.deck;
    let done = |sim: &cuecard::sim::Sim| {
        let heads = peers.iter().map(|&peer| sim.head(peer, deck));
        let named: Vec<BlobId> = sim
            .cards(world.author, deck)
            .iter()
            .flat_map(|card| card.audio.values().map(|audio| audio.blob).collect::<Vec<_>>())
            .collect();
        // An edit that was not durable before a crash is gone, and its audio with it.
        heads.collect::<std::collections::BTreeSet<_>>().len() == 1
            && named
                .iter()
                .all(|blob| peers.iter().all(|&peer| sim.holds_audio(peer, *blob)))
    };
    world
        .sim
        .run_until("all audio is whole everywhere", Duration::from_secs(180), done)
        .unwrap_or_else(|stuck| panic!("{stuck}"));
}

/// A chain, a star or a ring.
fn lay(world: &mut World, peers: &[Peer]) -> Vec<(Peer, Peer)> {
    let shape = world.sim.random(3);
    let mut cables: Vec<(Peer, Peer)> = match shape {
        0 => peers[1..].iter().map(|&peer| (peers[0], peer)).collect(),
        _ => peers.windows(2).map(|pair| (pair[0], pair[1])).collect(),
    };
    if shape == 2 {
        cables.push((peers[peers.len() - 1], peers[0]));
    }
    for &(a, b) in &cables {
        let conditions = Conditions {
            latency: Duration::from_millis(world.sim.random(60)),
            jitter: Duration::from_millis(world.sim.random(10)),
            loss: [0.0, 0.01][world.sim.random(2) as usize],
            bandwidth: Some(200_000 + world.sim.random(2_000_000)),
        };
        world.sim.connect(a, b, conditions);
    }
    cables
}
