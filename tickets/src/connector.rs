//! The HTTP client of the ticket system; its calls block.

use crate::answer::{Scope, Verdict};
use crate::clock::Deadline;
use crate::event::{KEY_HEADER, Outgoing};
use crate::signature::{SIGNATURE_HEADER, Secrets, TIMESTAMP_HEADER};
use crate::token::{Client, TokenError, Tokens};
use qingting_common::{Pii, UnixMillis};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Body, RequestBuilder, Timeout};

/// The token counts no more, or never did.
const UNAUTHORIZED: u16 = 401;
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Of an answer to an event, so much is read, in bytes: why it was refused.
const ANSWER_BYTES_MAX: u64 = 4 << 10;
/// Largest page of closed tickets, in bytes.
pub const PAGE_BYTES_MAX: u64 = 4 << 20;
/// Pages read by one poll; what is behind them is read by the next.
pub const PAGES_MAX: usize = 100;

/// The city's ticket system.
#[derive(Debug)]
pub struct TicketSystem {
    agent: ureq::Agent,
    url: String,
    secrets: Secrets,
    tokens: Option<Tokens>,
    answer_within: Duration,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Http(#[from] ureq::Error),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// What came of sending an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What it means.
    pub verdict: Verdict,
    /// What failed, in words that may stand in a log; none of a success.
    pub failure: Option<String>,
    /// The same with what the ticket system wrote about it, which may quote the event.
    pub detail: Pii<String>,
}

/// A page of what the ticket system has to tell.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Page {
    /// One ticket each; personal data.
    pub items: Pii<Vec<Value>>,
    /// Where the next page begins; absent on the last.
    #[serde(default)]
    pub next: Option<String>,
}

/// Why a poll ended early. Pages that were handed over before stay so.
#[derive(Debug, thiserror::Error)]
pub enum PollError<E> {
    /// Nothing came.
    #[error("the ticket system cannot be asked: {0}")]
    Unreachable(String),
    /// It refused.
    #[error("the ticket system answered with status {0}")]
    Status(u16),
    /// What came is no page.
    #[error("the ticket system's answer is not {{\"items\": […], \"next\": \"…\"}}")]
    Shape,
    /// Who takes the pages failed.
    #[error("what the ticket system told could not be kept: {0}")]
    Taker(E),
}

impl TicketSystem {
    /// `url` without a slash at its end; events go there, or to what their mapping puts behind it. `answer_within` is the
    /// longest that asking takes, the fetching of tokens and a second try with a new one included.
    pub fn new(url: &str, secrets: Secrets, answer_within: Duration) -> Self {
        // The operating system's certificates: a city's own system has one of its own.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            // A system that answers twice would answer the next event with what it said of this one.
            .max_idle_connections(0)
            // Following one would send citizens' data to an address that nobody configured.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // Nor does an environment variable lead them anywhere.
            .proxy(None)
            .timeout_connect(Some(CONNECT_MAX))
            .user_agent(concat!("qingting/", env!("CARGO_PKG_VERSION")))
            .build();
        let url = url.trim_end_matches('/').to_owned();
        Self { agent: agent.into(), url, secrets, tokens: None, answer_within }
    }

    /// The same where requests need an access token besides (OAuth 2.0).
    #[must_use]
    pub fn with_client(self, client: Option<Client>) -> Self {
        Self { tokens: client.map(Tokens::new), ..self }
    }

    /// Asks, with a token where one is needed. One that is refused was taken back before its time: it is asked
    /// once more with a new one, and then the answer counts.
    fn ask<B>(
        &self,
        now: UnixMillis,
        request: impl Fn() -> RequestBuilder<B>,
        send: impl Fn(RequestBuilder<B>) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, AskError> {
        let until = Deadline::after(self.answer_within);
        let ask = |token: Option<&Pii<String>>| {
            let left = until.left().ok_or(ureq::Error::Timeout(Timeout::Global))?;
            let request = request().config().timeout_global(Some(left)).build();
            send(bearing(request, token))
        };
        let Some(tokens) = &self.tokens else { return Ok(ask(None)?) };
        let token = tokens.token(&self.agent, now, until)?;
        let response = ask(Some(&token))?;
        if response.status() != UNAUTHORIZED {
            return Ok(response);
        }
        tokens.forget(&token);
        Ok(ask(Some(&tokens.token(&self.agent, now, until)?))?)
    }

    /// Where an event goes.
    pub fn address(&self, outgoing: &Outgoing) -> String {
        format!("{}{}", self.url, outgoing.path)
    }

    /// The headers of an event sent now, the signature included.
    pub fn headers(&self, outgoing: &Outgoing, now: UnixMillis) -> [(&'static str, String); 4] {
        let signed = self.secrets.sign(outgoing.body.expose(), now);
        [
            ("Content-Type", outgoing.content_type.to_owned()),
            (KEY_HEADER, outgoing.key.clone()),
            (TIMESTAMP_HEADER, signed.timestamp),
            (SIGNATURE_HEADER, signed.signature),
        ]
    }

    /// Sends an event and waits for the answer.
    pub fn send(&self, outgoing: &Outgoing, now: UnixMillis) -> Reply {
        let headers = self.headers(outgoing, now);
        let request = || with(self.agent.post(self.address(outgoing)), &headers);
        let sent =
            self.ask(now, request, |request| request.send(outgoing.body.expose().as_slice()));
        match sent {
            Ok(response) => read(response, now),
            Err(error) => {
                let failure = error.to_string();
                let verdict = Verdict::TryLater { scope: Scope::System, after: None };
                Reply { verdict, detail: Pii::new(failure.clone()), failure: Some(failure) }
            }
        }
    }

    /// Asks `GET url?after=cursor` for what was closed since, page by page, and hands each to `take`,
    /// which keeps the items and the page's `next` together: a crash then repeats a page and loses none.
    /// At most [`PAGES_MAX`]; true when there are more.
    pub fn poll<E>(
        &self,
        url: &str,
        after: Option<String>,
        now: impl Fn() -> UnixMillis,
        mut take: impl FnMut(Page) -> Result<(), E>,
    ) -> Result<bool, PollError<E>> {
        let mut cursor = after;
        for _ in 0..PAGES_MAX {
            let page = self.page(url, cursor.as_deref(), now())?;
            // A page that leads to itself would be asked for again and again.
            let next = page.next.clone().filter(|next| Some(next) != cursor.as_ref());
            take(page).map_err(PollError::Taker)?;
            let Some(next) = next else { return Ok(false) };
            cursor = Some(next);
        }
        Ok(true)
    }

    fn page<E>(
        &self,
        url: &str,
        after: Option<&str>,
        now: UnixMillis,
    ) -> Result<Page, PollError<E>> {
        let signed = self.secrets.sign(b"", now);
        let headers = [(TIMESTAMP_HEADER, signed.timestamp), (SIGNATURE_HEADER, signed.signature)];
        let unreachable = |error: ureq::Error| PollError::Unreachable(error.to_string());
        let request = || {
            let mut request = self.agent.get(url);
            if let Some(after) = after {
                request = request.query("after", after);
            }
            with(request, &headers)
        };
        let asked = self.ask(now, request, RequestBuilder::call);
        let mut response = asked.map_err(|error| PollError::Unreachable(error.to_string()))?;
        if !response.status().is_success() {
            return Err(PollError::Status(response.status().as_u16()));
        }
        let body = response.body_mut().with_config().limit(PAGE_BYTES_MAX);
        let body = body.read_to_vec().map_err(unreachable)?;
        serde_json::from_slice(&body).map_err(|_| PollError::Shape)
    }
}

fn with<B>(request: RequestBuilder<B>, headers: &[(&str, String)]) -> RequestBuilder<B> {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
}

fn bearing<B>(request: RequestBuilder<B>, token: Option<&Pii<String>>) -> RequestBuilder<B> {
    match token {
        Some(token) => request.header("Authorization", format!("Bearer {}", token.expose())),
        None => request,
    }
}

fn read(mut response: Response<Body>, now: UnixMillis) -> Reply {
    let status = response.status();
    let retry_after = response.headers().get("Retry-After").and_then(|value| value.to_str().ok());
    let verdict = Verdict::of(status.as_u16(), retry_after, now);
    if matches!(verdict, Verdict::Accepted | Verdict::AlreadyThere) {
        return Reply { verdict, failure: None, detail: Pii::default() };
    }
    let failure = format!("the ticket system answered {status}");
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    // An answer that is too long or breaks off says by its status what counts.
    let words = String::from_utf8_lossy(&body.unwrap_or_default()).trim().to_owned();
    let detail = if words.is_empty() { failure.clone() } else { format!("{failure}: {words}") };
    Reply { verdict, failure: Some(failure), detail: Pii::new(detail) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, JSON};
    use crate::mapping::Mapping;
    use serde_json::json;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    const NOW: UnixMillis = UnixMillis(1_767_196_800_000);

    /// Gives these answers, one to each connection; what it was asked comes out of the channel.
    fn peer(answers: Vec<String>) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, asked) = mpsc::sync_channel(16);
        std::thread::spawn(move || {
            for (answer, stream) in answers.into_iter().zip(listener.incoming()) {
                let mut stream = stream.unwrap();
                sender.send(request(&mut stream)).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (url, asked)
    }

    fn request(stream: &mut impl Read) -> String {
        let mut bytes = Vec::new();
        let mut part = [0; 4_096];
        loop {
            let read = stream.read(&mut part).unwrap();
            bytes.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
    }

    fn answer(head: &str, body: &str) -> String {
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn system(url: &str) -> TicketSystem {
        let secrets = Secrets::parse("0123456789abcdef0123456789abcdef").unwrap();
        TicketSystem::new(url, secrets, Duration::from_secs(5))
    }

    fn outgoing() -> Outgoing {
        let event = Event {
            key: "t1:3".into(),
            kind: "ticket.confirmed".into(),
            subject: "t1".into(),
            at: NOW,
            data: Pii::new(json!({ "phone": "13800138000" })),
        };
        event.outgoing(&Mapping::default(), "qingting").unwrap()
    }

    #[test]
    fn an_event_carries_its_key_and_signature_and_an_answer_counts_by_its_status() {
        let (url, asked) = peer(vec![
            answer("201 Created", ""),
            answer("409 Conflict", "known"),
            answer("422 Unprocessable Content", "no such category"),
            answer("503 Service Unavailable\r\nRetry-After: 7", ""),
            answer("307 Temporary Redirect\r\nLocation: http://192.0.2.1/", ""),
        ]);
        let system = system(&format!("{url}/hotline/"));
        let replies: Vec<Reply> = (0..5).map(|_| system.send(&outgoing(), NOW)).collect();
        let later = |scope, seconds: Option<u64>| Verdict::TryLater {
            scope,
            after: seconds.map(Duration::from_secs),
        };
        let verdicts: Vec<Verdict> = replies.iter().map(|reply| reply.verdict).collect();
        let expected = [
            Verdict::Accepted,
            Verdict::AlreadyThere,
            Verdict::Refused,
            later(Scope::System, Some(7)),
            later(Scope::System, None),
        ];
        assert_eq!(verdicts, expected);
        assert!(replies[2].detail.expose().ends_with(": no such category"));
        assert!(!replies[2].failure.as_ref().unwrap().contains("category"));
        let request = asked.recv().unwrap().to_ascii_lowercase();
        assert!(request.starts_with("post /hotline http/1.1\r\n"), "{request}");
        for (name, value) in system.headers(&outgoing(), NOW) {
            let header = format!("{name}: {value}\r\n").to_ascii_lowercase();
            assert!(request.contains(&header), "{header} in {request}");
        }
        assert_ne!(outgoing().content_type, JSON);
    }

    #[test]
    fn nobody_there_is_a_failure_of_the_system_and_names_nobody() {
        let reply = system("http://127.0.0.1:9").send(&outgoing(), NOW);
        assert_eq!(reply.verdict, Verdict::TryLater { scope: Scope::System, after: None });
        assert!(!reply.failure.unwrap().contains("13800138000"));
    }

    /// The same system, with a token server at another path.
    fn with_tokens(url: &str, secret_file: &std::path::Path) -> TicketSystem {
        let client = Client {
            token_url: format!("{url}/oauth/token"),
            id: "hotline 1".into(),
            secret_file: secret_file.to_owned(),
            scope: "cases".into(),
        };
        system(&format!("{url}/hotline")).with_client(Some(client))
    }

    fn token(value: &str, seconds: u32) -> String {
        let body = json!({ "access_token": value, "token_type": "bearer", "expires_in": seconds });
        answer("200 OK", &body.to_string())
    }

    fn secret(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// Method, path and proof of a request.
    fn seen(request: &str) -> String {
        let line = request.split(" HTTP/1.1").next().unwrap_or_default();
        let mut lines = request.lines();
        let proof = lines.find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        let proof = proof.and_then(|line| line.split_once(": ")).map_or("", |(_, proof)| proof);
        format!("{line} {proof}")
    }

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        let file = secret("s3cret/\n");
        let taken = || answer("201 Created", "");
        let (url, asked) = peer(vec![token("t1", 60), taken(), taken(), token("t2", 60), taken()]);
        let system = with_tokens(&url, file.path());
        // It counts for 60 s, of which the last 30 are left.
        for at in [0, 29_999, 30_000] {
            let reply = system.send(&outgoing(), UnixMillis(NOW.0 + at));
            assert_eq!(reply.verdict, Verdict::Accepted, "{reply:?}");
        }
        let requests: Vec<_> = (0..5).map(|_| asked.recv().unwrap()).collect();
        // base64 of "hotline+1:s3cret%2F"
        let basic = "POST /oauth/token Basic aG90bGluZSsxOnMzY3JldCUyRg==";
        let bearer = |token: &str| format!("POST /hotline Bearer {token}");
        let expected =
            [basic.to_owned(), bearer("t1"), bearer("t1"), basic.to_owned(), bearer("t2")];
        assert_eq!(requests.iter().map(|request| seen(request)).collect::<Vec<_>>(), expected);
        assert!(requests[0].ends_with("grant_type=client_credentials&scope=cases"));
        assert!(requests[1].to_ascii_lowercase().contains("x-qingting-signature: v1="));
    }

    #[test]
    fn a_token_that_is_refused_is_fetched_anew_once() {
        let file = secret("s3cret");
        let refused = || answer("401 Unauthorized", "");
        let (url, asked) = peer(vec![
            token("t1", 3_600),
            refused(),
            token("t2", 3_600),
            answer("201 Created", ""),
            refused(),
            token("t3", 3_600),
            refused(),
        ]);
        let system = with_tokens(&url, file.path());
        assert_eq!(system.send(&outgoing(), NOW).verdict, Verdict::Accepted);
        // The city has changed its mind about us: it is tried again later, and not by a circle.
        let reply = system.send(&outgoing(), NOW);
        assert_eq!(reply.verdict, Verdict::TryLater { scope: Scope::System, after: None });
        let requests: Vec<_> = (0..7).map(|_| seen(&asked.recv().unwrap())).collect();
        let bearers: Vec<_> =
            requests.iter().filter_map(|seen| seen.split_once("Bearer ")).map(|(_, t)| t).collect();
        assert_eq!(bearers, ["t1", "t2", "t2", "t3"]);
    }

    /// Gives a token after this long, and takes an event without ever answering.
    fn slow_peer(token_after: Duration) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if request(&mut stream).starts_with("POST /oauth/token ") {
                    std::thread::sleep(token_after);
                    let _ = stream.write_all(token("t1", 3_600).as_bytes());
                } else {
                    open.push(stream);
                }
            }
        });
        url
    }

    #[test]
    fn a_token_and_its_event_take_no_longer_than_one_answer_may_and_nobody_waits_longer_for_anothers_token()
     {
        let within = Duration::from_secs(1);
        let file = secret("s3cret");
        for token_after in [Duration::from_millis(800), Duration::from_secs(5)] {
            let url = slow_peer(token_after);
            let secrets = Secrets::parse("0123456789abcdef0123456789abcdef").unwrap();
            let client = Client {
                token_url: format!("{url}/oauth/token"),
                id: "hotline".into(),
                secret_file: file.path().to_owned(),
                scope: String::new(),
            };
            let system = TicketSystem::new(&url, secrets, within).with_client(Some(client));
            let until = Deadline::after(within + Duration::from_millis(500));
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        let reply = system.send(&outgoing(), NOW);
                        let later = Verdict::TryLater { scope: Scope::System, after: None };
                        assert_eq!(reply.verdict, later);
                    });
                }
            });
            assert!(until.left().is_some(), "asking took longer than its time");
        }
    }

    #[test]
    fn without_a_token_nothing_is_sent_and_the_secret_is_in_no_message() {
        let file = secret("s3cret");
        let shape = |body: &str| answer("200 OK", body);
        for refused in [
            answer("400 Bad Request", r#"{"error":"invalid_client"}"#),
            shape("<html>"),
            shape(r#"{"access_token":"","token_type":"bearer"}"#),
            shape(r#"{"access_token":"a\nb","token_type":"bearer"}"#),
            shape(r#"{"access_token":"t","token_type":"mac"}"#),
        ] {
            let (url, asked) = peer(vec![refused]);
            let reply = with_tokens(&url, file.path()).send(&outgoing(), NOW);
            assert_eq!(reply.verdict, Verdict::TryLater { scope: Scope::System, after: None });
            let why = reply.failure.unwrap();
            assert!(why.contains("token") && !why.contains("s3cret"), "{why}");
            assert!(asked.recv().unwrap().starts_with("POST /oauth/token "));
        }
        let nowhere = std::path::Path::new("/nowhere/secret");
        let reply = with_tokens("http://127.0.0.1:9", nowhere).send(&outgoing(), NOW);
        assert!(reply.failure.unwrap().contains("/nowhere/secret"));
    }

    #[test]
    fn a_poll_hands_over_every_page_with_the_place_of_the_next() {
        let page = |ids: &[u32], next: &str| {
            answer("200 OK", &json!({ "items": ids, "next": next }).to_string())
        };
        let last = answer("200 OK", r#"{"items":[4]}"#);
        let (url, asked) = peer(vec![page(&[1, 2], "b"), page(&[3], "c&d"), last]);
        let mut taken = Vec::new();
        let take = |page: Page| {
            taken.push((page.items.into_inner(), page.next));
            Ok::<_, ()>(())
        };
        let url = format!("{url}/closed");
        assert!(!system(&url).poll(&url, Some("a".into()), || NOW, take).unwrap());
        let next = |text: &str| Some(text.to_owned());
        let expected = [
            (vec![json!(1), json!(2)], next("b")),
            (vec![json!(3)], next("c&d")),
            (vec![json!(4)], None),
        ];
        assert_eq!(taken, expected);
        for place in ["a", "b", "c%26d"] {
            let request = asked.recv().unwrap();
            assert!(request.starts_with(&format!("GET /closed?after={place} ")), "{request}");
            assert!(request.to_ascii_lowercase().contains("x-qingting-signature: v1="));
        }
    }

    #[test]
    fn a_poll_ends_where_a_page_is_none_leads_to_itself_or_is_not_taken() {
        let of = |answers: Vec<String>, result: Result<(), &'static str>| {
            let (url, _asked) = peer(answers);
            system(&url).poll(&url, None, || NOW, |_| result).map_err(|error| error.to_string())
        };
        let circle = || answer("200 OK", r#"{"items":[],"next":"x"}"#);
        assert_eq!(of(vec![circle(), circle()], Ok(())), Ok(false));
        assert_eq!(
            of(vec![circle()], Err("full")),
            Err("what the ticket system told could not be kept: full".to_owned())
        );
        let refused = of(vec![answer("403 Forbidden", "")], Ok(())).unwrap_err();
        assert!(refused.contains("403"), "{refused}");
        let nonsense = of(vec![answer("200 OK", "<html>")], Ok(())).unwrap_err();
        assert!(nonsense.contains("items"), "{nonsense}");
    }
}
