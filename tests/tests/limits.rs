//! docs/limits.md is every limit that the sources name. After a change: `UPDATE_LIMITS=1 cargo test --release
//! -p qingting-tests --test limits`.

use qingting_tests::sources::{root, sources};
use std::fmt::Write;
use std::fs;
use std::path::Path;

const HEAD: &str = "\
# Limits

Every limit that the program's sources name, generated from them (`tests/tests/limits.rs`): what is beyond one is
refused, cut or waited for, as the line says. What may be set is in the configuration (`qingting check-config`,
[README](../README.md)); a `*_MAX` here is then the largest value that it takes.
";

/// A constant with `_MAX` or `_MIN` in its name.
struct Limit {
    name: String,
    value: String,
    what: String,
}

#[test]
fn the_table_is_what_the_sources_say() {
    let mut table = HEAD.to_owned();
    let mut count = 0;
    for (file, text) in sources() {
        let limits = limits(&text);
        count += limits.len();
        if !limits.is_empty() {
            section(&mut table, &file, &limits);
        }
    }
    assert!(count > 400, "only {count} limits");
    let path = root().join("docs/limits.md");
    if std::env::var_os("UPDATE_LIMITS").is_some() {
        fs::write(&path, &table).expect("writable");
    }
    let is_same = fs::read_to_string(&path).unwrap_or_default() == table;
    assert!(
        is_same,
        "docs/limits.md is not what the sources say: run this test with UPDATE_LIMITS=1"
    );
}

#[test]
fn values_are_said_as_people_read_them() {
    for (value, said) in [
        ("4_096", "4,096"),
        ("20 << 20", "20 MiB"),
        ("Duration::from_millis(200)", "200 ms"),
        ("Duration::from_secs(24 * 3_600)", "24 × 3,600 s"),
        ("0.7", "0.7"),
        ("-80.0", "-80.0"),
        ("MOBILE_DIGITS", "MOBILE_DIGITS"),
    ] {
        assert_eq!(people_read(value), said);
    }
}

fn section(table: &mut String, file: &Path, limits: &[Limit]) {
    let _ = write!(table, "\n## {}\n\n| limit | value | what |\n|---|---|---|\n", file.display());
    for Limit { name, value, what } in limits {
        let _ = writeln!(table, "| `{name}` | {value} | {} |", what.replace('|', "\\|"));
    }
}

/// The limits of a source in their order, each with the comment above it.
fn limits(text: &str) -> Vec<Limit> {
    let (mut found, mut what) = (Vec::new(), String::new());
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(said) = line.strip_prefix("///") {
            what = [what.as_str(), said.trim()].join(" ").trim().to_owned();
            continue;
        }
        if let Some((name, mut value)) = constant(line) {
            // A long one goes on in the next lines.
            while !value.ends_with(';') {
                let Some(more) = lines.next() else { break };
                value = format!("{value} {more}");
            }
            let value = people_read(value.trim_end_matches(';').trim());
            found.push(Limit { name, value, what: std::mem::take(&mut what) });
        }
        if !line.starts_with("#[") {
            what.clear();
        }
    }
    found
}

/// Name and value of a constant that is called a limit.
fn constant(line: &str) -> Option<(String, String)> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let (name, rest) = line.strip_prefix("const ")?.split_once(": ")?;
    let is_limit = name.split('_').any(|part| matches!(part, "MAX" | "MIN"));
    is_limit
        .then(|| (name.to_owned(), rest.split_once('=').map_or("", |it| it.1.trim()).to_owned()))
}

fn people_read(value: &str) -> String {
    for (kind, unit) in [("from_secs", "s"), ("from_millis", "ms"), ("from_micros", "µs")] {
        let inner = value.strip_prefix(&format!("Duration::{kind}("));
        if let Some(inner) = inner.and_then(|inner| inner.strip_suffix(')')) {
            return format!("{} {unit}", people_read(inner));
        }
    }
    for (shift, unit) in [(" << 10", "KiB"), (" << 20", "MiB"), (" << 30", "GiB")] {
        if let Some(number) = value.strip_suffix(shift) {
            return format!("{} {unit}", people_read(number));
        }
    }
    value.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A number with its thousands apart, in place of the sources' marks.
fn word(word: &str) -> String {
    match word {
        "*" => "×".to_owned(),
        _ if word.starts_with(|c: char| c.is_ascii_digit()) => word.replace('_', ","),
        _ => word.to_owned(),
    }
}
