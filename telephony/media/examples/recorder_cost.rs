//! What the recorder thread costs for each call that is recorded in stereo, in per cent of one
//! core: plain and sealed. The calls are rooms of two legs that hear nothing.
//!
//! `cargo run --release -p qingting-media --example recorder_cost -- FOLDER [CALLS]`

use qingting_media::{
    Codec, LegConfig, MediaConfig, MediaEngine, RecordTo, RemoteMedia, RoomConfig, Seal,
};
use qingting_recording::{MasterKeys, RecordingId};
use std::error::Error;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const MEASURED: Duration = Duration::from_secs(10);
/// All recordings exist by then.
const WARM_UP: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("qingting-recorder-cost-{}", std::process::id()));
    let calls = arguments.next().map_or(Ok(100), |calls| calls.parse())?;
    std::fs::create_dir(&folder)?;
    let path = folder.join("key");
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path)?;
    std::io::Write::write_all(&mut &file, "5a".repeat(32).as_bytes())?;
    let keys = Arc::new(MasterKeys::read(&path)?);
    for (name, keys) in [("plain", None), ("sealed", Some(keys))] {
        let share = measure(&folder, name, keys, calls)?;
        println!("{name}: {:.4} % of a core for each call", share * 100.0 / f64::from(calls));
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Share of a core that the recorder thread takes.
fn measure(
    folder: &Path,
    name: &str,
    keys: Option<Arc<MasterKeys>>,
    calls: u32,
) -> Result<f64, Box<dyn Error>> {
    let engine = MediaEngine::start(MediaConfig { ports: 34_000..=39_999, ..Default::default() })?;
    let mut open = Vec::new();
    for call in 0..calls {
        let id = RecordingId(u128::from(call).to_le_bytes());
        let sealed = keys.clone().map(|keys| Seal { keys, id });
        let path = folder.join(format!("{name}-{call}"));
        let record = Some(RecordTo { path, sealed, ..RecordTo::default() });
        let (room, events) = engine.open_room(RoomConfig { record })?;
        let mut legs = Vec::new();
        for _ in 0..2 {
            let (leg, events) = room.open_leg(LegConfig::default())?;
            leg.connect(silent_peer());
            legs.push((leg, events));
        }
        open.push((room, events, legs));
    }
    std::thread::sleep(WARM_UP);
    let before = recorder_ns()?;
    std::thread::sleep(MEASURED);
    Ok((recorder_ns()? - before) as f64 / MEASURED.as_nanos() as f64)
}

fn silent_peer() -> RemoteMedia {
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    RemoteMedia {
        rtp: peer,
        rtcp: peer,
        rtcp_mux: true,
        codec: Codec::Pcma,
        payload_type: 8,
        dtmf_payload_type: None,
        send: false,
        receive: false,
        security: qingting_media::Security::Plain,
        source: None,
    }
}

/// Nanoseconds that this process's recorder thread has run.
fn recorder_ns() -> Result<u64, Box<dyn Error>> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == "recorder" {
            let times = std::fs::read_to_string(task.join("schedstat"))?;
            return Ok(times.split_whitespace().next().unwrap_or_default().parse()?);
        }
    }
    Err("there is no recorder thread".into())
}
