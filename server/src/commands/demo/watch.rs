//! One call, watched through the server's event stream.

use super::api::Api;
use anyhow::{Context, Result};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// What is worth showing of an event.
#[derive(Debug, PartialEq)]
pub enum Seen {
    /// Words.
    Caption { segment: String, text: String, is_final: bool },
    /// The draft changed: field and value.
    Draft { changed: Vec<(String, String)> },
    /// Something else, or another call's.
    Other,
}

/// The stream, and which call of it is ours.
pub struct Watch {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    caller: String,
    call: Option<String>,
    has_ended: bool,
    is_captioned: bool,
}

impl Watch {
    /// Listens for the next call of this number.
    pub async fn begin(api: &Api, caller: &str) -> Result<Self> {
        let uri = api.events_url().parse().context("not a URL")?;
        let request = ClientRequestBuilder::new(uri).with_header("Authorization", api.bearer());
        let (socket, _) = tokio_tungstenite::connect_async(request)
            .await
            .context("cannot listen to the server's events")?;
        let caller = caller.to_owned();
        Ok(Self { socket, caller, call: None, has_ended: false, is_captioned: false })
    }

    /// The call, once it has begun.
    pub fn call(&self) -> Option<&str> {
        self.call.as_deref()
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        self.has_ended && self.is_captioned
    }

    /// The next event.
    pub async fn next(&mut self) -> Result<Seen> {
        let message = self.socket.next().await.context("the server closed the event stream")??;
        let Message::Text(text) = message else { return Ok(Seen::Other) };
        Ok(self.take(&serde_json::from_str(&text)?))
    }

    fn take(&mut self, event: &Value) -> Seen {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        if event["type"] == "call_started" && event["caller"] == self.caller.as_str() {
            self.call = Some(text("call"));
        }
        if self.call.is_none() || event["call"].as_str() != self.call.as_deref() {
            return Seen::Other;
        }
        match event["type"].as_str() {
            Some("call_ended") => self.has_ended = true,
            Some("captions_ended") => self.is_captioned = true,
            Some("caption") => {
                let is_final = event["final"] == true;
                return Seen::Caption { segment: text("segment"), text: text("text"), is_final };
            }
            Some("ticket_updated") => return Seen::Draft { changed: changed(event) },
            _ => {}
        }
        Seen::Other
    }
}

fn changed(event: &Value) -> Vec<(String, String)> {
    let names = event["changed"].as_array().map(Vec::as_slice).unwrap_or_default();
    names
        .iter()
        .filter_map(Value::as_str)
        .map(|name| {
            let value = event["draft"][name]["value"].as_str().unwrap_or_default();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}
