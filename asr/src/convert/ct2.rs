//! Reading CTranslate2's `model.bin`, binary version 6.
//!
//! Layout (little-endian): version u32, specification name, revision u32, count u32, then per
//! variable: name, rank u8, extents u32 each, type u8, byte count u32, bytes; then aliases.
//! A string is a u16 length that counts a closing NUL.

use super::ConvertError;
use std::collections::HashMap;

const BINARY_VERSION: u32 = 6;
const SPECIFICATION: &str = "WhisperSpec";
const FLOAT16: u8 = 4;
/// Most dimensions a variable of this model has.
const RANK_MAX: u8 = 4;

/// One float16 array, still in the file's bytes.
pub(super) struct Tensor<'a> {
    /// Extents, outermost first.
    pub(super) shape: Vec<usize>,
    /// Two bytes an element, little-endian.
    pub(super) bytes: &'a [u8],
}

/// The file's float16 arrays by name.
pub(super) struct Model<'a>(HashMap<String, Tensor<'a>>);

impl<'a> Model<'a> {
    /// Reads the whole file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ConvertError> {
        let mut input = Input { bytes, at: 0 };
        let version = input.u32()?;
        if version != BINARY_VERSION {
            return Err(ConvertError::Magic { found: version });
        }
        let specification = input.string()?;
        if specification != SPECIFICATION {
            return Err(ConvertError::NotWhisper { found: specification });
        }
        let _revision = input.u32()?;
        let count = input.u32()?;
        let mut tensors = HashMap::new();
        for _ in 0..count {
            let name = input.string()?;
            let rank = input.u8()?;
            if rank > RANK_MAX {
                return Err(ConvertError::Shape { name, shape: vec![usize::from(rank)] });
            }
            let shape = (0..rank)
                .map(|_| input.u32().map(|extent| extent as usize))
                .collect::<Result<Vec<_>, _>>()?;
            let kind = input.u8()?;
            let byte_count = input.u32()? as usize;
            let bytes = input.take(byte_count)?;
            if kind != FLOAT16 {
                continue;
            }
            let elements = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
            if elements.and_then(|n| n.checked_mul(2)) != Some(byte_count) {
                return Err(ConvertError::Shape { name, shape });
            }
            tensors.insert(name, Tensor { shape, bytes });
        }
        Ok(Self(tensors))
    }

    /// The array of that name, which must have these extents.
    pub(super) fn tensor(&self, name: &str, shape: &[usize]) -> Result<&'a [u8], ConvertError> {
        let tensor = self
            .0
            .get(name)
            .ok_or_else(|| ConvertError::TensorMissing { name: name.to_owned() })?;
        if tensor.shape != shape {
            return Err(ConvertError::Shape { name: name.to_owned(), shape: tensor.shape.clone() });
        }
        Ok(tensor.bytes)
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ConvertError> {
        let taken = self
            .at
            .checked_add(count)
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or(ConvertError::Truncated { at: self.at, wanted: count })?;
        self.at += count;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, ConvertError> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, ConvertError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn string(&mut self) -> Result<String, ConvertError> {
        let length = self.take(2)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let bytes = self.take(length)?;
        Ok(String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned())
    }
}
