//! Arrays of f32 out of a numpy archive: a zip of `.npy` files (NEP 1 format).

use std::collections::BTreeMap;
use std::io::{Read, Seek};

const MAGIC: &[u8] = b"\x93NUMPY";
const ARRAY_BYTES_MAX: u64 = 16 << 20;

/// Reads every array, flattened in C order, by its name without `.npy`.
pub(crate) fn read(file: impl Read + Seek) -> Result<BTreeMap<String, Vec<f32>>, String> {
    let mut zip = zip::ZipArchive::new(file).map_err(|e| e.to_string())?;
    let mut arrays = BTreeMap::new();
    for i in 0..zip.len() {
        let entry = zip.by_index(i).map_err(|e| e.to_string())?;
        let name = entry.name().trim_end_matches(".npy").to_owned();
        let mut bytes = Vec::new();
        entry.take(ARRAY_BYTES_MAX).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        let array = parse(&bytes).ok_or_else(|| format!("{name} is no array of <f4 in C order"))?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

fn parse(bytes: &[u8]) -> Option<Vec<f32>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (&major, rest) = rest.split_first()?;
    let (length_bytes, rest) = rest.get(1..)?.split_at_checked(if major == 1 { 2 } else { 4 })?;
    let length = length_bytes.iter().rev().fold(0_usize, |n, &b| n << 8 | usize::from(b));
    let (header, data) = rest.split_at_checked(length)?;
    let header = std::str::from_utf8(header).ok()?;
    let plain = header.contains("'<f4'") && header.contains("'fortran_order': False");
    (plain && data.len() % 4 == 0).then(|| {
        data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_read_and_another_type_refused() {
        let mut npy = b"\x93NUMPY\x01\x00".to_vec();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
        npy.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
        npy.extend(header.as_bytes());
        npy.extend(1.5_f32.to_le_bytes());
        npy.extend((-2.0_f32).to_le_bytes());
        assert_eq!(parse(&npy), Some(vec![1.5, -2.0]));
        npy[13] = b'x';
        npy.truncate(60);
        assert_eq!(parse(&npy), None);
    }
}
