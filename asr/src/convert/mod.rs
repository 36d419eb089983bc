//! Whisper base from CTranslate2's file into whisper.cpp's.
//!
//! whisper.cpp's file (little-endian): magic, eleven i32 of dimensions, the mel filterbank, the
//! byte strings of the vocabulary, then the tensors. Nothing is computed but the filterbank:
//! fused projections are taken apart and biases widened to f32.

mod ct2;
mod mel;

use crate::error::{AsrError, Result};
use ct2::Model;
use std::io::Write;
use std::path::Path;

/// Size of the result, in bytes.
pub const GGML_BYTES: u64 = 147_951_465;

const GGML_MAGIC: u32 = 0x6767_6d6c;
const F32: i32 = 0;
const F16: i32 = 1;

/// Dimensions of Whisper base, multilingual.
const VOCABULARY: usize = 51_865;
/// Tokens that are text; the rest are control tokens that whisper.cpp names itself.
const TEXT_TOKENS: usize = 50_257;
const STATE: usize = 512;
const HEADS: usize = 8;
const LAYERS: usize = 6;
const AUDIO_CONTEXT: usize = 1_500;
const TEXT_CONTEXT: usize = 448;

/// What is wrong with a file to be converted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConvertError {
    #[error("it ends at byte {at} where {wanted} more were expected (an unfinished download?)")]
    Truncated { at: usize, wanted: usize },
    #[error("it does not start like a CTranslate2 model, version 6 (found {found})")]
    Magic { found: u32 },
    #[error("it holds a {found}, not a Whisper model")]
    NotWhisper { found: String },
    #[error("tensor {name} is missing")]
    TensorMissing { name: String },
    #[error("tensor {name} has extents {shape:?}, not those of Whisper base in float16")]
    Shape { name: String, shape: Vec<usize> },
    #[error("the vocabulary has {found} tokens, Whisper base has {VOCABULARY}")]
    Vocabulary { found: usize },
    #[error("the vocabulary is not readable: {0}")]
    VocabularyFormat(String),
}

/// Writes `out`, whisper.cpp's f16 file of [`GGML_BYTES`], from CTranslate2's float16
/// `model_bin` and its vocabulary (`vocabulary.txt`, one token a line, or `tokenizer.json`).
///
/// `out` appears only when it is complete.
///
/// # Errors
/// [`AsrError::ModelMissing`] or [`AsrError::ModelBad`] naming the file at fault,
/// [`AsrError::Io`] when `out` cannot be written.
pub fn ct2_to_ggml(model_bin: &Path, vocabulary: &Path, out: &Path) -> Result<()> {
    let bytes = read(model_bin)?;
    let bad = |path: &Path| {
        let path = path.to_owned();
        move |error: ConvertError| AsrError::ModelBad { path, reason: error.to_string() }
    };
    let tokens = read(vocabulary)
        .and_then(|bytes| read_vocabulary(&bytes, vocabulary).map_err(bad(vocabulary)))?;
    let model = Model::parse(&bytes).map_err(bad(model_bin))?;
    let ggml = assemble(&model, &tokens).map_err(bad(model_bin))?;
    let partial = out.with_extension("partial");
    let mut file = std::fs::File::create(&partial).map_err(AsrError::io(&partial))?;
    file.write_all(&ggml).and_then(|()| file.sync_all()).map_err(AsrError::io(&partial))?;
    std::fs::rename(&partial, out).map_err(AsrError::io(out))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => AsrError::ModelMissing { path: path.to_owned() },
        _ => AsrError::Io { path: path.to_owned(), source },
    })
}

/// The text tokens' bytes, in order of their numbers.
fn read_vocabulary(bytes: &[u8], path: &Path) -> Result<Vec<Vec<u8>>, ConvertError> {
    let tokens = if path.extension().is_some_and(|extension| extension == "json") {
        tokens_of_json(bytes)?
    } else {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| ConvertError::VocabularyFormat(error.to_string()))?;
        text.strip_suffix('\n').unwrap_or(text).split('\n').map(str::to_owned).collect()
    };
    // tokenizer.json may leave out the control tokens, which are not needed.
    if tokens.len() != VOCABULARY && !(TEXT_TOKENS..=VOCABULARY).contains(&tokens.len()) {
        return Err(ConvertError::Vocabulary { found: tokens.len() });
    }
    tokens
        .iter()
        .take(TEXT_TOKENS)
        .map(|token| {
            token.chars().map(byte_of).collect::<Option<Vec<u8>>>().ok_or_else(|| {
                ConvertError::VocabularyFormat(format!("token {token:?} is not byte-level"))
            })
        })
        .collect()
}

fn tokens_of_json(bytes: &[u8]) -> Result<Vec<String>, ConvertError> {
    #[derive(serde::Deserialize)]
    struct Tokenizer {
        model: Pairs,
    }
    #[derive(serde::Deserialize)]
    struct Pairs {
        vocab: std::collections::HashMap<String, usize>,
    }
    let tokenizer: Tokenizer = serde_json::from_slice(bytes)
        .map_err(|error| ConvertError::VocabularyFormat(error.to_string()))?;
    let mut tokens: Vec<(usize, String)> =
        tokenizer.model.vocab.into_iter().map(|(token, number)| (number, token)).collect();
    tokens.sort_unstable();
    if tokens.iter().enumerate().any(|(i, (number, _))| i != *number) {
        return Err(ConvertError::VocabularyFormat("token numbers have holes".to_owned()));
    }
    Ok(tokens.into_iter().map(|(_, token)| token).collect())
}

/// GPT-2's printable stand-in for a byte, undone: printable Latin-1 stands for itself, the other
/// 68 bytes are numbered from U+0100.
fn byte_of(stand_in: char) -> Option<u8> {
    let is_printable = |b: &u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(stand_in);
    match u8::try_from(code) {
        Ok(byte) => is_printable(&byte).then_some(byte),
        Err(_) => (0..=u8::MAX).filter(|b| !is_printable(b)).nth((code - 0x100) as usize),
    }
}

fn assemble(model: &Model<'_>, tokens: &[Vec<u8>]) -> Result<Vec<u8>, ConvertError> {
    let mut out = Ggml(Vec::with_capacity(GGML_BYTES as usize));
    out.int(GGML_MAGIC as usize);
    let dimensions = [
        VOCABULARY,
        AUDIO_CONTEXT,
        STATE,
        HEADS,
        LAYERS,
        TEXT_CONTEXT,
        STATE,
        HEADS,
        LAYERS,
        mel::BANDS,
        F16 as usize,
    ];
    dimensions.iter().for_each(|dimension| out.int(*dimension));
    out.int(mel::BANDS);
    out.int(mel::BINS);
    mel::filterbank().iter().for_each(|weight| out.0.extend(weight.to_le_bytes()));
    out.int(tokens.len());
    for token in tokens {
        out.int(token.len());
        out.0.extend(token);
    }
    encoder(model, &mut out)?;
    decoder(model, &mut out)?;
    Ok(out.0)
}

fn encoder(model: &Model<'_>, out: &mut Ggml) -> Result<(), ConvertError> {
    let positions = [AUDIO_CONTEXT, STATE];
    out.wide(
        "encoder.positional_embedding",
        &positions,
        model.tensor("encoder/position_encodings/encodings", &positions)?,
    );
    for (conv, channels) in [("conv1", mel::BANDS), ("conv2", STATE)] {
        let shape = [STATE, channels, 3];
        let weight = model.tensor(&format!("encoder/{conv}/weight"), &shape)?;
        out.half(&format!("encoder.{conv}.weight"), &shape, weight);
        let bias = model.tensor(&format!("encoder/{conv}/bias"), &[STATE])?;
        out.wide(&format!("encoder.{conv}.bias"), &[STATE, 1], bias);
    }
    norm(model, out, "encoder/layer_norm", "encoder.ln_post")?;
    for layer in 0..LAYERS {
        block(model, out, "encoder", layer)?;
    }
    Ok(())
}

fn decoder(model: &Model<'_>, out: &mut Ggml) -> Result<(), ConvertError> {
    let positions = [TEXT_CONTEXT, STATE];
    out.wide(
        "decoder.positional_embedding",
        &positions,
        model.tensor("decoder/position_encodings/encodings", &positions)?,
    );
    let embedding = [VOCABULARY, STATE];
    let weight = model.tensor("decoder/embeddings/weight", &embedding)?;
    out.half("decoder.token_embedding.weight", &embedding, weight);
    norm(model, out, "decoder/layer_norm", "decoder.ln")?;
    for layer in 0..LAYERS {
        block(model, out, "decoder", layer)?;
        let from = format!("decoder/layer_{layer}/attention");
        let to = format!("decoder.blocks.{layer}");
        norm(model, out, &format!("{from}/layer_norm"), &format!("{to}.cross_attn_ln"))?;
        let parts = |name: &'static str| format!("{to}.cross_attn.{name}");
        linear(model, out, &format!("{from}/linear_0"), STATE, &[&parts("query")])?;
        linear(model, out, &format!("{from}/linear_1"), STATE, &[&parts("key"), &parts("value")])?;
        linear(model, out, &format!("{from}/linear_2"), STATE, &[&parts("out")])?;
    }
    Ok(())
}

/// Self-attention and feed-forward, the same on both sides.
fn block(model: &Model<'_>, out: &mut Ggml, side: &str, layer: usize) -> Result<(), ConvertError> {
    let from = format!("{side}/layer_{layer}");
    let to = format!("{side}.blocks.{layer}");
    let parts = |name: &'static str| format!("{to}.attn.{name}");
    norm(model, out, &format!("{from}/self_attention/layer_norm"), &format!("{to}.attn_ln"))?;
    let fused = [&*parts("query"), &parts("key"), &parts("value")];
    linear(model, out, &format!("{from}/self_attention/linear_0"), STATE, &fused)?;
    linear(model, out, &format!("{from}/self_attention/linear_1"), STATE, &[&parts("out")])?;
    norm(model, out, &format!("{from}/ffn/layer_norm"), &format!("{to}.mlp_ln"))?;
    let inner = STATE * 4;
    let widen = (format!("{from}/ffn/linear_0"), format!("{to}.mlp.0"));
    half_and_bias(model, out, &widen.0, [inner, STATE], &widen.1)?;
    let narrow = (format!("{from}/ffn/linear_1"), format!("{to}.mlp.2"));
    half_and_bias(model, out, &narrow.0, [STATE, inner], &narrow.1)
}

fn norm(model: &Model<'_>, out: &mut Ggml, from: &str, to: &str) -> Result<(), ConvertError> {
    for (theirs, ours) in [("gamma", "weight"), ("beta", "bias")] {
        let values = model.tensor(&format!("{from}/{theirs}"), &[STATE])?;
        out.wide(&format!("{to}.{ours}"), &[STATE], values);
    }
    Ok(())
}

fn half_and_bias(
    model: &Model<'_>,
    out: &mut Ggml,
    from: &str,
    shape: [usize; 2],
    to: &str,
) -> Result<(), ConvertError> {
    out.half(&format!("{to}.weight"), &shape, model.tensor(&format!("{from}/weight"), &shape)?);
    let bias = model.tensor(&format!("{from}/bias"), &shape[..1])?;
    out.wide(&format!("{to}.bias"), &shape[..1], bias);
    Ok(())
}

/// One fused projection of `parts.len()` × `rows` rows, written as its parts. Whisper's keys have
/// no bias (CTranslate2 stores zeros), and whisper.cpp wants none.
fn linear(
    model: &Model<'_>,
    out: &mut Ggml,
    from: &str,
    rows: usize,
    parts: &[&str],
) -> Result<(), ConvertError> {
    let all = rows * parts.len();
    let weight = model.tensor(&format!("{from}/weight"), &[all, STATE])?;
    let bias = model.tensor(&format!("{from}/bias"), &[all])?;
    for (part, (weight, bias)) in
        parts.iter().zip(weight.chunks(rows * STATE * 2).zip(bias.chunks(rows * 2)))
    {
        out.half(&format!("{part}.weight"), &[rows, STATE], weight);
        if !part.ends_with(".key") {
            out.wide(&format!("{part}.bias"), &[rows], bias);
        }
    }
    Ok(())
}

struct Ggml(Vec<u8>);

impl Ggml {
    fn int(&mut self, value: usize) {
        let value = u32::try_from(value).expect("every count of this model fits 32 bits");
        self.0.extend(value.to_le_bytes());
    }

    fn head(&mut self, name: &str, shape: &[usize], kind: i32) {
        self.int(shape.len());
        self.int(name.len());
        self.0.extend(kind.to_le_bytes());
        shape.iter().rev().for_each(|extent| self.int(*extent));
        self.0.extend(name.as_bytes());
    }

    /// A tensor kept as f16.
    fn half(&mut self, name: &str, shape: &[usize], bytes: &[u8]) {
        self.head(name, shape, F16);
        self.0.extend(bytes);
    }

    /// A tensor widened to f32, as whisper.cpp wants biases, norms and positions.
    fn wide(&mut self, name: &str, shape: &[usize], bytes: &[u8]) {
        self.head(name, shape, F32);
        for half in bytes.chunks_exact(2) {
            let value = widen(u16::from_le_bytes([half[0], half[1]]));
            self.0.extend(value.to_le_bytes());
        }
    }
}

/// IEEE 754 binary16 to binary32, exact.
fn widen(half: u16) -> f32 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(half >> 10 & 0x1f);
    let fraction = f32::from(half & 0x3ff);
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1_024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_widen_exactly() {
        for (half, wide) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x0001, 2f32.powi(-24)),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(widen(half), wide);
        }
        assert!(widen(0x7e00).is_nan());
    }

    #[test]
    fn stand_ins_name_each_byte_once() {
        let mut seen: Vec<u8> =
            (0u32..0x200).filter_map(char::from_u32).filter_map(byte_of).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(byte_of('Ġ'), Some(b' '));
    }

    #[test]
    fn a_bad_file_is_named_with_its_fault() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (model, vocabulary) = (folder.path().join("model.bin"), folder.path().join("v.txt"));
        let out = folder.path().join("out.bin");
        let attempt = || ct2_to_ggml(&model, &vocabulary, &out).expect_err("bad").to_string();

        assert!(attempt().contains("model.bin is missing"), "{}", attempt());
        std::fs::write(&vocabulary, "a\n".repeat(VOCABULARY)).expect("written");
        std::fs::write(&model, b"\x06\0").expect("written");
        assert!(attempt().contains("ends at byte 0"), "{}", attempt());
        std::fs::write(&model, b"GGUF....").expect("written");
        assert!(attempt().contains("does not start like"), "{}", attempt());
        std::fs::write(&vocabulary, "a\n".repeat(9)).expect("written");
        assert!(attempt().contains("9 tokens"), "{}", attempt());
        assert!(!out.exists());
    }
}
