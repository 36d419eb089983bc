//! What the demo prints: captions that grow in place, then the ticket.

use super::watch::Seen;
use crate::caller::Step;
use crate::clock::Clock;
use crate::commands::call;
use qingting_nlu::draft::Field;
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// Characters of an unstable caption that fit on a line.
const CAPTION_CHARS: usize = 36;
/// Longest value shown of a field.
const VALUE_CHARS: usize = 60;

/// Lines with their times.
pub struct Screen {
    clock: Clock,
    is_terminal: bool,
    /// An unstable caption is on the last line.
    is_open: bool,
}

impl Screen {
    pub fn new(clock: Clock) -> Self {
        Self { clock, is_terminal: std::io::stdout().is_terminal(), is_open: false }
    }

    pub fn step(&mut self, step: &Step) {
        self.close();
        call::tell(self.clock.now(), step);
    }

    pub fn seen(&mut self, seen: &Seen) {
        match seen {
            Seen::Caption { text, is_final: false, .. } => self.unstable(text),
            Seen::Caption { text, is_final: true, .. } => {
                self.close();
                if !text.is_empty() {
                    println!("{}  » {text}", self.time());
                }
            }
            Seen::Draft { changed } => {
                self.close();
                let short = |(name, value): &(String, String)| {
                    let label = Field::from_name(name).map_or("", Field::label_zh);
                    format!("{label}={}", cut(value, CAPTION_CHARS / 2))
                };
                let is_short = |(name, _): &&(String, String)| {
                    name != Field::Description.as_str() && name != Field::Title.as_str()
                };
                let shown: Vec<String> = changed.iter().filter(is_short).map(short).collect();
                if !shown.is_empty() {
                    println!("{}      ticket: {}", self.time(), shown.join("  "));
                }
            }
            Seen::Other => {}
        }
    }

    /// On a terminal the line is written over; in a file only what is final is worth a line.
    fn unstable(&mut self, text: &str) {
        if !self.is_terminal {
            return;
        }
        let skipped = text.chars().count().saturating_sub(CAPTION_CHARS);
        let tail: String = text.chars().skip(skipped).collect();
        print!("\r\x1b[2K{}  … {tail}", self.time());
        let _ = std::io::stdout().flush();
        self.is_open = true;
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.is_open) {
            print!("\r\x1b[2K");
        }
    }

    fn time(&self) -> String {
        format!("{:>7.2} s", self.clock.now().0 as f64 / 1_000.0)
    }
}

/// The ticket, a field a line, with the words that each rests on.
pub fn ticket(ticket: &Value) {
    let text = |name: &str| ticket[name].as_str().unwrap_or_default().to_owned();
    println!("\n   工单 {}  ({}, revision {})", text("number"), text("status"), ticket["revision"]);
    println!("     GET /api/v1/tickets/{}", text("id"));
    for field in Field::ALL {
        let value = &ticket["fields"][field.as_str()];
        let Some(said) = value["value"].as_str().filter(|said| !said.is_empty()) else { continue };
        let confidence = value["confidence"].as_f64().unwrap_or_default();
        let evidence = value["evidence"].as_array().map(Vec::as_slice).unwrap_or_default();
        let quotes: Vec<&str> = evidence.iter().filter_map(|one| one["quote"].as_str()).collect();
        let is_own_evidence = quotes.concat() == said || field == Field::Description;
        let because = if is_own_evidence {
            String::new()
        } else {
            format!("  ← {}", cut(&quotes.join(" / "), VALUE_CHARS))
        };
        let label = format!("{:\u{3000}<4}", field.label_zh());
        println!("     {label}  {confidence:.2}  {}{because}", cut(said, VALUE_CHARS));
    }
}

/// The recording and how the line was.
pub fn recording(call: &Value) {
    let recording = &call["recording"];
    if let Some(ms) = recording["duration_ms"].as_f64() {
        let kb = recording["bytes"].as_f64().unwrap_or_default() / 1_000.0;
        println!("   Recording: {:.1} s, {kb:.0} kB, caller left", ms / 1_000.0);
    }
}

fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars - 1).chain(['…']).collect()
}
