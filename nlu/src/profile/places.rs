//! Places of the city.

use super::build::{Build, list};
use crate::reader::{Place, PlaceKind};
use crate::table::Table;

/// What a place may be, in either language.
const KINDS: [(&str, &str, PlaceKind); 5] = [
    ("community", "社区", PlaceKind::Community),
    ("road", "道路", PlaceKind::Road),
    ("estate", "小区", PlaceKind::Estate),
    ("landmark", "地标", PlaceKind::Landmark),
    ("alias", "别名", PlaceKind::Alias),
];
/// Shortest and longest name, in characters: of shorter ones every sentence has some.
const NAME_CHARS_MIN: usize = 2;
const NAME_CHARS_MAX: usize = 24;

pub(super) fn read(build: &mut Build<'_>, table: &Table) -> Option<Vec<Place>> {
    let name = build.column(table, ["name", "名称"]);
    let kind = build.column(table, ["kind", "类型"]);
    let division = build.column(table, ["division", "区划代码"]);
    let aliases = build.column(table, ["aliases", "别名"]);
    let (name, kind, division, aliases) = (name?, kind?, division?, aliases?);
    let mut places = Vec::new();
    for row in table.rows() {
        let cell = row.cell(&kind);
        let known = KINDS.iter().find(|(english, chinese, _)| [*english, *chinese].contains(&cell));
        if known.is_none() {
            let names: Vec<&str> = KINDS.iter().map(|(_, chinese, _)| *chinese).collect();
            build.wrong(table, row, &kind, format!("{cell:?} is none of {}", names.join(" ")));
        }
        let called = build.filled(table, row, &name);
        let own = build.filled(table, row, &division);
        let divisions = build.divisions(table, row, &division);
        if divisions.len() > 1 {
            build.wrong(table, row, &division, "several codes: give each its own row");
        }
        let names: Vec<String> = called.into_iter().chain(list(row.cell(&aliases))).collect();
        let fits =
            |name: &&String| !(NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&name.chars().count());
        if let Some(odd) = names.iter().find(fits) {
            let what = format!("{odd:?} has not {NAME_CHARS_MIN} to {NAME_CHARS_MAX} characters");
            build.wrong(table, row, &name, what);
        }
        if let (Some((.., kind)), Some(division)) = (known, own) {
            places.push(Place { names, kind: *kind, division });
        }
    }
    Some(places)
}
