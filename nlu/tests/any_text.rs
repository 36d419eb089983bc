//! Whatever is said, every tag fits the ticket and points at the words that it rests on.

mod support;

use proptest::prelude::*;
use qingting_common::{UnixMillis, ids::Party};
use qingting_nlu::draft::{Evidence, Field, Tag};
use qingting_nlu::{CallContext, LocalTime, Reader, Utterance};
use std::sync::OnceLock;
use support::{context, utterances};

/// Pieces that rules look for, so that random texts reach them.
const PIECES: [&str; 48] = [
    "我要投诉",
    "不是",
    "不对",
    "是",
    "幺三八",
    "零零一三八零零零",
    "13 800",
    "138000",
    "一百",
    "三个八",
    "电话",
    "尾号是",
    "就是这个号",
    "我姓",
    "王",
    "我叫李明",
    "女士",
    "阳光小区",
    "人民路",
    "和",
    "三栋",
    "二单元",
    "五零一",
    "号",
    "附",
    "路口",
    "东门",
    "杭州市",
    "西湖区",
    "昨天",
    "上周三",
    "三月五号",
    "二十",
    "点",
    "半",
    "晚上十二",
    "三天前",
    "半小时前",
    "着火了",
    "没有",
    "有人晕倒",
    "我们公司",
    "旅行社",
    "嗯",
    "，",
    "\u{0}",
    "\n",
    "Ａ座",
];

fn texts() -> impl Strategy<Value = Vec<(bool, String)>> {
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => proptest::char::range('\u{4e00}', '\u{4fff}').prop_map(String::from),
    ];
    let text = proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat());
    let caller = prop_oneof![4 => Just(true), 1 => Just(false)];
    proptest::collection::vec((caller, text), 0..6)
}

fn reader() -> &'static Reader {
    static READER: OnceLock<Reader> = OnceLock::new();
    READER.get_or_init(support::reader)
}

/// The limits of `store/src/check.rs`.
fn fits(tag: &Tag) -> bool {
    let chars_max = if tag.field == Field::Description { 4_000 } else { 200 };
    let length = tag.value.chars().count();
    let kinds = ["咨询", "求助", "投诉", "举报", "建议", "表扬", "催办", "补充", "撤销", "反馈"];
    let known = match tag.field {
        Field::AppealKind => kinds.contains(&tag.value.as_str()),
        Field::Emergency => ["110", "119", "120", "122"].contains(&tag.value.as_str()),
        Field::Enterprise | Field::Tourism => tag.value == "true",
        Field::Phone => (3..=20).contains(&length) && tag.value.bytes().all(|b| b.is_ascii_digit()),
        Field::Title => length <= 30,
        _ => true,
    };
    let control = |c: char| c.is_control() && !(tag.field == Field::Description && c == '\n');
    known && (1..=chars_max).contains(&length) && !tag.value.chars().any(control)
}

fn check(said: &[Utterance<'_>], tags: &[Tag]) -> Result<(), TestCaseError> {
    for tag in tags {
        prop_assert!(fits(tag), "{:?} {:?}", tag.field, tag.value);
        prop_assert!((0.0..=1.0).contains(&tag.confidence), "{}", tag.confidence);
        prop_assert!(!tag.evidence.is_empty(), "{:?} rests on nothing", tag.field);
        let party = |evidence: &Evidence| {
            said.iter().find(|said| said.id == evidence.segment).map(|said| said.party)
        };
        prop_assert!(tag.evidence.iter().any(|evidence| party(evidence) == Some(Party::Caller)));
        for evidence in &tag.evidence {
            let segment = said.iter().find(|said| said.id == evidence.segment).unwrap();
            // The seat's words count beside the caller's yes alone, and for a number alone.
            prop_assert!(segment.party == Party::Caller || tag.field == Field::Phone);
            let quote: String = segment
                .text
                .chars()
                .skip(evidence.start as usize)
                .take((evidence.end - evidence.start) as usize)
                .collect();
            prop_assert!(evidence.start < evidence.end);
            prop_assert_eq!(&quote, evidence.quote.expose());
            prop_assert!(evidence.end as usize <= segment.text.chars().count());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_tag_fits_and_quotes_what_was_said(
        texts in texts(),
        started in any::<i64>(),
        confidence in any::<f32>(),
    ) {
        let party = |caller| if caller { Party::Caller } else { Party::Seat };
        let mut said = utterances(texts.iter().map(|(caller, text)| (party(*caller), text.as_str())));
        said.iter_mut().for_each(|said| said.confidence = confidence);
        let recent = LocalTime::from_unix_ms(UnixMillis(started));
        for started in [context().started, recent] {
            let tags = reader().read(&said, &CallContext { started, ..context() });
            check(&said, &tags)?;
        }
    }

    #[test]
    fn any_characters_at_all_are_read(text in any::<String>()) {
        let said = utterances([(Party::Caller, text.as_str())].into_iter());
        check(&said, &reader().read(&said, &context()))?;
    }
}

#[test]
fn ten_minutes_of_talk_are_read_whole_and_an_hour_is_cut() {
    let sentence = "我们阳光小区三栋昨天晚上八点停水了物业不管我的电话是幺三八零零幺三八零零零";
    for repeats in [65, 2_000] {
        let said = utterances((0..repeats).map(|_| (Party::Caller, sentence)));
        let tags = reader().read(&said, &context());
        check(&said, &tags).unwrap();
        let phone = tags.iter().find(|tag| tag.field == Field::Phone).unwrap();
        assert_eq!(phone.value, "13800138000");
        assert!(tags.len() < 40, "{} tags", tags.len());
    }
}
