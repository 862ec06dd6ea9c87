//! Two devices at home behind address translators: what connects them, and what says that nothing does. In real network
//! namespaces, with a real STUN and TURN server.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "only tests use this"
)]

#[path = "../common/mod.rs"]
mod common;
mod world;

use std::io::BufRead;
use std::time::Duration;

use bytes::Bytes;
use common::{bounded, key};
use cuecard_transport::webrtc::{Config, Connected, Server, WebRtc};
use cuecard_transport::{Backoff, CloseReason, DialError, Lane, Link, LinkEvent, Route};
use world::{PASSWORD, SERVER, Translator, USER, World};

const PART: &str = "CUECARD_TEST_PART";
const SERVERS: &str = "CUECARD_TEST_SERVERS";
const BULK: usize = 32;
const BULK_BYTES: usize = 60_000;

/// What each of the devices runs; by itself it does nothing.
#[test]
fn a_device_at_home() {
    let Ok(part) = std::env::var(PART) else { return };
    let servers = match std::env::var(SERVERS).unwrap_or_default().as_str() {
        "stun" => vec![Server::stun(SERVER)],
        "turn" => vec![Server::stun(SERVER), Server::turn(SERVER, USER, PASSWORD)],
        _ => vec![],
    };
    let config = Config {
        servers,
        connect_within: Duration::from_secs(8),
        answer_within: Duration::from_secs(12),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let made = runtime.block_on(async {
        if part == "offer" {
            let offering = WebRtc::new(key(1), config).offer().await.unwrap();
            println!("CODE {}", offering.code());
            offering.accept(&heard()).await
        } else {
            let answering = WebRtc::new(key(2), config).answer(&heard()).await.unwrap();
            println!("CODE {}", answering.code());
            answering.connect().await
        }
    });
    match made {
        Ok(Connected { link, .. }) => runtime.block_on(exchange(&*link)),
        Err(error) => {
            assert!(matches!(error, DialError::NoPath { .. }), "{error:?}");
            println!("FAILED {error}");
        }
    }
}

fn heard() -> String {
    std::io::stdin().lock().lines().next().unwrap().unwrap()
}

/// Both lanes carry what they should, one way and back.
async fn exchange(link: &dyn Link) {
    let bulk = Bytes::from(vec![7; BULK_BYTES]);
    let send = async {
        link.send(Lane::Control, Bytes::from_static(b"hola"))
            .await
            .unwrap();
        for _ in 0..BULK {
            link.send(Lane::Binary, bulk.clone()).await.unwrap();
        }
    };
    let receive = async {
        let (mut greeted, mut chunks) = (false, 0);
        while !greeted || chunks < BULK {
            match bounded(link.recv()).await {
                LinkEvent::Message {
                    lane: Lane::Control,
                    bytes,
                } => greeted = &bytes[..] == b"hola",
                LinkEvent::Message {
                    lane: Lane::Binary,
                    bytes,
                } => chunks += usize::from(bytes == bulk),
                LinkEvent::Closed(why) => panic!("{why}"),
            }
        }
    };
    tokio::join!(send, receive);
    println!("CONNECTED {:?}", link.route());
    // Both have said so before either goes.
    tokio::task::block_in_place(|| std::io::stdin().lock().lines().next());
    link.close(CloseReason::Here).await;
}

/// What both devices say in the end.
fn meet(world: &World, servers: &str) -> (String, String) {
    let device = |home, part| world.device(home, "a_device_at_home", &[(PART, part), (SERVERS, servers)]);
    let (mut a, mut b) = (device("a", "offer"), device("b", "answer"));
    let offer = a.hear("CODE ");
    println!("an offer of {} characters", offer.len());
    b.tell(&offer);
    a.tell(&b.hear("CODE "));
    let said = (a.hear("ED "), b.hear("ED "));
    a.end();
    b.end();
    said
}

#[test]
fn behind_translators_that_keep_a_port_two_devices_connect_directly() {
    let Some(world) = World::build("cone translators", Translator::Cone, true) else {
        return;
    };
    assert_eq!(meet(&world, "stun"), ("Direct".to_owned(), "Direct".to_owned()));
}

#[test]
fn behind_translators_that_change_ports_two_devices_say_why_they_cannot() {
    let Some(world) = World::build("symmetric translators", Translator::Symmetric, true) else {
        return;
    };
    let (at_a, at_b) = meet(&world, "stun");
    for said in [at_a, at_b] {
        assert!(
            said.contains("no path to the other device") && said.contains("relay"),
            "{said}"
        );
    }
}

#[test]
fn a_relay_connects_what_nothing_else_does() {
    let Some(world) = World::build("a relay", Translator::Symmetric, true) else {
        return;
    };
    assert_eq!(meet(&world, "turn"), ("Relay".to_owned(), "Relay".to_owned()));
}

#[test]
fn a_relay_is_left_alone_where_a_direct_path_is() {
    let Some(world) = World::build("a relay that is not needed", Translator::Cone, true) else {
        return;
    };
    assert_eq!(meet(&world, "turn"), ("Direct".to_owned(), "Direct".to_owned()));
}

#[test]
fn a_direct_path_that_comes_up_a_little_later_is_worth_waiting_for() {
    let Some(world) = World::build("a slow direct path", Translator::Cone, true) else {
        return;
    };
    // Some twenty checks, ten milliseconds apart: by then a connection by the relay would have been up for long.
    world.lose_first_of_direct_path(2_500);
    assert_eq!(meet(&world, "turn"), ("Direct".to_owned(), "Direct".to_owned()));
}

#[test]
fn servers_that_do_not_answer_leave_what_the_devices_know_themselves() {
    let Some(world) = World::build("silent servers", Translator::Cone, false) else {
        return;
    };
    let (at_a, _) = meet(&world, "turn");
    assert!(at_a.contains("no path to the other device"), "{at_a}");
}

/// A device that keeps its link up, whatever happens to the network; by itself it does nothing.
#[test]
fn a_device_that_stays_linked() {
    let Ok(part) = std::env::var(PART) else { return };
    let config = Config {
        heartbeat: Duration::from_millis(300),
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let number = if part == "offer" { 1 } else { 2 };
        let endpoint = WebRtc::new(key(number), config);
        let connected = if part == "offer" {
            let offering = endpoint.offer().await.unwrap();
            println!("CODE {}", offering.code());
            offering.accept(&heard()).await
        } else {
            let answering = endpoint.answer(&heard()).await.unwrap();
            println!("CODE {}", answering.code());
            answering.connect().await
        };
        let Connected { mut link, route } = connected.unwrap();
        let mut route = Route::new(endpoint.dialer(route).unwrap(), Backoff::default());
        loop {
            link.send(Lane::Control, Bytes::from_static(b"hola"))
                .await
                .unwrap();
            loop {
                match link.recv().await {
                    LinkEvent::Message { .. } => println!("LINKED"),
                    LinkEvent::Closed(why) => {
                        println!("over: {why}");
                        break;
                    }
                }
            }
            link.close(CloseReason::Here).await;
            link = bounded(route.next_link()).await;
        }
    });
}

/// A laptop that is carried into another room: its address is another one, and it finds the other device again by itself.
#[test]
fn a_device_that_gets_another_address_is_linked_again() {
    let Some(world) = World::build("a device that moves", Translator::Cone, false) else {
        return;
    };
    let device = |place, part| world.device(place, "a_device_that_stays_linked", &[(PART, part)]);
    // Both in one network: one where the server would be, one where a translator is.
    let (mut stays, mut moves) = (device("net", "offer"), device("ta", "answer"));
    moves.tell(&stays.hear("CODE "));
    stays.tell(&moves.hear("CODE "));
    stays.hear("LINKED");
    moves.hear("LINKED");
    // Twice: what dials the second time has dialled before, and has sockets of its own.
    for (from, to) in [
        ("198.51.100.11", "198.51.100.21"),
        ("198.51.100.21", "198.51.100.31"),
    ] {
        let started = std::time::Instant::now();
        world.move_home_a(from, to);
        stays.hear("LINKED");
        moves.hear("LINKED");
        println!("linked again after {:?}", started.elapsed());
    }
}
