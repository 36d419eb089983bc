//! SRTP: what is protected is read by its peer alone, unchanged and once; `rtc-srtp` agrees.

use qingting_media::srtp::{GROWTH_BYTES_MAX, Keys, Profile, Receiver, Sender, SrtpError};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

const EVERY: [Profile; 4] =
    [Profile::AesCm80, Profile::AesCm32, Profile::AeadGcm128, Profile::AeadGcm256];

const KEY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";
const SALT: [u8; 14] = *b"ABCDEFGHIJKLMN";

fn keys(profile: Profile) -> Keys {
    Keys::new(profile, &KEY, &SALT).expect("long enough")
}

/// A packet with two contributing sources and an extension of one word.
fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x92, 0x80 | 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 1, 0x12, 9, 9, 9]);
    packet.extend((0..160).map(|at| (at as u16 ^ sequence) as u8));
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([7; 20]);
    packet
}

fn protected(sender: &mut Sender, plain: &[u8]) -> Vec<u8> {
    let mut buffer = [plain, &[0; GROWTH_BYTES_MAX]].concat();
    let length = match plain[1] {
        200 => sender.protect_rtcp(&mut buffer, plain.len()),
        _ => sender.protect_rtp(&mut buffer, plain.len()),
    };
    buffer.truncate(length.expect("protected"));
    buffer
}

fn read(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    let length = match packet[1] {
        200 => receiver.unprotect_rtcp(&mut buffer)?,
        _ => receiver.unprotect_rtp(&mut buffer)?,
    };
    buffer.truncate(length);
    Ok(buffer)
}

#[test]
fn what_is_sent_is_received_across_the_rollover() {
    for profile in EVERY {
        let (mut sender, mut receiver) = (Sender::new(keys(profile)), Receiver::new(keys(profile)));
        for count in 65_000..66_200_u32 {
            let plain = rtp(count as u16, 5);
            let packet = protected(&mut sender, &plain);
            assert_ne!(packet[28..188], plain[28..], "encrypted");
            assert_eq!(read(&mut receiver, &packet), Ok(plain), "{profile:?} {count}");
        }
        for _ in 0..200 {
            let packet = protected(&mut sender, &rtcp(5));
            assert_eq!(read(&mut receiver, &packet), Ok(rtcp(5)), "{profile:?}");
        }
    }
}

#[test]
fn no_bit_can_be_changed() {
    for profile in EVERY {
        for plain in [rtp(9, 5), rtcp(5)] {
            let packet = protected(&mut Sender::new(keys(profile)), &plain);
            let mut receiver = Receiver::new(keys(profile));
            for bit in 0..packet.len() * 8 {
                let mut changed = packet.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(read(&mut receiver, &changed).is_err(), "{profile:?} bit {bit}");
            }
            for length in 0..packet.len() {
                let mut cut = packet[..length].to_vec();
                assert!(receiver.unprotect_rtp(&mut cut).is_err());
                assert!(receiver.unprotect_rtcp(&mut packet[..length].to_vec()).is_err());
            }
            assert_eq!(read(&mut receiver, &packet), Ok(plain), "the forged ones changed nothing");
        }
    }
}

#[test]
fn a_packet_is_taken_once_and_late_ones_are_taken_too() {
    let mut sender = Sender::new(keys(Profile::AesCm80));
    let mut receiver = Receiver::new(keys(Profile::AesCm80));
    let packets: Vec<_> = (0..300_u16)
        .map(|count| protected(&mut sender, &rtp(count.wrapping_add(65_400), 5)))
        .collect();
    let reports: Vec<_> = (0..3).map(|_| protected(&mut sender, &rtcp(5))).collect();
    for (first, second) in (0..300).step_by(2).map(|at| (at + 1, at)) {
        assert!(read(&mut receiver, &packets[first]).is_ok());
        assert!(read(&mut receiver, &packets[second]).is_ok());
    }
    for packet in &packets {
        assert_eq!(read(&mut receiver, packet), Err(SrtpError::Replayed));
    }
    assert!(read(&mut receiver, &reports[2]).is_ok() && read(&mut receiver, &reports[0]).is_ok());
    assert_eq!(read(&mut receiver, &reports[2]), Err(SrtpError::Replayed));
}

#[test]
fn no_index_is_sent_twice() {
    let mut sender = Sender::new(keys(Profile::AesCm80));
    protected(&mut sender, &rtp(10, 5));
    for sequence in [10, 9] {
        let mut buffer = [&rtp(sequence, 5)[..], &[0; GROWTH_BYTES_MAX]].concat();
        let length = buffer.len() - GROWTH_BYTES_MAX;
        assert_eq!(sender.protect_rtp(&mut buffer, length), Err(SrtpError::Index));
    }
}

#[test]
fn the_same_key_under_another_tag_goes_on_counting() {
    let (mut sender, mut receiver) =
        (Sender::new(keys(Profile::AesCm80)), Receiver::new(keys(Profile::AesCm80)));
    let first = protected(&mut sender, &rtp(65_535, 5));
    read(&mut receiver, &first).expect("authentic");
    protected(&mut sender, &rtp(0, 5));
    sender.rekey(keys(Profile::AesCm32));
    receiver.rekey(keys(Profile::AesCm32));
    let plain = rtp(1, 5);
    let packet = protected(&mut sender, &plain);
    assert_eq!(packet.len(), plain.len() + 4);
    assert_eq!(read(&mut receiver, &packet), Ok(plain), "in the second round of numbers");
    let other = Keys::new(Profile::AesCm80, &[1; 16], &SALT).expect("long enough");
    sender.rekey(other);
    let packet = protected(&mut sender, &rtp(2, 5));
    assert_eq!(read(&mut receiver, &packet), Err(SrtpError::Forged));
    receiver.rekey(other);
    assert_eq!(read(&mut receiver, &packet), Ok(rtp(2, 5)));
}

#[test]
fn a_buffer_without_room_is_refused() {
    let mut sender = Sender::new(keys(Profile::AesCm80));
    let mut tight = rtp(1, 5);
    let length = tight.len();
    assert_eq!(sender.protect_rtp(&mut tight, length), Err(SrtpError::NoRoom));
    assert_eq!(sender.protect_rtp(&mut tight, length + 1), Err(SrtpError::Short));
}

#[test]
fn sources_are_bounded_and_the_one_silent_longest_makes_room() {
    let mut sender = Sender::new(keys(Profile::AesCm80));
    let mut receiver = Receiver::new(keys(Profile::AesCm80));
    let first = protected(&mut sender, &rtp(1, 0));
    read(&mut receiver, &first).expect("authentic");
    for ssrc in 1..40 {
        read(&mut receiver, &protected(&mut sender, &rtp(1, ssrc))).expect("authentic");
    }
    let last = protected(&mut sender, &rtp(2, 39));
    read(&mut receiver, &last).expect("authentic");
    assert_eq!(read(&mut receiver, &last), Err(SrtpError::Replayed));
}

fn context(profile: Profile) -> Context {
    let theirs = match profile {
        Profile::AesCm80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Profile::AesCm32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Profile::AeadGcm128 => ProtectionProfile::AeadAes128Gcm,
        Profile::AeadGcm256 => ProtectionProfile::AeadAes256Gcm,
    };
    let (key, salt) = (&KEY[..profile.key_bytes()], &SALT[..profile.salt_bytes()]);
    let provider = rtc_crypto::default_provider().expect("ring");
    Context::new(key, salt, theirs, None, None, provider.crypto()).expect("a context")
}

#[test]
fn an_independent_implementation_agrees_both_ways() {
    for profile in EVERY {
        let (mut sender, mut receiver) = (Sender::new(keys(profile)), Receiver::new(keys(profile)));
        let (mut out, mut back) = (context(profile), context(profile));
        for count in 65_500..65_600_u32 {
            let plain = rtp(count as u16, 5);
            let read_by_them =
                back.decrypt_rtp(&protected(&mut sender, &plain)).expect("authentic");
            assert_eq!(read_by_them[..], plain, "{profile:?}");
            let theirs = out.encrypt_rtp(&plain).expect("protected");
            assert_eq!(read(&mut receiver, &theirs), Ok(plain), "{profile:?}");
        }
        for _ in 0..3 {
            let read_by_them =
                back.decrypt_rtcp(&protected(&mut sender, &rtcp(5))).expect("authentic");
            assert_eq!(read_by_them[..], rtcp(5), "{profile:?}");
            let theirs = out.encrypt_rtcp(&rtcp(5)).expect("protected");
            assert_eq!(read(&mut receiver, &theirs), Ok(rtcp(5)), "{profile:?}");
        }
    }
}
