//! How a trunk wants a number.

use super::{AreaCode, Number};

/// The written form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrunkForm {
    /// `01012345678`.
    #[default]
    National,
    /// `+861012345678`.
    E164,
    /// `861012345678`.
    E164WithoutPlus,
}

/// How one trunk wants the numbers that are dialled through it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrunkRule {
    /// The form; short codes and emergencies are national in each.
    pub form: TrunkForm,
    /// Digits before every number: `9` for an outside line.
    pub prefix: String,
    /// With [`TrunkForm::National`]: the area whose lines are dialled without its code.
    pub local_area: Option<AreaCode>,
}

impl TrunkRule {
    /// What to dial. The result is as personal as the number.
    pub fn dial(&self, number: &Number) -> String {
        let written = match self.form {
            TrunkForm::National => None,
            TrunkForm::E164 => number.e164(),
            TrunkForm::E164WithoutPlus => number.e164().map(|full| full[1..].into()),
        };
        let written = written.unwrap_or_else(|| {
            let national = number.national();
            let area = self.local_area.as_ref().filter(|own| number.area().as_ref() == Some(own));
            match area.and_then(|area| national.strip_prefix(area.as_str())) {
                Some(local) => local.into(),
                None => national,
            }
        });
        format!("{}{written}", self.prefix)
    }
}
