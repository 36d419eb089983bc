//! What every recogniser must do, whichever engines it has: driven over the wire, as the server does.

use qingting_asr::client::Heard;
use qingting_asr::{AsrClient, AsrEvent};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Samples of the streams in a millisecond.
const PER_MS: usize = 8;
/// What a stream is told at a time.
const PIECE_MS: usize = 800;
const DEADLINE: Duration = Duration::from_secs(60);
/// Longest segment, with what voice detection may add.
const SEGMENT_MS_MAX: u64 = 12_500;

/// A recogniser and something that it hears well.
pub(crate) struct Subject {
    /// The worker's command, given its socket.
    pub(crate) worker: fn(&Path) -> Command,
    /// One utterance at 8 kHz, without silence around it.
    pub(crate) speech: Vec<i16>,
    /// How many times faster than it is spoken the worker is told; faster than it can listen, and there
    /// are gaps.
    pub(crate) haste: u32,
    /// What it says, where a recogniser tells.
    pub(crate) says: Option<&'static str>,
}

impl Subject {
    /// All of it.
    pub(crate) async fn keeps_the_contract(&self) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (socket, worker) = (folder.path().join("asr.sock"), self.worker);
        let client = AsrClient::connect_supervised(socket.clone(), move || worker(&socket));
        self.an_utterance_is_heard_where_it_is(&client).await;
        self.utterances_come_in_order(&client).await;
        self.silence_says_nothing(&client).await;
        self.a_monologue_is_cut_and_nothing_is_lost(&client).await;
        self.a_recording_is_heard_in_full(&client).await;
    }

    async fn an_utterance_is_heard_where_it_is(&self, client: &AsrClient) {
        let length_ms = (self.speech.len() / PER_MS) as u64;
        let events = self.hear(client, false, &self.after_silence(1_000)).await;
        assert!(matches!(events[0], AsrEvent::SpeechStarted { at_ms: 700..=1_300 }), "{events:?}");
        let finals = finals(&events);
        let [heard] = finals[..] else { panic!("one utterance: {events:?}") };
        assert_eq!(heard.segment, 0);
        assert!((700..=1_300).contains(&heard.start_ms), "{heard:?}");
        assert!(heard.end_ms.abs_diff(1_000 + length_ms) <= 400, "{heard:?}");
        assert!((0.0..=1.0).contains(&heard.confidence) && heard.confidence > 0.0);
        let chars = heard.raw.expose().chars();
        assert!(!chars.is_empty());
        for char in chars {
            assert!(char.start_ms >= 600 && char.end_ms <= 1_400 + length_ms, "{char:?}");
        }
        if let Some(says) = self.says {
            assert_eq!(heard.raw.expose().to_string(), says);
        }
        let partials = events.iter().filter_map(partial);
        assert!(partials.clone().all(|p| p.segment == 0), "a final replaces its partials");
    }

    async fn utterances_come_in_order(&self, client: &AsrClient) {
        let mut audio = self.after_silence(500);
        audio.extend(self.after_silence(1_500));
        let events = self.hear(client, false, &audio).await;
        let finals = finals(&events);
        let [first, second] = finals[..] else { panic!("two utterances: {events:?}") };
        assert_eq!((first.segment, second.segment), (0, 1));
        assert!(first.end_ms <= second.start_ms);
        assert_eq!(first.raw.expose().to_string(), second.raw.expose().to_string());
    }

    async fn a_monologue_is_cut_and_nothing_is_lost(&self, client: &AsrClient) {
        let times = 40_000 * PER_MS / self.speech.len();
        let audio = self.speech.repeat(times);
        let events = self.hear(client, false, &audio).await;
        let finals = finals(&events);
        let length_ms = (audio.len() / PER_MS) as u64;
        assert!(finals.len() >= 3, "{events:?}");
        assert!(finals.iter().all(|f| f.end_ms - f.start_ms <= SEGMENT_MS_MAX), "{events:?}");
        assert!(finals.iter().all(|f| !f.raw.expose().is_empty()), "{events:?}");
        let spoken: u64 = finals.iter().map(|f| f.end_ms - f.start_ms).sum();
        assert!(spoken.abs_diff(length_ms) <= length_ms / 10, "{spoken} of {length_ms} ms");
        for pair in finals.windows(2) {
            assert!(pair[0].end_ms <= pair[1].start_ms, "heard twice: {events:?}");
        }
    }

    /// Offline streams have no partials; what they hear is complete.
    async fn a_recording_is_heard_in_full(&self, client: &AsrClient) {
        let mut audio = self.after_silence(500);
        audio.extend(self.after_silence(1_500));
        let events = self.hear(client, true, &audio).await;
        let said: String = finals(&events).iter().map(|f| f.raw.expose().to_string()).collect();
        assert!(!said.is_empty());
        if let Some(says) = self.says {
            assert_eq!(said, says.repeat(2));
        }
    }

    fn after_silence(&self, ms: usize) -> Vec<i16> {
        let mut audio = vec![0; ms * PER_MS];
        audio.extend(&self.speech);
        audio.extend(vec![0; 1_200 * PER_MS]);
        audio
    }

    async fn silence_says_nothing(&self, client: &AsrClient) {
        let events = self.hear(client, false, &vec![0; 3_000 * PER_MS]).await;
        assert_eq!(events, [AsrEvent::Ended]);
    }

    /// Everything that a stream of this audio brings, its end included.
    async fn hear(&self, client: &AsrClient, is_offline: bool, audio: &[i16]) -> Vec<AsrEvent> {
        let (sender, mut events) =
            if is_offline { client.open_offline_stream(1) } else { client.open_stream(1) };
        let mut heard = Vec::new();
        for (number, piece) in audio.chunks(PIECE_MS * PER_MS).enumerate() {
            sender.push((number * PIECE_MS * PER_MS) as u64, piece);
            tokio::time::sleep(Duration::from_millis(PIECE_MS as u64) / self.haste).await;
        }
        sender.finish();
        loop {
            let event = tokio::time::timeout(DEADLINE, events.recv()).await.expect("in time");
            heard.extend(event.clone());
            if matches!(event, Some(AsrEvent::Ended) | None) {
                return heard;
            }
        }
    }
}

fn partial(event: &AsrEvent) -> Option<&Heard> {
    if let AsrEvent::Partial(heard) = event { Some(heard) } else { None }
}

fn last_word(event: &AsrEvent) -> Option<&Heard> {
    if let AsrEvent::Final(heard) = event { Some(heard) } else { None }
}

fn finals(events: &[AsrEvent]) -> Vec<&Heard> {
    events.iter().filter_map(last_word).collect()
}
