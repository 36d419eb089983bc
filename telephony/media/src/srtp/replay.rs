//! Which packets came already (RFC 3711 §3.3.2), and which index a sequence number means (§3.3.1).

use super::SrtpError;

/// Packets behind the newest that are told apart. The standard asks for 64 at least.
const WINDOW: u64 = 128;

/// The indices of one source that came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    highest: Option<u64>,
    /// Bit `n` is the packet `n` behind the highest.
    came: u128,
}

impl Window {
    /// The index that `sequence` means: the one nearest to the highest so far.
    pub(super) fn index_of(&self, sequence: u16) -> u64 {
        nearest(self.highest, sequence)
    }

    /// Whether `index` is new enough and did not come.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        let behind = self.highest.and_then(|highest| highest.checked_sub(index));
        match behind {
            None => Ok(()),
            Some(behind) if behind < WINDOW && self.came >> behind & 1 == 0 => Ok(()),
            Some(_) => Err(SrtpError::Replayed),
        }
    }

    /// Remembers an index that is authentic.
    pub(super) fn accept(&mut self, index: u64) {
        let highest = self.highest.unwrap_or(index);
        if index > highest {
            let ahead = u32::try_from(index - highest).unwrap_or(u32::MAX);
            self.came = self.came.checked_shl(ahead).unwrap_or(0);
        }
        let highest = highest.max(index);
        self.highest = Some(highest);
        if highest - index < WINDOW {
            self.came |= 1 << (highest - index);
        }
    }
}

/// The index with the low 16 bits `sequence` that is nearest to `highest`; the sequence number
/// itself when nothing came yet.
pub(super) fn nearest(highest: Option<u64>, sequence: u16) -> u64 {
    const ROUND: u64 = 1 << 16;
    let Some(highest) = highest else { return u64::from(sequence) };
    let same_round = highest & !(ROUND - 1) | u64::from(sequence);
    if same_round + ROUND / 2 < highest {
        same_round + ROUND
    } else if same_round > highest + ROUND / 2 && same_round >= ROUND {
        same_round - ROUND
    } else {
        same_round
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_counts_once_and_an_old_one_not_at_all() {
        let mut window = Window::default();
        for index in [1_000, 1_002, 1_001, 1_100] {
            window.check(index).unwrap();
            window.accept(index);
            assert_eq!(window.check(index), Err(SrtpError::Replayed), "{index}");
        }
        assert_eq!(window.check(1_099), Ok(()));
        assert_eq!(window.check(1_100 - WINDOW + 1), Ok(()));
        assert_eq!(window.check(1_100 - WINDOW), Err(SrtpError::Replayed));
        window.accept(2_000_000);
        assert_eq!(window.check(1_999_999), Ok(()));
    }

    #[test]
    fn a_sequence_number_means_the_nearest_index() {
        assert_eq!(nearest(None, 65_535), 65_535);
        assert_eq!(nearest(Some(65_535), 0), 65_536);
        assert_eq!(nearest(Some(65_536), 65_535), 65_535);
        assert_eq!(nearest(Some(65_536 + 5), 65_530), 65_530);
        assert_eq!(nearest(Some(10), 65_530), 65_530, "there is nothing before the beginning");
        assert_eq!(nearest(Some(3 << 16 | 40_000), 10), 4 << 16 | 10);
    }
}
