//! A modified device, linked to an honest one: each attack by name, what it costs the attacker, and that the deck is
//! unharmed: as it was, still editable, still to be opened from its disk, and still passed on to who joins.

mod cheats;
mod drafts;
mod messages;
mod reading;
mod terms;
mod words;
mod world;
