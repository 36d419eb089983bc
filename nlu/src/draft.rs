//! The ticket draft: what the machine heard and what a person decided, field by field.

use crate::reader::CONFIDENCE_MIN;
use qingting_common::{Pii, SegmentId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A field of the ticket (工单).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// 标题.
    Title,
    /// 诉求内容, from the caller's words.
    Description,
    /// 诉求类型: 咨询 求助 投诉 举报 建议 表扬, or about an earlier ticket 催办 补充 撤销 反馈.
    AppealKind,
    /// 事项分类: a path in the city's tree, levels joined by `/`.
    Category,
    /// 承办单位: the suggested handling unit's name.
    HandlingUnit,
    /// 紧急: `110`, `119`, `120` or `122` when the matter is theirs.
    Emergency,
    /// 涉企: `true`.
    Enterprise,
    /// 涉旅: `true`.
    Tourism,
    /// 保密: `true` when the caller wants to stay unknown to the unit.
    Confidential,
    /// 联系人.
    CallerName,
    /// 联系电话: digits only.
    Phone,
    /// 发生时间, as ISO 8601 where it is certain, else as it was said.
    OccurredAt,
    /// 事发地点.
    Place,
    /// 被反映方: the party complained of, as it was called.
    Respondent,
    /// 涉及金额, in yuan: digits with at most one point, such as `3000` or `12.5`.
    Amount,
    /// 车牌号, such as `浙A12345`.
    Plate,
    /// 原工单编号: the number of an earlier ticket.
    EarlierTicket,
    /// 方便回访时间, as it was said.
    CallbackTime,
    /// 办理时限, as ISO 8601: where a rule sets one, such as 24 hours for 涉旅.
    Deadline,
}

impl Field {
    /// Every field, in the order in which a seat reads them.
    pub const ALL: [Self; 19] = [
        Self::Title,
        Self::Description,
        Self::AppealKind,
        Self::Category,
        Self::HandlingUnit,
        Self::Emergency,
        Self::Enterprise,
        Self::Tourism,
        Self::Confidential,
        Self::CallerName,
        Self::Phone,
        Self::OccurredAt,
        Self::Place,
        Self::Respondent,
        Self::Amount,
        Self::Plate,
        Self::EarlierTicket,
        Self::CallbackTime,
        Self::Deadline,
    ];

    /// The name in JSON, the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Description => "description",
            Self::AppealKind => "appeal_kind",
            Self::Category => "category",
            Self::HandlingUnit => "handling_unit",
            Self::Emergency => "emergency",
            Self::Enterprise => "enterprise",
            Self::Tourism => "tourism",
            Self::Confidential => "confidential",
            Self::CallerName => "caller_name",
            Self::Phone => "phone",
            Self::OccurredAt => "occurred_at",
            Self::Place => "place",
            Self::Respondent => "respondent",
            Self::Amount => "amount",
            Self::Plate => "plate",
            Self::EarlierTicket => "earlier_ticket",
            Self::CallbackTime => "callback_time",
            Self::Deadline => "deadline",
        }
    }

    /// The name that the seat reads.
    pub const fn label_zh(self) -> &'static str {
        match self {
            Self::Title => "标题",
            Self::Description => "诉求内容",
            Self::AppealKind => "诉求类型",
            Self::Category => "事项分类",
            Self::HandlingUnit => "承办单位",
            Self::Emergency => "紧急",
            Self::Enterprise => "涉企",
            Self::Tourism => "涉旅",
            Self::Confidential => "保密",
            Self::CallerName => "联系人",
            Self::Phone => "联系电话",
            Self::OccurredAt => "发生时间",
            Self::Place => "事发地点",
            Self::Respondent => "被反映方",
            Self::Amount => "涉及金额",
            Self::Plate => "车牌号",
            Self::EarlierTicket => "原工单编号",
            Self::CallbackTime => "方便回访时间",
            Self::Deadline => "办理时限",
        }
    }

    /// The field of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }
}

/// Where in the transcript a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The segment in which it was said.
    pub segment: SegmentId,
    /// First character of the span, counted in characters (not bytes) of the segment's text.
    pub start: u32,
    /// One past the last character.
    pub end: u32,
    /// The words themselves.
    pub quote: Pii<String>,
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The machine: may be replaced by a better reading.
    Machine,
    /// A person: never replaced by the machine.
    Person,
}

/// One field's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldValue {
    /// The value as stored.
    pub value: Pii<String>,
    /// 0 to 1. A person's value has 1.
    pub confidence: f32,
    /// Who set it.
    pub source: Source,
    /// What it rests on; empty for a person's value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// What the machine read from the transcript: a candidate for one field. `Debug` leaves the value out:
/// it holds the caller's words.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Tag {
    /// The field it would fill.
    pub field: Field,
    /// The value as stored.
    pub value: String,
    /// 0 to 1.
    pub confidence: f32,
    /// What it rests on; never empty.
    pub evidence: Vec<Evidence>,
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tag")
            .field("field", &self.field)
            .field("value", &"<redacted>")
            .field("confidence", &self.confidence)
            .field("evidence", &self.evidence)
            .finish()
    }
}

/// From this difference in confidence on, a reading of an equal value is news.
const CONFIDENCE_STEP: f32 = 0.1;
/// By so much a new reading must be surer than the value that stands, while that is still read.
const REPLACE_MARGIN: f32 = 0.1;
/// A value that stands stays until its reading is weaker than this; a new one needs
/// [`CONFIDENCE_MIN`].
const KEEP_MIN: f32 = 0.4;

impl Tag {
    /// Whether it fills an empty field. A weak reading of a slot is worse than an empty field, because
    /// somebody must first take it out; a weak title is better than none. A doubtful emergency passes
    /// from the reader's own, lower limit on: a seat dismisses a false alarm with a glance, and nobody
    /// sees one that was dropped.
    fn fills(&self) -> bool {
        self.even_weak() || self.confidence >= CONFIDENCE_MIN
    }

    /// Whether it keeps its value in the field.
    fn keeps(&self) -> bool {
        self.even_weak() || self.confidence >= KEEP_MIN
    }

    fn even_weak(&self) -> bool {
        matches!(self.field, Field::Title | Field::Description | Field::Emergency)
    }
}

impl FieldValue {
    /// Whether a seat who knows `known` learns something from this value.
    fn is_news_after(&self, known: &Self) -> bool {
        self.value != known.value
            || self.source != known.source
            || (self.confidence - known.confidence).abs() >= CONFIDENCE_STEP
    }
}

/// The draft of a ticket. Invariant: a value with [`Source::Person`] is never changed by
/// [`TicketDraft::prefill`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketDraft {
    fields: BTreeMap<Field, FieldValue>,
}

impl TicketDraft {
    /// The value of a field.
    pub fn field(&self, field: Field) -> Option<&FieldValue> {
        self.fields.get(&field)
    }

    /// All fields that have a value, in order.
    pub fn fields(&self) -> impl Iterator<Item = (Field, &FieldValue)> {
        self.fields.iter().map(|(field, value)| (*field, value))
    }

    /// Takes the machine's reading of the whole transcript so far: every candidate, however weak.
    /// Fields that a person set stay; fields that the machine no longer reads are cleared. Returns the
    /// fields that changed.
    ///
    /// **A value does not flicker**: while it is still read, with 0.4 or more, another replaces it only
    /// when that is surer by 0.1. A value that is read no more, because the caller corrected it or more
    /// was said, gives way at once.
    ///
    /// An equal value whose confidence moved by less than 0.1 is no change and is kept as it was,
    /// evidence included: the store makes a revision of each change, and a revision makes the edits
    /// of seats conflict.
    pub fn prefill(&mut self, tags: &[Tag]) -> Vec<Field> {
        let mut changed = Vec::new();
        for field in Field::ALL {
            let known = self.fields.get(&field);
            if known.is_some_and(|value| value.source == Source::Person) {
                continue;
            }
            let read = chosen(tags.iter().filter(|tag| tag.field == field), known);
            let same = match (known, &read) {
                (Some(known), Some(read)) => !read.is_news_after(known),
                (known, read) => known.is_none() && read.is_none(),
            };
            if same {
                continue;
            }
            match read {
                Some(value) => self.fields.insert(field, value),
                None => self.fields.remove(&field),
            };
            changed.push(field);
        }
        changed
    }

    /// Sets a field as a person decided; an empty value means "leave it empty" and is kept, so that
    /// the machine does not fill it again.
    pub fn edit(&mut self, field: Field, value: String) {
        self.fields.insert(
            field,
            FieldValue {
                value: Pii::new(value),
                confidence: 1.0,
                source: Source::Person,
                evidence: Vec::new(),
            },
        );
    }
}

/// The reading that stands from now on: the surest, or the one of the value that stands unless the
/// surest is surer by [`REPLACE_MARGIN`].
fn chosen<'a>(
    candidates: impl Iterator<Item = &'a Tag> + Clone,
    known: Option<&FieldValue>,
) -> Option<FieldValue> {
    let surest = |tags: &mut dyn Iterator<Item = &'a Tag>| {
        tags.max_by(|a, b| a.confidence.total_cmp(&b.confidence))
    };
    let is_known = |tag: &&Tag| known.is_some_and(|known| *known.value.expose() == tag.value);
    let standing = surest(&mut candidates.clone().filter(|tag| is_known(tag) && tag.keeps()));
    let best = surest(&mut candidates.filter(|tag| tag.fills()));
    let tag = match (standing, best) {
        (Some(standing), Some(best)) if best.confidence >= standing.confidence + REPLACE_MARGIN => {
            best
        }
        (Some(standing), _) => standing,
        (None, best) => best?,
    };
    Some(FieldValue {
        value: Pii::new(tag.value.clone()),
        confidence: tag.confidence,
        source: Source::Machine,
        evidence: tag.evidence.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(field: Field, value: &str, confidence: f32) -> Tag {
        Tag { field, value: value.into(), confidence, evidence: Vec::new() }
    }

    #[test]
    fn the_machine_never_overwrites_a_person() {
        let mut draft = TicketDraft::default();
        draft.prefill(&[tag(Field::Place, "三栋", 0.6)]);
        draft.edit(Field::Place, "五栋".into());
        assert_eq!(draft.prefill(&[tag(Field::Place, "三栋", 0.99)]), []);
        assert_eq!(draft.field(Field::Place).unwrap().value.expose(), "五栋");
    }

    #[test]
    fn a_person_can_keep_a_field_empty() {
        let mut draft = TicketDraft::default();
        draft.edit(Field::Phone, String::new());
        draft.prefill(&[tag(Field::Phone, "13800138000", 0.9)]);
        assert_eq!(draft.field(Field::Phone).unwrap().value.expose(), "");
    }

    #[test]
    fn the_surer_reading_wins_and_a_withdrawn_one_goes() {
        let mut draft = TicketDraft::default();
        let changed = draft
            .prefill(&[tag(Field::AppealKind, "咨询", 0.4), tag(Field::AppealKind, "投诉", 0.8)]);
        assert_eq!(changed, [Field::AppealKind]);
        assert_eq!(draft.field(Field::AppealKind).unwrap().value.expose(), "投诉");
        assert_eq!(draft.prefill(&[]), [Field::AppealKind]);
        assert!(draft.field(Field::AppealKind).is_none());
    }

    #[test]
    fn a_value_that_is_still_read_gives_way_to_a_clearly_surer_one_alone() {
        let kinds = |help, complaint| {
            [tag(Field::AppealKind, "求助", help), tag(Field::AppealKind, "投诉", complaint)]
        };
        let mut draft = TicketDraft::default();
        draft.prefill(&kinds(0.6, 0.5));
        for (help, complaint) in [(0.6, 0.65), (0.58, 0.67), (0.41, 0.49)] {
            draft.prefill(&kinds(help, complaint));
            assert_eq!(draft.field(Field::AppealKind).unwrap().value.expose(), "求助");
        }
        assert_eq!(draft.prefill(&kinds(0.6, 0.75)), [Field::AppealKind]);
        assert_eq!(draft.field(Field::AppealKind).unwrap().value.expose(), "投诉");
        assert_eq!(
            draft.prefill(&kinds(0.6, 0.39)),
            [Field::AppealKind],
            "it is hardly read any more"
        );
        assert_eq!(draft.field(Field::AppealKind).unwrap().value.expose(), "求助");
    }

    #[test]
    fn a_weak_reading_fills_no_slot_but_keeps_one() {
        let mut draft = TicketDraft::default();
        assert_eq!(draft.prefill(&[tag(Field::Place, "三栋", 0.49)]), []);
        assert_eq!(draft.prefill(&[tag(Field::Emergency, "119", 0.3)]), [Field::Emergency]);
        draft.prefill(&[tag(Field::Place, "三栋", 0.5)]);
        draft.prefill(&[tag(Field::Place, "三栋", 0.42)]);
        assert!(draft.field(Field::Place).is_some());
        draft.prefill(&[tag(Field::Place, "三栋", 0.3)]);
        assert!(draft.field(Field::Place).is_none());
    }

    #[test]
    fn the_same_value_from_other_words_is_no_change() {
        let evidence = |end| Evidence {
            segment: SegmentId::new(uuid::Uuid::nil()),
            start: 0,
            end,
            quote: Pii::new("三栋".into()),
        };
        let place = |confidence, end| Tag {
            evidence: vec![evidence(end)],
            ..tag(Field::Place, "三栋", confidence)
        };
        let mut draft = TicketDraft::default();
        draft.prefill(&[place(0.6, 2)]);
        let first = draft.clone();
        assert_eq!(draft.prefill(&[place(0.65, 9)]), []);
        assert_eq!(draft, first);
        assert_eq!(draft.prefill(&[place(0.69, 9)]), [], "small steps add up from the kept value");
        assert_eq!(draft.prefill(&[place(0.75, 9)]), [Field::Place]);
        assert_eq!(draft.field(Field::Place).unwrap().evidence[0].end, 9);
        assert_eq!(draft.prefill(&[tag(Field::Place, "五栋", 0.75)]), [Field::Place]);
    }

    #[test]
    fn a_tag_does_not_print_what_was_said() {
        let printed = format!("{:?}", tag(Field::Phone, "13800138000", 0.9));
        assert!(!printed.contains("138001"), "{printed}");
        assert!(printed.contains("Phone") && printed.contains("0.9"), "{printed}");
    }
}
