//! Trunks on real sockets: registration, health, order, and a call that finds the second address.

use qingting_common::Pii;
use qingting_sip::auth::{Credentials, Directory, Ha1};
use qingting_sip::message::{NameAddr, SipUri};
use qingting_sip::trunk::{Account, TrunkConfig, TrunkSet};
use qingting_sip::{EdgeConfig, Endpoint, EndpointConfig, Transport};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(5);

struct Accounts;

impl Directory for Accounts {
    fn ha1(&self, user: &str) -> Option<Ha1> {
        (user == "12345").then(|| Ha1::new(user, "carrier", "secret"))
    }
}

async fn endpoint(edge: EdgeConfig) -> Endpoint {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = EndpointConfig { udp: vec![any], edge, ..EndpointConfig::default() };
    Endpoint::bind(config).await.unwrap().0
}

fn trunk(name: &str, priority: u16, peer: SocketAddr, register: bool) -> TrunkConfig {
    let password = Pii::new("secret".to_owned());
    let credentials = Credentials { user: "12345".to_owned(), password };
    TrunkConfig {
        name: name.to_owned(),
        peer: SipUri::sip("", "127.0.0.1", Some(peer.port())),
        transport: Transport::Udp,
        priority,
        identity: NameAddr::parse("<sip:12345@carrier>").unwrap(),
        account: Some(Account { credentials, register, expires_s: None }),
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, held).await.unwrap_or_else(|_| panic!("{what} in time"));
}

#[tokio::test]
async fn trunks_register_and_are_ordered_by_health_and_priority() {
    let carrier = endpoint(EdgeConfig {
        realm: "carrier".to_owned(),
        directory: Some(Arc::new(Accounts)),
        ..EdgeConfig::default()
    })
    .await;
    let us = endpoint(EdgeConfig::default()).await;
    let lives = carrier.bound()[0].1;
    let dead = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let set = TrunkSet::start(
        us.clone(),
        vec![
            trunk("dead", 1, dead, false),
            trunk("plain", 3, lives, false),
            trunk("registered", 2, lives, true),
        ],
    );
    let order = || set.order();
    assert_eq!(order(), ["dead", "registered", "plain"], "nothing is known");
    until("two trunks up", || set.status().iter().filter(|status| status.up).count() == 2).await;
    assert_eq!(order(), ["registered", "plain", "dead"]);
    assert_eq!(set.status()[2].registered, Some(true));
    assert_eq!(carrier.bindings("12345").len(), 1);
    set.call_failed("registered", Some(503));
    assert_eq!(order(), ["plain", "dead", "registered"]);
    set.close().await;
    until("the registration gone", || carrier.bindings("12345").is_empty()).await;
    us.close().await;
}
