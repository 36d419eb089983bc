//! What can be wrong in `[ticket_system]`.

use super::check::{Problem, line_of};
use super::{TicketSystem, is_private_or_encrypted};
use crate::serve::relay::shape;
use qingting_tickets::{Mapping, Secrets};

/// Values that parse but cannot work.
pub(super) fn values(config: &TicketSystem, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut demand = |fault: Option<String>, key: &str, remedy: &str| {
        problems.extend(fault.map(|what| {
            let key = format!("ticket_system.{key}");
            Problem { line: line_of(text, &key), key, what, remedy: remedy.into() }
        }));
    };
    for (value, allowed, key) in [
        (config.answer_within_s, 1..=60, "answer_within_s"),
        (config.retry_first_ms, 100..=600_000, "retry_first_ms"),
        (config.retry_max_s, 1..=3_600, "retry_max_s"),
        (config.tries_max.into(), 1..=100_000, "tries_max"),
        (config.give_up_after_h, 1..=8_760, "give_up_after_h"),
    ] {
        let (from, to) = (allowed.start(), allowed.end());
        let outside =
            (!allowed.contains(&value)).then(|| format!("{value} is not from {from} to {to}"));
        demand(outside, key, "The default is usual");
    }
    let wrong: Vec<String> = config
        .kinds
        .iter()
        .filter(|kind| shape::kinds_of(kind).next().is_none())
        .map(|kind| format!("{kind:?}, which is most like {:?}", shape::nearest_kind(kind)))
        .collect();
    demand(
        (!wrong.is_empty()).then(|| format!("there is no kind {}", wrong.join("; "))),
        "kinds",
        &format!("Give some of {}, or beginnings such as \"ticket.*\"", shape::KINDS.join(", ")),
    );
    let is_name = (1..=100).contains(&config.source.len())
        && config.source.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/:".contains(c));
    demand(
        (!is_name).then(|| format!("{:?} is no name of a source", config.source)),
        "source",
        "Give up to 100 letters, digits and -._~/: such as \"12345.hangzhou\"",
    );
    let has_tokens = !config.oauth_token_url.is_empty();
    demand(
        (has_tokens && !is_private_or_encrypted(&config.oauth_token_url)).then(|| {
            format!(
                "{:?} would carry our secret unencrypted, or is no address",
                config.oauth_token_url
            )
        }),
        "oauth_token_url",
        "Give an https address, or http to a private IP address",
    );
    demand(
        (has_tokens && config.oauth_client_id.is_empty()).then(|| "it is empty".to_owned()),
        "oauth_client_id",
        "Give the id that the token server knows us by",
    );
    let unusable = || match std::fs::read_to_string(&config.oauth_secret_file) {
        Ok(secret) if secret.trim().is_empty() => Some("is empty".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    let unusable = has_tokens.then(unusable).flatten();
    demand(
        unusable.map(|why| format!("{}: {why}", config.oauth_secret_file.display())),
        "oauth_secret_file",
        "Write the secret that the token server gave into a file: chmod 600 FILE",
    );
    let is_signed = !config.url.is_empty() || !config.secret_file.as_os_str().is_empty();
    let secrets = || {
        let text = std::fs::read_to_string(&config.secret_file);
        let secrets = text.map_err(|error| error.to_string());
        secrets.and_then(|text| Secrets::parse(&text).map_err(|error| error.to_string())).err()
    };
    let fault = is_signed.then(secrets).flatten();
    demand(
        fault.map(|fault| format!("{}: {fault}", config.secret_file.display())),
        "secret_file",
        "Make one with `openssl rand -hex 32 > FILE; chmod 600 FILE` and give the ticket system the same",
    );
    if config.url.is_empty() {
        return problems;
    }
    let is_address =
        is_private_or_encrypted(&config.url) && !config.url.contains(['?', '#', '@', ' ']);
    demand(
        (!is_address).then(|| {
            format!("{:?} would carry citizens' data unencrypted, or is no address", config.url)
        }),
        "url",
        "Give an https address such as \"https://tickets.example.org/hotline\", or http to a private IP address",
    );
    let faults = match config.mapping() {
        Err(fault) => vec![fault],
        Ok(mapping) => mapping_faults(config, &mapping),
    };
    demand(
        (!faults.is_empty()).then(|| faults.join("\n    ")),
        "mapping_file",
        "See docs/ticket-system.md; take kinds that are not sent out of ticket_system.kinds",
    );
    problems
}

/// What a mapping that can be read does not fit: kinds that are sent without an entry, entries for kinds and from
/// fields that there are none of.
fn mapping_faults(config: &TicketSystem, mapping: &Mapping) -> Vec<String> {
    let missing: Vec<_> =
        config.kinds.iter().filter(|kind| !mapping.covers(kind)).cloned().collect();
    let mut faults = Vec::new();
    if !missing.is_empty() {
        faults.push(format!("it has no entry for {}", missing.join(", ")));
    }
    for kind in mapping.kinds().filter(|kind| shape::kinds_of(kind).next().is_none()) {
        let like = shape::nearest_kind(kind);
        faults.push(format!("kinds.{kind:?}: there is no such kind; the nearest is {like:?}"));
    }
    for (kind, target, path) in mapping.sources() {
        let kinds: Vec<&str> = shape::kinds_of(kind).collect();
        let like = if kinds.is_empty() { None } else { shape::unknown(&kinds, path) };
        if let Some(like) = like {
            let from = path.join(".");
            faults.push(format!(
                "kinds.{kind:?}.fields.{target:?}: messages of this kind have no {from:?}; the nearest is {like:?}"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::check::tests::problems;
    use std::path::Path;

    #[test]
    fn a_ticket_system_must_be_usable_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let secret = file("secret", &"0123456789abcdef".repeat(2));
        let short = file("short", "0123456789abcdef");
        let empty = file("empty", "\n");
        let oauth = |url: &str, id: &str, secret: &str| {
            format!(
                "oauth_token_url = {url:?}\noauth_client_id = {id:?}\noauth_secret_file = {secret:?}\n"
            )
        };
        let mapping =
            file("mapping.toml", "[kinds.\"ticket.*\".fields]\nno = { from = \"ticket.number\" }");
        let broken = file("broken.toml", "[kinds.\"ticket.*\".fields]\nno = {}");
        let misspelt = file(
            "misspelt.toml",
            "[kinds.\"ticket.*\".fields]\nno = { from = \"ticket.fields.titel\" }",
        );
        let no_kind = file(
            "no_kind.toml",
            "[kinds.\"ticket.*\".fields]\nno = { from = \"ticket.number\" }\n\
             [kinds.\"call.end\".fields]\nid = { from = \"call.id\" }",
        );
        let good = format!("url = \"https://t.example\"\nsecret_file = {secret:?}\n");
        let tickets = "kinds = [\"ticket.confirmed\"]\n";
        let section = |lines: &str| format!("[ticket_system]\n{lines}");
        for (lines, key) in [
            (format!("url = \"http://t.example\"\nsecret_file = {secret:?}\n"), "url"),
            (format!("url = \"https://u:p@t.example\"\nsecret_file = {secret:?}\n"), "url"),
            ("url = \"https://t.example\"\n".to_owned(), "secret_file"),
            (format!("url = \"https://t.example\"\nsecret_file = {short:?}\n"), "secret_file"),
            (format!("secret_file = {short:?}\n"), "secret_file"),
            (format!("{good}mapping_file = {broken:?}\n{tickets}"), "mapping_file"),
            (format!("{good}mapping_file = {mapping:?}\n"), "mapping_file"),
            (format!("{good}mapping_file = {misspelt:?}\n{tickets}"), "mapping_file"),
            (format!("{good}mapping_file = {no_kind:?}\n{tickets}"), "mapping_file"),
            ("kinds = [\"Ticket *\"]\n".to_owned(), "kinds"),
            ("kinds = [\"ticekt.confirmed\"]\n".to_owned(), "kinds"),
            ("kinds = [\"ticket.*\", \"tickets.*\"]\n".to_owned(), "kinds"),
            ("kinds = [\"call.end\"]\n".to_owned(), "kinds"),
            ("retry_first_ms = 1\n".to_owned(), "retry_first_ms"),
            ("source = \"\"\n".to_owned(), "source"),
            (oauth("http://t.example", "us", &secret), "oauth_token_url"),
            (oauth("https://t.example", "", &secret), "oauth_client_id"),
            (oauth("https://t.example", "us", "/nowhere"), "oauth_secret_file"),
            (oauth("https://t.example", "us", &empty), "oauth_secret_file"),
        ] {
            let found = problems(&section(&lines));
            let keys: Vec<_> = found.iter().map(|problem| problem.key.clone()).collect();
            assert_eq!(keys, [format!("ticket_system.{key}")], "{lines}");
        }
        let with_tokens = good.clone() + &oauth("https://t.example/token", "us", &secret);
        for lines in
            [good.clone(), with_tokens, format!("{good}mapping_file = {mapping:?}\n{tickets}")]
        {
            let config = Config::parse(&section(&lines), Path::new("config.toml"));
            assert!(config.is_ok(), "{lines}");
        }
    }
}
