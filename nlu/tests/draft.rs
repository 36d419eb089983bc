//! Titles and descriptions as a seat reads them, and how quietly a draft grows while a call runs.

mod support;

use qingting_common::ids::Party;
use qingting_nlu::Reader;
use qingting_nlu::draft::{Field, Tag, TicketDraft};
use std::collections::BTreeMap;
use support::{cases, context, shown, utterances};

fn read(reader: &Reader, said: &[&str]) -> Vec<Tag> {
    let said = said.iter().map(|text| (Party::Caller, *text));
    reader.read(&utterances(said), &context())
}

fn description(said: &[&str]) -> String {
    let tags = read(&support::reader(), said);
    shown(&tags, Field::Description).map(|tag| tag.value.clone()).unwrap_or_default()
}

#[test]
fn a_description_is_in_the_third_person_and_ends_with_the_request() {
    let said = [
        "喂你好我想反映一下",
        "我们小区从上个月开始每天晚上十点多还在施工",
        "嗯我打过物业电话物业说我也没办法",
        "我姓王电话幺三八零零幺三八零零零",
        "希望你们派人来管一管",
        "好的谢谢",
    ];
    assert_eq!(
        description(&said),
        "来电人反映：来电人所在小区从上个月开始每天晚上十点多还在施工，\
         来电人打过物业电话物业说我也没办法。\n诉求：希望有关部门派人来管一管。"
    );
}

#[test]
fn the_kind_that_the_caller_names_leads() {
    assert!(
        description(&["我要投诉阳光超市卖过期牛奶"]).starts_with("来电人投诉：阳光超市卖过期牛奶")
    );
    assert!(
        description(&["你好我想咨询一下社保卡怎么补办"]).starts_with("来电人咨询：社保卡怎么补办")
    );
}

#[test]
fn what_was_said_before_and_courtesies_are_left_out() {
    let said =
        ["楼下饭店油烟很大", "对对", "是的", "楼下饭店的油烟很大", "就是油烟很大", "没有了谢谢"];
    assert_eq!(description(&said), "来电人反映：楼下饭店油烟很大。");
    assert_eq!(description(&["喂你好", "嗯", "好的再见"]), "");
}

/// Words of the frame and of the third person; everything else must have been said.
const FRAME: [&str; 11] = [
    "来电人所在",
    "来电人处",
    "来电人等",
    "来电人",
    "有关部门",
    "诉求：",
    "反映：",
    "，",
    "。",
    "；",
    "\n",
];
const VERBS: [&str; 7] = ["咨询：", "求助：", "投诉：", "举报：", "建议：", "表扬：", "催办："];

#[test]
fn every_word_of_a_description_was_said() {
    let reader = support::reader();
    let files = [
        include_str!("appeals/dev.txt"),
        include_str!("appeals/held_out.txt"),
        include_str!("appeals/fresh.txt"),
    ];
    for case in files.into_iter().flat_map(cases) {
        let tags = case.tags(&reader);
        let Some(tag) = shown(&tags, Field::Description) else { continue };
        let mut words = tag.value.clone();
        for frame in VERBS.iter().chain(&FRAME) {
            words = words.replace(frame, "");
        }
        let quoted: String = tag.evidence.iter().map(|said| said.quote.expose().as_str()).collect();
        // 希望有关部门, 请有关部门, 能否, 帮 and 请问 may stand for other words of the same meaning.
        let invented: String =
            words.chars().filter(|c| !quoted.contains(*c) && !"请能否帮问".contains(*c)).collect();
        assert_eq!(invented, "", "{}: {}", case.name, tag.value);
    }
}

#[derive(Default)]
struct Changes {
    /// Calls in which the field had a value.
    calls: u32,
    /// Values that gave way to others, or were cleared.
    replaced: u32,
    /// Values that were said more of: the old one's characters are all in the new, in order.
    grown: u32,
}

fn grew(old: &str, new: &str) -> bool {
    let mut new = new.chars();
    old.chars().filter(|c| c.is_alphanumeric()).all(|c| new.any(|other| other == c))
}

/// Reads dialogues as they are heard, utterance by utterance.
fn changes(file: &str) -> BTreeMap<Field, Changes> {
    let reader = support::reader();
    let mut changes: BTreeMap<Field, Changes> = BTreeMap::new();
    for case in cases(file) {
        let mut draft = TicketDraft::default();
        let said: Vec<_> = case.said.iter().map(|(party, text)| (*party, text.as_str())).collect();
        for heard in 1..=said.len() {
            let before = draft.clone();
            draft.prefill(&reader.read(&utterances(said[..heard].iter().copied()), &context()));
            for (field, was) in before.fields() {
                let was = was.value.expose();
                let of_field = changes.entry(field).or_default();
                match draft.field(field).map(|is| is.value.expose()) {
                    Some(is) if is == was => {}
                    Some(is) if grew(was, is) => of_field.grown += 1,
                    _ => {
                        of_field.replaced += 1;
                        println!("  {}: {} {was:?}", case.name, field.as_str());
                    }
                }
            }
        }
        for (field, _) in draft.fields() {
            changes.entry(field).or_default().calls += 1;
        }
    }
    changes
}

#[test]
fn fields_do_not_flicker_while_a_call_runs() {
    for file in [
        include_str!("appeals/dev.txt"),
        include_str!("appeals/held_out.txt"),
        include_str!("appeals/fresh.txt"),
    ] {
        for (field, Changes { calls, replaced, grown }) in changes(file) {
            println!("{:<14} {calls} calls, {replaced} replaced, {grown} grown", field.as_str());
            // Corrections are among them: a few calls of each file are there to make some.
            assert!(replaced * 5 <= calls, "{field:?}: {replaced} in {calls} calls");
        }
    }
}
