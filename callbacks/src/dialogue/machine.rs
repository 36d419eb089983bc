//! The machine itself.

use super::asking::{Asking, Why};
use super::{Answered, By, Ending, Input, Output, PlayId, Words};
use crate::script::{AnswerName, Ask, EndingName, Facts, Node, NodeName, Script};
use qingting_common::{Millis, Pii};
use qingting_nlu::LocalTime;
use qingting_nlu::answers::{
    ACCEPT_MIN, Answer, AnswerReader, AnswerReading, CONFIRM_MIN, Hearing, Question, Said,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Longest that any prompt may take, in case its end is never reported.
const PROMPT_MAX: Duration = Duration::from_secs(60);
/// Longest wait for more of the words of a voice, and for the first of them: a cough has none.
const WORDS_MAX: Duration = Duration::from_secs(8);
const FIRST_WORD_MAX: Duration = Duration::from_secs(4);
/// Longest voice without words, such as of a television.
const NOISE_MAX: Duration = Duration::from_secs(12);
/// Longest wait for words of a voice that goes on after a sentence.
const MORE_MAX: Duration = Duration::from_secs(6);
/// Longest answer: whoever talks on is answered all the same.
const TALK_MAX: Duration = Duration::from_secs(45);
/// A voice so long after the end of a sentence goes on with it.
const GOES_ON: Duration = Duration::from_millis(400);
/// Longest wait for a store.
const STORE_MAX: Duration = Duration::from_secs(5);
/// A voice that cuts into a prompt so soon after its beginning goes on with the answer before.
const BELATED: Duration = Duration::from_millis(400);
/// The same key again so soon is one press: some gateways tell it in two ways.
const KEY_REPEAT: Duration = Duration::from_millis(500);

/// **One citizen's way through a script. It ends exactly once, whatever the citizen says or leaves; no
/// answer is guessed; and each answer is stored before the next thing is said.**
///
/// Feed [`Dialogue::handle_input`], drain [`Dialogue::poll_output`], sleep to
/// [`Dialogue::next_deadline`] and feed [`Input::Timer`].
pub struct Dialogue {
    script: Arc<Script>,
    facts: Facts,
    reader: Arc<AnswerReader>,
    state: State,
    outputs: VecDeque<Output>,
    plays: u32,
    /// The answer that was taken last: belated words may change it.
    taken: Option<Taken>,
    later: Option<LocalTime>,
    last_key: Option<(char, Millis)>,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Idle,
    /// Something is said that is no question.
    Saying {
        at: NodeName,
        id: PlayId,
        until: Millis,
    },
    /// A question is being asked, or was.
    Asking {
        at: NodeName,
        asking: Asking,
        turn: Turn,
    },
    /// What was understood is repeated to the citizen.
    Confirming {
        at: NodeName,
        asking: Asking,
        turn: Turn,
        guess: Box<Answered>,
        later: Option<LocalTime>,
    },
    /// An answer is being stored.
    Storing {
        to: NodeName,
        until: Millis,
    },
    Over,
}

/// The citizen's turn: from the beginning of the question.
#[derive(Clone, Debug, PartialEq)]
struct Turn {
    /// The prompt that is still playing.
    playing: Option<PlayId>,
    began: Millis,
    until: Millis,
    /// When a voice was heard last.
    voice: Option<Millis>,
    /// What was said in this turn and not understood, or may go on.
    said: Vec<Words>,
    /// When a voice, or a word, was heard first.
    talks_since: Option<Millis>,
    /// Words were among what was heard.
    has_words: bool,
    /// When the last sentence came, if no word has come since.
    ended: Option<Millis>,
}

struct Taken {
    at: NodeName,
    answer: AnswerName,
    words: Vec<Words>,
}

impl Dialogue {
    /// A talk that has not begun.
    pub fn new(script: Arc<Script>, facts: Facts, reader: Arc<AnswerReader>) -> Self {
        Self {
            script,
            facts,
            reader,
            state: State::Idle,
            outputs: VecDeque::new(),
            plays: 0,
            taken: None,
            later: None,
            last_key: None,
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to feed [`Input::Timer`]; `None` when nothing is waited for.
    pub fn next_deadline(&self) -> Option<Millis> {
        match &self.state {
            State::Idle | State::Over => None,
            State::Saying { until, .. } | State::Storing { until, .. } => Some(*until),
            State::Asking { turn, .. } | State::Confirming { turn, .. } => Some(turn.until),
        }
    }

    /// Whether nothing comes any more.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The end whose words are being said, or stored answer leads to: who hangs up now has come to it.
    pub fn ending_under_way(&self) -> Option<Ending> {
        let (State::Saying { at, .. } | State::Storing { to: at, .. }) = &self.state else {
            return None;
        };
        match self.script.node(at) {
            Some(Node::End { ending, .. }) => Some(self.script_end(*ending)),
            _ => None,
        }
    }

    /// Takes one input. Inputs must be fed in the order of their times.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        if let Input::Key(key) = input {
            let is_repeat =
                self.last_key.is_some_and(|(last, at)| last == key && now < at + KEY_REPEAT);
            self.last_key = Some((key, now));
            if is_repeat {
                return;
            }
        }
        match (std::mem::replace(&mut self.state, State::Over), input) {
            (State::Over, _) => {}
            (State::Idle, Input::Begin) => self.enter(now, &self.script.start.clone()),
            (state, Input::Machine) if !matches!(state, State::Idle) => {
                self.hush(&state);
                self.outputs.push_back(Output::End(Ending::Machine));
            }
            (State::Storing { to, .. }, Input::Stored) => self.enter(now, &to),
            (State::Storing { .. }, Input::NotStored) => self.fail(),
            (State::Storing { until, .. }, Input::Timer) if now >= until => self.fail(),
            (State::Saying { at, id, until }, input) => {
                self.while_saying(now, at, id, until, input)
            }
            (State::Asking { at, asking, turn }, input) => {
                self.while_asking(now, at, asking, turn, input)
            }
            (state @ State::Confirming { .. }, input) => self.while_confirming(now, state, input),
            // Early timers, and what comes before the beginning or while an answer is stored: words of
            // that moment are in the recording, and keys are asked for again.
            (state @ (State::Idle | State::Storing { .. }), _) => self.state = state,
        }
    }

    fn fail(&mut self) {
        self.outputs.push_back(Output::End(Ending::Fault));
    }

    // What is said

    fn while_saying(&mut self, now: Millis, at: NodeName, id: PlayId, until: Millis, input: Input) {
        let done = match input {
            Input::PromptDone { id: done } => done == id,
            Input::Timer if now >= until => {
                self.outputs.push_back(Output::StopPrompts);
                true
            }
            Input::Key(key) if self.may_be_cut(&at) => {
                return self.type_ahead(now, &at, id, until, key);
            }
            Input::Words(words) if words.is_final && !self.is_last_word(&at) => {
                if self.wants_out(now, &at, &words, true) {
                    return;
                }
                if self.belated(now, words, Some(id)) {
                    return;
                }
                false
            }
            _ => false,
        };
        if done { self.said(now, &at) } else { self.state = State::Saying { at, id, until } }
    }

    /// What a node says was heard.
    fn said(&mut self, now: Millis, at: &NodeName) {
        match self.script.node(at) {
            Some(Node::Say { next, .. }) => {
                let next = next.clone();
                self.enter(now, &next);
            }
            Some(Node::End { ending, .. }) => {
                let end = self.script_end(*ending);
                self.outputs.push_back(Output::End(end));
            }
            Some(Node::Seat { .. }) => self.outputs.push_back(Output::End(Ending::Seat)),
            // Questions are not said, and a checked script leads nowhere else.
            Some(Node::Ask(_)) | None => self.fail(),
        }
    }

    fn script_end(&self, name: EndingName) -> Ending {
        Ending::Script { name, later: self.later.filter(|_| name == EndingName::CallLater) }
    }

    fn may_be_cut(&self, at: &NodeName) -> bool {
        matches!(self.script.node(at), Some(Node::Say { whole: false, .. }))
    }

    fn is_last_word(&self, at: &NodeName) -> bool {
        matches!(self.script.node(at), Some(Node::End { .. } | Node::Seat { .. }))
    }

    /// A key cuts what is only said, and answers the question behind it: who is called often knows it.
    fn type_ahead(&mut self, now: Millis, at: &NodeName, id: PlayId, until: Millis, key: char) {
        let script = Arc::clone(&self.script);
        let mut to = at.clone();
        while let Some(Node::Say { next, whole: false, .. }) = script.node(&to) {
            to = next.clone();
        }
        match script.node(&to) {
            // One that the question does not know, such as the # that many type after a key, cuts nothing.
            Some(Node::Ask(ask)) if ask.keys.contains_key(&key) => {
                self.outputs.push_back(Output::StopPrompts);
                self.take_key(now, to, ask, key);
            }
            _ => self.state = State::Saying { at: at.clone(), id, until },
        }
    }

    /// What may be said at any time, no more calls and a person, is taken as an answer to the question that is
    /// being asked, or comes next. Whether it was said.
    fn wants_out(&mut self, now: Millis, at: &NodeName, words: &Words, is_playing: bool) -> bool {
        let reading = self.read(Question::Confirm, words);
        let answer = AnswerName::of(&reading.answer)
            .filter(|_| reading.confidence >= ACCEPT_MIN)
            .filter(|it| matches!(it, AnswerName::StopCalling | AnswerName::HandToPerson));
        let Some(answer) = answer else { return false };
        let Some(to) = self.script.exits.get(&answer).cloned() else { return false };
        if is_playing {
            self.outputs.push_back(Output::StopPrompts);
        }
        let Some(question) = self.next_question(at) else {
            self.enter(now, &to);
            return true;
        };
        self.taken = None;
        self.outputs.push_back(Output::Store(Answered {
            question,
            answer,
            cause: None,
            text: words.text.clone(),
            confidence: reading.confidence,
            by: By::Speech,
            confirmed: false,
            clip_ms: Some(words.clip_ms),
        }));
        self.state = State::Storing { to, until: now + STORE_MAX };
        true
    }

    fn next_question(&self, at: &NodeName) -> Option<Question> {
        let mut at = at;
        loop {
            match self.script.node(at)? {
                Node::Ask(ask) => return Some(ask.question),
                Node::Say { next, .. } => at = next,
                Node::End { .. } | Node::Seat { .. } => return None,
            }
        }
    }

    /// Begins what stands at a node.
    fn enter(&mut self, now: Millis, at: &NodeName) {
        let script = Arc::clone(&self.script);
        match script.node(at) {
            Some(Node::Ask(ask)) => self.ask(now, at.clone(), ask, Asking::default()),
            Some(Node::Say { say, .. } | Node::End { say, .. } | Node::Seat { say }) => {
                if say.is_empty() {
                    return self.said(now, at);
                }
                let id = self.play(say, "");
                self.state = State::Saying { at: at.clone(), id, until: now + PROMPT_MAX };
            }
            None => self.fail(),
        }
    }

    fn play(&mut self, text: &str, answer: &str) -> PlayId {
        self.plays += 1;
        let id = PlayId(self.plays);
        let text = self.facts.fill_with(text, answer);
        self.outputs.push_back(Output::Play { id, text });
        id
    }

    fn hush(&mut self, state: &State) {
        let playing = match state {
            State::Saying { .. } => true,
            State::Asking { turn, .. } | State::Confirming { turn, .. } => turn.playing.is_some(),
            State::Idle | State::Storing { .. } | State::Over => false,
        };
        if playing {
            self.outputs.push_back(Output::StopPrompts);
        }
    }

    // Questions

    fn ask(&mut self, now: Millis, at: NodeName, ask: &Ask, mut asking: Asking) {
        asking.since.get_or_insert(now);
        self.outputs.push_back(Output::Listen(ask.question));
        let id = self.play(asking.wording(ask), "");
        self.state = State::Asking { at, asking, turn: Turn::new(id, now) };
    }

    fn while_asking(
        &mut self,
        now: Millis,
        at: NodeName,
        asking: Asking,
        mut turn: Turn,
        input: Input,
    ) {
        let script = Arc::clone(&self.script);
        let Some(Node::Ask(ask)) = script.node(&at) else { return self.fail() };
        match input {
            Input::Key(key) => {
                if ask.keys.contains_key(&key) {
                    self.stop(&turn);
                    self.take_key(now, at, ask, key);
                } else if key == '#' {
                    // Many type it after a key.
                    self.state = State::Asking { at, asking, turn };
                } else {
                    self.stop(&turn);
                    self.ask_again(now, at, ask, asking, Why::Unclear);
                }
            }
            Input::Words(words) if words.is_final => {
                if asking.since.is_some_and(|since| is_too_early(&words, since)) {
                    let is_playing = turn.playing.is_some();
                    if !self.wants_out(now, &at, &words, is_playing)
                        && !self.belated(now, words, turn.playing)
                    {
                        self.state = State::Asking { at, asking, turn };
                    }
                    return;
                }
                turn.said.push(words);
                turn.talks_since.get_or_insert(now);
                (turn.has_words, turn.ended) = (true, Some(now));
                self.listen(now, at, ask, asking, turn);
            }
            Input::Timer if now >= turn.until => self.turn_over(now, at, ask, asking, turn),
            input => {
                self.waits(now, &mut turn, ask.wait, &input);
                self.state = State::Asking { at, asking, turn };
            }
        }
    }

    /// What changes nothing but how long the citizen's turn lasts.
    fn waits(&mut self, now: Millis, turn: &mut Turn, wait: Duration, input: &Input) {
        match input {
            Input::PromptDone { id } if turn.playing == Some(*id) => {
                turn.playing = None;
                turn.until = now + wait;
            }
            // What goes on with the answer before cuts no question.
            Input::Voice if turn.playing.is_some() && now < turn.began + BELATED => {}
            Input::Words(words) if turn.playing.is_some() && is_too_early(words, turn.began) => {}
            // Words that are not final yet cut in as a voice does.
            Input::Voice | Input::Words(_) => {
                self.stop(turn);
                turn.playing = None;
                // Words come later than they were spoken.
                let heard = if let Input::Words(words) = input { words.spoken.1 } else { now };
                turn.voice = turn.voice.max(Some(heard));
                turn.talks_since.get_or_insert(now);
                if matches!(input, Input::Words(_)) {
                    (turn.has_words, turn.ended) = (true, None);
                }
                turn.until = turn.listens_until(now);
            }
            _ => {}
        }
    }

    /// Understands what was said in this turn, or waits for the rest of it.
    fn listen(&mut self, now: Millis, at: NodeName, ask: &Ask, asking: Asking, mut turn: Turn) {
        if turn.goes_on() && turn.talks_since.is_none_or(|since| now < since + TALK_MAX) {
            turn.until = turn.listens_until(now);
            self.state = State::Asking { at, asking, turn };
            return;
        }
        let (reading, hearing) = self.understand(ask.question, &turn.said);
        let is_answer = reading.confidence >= CONFIRM_MIN;
        if !is_answer && turn.playing.is_some() {
            // Talk beside the telephone does not cut a question.
            turn.said.clear();
            self.state = State::Asking { at, asking, turn };
            return;
        }
        self.stop(&turn);
        match AnswerName::of(&reading.answer) {
            Some(answer) if is_answer && self.script.way(ask, answer).is_some() => {
                let said = heard_so(turn.said, hearing);
                self.understood(now, at, ask, asking, answer, &reading, said);
            }
            _ => self.ask_again(now, at, ask, asking, Why::Unclear),
        }
    }

    /// The last sentence alone, or all of the turn together: 解决了 … 一半.
    fn understand(&self, question: Question, said: &[Words]) -> (AnswerReading, Hearing) {
        let whole = joined(said);
        let all = whole.as_ref().map(|words| self.read_both(question, words));
        let last = said.last().map(|words| self.read_both(question, words));
        match (all, last) {
            (Some(all), _) if all.0.answer != Answer::Unclear => all,
            // Sentences that contradict each other are not an answer: only a later one that stands for
            // itself after one that said nothing is.
            (Some(all), Some(last)) => {
                let before = &said[..said.len() - 1];
                let is_nothing =
                    |words| self.read_both(question, words).0.answer == Answer::Unclear;
                if before.iter().all(is_nothing) { last } else { all }
            }
            (all, last) => last.or(all).unwrap_or_else(|| {
                let nothing =
                    AnswerReading { answer: Answer::Unclear, confidence: 0.0, span: 0..0 };
                (nothing, Hearing::Plain)
            }),
        }
    }

    fn read_both(&self, question: Question, words: &Words) -> (AnswerReading, Hearing) {
        let Some((text, confidence)) = &words.expected else {
            return (self.read(question, words), Hearing::Plain);
        };
        let plain = Said { text: words.text.expose(), confidence: words.confidence, at: words.at };
        let expecting = Said { text: text.expose(), confidence: *confidence, at: words.at };
        self.reader.read_both(question, &plain, &expecting)
    }

    fn read(&self, question: Question, words: &Words) -> AnswerReading {
        let Words { text, confidence, at, .. } = words;
        self.reader.read(question, &Said { text: text.expose(), confidence: *confidence, at: *at })
    }

    #[allow(clippy::too_many_arguments, reason = "an answer with all that it rests on")]
    fn understood(
        &mut self,
        now: Millis,
        at: NodeName,
        ask: &Ask,
        mut asking: Asking,
        answer: AnswerName,
        reading: &AnswerReading,
        said: Vec<Words>,
    ) {
        let later = match reading.answer {
            Answer::CallLater { earliest } => earliest,
            _ => None,
        };
        let answered = Answered {
            question: ask.question,
            answer,
            cause: match reading.answer {
                Answer::Because(cause) => Some(cause),
                _ => None,
            },
            text: joined(&said).map_or_else(Pii::default, |words| words.text),
            confidence: reading.confidence,
            by: By::Speech,
            confirmed: false,
            clip_ms: joined(&said).map(|words| words.clip_ms),
        };
        // A kind of reason is not repeated: the citizen's own words are kept beside it.
        let spoken = answer.spoken(ask.question).filter(|_| reading.confidence < ACCEPT_MIN);
        match spoken {
            Some(_) if asking.confirmed_once => self.ask_again(now, at, ask, asking, Why::Denied),
            Some(spoken) => {
                asking.confirmed_once = true;
                let say = self.script.confirm.say.clone();
                self.outputs.push_back(Output::Listen(Question::Confirm));
                let turn = Turn::new(self.play(&say, spoken), now);
                let guess = Box::new(answered);
                self.state = State::Confirming { at, asking, turn, guess, later };
            }
            None => {
                self.taken = Some(Taken { at: at.clone(), answer, words: said });
                self.take(now, ask, answered, later);
            }
        }
    }

    fn take_key(&mut self, now: Millis, at: NodeName, ask: &Ask, key: char) {
        // Words that follow a key do not change what it said.
        self.taken = None;
        let Some(answer) = ask.keys.get(&key).copied() else { return self.fail() };
        if self.script.way(ask, answer).is_none() {
            return self.ask_again(now, at, ask, Asking::default(), Why::Unclear);
        }
        let answered = Answered {
            question: ask.question,
            answer,
            cause: None,
            text: Pii::new(key.to_string()),
            confidence: 1.0,
            by: By::Key,
            confirmed: false,
            clip_ms: None,
        };
        self.take(now, ask, answered, None);
    }

    /// An answer is stored; what follows it comes then.
    fn take(&mut self, now: Millis, ask: &Ask, answered: Answered, later: Option<LocalTime>) {
        let Some(to) = self.script.way(ask, answered.answer).cloned() else { return self.fail() };
        if answered.answer == AnswerName::CallLater {
            self.later = later;
        }
        self.outputs.push_back(Output::Store(answered));
        self.state = State::Storing { to, until: now + STORE_MAX };
    }

    fn turn_over(&mut self, now: Millis, at: NodeName, ask: &Ask, asking: Asking, turn: Turn) {
        self.stop(&turn);
        if !turn.said.is_empty() {
            // It went on with a voice that became no words.
            let turn = Turn { voice: None, playing: None, ..turn };
            return self.listen(now, at, ask, asking, turn);
        }
        if turn.playing.is_some() {
            // The end of the prompt was not reported.
            let turn = Turn { playing: None, until: now + ask.wait, ..turn };
            self.state = State::Asking { at, asking, turn };
            return;
        }
        let why = if turn.voice.is_some() { Why::Unclear } else { Why::Silent };
        self.ask_again(now, at, ask, asking, why);
    }

    fn ask_again(&mut self, now: Millis, at: NodeName, ask: &Ask, mut asking: Asking, why: Why) {
        if asking.again(ask, why) {
            return self.ask(now, at, ask, asking);
        }
        let to = if why == Why::Silent { &ask.silent } else { &ask.unclear };
        self.enter(now, to);
    }

    fn stop(&mut self, turn: &Turn) {
        if turn.playing.is_some() {
            self.outputs.push_back(Output::StopPrompts);
        }
    }

    // Confirmations

    fn while_confirming(&mut self, now: Millis, state: State, input: Input) {
        let State::Confirming { at, asking, mut turn, mut guess, later } = state else { return };
        let script = Arc::clone(&self.script);
        let Some(Node::Ask(ask)) = script.node(&at) else { return self.fail() };
        let [yes, no] = script.confirm.keys;
        let is_right = match &input {
            Input::Key(key) if *key == yes => Some(true),
            Input::Key(key) if *key == no => Some(false),
            // What was said before this was repeated does not say whether it is right.
            Input::Words(words) if words.is_final && is_too_early(words, turn.began) => {
                if self.wants_out(now, &at, words, turn.playing.is_some()) {
                    return;
                }
                None
            }
            Input::Words(words) if words.is_final => match self.confirmed(ask, words, &guess) {
                Confirmed::Yes => Some(true),
                Confirmed::No => Some(false),
                Confirmed::Instead(answer, reading) => {
                    self.stop(&turn);
                    let said = vec![words.clone()];
                    return self.understood(now, at, ask, asking, answer, &reading, said);
                }
                Confirmed::Unclear if turn.playing.is_some() => None,
                Confirmed::Unclear => Some(false),
            },
            Input::Timer if now >= turn.until && turn.playing.is_none() => Some(false),
            Input::Timer if now >= turn.until => {
                self.stop(&turn);
                turn = Turn { playing: None, until: now + script.confirm.wait, ..turn };
                None
            }
            input => {
                self.waits(now, &mut turn, script.confirm.wait, input);
                None
            }
        };
        match is_right {
            None => self.state = State::Confirming { at, asking, turn, guess, later },
            Some(true) => {
                self.stop(&turn);
                (guess.confirmed, guess.confidence) = (true, 1.0);
                self.taken = None;
                self.take(now, ask, *guess, later);
            }
            Some(false) => {
                self.stop(&turn);
                self.ask_again(now, at, ask, asking, Why::Denied);
            }
        }
    }

    /// What was said to 您是说…，对吗: yes or no, or the answer itself, which may be another one.
    fn confirmed(&self, ask: &Ask, words: &Words, guess: &Answered) -> Confirmed {
        // By the plain hearing alone: what was guessed is not confirmed by a guess.
        let plain = self.read(Question::Confirm, words);
        let exit = AnswerName::of(&plain.answer).filter(|name| AnswerName::EXITS.contains(name));
        if let Some(exit) = exit.filter(|exit| self.script.way(ask, *exit).is_some()) {
            return Confirmed::Instead(exit, plain);
        }
        let (itself, _) = self.read_both(ask.question, words);
        match AnswerName::of(&itself.answer) {
            // 对 is read as a yes to many questions: said to a confirmation it is one to that.
            _ if plain.answer == Answer::Yes => Confirmed::Yes,
            Some(answer) if answer == guess.answer && itself.confidence >= ACCEPT_MIN => {
                Confirmed::Yes
            }
            Some(answer)
                if answer != AnswerName::No
                    && itself.confidence >= ACCEPT_MIN
                    && self.script.way(ask, answer).is_some() =>
            {
                Confirmed::Instead(answer, itself)
            }
            _ if plain.answer == Answer::No => Confirmed::No,
            _ => Confirmed::Unclear,
        }
    }

    // Belated words

    /// Words that began before the question that is being asked now go on with the answer before: 解决了
    /// … 才怪. Whether they change it.
    fn belated(&mut self, now: Millis, words: Words, playing: Option<PlayId>) -> bool {
        let Some(taken) = self.taken.take() else { return false };
        let script = Arc::clone(&self.script);
        let Some(Node::Ask(ask)) = script.node(&taken.at) else { return false };
        let mut said = taken.words;
        said.push(words);
        let (reading, _) = self.understand(ask.question, &said);
        if AnswerName::of(&reading.answer) == Some(taken.answer) {
            self.taken = Some(Taken { words: said, ..taken });
            return false;
        }
        if self.understand(ask.question, &said[said.len() - 1..]).0.answer == Answer::Unclear
            && reading.answer == Answer::Unclear
            && !self.revokes(&said)
        {
            return false;
        }
        if playing.is_some() {
            self.outputs.push_back(Output::StopPrompts);
        }
        // It is asked again, with what else was said: nothing is taken from half a sentence.
        let mut asking = Asking::default();
        if asking.again(ask, Why::Denied) {
            self.ask(now, taken.at, ask, asking);
        } else {
            self.enter(now, &ask.unclear.clone());
        }
        true
    }

    /// Whether the words together say less than the first ones did alone.
    fn revokes(&self, said: &[Words]) -> bool {
        said.last().is_some_and(|words| {
            ["但", "不过", "可是", "才怪", "不对", "其实"]
                .iter()
                .any(|but| words.text.expose().contains(but))
        })
    }
}

enum Confirmed {
    Yes,
    No,
    Instead(AnswerName, AnswerReading),
    Unclear,
}

impl Turn {
    fn new(playing: PlayId, now: Millis) -> Self {
        Self {
            playing: Some(playing),
            began: now,
            until: now + PROMPT_MAX,
            voice: None,
            said: Vec::new(),
            talks_since: None,
            has_words: false,
            ended: None,
        }
    }

    /// How long more is waited for, a voice having been heard just now.
    fn listens_until(&self, now: Millis) -> Millis {
        let (more, longest) = match self.has_words {
            true => (WORDS_MAX, TALK_MAX),
            false => (FIRST_WORD_MAX, NOISE_MAX),
        };
        let longest = self.talks_since.unwrap_or(now) + longest;
        let until = (now + more).min(longest);
        self.ended.map_or(until, |ended| until.min(ended + MORE_MAX))
    }

    /// Whether a voice went on after the last sentence.
    fn goes_on(&self) -> bool {
        let ended = self.said.last().map(|words| words.spoken.1);
        matches!((self.voice, ended), (Some(voice), Some(ended)) if voice > ended + GOES_ON)
    }
}

/// Whether words began before anybody could have heard what is asked since then.
fn is_too_early(words: &Words, since: Millis) -> bool {
    words.spoken.0 < since + BELATED
}

/// What was said as it was heard when it was understood.
fn heard_so(mut said: Vec<Words>, hearing: Hearing) -> Vec<Words> {
    let of_words = |words: &mut Words| {
        if let Some((text, confidence)) = words.expected.take() {
            (words.text, words.confidence) = (text, confidence);
        }
    };
    if hearing == Hearing::Expecting {
        said.iter_mut().for_each(of_words);
    }
    said
}

/// Sentences as one.
fn joined(said: &[Words]) -> Option<Words> {
    let (first, last) = (said.first()?, said.last()?);
    let text: Vec<&str> = said.iter().map(|words| words.text.expose().as_str()).collect();
    let lowest = said.iter().map(|words| words.confidence).fold(f32::INFINITY, f32::min);
    let expected = said.iter().any(|words| words.expected.is_some()).then(|| {
        let each = said.iter().map(|words| match &words.expected {
            Some((text, confidence)) => (text.expose().as_str(), *confidence),
            None => (words.text.expose().as_str(), words.confidence),
        });
        let (text, confidence): (Vec<&str>, Vec<f32>) = each.unzip();
        let lowest = confidence.into_iter().fold(f32::INFINITY, f32::min);
        (Pii::new(text.join("，")), lowest)
    });
    Some(Words {
        text: Pii::new(text.join("，")),
        confidence: lowest,
        expected,
        is_final: true,
        spoken: (first.spoken.0, last.spoken.1),
        clip_ms: (first.clip_ms.0, last.clip_ms.1),
        at: last.at,
    })
}
