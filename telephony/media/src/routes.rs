//! Who hears whom in a room.

/// Legs of one room.
pub const LEGS_PER_ROOM_MAX: usize = 8;

/// A matrix: bit `j` of row `i` says that the leg in slot `i` hears the voice of slot `j`. Nobody
/// hears themselves, whatever the matrix says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routes(pub [u8; LEGS_PER_ROOM_MAX]);

impl Routes {
    /// Nobody hears anybody.
    pub const SILENT: Self = Self([0; LEGS_PER_ROOM_MAX]);

    /// These slots all hear each other, and nobody else.
    pub fn between(slots: &[usize]) -> Self {
        let all = slots.iter().fold(0, |all, slot| all | bit(*slot));
        let hears = |listener| if all & bit(listener) == 0 { 0 } else { all & !bit(listener) };
        Self(std::array::from_fn(hears))
    }

    /// The same, and `listener` hears `speaker`.
    pub fn with(mut self, listener: usize, speaker: usize) -> Self {
        self.0[listener] |= bit(speaker);
        self
    }

    /// The same, and `listener` does not hear `speaker`.
    pub fn without(mut self, listener: usize, speaker: usize) -> Self {
        self.0[listener] &= !bit(speaker);
        self
    }

    /// Whom `listener` hears: a bit for each slot, never its own.
    pub(crate) fn heard_by(self, listener: usize) -> u8 {
        self.0[listener] & !bit(listener)
    }

    /// Whoever is heard by one of `listeners`.
    pub(crate) fn speakers(self, listeners: u8) -> u8 {
        slots(listeners).fold(0, |all, listener| all | self.heard_by(listener))
    }

    /// The same without the slot, which hears nobody and is heard by nobody.
    pub(crate) fn cleared(mut self, slot: usize) -> Self {
        self.0[slot] = 0;
        self.0.iter_mut().for_each(|row| *row &= !bit(slot));
        self
    }

    pub(crate) fn to_bits(self) -> u64 {
        u64::from_le_bytes(self.0)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits.to_le_bytes())
    }
}

/// The bit of a slot.
pub(crate) fn bit(slot: usize) -> u8 {
    debug_assert!(slot < LEGS_PER_ROOM_MAX, "slots are given by rooms");
    1 << (slot % LEGS_PER_ROOM_MAX)
}

/// The slots of a set.
pub(crate) fn slots(set: u8) -> impl Iterator<Item = usize> {
    (0..LEGS_PER_ROOM_MAX).filter(move |slot| set & bit(*slot) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whisper_is_heard_by_one() {
        let (citizen, seat, coach) = (0, 1, 2);
        let routes = Routes::between(&[citizen, seat])
            .with(seat, coach)
            .with(coach, seat)
            .with(coach, citizen);
        assert_eq!(routes.0[..3], [0b010, 0b101, 0b011]);
        assert_eq!(routes.speakers(0b111), 0b111);
        assert_eq!(routes.speakers(0b001), 0b010, "the citizen hears the seat alone");
        assert_eq!(routes.without(seat, coach), routes.cleared(coach).with(2, 1).with(2, 0));
    }

    #[test]
    fn nobody_hears_themselves_and_bits_read_back() {
        let all = Routes([0xff; LEGS_PER_ROOM_MAX]);
        assert!((0..LEGS_PER_ROOM_MAX).all(|slot| all.heard_by(slot) == !bit(slot)));
        let routes = Routes::SILENT.with(7, 0).with(0, 3);
        assert_eq!(Routes::from_bits(routes.to_bits()), routes);
    }
}
