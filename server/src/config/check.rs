//! What can be wrong in a configuration file, said by file, line, key and remedy.

use super::{
    AsrEngine, Config, DEFAULT_TOML, feed, is_private_or_encrypted, lists, relay, sign_on, traces,
};
use crate::text_file;
use qingting_asr::bias::Hotwords;
use qingting_asr::client::Remote;
use qingting_asr::funasr::Fault;
use std::fmt;
use std::path::PathBuf;

/// FunASR's own advice.
const HOTWORDS_MAX: usize = 1_000;

/// One mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; 0 when the key is not in the file.
    pub line: usize,
    /// Dotted key, such as `sip.listen_udp`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "`{}`: {}. {}", self.key, self.what, self.remedy)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {} (`qingting check-config --write-default {}` writes one)", path.display(), path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration {} is not in UTF-8: save it as UTF-8 (Windows' editors call it so)", path.display())]
    NotUtf8 { path: PathBuf },
    #[error("{} problem(s) in {}:{}", problems.len(), path.display(), list(problems))]
    Invalid { path: PathBuf, problems: Vec<Problem> },
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

/// Keys that no configuration has, each with the nearest one that exists.
/// The error is a file that is not TOML at all.
pub(super) fn unknown_keys(text: &str) -> Result<Vec<Problem>, Problem> {
    let given: toml::Table = toml::from_str(text).map_err(|error| wrong_value(text, &error))?;
    let known: toml::Table = toml::from_str(DEFAULT_TOML).expect("the default file is TOML");
    let mut problems = Vec::new();
    for (section, value) in &given {
        if lists::NAMES.contains(&section.as_str()) {
            continue;
        }
        let Some(known_section) = known.get(section).and_then(toml::Value::as_table) else {
            problems.push(unknown(text, section, section, known.keys()));
            continue;
        };
        let Some(keys) = value.as_table() else { continue };
        for key in keys.keys().filter(|key| !known_section.contains_key(*key)) {
            problems.push(unknown(text, &format!("{section}.{key}"), key, known_section.keys()));
        }
    }
    Ok(problems)
}

/// The file without the values that cannot be read, and those values, each with its default.
pub(super) fn readable(text: &str) -> (toml::Table, Vec<Problem>) {
    let mut given: toml::Table = toml::from_str(text).unwrap_or_default();
    let known: toml::Table = toml::from_str(DEFAULT_TOML).expect("the default file is TOML");
    let mut wrong = Vec::new();
    for (section, value) in &mut given {
        if let Some(entries) = value.as_array_mut() {
            wrong.extend(lists::unreadable(text, section, entries));
            continue;
        }
        let Some(keys) = value.as_table_mut() else { continue };
        keys.retain(|key, value| {
            let alone = toml::Table::from_iter([(key.to_string(), value.clone())]);
            let alone = toml::Table::from_iter([(section.to_string(), toml::Value::Table(alone))]);
            let Err(error) = alone.try_into::<Config>() else { return true };
            let path = format!("{section}.{key}");
            let default = known.get(section).and_then(|of| of.get(key));
            wrong.push(Problem {
                line: line_of(text, &path),
                what: format!(
                    "{value} does not fit: {}",
                    error.message().trim().replace('\n', " ")
                ),
                remedy: match (hotwords_remedy(&path, value), default) {
                    (Some(remedy), _) => remedy.into(),
                    (None, Some(default)) => format!("Give a value like the default, {default}"),
                    (None, None) => "Remove it".into(),
                },
                key: path,
            });
            false
        });
    }
    (given, wrong)
}

/// Two settings share a name: one is a file for this program, the other a list for a server.
fn hotwords_remedy(path: &str, value: &toml::Value) -> Option<&'static str> {
    let is_list = path == "asr.hotwords" && value.is_array();
    let is_file = path == "asr.remote" && value.get("hotwords").is_some_and(toml::Value::is_str);
    if is_list {
        return Some(
            "Name a file with one name of 2 to 12 Chinese characters a line; a list such as \
             [\"网格员\"] is for a recognition server: asr.remote.hotwords",
        );
    }
    is_file.then_some(
        "asr.remote.hotwords is a list such as [\"网格员\"]; a file of names is for \
         asr.hotwords",
    )
}

/// Broken TOML, where the parser points.
pub(super) fn wrong_value(text: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().map_or(0, |span| span.start);
    let line = text[..at.min(text.len())].matches('\n').count() + 1;
    let key = key_at(text, line).unwrap_or_else(|| "file".into());
    let first = line_of(text, &key);
    let remedy = if error.message().contains("duplicate key") && (1..line).contains(&first) {
        format!(
            "`{key}` stands in line {first} already: change it there, and move other lines of this \
             section to the one that is there"
        )
    } else {
        "See the key's comment and default in `qingting check-config --print-default`".into()
    };
    Problem { line, key, what: error.message().trim().replace('\n', " "), remedy }
}

/// Values that parse but cannot work.
pub(super) fn values(config: &Config, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut demand = |good: bool, key: &str, what: String, remedy: &str| {
        if !good {
            problems.push(Problem {
                line: line_of(text, key),
                key: key.into(),
                what,
                remedy: remedy.into(),
            });
        }
    };
    let sip = &config.sip;
    demand(
        !(sip.listen_udp.is_empty() && sip.listen_tcp.is_empty()),
        "sip.listen_udp",
        "no SIP address to listen on".into(),
        "Give at least one in `sip.listen_udp` or `sip.listen_tcp`, such as \"0.0.0.0:5060\"",
    );
    demand(
        sip.capture_server.is_none_or(|to| is_private_or_encrypted(&format!("http://{to}"))),
        "sip.capture_server",
        "it is no private address, and HEP is not encrypted".to_owned(),
        "Give an address of the city's own network, or lead it through a tunnel",
    );
    demand(
        ["", "ws", "wss"].contains(&sip.browser_url.split("://").next().unwrap_or_default()),
        "sip.browser_url",
        format!("{:?} is no address of a WebSocket", sip.browser_url),
        "Give one such as wss://hotline.example/sip, or nothing",
    );
    demand(
        config.cluster.http.is_none_or(|to| is_private_or_encrypted(&format!("http://{to}"))),
        "cluster.http",
        "it is no private address, and what servers ask of each other is not encrypted".to_owned(),
        "Give this server's address in the city's own network",
    );
    demand(
        sip.drain_s <= DRAIN_S_MAX,
        "sip.drain_s",
        format!("{} is more than {DRAIN_S_MAX}", sip.drain_s),
        "Give at most an hour, and TimeoutStopSec in the systemd unit 60 s more",
    );
    demand(
        sip.concurrent_calls_max > 0,
        "sip.concurrent_calls_max",
        "0 would refuse every call".into(),
        "Give the number of calls your trunk carries, such as 60",
    );
    let families = sip.addresses().map(std::net::SocketAddr::is_ipv4);
    demand(
        families.clone().all(|v4| v4) || families.clone().all(|v4| !v4),
        "sip.listen_udp",
        "IPv4 and IPv6 addresses together; RTP uses one of them".into(),
        "Give addresses of one family in `sip.listen_udp` and `sip.listen_tcp`",
    );
    let media = &config.media;
    let pairs = (usize::from(media.port_last) + 1).saturating_sub(media.port_first.into()) / 2;
    demand(
        media.port_first >= 1024 && media.port_first.is_multiple_of(2),
        "media.port_first",
        format!("{} is not an even port from 1024 up", media.port_first),
        "RTP ports are even (RFC 3550 section 11): give one such as 10000",
    );
    demand(
        pairs >= sip.concurrent_calls_max,
        "media.port_last",
        format!(
            "{pairs} port pair(s) cannot carry sip.concurrent_calls_max = {} calls",
            sip.concurrent_calls_max
        ),
        "Widen the range (two ports a leg; a call with a seat has two legs) or lower sip.concurrent_calls_max",
    );
    demand(
        media.shards <= 64,
        "media.shards",
        format!("{} media threads are more than any machine needs", media.shards),
        "Give 0 (automatic) or at most the number of cores",
    );
    let hotline = &config.hotline;
    for (key, prompt) in [
        ("hotline.notice", &hotline.notice),
        ("hotline.greeting", &hotline.greeting),
        ("hotline.are_you_there", &hotline.are_you_there),
        ("hotline.farewell", &hotline.farewell),
    ] {
        let fault = if prompt.trim().is_empty() {
            Some("it is empty".to_owned())
        } else {
            prompt_fault(prompt)
        };
        let what = fault.clone().unwrap_or_default();
        demand(fault.is_none(), key, what, "Write what the caller shall hear");
    }
    demand(
        (0.5..=2.0).contains(&hotline.voice_speed),
        "hotline.voice_speed",
        format!("{} is not between 0.5 and 2.0", hotline.voice_speed),
        "1.0 is the voice's own speed",
    );
    demand(
        VOICES.contains(&hotline.voice.as_str()),
        "hotline.voice",
        format!("there is no voice {:?}", hotline.voice),
        "Give qingting, jf_alpha, jf_gongitsune, jf_nezumi, jf_tebukuro or jm_kumo",
    );
    for (key, value, allowed, remedy) in [
        ("media.port_rest_s", media.port_rest_s, 0..=600, "5 is usual"),
        ("media.inactivity_s", media.inactivity_s, 5..=3_600, "30 is usual"),
        ("media.seat_inactivity_s", media.seat_inactivity_s, 5..=3_600, "45 is usual"),
        ("hotline.silence_prompt_s", hotline.silence_prompt_s, 3..=3_600, "15 is usual"),
        ("hotline.silence_hangup_s", hotline.silence_hangup_s, 3..=3_600, "20 is usual"),
        ("hotline.call_s_max", hotline.call_s_max, 60..=86_400, "7200 is two hours"),
    ] {
        demand(
            allowed.contains(&value),
            key,
            format!("{value} s is not between {} and {}", allowed.start(), allowed.end()),
            remedy,
        );
    }
    demand(
        hotline.ring_ms <= 10_000,
        "hotline.ring_ms",
        format!("{} ms lets callers wait too long", hotline.ring_ms),
        "GB/T 33358-2016 asks for an answer within 15 s: give at most 10000",
    );
    for (key, value, allowed, remedy) in [
        ("seats.ring_s", config.seats.ring_s, 5..=120, "20 is usual"),
        ("seats.expert_ring_s", config.seats.expert_ring_s, 5..=120, "25 is usual"),
        ("seats.wrap_up_s", config.seats.wrap_up_s, 0..=3_600, "30 is usual"),
        ("seats.no_answer_pause_s", config.seats.no_answer_pause_s, 0..=3_600, "60 is usual"),
        ("sip.session_expires_s", sip.session_expires_s.into(), 90..=86_400, "1800 is usual"),
    ] {
        demand(
            allowed.contains(&value),
            key,
            format!("{value} s is not between {} and {}", allowed.start(), allowed.end()),
            remedy,
        );
    }
    let seats = &config.seats;
    for (key, prompt) in [
        ("seats.call_back_offer", &seats.call_back_offer),
        ("seats.call_back_promised", &seats.call_back_promised),
        ("seats.three_party", &seats.three_party),
        ("seats.returned", &seats.returned),
        ("seats.nobody", &seats.nobody),
    ] {
        let fault = if prompt.trim().is_empty() {
            Some("it is empty".to_owned())
        } else {
            prompt_fault(prompt)
        };
        let what = fault.clone().unwrap_or_default();
        demand(fault.is_none(), key, what, "Write what the caller shall hear");
    }
    let needs_identity = !(sip.listen_tls.is_empty() && sip.listen_wss.is_empty());
    for (key, file) in
        [("sip.tls_certificate", &sip.tls_certificate), ("sip.tls_key", &sip.tls_key)]
    {
        demand(
            !needs_identity || file.is_file(),
            key,
            format!("TLS needs it, and there is no file {:?}", file.display().to_string()),
            "Give a PEM file, or leave sip.listen_tls and sip.listen_wss empty",
        );
    }
    demand(
        !sip.realm.is_empty() && sip.realm.chars().all(|c| c.is_ascii_graphic() && c != '"'),
        "sip.realm",
        format!("{:?} is not a realm", sip.realm),
        "Give a short ASCII word, such as the city's domain",
    );
    demand(
        crate::serve::music(&seats.music).is_ok(),
        "seats.music",
        format!("no music can be read from the file {}", seats.music.display()),
        "Give a WAV file (8 kHz, mono, 16 bit) or leave it empty",
    );
    let key_file = &config.recording.key_file;
    demand(
        key_file.as_os_str().is_empty() || key_file.is_file(),
        "recording.key_file",
        format!("there is no file {}", key_file.display()),
        "Make one with `openssl rand -hex 32 > FILE; chmod 600 FILE`",
    );
    demand(
        config.asr.threads <= 256,
        "asr.threads",
        format!("{} decoding threads are more than any machine has", config.asr.threads),
        "Give 0 (automatic) or at most the number of cores",
    );
    let remote = &config.asr.remote;
    demand(
        remote.hotwords.len() <= HOTWORDS_MAX,
        "asr.remote.hotwords",
        format!("{} words", remote.hotwords.len()),
        "Give at most 1000: with more the server hears each of them worse",
    );
    demand(
        (1..=60).contains(&remote.answer_within_s),
        "asr.remote.answer_within_s",
        format!("{} s", remote.answer_within_s),
        "Give 1 to 60: a caption that comes later helps nobody",
    );
    if config.asr.engine == AsrEngine::Remote
        && let Err(fault) = remote.usable()
    {
        let key = match fault {
            Fault::CaFile(_) => "asr.remote.ca_file",
            _ => "asr.remote.url",
        };
        demand(false, key, fault.to_string(), "`engine = \"whisper\"` recognises without a server");
    }
    demand(
        !config.asr.enabled || config.asr.local || !config.asr.workers.is_empty(),
        "asr.local",
        "nobody recognises".to_owned(),
        "Set asr.local = true, add a machine to asr.workers, or set asr.enabled = false",
    );
    let has_tracks = config.recording.enabled && config.recording.tracks;
    demand(
        !config.asr.whole_pass || has_tracks,
        "asr.whole_pass",
        "nobody's voice is recorded by itself".to_owned(),
        "Set recording.enabled and recording.tracks, or leave asr.whole_pass out",
    );
    let file = &config.asr.hotwords;
    if !file.as_os_str().is_empty() {
        let words = text_file::read(file).map_err(|error| format!("{error:#}")).and_then(|list| {
            let words = Hotwords::read(&list, []);
            words.map_err(|error| format!("{}: {error}", file.display()))
        });
        demand(
            words.is_ok(),
            "asr.hotwords",
            words.err().unwrap_or_default(),
            "Write one name of the city a line, 2 to 12 Chinese characters; # begins a comment",
        );
    }
    let program = &config.asr.program;
    demand(
        program.as_os_str().is_empty() || program.is_file(),
        "asr.program",
        format!("there is no program {}", program.display()),
        "Give the path of a recogniser, or leave it empty",
    );
    for worker in &config.asr.workers {
        let usable = std::fs::read_to_string(&worker.token_file)
            .map_err(|error| format!("{}: {error}", worker.token_file.display()))
            .and_then(|token| {
                let remote = Remote::new(&worker.address, &worker.certificate, &token);
                remote.map(drop).map_err(|error| error.to_string())
            });
        demand(
            usable.is_ok(),
            "asr.workers",
            usable.err().unwrap_or_default(),
            "See README, \"Recognition under load, and on other machines\"",
        );
    }
    let hotwords = &config.asr.sherpa.hotwords;
    demand(
        hotwords.as_os_str().is_empty() || hotwords.is_file(),
        "asr.sherpa.hotwords",
        format!("there is no file {}", hotwords.display()),
        "Give a file with a word a line, or leave it empty",
    );
    demand(
        config.nlu.category_model.as_os_str().is_empty() || config.nlu.category_model.is_file(),
        "nlu.category_model",
        format!("there is no file {}", config.nlu.category_model.display()),
        "Make one with `qingting nlu train --tickets FILE --out MODEL.qtm`, or leave it empty",
    );
    let font = &config.reports.font;
    demand(
        font.as_os_str().is_empty() || font.is_file(),
        "reports.font",
        format!("there is no file {}", font.display()),
        "Give a font with Chinese characters, or leave it empty and run `apt-get install fonts-noto-cjk`",
    );
    let llm = &config.llm;
    demand(
        llm.url.is_empty() || is_private_or_encrypted(&llm.url),
        "llm.url",
        format!("{:?} would carry callers' words unencrypted, or is no address", llm.url),
        "Give an https address such as \"https://llm.example.org/v1\", or http to a private IP address",
    );
    demand(
        llm.url.is_empty() || !llm.model.is_empty(),
        "llm.model",
        "it is empty".to_owned(),
        "Name the model as the endpoint does",
    );
    demand(
        llm.url.is_empty() || llm.key_file.as_os_str().is_empty() || llm.key_file.is_file(),
        "llm.key_file",
        format!("there is no file {}", llm.key_file.display()),
        "Give a file with the endpoint's key, or leave it empty",
    );
    demand(
        (1..=60).contains(&llm.answer_within_s),
        "llm.answer_within_s",
        format!("{} is not from 1 to 60", llm.answer_within_s),
        "Give the seconds that an answer is waited for, such as 8",
    );
    demand(
        config.nlu.profile.as_os_str().is_empty() || config.nlu.profile.is_dir(),
        "nlu.profile",
        format!("there is no folder {}", config.nlu.profile.display()),
        "Write one with `qingting profile export-default FOLDER`, or leave it empty",
    );
    let callbacks = &config.callbacks;
    let secret = &callbacks.intake_secret_file;
    demand(
        secret.as_os_str().is_empty() || secret.is_file(),
        "callbacks.intake_secret_file",
        format!("there is no file {}", secret.display()),
        "Make one with `openssl rand -hex 32 > FILE; chmod 600 FILE`, or leave it empty",
    );
    demand(
        secret.as_os_str().is_empty() || !callbacks.intake_campaign.is_empty(),
        "callbacks.intake_campaign",
        "it is empty, and closed tickets may come in".to_owned(),
        "Name the campaign into which they go",
    );
    demand(
        callbacks.poll_url.is_empty() || !secret.as_os_str().is_empty(),
        "callbacks.intake_secret_file",
        "it is empty, and closed tickets are fetched".to_owned(),
        "Make one with `openssl rand -hex 32 > FILE; chmod 600 FILE` and give the ticket system the same",
    );
    demand(
        callbacks.poll_url.is_empty() || is_private_or_encrypted(&callbacks.poll_url),
        "callbacks.poll_url",
        format!(
            "{:?} would carry citizens' data unencrypted, or is no address",
            callbacks.poll_url
        ),
        "Give an https address such as \"https://tickets.example.org/closed\", or http to a private IP address",
    );
    demand(
        (5..=86_400).contains(&callbacks.poll_every_s),
        "callbacks.poll_every_s",
        format!("{} is not from 5 to 86400", callbacks.poll_every_s),
        "Give seconds, such as 300",
    );
    demand(
        callbacks.scripts.as_os_str().is_empty() || callbacks.scripts.is_dir(),
        "callbacks.scripts",
        format!("there is no folder {}", callbacks.scripts.display()),
        "Give a folder with *.toml files, or leave it empty",
    );
    let wrong = callbacks
        .rates
        .iter()
        .find_map(|(name, rate)| rate.check().err().map(|fault| format!("{name}: {fault}")));
    demand(
        wrong.is_none(),
        "callbacks.rates",
        wrong.unwrap_or_default(),
        "See the example in the file that `qingting check-config --write-default` writes",
    );
    let models = &config.models;
    demand(
        models.mirror.is_empty() || models.mirror.parse::<qingting_models::Mirror>().is_ok(),
        "models.mirror",
        format!("{:?} is not an http or https address", models.mirror),
        "Give one such as \"http://10.0.0.5/models\", or leave it empty",
    );
    demand(
        models.folder.as_os_str().is_empty() || models.folder.is_dir(),
        "models.folder",
        format!("there is no folder {}", models.folder.display()),
        "Give the folder that holds models or archives, or leave it empty",
    );
    demand(
        is_log_filter(&config.log.level),
        "log.level",
        format!("{:?} is not a log level or filter", config.log.level),
        "Give error, warn, info, debug or trace",
    );
    problems.extend(relay::values(&config.ticket_system, text));
    problems.extend(feed::values(&config.feed, text));
    problems.extend(sign_on::values(&config.sign_on, text));
    problems.extend(traces::values(&config.traces, text));
    problems.extend(lists::values(config, text));
    problems
}

/// A word alone that is no level would be taken for the name of a part, and nothing else be told.
fn is_log_filter(text: &str) -> bool {
    use tracing_subscriber::filter::{EnvFilter, LevelFilter};
    let mut words = text.split(',').map(str::trim);
    EnvFilter::try_new(text).is_ok()
        && words.all(|word| word.contains('=') || word.parse::<LevelFilter>().is_ok())
}

/// The voices of the model that the manifest names, and the mean of two of them.
const VOICES: [&str; 6] =
    ["qingting", "jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo"];

/// Longest that calls may go on when the server is to stop, in seconds.
const DRAIN_S_MAX: u64 = 3_600;

/// Longest prompt text, in characters: about two minutes of speech.
pub(super) const PROMPT_CHARS_MAX: usize = 500;

/// Why a text cannot be spoken to a caller.
pub(super) fn prompt_fault(text: &str) -> Option<String> {
    if text.chars().count() > PROMPT_CHARS_MAX {
        return Some(format!("a prompt of more than {PROMPT_CHARS_MAX} characters"));
    }
    qingting_voice::front_end::check(text).err().map(|unreadable| unreadable.to_string())
}

fn unknown<'a>(
    text: &str,
    path: &str,
    key: &str,
    known: impl Iterator<Item = &'a String>,
) -> Problem {
    let nearest = known.min_by_key(|candidate| strsim::levenshtein(candidate, key));
    Problem {
        line: line_of(text, path),
        key: path.into(),
        what: "there is no such key".into(),
        remedy: match nearest {
            Some(nearest) if strsim::levenshtein(nearest, key) <= 3 => {
                format!("Did you mean `{nearest}`?")
            }
            _ => "Remove it; `qingting check-config --print-default` shows every key".into(),
        },
    }
}

/// The line (from 1) on which a dotted key stands, or 0.
pub(super) fn line_of(text: &str, dotted: &str) -> usize {
    keys(text).find(|(_, key)| key == dotted).map_or(0, |(line, _)| line)
}

/// The dotted key whose value covers a line.
fn key_at(text: &str, line: usize) -> Option<String> {
    keys(text).take_while(|(at, _)| *at <= line).last().map(|(_, key)| key)
}

/// Every key of the file with its line. Good enough for pointing: the parser proper is `toml`.
fn keys(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut section = String::new();
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_start_matches('[').split(']').next().unwrap_or("").trim().into();
            return Some((index + 1, section.clone()));
        }
        let key = line.split_once('=')?.0.trim();
        if key.starts_with('#') || key.contains('"') {
            return None;
        }
        let dotted = if section.is_empty() { key.into() } else { format!("{section}.{key}") };
        Some((index + 1, dotted))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::path::Path;

    pub(in crate::config) fn problems(text: &str) -> Vec<Problem> {
        match Config::parse(text, Path::new("/etc/qingting/config.toml")) {
            Err(ConfigError::Invalid { problems, .. }) => problems,
            other => panic!("expected problems, got {other:?}"),
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
        let found = problems("[sip]\nlisten_upd = [\"0.0.0.0:5060\"]\n");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].key.as_str()), (2, "sip.listen_upd"));
        assert_eq!(found[0].remedy, "Did you mean `listen_udp`?");
    }

    #[test]
    fn an_unknown_section_is_named() {
        let found = problems("[sipp]\n");
        assert_eq!((found[0].line, found[0].key.as_str()), (1, "sipp"));
    }

    #[test]
    fn a_value_of_the_wrong_type_points_at_its_line() {
        let found = problems("[asr]\nenabled = true\nthreads = \"two\"\n");
        assert_eq!((found[0].line, found[0].key.as_str()), (3, "asr.threads"));
        assert!(found[0].what.contains("invalid type"), "{}", found[0].what);
    }

    #[test]
    fn a_recognition_server_must_be_usable_where_it_is_used() {
        let server = |lines: &str| {
            let found = problems(&format!("[asr]\nengine = \"remote\"\n[asr.remote]\n{lines}"));
            found.into_iter().map(|problem| (problem.line, problem.key)).collect::<Vec<_>>()
        };
        for (lines, key) in [
            ("url = \"\"\n", "asr.remote.url"),
            ("url = \"ws://8.8.8.8:10095\"\n", "asr.remote.url"),
            ("ca_file = \"/none.pem\"\nurl = \"wss://10.0.0.5\"\n", "asr.remote.ca_file"),
            ("answer_within_s = 0\nurl = \"ws://10.0.0.5\"\n", "asr.remote.answer_within_s"),
        ] {
            assert_eq!(server(lines), [(4, key.to_owned())], "{lines}");
        }
        for good in [
            "[asr]\nengine = \"remote\"\n[asr.remote]\nurl = \"ws://10.0.0.5:10095\"\n",
            "[asr.remote]\nurl = \"nowhere, and not used\"\n",
        ] {
            assert!(Config::parse(good, Path::new("config.toml")).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_wrong_type_does_not_hide_the_next_mistake() {
        let found = problems(
            "[media]\nport_first = \"ten\"\n[hotline]\nring_ms = \"a\"\nvoice = \"nobody\"\n",
        );
        let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["media.port_first", "hotline.ring_ms", "hotline.voice"]);
        assert!(found[1].remedy.contains("200"), "{}", found[1].remedy);
    }

    #[test]
    fn an_address_without_a_port_points_at_its_line() {
        let found = problems("[http]\nlisten = \"127.0.0.1\"\n");
        assert_eq!((found[0].line, found[0].key.as_str()), (2, "http.listen"));
    }

    #[test]
    fn text_that_is_not_toml_points_at_its_line() {
        let found = problems("[sip]\n[media\n");
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let found = problems(
            "[media]\nport_first = 10001\nport_last = 10010\n[hotline]\nnotice = \"\"\nvoice_sped = 1\n",
        );
        let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            ["media.port_first", "media.port_last", "hotline.notice", "hotline.voice_sped"]
        );
        assert!(found.iter().all(|problem| problem.line > 0 && !problem.remedy.is_empty()));
    }

    #[test]
    fn the_message_names_the_file() {
        let error =
            Config::parse("[log]\nlevel = \"a=b=c\"", Path::new("/etc/q.toml")).unwrap_err();
        assert!(error.to_string().contains("/etc/q.toml"), "{error}");
        assert!(error.to_string().contains("log.level"), "{error}");
    }

    #[test]
    fn a_word_that_is_no_level_does_not_silence_the_log() {
        assert_eq!(problems("[log]\nlevel = \"verbose\"\n")[0].key, "log.level");
        for good in ["warn", "info,qingting_sip=debug", "qingting_sip=debug, error"] {
            assert!(is_log_filter(good), "{good}");
        }
    }

    #[test]
    fn a_prompt_that_cannot_be_read_aloud_is_found_before_a_call() {
        let found = problems("[hotline]\ngreeting = \"您好☎请讲\"\n");
        assert_eq!((found[0].line, found[0].key.as_str()), (2, "hotline.greeting"));
        assert!(found[0].what.contains("U+260E") && found[0].what.contains("character 3"));
    }

    #[test]
    fn a_section_that_is_there_already_is_named_with_its_line() {
        let found = problems("[asr]\nenabled = true\n[http]\n[asr]\nengine = \"remote\"\n");
        assert_eq!((found[0].line, found[0].key.as_str()), (4, "asr"));
        assert!(found[0].remedy.contains("line 1 already"), "{}", found[0].remedy);
        let found = problems("[asr]\nthreads = 1\nthreads = 2\n");
        assert_eq!((found[0].line, found[0].key.as_str()), (3, "asr.threads"));
        assert!(found[0].remedy.contains("line 2 already"), "{}", found[0].remedy);
    }

    #[test]
    fn the_two_kinds_of_hotwords_are_told_apart() {
        let found = problems("[asr]\nhotwords = [\"网格员\"]\n");
        assert!(found[0].remedy.contains("asr.remote.hotwords"), "{}", found[0].remedy);
        let found = problems("[asr.remote]\nhotwords = \"words.txt\"\n");
        assert!(found[0].remedy.contains("is for asr.hotwords"), "{}", found[0].remedy);
    }

    #[test]
    fn a_recogniser_of_another_machine_must_be_reachable_as_configured() {
        let worker = "{ address = \"asr1\", certificate = \"no.pem\", token_file = \"no.token\" }";
        let found = problems(&format!("[asr]\nworkers = [{worker}]\n"));
        assert_eq!(found[0].key, "asr.workers");
        assert!(found[0].what.contains("no.token"), "{}", found[0].what);
        assert_eq!(problems("[asr]\nlocal = false\n")[0].key, "asr.local");
    }
}
