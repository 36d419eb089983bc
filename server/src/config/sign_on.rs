//! What can be wrong in `[sign_on]`.

use super::SignOn;
use super::check::{Problem, line_of};

/// Values that parse but cannot work.
pub(super) fn values(config: &SignOn, text: &str) -> Vec<Problem> {
    if config.issuer.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut demand = |holds: bool, key: &str, what: String, remedy: &str| {
        if !holds {
            let key = format!("sign_on.{key}");
            problems.push(Problem { line: line_of(text, &key), key, what, remedy: remedy.into() });
        }
    };
    let is_bare = !config.issuer.contains(['?', '#', ' ']);
    demand(
        is_bare && is_proved(&config.issuer),
        "issuer",
        format!("{:?} is no https address without query", config.issuer),
        "Give the address that the provider's documents name as issuer",
    );
    let is_page = config.redirect_url.ends_with("/console/");
    demand(
        is_page && is_proved(&config.redirect_url),
        "redirect_url",
        format!("{:?} is not the https address of the console", config.redirect_url),
        "Give https://HOST/console/, and the same to the provider",
    );
    for (key, value) in [("client_id", &config.client_id), ("claim", &config.claim)] {
        let is_word = !value.trim().is_empty() && !value.contains(char::is_control);
        demand(is_word, key, format!("{value:?} is no name"), "Ask who runs the provider");
    }
    if !config.secret_file.as_os_str().is_empty() {
        let read = std::fs::read_to_string(&config.secret_file);
        let fault = match read {
            Err(error) => Some(error.to_string()),
            Ok(text) => text.trim().is_empty().then(|| "it is empty".to_owned()),
        };
        demand(
            fault.is_none(),
            "secret_file",
            format!("{}: {}", config.secret_file.display(), fault.unwrap_or_default()),
            "Put the client's secret there (chmod 600), or leave it empty for a client without one",
        );
    }
    problems
}

/// Whether TLS proves who answers there; this machine needs no proof.
pub fn is_proved(url: &str) -> bool {
    // A name before the host would lead elsewhere than it looks.
    let authority = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    if url.split_once("://").is_some_and(|(_, rest)| authority(rest).contains('@')) {
        return false;
    }
    let host = |rest: &str| rest.split(['/', ':']).next().is_some_and(|host| !host.is_empty());
    let is_here = |rest: &str| {
        ["127.0.0.1", "localhost"].iter().any(|here| {
            rest.strip_prefix(here)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        })
    };
    match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => host(rest),
        (_, Some(rest)) => is_here(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_proved;
    use crate::config::Config;
    use crate::config::check::tests::problems;
    use std::path::Path;

    #[test]
    fn a_provider_must_be_usable() {
        let good = "[sign_on]\nissuer = \"https://login.example\"\nclient_id = \"q\"\n\
                    redirect_url = \"https://h.example/console/\"\n";
        let parse = |text: &str| Config::parse(text, Path::new("/etc/qingting/config.toml"));
        let keys =
            |text: &str| problems(text).into_iter().map(|problem| problem.key).collect::<Vec<_>>();
        assert!(parse(good).is_ok());
        assert!(parse("[sign_on]\nclaim = \"\"\n").is_ok(), "it is not used");
        for (from, to, key) in [
            ("https://login.example", "http://login.example", "sign_on.issuer"),
            ("https://login.example", "https://login.example?a=b", "sign_on.issuer"),
            ("/console/", "/", "sign_on.redirect_url"),
            ("client_id = \"q\"", "client_id = \" \"", "sign_on.client_id"),
            ("client_id = \"q\"", "client_id = \"q\"\nclaim = \"\"", "sign_on.claim"),
            (
                "client_id = \"q\"",
                "client_id = \"q\"\nsecret_file = \"/none\"",
                "sign_on.secret_file",
            ),
        ] {
            assert_eq!(keys(&good.replace(from, to)), [key], "{to}");
        }
    }

    #[test]
    fn plain_http_reaches_this_machine_alone() {
        for proved in ["https://a.example/x", "http://127.0.0.1:80/x", "http://localhost"] {
            assert!(is_proved(proved), "{proved}");
        }
        for not in [
            "http://10.0.0.1",
            "http://localhost.evil",
            "https://",
            "ftp://a",
            "https://a@b",
            "http://localhost:x@b/",
            "https://a:443@b",
        ] {
            assert!(!is_proved(not), "{not}");
        }
    }
}
