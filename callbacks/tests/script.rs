//! What a script must be, and what is said of one that is not.

use qingting_callbacks::script::{Facts, SATISFACTION, Script, question_name};

fn errors_of(change: impl FnOnce(String) -> String) -> Vec<String> {
    let errors = Script::read(&change(SATISFACTION.to_owned())).expect_err("it was taken");
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn the_shipped_script_is_taken_and_asks_what_an_auditor_wants() {
    use qingting_nlu::answers::Question as Q;
    Script::read(SATISFACTION).expect("a good script");
    for question in [Q::RightPerson, Q::Contacted, Q::Resolved, Q::Satisfied, Q::Reason] {
        let asked = format!("ask = \"{}\"", question_name(question));
        assert!(SATISFACTION.contains(&asked), "{question:?}");
    }
}

#[test]
fn every_sentence_can_be_spoken_before_anybody_is_dialled() {
    let script = Script::read(SATISFACTION).expect("a good script");
    let facts = Facts {
        city: "临江市".into(),
        title: "路灯不亮".into(),
        unit: "城管局".into(),
        date: "9月12日".into(),
    };
    let sentences = script.sentences(&facts);
    assert!(sentences.contains(&"您在9月12日反映了路灯不亮，现在已经办结。".to_owned()));
    assert!(sentences.contains(&"您是说，问题部分解决，对吗？".to_owned()));
    assert!(sentences.iter().all(|sentence| !sentence.contains(['{', '}'])), "{sentences:?}");
    // Most are the same for everybody: they are spoken once.
    let others = Facts { title: "噪音".into(), ..facts };
    let new = script.sentences(&others).iter().filter(|one| !sentences.contains(one)).count();
    assert_eq!(new, 1);
}

#[test]
fn a_script_that_keeps_somebody_in_a_circle_is_refused() {
    let errors = errors_of(|text| text.replace("next = \"anything_else\"", "next = \"reason\""));
    assert!(errors.iter().any(|error| error.contains("leads back to itself")), "{errors:?}");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_remedy() {
    type Change = fn(String) -> String;
    let cases: [(Change, &str); 8] = [
        (
            |t| t.replace("on = { yes = \"ticket\" }", "on = { yes = \"tiket\" }"),
            "node \"person\": it leads to \"tiket\", which there is not",
        ),
        (|t| t.replace("{title}", "{titel}"), "node \"ticket\": nothing fills \"{titel}"),
        (
            |t| t.replace("ask = \"resolved\"", "ask = \"solved\""),
            "node \"resolved\": `ask = \"solved\"` is no question; there are right_person",
        ),
        (
            |t| t.replace("on = { yes = \"seat\", no = \"thanks\" }", "on = { yes = \"seat\" }"),
            "node \"anything_else\": the answer `no` to `anything_else` leads nowhere",
        ),
        (|t| t.replace("busy = \"when\"", ""), "exits: `busy` may be said to any question"),
        (
            |t| t + "\n[nodes.island]\nsay = \"x\"\nend = \"completed\"\n",
            "node \"island\": nothing leads there",
        ),
        (|t| t.replace("{answer}", ""), "confirm: `say` has no {answer}"),
        (
            |t| t.replace("keys = { 1 = \"yes\", 2 = \"no\"", "keys = { 1 = \"yes\", 12 = \"no\""),
            "node \"contacted\": \"12\" is not one key",
        ),
    ];
    for (change, wanted) in cases {
        // Removing a line that is not there would prove nothing.
        assert_ne!(change(SATISFACTION.to_owned()), SATISFACTION, "{wanted}");
        let errors = errors_of(change);
        assert!(errors.iter().any(|error| error.contains(wanted)), "{wanted}: {errors:?}");
    }
    let syntax = errors_of(|text| text.replace("wait_s = 5", "wait_s = five"));
    assert!(syntax[0].starts_with("line 20:"), "{syntax:?}");
}
