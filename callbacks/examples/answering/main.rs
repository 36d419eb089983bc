//! Makes recordings of what is heard after an answer, and measures the detector on them.
//!
//! * `answering make OUT SPOKEN… [-- HUMAN.tsv]`: SPOKEN are folders of the example `prompts` whose `list.tsv`
//!   has the columns file, text, kind, half, English; beside `7.wav` a file `7.english.wav` is its English half.
//!   HUMAN.tsv (columns file, text) names recordings of people, from which greetings are cut.
//!   OUT gets the recordings, `list.tsv`, and in `texts/` beginnings of some for `qingting asr eval --telephone`.
//! * `answering judge OUT [HEARD.tsv]`: the figures; HEARD.tsv is what `asr eval --heard` wrote of `OUT/texts`.

mod audio;
mod judge;
mod line;
mod random;
mod recordings;

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["make", out, spoken @ ..] => {
            let (spoken, human) = match spoken {
                [spoken @ .., "--", human] => (spoken, Some(Path::new(*human))),
                all => (all, None),
            };
            let spoken: Vec<&Path> = spoken.iter().map(Path::new).collect();
            recordings::make(Path::new(out), &spoken, human)
        }
        ["judge", out] => judge::report(Path::new(out), None),
        ["judge", out, heard] => judge::report(Path::new(out), Some(Path::new(heard))),
        _ => Err("answering make OUT SPOKEN… [-- HUMAN.tsv] | judge OUT [HEARD.tsv]".into()),
    }
}
