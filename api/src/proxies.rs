//! Who asks where a proxy of the city stands before the server.

use crate::ApiState;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, SocketAddr};

/// Each proxy adds the address that it saw at the end.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Puts the client's address in the place of the proxy's. **What somebody who is no trusted proxy says of itself does
/// not count**: limits of addresses would hold nobody.
pub(crate) async fn look_behind(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    if let Some(peer) = peer
        && let Some(client) = client(peer.ip(), &state.trusted_proxies, request.headers())
    {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, peer.port())));
    }
    next.run(request).await
}

/// The last address on the way that is no trusted proxy's; none when the connection is its own.
fn client(peer: IpAddr, trusted: &[IpAddr], headers: &HeaderMap) -> Option<IpAddr> {
    // A socket of both families sees `::ffff:10.0.0.1` where the configuration may say `10.0.0.1`, or the other way.
    let is_trusted = |address: &IpAddr| {
        trusted.iter().any(|known| known.to_canonical() == address.to_canonical())
    };
    if !is_trusted(&peer) {
        return None;
    }
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let way: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    // What a client made up stands before what the first proxy added.
    let known = way.into_iter().rev().map_while(|text| text.parse::<IpAddr>().ok());
    known.map(|address| address.to_canonical()).find(|address| !is_trusted(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> Option<String> {
        let trusted = ["10.0.0.1".parse().unwrap(), "::ffff:10.0.0.2".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        client(peer.parse().unwrap(), &trusted, &headers).map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_clients() {
        let found = |peer, forwarded: &[&str]| seen(peer, forwarded).unwrap_or_default();
        assert_eq!(found("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(found("10.0.0.1", &["1.1.1.1, 203.0.113.7, 10.0.0.2"]), "203.0.113.7");
        assert_eq!(found("10.0.0.1", &["1.1.1.1", "203.0.113.7"]), "203.0.113.7", "two headers");
        assert_eq!(found("::ffff:10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(found("10.0.0.2", &["203.0.113.7"]), "203.0.113.7", "mapped where it is named");
        assert_eq!(found("::ffff:a00:1", &["203.0.113.7, ::ffff:10.0.0.2"]), "203.0.113.7");
    }

    #[test]
    fn who_is_no_proxy_or_says_nonsense_is_itself() {
        assert_eq!(seen("203.0.113.7", &["10.0.0.9"]), None);
        assert_eq!(seen("10.0.0.1", &[]), None);
        assert_eq!(seen("10.0.0.1", &["unknown"]), None);
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, nonsense, 10.0.0.2"]), None);
    }
}
