//! Test rows as short speakable texts.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::path::Path;

/// Characters of a text that is spoken: about ten seconds.
const CHARS_MAX: usize = 48;
/// Shorter texts say too little to have a category.
const CHARS_MIN: usize = 12;
/// Length of the character sequences by which a row is found as it was written.
const GRAM: usize = 6;
/// Share of a row's sequences that must be in the written one.
const SHARE_MIN: f64 = 0.2;

type Grams = BTreeSet<[char; GRAM]>;

/// Prints `text`, label and source of `count` test rows, those found as written first.
pub(crate) fn prepare(labelled: &Path, written: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    let rows = table(labelled, &["text", "一级标签", "split"])?;
    let written: Vec<String> = table(written, &["留言主题", "留言详情"])?
        .into_iter()
        .map(|row| format!("{}，{}", row[0], row[1]))
        .collect();
    let test: Vec<&Vec<String>> = rows.iter().filter(|row| row[2] == "test").collect();
    let found = as_written(&test, &written);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for (number, row) in test.iter().enumerate() {
        let (rows, text, source) = match found.get(&number) {
            Some(at) => (&mut first, &written[*at], "written"),
            None => (&mut second, &row[0], "joined"),
        };
        let text = speakable(text);
        if text.chars().count() >= CHARS_MIN {
            rows.push(format!("{text}\t{}\t{source}", row[1]));
        }
    }
    first.into_iter().chain(second).take(count).for_each(|row| println!("{row}"));
    Ok(())
}

/// The named columns of a CSV file.
fn table(file: &Path, columns: &[&str]) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let mut csv = csv::Reader::from_path(file)?;
    let header = csv.headers()?.clone();
    let at =
        |name: &&str| header.iter().position(|found| found.trim_start_matches('\u{feff}') == *name);
    let at: Option<Vec<usize>> = columns.iter().map(at).collect();
    let at = at.ok_or_else(|| format!("{} lacks one of {columns:?}", file.display()))?;
    csv.records()
        .map(|row| {
            let row = row?;
            Ok(at.iter().map(|at| row[*at].to_owned()).collect())
        })
        .collect()
}

fn grams(text: &str) -> Grams {
    let chars: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    chars.windows(GRAM).filter_map(|gram| gram.try_into().ok()).collect()
}

/// For rows that are among the written ones: which.
fn as_written(test: &[&Vec<String>], written: &[String]) -> HashMap<usize, usize> {
    let mut holders: HashMap<[char; GRAM], Vec<usize>> = HashMap::new();
    for (at, text) in written.iter().enumerate() {
        for gram in grams(text) {
            holders.entry(gram).or_default().push(at);
        }
    }
    let mut found = HashMap::new();
    for (number, row) in test.iter().enumerate() {
        let wanted = grams(&row[0]);
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for at in wanted.iter().filter_map(|gram| holders.get(gram)).flatten() {
            *shared.entry(*at).or_default() += 1;
        }
        let best = shared.into_iter().max_by_key(|(at, count)| (*count, std::cmp::Reverse(*at)));
        if let Some((at, count)) = best
            && count as f64 >= SHARE_MIN * wanted.len() as f64
        {
            found.insert(number, at);
        }
    }
    found
}

/// Letters, digits and commas, cut at the last comma that leaves enough.
fn speakable(text: &str) -> String {
    let mut out: Vec<char> = Vec::new();
    for c in text.replace("_x000D_", "，").chars() {
        if c.is_alphanumeric() {
            out.push(c);
        } else if out.last().is_some_and(|last| *last != '，') {
            out.push('，');
        }
        if out.len() == CHARS_MAX {
            break;
        }
    }
    if out.len() == CHARS_MAX
        && let Some(comma) = out.iter().rposition(|c| *c == '，').filter(|at| *at > CHARS_MAX / 2)
    {
        out.truncate(comma);
    }
    out.iter().collect::<String>().trim_end_matches('，').to_owned()
}
