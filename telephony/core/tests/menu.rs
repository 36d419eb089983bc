//! Menus that are refused, and callers in one that is not.

use proptest::prelude::*;
use qingting_common::{Millis, Pii};
use qingting_core::menu::{Destination, Input, Menu, MenuGraph, Node, NodeName, Output, PlayId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn say(prompt: &str, next: &str) -> Node {
    Node::Say { prompt: prompt.into(), next: next.into() }
}

fn ask(prompt: &str, keys: &[(char, &str)], words: &[(&str, &str)], otherwise: &str) -> Node {
    Node::Ask {
        prompt: prompt.into(),
        keys: keys.iter().map(|(key, to)| (*key, NodeName::new(to))).collect(),
        words: words.iter().map(|(word, to)| ((*word).into(), NodeName::new(to))).collect(),
        retries: 1,
        timeout: Duration::from_secs(5),
        otherwise: otherwise.into(),
    }
}

fn nodes<const N: usize>(nodes: [(&str, Node); N]) -> BTreeMap<NodeName, Node> {
    nodes.into_iter().map(|(name, node)| (name.into(), node)).collect()
}

/// Who are you; enterprises are asked further and may go back.
fn graph() -> MenuGraph {
    let people = [("社保", "social"), ("社保卡", "card"), ("企业", "firms")];
    let nodes = nodes([
        ("welcome", say("hello", "who")),
        ("who", ask("which", &[('1', "people"), ('2', "firms"), ('#', "back")], &people, "people")),
        ("firms", ask("firm which", &[('1', "tax"), ('*', "who")], &[], "tax")),
        ("people", Node::Queue("people".into())),
        ("social", Node::Queue("social".into())),
        ("card", Node::Transfer("card office".into())),
        ("tax", Node::Transfer("tax office".into())),
        ("back", Node::Callback),
    ]);
    MenuGraph::new("welcome".into(), nodes).unwrap_or_else(|errors| panic!("{errors:?}"))
}

struct Caller {
    menu: Menu,
    now: Millis,
    playing: PlayId,
}

impl Caller {
    fn new() -> Self {
        let menu = Menu::new(Some(Arc::new(graph())));
        let mut caller = Self { menu, now: Millis(0), playing: PlayId(0) };
        assert_eq!(caller.feed(Input::Begin), "play hello");
        caller
    }

    /// A caller who has heard the first question.
    fn asked() -> Self {
        let mut caller = Self::new();
        assert_eq!(caller.done(), "play which");
        assert_eq!(caller.done(), "");
        caller
    }

    fn feed(&mut self, input: Input) -> String {
        self.menu.handle_input(self.now, input);
        let mut told = Vec::new();
        while let Some(output) = self.menu.poll_output() {
            told.push(match output {
                Output::Play { id, prompt } => {
                    self.playing = id;
                    format!("play {prompt}")
                }
                Output::StopPrompts => "stop".into(),
                Output::Goto(to) => format!("{to:?}"),
            });
        }
        told.join(" | ")
    }

    fn key(&mut self, key: char) -> String {
        self.feed(Input::Key(key))
    }

    fn says(&mut self, words: &str) -> String {
        self.feed(Input::Words(Pii::new(words.into())))
    }

    fn done(&mut self) -> String {
        self.feed(Input::PromptDone { id: self.playing })
    }

    fn wait(&mut self) -> String {
        self.now = self.menu.next_deadline().expect("the menu waits for a time");
        self.feed(Input::Timer)
    }
}

#[test]
fn without_a_menu_a_call_goes_straight_to_its_queue() {
    let mut menu = Menu::new(None);
    menu.handle_input(Millis(0), Input::Begin);
    assert_eq!(menu.poll_output(), Some(Output::Goto(Destination::OwnQueue)));
    assert_eq!((menu.poll_output(), menu.next_deadline()), (None, None));
}

#[test]
fn keys_cut_prompts_and_can_be_typed_ahead() {
    assert_eq!(Caller::asked().key('1'), "Queue(QueueName(people))");
    let mut caller = Caller::new();
    assert_eq!(caller.key('2'), "stop | play firm which", "before the question was asked");
    assert_eq!(caller.key('*'), "stop | play which");
    assert_eq!(caller.key('#'), "stop | Callback");
    assert_eq!(caller.key('1'), "", "it is over");
    assert_eq!(Caller::new().key('9'), "stop | play which", "no answer, but the wish to go on");
}

#[test]
fn words_are_found_in_sentences_and_the_longest_counts() {
    assert_eq!(Caller::asked().says("我想问一下社保。"), "Queue(QueueName(social))");
    let card = r#"Transfer("card office")"#;
    assert_eq!(Caller::asked().says("社 保 卡丢了"), card);
    let mut caller = Caller::new();
    assert_eq!(caller.says("社保"), "", "nothing was asked yet");
    assert_eq!(caller.done(), "play which");
    assert_eq!(caller.says("等一下啊"), "", "perhaps not to us: the question goes on");
    assert_eq!(caller.says("社保卡"), format!("stop | {card}"));
}

#[test]
fn zero_and_the_wish_for_a_person_lead_to_one_from_everywhere() {
    let own = "OwnQueue";
    assert_eq!(Caller::asked().key('0'), own);
    assert_eq!(Caller::new().key('0'), format!("stop | {own}"));
    assert_eq!(Caller::asked().says("社保卡，转人工！"), own);
    assert_eq!(Caller::new().says("人 工"), format!("stop | {own}"));
}

#[test]
fn whoever_does_nothing_is_asked_again_and_then_led_on() {
    let mut caller = Caller::asked();
    assert_eq!(caller.wait(), "play which");
    assert_eq!(caller.wait(), "stop", "its end was never reported");
    assert_eq!(caller.wait(), "Queue(QueueName(people))");
    let mut wrong = Caller::asked();
    assert_eq!(wrong.key('9'), "play which");
    assert_eq!(wrong.key('9'), "stop | Queue(QueueName(people))");
    let mut unheard = Caller::asked();
    assert_eq!(unheard.says("嗯"), "play which");
}

#[test]
fn the_end_of_a_prompt_that_was_stopped_changes_nothing() {
    let mut caller = Caller::new();
    let hello = caller.playing;
    caller.key('2');
    assert_eq!(caller.feed(Input::PromptDone { id: hello }), "");
    assert_eq!(caller.key('1'), r#"stop | Transfer("tax office")"#);
}

#[test]
fn what_a_menu_leads_to_can_be_checked() {
    let graph = graph();
    assert_eq!(
        graph.queues().map(|queue| queue.as_str()).collect::<Vec<_>>(),
        ["people", "social"]
    );
    assert_eq!(graph.transfers().collect::<Vec<_>>(), ["card office", "tax office"]);
}

fn refused(start: &str, nodes: BTreeMap<NodeName, Node>) -> Vec<String> {
    let errors = MenuGraph::new(start.into(), nodes).expect_err("refused");
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_fault_of_a_menu_is_told_with_node_and_key() {
    let end = || Node::Hangup;
    assert_eq!(
        refused("a", nodes([("b", end())])),
        ["node a, start: there is no such node: add it or begin elsewhere"]
    );
    let gone = nodes([("a", ask("?", &[('1', "gone")], &[], "b")), ("b", end()), ("c", end())]);
    assert_eq!(
        refused("a", gone),
        [
            "node a, key 1: leads to gone, which does not exist: add it or lead elsewhere",
            "node c, way in: nothing leads here: lead to it or remove it",
        ]
    );
    let words = [("人工服务", "b"), ("，", "b"), ("社保", "b"), ("社 保", "b")];
    let taken = nodes([("a", ask("?", &[('0', "b"), ('x', "b")], &words, "b")), ("b", end())]);
    let told = refused("a", taken).join("\n");
    for part in [
        "key 0: always leads to a person: use another key",
        "key x: no such key",
        "word 人工服务: 人工 always leads to a person",
        "word ，: holds nothing that can be said",
        "sounds like another one",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn circles_that_need_no_answer_are_refused() {
    let round = nodes([("a", say("x", "b")), ("b", say("y", "a"))]);
    assert_eq!(refused("a", round).len(), 2);
    let silent = nodes([
        ("a", ask("?", &[('1', "end")], &[], "b")),
        ("b", say("nothing heard", "a")),
        ("end", Node::Hangup),
    ]);
    let told = refused("a", silent);
    assert!(
        told[0].starts_with("node a, otherwise: leads back here without an answer"),
        "{told:?}"
    );
}

#[test]
fn deep_and_large_menus_are_refused() {
    let chain = |questions: usize| {
        let mut nodes: BTreeMap<NodeName, Node> = (0..questions)
            .map(|at| {
                let next = (at + 1).to_string();
                (NodeName::new(&at.to_string()), ask("?", &[('1', &next)], &[], &next))
            })
            .collect();
        nodes.insert(NodeName::new(&questions.to_string()), Node::Hangup);
        nodes
    };
    assert!(MenuGraph::new("0".into(), chain(4)).is_ok());
    assert!(refused("0", chain(5))[0].contains("make the menu flatter"));
    assert!(refused("0", chain(70))[0].contains("71 nodes are more than 64"));
    let mut short_cut = chain(4);
    short_cut.insert("s".into(), ask("?", &[('1', "0"), ('2', "t")], &[], "t"));
    short_cut.insert("t".into(), say("x", "0"));
    assert!(refused("s", short_cut.clone())[0].contains("flatter"));
    short_cut.insert("s".into(), say("x", "t"));
    assert!(MenuGraph::new("s".into(), short_cut).is_ok(), "what is said is no question");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    /// Whatever a caller does, the menu ends once, and soon when the caller stops.
    #[test]
    fn every_caller_reaches_one_end(steps in prop::collection::vec(0..9_u8, 0..40)) {
        let mut caller = Caller::new();
        let mut ends = 0;
        let ended = |told: &str| {
            let parts = told.split(" | ").filter(|part| !part.is_empty());
            parts.filter(|part| !part.starts_with("play") && *part != "stop").count()
        };
        for step in steps {
            let told = match step {
                0 => caller.key('2'),
                1 => caller.key('*'),
                2 => caller.key('9'),
                3 => caller.says("企业"),
                4 => caller.says("不知道"),
                5 => caller.done(),
                6 => caller.feed(Input::Begin),
                7 => caller.feed(Input::Timer),
                _ if caller.menu.next_deadline().is_some() => caller.wait(),
                _ => String::new(),
            };
            ends += ended(&told);
        }
        for _ in 0..20 {
            if caller.menu.next_deadline().is_some() {
                let told = caller.wait();
                ends += ended(&told);
            }
        }
        prop_assert_eq!((ends, caller.menu.next_deadline()), (1, None));
    }
}
