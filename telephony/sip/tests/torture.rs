//! RFC 4475's messages: the valid ones parse, the invalid ones earn the status that the RFC names.

mod world;

use bytes::Bytes;
use qingting_sip::Transport;
use qingting_sip::agent::Command;
use qingting_sip::message::{Fault, Framing, Message, parse, screen};
use std::path::Path;

/// What a file is expected to earn: `None` accepts, 0 is silence, else a status code.
fn verdict(bytes: Vec<u8>) -> Option<u16> {
    match parse(&Bytes::from(bytes), Framing::Datagram) {
        Ok(Message::Request(request)) => screen(&request).map(|refusal| refusal.code),
        Ok(Message::Response(_)) => None,
        Err(Fault::Garbage(_)) => Some(0),
        Err(Fault::Refused { code, .. }) => Some(code),
    }
}

#[test]
fn rfc_4475_messages_earn_the_status_that_the_rfc_names() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sip-torture");
    let Ok(table) = std::fs::read_to_string(dir.join("EXPECTED.tsv")) else {
        println!("skipped: no torture messages at {}", dir.display());
        return;
    };
    let mut wrong = Vec::new();
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (name, class) = (columns[0], columns[2]);
        let Ok(bytes) = std::fs::read(dir.join(format!("{name}.dat"))) else { continue };
        let got = verdict(bytes);
        let expected: &[Option<u16>] = match (name, class) {
            ("intmeth" | "esc02", _) => &[Some(501)],
            (
                "escnull" | "regbadct" | "unksm2" | "regaut01" | "cparam01" | "cparam02"
                | "regescrt",
                _,
            ) => &[Some(405), Some(400)],
            ("badvers", _) => &[Some(505)],
            ("scalarlg" | "bigcode", _) => &[Some(0)],
            ("baddate" | "baddn", _) => &[None, Some(400)],
            ("mismatch02", _) => &[Some(400), Some(501)],
            ("unkscm" | "novelsc", _) => &[Some(416)],
            ("bext01", _) => &[Some(420)],
            ("invut", _) => &[Some(415)],
            ("insuf" | "multi01" | "mcl01", _) => &[Some(400)],
            ("mpart01", _) => &[None, Some(405)],
            (_, "invalid") => &[Some(400)],
            _ => &[None, Some(405)],
        };
        if !expected.contains(&got) {
            wrong.push(format!("{name}: {got:?}, expected one of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_agent_survives_every_message_and_keeps_nothing_of_it() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sip-torture");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("skipped: no torture messages at {}", dir.display());
        return;
    };
    let texts = entries.flatten().filter_map(|entry| std::fs::read(entry.path()).ok());
    let mut solo = world::Solo::new(Transport::Udp);
    for text in texts {
        solo.feed_bytes(&text);
        solo.command(Command::Abandon { call: solo.call });
    }
    assert!(solo.calls > 0, "some of them are calls");
    solo.assert_nothing_left();
}

#[test]
fn rfc_5118_messages_do_not_panic() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sip-torture/rfc5118");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("skipped: no torture messages at {}", dir.display());
        return;
    };
    for entry in entries.flatten() {
        let _ = verdict(std::fs::read(entry.path()).unwrap_or_default());
    }
}
