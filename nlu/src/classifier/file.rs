//! Parts of a model file: little-endian numbers, and a checksum over all of it.

/// Something in a model file that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) &'static str);

/// Writes a file.
#[derive(Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn f32(&mut self, value: f32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn f32s(&mut self, values: &[f32]) {
        values.iter().for_each(|value| self.f32(*value));
    }

    pub(crate) fn i8s(&mut self, values: &[i8]) {
        self.out.extend(values.iter().map(|value| value.cast_unsigned()));
    }

    /// Length u16, UTF-8.
    pub(crate) fn text(&mut self, text: &str) {
        self.u16(u16::try_from(text.len()).expect("names of classes are held to a limit"));
        self.bytes(text.as_bytes());
    }

    /// The file, its checksum last.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let crc = crc32(&self.out);
        self.u32(crc);
        self.out
    }
}

/// Reads a file.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of the bytes before the checksum.
    pub(crate) fn checked(file: &'a [u8]) -> Result<Self, Damage> {
        let (rest, crc) = file.split_last_chunk::<4>().ok_or(Damage("too short"))?;
        if crc32(rest) != u32::from_le_bytes(*crc) {
            return Err(Damage("checksum"));
        }
        Ok(Self { rest })
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Damage("too short"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Damage> {
        Ok(u16::from_le_bytes(self.bytes(2)?.try_into().expect("2 bytes")))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_le_bytes(self.bytes(4)?.try_into().expect("4 bytes")))
    }

    pub(crate) fn f32(&mut self) -> Result<f32, Damage> {
        let value = f32::from_bits(self.u32()?);
        if value.is_finite() { Ok(value) } else { Err(Damage("number")) }
    }

    pub(crate) fn f32s(&mut self, length: usize) -> Result<Vec<f32>, Damage> {
        (0..length).map(|_| self.f32()).collect()
    }

    pub(crate) fn i8s(&mut self, length: usize) -> Result<Vec<i8>, Damage> {
        Ok(self.bytes(length)?.iter().map(|byte| byte.cast_signed()).collect())
    }

    pub(crate) fn text(&mut self) -> Result<String, Damage> {
        let length = usize::from(self.u16()?);
        String::from_utf8(self.bytes(length)?.to_vec()).map_err(|_| Damage("name"))
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Damage> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damage("length")) }
    }
}

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (entry, seed) in table.iter_mut().zip(0u32..) {
        *entry = (0..8).fold(seed, |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()));
    }
    let step = |crc: u32, byte: &u8| (crc >> 8) ^ table[((crc ^ u32::from(*byte)) & 0xff) as usize];
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let mut out = Writer::default();
        out.text("水务");
        out.f32s(&[1.5, -2.0]);
        let file = out.finish();
        let mut from = Reader::checked(&file).unwrap();
        assert_eq!(from.text(), Ok("水务".to_owned()));
        assert_eq!((from.f32(), from.end()), (Ok(1.5), Err(Damage("length"))));
        assert_eq!((from.f32(), from.end()), (Ok(-2.0), Ok(())));
        assert_eq!(Reader::checked(&file[1..]).err(), Some(Damage("checksum")));
    }
}
