//! Names to addresses, A and AAAA only.

use crate::agent::{CallKey, Command};
use crate::handle::OutgoingInvite;
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
    /// For a call to make.
    Target { call: CallKey, invite: Box<OutgoingInvite>, call_id: String, addr: Option<SocketAddr> },
    /// For the next hop of a dialog; `None` when nothing was found.
    Hop(Option<Command>),
}

/// **Holds no more than [`LOOKUPS_MAX`] threads**: `getaddrinfo` cannot be stopped and keeps its
/// thread when nobody waits any more, so its place is given back by that thread alone.
pub(super) struct Lookups {
    tasks: JoinSet<Found>,
    places: Arc<Semaphore>,
}

impl Lookups {
    pub(super) fn new() -> Self {
        Self { tasks: JoinSet::new(), places: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }

    /// The next result; `None` when nothing is being looked up.
    pub(super) async fn next(&mut self) -> Option<Found> {
        self.tasks.join_next().await?.ok()
    }

    /// Finds the address of a call's target; the call comes back at once when no place is free.
    pub(super) fn target(
        &mut self,
        call: CallKey,
        invite: Box<OutgoingInvite>,
        call_id: String,
        (host, port): (String, u16),
    ) {
        let place = self.place();
        self.tasks.spawn(async move {
            let addr = first(place, host, port).await;
            Found::Target { call, invite, call_id, addr }
        });
    }

    /// Finds the address of a dialog's next hop, if a place is free.
    pub(super) fn hop(&mut self, call: CallKey, host: String, port: u16) {
        let Some(place) = self.place() else { return };
        self.tasks.spawn(async move {
            let addr = first(Some(place), host.clone(), port).await;
            Found::Hop(addr.map(|addr| Command::Resolved { call, host, addr }))
        });
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }
}

async fn first(place: Option<OwnedSemaphorePermit>, host: String, port: u16) -> Option<SocketAddr> {
    let find = move || (host.as_str(), port).to_socket_addrs().ok()?.next();
    within(LOOKUP_MAX, place?, find).await
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
        assert_eq!(first(lookups.place(), "localhost".to_owned(), 5060).await, None);
    }
}
