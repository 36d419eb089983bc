//! The bindings of all users.

use super::Refused;
use super::binding::{Binding, reachable, same_contact};
use super::wish::{Wish, WishedContact, user_agent};
use crate::message::{HeaderName, NameAddr, Request, SipUri};
use crate::transport::{Flow, Link, Sender};
use qingting_common::Millis;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// Bindings of one user, at most; a further one takes the place of the one refreshed longest ago.
pub const BINDINGS_PER_USER_MAX: usize = 8;

/// **Keeps bindings for users that the directory knows, no longer than they wished, none by a
/// connection that is gone.**
#[derive(Default)]
pub struct Registrar {
    users: HashMap<String, Vec<Entry>>,
    /// Users whose bindings changed since [`Registrar::take_changed`].
    changed: BTreeSet<String>,
    /// How many bindings came by each way.
    ways: HashMap<Way, usize>,
    count: usize,
    /// No binding ends before this.
    next: Option<Millis>,
}

type Way = (Option<Link>, SocketAddr);

const fn way(flow: Flow) -> Way {
    (flow.link, flow.remote)
}

struct Entry {
    binding: Binding,
    /// What its telephone is known by.
    way: Way,
    /// As the user wrote it: what it is known and told by.
    written: SipUri,
    instance: Option<String>,
    call_id: String,
    cseq: u32,
    refreshed: Millis,
}

impl Entry {
    fn is(&self, wished: &WishedContact) -> bool {
        let same_instance = self.instance.is_some() && self.instance == wished.instance;
        same_instance || same_contact(&self.written, &wished.uri)
    }
}

impl Registrar {
    /// Carries out a user's REGISTER; the Contact and Path fields of its 200. `proxied`: who sent it, where
    /// it came through a proxy of ours.
    ///
    /// # Errors
    /// [`Refused`]; then nothing has changed (RFC 3261 §10.3).
    pub fn register(
        &mut self,
        now: Millis,
        user: &str,
        request: &Request,
        flow: Flow,
        proxied: Option<Sender>,
    ) -> Result<Vec<(HeaderName, String)>, Refused> {
        self.fire(now);
        let wish = Wish::read(request, BINDINGS_PER_USER_MAX)?;
        let entries = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        let touched = |entry: &&Entry| match &wish {
            Wish::Tell => false,
            Wish::ForgetAll => true,
            Wish::Contacts(contacts) => contacts.iter().any(|wished| entry.is(wished)),
        };
        let late =
            |entry: &Entry| entry.call_id == request.call_id && request.cseq.number <= entry.cseq;
        if entries.iter().filter(touched).any(late) {
            return Err(Refused::new(500));
        }
        match wish {
            Wish::Tell => {}
            Wish::ForgetAll => self.retain(user, |_| false),
            Wish::Contacts(contacts) => {
                for one in contacts {
                    self.put(now, user, request, (flow, proxied), one);
                }
            }
        }
        let path = request.headers.all(&HeaderName::Path).filter(|_| proxied.is_some());
        let path = path.map(|value| (HeaderName::Path, value.to_owned()));
        Ok(self.contacts(now, user).into_iter().chain(path).collect())
    }

    fn put(
        &mut self,
        now: Millis,
        user: &str,
        request: &Request,
        (flow, proxied): (Flow, Option<Sender>),
        wished: WishedContact,
    ) {
        self.retain(user, |entry| !entry.is(&wished));
        if wished.expires_s == 0 {
            return;
        }
        if self.users.get(user).is_some_and(|entries| entries.len() >= BINDINGS_PER_USER_MAX) {
            let entries = self.users.get(user).into_iter().flatten();
            let oldest = entries.map(|entry| (entry.refreshed, entry.cseq)).min();
            self.retain(user, |entry| Some((entry.refreshed, entry.cseq)) != oldest);
        }
        let expires_at = now + Duration::from_secs(wished.expires_s.into());
        let path = request.headers.all(&HeaderName::Path).filter(|_| proxied.is_some());
        let way = proxied.map_or(way(flow), |sender| (None, sender.addr));
        let binding = Binding {
            contact: proxied.map_or_else(|| reachable(&wished.uri, flow), |_| wished.uri.clone()),
            path: path.filter_map(NameAddr::parse).collect(),
            flow,
            transport: proxied.map_or(flow.transport, |sender| sender.transport),
            expires_at,
            user_agent: user_agent(request),
        };
        *self.ways.entry(way).or_default() += 1;
        self.count += 1;
        self.next = Some(self.next.map_or(expires_at, |next| next.min(expires_at)));
        self.changed.insert(user.to_owned());
        self.users.entry(user.to_owned()).or_default().push(Entry {
            binding,
            way,
            written: wished.uri,
            instance: wished.instance,
            call_id: request.call_id.clone(),
            cseq: request.cseq.number,
            refreshed: now,
        });
    }

    fn contacts(&self, now: Millis, user: &str) -> Vec<(HeaderName, String)> {
        let entries = self.users.get(user).into_iter().flatten();
        let field = |entry: &Entry| {
            let left_s = (entry.binding.expires_at - now).as_secs();
            (HeaderName::Contact, format!("<{}>;expires={left_s}", entry.written))
        };
        entries.map(field).collect()
    }

    /// Drops the bindings of one user that do not suit.
    fn retain(&mut self, user: &str, mut suits: impl FnMut(&Entry) -> bool) {
        let Some(entries) = self.users.get_mut(user) else { return };
        let before = entries.len();
        entries.retain(|entry| {
            let stays = suits(entry);
            if !stays && let Some(count) = self.ways.get_mut(&entry.way) {
                *count -= 1;
                if *count == 0 {
                    self.ways.remove(&entry.way);
                }
            }
            stays
        });
        self.count -= before - entries.len();
        if entries.len() != before {
            self.changed.insert(user.to_owned());
        }
        if entries.is_empty() {
            self.users.remove(user);
        }
    }

    fn retain_all(&mut self, mut suits: impl FnMut(&Entry) -> bool) {
        let users: Vec<String> = self.users.keys().cloned().collect();
        users.iter().for_each(|user| self.retain(user, &mut suits));
    }

    /// Drops what is over.
    pub fn fire(&mut self, now: Millis) {
        if self.next.is_some_and(|next| next <= now) {
            self.retain_all(|entry| entry.binding.expires_at > now);
            let all = self.users.values().flatten();
            self.next = all.map(|entry| entry.binding.expires_at).min();
        }
    }

    /// When to call [`Registrar::fire`]; may be early.
    pub const fn deadline(&self) -> Option<Millis> {
        self.next
    }

    /// Drops the bindings of a connection that is gone.
    pub fn link_closed(&mut self, link: Link) {
        if self.ways.keys().any(|(known, _)| *known == Some(link)) {
            self.retain_all(|entry| entry.way.0 != Some(link));
        }
    }

    /// Drops the bindings of users who may not register any more.
    pub fn forget_unless(&mut self, known: impl Fn(&str) -> bool) {
        let gone: Vec<String> = self.users.keys().filter(|user| !known(user)).cloned().collect();
        gone.iter().for_each(|user| self.retain(user, |_| false));
    }

    /// Whether a registered user is reached by this way.
    pub fn knows(&self, flow: Flow) -> bool {
        self.ways.contains_key(&way(flow))
    }

    /// Whether a registered user's telephone is at this address, as a proxy of ours sees it.
    pub fn knows_behind_proxy(&self, addr: SocketAddr) -> bool {
        self.ways.contains_key(&(None, addr))
    }

    /// Where a user can be reached, the latest refreshed first.
    pub fn bindings(&self, user: &str) -> Vec<Binding> {
        let entries = self.users.get(user).into_iter().flatten().rev();
        entries.map(|entry| entry.binding.clone()).collect()
    }

    /// The users whose bindings changed since the last call.
    pub fn take_changed(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.changed).into_iter()
    }

    /// Users with a binding, and bindings.
    pub fn sizes(&self) -> (usize, usize) {
        (self.users.len(), self.count)
    }
}
