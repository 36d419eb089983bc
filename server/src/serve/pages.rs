//! The seats' telephone page and the console, carried in the program itself.

use crate::config::Config;
use flate2::Compression;
use flate2::write::GzEncoder;
use qingting_api::Page;
use qingting_sip::{Endpoint, Transport};
use rust_embed::{Embed, EmbeddedFile};
use serde_json::json;
use std::borrow::Cow;
use std::io::Write;

macro_rules! asset {
    ($file:literal) => {
        include_bytes!(concat!("../../../console/softphone/", $file))
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";
/// No browser runs or shows what has it.
const UNKNOWN: &str = "application/octet-stream";

/// What `npm run build` makes of `console/`.
#[derive(Embed)]
#[folder = "../console/dist"]
struct Console;

/// Where the console's page stands among its files, and under which paths it is.
const CONSOLE_PAGE: &str = "index.html";
const CONSOLE_PATHS: [&str; 2] = ["/console", "/console/"];
/// The folder whose files have their content's hash in their names.
const HASHED: &str = "assets/";

/// All pages. Made once, for as long as the server runs.
pub fn all(endpoint: &Endpoint, config: &Config) -> &'static [Page] {
    let console =
        Console::iter().filter_map(|name| Some(console_file(&name, Console::get(&name)?)));
    softphone(endpoint, config).into_iter().chain(console.flatten()).collect::<Vec<_>>().leak()
}

/// The telephone page and what a page needs to know of this server: where its telephone speaks, and as whom.
fn softphone(endpoint: &Endpoint, config: &Config) -> Vec<Page> {
    let port = |wanted: Transport| {
        let bound = endpoint.bound().iter().find(|(transport, _)| *transport == wanted);
        bound.map(|(_, address)| address.port())
    };
    let settings = json!({
        "realm": config.sip.realm,
        "url": Some(&config.sip.browser_url).filter(|url| !url.is_empty()),
        "ws_port": port(Transport::Ws),
        "wss_port": port(Transport::Wss),
    });
    let settings: &'static [u8] = settings.to_string().into_bytes().leak();
    vec![
        Page::new("/softphone", HTML, asset!("index.html")),
        Page::new("/softphone.css", STYLE, asset!("softphone.css")),
        Page::new("/softphone.js", SCRIPT, asset!("softphone.js")),
        Page::new("/sip.js", SCRIPT, asset!("sip.js")),
        Page::new("/softphone/settings.json", JSON, settings),
    ]
}

fn console_file(name: &str, file: EmbeddedFile) -> Vec<Page> {
    let bytes: &'static [u8] = match file.data {
        Cow::Borrowed(bytes) => bytes,
        Cow::Owned(bytes) => bytes.leak(),
    };
    let pressed = gzip(bytes).leak();
    let file = |path| Page::new(path, content_type(name), bytes).or_gzip(pressed);
    if name == CONSOLE_PAGE {
        return CONSOLE_PATHS.map(file).to_vec();
    }
    let page = file(format!("/console/{name}").leak());
    vec![if name.starts_with(HASHED) { page.kept() } else { page }]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let pressed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    pressed.expect("memory can be written to")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => HTML,
        Some("js") => SCRIPT,
        Some("css") => STYLE,
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_console_can_be_served_and_the_page_names_only_such() {
        let names: Vec<_> = Console::iter().collect();
        for name in &names {
            assert_ne!(content_type(name), UNKNOWN, "{name}");
        }
        let page = Console::get(CONSOLE_PAGE).unwrap().data;
        let page = String::from_utf8(page.into_owned()).unwrap();
        let mut named = page.split("\"/console/").skip(1).filter_map(|rest| rest.split('"').next());
        assert!(named.clone().count() >= 2, "{page}");
        assert!(named.all(|name| names.iter().any(|known| known == name)), "{page}");
        assert!(
            !page.contains("<style") && !page.contains("<script>"),
            "nothing is inline: {page}"
        );
    }
}
