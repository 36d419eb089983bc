//! An attended transfer between three real endpoints on the loopback: a seat asks a colleague, then
//! hands the citizen over.

use bytes::Bytes;
use qingting_sip::message::{HeaderName, NameAddr, Replaces, SipUri};
use qingting_sip::{
    Dialog, DialogEvent, Endpoint, EndpointConfig, IncomingCall, OutgoingInvite, Reply, Transport,
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(5);

struct Phone {
    endpoint: Endpoint,
    calls: mpsc::Receiver<IncomingCall>,
}

struct Talk {
    dialog: Dialog,
    events: mpsc::Receiver<DialogEvent>,
}

impl Phone {
    async fn new() -> Self {
        let config = EndpointConfig {
            udp: vec!["127.0.0.1:0".parse().unwrap()],
            tcp: vec![],
            product: "test".to_owned(),
            calls_max: 10,
            ..EndpointConfig::default()
        };
        let (endpoint, calls) = Endpoint::bind(config).await.unwrap();
        Self { endpoint, calls }
    }

    fn uri(&self) -> SipUri {
        SipUri::sip("x", "127.0.0.1", Some(self.endpoint.bound()[0].1.port()))
    }

    fn call(&self, target: SipUri, replaces: Option<&Replaces>) -> Talk {
        let replaces = replaces.map(|replaces| (HeaderName::Replaces, replaces.to_string()));
        let from = NameAddr::parse("<sip:a@127.0.0.1>").unwrap();
        let (dialog, events) = self.endpoint.invite(OutgoingInvite {
            offer: Some(Bytes::from_static(b"v=0 offer")),
            headers: replaces.into_iter().collect(),
            ..OutgoingInvite::new(target, Transport::Udp, from)
        });
        Talk { dialog, events }
    }

    async fn rings(&mut self) -> IncomingCall {
        timeout(LIMIT, self.calls.recv()).await.expect("a call in time").unwrap()
    }
}

impl Talk {
    async fn next(&mut self) -> DialogEvent {
        timeout(LIMIT, self.events.recv()).await.expect("an event in time").unwrap()
    }
}

fn answered(call: IncomingCall) -> Talk {
    call.dialog.respond(Reply::with_body(200, "v=0 answer"));
    Talk { dialog: call.dialog, events: call.events }
}

fn answer() -> DialogEvent {
    DialogEvent::Answered { body: Some(Bytes::from_static(b"v=0 answer")) }
}

#[tokio::test]
async fn a_citizen_is_handed_over_to_the_colleague_that_the_seat_has_asked() {
    let (citizen, mut seat, mut colleague) =
        (Phone::new().await, Phone::new().await, Phone::new().await);
    let ack = DialogEvent::Ack { body: None };
    // The citizen calls the seat, the seat the colleague.
    let mut call = citizen.call(seat.uri(), None);
    let mut at_seat = answered(seat.rings().await);
    assert_eq!((call.next().await, at_seat.next().await), (answer(), ack.clone()));
    let mut asking = seat.call(colleague.uri(), None);
    assert_eq!(asking.dialog.replaces_value(), None, "not answered yet");
    let mut asked = answered(colleague.rings().await);
    assert_eq!((asking.next().await, asked.next().await), (answer(), ack.clone()));
    // The seat hands over.
    let named = asking.dialog.replaces_value();
    at_seat.dialog.refer(colleague.uri(), named.clone());
    let DialogEvent::Refer { target, replaces, referred_by } = call.next().await else {
        panic!("no REFER")
    };
    assert_eq!((*target, replaces.map(|named| *named)), (colleague.uri(), named.clone()));
    assert!(referred_by.is_some());
    call.dialog.accept_refer();
    let progress = |code, reason: &str, is_final| DialogEvent::ReferProgress {
        code,
        reason: reason.to_owned(),
        is_final,
    };
    assert_eq!(at_seat.next().await, progress(100, "Trying", false));
    // The citizen's telephone calls the colleague, whose call with the seat gives way.
    let mut second = citizen.call(colleague.uri(), named.as_ref());
    let arrived = colleague.rings().await;
    let replaced = arrived.replaces.clone().expect("a dialog to replace");
    assert_eq!(replaced.call, asked.dialog.key());
    let mut at_colleague = answered(arrived);
    asked.dialog.bye(None);
    assert_eq!((second.next().await, at_colleague.next().await), (answer(), ack));
    call.dialog.notify_refer(200, "OK", true);
    assert_eq!(at_seat.next().await, progress(200, "OK", true));
    assert_eq!(asking.next().await, DialogEvent::Bye { reason: None });
    assert_eq!(asked.next().await, DialogEvent::ByeDone);
    assert_eq!(asking.dialog.replaces_value(), None, "over");
    at_seat.dialog.bye(None);
    assert_eq!(call.next().await, DialogEvent::Bye { reason: None });
    assert!(at_colleague.dialog.replaces_value().is_some(), "the new call stands");
}
