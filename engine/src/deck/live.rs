//! What is ephemeral, as an app holds a deck: who is there, and what is played.

use std::time::Duration;

use super::Deck;
use crate::core::{DeckError, NowPlaying, PlaybackError, PresenceError, Present};
use crate::id::CardId;
use crate::role::Presence;

impl Deck {
    /// What this device shows of itself to all that follow the deck, those included that come later; `None`: it is not
    /// there any more. It can be called at every movement of a hand: what is newer takes the place of what has not left,
    /// ten times a second. Nothing of it is ever on disk, and it ends with the engine.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use cuecard::{Engine, Presence};
    /// # let engine = Engine::in_memory("laptop")?;
    /// # let deck = engine.create_deck("Spanish 101").await?;
    /// # let card = deck.edit(|edit| edit.add_card("hola", "hello")).await?;
    /// deck.set_presence(Some(Presence {
    ///     name: "Ana".to_owned(),
    ///     colour: [0xe0, 0x40, 0x20],
    ///     card: Some(card),
    ///     ..Presence::default()
    /// }))?;
    /// for other in deck.presence()? {
    ///     println!("{} is on {:?}", other.presence.name, other.presence.card);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the deck is not followed here, and when others would refuse it.
    pub fn set_presence(&self, presence: Option<Presence>) -> Result<(), PresenceError> {
        self.shared
            .drive(|core, now| core.set_presence(now, self.id, presence))
    }

    /// Who else is there: members, and who is linked with this device. [`crate::Event::PresenceChanged`] tells when that
    /// changes. A device whose way is lost is gone five seconds later, unless it is reached by another.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn presence(&self) -> Result<Vec<Present>, DeckError> {
        self.shared.drive(|core, now| core.presence(now, self.id))
    }

    /// Plays audio of a card for everybody, from a place on. Only the editor can. It begins a moment later
    /// ([`Deck::set_playback_lead`]), so that all begin together; what was played goes on until then.
    ///
    /// Cuecard plays no sound. Every device, this one included, asks [`Deck::playback`] what should be heard.
    ///
    /// # Errors
    /// By any device but the editor, and when the card has no such audio.
    pub fn play(&self, card: &CardId, slot: &str, from: Duration) -> Result<(), PlaybackError> {
        self.shared
            .drive(|core, now| core.play(now, self.id, card, slot, from))
    }

    /// What is played stands still, for everybody. Only the editor can.
    ///
    /// # Errors
    /// By any device but the editor, and when nothing is played.
    pub fn pause(&self) -> Result<(), PlaybackError> {
        self.shared.drive(|core, now| core.pause(now, self.id))
    }

    /// What stands still goes on, for everybody. Only the editor can.
    ///
    /// # Errors
    /// By any device but the editor, and when nothing is played.
    pub fn go_on_playing(&self) -> Result<(), PlaybackError> {
        self.shared.drive(|core, now| core.go_on_playing(now, self.id))
    }

    /// Goes to another place of what is played, for everybody. Only the editor can. It can be called at every movement of
    /// a slider: the latest leaves, ten times a second.
    ///
    /// # Errors
    /// By any device but the editor, and when nothing is played.
    pub fn seek(&self, to: Duration) -> Result<(), PlaybackError> {
        self.shared.drive(|core, now| core.seek(now, self.id, to))
    }

    /// Nothing is played any more, for everybody. Only the editor can.
    ///
    /// # Errors
    /// By any device but the editor, and when nothing is played.
    pub fn stop(&self) -> Result<(), PlaybackError> {
        self.shared.drive(|core, now| core.stop(now, self.id))
    }

    /// How long after a command of this device it takes effect, here as everywhere: 250 ms if it was never set, and two
    /// seconds at the most. Where messages take longer than that, the others begin later and at the right place.
    ///
    /// # Errors
    /// When it is longer, and when the deck is not followed here.
    pub fn set_playback_lead(&self, lead: Duration) -> Result<(), PlaybackError> {
        self.shared.drive(|core, _| core.set_playback_lead(self.id, lead))
    }

    /// What should be heard now, by the editor's clock; `None`: nothing. [`crate::Event::PlaybackChanged`] tells when
    /// something else should be, at the moment when it should; between these the position goes on by itself.
    ///
    /// It is over when it has been played to its end, when the role goes to another device, and twelve seconds after the
    /// last word of an editor that is gone: nobody could pause it then.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn playback(&self) -> Result<Option<NowPlaying>, DeckError> {
        self.shared.drive(|core, now| core.playback(now, self.id))
    }
}
