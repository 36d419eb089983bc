//! Measuring recognition on recordings: errors and cost ([`decode`]), delay at the pace of a call
//! ([`paced`]), and how many callers a worker carries ([`ramp`]).

pub mod condition;
pub mod decode;
pub mod errors;
pub mod paced;
pub mod ramp;
pub(crate) mod random;
mod sound;
mod worker;

use crate::error::{AsrError, Result};
use std::path::{Path, PathBuf};

/// A recording and what is said in it.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// A WAV file of 16-bit PCM at 8 or 16 kHz; of several channels the first is heard.
    pub file: PathBuf,
    /// The reference.
    pub text: String,
    /// What the recogniser was told to expect ([`crate::AsrClient::expect`]); may be empty.
    pub expected: String,
}

/// [`table`] of a file in UTF-8.
///
/// # Errors
/// When it cannot be read or is no such table.
pub fn read_table(tsv: &Path, limit: usize) -> Result<Vec<Utterance>> {
    table(&std::fs::read_to_string(tsv).map_err(AsrError::io(tsv))?, tsv, limit)
}

/// The first `limit` rows of a tab-separated table whose heading names the columns `file` (relative to
/// the table, which is at `tsv`), `text` and perhaps `expected`, in any order and among others. Blank lines
/// are skipped.
///
/// # Errors
/// Naming the line: no heading, a row without the two columns, a sound file that cannot be heard.
pub fn table(text: &str, tsv: &Path, limit: usize) -> Result<Vec<Utterance>> {
    let bad = |line: usize, reason: String| AsrError::Evaluation {
        path: tsv.to_owned(),
        reason: format!("line {line}: {reason}"),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (line, heading) = lines.next().ok_or_else(|| bad(1, "the table is empty".to_owned()))?;
    let column = |name: &str| {
        let at = heading.split('\t').position(|column| column.trim() == name);
        at.ok_or_else(|| {
            bad(
                line,
                format!(
                    "no column {name:?}: the first line must name the columns, divided by tabs, \
                     such as file<tab>text"
                ),
            )
        })
    };
    let (file_at, text_at) = (column("file")?, column("text")?);
    let expected_at = heading.split('\t').position(|column| column.trim() == "expected");
    let folder = tsv.parent().unwrap_or(Path::new("."));
    let row = |(line, row): (usize, &str)| {
        let cells: Vec<&str> = row.split('\t').map(str::trim).collect();
        let (Some(file), Some(text)) = (cells.get(file_at), cells.get(text_at)) else {
            return Err(bad(line, "a column is missing: divide file and text by a tab".to_owned()));
        };
        if text.is_empty() {
            return Err(bad(line, "there is no text to compare with".to_owned()));
        }
        let file = folder.join(file);
        sound::check(&file).map_err(|error| bad(line, error.to_string()))?;
        let expected = expected_at.and_then(|at| cells.get(at)).copied().unwrap_or_default();
        Ok(Utterance { file, text: (*text).to_owned(), expected: expected.to_owned() })
    };
    let rows: Vec<Utterance> = lines.take(limit).map(row).collect::<Result<_>>()?;
    if rows.is_empty() {
        return Err(bad(line, "no row follows the first line".to_owned()));
    }
    Ok(rows)
}

/// Silence before and after, in ms.
const LEAD_MS: u64 = 500;
const TAIL_MS: u64 = 2_000;

/// The utterance in a silent call.
fn in_silence(heard: &[i16], rate_hz: u32) -> Vec<i16> {
    let silence = |ms: u64| vec![0i16; (u64::from(rate_hz) * ms / 1_000) as usize];
    [silence(LEAD_MS), heard.to_vec(), silence(TAIL_MS)].concat()
}

/// The value below which this part of them lies; 0 without any.
fn quantile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    values
        .get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Utterance>, String> {
        let folder = tempfile::tempdir().unwrap();
        sound::tests::write(&folder.path().join("a.wav"), 8_000, &[&[0; 80]]);
        table(text, &folder.path().join("t.tsv"), usize::MAX).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_found_by_name_and_blank_lines_do_not_count() {
        let table = read("\u{feff}text\tnote\tfile\r\n\r\n你好\t1\ta.wav\r\n\n\n").unwrap();
        assert_eq!((table.len(), table[0].text.as_str()), (1, "你好"));
        assert!(table[0].file.ends_with("a.wav"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, part) in [
            ("", "line 1: the table is empty"),
            ("file\ttext\n", "line 1: no row follows"),
            ("file\ttext\na.wav\t\n", "line 2: there is no text"),
            ("a.wav\t你好\n", "line 1: no column \"file\": the first line must name"),
            ("file,text\na.wav,你好\n", "divided by tabs"),
            ("file\ttext\na.wav\t你好\na.wav 你好\n", "line 3: a column is missing"),
            ("file\ttext\n\nb.wav\t你好\n", "line 3: evaluation input"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
