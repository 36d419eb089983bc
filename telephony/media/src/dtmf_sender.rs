//! Pressing keys: telephone events in place of audio (RFC 4733 §2.5).

use crate::dtmf::{Event, event_code};
use qingting_common::limits::SAMPLES_PER_TICK;
use std::collections::VecDeque;

/// Keys that may wait; more are refused.
pub const KEYS_WAITING_MAX: usize = 64;
/// How long a key is held: 100 ms.
const HELD_TICKS: u16 = 5;
/// End packets for each event (RFC 4733 §2.5.1.4).
const END_PACKETS: u16 = 3;
/// Pause before the next key: 60 ms.
const PAUSE_TICKS: u16 = 3;

/// One packet of an event, to be sent in place of this tick's audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub event: Event,
    /// How many samples before this tick the event began: its RTP timestamp.
    pub began_samples_ago: u32,
    /// First packet of the event: the marker bit.
    pub first: bool,
}

/// Sends queued keys, one packet a tick.
#[derive(Debug)]
pub struct Sender {
    waiting: VecDeque<u8>,
    current: Option<(u8, u16)>,
}

impl Default for Sender {
    fn default() -> Self {
        Self { waiting: VecDeque::with_capacity(KEYS_WAITING_MAX), current: None }
    }
}

impl Sender {
    /// Queues a key; false when it is no key or too many wait.
    pub fn press(&mut self, key: char) -> bool {
        let Some(code) = event_code(key) else { return false };
        let room = self.waiting.len() < KEYS_WAITING_MAX;
        if room {
            self.waiting.push_back(code);
        }
        room
    }

    /// Whether nothing is being sent and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// The packet of this tick; `None`: audio as usual.
    pub fn tick(&mut self) -> Option<EventPacket> {
        let (code, tick) = match self.current.take() {
            Some(current) => current,
            None => (self.waiting.pop_front()?, 0),
        };
        if tick + 1 < HELD_TICKS + END_PACKETS - 1 + PAUSE_TICKS {
            self.current = Some((code, tick + 1));
        }
        if tick >= HELD_TICKS + END_PACKETS - 1 {
            return None;
        }
        let samples = |ticks: u16| ticks * SAMPLES_PER_TICK as u16;
        Some(EventPacket {
            event: Event {
                code,
                end: tick + 1 >= HELD_TICKS,
                duration: samples((tick + 1).min(HELD_TICKS)),
            },
            began_samples_ago: samples(tick).into(),
            first: tick == 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::Receiver;

    #[test]
    fn the_receiver_hears_each_key_once() {
        let mut sender = Sender::default();
        for key in "1#5".chars() {
            assert!(sender.press(key));
        }
        assert!(!sender.press('x'));
        let mut receiver = Receiver::default();
        let mut heard = String::new();
        for tick in 0..200_u32 {
            let now = u64::from(tick) * 20_000_000;
            if let Some(packet) = sender.tick() {
                let timestamp = tick * 160 - packet.began_samples_ago;
                heard.extend(receiver.push(now, timestamp, packet.event).map(|key| key.digit));
            }
            heard.extend(receiver.tick(now).map(|key| key.digit));
        }
        assert_eq!(heard, "1#5");
        assert!(sender.is_idle());
    }
}
