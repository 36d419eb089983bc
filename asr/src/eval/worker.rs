//! A running worker, as the measurements see it.

use crate::error::{AsrError, Result};
use crate::recognizer::Decoded;
use crate::wire::{self, Event, Message};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// A worker that says nothing for so long is not measured.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Events waiting to be looked at.
const EVENTS_WAITING_MAX: usize = 4_096;

/// A connection to a worker.
pub(super) struct Worker {
    writing: UnixStream,
    events: Receiver<Event>,
}

impl Worker {
    pub(super) fn connect(path: &Path) -> Result<Self> {
        let socket = UnixStream::connect(path).map_err(AsrError::io(path))?;
        let writing = socket.try_clone().map_err(AsrError::io(path))?;
        let (sender, events) = sync_channel(EVENTS_WAITING_MAX);
        std::thread::spawn(move || {
            let mut reader = std::io::BufReader::new(socket);
            while let Ok(Some(message)) = wire::read_message(&mut reader) {
                if let Message::Event(event) = message
                    && sender.send(event).is_err()
                {
                    return;
                }
            }
        });
        Ok(Self { writing, events })
    }

    /// Opens a stream of somebody who is on the telephone now.
    pub(super) fn open(&mut self, stream: u64, rate_hz: u32) -> Result<()> {
        self.send(&Message::Open {
            stream,
            rate_hz,
            start_sample: 0,
            first_segment: 0,
            is_offline: false,
        })
    }

    pub(super) fn send(&mut self, message: &Message) -> Result<()> {
        Ok(wire::write_message(&mut self.writing, message)?)
    }

    /// The finals of a whole stream, one after the other.
    pub(super) fn finals(
        &mut self,
        stream: u64,
        rate_hz: u32,
        expected: &str,
        call: &[i16],
    ) -> Result<Vec<Decoded>> {
        self.open(stream, rate_hz)?;
        self.send(&Message::Expect { stream, words: expected.to_owned() })?;
        for (number, chunk) in (0u64..).zip(call.chunks(wire::AUDIO_SAMPLES_MAX)) {
            let start_sample = number * wire::AUDIO_SAMPLES_MAX as u64;
            self.send(&Message::Audio { stream, start_sample, samples: chunk.to_vec() })?;
        }
        self.send(&Message::Close { stream })?;
        let mut pieces = Vec::new();
        loop {
            match self.next()? {
                Event::Result { is_final: true, text, confidence, expected, .. } => {
                    pieces.push(Decoded { text, confidence, expected, ..Decoded::default() });
                }
                Event::Ended { .. } => return Ok(pieces),
                _ => {}
            }
        }
    }

    /// What has come since.
    pub(super) fn news(&self) -> impl Iterator<Item = Event> {
        self.events.try_iter()
    }

    /// The next event.
    pub(super) fn next(&self) -> Result<Event> {
        self.events.recv_timeout(ANSWER_MAX).map_err(|_| {
            let reason = "the worker does not answer";
            AsrError::Wire(std::io::Error::new(std::io::ErrorKind::TimedOut, reason).into())
        })
    }

    /// The processor time it has used, from its next report.
    pub(super) fn cpu_ms(&self) -> Result<u64> {
        loop {
            if let Event::Stats { cpu_ms, .. } = self.next()? {
                return Ok(cpu_ms);
            }
        }
    }
}
