//! SIP messages: parsed strictly where readers could disagree, tolerantly where RFC 4475 says so.

pub mod message;
#[allow(missing_docs, dead_code, unused, clippy::all)]
mod stub {
    use crate::message::{HeaderName, NameAddr, Request, SipUri};
    use bytes::Bytes; use std::net::{IpAddr, SocketAddr}; use tokio::sync::mpsc;
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)] pub enum Transport { Udp, Tcp }
    impl std::fmt::Display for Transport { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("udp") } }
    pub struct EndpointConfig { pub udp: Vec<SocketAddr>, pub tcp: Vec<SocketAddr>, pub advertised_ip: Option<IpAddr>, pub product: String, pub calls_max: usize }
    #[derive(Debug, thiserror::Error)] #[error("x")] pub struct BindError;
    #[derive(Clone)] pub struct Endpoint;
    pub struct EndpointMetrics { pub messages_in: u64, pub messages_out: u64, pub garbage: u64, pub dialogs: u64, pub transactions: u64 }
    impl Endpoint {
        pub async fn bind(config: EndpointConfig) -> Result<(Endpoint, mpsc::Receiver<IncomingCall>), BindError> { todo!() }
        pub fn bound(&self) -> &[(Transport, SocketAddr)] { &[] }
        pub fn drain(&self) {}
        pub fn invite(&self, invite: OutgoingInvite) -> (Dialog, mpsc::Receiver<DialogEvent>) { todo!() }
        pub fn metrics(&self) -> EndpointMetrics { todo!() }
        pub async fn close(self) {}
    }
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum DialogEvent { Ack{body: Option<Bytes>}, AckTimeout, Cancel, Bye{reason: Option<String>}, Reinvite{offer: Option<Bytes>}, TransportLost, Progress{code:u16, body: Option<Bytes>}, Answered{body: Option<Bytes>}, Failed{code:u16, reason:String, retry_after_s: Option<u32>, warning: Option<String>}, ByeDone }
    #[derive(Debug)] pub struct IncomingCall { pub request: Box<Request>, pub transport: Transport, pub source: SocketAddr, pub local: SocketAddr, pub dialog: Dialog, pub events: mpsc::Receiver<DialogEvent> }
    #[derive(Clone, Debug)] pub struct OutgoingInvite { pub target: SipUri, pub transport: Transport, pub from: NameAddr, pub offer: Option<Bytes>, pub headers: Vec<(HeaderName,String)>, pub call_id: Option<String> }
    #[derive(Clone, Debug, Default)] pub struct Reply { pub code: u16, pub phrase: Option<String>, pub headers: Vec<(HeaderName,String)>, pub body: Option<Bytes> }
    #[derive(Clone, Debug)] pub struct Dialog;
    impl Dialog { pub fn call_id(&self) -> &str {""} pub fn respond(&self, r: Reply) {} pub fn respond_reinvite(&self, r: Reply) {} pub fn bye(&self, r: Option<String>) {} pub fn cancel(&self) {} pub fn reinvite(&self, o: Option<Bytes>) {} }
}
pub use stub::*;
