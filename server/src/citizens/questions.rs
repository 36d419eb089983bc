//! Which question of a script was heard. A telephone knows a prompt by its sound: each time it is the same samples.

use crate::clock::unix_now;
use crate::ear::voiced;
use qingting_callbacks::script::{AnswerName, Facts, Rendered, Script};
use qingting_common::limits::{SAMPLES_PER_TICK, TELEPHONE_RATE_HZ};
use qingting_nlu::LocalTime;
use qingting_nlu::answers::{AnswerReader, Question, Said};
use std::sync::Arc;

/// How much of what was heard is kept: longer than any question.
pub const KEPT_SAMPLES: usize = 20 * TELEPHONE_RATE_HZ as usize;
/// How far the ends of two recordings of one prompt may be apart: where a voice ends is told by the tick.
const SHIFT_SAMPLES: usize = 4 * SAMPLES_PER_TICK;
/// So much near the end says where a prompt lies.
const PLACE_SAMPLES: usize = TELEPHONE_RATE_HZ as usize / 4;
/// Correlation from which it is the same prompt: the telephone's codec leaves 0.99.
const SAME_MIN: f64 = 0.7;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub question: Question,
    /// 您是说…，对吗: what was understood.
    pub repeated: Option<AnswerName>,
}

/// The questions of a script.
#[derive(Default)]
pub struct Questions {
    prompts: Vec<(Asked, Vec<i16>)>,
    reader: AnswerReader,
}

impl Questions {
    /// All questions that a script asks those whom these facts are about, in all wordings.
    pub fn of(
        script: &Script,
        facts: &[Facts],
        sound: impl Fn(&Facts, &Rendered) -> Arc<[i16]>,
    ) -> Self {
        let mut prompts: Vec<(Asked, Vec<i16>)> = Vec::new();
        let mut add = |asked: Asked, facts: &Facts, text: &Rendered| {
            let samples = voiced(&sound(facts, text)).to_vec();
            if !prompts.iter().any(|known| *known == (asked, samples.clone())) {
                prompts.push((asked, samples));
            }
        };
        for facts in facts {
            for (question, repeated, text) in script.question_texts(facts) {
                add(Asked { question, repeated }, facts, &text);
            }
        }
        Self { prompts, reader: AnswerReader::new() }
    }

    /// What was asked last; none when it was no question that is known.
    pub fn asked(&self, heard: &[i16]) -> Option<Asked> {
        let heard = voiced(heard);
        let alike = self.prompts.iter().map(|(asked, prompt)| (likeness(heard, prompt), *asked));
        let best = alike.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (best.0 >= SAME_MIN).then_some(best.1)
    }

    /// Whether somebody who said this meant that.
    pub fn is_meant(&self, question: Question, text: &str, answer: AnswerName) -> bool {
        let said = Said { text, confidence: 1.0, at: LocalTime::from_unix_ms(unix_now()) };
        let meant = AnswerName::of(&self.reader.read(question, &said).answer);
        // Some answers are repeated in the same words.
        meant.is_some_and(|meant| {
            meant == answer
                || meant.spoken(question).is_some_and(|it| answer.spoken(question) == Some(it))
        })
    }
}

/// How alike the end of what was heard is to a prompt, from −1 to 1.
fn likeness(heard: &[i16], prompt: &[i16]) -> f64 {
    if prompt.len() < PLACE_SAMPLES + 2 * SHIFT_SAMPLES {
        return 0.0;
    }
    // Behind which sample of what was heard the prompt's end is, given the place of a piece near that end.
    let piece_end = prompt.len() - SHIFT_SAMPLES;
    let piece = &prompt[piece_end - PLACE_SAMPLES..piece_end];
    let at = |back: usize| {
        let end = heard.len().checked_sub(back)?;
        heard.get(end.checked_sub(PLACE_SAMPLES)?..end)
    };
    let places =
        (0..=2 * SHIFT_SAMPLES).filter_map(|back| Some((correlation(at(back)?, piece), back)));
    let Some((_, back)) = places.max_by(|a, b| a.0.total_cmp(&b.0)) else { return 0.0 };
    let end = heard.len() - back;
    // A prompt that was not heard from its beginning is compared as far as it was.
    let length = end.min(piece_end);
    correlation(&heard[end - length..end], &prompt[piece_end - length..piece_end])
        * (length as f64 / piece_end as f64)
}

fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let (mut both, mut own, mut other) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        both += a * b;
        own += a * a;
        other += b * b;
    }
    if own == 0.0 || other == 0.0 { 0.0 } else { both / (own * other).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sentence's stand-in: noise, different for each seed.
    fn noise(seed: u32, ms: usize) -> Vec<i16> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 18) as i16 - 8_192
        };
        (0..ms * 8).map(next).collect()
    }

    #[test]
    fn a_question_is_known_behind_other_words_and_a_stranger_is_not() {
        let script = Script::read(qingting_callbacks::script::SATISFACTION).expect("it is right");
        let facts = [Facts { unit: "城管局".into(), ..Facts::default() }];
        let sound = |_: &Facts, text: &Rendered| -> Arc<[i16]> {
            let text = text.0.concat();
            let seed = text.bytes().fold(7, |seed, byte| seed * 31 % 65_521 + u32::from(byte));
            let mut samples = noise(seed, 900 + 60 * text.chars().count());
            samples.resize(samples.len() + 1_600, 0);
            samples.into()
        };
        let questions = Questions::of(&script, &facts, sound);
        let heard = |text: Rendered| {
            let mut heard = noise(1, 1_500);
            heard.extend(sound(&facts[0], &text).iter());
            // Not on the ticks of the prompt.
            heard.drain(..77);
            heard.iter().map(|sample| sample / 2).collect::<Vec<i16>>()
        };
        let asked = |text: &str| questions.asked(&heard(facts[0].fill(text)));
        let satisfied = Asked { question: Question::Satisfied, repeated: None };
        assert_eq!(asked("请您评价一下，是满意，基本满意，还是不满意？"), Some(satisfied));
        let answer = AnswerName::FairlySatisfied;
        let repeated = script.confirmation(Question::Satisfied, answer, &facts[0]).expect("a text");
        let confirm = Asked { repeated: Some(answer), ..satisfied };
        assert_eq!(questions.asked(&heard(repeated)), Some(confirm));
        assert_eq!(asked("感谢您的支持，祝您生活愉快，再见。"), None);
        assert_eq!(questions.asked(&[]), None);
        assert!(questions.is_meant(Question::Satisfied, "还行吧。", answer));
    }
}
