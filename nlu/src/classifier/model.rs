//! What was learnt from a city's tickets: its file, and what it says about a matter.

use super::features::{self, Matter};
use super::file::{Damage, Reader, Writer};
use super::flat::Flat;
use super::tree::{Path, Tree};
use super::vocabulary::{Vector, Vocabulary};
use super::{Ranked, Span};
use std::collections::BTreeMap;

/// First bytes of a model file.
const MAGIC: &[u8; 4] = b"QTLM";
/// Version of the layout and of the features.
const VERSION: u16 = 3;
/// Categories that a unit is chosen by.
const TOPICS: usize = 4;
/// Less likely ones are left out.
const TOPIC_PROBABILITY_MIN: f32 = 0.05;

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModelError {
    /// Not a model file at all.
    #[error(
        "not a Qingting ticket model: it does not begin with QTLM; train one with `qingting nlu train`"
    )]
    Magic,
    /// Written by another version of the product.
    #[error(
        "model format {found} cannot be read, this program reads {VERSION}: train the model again"
    )]
    Version {
        /// Version in the file.
        found: u16,
    },
    /// Cut off or changed on the way.
    #[error("model file is damaged ({what}): copy it again, or train it again")]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
}

impl From<Damage> for ModelError {
    fn from(Damage(what): Damage) -> Self {
        Self::Damaged { what }
    }
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Classes, the likeliest first; of categories the whole paths.
    pub ranked: Vec<Ranked>,
    /// What the model stands by: the first class, or of a category the longest path that is still likely
    /// enough. `None`: it abstains, as it always does where no word speaks for the first class.
    pub sure: Option<Ranked>,
    /// At most three spans that speak for the first class, the heaviest first; empty when no known n-gram
    /// occurs.
    pub spans: Vec<Span>,
}

/// What the model says about a matter; `None` where it was taught nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prediction {
    /// 事项分类.
    pub category: Option<Answer>,
    /// 承办单位.
    pub unit: Option<Answer>,
    /// 诉求类型.
    pub kind: Option<Answer>,
}

/// What can be asked of a matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    /// The category down to a level, from 1.
    Category(usize),
    Unit,
    Kind,
}

/// A matter as the classifiers see it.
struct Seen {
    words: Vector,
    paths: Option<Vec<Path>>,
    unit: Vector,
}

/// Answers from this probability on are stood by.
pub(crate) type Threshold = f32;

/// What was learnt from tickets.
#[derive(Clone, Debug, PartialEq)]
pub struct TicketModel {
    pub(crate) words: Vocabulary,
    pub(crate) category: Option<(Tree, Threshold)>,
    pub(crate) kind: Option<(Flat, Threshold)>,
    pub(crate) unit: Option<Units>,
}

/// The classifier of units.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Units {
    /// Its own, which knows the likely categories.
    pub(crate) vocabulary: Vocabulary,
    pub(crate) flat: Flat,
    pub(crate) threshold: Threshold,
    pub(crate) taught: Taught,
}

/// What the tickets for training had besides words and places. Of a call a model is told nothing else: what it
/// never saw may share its bucket with a feature that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taught {
    /// The number that was called.
    pub(crate) called: bool,
    /// The caller's last ticket.
    pub(crate) last_ticket: bool,
}

impl Taught {
    fn part_of<'a>(self, matter: &Matter<'a>) -> Matter<'a> {
        let last = |name: &'a str| if self.last_ticket { name } else { "" };
        Matter {
            called: if self.called { matter.called } else { "" },
            last_unit: last(matter.last_unit),
            last_category: last(matter.last_category),
            ..*matter
        }
    }

    fn bits(self) -> u16 {
        u16::from(self.called) | u16::from(self.last_ticket) << 1
    }

    fn of_bits(bits: u16) -> Result<Self, Damage> {
        match bits {
            0..=3 => Ok(Self { called: bits & 1 > 0, last_ticket: bits & 2 > 0 }),
            _ => Err(Damage("what was taught")),
        }
    }
}

impl TicketModel {
    /// Number of features of words.
    pub fn features(&self) -> usize {
        self.words.len()
    }

    /// The widest categories, in the order of their names.
    pub fn categories(&self) -> &[String] {
        self.category.as_ref().map_or(&[], |(tree, _)| tree.root().labels())
    }

    /// The units, in the order of their names.
    pub fn units(&self) -> &[String] {
        self.unit.as_ref().map_or(&[], |units| units.flat.labels())
    }

    /// Ranks the classes for a matter and says which words decided.
    pub fn predict(&self, matter: &Matter<'_>) -> Prediction {
        let text = features::normalize(matter.text);
        let seen = self.look(matter);
        let category = self.category.as_ref().zip(seen.paths).map(|((tree, threshold), paths)| {
            of_paths(&paths, *threshold, tree.root().spans(&self.words, &text, &seen.words))
        });
        let kind = self.kind.as_ref().map(|(flat, threshold)| {
            let spans = flat.spans(&self.words, &text, &seen.words);
            of_ranked(ranked(flat, &seen.words), *threshold, spans)
        });
        let unit = self.unit.as_ref().map(|units| {
            let spans = units.flat.spans(&units.vocabulary, &text, &seen.unit);
            of_ranked(ranked(&units.flat, &seen.unit), units.threshold, spans)
        });
        Prediction { category, unit, kind }
    }

    /// The ranking for each question, the levels of a category one by one.
    pub(crate) fn rankings(&self, matter: &Matter<'_>) -> BTreeMap<Question, Vec<Ranked>> {
        let seen = self.look(matter);
        let mut rankings: BTreeMap<Question, Vec<Ranked>> = BTreeMap::new();
        for path in seen.paths.iter().flatten() {
            rankings.entry(Question::Category(path.level())).or_default().push(path.into());
        }
        if let Some((flat, _)) = &self.kind {
            rankings.insert(Question::Kind, ranked(flat, &seen.words));
        }
        if let Some(units) = &self.unit {
            rankings.insert(Question::Unit, ranked(&units.flat, &seen.unit));
        }
        rankings
    }

    fn look(&self, matter: &Matter<'_>) -> Seen {
        let features = features::of_matter(matter);
        let words = self.words.vector(&features);
        let paths = self.category.as_ref().map(|(tree, _)| tree.paths(&words));
        let unit = self.unit.as_ref().map(|units| {
            let matter = units.taught.part_of(matter);
            let paths = paths.as_deref().unwrap_or_default();
            units.vocabulary.vector(&with_territory(features, &matter, paths))
        });
        Seen { words, paths, unit: unit.unwrap_or_default() }
    }

    /// The model as a file: `QTLM`, version u16, the vocabulary of words (idf step f32, bitmap of
    /// buckets, idf u8 per feature), then category, request type and unit, each as presence u16 and, where
    /// 1, threshold f32 and its classifiers; before the unit's classifier stand what it was taught (u16: 1 the
    /// number called, 2 the caller's last ticket) and its vocabulary. A
    /// classifier is: classes u32, names (length u16, UTF-8), bitmap of the vocabulary's features, weights
    /// i8 per feature and class, scale f32 and bias f32 per class, two weights f32 of the joint, network
    /// u16 and, where 1, its bitmap, scale f32, inputs i8, and f32 for hidden biases, outputs and biases. A
    /// tree is the number of classifiers u32 and, behind each, per class the number of the one below or 0.
    /// Little-endian; last is the CRC-32 (IEEE) of all before it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.bytes(MAGIC);
        out.u16(VERSION);
        self.words.write(&mut out);
        out.u16(u16::from(self.category.is_some()));
        if let Some((tree, threshold)) = &self.category {
            out.f32(*threshold);
            tree.write(&mut out);
        }
        out.u16(u16::from(self.kind.is_some()));
        if let Some((flat, threshold)) = &self.kind {
            out.f32(*threshold);
            flat.write(&mut out);
        }
        out.u16(u16::from(self.unit.is_some()));
        if let Some(units) = &self.unit {
            out.f32(units.threshold);
            out.u16(units.taught.bits());
            units.vocabulary.write(&mut out);
            units.flat.write(&mut out);
        }
        out.finish()
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelError`] when it is not one, is of another version, or is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let Some(([a, b], _)) = bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first_chunk)
        else {
            return Err(ModelError::Magic);
        };
        let found = u16::from_le_bytes([*a, *b]);
        if found != VERSION {
            return Err(ModelError::Version { found });
        }
        let mut from = Reader::checked(bytes)?;
        from.bytes(MAGIC.len() + 2)?;
        let words = Vocabulary::read(&mut from)?;
        let category = match is_present(&mut from)? {
            true => {
                let threshold = from.f32()?;
                Some((Tree::read(&mut from, words.len())?, threshold))
            }
            false => None,
        };
        let kind = match is_present(&mut from)? {
            true => {
                let threshold = from.f32()?;
                Some((Flat::read(&mut from, words.len())?, threshold))
            }
            false => None,
        };
        let unit = match is_present(&mut from)? {
            true => {
                let threshold = from.f32()?;
                let taught = Taught::of_bits(from.u16()?)?;
                let vocabulary = Vocabulary::read(&mut from)?;
                let flat = Flat::read(&mut from, vocabulary.len())?;
                Some(Units { vocabulary, flat, threshold, taught })
            }
            false => None,
        };
        from.end()?;
        Ok(Self { words, category, kind, unit })
    }
}

fn is_present(from: &mut Reader<'_>) -> Result<bool, Damage> {
    match from.u16()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Damage("presence of a part")),
    }
}

/// The words' features with those of place and likely categories.
pub(crate) fn with_territory(
    words: Vec<features::Feature>,
    matter: &Matter<'_>,
    paths: &[Path],
) -> Vec<features::Feature> {
    let likely = paths.iter().filter(|path| path.probability >= TOPIC_PROBABILITY_MIN).take(TOPICS);
    let topics: Vec<(u64, f32)> =
        likely.map(|path| (features::content_hash(&path.name), path.probability)).collect();
    let mut all = words;
    all.extend(features::of_territory(matter, &topics));
    all.sort_unstable_by_key(|feature| (feature.bucket, feature.block));
    all
}

fn ranked(flat: &Flat, vector: &[(u32, f32)]) -> Vec<Ranked> {
    let named = flat.labels().iter().zip(flat.probabilities(vector));
    let mut ranked: Vec<Ranked> =
        named.map(|(label, probability)| Ranked { label: label.clone(), probability }).collect();
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    ranked
}

fn of_ranked(ranked: Vec<Ranked>, threshold: Threshold, spans: Vec<Span>) -> Answer {
    let sure = ranked.first().filter(|first| first.probability >= threshold).cloned();
    Answer { ranked, sure: sure.filter(|_| !spans.is_empty()), spans }
}

fn of_paths(paths: &[Path], threshold: Threshold, spans: Vec<Span>) -> Answer {
    let deepest = paths.iter().map(Path::level).max().unwrap_or(0);
    let ranked = paths.iter().filter(|path| path.is_whole).map(Ranked::from).collect();
    let sure = (1..=deepest).rev().find_map(|level| {
        let first = paths.iter().find(|path| path.level() == level)?;
        (first.probability >= threshold).then(|| Ranked::from(first))
    });
    Answer { ranked, sure: sure.filter(|_| !spans.is_empty()), spans }
}
