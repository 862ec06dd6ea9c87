//! The built-in demo: two devices in this process, each with a folder and a key of its own, linked over real WebRTC by a
//! cable that can be cut. What a person does to them is done to real engines; nothing here knows the outcome.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use cuecard::card::{FieldValue, TextField};
use cuecard::transport::webrtc::Config;
use cuecard::transport::{Backoff, Cable};
use cuecard::{
    AudioAbout, AutoClaim, CardId, Deck, DeckInvite, DraftId, Engine, Event, Member, Policies, Rights, Role,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::audio;
use crate::node::links::{Links, lock};

use super::asked::Oops;

/// A cut cable is noticed after three of these.
const HEARTBEAT: Duration = Duration::from_millis(300);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_millis(600),
    jitter: 0.3,
    steady: Duration::from_secs(10),
};
/// Who cuts the cable is to see that the editor is silent before looking elsewhere. Nobody claims the role for that: of two
/// that may hold it, neither does.
const SILENT_AFTER: Duration = Duration::from_secs(10);
/// Two engines on one machine agree in well under a second.
const AGREE_WITHIN: Duration = Duration::from_secs(30);

const TITLE: &str = "Spanish 101";
const WORDS: [(&str, &str); 10] = [
    ("hola", "hello"),
    ("gracias", "thank you"),
    ("la casa", "the house"),
    ("el perro", "the dog"),
    ("el gato", "the cat"),
    ("el agua", "the water"),
    ("el pan", "the bread"),
    ("la leche", "the milk"),
    ("la ciudad", "the city"),
    ("mañana", "tomorrow"),
];
/// What each side writes at a press of a button, one after the other.
const MORE: [[(&str, &str); 4]; 2] = [
    [
        ("lunes", "Monday"),
        ("martes", "Tuesday"),
        ("jueves", "Thursday"),
        ("viernes", "Friday"),
    ],
    [
        ("el mar", "the sea"),
        ("el sol", "the sun"),
        ("la luna", "the moon"),
        ("la nube", "the cloud"),
    ],
];

/// The two devices and what is between them.
pub(super) struct Stage {
    engines: [Engine; 2],
    cable: Cable,
    links: [Links; 2],
    cut: Mutex<bool>,
    /// How often each side wrote at a press.
    pressed: Mutex<[usize; 2]>,
}

type Outcome<T> = Result<T, Oops>;

impl Stage {
    /// Opens the two folders; what is in them is gone on with.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(super) async fn open(folders: &[PathBuf; 2]) -> Result<Self, cuecard::OpenError> {
        let [laptop, phone] = folders;
        let policies = Policies {
            auto_claim: AutoClaim::After(SILENT_AFTER),
            ..Policies::default()
        };
        let open = |name: &'static str, folder: &Path| {
            let builder = Engine::builder().name(name).policies(policies.clone());
            builder.open(folder.to_owned())
        };
        let engines = [open("laptop", laptop).await?, open("phone", phone).await?];
        let cable = Cable::new();
        let links = engines.each_ref().map(|engine| {
            let config = Config {
                heartbeat: HEARTBEAT,
                heartbeat_misses: 3,
                cable: Some(cable.clone()),
                ..Config::loopback()
            };
            Links::new(engine, config, BACKOFF)
        });
        Ok(Self {
            engines,
            cable,
            links,
            cut: Mutex::new(false),
            pressed: Mutex::default(),
        })
    }

    pub(super) const fn engines(&self) -> &[Engine; 2] {
        &self.engines
    }

    /// Whether there is a deck already.
    pub(super) fn has_begun(&self) -> bool {
        self.engines.iter().any(|engine| !engine.decks().is_empty())
    }

    /// Links the two: by the routes that they remember, or by codes.
    pub(super) async fn link(&self) -> Outcome<()> {
        let [laptop, phone] = &self.engines;
        let [here, there] = &self.links;
        if !laptop.routes()?.is_empty() && !phone.routes()?.is_empty() {
            here.dial_remembered()?;
            there.dial_remembered()?;
            return self.wait("find each other", Self::are_linked).await;
        }
        let invite = first_deck(laptop)?.invite(Rights::Read)?;
        let offer = here.offer(Some(&invite)).await?;
        let answer = there.answer(&offer.code()).await?;
        let invite = DeckInvite::from_bytes(answer.payload()).ok_or("the offer carries no deck")?;
        let code = answer.code();
        let (at_laptop, at_phone) = tokio::try_join!(offer.accept(&code), answer.connect())?;
        // They hold the ports that dialling wants.
        drop((offer, answer));
        phone.join(&invite).await?;
        here.keep(at_laptop).await?;
        there.keep(at_phone).await?;
        self.wait("find each other", Self::are_linked).await
    }

    /// Ends the links, and saves everything.
    pub(super) async fn end(&self) {
        for links in &self.links {
            links.let_go();
        }
        for engine in &self.engines {
            // A disk that failed has said so before.
            let _ = engine.shutdown().await;
        }
    }

    /// A short past, so that there is something to see: edits, a melody, a draft that was accepted, one that was not,
    /// the role there and back, and two who named one thing at a time.
    pub(super) async fn begin(&self) -> Outcome<()> {
        let [laptop, phone] = &self.engines;
        let deck = laptop.create_deck(TITLE).await?;
        let mut cards: Vec<CardId> = Vec::new();
        for (front, back) in WORDS {
            cards.push(deck.edit(|edit| edit.add_card(front, back)).await?);
        }
        let about = AudioAbout {
            mime: audio::MIME.to_owned(),
            name: "melody.wav".to_owned(),
            duration_ms: audio::DURATION_MS,
        };
        let melody = deck.import_audio(Cursor::new(audio::melody()), about).await?;
        let [
            hello,
            thanks,
            house,
            dog,
            _cat,
            water,
            bread,
            _milk,
            _city,
            tomorrow,
        ] = cards.as_slice()
        else {
            return Err("the demo has ten cards".into());
        };
        deck.edit(|edit| edit.attach_audio(hello, "melody", melody))
            .await?;
        self.link().await?;
        let mut members = deck.members()?.listed();
        members.retain(|member| member.device != phone.device());
        members.push(Member {
            device: phone.device(),
            rights: Rights::Hold,
            rank: 1,
        });
        deck.set_members(members).await?;
        self.agree().await?;
        // Both at a time: the laptop edits, the phone writes a draft on what was before.
        let copy = first_deck(phone)?;
        let draft = copy.draft("sea and manners").await?;
        draft.edit(|edit| edit.add_card("el mar", "the sea")).await?;
        draft
            .edit(|edit| edit.set_text(house, TextField::Back, "at the house"))
            .await?;
        draft.edit(|edit| edit.tag(thanks, "polite")).await?;
        draft
            .edit(|edit| edit.set_field(hello, "level", Some(FieldValue::Text("A1".to_owned()))))
            .await?;
        for piece in ["the house ", "the house (a ", "the house (a building)"] {
            deck.edit(|edit| edit.set_text(house, TextField::Back, piece))
                .await?;
        }
        deck.edit(|edit| edit.set_field(hello, "level", Some(FieldValue::Text("beginner".to_owned()))))
            .await?;
        deck.edit(|edit| edit.delete_card(bread)).await?;
        deck.edit(|edit| edit.move_card(tomorrow, Some(thanks))).await?;
        draft.propose().await?;
        self.wait("pass a draft on", |stage| stage.has_draft(draft.id()))
            .await?;
        deck.accept_draft(draft.id()).await?;
        self.agree().await?;
        // The role to the phone, and back.
        deck.grant(phone.device()).await?;
        self.wait("pass the role on", |stage| stage.is_editor(1)).await?;
        copy.edit(|edit| edit.tag(hello, "greeting")).await?;
        copy.edit(|edit| edit.set_text(dog, TextField::Back, "the dog (male)"))
            .await?;
        copy.grant(laptop.device()).await?;
        self.wait("pass the role on", |stage| stage.is_editor(0)).await?;
        deck.edit(|edit| edit.tag(water, "feminine")).await?;
        self.agree().await?;
        let waiting = copy.draft("the weather").await?;
        waiting
            .edit(|edit| edit.add_card("la lluvia", "the rain"))
            .await?;
        waiting
            .edit(|edit| edit.set_text(water, TextField::Back, "the water (el, but feminine)"))
            .await?;
        waiting.propose().await?;
        self.wait("pass a draft on", |stage| stage.has_draft(waiting.id()))
            .await?;
        Ok(())
    }

    /// Does what the page asks.
    pub(super) async fn act(&self, what: &str, at: usize, text: Option<&str>) -> Outcome<Value> {
        match what {
            "cut" => self.set_cut(true),
            "mend" => self.set_cut(false),
            "write" => self.write(at, text).await?,
            "hand_over" => self.hand_over(at).await?,
            _ => return Err("the demo knows no such deed".into()),
        }
        Ok(self.told())
    }

    fn set_cut(&self, cut: bool) {
        *lock(&self.cut) = cut;
        if cut {
            self.cable.cut();
        } else {
            self.cable.mend();
        }
    }

    /// The editor adds a card; the other adds it in its draft, and proposes that. Without a text it is the next of ours.
    async fn write(&self, at: usize, text: Option<&str>) -> Outcome<()> {
        let engine = self.engines.get(at).ok_or("there are two devices")?;
        let deck = first_deck(engine)?;
        let text = text.map(str::to_owned);
        let next = {
            let mut pressed = lock(&self.pressed);
            let count = pressed.get_mut(at).ok_or("there are two devices")?;
            *count += usize::from(text.is_none());
            count.saturating_sub(1)
        };
        let (front, back) = words(at, next);
        let edit = move |edit: &mut cuecard::document::Edit<'_>| match &text {
            Some(text) => edit.add_card(text, ""),
            None => edit.add_card(&front, &back),
        };
        if matches!(deck.role()?, Role::Editor { .. }) {
            deck.edit(edit).await?;
            return Ok(());
        }
        let own = deck.drafts()?.into_iter().find(|draft| {
            draft.author == engine.device() && draft.note == "written beside" && draft.state.is_proposed()
        });
        let draft = match own {
            Some(draft) => deck.draft_of(draft.draft),
            None => deck.draft("written beside").await?,
        };
        draft.extend(edit).await?;
        Ok(())
    }

    async fn hand_over(&self, to: usize) -> Outcome<()> {
        let receiver = self.engines.get(to).ok_or("there are two devices")?.device();
        for engine in &self.engines {
            let deck = first_deck(engine)?;
            if matches!(deck.role()?, Role::Editor { .. }) && engine.device() != receiver {
                deck.grant(receiver).await?;
                return Ok(());
            }
        }
        Err("that device is the editor already".into())
    }

    /// The two and what is between them, as the page shows it.
    pub(super) fn told(&self) -> Value {
        let devices: Vec<Value> = self
            .engines
            .iter()
            .enumerate()
            .map(|(at, engine)| self.device(at, engine))
            .collect();
        json!({
            "cut": *lock(&self.cut),
            "linked": self.are_linked(),
            "agree": self.have_agreed(),
            "devices": devices,
        })
    }

    fn device(&self, at: usize, engine: &Engine) -> Value {
        let name = engine.name_of(engine.device()).unwrap_or_default();
        let Ok(deck) = first_deck(engine) else {
            return json!({ "name": name });
        };
        let waiting =
            |draft: &cuecard::DraftInfo| draft.state.is_proposed() && draft.author == engine.device();
        json!({
            "name": name,
            "peer": at,
            "deck": deck.id().to_string(),
            "editor": self.is_editor(at),
            "head": deck.head().map(|head| head.to_string()).ok(),
            "entries": deck.entry_count().unwrap_or(0),
            "cards": deck.card_count().unwrap_or(0),
            "drafts": deck.drafts().map(|drafts| drafts.iter().filter(|draft| waiting(draft)).count()).unwrap_or(0),
        })
    }

    fn are_linked(&self) -> bool {
        let is_linked = |engine: &Engine| {
            let state = first_deck(engine).ok().and_then(|deck| deck.sync_state().ok());
            state.is_some_and(|state| state.devices.iter().any(|device| device.reach.is_linked()))
        };
        self.engines.iter().all(is_linked)
    }

    fn have_agreed(&self) -> bool {
        let mut heads = self
            .engines
            .iter()
            .map(|engine| first_deck(engine).ok().and_then(|deck| deck.head().ok()));
        match (heads.next().flatten(), heads.next().flatten()) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        }
    }

    fn is_editor(&self, at: usize) -> bool {
        let deck = self.engines.get(at).and_then(|engine| first_deck(engine).ok());
        deck.and_then(|deck| deck.role().ok())
            .is_some_and(|role| matches!(role, Role::Editor { .. }))
    }

    fn has_draft(&self, draft: DraftId) -> bool {
        let [laptop, _] = &self.engines;
        let drafts = first_deck(laptop)
            .ok()
            .and_then(|deck| deck.drafts().ok())
            .unwrap_or_default();
        drafts
            .iter()
            .any(|known| known.draft == draft && known.state.is_proposed())
    }

    async fn agree(&self) -> Outcome<()> {
        self.wait("agree", Self::have_agreed).await
    }

    /// Waits until they did something; looks again with every event of either.
    async fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> Outcome<()> {
        let [laptop, phone] = &self.engines;
        let (mut here, mut there) = (laptop.events(), phone.events());
        let waiting = async {
            while !is_so(self) {
                let event: Option<Event> = tokio::select! {
                    event = here.next() => event,
                    event = there.next() => event,
                };
                if event.is_none() {
                    return Err(Oops::from("a device of the demo is gone"));
                }
            }
            Ok(())
        };
        timeout(AGREE_WITHIN, waiting)
            .await
            .map_err(|_| Oops::from(format!("the two devices of the demo did not {what} in time")))?
    }
}

fn words(at: usize, next: usize) -> (String, String) {
    let some = MORE.get(at).and_then(|words| words.get(next % words.len()));
    let (front, back) = some.copied().unwrap_or(("otra", "another"));
    match next / 4 {
        0 => (front.to_owned(), back.to_owned()),
        round => (format!("{front} {}", round + 1), back.to_owned()),
    }
}

fn first_deck(engine: &Engine) -> Outcome<Deck> {
    Ok(engine
        .decks()
        .into_iter()
        .next()
        .ok_or("this device has no deck")?)
}
