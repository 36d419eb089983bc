//! What texts are compared by: pairs of neighbouring Chinese characters, whole words of letters and
//! digits, and one spelling for what has several names (医疗保险 is 医保).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

/// A pair of characters, or a hash of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Term(u64);

/// Another name, and the one that stands for it.
type Names = (Vec<char>, Vec<char>);

/// Turns texts into terms.
pub(crate) struct Terms {
    /// Other names by their first character, the longest first, with the name that stands for them.
    names: HashMap<char, Vec<Names>>,
    /// What is said around a question, by its first character, the longest first.
    talk: HashMap<char, Vec<Vec<char>>>,
}

/// What is said around a question in any call.
const TALK: &str = include_str!("lexicon/talk.txt");

impl Terms {
    pub(crate) fn new() -> Self {
        Self::without("")
    }

    /// Leaves out the words of a built-in file, too: what every text of its kind says.
    pub(crate) fn without(common: &'static str) -> Self {
        let mut names: HashMap<char, Vec<_>> = HashMap::new();
        for line in lines(include_str!("lexicon/synonyms.txt")) {
            let mut words = line.split_whitespace().map(|word| word.chars().collect::<Vec<_>>());
            let Some(first) = words.next() else { continue };
            for other in words {
                names.entry(other[0]).or_default().push((other, first.clone()));
            }
        }
        let mut talk: HashMap<char, Vec<Vec<char>>> = HashMap::new();
        for word in lines(TALK).chain(lines(common)).flat_map(str::split_whitespace) {
            let word: Vec<char> = word.chars().collect();
            talk.entry(word[0]).or_default().push(word);
        }
        names.values_mut().for_each(|of| of.sort_by_key(|(other, _)| Reverse(other.len())));
        talk.values_mut().for_each(|of| of.sort_by_key(|word| Reverse(word.len())));
        Self { names, talk }
    }

    /// The terms of a text, without what says nothing of the matter.
    pub(crate) fn of(&self, text: &str) -> Vec<Term> {
        terms(&self.normal(text)).map(|(term, _)| term).collect()
    }

    /// The terms and where they stand in the text as it is compared, which is given, too.
    pub(crate) fn placed(&self, text: &str) -> (Vec<char>, Vec<(Term, Range<usize>)>) {
        let chars = self.normal(text);
        let placed = terms(&chars).collect();
        (chars, placed)
    }

    fn normal(&self, text: &str) -> Vec<char> {
        let said = folded(text);
        let talk = |rest: &[char]| {
            let word = self.talk.get(&rest[0])?.iter().find(|word| rest.starts_with(word))?;
            // A blank keeps apart what the word kept apart.
            Some((word.len(), &[' '][..]))
        };
        let name = |rest: &[char]| {
            let known = self.names.get(&rest[0])?;
            let (other, name) = known.iter().find(|(other, _)| rest.starts_with(other))?;
            Some((other.len(), &name[..]))
        };
        replaced(&replaced(&said, talk), name)
    }
}

/// Puts what `at` gives for a place, with the length that it stands for, wherever it gives something.
fn replaced<'a>(
    chars: &'a [char],
    at: impl Fn(&[char]) -> Option<(usize, &'a [char])>,
) -> Vec<char> {
    let mut written = Vec::with_capacity(chars.len());
    let mut rest = chars;
    while let Some(first) = rest.first() {
        let (length, instead) = at(rest).unwrap_or((1, std::slice::from_ref(first)));
        written.extend(instead);
        rest = &rest[length..];
    }
    written
}

fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().map(|line| line.split('#').next().unwrap_or_default().trim())
}

/// Half width and small letters.
fn folded(text: &str) -> Vec<char> {
    let half = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        c => c,
    };
    text.chars().map(half).map(|c| c.to_ascii_lowercase()).collect()
}

fn terms(chars: &[char]) -> impl Iterator<Item = (Term, Range<usize>)> {
    let mut from = 0;
    chars.chunk_by(|a, b| kind(*a) == kind(*b)).flat_map(move |run| {
        let start = from;
        from += run.len();
        let is_word = kind(run[0]) == Kind::Word;
        let is_text = kind(run[0]) == Kind::Character;
        let whole = is_word.then(|| (word(run), start..start + run.len()));
        let pairs = run.windows(2).enumerate().filter(move |_| is_text);
        let pairs =
            pairs.map(move |(at, pair)| (pair_of(pair[0], pair[1]), start + at..start + at + 2));
        whole.into_iter().chain(pairs)
    })
}

#[derive(PartialEq, Eq)]
enum Kind {
    Word,
    Character,
    Other,
}

fn kind(c: char) -> Kind {
    match c {
        'a'..='z' | '0'..='9' => Kind::Word,
        '\u{3400}'..='\u{9fff}' => Kind::Character,
        _ => Kind::Other,
    }
}

fn pair_of(a: char, b: char) -> Term {
    Term((u64::from(u32::from(a)) << 32) | u64::from(u32::from(b)))
}

/// FNV-1a; the highest bit keeps words apart from pairs of characters.
fn word(chars: &[char]) -> Term {
    let step =
        |hash: u64, c: &char| (hash ^ u64::from(u32::from(*c))).wrapping_mul(0x0100_0000_01b3);
    Term(chars.iter().fold(0xcbf2_9ce4_8422_2325, step) | 1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_and_widths_are_the_same_terms() {
        let terms = Terms::new();
        assert_eq!(terms.of("医疗保险怎么交"), terms.of("医保怎么交"));
        assert_eq!(terms.of("ＥＴＣ办理"), terms.of("etc办理"));
        assert_ne!(terms.of("公交"), terms.of("公积金"));
    }

    #[test]
    fn greetings_leave_no_terms() {
        let terms = Terms::new();
        assert_eq!(terms.of("喂你好我想问一下"), []);
        assert_eq!(terms.of("喂你好我想问一下医保怎么交"), terms.of("医保怎么交"));
    }

    #[test]
    fn every_name_stands_for_itself() {
        let names = Terms::new();
        for line in lines(include_str!("lexicon/synonyms.txt")) {
            let Some(first) = line.split_whitespace().next() else { continue };
            let chars: Vec<char> = first.chars().collect();
            let own: Vec<Term> = terms(&chars).map(|(term, _)| term).collect();
            assert_eq!(names.of(first), own, "{first} holds another's other name");
        }
    }
}
