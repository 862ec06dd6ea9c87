//! What the story must show, by name. It has not been told well unless each was looked at, and is so.

use serde::Serialize;

/// Something that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    TwoProcesses,
    LinkedByCodes,
    CardsArrived,
    AudioArrived,
    CutNoticed,
    OfflineEdits,
    ViewerRefused,
    DraftWaits,
    ReconnectedAlone,
    DraftAccepted,
    BothSidesKept,
    RoleHandedOver,
    FormerEditorRefused,
    NewTerm,
    TwoEditors,
    OneEditorAgain,
    LateWorkBack,
    RestartedByRoute,
    HeadsEqual,
    CardsEqual,
    HistoriesEqual,
    AudioVerified,
}

impl Check {
    /// All of them, in the order of the story.
    pub(super) const ALL: [Self; 22] = [
        Self::TwoProcesses,
        Self::LinkedByCodes,
        Self::CardsArrived,
        Self::AudioArrived,
        Self::CutNoticed,
        Self::OfflineEdits,
        Self::ViewerRefused,
        Self::DraftWaits,
        Self::ReconnectedAlone,
        Self::DraftAccepted,
        Self::BothSidesKept,
        Self::RoleHandedOver,
        Self::FormerEditorRefused,
        Self::NewTerm,
        Self::TwoEditors,
        Self::OneEditorAgain,
        Self::LateWorkBack,
        Self::RestartedByRoute,
        Self::HeadsEqual,
        Self::CardsEqual,
        Self::HistoriesEqual,
        Self::AudioVerified,
    ];

    /// What it says, as a sentence that is true when all is well.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::TwoProcesses => "each device is a process, with a key of its own",
            Self::LinkedByCodes => "linked over WebRTC by an offer and an answer",
            Self::CardsArrived => "the deck arrived whole on the other device",
            Self::AudioArrived => "its audio arrived and hashes to what the deck says",
            Self::CutNoticed => "both noticed the cut cable by themselves",
            Self::OfflineEdits => "the editor made at least 20 edits offline",
            Self::ViewerRefused => "an edit by the other device was refused: it is not the editor",
            Self::DraftWaits => "its draft of 3 edits waits, proposed",
            Self::ReconnectedAlone => "both reconnected by themselves, without codes",
            Self::DraftAccepted => "the draft arrived and was accepted",
            Self::BothSidesKept => "everything that both sides wrote offline is in the deck",
            Self::RoleHandedOver => "both agree on the new editor",
            Self::FormerEditorRefused => "an edit by the former editor is refused",
            Self::NewTerm => "the new editor writes in a term that it opened itself",
            Self::TwoEditors => "while apart, the old editor wrote on, and the owner took the role over",
            Self::OneEditorAgain => "linked again, both agree on the one editor",
            Self::LateWorkBack => "what the old editor wrote late came back, under its own name",
            Self::RestartedByRoute => "after a restart, remembered routes linked them",
            Self::HeadsEqual => "all heads are equal",
            Self::CardsEqual => "all cards are equal, and as they were written",
            Self::HistoriesEqual => "all histories are equal",
            Self::AudioVerified => "audio was read back and hashed on all devices",
        }
    }
}

/// One check, as it is reported.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Checked {
    /// What it says.
    pub(super) name: &'static str,
    /// Whether it was looked at and is so.
    pub(super) ok: bool,
}

/// The checks that were made.
#[derive(Debug, Default)]
pub(super) struct Checks(std::collections::BTreeMap<Check, bool>);

impl Checks {
    pub(super) fn note(&mut self, check: Check, ok: bool) {
        self.0.insert(check, ok);
    }

    /// All checks; one that was not made is not so.
    pub(super) fn report(&self) -> Vec<Checked> {
        let checked = |check: Check| Checked {
            name: check.told(),
            ok: self.0.get(&check) == Some(&true),
        };
        Check::ALL.into_iter().map(checked).collect()
    }

    /// Whether each was made, and is so.
    pub(super) fn all_true(&self) -> bool {
        self.report().iter().all(|checked| checked.ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_was_not_made_is_not_so() {
        let mut checks = Checks::default();
        for check in Check::ALL.into_iter().skip(1) {
            checks.note(check, true);
        }
        assert!(!checks.all_true());
        assert!(!checks.report()[0].ok);
        checks.note(Check::TwoProcesses, true);
        assert!(checks.all_true());
        checks.note(Check::CutNoticed, false);
        assert!(!checks.all_true());
    }
}
