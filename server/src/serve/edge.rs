//! The SIP endpoint's settings: where it listens, whom it knows and how much it takes.

use super::switchboard::{Seats, Trunks};
use crate::config::Config;
use qingting_core::numbers::Emergency;
use qingting_sip::EndpointConfig;
use qingting_sip::admission::AdmissionLimits;
use qingting_sip::agent::{EdgeConfig, SessionConfig};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// See above.
pub fn config(config: &Config, seats: Arc<Seats>, trunks: &Trunks) -> EndpointConfig {
    let sip = &config.sip;
    let peers: Vec<IpAddr> = trunks.peers().iter().chain(&sip.trusted_peers).copied().collect();
    let nets: Vec<_> = peers.into_iter().map(Into::into).collect();
    EndpointConfig {
        udp: sip.listen_udp.clone(),
        tcp: sip.listen_tcp.clone(),
        tls: sip.listen_tls.clone(),
        ws: sip.listen_ws.clone(),
        wss: sip.listen_wss.clone(),
        tls_identity: sip.tls_identity(),
        tls_ca: is_given(&sip.tls_ca).then(|| sip.tls_ca.clone()),
        advertised_ip: sip.advertised_ip,
        product: concat!("Qingting/", env!("CARGO_PKG_VERSION")).to_owned(),
        calls_max: sip.concurrent_calls_max,
        edge: EdgeConfig {
            realm: sip.realm.clone(),
            directory: Some(seats),
            authenticate_all_but: (!sip.strangers).then(|| nets.clone()),
            trusted: nets,
            proxies: sip.proxies.iter().copied().map(Into::into).collect(),
            md5_only: sip.md5_only,
            emergency_users: Emergency::ALL.map(|of| of.number().to_owned()).to_vec(),
            admission: Some(limits(sip.calls_per_second_max, sip.concurrent_calls_max)),
        },
        capture: sip.capture_server.map(|to| (to, sip.capture_id)),
        session: SessionConfig { expires_s: sip.session_expires_s, ..SessionConfig::default() },
        ..EndpointConfig::default()
    }
}

/// The usual limits, with the operator's own for new calls of all sources; 0 is none.
fn limits(calls_per_second_max: u32, calls_max: usize) -> AdmissionLimits {
    let most = if calls_per_second_max == 0 { u32::MAX } else { calls_per_second_max };
    AdmissionLimits::with(most, calls_max)
}

fn is_given(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}
