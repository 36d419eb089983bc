//! `qingting call`: one SIP call for people and tests.

use crate::caller::{self, Begin, End, KEYS, Outcome, Plan, Step};
use crate::cli::{self, CallCodec, CallTransport};
use crate::sound;
use anyhow::{Result, bail};
use qingting_common::Millis;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_core::sdp::Codec;
use qingting_media::LegReport;
use qingting_sip::Transport;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

const NOT_ANSWERED: u8 = 3;
const NOTHING_HEARD: u8 = 4;
const CUT_OFF: u8 = 5;
/// As a shell counts a command that SIGINT ended.
const INTERRUPTED: u8 = 130;

pub fn run(args: &cli::Call) -> Result<ExitCode> {
    let plan = plan(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let json = args.json;
    let mut told = |at: Millis, step: Step| {
        if !json {
            tell(at, &step);
        }
    };
    let outcome = runtime.block_on(caller::place(&plan, &mut told))?;
    if json {
        println!("{:#}", as_json(&outcome));
    } else {
        summary(&outcome, args);
    }
    if let Some(error) = &outcome.recording_error {
        bail!("the recording is not whole: {error}");
    }
    Ok(exit_code(&outcome))
}

fn plan(args: &cli::Call) -> Result<Plan> {
    let speech = args.play.as_deref().map(sound::read_telephone).transpose()?;
    let keys: Vec<char> = args.dtmf.iter().flat_map(|keys| keys.chars()).collect();
    if let Some(wrong) = keys.iter().find(|key| !KEYS.contains(**key)) {
        bail!("{wrong:?} is no key of a telephone: --dtmf takes 0-9 * # A-D");
    }
    if let Some(path) = &args.record {
        if path.exists() {
            bail!("{} exists already: name another file for --record", path.display());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            bail!("cannot record to {}: there is no such folder", path.display());
        }
    }
    let seconds = |name: &str, value: f64| match Duration::try_from_secs_f64(value) {
        Ok(time) => Ok(time),
        Err(_) => bail!("--{name} {value} is no time: give seconds, such as 1.5"),
    };
    Ok(Plan {
        target: args.target.clone(),
        transport: args.transport.map(|transport| match transport {
            CallTransport::Udp => Transport::Udp,
            CallTransport::Tcp => Transport::Tcp,
        }),
        from: args.from.clone(),
        codecs: match args.codec {
            None => Codec::ALL.to_vec(),
            Some(CallCodec::Pcma) => vec![Codec::Pcma],
            Some(CallCodec::Pcmu) => vec![Codec::Pcmu],
        },
        speech: speech.map(Into::into),
        begin: if args.after_prompt {
            Begin::WhenPromptEnds
        } else {
            Begin::After(seconds("delay", args.delay)?)
        },
        keys,
        linger: seconds("linger", args.linger)?,
        ring_max: seconds("ring-max", args.ring_max)?,
        record: args.record.clone(),
        call_id: None,
    })
}

/// One line of the story.
pub fn tell(at: Millis, step: &Step) {
    let line = match step {
        Step::Calling { uri, transport } => format!("calling {uri} over {transport}"),
        Step::Progress { code: 180 } => "ringing".to_owned(),
        Step::Progress { code } => format!("progress {code}"),
        Step::Answered { codec } => format!("answered, {codec}"),
        Step::Speaking { samples } => {
            let seconds = *samples as f64 / f64::from(TELEPHONE_RATE_HZ);
            format!("speaking for {seconds:.1} s")
        }
        Step::Spoken => "said everything".to_owned(),
        Step::Key(key) => format!("pressing {key}"),
        Step::HungUp { by_us: true } => "hanging up".to_owned(),
        Step::HungUp { by_us: false } => "the other side hung up".to_owned(),
    };
    println!("{:>7.2} s  {line}", at.0 as f64 / 1_000.0);
}

fn summary(outcome: &Outcome, args: &cli::Call) {
    if let End::NotAnswered { code, reason } = &outcome.end {
        println!("not answered: {code} {reason}");
        return;
    }
    if let Some(report) = &outcome.report {
        println!("{}", rtp(report));
    }
    if let Some(path) = &args.record {
        println!("recorded to {}", path.display());
    }
}

/// The media's figures in one line.
pub fn rtp(report: &LegReport) -> String {
    let mos = report.mos.map_or("nothing heard".to_owned(), |mos| format!("MOS {mos:.2}"));
    let rtt = report.rtt_ms.map_or(String::new(), |ms| format!(", round trip {ms:.1} ms"));
    format!(
        "RTP: {} sent, {} received, {} lost, {} late, jitter {:.1} ms{rtt}, {mos}",
        report.packets_sent,
        report.packets_received,
        report.packets_lost,
        report.packets_late,
        report.jitter_ms,
    )
}

fn as_json(outcome: &Outcome) -> serde_json::Value {
    let (result, status) = match &outcome.end {
        End::Done => ("done", None),
        End::CutOff => ("cut_off", None),
        End::Interrupted => ("interrupted", None),
        End::NotAnswered { code, reason } => {
            ("not_answered", Some(json!({ "code": code, "reason": reason })))
        }
    };
    json!({
        "result": result,
        "status": status,
        "call_id": outcome.call_id,
        "answered_after_ms": outcome.answered_after.map(|after| after.as_millis()),
        "talked_ms": outcome.talked.as_millis(),
        "codec": outcome.codec,
        "rtp": outcome.report.as_ref().map(|report| json!({
            "packets_sent": report.packets_sent,
            "packets_received": report.packets_received,
            "packets_lost": report.packets_lost,
            "packets_late": report.packets_late,
            "jitter_ms": report.jitter_ms,
            "rtt_ms": report.rtt_ms,
            "mos": report.mos,
        })),
    })
}

fn exit_code(outcome: &Outcome) -> ExitCode {
    let heard = outcome.report.as_ref().is_some_and(|report| report.packets_received > 0);
    match outcome.end {
        End::NotAnswered { .. } => NOT_ANSWERED.into(),
        End::CutOff => CUT_OFF.into(),
        End::Interrupted => INTERRUPTED.into(),
        End::Done if !heard => NOTHING_HEARD.into(),
        End::Done => ExitCode::SUCCESS,
    }
}
