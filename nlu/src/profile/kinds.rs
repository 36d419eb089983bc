//! Request types under the names of the city.

use super::build::{Build, Once};
use crate::table::Table;

/// Request types that the product tells apart.
pub const KINDS: [&str; 10] =
    ["咨询", "求助", "投诉", "举报", "建议", "表扬", "催办", "补充", "撤销", "反馈"];

/// A request type as the city calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindName {
    /// The city's name for it.
    pub name: String,
    /// Which of [`KINDS`] it is.
    pub kind: String,
    /// What it means in the city, for seats.
    pub meaning: String,
}

pub(super) fn read(build: &mut Build<'_>, table: &Table) -> Option<Vec<KindName>> {
    let name = build.column(table, ["name", "名称"]);
    let kind = build.column(table, ["kind", "类型"]);
    let meaning = build.column(table, ["meaning", "含义"]);
    let (name, kind, meaning) = (name?, kind?, meaning?);
    let (mut names, mut kinds) = (Once::default(), Once::default());
    let mut read = Vec::new();
    for row in table.rows() {
        let own = build.unique(table, row, &name, &mut names);
        let product = build.unique(table, row, &kind, &mut kinds);
        if let Some(unknown) = product.as_deref().filter(|kind| !KINDS.contains(kind)) {
            let what = format!("{unknown:?} is none of {}", KINDS.join(" "));
            build.wrong(table, row, &kind, what);
        }
        if let (Some(name), Some(kind)) = (own, product) {
            read.push(KindName { name, kind, meaning: row.cell(&meaning).to_owned() });
        }
    }
    Some(read)
}
