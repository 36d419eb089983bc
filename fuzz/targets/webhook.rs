//! What the city's ticket system sends by itself: without the secret nothing is believed, with it only what was signed,
//! and a ticket that is taken keeps to its bounds.
//!
//! The input is timestamp, line end, signature, line end, body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_callbacks::intake::{
    ClosedTicket, EARLIER_BYTES_MAX, NAME_CHARS_MAX, TITLE_CHARS_MAX,
};
use qingting_common::UnixMillis;
use qingting_tickets::Secrets;
use qingting_tickets::signature::verify;

const NOW: UnixMillis = UnixMillis(1_767_196_800_000);

fuzz_target!(|data: &[u8]| {
    let secrets = Secrets::parse(&"0123456789abcdef".repeat(4)).expect("a secret");
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (timestamp, signature, body) = (line(), line(), line());
    let timestamp = String::from_utf8_lossy(timestamp);
    let signature = String::from_utf8_lossy(signature);
    assert!(verify(&secrets, &timestamp, &signature, body, NOW).is_err(), "nobody signed it");

    let signed = secrets.sign(body, NOW);
    let check =
        |body: &[u8], now| verify(&secrets, &signed.timestamp, &signed.signature, body, now);
    assert_eq!(check(body, NOW), Ok(()));
    assert!(check(body, UnixMillis(NOW.0 + 400_000)).is_err(), "a replay");
    let mut changed = body.to_vec();
    changed.push(b' ');
    assert!(check(&changed, NOW).is_err());

    let Ok(list) = serde_json::from_slice::<Vec<ClosedTicket>>(body) else { return };
    for ticket in list {
        let Ok(ticket) = ticket.checked() else { continue };
        for text in [&ticket.event_id, &ticket.ticket, &ticket.unit] {
            assert!(text.chars().count() <= NAME_CHARS_MAX && !text.contains(char::is_control));
        }
        assert!(ticket.title.chars().count() <= TITLE_CHARS_MAX);
        assert!(!ticket.title.contains(char::is_control));
        assert!(ticket.earlier.to_string().len() <= EARLIER_BYTES_MAX);
        let citizen = ticket.citizen.expose();
        assert!(citizen.len() <= 20 && citizen.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(!matches!(citizen.as_str(), "110" | "119" | "120" | "122"), "{citizen}");
        // What was checked once is right.
        assert_eq!(ticket.clone().checked(), Ok(ticket));
    }
});
