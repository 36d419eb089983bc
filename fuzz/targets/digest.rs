//! Digest: who does not know the password is never let in, whatever the field says; who knows it is, once; what we
//! answer to a peer's challenge is one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_common::{Millis, Pii};
use qingting_sip::auth::{
    Algorithm, Answerer, Credentials, Directory, Ha1, USER_BYTES_MAX, Verdict, Verifier,
};
use qingting_sip::message::{HeaderName, Headers, Method, SipUri};

/// Longest answer to a challenge: realm, nonce and opaque have caps of 512 bytes each, and quoting doubles them.
const ANSWER_BYTES_MAX: usize = 4_096;

struct OneUser(String);

impl Directory for OneUser {
    fn ha1(&self, user: &str) -> Option<Ha1> {
        (user == self.0).then(|| Ha1::new(user, "qingting", "secret"))
    }
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // Fields of a message have no line ends.
    let text = text.replace(['\r', '\n'], " ");
    let (user, field) = text.split_once('\t').unwrap_or(("8001", &text));
    stranger(field);
    challenged(field);
    friend(user);
});

fn headers(name: &str, value: &str) -> Headers {
    let mut headers = Headers::default();
    headers.push(HeaderName::Other(name.to_owned()), value);
    headers
}

fn verifier() -> Verifier {
    Verifier::new("qingting", [7; 32])
}

fn target() -> SipUri {
    "sip:10.0.0.1".parse().expect("a URI")
}

fn stranger(field: &str) {
    let (mut verifier, uri) = (verifier(), target());
    let _ = verifier.challenge(Millis(1), false, &Algorithm::STRONGEST_FIRST);
    let headers = headers("Authorization", field);
    let source = [198, 51, 100, 9].into();
    for at in [2, 3] {
        let users = OneUser("8001".to_owned());
        let verdict =
            verifier.verify(Millis(at), &users, (&Method::Register, &uri), &headers, source);
        assert!(matches!(verdict, Verdict::Challenge { .. }), "{verdict:?}");
    }
    assert_eq!(verifier.counts().succeeded, 0);
}

fn challenged(field: &str) {
    for name in ["WWW-Authenticate", "Proxy-Authenticate"] {
        let known = Credentials { user: "us".to_owned(), password: Pii::new("secret".to_owned()) };
        let answer = Answerer::default().answer(
            &known,
            &headers(name, field),
            &Method::Invite,
            "sip:12345@10.0.0.1",
            "cnonce",
        );
        if let Some((_, value)) = answer {
            assert!(value.starts_with("Digest ") && !value.contains(['\r', '\n']), "{value}");
            assert!(value.len() <= ANSWER_BYTES_MAX, "{value}");
        }
    }
}

fn friend(user: &str) {
    let (mut verifier, uri) = (verifier(), target());
    let users = OneUser(user.to_owned());
    let mut challenge = Headers::default();
    for (name, value) in verifier.challenge(Millis(1), false, &Algorithm::STRONGEST_FIRST) {
        challenge.push(name, value);
    }
    let known = Credentials { user: user.to_owned(), password: Pii::new("secret".to_owned()) };
    let answer =
        Answerer::default().answer(&known, &challenge, &Method::Register, "sip:10.0.0.1", "cnonce");
    let (_, value) = answer.expect("our challenge can be answered");
    let (headers, source) = (headers("Authorization", &value), [198, 51, 100, 9].into());
    let mut verify =
        || verifier.verify(Millis(2), &users, (&Method::Register, &uri), &headers, source);
    if user.len() <= USER_BYTES_MAX {
        assert_eq!(verify(), Verdict::Authenticated(user.to_owned()), "{value}");
        assert_eq!(verify(), Verdict::Challenge { stale: true }, "a count is taken once");
    } else {
        assert_eq!(verify(), Verdict::Challenge { stale: false });
    }
}
