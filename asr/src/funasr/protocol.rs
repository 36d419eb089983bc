//! The messages of FunASR's two-pass protocol (FunASR, `runtime/docs/websocket_protocol.md`).

use super::fault::Fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Blocks of 60 ms that the streaming model looks back, takes and looks ahead: the documentation's
/// choice, text every 600 ms.
const CHUNK_SIZE: [u32; 3] = [5, 10, 5];
/// Messages of audio to a chunk.
const CHUNK_INTERVAL: u32 = 10;
/// The weight that the documentation gives its hot words.
const HOTWORD_WEIGHT: u32 = 20;
const RATE_HZ: u32 = 16_000;

#[derive(Serialize)]
struct Start {
    mode: &'static str,
    chunk_size: [u32; 3],
    chunk_interval: u32,
    wav_name: &'static str,
    wav_format: &'static str,
    audio_fs: u32,
    is_speaking: bool,
    /// Written numbers are made here, with the times of their characters.
    itn: bool,
    /// JSON within JSON, as the server wants it.
    #[serde(skip_serializing_if = "String::is_empty")]
    hotwords: String,
}

/// The message that begins an utterance.
pub(super) fn start(hotwords: &[String]) -> String {
    let weights: BTreeMap<&str, u32> =
        hotwords.iter().map(|word| (word.as_str(), HOTWORD_WEIGHT)).collect();
    let hotwords = if weights.is_empty() { String::new() } else { json(&weights) };
    json(&Start {
        mode: "2pass",
        chunk_size: CHUNK_SIZE,
        chunk_interval: CHUNK_INTERVAL,
        wav_name: "qingting",
        wav_format: "pcm",
        audio_fs: RATE_HZ,
        is_speaking: true,
        itn: false,
        hotwords,
    })
}

/// The message that ends an utterance.
pub(super) const END: &str = r#"{"is_speaking":false}"#;

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text keys and plain values are JSON")
}

/// Audio as the server takes it: 16 bits, little endian.
pub(super) fn pcm(samples: &[f32]) -> Vec<u8> {
    let narrow = |sample: &f32| (sample * 32_768.0).clamp(-32_768.0, 32_767.0) as i16;
    samples.iter().map(narrow).flat_map(i16::to_le_bytes).collect()
}

/// A result.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reply {
    pub(super) pass: Pass,
    pub(super) text: String,
    /// Begin and end of each word in ms since the connection's first sample; empty where the server
    /// gives none, or none that can be read.
    pub(super) stamps_ms: Vec<(u64, u64)>,
    /// The server says that nothing more follows.
    pub(super) is_final: bool,
}

/// Which of the server's models heard it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pass {
    /// More text of the sentence that is being spoken.
    #[default]
    Online,
    /// The whole sentence, in the place of all increments since the last one.
    Offline,
}

#[derive(Deserialize)]
struct Message {
    /// Absent from a last result without text.
    #[serde(default)]
    mode: String,
    text: String,
    /// JSON within JSON: `"[[100,200],[200,500]]"`.
    #[serde(default)]
    timestamp: Value,
    #[serde(default)]
    is_final: bool,
}

/// Reads a result.
///
/// # Errors
/// [`Fault::Nonsense`], which never holds what was said.
pub(super) fn reply(message: &str) -> Result<Reply, Fault> {
    let nonsense = || Fault::Nonsense { bytes: message.len() };
    let Message { mode, text, timestamp, is_final } =
        serde_json::from_str(message).map_err(|_| nonsense())?;
    let pass = match mode.as_str() {
        "2pass-offline" => Pass::Offline,
        "2pass-online" => Pass::Online,
        "" if text.is_empty() => Pass::Online,
        _ => return Err(nonsense()),
    };
    let stamps_ms = match timestamp {
        Value::String(text) => serde_json::from_str(&text),
        other => serde_json::from_value(other),
    };
    Ok(Reply { pass, text, stamps_ms: stamps_ms.unwrap_or_default(), is_final })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_says_what_the_documentation_asks_for() {
        let start: Value = serde_json::from_str(&start(&["网格员".into()])).unwrap();
        assert_eq!(start["mode"], "2pass");
        assert_eq!(start["audio_fs"], 16_000);
        assert_eq!(
            (&start["is_speaking"], &start["itn"]),
            (&Value::Bool(true), &Value::Bool(false))
        );
        assert_eq!(start["hotwords"], r#"{"网格员":20}"#);
        assert!(!super::start(&[]).contains("hotwords"));
    }

    #[test]
    fn loud_audio_is_clipped_and_not_wrapped() {
        assert_eq!(pcm(&[0.5, 1.5, -1.5]), [0, 64, 255, 127, 0, 128]);
    }

    #[test]
    fn results_are_read_as_the_server_writes_them() {
        let offline = r#"{"mode":"2pass-offline","text":"你好","wav_name":"q","is_final":false,
            "timestamp":"[[100,200],[200,500]]","stamp_sents":[]}"#;
        let stamps_ms = vec![(100, 200), (200, 500)];
        let expected =
            Reply { pass: Pass::Offline, text: "你好".into(), stamps_ms, is_final: false };
        assert_eq!(reply(offline).unwrap(), expected);
        let last = r#"{"text":"","wav_name":"q","is_final":true}"#;
        assert_eq!(reply(last).unwrap(), Reply { is_final: true, ..Reply::default() });
    }

    #[test]
    fn broken_times_cost_the_times_alone() {
        // What the server writes when two sentences end within one of its blocks.
        let message = r#"{"mode":"2pass-offline","text":"好","timestamp":"[[1,2]][[1,2][3,4]]"}"#;
        assert_eq!(reply(message).unwrap().stamps_ms, []);
        let negative = r#"{"mode":"2pass-offline","text":"好","timestamp":"[[-1,2]]"}"#;
        assert_eq!(reply(negative).unwrap().stamps_ms, []);
    }

    #[test]
    fn nonsense_is_told_without_what_it_says() {
        for message in ["not JSON", r#"{"mode":"2pass-online"}"#, r#"{"mode":"x","text":"密"}"#] {
            let fault = reply(message).unwrap_err();
            assert!(matches!(fault, Fault::Nonsense { .. }), "{fault}");
            assert!(!fault.to_string().contains('密'));
        }
    }
}
