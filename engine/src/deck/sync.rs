//! What an app is told of how far a deck has come, here and elsewhere.

use super::Deck;
use crate::core::{Applied, Core, DeckError, EditError, Safety, SyncState};
use crate::driver::Saving;
use crate::id::ChangeHash;
use crate::time::Time;

impl Deck {
    /// Whether the deck is followed: exchanged with the devices that are linked. So is every deck, from when it was created or
    /// joined until [`Deck::unfollow`].
    ///
    /// # Errors
    /// When the deck is not here (any more).
    pub fn is_followed(&self) -> Result<bool, DeckError> {
        self.shared.read(|core| core.is_followed(self.id))
    }

    /// Stops exchanging the deck, until [`Deck::follow`], also after a restart. All of it stays here and can be read, and
    /// edited or drafted as when no device is linked; the others see this device as one that is away. To delete it instead,
    /// see [`Engine::remove_deck`](crate::Engine::remove_deck).
    pub fn unfollow(&self) -> Saving<(), EditError> {
        self.shared
            .apply(|core, now| core.set_followed(now, self.id, false))
    }

    /// Follows the deck again: what was missed comes, and what was done here meanwhile goes.
    pub fn follow(&self) -> Saving<(), EditError> {
        self.shared
            .apply(|core, now| core.set_followed(now, self.id, true))
    }

    /// How the deck stands here and on every other device: in sync, behind or ahead by how many changes, saved up to where,
    /// linked how, or last heard when. Audio and drafts are not part of that. Remembered across restarts: what was saved
    /// with a device stays saved there. Worth a new look after [`Event::ReachChanged`](crate::Event::ReachChanged),
    /// [`Event::SafeWith`](crate::Event::SafeWith) and [`Event::Syncing`](crate::Event::Syncing); and for whether the editor is
    /// there after [`Event::EditorSilent`](crate::Event::EditorSilent), [`Event::EditorHeard`](crate::Event::EditorHeard) and
    /// [`Event::RoleMoved`](crate::Event::RoleMoved).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let engine = cuecard::Engine::in_memory("laptop")?;
    /// # let deck = engine.create_deck("Spanish 101").await?;
    /// for device in deck.sync_state()?.devices {
    ///     let name = device.name.unwrap_or_else(|| device.device.short());
    ///     match device.stand {
    ///         Some(stand) if stand.is_in_sync() => println!("{name} has all of it"),
    ///         Some(stand) => println!("{name} lacks {} changes, and has {} more", stand.behind, stand.ahead),
    ///         None => println!("{name} has not said yet what it has"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the deck is not followed here (any more).
    pub fn sync_state(&self) -> Result<SyncState, DeckError> {
        let quality = |link| self.shared.link_quality(link);
        self.shared.read(|core| core.sync_state(self.id, &quality))
    }

    /// What became of a change, whether it is durable here, and which devices acknowledged that they hold it durably:
    /// pending or confirmed, for each edit. `None` if this device does not hold it. [`Saving::change`] says the change of
    /// an edit, [`Deck::history`] those of others. Costs next to nothing for an edit of the deck, and a look at the whole
    /// history for one that came in with a draft or as late work.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn safe_where(&self, change: ChangeHash) -> Result<Option<Safety>, DeckError> {
        self.shared.read(|core| core.safe_where(self.id, change))
    }

    /// Does something that ends in a batch and makes a change, which `made` finds.
    pub(super) fn apply_change<T, E>(
        &self,
        think: impl FnOnce(&mut Core, Time) -> Result<Applied<T>, E>,
        made: impl FnOnce(&Core) -> Option<ChangeHash>,
    ) -> Saving<T, E> {
        let mut change = None;
        let saving = self.shared.apply(|core, now| {
            let applied = think(core, now)?;
            if applied.ticket.is_some() {
                change = made(core);
            }
            Ok(applied)
        });
        saving.with_change(change)
    }

    pub(super) fn apply_edit<T, E>(
        &self,
        think: impl FnOnce(&mut Core, Time) -> Result<Applied<T>, E>,
    ) -> Saving<T, E> {
        self.apply_change(think, |core| Some(core.log(self.id).ok()?.head()))
    }
}
