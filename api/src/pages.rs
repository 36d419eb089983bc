//! Pages and their assets, as the server has them in itself: open to everyone, because a browser that
//! asks for a page cannot have signed in; what they show they fetch with a session.

use crate::ApiState;
use axum::Router;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Redirect;
use axum::routing::get;

/// A file of a page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    gzip: Option<&'static [u8]>,
    is_kept: bool,
}

impl Page {
    /// A file that browsers ask for each time they need it.
    pub const fn new(path: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self { path, content_type, bytes, gzip: None, is_kept: false }
    }

    /// The same with its gzip form (RFC 1952), for browsers that take it.
    #[must_use]
    pub const fn or_gzip(self, gzip: &'static [u8]) -> Self {
        Self { gzip: Some(gzip), ..self }
    }

    /// The same where the path is another whenever the content is: browsers keep it.
    #[must_use]
    pub const fn kept(self) -> Self {
        Self { is_kept: true, ..self }
    }

    fn answer(&self, request: &HeaderMap) -> (HeaderMap, &'static [u8]) {
        let mut headers: HeaderMap = HEADERS.into_iter().map(fixed).collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if self.is_kept {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEPT));
        }
        let Some(gzip) = self.gzip else { return (headers, self.bytes) };
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if !takes_gzip(request) {
            return (headers, self.bytes);
        }
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        (headers, gzip)
    }
}

/// Scripts, styles and sounds of our own alone and none inline; connections to us, and to the SIP
/// server by WebSocket, which may have another port.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; media-src 'self' blob:; manifest-src 'self'; \
    worker-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// A year, the longest that RFC 9111 speaks of.
const KEPT: &str = "public, max-age=31536000, immutable";

const HEADERS: [(HeaderName, &str); 2] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
];

fn fixed((name, value): (HeaderName, &'static str)) -> (HeaderName, HeaderValue) {
    (name, HeaderValue::from_static(value))
}

/// Whether gzip is among the codings that are not refused by a weight of 0 (RFC 9110 §12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    codings.unwrap_or_default().split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>();
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// Where people who type only the address come to.
const CONSOLE: &str = "/console/";

/// The routes of the pages.
pub(crate) fn routes(pages: &'static [Page]) -> Router<ApiState> {
    let first = match pages.iter().any(|page| page.path == CONSOLE) {
        true => Router::new().route("/", get(async || Redirect::temporary(CONSOLE))),
        false => Router::new(),
    };
    pages.iter().fold(first, |router, page| {
        router.route(page.path, get(move |headers: HeaderMap| async move { page.answer(&headers) }))
    })
}
