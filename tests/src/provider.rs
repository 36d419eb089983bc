//! A city's OpenID provider: it vouches for one subject, once for each code, to whoever proves to have begun.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What it calls the server under test, and the secret that they share.
pub const CLIENT: &str = "qingting";
const CLIENT_SECRET: &str = "s3cret/1";
const READ_MAX: Duration = Duration::from_secs(10);

/// A running provider; its thread ends with the process.
#[derive(Clone, Debug)]
pub struct Provider {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    subject: String,
    /// What was asked for under each code that has not been taken.
    given: BTreeMap<String, BTreeMap<String, String>>,
    /// The moment of its clock (Unix, seconds) at which tokens are over.
    expires: u64,
}

impl Provider {
    /// One that knows who is at the browser: the subject.
    pub fn start(subject: &str, expires: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let inner = Inner { subject: subject.to_owned(), given: BTreeMap::new(), expires };
        let provider = Self { address, inner: Arc::new(Mutex::new(inner)) };
        let serving = provider.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                // A browser opens connections ahead and may leave them: each has a thread, and going away is no fault.
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        provider
    }

    /// Its own name.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the server's secret file has to hold.
    pub fn secret(&self) -> &'static str {
        CLIENT_SECRET
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(READ_MAX))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').unwrap_or_default();
            match name.to_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or_default(),
                "authorization" => authorization = value.trim().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let answer = match path {
            "/.well-known/openid-configuration" => self.itself(),
            "/authorize" => self.authorize(&read(query)),
            "/token" => self.token(&read(&String::from_utf8_lossy(&body)), &authorization),
            _ => answer("404 Not Found", "", ""),
        };
        let mut stream = stream;
        stream.write_all(answer.as_bytes())
    }

    fn itself(&self) -> String {
        let issuer = self.issuer();
        let body = json!({ "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks") });
        answer("200 OK", "", &body.to_string())
    }

    /// The browser is sent back at once: whoever is there is signed in already.
    fn authorize(&self, asked: &BTreeMap<String, String>) -> String {
        let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let is_right = of("response_type") == "code"
            && of("client_id") == CLIENT
            && of("code_challenge_method") == "S256"
            && of("scope").split(' ').any(|scope| scope == "openid");
        if !is_right {
            return answer("400 Bad Request", "", "{}");
        }
        let mut inner = self.inner();
        let code = format!("code-{}", hex::encode(Sha256::digest(of("nonce"))));
        inner.given.insert(code.clone(), asked.clone());
        let to = format!("Location: {}?code={code}&state={}\r\n", of("redirect_uri"), of("state"));
        answer("302 Found", &to, "")
    }

    fn token(&self, asked: &BTreeMap<String, String>, authorization: &str) -> String {
        let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let expected = STANDARD.encode(format!("{CLIENT}:s3cret%2F1"));
        if authorization != format!("Basic {expected}") {
            return answer("401 Unauthorized", "", r#"{"error":"invalid_client"}"#);
        }
        let refused = || answer("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
        let mut inner = self.inner();
        // A code is taken once.
        let Some(begun) = inner.given.remove(&of("code")) else { return refused() };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier")));
        if begun.get("code_challenge") != Some(&challenge)
            || begun.get("redirect_uri") != Some(&of("redirect_uri"))
        {
            return refused();
        }
        let claims = json!({ "iss": self.issuer(), "aud": CLIENT, "sub": inner.subject,
            "exp": inner.expires, "nonce": begun.get("nonce") });
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let body = json!({ "token_type": "Bearer", "access_token": "x",
            "id_token": format!("e30.{payload}.c2ln") });
        answer("200 OK", "", &body.to_string())
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n{headers}\r\n{body}"
    )
}

/// A form or a query.
fn read(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.extend(hex::decode(digits).unwrap_or_default());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
