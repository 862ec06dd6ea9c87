//! What the lanes cost beside a bare data channel of the same stack: `cargo bench -p cuecard-transport`, or with names to
//! run a few (`cargo bench -p cuecard-transport -- binary control`).
//!
//! Both sides of a comparison run in turns in one process, because only ratios travel. A target that is missed fails
//! nothing. What was measured, and what bounds it, is in `README.md` beside this file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a program for its maker's eyes"
)]

mod bare;
#[path = "../../tests/lossy/path.rs"]
#[allow(dead_code, reason = "cuts are for the tests")]
mod path;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bare::{Bare, Tuning};
use bytes::Bytes;
use cuecard_transport::invite::{Code, CodeKind};
use cuecard_transport::limits::{BINARY_HEADER_BYTES, BINARY_MESSAGE_BYTES_MAX};
use cuecard_transport::webrtc::{Config, WebRtc};
use cuecard_transport::{CloseReason, DeviceKey, Lane, Link, LinkEvent};
use path::{Path, Weather};

/// How long each side of a throughput is measured, after half as long to warm up. Each measure takes less than two minutes.
const MEASURED: Duration = Duration::from_secs(2);
const TURNS: usize = 3;
/// Where datagrams are lost, one pause of a second more or less decides, so there are more turns.
const TURNS_WITH_LOSS: usize = 5;

/// Throughput: name, round trip of the path, messages in KiB, of a thousand datagrams how many are lost.
const THROUGHPUTS: [(&str, u64, &[usize], &[u64]); 5] = [
    ("binary", 0, &[16, 64, 256], &[0]),
    ("path-20", 20, &[16, 64, 256], &[0]),
    ("path-100", 100, &[16, 64, 256], &[0]),
    ("loss-20", 20, &[64], &[5, 20]),
    ("loss-100", 100, &[64], &[5, 20]),
];
const OTHERS: [&str; 3] = ["control", "connect", "memory"];

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let measures: Vec<&str> = THROUGHPUTS.iter().map(|(name, ..)| *name).chain(OTHERS).collect();
    if let Some(unknown) = wanted.iter().find(|name| !measures.contains(&name.as_str())) {
        eprintln!(
            "there is no measure {unknown}; there are: {}",
            measures.join(", ")
        );
        return;
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    println!(
        "{:<58} {:>12} {:>12} {:>7}  target",
        "measure", "ours", "base", "ratio"
    );
    runtime.block_on(async {
        for (name, round_trip_ms, sizes_kib, losses) in THROUGHPUTS {
            if is_wanted(name) {
                throughput(round_trip_ms, sizes_kib, losses).await;
            }
        }
        if is_wanted("control") {
            control().await;
        }
        if is_wanted("connect") {
            connect_time().await;
        }
        if is_wanted("memory") {
            memory().await;
        }
    });
}

fn row(measure: &str, ours: &str, base: &str, ratio: Option<f64>, target: &str) {
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    println!("{measure:<58} {ours:>12} {base:>12} {ratio:>7}  {target}");
}

fn weather(round_trip_ms: u64, lost_per_mille: u64) -> Option<Weather> {
    (round_trip_ms > 0).then(|| Weather {
        seed: 7,
        lost_per_mille,
        forged_per_mille: 0,
        delay: Duration::from_micros(round_trip_ms * 500),
        jitter: Duration::ZERO,
    })
}

/// A link of ours, by a path if there is weather.
struct Ours {
    a: Arc<dyn Link>,
    b: Arc<dyn Link>,
    _path: Option<Path>,
}

impl Ours {
    async fn connect(weather: Option<Weather>) -> Self {
        let config = Config {
            connect_within: Duration::from_secs(60),
            heartbeat: Duration::from_secs(20),
            ..Config::loopback()
        };
        let key = |n| DeviceKey::from_bytes(&[n; 32]);
        let (a, b) = (WebRtc::new(key(1), config.clone()), WebRtc::new(key(2), config));
        let offering = a.offer().await.unwrap();
        let offer = Code::decode(&offering.code()).unwrap();
        let path = weather.map(|weather| Path::lay(weather, offer.addresses[0]));
        let moved = path.as_ref().map_or_else(
            || offering.code(),
            |path| path::at(&offering.code(), path.answerer_end),
        );
        let answering = b.answer(&moved).await.unwrap();
        let mut answer = Code::decode(&answering.code()).unwrap();
        if let Some(path) = &path {
            answer.kind = CodeKind::Answer(offer.tag());
            answer.addresses = vec![path.offerer_end];
        }
        let answer = answer.encode().unwrap();
        let (at_a, at_b) = tokio::join!(offering.accept(&answer), answering.connect());
        Self {
            a: at_a.unwrap().link,
            b: at_b.unwrap().link,
            _path: path,
        }
    }

    async fn close(self) {
        tokio::join!(self.a.close(CloseReason::Here), self.b.close(CloseReason::Here));
    }
}

/// Bytes a second that arrive on our binary lane. What is longer than a message of the lane goes as several, as the layer above
/// does it.
async fn ours(weather: Option<Weather>, bytes: usize, time: Duration) -> f64 {
    let link = Ours::connect(weather).await;
    let sender = Arc::clone(&link.a);
    let flood = tokio::spawn(async move {
        let message = Bytes::from(vec![7_u8; bytes.min(BINARY_MESSAGE_BYTES_MAX)]);
        while sender.send(Lane::Binary, message.clone()).await.is_ok() {}
    });
    let receiver = Arc::clone(&link.b);
    let next = async || match receiver.recv().await {
        LinkEvent::Message { bytes, .. } => bytes.len(),
        LinkEvent::Closed(why) => panic!("{why}"),
    };
    let rate = rate(next, time).await;
    link.close().await;
    let _ = flood.await;
    rate
}

/// The same on a bare channel.
async fn bare(tuning: Tuning, weather: Option<Weather>, bytes: usize, time: Duration) -> f64 {
    let (channel, _path) = loop {
        let mut path = None;
        let connecting = Bare::connect(tuning, bytes, |offer: SocketAddr| {
            path = weather.map(|weather| Path::lay(weather, offer));
            path.as_ref().map(|path| (path.offerer_end, path.answerer_end))
        });
        // Where datagrams are lost, some of its handshakes never end.
        match tokio::time::timeout(Duration::from_secs(6), connecting).await {
            Ok(channel) => break (channel, path),
            Err(_) => println!("a bare channel did not come up: once more"),
        }
    };
    // As large as ours with its header: the stack admits messages until the limit is reached, so that one byte less would
    // let a fifth of 64 KiB in beside four.
    let bytes = (bytes + BINARY_HEADER_BYTES).min(bare::MESSAGE_BYTES_MAX);
    let flood = tokio::spawn(bare::flood(Arc::clone(&channel.from), bytes));
    let rate = rate(async || bare::next(&*channel.to).await, time).await;
    flood.abort();
    channel.close().await;
    rate
}

async fn rate(mut next: impl AsyncFnMut() -> usize, time: Duration) -> f64 {
    let mut take = async |time: Duration| {
        let (started, mut bytes) = (Instant::now(), 0);
        while started.elapsed() < time {
            match tokio::time::timeout(time.saturating_sub(started.elapsed()), next()).await {
                Ok(more) => bytes += more,
                Err(_) => break,
            }
        }
        bytes as f64 / started.elapsed().as_secs_f64()
    };
    take(time / 2).await;
    take(time).await
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn megabytes(rate: f64) -> String {
    format!("{:.1} MB/s", rate / 1e6)
}

async fn throughput(round_trip_ms: u64, sizes_kib: &[usize], losses: &[u64]) {
    for &lost_per_mille in losses {
        let weather = weather(round_trip_ms, lost_per_mille);
        let turns = if lost_per_mille > 0 {
            TURNS_WITH_LOSS
        } else {
            TURNS
        };
        for &kib in sizes_kib {
            let bytes = match kib {
                64 => BINARY_MESSAGE_BYTES_MAX,
                kib => kib * 1024,
            };
            let (mut our, mut tuned, mut default) = (vec![], vec![], vec![]);
            for _ in 0..turns {
                our.push(ours(weather, bytes, MEASURED).await);
                tuned.push(bare(Tuning::AsOurs, weather, bytes, MEASURED).await);
                default.push(bare(Tuning::None, weather, bytes, MEASURED).await);
            }
            let (our, tuned, default) = (median(our), median(tuned), median(default));
            let lost = lost_per_mille as f64 / 10.0;
            let name = format!("binary, {kib} KiB, {round_trip_ms} ms, {lost} % lost");
            for (beside, base, target) in [("tuned alike", tuned, ">= 0.95"), ("defaults", default, ">= 4")] {
                row(
                    &format!("{name}, {beside}"),
                    &megabytes(our),
                    &megabytes(base),
                    Some(our / base),
                    target,
                );
            }
        }
    }
}

/// Round trips of small control messages, idle and while binary runs at full speed.
async fn control() {
    for (round_trip_ms, count) in [(0, 2_000), (20, 200)] {
        let link = Ours::connect(weather(round_trip_ms, 0)).await;
        let echo = tokio::spawn({
            let b = Arc::clone(&link.b);
            async move {
                while let LinkEvent::Message { lane, bytes } = b.recv().await {
                    if lane == Lane::Control && b.send(lane, bytes).await.is_err() {
                        break;
                    }
                }
            }
        });
        let idle = round_trips(&*link.a, count).await;
        let flood = tokio::spawn({
            let a = Arc::clone(&link.a);
            async move {
                let message = Bytes::from(vec![7_u8; BINARY_MESSAGE_BYTES_MAX]);
                while a.send(Lane::Binary, message.clone()).await.is_ok() {}
            }
        });
        tokio::time::sleep(MEASURED / 2).await;
        let before = link.b.stats().received_bytes;
        let started = Instant::now();
        let loaded = round_trips(&*link.a, count).await;
        let carried = (link.b.stats().received_bytes - before) as f64 / started.elapsed().as_secs_f64();
        for (name, at) in [("p50", 0.5), ("p99", 0.99)] {
            let pick = |times: &[f64]| times[((times.len() - 1) as f64 * at) as usize];
            let (idle, loaded) = (pick(&idle), pick(&loaded));
            row(
                &format!(
                    "control round trip {name}, {round_trip_ms} ms path, at {} beside idle",
                    megabytes(carried)
                ),
                &format!("{loaded:.2} ms"),
                &format!("{idle:.2} ms"),
                Some(loaded / idle),
                if round_trip_ms > 0 { "<= 3" } else { "" },
            );
        }
        link.close().await;
        let _ = tokio::join!(flood, echo);
    }
}

async fn round_trips(link: &dyn Link, count: usize) -> Vec<f64> {
    let mut times = Vec::new();
    for _ in 0..count {
        let started = Instant::now();
        link.send(
            Lane::Control,
            Bytes::from_static(b"an edit is about this long, with its seal"),
        )
        .await
        .unwrap();
        while !matches!(
            link.recv().await,
            LinkEvent::Message {
                lane: Lane::Control,
                ..
            }
        ) {}
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times
}

/// From the code that was given to both lanes open and both devices proven.
async fn connect_time() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        let link = Ours::connect(None).await;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        link.close().await;
    }
    let worst = times.iter().copied().fold(0.0, f64::max);
    row(
        "connect by code, loopback, p50",
        &format!("{:.0} ms", median(times)),
        "",
        None,
        "<= 250 ms",
    );
    row(
        "connect by code, loopback, worst of 20",
        &format!("{worst:.0} ms"),
        "",
        None,
        "",
    );
}

async fn memory() {
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        pages
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<f64>().ok())
            .unwrap_or(0.0)
            * 4_096.0
    };
    let warm = Ours::connect(None).await;
    let before = resident();
    let mut links = Vec::new();
    for _ in 0..20 {
        links.push(Ours::connect(None).await);
    }
    let per_end = (resident() - before) / 40.0;
    row(
        "memory per end of a link, idle",
        &format!("{:.0} KiB", per_end / 1024.0),
        "",
        None,
        "",
    );
    for link in links {
        link.close().await;
    }
    warm.close().await;
}
