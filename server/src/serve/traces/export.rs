//! Spans on their way to the collector: OTLP over HTTP, in batches.
//!
//! A batch that the collector cannot take now (429, 502, 503, 504, no answer) is sent again, for as long as it takes:
//! meanwhile spans wait, and what there is no room for is dropped. What it refuses is dropped at once.

use super::span::Span;
use super::{Counters, otlp};
use crate::config;
use anyhow::{Context, Result};
use qingting_common::{CallId, Pii};
use qingting_tickets::Retry;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use ureq::tls::{RootCerts, TlsConfig};

/// Spans in one request.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const BATCH_WAIT: Duration = Duration::from_secs(1);
const CONNECT_MAX: Duration = Duration::from_secs(3);
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// Of an answer so much is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// What failed is tried again after this, then after twice that up to the longest wait, without end.
const RETRY: Retry = Retry {
    first: Duration::from_secs(1),
    max: Duration::from_secs(30),
    tries_max: u32::MAX,
    give_up_after: Duration::MAX,
};

/// What the exporter is told.
#[derive(Debug)]
pub enum Told {
    Span(CallId, Span),
    /// Say when everything before it is sent.
    Last(oneshot::Sender<()>),
}

/// What sends spans.
pub struct Exporter {
    collector: Arc<Collector>,
    server: String,
    told: mpsc::Receiver<Told>,
    counters: Arc<Counters>,
    /// It said no to the last batch; said once in the log.
    is_refused: bool,
}

struct Collector {
    agent: ureq::Agent,
    url: String,
    token: Option<Pii<String>>,
}

/// What the collector made of a batch.
#[derive(Debug, PartialEq)]
enum Answer {
    /// It has it, less so many spans that it does not want.
    Taken {
        rejected: u64,
    },
    Refused(String),
    /// It may take it later, and said when.
    Later(String, Option<Duration>),
}

impl Exporter {
    pub(super) fn new(
        config: &config::Traces,
        server: &str,
        told: mpsc::Receiver<Told>,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let collector = Arc::new(Collector::new(config)?);
        let server = server.to_owned();
        Ok(Self { collector, server, told, counters, is_refused: false })
    }

    /// Runs until nobody can tell of spans any more, or it is aborted.
    pub async fn run(mut self) {
        while let Some(first) = self.told.recv().await {
            let (batch, last) = self.batch(first).await;
            self.send(batch).await;
            if let Some(last) = last {
                // Whoever waited may have gone.
                let _ = last.send(());
            }
        }
    }

    /// Spans for one request, and who waits until they are sent.
    async fn batch(&mut self, first: Told) -> (Vec<(CallId, Span)>, Option<oneshot::Sender<()>>) {
        let mut batch = Vec::new();
        let until = tokio::time::Instant::now() + BATCH_WAIT;
        let mut next = Some(first);
        loop {
            match next {
                Some(Told::Span(call, span)) => batch.push((call, span)),
                Some(Told::Last(last)) => return (batch, Some(last)),
                None => return (batch, None),
            }
            if batch.len() == BATCH_MAX {
                return (batch, None);
            }
            next = tokio::time::timeout_at(until, self.told.recv()).await.ok().flatten();
        }
    }

    async fn send(&mut self, batch: Vec<(CallId, Span)>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let body: Arc<[u8]> = otlp::request(&self.server, batch).into();
        let mut failures = 0;
        loop {
            let (collector, sent) = (Arc::clone(&self.collector), Arc::clone(&body));
            let asked = tokio::task::spawn_blocking(move || collector.post(&sent)).await;
            match asked.unwrap_or_else(|error| Answer::Later(error.to_string(), None)) {
                Answer::Taken { rejected } => {
                    let rejected = rejected.min(count);
                    self.counters.sent.fetch_add(count - rejected, Ordering::Relaxed);
                    self.counters.dropped.fetch_add(rejected, Ordering::Relaxed);
                    if failures > 0 || std::mem::take(&mut self.is_refused) {
                        tracing::info!("the collector of traces takes them again");
                    }
                    return;
                }
                Answer::Refused(why) => {
                    self.counters.dropped.fetch_add(count, Ordering::Relaxed);
                    if !std::mem::replace(&mut self.is_refused, true) {
                        tracing::error!(why, "the collector refuses traces; they are dropped");
                    }
                    return;
                }
                Answer::Later(why, after) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(why, "the collector of traces takes none now; they wait");
                    }
                    tokio::time::sleep(RETRY.wait(failures, rand::random(), after)).await;
                }
            }
        }
    }
}

impl Collector {
    fn new(config: &config::Traces) -> Result<Self> {
        let file = &config.token_file;
        let token = match file.as_os_str().is_empty() {
            true => None,
            false => {
                let token = std::fs::read_to_string(file).with_context(|| {
                    format!("cannot read traces.token_file = {}", file.display())
                })?;
                Some(Pii::new(format!("Bearer {}", token.trim())))
            }
        };
        // The system's certificates: a city's own collector has one of its own.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_idle_connections(0)
            // Neither an answer nor an environment variable leads them anywhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_global(Some(REQUEST_MAX))
            .user_agent(concat!("qingting/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: agent.into(), url: config.otlp_url.clone(), token })
    }

    /// Blocks until there is an answer or the time is up.
    fn post(&self, body: &[u8]) -> Answer {
        let mut request = self.agent.post(&self.url).content_type("application/x-protobuf");
        if let Some(token) = &self.token {
            request = request.header("Authorization", token.expose());
        }
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(error) => return Answer::Later(error.to_string(), None),
        };
        let status = response.status();
        if status.is_success() {
            let answer = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
            return Answer::Taken { rejected: otlp::rejected(&answer.unwrap_or_default()) };
        }
        let why = format!("it answered {status}");
        let after = response.headers().get("Retry-After").and_then(|value| value.to_str().ok());
        let after = after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
        match status.as_u16() {
            429 | 502..=504 => Answer::Later(why, after),
            _ => Answer::Refused(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::span::Moment;
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;
    use tokio::task::JoinSet;
    use uuid::Uuid;

    fn span() -> Told {
        let span = Span { id: Some(1), ..Span::new("media.leg", Moment(1), Moment(2)) };
        Told::Span(CallId::new(Uuid::now_v7()), span)
    }

    fn exporter(url: &str, told: mpsc::Receiver<Told>) -> Exporter {
        let config = config::Traces { otlp_url: url.to_owned(), ..config::Traces::default() };
        Exporter::new(&config, "server-1", told, Arc::default()).unwrap()
    }

    /// Gives these answers, one to each request; what it was asked comes out at the end.
    fn collector(answers: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let answer = |answer: &&str| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") {
                    let from = head.len();
                    asked.read_line(&mut head).unwrap();
                    let line = head[from..].to_lowercase();
                    if let Some(count) = line.strip_prefix("content-length: ") {
                        length = count.trim().parse().unwrap();
                    }
                }
                asked.read_exact(&mut vec![0; length]).unwrap();
                let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
                head.to_lowercase()
            };
            answers.iter().map(answer).collect()
        });
        (url, answering)
    }

    #[test]
    fn what_an_answer_means_follows_otlp() {
        let (url, asked) = collector(&[
            "200 OK",
            "503 Away\r\nRetry-After: 7",
            "429 Slowly",
            "400 What",
            "302 There\r\nLocation: http://203.0.113.9/",
        ]);
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, "let-me-in\n").unwrap();
        let config = config::Traces { otlp_url: url, token_file, ..config::Traces::default() };
        let collector = Collector::new(&config).unwrap();
        assert_eq!(collector.post(b"spans"), Answer::Taken { rejected: 0 });
        let later = |why: &str, after| Answer::Later(why.to_owned(), after);
        let seven = Some(Duration::from_secs(7));
        assert_eq!(collector.post(b"spans"), later("it answered 503 Service Unavailable", seven));
        assert_eq!(collector.post(b"spans"), later("it answered 429 Too Many Requests", None));
        let refused = |why: &str| Answer::Refused(why.to_owned());
        assert_eq!(collector.post(b"spans"), refused("it answered 400 Bad Request"));
        assert_eq!(collector.post(b"spans"), refused("it answered 302 Found"));
        let asked = asked.join().unwrap();
        for head in &asked {
            assert!(head.starts_with("post /v1/traces "), "{head}");
            assert!(head.contains("authorization: bearer let-me-in"), "{head}");
            assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        }
        assert!(matches!(collector.post(b"spans"), Answer::Later(_, None)), "nobody is there");
    }

    #[tokio::test]
    async fn a_batch_is_sent_until_it_is_taken_and_dropped_when_it_is_refused() {
        let (url, asked) = collector(&["503 Away", "200 OK", "400 What"]);
        let (told, waiting) = mpsc::channel(8);
        let exporter = exporter(&url, waiting);
        let counters = Arc::clone(&exporter.counters);
        let mut running = JoinSet::new();
        running.spawn(exporter.run());
        for _ in 0..2 {
            told.send(span()).await.unwrap();
            told.send(span()).await.unwrap();
            let (done, is_done) = oneshot::channel();
            told.send(Told::Last(done)).await.unwrap();
            is_done.await.unwrap();
        }
        drop(told);
        running.join_next().await.unwrap().unwrap();
        assert_eq!(counters.sent.load(Ordering::Relaxed), 2);
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 2);
        assert_eq!(asked.join().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_batch_has_a_most_and_waits_for_more_no_longer_than_it_may() {
        let (told, waiting) = mpsc::channel(2 * BATCH_MAX);
        let mut exporter = exporter("http://127.0.0.1:9", waiting);
        (0..BATCH_MAX + 3).for_each(|_| told.try_send(span()).unwrap());
        let (batch, last) = exporter.batch(span()).await;
        assert_eq!((batch.len(), last.is_some()), (BATCH_MAX, false));
        let before = tokio::time::Instant::now();
        let (batch, _) = exporter.batch(span()).await;
        assert_eq!(batch.len(), 5);
        assert!(
            (BATCH_WAIT..20 * BATCH_WAIT).contains(&before.elapsed()),
            "{:?}",
            before.elapsed()
        );
    }
}
