//! Categories of any depth: a classifier at the root, and one below each category that has several children.

use super::file::{Damage, Reader, Writer};
use super::flat::{Flat, Lesson};
use super::vocabulary::Vector;
use super::{LABELS_MAX, Ranked};
use std::collections::HashMap;

/// Between the levels of a path.
pub const PATH_SEPARATOR: char = '/';
/// Deepest tree.
pub const LEVELS_MAX: usize = 8;
/// A category less likely than this is not looked below.
const BRANCH_PROBABILITY_MIN: f32 = 0.02;

/// A tree of classifiers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq)]
struct Node {
    flat: Flat,
    /// The node below each label.
    below: Vec<Option<usize>>,
}

/// Rows with their paths.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) vectors: &'a [&'a Vector],
    /// Each row's levels, the widest first.
    pub(crate) paths: &'a [&'a [String]],
    pub(crate) hashes: &'a [u64],
    pub(crate) features: usize,
    pub(crate) seed: u64,
}

/// A path with its probability.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    /// Label numbers, from the root.
    labels: Vec<usize>,
    pub(crate) name: String,
    pub(crate) probability: f32,
    /// Nothing was learnt below it.
    pub(crate) is_whole: bool,
}

impl Path {
    pub(crate) fn level(&self) -> usize {
        self.labels.len()
    }

    /// Whether these are its levels.
    pub(crate) fn is(&self, levels: &[String]) -> bool {
        self.name.split(PATH_SEPARATOR).eq(levels)
    }
}

impl Tree {
    /// Learns a tree, and the paths of each row by classifiers that have not seen it. Rows without a path
    /// teach nothing.
    pub(crate) fn learn(rows: &Rows<'_>) -> (Self, Vec<Vec<Path>>) {
        let mut tree = Self { nodes: Vec::new() };
        // What each node says of its own rows when it has not seen them.
        let mut unseen: Vec<HashMap<usize, Vec<f32>>> = Vec::new();
        let with_path = |row: &usize| !rows.paths[*row].is_empty();
        let all: Vec<usize> = (0..rows.paths.len()).filter(with_path).collect();
        let mut open = vec![(all, 0, None::<(usize, usize)>)];
        while let Some((members, level, parent)) = open.pop() {
            let number = tree.nodes.len();
            let (flat, classes, said) = learn_node(rows, &members, level);
            unseen.push(members.iter().copied().zip(said).collect());
            if let Some((node, label)) = parent {
                tree.nodes[node].below[label] = Some(number);
            }
            let labels = flat.labels().len();
            tree.nodes.push(Node { flat, below: vec![None; labels] });
            for label in 0..labels {
                let below = |(row, class): &(&usize, &usize)| {
                    **class == label && rows.paths[**row].len() > level + 1
                };
                let deeper = members.iter().zip(&classes).filter(below);
                let deeper: Vec<usize> = deeper.map(|(row, _)| *row).collect();
                if !deeper.is_empty() {
                    open.push((deeper, level + 1, Some((number, label))));
                }
            }
        }
        let paths = (0..rows.paths.len()).map(|row| {
            tree.expand(&|node| match unseen[node].get(&row) {
                Some(said) => said.clone(),
                None => tree.nodes[node].flat.probabilities(rows.vectors[row]),
            })
        });
        let paths = paths.collect();
        (tree, paths)
    }

    /// Every path that is likely enough to look at, of every level, the likeliest first.
    pub(crate) fn paths(&self, vector: &[(u32, f32)]) -> Vec<Path> {
        self.expand(&|node| self.nodes[node].flat.probabilities(vector))
    }

    fn expand(&self, probabilities: &dyn Fn(usize) -> Vec<f32>) -> Vec<Path> {
        let mut paths = Vec::new();
        let mut open = vec![(
            0,
            Path { labels: Vec::new(), name: String::new(), probability: 1.0, is_whole: false },
        )];
        while let Some((node, above)) = open.pop() {
            let answers = probabilities(node);
            let node = &self.nodes[node];
            for ((label, name), probability) in node.flat.labels().iter().enumerate().zip(answers) {
                let mut path = above.below(label, name, probability);
                path.is_whole = node.below[label].is_none();
                let deeper =
                    node.below[label].filter(|_| path.probability >= BRANCH_PROBABILITY_MIN);
                open.extend(deeper.map(|deeper| (deeper, path.clone())));
                paths.push(path);
            }
        }
        paths.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        paths
    }

    /// The classifier at the root.
    pub(crate) fn root(&self) -> &Flat {
        &self.nodes[0].flat
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u32(self.nodes.len() as u32);
        for node in &self.nodes {
            node.flat.write(out);
            node.below.iter().for_each(|below| out.u32(below.map_or(0, |node| node as u32)));
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>, features: usize) -> Result<Self, Damage> {
        let count = from.u32()? as usize;
        if !(1..=LABELS_MAX).contains(&count) {
            return Err(Damage("number of nodes"));
        }
        let mut nodes = Vec::new();
        for number in 0..count {
            let flat = Flat::read(from, features)?;
            let below = (0..flat.labels().len()).map(|_| Ok(from.u32()? as usize));
            let below: Vec<usize> = below.collect::<Result<_, Damage>>()?;
            // A node comes after the one above it, so that no walk is endless.
            if below.iter().any(|node| *node != 0 && (*node <= number || *node >= count)) {
                return Err(Damage("tree"));
            }
            let below = below.into_iter().map(|node| (node != 0).then_some(node)).collect();
            nodes.push(Node { flat, below });
        }
        Ok(Self { nodes })
    }
}

impl Path {
    fn below(&self, label: usize, name: &str, probability: f32) -> Self {
        let mut whole = self.name.clone();
        if !whole.is_empty() {
            whole.push(PATH_SEPARATOR);
        }
        whole.push_str(name);
        Self {
            labels: [self.labels.as_slice(), &[label]].concat(),
            name: whole,
            probability: self.probability * probability,
            is_whole: false,
        }
    }
}

impl From<&Path> for Ranked {
    fn from(path: &Path) -> Self {
        Self { label: path.name.clone(), probability: path.probability }
    }
}

/// A node's classifier, its rows' labels by number, and what it says of them unseen.
fn learn_node(
    rows: &Rows<'_>,
    members: &[usize],
    level: usize,
) -> (Flat, Vec<usize>, Vec<Vec<f32>>) {
    let labels = labels_at(rows, members, level);
    let class = |row: &usize| {
        labels.binary_search(&rows.paths[*row][level]).expect("the labels are these rows' labels")
    };
    let classes: Vec<usize> = members.iter().map(class).collect();
    let (vectors, hashes): (Vec<&Vector>, Vec<u64>) =
        members.iter().map(|row| (rows.vectors[*row], rows.hashes[*row])).unzip();
    let lesson = Lesson {
        vectors: &vectors,
        classes: &classes,
        labels: &labels,
        hashes: &hashes,
        features: rows.features,
        seed: rows.seed,
    };
    let learnt = Flat::learn(&lesson);
    (learnt.flat, classes, learnt.unseen)
}

fn labels_at(rows: &Rows<'_>, members: &[usize], level: usize) -> Vec<String> {
    let mut labels: Vec<String> =
        members.iter().map(|row| rows.paths[*row][level].clone()).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}
