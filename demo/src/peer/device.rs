//! What a demo peer does: each request, in terms of the library.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cuecard::document::Edit;
use cuecard::transport::webrtc::{Answering, Config, Offering};
use cuecard::transport::{Backoff, Cable};
use cuecard::{
    AudioAbout, Card, Deck, DeckInvite, DeviceId, Draft, DraftState, Engine, Event, Member, OpError, Rights,
    Role,
};
use serde_json::{Value, json, to_value};
use tokio::time::{Instant, timeout_at};

use crate::audio;
use crate::error::Error;
use crate::history;
use crate::node::links::{LinkState, Links, lock, name_of};

use super::protocol::{
    AudioTold, CardEdit, CardTold, DeckTold, Do, DraftStands, DraftTold, LinkTold, Status, Until,
};

/// Where the melody goes.
const SLOT: &str = "melody";
/// Some of what is waited for is no event of the engine (a link that was lost before this run, say).
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Short, so that the story need not wait: a cut cable is noticed after three of these.
const HEARTBEAT: Duration = Duration::from_millis(400);
/// Two processes on one machine lose little by dialling often.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(1),
    jitter: 0.3,
    steady: Duration::from_secs(10),
};

/// One device of the demo.
pub(super) struct Device {
    engine: Engine,
    links: Links,
    cable: Cable,
    offering: Mutex<Option<Arc<Offering>>>,
    answering: Mutex<Option<Arc<Answering>>>,
}

impl Device {
    pub(super) fn new(engine: Engine) -> Self {
        let cable = Cable::new();
        let config = Config {
            heartbeat: HEARTBEAT,
            heartbeat_misses: 3,
            cable: Some(cable.clone()),
            ..Config::loopback()
        };
        Self {
            links: Links::new(&engine, config, BACKOFF),
            engine,
            cable,
            offering: Mutex::default(),
            answering: Mutex::default(),
        }
    }

    pub(super) async fn shut_down(&self) -> Result<(), Error> {
        Ok(self.engine.shutdown().await?)
    }

    /// Does what was asked. What was done is durable when this returns.
    pub(super) async fn act(&self, what: Do) -> Result<Value, Error> {
        match what {
            Do::Start { cable_cut } => {
                self.set_cut(cable_cut);
                self.links.dial_remembered()?;
                Ok(to_value(self.status()?)?)
            }
            Do::EnsureDeck { title } => self.ensure_deck(&title).await,
            Do::EnsureEdit { edit } => {
                let done = self.deck()?.edit(|deck| ensure(deck, &edit)).await?;
                Ok(json!({ "changed": done }))
            }
            Do::EnsureAudio { card } => self.ensure_audio(&card).await,
            Do::Offer => self.offer().await,
            Do::Accept { code } => self.accept(&code).await,
            Do::Answer { code } => self.answer(&code).await,
            Do::Connect => self.connect().await,
            Do::EnsureHolder { device } => self.ensure_holder(parse_device(&device)?).await,
            Do::Cable { cut } => {
                self.set_cut(cut);
                Ok(Value::Null)
            }
            Do::EnsureDraft { note, edits } => self.ensure_draft(&note, &edits).await,
            Do::EnsureAccepted { note } => self.ensure_accepted(&note).await,
            Do::EnsureEditor { device } => self.ensure_editor(parse_device(&device)?).await,
            Do::EnsureTakenOver => self.ensure_taken_over().await,
            Do::Await { until, within_ms } => self.wait(until, within_ms).await,
            Do::Status => Ok(to_value(self.status()?)?),
            Do::Cards => Ok(to_value(
                self.deck()?.cards()?.into_iter().map(tell).collect::<Vec<_>>(),
            )?),
            Do::Log => Ok(to_value(history::of(&self.engine, &self.deck()?, usize::MAX)?)?),
            Do::VerifyAudio => self.verify_audio().await,
            Do::Stop => {
                self.shut_down().await?;
                Ok(Value::Null)
            }
        }
    }

    fn set_cut(&self, cut: bool) {
        if cut {
            self.cable.cut();
        } else {
            self.cable.mend();
        }
    }

    async fn offer(&self) -> Result<Value, Error> {
        let invite = self.deck()?.invite(Rights::Read)?;
        let offering = self.links.offer(Some(&invite)).await?;
        let code = offering.code();
        // An offer before it, whose answer never came, is given up.
        *lock(&self.offering) = Some(Arc::new(offering));
        Ok(json!({ "code": code }))
    }

    async fn accept(&self, code: &str) -> Result<Value, Error> {
        let offering = lock(&self.offering).clone().ok_or_else(nothing_offered)?;
        let connected = offering.accept(code).await?;
        drop((offering, lock(&self.offering).take()));
        self.links.keep(connected).await?;
        Ok(Value::Null)
    }

    /// Answers an offer, and follows the deck that it invites to.
    async fn answer(&self, code: &str) -> Result<Value, Error> {
        let answering = self.links.answer(code).await?;
        let invite = DeckInvite::from_bytes(answering.payload()).ok_or_else(no_invite)?;
        let code = answering.code();
        *lock(&self.answering) = Some(Arc::new(answering));
        self.engine.join(&invite).await?;
        Ok(json!({ "code": code }))
    }

    async fn connect(&self) -> Result<Value, Error> {
        let answering = lock(&self.answering).clone().ok_or_else(nothing_offered)?;
        let connected = answering.connect().await?;
        drop((answering, lock(&self.answering).take()));
        self.links.keep(connected).await?;
        Ok(Value::Null)
    }

    fn deck(&self) -> Result<Deck, Error> {
        self.engine.decks().into_iter().next().ok_or(Error::NoDeck)
    }

    async fn ensure_deck(&self, title: &str) -> Result<Value, Error> {
        let deck = match self.deck() {
            Ok(deck) => deck,
            Err(_) => self.engine.create_deck(title).await?,
        };
        Ok(json!({ "deck": deck.id().to_string() }))
    }

    async fn ensure_audio(&self, card: &str) -> Result<Value, Error> {
        let deck = self.deck()?;
        if !deck.cards()?.iter().any(|known| known.front == card) {
            return Err(Error::NoCard(card.to_owned()));
        }
        let about = AudioAbout {
            mime: audio::MIME.to_owned(),
            name: "melody.wav".to_owned(),
            duration_ms: audio::DURATION_MS,
        };
        let melody = deck.import_audio(Cursor::new(audio::melody()), about).await?;
        let blob = melody.blob;
        let attach = |deck: &mut Edit<'_>| {
            let Some(card) = find(deck, card).filter(|card| card.audio.get(SLOT) != Some(&melody)) else {
                return Ok(false);
            };
            deck.attach_audio(&card.id, SLOT, melody)?;
            Ok(true)
        };
        let changed = deck.edit(attach).await?;
        Ok(json!({ "changed": changed, "blob": blob.to_string() }))
    }

    async fn ensure_holder(&self, device: DeviceId) -> Result<Value, Error> {
        let deck = self.deck()?;
        let mut members = deck.members()?.listed();
        let holder = Member {
            device,
            rights: Rights::Hold,
            rank: 1,
        };
        if !members.contains(&holder) {
            members.retain(|member| member.device != device);
            members.push(holder);
            members.sort_by_key(|member| member.device);
            deck.set_members(members).await?;
        }
        Ok(Value::Null)
    }

    async fn ensure_draft(&self, note: &str, edits: &[CardEdit]) -> Result<Value, Error> {
        let deck = self.deck()?;
        let own = |draft: &cuecard::DraftInfo| draft.author == self.engine.device() && draft.note == note;
        let draft: Draft = match deck.drafts()?.into_iter().find(own) {
            Some(known) if known.state != DraftState::Open => return Ok(Value::Null),
            Some(known) => deck.draft_of(known.draft),
            None => deck.draft(note).await?,
        };
        for edit in edits {
            draft.edit(|deck| ensure(deck, edit)).await?;
        }
        draft.propose().await?;
        Ok(Value::Null)
    }

    async fn ensure_accepted(&self, note: &str) -> Result<Value, Error> {
        let deck = self.deck()?;
        let draft = deck.drafts()?.into_iter().find(|draft| draft.note == note);
        let draft = draft.ok_or_else(|| Error::NoDraft(note.to_owned()))?;
        if draft.state != DraftState::Accepted {
            deck.accept_draft(draft.draft).await?;
        }
        Ok(Value::Null)
    }

    async fn ensure_editor(&self, device: DeviceId) -> Result<Value, Error> {
        let deck = self.deck()?;
        if self.editor(&deck)? == Some(device) {
            return Ok(json!({ "term": null }));
        }
        let term = deck.grant(device).await?;
        Ok(json!({ "term": term.to_string() }))
    }

    async fn ensure_taken_over(&self) -> Result<Value, Error> {
        let deck = self.deck()?;
        if self.editor(&deck)? != Some(self.engine.device()) {
            deck.take_over().await?;
        }
        Ok(Value::Null)
    }

    fn editor(&self, deck: &Deck) -> Result<Option<DeviceId>, Error> {
        Ok(match deck.role()? {
            Role::Editor { .. } => Some(self.engine.device()),
            Role::Viewer { editor, .. } => Some(editor),
            Role::Vacant { .. } => None,
        })
    }

    async fn wait(&self, until: Until, within_ms: u64) -> Result<Value, Error> {
        let deadline = Instant::now() + Duration::from_millis(within_ms);
        let mut events = self.engine.events();
        loop {
            let status = self.status();
            if let Ok(status) = &status
                && until.is_met(status)
            {
                return Ok(to_value(status)?);
            }
            if Instant::now() >= deadline {
                return Err(late(&until, within_ms, status.ok().as_ref()));
            }
            // Late events do no harm: the status is what counts.
            let next: Result<Option<Event>, _> =
                timeout_at((Instant::now() + LOOK_AGAIN).min(deadline), events.next()).await;
            if matches!(next, Ok(None)) {
                return Err(late(&until, within_ms, status.ok().as_ref()));
            }
        }
    }

    fn status(&self) -> Result<Status, Error> {
        let arrived = self.deck().ok().filter(|deck| deck.head().is_ok());
        Ok(Status {
            device: self.engine.device().to_string(),
            pid: std::process::id(),
            links: links_told(&self.links),
            routes: self.engine.routes()?.len(),
            deck: arrived.map(|deck| self.deck_told(&deck)).transpose()?,
        })
    }

    fn deck_told(&self, deck: &Deck) -> Result<DeckTold, Error> {
        let cards = deck.cards()?;
        let blobs: BTreeSet<_> = cards
            .iter()
            .flat_map(|card| card.audio.values())
            .map(|audio| audio.blob)
            .collect();
        let whole = blobs
            .iter()
            .filter(|&&blob| deck.open_audio(blob).is_ok())
            .count();
        let members = deck.members()?.list;
        let holders = members.into_iter().filter(|member| member.rights == Rights::Hold);
        let state = |state: &DraftState| match state {
            DraftState::Proposed | DraftState::Delivered { .. } => DraftStands::Proposed,
            DraftState::Accepted => DraftStands::Accepted,
            _ => DraftStands::Open,
        };
        let drafts = deck.drafts()?.into_iter().map(|draft| DraftTold {
            author: draft.author.to_string(),
            note: draft.note,
            changes: draft.len,
            state: state(&draft.state),
        });
        Ok(DeckTold {
            head: deck.head()?.to_string(),
            entries: deck.entry_count()?,
            cards: cards.len(),
            fronts: cards.iter().map(|card| card.front.clone()).collect(),
            late_work: deck.late_work()?.len(),
            editor: self.editor(deck)?.map(|editor| editor.to_string()),
            holders: holders.map(|member| member.device.to_string()).collect(),
            drafts: drafts.collect(),
            audio_whole: whole,
            audio_all: blobs.len(),
        })
    }

    /// Hashes what lies on the disk now, not what was hashed when it came.
    async fn verify_audio(&self) -> Result<Value, Error> {
        let deck = self.deck()?;
        let read_back = move || -> Result<AudioTold, Error> {
            let mut told = AudioTold {
                hashes: Vec::new(),
                bytes: 0,
                verified: true,
            };
            for audio in deck.cards()?.iter().flat_map(|card| card.audio.values()) {
                let mut bytes = Vec::new();
                // One byte more than it may have is enough to see that it is wrong.
                deck.open_audio(audio.blob)?
                    .take(audio.bytes + 1)
                    .read_to_end(&mut bytes)
                    .map_err(|error| {
                        Error::NoAudio(format!("audio that is kept here cannot be read: {error}"))
                    })?;
                let hash = blake3::hash(&bytes);
                told.verified &=
                    hash.as_bytes() == audio.blob.as_bytes() && bytes.len() as u64 == audio.bytes;
                told.bytes += bytes.len() as u64;
                told.hashes.push(hash.to_string());
            }
            told.verified &= !told.hashes.is_empty();
            Ok(told)
        };
        Ok(to_value(tokio::task::spawn_blocking(read_back).await??)?)
    }
}

/// The live links.
fn links_told(links: &Links) -> Vec<LinkTold> {
    let told = |(device, state): (DeviceId, LinkState)| {
        Some(LinkTold {
            device: device.to_string(),
            route: name_of(state.route()?).to_owned(),
            dialled: state.is_dialled(),
        })
    };
    links.all().into_iter().filter_map(told).collect()
}

/// Does an edit unless it is done. A run of the story that was killed is told again from the start of its step.
fn ensure(deck: &mut Edit<'_>, edit: &CardEdit) -> Result<bool, OpError> {
    match edit {
        CardEdit::Add { front, back } => {
            if find(deck, front).is_some() {
                return Ok(false);
            }
            deck.add_card(front, back)?;
        }
        CardEdit::Before { card, piece } => {
            let Some(card) = find(deck, card).filter(|card| !card.back.starts_with(piece)) else {
                return Ok(false);
            };
            deck.set_text(
                &card.id,
                cuecard::card::TextField::Back,
                &format!("{piece}{}", card.back),
            )?;
        }
        CardEdit::Behind { card, piece } => {
            let Some(card) = find(deck, card).filter(|card| !card.back.ends_with(piece)) else {
                return Ok(false);
            };
            deck.set_text(
                &card.id,
                cuecard::card::TextField::Back,
                &format!("{}{piece}", card.back),
            )?;
        }
        CardEdit::Move { card, after } => {
            let cards: Vec<Card> = deck.cards().collect();
            let place = |front: &String| cards.iter().position(|card| card.front == *front);
            let (Some(from), Some(to)) = (place(card), place(after)) else {
                return Ok(false);
            };
            let (Some(moved), Some(anchor)) = (cards.get(from), cards.get(to)) else {
                return Ok(false);
            };
            if from == to + 1 {
                return Ok(false);
            }
            deck.move_card(&moved.id, Some(&anchor.id))?;
        }
        CardEdit::Delete { card } => {
            let Some(card) = find(deck, card) else {
                return Ok(false);
            };
            deck.delete_card(&card.id)?;
        }
        CardEdit::Tag { card, tag } => {
            let Some(card) = find(deck, card).filter(|card| !card.tags.contains(tag)) else {
                return Ok(false);
            };
            deck.tag(&card.id, tag)?;
        }
    }
    Ok(true)
}

fn find(deck: &Edit<'_>, front: &str) -> Option<Card> {
    deck.cards().find(|card| card.front == front)
}

fn tell(card: Card) -> CardTold {
    CardTold {
        id: card.id.to_string(),
        front: card.front,
        back: card.back,
        tags: card.tags.into_iter().collect(),
        audio: card.audio.values().map(|audio| audio.blob.to_string()).collect(),
    }
}

fn parse_device(text: &str) -> Result<DeviceId, Error> {
    text.parse()
        .map_err(|_| Error::Usage(format!("{text:?} is not a device id")))
}

fn nothing_offered() -> Error {
    Error::Usage("no exchange of codes is under way here; start with an offer".to_owned())
}

fn no_invite() -> Error {
    Error::Usage("the offer carries no invite to a deck; make it with a deck at hand".to_owned())
}

/// What was waited for, and how it stood at the end.
fn late(until: &Until, within_ms: u64, last: Option<&Status>) -> Error {
    let stood = last.map_or_else(
        || "where it stands could not be read".to_owned(),
        |status| {
            let deck = status.deck.as_ref().map_or_else(
                || "no deck".to_owned(),
                |deck| {
                    let head = deck.head.get(..8).unwrap_or(&deck.head);
                    format!(
                        "head {head}, {} entries, {} cards, audio {} of {}, drafts {:?}",
                        deck.entries, deck.cards, deck.audio_whole, deck.audio_all, deck.drafts
                    )
                },
            );
            format!("links {}, {deck}", status.links.len())
        },
    );
    Error::TooLate(format!(
        "waited {within_ms} ms in vain for {}; {stood}",
        until.told()
    ))
}
