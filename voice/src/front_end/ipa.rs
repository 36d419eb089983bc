//! Pinyin to the IPA that Kokoro knows: the tone arrow stands after the vowel, before a final
//! nasal; aspirated stops carry ʰ; the vowels of zi and zhi are both ɨ.

/// The phonemes of one syllable; empty when it is no syllable of Mandarin.
pub(crate) fn of(base: &str, tone: u8) -> String {
    // The neutral tone has no arrow.
    let arrow = ["", "→", "↗", "↓", "↘", ""][usize::from(tone.min(5))];
    if base == "er" {
        return format!("ɚ{arrow}");
    }
    let (base, coda) = match base.strip_suffix('r') {
        Some(base) if !base.is_empty() => (base, "ɻ"),
        _ => (base, ""),
    };
    let (initial, rest) = split(base);
    let Some((onset, rhyme)) = onset(initial).zip(rhyme(initial, &rest)) else {
        return String::new();
    };
    // A rhyme is written with 0 where its tone stands.
    format!("{onset}{}{coda}", rhyme.replace('0', arrow))
}

/// Initial and final in full spelling: `y` and `w` undone, iou uei uen not contracted.
fn split(base: &str) -> (&str, String) {
    if let Some(rest) = base.strip_prefix('y') {
        let full = match rest {
            "u" | "ue" | "uan" | "un" => format!("v{}", &rest[1..]),
            "ou" | "a" | "ao" | "an" | "ang" | "e" | "ong" | "o" | "ai" => format!("i{rest}"),
            _ => rest.to_owned(),
        };
        return ("", full);
    }
    if let Some(rest) = base.strip_prefix('w') {
        return ("", if rest == "u" { "u".into() } else { format!("u{rest}") });
    }
    let two = ["zh", "ch", "sh"].iter().any(|i| base.starts_with(i));
    let one = base.starts_with(|c| "bpmfdtnlgkhjqxrzcs".contains(c));
    let (initial, rest) = base.split_at(if two { 2 } else { usize::from(one) });
    let rounded = matches!(initial, "j" | "q" | "x") && rest.starts_with('u');
    let rest = if rounded { format!("v{}", &rest[1..]) } else { rest.replace('ü', "v") };
    let full = match rest.as_str() {
        "iu" => "iou".into(),
        "ui" => "uei".into(),
        "un" => "uen".into(),
        _ => rest,
    };
    (initial, full)
}

fn onset(initial: &str) -> Option<&'static str> {
    Some(match initial {
        "" => "",
        "b" => "p",
        "p" => "pʰ",
        "m" => "m",
        "f" => "f",
        "d" => "t",
        "t" => "tʰ",
        "n" => "n",
        "l" => "l",
        "g" => "k",
        "k" => "kʰ",
        "h" => "x",
        "j" => "ʨ",
        "q" => "ʨʰ",
        "x" => "ɕ",
        "zh" => "ꭧ",
        "ch" => "ꭧʰ",
        "sh" => "ʂ",
        "r" => "ɻ",
        "z" => "ʦ",
        "c" => "ʦʰ",
        "s" => "s",
        _ => return None,
    })
}

fn rhyme(initial: &str, rest: &str) -> Option<&'static str> {
    Some(match rest {
        "i" if matches!(initial, "zh" | "ch" | "sh" | "r" | "z" | "c" | "s") => "ɨ0",
        "a" => "a0",
        "ai" => "ai0",
        "an" => "a0n",
        "ang" => "a0ŋ",
        "ao" => "au0",
        "e" => "ɤ0",
        "ei" => "ei0",
        "en" => "ə0n",
        "eng" => "ə0ŋ",
        "i" => "i0",
        "ia" => "ja0",
        "iai" => "jai0",
        "ian" => "jɛ0n",
        "iang" => "ja0ŋ",
        "iao" => "jau0",
        "ie" => "je0",
        "in" => "i0n",
        "ing" => "i0ŋ",
        "io" => "jɔ0",
        "iong" => "jʊ0ŋ",
        "iou" => "jou0",
        "o" if initial.is_empty() => "ɔ0",
        "o" | "uo" => "wo0",
        "ong" => "ʊ0ŋ",
        "ou" => "ou0",
        "u" => "u0",
        "ua" => "wa0",
        "uai" => "wai0",
        "uan" => "wa0n",
        "uang" => "wa0ŋ",
        "uei" => "wei0",
        "uen" => "wə0n",
        "ueng" => "wə0ŋ",
        "v" => "y0",
        "ve" | "ue" => "ɥe0",
        "van" => "ɥɛ0n",
        "vn" => "y0n",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_syllable_has_its_phonemes() {
        for (base, tone, expected) in [
            ("zhong", 1, "ꭧʊ→ŋ"),
            ("guo", 2, "kwo↗"),
            ("yuan", 2, "ɥɛ↗n"),
            ("qu", 4, "ʨʰy↘"),
            ("nv", 3, "ny↓"),
            ("liu", 4, "ljou↘"),
            ("shui", 3, "ʂwei↓"),
            ("wen", 4, "wə↘n"),
            ("you", 3, "jou↓"),
            ("ying", 1, "i→ŋ"),
            ("zi", 5, "ʦɨ"),
            ("ren", 2, "ɻə↗n"),
            ("lve", 4, "lɥe↘"),
            ("wo", 3, "wo↓"),
            ("wu", 3, "u↓"),
            ("yao", 1, "jau→"),
            ("zher", 4, "ꭧɤ↘ɻ"),
            ("hello", 1, ""),
        ] {
            assert_eq!(of(base, tone), expected, "{base}{tone}");
        }
    }

    #[test]
    fn every_character_that_has_pinyin_has_phonemes() {
        use pinyin::ToPinyin;
        let all = ('\u{4e00}'..'\u{9fa5}').filter_map(|c| Some((c, c.to_pinyin()?.plain())));
        let rare = ["m", "n", "ng", "hm", "hng", "ê"];
        let missing: Vec<_> = all
            .map(|(c, p)| (c, p.replace('ü', "v")))
            .filter(|(_, p)| of(p, 1).is_empty() && !rare.contains(&p.as_str()))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
