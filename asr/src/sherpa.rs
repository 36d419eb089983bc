//! What the worker on sherpa-onnx is told: kinds of models, their files, and its command line.
//!
//! That worker is a program of its own (`asr/sherpa`), so that this crate and the server need none of
//! sherpa-onnx's libraries.

use crate::error::{AsrError, Result};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How much a hotword is favoured where nobody says: sherpa-onnx's own default.
pub const HOTWORDS_SCORE: f32 = 1.5;

/// A kind of model: its name, and the network files that one consists of.
pub trait Kind: Copy + fmt::Debug + PartialEq + 'static {
    /// All of them.
    const ALL: &'static [Self];
    /// As it is written in a configuration.
    fn name(self) -> &'static str;
    /// What is found in the names of its `.onnx` files.
    fn parts(self) -> &'static [&'static str];
}

/// Models that hear while somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveKind {
    /// Streaming transducer, the only kind that takes hotwords.
    Transducer,
    /// Streaming Paraformer.
    Paraformer,
    /// Streaming Zipformer2-CTC.
    ZipformerCtc,
}

impl Kind for LiveKind {
    const ALL: &'static [Self] = &[Self::Transducer, Self::Paraformer, Self::ZipformerCtc];

    fn name(self) -> &'static str {
        match self {
            Self::Transducer => "transducer",
            Self::Paraformer => "paraformer",
            Self::ZipformerCtc => "zipformer-ctc",
        }
    }

    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Transducer => &["encoder", "decoder", "joiner"],
            Self::Paraformer => &["encoder", "decoder"],
            Self::ZipformerCtc => &["model"],
        }
    }
}

/// Models that hear finished segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondPassKind {
    /// SenseVoice; writes marks and numbers itself.
    SenseVoice,
    /// Paraformer.
    Paraformer,
    /// FireRed ASR with a CTC head.
    FireRedCtc,
    /// FireRed ASR with an attention decoder.
    FireRedAed,
    /// Whisper, as exported for sherpa-onnx.
    Whisper,
}

impl Kind for SecondPassKind {
    const ALL: &'static [Self] =
        &[Self::SenseVoice, Self::Paraformer, Self::FireRedCtc, Self::FireRedAed, Self::Whisper];

    fn name(self) -> &'static str {
        match self {
            Self::SenseVoice => "sense-voice",
            Self::Paraformer => "paraformer",
            Self::FireRedCtc => "fire-red-ctc",
            Self::FireRedAed => "fire-red-aed",
            Self::Whisper => "whisper",
        }
    }

    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::SenseVoice | Self::Paraformer | Self::FireRedCtc => &["model"],
            Self::FireRedAed | Self::Whisper => &["encoder", "decoder"],
        }
    }
}

/// A model of a kind in a folder as its official archive unpacks; written `KIND:FOLDER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAt<K> {
    /// What it is.
    pub kind: K,
    /// Where it lies.
    pub folder: PathBuf,
}

impl<K: Kind> ModelAt<K> {
    /// The network file of a part, the int8 one where there are several.
    ///
    /// # Errors
    /// [`AsrError::ModelMissing`].
    pub fn onnx(&self, part: &str) -> Result<PathBuf> {
        let names = self.names();
        let is_part = |name: &&String| name.contains(part) && name.ends_with(".onnx");
        let found = names.iter().filter(is_part).max_by_key(|name| name.contains("int8"));
        found.map(|name| self.folder.join(name)).ok_or_else(|| self.lacks(format!("{part}*.onnx")))
    }

    /// The list of its tokens.
    ///
    /// # Errors
    /// [`AsrError::ModelMissing`].
    pub fn tokens(&self) -> Result<PathBuf> {
        let found = self.names().into_iter().find(|name| name.ends_with("tokens.txt"));
        found.map(|name| self.folder.join(name)).ok_or_else(|| self.lacks("tokens.txt".into()))
    }

    /// The pieces of words in which it writes foreign ones, where it does.
    pub fn pieces(&self) -> Option<PathBuf> {
        Some(self.folder.join("bpe.vocab")).filter(|path| path.is_file())
    }

    /// Whether all of it is there.
    ///
    /// # Errors
    /// [`AsrError::ModelMissing`] naming the first file that is not.
    pub fn check(&self) -> Result<()> {
        self.kind.parts().iter().try_for_each(|part| self.onnx(part).map(drop))?;
        self.tokens().map(drop)
    }

    /// Names of the files in its folder, in order; none where there is no folder.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    fn lacks(&self, name: String) -> AsrError {
        AsrError::ModelMissing { path: self.folder.join(name) }
    }
}

impl<K: Kind> fmt::Display for ModelAt<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.folder.display())
    }
}

impl<K: Kind> FromStr for ModelAt<K> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, folder) = text.split_once(':').unwrap_or((text, ""));
        let kind = K::ALL.iter().copied().find(|kind| kind.name() == name);
        match kind.filter(|_| !folder.is_empty()) {
            Some(kind) => Ok(Self { kind, folder: folder.into() }),
            None => {
                let names: Vec<&str> = K::ALL.iter().map(|kind| kind.name()).collect();
                Err(format!("{text:?} is not KIND:FOLDER, KIND one of {}", names.join(", ")))
            }
        }
    }
}

/// What one worker runs.
#[derive(Clone, Debug, PartialEq)]
pub struct SherpaModels {
    /// Silero's `silero_vad.onnx`.
    pub vad: PathBuf,
    /// ONNX Runtime's `libonnxruntime.so`; sherpa-onnx's library lies beside it.
    pub onnxruntime: PathBuf,
    /// What a seat sees while somebody speaks, and the last word where there is no second pass.
    pub live: Option<ModelAt<LiveKind>>,
    /// The last word.
    pub second_pass: Option<ModelAt<SecondPassKind>>,
    /// CT-Transformer's file: marks for final text that has none.
    pub punctuation: Option<PathBuf>,
    /// Words that are favoured, a line each.
    pub hotwords: Option<PathBuf>,
    /// How much.
    pub hotwords_score: f32,
}

impl SherpaModels {
    /// Whether all files are there and the models can do what they are asked for.
    ///
    /// # Errors
    /// [`AsrError::ModelMissing`] or, for hotwords, [`AsrError::Engine`].
    pub fn check(&self) -> Result<()> {
        let here = |path: &Path| match path.is_file() {
            true => Ok(()),
            false => Err(AsrError::ModelMissing { path: path.to_owned() }),
        };
        here(&self.vad)?;
        here(&self.onnxruntime)?;
        self.live.as_ref().map_or(Ok(()), ModelAt::check)?;
        self.second_pass.as_ref().map_or(Ok(()), ModelAt::check)?;
        self.punctuation.as_deref().map_or(Ok(()), here)?;
        let Some(hotwords) = &self.hotwords else { return Ok(()) };
        let reason = if !hotwords.is_file() {
            format!("there is no list of hotwords {}", hotwords.display())
        } else if self.live.as_ref().is_none_or(|live| live.kind != LiveKind::Transducer) {
            "only a live transducer takes hotwords".into()
        } else {
            return Ok(());
        };
        Err(AsrError::Engine { engine: "sherpa-onnx", reason })
    }

    /// The worker's words for this.
    pub fn args(&self) -> Vec<OsString> {
        let mut args = vec!["--vad".into(), self.vad.clone().into_os_string()];
        args.extend(["--onnxruntime".into(), self.onnxruntime.clone().into_os_string()]);
        let named = [
            ("--live", self.live.as_ref().map(|model| model.to_string().into())),
            ("--second-pass", self.second_pass.as_ref().map(|model| model.to_string().into())),
            ("--punctuation", self.punctuation.clone().map(PathBuf::into_os_string)),
            ("--hotwords", self.hotwords.clone().map(PathBuf::into_os_string)),
            ("--hotwords-score", Some(self.hotwords_score.to_string().into())),
        ];
        for (name, value) in named {
            args.extend(value.into_iter().flat_map(|value| [name.into(), value]));
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in names {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        folder
    }

    #[test]
    fn official_archives_are_understood() {
        let folder = folder(&[
            "decoder-epoch-99-avg-1.onnx",
            "encoder-epoch-99-avg-1.int8.onnx",
            "encoder-epoch-99-avg-1.onnx",
            "joiner-epoch-99-avg-1.int8.onnx",
            "joiner-epoch-99-avg-1.onnx",
            "tokens.txt",
        ]);
        let model = ModelAt { kind: LiveKind::Transducer, folder: folder.path().into() };
        model.check().expect("complete");
        let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(name(model.onnx("encoder").unwrap()), "encoder-epoch-99-avg-1.int8.onnx");
        assert_eq!(name(model.onnx("decoder").unwrap()), "decoder-epoch-99-avg-1.onnx");
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = folder(&["base-encoder.int8.onnx", "base-tokens.txt"]);
        let model = ModelAt { kind: SecondPassKind::Whisper, folder: folder.path().into() };
        assert!(model.check().unwrap_err().to_string().contains("/decoder*.onnx is missing"));
    }

    #[test]
    fn a_kind_that_does_not_exist_is_refused_with_those_that_do() {
        let parsed = "sense-voice:/srv/a:b".parse::<ModelAt<SecondPassKind>>().expect("a model");
        assert_eq!(parsed.folder, Path::new("/srv/a:b"));
        let error = "sensevoice:/srv".parse::<ModelAt<SecondPassKind>>().unwrap_err();
        assert!(error.contains("sense-voice, paraformer"), "{error}");
        assert!("whisper".parse::<ModelAt<SecondPassKind>>().is_err(), "no folder");
    }

    #[test]
    fn hotwords_need_a_transducer() {
        let folder =
            folder(&["model.int8.onnx", "tokens.txt", "silero_vad.onnx", "lib.so", "words"]);
        let at = |name: &str| folder.path().join(name);
        let mut models = SherpaModels {
            vad: at("silero_vad.onnx"),
            onnxruntime: at("lib.so"),
            live: Some(ModelAt { kind: LiveKind::ZipformerCtc, folder: folder.path().into() }),
            second_pass: None,
            punctuation: None,
            hotwords: None,
            hotwords_score: HOTWORDS_SCORE,
        };
        models.check().expect("complete");
        models.hotwords = Some(at("words"));
        assert!(models.check().unwrap_err().to_string().contains("transducer"));
    }
}
