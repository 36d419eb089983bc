//! What is said to whom, and the machine's side of a conversation.

use super::machine::Stage;
use super::party::Saying;
use super::{Call, Cause, LegId, Output, Prompt, PromptId};
use qingting_common::Millis;

impl Call {
    /// Says something to a party; what it was hearing is cut. While it has us on hold the prompt is
    /// owed.
    pub(super) fn say(&mut self, now: Millis, leg: LegId, prompt: Prompt) {
        self.hush(leg);
        let Some(party) = self.party(leg) else { return };
        let playing = party.leg.listens().then(|| {
            self.end_tones(leg);
            self.prompts += 1;
            let id = PromptId(self.prompts);
            self.emit(Output::Play { leg, id, prompt });
            (id, now + self.config.prompt_max)
        });
        if let Some(party) = self.party_mut(leg) {
            party.saying = Some(Saying { prompt, playing });
        }
    }

    /// Stops what a party is hearing; what is owed to it is forgotten.
    pub(super) fn hush(&mut self, leg: LegId) {
        let saying = self.party_mut(leg).and_then(|party| party.saying.take());
        if saying.is_some_and(|saying| saying.playing.is_some()) {
            self.emit(Output::StopPrompts { leg });
        }
    }

    pub(super) fn is_told(&self, leg: LegId) -> bool {
        self.party(leg).is_some_and(|party| party.saying.is_some())
    }

    pub(super) fn prompt_done(&mut self, now: Millis, leg: LegId, id: PromptId) {
        let is_ending = matches!(self.stage, Stage::Ending { .. });
        let Some(party) = self.party_mut(leg) else { return };
        // The end of a prompt that was stopped meanwhile is none.
        let done = party.saying.filter(|saying| saying.playing.is_some_and(|(it, _)| it == id));
        if let Some(saying) = done {
            // A farewell that ended is stopped all the same, with whatever else may still play.
            if !is_ending {
                party.saying = None;
            }
            self.spoken(now, leg, saying.prompt);
        }
    }

    pub(super) fn prompt_due(&mut self, now: Millis, leg: LegId) {
        let Some(saying) = self.party(leg).and_then(|party| party.saying) else { return };
        if saying.playing.is_some_and(|(_, until)| now >= until) {
            if !matches!(self.stage, Stage::Ending { .. }) {
                self.hush(leg);
            }
            self.spoken(now, leg, saying.prompt);
        }
    }

    fn spoken(&mut self, now: Millis, leg: LegId, prompt: Prompt) {
        self.consented(now, leg);
        if self.customer != Some(leg) {
            return;
        }
        match (self.stage, prompt) {
            (Stage::Ending { cause }, _) => self.conclude(cause, None),
            (Stage::Intro, Prompt::Notice) => self.greet(now),
            (Stage::Intro, _) => self.introduced(now),
            (Stage::Machine { .. }, Prompt::AreYouThere) => self.listen(now, true),
            (Stage::Queued, prompt) => self.queue_spoken(now, prompt),
            _ => {}
        }
    }

    /// The caller has the word.
    pub(super) fn listen(&mut self, now: Millis, asked: bool) {
        let wait = if asked { self.config.silence_hangup } else { self.config.silence_prompt };
        let listens = self.customer_listens();
        self.stage = Stage::Machine { asked, until: listens.then(|| now + wait) };
    }

    pub(super) fn silent(&mut self, now: Millis, asked: bool) {
        if asked {
            return self.goodbye(now, Cause::CallerSilent, Prompt::Farewell);
        }
        if let Some(citizen) = self.customer {
            self.stage = Stage::Machine { asked, until: None };
            self.say(now, citizen, Prompt::AreYouThere);
        }
    }

    /// The caller spoke or pressed a key: the clock of its silence begins again. Over the notice
    /// and the greeting it changes nothing, they are heard to their end.
    pub(super) fn heard(&mut self, now: Millis, leg: LegId) {
        let Stage::Machine { until, .. } = self.stage else { return };
        let playing = self
            .party(leg)
            .is_some_and(|party| party.saying.is_some_and(|saying| saying.playing.is_some()));
        if self.customer == Some(leg) && (until.is_some() || playing) {
            self.hush(leg);
            self.listen(now, false);
        }
    }

    pub(super) fn key(&mut self, now: Millis, leg: LegId, digit: char) {
        match self.stage {
            Stage::Machine { .. } => self.heard(now, leg),
            Stage::Menu { .. } if self.customer == Some(leg) => {
                self.emit(Output::MenuKey { digit });
            }
            Stage::Queued if self.customer == Some(leg) => self.queue_key(now, digit),
            _ => {}
        }
    }

    /// On hold nothing is played and no silence counts; afterwards the prompt that was cut begins
    /// again, because a notice half heard is no notice.
    pub(super) fn peer_holds(&mut self, now: Millis, leg: LegId, holds: bool) {
        let Some(party) = self.party_mut(leg) else { return };
        let owed = party.saying;
        if holds
            && let Some(saying) = &mut party.saying
            && saying.playing.take().is_some()
        {
            self.emit(Output::StopPrompts { leg });
        }
        match (owed, self.stage) {
            (Some(_), _) if holds => self.consented(now, leg),
            (Some(saying), _) => self.say(now, leg, saying.prompt),
            (None, Stage::Machine { asked, .. }) if self.customer == Some(leg) => {
                if holds {
                    self.stage = Stage::Machine { asked, until: None };
                } else {
                    self.listen(now, false);
                }
            }
            (None, _) => {}
        }
    }

    fn customer_listens(&self) -> bool {
        self.customer.and_then(|leg| self.party(leg)).is_some_and(|party| party.leg.listens())
    }
}
