//! Rows of a CSV text with the numbers that a spreadsheet gives them.

use csv::{Reader, ReaderBuilder, StringRecord};

/// What may stand between cells.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The records of a text.
pub(super) struct Rows<'a> {
    text: &'a str,
    csv: Reader<&'a [u8]>,
    record: StringRecord,
    number: u64,
}

impl<'a> Rows<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter(text))
            .from_reader(text.as_bytes());
        Self { text, csv, record: StringRecord::new(), number: 0 }
    }
}

impl Iterator for Rows<'_> {
    type Item = (u64, Vec<String>);

    fn next(&mut self) -> Option<Self::Item> {
        let from = usize::try_from(self.csv.position().byte()).ok()?;
        // A text in memory cannot fail to be read, is UTF-8, and rows may differ in length.
        if !self.csv.read_record(&mut self.record).ok()? {
            return None;
        }
        self.number += blank_lines(self.text.as_bytes(), from) + 1;
        Some((self.number, self.record.iter().map(str::to_owned).collect()))
    }
}

/// Adds a cell, in quotes where it has to be.
pub(super) fn push(text: &mut String, cell: &str) {
    if !cell.contains(['"', ',', ';', '\t', '\n', '\r']) {
        text.push_str(cell);
        return;
    }
    text.push('"');
    for c in cell.chars() {
        text.push(c);
        if c == '"' {
            text.push(c);
        }
    }
    text.push('"');
}

/// The delimiter that the first line with text has most of, outside of quotes.
fn delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [0usize; DELIMITERS.len()];
    for byte in text.trim_start().bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => {
                if let Some(at) = DELIMITERS.iter().position(|delimiter| *delimiter == byte) {
                    counts[at] += 1;
                }
            }
        }
    }
    let most = (0..DELIMITERS.len()).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
    DELIMITERS[most]
}

/// Lines without anything from `from` on. There the second half of the last record's end may still
/// stand: the parser is done with it at the first.
fn blank_lines(text: &[u8], from: usize) -> u64 {
    let mut last = text[..from].last().copied().unwrap_or_default();
    let mut lines = 0;
    for byte in text[from..].iter().take_while(|byte| matches!(**byte, b'\n' | b'\r')) {
        lines += u64::from(!(*byte == b'\n' && last == b'\r'));
        last = *byte;
    }
    lines
}
