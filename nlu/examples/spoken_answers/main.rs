//! Answers of callbacks, spoken, telephoned and recognised, beside the same words written.
//!
//!     spoken_answers prepare > texts.tsv
//!     spoken_answers score list.tsv heard.tsv
//!
//! The words are those of `tests/answers/held_out.txt` and `must_not_guess.txt`. Between the two come `prompts`
//! of the voice crate and `qingting asr eval --telephone --heard`: `benches/answers.sh` does all four.

#[path = "../../tests/support/answers.rs"]
mod answers;

use answers::{is_right, lines, read, read_both};
use qingting_nlu::answers::{ACCEPT_MIN, AnswerReader};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::Path;

const SETS: [(&str, &str); 2] = [
    ("held out", include_str!("../../tests/answers/held_out.txt")),
    ("must not guess", include_str!("../../tests/answers/must_not_guess.txt")),
];
/// Of written words.
const SURE: f32 = 0.9;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["prepare"] => prepare(),
        ["score", list, heard] => return score(list.as_ref(), heard.as_ref()),
        _ => return Err("prepare | score list.tsv heard.tsv".into()),
    }
    Ok(())
}

fn prepare() {
    for (set, file) in SETS {
        // Lines with errors of recognition cannot be spoken.
        for line in file.lines().filter(|line| !line.starts_with(['#', '~']) && !line.is_empty()) {
            let (words, question, expected) = line_of(line);
            let likely = answers::question(question).expected();
            println!("{words}\t{question}\t{expected}\t{set}\t{likely}");
        }
    }
}

fn line_of(line: &'static str) -> (&'static str, &'static str, &'static str) {
    lines(line)
        .next()
        .map(|(question, words, expected)| (words, question, expected))
        .expect("one line")
}

/// What became of the words of one question.
#[derive(Clone, Copy, Default)]
struct Tally {
    lines: usize,
    written_right: usize,
    right: usize,
    /// Asked again, or repeated to the citizen, who says whether it is right.
    unclear: usize,
    right_to_confirm: usize,
    wrong_to_confirm: usize,
    /// Taken, and wrong.
    wrong: usize,
}

/// `list` has file, words, question, answer, set and what the recogniser was told to expect; `heard` is what `qingting asr eval --heard` wrote.
fn score(list: &Path, heard: &Path) -> Result<(), Box<dyn Error>> {
    let heard = std::fs::read_to_string(heard)?;
    let mut rows = heard.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let heading = rows.next().ok_or("nothing was heard")?;
    let at = |name| heading.iter().position(|it| *it == name).ok_or(format!("no column {name}"));
    let (file_at, heard_at, confidence_at) = (at("file")?, at("heard")?, at("confidence")?);
    let (expected_at, expected_confidence_at) = (at("expected")?, at("expected_confidence")?);
    let mut words: HashMap<String, [(String, f32); 2]> = HashMap::new();
    for row in rows {
        let name = Path::new(row[file_at]).file_name().and_then(|name| name.to_str());
        let confidence: f32 = row[confidence_at].parse()?;
        let expecting = (row[expected_at].to_owned(), row[expected_confidence_at].parse()?);
        let plain = (row[heard_at].to_owned(), confidence);
        words.insert(name.unwrap_or_default().to_owned(), [plain, expecting]);
    }
    let reader = AnswerReader::new();
    let mut tallies: BTreeMap<(String, String), Tally> = BTreeMap::new();
    for line in std::fs::read_to_string(list)?.lines().skip(1) {
        let [file, written, question, expected, set, _] = line.split('\t').collect::<Vec<_>>()[..]
        else {
            return Err(format!("not six columns: {line}").into());
        };
        let Some([(said, confidence), (likely, likely_confidence)]) = words.get(file) else {
            continue;
        };
        let on_paper = is_right(expected, &read(&reader, question, written, SURE).0);
        let plain = (said.as_str(), *confidence);
        let (found, sure) = match likely.is_empty() {
            true => read(&reader, question, plain.0, plain.1),
            false => read_both(&reader, question, plain, (likely, *likely_confidence)),
        };
        for group in [question, "all"] {
            let tally = tallies.entry((set.to_owned(), group.to_owned())).or_default();
            tally.add(expected, on_paper, &found, sure);
        }
        if found != "unclear" && !is_right(expected, &found) {
            println!(
                "  {set}, {question} | {written}, heard {said} ({confidence:.2}), {likely} -> {found} ({sure:.2}), expected {expected}"
            );
        }
    }
    for ((set, question), tally) in tallies {
        println!("{set}, {question}: {}", tally.said());
    }
    Ok(())
}

impl Tally {
    fn add(&mut self, expected: &str, on_paper: bool, found: &str, sure: f32) {
        self.lines += 1;
        self.written_right += usize::from(on_paper);
        let count = match (found, is_right(expected, found)) {
            ("unclear", false) => &mut self.unclear,
            ("unclear", true) => &mut self.right,
            // A kind of reason is never repeated to the citizen.
            (_, true) if sure >= ACCEPT_MIN || found.starts_with("reason") => &mut self.right,
            (_, true) => &mut self.right_to_confirm,
            (_, false) if sure >= ACCEPT_MIN || found.starts_with("reason") => &mut self.wrong,
            (_, false) => &mut self.wrong_to_confirm,
        };
        *count += 1;
    }

    fn said(&self) -> String {
        let share = |count: usize| count as f64 / self.lines as f64;
        format!(
            "{} lines, written {:.3} right; spoken {:.3} right, {:.3} right and repeated first, {:.3} asked again, \
             {} wrong and repeated first, {} wrong",
            self.lines,
            share(self.written_right),
            share(self.right),
            share(self.right_to_confirm),
            share(self.unclear),
            self.wrong_to_confirm,
            self.wrong
        )
    }
}
