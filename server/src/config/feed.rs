//! What can be wrong in `[feed]`.

use super::check::{Problem, line_of};
use super::{Feed, FeedReceiver, is_private_or_encrypted};
use qingting_tickets::Secrets;
use qingting_tickets::feed::is_known;
use std::collections::BTreeSet;
use std::path::Path;

/// Longest name of a receiver, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// Values that parse but cannot work.
pub(super) fn values(config: &Feed, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut demand = |fault: Option<String>, key: &str, remedy: &str| {
        problems.extend(fault.map(|what| {
            let key = format!("feed.{key}");
            Problem { line: line_of(text, &key), key, what, remedy: remedy.into() }
        }));
    };
    let own = &config.secret_file;
    demand(
        if own.as_os_str().is_empty() { None } else { unusable(own) },
        "secret_file",
        "Make one with `openssl rand -hex 32 > FILE; chmod 600 FILE`, or leave it empty",
    );
    let mut names = BTreeSet::new();
    for receiver in &config.receivers {
        demand(
            fault(receiver, names.insert(receiver.name.as_str())),
            "receivers",
            "Each has a name of its own, an https address (http to a private IP address), a secret_file with 32 \
             characters or more, and kinds such as \"ticket.*\"",
        );
    }
    problems
}

fn fault(receiver: &FeedReceiver, is_new: bool) -> Option<String> {
    let FeedReceiver { name, url, secret_file, kinds } = receiver;
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || !is_new {
        return Some(format!("the name {name:?} is empty, too long or stands twice"));
    }
    if !is_private_or_encrypted(url) || url.contains(['#', '@', ' ']) {
        return Some(format!("{url:?} is no address, or not encrypted"));
    }
    if let Some(kind) = kinds.iter().find(|kind| !is_known(kind)) {
        return Some(format!("{kind:?} is no kind"));
    }
    if kinds.is_empty() {
        return Some(format!("{name:?} has no kinds"));
    }
    unusable(secret_file)
}

fn unusable(secret_file: &Path) -> Option<String> {
    let read = std::fs::read_to_string(secret_file).map_err(|error| error.to_string());
    let secrets = read.and_then(|text| Secrets::parse(&text).map_err(|error| error.to_string()));
    secrets.err().map(|fault| format!("{}: {fault}", secret_file.display()))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::check::tests::problems;
    use std::path::Path;

    #[test]
    fn a_receiver_must_be_usable() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "0123456789abcdef".repeat(2)).unwrap();
        let secret = secret.display().to_string();
        let of = |name: &str, url: &str, secret: &str, rest: &str| {
            format!("{{ name = {name:?}, url = {url:?}, secret_file = {secret:?}{rest} }}")
        };
        let good = of("a", "https://a.example/x", &secret, "");
        let text = |receivers: &str| format!("[feed]\nreceivers = [{receivers}]\n");
        for receivers in [
            of("", "https://a.example", &secret, ""),
            of("a", "http://a.example", &secret, ""),
            of("a", "https://a.example", "/nowhere", ""),
            of("a", "https://a.example", &secret, ", kinds = [\"tickets.*\"]"),
            of("a", "https://a.example", &secret, ", kinds = []"),
            format!("{good}, {good}"),
        ] {
            let found = problems(&text(&receivers));
            let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
            assert_eq!(keys, ["feed.receivers"], "{receivers}");
        }
        let local = of("b", "http://127.0.0.1:8080/x", &secret, ", kinds = [\"ticket.*\"]");
        let config = Config::parse(&text(&format!("{good}, {local}")), Path::new("config.toml"));
        assert_eq!(config.unwrap().feed.receivers[0].kinds, ["*"]);
        assert_eq!(problems("[feed]\nsecret_file = \"/nowhere\"\n")[0].key, "feed.secret_file");
    }
}
