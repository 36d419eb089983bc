//! Pages and their assets, as the server has them in itself: open to everyone, because a browser that
//! asks for a page cannot have signed in; what they show they fetch with a session.

use crate::ApiState;
use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::routing::get;

/// A file of a page: path, content type, bytes.
pub type Page = (&'static str, &'static str, &'static [u8]);

/// Scripts, styles and sounds of our own alone and none inline; connections to us, and to the SIP
/// server by WebSocket, which may have another port.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; media-src 'self' blob:; manifest-src 'self'; \
    worker-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 2] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
];

/// The routes of the pages.
pub(crate) fn routes(pages: &'static [Page]) -> Router<ApiState> {
    pages.iter().fold(Router::new(), |router, (path, content_type, bytes)| {
        let headers = || {
            let kind = (CONTENT_TYPE, *content_type);
            let all = HEADERS.into_iter().chain([kind]);
            all.map(|(name, value)| (name, HeaderValue::from_static(value)))
                .collect::<axum::http::HeaderMap>()
        };
        let headers = headers();
        router.route(path, get(move || async move { (headers, *bytes) }))
    })
}
