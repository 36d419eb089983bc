//! The seats' telephone page, carried in the program itself.

use crate::config::Config;
use qingting_api::Page;
use qingting_sip::{Endpoint, Transport};
use serde_json::json;

macro_rules! asset {
    ($file:literal) => {
        include_bytes!(concat!("../../../console/softphone/", $file))
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";

/// The page and what it needs to know of this server: where its telephone speaks, and as whom.
pub fn softphone(endpoint: &Endpoint, config: &Config) -> &'static [Page] {
    let port = |wanted: Transport| {
        let bound = endpoint.bound().iter().find(|(transport, _)| *transport == wanted);
        bound.map(|(_, address)| address.port())
    };
    let settings = json!({
        "realm": config.sip.realm,
        "ws_port": port(Transport::Ws),
        "wss_port": port(Transport::Wss),
    });
    // Once, for as long as the server runs.
    let settings: &'static [u8] = settings.to_string().into_bytes().leak();
    let pages: Vec<Page> = vec![
        ("/softphone", HTML, asset!("index.html")),
        ("/softphone.css", STYLE, asset!("softphone.css")),
        ("/softphone.js", SCRIPT, asset!("softphone.js")),
        ("/sip.js", SCRIPT, asset!("sip.js")),
        ("/softphone/settings.json", JSON, settings),
    ];
    pages.leak()
}
