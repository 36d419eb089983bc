//! Telephone events (RFC 4733): keys pressed by the peer, one digit per event however many of its
//! packets are lost.

/// An event whose packets stop without an end packet is over after this long.
const SILENT_NS_MAX: u64 = 120_000_000;
/// Event codes 0 to 15 in order (RFC 4733 §3.2, table 3).
const DIGITS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// A key that was pressed and let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressed {
    /// `0`-`9`, `*`, `#`, `A`-`D`.
    pub digit: char,
    /// For how long, as far as was heard.
    pub duration_ms: u32,
}

/// One telephone-event payload (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// 0..=15 are the DTMF digits.
    pub code: u8,
    /// Set in the packets that close the event.
    pub end: bool,
    /// Samples since the event's timestamp.
    pub duration: u16,
}

impl Event {
    /// Reads a payload; `None` when it is too short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let bytes = payload.first_chunk::<4>()?;
        let duration = u16::from_be_bytes([bytes[2], bytes[3]]);
        Some(Self { code: bytes[0], end: bytes[1] & 0x80 != 0, duration })
    }

    /// The payload at -10 dBm0.
    pub fn to_bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | 10, high, low]
    }
}

/// The event code of a digit, upper or lower case; `None` for other characters.
pub fn event_code(digit: char) -> Option<u8> {
    let digit = digit.to_ascii_uppercase();
    DIGITS.iter().position(|d| *d == digit).and_then(|code| u8::try_from(code).ok())
}

/// Turns event packets into digits.
#[derive(Debug, Default)]
pub struct Receiver {
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    timestamp: u32,
    code: u8,
    duration: u16,
    heard_ns: u64,
    reported: bool,
}

impl Receiver {
    /// Takes a packet; returns the digit that it ends, be it this one or the one before.
    pub fn push(&mut self, now_ns: u64, timestamp: u32, event: Event) -> Option<Pressed> {
        let known = self.current.filter(|c| c.timestamp == timestamp);
        if let Some(current) = known {
            let duration = current.duration.max(event.duration);
            self.current = Some(Current { duration, heard_ns: now_ns, ..current });
            return if event.end { self.finish() } else { None };
        }
        let stale = self.current.is_some_and(|c| (timestamp.wrapping_sub(c.timestamp) as i32) < 0);
        if stale || usize::from(event.code) >= DIGITS.len() {
            return None;
        }
        let before = self.finish();
        let (code, duration) = (event.code, event.duration);
        self.current =
            Some(Current { timestamp, code, duration, heard_ns: now_ns, reported: false });
        // When both end here the older digit is told now, this one on its repeated end packet or
        // at the next [`Receiver::tick`].
        if before.is_none() && event.end { self.finish() } else { before }
    }

    /// A new source, whose timestamps have nothing to do with the old one's: the digit that the
    /// old one left open.
    pub fn reset(&mut self) -> Option<Pressed> {
        let open = self.finish();
        self.current = None;
        open
    }

    /// Call every tick: ends an event whose end packets were all lost.
    pub fn tick(&mut self, now_ns: u64) -> Option<Pressed> {
        let current = self.current?;
        if now_ns.saturating_sub(current.heard_ns) < SILENT_NS_MAX { None } else { self.finish() }
    }

    fn finish(&mut self) -> Option<Pressed> {
        let current = self.current.as_mut().filter(|c| !c.reported)?;
        current.reported = true;
        let duration_ms = u32::from(current.duration) / 8;
        Some(Pressed { digit: DIGITS[usize::from(current.code)], duration_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn event(code: u8, end: bool, duration: u16) -> Event {
        Event { code, end, duration }
    }

    #[test]
    fn three_end_packets_are_one_digit() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.push(0, 100, event(5, false, 160)), None);
        let pressed = Pressed { digit: '5', duration_ms: 40 };
        assert_eq!(receiver.push(20 * MS, 100, event(5, true, 320)), Some(pressed));
        assert_eq!(receiver.push(40 * MS, 100, event(5, true, 320)), None);
        assert_eq!(receiver.tick(900 * MS), None);
    }

    #[test]
    fn a_digit_without_end_packets_is_told_after_silence_or_by_the_next_one() {
        let mut receiver = Receiver::default();
        receiver.push(0, 100, event(1, false, 160));
        assert_eq!(receiver.tick(20 * MS), None);
        assert_eq!(receiver.tick(130 * MS).map(|p| p.digit), Some('1'));
        receiver.push(200 * MS, 2_000, event(1, false, 160));
        assert_eq!(
            receiver.push(300 * MS, 3_000, event(2, false, 160)).map(|p| p.digit),
            Some('1')
        );
        assert_eq!(receiver.push(320 * MS, 2_000, event(1, true, 160)), None, "a straggler");
        assert_eq!(receiver.tick(900 * MS).map(|p| p.digit), Some('2'));
    }

    #[test]
    fn a_new_source_with_older_timestamps_is_heard() {
        let mut receiver = Receiver::default();
        receiver.push(0, 1_000_000, event(1, false, 160));
        assert_eq!(receiver.reset().map(|p| p.digit), Some('1'));
        assert_eq!(receiver.push(20 * MS, 100, event(2, true, 160)).map(|p| p.digit), Some('2'));
    }

    #[test]
    fn payloads_read_back_and_digits_have_codes() {
        let sent = event(11, true, 1_280);
        assert_eq!(Event::parse(&sent.to_bytes()), Some(sent));
        assert_eq!(Event::parse(&[1, 2, 3]), None);
        assert_eq!((event_code('#'), event_code('d'), event_code('x')), (Some(11), Some(15), None));
    }
}
