//! What the self-made streaming model hears, engine by engine, without a worker around it.

use crate::fixtures::{self, Phrase};
use qingting_asr::recognizer::{Live, LiveText, Recognizer};
use qingting_sherpa::Sherpa;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A message of a call: 40 ms at 16 kHz.
const PIECE: usize = 640;
/// More steps than any recording of the tests takes.
const STEPS_MAX: usize = 10_000;

fn engine() -> Option<Box<dyn Live>> {
    // ONNX Runtime is started once in a process.
    static SHERPA: LazyLock<Option<Sherpa>> = LazyLock::new(|| {
        fixtures::live().map(|models| Sherpa::load(&models).expect("the models load"))
    });
    let sherpa = SHERPA.as_ref()?;
    Some(sherpa.live().expect("an engine").expect("it hears live"))
}

/// All that the engine says of these utterances, which are spoken at the same time.
fn hear(engine: &mut dyn Live, spoken: &[Vec<f32>]) -> BTreeMap<u64, Vec<LiveText>> {
    let mut said: BTreeMap<u64, Vec<LiveText>> = BTreeMap::new();
    let longest = spoken.iter().map(Vec::len).max().unwrap_or(0);
    for at in (0..longest).step_by(PIECE) {
        for (id, samples) in (0..).zip(spoken) {
            let piece = samples.get(at..samples.len().min(at + PIECE)).unwrap_or_default();
            if piece.is_empty() {
                continue;
            }
            engine.push(id, piece).expect("taken");
            if at + PIECE >= samples.len() {
                engine.finish(id);
            }
        }
        for _ in 0..STEPS_MAX {
            let step = engine.step();
            step.texts.into_iter().for_each(|text| said.entry(text.id).or_default().push(text));
            if !step.is_busy {
                break;
            }
        }
    }
    said
}

fn last_word(said: &[LiveText]) -> String {
    let last = said.last().expect("something was said");
    assert!(last.is_last && said.iter().filter(|text| text.is_last).count() == 1);
    last.decoded.as_ref().expect("decoded").text.to_string()
}

#[test]
fn every_phrase_is_heard_to_the_letter_alone_and_in_a_batch() {
    let Some(mut engine) = engine() else { return };
    let phrases = fixtures::phrases();
    assert!(phrases.len() >= 8, "{} phrases", phrases.len());
    let spoken: Vec<Vec<f32>> = phrases.iter().map(Phrase::wide).collect();
    let together = hear(&mut *engine, &spoken);
    for (id, phrase) in (0..).zip(&phrases) {
        assert_eq!(last_word(&together[&id]), phrase.text, "in a batch of {}", phrases.len());
        let alone = hear(&mut *engine, &spoken[id as usize..=id as usize]);
        assert_eq!(last_word(&alone[&0]), phrase.text, "alone");
    }
}

#[test]
fn text_grows_while_it_is_spoken_and_its_times_are_those_of_the_sound() {
    let Some(mut engine) = engine() else { return };
    let phrases = fixtures::phrases();
    let longest = phrases.iter().max_by_key(|phrase| phrase.text.chars().count()).expect("some");
    let said = hear(&mut *engine, &[longest.wide()]).remove(&0).expect("heard");
    let lengths: Vec<usize> = said
        .iter()
        .map(|text| text.decoded.as_ref().expect("decoded").text.chars().len())
        .collect();
    assert!(lengths.iter().any(|length| (1..longest.text.chars().count()).contains(length)));
    assert!(lengths.is_sorted(), "{lengths:?}");
    let text = &said.last().expect("said").decoded.as_ref().expect("decoded").text;
    let (from_ms, to_ms) = spoken_ms(&longest.samples);
    let mut before_ms = 0;
    for char in text.chars() {
        assert!(before_ms <= char.start_ms && char.start_ms <= char.end_ms, "{text:?}");
        assert!(char.start_ms + 200 >= from_ms && char.end_ms <= to_ms + 400, "{text:?}");
        before_ms = char.end_ms;
    }
}

/// Where the first and the last loud sample of a recording at 8 kHz lie.
fn spoken_ms(samples: &[i16]) -> (u64, u64) {
    let is_loud = |sample: &i16| sample.unsigned_abs() > 1_000;
    let first = samples.iter().position(is_loud).expect("it is not silent");
    let last = samples.iter().rposition(is_loud).expect("it is not silent");
    (first as u64 / 8, last as u64 / 8)
}

#[test]
fn a_pause_after_words_is_an_endpoint_and_told_once() {
    let Some(mut engine) = engine() else { return };
    let mut spoken = fixtures::phrases()[0].wide();
    let pause = vec![0.0; 16_000];
    let ends = |said: &[LiveText]| said.iter().filter(|text| text.is_endpoint).count();
    let short = hear(&mut *engine, &[spoken.clone()]).remove(&0).expect("heard");
    spoken.extend(pause.repeat(2));
    let long = hear(&mut *engine, &[spoken]).remove(&0).expect("heard");
    assert!(ends(&short) <= 1);
    assert_eq!(ends(&long), 1);
}

#[test]
fn silence_and_an_utterance_without_audio_say_nothing() {
    let Some(mut engine) = engine() else { return };
    let said = hear(&mut *engine, &[vec![0.0; 32_000]]);
    assert_eq!(last_word(&said[&0]), "");
    engine.finish(7);
    assert!(engine.step().texts.is_empty(), "it was never opened");
}

#[test]
fn what_is_forgotten_is_not_heard_of_again() {
    let Some(mut engine) = engine() else { return };
    engine.push(1, &fixtures::phrases()[0].wide()).expect("taken");
    engine.forget(1);
    let step = engine.step();
    assert!(step.texts.is_empty() && !step.is_busy);
}
