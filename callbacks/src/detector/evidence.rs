//! What the recognised words say about who has answered.

use super::machine::MachineKind;
use super::phrases::{Heard, Phrases};
use std::sync::LazyLock;

/// Who says such words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Machines of this kind, and nobody else.
    Machine(MachineKind),
    /// People; machines seldom.
    Person,
}

static PHRASES: LazyLock<Phrases<Speaker>> =
    LazyLock::new(|| Phrases::built_in(include_str!("phrases.txt"), speaker));

fn speaker(name: &str) -> Option<Speaker> {
    Some(match name {
        "voicemail" => Speaker::Machine(MachineKind::Voicemail),
        "network" => Speaker::Machine(MachineKind::Announcement),
        "automaton" => Speaker::Machine(MachineKind::Automaton),
        "person" => Speaker::Person,
        _ => return None,
    })
}

/// Who says these words, if they are anyone's: a machine before a person.
pub(super) fn speaker_of(text: &str) -> Option<Speaker> {
    PHRASES.found_in(&Heard::new(text)).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use MachineKind::{Announcement, Automaton, Voicemail};

    #[test]
    fn machines_are_known_by_their_words() {
        let said = [
            ("您好，您拨打的用户暂时无法接听，请在嘀声后留言", Voicemail),
            ("这里是语音信箱", Voicemail),
            ("您拨打的用户正忙，请稍后再拨", Announcement),
            ("Sorry, the subscriber you dialed", Announcement),
            ("您好，我是机主的智能助理", Automaton),
            ("欢迎致电阳光酒店，订餐请按2", Automaton),
        ];
        for (text, kind) in said {
            assert_eq!(speaker_of(text), Some(Speaker::Machine(kind)), "{text}");
        }
    }

    #[test]
    fn people_are_not_taken_for_machines() {
        let said = [
            "喂，你好，哪位",
            "喂，他不在家，出去买菜了，你是哪位呀",
            "我现在不方便接电话，你晚点打来",
            "你好，这里是幸福小区物业，请问有什么可以帮您",
            "您打错了",
            "喂您好我是王秀英您是哪里的找我有什么事情吗",
            "我在开会，等一下打给你",
        ];
        for text in said {
            assert!(!matches!(speaker_of(text), Some(Speaker::Machine(_))), "{text}");
        }
    }
}
