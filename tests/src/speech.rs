//! Callers: texts spoken by the product's own voices, and how far a transcript is from them.

use crate::qingting;
use std::path::PathBuf;
use std::process::Command;

/// Speaks a text into a WAV file, 8 kHz; made once, kept beside the tests.
pub fn say(name: &str, voice: &str, text: &str) -> PathBuf {
    let folder = qingting().with_file_name("test-speech");
    std::fs::create_dir_all(&folder).expect("a folder for speech");
    let path = folder.join(format!("{name}-{voice}.wav"));
    let kept_text = path.with_extension("txt");
    if path.exists() && std::fs::read_to_string(&kept_text).is_ok_and(|kept| kept == text) {
        return path;
    }
    let staged = folder.join(format!("{name}-{voice}-{}.wav", std::process::id()));
    let status = Command::new(qingting())
        .args(["speak", text, "--voice", voice, "--out"])
        .arg(&staged)
        .args(["--models"])
        .arg(crate::server::models())
        .status()
        .expect("qingting speak runs");
    assert!(status.success(), "qingting speak failed");
    std::fs::rename(&staged, &path).expect("the speech is kept");
    std::fs::write(kept_text, text).expect("its text is kept");
    path
}

/// Character error rate: edits from `said` to `heard` per character said, punctuation and spaces
/// left out.
pub fn character_error_rate(said: &str, heard: &str) -> f64 {
    let keep = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<Vec<_>>();
    let (said, heard) = (keep(said), keep(heard));
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, a) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in heard.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[heard.len()] as f64 / said.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_character_in_four_is_a_quarter() {
        assert_eq!(character_error_rate("路灯坏了", "路灯，怀了"), 0.25);
        assert_eq!(character_error_rate("路灯坏了", "路灯坏了。"), 0.0);
        assert_eq!(character_error_rate("路灯坏了", ""), 1.0);
    }
}
