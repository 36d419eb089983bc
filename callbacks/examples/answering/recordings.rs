//! What is heard after an answer, from spoken texts and recordings of people.

use crate::audio::{self, Audio, RATE, at_level, hiss, mix, music, room, silence, sine, street};
use crate::line::carried;
use crate::random::Random;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Length of every recording.
const CALL_MS: f32 = 14_000.0;
/// Speech is that loud, give or take the next.
const LEVEL_DB: f32 = -23.0;
const LEVEL_OFF_DB: f32 = 5.0;
/// When beginnings end that are recognised: a partial text's and a longer one's.
pub(crate) const HEARD_MS: [usize; 2] = [3_000, 7_000];
/// Colour rings after a false answer, of each half.
const MUSIC: usize = 10;
/// Greetings cut from recordings of people end at a dip after this, the long ones after the other.
const CLIP_MS: (f32, f32) = (450.0, 2_200.0);
/// And after this at the latest.
const CLIP_MS_MAX: (f32, f32) = (1_600.0, 3_500.0);

/// How a person's call sounds.
const PERSON: [&str; 7] = ["quiet", "loss", "street", "television", "room", "two_people", "child"];
/// How a recorded person's does: those voices are not changed.
const HUMAN: [&str; 5] = ["quiet", "loss", "street", "television", "room"];
/// How a machine's does.
const MACHINE: [&str; 5] = ["quiet", "loss", "heavy_loss", "hiss", "faint"];

/// Something spoken, alone.
struct Spoken {
    kind: String,
    half: String,
    text: String,
    file: PathBuf,
    audio: Audio,
    english: Option<Audio>,
}

/// A recording and what is true of it.
struct Recording {
    kind: String,
    half: String,
    condition: &'static str,
    text: String,
    samples: Vec<i16>,
    /// Of the greeting, or of a machine's first sentence.
    start_ms: usize,
    end_ms: usize,
    /// How many of [`HEARD_MS`] are recognised: that takes far longer than all else, so each
    /// text is heard in one condition.
    beginnings: usize,
}

pub(crate) fn make(
    out: &Path,
    folders: &[&Path],
    human: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let mut spoken = Vec::new();
    for folder in folders {
        spoken.extend(spoken_in(folder)?);
    }
    let clips = human.map(clips).transpose()?.unwrap_or_default();
    std::fs::create_dir_all(out.join("texts"))?;
    let mut list = File::create(out.join("list.tsv"))?;
    let mut texts = File::create(out.join("texts/list.tsv"))?;
    writeln!(list, "file\ttext\tkind\thalf\tcondition\tstart_ms\tend_ms")?;
    writeln!(texts, "file\ttext")?;
    for (number, recording) in recordings(&spoken, &clips)?.enumerate() {
        let Recording { kind, half, condition, text, samples, start_ms, end_ms, .. } = &recording;
        let name = format!("{number:04}");
        audio::write(&out.join(format!("{name}.wav")), samples, false)?;
        writeln!(list, "{name}.wav\t{text}\t{kind}\t{half}\t{condition}\t{start_ms}\t{end_ms}")?;
        for ms in &HEARD_MS[..recording.beginnings] {
            let name = format!("{name}-{ms}.wav");
            let samples = &samples[..ms * RATE / 1_000];
            audio::write(&out.join("texts").join(&name), samples, true)?;
            writeln!(texts, "{name}\t{text}")?;
        }
    }
    Ok(())
}

fn spoken_in(folder: &Path) -> Result<Vec<Spoken>, Box<dyn Error>> {
    let list = std::fs::read_to_string(folder.join("list.tsv"))?;
    let rows = list.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, text, kind, half, ..] = columns.as_slice() else {
            return Err(format!("{}: {line}", folder.display()).into());
        };
        let file = folder.join(file);
        let english = file.with_extension("english.wav");
        let english = english.exists().then(|| audio::read(&english, 1.0)).transpose()?;
        Ok(Spoken {
            kind: (*kind).to_owned(),
            half: (*half).to_owned(),
            text: (*text).to_owned(),
            audio: audio::trimmed(&audio::read(&file, 1.0)?),
            english: english.map(|english| audio::trimmed(&english)),
            file,
        })
    });
    rows.collect()
}

/// Greetings of people: the first words of each recording; of every third some seconds.
fn clips(table: &Path) -> Result<Vec<Spoken>, Box<dyn Error>> {
    let list = std::fs::read_to_string(table)?;
    let folder = table.parent().unwrap_or(Path::new("."));
    let files = list.lines().skip(1).filter_map(|line| line.split('\t').next()).enumerate();
    let clip = |(number, file): (usize, &str)| {
        let file = folder.join(file);
        let whole = audio::trimmed(&audio::read(&file, 1.0)?);
        let is_long = number % 3 == 2;
        let half = if number.is_multiple_of(2) { "thresholds" } else { "figures" };
        Ok(Spoken {
            kind: "human".to_owned(),
            half: half.to_owned(),
            text: String::new(),
            audio: cut(&whole, is_long),
            english: None,
            file,
        })
    };
    files.map(clip).collect()
}

/// The beginning, to the first dip of 60 ms.
fn cut(whole: &[f32], is_long: bool) -> Audio {
    let pick = |pair: (f32, f32)| if is_long { pair.1 } else { pair.0 };
    let levels = audio::levels(whole);
    let floor = levels.iter().copied().fold(0.0, f32::max) * 0.06;
    let first = (pick(CLIP_MS) / 10.0) as usize;
    let last = (pick(CLIP_MS_MAX) / 10.0) as usize;
    let is_dip = |at: &usize| levels[*at..].iter().take(6).all(|level| *level < floor);
    let end = (first..last.min(levels.len())).find(is_dip).unwrap_or(last);
    whole[..(end * RATE / 100).min(whole.len())].to_vec()
}

type Recordings<'a> = Box<dyn Iterator<Item = Recording> + 'a>;

fn recordings<'a>(
    spoken: &'a [Spoken],
    clips: &'a [Spoken],
) -> Result<Recordings<'a>, Box<dyn Error>> {
    let (people, machines): (Vec<&Spoken>, Vec<&Spoken>) =
        spoken.iter().partition(|one| one.kind == "person");
    let mut made = Vec::new();
    for one in people {
        let child = audio::trimmed(&audio::read(&one.file, 1.3)?);
        made.extend(PERSON.map(|condition| (one, condition, child.clone())));
    }
    let of_clip = |(at, one)| (one, HUMAN[at % HUMAN.len()], Audio::new());
    made.extend(clips.iter().enumerate().map(of_clip));
    let people = made.into_iter().enumerate().map(move |(seed, (one, condition, child))| {
        let voice = if condition == "child" { &child } else { &one.audio };
        let mut recording = person(one, voice, condition, spoken, &mut Random::new(seed as u64));
        let is_heard = is_turn(seed, PERSON.len()) && one.kind == "person";
        recording.beginnings = usize::from(is_heard);
        recording
    });
    let machines = machines.into_iter().flat_map(|one| MACHINE.map(|condition| (one, condition)));
    let machines = machines.enumerate().map(|(seed, (one, condition))| {
        let mut recording = machine(one, condition, &mut Random::new(10_000 + seed as u64));
        recording.beginnings = if is_turn(seed, MACHINE.len()) { HEARD_MS.len() } else { 0 };
        recording
    });
    let colour_rings = (0..2 * MUSIC).map(colour_ring);
    Ok(Box::new(people.chain(machines).chain(colour_rings)))
}

/// Each text in its turn of the conditions.
fn is_turn(number: usize, conditions: usize) -> bool {
    number % conditions == number / conditions % conditions
}

/// A person greets, hears us (and on every third telephone we hear ourselves), and answers.
fn person(
    one: &Spoken,
    voice: &[f32],
    condition: &'static str,
    others: &[Spoken],
    random: &mut Random,
) -> Recording {
    let level = LEVEL_DB + random.between(-LEVEL_OFF_DB, LEVEL_OFF_DB);
    let mut other = |kind: &str| {
        let same: Vec<&Spoken> =
            others.iter().filter(|other| other.kind == kind && other.half == one.half).collect();
        let at = (random.unit() * same.len() as f32) as usize;
        same.get(at).map(|other| other.audio.clone()).unwrap_or_default()
    };
    let (second, reply) = (other("person"), other("person"));
    let (ours, television) = (other("automaton"), [other("announcement"), other("voicemail")]);
    let start = random.between(100.0, 1_200.0);
    let mut call = silence(CALL_MS);
    let mut voice = at_level(voice.to_vec(), level);
    let mut end = start + ms_of(&voice);
    if condition == "room" {
        voice = room(random, &voice);
    }
    mix(&mut call, &voice, start);
    if condition == "two_people" {
        mix(&mut call, &at_level(second.clone(), level - 8.0), end - 200.0);
        end += ms_of(&second) - 200.0;
    }
    if random.unit() < 0.33 {
        mix(&mut call, &at_level(ours, level - 28.0), end + 900.0);
    }
    mix(&mut call, &at_level(reply, level), end + 5_000.0);
    match condition {
        "street" => {
            let below = random.between(10.0, 18.0);
            mix(&mut call, &street(random, CALL_MS, level - below), 0.0);
        }
        "television" => {
            let below = random.between(14.0, 22.0);
            mix(&mut call, &at_level(television.concat(), level - below), 0.0);
        }
        _ => mix(&mut call, &hiss(random, CALL_MS, -62.0), 0.0),
    }
    let loss = if condition == "loss" { 0.05 } else { 0.0 };
    Recording {
        kind: one.kind.clone(),
        half: one.half.clone(),
        condition,
        text: one.text.clone(),
        samples: carried(&call, loss, random),
        start_ms: start as usize,
        end_ms: end as usize,
        beginnings: 0,
    }
}

fn machine(one: &Spoken, condition: &'static str, random: &mut Random) -> Recording {
    let level = if condition == "faint" { -36.0 } else { LEVEL_DB };
    let level = level + random.between(-LEVEL_OFF_DB, LEVEL_OFF_DB);
    let start = random.between(100.0, 1_200.0);
    let mut turn = at_level(one.audio.clone(), level);
    let first = ms_of(&turn);
    if let Some(english) = &one.english {
        turn.extend(silence(random.between(200.0, 600.0)));
        turn.extend(at_level(english.clone(), level));
    }
    match one.kind.as_str() {
        "voicemail" => {
            turn.extend(silence(random.between(100.0, 700.0)));
            let hz = [800.0, 1_000.0, 1_400.0, 2_000.0][(random.unit() * 4.0) as usize];
            turn.extend(sine(hz, level + 3.0, random.between(180.0, 700.0)));
            turn.extend(silence(CALL_MS));
        }
        // Assistants wait for an answer; announcements and menus begin again.
        "automaton" if !one.text.contains('按') => turn.extend(silence(CALL_MS)),
        _ => turn.extend(silence(random.between(600.0, 1_500.0))),
    }
    let mut call = silence(CALL_MS);
    let mut from = start;
    while from < CALL_MS {
        mix(&mut call, &turn, from);
        from += ms_of(&turn);
    }
    let noise = if condition == "hiss" { level - 18.0 } else { -62.0 };
    mix(&mut call, &hiss(random, CALL_MS, noise), 0.0);
    let loss = match condition {
        "loss" => 0.03,
        "heavy_loss" => 0.1,
        _ => 0.0,
    };
    Recording {
        kind: one.kind.clone(),
        half: one.half.clone(),
        condition,
        text: one.text.clone(),
        samples: carried(&call, loss, random),
        start_ms: start as usize,
        end_ms: (start + first) as usize,
        beginnings: 0,
    }
}

fn colour_ring(number: usize) -> Recording {
    let mut random = Random::new(20_000 + number as u64);
    let tune = music(&mut random, CALL_MS, LEVEL_DB);
    Recording {
        kind: "music".to_owned(),
        half: if number.is_multiple_of(2) { "thresholds" } else { "figures" }.to_owned(),
        condition: "quiet",
        text: String::new(),
        samples: carried(&tune, 0.0, &mut random),
        start_ms: 0,
        end_ms: CALL_MS as usize,
        beginnings: 0,
    }
}

fn ms_of(audio: &[f32]) -> f32 {
    audio.len() as f32 * 1_000.0 / RATE as f32
}
