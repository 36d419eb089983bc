//! INFO: pressed keys from trunks that send them so (RFC 6086, and the practice before it).

use super::Agent;
use super::call::{CallKey, Phase};
use super::table::Purpose;
use crate::event::DialogEvent;
use crate::handle::Reply;
use crate::message::{HeaderName, INFO_ACCEPT, Method, Request, dtmf};
use crate::transport::Flow;
use bytes::Bytes;
use qingting_common::Millis;

impl Agent {
    /// An INFO. Without a body it only shows that the peer lives.
    pub(super) fn informed(
        &mut self,
        now: Millis,
        way: (Flow, String),
        request: &Request,
        key: CallKey,
    ) {
        if request.headers.first(&HeaderName::InfoPackage).is_some() {
            // We have declared that we receive none (RFC 6086 §4.2.2).
            let receive = HeaderName::Other("Recv-Info".to_owned());
            return self.refuse(way.0, request, 469, vec![(receive, String::new())]);
        }
        let kind = request.headers.first(&HeaderName::ContentType).unwrap_or_default();
        match dtmf(kind, &request.body) {
            _ if request.body.is_empty() => {
                self.answer_within(now, way, request, key, &Reply::new(200));
            }
            Some(Ok((digit, duration_ms))) => {
                self.answer_within(now, way, request, key, &Reply::new(200));
                self.tell(key, DialogEvent::InfoDtmf { digit, duration_ms });
            }
            Some(Err(())) => self.refuse(way.0, request, 400, Vec::new()),
            None => {
                let accept = vec![(HeaderName::Accept, INFO_ACCEPT.to_owned())];
                self.refuse(way.0, request, 415, accept);
            }
        }
    }

    /// Sends an INFO; nobody waits for the answer.
    pub(super) fn info(&mut self, now: Millis, key: CallKey, content_type: String, body: &Bytes) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase == Phase::Talking)
        else {
            return;
        };
        let Some(dialog) = &mut call.dialog else { return };
        let outgoing = dialog.request(Method::Info);
        let flow = call.flow_to(&outgoing.next_hop);
        let kind = [(HeaderName::ContentType, content_type)];
        self.start(now, key, flow, outgoing, Purpose::Quiet, &kind, Some(body));
    }
}
