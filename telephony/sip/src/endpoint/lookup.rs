//! Names to addresses: SRV by DNS, A and AAAA as the system knows them.

use crate::agent::{CallKey, Command};
use crate::handle::OutgoingInvite;
use crate::locate::{ADDRESSES_MAX, Plan, Service, in_order};
use crate::request::OutgoingRequest;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

/// How long one lookup is waited for.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// Lookups at once, at most; beyond, a name counts as unknown. Each holds a thread of the runtime,
/// and strangers can ask for lookups by their Contact.
const LOOKUPS_MAX: usize = 64;

/// What a lookup was for, and its result.
pub(super) enum Found {
    /// For something to send; `None` when nothing was found.
    Target { errand: Errand, host: String, addrs: Vec<SocketAddr> },
    /// For the next hop of a dialog.
    Hop(Option<Command>),
}

/// What waits for an address.
pub(super) enum Errand {
    /// A call to make.
    Invite { call: CallKey, invite: Box<OutgoingInvite>, call_id: String },
    /// A request to send.
    Request { number: u64, request: Box<OutgoingRequest> },
}

/// **Holds no more than [`LOOKUPS_MAX`] threads**: `getaddrinfo` cannot be stopped and keeps its
/// thread when nobody waits any more, so its place is given back by that thread alone.
pub(super) struct Lookups {
    tasks: JoinSet<Found>,
    places: Arc<Semaphore>,
    /// `None` where the system has no DNS configured: then there are no SRV records.
    resolver: Option<TokioResolver>,
}

impl Lookups {
    pub(super) fn new() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        if let Err(error) = &resolver {
            tracing::info!(%error, "no DNS is configured: SRV records are not looked up");
        }
        let places = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self { tasks: JoinSet::new(), places, resolver: resolver.ok() }
    }

    /// The next result; `None` when nothing is being looked up.
    pub(super) async fn next(&mut self) -> Option<Found> {
        self.tasks.join_next().await?.ok()
    }

    /// Finds the addresses of a target; it comes back at once when no place is free.
    pub(super) fn target(&mut self, errand: Errand, plan: Plan) {
        let (place, resolver) = (self.place(), self.resolver.clone());
        self.tasks.spawn(async move {
            let (host, addrs) = match plan {
                Plan::Address(address) => (String::new(), vec![address]),
                Plan::Host(host, port) => (host.clone(), all(place, vec![(host, port)]).await),
                Plan::Service { name, host, port } => {
                    let services = services(resolver, name).await;
                    let hosts: Vec<_> = services.into_iter().map(|it| (it.host, it.port)).collect();
                    let hosts = if hosts.is_empty() { vec![(host.clone(), port)] } else { hosts };
                    (host, all(place, hosts).await)
                }
            };
            Found::Target { errand, host, addrs }
        });
    }

    /// Finds the address of a dialog's next hop, if a place is free.
    pub(super) fn hop(&mut self, call: CallKey, host: String, port: u16) {
        let Some(place) = self.place() else { return };
        self.tasks.spawn(async move {
            let addrs = all(Some(place), vec![(host.clone(), port)]).await;
            let addr = addrs.first().copied();
            Found::Hop(addr.map(|addr| Command::Resolved { call, host, addr }))
        });
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

/// The SRV records of a name in the order of RFC 2782; none when DNS does not answer in time.
async fn services(resolver: Option<TokioResolver>, name: String) -> Vec<Service> {
    let Some(resolver) = resolver else { return Vec::new() };
    let Ok(Ok(found)) = timeout(LOOKUP_MAX, resolver.srv_lookup(name)).await else {
        return Vec::new();
    };
    let record = |data: &RData| {
        let RData::SRV(srv) = data else { return None };
        let host = srv.target.to_ascii().trim_end_matches('.').to_owned();
        // RFC 2782: "." says that the service is not offered.
        let (priority, weight, port) = (srv.priority, srv.weight, srv.port);
        (!host.is_empty()).then_some(Service { priority, weight, port, host })
    };
    let records = found.answers().iter().filter_map(|answer| record(&answer.data)).collect();
    in_order(records, |max| rand::random_range(0..=max))
}

/// The addresses of hosts, in their order.
async fn all(place: Option<OwnedSemaphorePermit>, hosts: Vec<(String, u16)>) -> Vec<SocketAddr> {
    let Some(place) = place else { return Vec::new() };
    let find = move || {
        let found =
            hosts.iter().filter_map(|(host, port)| (host.as_str(), *port).to_socket_addrs().ok());
        let mut addrs: Vec<SocketAddr> = Vec::new();
        for addr in found.flatten() {
            if !addrs.contains(&addr) && addrs.len() < ADDRESSES_MAX {
                addrs.push(addr);
            }
        }
        Some(addrs)
    };
    within(LOOKUP_MAX, place, find).await.unwrap_or_default()
}

/// The result of blocking work, if it comes in time. The work keeps its place until its own end.
async fn within<T: Send + 'static>(
    limit: Duration,
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    let done = spawn_blocking(move || {
        let _place = place;
        work()
    });
    timeout(limit, done).await.ok()?.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[tokio::test]
    async fn a_lookup_that_nobody_waits_for_keeps_its_place_until_it_ends() {
        let lookups = Lookups::new();
        let (release, stuck) = sync_channel::<()>(0);
        let place = lookups.place().unwrap();
        let work = move || stuck.recv().ok();
        assert_eq!(within(Duration::from_millis(1), place, work).await, None);
        assert_eq!(lookups.places.available_permits(), LOOKUPS_MAX - 1);
        release.send(()).unwrap();
        let freed = lookups.places.acquire_many(LOOKUPS_MAX as u32);
        assert!(timeout(LOOKUP_MAX, freed).await.is_ok(), "given back");
    }

    #[tokio::test]
    async fn without_a_place_a_name_is_unknown() {
        let mut lookups = Lookups::new();
        let _taken: Vec<_> = (0..LOOKUPS_MAX).map(|_| lookups.place().unwrap()).collect();
        lookups.hop(CallKey(1), "localhost".to_owned(), 5060);
        assert!(lookups.next().await.is_none());
        assert_eq!(all(lookups.place(), vec![("localhost".to_owned(), 5060)]).await, []);
    }
}
