//! How long a call waits, for what.

use crate::sdp::{Codec, LocalSecurity};
use std::time::Duration;

/// Settings of one call, read once when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallConfig {
    /// How long the caller hears ringing before the answer; zero answers at once.
    pub ring: Duration,
    /// Longest wait for the store and the media engine before the call is refused with 503.
    pub setup_max: Duration,
    /// Longest wait for the ACK of our answer: 64 × T1 (RFC 3261 §13.3.1.4).
    pub ack_max: Duration,
    /// Longest that any prompt may take, in case its end is never reported.
    pub prompt_max: Duration,
    /// Longest call, counted from the answer.
    pub call_max: Duration,
    /// How long a seat rings that the queue offered.
    pub ring_seat: Duration,
    /// How long an expert, an emergency line, a supervisor or a transfer's target rings.
    pub ring_expert: Duration,
    /// How long a citizen rings whom we call.
    pub ring_citizen: Duration,
    /// Longest wait for the end of a dial that was given up: 64 × T1.
    pub cancel_max: Duration,
    /// Longest that a menu may take.
    pub menu_max: Duration,
    /// Longest wait in a queue, in case the queue forgets.
    pub queue_max: Duration,
    /// How long the caller may think about being called back, from the end of the question.
    pub callback_wait: Duration,
    /// Time without RTP after which the media engine reports that the caller is gone.
    pub media_inactive: Duration,
    /// The same of a seat, whose browser may lose its network and come back.
    pub seat_inactive: Duration,
    /// Silence of the caller after which it is asked whether it is there.
    pub silence_prompt: Duration,
    /// Further silence after which the call is ended.
    pub silence_hangup: Duration,
    /// `Retry-After` of a refusal for want of store or media.
    pub retry_after: Duration,
    /// A citizen who is called hears the recording notice.
    pub notice_outbound: bool,
    /// We dial without an offer and answer the peer's: for trunks that want it so.
    pub late_offers: bool,
    /// The session id of leg 0's `o=` line: any number that is new for each call, at most 62 bits.
    /// Further legs count on from it.
    pub session_id: u64,
    /// Whether the media engine takes RTCP on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// Our codecs, best first.
    pub codecs: Vec<Codec>,
    /// What we have to secure audio with; its keys are new for each call.
    pub security: LocalSecurity,
}

impl Default for CallConfig {
    fn default() -> Self {
        Self {
            ring: Duration::from_secs(1),
            setup_max: Duration::from_secs(5),
            ack_max: Duration::from_secs(32),
            prompt_max: Duration::from_secs(30),
            call_max: Duration::from_secs(30 * 60),
            ring_seat: Duration::from_secs(15),
            ring_expert: Duration::from_secs(20),
            ring_citizen: Duration::from_secs(45),
            cancel_max: Duration::from_secs(32),
            menu_max: Duration::from_secs(120),
            queue_max: Duration::from_secs(60 * 60),
            callback_wait: Duration::from_secs(5),
            media_inactive: Duration::from_secs(20),
            seat_inactive: Duration::from_secs(45),
            silence_prompt: Duration::from_secs(15),
            silence_hangup: Duration::from_secs(10),
            retry_after: Duration::from_secs(10),
            notice_outbound: true,
            late_offers: false,
            session_id: 1,
            rtcp_mux: false,
            codecs: Codec::ALL.to_vec(),
            security: LocalSecurity::default(),
        }
    }
}
