//! Carries the callers' audio from the media threads to the recogniser: one task for all calls.

use super::call::Word;
use qingting_asr::StreamSender;
use qingting_core::call::LegId;
use qingting_media::{Frame, RecogniserTap};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often audio is carried: two ticks, well inside what a tap holds.
const CARRY_EVERY: Duration = Duration::from_millis(40);
/// Calls that wait to be taken over.
const WAITING_MAX: usize = 1_024;
/// Mean level from which audio counts as a voice: −40 dBFS.
const VOICE_LEVEL: u32 = 328;
/// Frames of voice in a row that count as somebody speaking: 200 ms.
const VOICE_FRAMES: u32 = 10;

/// One call's audio on its way.
pub struct Feed {
    /// Where it comes from.
    pub tap: RecogniserTap,
    /// Where it goes; none when nothing is recognised.
    pub to: Option<StreamSender>,
    /// Told when there is a voice. Whether words were recognised says too little: a recogniser may
    /// be away, behind, or deaf to a dialect, and nobody who speaks is hung up on for silence.
    pub voice: mpsc::Sender<Word>,
    /// Whose voice it is.
    pub leg: LegId,
    /// Somebody who wants every frame, as long as he listens; one that he is too slow for is left out.
    pub ear: Option<mpsc::Sender<Frame>>,
}

/// The way to the task.
#[derive(Clone)]
pub struct Feeder(mpsc::Sender<Feed>);

impl Feeder {
    /// The feeder and its task's other end.
    pub fn new() -> (Self, mpsc::Receiver<Feed>) {
        let (feeder, feeds) = mpsc::channel(WAITING_MAX);
        (Self(feeder), feeds)
    }

    /// Hands a call's audio over. When a thousand calls wait already the call goes on without
    /// captions.
    pub fn add(&self, feed: Feed) {
        if self.0.try_send(feed).is_err() {
            tracing::error!("too many calls begin at once: one is not recognised");
        }
    }
}

/// Carries until it is aborted.
pub async fn run(mut incoming: mpsc::Receiver<Feed>) {
    let mut feeds: Vec<(Feed, u32)> = Vec::new();
    let mut ticks = tokio::time::interval(CARRY_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while let Ok(feed) = incoming.try_recv() {
            feeds.push((feed, 0));
        }
        feeds.retain_mut(|(feed, loud)| carry(feed, loud));
    }
}

/// Moves what is there; false when the call's audio is over.
fn carry(feed: &mut Feed, loud: &mut u32) -> bool {
    let closed = feed.tap.is_closed();
    while let Some(frame) = feed.tap.pop() {
        if let Some(to) = &feed.to {
            to.push(frame.sample_index, &frame.samples);
        }
        if let Some(ear) = &feed.ear
            && let Err(mpsc::error::TrySendError::Closed(_)) = ear.try_send(frame)
        {
            feed.ear = None;
        }
        *loud = if frame.level() >= VOICE_LEVEL { *loud + 1 } else { 0 };
        if *loud == VOICE_FRAMES {
            // Full: it is known already.
            let _ = feed.voice.try_send(Word::voice(feed.leg));
            *loud = 0;
        }
    }
    !closed
}
