//! Scripts of callbacks: a script that is accepted ends, whatever a citizen does, and says no more than its bounds.
//!
//! The input is the TOML, NUL, and what the citizen does, a byte each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_callbacks::dialogue::{Dialogue, Input, Output, Words};
use qingting_callbacks::script::{Facts, NODES_MAX, Script, TEXT_CHARS_MAX};
use qingting_common::{Millis, Pii};
use qingting_nlu::LocalTime;
use qingting_nlu::answers::AnswerReader;
use std::sync::{Arc, OnceLock};

/// A node asks five times at most and confirms twice; each takes a prompt, silence and storing.
const STEPS_MAX: usize = NODES_MAX * 64;
/// Wordings of a node: the first, others, by keys.
const WORDINGS_MAX: usize = 16;
const SAID: [&str; 6] = ["满意", "不满意", "没有", "等会儿再打", "我不是他", "嗯那个"];

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (toml, acts) = (String::from_utf8_lossy(&data[..at]), &data[at..]);
    let script = match Script::read(&toml) {
        Ok(script) => script,
        Err(errors) => return assert!(!errors.is_empty(), "refused without a reason"),
    };
    let facts = Facts {
        city: "杭州".to_owned(),
        title: "路灯不亮".to_owned(),
        unit: "城管局".to_owned(),
        date: "9月1日".to_owned(),
    };
    let sentences = script.sentences(&facts);
    assert!(sentences.len() <= NODES_MAX * WORDINGS_MAX * TEXT_CHARS_MAX);
    talk(script, facts, acts);
});

fn talk(script: Script, facts: Facts, acts: &[u8]) {
    static READER: OnceLock<Arc<AnswerReader>> = OnceLock::new();
    let reader = READER.get_or_init(|| Arc::new(AnswerReader::new()));
    let mut dialogue = Dialogue::new(Arc::new(script), facts, Arc::clone(reader));
    let mut now = Millis(1_000);
    let mut acts = acts.iter();
    let mut endings = 0;
    dialogue.handle_input(now, Input::Begin);
    for _ in 0..STEPS_MAX {
        let mut next = None;
        while let Some(output) = dialogue.poll_output() {
            assert_eq!(endings, 0, "nothing comes after the end");
            match output {
                Output::Play { id, text } => {
                    assert!(text.0.iter().all(|sentence| !sentence.is_empty()));
                    next = Some(Input::PromptDone { id });
                }
                Output::Store(_) => next = Some(Input::Stored),
                Output::End(_) => endings += 1,
                Output::Listen(_) | Output::StopPrompts => {}
            }
        }
        if dialogue.is_over() {
            return assert_eq!(endings, 1);
        }
        now = Millis(now.0 + 700);
        let act = acts.next().copied().unwrap_or_default();
        let input = match (act, next) {
            (b'#' | b'*' | b'0'..=b'9', _) => Input::Key(char::from(act)),
            (b'v', _) => Input::Voice,
            (b'n', _) => Input::NotStored,
            (b'a'..=b'f', _) => words(SAID[usize::from(act - b'a')], now),
            (_, Some(next)) => next,
            (_, None) => {
                let deadline = dialogue.next_deadline().expect("a talk that goes on has an end");
                now = now.max(deadline);
                Input::Timer
            }
        };
        dialogue.handle_input(now, input);
    }
    panic!("a talk without an end");
}

fn words(text: &str, now: Millis) -> Input {
    Input::Words(Words {
        text: Pii::new(text.to_owned()),
        confidence: 0.95,
        expected: None,
        is_final: true,
        spoken: (Millis(now.0.saturating_sub(600)), now),
        clip_ms: (now.0.saturating_sub(600), now.0),
        at: LocalTime { year: 2026, month: 11, day: 26, hour: 10, minute: 0 },
    })
}
