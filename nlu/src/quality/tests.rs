//! Made calls with known faults: each is found at its time, and nothing else is.

use super::*;
use crate::profile::Profile;

/// A sentence at about 240 syllables a minute, from a time on.
fn says(party: Party, from_ms: u64, text: &str) -> Said {
    let length = text.chars().filter(|c| c.is_alphanumeric()).count() as u64 * 250;
    let when = from_ms..from_ms + length;
    Said { party, when, text: Pii::new(text.to_owned()), confidence: 0.9 }
}

fn seat(from_ms: u64, text: &str) -> Said {
    says(Party::Seat, from_ms, text)
}

fn citizen(from_ms: u64, text: &str) -> Said {
    says(Party::Caller, from_ms, text)
}

const END_MS: u64 = 60_000;

/// A minute that is as it should be.
fn good() -> Call {
    let present = |who, when| Present { who, when };
    Call {
        present: vec![
            present(Who::Citizen, 0..END_MS),
            present(Who::Seat("801".into()), 5_000..END_MS),
        ],
        said: vec![
            seat(5_500, "您好，12345热线，请问有什么可以帮您？"),
            citizen(11_000, "我们小区门口的路灯坏了一个星期了，晚上很黑，老人摔了一跤"),
            seat(19_000, "好的，请问您说的是哪个小区，具体在什么位置？"),
            citizen(25_000, "翠湖小区三号楼旁边那一盏"),
            seat(29_000, "我已经帮您记录下来，会转给城管局，五个工作日内给您答复。"),
            citizen(37_000, "你们上次也是这么说的，你有完没完，我就这态度"),
            seat(43_000, "非常理解您的心情，我们会催促他们尽快处理。"),
            citizen(49_000, "那好吧谢谢"),
            seat(52_000, "感谢您的来电，再见。"),
        ],
        ..Call::default()
    }
}

fn found(call: &Call) -> Vec<(Kind, u64)> {
    let checked = check(call, &Profile::built_in().quality);
    checked.findings.iter().map(|finding| (finding.kind, finding.when.start)).collect()
}

#[test]
fn a_good_call_has_no_findings_whatever_the_citizen_says() {
    let checked = check(&good(), &Profile::built_in().quality);
    assert_eq!(checked.findings, [], "{checked:?}");
    let measures = checked.measures;
    assert!(measures.heard && measures.talk_ms == 55_000 && measures.silence_ms == 0);
    assert!(measures.pace.is_some_and(|pace| (200..=260).contains(&pace)), "{measures:?}");
}

#[test]
fn every_known_fault_is_found_at_its_time_and_alone() {
    let with = |change: &dyn Fn(&mut Call)| {
        let mut call = good();
        change(&mut call);
        found(&call)
    };
    let text = |call: &mut Call, at: usize, text: &str| call.said[at].text = Pii::new(text.into());
    assert_eq!(with(&|call| text(call, 0, "喂，哪位，什么事情，说吧")), [(Kind::Greeting, 5_000)]);
    assert_eq!(with(&|call| text(call, 8, "好了就这样吧挂了")), [(Kind::Closing, 40_000)]);
    let away = |call: &mut Call| call.said.drain(3..6).for_each(drop);
    assert_eq!(with(&away), [(Kind::Silence, 23_750)]);
    let early = |call: &mut Call| call.said[2].when = 15_000..20_000;
    assert_eq!(with(&early), [(Kind::TalkOver, 15_000)]);
    let rude = |call: &mut Call| text(call, 6, "这个不归我们管，您找别人去");
    assert_eq!(with(&rude), [(Kind::Forbidden, 43_730)]);
    let held = |call: &mut Call| {
        call.present.iter_mut().for_each(|of| of.when.end += 70_000);
        call.said
            .iter_mut()
            .skip(7)
            .for_each(|of| of.when = of.when.start + 70_000..of.when.end + 70_000);
        call.holds.push(48_000..118_000);
    };
    assert_eq!(with(&held), [(Kind::Hold, 48_000)]);
    let fast = |call: &mut Call| {
        for said in call.said.iter_mut().filter(|said| said.party == Party::Seat) {
            let words = said.text.expose().repeat(2);
            said.text = Pii::new(words);
        }
    };
    let kinds: Vec<Kind> = with(&fast).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::Pace]);
}

#[test]
fn what_was_misheard_is_no_fault_and_a_misheard_fault_is_less_certain() {
    let rules = Profile::built_in().quality;
    let mut call = good();
    call.said[0].text = Pii::new("宁好一二三四五热线".into());
    call.said[8].text = Pii::new("感谢您的来店在见".into());
    assert_eq!(found(&call), []);
    let sure = |text: &str| {
        let mut call = good();
        call.said[6].text = Pii::new(text.into());
        let checked = check(&call, &rules);
        assert_eq!(checked.findings.len(), 1, "{text}: {checked:?}");
        (checked.findings[0].confidence, checked.findings[0].phrase.clone())
    };
    let (written, phrase) = sure("这个不归我们管");
    let (misheard, same) = sure("这个不龟我们管");
    assert!(misheard < written && written <= 0.9, "{misheard} {written}");
    assert_eq!((phrase.as_str(), same.as_str()), ("不归我们管", "不归我们管"));
}

#[test]
fn words_of_others_and_polite_ones_are_not_held_against_the_seat() {
    for fine in [
        "您说他们告诉您不归我们管，是吗",
        "不知道您方便留一个电话吗",
        "您知不知道具体是哪一天",
        "这要不，知道的人不多",
    ] {
        let mut call = good();
        call.said[6].text = Pii::new(fine.into());
        assert_eq!(found(&call), [], "{fine}");
    }
    for rude in ["我跟您说不归我们管", "您说完了吗？不归我们管"] {
        let mut call = good();
        call.said[6].text = Pii::new(rude.into());
        assert_eq!(found(&call).len(), 1, "{rude}");
    }
}

#[test]
fn what_nobody_heard_is_not_missed() {
    let rules = Profile::built_in().quality;
    let mut call = good();
    call.said.remove(0);
    call.said.pop();
    call.gaps = vec![(Party::Seat, 5_500..9_000), (Party::Seat, 51_000..60_000)];
    assert_eq!(found(&call), []);
    let mut silent = good();
    silent.said.retain(|said| said.party == Party::Caller);
    let checked = check(&silent, &rules);
    assert!(!checked.measures.heard && checked.findings.is_empty());
    // An emergency service on the line is not transcribed.
    let mut joined = good();
    joined.said.drain(3..6);
    joined.present.push(Present { who: Who::Unheard, when: 24_000..45_000 });
    assert_eq!(found(&joined), []);
    // Who was gone at once was not greeted for want of time.
    let mut gone = good();
    gone.said.retain(|said| said.when.start > 20_000);
    gone.present.iter_mut().for_each(|of| of.when.end = 7_000);
    assert_eq!(found(&gone), []);
}

#[test]
fn the_score_is_the_sum_of_points_up_to_the_most_of_each_kind() {
    let mut call = good();
    for at in [2, 4, 6] {
        call.said[at].text = Pii::new("这个不归我们管，这个不归我们管".into());
    }
    let rules = Profile::built_in().quality;
    let rule = rules.rule(Kind::Forbidden).unwrap();
    let checked = check(&call, &rules);
    let points: Vec<u32> = checked.findings.iter().map(|finding| finding.points).collect();
    assert_eq!(points, [20, 20, 0, 0, 0, 0]);
    assert_eq!((rule.points, rule.points_max), (20, 40));
    assert_eq!((score(points.iter().sum()), score(200)), (60, 0));
    assert_eq!(
        check(&call, &Rules::default()).findings,
        [],
        "a kind without a rule is not checked"
    );
}

/// As a recogniser writes it that hears syllables and knows no words.
fn misheard(text: &str) -> String {
    let pairs = [
        ('您', '宁'),
        ('好', '号'),
        ('请', '情'),
        ('问', '文'),
        ('再', '在'),
        ('见', '件'),
        ('来', '莱'),
        ('电', '店'),
        ('归', '龟'),
        ('管', '馆'),
        ('这', '着'),
        ('们', '门'),
        ('感', '敢'),
        ('谢', '泄'),
        ('服', '福'),
        ('务', '物'),
    ];
    let other = |c: char| pairs.iter().find(|(is, _)| *is == c).map_or(c, |(_, other)| *other);
    text.chars().map(other).collect()
}

/// All calls that have some of five faults, each heard well and badly: what is found is what was made.
#[test]
fn of_sixty_four_made_calls_all_faults_are_found_and_nothing_else() {
    let rules = Profile::built_in().quality;
    let (mut made, mut right, mut wrong) = (0, 0, 0);
    for faults in 0..64_u32 {
        let has = |fault: u32| faults & (1 << fault) != 0;
        let mut call = good();
        let mut expected = Vec::new();
        let mut say = |at: usize, text: &str| call.said[at].text = Pii::new(text.into());
        if has(0) {
            say(0, "喂，哪位，什么事情，说吧");
            expected.push(Kind::Greeting);
        }
        if has(1) {
            say(8, "好了就这样吧挂了");
            expected.push(Kind::Closing);
        }
        if has(2) {
            say(6, "这个不归我们管，您找别人去");
            expected.push(Kind::Forbidden);
        }
        if has(3) {
            call.said[2].when = 15_000..20_000;
            expected.push(Kind::TalkOver);
        }
        if has(4) {
            call.present.iter_mut().for_each(|of| of.when.end += 70_000);
            for said in call.said.iter_mut().skip(7) {
                said.when = said.when.start + 70_000..said.when.end + 70_000;
            }
            call.holds.push(48_000..118_000);
            expected.push(Kind::Hold);
        }
        if has(5) {
            for said in &mut call.said {
                said.text = Pii::new(misheard(said.text.expose()));
            }
        }
        made += expected.len();
        for finding in check(&call, &rules).findings {
            match expected.iter().position(|kind| *kind == finding.kind) {
                Some(at) => {
                    expected.remove(at);
                    right += 1;
                }
                None => wrong += 1,
            }
        }
    }
    println!("{made} faults made, {right} found, {wrong} found that were not made");
    assert_eq!((right, wrong), (made, 0));
    assert_eq!(made, 5 * 32);
}

/// An hour of talk.
fn hour() -> Call {
    let mut call = good();
    let minute = call.said.clone();
    for n in 1..60 {
        let later = |said: &Said| {
            let shift = n * END_MS;
            Said { when: said.when.start + shift..said.when.end + shift, ..said.clone() }
        };
        call.said.extend(minute.iter().map(later));
    }
    call.present.iter_mut().for_each(|of| of.when.end = 60 * END_MS);
    call
}

#[test]
fn an_hour_is_checked_as_a_minute_is() {
    let call = hour();
    assert_eq!((call.said.len(), found(&call)), (540, vec![]));
}
