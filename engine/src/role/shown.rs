//! What a member shows of itself while it is there: signed, so that nobody shows it but itself, passed on, and forgotten.

use super::bytes::{Malformed, Reader, Writer};
use super::layout::Layout;
use crate::card::TextField;
use crate::id::{CardId, DeckId};
use crate::limits::NAME_BYTES_MAX;
use cuecard_transport::DeviceId;

/// What a device shows of itself in a deck.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shown {
    /// Of which deck.
    pub deck: DeckId,
    /// Who. Signing fills it in.
    pub signer: DeviceId,
    /// Grows with each that it signs, over restarts as well: what has not grown is old.
    pub sequence: u64,
    /// `None`: it is not there any more.
    pub presence: Option<Presence>,
}

/// A person at a device, as others see them: where they are, and what they are about to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Presence {
    /// What to call them: at most 256 bytes, without control characters. An empty one is for the app to fill in
    /// ([`crate::Engine::name_of`]).
    pub name: String,
    /// Red, green, blue.
    pub colour: [u8; 3],
    /// The card that they look at.
    pub card: Option<CardId>,
    /// What they have selected on it, or where their cursor is.
    pub selection: Option<Selection>,
    /// Whether they are typing.
    pub is_typing: bool,
}

/// A part of a text. It is where its author saw it: the text may have changed since.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Which text of the card.
    pub text: TextField,
    /// Where it begins, in Unicode scalar values.
    pub from: u32,
    /// Where it ends; the same for a cursor.
    pub to: u32,
}

impl Layout for Shown {
    const PURPOSE: &'static [u8] = b"cuecard presence";
    const KIND: u8 = 50;

    fn write(&self, to: &mut Writer) {
        to.bytes(self.deck.as_bytes());
        to.bytes(self.signer.as_bytes());
        to.u64(self.sequence);
        let Some(presence) = &self.presence else {
            return to.u8(0);
        };
        to.u8(1);
        to.counted(presence.name.as_bytes());
        to.bytes(&presence.colour);
        match &presence.card {
            None => to.u8(0),
            Some(card) => {
                to.u8(1);
                to.bytes(card.as_str().as_bytes());
            }
        }
        match &presence.selection {
            None => to.u8(0),
            Some(selection) => {
                to.u8(1);
                to.counted(selection.text.as_str().as_bytes());
                to.u32(selection.from);
                to.u32(selection.to);
            }
        }
        to.u8(u8::from(presence.is_typing));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            deck: DeckId::from_bytes(from.array()?),
            signer: from.device()?,
            sequence: from.u64()?,
            presence: match from.flag("presence")? {
                false => None,
                true => Some(Presence {
                    name: from.text(NAME_BYTES_MAX, "name")?.to_owned(),
                    colour: from.array()?,
                    card: match from.flag("card")? {
                        false => None,
                        true => Some(read_card(from)?),
                    },
                    selection: match from.flag("selection")? {
                        false => None,
                        true => Some(Selection {
                            text: TextField::named(from.text(NAME_BYTES_MAX, "text")?)
                                .map_err(|_| Malformed::Field("text"))?,
                            from: from.u32()?,
                            to: from.u32()?,
                        }),
                    },
                    is_typing: from.flag("typing")?,
                }),
            },
        })
    }

    fn check(&self) -> Result<(), Malformed> {
        let Some(presence) = &self.presence else {
            return Ok(());
        };
        if presence.name.len() > NAME_BYTES_MAX {
            return Err(Malformed::Limit("name"));
        }
        if presence.name.chars().any(char::is_control) {
            return Err(Malformed::Field("name"));
        }
        match &presence.selection {
            Some(selection) if selection.from > selection.to => Err(Malformed::Field("selection")),
            Some(_) if presence.card.is_none() => Err(Malformed::Field("selection")),
            Some(_) | None => Ok(()),
        }
    }
}

pub(super) fn read_card(from: &mut Reader<'_>) -> Result<CardId, Malformed> {
    let text = std::str::from_utf8(from.bytes(CardId::LENGTH)?).map_err(|_| Malformed::Field("card"))?;
    text.parse().map_err(|_| Malformed::Field("card"))
}
