//! A matter to hashed features. Part of the model file's meaning: a change here needs a new format version.
//!
//! Features stand in blocks (the text, its beginning, places, …), each of unit length times its weight, so
//! that a long text does not drown the place it is about.

/// Longest n-gram of a text, in characters.
pub(crate) const GRAM_CHARS_MAX: usize = 3;
/// Longest text that is read, in characters; the rest says little new and costs memory.
pub(crate) const TEXT_CHARS_MAX: usize = 4_000;
/// What is said first says most: the characters whose n-grams count once more.
pub(crate) const HEAD_CHARS: usize = 30;
/// Longest n-gram of a place.
const PLACE_CHARS_MAX: usize = 6;
/// Last characters of the names of roads, communities and divisions.
const PLACE_ENDINGS: &str = "省市区县镇乡村屯寨庄路街道巷弄桥园苑城府湾里院楼厦场店站校厂港洲";

/// A hashed feature's number, below `1 << BUCKET_BITS`.
pub(crate) type Bucket = u32;
/// About a million buckets, of which the rare ones are dropped.
pub(crate) const BUCKET_BITS: u32 = 20;

/// Groups of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Block {
    /// Character n-grams of the text.
    Text,
    /// Those of its first [`HEAD_CHARS`] characters.
    Head,
    /// Names of places in the text.
    Place,
    /// N-grams of the place that is known apart from it.
    Beside,
    /// The number that was called.
    Called,
    /// The likely categories.
    Topic,
    /// A place together with a likely category: a territory's unit answers for some matters alone.
    PlaceTopic,
    /// Unit and category of the caller's last ticket.
    LastTicket,
}

impl Block {
    const ALL: [Self; 8] = [
        Self::Text,
        Self::Head,
        Self::Place,
        Self::Beside,
        Self::Called,
        Self::Topic,
        Self::PlaceTopic,
        Self::LastTicket,
    ];

    /// Length of the block's part of the vector, before the whole is brought to unit length.
    const fn weight(self) -> f32 {
        match self {
            Self::Text => 1.0,
            Self::Head | Self::Place | Self::Beside | Self::PlaceTopic => 0.7,
            Self::Topic | Self::LastTicket => 0.5,
            Self::Called => 0.3,
        }
    }
}

/// What is known of a matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matter<'a> {
    /// What was said or written.
    pub text: &'a str,
    /// Where it is, if that is known apart from the text: a district, an address.
    pub place: &'a str,
    /// The number that was called.
    pub called: &'a str,
    /// Unit and category path of the last ticket of the same caller; empty where there is none.
    pub last_unit: &'a str,
    /// See `last_unit`.
    pub last_category: &'a str,
}

/// One feature of a matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Feature {
    pub(crate) bucket: Bucket,
    pub(crate) block: Block,
    /// Sublinear count, or a probability.
    pub(crate) value: f32,
}

/// The characters of a text that carry meaning, with their place in the original.
pub(crate) struct Normalized {
    /// Letters and digits, lower case, full-width forms folded.
    pub(crate) chars: Vec<char>,
    /// For each of `chars` its index in the original text, in characters.
    pub(crate) origin: Vec<u32>,
}

/// Keeps letters and digits: a recogniser's text has no dependable punctuation or spacing.
pub(crate) fn normalize(text: &str) -> Normalized {
    let mut chars = Vec::new();
    let mut origin = Vec::new();
    for (index, c) in (0u32..).zip(text.chars()).take(TEXT_CHARS_MAX) {
        let c = fold_width(c);
        if c.is_alphanumeric() {
            chars.push(c.to_lowercase().next().unwrap_or(c));
            origin.push(index);
        }
    }
    Normalized { chars, origin }
}

/// Full-width ASCII (U+FF01–U+FF5E) to ASCII.
pub(crate) fn fold_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// The features of the words alone, sorted by bucket.
pub(crate) fn of_matter(matter: &Matter<'_>) -> Vec<Feature> {
    let chars = &normalize(matter.text).chars;
    let mut buckets = Vec::with_capacity(chars.len() * 4);
    for_each_gram(chars, |bucket, _, _| buckets.push((bucket, Block::Text)));
    let head = &chars[..chars.len().min(HEAD_CHARS)];
    grams(head, Block::Head, 1..=GRAM_CHARS_MAX, |bucket, _, _| {
        buckets.push((bucket, Block::Head))
    });
    places(chars, |bucket| buckets.push((bucket, Block::Place)));
    counted(buckets)
}

/// What a unit is chosen by besides the words: the place, the number that was called, the caller's last ticket,
/// likely categories and the places of the matter under each. Sorted by bucket.
pub(crate) fn of_territory(matter: &Matter<'_>, topics: &[(u64, f32)]) -> Vec<Feature> {
    let mut beside = Vec::new();
    let place = normalize(matter.place).chars;
    grams(&place, Block::Beside, 2..=PLACE_CHARS_MAX, |bucket, _, _| {
        beside.push((bucket, Block::Beside));
    });
    let mut named: Vec<Bucket> = beside.iter().map(|(bucket, _)| *bucket).collect();
    places(&normalize(matter.text).chars, |bucket| named.push(bucket));
    named.sort_unstable();
    named.dedup();
    let called = normalize(matter.called).chars;
    if !called.is_empty() {
        let hash = called.iter().fold(seed(Block::Called), |hash, c| step(hash, *c));
        beside.push((bucket(hash), Block::Called));
    }
    // Numbers keep a unit apart from a category of its name.
    for (question, name) in [(1, matter.last_unit), (2, matter.last_category)] {
        if !name.is_empty() {
            let hash = mix(mix(seed(Block::LastTicket), question), content_hash(name));
            beside.push((bucket(hash), Block::LastTicket));
        }
    }
    let mut features = counted(beside);
    for (topic, value) in topics {
        let mut put = |hash: u64, block| {
            features.push(Feature { bucket: bucket(hash), block, value: *value });
        };
        put(mix(seed(Block::Topic), *topic), Block::Topic);
        for place in &named {
            let hash = mix(mix(seed(Block::PlaceTopic), *topic), u64::from(*place));
            put(hash, Block::PlaceTopic);
        }
    }
    features.sort_unstable_by_key(|feature| (feature.bucket, feature.block));
    features
}

/// N-grams that end as a place's name does.
fn places(text: &[char], mut f: impl FnMut(Bucket)) {
    grams(text, Block::Place, 2..=PLACE_CHARS_MAX, |bucket, start, length| {
        if PLACE_ENDINGS.contains(text[start + length - 1]) {
            f(bucket);
        }
    });
}

/// Calls `f(bucket, start, length)` for every n-gram of a text.
pub(crate) fn for_each_gram(chars: &[char], f: impl FnMut(Bucket, usize, usize)) {
    grams(chars, Block::Text, 1..=GRAM_CHARS_MAX, f);
}

fn grams(
    chars: &[char],
    block: Block,
    lengths: std::ops::RangeInclusive<usize>,
    mut f: impl FnMut(Bucket, usize, usize),
) {
    for start in 0..chars.len() {
        let mut hash = seed(block);
        for (length, c) in (1..=*lengths.end()).zip(&chars[start..]) {
            hash = step(hash, *c);
            if lengths.contains(&length) {
                f(bucket(hash), start, length);
            }
        }
    }
}

/// Sublinear counts, sorted by bucket.
fn counted(mut buckets: Vec<(Bucket, Block)>) -> Vec<Feature> {
    buckets.sort_unstable();
    buckets
        .chunk_by(|a, b| a == b)
        .map(|same| {
            let (bucket, block) = same[0];
            Feature { bucket, block, value: 1.0 + (same.len() as f32).ln() }
        })
        .collect()
}

/// Brings each block to its weight and the whole to unit length.
pub(crate) fn scale_blocks(vector: &mut [(u32, f32)], blocks: &[Block]) {
    let mut squares = [0.0f32; Block::ALL.len()];
    for ((_, value), block) in vector.iter().zip(blocks) {
        squares[*block as usize] += value * value;
    }
    let present = Block::ALL.iter().filter(|block| squares[**block as usize] > 0.0);
    let total: f32 = present.map(|block| block.weight() * block.weight()).sum();
    for ((_, value), block) in vector.iter_mut().zip(blocks) {
        *value *= block.weight() / (squares[*block as usize] * total).sqrt();
    }
}

/// A text's share of the rows for a split by content: the same letters and digits always lie on one side.
pub(crate) fn content_hash(text: &str) -> u64 {
    mix(normalize(text).chars.iter().fold(seed(Block::Text), |hash, c| step(hash, *c)), 0)
}

/// FNV-1a, begun apart for each block.
fn seed(block: Block) -> u64 {
    mix(0xcbf2_9ce4_8422_2325, block as u64)
}

fn step(hash: u64, c: char) -> u64 {
    mix(hash, u64::from(c as u32))
}

fn mix(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x0000_0100_0000_01b3)
}

/// FNV leaves the high bits of short inputs poor: mix before cutting.
fn bucket(hash: u64) -> Bucket {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - BUCKET_BITS)) as Bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_and_width_do_not_matter() {
        let a = normalize("Ａ１区，投诉！");
        let b = normalize("a1区投诉");
        assert_eq!(a.chars, b.chars);
        assert_eq!(a.origin, [0, 1, 2, 4, 5]);
        assert_eq!(content_hash("Ａ１区，投诉！"), content_hash("a1区投诉"));
    }

    #[test]
    fn every_gram_up_to_three_is_counted_once() {
        let features = of_matter(&Matter { text: "停水停水", ..Matter::default() });
        let text: Vec<f32> =
            features.iter().filter(|f| f.block == Block::Text).map(|f| f.value).collect();
        assert_eq!(text.len(), 2 + 2 + 2);
        assert_eq!(text.iter().filter(|value| **value > 1.0).count(), 3);
    }

    #[test]
    fn a_place_is_a_feature_with_and_without_its_topic() {
        let count =
            |features: &[Feature], block| features.iter().filter(|f| f.block == block).count();
        let matter = Matter {
            text: "在人民路",
            place: "东区",
            called: "12345",
            last_unit: "水务局",
            last_category: "",
        };
        assert_eq!(count(&of_matter(&matter), Block::Place), 3);
        let territory = of_territory(&matter, &[(3, 0.9), (4, 0.1)]);
        let blocks =
            [Block::Beside, Block::Called, Block::LastTicket, Block::Topic, Block::PlaceTopic];
        assert_eq!(blocks.map(|block| count(&territory, block)), [1, 1, 1, 2, 2 * (3 + 1)]);
    }

    #[test]
    fn blocks_have_their_weights_whatever_their_size() {
        let mut vector = vec![(0, 3.0), (1, 4.0), (2, 9.0)];
        scale_blocks(&mut vector, &[Block::Text, Block::Text, Block::Place]);
        let length: f32 = vector.iter().map(|(_, value)| value * value).sum();
        let text = vector[0].1.hypot(vector[1].1);
        assert!((length - 1.0).abs() < 1e-5 && (vector[2].1 / text - 0.7).abs() < 1e-5);
    }
}
