use super::*;
use encoding_rs::GB18030;

fn divisions() -> Gazetteer {
    Gazetteer::from_csv(
        "code,name\n33,浙江省\n",
        "code,name\n3301,杭州市\n",
        "code,name\n330106,西湖区\n",
        "code,name\n330106002,古荡街道\n",
    )
    .unwrap()
}

fn profile(given: Part, bytes: &[u8]) -> Result<Profile, ProfileErrors> {
    let file = format!("{}.csv", given.stem());
    let table = |part| (part == given).then(|| Table::from_csv(&file, bytes));
    Profile::of_tables(table, &divisions())
}

fn told(given: Part, text: &str) -> Vec<String> {
    let errors = profile(given, text.as_bytes()).unwrap_err();
    assert_eq!(errors.more, 0);
    errors.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn the_default_profile_is_sound_and_has_three_levels() {
    let profile = Profile::built_in();
    let codes: Vec<&str> = profile.categories.codes().collect();
    let depth = |depth| {
        codes.iter().filter(|code| profile.categories.path(code).unwrap().len() == depth).count()
    };
    assert_eq!(depth(1), 15);
    assert!(depth(2) >= 90 && depth(3) >= 300 && depth(4) == 0, "{} {}", depth(2), depth(3));
    assert!(profile.units.len() >= 30);
    assert!(profile.units.iter().all(|unit| !unit.duties.is_empty() && unit.territory.is_empty()));
    assert_eq!(profile.kinds.len(), KINDS.len());
    assert!(profile.places.is_empty() && profile.words.is_empty(), "nothing of any city");
}

#[test]
fn a_profile_in_gb18030_with_chinese_headers_is_the_same() {
    let text = "编码,上级编码,名称,办理时限（小时）\nA,,城市管理,120\nA1,A,占道经营,\n";
    let read = profile(Part::Categories, &GB18030.encode(text).0).unwrap();
    assert_eq!(read.categories.path("A1").unwrap(), ["城市管理", "占道经营"]);
    assert_eq!(read.categories.deadline_hours("A1"), Some(120), "from the level above");
    assert_eq!(read.categories.code_of(&["城市管理", "占道经营"]), Some("A1"));
    assert_eq!(read.kind_name("投诉"), "投诉");
}

#[test]
fn a_wrong_encoding_and_missing_columns_are_told_at_once() {
    let table = |part| match part {
        Part::Categories => Some(Table::from_csv("categories.csv", b"code,name\n\xff\xff\x80,a\n")),
        Part::Units => Some(Table::from_csv("units.csv", b"code,name\n1,a\n")),
        _ => None,
    };
    let errors = Profile::of_tables(table, &divisions()).unwrap_err().to_string();
    let lines: Vec<&str> = errors.lines().collect();
    assert!(lines[0].starts_with("categories.csv row 2: neither UTF-8 nor GB18030"), "{errors}");
    for (line, column) in lines[1..].iter().zip(["aliases", "duties", "territory"]) {
        assert!(line.starts_with(&format!("units.csv row 1: no column {column:?}")), "{errors}");
    }
    assert_eq!(lines.len(), 4);
    let chinese = told(Part::Units, "编码,名称\n1,甲局\n");
    assert!(chinese[0].contains("no column \"别名\""), "{chinese:?}");
}

#[test]
fn duplicates_unknown_parents_and_cycles_name_their_rows() {
    let text = "code,parent,name\na,c,甲\nb,a,乙\nc,b,丙\nb,,丁\nd,x,戊\ne,e,己\n";
    assert_eq!(
        told(Part::Categories, text),
        [
            "categories.csv row 5, column \"code\": \"b\" is in row 3 already: give each row its own",
            "categories.csv row 6, column \"parent\": no row has the code \"x\": add it, or leave the \
             cell empty for a first level",
            "categories.csv row 2, column \"parent\": a circle through the rows 2, 4, 3: give one of \
             them a parent outside of it",
            "categories.csv row 7, column \"parent\": a circle through the rows 7: give one of them a \
             parent outside of it",
        ]
    );
    let chain: Vec<String> = (0..20).map(|at| format!("{},{at},名{at}", at + 1)).collect();
    let deep = format!("code,parent,name\n0,,根\n{}\n", chain.join("\n"));
    assert!(told(Part::Categories, &deep)[0].contains("deeper than 12 levels"));
    let twins = told(Part::Categories, "code,parent,name\na,,甲\nb,a,乙\nc,a,乙\nd,,甲/乙\n");
    assert!(twins[0].contains("row 4") && twins[0].contains("same parent"), "{twins:?}");
    assert!(twins[1].contains("row 5") && twins[1].contains("divides the levels"), "{twins:?}");
}

#[test]
fn units_own_known_territory_alone() {
    let text = "code,name,aliases,duties,territory\n\
                1,西湖区城管局,城管;城管局,占道经营、市容,330106；330106002\n\
                2,西湖区城管局,,,3309\n";
    let wrong = told(Part::Units, text);
    assert!(wrong[0].starts_with("units.csv row 3, column \"name\""), "{wrong:?}");
    assert!(wrong[1].contains("no division has the code \"3309\""), "{wrong:?}");
    let right =
        &profile(Part::Units, text.lines().take(2).collect::<Vec<_>>().join("\n").as_bytes());
    let unit = &right.as_ref().unwrap().units[0];
    assert_eq!((unit.aliases.len(), unit.duties.len(), unit.territory.len()), (2, 2, 2));
}

#[test]
fn kinds_places_and_words_say_what_fits() {
    let kinds = told(Part::Kinds, "name,kind,meaning\n感谢,表扬,\n吐槽,抱怨,\n谢谢,表扬,\n");
    assert!(kinds[0].contains("row 3") && kinds[0].contains("none of 咨询"), "{kinds:?}");
    assert!(kinds[1].contains("row 4, column \"kind\""), "{kinds:?}");
    let named = profile(Part::Kinds, "name,kind,meaning\n感谢,表扬,\n".as_bytes()).unwrap();
    assert_eq!((named.kind_name("表扬"), named.kind_name("投诉")), ("感谢", "投诉"));
    let places = told(
        Part::Places,
        "name,kind,division,aliases\n文三路,街,330106,\n武林门,地标,,\n一,社区,330199,\n",
    );
    assert!(places[0].contains("row 2, column \"kind\""), "{places:?}");
    assert!(places[1].contains("row 3, column \"division\": is empty"), "{places:?}");
    assert!(places[2].contains("330199") && places[3].contains("\"一\""), "{places:?}");
    let words = told(Part::Words, "word,effect,target\n龙卷风,紧急,\n灯会,涉旅,110\n坝,敏感,119\n");
    assert!(words[0].contains("row 2") && words[1].contains("row 3"), "{words:?}");
    assert!(words[2].contains("row 4") && words[2].contains("shorter"), "{words:?}");
}

#[test]
fn quality_checks_have_limits_that_make_sense() {
    let rules = Profile::built_in().quality;
    assert_eq!(rules.all().len(), crate::quality::Kind::ALL.len());
    let wrong = told(
        Part::Quality,
        "项目,限值,扣分,最多扣分,用语\n开头语,10,10,10,\n静默,2,5,5,\n静默,20,5,5,\n语调,1,1,1,\n\
         服务禁语,,20,140,不\n抢话,800,3,15,您好\n",
    );
    let of_rows: Vec<&str> = wrong.iter().filter_map(|told| told.split(':').next()).collect();
    assert_eq!(
        of_rows,
        [
            "quality.csv row 2, column \"用语\"",
            "quality.csv row 3, column \"限值\"",
            "quality.csv row 4, column \"项目\"",
            "quality.csv row 5, column \"项目\"",
            "quality.csv row 6, column \"最多扣分\"",
            "quality.csv row 6, column \"用语\"",
            "quality.csv row 7, column \"用语\"",
        ],
        "{wrong:?}"
    );
    let some =
        profile(Part::Quality, "check,limit,points,points_max,phrases\nhold,30,2,6,\n".as_bytes());
    assert_eq!(some.unwrap().quality.all().len(), 1, "what is not there is not checked");
}

#[test]
fn mistakes_beyond_the_most_are_counted() {
    let rows: String = (0..150).map(|at| format!("{at},nowhere,名{at}\n")).collect();
    let errors = profile(Part::Categories, format!("code,parent,name\n{rows}").as_bytes());
    let errors = errors.unwrap_err();
    assert_eq!((errors.errors.len(), errors.more), (ERRORS_MAX, 50));
    assert!(errors.to_string().ends_with("… and 50 more"));
}

#[test]
fn what_is_retired_stays_known_and_so_does_what_lies_below() {
    let text = "编码,上级编码,名称,停用\nA,,市容,是\nA1,A,路灯,\nB,,公用,否\n";
    let read = profile(Part::Categories, text.as_bytes()).unwrap().categories;
    let retired: Vec<bool> = read.codes().map(|code| read.is_retired(code)).collect();
    assert_eq!(retired, [true, true, false]);
    assert_eq!(read.code_of(&["市容", "路灯"]), Some("A1"));
    let text = "code,name,aliases,duties,territory,retired\n1,a,,,,yes\n2,b,,,,\n3,c,,,,x\n";
    assert!(told(Part::Units, text)[0].contains("neither"), "{:?}", told(Part::Units, text));
    let units = profile(Part::Units, text.replace(",x", ",no").as_bytes()).unwrap().units;
    assert_eq!(units.iter().map(|unit| unit.is_retired).collect::<Vec<_>>(), [true, false, false]);
}
