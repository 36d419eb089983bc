//! The tree of categories.

use super::build::{Build, Once, RETIRED};
use crate::table::{Column, Row, Table};
use std::collections::{HashMap, HashSet};

/// Deepest level that is told apart from a cycle.
const DEPTH_MAX: usize = 12;
/// Longest time for handling: a year.
const DEADLINE_HOURS_MAX: u32 = 8_784;

/// Categories of any depth. Every one but the first level's has a parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categories {
    nodes: Vec<Node>,
    by_code: HashMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    code: String,
    name: String,
    parent: Option<usize>,
    deadline_hours: Option<u32>,
    is_retired: bool,
}

impl Categories {
    /// Number of categories of all levels.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Names from the first level down to the category of that code.
    pub fn path(&self, code: &str) -> Option<Vec<&str>> {
        let mut path = Vec::new();
        let mut next = Some(*self.by_code.get(code)?);
        while let Some(at) = next {
            path.push(self.nodes[at].name.as_str());
            next = self.nodes[at].parent;
        }
        path.reverse();
        Some(path)
    }

    /// Hours for handling: the category's own, or those of the nearest above it that has some.
    pub fn deadline_hours(&self, code: &str) -> Option<u32> {
        let mut next = Some(*self.by_code.get(code)?);
        while let Some(at) = next {
            if let Some(hours) = self.nodes[at].deadline_hours {
                return Some(hours);
            }
            next = self.nodes[at].parent;
        }
        None
    }

    /// Whether it, or a level above, gets nothing new (停用).
    pub fn is_retired(&self, code: &str) -> bool {
        let mut next = self.by_code.get(code).copied();
        while let Some(at) = next {
            if self.nodes[at].is_retired {
                return true;
            }
            next = self.nodes[at].parent;
        }
        false
    }

    /// All codes, in the order of the table.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.code.as_str())
    }

    /// Code of the category with this path of names.
    pub fn code_of(&self, path: &[&str]) -> Option<&str> {
        self.codes().find(|code| self.path(code).is_some_and(|names| names == path))
    }
}

/// Columns of the table.
struct Columns {
    code: Column,
    parent: Column,
    name: Column,
    deadline: Option<Column>,
    retired: Option<Column>,
}

pub(super) fn read(build: &mut Build<'_>, table: &Table) -> Option<Categories> {
    let code = build.column(table, ["code", "编码"]);
    let parent = build.column(table, ["parent", "上级编码"]);
    let name = build.column(table, ["name", "名称"]);
    let deadline = build.optional_column(table, ["deadline_hours", "办理时限（小时）"]);
    let retired = build.optional_column(table, RETIRED);
    let columns = Columns {
        code: code?,
        parent: parent?,
        name: name?,
        deadline: deadline?,
        retired: retired?,
    };
    let mut categories = Categories::default();
    let mut once = Once::default();
    let mut rows: Vec<&Row> = Vec::new();
    for row in table.rows() {
        let code = build.unique(table, row, &columns.code, &mut once);
        let name = build.filled(table, row, &columns.name);
        let deadline_hours = deadline_hours(build, table, row, columns.deadline.as_ref());
        let is_retired = build.retired(table, row, columns.retired.as_ref());
        if let (Some(code), Some(name)) = (code, name) {
            categories.by_code.insert(code.clone(), categories.nodes.len());
            categories.nodes.push(Node { code, name, parent: None, deadline_hours, is_retired });
            rows.push(row);
        }
    }
    for (at, row) in rows.iter().enumerate() {
        let parent = row.cell(&columns.parent);
        match categories.by_code.get(parent) {
            Some(above) => categories.nodes[at].parent = Some(*above),
            None if parent.is_empty() => {}
            None => build.wrong(table, row, &columns.parent, unknown_parent(parent)),
        }
    }
    check_cycles(build, table, &columns, &categories, &rows);
    check_siblings(build, table, &columns, &categories, &rows);
    Some(categories)
}

fn unknown_parent(parent: &str) -> String {
    format!("no row has the code {parent:?}: add it, or leave the cell empty for a first level")
}

fn deadline_hours(
    build: &mut Build<'_>,
    table: &Table,
    row: &Row,
    column: Option<&Column>,
) -> Option<u32> {
    let column = column?;
    let cell = row.cell(column);
    let hours = cell.parse().ok().filter(|hours| (1..=DEADLINE_HOURS_MAX).contains(hours));
    if hours.is_none() && !cell.is_empty() {
        let what = format!("{cell:?} is no number of hours from 1 to {DEADLINE_HOURS_MAX}");
        build.wrong(table, row, column, what);
    }
    hours
}

/// A category above itself is told once, in the first row of the circle; a tree that is too deep as well.
fn check_cycles(
    build: &mut Build<'_>,
    table: &Table,
    columns: &Columns,
    categories: &Categories,
    rows: &[&Row],
) {
    let mut told: HashSet<usize> = HashSet::new();
    for (start, row) in rows.iter().enumerate() {
        let mut way = vec![start];
        while let Some(above) = categories.nodes[way[way.len() - 1]].parent {
            if above == start {
                if !way.iter().any(|at| told.contains(at)) {
                    let numbers: Vec<String> =
                        way.iter().map(|at| rows[*at].number().to_string()).collect();
                    let what = format!(
                        "a circle through the rows {}: give one of them a parent outside of it",
                        numbers.join(", ")
                    );
                    build.wrong(table, row, &columns.parent, what);
                }
                told.extend(&way);
                break;
            }
            if way.contains(&above) {
                break;
            }
            way.push(above);
            if way.len() > DEPTH_MAX {
                let what = format!("deeper than {DEPTH_MAX} levels");
                build.wrong(table, row, &columns.parent, what);
                break;
            }
        }
    }
}

/// Two children of one parent under one name could not be told apart in a ticket.
fn check_siblings(
    build: &mut Build<'_>,
    table: &Table,
    columns: &Columns,
    categories: &Categories,
    rows: &[&Row],
) {
    let mut seen: HashMap<(Option<usize>, &str), u64> = HashMap::new();
    for (node, row) in categories.nodes.iter().zip(rows) {
        if node.name.contains('/') {
            let what = "holds \"/\", which divides the levels in tickets: write it otherwise";
            build.wrong(table, row, &columns.name, what);
        }
        if let Some(first) = seen.insert((node.parent, &node.name), row.number()) {
            let what = format!("{:?} is in row {first} already, under the same parent", node.name);
            build.wrong(table, row, &columns.name, what);
        }
    }
}
