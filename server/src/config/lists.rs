//! What a city has several of: trunks, called numbers, queues, opening hours, menus.

use super::Config;
use super::check::{Problem, prompt_fault};
use qingting_common::Pii;
use qingting_sip::Transport;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Their names in the file.
pub(super) const NAMES: [&str; 5] = ["trunks", "numbers", "queues", "hours", "menus"];

/// A way to the public telephone network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    pub name: String,
    /// `sip:host[:port]`, a name is looked up by SRV first.
    pub uri: String,
    #[serde(default = "udp")]
    pub transport: String,
    /// Addresses from which its calls come; those of `uri` when empty and numeric.
    #[serde(default)]
    pub peers: Vec<IpAddr>,
    /// Lower numbers are tried first.
    #[serde(default = "one")]
    pub priority: u16,
    #[serde(default)]
    pub user: String,
    #[serde(default)]
    pub password: Pii<String>,
    #[serde(default)]
    pub register: bool,
    /// The number that our calls show.
    #[serde(default)]
    pub caller_id: String,
    /// `national`, `e164`, or a prefix such as `9`.
    #[serde(default = "national")]
    pub number_form: String,
}

impl Trunk {
    /// UDP where it is none of the others.
    pub fn sip_transport(&self) -> Transport {
        match self.transport.as_str() {
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            _ => Transport::Udp,
        }
    }
}

/// A number that citizens call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    pub number: String,
    pub name: String,
    /// In place of `hotline.greeting`.
    #[serde(default)]
    pub greeting: String,
    /// Where its callers wait for a person; empty: the machine listens and writes the draft.
    #[serde(default)]
    pub queue: String,
    /// A menu before the queue, by its first node.
    #[serde(default)]
    pub menu: String,
    /// A number to which all calls go on: the authorised transfer (授权转接).
    #[serde(default)]
    pub transfer: String,
    /// A name of `[[hours]]`; empty: always open.
    #[serde(default)]
    pub hours: String,
    /// Said when closed; then the call ends.
    #[serde(default)]
    pub closed: String,
    #[serde(default)]
    pub priority: u8,
    #[serde(default)]
    pub enterprise: bool,
}

/// Where callers wait for seats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub name: String,
    /// The skill that a seat needs.
    pub skill: String,
    #[serde(default = "max_wait")]
    pub wait_s_max: u64,
    #[serde(default)]
    pub overflow: Overflow,
    /// Seconds after which seats with this queue's skill may help; needs `widen_to`.
    #[serde(default)]
    pub widen_to: String,
    #[serde(default = "thirty_long")]
    pub widen_s: u64,
    #[serde(default = "twenty_long")]
    pub sticky_s: u64,
    #[serde(default = "thirty_long")]
    pub announce_s: u64,
    /// Seconds after which a call back is offered; 0: never.
    #[serde(default = "sixty_long")]
    pub call_back_s: u64,
}

/// What becomes of a call that waited too long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Overflow {
    /// The machine listens and writes the draft.
    #[default]
    Machine,
    Queue(String),
    Transfer(String),
    /// A sentence, then the end; the call is listed as missed.
    Busy,
}

/// Opening hours by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    pub name: String,
    /// Day of the week, `mon` to `sun`, to windows such as `["09:00-12:00", "14:00-18:00"]`.
    pub weekly: BTreeMap<String, Vec<String>>,
    /// Closed on these dates, `2026-10-01`.
    #[serde(default)]
    pub closed: Vec<String>,
    /// Other windows on these dates (调休).
    #[serde(default)]
    pub dates: BTreeMap<String, Vec<String>>,
}

/// One node of a menu.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MenuNode {
    pub name: String,
    /// What is said.
    pub say: String,
    /// Key to node or `queue:NAME`, `transfer:NUMBER`, `callback`, `hangup`.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// Spoken phrase to the same.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// Where a caller goes who chooses nothing.
    #[serde(default)]
    pub otherwise: String,
    #[serde(default = "two")]
    pub tries: u8,
    #[serde(default = "six")]
    pub wait_s: u64,
}

fn udp() -> String {
    "udp".into()
}

fn national() -> String {
    "national".into()
}

const fn one() -> u16 {
    1
}

const fn two() -> u8 {
    2
}

const fn six() -> u64 {
    6
}

const fn twenty_long() -> u64 {
    20
}

const fn thirty_long() -> u64 {
    30
}

const fn sixty_long() -> u64 {
    60
}

const fn max_wait() -> u64 {
    300
}

/// Takes out of a list what cannot be read, and says why.
pub(super) fn unreadable(text: &str, list: &str, entries: &mut Vec<toml::Value>) -> Vec<Problem> {
    let mut wrong = Vec::new();
    let mut number = 0;
    entries.retain(|entry| {
        number += 1;
        let alone = toml::Value::Array(vec![entry.clone()]);
        let alone = toml::Table::from_iter([(list.to_owned(), alone)]);
        let Err(error) = alone.try_into::<Config>() else { return true };
        wrong.push(Problem {
            line: line_of(text, list, number),
            key: format!("{list}[{number}]"),
            what: error.message().trim().replace('\n', " "),
            remedy: format!(
                "Compare it with the example of [[{list}]] in `qingting check-config --print-default`"
            ),
        });
        false
    });
    wrong
}

/// The line of the `number`th `[[list]]`.
fn line_of(text: &str, list: &str, number: usize) -> usize {
    let head = format!("[[{list}]]");
    let heads = text.lines().enumerate().filter(|(_, line)| line.trim() == head);
    heads.map(|(index, _)| index + 1).nth(number - 1).unwrap_or(0)
}

/// Longest wait in a queue: the call itself gives up after it, in case the queue forgets.
const WAIT_S_MAX: u64 = 3_600;

/// Names that do not fit together.
pub(super) fn values(config: &Config, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |list: &str, index: usize, what: String, remedy: &str| {
        problems.push(Problem {
            line: line_of(text, list, index + 1),
            key: format!("{list}[{}]", index + 1),
            what,
            remedy: remedy.to_owned(),
        });
    };
    for (list, names) in [
        ("trunks", config.trunks.iter().map(|of| &of.name).collect::<Vec<_>>()),
        ("numbers", config.numbers.iter().map(|of| &of.number).collect()),
        ("queues", config.queues.iter().map(|of| &of.name).collect()),
        ("hours", config.hours.iter().map(|of| &of.name).collect()),
        ("menus", config.menus.iter().map(|of| &of.name).collect()),
    ] {
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            if name.trim().is_empty() || !seen.insert(name.as_str()) {
                problem(
                    list,
                    index,
                    format!("{name:?} is empty or stands twice"),
                    "Name each once",
                );
            }
        }
    }
    let has_queue = |name: &str| config.queues.iter().any(|queue| queue.name == name);
    let has_menu = |name: &str| config.menus.iter().any(|node| node.name == name);
    for (index, number) in config.numbers.iter().enumerate() {
        let Number { queue, menu, transfer, .. } = number;
        for (what, is_good) in [
            (format!("there is no queue {queue:?}"), queue.is_empty() || has_queue(queue)),
            (format!("there is no menu node {menu:?}"), menu.is_empty() || has_menu(menu)),
            (format!("{transfer:?} is no number"), transfer.is_empty() || is_number(transfer)),
        ] {
            if !is_good {
                problem("numbers", index, what, "Correct the name, or add what it names");
            }
        }
    }
    for (index, number) in config.numbers.iter().enumerate() {
        if !number.hours.is_empty() && !config.hours.iter().any(|of| of.name == number.hours) {
            let what = format!("there are no hours {:?}", number.hours);
            problem("numbers", index, what, "Add [[hours]] of that name, or leave `hours` empty");
        }
        if !number.hours.is_empty() && number.closed.trim().is_empty() {
            let what = "`closed` is empty".to_owned();
            problem("numbers", index, what, "Write what a caller hears outside the hours");
        }
    }
    for (index, queue) in config.queues.iter().enumerate() {
        let known = match &queue.overflow {
            Overflow::Machine | Overflow::Busy => true,
            Overflow::Queue(name) => has_queue(name) && *name != queue.name,
            Overflow::Transfer(to) => is_number(to),
        };
        if !known {
            let what = format!("`overflow` goes nowhere: {:?}", queue.overflow);
            problem("queues", index, what, "Name another queue, or a number of digits");
        }
    }
    let has_trunk = !config.trunks.is_empty();
    for (index, number) in config.numbers.iter().enumerate() {
        if !is_number(&number.number) {
            let what = format!("{:?} is no number", number.number);
            problem("numbers", index, what, "Give the digits that citizens dial");
        }
        if !number.transfer.is_empty() && !has_trunk {
            let what = "`transfer` leads to the telephone network".to_owned();
            problem("numbers", index, what, "Add the [[trunks]] that carries these calls");
        }
        for text in [&number.greeting, &number.closed] {
            if let Some(what) = prompt_fault(text) {
                problem("numbers", index, what, "Write what the caller shall hear");
            }
        }
    }
    for (index, queue) in config.queues.iter().enumerate() {
        if queue.skill.trim().is_empty() {
            let what = "`skill` is empty".to_owned();
            problem("queues", index, what, "Name the skill that its seats have");
        }
        if !(1..=WAIT_S_MAX).contains(&queue.wait_s_max) {
            let what = format!("`wait_s_max` is not between 1 and {WAIT_S_MAX}");
            problem("queues", index, what, "300 is usual");
        }
        if matches!(queue.overflow, Overflow::Transfer(_)) && !has_trunk {
            let what = "`overflow` leads to the telephone network".to_owned();
            problem("queues", index, what, "Add the [[trunks]] that carries these calls");
        }
    }
    for (index, node) in config.menus.iter().enumerate() {
        let empty = node.say.trim().is_empty().then(|| "`say` is empty".to_owned());
        if let Some(what) = empty.or_else(|| prompt_fault(&node.say)) {
            problem("menus", index, what, "Write what the caller shall hear");
        }
    }
    for (list, index, what) in crate::serve::switchboard_faults(config) {
        problem(list, index, what, "`qingting check-config --print-default` has an example");
    }
    for (index, trunk) in config.trunks.iter().enumerate() {
        if !["udp", "tcp", "tls"].contains(&trunk.transport.as_str()) {
            let what = format!("there is no transport {:?}", trunk.transport);
            problem("trunks", index, what, "Give udp, tcp or tls");
        }
        if trunk.uri.parse::<qingting_sip::message::SipUri>().is_err() {
            let what = format!("{:?} is no SIP URI", trunk.uri);
            problem("trunks", index, what, "Give one such as sip:203.0.113.10");
        }
        if trunk.register && (trunk.user.is_empty() || trunk.password.expose().is_empty()) {
            let what = "`register` needs `user` and `password`".to_owned();
            problem("trunks", index, what, "Give what the operator gave you");
        }
    }
    problems
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::problems;
    use super::*;
    use std::path::Path;

    #[test]
    fn the_examples_of_the_default_file_can_be_used() {
        let examples =
            super::super::DEFAULT_TOML.split("# Trunks to the telephone").nth(1).unwrap();
        let text: String = examples
            .lines()
            .skip(2)
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with("[[") || line.contains(" = "))
            .map(|line| format!("{line}\n"))
            .collect();
        let text = format!("{text}\n[[queues]]\nname = \"企业\"\nskill = \"企业\"\n");
        let config = Config::parse(&text, Path::new("/x/config.toml")).unwrap();
        assert_eq!(config.numbers[0].queue, "综合");
        assert_eq!((config.trunks.len(), config.menus.len(), config.hours.len()), (1, 1, 1));
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_named_with_its_line() {
        let found = problems("[[queues]]\nname = \"a\"\nskill = \"a\"\n[[queues]]\nname = 5\n");
        assert_eq!((found[0].line, found[0].key.as_str()), (4, "queues[2]"));
    }

    #[test]
    fn names_that_do_not_exist_are_found() {
        let found = problems("[[numbers]]\nnumber = \"12345\"\nname = \"x\"\nqueue = \"y\"\n");
        assert_eq!((found[0].line, found[0].key.as_str()), (1, "numbers[1]"));
        assert!(found[0].what.contains("no queue"), "{}", found[0].what);
    }

    fn only(text: &str) -> (String, String) {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].key.clone(), found[0].what.clone())
    }

    #[test]
    fn overflows_that_go_round_are_found() {
        let queue = |name: &str, to: &str| {
            format!("[[queues]]\nname = {name:?}\nskill = \"a\"\noverflow = {{ queue = {to:?} }}\n")
        };
        let (key, what) = only(&(queue("a", "b") + &queue("b", "a")));
        assert!(key.starts_with("queues[") && what.contains("lead back"), "{key}: {what}");
    }

    #[test]
    fn menus_that_cannot_be_walked_are_found() {
        let number = "[[numbers]]\nnumber = \"12345\"\nname = \"x\"\nmenu = \"m\"\n";
        let menu =
            |rest: &str| format!("{number}[[menus]]\nname = \"m\"\nsay = \"请按键。\"\n{rest}\n");
        let (key, what) = only(&menu("keys = { 1 = \"nowhere\" }\notherwise = \"hangup\""));
        assert!(key == "menus[1]" && what.contains("nowhere"), "{key}: {what}");
        let (_, what) = only(&menu("keys = { 1 = \"queue:q\" }\notherwise = \"hangup\""));
        assert!(what.contains("queue \"q\""), "{what}");
        let (_, what) = only(&menu("keys = { 1 = \"transfer:110\" }\notherwise = \"hangup\""));
        assert!(what.contains("no [[trunks]]"), "{what}");
        let (_, what) = only(&menu("keys = { 1 = \"hangup\" }"));
        assert!(what.contains("otherwise"), "{what}");
    }

    #[test]
    fn hours_that_cannot_be_read_are_found() {
        for (weekly, hint) in [("{ mon = [\"9-12\"] }", "9-12"), ("{ mo = [] }", "mo")] {
            let (key, what) = only(&format!("[[hours]]\nname = \"h\"\nweekly = {weekly}\n"));
            assert!(key == "hours[1]" && what.contains(hint), "{key}: {what}");
        }
    }

    #[test]
    fn trunks_that_no_call_could_take_are_found() {
        let trunk =
            |rest: &str| format!("[[trunks]]\nname = \"t\"\nuri = \"sip:sbc.example\"\n{rest}\n");
        let (key, what) = only(&trunk("number_form = \"abroad\""));
        assert!(key == "trunks[1]" && what.contains("number_form"), "{key}: {what}");
        let (_, what) = only(&trunk("caller_id = \"<12345>\""));
        assert!(what.contains("caller_id"), "{what}");
        let closed = format!("[sip]\nstrangers = false\n{}", trunk(""));
        let (_, what) = only(&closed);
        assert!(what.contains("peers"), "{what}");
    }

    #[test]
    fn a_queue_without_a_skill_and_a_way_out_without_a_trunk_are_found() {
        let (key, what) = only("[[queues]]\nname = \"a\"\nskill = \"\"\n");
        assert!(key == "queues[1]" && what.contains("skill"), "{key}: {what}");
        let text = "[[queues]]\nname = \"a\"\nskill = \"a\"\noverflow = { transfer = \"110\" }\n";
        assert!(only(text).1.contains("telephone network"));
    }
}
