//! A bad path between two sockets, in user space: each datagram is lost, delayed or let through as a seed says. It changes
//! nothing else, so what arrives is what the real sockets of two real devices sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cuecard_transport::invite::Code;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// How bad.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    /// Of a thousand datagrams, so many are lost.
    pub(crate) lost_per_mille: u64,
    pub(crate) delay: Duration,
    /// On top of the delay, up to this: later ones overtake.
    pub(crate) jitter: Duration,
}

/// Two ends, one for each device to talk to, and what lies between. Ends with it.
pub(crate) struct Path {
    /// What the offering device talks to.
    pub(crate) offerer_end: SocketAddr,
    /// What the answering device talks to.
    pub(crate) answerer_end: SocketAddr,
    pub(crate) cut: Arc<Cut>,
    pub(crate) lost: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

/// Which way nothing gets through.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    pub(crate) from_offerer: AtomicBool,
    pub(crate) from_answerer: AtomicBool,
}

impl Path {
    /// Between an offer and whoever will talk to the other end.
    pub(crate) async fn lay(weather: Weather, offer: SocketAddr) -> Self {
        let bind = || async { Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()) };
        let (near, far) = (bind().await, bind().await);
        let cut = Arc::new(Cut::default());
        let lost = Arc::new(AtomicU64::new(0));
        // The answering device is known once it has sent something.
        let (met, meeting) = tokio::sync::watch::channel(None::<SocketAddr>);
        let mut tasks = JoinSet::new();
        let back = Way {
            weather,
            lost: Arc::clone(&lost),
            cut: Arc::clone(&cut),
            from_offerer: false,
        };
        let (from, to) = (Arc::clone(&far), Arc::clone(&near));
        tasks.spawn(async move {
            let mut random = weather.seed;
            let mut buffer = vec![0; 65_536];
            let mut under_way = JoinSet::new();
            while let Ok((length, answerer)) = from.recv_from(&mut buffer).await {
                met.send_replace(Some(answerer));
                back.carry(&mut random, &mut under_way, &buffer[..length], &to, offer);
            }
        });
        let forth = Way {
            weather,
            lost: Arc::clone(&lost),
            cut: Arc::clone(&cut),
            from_offerer: true,
        };
        let (from, to) = (Arc::clone(&near), Arc::clone(&far));
        tasks.spawn(async move {
            let mut random = weather.seed ^ 0x9e37_79b9_7f4a_7c15;
            let mut buffer = vec![0; 65_536];
            let mut under_way = JoinSet::new();
            while let Ok((length, _)) = from.recv_from(&mut buffer).await {
                let answerer = *meeting.borrow();
                if let Some(answerer) = answerer {
                    forth.carry(&mut random, &mut under_way, &buffer[..length], &to, answerer);
                }
            }
        });
        Self {
            offerer_end: near.local_addr().unwrap(),
            answerer_end: far.local_addr().unwrap(),
            cut,
            lost,
            _tasks: tasks,
        }
    }
}

struct Way {
    weather: Weather,
    lost: Arc<AtomicU64>,
    cut: Arc<Cut>,
    from_offerer: bool,
}

impl Way {
    fn carry(
        &self,
        random: &mut u64,
        under_way: &mut JoinSet<()>,
        datagram: &[u8],
        by: &Arc<UdpSocket>,
        to: SocketAddr,
    ) {
        while under_way.try_join_next().is_some() {}
        let cut = if self.from_offerer {
            &self.cut.from_offerer
        } else {
            &self.cut.from_answerer
        };
        let dice = next(random);
        if cut.load(Ordering::Relaxed) || dice % 1_000 < self.weather.lost_per_mille {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let jitter = self
            .weather
            .jitter
            .mul_f64((next(random) % 1_000) as f64 / 1_000.0);
        let at = tokio::time::Instant::now() + self.weather.delay + jitter;
        let (datagram, by) = (datagram.to_vec(), Arc::clone(by));
        under_way.spawn(async move {
            tokio::time::sleep_until(at).await;
            let _ = by.send_to(&datagram, to).await;
        });
    }
}

/// splitmix64.
fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *random;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The same code, with its maker behind another address.
pub(crate) fn at(code: &str, address: SocketAddr) -> String {
    let mut code = Code::decode(code).unwrap();
    code.addresses = vec![address];
    code.encode().unwrap()
}
