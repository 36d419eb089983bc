//! The detector itself.

use super::beep::{BeepListener, Sign};
use super::evidence::{Speaker, speaker_of};
use super::hearing::Hearing;
use super::sound::{Ear, Samples, Sound};
use super::tones::{Cadence, NetworkTone};
use qingting_common::Millis;
use qingting_common::limits::TICK_MS;
use std::collections::VecDeque;
use std::time::Duration;

/// Speech before a beep that makes it a voicemail's and not a telephone's own.
const BEFORE_BEEP_MIN: Duration = Duration::from_millis(1_200);
/// Ringing is over when so much of its pause is past: 4 s and what cadences vary.
const RINGING_PAUSE_MAX: Duration = Duration::from_millis(4_600);

/// The times by which a detector judges; all but `late` count from what they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the answer, or from a ringing tone after it: nobody speaks, so we do.
    pub silence: Duration,
    /// From the end of a short greeting: its speaker waits for us.
    pub pause: Duration,
    /// Greetings up to this length are short.
    pub greeting: Duration,
    /// From the end of a longer greeting: machines pause too, and words may come.
    pub long_pause: Duration,
    /// Speech without a pause, or music, that long is a machine's …
    pub unbroken: Duration,
    /// … or, when its words are a person's, that long.
    pub unbroken_person: Duration,
    /// After a person was assumed: so much speech altogether is a machine's, if no words say otherwise …
    pub late_speech: Duration,
    /// … when it was spoken within this from the answer: afterwards people talk with us.
    pub late_speech_within: Duration,
    /// From the answer: until then the verdict may become a machine after all.
    pub late: Duration,
    /// From the answer: ringing that goes on until then is a machine's.
    pub ringing: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            silence: Duration::from_millis(1_500),
            pause: Duration::from_millis(340),
            greeting: Duration::from_millis(2_400),
            long_pause: Duration::from_millis(640),
            unbroken: Duration::from_millis(4_200),
            unbroken_person: Duration::from_secs(8),
            late_speech: Duration::from_millis(4_200),
            late_speech_within: Duration::from_secs(9),
            late: Duration::from_secs(12),
            ringing: Duration::from_secs(20),
        }
    }
}

/// What has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A person, or nothing that says otherwise.
    Person(Opening),
    /// A machine.
    Machine(MachineKind),
}

/// How a person began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opening {
    /// With a greeting that is over.
    Spoke,
    /// With nothing: [`Settings::silence`] is past.
    Silent,
}

/// Which kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MachineKind {
    /// Takes messages; an [`Output::Beep`] follows.
    Voicemail,
    /// The network: an announcement or its tones. The call was not really answered; of its text
    /// [`Announcement::read`](super::Announcement::read) tells the cause.
    Announcement,
    /// Any other: an assistant, a menu, music; or one whose kind nothing has told.
    Automaton,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The called party's newest 20 ms. Missing frames (silence suppression) are silence.
    Frame(&'a Samples),
    /// What the recogniser has of the party's sentence under way, in place of its last partial text.
    Partial(&'a str),
    /// The party's next whole sentence.
    Final(&'a str),
    /// [`Detector::next_deadline`] has come.
    Timer,
}

/// What the detector found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The verdict, the first output but for [`Output::Beep`], and only one.
    Verdict(Verdict),
    /// It was a machine after all: at most once, after [`Verdict::Person`], before [`Settings::late`].
    Late(MachineKind),
    /// A beep is over: a voicemail records from here on.
    Beep,
}

/// **One verdict a call: at the end of a person's greeting, at a machine's words, beep or endless
/// speech, or after a silence; in doubt a person.**
///
/// Feed [`Detector::handle_input`] from the answer on, drain [`Detector::poll_output`], and feed
/// [`Input::Timer`] at [`Detector::next_deadline`] in case no frames come. Equal inputs give equal
/// outputs. A verdict that a person answered may be taken back within [`Settings::late`], when words
/// come late or a greeting had a pause.
#[derive(Clone, Debug)]
pub struct Detector {
    settings: Settings,
    answered: Millis,
    now: Millis,
    ear: Ear,
    hearing: Hearing,
    cadence: Cadence,
    beeps: BeepListener,
    words: Words,
    /// Until then the line rings, if it has rung at all since the answer.
    ringing_until: Option<Millis>,
    verdict: Option<Verdict>,
    is_late_said: bool,
    outputs: VecDeque<Output>,
}

/// What was said, as far as recognised.
#[derive(Clone, Debug, Default)]
struct Words {
    finals: String,
    speaker: Option<Speaker>,
}

impl Detector {
    /// For a call that was answered at this moment.
    pub fn new(settings: Settings, answered: Millis) -> Self {
        Self {
            settings,
            answered,
            now: answered,
            ear: Ear::default(),
            hearing: Hearing::default(),
            cadence: Cadence::default(),
            beeps: BeepListener::default(),
            words: Words::default(),
            ringing_until: None,
            verdict: None,
            is_late_said: false,
            outputs: VecDeque::new(),
        }
    }

    /// The next thing that was found.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to feed [`Input::Timer`], if nothing else comes before.
    pub fn next_deadline(&mut self) -> Option<Millis> {
        if self.verdict.is_some() {
            return None;
        }
        let greeting = self.hearing.newest(self.settings.long_pause);
        Some(match greeting {
            Some(greeting) => greeting.end + self.pause_after(greeting.length()),
            None => self.quiet_since() + self.settings.silence,
        })
    }

    /// Takes one input. A frame's time is that of its end; a time before that of an earlier input counts as
    /// that one's.
    pub fn handle_input(&mut self, now: Millis, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Frame(samples) => self.hear(samples),
            Input::Partial(text) => self.read(text),
            Input::Final(text) => {
                self.read(text);
                self.words.finals.push_str(text);
            }
            Input::Timer => {}
        }
        self.judge();
    }

    fn hear(&mut self, samples: &Samples) {
        let sound = self.ear.hear(samples);
        if self.is_open() {
            let start = Millis(self.now.0.saturating_sub(TICK_MS.into()));
            self.hearing.hear(start, sound);
            self.hear_network(sound);
        }
        match self.beeps.follow(sound) {
            Some(Sign::Over) => self.outputs.push_back(Output::Beep),
            Some(Sign::Sounding) if self.hearing.spoken() >= BEFORE_BEEP_MIN => {
                self.found(MachineKind::Voicemail);
            }
            _ => {}
        }
    }

    fn hear_network(&mut self, sound: Sound) {
        use NetworkTone::{Busy, Congestion, SpecialInformation, Unobtainable};
        let tone = self.cadence.follow(sound);
        if self.cadence.is_sounding() {
            self.ringing_until = Some(self.now + RINGING_PAUSE_MAX);
        }
        if matches!(tone, Some(Busy | Congestion | SpecialInformation | Unobtainable)) {
            self.found(MachineKind::Announcement);
        }
    }

    fn read(&mut self, newest: &str) {
        if self.is_open() {
            self.words.speaker = speaker_of(&format!("{}{newest}", self.words.finals));
        }
    }

    fn judge(&mut self) {
        if !self.is_open() {
            return;
        }
        if let Some(Speaker::Machine(kind)) = self.words.speaker {
            return self.found(kind);
        }
        match self.verdict {
            None => self.judge_first(),
            Some(_) => self.judge_late(),
        }
    }

    fn judge_first(&mut self) {
        let Some(greeting) = self.hearing.newest(self.settings.long_pause) else {
            return self.judge_silence();
        };
        if self.now - greeting.end >= self.pause_after(greeting.length()) {
            self.conclude(Verdict::Person(Opening::Spoke));
        } else if greeting.length() >= self.unbroken() {
            self.found(MachineKind::Automaton);
        }
    }

    fn judge_silence(&mut self) {
        if self.now - self.quiet_since() >= self.settings.silence {
            self.conclude(Verdict::Person(Opening::Silent));
        } else if self.now - self.answered >= self.settings.ringing {
            self.found(MachineKind::Announcement);
        }
    }

    /// Words that are a person's speak for a person however long it goes on.
    fn judge_late(&mut self) {
        let says_person = self.words.speaker == Some(Speaker::Person);
        let is_opening = self.now - self.answered < self.settings.late_speech_within;
        if is_opening && !says_person && self.hearing.spoken() >= self.settings.late_speech {
            self.found(MachineKind::Automaton);
        }
    }

    /// Whether something may still be found.
    fn is_open(&self) -> bool {
        match self.verdict {
            None => true,
            Some(Verdict::Machine(_)) => false,
            Some(Verdict::Person(_)) => {
                !self.is_late_said && self.now - self.answered < self.settings.late
            }
        }
    }

    fn found(&mut self, kind: MachineKind) {
        if !self.is_open() {
            return;
        }
        if self.verdict.is_none() {
            return self.conclude(Verdict::Machine(kind));
        }
        self.is_late_said = true;
        self.outputs.push_back(Output::Late(kind));
    }

    fn conclude(&mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
        self.outputs.push_back(Output::Verdict(verdict));
    }

    /// Since when nobody is expected to speak first: the ringing counts as not answered yet.
    fn quiet_since(&self) -> Millis {
        self.ringing_until.unwrap_or(self.answered)
    }

    fn pause_after(&self, length: Duration) -> Duration {
        let is_short = length < self.settings.greeting;
        if is_short { self.settings.pause } else { self.settings.long_pause }
    }

    fn unbroken(&self) -> Duration {
        match self.words.speaker {
            Some(Speaker::Person) => self.settings.unbroken_person,
            _ => self.settings.unbroken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::signals::{noise, silence, sine, voice};
    use super::*;
    use qingting_common::limits::SAMPLES_PER_TICK;

    /// The outputs of a call with their times in ms; texts come at their times.
    fn outputs(parts: &[Vec<i16>], texts: &[(u64, &str)]) -> Vec<(u64, Output)> {
        let samples = parts.concat();
        let mut detector = Detector::new(Settings::default(), Millis(0));
        let mut found = Vec::new();
        for (at, frame) in samples.as_chunks::<SAMPLES_PER_TICK>().0.iter().enumerate() {
            let now = (at as u64 + 1) * 20;
            detector.handle_input(Millis(now), Input::Frame(frame));
            for (_, text) in texts.iter().filter(|(due, _)| (now - 19..=now).contains(due)) {
                detector.handle_input(Millis(now), Input::Final(text));
            }
            found.extend(std::iter::from_fn(|| detector.poll_output()).map(|output| (now, output)));
        }
        found
    }

    const SPOKE: Output = Output::Verdict(Verdict::Person(Opening::Spoke));
    const SILENT: Output = Output::Verdict(Verdict::Person(Opening::Silent));

    fn machine(kind: MachineKind) -> Output {
        Output::Verdict(Verdict::Machine(kind))
    }

    #[test]
    fn a_short_greeting_is_a_persons_within_400_ms_of_its_end() {
        for ms in [240, 600, 1_500] {
            let found = outputs(&[silence(500), voice(-22.0, ms), silence(3_000)], &[]);
            let end = 500 + ms as u64;
            assert!(
                matches!(found[..], [(at, SPOKE)] if (end..=end + 400).contains(&at)),
                "{ms}: {found:?}"
            );
        }
    }

    #[test]
    fn whoever_says_nothing_is_spoken_to_after_the_set_time() {
        for quiet in [silence(4_000), noise(-35.0, 4_000, 3)] {
            assert_eq!(outputs(&[quiet], &[]), [(1_500, SILENT)]);
        }
    }

    #[test]
    fn silence_is_noticed_without_any_frames() {
        let mut detector = Detector::new(Settings::default(), Millis(7_000));
        let due = detector.next_deadline().unwrap();
        detector.handle_input(due, Input::Timer);
        assert_eq!((due, detector.poll_output()), (Millis(8_500), Some(SILENT)));
        assert_eq!(detector.next_deadline(), None);
    }

    #[test]
    fn a_greeting_whose_end_sends_no_frames_is_over_too() {
        let mut detector = Detector::new(Settings::default(), Millis(0));
        let greeting = voice(-20.0, 600);
        for (at, frame) in greeting.as_chunks::<SAMPLES_PER_TICK>().0.iter().enumerate() {
            detector.handle_input(Millis(at as u64 * 20 + 20), Input::Frame(frame));
        }
        let due = detector.next_deadline().unwrap();
        assert!((900..=940).contains(&due.0), "{due:?}");
        detector.handle_input(due, Input::Timer);
        assert_eq!(detector.poll_output(), Some(SPOKE));
    }

    #[test]
    fn endless_speech_is_a_machines() {
        let found = outputs(&[silence(300), voice(-20.0, 9_000)], &[]);
        assert!(
            matches!(found[..], [(4_400..=4_700, output)] if output == machine(MachineKind::Automaton)),
            "{found:?}"
        );
    }

    #[test]
    fn a_persons_words_allow_more() {
        let words = [(2_000, "喂你好我是李建国请问你是哪位")];
        let found = outputs(&[voice(-20.0, 6_000), silence(1_000)], &words);
        assert!(matches!(found[..], [(6_000..=6_800, SPOKE)]), "{found:?}");
    }

    #[test]
    fn a_machines_words_decide_at_once() {
        let words = [(1_800, "您好，您拨打的用户")];
        let found = outputs(&[voice(-20.0, 3_000)], &words);
        assert_eq!(found, [(1_800, machine(MachineKind::Announcement))]);
    }

    #[test]
    fn a_beep_after_speech_is_a_voicemails() {
        let parts = [voice(-20.0, 2_000), silence(100), sine(1_000.0, -15.0, 400), silence(600)];
        let found = outputs(&parts, &[]);
        let [(seen, first), (over, Output::Beep)] = found[..] else { panic!("{found:?}") };
        assert_eq!(first, machine(MachineKind::Voicemail));
        assert!((2_200..=2_300).contains(&seen) && (2_500..=2_560).contains(&over), "{found:?}");
    }

    #[test]
    fn a_verdict_is_taken_back_when_words_come_late() {
        let parts = [voice(-20.0, 400), silence(900), voice(-20.0, 2_000), silence(9_000)];
        let words = [(4_000, "您好，请在嘀声后留言"), (5_000, "请留言")];
        let found = outputs(&parts, &words);
        let late = (4_000, Output::Late(MachineKind::Voicemail));
        assert!(matches!(found[..], [(_, SPOKE), last] if last == late), "{found:?}");
        let found = outputs(&parts, &[(12_100, "您好，请在嘀声后留言")]);
        assert!(matches!(found[..], [(_, SPOKE)]), "{found:?}");
    }

    #[test]
    fn a_pause_after_hello_hides_a_machine_only_for_a_while() {
        let parts = [voice(-20.0, 500), silence(450), voice(-20.0, 7_000)];
        let found = outputs(&parts, &[]);
        let [(_, SPOKE), (at, Output::Late(MachineKind::Automaton))] = found[..] else {
            panic!("{found:?}")
        };
        assert!((4_700..=5_500).contains(&at), "{found:?}");
    }

    #[test]
    fn the_busy_tone_is_the_networks() {
        let turn = [sine(450.0, -15.0, 350), silence(350)].concat();
        let found = outputs(&[turn.repeat(5)], &[]);
        assert!(
            matches!(found[..], [(0..=1_600, output)] if output == machine(MachineKind::Announcement)),
            "{found:?}"
        );
    }

    #[test]
    fn who_answers_after_more_ringing_is_heard() {
        let ringing = [sine(450.0, -15.0, 1_000), silence(4_000)].concat();
        let parts = [ringing.clone(), ringing, voice(-20.0, 500), silence(2_000)];
        let found = outputs(&parts, &[]);
        assert!(matches!(found[..], [(10_500..=10_900, SPOKE)]), "{found:?}");
    }

    #[test]
    fn a_television_behind_a_person_is_not_a_long_greeting() {
        let behind = voice(-40.0, 8_000);
        let mut call = behind;
        for (at, sample) in voice(-18.0, 700).iter().enumerate() {
            call[4_000 + at] = call[4_000 + at].saturating_add(*sample);
        }
        let found = outputs(&[call], &[]);
        assert!(matches!(found[..], [(1_200..=1_650, SPOKE)]), "{found:?}");
    }
}
