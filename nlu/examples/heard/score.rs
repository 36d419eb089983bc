//! The category of clean and heard texts, side by side.

use qingting_nlu::classifier::{Matter, TicketModel};
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

/// What was right among some texts.
#[derive(Clone, Copy, Default)]
struct Tally {
    texts: usize,
    clean: usize,
    heard: usize,
    /// Right when clean and wrong when heard, and the other way round.
    lost: usize,
    won: usize,
}

/// Columns of what `qingting asr eval --heard` writes.
const FILE: usize = 3;
const HEARD: usize = 7;

/// Prints accuracies of all texts and of each source. `list` has file, text, label and source; `heard` is what
/// `qingting asr eval --heard` wrote. Files that were not heard yet are left out.
pub(crate) fn score(model: &Path, list: &Path, heard: &Path) -> Result<(), Box<dyn Error>> {
    let model = TicketModel::from_bytes(&std::fs::read(model)?)?;
    let heard = std::fs::read_to_string(heard)?;
    let heard: HashMap<&str, &str> = heard
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let file = Path::new(columns.nth(FILE)?).file_name()?.to_str()?;
            Some((file, columns.nth(HEARD - FILE - 1)?))
        })
        .collect();
    let mut tallies: HashMap<&str, Tally> = HashMap::new();
    let list = std::fs::read_to_string(list)?;
    for line in list.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, text, label, source] = columns[..] else {
            return Err(format!("not file, text, label and source: {line}").into());
        };
        let Some(heard) = heard.get(file) else { continue };
        let (clean, heard) = (is_right(&model, text, label), is_right(&model, heard, label));
        for group in [source, "all"] {
            tallies.entry(group).or_default().add(clean, heard);
        }
    }
    for (group, tally) in tallies {
        println!("{group}: {}", tally.said());
    }
    Ok(())
}

fn is_right(model: &TicketModel, text: &str, label: &str) -> bool {
    let category = model.predict(&Matter { text, ..Matter::default() }).category;
    category.is_some_and(|answer| answer.ranked.first().is_some_and(|first| first.label == label))
}

impl Tally {
    fn add(&mut self, clean: bool, heard: bool) {
        self.texts += 1;
        self.clean += usize::from(clean);
        self.heard += usize::from(heard);
        self.lost += usize::from(clean && !heard);
        self.won += usize::from(!clean && heard);
    }

    fn said(&self) -> String {
        let share = |count: usize| count as f64 / self.texts as f64;
        format!(
            "{} texts, clean {:.3}, heard {:.3} ({} lost, {} won)",
            self.texts,
            share(self.clean),
            share(self.heard),
            self.lost,
            self.won
        )
    }
}
