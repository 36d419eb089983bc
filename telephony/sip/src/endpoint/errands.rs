//! What the driver is asked to send, and where it is to go.

use super::driver::{CLOSE_MAX, Driver};
use super::lookup::{Errand, Found};
use crate::agent::Command;
use crate::dialog::next_hop;
use crate::handle::Order;
use crate::locate::{Plan, plan};
use crate::request::RequestError;
use crate::transport::{Flow, Link, Transport};
use std::net::SocketAddr;

/// Requests outside calls that wait for their end, at most.
const REQUESTS_MAX: usize = 4_096;

impl Driver {
    pub(super) fn take_order(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Command(command) => self.agent.command(now, command),
            Order::Close { done } => {
                self.agent.command(now, Command::Drain);
                self.closing = Some((now + CLOSE_MAX, done));
            }
            Order::Invite { call, invite, call_id, events } => {
                self.events.insert(call, events);
                self.start_or_look_up(Errand::Invite { call, invite, call_id });
            }
            Order::Request { request, done } => {
                if self.requests.len() >= REQUESTS_MAX {
                    // Who waits may have gone.
                    let _ = done.send(Err(RequestError::Unavailable));
                    return;
                }
                self.last_request += 1;
                let number = self.last_request;
                self.requests.insert(number, done);
                self.start_or_look_up(Errand::Request { number, request });
            }
        }
    }

    fn start_or_look_up(&mut self, errand: Errand) {
        let (target, transport, flow) = match &errand {
            Errand::Invite { invite, .. } => {
                (next_hop(&invite.route, &invite.target), invite.transport, invite.flow)
            }
            Errand::Request { request, .. } => (&request.target, request.transport, request.flow),
        };
        match (flow, plan(target, transport)) {
            (Some(flow), _) => self.start(errand, vec![flow]),
            (None, Plan::Address(address)) => self.start_to(errand, &[address]),
            (None, plan) => self.lookups.target(errand, plan),
        }
    }

    pub(super) fn found(&mut self, found: Found) {
        match found {
            Found::Hop(Some(command)) => {
                if let Command::Resolved { host, addr, .. } = &command {
                    self.names.touch(addr, String::new).clone_from(host);
                }
                self.agent.command(self.clock.now(), command);
            }
            Found::Hop(None) => {}
            Found::Target { errand, host, addrs } => {
                for addr in &addrs {
                    self.names.touch(addr, String::new).clone_from(&host);
                }
                self.start_to(errand, &addrs);
            }
        }
    }

    fn start_to(&mut self, errand: Errand, addrs: &[SocketAddr]) {
        let transport = match &errand {
            Errand::Invite { invite, .. } => invite.transport,
            Errand::Request { request, .. } => request.transport,
        };
        let ways = addrs.iter().filter_map(|addr| self.flow_to(transport, *addr)).collect();
        self.start(errand, ways);
    }

    fn start(&mut self, errand: Errand, mut ways: Vec<Flow>) {
        let command = match errand {
            Errand::Invite { call, invite, call_id } => {
                let flow = (!ways.is_empty()).then(|| ways.remove(0));
                Command::Invite { call, invite, call_id, flow, others: ways }
            }
            Errand::Request { number, request } => Command::Request { number, request, ways },
        };
        self.agent.command(self.clock.now(), command);
    }

    /// The way to an address that no dialog leads to yet.
    fn flow_to(&mut self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let suits = |address: &SocketAddr| address.is_ipv4() == remote.is_ipv4();
        let of = |wanted: Transport| {
            let bound = self.bound.iter().filter(move |(transport, _)| *transport == wanted);
            bound.map(|(_, address)| *address).find(suits)
        };
        let (link, bound) = match transport {
            Transport::Udp => {
                let at = self.udp.iter().position(|port| suits(&port.bound))?;
                (Some(Link(at as u64)), self.udp[at].bound)
            }
            // A browser has to come to us.
            Transport::Ws | Transport::Wss => return None,
            transport => {
                let usual = [transport, Transport::Tcp, Transport::Udp];
                (None, usual.into_iter().find_map(of)?)
            }
        };
        let local = self.local_ip.seen_by(remote.ip(), bound);
        Some(Flow { transport, link, local, remote })
    }
}
