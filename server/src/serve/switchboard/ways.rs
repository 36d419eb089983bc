//! How a target is reached: the bindings of a telephone of ours, or the trunks in their order.

use super::seats::seat_name;
use super::{Beginning, Fault, Switchboard};
use crate::clock;
use crate::config::{self, Config};
use crate::serve::{Hotline, cluster};
use anyhow::{Context, Result};
use qingting_common::{CallId, UnixMillis};
use qingting_core::call::{Origin, Role, Target};
use qingting_core::numbers::{Number, TrunkForm, TrunkRule};
use qingting_sip::auth::Credentials;
use qingting_sip::dialog::transport_of;
use qingting_sip::message::{HeaderName, NameAddr, SipUri};
use qingting_sip::registrar::Binding;
use qingting_sip::trunk::{Account, TrunkConfig, TrunkSet, TrunkStatus};
use qingting_sip::{Endpoint, Flow, OutgoingInvite, Transport};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The call's id and what the called seat is in it, for the seat's page.
const CALL_HEADER: &str = "X-Qingting-Call";
const ROLE_HEADER: &str = "X-Qingting-Role";

/// The field that tells a seat's page which call it is.
pub fn call_header(call: CallId) -> (HeaderName, String) {
    (HeaderName::Other(CALL_HEADER.to_owned()), call.to_string())
}

/// How long a trunk may say nothing to a call while there is another. One that lives says 100 at
/// once (RFC 3261 §17.2.1).
const TRUNK_SILENCE_MAX: Duration = Duration::from_secs(4);

/// One way to somebody.
pub struct Way {
    /// The INVITE, less the offer.
    pub invite: OutgoingInvite,
    /// The trunk that it goes by.
    pub trunk: Option<String>,
    /// Our address as that peer should see it.
    pub local_ip: Option<IpAddr>,
    /// Whether it is a browser, which takes audio by DTLS and ICE alone.
    pub is_browser: bool,
}

/// The trunks, as the configuration describes them.
pub struct Trunks {
    trunks: Vec<Trunk>,
    /// Addresses from which they call.
    peers: Vec<IpAddr>,
    /// Our address behind NAT (`sip.advertised_ip`).
    advertised: Option<IpAddr>,
    /// Asks how they are; from [`Trunks::start`] on.
    set: OnceLock<TrunkSet>,
    /// Calls that run by each.
    calls: Arc<Mutex<HashMap<String, u32>>>,
}

/// A call's hold on a trunk, which counts as one until it is dropped.
pub struct TrunkLine {
    trunk: String,
    calls: Arc<Mutex<HashMap<String, u32>>>,
}

impl TrunkLine {
    /// The trunk.
    pub fn trunk(&self) -> &str {
        &self.trunk
    }
}

impl Drop for TrunkLine {
    fn drop(&mut self) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = calls.get_mut(&self.trunk) {
            *count = count.saturating_sub(1);
        }
    }
}

struct Trunk {
    settings: config::Trunk,
    uri: SipUri,
    transport: Transport,
    rule: TrunkRule,
}

impl Trunks {
    /// Those of the configuration; `check-config` has looked at them.
    pub fn new(config: &Config) -> Result<Self> {
        let trunks: Vec<Trunk> = config.trunks.iter().map(trunk).collect::<Result<_>>()?;
        let peers = trunks.iter().flat_map(|trunk| {
            let listed = &trunk.settings.peers;
            listed.iter().copied().chain(trunk.uri.ip().filter(|_| listed.is_empty()))
        });
        let peers = peers.collect();
        let advertised = config.sip.advertised_ip;
        Ok(Self { trunks, peers, advertised, set: OnceLock::new(), calls: Arc::default() })
    }

    /// Counts a call by this trunk as long as it is held.
    pub fn line(&self, trunk: &str) -> TrunkLine {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(trunk.to_owned()).or_default() += 1;
        TrunkLine { trunk: trunk.to_owned(), calls: Arc::clone(&self.calls) }
    }

    /// The same of the trunk that a call came from; none of a stranger's.
    pub fn line_of_peer(&self, source: IpAddr) -> Option<TrunkLine> {
        let is_of = |trunk: &&Trunk| match trunk.settings.peers.is_empty() {
            true => trunk.uri.ip() == Some(source),
            false => trunk.settings.peers.contains(&source),
        };
        self.trunks.iter().find(is_of).map(|trunk| self.line(&trunk.settings.name))
    }

    /// Calls that run by this trunk now.
    pub fn calls(&self, trunk: &str) -> u32 {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.get(trunk).copied().unwrap_or_default()
    }

    /// The way to a number by this trunk alone.
    pub fn way_of(&self, trunk: &str, number: &Number) -> Option<Way> {
        let trunk = self.trunks.iter().find(|known| known.settings.name == trunk)?;
        let mut way = trunk.way(number, &trunk.settings.caller_id, Vec::new())?;
        way.local_ip = self.seen_at(way.local_ip, trunk.uri.ip());
        Some(way)
    }

    /// Begins to register with them and to ask how they are. Must run within the SIP runtime.
    pub fn start(&self, endpoint: &Endpoint) {
        if !self.trunks.is_empty() {
            let configs = self.trunks.iter().filter_map(Trunk::config).collect();
            self.set.get_or_init(|| TrunkSet::start(endpoint.clone(), configs));
        }
    }

    /// The address that a trunk is configured by.
    fn ip_of(&self, name: &str) -> Option<IpAddr> {
        let trunk = self.trunks.iter().find(|trunk| trunk.settings.name == name)?;
        trunk.uri.ip()
    }

    /// Our address for a trunk's audio: the advertised one unless the trunk is on our own network, else that of the
    /// way there, else, for a trunk with a name, that of this machine's main interface. **Never the wildcard**, which
    /// an offer would say as a hold.
    fn seen_at(&self, way: Option<IpAddr>, trunk: Option<IpAddr>) -> Option<IpAddr> {
        let is_near = trunk.is_some_and(qingting_sip::is_on_own_network);
        let advertised = self.advertised.filter(|_| !is_near);
        // RFC 5737: an address that is nobody's, so the route is the default one.
        advertised.or(way).or_else(|| route_to(IpAddr::from([192, 0, 2, 1])))
    }

    /// Asks no more and leaves those that we are registered with.
    pub async fn close(&self) {
        if let Some(set) = self.set.get() {
            set.close().await;
        }
    }

    /// A call by this trunk did not get to anybody; how it is will be asked soon.
    pub fn call_failed(&self, name: &str, code: u16) {
        if let Some(set) = self.set.get() {
            set.call_failed(name, Some(code));
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.trunks.is_empty()
    }

    /// How each is.
    pub fn status(&self) -> Vec<TrunkStatus> {
        self.set.get().map(TrunkSet::status).unwrap_or_default()
    }

    /// The number that our calls show by the first trunk.
    pub fn caller_id(&self) -> String {
        self.trunks.first().map(|trunk| trunk.settings.caller_id.clone()).unwrap_or_default()
    }

    /// Addresses from which trunks call.
    pub fn peers(&self) -> &[IpAddr] {
        &self.peers
    }

    /// Those that are up first, by priority.
    fn ordered(&self) -> Vec<&Trunk> {
        let order = self.set.get().map(TrunkSet::order).unwrap_or_default();
        let named = |name: &String| self.trunks.iter().find(|trunk| trunk.settings.name == *name);
        order.iter().filter_map(named).collect()
    }
}

impl Trunk {
    fn config(&self) -> Option<TrunkConfig> {
        let settings = &self.settings;
        let user = if settings.user.is_empty() { &settings.caller_id } else { &settings.user };
        let account = self.credentials().map(|credentials| Account {
            credentials,
            register: settings.register,
            expires_s: None,
        });
        Some(TrunkConfig {
            name: settings.name.clone(),
            peer: self.uri.clone(),
            transport: self.transport,
            priority: settings.priority,
            identity: address(user, &self.uri.host)?,
            account,
        })
    }

    /// The way to a number, with the number that it shows.
    fn way(
        &self,
        number: &Number,
        shown: &str,
        mut headers: Vec<(HeaderName, String)>,
    ) -> Option<Way> {
        let user = self.rule.dial(number);
        let host = &self.uri.host;
        let port = self.uri.port.map(|port| format!(":{port}")).unwrap_or_default();
        let target: SipUri = format!("sip:{user}@{host}{port}").parse().ok()?;
        if !shown.is_empty() {
            headers.insert(0, (HeaderName::PAssertedIdentity, format!("<sip:{shown}@{host}>")));
        }
        let credentials = self.credentials();
        let from = address(shown, host)?;
        let invite = OutgoingInvite {
            headers,
            credentials,
            ..OutgoingInvite::new(target, self.transport, from)
        };
        let (name, local_ip) = (self.settings.name.clone(), own_ip(&self.uri));
        Some(Way { invite, trunk: Some(name), local_ip, is_browser: false })
    }

    fn credentials(&self) -> Option<Credentials> {
        let config::Trunk { user, password, .. } = &self.settings;
        (!user.is_empty()).then(|| Credentials { user: user.clone(), password: password.clone() })
    }
}

fn trunk(settings: &config::Trunk) -> Result<Trunk> {
    let name = || format!("trunk {:?}", settings.name);
    let uri: SipUri = settings.uri.parse().ok().with_context(name)?;
    let transport = settings.sip_transport();
    let (form, prefix) = match settings.number_form.as_str() {
        "e164" => (TrunkForm::E164, String::new()),
        "national" => (TrunkForm::National, String::new()),
        prefix => (TrunkForm::National, prefix.to_owned()),
    };
    let rule = TrunkRule { form, prefix, local_area: None };
    Ok(Trunk { settings: settings.clone(), uri, transport, rule })
}

/// A seat's telephone and the way to it.
struct Telephone {
    contact: SipUri,
    transport: Transport,
    route: Vec<NameAddr>,
    flow: Option<Flow>,
    local_ip: Option<IpAddr>,
    is_browser: bool,
}

impl Telephone {
    fn own(binding: Binding) -> Self {
        let is_browser = binding.transport.is_web();
        if binding.path.is_empty() {
            let (route, flow, local_ip) =
                (Vec::new(), Some(binding.flow), Some(binding.flow.local.ip()));
            let (contact, transport) = (binding.contact, binding.transport);
            return Self { contact, transport, route, flow, local_ip, is_browser };
        }
        Self::behind_proxy(binding.contact, binding.path, is_browser)
    }

    fn of_another(telephone: cluster::Telephone) -> Self {
        Self::behind_proxy(telephone.contact, telephone.path, telephone.is_browser)
    }

    fn behind_proxy(contact: SipUri, route: Vec<NameAddr>, is_browser: bool) -> Self {
        let first = route.first().map(|first| &first.uri);
        let transport = first.map_or(Transport::Udp, |uri| transport_of(uri, Transport::Udp));
        let local_ip = first.and_then(own_ip);
        Self { contact, transport, route, flow: None, local_ip, is_browser }
    }
}

/// Trunks that no call could take.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (place, settings) in config.trunks.iter().enumerate() {
        let Ok(trunk) = trunk(settings) else { continue };
        let mut fault = |what: &str| faults.push(("trunks", place, what.to_owned()));
        if !trunk.rule.prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            fault("`number_form` is none: give national, e164 or a prefix of digits");
        }
        if !is_plain(&settings.caller_id) {
            fault("`caller_id` is no number: give the digits that the called see");
        }
        if !is_plain(&settings.user) {
            fault("`user` cannot stand in a SIP address: give what the operator gave you");
        }
        let is_found = !settings.peers.is_empty() || trunk.uri.ip().is_some();
        if !config.sip.strangers && !is_found {
            fault(
                "`peers` is empty and `uri` is a name: with `sip.strangers = false` its calls would be refused",
            );
        }
    }
    faults
}

impl Switchboard {
    /// How to reach a target, best first; nothing when there is no way.
    pub fn ways(
        &self,
        endpoint: &Endpoint,
        call: CallId,
        role: Role,
        target: &Target,
        beginning: &Beginning,
    ) -> VecDeque<Way> {
        match target {
            Target::Number(number) => {
                let mut ways = self.by_trunk(role, number.expose(), beginning);
                for way in &mut ways {
                    let peer = way.trunk.as_deref().and_then(|trunk| self.trunks.ip_of(trunk));
                    way.local_ip = self.trunks.seen_at(way.local_ip, peer);
                }
                ways
            }
            _ => match self.seat_of(target) {
                Some(seat) => self.to_telephone(endpoint, call, role, seat.as_str(), beginning),
                None => VecDeque::new(),
            },
        }
    }

    /// Every telephone that is registered as this extension, of the kind of the newest: one offer
    /// goes to all of them.
    fn to_telephone(
        &self,
        endpoint: &Endpoint,
        call: CallId,
        role: Role,
        extension: &str,
        beginning: &Beginning,
    ) -> VecDeque<Way> {
        let telephones = self.telephones(endpoint, extension);
        let Some(newest) = telephones.first().map(|telephone| telephone.is_browser) else {
            return VecDeque::new();
        };
        // A colleague sees who calls; the telephone that the call begins at sees whom it calls.
        let caller = match &beginning.origin {
            Origin::Seat { seat, .. } | Origin::ClickToDial { seat, .. } => Some(seat_name(*seat)),
            Origin::Citizen(_) | Origin::Machine { .. } => None,
        };
        let shown = match caller.filter(|seat| seat.as_str() != extension) {
            Some(seat) => seat.as_str().to_owned(),
            None => beginning.citizen.expose().clone(),
        };
        // What stands in a caller's From is its own: only what needs no escape goes on to a seat.
        let shown = if is_plain(&shown) { shown.as_str() } else { "" };
        let Some(from) = address(shown, &self.realm) else { return VecDeque::new() };
        let same = telephones.into_iter().filter(|telephone| telephone.is_browser == newest);
        same.map(|telephone| {
            let headers = vec![
                call_header(call),
                (HeaderName::Other(ROLE_HEADER.to_owned()), role.as_str().to_owned()),
            ];
            let is_proxied = !telephone.route.is_empty();
            let to = telephone.contact.ip();
            let Telephone { contact, transport, route, flow, local_ip, .. } = telephone;
            let local_ip = if is_proxied { self.trunks.seen_at(local_ip, to) } else { local_ip };
            let invite = OutgoingInvite {
                headers,
                route,
                flow,
                ..OutgoingInvite::new(contact, transport, from.clone())
            };
            Way { invite, trunk: None, local_ip, is_browser: newest }
        })
        .collect()
    }

    /// Whether a seat's telephone is registered, with whichever server.
    pub fn is_reachable(&self, hotline: &Hotline, extension: &str) -> bool {
        !hotline.endpoint.bindings(extension).is_empty()
            || !self.cluster.others.telephones(clock::unix_now(), extension).is_empty()
    }

    /// A seat's telephones, the one that registered last first. One that moved from one server to another is
    /// known to both.
    fn telephones(&self, endpoint: &Endpoint, extension: &str) -> Vec<Telephone> {
        let now = clock::unix_now();
        let own = endpoint.bindings(extension).into_iter().map(|binding| {
            let expires_at = now + endpoint.time_left(&binding);
            (expires_at, Telephone::own(binding))
        });
        let others = self.cluster.others.telephones(now, extension).into_iter();
        let others = others.map(|of| (of.expires_at, Telephone::of_another(of)));
        let mut all: Vec<(UnixMillis, Telephone)> = own.chain(others).collect();
        all.sort_by_key(|(expires_at, _)| std::cmp::Reverse(*expires_at));
        let mut telephones: Vec<Telephone> = Vec::new();
        for (_, telephone) in all {
            if telephones.iter().all(|known| known.contact != telephone.contact) {
                telephones.push(telephone);
            }
        }
        telephones
    }

    fn by_trunk(&self, role: Role, number: &str, beginning: &Beginning) -> VecDeque<Way> {
        let Ok(number) = Number::read(number, None) else { return VecDeque::new() };
        let ways = self.trunks.ordered().into_iter().filter_map(|trunk| {
            let host = &trunk.uri.host;
            let own = beginning.errand.as_ref().map(|errand| &errand.caller_id);
            let shown = own.filter(|own| !own.is_empty()).unwrap_or(&trunk.settings.caller_id);
            let mut headers = Vec::new();
            // A call that goes on to somebody else says from which number it was sent there.
            if role == Role::Other && !beginning.called.is_empty() && is_plain(&beginning.called) {
                let diversion = format!("<sip:{}@{host}>;reason=unconditional", beginning.called);
                headers.push((HeaderName::Other("Diversion".to_owned()), diversion));
            }
            trunk.way(&number, shown, headers)
        });
        let mut ways: VecDeque<Way> = ways.collect();
        // Whoever has no other trunk waits for the one there is as long as SIP does.
        let last = ways.len().saturating_sub(1);
        for way in ways.iter_mut().take(last) {
            way.invite.silence_max = Some(TRUNK_SILENCE_MAX);
        }
        ways
    }
}

/// Whether a text stands in a URI's user as it is (RFC 3261 §25.1, of `unreserved` the usual ones).
fn is_plain(user: &str) -> bool {
    user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._*".contains(&byte))
}

/// Who calls, as a SIP address.
fn address(user: &str, host: &str) -> Option<NameAddr> {
    let user = if user.is_empty() { "anonymous" } else { user };
    NameAddr::parse(&format!("<sip:{user}@{host}>"))
}

/// The address of ours that reaches a trunk; none of one that has a name, whose address is not known
/// yet.
fn own_ip(uri: &SipUri) -> Option<IpAddr> {
    route_to(uri.ip()?)
}

fn route_to(ip: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr =
        if ip.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    // Nothing is sent: the kernel only chooses the route.
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect((ip, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunks_audio_is_never_asked_for_at_the_wildcard() {
        let mut config = Config::default();
        let trunks = Trunks::new(&config).unwrap();
        let way = IpAddr::from([10, 0, 0, 7]);
        assert_eq!(trunks.seen_at(Some(way), None), Some(way));
        assert!(trunks.seen_at(None, None).is_none_or(|ip| !ip.is_unspecified()));
        let advertised = IpAddr::from([203, 0, 113, 7]);
        config.sip.advertised_ip = Some(advertised);
        let trunks = Trunks::new(&config).unwrap();
        let outside = Some(IpAddr::from([198, 51, 100, 9]));
        assert_eq!(trunks.seen_at(Some(way), outside), Some(advertised));
        assert_eq!(trunks.seen_at(Some(way), None), Some(advertised));
        let here = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(trunks.seen_at(Some(here), Some([127, 0, 0, 2].into())), Some(here));
    }

    #[test]
    fn only_what_needs_no_escape_goes_into_an_address_of_ours() {
        for plain in ["13800138000", "+8613800138000", "anonymous", "alice.b", "", "*30"] {
            assert!(is_plain(plain) && address(plain, "q").is_some(), "{plain}");
        }
        for odd in ["张三", "a b", "1>;x=\"", "a@b", "1;isub=2"] {
            assert!(!is_plain(odd), "{odd}");
        }
    }
}
