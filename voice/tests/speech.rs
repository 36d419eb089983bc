//! The real model, where it is installed under `.qingting/models` of the workspace.

use qingting_voice::{Voice, VoiceError, VoicePaths};
use std::path::Path;

const PROMPTS: [&str; 8] = [
    "您好，这里是12345政务服务便民热线，请问有什么可以帮您？",
    "为了保证服务质量，本次通话将被录音。",
    "前面还有3位市民在等待，请您稍候。",
    "您反映的问题已经转交街道办事处处理，请耐心等待。",
    "请问您反映的问题解决了吗？",
    "您对办理结果是否满意？满意请按1，不满意请按2。",
    "我们将在2个工作日内给您回复。",
    "感谢您的来电，再见。",
];

#[test]
fn prompts_are_spoken_at_a_human_pace_and_loudness() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.qingting/models");
    let paths = VoicePaths {
        model: models.join("kokoro/kokoro.onnx"),
        vocab: models.join("kokoro/vocab.json"),
        voices: models.join("kokoro/voices_ja.npz"),
        onnxruntime: models.join("onnxruntime/libonnxruntime.so"),
    };
    if !paths.model.exists() || !paths.onnxruntime.exists() {
        println!("skipped: no voice under {}", models.display());
        return;
    }
    let voice = Voice::load(paths).expect("loads");
    assert!(voice.names().contains(&"qingting"));
    // All of them when the audio is wanted, for listening; two are enough to test.
    let wanted = std::env::var_os("QINGTING_SPEECH_DIR");
    let count = if wanted.is_some() { PROMPTS.len() } else { 2 };
    for (i, text) in PROMPTS.iter().enumerate().take(count) {
        let audio = voice.synthesise(text, "qingting", 1.0).expect("spoken");
        let seconds = audio.len() as f32 / 8_000.0;
        let syllables = text.chars().filter(|c| c.is_alphanumeric()).count() as f32;
        assert!((2.0..8.0).contains(&(syllables / seconds)), "{seconds} s for {syllables}");
        let energy: f32 = audio.iter().map(|&s| (f32::from(s) / 32_768.0).powi(2)).sum();
        let level = 10.0 * (energy / audio.len() as f32).log10();
        assert!((-26.0..-18.0).contains(&level), "{level} dBFS");
        println!("{i}: {seconds:.2} s, {level:.1} dBFS");
        if let Some(dir) = &wanted {
            let cache = qingting_voice::PromptCache::new(dir);
            cache.get_or(&format!("{i}"), "qingting", || Ok(audio)).expect("kept");
            let to = Path::new(dir).join(format!("{i}.wav"));
            std::fs::rename(cache.path(&format!("{i}"), "qingting"), to).expect("named");
        }
    }
    let nobody = voice.synthesise("您好", "nobody", 1.0);
    assert!(matches!(nobody, Err(VoiceError::UnknownVoice { .. })));
    assert!(matches!(voice.synthesise("……", "qingting", 1.0), Err(VoiceError::Unspeakable)));
}
