//! A citizen who says one tone over and over and keeps what it hears: with a tone for everybody, who
//! hears whom can be measured at any moment.

use crate::audio::{beeps, level, samples_in};
use crate::clock::Deadline;
use crate::raw::{RawCall, rtp_port};
use crate::rtp::RtpEnd;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A whole number of beeps and of packets.
const LOOP: Duration = Duration::from_secs(2);

/// A call in which it talks.
#[derive(Debug)]
pub struct Talker {
    sip: RawCall,
    media: Arc<RtpEnd>,
    talks: Arc<AtomicBool>,
    speaker: Option<JoinHandle<()>>,
}

impl Talker {
    /// Calls 12345 and talks as soon as it is answered.
    pub fn call(server: SocketAddr, hz: f64) -> Self {
        Self::call_saying(server, beeps(hz, LOOP))
    }

    /// The same with words in place of a tone.
    pub fn call_saying(server: SocketAddr, words: Vec<i16>) -> Self {
        let media = Arc::new(RtpEnd::bind());
        let mut sip = RawCall::new(server);
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
            media.port()
        );
        let answer = sip.request("INVITE", "", &offer);
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        let talks = Arc::new(AtomicBool::new(true));
        let to = rtp_port(&answer);
        let speaker = {
            let (media, talks) = (Arc::clone(&media), Arc::clone(&talks));
            std::thread::spawn(move || {
                media.repeat(to, &words, 1, || talks.load(Ordering::Relaxed))
            })
        };
        Self { sip, media, talks, speaker: Some(speaker) }
    }

    /// Its end of the media.
    pub fn media(&self) -> &RtpEnd {
        &self.media
    }

    /// How loud this tone was in what came last, in dB below full scale.
    pub fn level(&self, hz: f64, last: Duration) -> f64 {
        let heard = self.media.heard();
        level(&heard[heard.len().saturating_sub(samples_in(last))..], hz)
    }

    /// How loud what came last was, whatever it was: the largest sample, in dB below full scale.
    pub fn loudness(&self, last: Duration) -> f64 {
        let heard = self.media.heard();
        let last = &heard[heard.len().saturating_sub(samples_in(last))..];
        let peak = last.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        20.0 * (f64::from(peak.max(1)) / 32_768.0).log10()
    }

    /// How many samples came.
    pub fn samples_heard(&self) -> usize {
        self.media.heard().len()
    }

    /// The keys that came.
    pub fn keys(&self) -> String {
        self.media.keys()
    }

    /// Hangs up.
    pub fn hang_up(mut self) {
        let answer = self.sip.request("BYE", "", "");
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }

    /// Waits until the other side hangs up.
    pub fn wait_for_hang_up(mut self, deadline: Deadline) {
        let bye =
            deadline.poll(|| Some(self.sip.message()).filter(|text| text.starts_with("BYE ")));
        self.sip.answer(&bye.expect("a BYE in time"));
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.talks.store(false, Ordering::Relaxed);
        if let Some(speaker) = self.speaker.take() {
            let _ = speaker.join();
        }
    }
}
