//! Whether the editor is there, as far as can be told from here: linked with this device, or heard of through others.

use std::time::Duration;

use crate::core::{Core, Output};
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::time::Time;

/// What is known of the editor of a deck, where that is another device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EditorSign {
    /// The editor.
    pub editor: DeviceId,
    /// When it was last heard of, in milliseconds since 1970: by a link with it, or by a sign of it that others passed on. `None`
    /// when it was not since this device was started.
    pub heard_ms: Option<u64>,
    /// Whether that is longer ago than anything that would be on its way. A new editor, or one of which nothing is known yet,
    /// is waited for as long before it counts as silent.
    pub is_silent: bool,
}

/// Who was heard of, and what the app was told.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// Who is waited for, since when.
    awaited: Option<(DeviceId, Time)>,
    /// Whose sign was heard last, and when.
    heard: Option<(DeviceId, Time)>,
    /// Who the app was told is silent, and when.
    told: Option<(DeviceId, Time)>,
}

/// What follows from looking.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Nothing,
    Silent,
    Heard,
    Again(Time),
}

impl Silence {
    /// A sign of it came.
    pub(super) fn hear(&mut self, editor: DeviceId, now: Time) {
        self.heard = Some((editor, now));
    }

    /// The device slept, and could hear nobody. Who was silent before is that still.
    pub(super) fn slept(&mut self) {
        self.awaited = None;
    }

    /// Nobody is waited for.
    pub(super) fn nobody(&mut self) {
        (self.awaited, self.told) = (None, None);
    }

    /// `editor`: who is waited for, and how long.
    fn look(&mut self, editor: Option<(DeviceId, Duration)>, now: Time) -> Look {
        // That the role moved is an event of its own.
        let of = |known: &(DeviceId, Time)| editor.is_some_and(|(editor, _)| known.0 == editor);
        self.told = self.told.filter(of);
        self.awaited = self.awaited.filter(of);
        let Some((editor, patience)) = editor else {
            return Look::Nothing;
        };
        self.awaited.get_or_insert((editor, now));
        let heard = self.heard.filter(of).map(|(_, at)| at);
        if let Some((_, told)) = self.told {
            if heard.is_none_or(|heard| heard <= told) {
                return Look::Nothing;
            }
            self.told = None;
            return Look::Heard;
        }
        if let Some(due) = self.due(editor, patience).filter(|due| now < *due) {
            return Look::Again(due);
        }
        self.told = Some((editor, now));
        Look::Silent
    }

    /// When it counts as silent, if it is waited for and does not yet.
    fn due(&self, editor: DeviceId, patience: Duration) -> Option<Time> {
        let of = |known: &(DeviceId, Time)| known.0 == editor;
        let (_, awaited) = self.awaited.filter(of)?;
        let heard = self.heard.filter(of).map_or(awaited, |(_, at)| at.max(awaited));
        self.told.filter(of).is_none().then_some(heard + patience)
    }

    pub(super) fn sign_of(&self, editor: DeviceId) -> EditorSign {
        let heard = self.heard.filter(|(known, _)| *known == editor);
        EditorSign {
            editor,
            heard_ms: heard.map(|(_, at)| at.as_millis()),
            is_silent: self.told.is_some_and(|(known, _)| known == editor),
        }
    }
}

impl Core {
    /// Tells the app when the editor falls silent, and when it is heard of again. `patience`: how long it may be silent. False
    /// where something was taken in first, by which another may be the editor.
    pub(super) fn listen_for(&mut self, deck: DeckId, editor: DeviceId, patience: Duration) -> bool {
        let (me, now) = (self.device(), self.now);
        let mut links = self.links.values();
        let is_linked = links.any(|link| link.peer == editor && link.sessions.contains_key(&deck));
        let silence = self.decks.get(&deck).map(|state| &state.role.silence);
        let is_due = silence.and_then(|silence| silence.due(editor, patience));
        // A sign of it that others passed on may be behind what is not judged yet.
        if !is_linked && is_due.is_some_and(|due| due <= now) && self.is_held(deck) {
            let is_unjudged = self.is_unjudged_still(deck);
            if is_unjudged {
                self.outputs.push_back(Output::WakeAt(now + patience));
            }
            return is_unjudged;
        }
        let Some(state) = self.decks.get_mut(&deck) else {
            return true;
        };
        let silence = &mut state.role.silence;
        if is_linked {
            silence.hear(editor, now);
        }
        // A deck that is set aside is of no interest.
        let awaited = (editor != me && state.followed).then_some((editor, patience));
        match silence.look(awaited, now) {
            Look::Nothing => {}
            // While it is linked nothing is waited for: that the link is over is news by itself.
            Look::Again(_) if is_linked => {}
            Look::Again(due) => self.outputs.push_back(Output::WakeAt(due)),
            Look::Silent => self.event(Event::EditorSilent { deck, editor }),
            Look::Heard => self.event(Event::EditorHeard { deck, editor }),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DeviceId = DeviceId::from_bytes([1; 32]);
    const B: DeviceId = DeviceId::from_bytes([2; 32]);
    const PATIENCE: Duration = Duration::from_secs(25);

    fn at(seconds: u64) -> Time {
        Time::from_millis(1_000 * seconds)
    }

    fn of(editor: DeviceId) -> Option<(DeviceId, Duration)> {
        Some((editor, PATIENCE))
    }

    #[test]
    fn who_is_not_heard_of_for_so_long_is_silent_until_it_is() {
        let mut silence = Silence::default();
        assert_eq!(silence.look(of(A), at(0)), Look::Again(at(25)));
        silence.hear(A, at(10));
        assert_eq!(silence.look(of(A), at(34)), Look::Again(at(35)));
        assert!(!silence.sign_of(A).is_silent);
        assert_eq!(silence.look(of(A), at(35)), Look::Silent);
        let sign = silence.sign_of(A);
        assert_eq!((sign.heard_ms, sign.is_silent), (Some(10_000), true));
        assert_eq!(silence.look(of(A), at(99)), Look::Nothing, "it is said once");
        silence.hear(B, at(100));
        assert_eq!(silence.look(of(A), at(100)), Look::Nothing, "that was another");
        silence.hear(A, at(101));
        assert_eq!(silence.look(of(A), at(101)), Look::Heard);
        assert_eq!(silence.look(of(A), at(102)), Look::Again(at(126)));
    }

    #[test]
    fn a_new_editor_is_waited_for_anew_and_who_slept_waits_anew() {
        let mut silence = Silence::default();
        silence.look(of(A), at(0));
        assert_eq!(silence.look(of(A), at(25)), Look::Silent);
        assert_eq!(silence.look(of(B), at(26)), Look::Again(at(51)));
        assert_eq!(
            silence.look(None, at(60)),
            Look::Nothing,
            "nobody, or this device"
        );
        assert_eq!(
            silence.look(of(A), at(70)),
            Look::Again(at(95)),
            "it had the role before"
        );
        silence.slept();
        assert_eq!(silence.look(of(A), at(200)), Look::Again(at(225)));
        assert_eq!(silence.look(of(A), at(225)), Look::Silent);
        silence.slept();
        assert_eq!(silence.look(of(A), at(300)), Look::Nothing, "still silent");
        assert!(silence.sign_of(A).is_silent);
    }
}
