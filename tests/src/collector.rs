//! A collector of OpenTelemetry traces: takes OTLP over HTTP and keeps every span, or does not, on order.

use crate::ticket_system::{answer, read};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What it has and does.
#[derive(Debug, Default)]
struct Book {
    /// The status that every request gets; 0: it takes them.
    refuses_with: u16,
    asked: u32,
    spans: Vec<Span>,
    /// Of who sent them.
    resources: Vec<KeyValue>,
    is_closing: bool,
}

/// A running collector; stopped when dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Starts one on a port of its own.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let book = Arc::<Mutex<Book>>::default();
        let kept = Arc::clone(&book);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if lock(&kept).is_closing {
                    return;
                }
                serve(stream, &kept);
            }
        });
        Self { address, book, thread: Some(thread) }
    }

    /// Where spans are sent.
    pub fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// From now on it answers with this status and keeps nothing; with 0 it takes spans.
    pub fn refuses_with(&self, status: u16) {
        lock(&self.book).refuses_with = status;
    }

    /// Requests so far.
    pub fn asked(&self) -> u32 {
        lock(&self.book).asked
    }

    /// All spans that it took.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.book).spans.clone()
    }

    /// What it was told of who sent them.
    pub fn resources(&self) -> Vec<KeyValue> {
        lock(&self.book).resources.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        lock(&self.book).is_closing = true;
        // Whoever waits for a connection gets one and sees that it is time to go.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An attribute's value as text; empty where there is none.
pub fn attribute(of: &[KeyValue], key: &str) -> String {
    let found = of.iter().find(|attribute| attribute.key == key);
    found.map(text).unwrap_or_default()
}

/// A value as text.
pub fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(count)) => count.to_string(),
        Some(Value::DoubleValue(ratio)) => ratio.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(other) => panic!("{other:?} is none of ours"),
        None => String::new(),
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request; the server opens a connection for each.
fn serve(mut stream: TcpStream, book: &Mutex<Book>) {
    let Some(request) = read(&stream) else { return };
    let mut book = lock(book);
    book.asked += 1;
    assert_eq!(request.path, "/v1/traces");
    let answer = match book.refuses_with {
        0 => {
            let sent = ExportTraceServiceRequest::decode(request.body.as_slice()).expect("OTLP");
            for of_server in sent.resource_spans {
                book.resources = of_server.resource.map(|of| of.attributes).unwrap_or_default();
                book.spans.extend(of_server.scope_spans.into_iter().flat_map(|of| of.spans));
            }
            answer(200, "Content-Type: application/x-protobuf\r\n", "")
        }
        status => answer(status, "", "not now"),
    };
    drop(book);
    // Whoever asked may be gone.
    let _ = stream.write_all(&answer);
}
