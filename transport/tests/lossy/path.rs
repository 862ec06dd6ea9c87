//! A bad path between two sockets, in user space: each datagram is lost, delayed or let through as a seed says. It changes
//! nothing else, so what arrives is what the real sockets of two real devices sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cuecard_transport::invite::Code;
use cuecard_transport::mutants::Mutants;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How bad.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    /// Of a thousand datagrams, so many are lost.
    pub(crate) lost_per_mille: u64,
    /// And so many come with bytes that are not those that were sent, beside the real ones.
    pub(crate) forged_per_mille: u64,
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
    pub(crate) forged: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

/// Which way nothing gets through, and what else may be switched.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    pub(crate) from_offerer: AtomicBool,
    pub(crate) from_answerer: AtomicBool,
    /// While set, nothing is forged.
    pub(crate) forging_is_off: AtomicBool,
    /// Of the encrypted datagrams of each side (handshakes begin it), the one with this number is lost; the first has 1.
    pub(crate) lose_from_offerer: AtomicU64,
    pub(crate) lose_from_answerer: AtomicU64,
    /// The next datagram of the answerer's that begins with its change of keys is lost: its last flight of a handshake does.
    pub(crate) lose_keys_of_answerer: AtomicBool,
    /// Once anything was lost, the rest takes half the time: a queue on the way has emptied.
    pub(crate) quicker_after_loss: AtomicBool,
}

impl Path {
    /// Between an offer and whoever will talk to the other end.
    pub(crate) fn lay(weather: Weather, offer: SocketAddr) -> Self {
        let (near, far) = (bind(), bind());
        let cut = Arc::new(Cut::default());
        let lost = Arc::new(AtomicU64::new(0));
        let forged = Arc::new(AtomicU64::new(0));
        // The answering device is known once it has sent something.
        let (met, meeting) = tokio::sync::watch::channel(None::<SocketAddr>);
        let mut tasks = JoinSet::new();
        let way = |from_offerer| Way {
            weather,
            lost: Arc::clone(&lost),
            forged: Arc::clone(&forged),
            mutants: Mutants::new(weather.seed),
            cut: Arc::clone(&cut),
            from_offerer,
            random: weather.seed ^ if from_offerer { 0x9e37_79b9_7f4a_7c15 } else { 0 },
            under_way: BinaryHeap::new(),
            count: 0,
            encrypted: 0,
        };
        let (from, to) = (Arc::clone(&far), Arc::clone(&near));
        let seen = move |answerer| {
            met.send_replace(Some(answerer));
        };
        tasks.spawn(way(false).run(from, to, seen, move || Some(offer)));
        tasks.spawn(way(true).run(near.clone(), far.clone(), |_| (), move || *meeting.borrow()));
        Self {
            offerer_end: near.local_addr().unwrap(),
            answerer_end: far.local_addr().unwrap(),
            cut,
            lost,
            forged,
            _tasks: tasks,
        }
    }
}

/// With room for a burst: what is lost is for the seed to say.
fn bind() -> Arc<UdpSocket> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 * 1024 * 1024);
    socket.set_nonblocking(true).unwrap();
    Arc::new(UdpSocket::from_std(socket).unwrap())
}

struct Way {
    weather: Weather,
    lost: Arc<AtomicU64>,
    forged: Arc<AtomicU64>,
    cut: Arc<Cut>,
    from_offerer: bool,
    random: u64,
    mutants: Mutants,
    /// By when they arrive, then by when they came.
    under_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    count: u64,
    /// Encrypted datagrams that came so far.
    encrypted: u64,
}

impl Way {
    async fn run(
        mut self,
        from: Arc<UdpSocket>,
        by: Arc<UdpSocket>,
        seen: impl Fn(SocketAddr),
        to: impl Fn() -> Option<SocketAddr>,
    ) {
        let mut buffer = vec![0; 65_536];
        loop {
            let next = self.under_way.peek().map(|Reverse((at, ..))| *at);
            tokio::select! {
                came = from.recv_from(&mut buffer) => {
                    let Ok((length, sender)) = came else { return };
                    seen(sender);
                    self.take(&buffer[..length]);
                    // A burst is taken whole before anything else is done.
                    while let Ok((length, _)) = from.try_recv_from(&mut buffer) {
                        self.take(&buffer[..length]);
                    }
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
            let now = Instant::now();
            while self.under_way.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
                let Some(Reverse((_, _, datagram))) = self.under_way.pop() else {
                    break;
                };
                if let Some(to) = to() {
                    let _ = by.send_to(&datagram, to).await;
                }
            }
        }
    }

    fn take(&mut self, datagram: &[u8]) {
        let (cut, lose) = if self.from_offerer {
            (&self.cut.from_offerer, &self.cut.lose_from_offerer)
        } else {
            (&self.cut.from_answerer, &self.cut.lose_from_answerer)
        };
        let dice = next(&mut self.random);
        let is_encrypted = datagram.first().is_some_and(|first| (20..=63).contains(first));
        self.encrypted += u64::from(is_encrypted);
        let changes_keys = !self.from_offerer && datagram.first() == Some(&20);
        let is_chosen = is_encrypted && self.encrypted == lose.load(Ordering::Relaxed)
            || changes_keys && self.cut.lose_keys_of_answerer.swap(false, Ordering::Relaxed);
        if cut.load(Ordering::Relaxed) || is_chosen || dice % 1_000 < self.weather.lost_per_mille {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let jitter = self
            .weather
            .jitter
            .mul_f64((next(&mut self.random) % 1_000) as f64 / 1_000.0);
        let is_quicker =
            self.cut.quicker_after_loss.load(Ordering::Relaxed) && self.lost.load(Ordering::Relaxed) > 0;
        let delay = self.weather.delay / if is_quicker { 2 } else { 1 };
        let at = Instant::now() + delay + jitter;
        if self.mutants.below(1_000) < self.weather.forged_per_mille
            && !self.cut.forging_is_off.load(Ordering::Relaxed)
        {
            self.forged.fetch_add(1, Ordering::Relaxed);
            let mut forged = datagram.to_vec();
            self.mutants.mutate(&mut forged, &[datagram.to_vec()]);
            self.count += 1;
            self.under_way.push(Reverse((at, self.count, forged)));
        }
        self.count += 1;
        self.under_way.push(Reverse((at, self.count, datagram.to_vec())));
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
