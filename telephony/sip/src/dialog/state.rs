//! The state of one dialog.

use super::route::next_hop;
use crate::message::{HeaderName, Headers, Method, NameAddr, Request, Response, SipUri};

/// **What RFC 3261 §12 says a dialog is.** From and To are kept as they were written, so that a
/// display name that is not UTF-8 goes back byte for byte.
#[derive(Clone, Debug)]
pub struct DialogState {
    call_id: String,
    /// Our side's From or To, with our tag.
    local: String,
    /// The peer's, with its tag if it gave one.
    remote: String,
    remote_tag: String,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    route_set: Vec<NameAddr>,
    remote_target: SipUri,
}

/// A request before its Via, without the fields that every request of ours has.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Request-URI.
    pub uri: SipUri,
    /// Max-Forwards, Route, From, To, Call-ID and CSeq.
    pub headers: Headers,
    /// CSeq number.
    pub cseq: u32,
    /// Where it goes first.
    pub next_hop: SipUri,
}

impl DialogState {
    /// The dialog of a UAS that will answer with `tag` (§12.1.1). Without a Contact the request's
    /// From must do as target.
    pub fn uas(request: &Request, tag: &str, local_cseq: u32) -> Self {
        let header = |name: &HeaderName| request.headers.first(name).unwrap_or("").to_owned();
        Self {
            call_id: request.call_id.clone(),
            local: format!("{};tag={tag}", header(&HeaderName::To)),
            remote: header(&HeaderName::From),
            remote_tag: request.from.tag().unwrap_or("").to_owned(),
            local_cseq,
            remote_cseq: Some(request.cseq.number),
            route_set: routes(&request.headers),
            remote_target: request.contact().unwrap_or_else(|| request.from.uri.clone()),
        }
    }

    /// The dialog of a UAC that a 2xx makes (§12.1.2): the route set is the Record-Route reversed.
    pub fn uac(sent: &Headers, request_uri: &SipUri, cseq: u32, response: &Response) -> Self {
        let mut route_set = routes(&response.headers);
        route_set.reverse();
        let header = |headers: &Headers, name| headers.first(name).unwrap_or("").to_owned();
        Self {
            call_id: response.call_id.clone(),
            local: header(sent, &HeaderName::From),
            remote: header(&response.headers, &HeaderName::To),
            remote_tag: response.to.tag().unwrap_or("").to_owned(),
            local_cseq: cseq,
            remote_cseq: None,
            route_set,
            remote_target: response.contact().unwrap_or_else(|| request_uri.clone()),
        }
    }

    /// The same dialog as its early one, whose numbers go on; route set and target are those of
    /// the 2xx (§13.2.2.4).
    pub fn continuing(mut self, early: &Self) -> Self {
        self.local_cseq = self.local_cseq.max(early.local_cseq);
        self.remote_cseq = early.remote_cseq;
        self
    }

    /// Our side's From or To.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The peer's tag; empty when it gave none (RFC 2543).
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// The peer's Contact.
    pub const fn remote_target(&self) -> &SipUri {
        &self.remote_target
    }

    /// Whether a request with this number is in order (§12.2.2); if so it is remembered.
    pub fn accepts(&mut self, cseq: u32) -> bool {
        let in_order = self.remote_cseq.is_none_or(|last| cseq >= last);
        if in_order {
            self.remote_cseq = Some(cseq);
        }
        in_order
    }

    /// A target refresh (§12.2.1.2, §12.2.2).
    pub fn refresh_target(&mut self, contact: Option<SipUri>) {
        if let Some(contact) = contact {
            self.remote_target = contact;
        }
    }

    /// Where the next request goes first.
    pub fn next_hop(&self) -> &SipUri {
        next_hop(&self.route_set, &self.remote_target)
    }

    /// The next request of ours in this dialog (§12.2.1.1).
    pub fn request(&mut self, method: Method) -> Outgoing {
        self.local_cseq += 1;
        self.outgoing(method, self.local_cseq)
    }

    /// The ACK of a 2xx: it has the number of its INVITE (§13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Outgoing {
        self.outgoing(Method::Ack, cseq)
    }

    fn outgoing(&self, method: Method, cseq: u32) -> Outgoing {
        let (uri, routes) = self.uri_and_routes();
        let mut headers = Headers::default();
        headers.push(HeaderName::MaxForwards, "70");
        for route in routes {
            headers.push(HeaderName::Route, route);
        }
        headers.push(HeaderName::From, self.local.as_str());
        headers.push(HeaderName::To, self.remote.as_str());
        headers.push(HeaderName::CallId, self.call_id.as_str());
        headers.push(HeaderName::CSeq, format!("{cseq} {method}"));
        Outgoing { method, uri, headers, cseq, next_hop: self.next_hop().clone() }
    }

    /// Loose routing, or the strict routing of RFC 2543 when the first proxy does not know `lr`.
    fn uri_and_routes(&self) -> (SipUri, Vec<String>) {
        let written = |routes: &[NameAddr]| routes.iter().map(ToString::to_string).collect();
        match self.route_set.first() {
            Some(first) if first.uri.params.value("lr").is_none() => {
                let mut routes: Vec<String> = written(&self.route_set[1..]);
                routes.push(format!("<{}>", self.remote_target));
                let mut uri = first.uri.clone();
                uri.headers = None;
                (uri, routes)
            }
            _ => (self.remote_target.clone(), written(&self.route_set)),
        }
    }
}

fn routes(headers: &Headers) -> Vec<NameAddr> {
    headers.all(&HeaderName::RecordRoute).filter_map(NameAddr::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Framing, Message, parse};

    fn message(text: String) -> Message {
        parse(&text.into_bytes().into(), Framing::Datagram).unwrap()
    }

    fn uas(routes: &str) -> DialogState {
        let text = format!(
            "INVITE sip:12345@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{routes}\
             From: <sip:a@b>;tag=f\r\nTo: <sip:12345@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n\
             Contact: <sip:a@10.0.0.9:5062>\r\n\r\n"
        );
        let Message::Request(request) = message(text) else { panic!("a request") };
        DialogState::uas(&request, "ours", 0)
    }

    fn uac(routes: &str) -> DialogState {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{routes}\
             From: <sip:us@h>;tag=u\r\nTo: <sip:a@b>;tag=t\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:a@10.0.0.9>\r\n\r\n"
        );
        let Message::Response(response) = message(text) else { panic!("a response") };
        let mut sent = Headers::default();
        sent.push(HeaderName::From, "<sip:us@h>;tag=u");
        DialogState::uac(&sent, &"sip:a@b".parse().unwrap(), 1, &response)
    }

    fn route(outgoing: &Outgoing) -> Vec<&str> {
        outgoing.headers.all(&HeaderName::Route).collect()
    }

    const TWO: &str = "Record-Route: <sip:10.0.0.1;lr>, <sip:10.0.0.2;lr>\r\n";

    #[test]
    fn a_uas_keeps_the_order_and_a_uac_reverses_it() {
        let bye = uas(TWO).request(Method::Bye);
        assert_eq!(route(&bye), ["<sip:10.0.0.1;lr>", "<sip:10.0.0.2;lr>"]);
        assert_eq!(bye.next_hop.host, "10.0.0.1");
        assert_eq!(bye.uri.to_string(), "sip:a@10.0.0.9:5062");
        let bye = uac(TWO).request(Method::Bye);
        assert_eq!(route(&bye), ["<sip:10.0.0.2;lr>", "<sip:10.0.0.1;lr>"]);
        assert_eq!(bye.next_hop.host, "10.0.0.2");
    }

    #[test]
    fn a_strict_router_gets_itself_as_request_uri() {
        let bye = uas("Record-Route: <sip:10.0.0.1>, <sip:10.0.0.2;lr>\r\n").request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:10.0.0.1");
        assert_eq!(route(&bye), ["<sip:10.0.0.2;lr>", "<sip:a@10.0.0.9:5062>"]);
        assert_eq!(bye.next_hop.host, "10.0.0.1");
    }

    #[test]
    fn numbers_go_up_on_both_sides() {
        let mut dialog = uas("");
        assert!(!dialog.accepts(6) && dialog.accepts(7) && dialog.accepts(9));
        assert!(!dialog.accepts(8));
        assert_eq!((dialog.request(Method::Bye).cseq, dialog.request(Method::Bye).cseq), (1, 2));
        assert_eq!(dialog.ack(1).headers.first(&HeaderName::CSeq), Some("1 ACK"));
        let mut dialog = uac("");
        assert!(dialog.accepts(0), "the peer's first number is free");
        assert_eq!(dialog.request(Method::Invite).cseq, 2);
    }

    #[test]
    fn tags_and_target() {
        let mut dialog = uas("");
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.headers.first(&HeaderName::From), Some("<sip:12345@h>;tag=ours"));
        assert_eq!(bye.headers.first(&HeaderName::To), Some("<sip:a@b>;tag=f"));
        dialog.refresh_target(None);
        dialog.refresh_target(Some("sip:a@10.0.0.8".parse().unwrap()));
        assert_eq!(dialog.remote_target().host, "10.0.0.8");
    }
}
