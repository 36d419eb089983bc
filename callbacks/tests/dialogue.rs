//! Callbacks in virtual time: what is said, what is stored, how it ends.

mod stage;

use qingting_callbacks::dialogue::{By, Ending, Input};
use qingting_callbacks::script::{AnswerName as A, EndingName};
use qingting_nlu::answers::{Cause, Question as Q};
use stage::Talk;

#[test]
fn a_satisfied_citizen_is_through_in_five_answers() {
    let mut talk = Talk::begin();
    assert!(talk.said().starts_with("您好，这里是"));
    talk.prompt_ends();
    assert!(talk.said().contains("本人吗"));
    talk.answer("是的");
    assert!(talk.said().contains("9月12日反映了路灯不亮"));
    talk.prompt_ends();
    talk.answer("联系过");
    talk.answer("解决了");
    talk.answer("挺满意的");
    talk.answer("没有了谢谢");
    assert!(talk.said().contains("再见"));
    talk.prompt_ends();
    assert_eq!(talk.script_end(), Some(EndingName::Completed));
    assert_eq!(
        talk.answers(),
        [
            (Q::RightPerson, A::Yes),
            (Q::Contacted, A::Yes),
            (Q::Resolved, A::Yes),
            (Q::Satisfied, A::Satisfied),
            (Q::AnythingElse, A::No)
        ]
    );
}

#[test]
fn who_listens_knows_the_question_that_is_being_asked() {
    let mut talk = Talk::begin();
    assert_eq!(talk.listens, None);
    talk.prompt_ends();
    assert_eq!(talk.listens, Some(Q::RightPerson));
    talk.answer("是的");
    talk.prompt_ends();
    assert_eq!(talk.listens, Some(Q::Contacted));
    talk.answer("联系过");
    assert_eq!(talk.listens, Some(Q::Resolved));
    talk.answer("嗯");
    assert_eq!(talk.listens, Some(Q::Confirm));
    talk.answer("不对");
    assert_eq!(talk.listens, Some(Q::Resolved));
}

#[test]
fn a_dissatisfied_citizen_is_asked_why_and_his_words_are_kept() {
    let mut talk = Talk::at_question("满意吗");
    talk.answer("不满意");
    assert!(talk.said().contains("什么原因"));
    talk.answer("他们互相推，找谁谁不管");
    let reason = talk.stored.iter().find(|kept| kept.question == Q::Reason).expect("a reason");
    assert_eq!((reason.answer, reason.cause), (A::Because, Some(Cause::Shirking)));
    assert!(reason.text.expose().contains("互相推"));
    assert!(reason.clip_ms.is_some_and(|(from, to)| from < to));
    assert!(talk.said().contains("记下了"));
}

#[test]
fn nothing_is_said_before_the_answer_is_stored() {
    let mut talk = Talk::at_question("解决了吗");
    talk.hold_stores = true;
    talk.answer("解决了");
    assert_eq!(talk.said(), "", "silence until the store has answered");
    talk.feed(Input::Stored);
    assert!(talk.said().contains("满意"));
}

#[test]
fn what_cannot_be_stored_ends_the_talk_instead_of_being_lost() {
    let mut talk = Talk::at_question("解决了吗");
    talk.hold_stores = true;
    talk.answer("解决了");
    talk.feed(Input::NotStored);
    assert_eq!(talk.ending, Some(Ending::Fault));
}

#[test]
fn keys_answer_at_every_question_and_are_typed_ahead() {
    let mut talk = Talk::begin();
    talk.prompt_ends();
    talk.key('1');
    // The ticket is being told: the key belongs to the question behind it.
    talk.key('1');
    assert!(talk.said().contains("解决了吗"));
    talk.key('3');
    talk.key('5');
    assert!(talk.said().contains("什么原因"));
    let by: Vec<By> = talk.stored.iter().map(|kept| kept.by).collect();
    assert_eq!(by, [By::Key; 4]);
    assert_eq!(talk.answers()[2..], [(Q::Resolved, A::No), (Q::Satisfied, A::VeryDissatisfied)]);
}

#[test]
fn the_notice_is_heard_whole() {
    let mut talk = Talk::begin();
    talk.key('1');
    talk.feed(Input::Voice);
    assert!(talk.stops == 0 && talk.stored.is_empty());
}

#[test]
fn who_interrupts_a_question_is_heard() {
    let mut talk = Talk::at_question("满意吗");
    talk.feed(Input::Voice);
    assert_eq!(talk.stops, 0, "the end of the answer before");
    talk.wait_ms(600);
    talk.feed(Input::Voice);
    assert_eq!(talk.stops, 1, "the prompt gives way to the voice");
    talk.words("非常满意");
    assert_eq!(talk.answers().last(), Some(&(Q::Satisfied, A::VerySatisfied)));
}

#[test]
fn silence_is_asked_again_in_other_words_then_by_keys_then_let_go() {
    let mut talk = Talk::at_question("解决了吗");
    talk.silence();
    assert!(talk.said().contains("办好了没有"), "{}", talk.said());
    talk.silence();
    assert!(talk.said().contains("请按1"), "{}", talk.said());
    talk.silence();
    talk.prompt_ends();
    assert_eq!(talk.script_end(), Some(EndingName::Silent));
}

#[test]
fn who_is_not_understood_gets_other_words_then_keys_then_a_person() {
    let mut talk = Talk::at_question("解决了吗");
    talk.answer("这个东西怎么说呢");
    assert!(talk.said().contains("办好了没有"));
    talk.answer("哎呀你听我讲");
    assert!(talk.said().contains("请按1"));
    talk.answer("我孙子在边上");
    assert!(talk.said().contains("人工座席"));
    talk.prompt_ends();
    assert_eq!(talk.ending, Some(Ending::Seat));
    assert!(talk.answers().iter().all(|(question, _)| *question != Q::Resolved), "nothing guessed");
}

#[test]
fn an_answer_that_was_hardly_heard_is_repeated_once() {
    let mut talk = Talk::at_question("联系过您");
    talk.answer("嗯");
    assert!(talk.said().contains("您是说，承办单位已经联系过您，对吗"), "{}", talk.said());
    talk.answer("对");
    let kept = talk.stored.last().expect("an answer");
    assert_eq!((kept.answer, kept.confirmed), (A::Yes, true));
}

#[test]
fn what_was_heard_only_because_it_was_expected_is_repeated_and_kept_as_it_was_meant() {
    let mut talk = Talk::at_question("满意吗");
    talk.answer_twice("蛮耶", "满意。");
    assert!(talk.said().contains("您是说，满意，对吗"), "{}", talk.said());
    assert!(talk.stored.iter().all(|kept| kept.question != Q::Satisfied), "nothing is guessed");
    talk.answer("对的，没错。");
    let kept = talk.stored.last().expect("an answer");
    assert_eq!((kept.question, kept.answer, kept.confirmed), (Q::Satisfied, A::Satisfied, true));
    assert_eq!(kept.text.expose(), "满意。");
}

#[test]
fn a_guess_is_not_confirmed_by_a_guess() {
    let mut talk = Talk::at_question("满意吗");
    talk.answer_twice("蛮耶", "满意。");
    talk.answer_twice("队", "对。");
    assert!(talk.stored.iter().all(|kept| kept.question != Q::Satisfied));
    assert!(talk.said().contains("请按1"), "{}", talk.said());
}

#[test]
fn who_says_that_it_is_wrong_answers_by_keys() {
    let mut talk = Talk::at_question("联系过您");
    talk.answer("嗯");
    talk.answer("不对");
    assert!(talk.said().contains("请按1"), "{}", talk.said());
    talk.key('2');
    assert_eq!(talk.answers().last(), Some(&(Q::Contacted, A::No)));
}

#[test]
fn who_corrects_what_was_repeated_is_taken_at_his_word() {
    let mut talk = Talk::at_question("联系过您");
    talk.answer("嗯");
    talk.key('2');
    talk.answer("没有人联系过我");
    assert_eq!(talk.answers().last(), Some(&(Q::Contacted, A::No)));
}

#[test]
fn no_more_calls_is_obeyed_wherever_it_is_said() {
    for at in ["本人吗", "联系过您", "解决了吗", "满意吗"] {
        let mut talk = Talk::at_question(at);
        talk.answer("以后别再给我打电话了");
        assert_eq!(talk.stored.last().map(|kept| kept.answer), Some(A::StopCalling), "{at}");
        talk.prompt_ends();
        assert_eq!(talk.script_end(), Some(EndingName::StopCalling));
    }
    let mut talk = Talk::begin();
    talk.words("别再打了");
    assert!(talk.said().contains("以后不再"), "over the notice, too: {}", talk.said());
}

#[test]
fn a_person_is_there_for_the_asking() {
    let mut talk = Talk::at_question("满意吗");
    talk.answer("我要转人工");
    talk.prompt_ends();
    assert_eq!(talk.ending, Some(Ending::Seat));
}

#[test]
fn who_drives_names_a_time() {
    let mut talk = Talk::at_question("联系过您");
    talk.answer("我在开车");
    assert!(talk.said().contains("什么时候方便"), "{}", talk.said());
    talk.answer("明天下午三点吧");
    talk.prompt_ends();
    let Some(Ending::Script { name: EndingName::CallLater, later: Some(later) }) = talk.ending
    else {
        panic!("{:?}", talk.ending)
    };
    assert_eq!((later.day, later.hour), (27, 15));
}

#[test]
fn somebody_else_hears_nothing_of_the_matter() {
    let mut talk = Talk::begin();
    talk.prompt_ends();
    talk.answer("你打错了，我不是");
    talk.prompt_ends();
    assert_eq!(talk.script_end(), Some(EndingName::WrongPerson));
    assert!(!talk.everything_said.contains("路灯"));
}

#[test]
fn half_a_sentence_is_not_an_answer_while_the_voice_goes_on() {
    let mut talk = Talk::at_question("解决了吗");
    talk.prompt_ends();
    talk.feed(Input::Voice);
    let words = talk.spoken("解决了");
    talk.wait_ms(1_500);
    talk.feed(Input::Voice);
    talk.feed(Input::Words(words));
    assert_eq!(
        talk.answers().last().map(|(question, _)| *question),
        Some(Q::Contacted),
        "it waits"
    );
    talk.words("但是只解决了一半");
    assert_eq!(talk.answers().last(), Some(&(Q::Resolved, A::Partly)));
}

#[test]
fn what_is_added_too_late_takes_the_answer_back() {
    let mut talk = Talk::at_question("解决了吗");
    let began = talk.now;
    talk.answer("解决了");
    assert!(talk.said().contains("满意吗"));
    let mut late = talk.spoken("才怪，根本没解决");
    late.spoken = (began, talk.now);
    talk.feed(Input::Words(late));
    assert!(talk.said().contains("已经解决请按1"), "{}", talk.said());
    talk.key('3');
    assert_eq!(talk.answers().last(), Some(&(Q::Resolved, A::No)));
}

#[test]
fn words_of_one_question_never_answer_the_next() {
    // 1 is pressed and 对 is said: the key has answered, and the word comes a moment later.
    let mut talk = Talk::at_question("联系过您");
    talk.prompt_ends();
    let word = talk.spoken("对");
    talk.key('1');
    assert!(talk.said().contains("解决了吗"));
    talk.wait_ms(300);
    talk.feed(Input::Words(word));
    assert_eq!(talk.answers().last(), Some(&(Q::Contacted, A::Yes)));
    assert!(talk.said().contains("解决了吗"), "it goes on asking");

    // The same before what was understood is repeated: only what comes after says that it is right.
    let mut talk = Talk::at_question("联系过您");
    talk.prompt_ends();
    let word = talk.spoken("对");
    talk.words("嗯");
    assert!(talk.said().contains("您是说"));
    talk.feed(Input::Words(word));
    assert_eq!(talk.answers().len(), 1, "nothing is confirmed");
    talk.answer("对");
    assert_eq!(talk.answers().last(), Some(&(Q::Contacted, A::Yes)));
}

#[test]
fn a_late_word_still_answers_the_question_that_was_asked_again() {
    let mut talk = Talk::at_question("解决了吗");
    talk.prompt_ends();
    let word = talk.spoken("没有解决");
    talk.wait_ms(900);
    talk.feed(Input::Voice);
    talk.silence();
    assert!(talk.said().contains("办好了没有"), "{}", talk.said());
    talk.feed(Input::Words(word));
    assert_eq!(talk.answers().last(), Some(&(Q::Resolved, A::No)));
}

#[test]
fn a_key_that_comes_twice_and_a_hash_behind_it_answer_nothing_more() {
    let mut talk = Talk::begin();
    talk.prompt_ends();
    talk.key('1');
    talk.wait_ms(120);
    talk.feed(Input::Key('1'));
    talk.key('#');
    assert!(talk.said().contains("反映了路灯不亮"), "the ticket is told: {}", talk.said());
    assert_eq!(talk.answers(), [(Q::RightPerson, A::Yes)]);
    talk.prompt_ends();
    talk.key('#');
    assert!(talk.said().contains("联系过您"), "{}", talk.said());
}

#[test]
fn noise_is_not_listened_to_for_ever() {
    let mut talk = Talk::at_question("解决了吗");
    let began = talk.now;
    while talk.said().contains("解决了吗") || talk.said().is_empty() {
        talk.wait_ms(200);
        assert!(talk.now.0 - began.0 < 14_000, "it waits for a television");
        talk.feed(Input::Voice);
        if talk.dialogue.next_deadline().is_some_and(|at| talk.now >= at) {
            talk.feed(Input::Timer);
        }
    }
    assert!(talk.said().contains("办好了没有"), "{}", talk.said());
    // A cough costs four seconds.
    let mut talk = Talk::at_question("解决了吗");
    talk.wait_ms(600);
    talk.feed(Input::Voice);
    let waits = talk.dialogue.next_deadline().map(|at| at.0 - talk.now.0);
    assert_eq!(waits, Some(4_000));
}

#[test]
fn a_refusal_is_stored_before_anything_else_and_who_hangs_up_in_the_farewell_has_come_to_it() {
    let mut talk = Talk::begin();
    assert_eq!(talk.dialogue.ending_under_way(), None);
    talk.words("别再打了");
    assert_eq!(talk.stored.last().map(|kept| kept.answer), Some(A::StopCalling));
    let end = Ending::Script { name: EndingName::StopCalling, later: None };
    assert_eq!(talk.dialogue.ending_under_way(), Some(end));

    let mut talk = Talk::at_question("满意吗");
    talk.answer("满意");
    talk.answer("没有了");
    let end = Ending::Script { name: EndingName::Completed, later: None };
    assert_eq!(talk.dialogue.ending_under_way(), Some(end));
}

#[test]
fn a_machine_is_told_nothing_more() {
    let mut talk = Talk::at_question("联系过您");
    talk.feed(Input::Machine);
    assert_eq!((talk.ending, talk.stops), (Some(Ending::Machine), 1));
}

#[test]
fn whatever_is_said_in_whatever_order_it_ends_once() {
    use stage::Step;
    let words =
        ["是的", "没有", "嗯", "解决了一部分", "什么", "我在忙", "转人工", "满意", "推来推去"];
    let mut steps =
        vec![Step::Silence, Step::PromptEnds, Step::Voice, Step::Key('1'), Step::Key('9')];
    steps.extend(words.map(Step::Answer));
    // A fixed walk through the choices, different for each start: a citizen without a plan.
    for start in 0..2_000_u64 {
        let mut seed = start.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut talk = Talk::begin();
        for _ in 0..120 {
            if talk.ending.is_some() {
                break;
            }
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            talk.step(steps[seed as usize % steps.len()]);
        }
        assert!(talk.ending.is_some(), "start {start} goes on for ever");
        assert_eq!(talk.endings, 1, "start {start}");
    }
}
