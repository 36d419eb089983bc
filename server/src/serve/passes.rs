//! Recordings heard after their call: what the captions left out, and whole calls where that is wanted.
//!
//! One pass at a time, and at the recogniser behind everybody who speaks now. What a try does not
//! finish is tried again, after a restart too: what is to come stands in the database.

use super::Hotline;
use super::captions::{draft_changed, read};
use super::identity::caller_digits;
use crate::clock;
use qingting_api::{Event, RecordedAudio, RecordingSource};
use qingting_asr::client::Heard;
use qingting_asr::{AsrClient, AsrEvent};
use qingting_common::ids::Party;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_nlu::{CallContext, LocalTime};
use qingting_store::{
    FinalSegment, Gap, LegRole, LegRow, Pass, PassEnd, PassKind, RecordingKind, RecordingRow,
    StoreError,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

/// How often it is looked for a pass.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// After the end of a call its last captions may still come, and its recording is finished.
const AFTER_CALL_MS: i64 = 3_000;
/// Tries of a pass, with waits that double from the first; then it is given up.
const TRIES_MAX: u32 = 8;
const AGAIN_AFTER_MS: i64 = 10_000;
/// Audio is sent so much at a time, and ten times as fast as it was spoken ...
const PIECE_SAMPLES: u64 = TELEPHONE_RATE_HZ as u64;
const PIECE_EVERY: Duration = Duration::from_millis(100);
/// ... while so many sentences at most wait for their text: the recogniser's queue is for calls.
const SENTENCES_WAITING_MAX: usize = 2;
/// A sentence may begin before its gap, and end behind; its neighbours are further off, and would be joined.
const AROUND_GAP_MS: u64 = 300;
/// Less than this behind the last sentence of a call that was cut off holds no words.
const UNHEARD_MS_MIN: u64 = 500;
/// What precedes the samples of a plain WAV file.
const WAV_HEADER_BYTES: u64 = 44;

/// Why a try did not work.
enum Trouble {
    /// It may work later.
    Later(String),
    /// It never will.
    Never(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Later(error.to_string())
    }
}

/// Runs until it is aborted.
pub async fn run(hotline: Arc<Hotline>) {
    let Some(asr) = hotline.asr.clone() else { return };
    loop {
        let now = clock::unix_now();
        let next = match asr.status().up() {
            true => hotline.store.next_pass(now, UnixMillis(now.0 - AFTER_CALL_MS)).await,
            false => Ok(None),
        };
        match next {
            Ok(Some(pass)) => one(&hotline, &asr, &pass).await,
            Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => {
                tracing::error!(%error, "recordings that wait to be heard cannot be looked up");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}

async fn one(hotline: &Hotline, asr: &AsrClient, pass: &Pass) {
    let outcome = match pass.kind {
        PassKind::Gaps => fill_gaps(hotline, asr, pass.call).await,
        PassKind::Whole => hear_whole(hotline, asr, pass.call).await,
    };
    let end = match outcome {
        Ok(()) => {
            hotline.events.publish(Event::TranscriptCompleted { call: pass.call });
            PassEnd::Done
        }
        Err(Trouble::Later(why)) if pass.tries + 1 < TRIES_MAX => {
            let after = AGAIN_AFTER_MS << pass.tries;
            PassEnd::Again(UnixMillis(clock::unix_now().0 + after), why)
        }
        Err(Trouble::Later(why) | Trouble::Never(why)) => {
            tracing::error!(call = %pass.call, kind = pass.kind.as_str(), why, "a recording was not heard to its end");
            PassEnd::Failed(why)
        }
    };
    if let Err(error) = hotline.store.end_pass(pass.call, pass.kind, end).await {
        tracing::error!(call = %pass.call, %error, "the end of a pass over a recording could not be stored");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn fill_gaps(hotline: &Hotline, asr: &AsrClient, call: CallId) -> Result<(), Trouble> {
    let legs = heard_legs(hotline, call).await?;
    for gap in hotline.store.transcript(call).await?.gaps {
        let leg = legs.iter().find(|leg| (leg.row.slot, leg.row.seq) == (gap.slot, gap.seq));
        let leg = leg.ok_or_else(|| Trouble::Never("the leg was not recorded".to_owned()))?;
        let around = gap.from_ms.saturating_sub(AROUND_GAP_MS)..gap.to_ms + AROUND_GAP_MS;
        let heard = leg.hear(hotline, asr, Some(around)).await?;
        let is_of_gap = |said: &FinalSegment| {
            let middle = said.start_ms.midpoint(said.end_ms);
            (gap.from_ms..gap.to_ms).contains(&middle)
        };
        let heard: Vec<FinalSegment> = heard.into_iter().filter(is_of_gap).collect();
        fill(hotline, call, gap, heard).await?;
    }
    Ok(())
}

async fn fill(
    hotline: &Hotline,
    call: CallId,
    gap: Gap,
    heard: Vec<FinalSegment>,
) -> Result<(), Trouble> {
    let mut said = hotline.store.transcript(call).await?.segments;
    said.extend(heard.iter().cloned());
    said.sort_by_key(|segment| segment.start_ms);
    let row = hotline.store.call(call).await?;
    let row = row.ok_or_else(|| Trouble::Never("there is no such call".to_owned()))?;
    let context = CallContext {
        started: LocalTime::from_unix_ms(row.started_at),
        caller: caller_digits(row.caller.expose()),
        called: row.called,
    };
    let tags = read(hotline, &context, &said);
    if let Some(update) = hotline.store.fill_gap(call, gap, heard, &tags).await? {
        draft_changed(hotline, call, update);
    }
    Ok(())
}

async fn hear_whole(hotline: &Hotline, asr: &AsrClient, call: CallId) -> Result<(), Trouble> {
    let mut said = Vec::new();
    let legs = heard_legs(hotline, call).await?;
    if legs.is_empty() {
        return Err(Trouble::Never("the call was not recorded".to_owned()));
    }
    for leg in legs {
        said.extend(leg.hear(hotline, asr, None).await?);
    }
    Ok(hotline.store.put_whole(call, said).await?)
}

/// A call of a run that was cut off: what was said after its last sentences is to be heard.
pub async fn after_crash(hotline: &Hotline, call: CallId) -> Result<(), StoreError> {
    let Ok(legs) = heard_legs(hotline, call).await else { return Ok(()) };
    let said = hotline.store.transcript(call).await?.segments;
    for leg in legs.iter().filter(|_| hotline.asr.is_some()) {
        let own = said.iter().filter(|segment| segment.party == leg.party);
        let from_ms = own.map(|segment| segment.end_ms).max().unwrap_or_default();
        let shift_ms = leg.row.shift_ms.unwrap_or_default();
        let to_ms = leg.track.info.duration_ms.unwrap_or_default().saturating_add_signed(shift_ms);
        if to_ms > from_ms + UNHEARD_MS_MIN {
            let (slot, seq, party) = (leg.row.slot, leg.row.seq, leg.party);
            hotline.store.record_gap(call, Gap { slot, seq, party, from_ms, to_ms }).await?;
        }
    }
    Ok(())
}

/// A leg whose words belong into the transcript, and its recording.
struct HeardLeg {
    row: LegRow,
    party: Party,
    track: RecordingRow,
}

async fn heard_legs(hotline: &Hotline, call: CallId) -> Result<Vec<HeardLeg>, Trouble> {
    let recordings = hotline.store.recordings(call).await?;
    let track = |row: &LegRow| {
        let is = |recording: &&RecordingRow| {
            let key = recording.key;
            key.kind == RecordingKind::Track && (key.slot, key.seq) == (row.slot, row.seq)
        };
        recordings.iter().find(is).filter(|track| track.deleted_at.is_none()).cloned()
    };
    let legs = hotline.store.legs(call).await?;
    Ok(legs
        .into_iter()
        .filter_map(|row| Some(HeardLeg { track: track(&row)?, party: party(row.role)?, row }))
        .collect())
}

/// Who is recognised: those whose words belong into the ticket.
const fn party(role: LegRole) -> Option<Party> {
    match role {
        LegRole::Citizen => Some(Party::Caller),
        LegRole::Seat => Some(Party::Seat),
        LegRole::Expert => Some(Party::Expert),
        LegRole::SeatSecondLine | LegRole::Emergency | LegRole::Supervisor | LegRole::Other => None,
    }
}

impl HeardLeg {
    /// What is said in a stretch of the call, in ms, or in all of it.
    async fn hear(
        &self,
        hotline: &Hotline,
        asr: &AsrClient,
        stretch: Option<Range<u64>>,
    ) -> Result<Vec<FinalSegment>, Trouble> {
        let path = hotline.archive.root().join(&self.track.info.file);
        let audio = hotline.archive.open(&path, self.track.info.key_id.as_deref());
        let audio = audio.map_err(|error| {
            Trouble::Never(format!("the recording {} cannot be read: {error}", path.display()))
        })?;
        let all = 0..audio.wav_len().saturating_sub(WAV_HEADER_BYTES) / 2;
        let shift_ms = self.row.shift_ms.unwrap_or_default();
        let sample = |ms: u64| ms.saturating_add_signed(-shift_ms) * PIECE_SAMPLES / 1_000;
        let wanted = match stretch {
            None => all,
            Some(ms) => sample(ms.start).min(all.end)..sample(ms.end).min(all.end),
        };
        let heard = hear(asr, audio, wanted).await?;
        let in_call = |ms: u64| ms.saturating_add_signed(shift_ms);
        let said = |heard: Heard| FinalSegment {
            id: SegmentId::new(Uuid::now_v7()),
            party: self.party,
            start_ms: in_call(heard.start_ms),
            end_ms: in_call(heard.end_ms),
            text: Pii::new(heard.display.expose().to_string()),
            raw: Pii::new(heard.raw.expose().to_string()),
            confidence: heard.confidence,
        };
        Ok(heard.into_iter().map(said).collect())
    }
}

/// Sentences of a stretch of a track, in samples; their times are the track's.
async fn hear(
    asr: &AsrClient,
    mut audio: Box<dyn RecordedAudio>,
    stretch: Range<u64>,
) -> Result<Vec<Heard>, Trouble> {
    let (sender, events) = asr.open_offline_stream(Uuid::now_v7().as_u128() as u64);
    let mut hearing = Hearing { events, waiting: 0, said: Vec::new() };
    let mut at = stretch.start;
    while at < stretch.end {
        let count = PIECE_SAMPLES.min(stretch.end - at) as usize;
        let read = tokio::task::spawn_blocking(move || {
            let samples = read_samples(&mut *audio, at, count);
            (audio, samples)
        });
        let (back, samples) = read.await.map_err(|error| Trouble::Never(error.to_string()))?;
        audio = back;
        let samples = samples.map_err(|error| Trouble::Never(error.to_string()))?;
        sender.push(at, &samples);
        at += count as u64;
        hearing.listen_for(PIECE_EVERY).await?;
        hearing.listen_until_few_wait().await?;
    }
    sender.finish();
    while hearing.listen().await? {}
    Ok(hearing.said)
}

fn read_samples(audio: &mut dyn RecordedAudio, at: u64, count: usize) -> std::io::Result<Vec<i16>> {
    let mut bytes = vec![0; count * 2];
    let mut done = 0;
    while done < bytes.len() {
        match audio.read_at(WAV_HEADER_BYTES + at * 2 + done as u64, &mut bytes[done..])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// What comes back while audio is sent.
struct Hearing {
    events: mpsc::Receiver<AsrEvent>,
    /// Sentences begun without their text.
    waiting: usize,
    said: Vec<Heard>,
}

impl Hearing {
    /// Takes one event; false after the last.
    async fn listen(&mut self) -> Result<bool, Trouble> {
        match self.events.recv().await {
            Some(AsrEvent::SpeechStarted { .. }) => self.waiting += 1,
            Some(AsrEvent::Final(heard)) => {
                self.waiting = self.waiting.saturating_sub(1);
                if !heard.display.expose().is_empty() {
                    self.said.push(heard);
                }
            }
            Some(AsrEvent::Gap { from_ms, to_ms }) => {
                let what = format!("the recogniser was away from {from_ms} to {to_ms} ms");
                return Err(Trouble::Later(what));
            }
            Some(AsrEvent::Partial(_)) => {}
            Some(AsrEvent::Ended) | None => return Ok(false),
        }
        Ok(true)
    }

    async fn listen_for(&mut self, time: Duration) -> Result<(), Trouble> {
        let listening = async {
            while self.listen().await? {}
            Ok(())
        };
        // Time is over: that is what was wanted.
        tokio::time::timeout(time, listening).await.unwrap_or(Ok(()))
    }

    async fn listen_until_few_wait(&mut self) -> Result<(), Trouble> {
        while self.waiting >= SENTENCES_WAITING_MAX && self.listen().await? {}
        Ok(())
    }
}
