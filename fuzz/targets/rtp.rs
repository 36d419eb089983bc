//! RTP: what is given out lies within the packet; keys and playout bear any of it; SRTP gives out nothing that was not
//! sealed with its keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_media::dtmf::{Event, Receiver as Keys};
use qingting_media::jitter::JitterBuffer;
use qingting_media::rtp::{HEADER_BYTES, Packet, is_rtcp};
use qingting_media::srtp::{GROWTH_BYTES_MAX, Keys as SrtpKeys, Profile, Receiver, Sender};

/// A UDP datagram over Ethernet.
const PACKET_BYTES_MAX: usize = 1_500;

const PROFILES: [Profile; 2] = [Profile::AesCm80, Profile::AeadGcm128];

fuzz_target!(|data: &[u8]| {
    let mut keys = Keys::default();
    let mut jitter = JitterBuffer::new(20..=200);
    let mut now_ns = 0;
    // Packets, each behind its length.
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        let (packet, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        now_ns += 20_000_000;
        let _ = is_rtcp(packet);
        if let Ok(read) = Packet::parse(packet) {
            inside(packet, &read);
            if let Some(event) = Event::parse(read.payload)
                && let Some(pressed) = keys.push(now_ns, read.header.timestamp, event)
            {
                assert!("0123456789*#ABCD".contains(pressed.digit));
            }
            let samples = vec![100; read.payload.len().min(960)];
            jitter.push(now_ns, read.header.timestamp, &samples);
            sealed(packet);
        }
        let _ = keys.tick(now_ns);
        let _ = jitter.pull(now_ns);
        assert!((20..=200).contains(&jitter.delay_ms()), "{}", jitter.delay_ms());
    }
});

fn inside(packet: &[u8], read: &Packet<'_>) {
    assert!(HEADER_BYTES + read.payload.len() <= packet.len());
    let within = packet.as_ptr_range();
    let payload = read.payload.as_ptr_range();
    assert!(within.start <= payload.start && payload.end <= within.end);
    let mut header = [0; HEADER_BYTES];
    read.header.write(&mut header);
    let again = Packet::parse(&header).expect("a header is a packet without payload");
    assert_eq!(again.header, read.header);
}

fn sealed(packet: &[u8]) {
    if packet.len() + GROWTH_BYTES_MAX > PACKET_BYTES_MAX {
        return;
    }
    for profile in PROFILES {
        let (key, salt) = (vec![1; profile.key_bytes()], vec![2; profile.salt_bytes()]);
        let keys = || SrtpKeys::new(profile, &key, &salt).expect("keys of the right length");
        let mut forged = packet.to_vec();
        assert!(Receiver::new(keys()).unprotect_rtp(&mut forged).is_err(), "nobody sealed it");
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + GROWTH_BYTES_MAX, 0);
        let mut receiver = Receiver::new(keys());
        if let Ok(length) = Sender::new(keys()).protect_rtp(&mut buffer, packet.len()) {
            buffer.truncate(length);
            let copy = buffer.clone();
            let opened = receiver.unprotect_rtp(&mut buffer).expect("ours opens");
            assert_eq!(&buffer[..opened], packet);
            assert!(receiver.unprotect_rtp(&mut copy.clone()).is_err(), "a replay");
        }
    }
}
