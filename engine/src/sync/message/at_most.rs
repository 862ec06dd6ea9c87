//! Lists with an end. An empty entry is a byte or four on the wire, nothing at all compressed, and a hundred in memory:
//! the limit on a message alone would let a small one fill a phone.

use minicbor::bytes::ByteVec;
use minicbor::decode::Error;
use minicbor::{Decode, Decoder};

use super::{DeckPulse, Device, DraftMark, EarlyStatus, Item, Position};
use crate::limits::{
    CHARTERS_MAX, DECKS_PER_LINK_MAX, DOUBTED_MAX, DRAFT_CHANGES_MAX, DRAFT_MARKS_MAX, HOLDINGS_MAX,
    ITEMS_PER_MESSAGE_MAX, LOCATOR_POSITIONS_MAX, MESSAGE_BYTES_MAX,
};
use crate::sync::holdings::Holding;

pub(super) fn pulses<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<DeckPulse>, Error> {
    list(from, context, DECKS_PER_LINK_MAX)
}

pub(super) fn early<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<EarlyStatus>, Error> {
    list(from, context, DECKS_PER_LINK_MAX)
}

pub(super) fn devices<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Device>, Error> {
    list(from, context, DOUBTED_MAX)
}

pub(super) fn positions<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Position>, Error> {
    list(from, context, LOCATOR_POSITIONS_MAX)
}

pub(super) fn charters<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<ByteVec>, Error> {
    list(from, context, CHARTERS_MAX)
}

pub(super) fn terms<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<ByteVec>, Error> {
    list(from, context, ITEMS_PER_MESSAGE_MAX)
}

pub(super) fn items<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    let mut unpacked = 0;
    for item in from.array_iter_with(context)? {
        let item = item?;
        // The others are not packed, and as long as the message is.
        if matches!(item, Item::Changes { .. }) {
            unpacked += item.bytes();
        }
        if unpacked > MESSAGE_BYTES_MAX {
            return Err(Error::message("its changes are more than a message may have"));
        }
        if items.len() >= ITEMS_PER_MESSAGE_MAX {
            let most = ITEMS_PER_MESSAGE_MAX;
            return Err(Error::message(format!("a list of more than {most}")));
        }
        items.push(item);
    }
    Ok(items)
}

pub(super) fn holdings<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Holding>, Error> {
    list(from, context, HOLDINGS_MAX)
}

pub(super) fn draft_changes<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<ByteVec>, Error> {
    list(
        from,
        context,
        usize::try_from(DRAFT_CHANGES_MAX).unwrap_or(usize::MAX),
    )
}

pub(super) fn marks<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<DraftMark>, Error> {
    list(from, context, DRAFT_MARKS_MAX)
}

fn list<'b, C, T: Decode<'b, C>>(
    from: &mut Decoder<'b>,
    context: &mut C,
    most: usize,
) -> Result<Vec<T>, Error> {
    let mut list = Vec::new();
    for entry in from.array_iter_with(context)? {
        if list.len() >= most {
            return Err(Error::message(format!("a list of more than {most}")));
        }
        list.push(entry?);
    }
    Ok(list)
}
