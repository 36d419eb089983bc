//! What the detector says of the recordings.

use qingting_callbacks::detector::{
    Announcement, Detector, Input, MachineKind, Output, Samples, Settings, Verdict,
};
use qingting_common::Millis;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

/// From the end of a beginning to its text: what a recogniser takes that is not behind.
const RECOGNISED_AFTER_MS: u64 = 700;

/// A row of `list.tsv`.
struct Row {
    file: String,
    text: String,
    kind: String,
    half: String,
    condition: String,
    start_ms: u64,
    end_ms: u64,
}

/// What the detector said of one, times from the answer.
#[derive(Default)]
struct Judged {
    first: Option<(u64, Verdict)>,
    late: Option<(u64, MachineKind)>,
    beep_ms: Option<u64>,
}

impl Judged {
    fn is_machine(&self) -> bool {
        self.late.is_some() || matches!(self.first, Some((_, Verdict::Machine(_))))
    }

    fn kind(&self) -> Option<MachineKind> {
        match self.first {
            Some((_, Verdict::Machine(kind))) => Some(kind),
            _ => self.late.map(|(_, kind)| kind),
        }
    }
}

/// Texts of a recording by the time that they come.
type Texts = BTreeMap<String, Vec<(u64, String)>>;

pub(crate) fn report(folder: &Path, heard: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let rows = rows(&folder.join("list.tsv"))?;
    let mut judged = Vec::new();
    for row in &rows {
        judged.push(judge(&folder.join(&row.file), &[])?);
    }
    std::fs::write(folder.join("judged.tsv"), listing(&rows, &judged)?)?;
    println!("== sound alone, all recordings");
    table(&rows.iter().zip(&judged).collect::<Vec<_>>());
    let Some(heard) = heard else { return Ok(()) };
    let texts = texts(heard)?;
    let has_texts = |row: &&Row| texts.contains_key(&row.file);
    let with_texts: Vec<&Row> = rows.iter().filter(has_texts).collect();
    let of_sound = rows.iter().zip(&judged).filter(|(row, _)| has_texts(row));
    println!("\n== sound alone, recordings that were recognised");
    table(&of_sound.collect::<Vec<_>>());
    let mut judged = Vec::new();
    for row in &with_texts {
        judged.push(judge(&folder.join(&row.file), &texts[&row.file])?);
    }
    println!("\n== the same with their texts");
    table(&with_texts.iter().copied().zip(&judged).collect::<Vec<_>>());
    causes(&with_texts, &texts);
    Ok(())
}

/// How often an announcement's cause is read from what was recognised of it.
fn causes(rows: &[&Row], texts: &Texts) {
    for half in ["thresholds", "figures"] {
        let announcements =
            rows.iter().filter(|row| row.kind == "announcement" && row.half == half);
        let (mut same, mut other, mut none) = (0, 0, 0);
        for row in announcements {
            let heard = texts[&row.file].last().map(|(_, text)| text.as_str()).unwrap_or_default();
            match Announcement::read(heard) {
                None => none += 1,
                cause if cause == Announcement::read(&row.text) => same += 1,
                Some(_) => other += 1,
            }
        }
        println!(
            "{half:<11} causes read as of the true text {same}, otherwise {other}, not {none}"
        );
    }
}

fn rows(list: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let parse = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, text, kind, half, condition, start, end] = columns[..] else {
            return Err(format!("{}: {line}", list.display()).into());
        };
        Ok(Row {
            file: file.to_owned(),
            text: text.to_owned(),
            kind: kind.to_owned(),
            half: half.to_owned(),
            condition: condition.to_owned(),
            start_ms: start.parse()?,
            end_ms: end.parse()?,
        })
    };
    std::fs::read_to_string(list)?.lines().skip(1).map(parse).collect()
}

/// `asr eval --heard`: the file is `NUMBER-MS.wav`.
fn texts(heard: &Path) -> Result<Texts, Box<dyn Error>> {
    let mut texts = Texts::new();
    for line in std::fs::read_to_string(heard)?.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, _, _, file, .., text] = columns[..] else { continue };
        let name = file.rsplit('/').next().and_then(|name| name.strip_suffix(".wav"));
        let Some((number, ms)) = name.and_then(|name| name.split_once('-')) else { continue };
        let due = ms.parse::<u64>()? + RECOGNISED_AFTER_MS;
        texts.entry(format!("{number}.wav")).or_default().push((due, text.to_owned()));
    }
    texts.values_mut().for_each(|of_one| of_one.sort());
    Ok(texts)
}

fn judge(file: &Path, texts: &[(u64, String)]) -> Result<Judged, Box<dyn Error>> {
    let samples: Result<Vec<i16>, _> = hound::WavReader::open(file)?.samples::<i16>().collect();
    let mut detector = Detector::new(Settings::default(), Millis(0));
    let mut judged = Judged::default();
    let mut texts = texts.iter().peekable();
    for (at, frame) in samples?.as_chunks().0.iter().enumerate() {
        let frame: &Samples = frame;
        let now = (at as u64 + 1) * 20;
        detector.handle_input(Millis(now), Input::Frame(frame));
        while let Some((_, text)) = texts.next_if(|(due, _)| *due <= now) {
            detector.handle_input(Millis(now), Input::Partial(text));
        }
        while let Some(output) = detector.poll_output() {
            match output {
                Output::Verdict(verdict) => judged.first = Some((now, verdict)),
                Output::Late(kind) => judged.late = Some((now, kind)),
                Output::Beep => judged.beep_ms = judged.beep_ms.or(Some(now)),
            }
        }
    }
    Ok(judged)
}

/// Each recording by sound alone.
fn listing(rows: &[Row], judged: &[Judged]) -> Result<String, std::fmt::Error> {
    let mut list =
        "file\thalf\tkind\tcondition\tstart_ms\tend_ms\tfirst\tlate\tbeep_ms\n".to_owned();
    for (row, Judged { first, late, beep_ms }) in rows.iter().zip(judged) {
        let Row { file, kind, half, condition, start_ms, end_ms, .. } = row;
        write!(list, "{file}\t{half}\t{kind}\t{condition}\t{start_ms}\t{end_ms}")?;
        writeln!(list, "\t{first:?}\t{late:?}\t{beep_ms:?}")?;
    }
    Ok(list)
}

fn table(judged: &[(&Row, &Judged)]) {
    let groups: BTreeSet<(&str, &str)> =
        judged.iter().map(|(row, _)| (row.half.as_str(), row.kind.as_str())).collect();
    for (half, kind) in groups {
        let of_group: Vec<(&Row, &Judged)> = judged
            .iter()
            .filter(|(row, _)| (row.half.as_str(), row.kind.as_str()) == (half, kind))
            .copied()
            .collect();
        print!("{half:<11} {kind:<13}");
        match kind {
            "person" | "human" => people(&of_group),
            _ => machines(&of_group),
        }
    }
}

fn people(judged: &[(&Row, &Judged)]) {
    let lost: Vec<String> = judged
        .iter()
        .filter(|(_, judged)| judged.is_machine())
        .map(|(row, _)| format!("{} {}", row.file, row.condition))
        .collect();
    let after_end = judged.iter().filter_map(|(row, judged)| {
        let (at, _) = judged.first?;
        Some(at as i64 - row.end_ms as i64)
    });
    let times = Times::of(after_end.collect());
    let kept = share(judged.len() - lost.len(), judged.len());
    println!("kept {kept}; verdict after the greeting's end {times}; hung up on: {lost:?}");
}

fn machines(judged: &[(&Row, &Judged)]) {
    let count = judged.len();
    let of =
        |is: &dyn Fn(&Judged) -> bool| share(judged.iter().filter(|(_, j)| is(j)).count(), count);
    let at_first = of(&|judged| judged.is_machine() && judged.late.is_none());
    let found = of(&Judged::is_machine);
    let after_start = judged.iter().filter_map(|(row, judged)| {
        let first = judged.first.filter(|(_, verdict)| matches!(verdict, Verdict::Machine(_)));
        let at = judged.late.map(|(at, _)| at).or(first.map(|(at, _)| at))?;
        Some(at as i64 - row.start_ms as i64)
    });
    let times = Times::of(after_start.collect());
    let beeps = of(&|judged| judged.beep_ms.is_some());
    let mut kinds = BTreeMap::new();
    for (_, judged) in judged {
        let name = judged.kind().map_or("person".to_owned(), |kind| format!("{kind:?}"));
        *kinds.entry(name).or_insert(0) += 1;
    }
    println!(
        "found {found} ({at_first} at once) {times} after it began; beeps {beeps}; as {kinds:?}"
    );
}

fn share(part: usize, of: usize) -> String {
    format!("{part}/{of} = {:.3}", part as f64 / of.max(1) as f64)
}

/// Times in ms, sorted.
struct Times(Vec<i64>);

impl Times {
    fn of(mut times: Vec<i64>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn percentile(&self, percent: usize) -> i64 {
        let rank = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(rank).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {} p95 {} ms", self.percentile(50), self.percentile(95))
    }
}
