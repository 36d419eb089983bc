//! What this server knows of the others: their telephones and their calls.

use super::letter::{SharedCall, SharedTelephone};
use qingting_api::CallNow;
use qingting_common::{CallId, UnixMillis};
use qingting_sip::message::{NameAddr, SipUri};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A telephone that registered with another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telephone {
    pub contact: SipUri,
    pub path: Vec<NameAddr>,
    pub is_browser: bool,
    pub expires_at: UnixMillis,
}

impl Telephone {
    /// As other servers are told of it.
    pub fn shared(&self, now: UnixMillis) -> SharedTelephone {
        SharedTelephone {
            contact: self.contact.to_string(),
            path: self.path.iter().map(ToString::to_string).collect(),
            is_browser: self.is_browser,
            left_ms: u64::try_from(self.expires_at.0 - now.0).unwrap_or(0),
        }
    }
}

/// See above.
#[derive(Default)]
pub struct Others(Mutex<Known>);

#[derive(Default)]
struct Known {
    servers: HashMap<String, SocketAddr>,
    calls: HashMap<CallId, (String, SharedCall)>,
    /// By extension and server.
    telephones: HashMap<String, HashMap<String, Vec<Telephone>>>,
    /// By extension, of servers that have gone or begun anew: until they are refreshed somewhere, or their time is over.
    left: HashMap<String, Vec<Telephone>>,
}

/// Telephones of one seat that are kept of servers that are gone; those that hold longest stay.
const LEFT_MAX: usize = 8;

impl Known {
    /// What registered with that server is nobody's now.
    fn has_gone(&mut self, server: &str) {
        for (extension, of_seat) in &mut self.telephones {
            let mut its = of_seat.remove(server).unwrap_or_default();
            // One that has moved to another server since is that one's.
            its.retain(|of| !of_seat.values().flatten().any(|known| outlasts(known, of)));
            let left = self.left.entry(extension.clone()).or_default();
            its.into_iter().for_each(|telephone| keep_left(left, telephone));
        }
        self.telephones.retain(|_, of_seat| !of_seat.is_empty());
        self.left.retain(|_, left| !left.is_empty());
    }

    /// These telephones of a seat registered with a server that is there: what that one says of them counts from now on.
    fn are_registered(&mut self, extension: &str, telephones: &[Telephone]) {
        let Some(left) = self.left.get_mut(extension) else { return };
        left.retain(|of| !telephones.iter().any(|known| outlasts(known, of)));
        self.left.retain(|_, left| !left.is_empty());
    }
}

/// Whether one is the other, registered no earlier.
fn outlasts(known: &Telephone, other: &Telephone) -> bool {
    known.contact == other.contact && known.expires_at >= other.expires_at
}

fn keep_left(left: &mut Vec<Telephone>, telephone: Telephone) {
    match left.iter_mut().find(|of| of.contact == telephone.contact) {
        Some(known) if known.expires_at >= telephone.expires_at => return,
        Some(known) => *known = telephone,
        None => left.push(telephone),
    }
    left.sort_by_key(|telephone| std::cmp::Reverse(telephone.expires_at));
    left.truncate(LEFT_MAX);
}

fn read(now: UnixMillis, told: &SharedTelephone) -> Option<Telephone> {
    let path: Vec<NameAddr> = told.path.iter().filter_map(|of| NameAddr::parse(of)).collect();
    // Without its whole way it cannot be reached.
    (path.len() == told.path.len() && !path.is_empty()).then_some(())?;
    let expires_at = now + Duration::from_millis(told.left_ms);
    let is_browser = told.is_browser;
    Some(Telephone { contact: told.contact.parse().ok()?, path, is_browser, expires_at })
}

impl Others {
    /// A server is there, with its HTTP address.
    pub fn is_there(&self, server: &str, http: SocketAddr) {
        self.lock().servers.insert(server.to_owned(), http);
    }

    /// A server is gone and its calls with it. **Its telephones stay**: the proxy that leads to them is not gone.
    pub fn gone(&self, server: &str) {
        let mut known = self.lock();
        known.servers.remove(server);
        known.calls.retain(|_, (of, _)| of != server);
        known.has_gone(server);
    }

    /// A server tells all its calls and telephones anew. **The telephones stay that it does not know of any more**: they
    /// registered before it was started again, and will do so anew in their time, in some minutes.
    pub fn tells_anew(&self, server: &str) {
        let mut known = self.lock();
        known.calls.retain(|_, (of, _)| of != server);
        known.has_gone(server);
    }

    /// Nobody is heard any more.
    pub fn silent(&self) {
        let mut known = self.lock();
        known.servers.clear();
        known.calls.clear();
    }

    /// How many others there are.
    pub fn servers(&self) -> usize {
        self.lock().servers.len()
    }

    /// The HTTP address of a server.
    pub fn http(&self, server: &str) -> Option<SocketAddr> {
        self.lock().servers.get(server).copied()
    }

    /// The HTTP address of the server that carries this call.
    pub fn carrier(&self, call: CallId) -> Option<SocketAddr> {
        let known = self.lock();
        let (server, _) = known.calls.get(&call)?;
        known.servers.get(server).copied()
    }

    /// What is seen of a call of that server now.
    pub fn call_is(&self, server: &str, call: CallId, state: Option<SharedCall>) {
        let mut known = self.lock();
        match state {
            Some(state) => {
                known.calls.insert(call, (server.to_owned(), state));
            }
            None => {
                known.calls.remove(&call);
            }
        }
    }

    /// What people see of the others' calls.
    pub fn now(&self) -> Vec<CallNow> {
        self.lock().calls.values().filter_map(|(_, state)| state.now.clone()).collect()
    }

    /// Whether a seat's telephone is in this call of another server.
    pub fn takes_part(&self, call: CallId, extension: &str) -> bool {
        let known = self.lock();
        known.calls.get(&call).is_some_and(|(_, call)| call.seats.iter().any(|of| of == extension))
    }

    /// The call of another server that a seat's telephone is in.
    pub fn call_of_seat(&self, extension: &str) -> Option<CallId> {
        let known = self.lock();
        let has = |call: &SharedCall| call.seats.iter().any(|of| of == extension);
        known.calls.iter().find(|(_, (_, call))| has(call)).map(|(id, _)| *id)
    }

    /// Where a seat's telephones are that registered with that server.
    pub fn telephones_are(
        &self,
        now: UnixMillis,
        server: &str,
        extension: String,
        told: &[SharedTelephone],
    ) {
        let telephones: Vec<Telephone> = told.iter().filter_map(|told| read(now, told)).collect();
        let mut known = self.lock();
        known.are_registered(&extension, &telephones);
        let of_seat = known.telephones.entry(extension).or_default();
        if telephones.is_empty() {
            of_seat.remove(server);
        } else {
            of_seat.insert(server.to_owned(), telephones);
        }
        known.telephones.retain(|_, of_seat| !of_seat.is_empty());
    }

    /// These telephones of a seat registered with this server.
    pub fn own_are(&self, extension: &str, own: &[Telephone]) {
        self.lock().are_registered(extension, own);
    }

    /// Another server tells of telephones of a seat that registered with one that has gone or begun anew. Those that are known as
    /// somebody's already, registered no earlier, are not taken.
    pub fn telephones_left(
        &self,
        now: UnixMillis,
        extension: String,
        told: &[SharedTelephone],
        own: &[Telephone],
    ) {
        let mut known = self.lock();
        let of_servers = known.telephones.get(&extension);
        let of_servers = of_servers.into_iter().flat_map(HashMap::values).flatten();
        let somebodys: Vec<Telephone> = of_servers.chain(own).cloned().collect();
        let telephones = told.iter().filter_map(|told| read(now, told));
        let telephones = telephones.filter(|of| !somebodys.iter().any(|known| outlasts(known, of)));
        let left = known.left.entry(extension).or_default();
        telephones.for_each(|telephone| keep_left(left, telephone));
        known.left.retain(|_, left| !left.is_empty());
    }

    /// What is known of telephones of servers that have gone or begun anew, by extension.
    pub fn left(&self, now: UnixMillis) -> Vec<(String, Vec<SharedTelephone>)> {
        let mut known = self.lock();
        known.left.retain(|_, left| {
            left.retain(|telephone| telephone.expires_at > now);
            !left.is_empty()
        });
        let of_seat = |(extension, left): (&String, &Vec<Telephone>)| {
            (extension.clone(), left.iter().map(|of| of.shared(now)).collect())
        };
        known.left.iter().map(of_seat).collect()
    }

    /// Those of a seat that are not over, the one refreshed last first.
    pub fn telephones(&self, now: UnixMillis, extension: &str) -> Vec<Telephone> {
        let known = self.lock();
        let of_servers = known.telephones.get(extension).into_iter().flat_map(HashMap::values);
        let left = known.left.get(extension).into_iter();
        let all = of_servers.chain(left).flatten();
        let mut all: Vec<Telephone> = all.filter(|of| of.expires_at > now).cloned().collect();
        all.sort_by_key(|telephone| std::cmp::Reverse(telephone.expires_at));
        all
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, left_ms: u64) -> SharedTelephone {
        SharedTelephone {
            contact: "sip:x@10.0.0.9:5070".into(),
            path: vec![path.into()],
            is_browser: false,
            left_ms,
        }
    }

    #[test]
    fn a_telephone_outlives_its_server_but_not_its_time() {
        let others = Others::default();
        let path = "<sip:10.0.0.1;lr;received=sip:10.0.0.9:5070>";
        others.telephones_are(UnixMillis(0), "a", "801".into(), &[told(path, 3_000)]);
        let two = [told(path, 2_000), told("nonsense", 9_000)];
        others.telephones_are(UnixMillis(0), "b", "801".into(), &two);
        others.gone("a");
        let left = |now| others.telephones(UnixMillis(now), "801").len();
        assert_eq!((left(1_000), left(2_000), left(3_000)), (2, 1, 0));
        assert_eq!(others.telephones(UnixMillis(0), "802"), []);
    }

    const PATH: &str = "<sip:10.0.0.1;lr>";

    fn telephone(left_ms: u64) -> Telephone {
        read(UnixMillis(0), &told(PATH, left_ms)).unwrap()
    }

    #[test]
    fn a_server_that_begins_anew_is_told_of_the_telephones_that_it_had() {
        let now = UnixMillis(0);
        for says_hello in [true, false] {
            let others = Others::default();
            others.telephones_are(now, "a", "801".into(), &[told(PATH, 5_000)]);
            assert_eq!(others.left(now), []);
            if says_hello {
                others.tells_anew("a");
            } else {
                others.gone("a");
            }
            let left = others.left(UnixMillis(1_000));
            assert_eq!(left, [("801".to_owned(), vec![told(PATH, 4_000)])]);
        }
        let anew = Others::default();
        let there = || anew.telephones(now, "801").len();
        let hear = |own: &[Telephone]| {
            anew.telephones_left(now, "801".into(), &[told(PATH, 4_000)], own);
            there()
        };
        // Not where it has registered since.
        assert_eq!(hear(&[telephone(4_000)]), 0);
        assert_eq!((hear(&[telephone(3_000)]), hear(&[])), (1, 1));
        assert_eq!(anew.telephones(UnixMillis(4_000), "801"), []);
        anew.own_are("801", &[telephone(9_000)]);
        assert_eq!(there(), 0);
    }

    #[test]
    fn a_telephone_that_is_left_is_the_servers_where_it_registers_next() {
        let now = UnixMillis(0);
        let others = Others::default();
        others.telephones_are(now, "a", "801".into(), &[told(PATH, 5_000)]);
        // It was at another one before, which has not heard of its move.
        others.telephones_are(now, "b", "801".into(), &[told(PATH, 3_000)]);
        others.gone("a");
        others.telephones_are(now, "b", "801".into(), &[told(PATH, 3_000)]);
        assert_eq!(others.telephones(UnixMillis(3_000), "801").len(), 1);
        others.telephones_are(now, "b", "801".into(), &[told(PATH, 9_000)]);
        assert_eq!((others.left(now), others.telephones(now, "801").len()), (vec![], 1));
        others.telephones_are(now, "b", "801".into(), &[]);
        assert_eq!(others.telephones(now, "801"), []);
    }

    #[test]
    fn telephones_that_are_left_have_a_most() {
        let others = Others::default();
        for port in 0..20 {
            let of = SharedTelephone {
                contact: format!("sip:x@10.0.0.9:{}", 5_070 + port),
                ..told("<sip:10.0.0.1;lr>", 1_000 + port)
            };
            others.telephones_left(UnixMillis(0), "801".into(), &[of], &[]);
        }
        let kept = others.telephones(UnixMillis(0), "801");
        assert_eq!((kept.len(), kept[0].expires_at), (LEFT_MAX, UnixMillis(1_019)));
    }

    #[test]
    fn a_call_goes_with_its_server() {
        let others = Others::default();
        let http: SocketAddr = "10.0.0.2:8000".parse().unwrap();
        let call = CallId::new(uuid::Uuid::from_u128(1));
        others.is_there("a", http);
        let seats = vec!["801".to_owned()];
        others.call_is("a", call, Some(SharedCall { now: None, seats }));
        assert_eq!(others.carrier(call), Some(http));
        assert!(others.takes_part(call, "801") && !others.takes_part(call, "802"));
        assert_eq!(others.call_of_seat("801"), Some(call));
        others.gone("a");
        assert_eq!((others.carrier(call), others.call_of_seat("801")), (None, None));
    }
}
