//! What can be wrong in `[traces]`.

use super::check::{Problem, line_of};
use super::{Traces, is_private_or_encrypted};

/// Values that parse but cannot work.
pub(super) fn values(config: &Traces, text: &str) -> Vec<Problem> {
    let Traces { otlp_url, token_file, sample_percent } = config;
    let mut problems = Vec::new();
    let mut demand = |fault: Option<String>, key: &str, remedy: &str| {
        problems.extend(fault.map(|what| {
            let key = format!("traces.{key}");
            Problem { line: line_of(text, &key), key, what, remedy: remedy.into() }
        }));
    };
    let is_address = is_private_or_encrypted(otlp_url) && !otlp_url.contains(['?', '#', '@', ' ']);
    demand(
        (!otlp_url.is_empty() && !is_address)
            .then(|| format!("{otlp_url:?} is no address, or not encrypted")),
        "otlp_url",
        "Give the whole address, https or http to a private IP address, such as \
         \"http://10.0.0.7:4318/v1/traces\"",
    );
    let has_token = !token_file.as_os_str().is_empty();
    let unusable = || match std::fs::read_to_string(token_file) {
        // What it holds goes into a header.
        Ok(token)
            if token.trim().is_empty() || !token.trim().chars().all(|c| c.is_ascii_graphic()) =>
        {
            Some("is no token".to_owned())
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    let unusable = has_token.then(unusable).flatten();
    demand(
        unusable.map(|why| format!("{}: {why}", token_file.display())),
        "token_file",
        "Write the token that the collector wants into a file: chmod 600 FILE; or leave it empty",
    );
    demand(
        (!(1..=100).contains(sample_percent))
            .then(|| format!("{sample_percent} is not from 1 to 100")),
        "sample_percent",
        "Give the percentage of calls that are traced, or leave otlp_url empty",
    );
    problems
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::check::tests::problems;
    use std::path::Path;

    #[test]
    fn a_collector_must_be_usable_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (token, empty) = (file("token", "abc\n"), file("empty", "\n"));
        let two = file("two", "abc\r\nX-Other: def\n");
        for (lines, key) in [
            ("otlp_url = \"http://collector.example/v1/traces\"".to_owned(), "otlp_url"),
            ("otlp_url = \"10.0.0.7:4318\"".to_owned(), "otlp_url"),
            ("otlp_url = \"https://u:p@collector.example\"".to_owned(), "otlp_url"),
            (format!("token_file = {empty:?}"), "token_file"),
            (format!("token_file = {two:?}"), "token_file"),
            ("token_file = \"/nowhere\"".to_owned(), "token_file"),
            ("sample_percent = 0".to_owned(), "sample_percent"),
            ("sample_percent = 101".to_owned(), "sample_percent"),
        ] {
            let found = problems(&format!("[traces]\n{lines}\n"));
            let keys: Vec<_> = found.iter().map(|problem| problem.key.clone()).collect();
            assert_eq!(keys, [format!("traces.{key}")], "{lines}");
        }
        let good = format!(
            "[traces]\notlp_url = \"http://127.0.0.1:4318/v1/traces\"\ntoken_file = {token:?}\nsample_percent = 5\n"
        );
        assert!(Config::parse(&good, Path::new("config.toml")).is_ok());
    }
}
