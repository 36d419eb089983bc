//! The measurements, on a recogniser without models: loud is speech, and each started half second of
//! a segment is one "一".

use qingting_asr::bias::Hotwords;
use qingting_asr::eval::condition::{Condition, silence};
use qingting_asr::eval::decode::{self, Pass, Setup};
use qingting_asr::eval::{Utterance, paced, ramp, read_table};
use qingting_asr::scripted::Scripted;
use qingting_asr::{WorkerConfig, worker};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const RATE_HZ: u32 = 16_000;

/// A tone of a second, which is a segment of 1.6 s with its padding: four characters.
fn table(folder: &Path, texts: &[&str]) -> Vec<Utterance> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(folder.join("tone.wav"), spec).expect("a folder");
    for i in 0..RATE_HZ {
        let phase = i as f32 * 1_000.0 / RATE_HZ as f32 * std::f32::consts::TAU;
        wav.write_sample((phase.sin() * 16_000.0) as i16).expect("a file");
    }
    wav.finalize().expect("a file");
    let rows: String = texts.iter().map(|text| format!("tone.wav\t{text}\n")).collect();
    let tsv = folder.join("list.tsv");
    std::fs::write(&tsv, format!("file\ttext\n{rows}")).expect("a folder");
    read_table(&tsv, usize::MAX).expect("a table")
}

#[test]
fn errors_are_counted_by_kind_in_every_condition_and_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = table(folder.path(), &["一一一一", "一二一一", "一一一一一", "一一一"]);
    for condition in [Condition::Clean, Condition::Telephone] {
        for pass in [Pass::Streaming, Pass::Whole] {
            let setup = Setup { condition, pass, ..Setup::default() };
            let report = decode::measure(&Scripted::default(), 2, &table, setup, &silence);
            let report = report.expect("measured");
            let errors = report.errors;
            let kinds = (errors.substitutions, errors.deletions, errors.insertions);
            assert_eq!(kinds, (1, 1, 1), "{condition:?} {pass:?}");
            assert_eq!((report.utterances, report.characters), (4, 16));
            assert!((report.cer - 3.0 / 16.0).abs() < 1e-9);
            assert!(report.cer_low <= report.cer && report.cer <= report.cer_high);
            assert_eq!(report.heard[1].text(), "一一一一", "in the order of the table");
        }
    }
}

#[test]
fn what_a_citys_words_do_is_shown_beside_the_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = table(folder.path(), &["医医医医", "一一一一"]);
    let heard = decode::measure(&Scripted::default(), 1, &table, Setup::default(), &silence);
    let heard = heard.expect("measured");
    let words = Hotwords::read("医医医医", []).expect("a word");
    let corrected = heard.corrected(&table, &words);
    assert!(!heard.has_hotwords && corrected.has_hotwords);
    assert_eq!((heard.utterances, heard.characters), (corrected.utterances, corrected.characters));
    // Numbers stay as they were heard, whatever the list says.
    assert_eq!(corrected.errors, heard.errors);
    assert_eq!(corrected.heard[0].text(), "一一一一");
}

/// A worker on two threads that takes so long for each decode, for as long as the tests run.
fn start(folder: &Path, decode: Duration) -> PathBuf {
    let socket = folder.join("asr.sock");
    let config = WorkerConfig::new(socket.clone(), 2);
    let recognizer = Arc::new(Scripted { decode, ..Scripted::default() });
    std::thread::spawn(move || worker::serve(&config, recognizer));
    while !socket.exists() {
        std::thread::yield_now();
    }
    socket
}

#[test]
fn the_ramp_ends_where_finals_come_late() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = table(folder.path(), &["一一一"]);
    let quick = start(folder.path(), Duration::ZERO);
    let mut told = 0;
    let steps = ramp::measure(&quick, &table, 2, 2, |_| told += 1).expect("measured");
    assert_eq!((steps.len(), told), (2, 2), "no caller was too many");
    assert!(steps.iter().all(|step| step.is_carried() && step.finals >= step.callers));

    let other = tempfile::tempdir().expect("a folder");
    let slow = start(other.path(), Duration::from_millis(ramp::FINAL_MS_MAX + 500));
    let steps = ramp::measure(&slow, &table, 2, 8, |_| {}).expect("measured");
    assert_eq!(steps.len(), 1, "one caller is too many already");
    assert!(!steps[0].is_carried());
}

#[test]
fn delays_are_those_of_the_decode() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = table(folder.path(), &["一一一"]);
    let delays = paced::measure(&start(folder.path(), Duration::from_millis(700)), &table);
    let delays = delays.expect("measured");
    // Begun on trial 400 ms after the speech, out when the decode is.
    assert!((1_000..2_500).contains(&delays.final_ms_p95), "{delays:?}");
    assert!(delays.unstable_ms_p95 > 0);
}
