//! What is checked, and how much.

use super::likeness::Sounds;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 开头语: the seat did not greet.
    Greeting,
    /// 结束语: nor say goodbye.
    Closing,
    /// 静默: nobody spoke.
    Silence,
    /// 抢话: the seat began while the citizen spoke.
    TalkOver,
    /// 服务禁语: a word that no seat should say.
    Forbidden,
    /// 语速: the seat spoke too fast.
    Pace,
    /// 等待: the citizen was left waiting.
    Hold,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Greeting,
        Self::Closing,
        Self::Silence,
        Self::TalkOver,
        Self::Forbidden,
        Self::Pace,
        Self::Hold,
    ];

    /// The name in the database, the API and the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Closing => "closing",
            Self::Silence => "silence",
            Self::TalkOver => "talk_over",
            Self::Forbidden => "forbidden",
            Self::Pace => "pace",
            Self::Hold => "hold",
        }
    }

    /// The name in a city's table.
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::Greeting => "开头语",
            Self::Closing => "结束语",
            Self::Silence => "静默",
            Self::TalkOver => "抢话",
            Self::Forbidden => "服务禁语",
            Self::Pace => "语速",
            Self::Hold => "等待",
        }
    }

    /// Whether it looks for phrases.
    pub const fn has_phrases(self) -> bool {
        matches!(self, Self::Greeting | Self::Closing | Self::Forbidden)
    }

    /// Whether it has a limit, and between which numbers that must lie.
    pub const fn limits(self) -> Option<(u32, u32)> {
        match self {
            Self::Greeting | Self::Closing => Some((3, 120)),
            Self::Silence => Some((3, 600)),
            Self::TalkOver => Some((200, 10_000)),
            Self::Forbidden => None,
            Self::Pace => Some((120, 900)),
            Self::Hold => Some((5, 3_600)),
        }
    }
}

/// A phrase; `Debug` and equality are its text's.
#[derive(Clone)]
pub struct Phrase {
    pub(super) text: String,
    pub(super) sounds: Sounds,
}

impl Phrase {
    /// As it is said.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), sounds: Sounds::of(text) }
    }

    /// How many syllables it has.
    pub fn syllables(&self) -> usize {
        self.sounds.len()
    }
}

impl std::fmt::Debug for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for Phrase {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What.
    pub kind: Kind,
    /// Seconds; of [`Kind::TalkOver`] milliseconds, of [`Kind::Pace`] syllables a minute; 0 without a limit.
    pub limit: u32,
    /// What a finding takes from the score.
    pub points: u32,
    /// What all findings of the kind in one call take at most.
    pub points_max: u32,
    /// Phrases: one of them must be heard, or none of them may be.
    pub phrases: Vec<Phrase>,
    /// Of [`Kind::Forbidden`], what holds a phrase and is fine.
    pub fine: Vec<String>,
}

/// What is checked in a city; a kind without a rule is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// From rules, one for a kind: of several the first counts.
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// The rule for a kind.
    pub fn rule(&self, kind: Kind) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.kind == kind)
    }

    /// All of them.
    pub fn all(&self) -> &[Rule] {
        &self.0
    }
}
