//! What is recorded of a call with several parties, and how it is given out.

use qingting_tests::audio::{Wav, samples_in};
use qingting_tests::house::{CITIZEN, House, leg};
use qingting_tests::peers::desk::Manner;
use qingting_tests::qingting;
use qingting_tests::tone::{self, Hz};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const STRETCH: Duration = Duration::from_millis(200);

/// What each stretch of a channel holds, where it is clear.
fn stretches(samples: &[i16]) -> Vec<Vec<Hz>> {
    samples.chunks_exact(samples_in(STRETCH)).filter_map(tone::heard).collect()
}

fn has(channel: &[Vec<Hz>], tones: &[Hz]) -> bool {
    channel.iter().any(|stretch| stretch == tones)
}

#[test]
fn the_citizen_is_left_all_others_are_right_and_a_pause_is_silence() {
    let house = House::open();
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    house.command(&call, &json!({ "command": "pause_recording" }));
    citizen.hears(&[tone::FIRST]);
    // As long as the citizen hears the music, and then the seat.
    house.command(&call, &json!({ "command": "hold" }));
    citizen.hears(&[tone::MUSIC]);
    house.command(&call, &json!({ "command": "resume" }));
    citizen.hears(&[tone::FIRST]);
    house.command(&call, &json!({ "command": "resume_recording" }));
    house.command(&call, &json!({ "command": "hold" }));
    citizen.hears(&[tone::MUSIC]);
    house.command(&call, &json!({ "command": "resume" }));
    citizen.hears(&[tone::FIRST]);
    citizen.hang_up();
    let ended = house.ended(&call);
    let recording = &ended["recording"];
    assert_eq!(recording["encrypted"], true, "{recording}");
    // A busy machine drops ticks; a call of any length has few.
    assert!(recording["missing_ms"].as_u64().is_some_and(|ms| ms < 1_000), "{recording}");

    let wav = Wav::read(&house.server.recording_of(&call));
    assert_eq!((wav.rate, wav.channels.len()), (8_000, 2));
    let duration = wav.duration().as_millis() as u64;
    assert!(recording["duration_ms"].as_u64().is_some_and(|ms| ms.abs_diff(duration) <= 20));
    let (left, right) = (stretches(&wav.channels[0]), stretches(&wav.channels[1]));
    assert!(has(&left, &[tone::CITIZEN]) && has(&right, &[tone::FIRST]));
    assert!(left.iter().flatten().all(|&hz| hz == tone::CITIZEN), "{left:?}");
    // A prompt before that may look like any tone.
    let talk = right.iter().position(|stretch| stretch[..] == [tone::FIRST]).expect("the seat");
    assert!(!right[talk..].iter().flatten().any(|&hz| hz == tone::CITIZEN), "{right:?}");

    let pauses = recording["pauses"].as_array().expect("pauses");
    assert_eq!(pauses.len(), 1, "{recording}");
    let at = |name: &str| pauses[0][name].as_u64().expect("ms") as usize * 8;
    let (from, to) = (at("from_ms"), at("to_ms"));
    assert!(to > from + 4_000, "{recording}");
    for channel in &wav.channels {
        assert!(channel[from + 400..to - 400].iter().all(|&sample| sample.unsigned_abs() <= 8));
    }

    for (role, hz) in [("citizen", tone::CITIZEN), ("seat", tone::FIRST)] {
        let slot = leg(&ended, role)["leg"].to_string();
        let track = Wav::read(&house.server.track_of(&call, &slot));
        assert_eq!(track.channels.len(), 1, "{role}");
        let heard = stretches(&track.channels[0]);
        assert!(has(&heard, &[hz]) && heard.iter().flatten().all(|&of| of == hz), "{heard:?}");
    }
    exported(&house, &call);
}

/// The same call as a vCon and in the table.
fn exported(house: &House, call: &str) {
    let vcon = house.server.api_get(&format!("/api/v1/calls/{call}/vcon"));
    let list = |name: &str| vcon[name].as_array().cloned().unwrap_or_default();
    let roles: Vec<Value> = list("parties").iter().map(|party| party["role"].clone()).collect();
    assert_eq!(roles, [json!("customer"), json!("agent")], "{vcon}");
    assert_eq!(list("dialog").len(), 3, "the mix and two tracks: {vcon}");
    for dialog in list("dialog") {
        assert!(dialog["content_hash"].as_str().is_some_and(|hash| hash.starts_with("sha512-")));
    }

    let (status, table) = house.server.request("GET", "/api/v1/calls.csv", None);
    assert_eq!(status, 200);
    let row = table.lines().find(|line| line.contains(call)).expect("the call's row");
    for cell in ["138****8000", "综合", "801", "呼入"] {
        assert!(row.contains(cell), "{cell}: {row}");
    }
    assert!(!row.contains(CITIZEN), "{row}");
}

/// Runs `qingting recording WHAT` beside the server: whether it succeeded, and what it said.
fn recording(house: &House, what: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(qingting())
        .args(["recording", what, "--config"])
        .arg(house.server.home().join("config.toml"))
        .args(arguments)
        .output()
        .expect("qingting runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("UTF-8"))
}

#[test]
fn recordings_are_proved_whole_given_out_and_get_a_new_master_key() {
    let house = House::open();
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    citizen.hears(&[tone::FIRST]);
    citizen.hang_up();
    house.ended(&call);
    let home = house.server.home();
    let sealed = sealed_files(&house);
    let (mix, files) = (sealed.iter().find(|file| file.contains(&call)), sealed.len());
    let mix = mix.expect("the call's mix").clone();
    let all_good = format!("{files} good, 0 bad");

    let (proved, said) = recording(&house, "verify", &[]);
    assert!(proved && said.contains(&all_good), "{said}");

    let out = home.join("out.wav");
    let out = out.to_str().expect("UTF-8");
    let (given, said) = recording(&house, "export", &[&mix, out]);
    assert!(given, "{said}");
    let wav = std::fs::read(out).expect("a WAV file");
    assert_eq!(wav, std::fs::read(house.server.recording_of(&call)).expect("what the API gives"));
    let (again, said) = recording(&house, "export", &[&mix, out]);
    assert!(!again && said.contains("out.wav"), "nothing is overwritten: {said}");

    let key_file = home.join("recording.key");
    let old = std::fs::read_to_string(&key_file).expect("the key");
    let new = format!("{}\n", "5a".repeat(32));
    std::fs::write(&key_file, format!("{new}{old}")).expect("writable");
    let (changed, said) = recording(&house, "rewrap", &[]);
    assert!(changed && said.starts_with(&format!("{files} changed")), "{said}");
    let (_, said) = recording(&house, "rewrap", &[]);
    assert!(said.starts_with("0 changed") && said.contains("0 failed"), "{said}");
    std::fs::write(&key_file, &new).expect("writable");
    let (proved, said) = recording(&house, "verify", &[]);
    assert!(proved && said.contains(&all_good), "the old key is not needed any more: {said}");

    let path = home.join("recordings").join(&mix);
    let mut bytes = std::fs::read(&path).expect("the recording");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("writable");
    let (proved, said) = recording(&house, "verify", &[]);
    assert!(!proved && said.contains("1 bad") && said.contains(&mix), "{said}");
}

/// The encrypted recordings, as their folder names them.
fn sealed_files(house: &House) -> Vec<String> {
    let root = house.server.home().join("recordings");
    let listed = |folder: PathBuf| std::fs::read_dir(folder).expect("a folder").map(Result::unwrap);
    let days = listed(root.clone()).map(|day| day.path()).filter(|path| path.is_dir());
    let mut files: Vec<String> = days
        .flat_map(listed)
        .map(|file| file.path())
        .filter(|file| file.extension().is_some_and(|ending| ending == "qtr"))
        .map(|file| file.strip_prefix(&root).expect("inside").display().to_string())
        .collect();
    // The mix has the shortest name, the tracks a suffix.
    files.sort_by_key(String::len);
    files
}
