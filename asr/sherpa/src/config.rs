//! Kinds of models in the words of sherpa-onnx.

use qingting_asr::Result;
use qingting_asr::sherpa::{LiveKind, ModelAt, SecondPassKind, SherpaModels};
use sherpa_onnx::{
    OfflineFireRedAsrCtcModelConfig, OfflineFireRedAsrModelConfig, OfflineModelConfig,
    OfflineParaformerModelConfig, OfflinePunctuationConfig, OfflinePunctuationModelConfig,
    OfflineRecognizerConfig, OfflineSenseVoiceModelConfig, OfflineWhisperModelConfig,
    OnlineModelConfig, OnlineParaformerModelConfig, OnlineRecognizerConfig,
    OnlineTransducerModelConfig, OnlineZipformer2CtcModelConfig,
};
use std::path::Path;

/// One thread a decode: the worker has a thread for every core already.
const THREADS: i32 = 1;
/// Silence that ends an utterance before anything was heard in it, and after that.
const ENDPOINT_SILENCE_S: f32 = 2.4;
const ENDPOINT_PAUSE_S: f32 = 0.8;
/// Longer than any segment: those are cut at a pause, which a length alone does not find.
const ENDPOINT_LENGTH_S: f32 = 60.0;
/// Hypotheses that a search with hotwords keeps.
const ACTIVE_PATHS: i32 = 4;

/// A live model, with what else is said of hotwords.
pub(crate) fn live(
    model: &ModelAt<LiveKind>,
    models: &SherpaModels,
) -> Result<OnlineRecognizerConfig> {
    let mut config = OnlineRecognizerConfig {
        model_config: live_model(model)?,
        decoding_method: Some("greedy_search".into()),
        enable_endpoint: true,
        rule1_min_trailing_silence: ENDPOINT_SILENCE_S,
        rule2_min_trailing_silence: ENDPOINT_PAUSE_S,
        rule3_min_utterance_length: ENDPOINT_LENGTH_S,
        ..Default::default()
    };
    if let Some(hotwords) = &models.hotwords {
        config.decoding_method = Some("modified_beam_search".into());
        config.max_active_paths = ACTIVE_PATHS;
        config.hotwords_file = text(hotwords);
        config.hotwords_score = models.hotwords_score;
        let pieces = model.pieces();
        let unit = if pieces.is_some() { "cjkchar+bpe" } else { "cjkchar" };
        config.model_config.modeling_unit = Some(unit.into());
        config.model_config.bpe_vocab = pieces.as_deref().and_then(text);
    }
    Ok(config)
}

fn live_model(model: &ModelAt<LiveKind>) -> Result<OnlineModelConfig> {
    let onnx = |part: &str| model.onnx(part).map(|path| text(&path));
    let mut config = OnlineModelConfig {
        tokens: text(&model.tokens()?),
        num_threads: THREADS,
        ..Default::default()
    };
    match model.kind {
        LiveKind::Transducer => {
            config.transducer = OnlineTransducerModelConfig {
                encoder: onnx("encoder")?,
                decoder: onnx("decoder")?,
                joiner: onnx("joiner")?,
            };
        }
        LiveKind::Paraformer => {
            config.paraformer = OnlineParaformerModelConfig {
                encoder: onnx("encoder")?,
                decoder: onnx("decoder")?,
            };
        }
        LiveKind::ZipformerCtc => {
            config.zipformer2_ctc = OnlineZipformer2CtcModelConfig { model: onnx("model")? };
        }
    }
    Ok(config)
}

/// A model of the second pass.
pub(crate) fn second_pass(model: &ModelAt<SecondPassKind>) -> Result<OfflineRecognizerConfig> {
    Ok(OfflineRecognizerConfig {
        model_config: second_pass_model(model)?,
        decoding_method: Some("greedy_search".into()),
        ..Default::default()
    })
}

fn second_pass_model(model: &ModelAt<SecondPassKind>) -> Result<OfflineModelConfig> {
    let onnx = |part: &str| model.onnx(part).map(|path| text(&path));
    let mut config = OfflineModelConfig {
        tokens: text(&model.tokens()?),
        num_threads: THREADS,
        ..Default::default()
    };
    match model.kind {
        SecondPassKind::SenseVoice => {
            config.sense_voice = OfflineSenseVoiceModelConfig {
                model: onnx("model")?,
                language: Some("zh".into()),
                use_itn: true,
            };
        }
        SecondPassKind::Paraformer => {
            config.paraformer = OfflineParaformerModelConfig { model: onnx("model")? };
        }
        SecondPassKind::FireRedCtc => {
            config.fire_red_asr_ctc = OfflineFireRedAsrCtcModelConfig { model: onnx("model")? };
        }
        SecondPassKind::FireRedAed => {
            config.fire_red_asr = OfflineFireRedAsrModelConfig {
                encoder: onnx("encoder")?,
                decoder: onnx("decoder")?,
            };
        }
        SecondPassKind::Whisper => {
            config.whisper = OfflineWhisperModelConfig {
                encoder: onnx("encoder")?,
                decoder: onnx("decoder")?,
                language: Some("zh".into()),
                task: Some("transcribe".into()),
                ..Default::default()
            };
        }
    }
    Ok(config)
}

/// The punctuation model.
pub(crate) fn punctuation(model: &Path) -> OfflinePunctuationConfig {
    OfflinePunctuationConfig {
        model: OfflinePunctuationModelConfig {
            ct_transformer: text(model),
            num_threads: THREADS,
            ..Default::default()
        },
    }
}

/// sherpa-onnx takes UTF-8; a path that is none is said to be missing by whoever opens it.
fn text(path: &Path) -> Option<String> {
    Some(path.to_string_lossy().into_owned())
}
