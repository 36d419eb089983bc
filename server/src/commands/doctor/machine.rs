//! The machine: disk, clock, limits of the kernel, memory and cores.

use super::{Finding, Verdict};
use crate::cli::ModelsDir;
use crate::commands;
use crate::commands::recogniser::Recogniser;
use crate::config::{Config, cores};
use crate::home;
use qingting_sip::UDP_BUFFER_BYTES;
use rustix::process::{Resource, getrlimit};
use std::path::Path;
use std::process::Command;

/// The unit of the package.
const UNIT: &str = "qingting.service";
const GIB: u64 = 1 << 30;
/// Free space of the data folder below which the hotline is about to stop recording.
const DISK_BAD_BYTES: u64 = GIB;
const DISK_WARNING_BYTES: u64 = 10 * GIB;
/// A minute of a recorded call: two sides of 8,000 samples a second and 16 bits, in bytes.
const RECORDED_BYTES_PER_MINUTE: u64 = 2 * 8_000 * 2 * 60;
/// Descriptors of a call: its legs' sockets and its recording.
const FILES_PER_CALL: u64 = 8;
const FILES_BESIDES: u64 = 1_000;
/// Memory that the recogniser and the voice take, beside the server.
const MEMORY_WARNING_BYTES: u64 = GIB;

pub fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![folder(&config.data.dir)];
    findings.extend(disk(&config.data.dir));
    findings.push(clock());
    findings.extend(files(config));
    findings.extend(udp_buffer());
    findings.extend(memory());
    findings.extend(recogniser(config));
    findings
}

fn folder(dir: &Path) -> Finding {
    use std::os::unix::fs::MetadataExt;
    let what = "data folder";
    let shown = dir.display();
    let metadata = match dir.metadata() {
        Ok(metadata) => metadata,
        Err(error) => {
            let remedy = "qingting serve makes it at its first start; else create it for that user";
            return Finding::warning(what, format!("{shown}: {error}"), remedy);
        }
    };
    if metadata.mode() & 0o077 != 0 {
        return Finding::warning(what, format!("{shown}: others may enter it"), "chmod 700 it");
    }
    match tempfile::tempfile_in(dir) {
        Ok(_) => Finding::good(what, shown.to_string()),
        Err(error) => {
            let remedy = "run this as the server's own user, or give the folder to it (chown)";
            Finding::bad(what, format!("{shown}: {error}"), remedy)
        }
    }
}

fn disk(dir: &Path) -> Option<Finding> {
    let free = home::disk_space(dir)?.free;
    let hours = free / RECORDED_BYTES_PER_MINUTE / 60;
    let found = format!(
        "{:.1} GiB free in {}: {hours} hours of recorded talk",
        free as f64 / GIB as f64,
        dir.display()
    );
    let otherwise = if free < DISK_BAD_BYTES { Verdict::Bad } else { Verdict::Warning };
    let remedy = "free space, enlarge the disk, or set recording.retention_days";
    Some(Finding::of(free >= DISK_WARNING_BYTES, otherwise, "disk", found, remedy))
}

/// Certificates, signatures of the ticket system and codes of the second factor need it right.
fn clock() -> Finding {
    let what = "clock";
    let mut asked = Command::new("timedatectl");
    asked.args(["show", "-p", "NTPSynchronized", "--value"]);
    let answer = asked.output().ok().filter(|output| output.status.success());
    let answer = answer.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let remedy = "install chrony, and let it reach the city's time server";
    match answer.as_deref() {
        Some("yes") => Finding::good(what, "synchronised"),
        Some("no") => Finding::warning(what, "not synchronised", remedy),
        _ => Finding::warning(what, "whether it is synchronised cannot be seen here", remedy),
    }
}

/// The server's limit is what counts: a shell's is another one.
fn files(config: &Config) -> Option<Finding> {
    let of_server = home::holder(&config.data.dir).and_then(files_of_process);
    let (most, whose) = match (of_server, files_of_unit()) {
        (Some(most), _) => (most, "of the running server"),
        (None, Some(most)) => (most, "of the systemd unit"),
        (None, None) => {
            let shell = "of this shell: no server runs, and there is no unit";
            (getrlimit(Resource::Nofile).current?, shell)
        }
    };
    let calls = config.sip.concurrent_calls_max as u64;
    let wanted = calls * FILES_PER_CALL + FILES_BESIDES;
    let found = format!("{most} open files for {calls} calls ({whose}); {wanted} are wanted");
    let remedy = "LimitNOFILE in the systemd unit, or `nofile` in /etc/security/limits.conf";
    Some(Finding::of(most >= wanted, Verdict::Warning, "open files", found, remedy))
}

fn files_of_process(pid: u32) -> Option<u64> {
    soft_limit(&std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

/// Of `Max open files            1024                 4096                 files`, where the first one counts.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    limit(line.split_whitespace().next()?)
}

fn files_of_unit() -> Option<u64> {
    let mut asked = Command::new("systemctl");
    asked.args(["show", UNIT, "-p", "LoadState", "-p", "LimitNOFILESoft"]);
    let answer = asked.output().ok().filter(|output| output.status.success())?;
    unit_limit(&String::from_utf8_lossy(&answer.stdout))
}

fn unit_limit(answer: &str) -> Option<u64> {
    let of = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key));
    let is_there = of("LoadState=") == Some("loaded");
    limit(of("LimitNOFILESoft=")?).filter(|_| is_there)
}

fn limit(text: &str) -> Option<u64> {
    match text {
        "unlimited" | "infinity" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn udp_buffer() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/sys/net/core/rmem_max").ok()?;
    let most: u64 = text.trim().parse().ok()?;
    let found = format!("net.core.rmem_max = {most}; {UDP_BUFFER_BYTES} are wanted for bursts");
    let remedy = "sysctl -w net.core.rmem_max=4194304, and the same in /etc/sysctl.d/";
    Some(Finding::of(
        most >= UDP_BUFFER_BYTES as u64,
        Verdict::Warning,
        "UDP buffer",
        found,
        remedy,
    ))
}

fn memory() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let free = kib << 10;
    let found = format!("{:.1} GiB available", free as f64 / GIB as f64);
    let remedy = "recogniser and voice take about 1 GiB: give the machine more";
    Some(Finding::of(free >= MEMORY_WARNING_BYTES, Verdict::Warning, "memory", found, remedy))
}

/// How many people who talk at once the recogniser is enough for.
fn recogniser(config: &Config) -> Option<Finding> {
    let what = "recogniser";
    if !config.asr.enabled {
        return Some(Finding::warning(what, "off: no captions, no drafts", "asr.enabled = true"));
    }
    if !config.asr.local {
        return Some(Finding::good(
            what,
            format!("{} on other machines", config.asr.workers.len()),
        ));
    }
    let models = ModelsDir::of(config.data.models.clone());
    let found = match Recogniser::find(&config.asr, &models) {
        Ok(found) => found,
        Err(error) => {
            let remedy =
                "qingting models fetch; without the Internet: qingting models import FOLDER";
            return Some(Finding::bad(what, format!("{error:#}"), remedy));
        }
    };
    let per_stream = found
        .manifest_name()
        .and_then(|name| commands::models::cores_per_stream(&models, name).ok().flatten())?;
    let enough = (cores() as f64 / per_stream) as usize;
    let found = format!("{} cores: enough for {enough} people who talk at once", cores());
    let wanted = config.sip.concurrent_calls_max;
    if enough < wanted.min(60) {
        let remedy =
            "captions come later beyond that: more cores, or asr.workers on other machines";
        return Some(Finding::warning(what, found, remedy));
    }
    Some(Finding::good(what, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_counts_is_the_servers_else_the_units() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             63704                63704                processes\n\
                      Max open files            1024                 1048576              files\n";
        assert_eq!(soft_limit(limits), Some(1_024));
        assert_eq!(soft_limit(&limits.replace("1024 ", "unlimited ")), Some(u64::MAX));
        assert_eq!(soft_limit(""), None);
        assert_eq!(unit_limit("LoadState=loaded\nLimitNOFILESoft=65536\n"), Some(65_536));
        assert_eq!(unit_limit("LimitNOFILESoft=infinity\nLoadState=loaded\n"), Some(u64::MAX));
        // systemd tells its own default of a unit that is not there.
        assert_eq!(unit_limit("LoadState=not-found\nLimitNOFILESoft=1024\n"), None);
    }
}
