//! A city's ticket system: an HTTP server with a book of what it was told, which goes wrong on order.
//!
//! It takes what is signed with its secret and books each idempotency key once, and lists closed tickets page by
//! page. It is written on bare sockets, because it must also answer twice, or not at all.

use crate::clock::Deadline;
use crate::server;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest that a request may take to come in, and that an answer is withheld.
const HANG_MAX: Duration = Duration::from_secs(20);
const SECRET: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";

/// What becomes of a request, in place of being booked and answered with 201.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status with these words; nothing is booked.
    Refuse(u16, &'static str),
    /// 503 with `Retry-After`, in seconds; nothing is booked.
    Overloaded(u32),
    /// No answer; nothing is booked.
    Hang,
    /// Booked, and no answer.
    BookAndHang,
    /// Booked, and the connection closed without an answer.
    BookAndClose,
    /// Booked, and answered twice.
    AnswerTwice,
    /// Booked, and answered that late.
    Slow(Duration),
    /// Booked, and answered to a process that was stopped before: it has the answer and has not seen it.
    AnswerStopped(u32),
}

/// An event in the book.
#[derive(Clone, Debug, PartialEq)]
pub struct Booked {
    /// Its idempotency key.
    pub key: String,
    /// Where it was sent.
    pub path: String,
    /// What was sent.
    pub event: Value,
}

#[derive(Debug, Default)]
struct Book {
    booked: Vec<Booked>,
    /// Requests by key, those that came to nothing included.
    asked: BTreeMap<String, u32>,
    faults: VecDeque<Fault>,
    faults_of: BTreeMap<String, Fault>,
    /// Answers that have left.
    answered: u32,
    strangers: u32,
    /// Closed tickets, by pages.
    closed: Vec<Value>,
    /// Where each list was asked to begin.
    listed: Vec<String>,
}

/// A running ticket system; stopped when dropped.
#[derive(Debug)]
pub struct TicketSystem {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    folder: tempfile::TempDir,
    door: Option<Door>,
}

#[derive(Debug)]
struct Door {
    closing: Arc<Mutex<bool>>,
    thread: JoinHandle<()>,
}

impl TicketSystem {
    /// Starts one on a port of its own.
    pub fn start() -> Self {
        // One that nobody else is given while it is away.
        let address = server::free_port();
        let listener = listen(address);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("secret"), SECRET).expect("writable");
        let mut system = Self { address, book: Arc::default(), folder, door: None };
        system.open(listener);
        system
    }

    /// Where events are sent.
    pub fn url(&self) -> String {
        format!("http://{}/hotline", self.address)
    }

    /// Where closed tickets are listed.
    pub fn closed_url(&self) -> String {
        format!("http://{}/closed", self.address)
    }

    /// Lists one page more.
    pub fn closes(&self, page: Value) {
        self.book().closed.push(page);
    }

    /// Where each list was asked to begin, by the number of the page; the first has none.
    pub fn listed(&self) -> Vec<String> {
        self.book().listed.clone()
    }

    /// The file with its secret.
    pub fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// The next requests go wrong, one by each fault.
    pub fn will(&self, faults: impl IntoIterator<Item = Fault>) {
        self.book().faults.extend(faults);
    }

    /// The next request of this key goes wrong.
    pub fn will_for(&self, key: &str, fault: Fault) {
        self.book().faults_of.insert(key.to_owned(), fault);
    }

    /// What was booked, in its order.
    pub fn booked(&self) -> Vec<Booked> {
        self.book().booked.clone()
    }

    /// How often an event of this key was sent.
    pub fn asked(&self, key: &str) -> u32 {
        self.book().asked.get(key).copied().unwrap_or_default()
    }

    /// Answers that have left.
    pub fn answered(&self) -> u32 {
        self.book().answered
    }

    /// Requests that were not signed with its secret.
    pub fn strangers(&self) -> u32 {
        self.book().strangers
    }

    /// Takes no connections until [`TicketSystem::come_back`].
    pub fn go_away(&mut self) {
        let Some(door) = self.door.take() else { return };
        *door.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        // Whoever waits for a connection gets one and sees that it is time to go.
        let _ = TcpStream::connect(self.address);
        let _ = door.thread.join();
    }

    /// Takes connections again, at the same address and with the same book.
    pub fn come_back(&mut self) {
        self.open(listen(self.address));
    }

    fn open(&mut self, listener: TcpListener) {
        let closing = Arc::new(Mutex::new(false));
        let (book, is_closing) = (Arc::clone(&self.book), Arc::clone(&closing));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *is_closing.lock().unwrap_or_else(PoisonError::into_inner) {
                    return;
                }
                let book = Arc::clone(&book);
                std::thread::spawn(move || serve(stream, &book));
            }
        });
        self.door = Some(Door { closing, thread });
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

/// Listens at a port that is free. Whoever looked whether it is may have left it for a moment to a program that another thread
/// started just then.
fn listen(address: SocketAddr) -> TcpListener {
    let listener = Deadline::after(Duration::from_secs(5)).poll(|| TcpListener::bind(address).ok());
    listener.unwrap_or_else(|| panic!("{address} is not free"))
}

impl Drop for TicketSystem {
    fn drop(&mut self) {
        self.go_away();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Request {
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// One request; the client opens a connection for each.
fn serve(mut stream: TcpStream, book: &Mutex<Book>) {
    let Some(request) = read(&stream) else { return };
    if !is_signed(&request) {
        lock(book).strangers += 1;
        let _ = stream.write_all(&answer(401, "", "not signed with our secret"));
        return;
    }
    if let Some(after) = request.path.strip_prefix("/closed") {
        let page = list(&mut lock(book), after.strip_prefix("?after=").unwrap_or_default());
        let _ = stream.write_all(&answer(200, "", &page));
        return;
    }
    let (key, fault) = {
        let mut book = lock(book);
        let key = request.headers.get("idempotency-key").cloned().unwrap_or_default();
        *book.asked.entry(key.clone()).or_default() += 1;
        let fault = book.faults_of.remove(&key).or_else(|| book.faults.pop_front());
        (key, fault)
    };
    let booked = match fault {
        None => answer_of(enter(book, &key, request)),
        Some(Fault::Refuse(status, words)) => answer(status, "", words),
        Some(Fault::Overloaded(seconds)) => answer(503, &format!("Retry-After: {seconds}\r\n"), ""),
        Some(Fault::Hang) => return std::thread::sleep(HANG_MAX),
        Some(Fault::BookAndHang) => {
            enter(book, &key, request);
            return std::thread::sleep(HANG_MAX);
        }
        Some(Fault::BookAndClose) => {
            enter(book, &key, request);
            return;
        }
        Some(Fault::AnswerTwice) => answer_of(enter(book, &key, request)).repeat(2),
        Some(Fault::Slow(late)) => {
            let is_new = enter(book, &key, request);
            std::thread::sleep(late);
            answer_of(is_new)
        }
        Some(Fault::AnswerStopped(process)) => {
            let stopped = Command::new("kill").args(["-STOP", &process.to_string()]).status();
            assert!(stopped.is_ok_and(|status| status.success()), "the server can be stopped");
            answer_of(enter(book, &key, request))
        }
    };
    // Whoever asked may be gone.
    if stream.write_all(&booked).and_then(|()| stream.flush()).is_ok() {
        lock(book).answered += 1;
    }
}

pub(crate) fn read(stream: &TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(HANG_MAX)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (method, path) = line.split_once(' ')?;
    let (method, path) = (method.to_owned(), path.split(' ').next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = match method.as_str() {
        "GET" => 0,
        _ => headers.get("content-length")?.parse().ok()?,
    };
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path, headers, body })
}

fn is_signed(request: &Request) -> bool {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key is one");
    mac.update(format!("{}.", header("x-qingting-timestamp")).as_bytes());
    mac.update(&request.body);
    let ours = format!("v1={}", hex::encode(mac.finalize().into_bytes()));
    header("x-qingting-signature").split(',').any(|code| code == ours)
}

/// The page behind this cursor, which is the number of pages before it.
fn list(book: &mut Book, after: &str) -> String {
    book.listed.push(after.to_owned());
    let at: usize = after.parse().unwrap_or_default();
    let items = book.closed.get(at).cloned().unwrap_or_else(|| json!([]));
    let next = (at + 1).min(book.closed.len());
    json!({ "items": items, "next": next.to_string() }).to_string()
}

/// Books an event unless its key is there; true when it is new.
fn enter(book: &Mutex<Book>, key: &str, request: Request) -> bool {
    let mut book = lock(book);
    if book.booked.iter().any(|known| known.key == key) {
        return false;
    }
    let event = serde_json::from_slice(&request.body).expect("events are JSON");
    book.booked.push(Booked { key: key.to_owned(), path: request.path, event });
    true
}

fn answer_of(is_new: bool) -> Vec<u8> {
    if is_new { answer(201, "", "") } else { answer(409, "", "it is booked already") }
}

pub(crate) fn answer(status: u16, headers: &str, words: &str) -> Vec<u8> {
    let length = words.len();
    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{words}").into_bytes()
}
