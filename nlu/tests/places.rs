//! Places to levels and divisions, words of a city, and the shipped model of addresses.

mod support;

use qingting_common::ids::Party;
use qingting_nlu::address::AddressModel;
use qingting_nlu::draft::Field;
use qingting_nlu::profile::{Effect, KindName, Profile, Word};
use qingting_nlu::reader::PlaceLevel;
use qingting_nlu::{Gazetteer, Place, PlaceKind, Reader};
use std::fs;

fn model() -> AddressModel {
    let bytes = fs::read(support::from_root("models/trained/address.qtm")).unwrap();
    AddressModel::from_bytes(&bytes).unwrap()
}

fn gazetteer() -> Gazetteer {
    let place =
        Place {
            names: vec!["文三路".into()], kind: PlaceKind::Road, division: "330106002".into()
        };
    support::gazetteer().with_places(&[place]).unwrap()
}

fn parts(place: &str) -> Vec<(PlaceLevel, String)> {
    let reader = Reader::new(None, gazetteer()).with_addresses(model());
    let parts = reader.locate(place).parts.into_iter();
    parts.map(|part| (part.level, part.text)).collect()
}

#[test]
fn a_place_is_divided_down_to_the_door() {
    use PlaceLevel::*;
    let expected = [
        (Province, "浙江省"),
        (City, "杭州市"),
        (District, "西湖区"),
        (Town, "古荡街道"),
        (Road, "文三路"),
        (RoadNumber, "90号"),
        (Building, "3栋"),
        (Unit, "2单元"),
        (Room, "501室"),
    ]
    .map(|(level, text)| (level, text.to_owned()));
    assert_eq!(parts("浙江省杭州市西湖区古荡街道文三路90号3栋2单元501室"), expected);
    let spoken = parts("阳光花园小区三栋二单元");
    let doors = [(Building, "三栋".to_owned()), (Unit, "二单元".to_owned())];
    assert_eq!(spoken[0], (Estate, "阳光花园小区".to_owned()));
    assert_eq!(spoken[1..], doors);
}

#[test]
fn ranges_count_characters_of_the_place() {
    let reader = Reader::new(None, gazetteer()).with_addresses(model());
    let place = "杭州市西湖区文三路90号";
    let chars: Vec<char> = place.chars().collect();
    let location = reader.locate(place);
    assert!(location.parts.len() >= 4);
    for part in &location.parts {
        assert_eq!(part.text, chars[part.range.clone()].iter().collect::<String>());
    }
    assert!(location.parts.is_sorted_by(|a, b| a.range.end <= b.range.start));
    assert_eq!(location.divisions[0].code(), "330106002");
}

#[test]
fn without_a_model_the_rules_alone_divide() {
    let reader = Reader::new(None, support::gazetteer());
    let levels: Vec<PlaceLevel> =
        reader.locate("西湖区学院路12号").parts.iter().map(|part| part.level).collect();
    assert_eq!(levels, [PlaceLevel::District, PlaceLevel::Road, PlaceLevel::RoadNumber]);
}

#[test]
fn a_citys_words_and_names_count_in_talk() {
    let word = |word: &str, effect, target: &str| Word {
        word: word.into(),
        effect,
        target: target.into(),
    };
    let mut profile = Profile::built_in();
    profile.words = vec![
        word("翻坝了", Effect::Emergency, "119"),
        word("灯谜节", Effect::Tourism, ""),
        word("讨薪堵门", Effect::Sensitive, "110"),
    ];
    profile.kinds =
        vec![KindName { name: "感谢".into(), kind: "表扬".into(), meaning: String::new() }];
    let reader = Reader::new(None, gazetteer()).with_profile(&profile);
    let shown = |text: &str, field| {
        let said = support::utterances([(Party::Caller, text)].into_iter());
        let tags = reader.read(&said, &support::context());
        support::shown(&tags, field).map(|tag| tag.value.clone())
    };
    assert_eq!(shown("村口那个水库翻坝了", Field::Emergency).as_deref(), Some("119"));
    assert_eq!(shown("那边在讨薪堵门", Field::Emergency).as_deref(), Some("110"));
    assert_eq!(shown("我来看灯谜节门票退不了", Field::Tourism).as_deref(), Some("true"));
    assert_eq!(shown("我想表扬一下公交司机", Field::AppealKind).as_deref(), Some("感谢"));
    assert_eq!(shown("我在文三路90号这里路灯坏了", Field::Place).as_deref(), Some("文三路90号"));
}
