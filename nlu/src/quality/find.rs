//! Findings of each kind.

use super::likeness::Sounds;
use super::spans::{common, length, touches, united, without};
use super::{Call, Checked, Finding, Kind, Rule, Rules, Said, Who};
use qingting_common::Pii;
use qingting_common::ids::Party;
use std::ops::Range;

/// A greeting may begin so much before the seat counts as up.
const AROUND_MS: u64 = 1_000;
/// Nobody says goodbye in a shorter talk: it broke off.
const TALK_MS_MIN: u64 = 15_000;
/// Who was up longer than the seat by this was handed on.
const HANDED_ON_MS: u64 = 3_000;
/// Who begins together with the citizen does not cut in.
const TOGETHER_MS: u64 = 300;
/// 嗯，好的: so few syllables show that somebody listens.
const LISTENING_SYLLABLES_MAX: usize = 2;
/// Less speech than this tells no pace; so much of one sentence may stand for it.
const PACE_MS_MIN: u64 = 15_000;
const FAST_MS_MIN: u64 = 2_000;
/// Longest quote, in characters.
const QUOTE_CHARS_MAX: usize = 120;
/// Who hung up first may have left no time for a goodbye.
const CUT_SHORT: f32 = 0.6;
/// How sure the rest is: a voice without words, or a neighbour's, looks like it.
const LIKELY: f32 = 0.8;

/// What others said, in a seat's mouth; not behind one of [`TOLD`].
const QUOTING: [&str; 8] = ["您说", "你说", "他说", "她说", "他们说", "她们说", "对方说", "人家说"];
const TOLD: [char; 6] = ['跟', '和', '给', '对', '同', '与'];

/// A seat and the citizen, connected.
struct Turn {
    seat: String,
    when: Range<u64>,
}

struct Work<'a> {
    call: &'a Call,
    turns: Vec<Turn>,
    checked: Checked,
}

pub(super) fn all(call: &Call, rules: &Rules) -> Checked {
    let is_heard = call.said.iter().any(|said| said.party == Party::Seat);
    let mut work = Work { call, turns: turns(call), checked: Checked::default() };
    let measures = &mut work.checked.measures;
    measures.heard = is_heard;
    measures.talk_ms =
        united(work.turns.iter().map(|turn| turn.when.clone())).iter().map(length).sum();
    work.waiting(rules.rule(Kind::Hold));
    if is_heard {
        work.greeting(rules.rule(Kind::Greeting));
        work.closing(rules.rule(Kind::Closing));
        work.silence(rules.rule(Kind::Silence));
        work.talk_over(rules.rule(Kind::TalkOver));
        work.forbidden(rules.rule(Kind::Forbidden));
        work.pace(rules.rule(Kind::Pace));
    }
    work.checked
}

fn turns(call: &Call) -> Vec<Turn> {
    let citizen = call.present.iter().filter(|of| of.who == Who::Citizen);
    let citizen: Vec<&Range<u64>> = citizen.map(|of| &of.when).collect();
    let mut turns: Vec<Turn> = Vec::new();
    for present in &call.present {
        let Who::Seat(seat) = &present.who else { continue };
        let with = citizen.iter().map(|when| common(when, &present.when));
        turns.extend(
            with.filter(|when| length(when) > 0).map(|when| Turn { seat: seat.clone(), when }),
        );
    }
    turns.sort_by_key(|turn| turn.when.start);
    turns
}

impl Work<'_> {
    fn seat_at(&self, at: u64) -> Option<&str> {
        let up = self.turns.iter().rev().find(|turn| turn.when.contains(&at));
        let last = || self.turns.iter().rev().find(|turn| turn.when.start <= at);
        up.or_else(last).or(self.turns.first()).map(|turn| turn.seat.as_str())
    }

    fn of_seat(&self) -> impl Iterator<Item = &Said> {
        self.call.said.iter().filter(|said| said.party == Party::Seat)
    }

    /// Whether something of the seat's was not transcribed there.
    fn is_unknown(&self, when: &Range<u64>) -> bool {
        self.call.gaps.iter().any(|(party, gap)| *party == Party::Seat && touches(gap, when))
    }

    fn add(&mut self, kind: Kind, when: Range<u64>, found: Found) {
        let Some(seat) = self.seat_at(when.start).map(str::to_owned) else { return };
        self.checked.findings.push(Finding {
            kind,
            seat,
            when,
            measured: found.measured,
            phrase: found.phrase,
            quote: Pii::new(found.quote.chars().take(QUOTE_CHARS_MAX).collect()),
            confidence: found.confidence.clamp(0.0, 1.0),
            points: 0,
        });
    }

    fn greeting(&mut self, rule: Option<&Rule>) {
        let (Some(rule), Some(turn)) = (rule, self.turns.first()) else { return };
        let until = turn.when.start + u64::from(rule.limit) * 1_000;
        let window = turn.when.start..until.min(turn.when.end);
        let around = window.start.saturating_sub(AROUND_MS)..window.end;
        let (is_said, quote, least) = self.heard_in(&around, rule);
        // Who was gone sooner was not greeted because there was no time.
        if is_said || self.is_unknown(&window) || (quote.is_empty() && until > turn.when.end) {
            return;
        }
        let found =
            Found { measured: length(&window), quote, confidence: least * 0.9, ..Found::default() };
        self.add(Kind::Greeting, window, found);
    }

    fn closing(&mut self, rule: Option<&Rule>) {
        let (Some(rule), Some(turn)) = (rule, self.turns.last()) else { return };
        let citizen = self.call.present.iter().filter(|of| of.who == Who::Citizen);
        let end = citizen.map(|of| of.when.end).max().unwrap_or_default();
        if length(&turn.when) < TALK_MS_MIN || end > turn.when.end + HANDED_ON_MS {
            return;
        }
        let from = turn.when.end.saturating_sub(u64::from(rule.limit) * 1_000);
        let window = from.max(turn.when.start)..turn.when.end;
        let (is_said, quote, least) = self.heard_in(&window, rule);
        if is_said || self.is_unknown(&window) {
            return;
        }
        let cut = if self.call.citizen_hung_up { CUT_SHORT } else { 0.9 };
        let found =
            Found { measured: length(&window), quote, confidence: least * cut, ..Found::default() };
        self.add(Kind::Closing, window, found);
    }

    /// Whether the seat says one of the phrases there; else what it says, and how surely that was heard.
    fn heard_in(&self, window: &Range<u64>, rule: &Rule) -> (bool, String, f32) {
        let said = self.of_seat().filter(|said| touches(&said.when, window));
        let (mut quote, mut least) = (String::new(), 1.0_f32);
        for said in said {
            quote.push_str(said.text.expose());
            least = least.min(said.confidence);
        }
        let sounds = Sounds::of(&quote);
        let is_said = rule.phrases.iter().any(|phrase| sounds.hold(&phrase.sounds));
        (is_said, quote, least)
    }

    fn silence(&mut self, rule: Option<&Rule>) {
        let Some(rule) = rule else { return };
        let limit = u64::from(rule.limit) * 1_000;
        let unheard = self.call.present.iter().filter(|of| of.who == Who::Unheard);
        let excused = self.call.holds.iter().chain(unheard.map(|of| &of.when));
        let gaps = self.call.gaps.iter().map(|(_, gap)| gap);
        let said = self.call.said.iter().map(|said| &said.when);
        let taken = united(excused.chain(gaps).chain(said).cloned());
        let turns = united(self.turns.iter().map(|turn| turn.when.clone()));
        let holes = turns.iter().flat_map(|turn| without(turn, &taken));
        let long: Vec<Range<u64>> = holes.filter(|hole| length(hole) > limit).collect();
        for hole in long {
            let measures = &mut self.checked.measures;
            measures.silence_ms += length(&hole);
            measures.silence_longest_ms = measures.silence_longest_ms.max(length(&hole));
            let found = Found { measured: length(&hole), confidence: LIKELY, ..Found::default() };
            self.add(Kind::Silence, hole, found);
        }
    }

    fn talk_over(&mut self, rule: Option<&Rule>) {
        let Some(rule) = rule else { return };
        let citizen: Vec<&Said> =
            self.call.said.iter().filter(|said| said.party == Party::Caller).collect();
        let mut found = Vec::new();
        for said in self.of_seat() {
            if Sounds::of(said.text.expose()).len() <= LISTENING_SYLLABLES_MAX {
                continue;
            }
            let cut = citizen.iter().filter(|of| {
                of.when.start + TOGETHER_MS <= said.when.start && said.when.start < of.when.end
            });
            let Some(cut) = cut.max_by_key(|of| of.when.end) else { continue };
            let both = common(&said.when, &cut.when);
            if length(&both) > u64::from(rule.limit) {
                let confidence = LIKELY * said.confidence.min(cut.confidence);
                found.push((both, said.text.expose().clone(), confidence));
            }
        }
        for (both, quote, confidence) in found {
            let measures = &mut self.checked.measures;
            measures.talk_overs += 1;
            measures.talk_over_ms += length(&both);
            let found = Found { measured: length(&both), quote, confidence, ..Found::default() };
            self.add(Kind::TalkOver, both, found);
        }
    }

    fn forbidden(&mut self, rule: Option<&Rule>) {
        let Some(rule) = rule else { return };
        let mut found = Vec::new();
        for said in self.of_seat() {
            let sounds = Sounds::of(said.text.expose());
            for (at, phrase, likeness) in phrases(said.text.expose(), &sounds, rule) {
                let place = |char: usize| {
                    let share = char as u64 * length(&said.when) / sounds.chars().max(1) as u64;
                    said.when.start + share
                };
                let when = place(at.start)..place(at.end);
                let confidence = said.confidence * likeness;
                found.push((when, phrase, said.text.expose().clone(), confidence));
            }
        }
        for (when, phrase, quote, confidence) in found {
            self.add(Kind::Forbidden, when, Found { phrase, quote, confidence, measured: 0 });
        }
    }

    fn pace(&mut self, rule: Option<&Rule>) {
        let (mut syllables, mut spoken_ms) = (0, 0);
        let mut fastest: Option<(u64, &Said)> = None;
        for said in self.of_seat() {
            let (own, own_ms) = (Sounds::of(said.text.expose()).len() as u64, length(&said.when));
            syllables += own;
            spoken_ms += own_ms;
            let pace = own * 60_000 / own_ms.max(1);
            if own_ms >= FAST_MS_MIN && fastest.is_none_or(|(before, _)| pace > before) {
                fastest = Some((pace, said));
            }
        }
        if spoken_ms < PACE_MS_MIN {
            return;
        }
        let pace = syllables * 60_000 / spoken_ms;
        let found = fastest.map(|(_, said)| (said.when.clone(), said.text.expose().clone()));
        self.checked.measures.pace = u32::try_from(pace).ok();
        if let (Some(rule), Some((when, quote))) = (rule, found)
            && pace > u64::from(rule.limit)
        {
            let found = Found { measured: pace, quote, confidence: LIKELY, ..Found::default() };
            self.add(Kind::Pace, when, found);
        }
    }

    fn waiting(&mut self, rule: Option<&Rule>) {
        let turns = united(self.turns.iter().map(|turn| turn.when.clone()));
        for hold in united(self.call.holds.iter().cloned()) {
            // Without a seat it waited in a queue.
            let with: u64 = turns.iter().map(|turn| length(&common(turn, &hold))).sum();
            if with == 0 {
                continue;
            }
            let measures = &mut self.checked.measures;
            measures.hold_ms += with;
            measures.hold_longest_ms = measures.hold_longest_ms.max(with);
            if rule.is_some_and(|rule| with > u64::from(rule.limit) * 1_000) {
                // The switchboard knows.
                let found = Found { measured: with, confidence: 1.0, ..Found::default() };
                self.add(Kind::Hold, hold, found);
            }
        }
    }
}

#[derive(Default)]
struct Found {
    measured: u64,
    phrase: String,
    quote: String,
    confidence: f32,
}

/// Phrases of the rule in a seat's sentence, in characters; of those that overlap the longest.
fn phrases(text: &str, sounds: &Sounds, rule: &Rule) -> Vec<(Range<usize>, String, f32)> {
    let mut all: Vec<(Range<usize>, &str, f32)> = Vec::new();
    for phrase in &rule.phrases {
        let found = sounds.find(&phrase.sounds).into_iter();
        all.extend(found.map(|found| (found.at, phrase.text.as_str(), found.likeness)));
    }
    if all.is_empty() {
        return Vec::new();
    }
    let fine: Vec<Range<usize>> = rule.fine.iter().flat_map(|fine| places(text, fine)).collect();
    let quoted: Vec<usize> = QUOTING.iter().flat_map(|of| quoting(text, of)).collect();
    let chars: Vec<char> = text.chars().collect();
    let is_fine = |at: &Range<usize>| {
        let is_clause = |from: usize| chars[from..at.start].iter().all(|c| !ends(*c));
        fine.iter().any(|fine| fine.start <= at.start && at.end <= fine.end)
            || quoted.iter().any(|end| *end <= at.start && is_clause(*end))
    };
    all.retain(|(at, ..)| !is_fine(at));
    all.sort_by_key(|(at, ..)| (std::cmp::Reverse(at.len()), at.start));
    let mut kept: Vec<(Range<usize>, String, f32)> = Vec::new();
    for (at, phrase, likeness) in all {
        if !kept.iter().any(|(before, ..)| before.start < at.end && at.start < before.end) {
            kept.push((at, phrase.to_owned(), likeness));
        }
    }
    kept
}

const fn ends(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '；' | '!' | '?' | ';')
}

/// Where a text has another, in characters.
fn places(text: &str, part: &str) -> Vec<Range<usize>> {
    let length = part.chars().count();
    let starts = text.match_indices(part).map(|(at, _)| text[..at].chars().count());
    starts.map(|start| start..start + length).collect()
}

/// Where others' words begin.
fn quoting(text: &str, words: &str) -> Vec<usize> {
    let found = text.match_indices(words);
    let others = found.filter(|(at, _)| !text[..*at].ends_with(TOLD));
    others.map(|(at, _)| text[..at + words.len()].chars().count()).collect()
}
