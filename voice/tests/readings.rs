//! What is spoken is right: texts and their readings, tones as they are said.

use qingting_voice::front_end::{check, pinyin, utterances};

/// Text, a tab, its reading.
const TABLE: &str = include_str!("readings.tsv");
/// The signs that Kokoro's vocabulary has and this front end may write.
const PHONEMES: &str = " ,.!?:;aeijklmnopstuwxyŋɔɕəɚɛɤɥɨɻʂʊʦʨʰꭧf→↗↓↘";

#[test]
fn every_text_has_its_reading() {
    let wrong: Vec<String> = TABLE
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(text, expected)| {
            let read = pinyin(text).unwrap_or_else(|error| error.to_string());
            (read != expected).then(|| format!("{text}\n  said   {read}\n  wanted {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_in_the_models_phonemes_or_refused(
        text in "([一-龥]|[0-9A-Za-z]|[-,.:/%~#*¥℃ ，。！？：；（）年月日元个号室第]|\\PC){0,40}",
    ) {
        match utterances(&text, 120) {
            Err(refused) => {
                proptest::prop_assert_eq!(text.chars().nth(refused.at - 1), Some(refused.what));
            }
            Ok(parts) => {
                proptest::prop_assert!(check(&text).is_ok());
                for part in parts {
                    proptest::prop_assert!(part.chars().count() <= 120);
                    proptest::prop_assert!(part.chars().all(|c| PHONEMES.contains(c)), "{}", part);
                }
            }
        }
    }
}
