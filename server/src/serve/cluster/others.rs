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

/// See above.
#[derive(Default)]
pub struct Others(Mutex<Known>);

#[derive(Default)]
struct Known {
    servers: HashMap<String, SocketAddr>,
    calls: HashMap<CallId, (String, SharedCall)>,
    /// By extension and server.
    telephones: HashMap<String, HashMap<String, Vec<Telephone>>>,
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
    }

    /// A server tells all its calls anew.
    pub fn tells_anew(&self, server: &str) {
        self.lock().calls.retain(|_, (of, _)| of != server);
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
        let telephone = |told: &SharedTelephone| {
            let path: Vec<NameAddr> =
                told.path.iter().filter_map(|of| NameAddr::parse(of)).collect();
            // Without its whole way it cannot be reached.
            (path.len() == told.path.len() && !path.is_empty()).then_some(())?;
            let expires_at = now + Duration::from_millis(told.left_ms);
            let is_browser = told.is_browser;
            Some(Telephone { contact: told.contact.parse().ok()?, path, is_browser, expires_at })
        };
        let telephones: Vec<Telephone> = told.iter().filter_map(telephone).collect();
        let mut known = self.lock();
        let of_seat = known.telephones.entry(extension).or_default();
        if telephones.is_empty() {
            of_seat.remove(server);
        } else {
            of_seat.insert(server.to_owned(), telephones);
        }
        known.telephones.retain(|_, of_seat| !of_seat.is_empty());
    }

    /// Those of a seat that are not over, the one refreshed last first.
    pub fn telephones(&self, now: UnixMillis, extension: &str) -> Vec<Telephone> {
        let mut known = self.lock();
        let Some(of_seat) = known.telephones.get_mut(extension) else { return Vec::new() };
        for telephones in of_seat.values_mut() {
            telephones.retain(|telephone| telephone.expires_at > now);
        }
        let mut all: Vec<Telephone> = of_seat.values().flatten().cloned().collect();
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
        others.telephones_are(UnixMillis(0), "a", "801".into(), &[told(path, 2_000)]);
        let two = [told(path, 3_000), told("nonsense", 9_000)];
        others.telephones_are(UnixMillis(0), "b", "801".into(), &two);
        others.gone("a");
        let left = |now| others.telephones(UnixMillis(now), "801").len();
        assert_eq!((left(1_000), left(2_000), left(3_000)), (2, 1, 0));
        assert_eq!(others.telephones(UnixMillis(0), "802"), []);
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
