//! Files by URL: what was interrupted continues where it stopped.
//!
//! **What is continued is the same file.** A partial file is kept with the URL it came from and the
//! server's validator (RFC 9110 section 8.8); it is continued when its SHA-256 is pinned or the
//! server can be asked `If-Range`, else it is fetched anew.

use crate::manifest::Archive;
use crate::{ModelsError, hash};
use indicatif::ProgressBar;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};

const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A server that sends nothing for this long has stalled.
const STALL_MAX: Duration = Duration::from_secs(30);
/// Attempts in a row that brought no new byte. One that did is followed by another without end:
/// bad lines get there.
const FRUITLESS_MAX: u32 = 2;
const PAUSE: Duration = Duration::from_millis(500);
const CHUNK_BYTES: usize = 1 << 16;

/// Fetches `archive` from `url` into `stage` unless it lies there whole; returns its path and the
/// bytes fetched now.
pub(crate) fn fetch(
    url: &str,
    archive: &Archive<'_>,
    stage: &Path,
    bar: &ProgressBar,
) -> Result<(PathBuf, u64), ModelsError> {
    let partial = Partial::new(url, archive, stage);
    if partial.is_whole()? {
        bar.inc(archive.bytes.unwrap_or(0));
        return Ok((partial.whole, 0));
    }
    tracing::info!(url, "fetching");
    let (agent, before) = (agent(), bar.position());
    let (mut fetched, mut fruitless) = (0, 0);
    loop {
        match partial.attempt(&agent, bar, before) {
            Ok(bytes) => {
                fetched += bytes;
                break;
            }
            Err(Stopped { bytes, reason, is_final }) => {
                fetched += bytes;
                fruitless = if bytes > 0 { 0 } else { fruitless + 1 };
                if is_final || fruitless >= FRUITLESS_MAX {
                    return Err(ModelsError::Download { url: url.into(), reason });
                }
                tracing::info!(url, reason, "interrupted; continuing");
                std::thread::sleep(PAUSE);
            }
        }
    }
    partial.finish()?;
    Ok((partial.whole, fetched))
}

fn agent() -> ureq::Agent {
    // The system's certificates, as pip and curl use: a closed network's mirror has its own.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_MAX))
        .timeout_per_read(Some(STALL_MAX))
        .build()
        .into()
}

/// Why an attempt ended early, and what it had brought.
struct Stopped {
    bytes: u64,
    reason: String,
    /// Another attempt would end the same way.
    is_final: bool,
}

impl Stopped {
    fn now(reason: impl ToString) -> Self {
        Self { bytes: 0, reason: reason.to_string(), is_final: false }
    }

    fn for_good(reason: String) -> Self {
        Self { bytes: 0, reason, is_final: true }
    }
}

struct Partial<'a> {
    url: &'a str,
    archive: &'a Archive<'a>,
    /// The finished file.
    whole: PathBuf,
    /// What has arrived.
    data: PathBuf,
    /// Two lines: the URL, and the server's validator or nothing.
    origin: PathBuf,
}

impl<'a> Partial<'a> {
    fn new(url: &'a str, archive: &'a Archive<'a>, stage: &Path) -> Self {
        let name = archive.file_name;
        Self {
            url,
            archive,
            whole: stage.join(name),
            data: stage.join(format!(".{name}.partial")),
            origin: stage.join(format!(".{name}.origin")),
        }
    }

    /// Whether the file lies there, from this URL or with the pinned checksum.
    fn is_whole(&self) -> Result<bool, ModelsError> {
        if !self.whole.exists() {
            return Ok(false);
        }
        let is_right = match self.archive.sha256 {
            Some(pin) => hash::expect(&self.whole, pin).is_ok(),
            None => self.validator().is_some(),
        };
        if !is_right {
            fs::remove_file(&self.whole).map_err(ModelsError::io("remove", &self.whole))?;
        }
        Ok(is_right)
    }

    /// The validator kept for this URL, empty where the server gave none; nothing for another URL.
    fn validator(&self) -> Option<String> {
        let origin = fs::read_to_string(&self.origin).ok()?;
        let (url, validator) = origin.split_once('\n')?;
        (url == self.url).then(|| validator.trim().to_owned())
    }

    /// Where to go on, and the validator to ask with.
    fn resumable(&self) -> (u64, Option<String>) {
        let has = fs::metadata(&self.data).map_or(0, |meta| meta.len());
        match self.validator() {
            Some(validator) if !validator.is_empty() => (has, Some(validator)),
            Some(_) if self.archive.sha256.is_some() => (has, None),
            _ => (0, None),
        }
    }

    /// Asks once and writes what comes; the bytes of a file that is complete now.
    fn attempt(&self, agent: &ureq::Agent, bar: &ProgressBar, before: u64) -> Result<u64, Stopped> {
        let (has, validator) = self.resumable();
        let mut request = agent.get(self.url).header(ACCEPT_ENCODING, "identity");
        if has > 0 {
            request = request.header(RANGE, format!("bytes={has}-"));
        }
        if let Some(validator) = validator.filter(|_| has > 0) {
            request = request.header(IF_RANGE, validator);
        }
        let response = request.call().map_err(Stopped::now)?;
        let (start, total) = match response.status() {
            StatusCode::OK => (0, response.body().content_length()),
            StatusCode::PARTIAL_CONTENT => range(&response)
                .filter(|(start, _)| *start == has)
                .ok_or_else(|| self.anew("the server continued at another place"))?,
            StatusCode::RANGE_NOT_SATISFIABLE => {
                // All of it had arrived, or it became shorter: the checksum or a new fetch says.
                return match unsatisfied_total(&response) {
                    Some(total) if total == has => Ok(0),
                    _ => Err(self.anew("the server has less than we had")),
                };
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Stopped::now(format!("the server answers {status}")));
            }
            status => return Err(Stopped::for_good(format!("the server answers {status}"))),
        };
        self.check_size(total)?;
        if start == 0 {
            self.begin(&response)?;
        }
        bar.set_position(before + start);
        self.receive(response, start, total, bar)
    }

    /// Refuses before anything is written what cannot be the file.
    fn check_size(&self, total: Option<u64>) -> Result<(), Stopped> {
        match (total, self.archive.bytes) {
            (Some(total), Some(bytes)) if total != bytes => {
                Err(Stopped::for_good(format!("it has {total} bytes, expected {bytes}")))
            }
            (Some(total), _) if total > self.archive.bytes_limit => Err(self.too_long()),
            _ => Ok(()),
        }
    }

    fn too_long(&self) -> Stopped {
        let limit = self.archive.bytes_limit;
        Stopped::for_good(format!("it has more than the {limit} bytes allowed"))
    }

    fn begin(&self, response: &Response<ureq::Body>) -> Result<(), Stopped> {
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        // A weak one does not say that the bytes are the same.
        let etag = header(ETAG).filter(|etag| !etag.starts_with("W/"));
        let validator = etag.or_else(|| header(LAST_MODIFIED)).unwrap_or_default();
        let _ = fs::remove_file(&self.data);
        fs::write(&self.origin, format!("{}\n{validator}\n", self.url)).map_err(Stopped::now)
    }

    fn receive(
        &self,
        response: Response<ureq::Body>,
        start: u64,
        total: Option<u64>,
        bar: &ProgressBar,
    ) -> Result<u64, Stopped> {
        let mut out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.data)
            .map_err(|e| Stopped::for_good(format!("{}: {e}", self.data.display())))?;
        let mut body = response.into_body().into_reader();
        let (mut chunk, mut bytes) = (vec![0; CHUNK_BYTES], 0);
        loop {
            let stopped = |reason: String| Stopped { bytes, reason, is_final: false };
            let n = body.read(&mut chunk).map_err(|e| stopped(e.to_string()))?;
            if n == 0 {
                break;
            }
            if start + bytes + n as u64 > self.archive.bytes_limit {
                return Err(self.too_long());
            }
            out.write_all(&chunk[..n]).map_err(|e| Stopped::for_good(e.to_string()))?;
            bytes += n as u64;
            bar.inc(n as u64);
        }
        if total.is_some_and(|total| start + bytes < total) {
            let reason = "the connection ended early".to_owned();
            return Err(Stopped { bytes, reason, is_final: false });
        }
        Ok(bytes)
    }

    /// Gives up what has arrived.
    fn anew(&self, reason: &str) -> Stopped {
        let _ = fs::remove_file(&self.data);
        Stopped::now(reason)
    }

    /// Checks what arrived and puts it in its place.
    fn finish(&self) -> Result<(), ModelsError> {
        if let Some(pin) = self.archive.sha256
            && let Err(error) = hash::expect(&self.data, pin)
        {
            let _ = fs::remove_file(&self.data);
            return Err(error.about(self.url));
        }
        fs::rename(&self.data, &self.whole).map_err(ModelsError::io("move", &self.data))
    }
}

/// First byte and total of `Content-Range: bytes 5-9/10`; no total for `*`.
fn range(response: &Response<ureq::Body>) -> Option<(u64, Option<u64>)> {
    let value = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()))
}

/// Total of `Content-Range: bytes */10`.
fn unsatisfied_total(response: &Response<ureq::Body>) -> Option<u64> {
    let value = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    value.strip_prefix("bytes */")?.parse().ok()
}
