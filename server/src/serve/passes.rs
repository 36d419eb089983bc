//! Recordings heard after their call: what the captions left out, and whole calls where that is wanted.
//!
//! One pass at a time, and at the recogniser behind everybody who speaks now. What a try does not
//! finish is tried again, after a restart too: what is to come stands in the database.

use super::Hotline;
use super::captions::{draft_changed, last_ticket, read};
use super::identity::caller_digits;
use crate::clock;
use qingting_api::{Event, RecordedAudio, RecordingSource};
use qingting_asr::client::Heard;
use qingting_asr::{AsrClient, AsrEvent, Level};
use qingting_common::ids::Party;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_nlu::{CallContext, LocalTime};
use qingting_store::{
    FinalSegment, Gap, LegRole, LegRow, Pass, PassEnd, PassKind, RecordingKind, RecordingRow,
    StoreError,
};
use std::collections::BTreeSet;
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
/// Longest wait for the next word of a recogniser that is busy with calls.
const EVENT_MAX: Duration = Duration::from_secs(900);
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
    let mut is_told = false;
    loop {
        let now = clock::unix_now();
        let status = asr.status();
        let next = match status.up() && status.level() == Level::Full {
            true => hotline.store.next_pass(now, UnixMillis(now.0 - AFTER_CALL_MS)).await,
            false => Ok(None),
        };
        match next {
            // Its last words may be among what waits.
            Ok(Some(pass)) if hotline.spool.holds(pass.call) => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(Some(pass)) => one(&hotline, &asr, &pass).await,
            Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
            // Once: a database that is away would fill the log.
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::error!(%error, "recordings that wait to be heard cannot be looked up");
                }
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
        }
        is_told = false;
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
    let mut worst = Ok(());
    for gap in hotline.store.transcript(call).await?.gaps {
        // What cannot be heard of one leg keeps nobody else's words.
        match fill_gap(hotline, asr, call, gap, &legs).await {
            Err(trouble @ Trouble::Later(_)) => worst = Err(trouble),
            Err(trouble) if worst.is_ok() => worst = Err(trouble),
            _ => {}
        }
    }
    worst
}

async fn fill_gap(
    hotline: &Hotline,
    asr: &AsrClient,
    call: CallId,
    gap: Gap,
    legs: &[HeardLeg],
) -> Result<(), Trouble> {
    let leg = legs.iter().find(|leg| (leg.row.slot, leg.row.seq) == (gap.slot, gap.seq));
    let leg = leg.ok_or_else(|| Trouble::Never("the leg was not recorded".to_owned()))?;
    let around = gap.from_ms.saturating_sub(AROUND_GAP_MS)..gap.to_ms + AROUND_GAP_MS;
    let heard = leg.hear(hotline, asr, around).await?;
    let is_of_gap = |said: &FinalSegment| {
        let middle = said.start_ms.midpoint(said.end_ms);
        (gap.from_ms..gap.to_ms).contains(&middle)
    };
    fill(hotline, call, gap, heard.into_iter().filter(is_of_gap).collect()).await
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
        last_ticket: last_ticket(hotline, call).await,
    };
    let tags = read(hotline, call, &context, &said);
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
        said.extend(leg.hear(hotline, asr, 0..u64::MAX).await?);
    }
    Ok(hotline.store.put_whole(call, said).await?)
}

/// A call whose captions did not come to their end: what was said after its last sentences is to be
/// heard, and that is noted once.
pub async fn leave_for_later(hotline: &Hotline, call: CallId) -> Result<(), StoreError> {
    if hotline.spool.is_away() || hotline.spool.holds(call) {
        return Err(StoreError::Away("writes of the call wait".to_owned()));
    }
    if hotline.asr.is_some() {
        let said = hotline.store.transcript(call).await?.segments;
        for leg in legs_with_tracks(hotline, call).await? {
            let own = said.iter().filter(|segment| segment.party == leg.party);
            let from_ms = own.map(|segment| segment.end_ms).max().unwrap_or(leg.answered_ms);
            let shift_ms = leg.row.shift_ms.unwrap_or_default();
            let duration_ms = leg.track.info.duration_ms.unwrap_or_default();
            let to_ms = duration_ms.saturating_add_signed(shift_ms);
            if to_ms > from_ms + UNHEARD_MS_MIN {
                let (slot, seq, party) = (leg.row.slot, leg.row.seq, leg.party);
                hotline.store.record_gap(call, Gap { slot, seq, party, from_ms, to_ms }).await?;
            }
        }
    }
    hotline.store.captions_closed(call).await
}

/// A leg whose words belong into the transcript, and its recording.
struct HeardLeg {
    row: LegRow,
    party: Party,
    track: RecordingRow,
    /// Where it was answered, in the call's time: what its track has before is ringing.
    answered_ms: u64,
}

async fn heard_legs(hotline: &Hotline, call: CallId) -> Result<Vec<HeardLeg>, Trouble> {
    Ok(legs_with_tracks(hotline, call).await?)
}

async fn legs_with_tracks(hotline: &Hotline, call: CallId) -> Result<Vec<HeardLeg>, StoreError> {
    let recordings = hotline.store.recordings(call).await?;
    let track = |row: &LegRow| {
        let is = |recording: &&RecordingRow| {
            let key = recording.key;
            key.kind == RecordingKind::Track && (key.slot, key.seq) == (row.slot, row.seq)
        };
        recordings.iter().find(is).filter(|track| track.deleted_at.is_none()).cloned()
    };
    let row = hotline.store.call(call).await?;
    let began = row.and_then(|call| call.answered_at).map_or(0, |at| at.0);
    let answered_ms = |row: &LegRow| {
        row.answered_at.map_or(0, |at| u64::try_from(at.0 - began).unwrap_or_default())
    };
    let legs = hotline.store.legs(call).await?;
    Ok(legs
        .into_iter()
        .filter_map(|row| {
            let (track, party) = (track(&row)?, party(row.role)?);
            Some(HeardLeg { answered_ms: answered_ms(&row), track, party, row })
        })
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
    /// What is said in a stretch of the call, in ms.
    async fn hear(
        &self,
        hotline: &Hotline,
        asr: &AsrClient,
        stretch: Range<u64>,
    ) -> Result<Vec<FinalSegment>, Trouble> {
        let path = hotline.archive.root().join(&self.track.info.file);
        let audio = hotline.archive.open(&path, self.track.info.key_id.as_deref());
        let audio = audio.map_err(|error| {
            // Whoever reads of it in the API learns no path.
            tracing::error!(file = self.track.info.file, %error, "a recording cannot be read");
            Trouble::Never("the recording cannot be read".to_owned())
        })?;
        let end = audio.wav_len().saturating_sub(WAV_HEADER_BYTES) / 2;
        let shift_ms = self.row.shift_ms.unwrap_or_default();
        let sample = |ms: u64| {
            ms.saturating_add_signed(-shift_ms).saturating_mul(PIECE_SAMPLES / 1_000).min(end)
        };
        let wanted = sample(stretch.start.max(self.answered_ms))..sample(stretch.end);
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
    let mut hearing = Hearing { events, waiting: BTreeSet::new(), said: Vec::new() };
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
    /// Where sentences without their text began. A worker that is lost has some begin again.
    waiting: BTreeSet<u64>,
    said: Vec<Heard>,
}

impl Hearing {
    /// Takes one event; false after the last.
    async fn listen(&mut self) -> Result<bool, Trouble> {
        let event = tokio::time::timeout(EVENT_MAX, self.events.recv()).await;
        match event.map_err(|_| Trouble::Later("the recogniser has no time for it".to_owned()))? {
            Some(AsrEvent::SpeechStarted { at_ms }) => {
                self.waiting.insert(at_ms);
            }
            Some(AsrEvent::Final(heard)) => {
                self.waiting.retain(|at_ms| *at_ms >= heard.end_ms);
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
        while self.waiting.len() >= SENTENCES_WAITING_MAX && self.listen().await? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sentence_that_begins_again_at_another_worker_is_waited_for_once() {
        let (told, events) = mpsc::channel(8);
        let mut hearing = Hearing { events, waiting: BTreeSet::new(), said: Vec::new() };
        let heard = Heard {
            segment: 0,
            start_ms: 1_000,
            end_ms: 2_000,
            raw: Pii::default(),
            display: Pii::default(),
            confidence: 1.0,
            expected: None,
            worker: "local".into(),
            took_ms: 0,
        };
        for event in [
            AsrEvent::SpeechStarted { at_ms: 1_000 },
            AsrEvent::SpeechStarted { at_ms: 1_032 },
            AsrEvent::Final(heard),
            AsrEvent::SpeechStarted { at_ms: 3_000 },
        ] {
            told.try_send(event).unwrap();
        }
        assert!(hearing.listen_for(Duration::from_millis(50)).await.is_ok());
        assert_eq!(hearing.waiting, BTreeSet::from([3_000]));
    }
}
