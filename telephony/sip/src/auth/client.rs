//! The side that is asked for a password.

use super::algorithm::{Algorithm, Asked, Ha1};
use super::fields::{Fields, quoted};
use crate::message::{HeaderName, Headers, Method};
use qingting_common::Pii;

/// Challenges of one response that are looked at.
const CHALLENGES_MAX: usize = 8;

/// Longest nonce and realm that are sent back.
const ECHO_BYTES_MAX: usize = 512;

/// Who we are to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Pii<String>,
}

/// **Answers the challenges of one peer; no count of a nonce is used twice.**
#[derive(Clone, Debug, Default)]
pub struct Answerer {
    nonce: String,
    used: u32,
    answered: bool,
}

impl Answerer {
    /// For the next request to the same peer: it goes on counting.
    pub(crate) fn for_next(&self) -> Self {
        Self { answered: false, ..self.clone() }
    }

    /// The field that answers a 401 or 407: the strongest algorithm that we know, with `qop=auth`,
    /// or without any `qop` to a peer of RFC 2069, as old exchanges are. `None` when nothing that
    /// is offered can be answered (an unknown algorithm, or `auth-int` alone), and when our
    /// password was refused before for more than an old nonce.
    pub fn answer(
        &mut self,
        credentials: &Credentials,
        challenged: &Headers,
        method: &Method,
        uri: &str,
        cnonce: &str,
    ) -> Option<(HeaderName, String)> {
        let proxy = challenged.named("WWW-Authenticate").next().is_none();
        let (asks, answers) = if proxy {
            ("Proxy-Authenticate", "Proxy-Authorization")
        } else {
            ("WWW-Authenticate", "Authorization")
        };
        let offers: Vec<Fields> =
            challenged.named(asks).take(CHALLENGES_MAX).filter_map(Fields::parse).collect();
        let (algorithm, fields) = Algorithm::STRONGEST_FIRST.into_iter().find_map(|algorithm| {
            let suits = |fields: &&Fields| can_answer(fields, algorithm);
            Some((algorithm, offers.iter().find(suits)?))
        })?;
        let stale = fields.value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
        if self.answered && !stale {
            return None;
        }
        self.answered = true;
        let (realm, nonce) = (fields.value("realm")?, fields.value("nonce")?);
        self.used = if nonce == self.nonce { self.used + 1 } else { 1 };
        self.nonce = nonce.to_owned();
        let nc = format!("{:08x}", self.used);
        let ha1 = Ha1::new(&credentials.user, realm, credentials.password.expose());
        let asked = Asked { algorithm, nonce, nc: &nc, cnonce, method: method.as_str(), uri };
        let qop = fields.value("qop").map(|_| format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
        let response = if qop.is_some() { asked.response(&ha1) } else { asked.old_response(&ha1) };
        let response = hex::encode(response);
        let opaque = fields.value("opaque").map(|it| format!(", opaque={}", quoted(it)));
        let value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", \
             algorithm={}{}{}",
            quoted(&credentials.user),
            quoted(realm),
            quoted(nonce),
            quoted(uri),
            algorithm.name(),
            qop.unwrap_or_default(),
            opaque.unwrap_or_default(),
        );
        Some((HeaderName::Other(answers.to_owned()), value))
    }
}

fn can_answer(fields: &Fields, algorithm: Algorithm) -> bool {
    let short = |name| fields.value(name).is_some_and(|value| value.len() <= ECHO_BYTES_MAX);
    let auth = |qop: &str| qop.split(',').any(|it| it.trim().eq_ignore_ascii_case("auth"));
    Algorithm::parse(fields.value("algorithm")) == Some(algorithm)
        && fields.value("qop").is_none_or(auth)
        && fields.value("opaque").is_none_or(|opaque| opaque.len() <= ECHO_BYTES_MAX)
        && short("realm")
        && short("nonce")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = r#"Digest realm="r", nonce="n1", algorithm=SHA-256, qop="auth,auth-int""#;
    const MD5: &str = r#"Digest realm="r", nonce="n2", algorithm=MD5, qop="auth", opaque="o""#;

    fn answer(
        answerer: &mut Answerer,
        name: &str,
        challenges: &[&str],
    ) -> Option<(String, String)> {
        let mut headers = Headers::default();
        let name = HeaderName::Other(name.to_owned());
        challenges.iter().for_each(|challenge| headers.push(name.clone(), *challenge));
        let user = Credentials { user: "u".to_owned(), password: Pii::new("p".to_owned()) };
        let (name, value) = answerer.answer(&user, &headers, &Method::Invite, "sip:a@b", "c")?;
        Some((name.as_str().to_owned(), value))
    }

    #[test]
    fn the_strongest_offer_is_answered_where_it_was_asked() {
        let (name, value) =
            answer(&mut Answerer::default(), "www-authenticate", &[MD5, SHA]).unwrap();
        assert_eq!(name, "Authorization");
        assert!(
            value.contains("algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\""),
            "{value}"
        );
        let (name, value) = answer(&mut Answerer::default(), "Proxy-Authenticate", &[MD5]).unwrap();
        assert_eq!(name, "Proxy-Authorization");
        assert!(value.contains("opaque=\"o\"") && value.contains("algorithm=MD5"), "{value}");
    }

    #[test]
    fn a_refused_password_is_not_offered_again_but_for_an_old_nonce() {
        let mut answerer = Answerer::default();
        assert!(answer(&mut answerer, "WWW-Authenticate", &[SHA]).is_some());
        assert!(answer(&mut answerer, "WWW-Authenticate", &[SHA]).is_none());
        let stale = format!("{SHA}, stale=true");
        let (_, value) = answer(&mut answerer, "WWW-Authenticate", &[&stale]).unwrap();
        assert!(value.contains("nc=00000002"), "{value}");
    }

    #[test]
    fn auth_int_alone_is_refused_and_no_qop_is_answered_the_old_way() {
        let int = SHA.replace("auth,auth-int", "auth-int");
        assert!(answer(&mut Answerer::default(), "WWW-Authenticate", &[&int]).is_none());
        let old = r#"Digest realm="r", nonce="n""#;
        let (_, value) = answer(&mut Answerer::default(), "WWW-Authenticate", &[old]).unwrap();
        // md5(md5("u:r:p") ":n:" md5("INVITE:sip:a@b")), by another implementation.
        assert!(
            value.contains("response=\"268f5a320f4c7be8a96bd7b8aa197d6b\"")
                && !value.contains("qop"),
            "{value}"
        );
    }
}
