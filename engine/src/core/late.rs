//! Late work comes back by itself: the editor's engine accepts it, and the device that lost need do nothing.

use cuecard_store::Batch;

use crate::core::log::{LateError, LateWhy, Log, Role};
use crate::core::{Applied, Core, DeckError, LateWorkPolicy};
use crate::event::Event;
use crate::id::{ChangeHash, DeckId, TermId};
use crate::role::{Equivocation, LateWork, Rights};
use crate::time::Time;

impl Core {
    /// What is signed, held here, and not part of the deck.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn late_work(&self, deck: DeckId) -> Result<Vec<LateWork>, DeckError> {
        Ok(self.log(deck)?.late_work())
    }

    /// Why late work is not accepted by itself, where the policy is to accept it; `None` if it is.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn why_late_work_asks(&self, deck: DeckId, late: &LateWork) -> Result<Option<LateWhy>, DeckError> {
        Ok(self.log(deck)?.why_ask(late))
    }

    /// Makes late work part of the deck, with all that it rests on, by the hand of the editor. It stays its author's.
    ///
    /// # Errors
    /// By any device but the editor, and when it cannot be merged: a device that wrote two different changes under one
    /// number, say, which no two replicas would ever agree on.
    pub fn accept_late_work(
        &mut self,
        now: Time,
        deck: DeckId,
        term: TermId,
        head: ChangeHash,
    ) -> Result<Applied<()>, LateError> {
        self.set_now(now);
        self.check_store()?;
        self.leave_typing(deck);
        let (key, now, nonce) = (self.key.clone(), self.now, self.random_bytes());
        let mut batch = Batch::default();
        let log = self.log_mut(deck)?;
        let changes = log.accept_late(&key, now, nonce, term, head, &mut batch)?;
        let ticket = Some(self.save(deck, batch, None));
        self.tell_drafts(deck);
        self.tell_changes(deck, changes);
        Ok(Applied { value: (), ticket })
    }

    /// The proofs that a device sealed two different lines of one term: each is two of its own signatures.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn proofs(&self, deck: DeckId) -> Result<Vec<Equivocation>, DeckError> {
        Ok(self.log(deck)?.proofs())
    }

    /// Accepts the late work that may be accepted without a person, and tells the app of what asks. To be called when
    /// something was taken in.
    pub(super) fn settle_late(&mut self, deck: DeckId) {
        self.tell_proofs(deck);
        #[cfg(feature = "sim")]
        if crate::sim::is_broken(crate::sim::Rule::LateWorkComesBack) {
            return;
        }
        if self.is_asleep(deck) {
            return;
        }
        let me = self.device();
        let Ok(log) = self.log_mut(deck) else { return };
        if !matches!(log.role(me), Role::Editor { .. }) || !log.take_late_due() || self.store_failed.is_some()
        {
            return;
        }
        let policy = self.policies(deck).late_work;
        let Ok(log) = self.log_mut(deck) else { return };
        let late = log.late_work_to_settle(policy);
        for late in late {
            // An earlier one may have brought it.
            let Ok(log) = self.log(deck) else { return };
            if log.document.contains(&late.head) || log.unmergeable.contains_key(&late.head) {
                continue;
            }
            let may_hold = log.chain.rights(late.author) == Some(Rights::Hold);
            let asks = match policy {
                LateWorkPolicy::Ask => Some(LateWhy::Policy),
                // Before all that comes with it is read: anybody makes it grow.
                LateWorkPolicy::Accept if !may_hold && !late.after_leaving => {
                    Some(LateWhy::MayNotHold(late.author))
                }
                LateWorkPolicy::Accept => log.why_ask(&late),
            };
            let why = match asks {
                Some(why) => why,
                None => match self.accept_late_work(self.now, deck, late.term, late.head) {
                    Ok(_) | Err(LateError::Accepted) => continue,
                    Err(LateError::Unmergeable(why)) => {
                        let Ok(log) = self.log_mut(deck) else { return };
                        log.unmergeable.insert(late.head, why.clone());
                        LateWhy::Unmergeable(why)
                    }
                    // A limit is met, or the disk failed: it is looked at again when something else comes.
                    Err(LateError::Edit(_) | LateError::Unknown { .. }) => continue,
                },
            };
            let Ok(log) = self.log_mut(deck) else { return };
            if log.asked.note(&late, may_hold) {
                self.event(Event::LateWorkWaiting { deck, late, why });
            }
        }
    }

    fn tell_proofs(&mut self, deck: DeckId) {
        let Ok(news) = self.log_mut(deck).map(Log::take_proofs) else {
            return;
        };
        for (term, device) in news {
            self.event(Event::TwoSeals { deck, term, device });
        }
    }
}
