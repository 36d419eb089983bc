//! The media of a call: its room, its legs' sockets, recordings, music and prompts.

use super::driver::Driver;
use super::legs::LegIo;
use super::secrets;
use super::spoken::is_recognised;
use anyhow::{Context, Result};
use qingting_core::call::{Input, LEGS_MAX, LegId, Prompt, PromptId, Role, Target};
use qingting_core::leg::LegEvent;
use qingting_core::sdp;
use qingting_media::{LegConfig, LegHandle, RecordTo, RemoteMedia, RoomConfig, Routes, Side};
use qingting_sip::Dialog;
use std::net::SocketAddr;
use std::time::Duration;

impl Driver {
    pub(super) fn open_media(
        &mut self,
        leg: LegId,
        role: Role,
        target: Option<Target>,
        inactivity: Duration,
    ) {
        if let Some(target) = &target {
            self.find_ways(leg, role, target);
        }
        let opened = self.open_leg(leg, role, inactivity);
        let event = match opened {
            Ok(local) => {
                let is_browser = self.legs.get(leg).is_some_and(|io| io.is_browser);
                let security = secrets::local(&self.hotline.media, is_browser);
                let event = LegEvent::MediaTerms { codecs: self.codecs(leg, role), security };
                self.known.push_back(Input::Leg { leg, event });
                LegEvent::MediaOpened { local }
            }
            Err(error) => {
                tracing::error!(call = %self.id, error = format!("{error:#}"), "a leg gets no media");
                LegEvent::MediaFailed
            }
        };
        self.known.push_back(Input::Leg { leg, event });
    }

    fn open_leg(&mut self, leg: LegId, role: Role, inactivity: Duration) -> Result<SocketAddr> {
        self.open_room()?;
        let track = self.track(leg, role)?;
        let io = self.legs.get_mut(leg).context("a leg without a dialog")?;
        let room = self.room.as_ref().context("a call without a room")?;
        let (media, events) = room.open_leg(LegConfig {
            bind_ip: io.local_ip,
            side: if role == Role::Citizen { Side::Citizen } else { Side::Staff },
            record: None,
            record_track: track.clone().map(|(_, to)| to),
            recognise: is_recognised(role),
            inactivity,
        })?;
        let ip = io.local_ip.unwrap_or_else(|| media.local_rtp().ip());
        let local = SocketAddr::new(ip, media.local_rtp().port());
        (io.media, io.media_events) = (Some(media), Some(events));
        io.trace.media();
        io.track = track.map(|(file, _)| file);
        Ok(local)
    }

    fn open_room(&mut self) -> Result<()> {
        if self.room.is_some() {
            return Ok(());
        }
        let record = match &self.hotline.recordings {
            None => None,
            Some(recordings) => {
                let (file, to) = recordings.mix(self.id, self.started)?;
                self.recording = Some(file);
                Some(to)
            }
        };
        let (room, events) = self.hotline.media.open_room(RoomConfig { record })?;
        (self.room, self.room_events) = (Some(room), Some(events));
        Ok(())
    }

    fn track(&self, leg: LegId, role: Role) -> Result<Option<(String, RecordTo)>> {
        let wanted = self.hotline.config.recording.tracks && role != Role::Supervisor;
        let Some(recordings) = self.hotline.recordings.as_ref().filter(|_| wanted) else {
            return Ok(None);
        };
        let number = self.legs.get(leg).map_or(0, |io| io.number);
        Ok(Some(recordings.track(self.id, self.started, number)?))
    }

    /// The telephone network is told what it can do; our own telephones may do better.
    fn codecs(&self, leg: LegId, role: Role) -> Vec<sdp::Codec> {
        let is_ours = self.legs.get(leg).is_some_and(|io| io.seat.is_some());
        if is_ours && role != Role::Citizen {
            sdp::Codec::WIDE.to_vec()
        } else {
            sdp::Codec::ALL.to_vec()
        }
    }

    pub(super) fn connect_media(&self, leg: LegId, remote: sdp::RemoteMedia) {
        if let Some(media) = self.media(leg) {
            let io = self.legs.get(leg);
            // Of who calls us, and of whom we called.
            let answers_from = |io: &LegIo| io.dialog.as_ref().and_then(Dialog::source);
            let source = io.and_then(|io| io.source.or_else(|| answers_from(io)));
            media.connect(RemoteMedia { source, ..remote_media(remote) });
        }
    }

    /// A key that a leg pressed. Rooms mix voices alone: whoever hears the leg is sent its key, for
    /// the menus of other houses.
    pub(super) fn key(&self, leg: LegId, digit: char) -> Input {
        let hear = self.legs.iter().filter(|(of, _)| self.heard[of.slot()] & leg.bit() != 0);
        for media in hear.filter_map(|(_, io)| io.media.as_ref()) {
            media.send_dtmf(digit);
        }
        Input::Dtmf { leg, digit }
    }

    /// The machine speaks of legs, the room of its slots.
    pub(super) fn route(&mut self, wanted: [u8; LEGS_MAX]) {
        self.heard = wanted;
        let Some(room) = &self.room else { return };
        let mut routes = Routes::SILENT;
        for (leg, io) in self.legs.iter() {
            let Some(listener) = io.media.as_ref().map(LegHandle::slot) else { continue };
            for (other, speaking) in self.legs.iter() {
                let Some(speaker) = speaking.media.as_ref().map(LegHandle::slot) else { continue };
                if wanted[leg.slot()] & other.bit() != 0 {
                    routes = routes.with(listener, speaker);
                }
            }
        }
        room.route(routes);
    }

    pub(super) fn play(&mut self, leg: LegId, id: PromptId, prompt: Prompt) {
        let samples = self.hotline.prompts.samples(prompt);
        match (self.media(leg), samples) {
            (Some(media), Some(samples)) => media.play(id.0, samples),
            _ => self.known.push_back(Input::PromptDone { leg, id }),
        }
    }

    /// Music and the ringing tone are loops; the later one wins.
    pub(super) fn loop_of(&self, leg: LegId, samples: Option<std::sync::Arc<[i16]>>) {
        match (self.media(leg), samples) {
            (Some(media), Some(samples)) => media.play_loop(samples),
            (Some(media), None) => media.stop_loop(),
            (None, _) => {}
        }
    }

    pub(super) fn media(&self, leg: LegId) -> Option<&LegHandle> {
        self.legs.get(leg)?.media.as_ref()
    }
}

/// What was negotiated, in the media engine's words.
pub fn remote_media(remote: sdp::RemoteMedia) -> RemoteMedia {
    let codec = match remote.codec {
        sdp::Codec::Pcma => qingting_media::Codec::Pcma,
        sdp::Codec::Pcmu => qingting_media::Codec::Pcmu,
        sdp::Codec::G722 => qingting_media::Codec::G722,
        sdp::Codec::Opus => qingting_media::Codec::Opus,
    };
    RemoteMedia {
        rtp: remote.rtp,
        rtcp: remote.rtcp,
        rtcp_mux: remote.rtcp_mux,
        codec,
        payload_type: remote.payload_type,
        dtmf_payload_type: remote.dtmf_payload_type,
        send: remote.direction.sends(),
        receive: remote.direction.receives(),
        security: secrets::agreed(remote.security),
        source: None,
    }
}
