//! What a network's announcement says about the called number.

use super::phrases::{Heard, Phrases};
use std::sync::LazyLock;

/// Why the called party was not reached, as the network announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// No such number (空号), or it was changed.
    NotInService,
    /// The number exists and is barred, mostly for want of payment (停机).
    Suspended,
    /// 关机.
    SwitchedOff,
    /// Out of reach or of the service area.
    Unreachable,
    /// The called party or the network lets no such call through.
    Restricted,
    /// The called party declined.
    Rejected,
    /// In another call.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// No way through the network.
    Congestion,
    /// The call was forwarded to a machine that takes messages.
    Voicemail,
}

static CAUSES: LazyLock<Phrases<Announcement>> =
    LazyLock::new(|| Phrases::built_in(include_str!("announcements.txt"), cause));

fn cause(name: &str) -> Option<Announcement> {
    Some(match name {
        "not_in_service" => Announcement::NotInService,
        "suspended" => Announcement::Suspended,
        "switched_off" => Announcement::SwitchedOff,
        "unreachable" => Announcement::Unreachable,
        "restricted" => Announcement::Restricted,
        "rejected" => Announcement::Rejected,
        "busy" => Announcement::Busy,
        "no_answer" => Announcement::NoAnswer,
        "congestion" => Announcement::Congestion,
        "voicemail" => Announcement::Voicemail,
        _ => return None,
    })
}

impl Announcement {
    /// The cause in an announcement's recognised text, Chinese or English, misheard syllables allowed.
    ///
    /// For text that is known to be the network's: early media, or a party that the
    /// [`Detector`](super::Detector) took for an announcement. People say such words too.
    pub fn read(text: &str) -> Option<Self> {
        CAUSES.found_in(&Heard::new(text)).next()
    }
}

#[cfg(test)]
mod tests {
    use super::Announcement::{self, *};

    #[test]
    fn carriers_wordings_are_understood() {
        let said = [
            ("您好，您拨打的用户正忙，请稍后再拨。", Busy),
            ("对不起，您拨打的电话正在通话中，请稍后再拨。", Busy),
            ("您拨打的电话已关机。", SwitchedOff),
            ("您拨打的电话暂时无法接通，请稍后再拨。", Unreachable),
            ("您拨打的用户不在服务区", Unreachable),
            ("对不起，您拨打的号码是空号，请核对后再拨。", NotInService),
            ("您拨叫的号码不存在，请查证后再拨。", NotInService),
            ("您拨打的用户已停机。", Suspended),
            ("您拨打的号码已暂停服务。", Suspended),
            ("您拨打的电话暂时无人接听，请稍后再拨。", NoAnswer),
            ("您拨打的用户拒绝接听您的来电", Rejected),
            ("您呼叫的用户已设置呼入限制。", Restricted),
            ("网络忙，请稍后再拨", Congestion),
            ("您拨打的用户无人应答，现在为您转到语音信箱，请在听到提示音后留言。", Voicemail),
            ("Sorry, the subscriber you dialed is power off.", SwitchedOff),
            ("Sorry! The number you dialed does not exist", NotInService),
            ("The subscriber you dialed can not be connected for the moment", Unreachable),
        ];
        for (text, cause) in said {
            assert_eq!(Announcement::read(text), Some(cause), "{text}");
        }
    }

    #[test]
    fn misheard_syllables_do_no_harm() {
        let said = [
            ("你波打的用户正在通画中", Busy),
            ("你不打的电话以关机", SwitchedOff),
            ("您的号码是工号请合对后再播", NotInService),
            ("暂时无法接同", Unreachable),
        ];
        for (text, cause) in said {
            assert_eq!(Announcement::read(text), Some(cause), "{text}");
        }
    }

    #[test]
    fn what_says_no_cause_has_none() {
        for text in ["", "请稍后", "喂，你好，哪位", "正在为您接通，请稍候"] {
            assert_eq!(Announcement::read(text), None, "{text}");
        }
    }
}
