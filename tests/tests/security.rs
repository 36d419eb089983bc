//! What SECURITY.md claims of the sources: each test that it names is there, and what is called like a secret has a type
//! that hides it, or a struct that says itself how it prints.

use qingting_tests::sources::{root, sources};
use std::fs;

/// How fields are called that hold what nobody may read in a log.
const ENDS: [&str; 8] =
    ["password", "passphrase", "secret", "token", "seed", "pwd", "private_key", "master_key"];
/// Types that print what is in them.
const PLAIN: [&str; 5] = ["String", "Vec<u8>", "[u8;", "Box<str>", "&'static str"];

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let root = root();
    let text = fs::read_to_string(root.join("SECURITY.md")).expect("SECURITY.md");
    let named = text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::"));
    let named: Vec<(&str, &str)> = named.filter(|(file, _)| file.contains('/')).collect();
    assert!(named.len() > 80, "only {} tests are named", named.len());
    for (file, test) in named {
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        assert!(source.contains(&format!("fn {test}(")), "there is no test {file}::{test}");
    }
    for target in fs::read_dir(root.join("fuzz/targets")).expect("fuzzing targets") {
        let path = target.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        assert!(text.contains(&format!("`{name}`")), "SECURITY.md does not name fuzz {name}");
        assert!(root.join("fuzz/seeds").join(name).is_dir(), "fuzz {name} has no seeds");
    }
}

#[test]
fn what_is_called_like_a_secret_does_not_print_itself() {
    let mut found = Vec::new();
    for (file, text) in sources() {
        let told = open_secrets(&text);
        found.extend(told.into_iter().map(|field| format!("{}: {field}", file.display())));
    }
    assert!(found.is_empty(), "these print a secret, wrap them in Pii:\n{}", found.join("\n"));
}

#[test]
fn a_secret_that_prints_itself_is_found() {
    let of = |derives: &str, field: &str| {
        let text = format!(
            "/// It.\n#[derive({derives})]\npub struct It {{\n    /// What.\n    {field},\n}}\n"
        );
        open_secrets(&text)
    };
    assert_eq!(of("Clone, Debug", "pub password: String"), ["It.password"]);
    assert_eq!(of("Debug", "pub(crate) seed: [u8; 32]"), ["It.seed"]);
    assert_eq!(of("Debug", "oauth_token: Option<Vec<u8>>"), ["It.oauth_token"]);
    for field in ["pub password: Pii<String>", "secret_file: PathBuf", "tokens: usize"] {
        assert!(of("Debug", field).is_empty(), "{field}");
    }
    assert!(of("Clone", "password: String").is_empty(), "it does not print at all");
}

/// `Struct.field` of everything in a source that would print a secret.
fn open_secrets(text: &str) -> Vec<String> {
    let (mut found, mut prints, mut inside) = (Vec::new(), false, None);
    for line in text.lines() {
        let line = line.trim();
        if let Some(derives) = line.strip_prefix("#[derive(") {
            prints = derives.split([',', ')']).any(|name| name.trim() == "Debug");
        } else if let Some(name) = name_of(line, "struct ").or_else(|| name_of(line, "enum ")) {
            inside = (prints && line.ends_with('{')).then_some(name);
            prints = false;
        } else if line == "}" {
            inside = None;
        } else if let (Some(of), Some((field, kind))) = (inside, field_of(line))
            && ENDS.iter().any(|end| field == *end || field.ends_with(&format!("_{end}")))
            && PLAIN.iter().any(|plain| kind.trim_start_matches("Option<").starts_with(plain))
        {
            found.push(format!("{of}.{field}"));
        }
    }
    found
}

fn name_of<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let rest = unpublished(line).strip_prefix(keyword)?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

fn field_of(line: &str) -> Option<(&str, &str)> {
    let (name, kind) = unpublished(line).split_once(": ")?;
    let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_name.then_some((name, kind.trim_end_matches(',')))
}

fn unpublished(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("pub") else { return line };
    let rest =
        if rest.starts_with('(') { rest.split_once(')').map_or("", |it| it.1) } else { rest };
    rest.trim_start()
}
