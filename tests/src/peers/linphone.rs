//! linphonec 5.1: commands typed into it, states read from what it prints.

use super::process::Running;
use super::{CallPlan, Called, Codec, Ended, HangUp, Transport};
use crate::audio::Wav;
use crate::clock::{Deadline, Stopwatch};
use crate::ports::free_port;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long it gets for each of its own steps: starting, taking a command, ending.
const GRACE: Duration = Duration::from_secs(5);
const LOG: &str = "linphone.log";
const PROMPT: &str = "linphonec> ";
const ANSWERED: &str = "Media streams established";
/// Every codec that it would offer besides: what is not listed is enabled.
const UNWANTED: &[(&str, u32, u8)] = &[
    ("opus", 48_000, 2),
    ("speex", 16_000, 1),
    ("speex", 8_000, 1),
    ("speex", 32_000, 1),
    ("GSM", 8_000, 1),
    ("G722", 8_000, 1),
    ("G729", 8_000, 1),
];

/// Places a call.
pub fn call(plan: &CallPlan) -> Called {
    let deadline = Deadline::after(plan.deadline);
    let home = tempfile::tempdir().expect("a folder");
    let speech = plan.write_speech(home.path());
    let heard = home.path().join("heard.wav");
    // Its database; without the folder it complains and goes on without one.
    std::fs::create_dir_all(home.path().join(".local/share/linphone")).expect("writable");
    std::fs::write(home.path().join("linphonerc"), config(plan)).expect("writable");
    let mut running = Running::start("linphonec", home.path(), |command| {
        command.args(["-c", "linphonerc", "-d", "6", "-l", LOG]);
    });
    for line in [
        "soundcard use files".to_owned(),
        format!("play {}", speech.display()),
        format!("record {}", heard.display()),
        format!("call {}", plan.uri()),
    ] {
        prompt(&mut running);
        running.type_line(&line);
    }
    let answer = running.wait_for(deadline, |output| {
        let answered = output.contains(ANSWERED).then_some(Ok(()));
        answered.or_else(|| ended(output).map(|()| Err(())))
    });
    let (ended, connected) = match answer {
        Some(Ok(())) => talk(plan, &mut running, deadline),
        Some(Err(())) => (Ended::Refused(refusal(home.path())), Duration::ZERO),
        None => (Ended::Lost("before an answer".to_owned()), Duration::ZERO),
    };
    running.type_line("quit");
    let (status, output) = running.finish(Deadline::after(GRACE));
    Called { ended, connected, heard: mend_header(&heard), status, output, home }
}

/// From the answer to the end.
fn talk(plan: &CallPlan, running: &mut Running, deadline: Deadline) -> (Ended, Duration) {
    let watch = Stopwatch::start();
    // In a call it takes one line a second.
    for key in plan.keys.chars() {
        running.type_line(&key.to_string());
    }
    let speaking = match plan.hang_up {
        HangUp::AfterSpeech => Wav::mono(plan.speech.clone()).duration(),
        HangUp::After(time) => time,
        HangUp::FarEnd => deadline.left(),
    };
    let until = Deadline::after(speaking.saturating_sub(watch.elapsed()).min(deadline.left()));
    let by_far_end = running.wait_for(until, ended);
    let connected = watch.elapsed();
    if by_far_end.is_some() {
        return (Ended::HungUp, connected);
    }
    running.type_line("terminate");
    match running.wait_for(Deadline::after(GRACE.min(deadline.left())), ended) {
        Some(_) if plan.hang_up != HangUp::FarEnd => (Ended::HungUp, connected),
        _ => (Ended::Lost("in the call".to_owned()), connected),
    }
}

/// Waits for a prompt that answers the last line: it loses what is typed before the first one.
fn prompt(running: &mut Running) {
    let ready = |output: &str| output.trim_end_matches('\n').ends_with(PROMPT).then_some(());
    assert!(
        running.wait_for(Deadline::after(GRACE), ready).is_some(),
        "linphonec takes no command:\n{}",
        running.output()
    );
}

/// "Call 1 with … ended (No error)." or "Call 1 with … error."
fn ended(output: &str) -> Option<()> {
    let over = |line: &str| line.contains(" ended (") || line.ends_with(" error.");
    output.lines().any(|line| line.contains("Call ") && over(line)).then_some(())
}

/// It prints no reason: the last failure in its log, as "404 Not Found".
fn refusal(home: &Path) -> String {
    let log = std::fs::read_to_string(home.join(LOG)).unwrap_or_default();
    let lines = log.lines().rev().filter_map(|line| line.strip_prefix("SIP/2.0 "));
    let mut failures = lines.filter(|status| !status.starts_with(['1', '2']));
    failures.next().unwrap_or("no response").to_owned()
}

/// It counts the 44 bytes of the header as audio.
fn mend_header(path: &Path) -> Option<PathBuf> {
    let mut bytes = std::fs::read(path).ok()?;
    let length = u32::try_from(bytes.len()).ok()?;
    for (at, value) in [(4, length.checked_sub(8)?), (40, length.checked_sub(44)?)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    std::fs::write(path, bytes).ok()?;
    Some(path.to_owned())
}

/// Without `bind_address` it offers the address of the default route, IPv6 first.
fn config(plan: &CallPlan) -> String {
    let (sip_port, rtp_port) = (free_port(0), free_port(1));
    let (udp, tcp) = match plan.transport {
        Transport::Udp => (sip_port, 0),
        Transport::Tcp => (0, sip_port),
    };
    let mut text = format!(
        "[sip]\nsip_port={udp}\nsip_tcp_port={tcp}\nsip_tls_port=0\nbind_address=127.0.0.1\n\
         contact=sip:caller@127.0.0.1:{sip_port}\nguess_hostname=0\nuse_ipv6=0\n\
         media_encryption=none\n\
         [net]\nfirewall_policy=0\n\
         [rtp]\nbind_address=127.0.0.1\naudio_rtp_port={rtp_port}\nnortp_timeout=300\n\
         audio_adaptive_jitt_comp_enabled=0\n\
         [sound]\nechocancellation=0\necholimiter=0\nagc=0\n"
    );
    let other = match plan.codec {
        Codec::Alaw => Codec::Ulaw,
        Codec::Ulaw => Codec::Alaw,
    };
    let codecs = [(plan.codec.name(), 8_000, 1, 1), (other.name(), 8_000, 1, 0)].into_iter();
    let unwanted = UNWANTED.iter().map(|&(name, rate, channels)| (name, rate, channels, 0));
    for (index, (name, rate, channels, enabled)) in codecs.chain(unwanted).enumerate() {
        text.push_str(&format!(
            "[audio_codec_{index}]\nmime={name}\nrate={rate}\nchannels={channels}\nenabled={enabled}\n"
        ));
    }
    text
}
