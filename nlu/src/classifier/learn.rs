//! From past tickets to a model and a report.

use super::LABELS_MAX;
use super::boilerplate::Boilerplate;
use super::features::{self, Matter, content_hash};
use super::flat::{Flat, Lesson};
use super::model::{Taught, Threshold, TicketModel, Units, with_territory};
use super::report::{Report, Rows};
use super::tickets::{Split, Ticket, TicketError};
use super::tree::{Path, Rows as TreeRows, Tree};
use super::vocabulary::{Vector, Vocabulary};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Length of the character sequences by which two texts are found to be nearly the same.
const NEAR_CHARS: usize = 5;
/// A further ticket that shares more than this share of the shorter text's sequences with a row for testing is
/// left out.
const NEAR_SHARE_MAX: f64 = 0.1;
/// Thresholds that are tried: below an even chance the first class would mostly be replaced by hand.
const THRESHOLDS: std::ops::RangeInclusive<u32> = 50..=98;

/// How to learn.
#[derive(Clone, Debug, PartialEq)]
pub struct Teaching {
    /// Share of its answers that a model must be right in where it does not abstain.
    pub precision_goal: f32,
    /// Order of the passes: the same seed gives the same model.
    pub seed: u64,
}

impl Default for Teaching {
    fn default() -> Self {
        Self { precision_goal: 0.9, seed: 12_345 }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Learning {
    /// The model.
    pub model: TicketModel,
    /// How good it is on rows that it has not seen.
    pub report: Report,
}

/// Learns from the tickets for training and reports on those for testing. Of `further` tickets all are
/// learnt from but those that are nearly the same as one for testing.
///
/// # Errors
/// [`TicketError`] when there is too little to learn from or to report on.
pub fn learn(
    tickets: &[Ticket],
    further: &[Ticket],
    teaching: &Teaching,
) -> Result<Learning, TicketError> {
    let test: Vec<&Ticket> = tickets.iter().filter(|t| t.split == Split::Test).collect();
    let tested: HashSet<u64> = test.iter().map(|ticket| content_hash(&ticket.text)).collect();
    let marked = tickets.iter().filter(|t| t.split == Split::Train);
    let mut train: Vec<&Ticket> =
        marked.filter(|ticket| !tested.contains(&content_hash(&ticket.text))).collect();
    train.extend(unlike(further, &test));
    for (rows, which) in [(&train, "train"), (&test, "test")] {
        if rows.is_empty() {
            return Err(TicketError::NoSplitRows { which });
        }
    }
    let boilerplate = Boilerplate::of(train.iter().map(|ticket| ticket.text.as_str()));
    let strip = |rows: Vec<&Ticket>| -> Vec<Ticket> {
        let text = |ticket: &Ticket| boilerplate.strip(&ticket.text);
        rows.into_iter().map(|ticket| Ticket { text: text(ticket), ..ticket.clone() }).collect()
    };
    let written: Vec<usize> = train.iter().map(|ticket| ticket.text.len()).collect();
    let (train, test) = (strip(train), strip(test));
    let stripped = train.iter().zip(written).filter(|(ticket, before)| ticket.text.len() < *before);
    let rows = Rows {
        train: train.len(),
        stripped: stripped.count(),
        left_out: tickets.len() + further.len() - train.len() - test.len(),
    };
    let model = Pupil::new(&train, teaching).learn()?;
    let report = Report::of(&model, rows, &test);
    Ok(Learning { model, report })
}

/// Those that are not nearly the same as a row for testing, word for word or with words left out.
fn unlike<'a>(further: &'a [Ticket], test: &[&Ticket]) -> Vec<&'a Ticket> {
    let sequences = |text: &str| -> HashSet<u64> {
        let chars = features::normalize(text).chars;
        let windows = chars.windows(NEAR_CHARS);
        windows.map(|window| content_hash(&window.iter().collect::<String>())).collect()
    };
    let tested: Vec<HashSet<u64>> = test.iter().map(|ticket| sequences(&ticket.text)).collect();
    let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
    for (row, sequences) in tested.iter().enumerate() {
        sequences.iter().for_each(|sequence| holders.entry(*sequence).or_default().push(row));
    }
    let is_unlike = |ticket: &&Ticket| {
        let own = sequences(&ticket.text);
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for row in own.iter().filter_map(|sequence| holders.get(sequence)).flatten() {
            *shared.entry(*row).or_default() += 1;
        }
        shared.iter().all(|(row, shared)| {
            *shared as f64 <= NEAR_SHARE_MAX * own.len().min(tested[*row].len()) as f64
        })
    };
    further.iter().filter(is_unlike).collect()
}

/// Tickets while they are learnt from.
struct Pupil<'a> {
    tickets: &'a [Ticket],
    hashes: Vec<u64>,
    teaching: &'a Teaching,
}

impl<'a> Pupil<'a> {
    fn new(tickets: &'a [Ticket], teaching: &'a Teaching) -> Self {
        let hashes = tickets.iter().map(|ticket| content_hash(&ticket.text)).collect();
        Self { tickets, hashes, teaching }
    }

    fn learn(&self) -> Result<TicketModel, TicketError> {
        let features: Vec<Vec<features::Feature>> =
            self.tickets.iter().map(|ticket| features::of_matter(&matter(ticket))).collect();
        let words = Vocabulary::new(&features);
        let vectors: Vec<Vector> = features.iter().map(|of| words.vector(of)).collect();
        let (category, paths) = match self.category(&vectors, words.len())? {
            Some((tree, threshold, paths)) => (Some((tree, threshold)), paths),
            None => (None, vec![Vec::new(); self.tickets.len()]),
        };
        let kinds: Vec<Option<&String>> = self.tickets.iter().map(|t| t.kind.as_ref()).collect();
        let kind = self.flat("the request type", &kinds, &vectors, words.len())?;
        drop(vectors);
        let unit = self.unit(features, &paths)?;
        Ok(TicketModel { words, category, kind, unit })
    }

    #[allow(clippy::type_complexity, reason = "used once")]
    fn category(
        &self,
        vectors: &[Vector],
        features: usize,
    ) -> Result<Option<(Tree, Threshold, Vec<Vec<Path>>)>, TicketError> {
        let paths: Vec<&[String]> = self.tickets.iter().map(|t| t.category.as_slice()).collect();
        let widest: Vec<Option<&String>> = paths.iter().map(|path| path.first()).collect();
        if classes("the category", &widest)?.is_none() {
            return Ok(None);
        }
        let vectors: Vec<&Vector> = vectors.iter().collect();
        let rows = TreeRows {
            vectors: &vectors,
            paths: &paths,
            hashes: &self.hashes,
            features,
            seed: self.teaching.seed,
        };
        let (tree, unseen) = Tree::learn(&rows);
        let mut answers = Vec::new();
        for (path, said) in paths.iter().zip(&unseen) {
            for level in 1..=path.len() {
                let first = said.iter().find(|said| said.level() == level);
                answers.extend(first.map(|first| (first.probability, first.is(&path[..level]))));
            }
        }
        Ok(Some((tree, threshold(&answers, self.teaching.precision_goal), unseen)))
    }

    fn flat(
        &self,
        what: &'static str,
        labels: &[Option<&String>],
        vectors: &[Vector],
        features: usize,
    ) -> Result<Option<(Flat, Threshold)>, TicketError> {
        let Some(names) = classes(what, labels)? else { return Ok(None) };
        let rows: Vec<usize> = (0..labels.len()).filter(|row| labels[*row].is_some()).collect();
        let vectors: Vec<&Vector> = rows.iter().map(|row| &vectors[*row]).collect();
        let hashes: Vec<u64> = rows.iter().map(|row| self.hashes[*row]).collect();
        let classes: Vec<usize> = labels
            .iter()
            .flatten()
            .map(|label| names.binary_search(label).expect("the names are these labels"))
            .collect();
        let lesson = Lesson {
            vectors: &vectors,
            classes: &classes,
            labels: &names,
            hashes: &hashes,
            features,
            seed: self.teaching.seed,
        };
        let learnt = Flat::learn(&lesson);
        let answers: Vec<(f32, bool)> = learnt
            .unseen
            .iter()
            .zip(&classes)
            .map(|(said, class)| {
                let first = (0..said.len()).max_by(|a, b| said[*a].total_cmp(&said[*b]));
                let first = first.expect("there are classes");
                (said[first], first == *class)
            })
            .collect();
        Ok(Some((learnt.flat, threshold(&answers, self.teaching.precision_goal))))
    }

    fn unit(
        &self,
        features: Vec<Vec<features::Feature>>,
        paths: &[Vec<Path>],
    ) -> Result<Option<Units>, TicketError> {
        let units: Vec<Option<&String>> = self.tickets.iter().map(|t| t.unit.as_ref()).collect();
        if units.iter().all(Option::is_none) {
            return Ok(None);
        }
        let rows = features.into_iter().zip(self.tickets).zip(paths);
        let features: Vec<Vec<features::Feature>> = rows
            .map(|((words, ticket), paths)| with_territory(words, &matter(ticket), paths))
            .collect();
        let vocabulary = Vocabulary::new(&features);
        let vectors: Vec<Vector> = features.iter().map(|of| vocabulary.vector(of)).collect();
        drop(features);
        let learnt = self.flat("the unit", &units, &vectors, vocabulary.len())?;
        let any = |has: fn(&Ticket) -> bool| self.tickets.iter().any(has);
        let taught = Taught {
            called: any(|ticket| !ticket.called.is_empty()),
            last_ticket: any(|ticket| {
                !ticket.last_unit.is_empty() || !ticket.last_category.is_empty()
            }),
        };
        Ok(learnt.map(|(flat, threshold)| Units { vocabulary, flat, threshold, taught }))
    }
}

pub(crate) fn matter(ticket: &Ticket) -> Matter<'_> {
    let Ticket { text, place, called, last_unit, last_category, .. } = ticket;
    Matter { text, place, called, last_unit, last_category }
}

/// The distinct names; `None` when there is nothing to learn.
fn classes(
    what: &'static str,
    labels: &[Option<&String>],
) -> Result<Option<Vec<String>>, TicketError> {
    let names: BTreeSet<&String> = labels.iter().flatten().copied().collect();
    match names.first() {
        None => Ok(None),
        Some(class) if names.len() == 1 => {
            let rows = labels.iter().flatten().count();
            Err(TicketError::OneClass { what, class: (*class).clone(), rows })
        }
        Some(_) if names.len() > LABELS_MAX => {
            Err(TicketError::Classes { what, found: names.len(), max: LABELS_MAX })
        }
        Some(_) => Ok(Some(names.into_iter().cloned().collect())),
    }
}

/// The lowest threshold from which on the goal is met, or the highest tried.
fn threshold(answers: &[(f32, bool)], goal: f32) -> Threshold {
    let met = |threshold: &f32| {
        let (mut said, mut right) = (0usize, 0usize);
        for (_, is_right) in answers.iter().filter(|(probability, _)| probability >= threshold) {
            said += 1;
            right += usize::from(*is_right);
        }
        right as f32 >= goal * said as f32
    };
    let mut tried = THRESHOLDS.map(|percent| percent as f32 / 100.0);
    tried.find(met).unwrap_or(*THRESHOLDS.end() as f32 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_lowest_that_keeps_the_promise() {
        let answers: Vec<(f32, bool)> =
            (0..100).map(|n| (n as f32 / 100.0, n >= 70 || n % 2 == 0)).collect();
        let threshold = threshold(&answers, 0.9);
        let said: Vec<_> = answers.iter().filter(|(p, _)| *p >= threshold).collect();
        let right = said.iter().filter(|(_, right)| *right).count();
        assert!(right as f32 / said.len() as f32 >= 0.9 && (0.5..0.7).contains(&threshold));
        assert_eq!(super::threshold(&[(0.99, false)], 0.9), 0.98);
    }
}
