//! A file of citizens: who is behind which number, and what each does at which call.

use crate::caller::KEYS;
use crate::commands::speech::Saying;
use crate::config::Problem;
use qingting_callbacks::script::question;
use qingting_nlu::answers::Question;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// Longest that a telephone rings before it is answered.
const RING_S_MAX: f64 = 120.0;

/// The citizens of a file, and what is to be read or spoken for them.
#[derive(Debug, Default)]
pub struct Citizens {
    /// By number.
    pub by_number: BTreeMap<String, Citizen>,
    /// In the order of their [`SoundId`]s.
    pub sources: Vec<Source>,
}

/// Somebody with a telephone.
#[derive(Debug)]
pub struct Citizen {
    /// How long the telephone rings before it is answered.
    pub rings: Duration,
    /// At the 1st, 2nd, … call; the last one from then on. Never empty.
    pub calls: Vec<Does>,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// Refused with this status.
    Refuse(u16),
    /// It rings until the caller gives up.
    Ring,
    /// The network speaks in early media and then refuses.
    Announce(SoundId),
    /// A mailbox answers with its greeting and a beep.
    Mailbox(SoundId),
    /// A person answers.
    Talk(Person),
}

impl Does {
    /// The key in the file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refuse(486) => "busy",
            Self::Refuse(404) => "not_found",
            Self::Refuse(_) => "reject",
            Self::Ring => "no_answer",
            Self::Announce(_) => "announcement",
            Self::Mailbox(_) => "voicemail",
            Self::Talk(_) => "person",
        }
    }
}

/// What a person says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// At once.
    pub greeting: Option<Reply>,
    /// To the 1st, 2nd, … prompt that is heard.
    pub answers: Vec<Reply>,
    /// What is said to 您是说…，对吗: when it is right, and when it is not. None when no answer says what it is to.
    pub confirms: Option<[Reply; 2]>,
    /// Hangs up when the prompt after so many answers has begun.
    pub hangs_up_after: Option<usize>,
}

/// The answer to a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// To which question, where that is known; else to whatever is heard.
    pub to: Option<Question>,
    /// What.
    pub act: Act,
    /// Into the prompt, not after it.
    pub interrupts: bool,
}

/// What somebody does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Say(SoundId),
    Press(Vec<char>),
    Nothing,
}

/// A place in [`Citizens::sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundId(pub usize);

/// Where a sound comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A WAV file, and the line that names it.
    File(PathBuf, usize),
    /// The product's own voice.
    Voice(Saying),
}

impl Source {
    /// For people.
    pub fn told(&self) -> String {
        match self {
            Self::File(path, _) => path.display().to_string(),
            Self::Voice(saying) => saying.text.clone(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    voice: Option<String>,
    citizens: Vec<RawCitizen>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCitizen {
    number: Spanned<String>,
    voice: Option<String>,
    #[serde(default = "ring_s")]
    ring_s: Spanned<f64>,
    calls: Spanned<Vec<Spanned<RawCall>>>,
}

fn ring_s() -> Spanned<f64> {
    Spanned::new(0..0, 1.0)
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawCall {
    Busy,
    NoAnswer,
    Reject,
    NotFound,
    Announcement(RawReply),
    Voicemail(RawReply),
    Person(RawPerson),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPerson {
    greeting: Option<Spanned<RawReply>>,
    #[serde(default)]
    answers: Vec<Spanned<RawReply>>,
    hangs_up_after: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReply {
    to: Option<String>,
    says: Option<String>,
    plays: Option<PathBuf>,
    keys: Option<String>,
    #[serde(default)]
    silence: bool,
    voice: Option<String>,
    #[serde(default)]
    interrupts: bool,
}

impl Citizens {
    /// Reads a file, or says all that is wrong with it.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            vec![Problem {
                line: line(text, error.span().unwrap_or_default()),
                key: "citizens".to_owned(),
                what: error.message().trim().replace('\n', " "),
                remedy: "`qingting answer --help` has an example of every key".to_owned(),
            }]
        })?;
        let mut reading = Reading { text, voice: raw.voice, ..Reading::default() };
        for citizen in raw.citizens {
            reading.citizen(citizen);
        }
        if reading.citizens.by_number.is_empty() {
            reading.wrong(0..0, "citizens", "there are none", "Give at least one [[citizens]]");
        }
        if reading.problems.is_empty() { Ok(reading.citizens) } else { Err(reading.problems) }
    }
}

impl Citizens {
    /// Whether answers are given to questions, not in their order.
    pub fn say_what_they_answer(&self) -> bool {
        let calls = self.by_number.values().flat_map(|citizen| &citizen.calls);
        calls.into_iter().any(|call| matches!(call, Does::Talk(Person { confirms: Some(_), .. })))
    }
}

fn line(text: &str, span: Range<usize>) -> usize {
    text[..span.start.min(text.len())].matches('\n').count() + 1
}

/// A file that is being read.
#[derive(Default)]
struct Reading<'a> {
    text: &'a str,
    /// Of the file.
    voice: Option<String>,
    citizens: Citizens,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn wrong(&mut self, at: Range<usize>, key: &str, what: &str, remedy: &str) {
        self.problems.push(Problem {
            line: line(self.text, at),
            key: key.to_owned(),
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    fn citizen(&mut self, raw: RawCitizen) {
        let (at, number) = (raw.number.span(), raw.number.into_inner());
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = format!("{number:?} is no telephone number");
            self.wrong(at, "number", &what, "Give its digits, as the trunk dials them");
            return;
        }
        if self.citizens.by_number.contains_key(&number) {
            let what = format!("{number} is there twice");
            self.wrong(at, "number", &what, "Give one entry a number, with all its calls");
            return;
        }
        let (rings_at, rings) = (raw.ring_s.span(), raw.ring_s.into_inner());
        if !(0.0..=RING_S_MAX).contains(&rings) {
            let remedy = format!("Give 0 to {RING_S_MAX} seconds");
            self.wrong(rings_at, "ring_s", &format!("{rings} is no time"), &remedy);
            return;
        }
        let (calls_at, calls) = (raw.calls.span(), raw.calls.into_inner());
        if calls.is_empty() {
            let remedy = "Say what is done at the first call, such as calls = [\"busy\"]";
            self.wrong(calls_at, "calls", "it is empty", remedy);
        }
        let voice = raw.voice.as_deref();
        let calls: Vec<Does> =
            calls.into_iter().filter_map(|call| self.call(call, voice)).collect();
        let citizen = Citizen { rings: Duration::from_secs_f64(rings), calls };
        self.citizens.by_number.insert(number, citizen);
    }

    fn call(&mut self, raw: Spanned<RawCall>, voice: Option<&str>) -> Option<Does> {
        let at = raw.span();
        Some(match raw.into_inner() {
            RawCall::Busy => Does::Refuse(486),
            RawCall::Reject => Does::Refuse(603),
            RawCall::NotFound => Does::Refuse(404),
            RawCall::NoAnswer => Does::Ring,
            RawCall::Announcement(raw) => {
                Does::Announce(self.sound(at, "announcement", raw, voice)?)
            }
            RawCall::Voicemail(raw) => Does::Mailbox(self.sound(at, "voicemail", raw, voice)?),
            RawCall::Person(raw) => Does::Talk(self.person(raw, voice)?),
        })
    }

    fn person(&mut self, raw: RawPerson, voice: Option<&str>) -> Option<Person> {
        let greeting = match raw.greeting {
            None => None,
            Some(raw) => {
                let at = raw.span();
                let act = Act::Say(self.sound(at, "greeting", raw.into_inner(), voice)?);
                Some(Reply { to: None, act, interrupts: false })
            }
        };
        let answers = raw.answers.into_iter();
        let answers: Vec<Reply> =
            answers.filter_map(|raw| self.reply(raw.span(), raw.into_inner(), voice)).collect();
        if let Some(after) = raw.hangs_up_after.as_ref().filter(|n| *n.get_ref() > answers.len()) {
            let what = format!("{} is more than the {} answers", after.get_ref(), answers.len());
            let remedy = "Give more answers, or let this person hang up sooner";
            self.wrong(after.span(), "hangs_up_after", &what, remedy);
        }
        let hangs_up_after = raw.hangs_up_after.map(Spanned::into_inner);
        let is_asked = answers.iter().any(|reply| reply.to.is_some());
        let confirms = is_asked
            .then(|| ["对的，没错。", "不是，你听错了。"].map(|text| self.said(text, voice)));
        Some(Person { greeting, answers, confirms, hangs_up_after })
    }

    fn sound(
        &mut self,
        at: Range<usize>,
        key: &str,
        raw: RawReply,
        voice: Option<&str>,
    ) -> Option<SoundId> {
        match self.reply(at.clone(), raw, voice)? {
            Reply { to: None, act: Act::Say(sound), interrupts: false } => Some(sound),
            _ => {
                let remedy = "Give says = \"TEXT\" or plays = \"FILE.wav\", and nothing else";
                self.wrong(at, key, "it is no sound", remedy);
                None
            }
        }
    }

    fn reply(&mut self, at: Range<usize>, raw: RawReply, voice: Option<&str>) -> Option<Reply> {
        let interrupts = raw.interrupts;
        let to = match raw.to.as_deref().map(question) {
            Some(None) => {
                let what = format!("{:?} is no question", raw.to.unwrap_or_default());
                self.wrong(at, "to", &what, "Give a question of callback scripts: satisfied");
                return None;
            }
            known => known.flatten(),
        };
        let act = match (raw.says, raw.plays, raw.keys, raw.silence) {
            (Some(text), None, None, false) if !text.trim().is_empty() => {
                self.said(&text, raw.voice.as_deref().or(voice)).act
            }
            (None, Some(path), None, false) => {
                let at = line(self.text, at);
                Act::Say(self.source(Source::File(path, at)))
            }
            (None, None, Some(keys), false)
                if !keys.is_empty() && keys.chars().all(|key| KEYS.contains(key)) =>
            {
                Act::Press(keys.chars().collect())
            }
            (None, None, None, true) => Act::Nothing,
            _ => {
                let remedy = "Give one of says = \"TEXT\", plays = \"FILE.wav\", \
                              keys = \"0-9*#A-D\" and silence = true";
                self.wrong(at, "answers", "it is not one thing to do", remedy);
                return None;
            }
        };
        Some(Reply { to, act, interrupts })
    }

    fn said(&mut self, text: &str, voice: Option<&str>) -> Reply {
        let voice = voice.or(self.voice.as_deref()).unwrap_or("qingting").to_owned();
        let saying = Saying { text: text.to_owned(), voice, speed: 1.0 };
        let act = Act::Say(self.source(Source::Voice(saying)));
        Reply { to: None, act, interrupts: false }
    }

    /// A sound that several use is made once.
    fn source(&mut self, source: Source) -> SoundId {
        let same = |known: &Source| match (known, &source) {
            (Source::File(one, _), Source::File(other, _)) => one == other,
            _ => *known == source,
        };
        let known = self.citizens.sources.iter().position(same);
        SoundId(known.unwrap_or_else(|| {
            self.citizens.sources.push(source);
            self.citizens.sources.len() - 1
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(usize, String)> {
        let problems = Citizens::read(text).expect_err("it is wrong");
        problems.into_iter().map(|it| (it.line, it.to_string())).collect()
    }

    #[test]
    fn each_call_of_a_number_has_its_own_deed_and_a_sound_is_made_once() {
        let citizens = Citizens::read(
            r#"
            voice = "jm_kumo"
            [[citizens]]
            number = "13800000001"
            calls = [
                "busy", "no_answer", "reject", "not_found",
                { announcement = { plays = "off.wav" } },
                { voicemail = { plays = "off.wav" } },
            ]
            [[citizens]]
            number = "13800000002"
            voice = "jf_alpha"
            [[citizens.calls]]
            person.greeting = { says = "喂" }
            person.answers = [
                { says = "是我", interrupts = true }, { keys = "1#" }, { silence = true },
                { says = "喂", voice = "jm_kumo" },
            ]
            person.hangs_up_after = 3
            "#,
        )
        .expect("it is right");
        let off = SoundId(0);
        let calls = &citizens.by_number["13800000001"].calls;
        let refused = [486, 603, 404].map(Does::Refuse);
        assert_eq!((&calls[0], &calls[2..4]), (&refused[0], &refused[1..]));
        assert_eq!((&calls[1], &calls[4]), (&Does::Ring, &Does::Announce(off)));
        assert_eq!(calls[5], Does::Mailbox(off));
        let voices = citizens.sources.iter().map(|source| match source {
            Source::Voice(saying) => (saying.text.as_str(), saying.voice.as_str()),
            Source::File(path, line) => (path.to_str().unwrap(), if *line == 7 { "7" } else { "" }),
        });
        let wanted =
            [("off.wav", "7"), ("喂", "jf_alpha"), ("是我", "jf_alpha"), ("喂", "jm_kumo")];
        assert_eq!(voices.collect::<Vec<_>>(), wanted);
        let Does::Talk(person) = &citizens.by_number["13800000002"].calls[0] else { panic!() };
        assert!(person.answers[0].interrupts);
        assert_eq!(person.answers[1].act, Act::Press(vec!['1', '#']));
        assert_eq!(person.hangs_up_after, Some(3));
    }

    #[test]
    fn every_mistake_is_told_with_line_key_and_remedy() {
        let found = problems(
            "[[citizens]]\nnumber = \"138-1\"\ncalls = [\"busy\"]\n\
             [[citizens]]\nnumber = \"1\"\ncalls = []\n\
             [[citizens]]\nnumber = \"1\"\ncalls = [\"busy\"]\n\
             [[citizens]]\nnumber = \"2\"\nring_s = -1\ncalls = [\"busy\"]\n\
             [[citizens]]\nnumber = \"3\"\ncalls = [\n\
             { person = { answers = [{ says = \"好\", keys = \"1\" }, { keys = \"x\" }] } },\n\
             { voicemail = { keys = \"1\" } },\n\
             { person = { hangs_up_after = 1 } },\n]\n",
        );
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 6, 8, 12, 17, 17, 18, 19], "{found:#?}");
        assert!(found[0].1.starts_with("line 2: `number`: \"138-1\" is no telephone number. Give"));
    }

    #[test]
    fn a_deed_that_there_is_not_is_told_with_those_that_there_are() {
        let found = problems("[[citizens]]\nnumber = \"1\"\ncalls = [\n  \"bussy\",\n]\n");
        assert_eq!(found[0].0, 4);
        assert!(found[0].1.contains("`busy`, `no_answer`"), "{found:?}");
        assert!(problems("voice = \"x\"\ncitizens = []\n")[0].1.contains("at least one"));
    }
}
