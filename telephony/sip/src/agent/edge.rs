//! Whom the agent hears and whom it knows: configuration and state of the edge.

use crate::admission::{AdmissionLimits, Gate};
use crate::auth::{Directory, Verifier};
use crate::message::{HeaderName, Headers, Via};
use crate::registrar::Registrar;
use crate::transport::{Flow, Sender};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Emergency numbers of China: police, fire, ambulance, traffic accidents.
pub const EMERGENCY_USERS: [&str; 4] = ["110", "119", "120", "122"];

/// Whom the endpoint hears and whom it knows. The default knows nobody and hears everybody.
#[derive(Clone)]
pub struct EdgeConfig {
    /// The realm of digest authentication: the one that the directory's hashes are made with.
    pub realm: String,
    /// Who may register and call as a user; without it REGISTER is refused with 405.
    pub directory: Option<Arc<dyn Directory>>,
    /// Peers whose INVITEs need no user (trunks). `Some` refuses those of all others with 403
    /// unless they are a user's, who is known by a From at our realm, our address or the host of
    /// the Request-URI; `None` lets everybody call, but for who calls from there without a user's password.
    pub authenticate_all_but: Option<Vec<IpNet>>,
    /// Sources that are not held to the limits of a source, and never asked for a password:
    /// trunks. Those of `authenticate_all_but` need not be repeated.
    pub trusted: Vec<IpNet>,
    /// Proxies of ours, through which telephones and trunks reach us. Of what they send the sender is whom
    /// their Via names, and telephones that register through them are reached by their Path (RFC 3327).
    pub proxies: Vec<IpNet>,
    /// Telephones are asked for MD5 alone, except over WebSocket. Some older ones refuse the whole
    /// challenge for an algorithm that they do not know, against RFC 8760 §2.4.
    pub md5_only: bool,
    /// Users of a Request-URI whose calls may take a reserved place, see
    /// [`AdmissionLimits::reserved_calls`].
    pub emergency_users: Vec<String>,
    /// What is let in; `None` lets in everything.
    pub admission: Option<AdmissionLimits>,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            realm: "qingting".to_owned(),
            directory: None,
            authenticate_all_but: None,
            trusted: Vec::new(),
            proxies: Vec::new(),
            md5_only: false,
            emergency_users: EMERGENCY_USERS.map(str::to_owned).into(),
            admission: None,
        }
    }
}

impl fmt::Debug for EdgeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeConfig")
            .field("realm", &self.realm)
            .field("directory", &self.directory.is_some())
            .field("authenticate_all_but", &self.authenticate_all_but)
            .field("trusted", &self.trusted)
            .field("proxies", &self.proxies)
            .field("admission", &self.admission)
            .finish_non_exhaustive()
    }
}

impl EdgeConfig {
    /// Whether a source is a trunk or else vouched for.
    pub fn trusts(&self, source: IpAddr) -> bool {
        let ip = source.to_canonical();
        let exempt = self.authenticate_all_but.iter().flatten();
        self.trusted.iter().chain(exempt).any(|net| net.contains(&ip))
    }

    /// Whether an address is a proxy of ours.
    pub(crate) fn is_proxy(&self, addr: SocketAddr) -> bool {
        let ip = addr.ip().to_canonical();
        self.proxies.iter().any(|net| net.contains(&ip))
    }

    /// Whether a proxy of ours passed on a request whose Via does not say in a readable way whom it had it from: then
    /// nobody would answer for it.
    pub(super) fn is_unsigned(&self, flow: Flow, headers: &Headers) -> bool {
        let mut vias = headers.all(&HeaderName::Via).skip(1);
        self.is_proxy(flow.remote)
            && vias.next().is_some_and(|via| Via::parse(via).and_then(|via| via.sender()).is_none())
    }

    /// Who sent a request. **Only a proxy of ours is believed** about whom it had it from: each Via says
    /// who put the next one there (RFC 3261 §18.2.1).
    pub(super) fn sender(&self, flow: Flow, headers: &Headers) -> Sender {
        let mut sender = Sender { transport: flow.transport, addr: flow.remote };
        let mut vias = headers.all(&HeaderName::Via).skip(1);
        while self.is_proxy(sender.addr) {
            let Some(before) = vias.next().and_then(Via::parse).and_then(|via| via.sender()) else {
                break;
            };
            sender = before;
        }
        sender
    }
}

/// The state of the edge.
pub(super) struct Edge {
    pub(super) config: EdgeConfig,
    pub(super) verifier: Verifier,
    pub(super) registrar: Registrar,
    pub(super) gate: Option<Gate>,
}

impl Edge {
    pub(super) fn new(config: EdgeConfig, seed: [u8; 32]) -> Self {
        // Of its own, so that tags and nonces tell nothing about each other.
        let key = Sha256::new_with_prefix(b"digest nonces").chain_update(seed).finalize();
        Self {
            verifier: Verifier::new(&config.realm, key.into()),
            registrar: Registrar::default(),
            gate: config.admission.map(Gate::new),
            config,
        }
    }
}
