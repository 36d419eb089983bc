//! linphonec 5.1: commands typed into it, states read from what it prints.

use super::process::Running;
use super::{CallPlan, Called, Codec, Ended, HangUp, Transport, free_port};
use crate::audio::Wav;
use crate::clock::{Deadline, Stopwatch};
use std::time::Duration;

/// How long it gets for each of its own steps: starting, taking a command, ending.
const GRACE: Duration = Duration::from_secs(5);
const PROMPT: &str = "linphonec> ";
const ANSWERED: &str = "Media streams established";
const ENDED: &str = " ended (";
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
        command.args(["-c", "linphonerc"]);
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
        ended(output).map(Err).or_else(|| output.contains(ANSWERED).then_some(Ok(())))
    });
    let (ended, connected) = match answer {
        Some(Ok(())) => talk(plan, &mut running, deadline),
        Some(Err(reason)) => (Ended::Refused(reason), Duration::ZERO),
        None => (Ended::Lost("before an answer".to_owned()), Duration::ZERO),
    };
    running.type_line("quit");
    let (status, output) = running.finish(Deadline::after(GRACE));
    let heard = heard.exists().then_some(heard);
    Called { ended, connected, heard, status, output, home }
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

/// The reason in "Call 1 with … ended (Not acceptable here)." or "… error."
fn ended(output: &str) -> Option<String> {
    let line = output.lines().find(|line| {
        line.contains("Call ") && (line.contains(ENDED) || line.ends_with(" error."))
    })?;
    Some(
        line.split_once(ENDED).map_or(line, |(_, reason)| reason.trim_end_matches(").")).to_owned(),
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_read_from_the_line_that_ends_a_call() {
        let output = "linphonec> Call 1 with <sip:1@127.0.0.1> ended (Not acceptable here).\n";
        assert_eq!(ended(output).as_deref(), Some("Not acceptable here"));
        assert_eq!(ended("Call 1 with sip:1@127.0.0.1 connected.\n"), None);
    }
}
