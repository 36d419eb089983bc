//! Models by URL, from a server that the test makes: it stops midway, lies, and knows nothing.

use qingting_models::{Installer, Manifest, Mirror, ModelsError, Outcome, State};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the server treats a path.
#[derive(Clone)]
struct Page {
    body: Vec<u8>,
    etag: Option<&'static str>,
    /// The connection is cut after so many bytes of each answer.
    cut_after: Option<usize>,
}

impl Page {
    fn new(body: &[u8]) -> Self {
        Self { body: body.to_vec(), etag: Some("\"1\""), cut_after: None }
    }

    fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }
}

/// Path and `Range` of a request.
type Asked = (String, Option<String>);

/// An HTTP server on a thread that ends with the test's process.
#[derive(Clone)]
struct Server {
    base: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Self { base, pages: Arc::default(), asked: Arc::default() };
        let answering = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answering.answer(stream);
            }
        });
        server
    }

    fn put(&self, path: &str, page: Page) {
        self.pages.lock().expect("not poisoned").insert(path.to_owned(), page);
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.asked().into_iter().map(|(_, range)| range).collect()
    }

    /// One answer a connection; a client that went away is no fault of the server's.
    fn answer(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().expect("a clone")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let headers: HashMap<String, String> = lines
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name.to_lowercase(), value.to_owned()))
            })
            .collect();
        let range = headers.get("range").cloned();
        self.asked.lock().expect("not poisoned").push((path.clone(), range.clone()));
        let page = self.pages.lock().expect("not poisoned").get(&path).cloned();
        let _ = match page {
            Some(page) => stream.write_all(&respond(&page, range, headers.get("if-range"))),
            None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        };
    }
}

fn respond(page: &Page, range: Option<String>, if_range: Option<&String>) -> Vec<u8> {
    let is_same = if_range.is_none_or(|wanted| page.etag == Some(wanted));
    let from = range.filter(|_| is_same);
    let from = from.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let (from, total) = (from.unwrap_or(0), page.body.len());
    let rest = &page.body[from..];
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let mut text =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", rest.len());
    if from > 0 {
        text += &format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1);
    }
    if let Some(etag) = page.etag {
        text += &format!("ETag: {etag}\r\n");
    }
    let mut answer = format!("{text}\r\n").into_bytes();
    answer.extend(&rest[..page.cut_after.unwrap_or(total).min(rest.len())]);
    answer
}

struct World {
    dir: tempfile::TempDir,
    server: Server,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), server: Server::start() }
    }

    fn installer(&self, sources: &[String]) -> Installer {
        let text = format!(
            "profile = []\n[[model]]\nname = \"m\"\nrole = \"recognizer\"\nlicence = \"MIT\"\n\
             what = \"w\"\n{}",
            sources.concat()
        );
        let manifest = Manifest::parse(&text).expect("a valid manifest");
        let convert = |_: &str, _: &std::path::Path, _: &std::path::Path| Ok(());
        Installer::new(self.dir.path().join("models"), Box::new(convert)).with_manifest(manifest)
    }

    /// A source of one bare file at `path`, pinned or not.
    fn bare(&self, title: &str, path: &str, pin: Option<&[u8]>) -> String {
        let pin = pin.map(|body| format!("sha256 = \"{}\"\n", sha256(body))).unwrap_or_default();
        format!(
            "[[model.source]]\ntitle = \"{title}\"\n[[model.source.download]]\n\
             url = \"{}{path}\"\narchive = \"model.bin\"\nbytes_max = 1000000\n{pin}\
             [[model.source.file]]\nname = \"model.bin\"\nbytes_max = 1000000\n{pin}\
             from = [\"model.bin\"]\n",
            self.server.base
        )
    }

    /// What a run that was killed left of `/model`.
    fn left_behind(&self, partial: &[u8], etag: &str) {
        let stage = self.dir.path().join("models/.staging/m");
        fs::create_dir_all(&stage).expect("a folder");
        fs::write(stage.join(".model.bin.partial"), partial).expect("written");
        let origin = format!("{}/model\n{etag}\n", self.server.base);
        fs::write(stage.join(".model.bin.origin"), origin).expect("written");
    }

    fn installed(&self, installer: &Installer) -> Vec<u8> {
        fs::read(installer.path("m", "model.bin")).expect("it is installed")
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Bytes that differ from place to place, so that a wrong seam shows.
fn body() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_cut_connection_continues_by_range_until_the_file_is_whole() {
    let (world, body) = (World::new(), body());
    world.server.put("/model", Page::new(&body).cut_after(300_000));
    let installer = world.installer(&[world.bare("one", "/model", Some(&body))]);
    let report = installer.ensure(&["m"]).expect("installed");
    assert_eq!(world.installed(&installer), body);
    assert_eq!(report.bytes_fetched, 800_000, "nothing was fetched twice");
    let ranges = [None, Some("bytes=300000-".into()), Some("bytes=600000-".into())];
    assert_eq!(world.server.ranges(), ranges);
}

#[test]
fn what_an_earlier_run_had_is_continued_by_the_next() {
    let (world, body) = (World::new(), body());
    world.left_behind(&body[..1000], "\"1\"");
    world.server.put("/model", Page::new(&body));
    let installer = world.installer(&[world.bare("one", "/model", None)]);
    let report = installer.ensure(&["m"]).expect("installed");
    assert_eq!(world.server.ranges(), [Some("bytes=1000-".to_owned())]);
    assert_eq!(report.bytes_fetched, 799_000);
    assert_eq!(world.installed(&installer), body);
}

#[test]
fn a_file_that_changed_midway_is_fetched_anew() {
    let (world, body) = (World::new(), body());
    let mut newer = body.clone();
    newer.reverse();
    let installer = world.installer(&[world.bare("one", "/model", None)]);
    world.left_behind(&body[..1000], "\"0\"");
    world.server.put("/model", Page::new(&newer));
    installer.ensure(&["m"]).expect("installed");
    assert_eq!(world.server.ranges(), [Some("bytes=1000-".to_owned())]);
    assert_eq!(world.installed(&installer), newer);
}

#[test]
fn without_a_checksum_or_a_validator_nothing_is_continued() {
    let (world, body) = (World::new(), body());
    let installer = world.installer(&[world.bare("one", "/model", None)]);
    world.left_behind(b"something else", "");
    world.server.put("/model", Page { etag: None, ..Page::new(&body) });
    installer.ensure(&["m"]).expect("installed");
    assert_eq!(world.server.ranges(), [None]);
    assert_eq!(world.installed(&installer), body);
}

#[test]
fn a_missing_or_wrong_file_leads_to_the_next_source() {
    let (world, body) = (World::new(), body());
    world.server.put("/wrong", Page::new(b"something else"));
    world.server.put("/right", Page::new(&body));
    let installer = world.installer(&[
        world.bare("gone", "/gone", Some(&body)),
        world.bare("wrong", "/wrong", Some(&body)),
        world.bare("right", "/right", Some(&body)),
    ]);
    let report = installer.ensure(&["m"]).expect("installed");
    let Outcome::Installed { source, failed, trusted } = &report.outcomes[0].1 else {
        panic!("{report:?}")
    };
    assert_eq!(source, "right");
    assert!(failed[0].contains("404"), "{failed:?}");
    assert!(failed[1].contains("not the file it should be"), "{failed:?}");
    assert!(trusted.is_empty(), "{trusted:?}");
    assert_eq!(world.installed(&installer), body);
    assert_eq!(world.server.asked().len(), 3, "neither fault is tried twice");
}

#[test]
fn more_than_allowed_is_refused_before_it_is_written() {
    let world = World::new();
    world.server.put("/model", Page::new(&vec![0; 1_000_001]));
    let installer = world.installer(&[world.bare("one", "/model", None)]);
    let error = installer.ensure(&["m"]).expect_err("refused").to_string();
    assert!(error.contains("more than the 1000000 bytes allowed"), "{error}");
    let stage = world.dir.path().join("models/.staging/m");
    assert_eq!(fs::read_dir(stage).expect("the staging folder").count(), 0);
}

#[test]
fn a_mirror_is_asked_for_every_url() {
    let (world, body) = (World::new(), body());
    world.server.put("/models/release.example/v1/model", Page::new(&body));
    let source = world.bare("one", "/v1/model", Some(&body));
    let source = source.replace(&world.server.base, "https://release.example");
    let mirror: Mirror = format!("{}/models", world.server.base).parse().expect("an address");
    let installer = world.installer(&[source]).with_mirror(Some(mirror));
    installer.ensure(&["m"]).expect("installed");
    assert_eq!(world.installed(&installer), body);
}

#[test]
fn a_file_without_a_checksum_is_trusted_once_and_held_to_it() {
    let (world, body) = (World::new(), body());
    world.server.put("/model", Page::new(&body));
    let sources = [world.bare("one", "/model", None)];
    let installer = world.installer(&sources);
    let report = installer.ensure(&["m"]).expect("installed");
    let Outcome::Installed { trusted, .. } = &report.outcomes[0].1 else { panic!("{report:?}") };
    assert_eq!(trusted, &["model.bin"]);

    let path = installer.path("m", "model.bin");
    fs::write(&path, b"tampered").expect("written");
    let statuses = installer.verify().expect("verified");
    let State::Damaged { faults } = &statuses[0].state else { panic!("{statuses:?}") };
    assert!(faults[0].reason.contains(&sha256(&body)), "{faults:?}");

    world.server.put("/model", Page::new(b"another"));
    let error = installer.ensure(&["m"]).expect_err("not what was trusted");
    assert!(error.to_string().contains("first trusted"), "{error}");
    world.server.put("/model", Page { etag: Some("\"2\""), ..Page::new(&body) });
    installer.ensure(&["m"]).expect("mended");
    assert_eq!(world.installed(&installer), body);
}

#[test]
fn a_release_archive_gives_its_files_and_vouches_for_them() {
    let world = World::new();
    let archive = archive(&[("release/tokens.txt", b"a b"), ("./release/model.bin", b"weights")]);
    world.server.put("/release.tar.bz2", Page::new(&archive).cut_after(archive.len() / 2));
    let source = format!(
        "[[model.source]]\ntitle = \"release\"\n[[model.source.download]]\n\
         url = \"{}/release.tar.bz2\"\narchive = \"release.tar.bz2\"\nbytes = {}\n\
         sha256 = \"{}\"\n{}{}",
        world.server.base,
        archive.len(),
        sha256(&archive),
        member("model.bin"),
        member("tokens.txt"),
    );
    let installer = world.installer(&[source]);
    let report = installer.ensure(&["m"]).expect("installed");
    let Outcome::Installed { trusted, .. } = &report.outcomes[0].1 else { panic!("{report:?}") };
    assert!(trusted.is_empty(), "{trusted:?}");
    assert_eq!(world.installed(&installer), b"weights");
    assert_eq!(fs::read(installer.path("m", "tokens.txt")).expect("read"), b"a b");
    let names = fs::read_dir(installer.path("m", "")).expect("the folder");
    assert_eq!(names.count(), 3, "two files and the receipt");
}

#[test]
fn an_archive_that_leads_out_of_its_folder_installs_nothing() {
    let world = World::new();
    let archive = archive(&[("../evil", b"evil"), ("release/model.bin", b"weights")]);
    world.server.put("/release.tar.bz2", Page::new(&archive));
    let source = format!(
        "[[model.source]]\ntitle = \"release\"\n[[model.source.download]]\n\
         url = \"{}/release.tar.bz2\"\narchive = \"release.tar.bz2\"\nbytes_max = 10000\n{}",
        world.server.base,
        member("model.bin"),
    );
    let installer = world.installer(&[source]);
    let error = installer.ensure(&["m"]).expect_err("refused");
    assert!(matches!(error, ModelsError::EverySource { .. }));
    assert!(error.to_string().contains("leads out of it"), "{error}");
    assert_eq!(installer.list()[0].state, State::Missing);
    assert!(!world.dir.path().join("evil").exists());
}

fn member(name: &str) -> String {
    format!(
        "[[model.source.file]]\nname = \"{name}\"\nbytes_max = 100\n\
         from = [\"release.tar.bz2!release/{name}\"]\n"
    )
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        // The builder itself refuses paths that lead out; an attacker's does not.
        header.as_gnu_mut().expect("GNU").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *content).expect("appended");
    }
    let tar = tar.into_inner().expect("a tar");
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    out.write_all(&tar).expect("written");
    out.finish().expect("finished")
}
