//! The device itself: an engine on a folder, links over WebRTC, and what it is asked to do.

use std::collections::BTreeSet;
use std::io::{BufRead, Cursor, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cuecard::transport::webrtc::{Config, Connected, Offering, SavedRoute, WebRtc};
use cuecard::transport::{Backoff, Cable, Lane};
use cuecard::{
    AudioAbout, AutoClaim, Deck, DeckChange, DeckInvite, DeviceId, Engine, Event, KeptLink, Member, Policies,
    Reach, Rights, Role,
};
use serde_json::{Value, json, to_value};
use tokio::sync::{mpsc, watch};

use super::ask::{Ask, Said, Status};
use super::held::{HeldStore, Hold};
use super::process::Settings;
use super::tally::{Counted, CountedDialer, Tally};

/// The argument that makes a device of a test or benchmark.
pub const AS_DEVICE: &str = "as-a-device";

/// Short, so that a story need not wait: a cut cable is noticed after three of these.
const HEARTBEAT: Duration = Duration::from_millis(400);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_millis(500),
    jitter: 0.3,
    steady: Duration::from_secs(10),
};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Audio that can be told from any other: the same for the same seed.
#[must_use]
pub fn sound(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut sound = Vec::with_capacity(bytes + 8);
    while sound.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        sound.extend_from_slice(&state.to_le_bytes());
    }
    sound.truncate(bytes);
    sound
}

/// To be called first by every program that starts devices: true where this process was one, and has ended as such.
///
/// # Panics
/// When it cannot be one.
#[must_use]
pub fn run_if_asked() -> bool {
    let mut arguments = std::env::args()
        .skip_while(|argument| argument != AS_DEVICE)
        .skip(1);
    let Some(folder) = arguments.next() else {
        return false;
    };
    let settings = arguments.next().expect("its settings");
    let settings = serde_json::from_str(&settings).expect("settings");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if let Err(error) = runtime.block_on(serve(PathBuf::from(folder), settings)) {
        eprintln!("a device ended: {error}");
        std::process::exit(1);
    }
    true
}

fn write(value: &Value) {
    let mut output = std::io::stdout().lock();
    // Whoever started it may be gone.
    let _ = writeln!(output, "{value}").and_then(|()| output.flush());
}

fn say(said: &Said) {
    write(&to_value(said).unwrap_or_default());
}

async fn serve(folder: PathBuf, settings: Settings) -> Result<(), Failed> {
    let mut builder = Engine::builder();
    if let Some(after) = settings.auto_claim {
        builder = builder.policies(Policies {
            auto_claim: AutoClaim::After(after),
            ..Policies::default()
        });
    }
    let hold = Hold::default();
    let engine = match settings.disk_can_be_held {
        true => HeldStore::open(builder, &folder, &hold).await?,
        false => builder.open(&folder).await?,
    };
    let device = Device::new(engine, settings.patient, hold)?;
    say(&Said::Ready {
        device: device.engine.device().to_string(),
    });
    let (tell, mut asked) = mpsc::unbounded_channel();
    // A thread of its own: reading from a pipe waits.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = asked.recv().await {
        let ask: Ask = serde_json::from_str(&line)?;
        let is_last = matches!(ask, Ask::Stop);
        match device.act(ask).await {
            Ok(value) => write(&json!({ "ok": value })),
            Err(error) => write(&json!({ "err": error.to_string() })),
        }
        if is_last {
            return Ok(());
        }
    }
    // Whoever started it is gone.
    Ok(())
}

struct Device {
    engine: Engine,
    webrtc: WebRtc,
    cable: Cable,
    tally: Arc<Tally>,
    told: watch::Receiver<Told>,
    offers: tokio::sync::Mutex<Vec<Arc<Offering>>>,
    kept: Arc<std::sync::Mutex<Vec<KeptLink>>>,
    rate: watch::Sender<u32>,
    hold: Hold,
}

impl Device {
    fn new(engine: Engine, is_patient: bool, hold: Hold) -> Result<Self, Failed> {
        let cable = Cable::new();
        let usual = Config::loopback();
        let config = Config {
            heartbeat: if is_patient { usual.heartbeat } else { HEARTBEAT },
            heartbeat_misses: 3,
            cable: Some(cable.clone()),
            connect_within: Duration::from_secs(30),
            ..usual
        };
        let webrtc = WebRtc::new(engine.key().clone(), config);
        let (tell, told) = watch::channel(Told::default());
        tokio::spawn(count_events(engine.clone(), tell));
        let device = Self {
            webrtc,
            cable,
            tally: Arc::default(),
            told,
            offers: Default::default(),
            kept: Arc::default(),
            rate: watch::Sender::new(0),
            hold,
            engine,
        };
        for (_, route) in device.engine.routes()? {
            let dialer = device.webrtc.dialer(SavedRoute::from_bytes(&route)?)?;
            let dialer = CountedDialer::around(dialer, &device.tally);
            device.keep(device.engine.keep_linked(dialer, BACKOFF));
        }
        Ok(device)
    }

    fn keep(&self, kept: KeptLink) {
        if let Ok(mut list) = self.kept.lock() {
            list.push(kept);
        }
    }

    fn deck(&self) -> Result<Deck, Failed> {
        Ok(self.engine.decks().pop().ok_or("there is no deck")?)
    }

    async fn act(&self, ask: Ask) -> Result<Value, Failed> {
        let reply = match ask {
            Ask::Create => self.engine.create_deck("a deck").await.map(|_| Value::Null)?,
            Ask::Holders { devices } => {
                let mut members = Vec::new();
                for (device, rank) in devices.iter().zip(0..) {
                    members.push(Member {
                        device: device.parse().map_err(|_| "no device")?,
                        rights: Rights::Hold,
                        rank,
                    });
                }
                members.retain(|member| member.device != self.engine.device());
                members.sort_by_key(|member| member.device);
                self.deck()?.set_members(members).await?;
                Value::Null
            }
            Ask::Offer { with_deck } => {
                let payload = match with_deck {
                    true => self.deck()?.invite(Rights::Read)?.to_bytes(),
                    false => vec![],
                };
                let offer = self.webrtc.offer_with(payload).await?;
                let code = offer.code();
                let mut offers = self.offers.lock().await;
                offers.push(Arc::new(offer));
                json!([offers.len() - 1, code])
            }
            Ask::Answer { code } => {
                let answer = self.webrtc.answer(&code).await?;
                if let Some(invite) = DeckInvite::from_bytes(answer.payload()) {
                    self.engine.join(&invite).await?;
                }
                let code = answer.code();
                let this = self.linker();
                tokio::spawn(async move {
                    match answer.connect().await {
                        Ok(connected) => this.use_link(connected).await,
                        Err(error) => eprintln!("no link: {error}"),
                    }
                });
                json!(code)
            }
            Ask::Accept { offer, code } => {
                let offer = self
                    .offers
                    .lock()
                    .await
                    .get(offer)
                    .cloned()
                    .ok_or("no such offer")?;
                let this = self.linker();
                tokio::spawn(async move {
                    match offer.accept(&code).await {
                        Ok(connected) => this.use_link(connected).await,
                        Err(error) => eprintln!("no link: {error}"),
                    }
                });
                Value::Null
            }
            Ask::Cable { cut: true } => json!(self.cable.cut()),
            Ask::Cable { cut: false } => json!(self.cable.mend()),
            Ask::Add { fronts } => {
                let deck = self.deck()?;
                let mut saving = Vec::new();
                for front in fronts {
                    saving.push(deck.edit(|edit| edit.add_card(&front, "?").map(drop)));
                }
                for saved in saving {
                    saved.await?;
                }
                Value::Null
            }
            Ask::AddUnsaved { fronts } => {
                let deck = self.deck()?;
                for front in fronts {
                    deck.edit(|edit| edit.add_card(&front, "?").map(drop)).at_once()?;
                }
                Value::Null
            }
            Ask::HoldDisk => json!(self.hold.hold()),
            Ask::Document { file } => json!(std::fs::write(file, self.deck()?.automerge_document()?)?),
            Ask::Draft { fronts } => {
                let draft = self.deck()?.draft("a draft").await?;
                for front in fronts {
                    draft.edit(|edit| edit.add_card(&front, "?").map(drop)).await?;
                }
                draft.propose().await?;
                Value::Null
            }
            Ask::AcceptDrafts => {
                let deck = self.deck()?;
                let mut accepted = 0;
                for draft in deck.drafts()? {
                    if is_proposed(&draft.state) {
                        deck.accept_draft(draft.draft).await?;
                        accepted += 1;
                    }
                }
                json!(accepted)
            }
            Ask::Claim => json!(self.deck()?.claim().await?.to_string()),
            Ask::Import { seed, bytes } => self.import(seed, bytes).await?,
            Ask::Verify { seed, bytes } => self.verify(seed, bytes)?,
            Ask::HoldAfter { binary, bytes } => {
                let lane = if binary { Lane::Binary } else { Lane::Control };
                self.tally.hold_after(lane, bytes);
                let tally = Arc::clone(&self.tally);
                tokio::spawn(async move {
                    tally.held().await;
                    say(&Said::Held);
                });
                Value::Null
            }
            Ask::GoOn => json!(self.tally.go_on()),
            Ask::EditOnceEditor { front } => {
                let (deck, mut events) = (self.deck()?, self.engine.events());
                tokio::spawn(async move {
                    while !matches!(deck.role(), Ok(Role::Editor { .. })) {
                        if events.next().await.is_none() {
                            return;
                        }
                    }
                    if let Err(error) = deck.edit(|edit| edit.add_card(&front, "?").map(drop)).await {
                        eprintln!("the editor could not edit: {error}");
                    }
                });
                Value::Null
            }
            Ask::Watch { front } => {
                let mut events = self.engine.events();
                tokio::spawn(async move {
                    while let Some(event) = events.next().await {
                        if let Event::Changed {
                            change: DeckChange::CardAdded { card },
                            ..
                        } = event
                            && card.front == front
                        {
                            return say(&Said::Seen { front });
                        }
                    }
                });
                Value::Null
            }
            Ask::Stream { per_second } => {
                if self.rate.send_replace(per_second) == 0 && per_second > 0 {
                    tokio::spawn(stream(self.deck()?, self.rate.subscribe()));
                }
                Value::Null
            }
            Ask::Status => to_value(self.status()?)?,
            Ask::Cards => {
                let fronts: Vec<String> = self.deck()?.cards()?.into_iter().map(|card| card.front).collect();
                json!(fronts)
            }
            Ask::Stop => json!(self.engine.shutdown().await?),
        };
        Ok(reply)
    }

    async fn import(&self, seed: u64, bytes: usize) -> Result<Value, Failed> {
        let about = AudioAbout {
            mime: "audio/wav".to_owned(),
            name: format!("{seed}.wav"),
            duration_ms: seed,
        };
        let deck = self.deck()?;
        let audio = deck.import_audio(Cursor::new(sound(seed, bytes)), about).await?;
        deck.edit(|edit| {
            let card = edit.add_card(&format!("audio {seed}"), "?")?;
            edit.attach_audio(&card, "front", audio)
        })
        .await?;
        Ok(Value::Null)
    }

    fn verify(&self, seed: u64, bytes: usize) -> Result<Value, Failed> {
        let deck = self.deck()?;
        let name = format!("{seed}.wav");
        let cards = deck.cards()?;
        let audio = cards.iter().flat_map(|card| card.audio.values());
        let audio = audio
            .into_iter()
            .find(|audio| audio.name == name)
            .ok_or("no card has it")?;
        let mut read = Vec::new();
        deck.open_audio(audio.blob)?.read_to_end(&mut read)?;
        Ok(json!(read == sound(seed, bytes)))
    }

    fn status(&self) -> Result<Status, Failed> {
        let deck = self.deck().ok();
        let here = deck.as_ref().filter(|deck| deck.head().is_ok());
        let editor = |deck: &Deck| match deck.role() {
            Ok(Role::Editor { .. }) => Some(self.engine.device()),
            Ok(Role::Viewer { editor, .. }) => Some(editor),
            _ => None,
        };
        let drafts = here.map_or(Ok(vec![]), Deck::drafts)?;
        let audio = self.engine.audio();
        let state = here.map(Deck::sync_state).transpose()?;
        let changes = state.as_ref().map_or(0, |state| state.changes);
        let unsaved = state.as_ref().map_or(0, |state| state.unsaved);
        let sign = state.as_ref().and_then(|state| state.editor);
        let told = *self.told.borrow();
        let away = state
            .into_iter()
            .flat_map(|state| state.devices)
            .filter(|with| matches!(with.reach, Reach::LastHeard { .. }));
        Ok(Status {
            head: here.map(Deck::head).transpose()?.map(|head| head.to_string()),
            entries: here.map_or(Ok(0), Deck::entry_count)?,
            changes,
            durable: changes - unsaved,
            editor: here.and_then(editor).map(|device| device.to_string()),
            linked: told.linked,
            away: away.map(|with| with.device.to_string()).collect(),
            heard: sign.is_some_and(|sign| sign.heard_ms.is_some()),
            silent: sign.is_some_and(|sign| sign.is_silent),
            told_silent: (told.silent, told.heard),
            proposed: drafts.iter().filter(|draft| is_proposed(&draft.state)).count(),
            audio: (
                audio.iter().map(|audio| audio.have_bytes).sum(),
                audio.iter().map(|audio| audio.size_bytes).sum(),
            ),
            received: self.tally.received(),
            sent: self.tally.sent(),
            cpu_ms: cpu_ms(),
        })
    }

    fn linker(&self) -> Linker {
        Linker {
            engine: self.engine.clone(),
            webrtc: self.webrtc.clone(),
            tally: Arc::clone(&self.tally),
            kept: Arc::clone(&self.kept),
        }
    }
}

const fn is_proposed(state: &cuecard::DraftState) -> bool {
    use cuecard::DraftState;
    matches!(state, DraftState::Proposed | DraftState::Delivered { .. })
}

/// What it takes to use a link from codes, and to dial for it once it is over.
struct Linker {
    engine: Engine,
    webrtc: WebRtc,
    tally: Arc<Tally>,
    kept: Arc<std::sync::Mutex<Vec<KeptLink>>>,
}

impl Linker {
    async fn use_link(self, connected: Connected) {
        let Connected { link, route } = connected;
        let (peer, bytes) = (link.peer(), route.to_bytes());
        let over = self.engine.attach(Counted::around(link, &self.tally));
        if let Err(error) = self.engine.remember_route(peer, &bytes).await {
            eprintln!("the route was not kept: {error}");
        }
        over.ended().await;
        match self.webrtc.dialer(route) {
            Ok(dialer) => {
                let dialer = CountedDialer::around(dialer, &self.tally);
                let kept = self.engine.keep_linked(dialer, BACKOFF);
                if let Ok(mut list) = self.kept.lock() {
                    list.push(kept);
                }
            }
            Err(error) => eprintln!("the route cannot be dialled: {error}"),
        }
    }
}

/// What the app was told, in numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    linked: usize,
    silent: usize,
    heard: usize,
}

async fn count_events(engine: Engine, count: watch::Sender<Told>) {
    let mut events = engine.events();
    let mut linked: BTreeSet<DeviceId> = BTreeSet::new();
    let mut told = Told::default();
    while let Some(event) = events.next().await {
        match event {
            Event::Linked { device } => drop(linked.insert(device)),
            Event::Unlinked { device, .. } => drop(linked.remove(&device)),
            Event::EditorSilent { .. } => told.silent += 1,
            Event::EditorHeard { .. } => told.heard += 1,
            _ => continue,
        }
        told.linked = linked.len();
        count.send_replace(told);
    }
}

/// Adds cards at a steady rate until none is asked for.
async fn stream(deck: Deck, rate: watch::Receiver<u32>) {
    let mut number = 0_u64;
    let mut next = tokio::time::Instant::now();
    loop {
        let per_second = *rate.borrow();
        if per_second == 0 {
            return;
        }
        let edit = deck.edit(|edit| edit.add_card(&format!("streamed {number}"), "?").map(drop));
        if let Err(error) = edit.at_once() {
            return eprintln!("a streamed edit failed: {error}");
        }
        number += 1;
        next += Duration::from_secs(1) / per_second;
        tokio::time::sleep_until(next).await;
    }
}

/// Time of a processor that this process has used.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold spaces; a hundredth of a second each.
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let field = |at: usize| -> u64 {
        let field = behind.split_whitespace().nth(at);
        field.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    (field(11) + field(12)) * 10
}
