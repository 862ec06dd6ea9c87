//! The editor shows itself, and who no longer hears it may claim the role: after asking, and only with a majority.
//!
//! It says at which interval it shows itself. Whoever may hold the role and has missed two of these, for as long as its
//! policy says, asks the others; if more than half of all who may hold it, itself included, do not hear the editor, it
//! claims: when it holds as much of the deck as the others know to be sealed, the better ranks a little earlier than the
//! others. An editor that knows itself to be heard by a majority, and finds itself claimed all the same, says so by a
//! handover to itself, which wins.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::core::policy::AutoClaim;
use crate::core::watch::{INTERVAL_BOUNDS, Question, Watch, answered_within, shown_every, silence};
use crate::core::{Core, LinkId, Output};
use crate::id::{DeckId, TermId};
use crate::limits::WORD_BYTES_MAX;
use crate::role::{Cause, Says, Seal, Signed, Verified, Word};

/// Claimers start in the order of their rank, so far apart: longer than a claim takes to get around in most networks.
const RANK_APART: Duration = Duration::from_millis(120);
/// A sign overtakes the changes that it speaks of: what it shows to be missing is asked for no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An editor that was not heard by a majority for a moment counts as heard throughout again after so long.
const HEARD_AGAIN: Duration = Duration::from_secs(60);

impl Core {
    /// What is due by now, of one deck.
    pub(super) fn keep_watch(&mut self, deck: DeckId) {
        let (me, now, policy) = (self.device(), self.now, self.policies(deck).auto_claim);
        let is_linked = self.links.values().any(|link| link.sessions.contains_key(&deck));
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let Some(editor) = log.chain.canonical().editor else {
            return state.role.silence.nobody();
        };
        let (tip, holders) = (log.chain.canonical().tip, log.holders());
        let watch = &mut state.role.watch;
        // This is asked on every input, and a term's ancestors stay what they are.
        let since = match watch.seen {
            Some((seen, since)) if seen == tip => since,
            Some(_) | None => log.since(),
        };
        watch.seen = Some((tip, since));
        if watch.since != Some(since) {
            *watch = Watch {
                since: Some(since),
                began: now,
                heard: now,
                seen: watch.seen,
                // Until the new editor says its own, which is the first that it does.
                interval: watch.interval,
                newest: watch.newest,
                ..Watch::default()
            };
        }
        let patience = watch.patience(policy, holders.len());
        if !self.listen_for(deck, editor, patience) {
            return self.keep_watch(deck);
        }
        let is_held = self.is_held(deck);
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(log) = state.log.as_ref().filter(|log| !log.copied) else {
            return;
        };
        let watch = &mut state.role.watch;
        if editor == me {
            let interval = shown_every(policy, holders.len());
            let is_heard = watch.is_heard_by_majority(me, &holders, interval, now);
            if !is_heard && now.since(watch.began) > answered_within(interval) {
                watch.lacking = Some(now);
            }
            // What is said of a term that nobody can have yet is taken by nobody: the first sign follows the term.
            if !is_linked || log.durable().term != tip {
                return;
            }
            // Others go by what was stated last: one that shows itself more rarely from now on says so before it is missed.
            let is_soon = watch.came || watch.stated != Some(interval);
            let pause = if is_soon { INTERVAL_BOUNDS.0 } else { interval };
            let due = watch.shown.map_or(now, |shown| shown + pause);
            if now < due {
                return self.outputs.push_back(Output::WakeAt(due));
            }
            (watch.shown, watch.came, watch.stated) = (Some(now), false, Some(interval));
            let asks = holders.len() > 1 && (is_soon || watch.is_to_ask(interval, now));
            self.outputs.push_back(Output::WakeAt(now + interval));
            return self.beat(deck, interval, asks);
        }
        let AutoClaim::After(after) = policy else { return };
        // Two cannot tell which of them is gone.
        let rank = holders.iter().filter(|device| **device != editor);
        let rank = rank.enumerate().find(|(_, device)| **device == me);
        let Some((rank, _)) = rank.filter(|_| holders.len() > 2) else {
            return;
        };
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        let interval = watch.interval();
        let due = watch.heard + after.max(silence(interval)) + RANK_APART.saturating_mul(rank);
        if now < due {
            watch.question = None;
            return self.outputs.push_back(Output::WakeAt(due));
        }
        // A sign of the editor's may be behind what is not judged yet: nothing follows from its absence before that.
        if is_held {
            return match self.is_unjudged_still(deck) {
                true => self.outputs.push_back(Output::WakeAt(now + interval)),
                false => self.keep_watch(deck),
            };
        }
        match &watch.question {
            Some(question) if now.since(question.asked) < interval => {
                let again = question.asked + interval;
                let unheard = question.unheard.len() + 1;
                let tip = log.chain.canonical().tip;
                let has_all = question.upto.is_none_or(|upto| log.chain.holds(tip, upto));
                if unheard * 2 > holders.len() && has_all {
                    watch.question = None;
                    watch.heard = now;
                    if let Err(error) = self.claim(now, deck) {
                        tracing::warn!(deck = %deck.short(), %error, "the role was not claimed");
                    }
                    return;
                }
                self.outputs.push_back(Output::WakeAt(again));
            }
            _ => {
                self.outputs.push_back(Output::WakeAt(now + interval));
                self.ask(deck);
            }
        }
    }

    /// Somebody came who can take a sign of the editor's.
    pub(super) fn show_soon(&mut self, deck: DeckId) {
        if let Some(state) = self.decks.get_mut(&deck) {
            state.role.watch.came = true;
        }
    }

    /// A link speaks of the deck no more.
    pub(super) fn lose_way(&mut self, link: LinkId, deck: DeckId) {
        let now = self.now;
        if let Some(state) = self.decks.get_mut(&deck) {
            state.role.watch.lose(link, now);
        }
    }

    /// Others say that somebody may have lost its way to the editor: the next sign asks.
    pub(super) fn doubt_echoes(&mut self, deck: DeckId) {
        if let Some(state) = self.decks.get_mut(&deck) {
            state.role.watch.is_doubted = true;
        }
    }

    fn beat(&mut self, deck: DeckId, interval: Duration, asks: bool) {
        let now = self.now;
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let end = log.position().cut();
        let interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        let said = &mut state.role.watch.said;
        *said = now.as_millis().max(said.saturating_add(1));
        let beat = Says::Beat {
            number: *said,
            interval_ms,
            end,
            asks,
        };
        let Ok(word) = self.say_word(deck, beat, None) else {
            return;
        };
        if let Some(state) = self.decks.get_mut(&deck) {
            let id = *word.record_id().as_bytes();
            state.role.watch.note_beat(id, asks, interval, now);
        }
    }

    fn ask(&mut self, deck: DeckId) {
        let asked = self.now;
        let Ok(word) = self.say_word(deck, Says::Question, None) else {
            return;
        };
        let question = Question {
            id: *word.record_id().as_bytes(),
            asked,
            unheard: BTreeSet::new(),
            upto: None,
        };
        if let Some(state) = self.decks.get_mut(&deck) {
            state.role.watch.question = Some(question);
        }
    }

    /// Whether this is a sign of an editor in a term that is known here: it need not wait for what is held. Who says it is
    /// looked at when it is taken.
    pub(super) fn is_known_sign(&self, deck: DeckId, bytes: &[u8]) -> bool {
        let is_known = |term| self.log(deck).is_ok_and(|log| log.is_same_stretch(term));
        sign_in(bytes).is_some_and(is_known)
    }

    /// The editor showed itself.
    pub(super) fn hear_beat(&mut self, link: LinkId, deck: DeckId, word: &Verified<Word>) {
        let (me, now) = (self.device(), self.now);
        let is_held = self.is_held(deck);
        let Says::Beat {
            number,
            interval_ms,
            end,
            asks,
        } = &word.says
        else {
            return;
        };
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let watch = &mut state.role.watch;
        let stated = Duration::from_millis(u64::from(*interval_ms));
        let interval = stated.clamp(INTERVAL_BOUNDS.0, INTERVAL_BOUNDS.1);
        watch.interval = Some(interval);
        watch.heard = now;
        // Who did not hear it before says so by itself: the editor need not ask everybody for that.
        let is_back = watch.sign.is_none_or(|sign| now.since(sign) >= silence(interval));
        watch.sign = Some(now);
        state.role.silence.hear(word.signer, now);
        watch.question = None;
        watch.newest = Some((
            word.term,
            watch.newest_in(word.term).unwrap_or_default().max(*number),
        ));
        let may_hold = log.holders().contains(&me);
        // It says where it stands: what is not here is asked for, if nothing is on its way, and not at every sign.
        let is_due = watch.looked.is_none_or(|looked| now.since(looked) >= LOOK_EVERY);
        let is_behind = !log.chain.holds(word.term, *end) && state.syncing.is_none() && !is_held && is_due;
        if is_behind {
            watch.looked = Some(now);
        }
        if may_hold && (*asks || is_back) {
            let beat = *word.record_id().as_bytes();
            drop(self.say_word(deck, Says::Echo { beat }, Some(link)));
        }
        if is_behind {
            self.send_status(link, deck);
        }
    }

    /// Another asks whether the editor is heard.
    pub(super) fn answer_question(&mut self, link: LinkId, deck: DeckId, word: &Verified<Word>) {
        let me = self.device();
        // Behind what is not judged yet there may be a sign of it.
        if !self.hears_editor(deck) && self.is_unjudged(deck) {
            return;
        }
        let hears = self.hears_editor(deck);
        let Some(state) = self.decks.get(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        if !log.holders().contains(&me) {
            return;
        }
        let seal = log.chain.seal(log.chain.canonical().tip).map(Verified::encode);
        let answer = Says::Answer {
            question: *word.record_id().as_bytes(),
            hears,
            seal: seal.unwrap_or_default(),
        };
        drop(self.say_word(deck, answer, Some(link)));
    }

    /// Whether the editor was heard lately, or is this device.
    fn hears_editor(&self, deck: DeckId) -> bool {
        self.decks.get(&deck).is_some_and(|state| {
            let editor = state.log.as_ref().and_then(|log| log.chain.canonical().editor);
            let watch = &state.role.watch;
            editor == Some(self.device()) || self.now.since(watch.heard) < watch.interval() * 2
        })
    }

    /// Somebody hears this device, or answers it.
    pub(super) fn hear_answer(&mut self, deck: DeckId, word: &Verified<Word>) {
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let watch = &mut state.role.watch;
        match &word.says {
            Says::Echo { beat } => {
                if let Some((_, said)) = watch.beats.iter().find(|(id, _)| id == beat) {
                    let answered = watch.echoes.entry(word.signer).or_default();
                    *answered = (*said).max(*answered);
                }
            }
            Says::Answer {
                question: to,
                hears,
                seal,
            } => {
                let Some(question) = watch.question.as_mut().filter(|question| question.id == *to) else {
                    return;
                };
                if *hears {
                    question.unheard.remove(&word.signer);
                    return;
                }
                question.unheard.insert(word.signer);
                let tip = log.chain.canonical().tip;
                let seal = Signed::<Seal>::decode(seal).ok().zip(log.chain.holder(tip));
                let seal = seal.and_then(|(seal, holder)| seal.verify(deck, holder).ok());
                if let Some(seal) = seal.filter(|seal| seal.term == tip) {
                    let longer = question.upto.is_none_or(|upto| upto.len < seal.len);
                    question.upto = if longer { Some(seal.cut()) } else { question.upto };
                }
            }
            Says::Request { .. } | Says::Denial { .. } | Says::Beat { .. } | Says::Question => {}
        }
    }

    /// A claim came, on a term that this run wrote in.
    pub(super) fn answer_claim(&mut self, deck: DeckId, claim: TermId) {
        let (me, now, policy) = (self.device(), self.now, self.policies(deck).auto_claim);
        let Some(state) = self.decks.get(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let Some(term) = log.chain.term(claim).filter(|term| term.cause == Cause::Claim) else {
            return;
        };
        let (parent, by) = (term.parent, term.signer);
        if by == me || log.chain.holder(parent) != Some(me) {
            return;
        }
        let holders = log.holders();
        if !holders.contains(&by) {
            return;
        }
        let watch = &state.role.watch;
        let interval = shown_every(policy, holders.len());
        let heard = watch.is_heard_by_majority(me, &holders, interval, now)
            && watch
                .lacking
                .is_none_or(|lacking| now.since(lacking) > HEARD_AGAIN);
        let is_claimed = log.chain.position(claim).is_some();
        // A claim on what this device wrote long ago, which another run answered then, moves nothing.
        let after = log.chain.path_from(parent).get(1).map(|step| step.term);
        let is_beaten_by_this_run = after.is_some_and(|after| log.opened_here(after));
        let is_editor = log.chain.canonical().editor == Some(me);
        let done = if is_claimed && heard && log.opened_here(parent) {
            self.change_role(now, deck, |log, key, nonce, batch| {
                log.keep_role(key, nonce, parent, batch)
            })
        } else if !is_claimed && !heard && is_editor && is_beaten_by_this_run {
            // This run's own handover beat the claim of who rightly believed that nobody was there.
            self.hand_over(now, deck, by)
        } else {
            return;
        };
        if let Err(error) = done {
            tracing::warn!(deck = %deck.short(), %error, "a claim was not answered");
        }
    }
}

/// The term of an editor's sign, if these bytes claim to be one.
pub(super) fn sign_in(bytes: &[u8]) -> Option<TermId> {
    let word = (bytes.len() <= WORD_BYTES_MAX).then(|| Signed::<Word>::decode(bytes).ok())??;
    matches!(word.claimed().says, Says::Beat { .. }).then_some(word.claimed().term)
}
