//! What a second of stereo audio costs to write and to read, in nanoseconds of one core.
//!
//! `cargo run --release -p qingting-recording --example cost [FOLDER]`

use qingting_recording::{Channels, MasterKeys, Reader, RecordingId, Voices, Writer};
use std::error::Error;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Instant;

const SECONDS: usize = 100;
const ROUNDS: usize = 20;
const TICK: usize = 160;

#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("qingting-recording-cost-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let key = folder.join("key");
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&key)?;
    std::io::Write::write_all(&mut &file, "5a".repeat(32).as_bytes())?;
    let keys = MasterKeys::read(&key)?;
    let voice: Vec<i16> = (0..8_000_i32).map(|at| (at * 31 % 20_011 - 10_000) as i16).collect();
    for (name, channels) in [("mono", Channels::Mono), ("stereo", Channels::Stereo)] {
        // The least of several: what else the machine does is not the recording's cost.
        let mut least = [u128::MAX; 3];
        for round in 0..ROUNDS {
            let path = folder.join(format!("{name}-{round}"));
            let mut writer = Writer::create(&path, channels, RecordingId([1; 16]), &keys)?;
            let began = Instant::now();
            for (number, tick) in voice.chunks(TICK).cycle().take(SECONDS * 50).enumerate() {
                let at = (number * TICK) as u64;
                match channels {
                    Channels::Mono => writer.write(at, Voices::Mono(tick))?,
                    Channels::Stereo => writer.write(at, Voices::Stereo(tick, tick))?,
                }
            }
            writer.finish()?;
            least[0] = least[0].min(began.elapsed().as_nanos());
            let mut reader = Reader::open(&path, &keys)?;
            let began = Instant::now();
            reader.verify()?;
            least[1] = least[1].min(began.elapsed().as_nanos());
            let mut wav = vec![0; reader.wav_len() as usize];
            let began = Instant::now();
            reader.read_at(0, &mut wav)?;
            least[2] = least[2].min(began.elapsed().as_nanos());
            std::fs::remove_file(&path)?;
        }
        let [write, verify, read] = least.map(|ns| ns / SECONDS as u128);
        println!("{name}, ns for each second: write {write}, verify {verify}, read {read}");
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
