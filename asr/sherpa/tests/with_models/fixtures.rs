//! The models of these tests, and what is said to them.

use qingting_asr::resample::Upsampler;
use qingting_asr::sherpa::{HOTWORDS_SCORE, LiveKind, ModelAt, SherpaModels};
use std::path::{Path, PathBuf};

/// A recording and what it says.
pub(crate) struct Phrase {
    /// 8 kHz, with silence around it.
    pub(crate) samples: Vec<i16>,
    pub(crate) text: String,
}

impl Phrase {
    /// As an engine takes it, 16 kHz.
    pub(crate) fn wide(&self) -> Vec<f32> {
        let mut wide = Vec::new();
        Upsampler::new().push(&self.samples, &mut wide);
        wide
    }
}

/// The self-made streaming model alone; none where Silero is not installed, which is said.
pub(crate) fn live() -> Option<SherpaModels> {
    let vad = installed().join("silero-vad/silero_vad.onnx");
    if !vad.is_file() {
        println!("skipped: there is no {}; `qingting models fetch` installs it", vad.display());
        return None;
    }
    Some(SherpaModels {
        vad,
        onnxruntime: libraries().join("libonnxruntime.so"),
        live: Some(ModelAt { kind: LiveKind::ZipformerCtc, folder: folder("model") }),
        second_pass: None,
        punctuation: None,
        hotwords: None,
        hotwords_score: HOTWORDS_SCORE,
    })
}

/// The recordings beside the model.
pub(crate) fn phrases() -> Vec<Phrase> {
    let folder = folder("model");
    let table = std::fs::read_to_string(folder.join("phrases-test.tsv")).expect("a table");
    let rows = table.lines().skip(1).map(|row| {
        let mut cells = row.split('\t');
        let (file, text) = cells.next().zip(cells.next()).expect("file and text");
        let mut wav = hound::WavReader::open(folder.join(file)).expect("a recording");
        let samples = wav.samples::<i16>().collect::<Result<_, _>>().expect("16 bit");
        Phrase { samples, text: text.to_owned() }
    });
    rows.collect()
}

/// The libraries that setup fetched: those that this was built against.
pub(crate) fn libraries() -> &'static Path {
    Path::new(env!("SHERPA_ONNX_LIB_DIR"))
}

/// One of the folders beside this one.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Where `qingting models fetch` puts models, unless told otherwise.
fn installed() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = set("QINGTING_HOME")
        .or_else(|| set("XDG_DATA_HOME").map(|dir| dir.join("qingting")))
        .or_else(|| set("HOME").map(|dir| dir.join(".local/share/qingting")));
    home.unwrap_or_default().join("models")
}
