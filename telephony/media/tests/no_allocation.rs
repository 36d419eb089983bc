//! What the crate promises of its media threads: once a leg is warm, its ticks allocate nothing and
//! free nothing.

mod counting;
mod phone;

use counting::{COUNTING, counts};
use phone::Phone;
use qingting_media::dtmf::Event;
use qingting_media::rtcp::{self, RTCP_BYTES_MAX, ReportBlock, SenderInfo};
use qingting_media::rtp::{HEADER_BYTES, Header};
use qingting_media::{
    Codec, LegConfig, LegHandle, MediaConfig, MediaEngine, MediaEvent, RecogniserTap, RecordTo,
    RemoteMedia, RoomConfig, RoomEvent, RoomHandle, Routes, Security, Side,
};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const LEGS: usize = 4;
/// 3 s in which everything below happens once, uncounted.
const WARM_UP_TICKS: u32 = 150;
/// 7 s: 28 s of ticks of one leg.
const COUNTED_TICKS: u32 = 350;
const TICK: Duration = Duration::from_millis(20);
/// The peer moves to its other socket, and is another source, this often.
const MOVE_TICKS: u32 = 120;
const PAYLOAD_DTMF: u8 = 101;

#[test]
fn a_warm_media_thread_neither_allocates_nor_frees() {
    let folder = tempfile::tempdir().unwrap();
    let ports = 31_000..=31_099;
    let engine =
        MediaEngine::start(MediaConfig { shards: 2, ports, ..Default::default() }).unwrap();
    let open = |number| Call::open(&engine, folder.path().join(format!("{number}.wav")));
    let mut calls: Vec<Call> = (0..LEGS).map(open).collect();
    let mut conference = Conference::open(&engine, folder.path());
    for tick in 0..WARM_UP_TICKS + COUNTED_TICKS {
        COUNTING.store(tick >= WARM_UP_TICKS, Ordering::Relaxed);
        conference.tick(tick);
        for call in &mut calls {
            call.tick(tick);
        }
        std::thread::sleep(TICK); // The peers' pace, not a wait for anything.
    }
    COUNTING.store(false, Ordering::Relaxed);
    assert_eq!(counts(), (0, 0), "allocations and frees of the media threads");
    for call in calls {
        call.hang_up_and_check();
    }
    conference.hang_up_and_check();
    counting::check();
}

/// A room of three with a codec each, one of whom is now heard and now not.
struct Conference {
    room: RoomHandle,
    events: Receiver<RoomEvent>,
    phones: [Phone; 3],
}

impl Conference {
    fn open(engine: &MediaEngine, folder: &Path) -> Self {
        let to = |name: &str| Some(RecordTo { path: folder.join(name), ..RecordTo::default() });
        let (room, events) = engine.open_room(RoomConfig { record: to("room.wav") }).unwrap();
        let config = |side, track| LegConfig {
            side,
            record_track: to(track),
            recognise: true,
            ..LegConfig::default()
        };
        let call = |side, track, tone| Phone::try_call(&room, config(side, track), tone).unwrap();
        let mut phones = [
            call(Side::Citizen, "a.wav", 400.0),
            call(Side::Staff, "b.wav", 700.0),
            call(Side::Staff, "c.wav", 1_100.0),
        ];
        phones[1].speak_in(Codec::G722);
        phones[2].speak_in(Codec::Opus);
        Self { room, events, phones }
    }

    fn tick(&mut self, tick: u32) {
        let room = &self.room;
        let [a, b, c] = &mut self.phones;
        match tick % 50 {
            0 => room.route(Routes::between(&[a.slot(), b.slot(), c.slot()])),
            10 => a.leg.play_loop(vec![1_000; 1_000].into()),
            15 => a.leg.play(tick, vec![2_000; 500].into()),
            20 => a.leg.stop_loop(),
            22 => room.pause_recording(),
            25 => room.resume_recording(),
            30 => room.route(Routes::between(&[a.slot(), b.slot()])),
            40 => b.speak_in(if tick % 100 == 40 { Codec::Opus } else { Codec::G722 }),
            _ => {}
        }
        self.phones.iter_mut().for_each(|phone| phone.listen());
        for (number, phone) in self.phones.iter_mut().enumerate() {
            if tick % 37 == number as u32 {
                phone.lose();
            } else {
                phone.speak();
            }
        }
        while self.events.try_recv().is_ok() {}
    }

    fn hang_up_and_check(self) {
        let Self { room, mut events, phones } = self;
        assert!(phones.iter().all(|phone| phone.headers.len() > 400));
        drop((room, phones));
        let report = loop {
            match events.blocking_recv().expect("Closed is the last event") {
                RoomEvent::Closed(report) => break report,
                _ => continue,
            }
        };
        assert!(report.recording.is_some_and(|recording| recording.duration_ms > 6_000));
    }
}

/// A leg and a peer that does what peers do.
struct Call {
    leg: LegHandle,
    events: Receiver<MediaEvent>,
    tap: RecogniserTap,
    peers: [UdpSocket; 2],
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    prompts: u32,
    keys: u32,
    keys_sent: u32,
    inactive: u32,
    strangers: u32,
    frames: u32,
}

impl Call {
    fn open(engine: &MediaEngine, path: PathBuf) -> Self {
        let config = LegConfig {
            record: Some(RecordTo { path, ..RecordTo::default() }),
            recognise: true,
            inactivity: Duration::from_millis(60),
            ..LegConfig::default()
        };
        let (mut leg, events) = engine.open(config).unwrap();
        let tap = leg.take_recogniser_tap().unwrap();
        let peers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        Self { leg, events, tap, peers, told: Told::default() }
    }

    fn tick(&mut self, tick: u32) {
        if tick.is_multiple_of(MOVE_TICKS) {
            // At first an answer, then re-INVITEs that move the peer.
            self.leg.connect(remote(self.peer(tick).local_addr().unwrap(), tick));
        }
        self.command(tick);
        while self.tap.pop().is_some() {
            self.told.frames += 1;
        }
        self.send_audio(tick);
        if tick % 25 == 7 {
            self.send_report(tick);
        }
        // An owner that is busy for 4 s: its queue fills for the first time.
        if !(170..370).contains(&tick) {
            self.listen();
        }
    }

    fn command(&self, tick: u32) {
        // From here on the leg alone owns the samples.
        match tick % 50 {
            5 => self.leg.play(tick, vec![1_000; 1_234].into()),
            20 => self.leg.send_dtmf('7'),
            30 => (0..40).for_each(|id| self.leg.play(id, vec![1_000; 4_000].into())),
            35 => self.leg.stop_prompts(),
            _ => {}
        }
    }

    /// Audio with loss, reordering, duplicates, a pause, keys, and a stranger's beside it.
    fn send_audio(&self, tick: u32) {
        match tick % 60 {
            11 | 12 | 40..=47 => {}
            21 => self.send_packet(tick, tick + 1),
            22 => self.send_packet(tick, tick - 1),
            30..=34 => {
                let held = tick % 60 - 29;
                let event = Event { code: 5, end: held == 5, duration: held as u16 * 160 };
                self.send(tick, tick, PAYLOAD_DTMF, (tick - held) * 160, &event.to_bytes());
            }
            50 => (0..2).for_each(|_| self.send_packet(tick, tick)),
            _ => self.send_packet(tick, tick),
        }
        let mut stranger = [0; 172];
        stranger[..2].copy_from_slice(&[0x80, 8]);
        self.peer(tick + MOVE_TICKS).send_to(&stranger, self.leg.local_rtp()).unwrap();
        self.peer(tick).send_to(&[0x80; 5], self.leg.local_rtp()).unwrap();
    }

    fn send_packet(&self, tick: u32, number: u32) {
        let voice: [u8; 160] = std::array::from_fn(|at| (at as u32 * number) as u8);
        self.send(tick, number, 8, number * 160, &voice);
    }

    fn send(&self, tick: u32, number: u32, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let (sequence, ssrc) = (number as u16, tick / MOVE_TICKS);
        let header = Header { marker: false, payload_type, sequence, timestamp, ssrc };
        let mut packet = [0; 300];
        header.write(packet.first_chunk_mut().unwrap());
        let length = HEADER_BYTES + payload.len();
        packet[HEADER_BYTES..length].copy_from_slice(payload);
        self.peer(tick).send_to(&packet[..length], self.leg.local_rtp()).unwrap();
    }

    fn send_report(&self, tick: u32) {
        let info =
            SenderInfo { ntp: 1 << 40, rtp_timestamp: tick * 160, packets: tick, bytes: tick };
        let block = ReportBlock { ssrc: 1, ..ReportBlock::default() };
        let mut out = [0; RTCP_BYTES_MAX];
        let length = rtcp::write_compound(&mut out, 7, "peer", Some(info), Some(block), tick > 400);
        let rtp = self.leg.local_rtp();
        for port in [rtp.port(), rtp.port() + 1] {
            self.peer(tick).send_to(&out[..length], (rtp.ip(), port)).unwrap();
        }
    }

    fn peer(&self, tick: u32) -> &UdpSocket {
        &self.peers[(tick / MOVE_TICKS % 2) as usize]
    }

    fn listen(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            match event {
                MediaEvent::PromptDone(_) => self.told.prompts += 1,
                MediaEvent::Dtmf { .. } => self.told.keys += 1,
                MediaEvent::KeysSent => self.told.keys_sent += 1,
                MediaEvent::Inactive => self.told.inactive += 1,
                MediaEvent::StrangerRtp => self.told.strangers += 1,
                _ => {}
            }
        }
    }

    /// All of it really happened.
    fn hang_up_and_check(mut self) {
        drop(self.leg);
        let report = loop {
            match self.events.blocking_recv().expect("Closed is the last event") {
                MediaEvent::Closed(report) => break report,
                _ => continue,
            }
        };
        let told = &self.told;
        assert!(told.prompts >= 30 && told.keys >= 3 && told.keys_sent >= 3, "{told:?}");
        assert!(told.inactive >= 5 && told.strangers >= 2 && told.frames >= 400, "{told:?}");
        assert!(report.packets_received > 250 && report.packets_lost > 20, "{report:?}");
        assert!(report.packets_duplicate > 2 && report.packets_sent > 400, "{report:?}");
        assert!(report.recording.is_some_and(|recording| recording.duration_ms > 6_000));
    }
}

fn remote(peer: SocketAddr, tick: u32) -> RemoteMedia {
    RemoteMedia {
        rtp: peer,
        rtcp: peer,
        rtcp_mux: tick.is_multiple_of(2 * MOVE_TICKS),
        codec: Codec::Pcma,
        payload_type: 8,
        dtmf_payload_type: Some(PAYLOAD_DTMF),
        send: true,
        receive: true,
        security: Security::Plain,
        source: None,
    }
}
