//! The model as bytes.

use super::AddressModel;

/// First bytes of a model.
const MAGIC: &[u8] = b"QTAM\x01";
/// Most labels and the longest name of one.
const LABELS_MAX: usize = 64;
/// Most weights.
const SLOTS_MAX: usize = 1 << 26;

/// Bytes that are no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressModelError {
    /// Made by something else, or cut short.
    #[error("not a model of addresses of this version: train it again")]
    Malformed,
}

impl AddressModel {
    /// The magic, labels as count and length-prefixed UTF-8, the transitions and the step as little-endian
    /// 32-bit floats, the number of slots as 32 bits, a bit for each slot that has a weight, lowest bit
    /// first, and those weights.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(self.labels.len() as u8);
        for label in &self.labels {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        self.transitions.iter().for_each(|weight| bytes.extend(weight.to_le_bytes()));
        bytes.extend(self.step.to_le_bytes());
        bytes.extend((self.weights.len() as u32).to_le_bytes());
        for eight in self.weights.chunks(8) {
            let bits = eight.iter().enumerate().map(|(at, weight)| u8::from(*weight != 0) << at);
            bytes.push(bits.sum());
        }
        bytes.extend(self.weights.iter().filter(|weight| **weight != 0).map(|w| *w as u8));
        bytes
    }

    /// Reads what [`AddressModel::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`AddressModelError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AddressModelError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(AddressModelError::Malformed)?;
        read(rest).ok_or(AddressModelError::Malformed)
    }
}

fn read(mut rest: &[u8]) -> Option<AddressModel> {
    let count = usize::from(take(&mut rest, 1)?[0]);
    let mut labels = Vec::new();
    for _ in 0..count {
        let length = usize::from(take(&mut rest, 1)?[0]);
        labels.push(std::str::from_utf8(take(&mut rest, length)?).ok()?.to_owned());
    }
    let transitions: Vec<f32> =
        (0..(count + 1) * count).map(|_| float(&mut rest)).collect::<Option<_>>()?;
    let step = float(&mut rest)?;
    let slots = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?) as usize;
    let fits = (1..=LABELS_MAX).contains(&count) && (count + 1..=SLOTS_MAX).contains(&slots);
    if !fits {
        return None;
    }
    let bits = take(&mut rest, slots.div_ceil(8))?;
    let mut weights = vec![0; slots];
    for (at, weight) in weights.iter_mut().enumerate() {
        if bits[at / 8] >> (at % 8) & 1 == 1 {
            *weight = take(&mut rest, 1)?[0] as i8;
        }
    }
    rest.is_empty().then_some(AddressModel { labels, transitions, step, weights })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

fn float(rest: &mut &[u8]) -> Option<f32> {
    let value = f32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
    value.is_finite().then_some(value)
}
