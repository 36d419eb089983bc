//! One text from several decodes of the same speech, character by character. Pure.
//!
//! Decodes that hear the speech a little differently err in different places, and where they err they
//! agree less than where they are right. The decode that is nearest to all others is taken, and each of
//! its characters is put to the vote (ROVER's idea, on characters).

/// What one decode wrote.
#[derive(Clone, Debug)]
pub(crate) struct Ballot {
    /// Its text.
    pub(crate) text: String,
    /// Its confidence, 0 to 1.
    pub(crate) confidence: f32,
}

/// A sure decode has more votes: this power of its confidence.
const TRUST: i32 = 4;
/// Longer texts are not aligned: the surest stands. Twice what is said in the longest segment.
const CHARS_MAX: usize = 400;

/// What most of them wrote; empty without any. Marks are those of the decode nearest to all.
pub(crate) fn elect(ballots: &[Ballot]) -> String {
    let said: Vec<Vec<char>> = ballots.iter().map(|ballot| sounds(&ballot.text)).collect();
    if said.iter().any(|chars| chars.len() > CHARS_MAX) {
        let surest = ballots.iter().max_by(|a, b| a.confidence.total_cmp(&b.confidence));
        return surest.map(|ballot| ballot.text.clone()).unwrap_or_default();
    }
    let votes: Vec<f32> =
        ballots.iter().map(|b| b.confidence.clamp(0.0, 1.0).powi(TRUST)).collect();
    let farness = |index: usize| -> f32 {
        said.iter().zip(&votes).map(|(o, vote)| vote * distance(&said[index], o) as f32).sum()
    };
    let nearest = (0..ballots.len()).min_by(|a, b| farness(*a).total_cmp(&farness(*b)));
    let Some(nearest) = nearest else { return String::new() };
    let mut places = Places::new(&said[nearest]);
    for (other, vote) in said.iter().zip(&votes) {
        places.count(other, *vote);
    }
    places.written(&ballots[nearest].text, votes.iter().sum())
}

fn sounds(text: &str) -> Vec<char> {
    text.chars().filter(|char| char.is_alphanumeric()).collect()
}

/// Votes by place of a text.
struct Places<'a> {
    text: &'a [char],
    /// For each character what stands there, and nothing is a choice.
    at: Vec<Vec<(Option<char>, f32)>>,
    /// Before each character, and behind the last: what is put in.
    before: Vec<Vec<(String, f32)>>,
}

impl<'a> Places<'a> {
    fn new(text: &'a [char]) -> Self {
        Self { text, at: vec![Vec::new(); text.len()], before: vec![Vec::new(); text.len() + 1] }
    }

    fn count(&mut self, other: &[char], vote: f32) {
        let mut put_in = vec![String::new(); self.before.len()];
        for step in aligned(self.text, other) {
            match step {
                Step::Both(place, char) => add(&mut self.at[place], Some(char), vote),
                Step::Missing(place) => add(&mut self.at[place], None, vote),
                Step::Extra(place, char) => put_in[place].push(char),
            }
        }
        for (place, text) in put_in.into_iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            add(&mut self.before[place], text, vote);
        }
    }

    /// The marked text with the choices in the place of its characters.
    fn written(&self, marked: &str, all: f32) -> String {
        let mut written = String::new();
        let mut place = 0;
        for char in marked.chars() {
            if !char.is_alphanumeric() {
                written.push(char);
                continue;
            }
            self.put_in(place, all, &mut written);
            let own = self.at[place].iter().find(|(choice, _)| *choice == Some(char));
            let own = own.map_or(0.0, |(_, votes)| *votes);
            let best = self.at[place].iter().max_by(|a, b| a.1.total_cmp(&b.1));
            match best {
                Some((choice, votes)) if *votes > own => written.extend(choice),
                _ => written.push(char),
            }
            place += 1;
        }
        self.put_in(place, all, &mut written);
        written
    }

    fn put_in(&self, place: usize, all: f32, written: &mut String) {
        let best = self.before[place].iter().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((text, votes)) = best
            && *votes > all / 2.0
        {
            written.push_str(text);
        }
    }
}

fn add<T: PartialEq>(choices: &mut Vec<(T, f32)>, choice: T, vote: f32) {
    match choices.iter_mut().find(|(known, _)| *known == choice) {
        Some((_, votes)) => *votes += vote,
        None => choices.push((choice, vote)),
    }
}

/// Where a character of the other text stands in the first.
enum Step {
    Both(usize, char),
    /// The other has none for this one.
    Missing(usize),
    /// It has one before this place.
    Extra(usize, char),
}

fn distance(text: &[char], other: &[char]) -> usize {
    costs(text, other)[text.len()][other.len()]
}

/// `[i][j]`: fewest changes from the first `i` characters to the first `j` of the other.
fn costs(text: &[char], other: &[char]) -> Vec<Vec<usize>> {
    let mut costs = vec![vec![0; other.len() + 1]; text.len() + 1];
    for i in 0..=text.len() {
        for j in 0..=other.len() {
            costs[i][j] = match (i, j) {
                (0, changes) | (changes, 0) => changes,
                _ => {
                    let changed = usize::from(text[i - 1] != other[j - 1]);
                    let either = costs[i - 1][j].min(costs[i][j - 1]) + 1;
                    either.min(costs[i - 1][j - 1] + changed)
                }
            };
        }
    }
    costs
}

/// A cheapest alignment, in order.
fn aligned(text: &[char], other: &[char]) -> Vec<Step> {
    let costs = costs(text, other);
    let (mut i, mut j) = (text.len(), other.len());
    let mut steps = Vec::new();
    while i > 0 || j > 0 {
        let both = i > 0 && j > 0 && {
            let changed = usize::from(text[i - 1] != other[j - 1]);
            costs[i][j] == costs[i - 1][j - 1] + changed
        };
        if both {
            (i, j) = (i - 1, j - 1);
            steps.push(Step::Both(i, other[j]));
        } else if i > 0 && costs[i][j] == costs[i - 1][j] + 1 {
            i -= 1;
            steps.push(Step::Missing(i));
        } else {
            j -= 1;
            steps.push(Step::Extra(i, other[j]));
        }
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elected(ballots: &[(&str, f32)]) -> String {
        let ballot = |&(text, confidence): &(&str, f32)| Ballot { text: text.into(), confidence };
        elect(&ballots.iter().map(ballot).collect::<Vec<_>>())
    }

    #[test]
    fn errors_in_different_places_are_outvoted() {
        let three =
            [("人民路的路等坏了", 0.8), ("人名路的路灯坏了", 0.8), ("人民路的路灯怀了", 0.8)];
        assert_eq!(elected(&three), "人民路的路灯坏了");
    }

    #[test]
    fn what_most_left_out_or_put_in_goes_and_comes() {
        assert_eq!(
            elected(&[("我我要投诉", 0.7), ("我要投诉", 0.7), ("我要投诉", 0.7)]),
            "我要投诉"
        );
        assert_eq!(elected(&[("要投诉", 0.9), ("我要投诉", 0.8), ("我要投诉他", 0.8)]), "我要投诉");
        assert_eq!(elected(&[("我要头诉", 0.9), ("我要投诉", 0.5), ("我要偷诉", 0.5)]), "我要头诉");
    }

    #[test]
    fn marks_are_kept_and_one_or_none_needs_no_vote() {
        assert_eq!(elected(&[("喂,你好。", 0.5), ("喂你好", 0.5), ("喂你号", 0.5)]), "喂,你好。");
        assert_eq!(elected(&[("喂", 0.1)]), "喂");
        assert_eq!(elected(&[]), "");
        assert_eq!(elected(&[("", 0.0), ("", 0.0)]), "");
    }

    #[test]
    fn what_is_too_long_to_align_is_not_voted_on() {
        let long = "一".repeat(CHARS_MAX + 1);
        assert_eq!(elected(&[(&long, 0.5), ("二", 0.6)]), "二");
    }
}
