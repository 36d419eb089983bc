//! Precision and recall.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// How often a value was read rightly, wrongly, and not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Score {
    pub(crate) right: u32,
    pub(crate) wrong: u32,
    pub(crate) missed: u32,
}

impl Score {
    /// Counts one reading; `right` says whether what was found is what was expected.
    pub(crate) fn count(&mut self, expected: bool, found: bool, right: bool) {
        self.right += u32::from(expected && right);
        self.wrong += u32::from(found && !right);
        self.missed += u32::from(expected && !right);
    }

    pub(crate) fn precision(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.wrong).max(1))
    }

    pub(crate) fn recall(&self) -> f64 {
        f64::from(self.right) / f64::from((self.right + self.missed).max(1))
    }
}

impl Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "precision {:.2} recall {:.2} (right {}, wrong {}, missed {})",
            self.precision(),
            self.recall(),
            self.right,
            self.wrong,
            self.missed
        )
    }
}

/// Prints one line for each row of a table.
pub(crate) fn print<K: Display>(heading: &str, scores: &BTreeMap<K, Score>) {
    println!("{heading}");
    for (row, score) in scores {
        println!("  {row:<15} {score}");
    }
}

/// Asserts the least precision and recall of each row; a row without a floor is a mistake.
pub(crate) fn assert_floors(scores: &BTreeMap<&str, Score>, floors: &[(&str, f64, f64)]) {
    let named: Vec<&str> = floors.iter().map(|(row, ..)| *row).collect();
    assert!(scores.keys().all(|row| named.contains(row)), "{:?}", scores.keys());
    for (row, precision, recall) in floors {
        let score = scores.get(row).unwrap_or_else(|| panic!("nothing was scored for {row}"));
        assert!(score.precision() >= *precision, "{row}: {score}");
        assert!(score.recall() >= *recall, "{row}: {score}");
    }
}
