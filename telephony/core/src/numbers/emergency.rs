//! The services that are called when something happens now.

/// An emergency service and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Emergency {
    /// 公安.
    Police,
    /// 消防.
    Fire,
    /// 急救.
    Medical,
    /// 交警.
    Traffic,
}

impl Emergency {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Police, Self::Fire, Self::Medical, Self::Traffic];

    /// Its number.
    pub const fn number(self) -> &'static str {
        match self {
            Self::Police => "110",
            Self::Fire => "119",
            Self::Medical => "120",
            Self::Traffic => "122",
        }
    }

    /// Its name, as people are shown it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Police => "公安",
            Self::Fire => "消防",
            Self::Medical => "急救",
            Self::Traffic => "交警",
        }
    }

    /// The service with exactly this number.
    pub fn of(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.number() == number)
    }
}
