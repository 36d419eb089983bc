//! Labelled appeals as `tests/appeals/README.md` describes them, and readers for tests.
#![allow(dead_code)]

pub(crate) mod answers;
pub(crate) mod score;

use qingting_common::{SegmentId, ids::Party};
use qingting_nlu::classifier::TicketModel;
use qingting_nlu::draft::{Field, Tag};
use qingting_nlu::reader::CONFIDENCE_MIN;
use qingting_nlu::{CallContext, Gazetteer, LastTicket, LocalTime, Reader, Utterance};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use uuid::Uuid;

/// A path below the repository's root.
pub(crate) fn from_root(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", path].iter().collect()
}

/// The shipped category model.
pub(crate) fn model() -> TicketModel {
    TicketModel::from_bytes(&fs::read(from_root("models/trained/category.qtm")).unwrap()).unwrap()
}

/// A few divisions.
pub(crate) fn gazetteer() -> Gazetteer {
    Gazetteer::from_csv(
        "code,name\n33,浙江省\n",
        "code,name,provinceCode\n3301,杭州市,33\n",
        "code,name,cityCode,provinceCode\n330106,西湖区,3301,33\n330110,余杭区,3301,33\n",
        "code,name,areaCode,provinceCode,cityCode\n330106002,古荡街道,330106,33,3301\n",
    )
    .unwrap()
}

/// All divisions, where the data set is present.
pub(crate) fn all_divisions() -> Option<Gazetteer> {
    let read =
        |name: &str| fs::read_to_string(from_root(&format!("../shared/data/divisions/{name}")));
    let [provinces, cities, areas, streets] =
        ["provinces.csv", "cities.csv", "areas.csv", "streets.csv"].map(|name| read(name).ok());
    Some(Gazetteer::from_csv(&provinces?, &cities?, &areas?, &streets?).unwrap())
}

pub(crate) fn reader() -> Reader {
    Reader::new(Some(model()), gazetteer())
}

/// The call of the labelled appeals.
pub(crate) fn context() -> CallContext {
    CallContext {
        started: LocalTime { year: 2026, month: 3, day: 11, hour: 15, minute: 20 },
        caller: Some("13912345678".into()),
        called: "12345".into(),
        last_ticket: LastTicket::default(),
    }
}

/// One labelled appeal.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) said: Vec<(Party, String)>,
    pub(crate) expected: BTreeMap<Field, String>,
    pub(crate) contains: Vec<(Field, String)>,
}

impl Case {
    pub(crate) fn tags(&self, reader: &Reader) -> Vec<Tag> {
        let said = self.said.iter().map(|(party, text)| (*party, text.as_str()));
        reader.read(&utterances(said), &context())
    }
}

/// Utterances with ids in order.
pub(crate) fn utterances<'a>(said: impl Iterator<Item = (Party, &'a str)>) -> Vec<Utterance<'a>> {
    let id = |number: usize| SegmentId::new(Uuid::from_u128(number as u128));
    said.enumerate()
        .map(|(number, (party, text))| Utterance { id: id(number), party, text, confidence: 0.9 })
        .collect()
}

/// The tag that a ticket would show by itself.
pub(crate) fn shown(tags: &[Tag], field: Field) -> Option<&Tag> {
    tags.iter()
        .filter(|tag| tag.field == field && tag.confidence >= CONFIDENCE_MIN)
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

/// Reads a file of labelled appeals.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in file.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            let (said, expected, contains) = Default::default();
            cases.push(Case { name: name.into(), said, expected, contains });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with its name");
        if let Some(text) = line.strip_prefix("c: ") {
            case.said.push((Party::Caller, text.into()));
        } else if let Some(text) = line.strip_prefix("s: ") {
            case.said.push((Party::Seat, text.into()));
        } else if let Some((field, value)) = line.split_once("~ ") {
            case.contains.push((Field::from_name(field).unwrap(), value.into()));
        } else {
            let (field, value) = line.split_once(": ").expect("field: value");
            if value != "-" {
                case.expected.insert(Field::from_name(field).unwrap(), value.into());
            }
        }
    }
    cases
}
