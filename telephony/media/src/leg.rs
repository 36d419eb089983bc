//! One RTP endpoint and everything that belongs to it; owned by a media thread from its opening to
//! its end.

use crate::dtmf::{self, Event};
use crate::dtmf_sender;
use crate::emodel::{self, Impairment};
use crate::event::{LegReport, MediaEvent, RecordingReport};
use crate::g711::Codec;
use crate::jitter::{JitterBuffer, Pulled, Pushed};
use crate::latch::{Latch, Verdict};
use crate::net::{Datagram, Inbox, Sockets};
use crate::player::Player;
use crate::plc::Concealer;
use crate::rtcp;
use crate::rtp::{HEADER_BYTES, Header, PAYLOAD_COMFORT_NOISE, Packet, is_rtcp};
use crate::stats::{ReceiveStats, SendStats, ntp_of_unix_ns};
use crate::tap::{Frame, Pair};
use qingting_common::limits::{SAMPLES_PER_TICK, TICK_MS};
use rtrb::{Consumer, Producer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Batches read from one socket in one tick: a flood beyond it waits in, and overflows, the
/// kernel's buffer, and costs other calls nothing.
const BATCHES_PER_TICK_MAX: usize = 4;
/// Longest packet decoded: 200 ms.
const PACKET_SAMPLES_MAX: usize = 1_600;
/// Interval of RTCP reports (RFC 3550 §6.2 minimum), varied by half either way.
const REPORT_INTERVAL_NS: u64 = 5_000_000_000;
const NS_PER_MS: u64 = 1_000_000;

/// What the peer's session description says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// Where RTP goes until the peer is heard from elsewhere.
    pub rtp: SocketAddr,
    /// Where RTCP goes.
    pub rtcp: SocketAddr,
    /// RTP and RTCP share our RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// The codec both ways.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone events.
    pub dtmf_payload_type: Option<u8>,
    /// Whether we may send.
    pub send: bool,
    /// Whether audio is to be expected.
    pub receive: bool,
}

/// Which voice is on which channel of the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// What we hear on the left, what we send on the right: the hotline's.
    #[default]
    HeardLeft,
    /// What we send on the left, what we hear on the right: a caller's.
    SentLeft,
}

/// What the owner of a leg asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Connect(RemoteMedia),
    Play(u32, Arc<[i16]>),
    StopPrompts,
    Press(char),
}

/// The right to tell [`MediaEvent::Closed`], used at the latest when the leg is freed: no owner
/// waits in vain, whatever became of the threads.
#[derive(Debug)]
pub(crate) struct Farewell(Option<mpsc::OwnedPermit<MediaEvent>>);

impl Farewell {
    pub(crate) fn new(permit: mpsc::OwnedPermit<MediaEvent>) -> Self {
        Self(Some(permit))
    }

    fn tell(&mut self, report: LegReport) {
        if let Some(permit) = self.0.take() {
            permit.send(MediaEvent::Closed(Box::new(report)));
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.tell(LegReport::default());
    }
}

/// What a leg and its handle share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Set by the handle's drop; the media thread then ends the leg.
    pub(crate) closing: AtomicBool,
}

/// What a leg is made of, made off the media threads.
pub(crate) struct Parts {
    pub(crate) sockets: Sockets,
    pub(crate) port: u16,
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: Consumer<Command>,
    pub(crate) events: mpsc::Sender<MediaEvent>,
    pub(crate) closed: Farewell,
    /// Prompts that are over, on their way back to be freed; holds all that can be on their way.
    pub(crate) spent: Producer<Arc<[i16]>>,
    pub(crate) recorder: Option<(u64, Producer<Pair>, Layout)>,
    pub(crate) recogniser: Option<Producer<Frame>>,
    pub(crate) jitter_ms: std::ops::RangeInclusive<u32>,
    pub(crate) inactivity_ns: u64,
    pub(crate) seed: u64,
    pub(crate) cname: String,
}

pub(crate) struct Leg {
    parts: Parts,
    remote: Option<Remote>,
    sending: Sending,
    heard: Heard,
    player: Player,
    keys: dtmf_sender::Sender,
    keys_waiting: bool,
    next_report_ns: u64,
    /// Tick of the shard at which the leg was first connected.
    first_tick: Option<u64>,
    ticks: u64,
    /// Ended or failed: waits to be put away.
    over: bool,
    recorder_dropped: u64,
    recogniser_dropped: u64,
}

struct Remote {
    media: RemoteMedia,
    latch: Latch,
    stranger_told: bool,
}

struct Sending {
    ssrc: u32,
    sequence: u16,
    /// RTP timestamp of sample 0.
    origin: u32,
    marker: bool,
    stats: SendStats,
    packet: [u8; HEADER_BYTES + SAMPLES_PER_TICK],
}

struct Heard {
    jitter: JitterBuffer,
    concealer: Concealer,
    dtmf: dtmf::Receiver,
    stats: ReceiveStats,
    ssrc: Option<u32>,
    last_ns: u64,
    late: u64,
    strangers: u64,
    started: bool,
}

impl Leg {
    pub(crate) fn new(parts: Parts) -> Self {
        let seed = parts.seed;
        let jitter = JitterBuffer::new(parts.jitter_ms.clone());
        Self {
            remote: None,
            sending: Sending {
                ssrc: (seed >> 32) as u32,
                sequence: (seed >> 16) as u16 & 0x7fff,
                origin: seed as u32,
                marker: true,
                stats: SendStats::new(),
                packet: [0; HEADER_BYTES + SAMPLES_PER_TICK],
            },
            heard: Heard {
                jitter,
                concealer: Concealer::default(),
                dtmf: dtmf::Receiver::default(),
                stats: ReceiveStats::new(),
                ssrc: None,
                last_ns: 0,
                late: 0,
                strangers: 0,
                started: false,
            },
            player: Player::default(),
            keys: dtmf_sender::Sender::default(),
            keys_waiting: false,
            next_report_ns: 0,
            first_tick: None,
            ticks: 0,
            over: false,
            recorder_dropped: 0,
            recogniser_dropped: 0,
            parts,
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.over || self.parts.shared.closing.load(Ordering::Acquire)
    }

    pub(crate) fn port(&self) -> u16 {
        self.parts.port
    }

    pub(crate) fn recording_key(&self) -> Option<u64> {
        self.parts.recorder.as_ref().map(|(key, ..)| *key)
    }

    pub(crate) fn recorder_ticks_dropped(&self) -> u64 {
        self.recorder_dropped
    }

    /// One tick: take commands, read what came, send what is due. `tick` counts the shard's ticks.
    /// Allocates and frees nothing (`tests/no_allocation.rs`).
    pub(crate) fn tick(&mut self, tick: u64, now_ns: u64, unix_ns: u64, inbox: &mut Inbox) {
        if self.over {
            return;
        }
        while let Ok(command) = self.parts.commands.pop() {
            self.obey(command, tick, now_ns);
        }
        self.receive(now_ns, unix_ns, inbox);
        let Some(first) = self.first_tick else { return };
        let sample_index = (tick - first) * SAMPLES_PER_TICK as u64;
        self.ticks = tick - first + 1;
        let heard = self.hear(now_ns);
        let sent = self.speak(sample_index);
        self.tap(sample_index, &heard, &sent);
        self.watch(now_ns);
        if now_ns >= self.next_report_ns {
            self.report(now_ns, unix_ns, sample_index, false);
        }
    }

    /// Says goodbye to the peer's RTCP, once; ticks do nothing after this.
    pub(crate) fn end(&mut self, now_ns: u64, unix_ns: u64) {
        if !std::mem::replace(&mut self.over, true) && self.first_tick.is_some() {
            self.report(now_ns, unix_ns, self.ticks * SAMPLES_PER_TICK as u64, true);
        }
    }

    /// After a panic in [`Leg::tick`]: the leg is only good for being put away.
    pub(crate) fn fail(&mut self) {
        self.over = true;
    }

    /// Tells the owner that the leg is over, and frees it.
    pub(crate) fn close(mut self, recording: Option<RecordingReport>) {
        let report = LegReport { recording, ..self.books() };
        self.parts.closed.tell(report);
    }

    fn books(&self) -> LegReport {
        let stats = &self.heard.stats;
        let received = stats.received();
        let lost = stats.lost();
        let expected = received + lost;
        let playout_ms = self.heard.jitter.delay_ms();
        let rtt_ms = self.sending.stats.rtt_ms();
        let unheard = (lost + self.heard.late).min(expected) as f64;
        let impairment = Impairment {
            delay_ms: rtt_ms.unwrap_or(0.0) / 2.0 + f64::from(playout_ms + TICK_MS),
            loss: if expected == 0 { 0.0 } else { unheard / expected as f64 },
        };
        LegReport {
            packets_sent: self.sending.stats.packets(),
            packets_received: received,
            packets_lost: lost,
            packets_late: self.heard.late,
            packets_duplicate: stats.duplicates(),
            packets_stranger: self.heard.strangers,
            jitter_ms: stats.jitter_ms(),
            rtt_ms,
            playout_ms,
            mos: (received > 0).then(|| emodel::mos(impairment)),
            duration_ms: self.ticks * u64::from(TICK_MS),
            recogniser_ticks_dropped: self.recogniser_dropped,
            recording: None,
        }
    }

    fn obey(&mut self, command: Command, tick: u64, now_ns: u64) {
        match command {
            Command::Connect(media) => {
                let latch = match self.remote.take() {
                    Some(remote) => {
                        let mut latch = remote.latch;
                        latch.announce(media.rtp);
                        latch
                    }
                    None => Latch::new(media.rtp),
                };
                self.remote = Some(Remote { media, latch, stranger_told: false });
                self.heard.last_ns = now_ns;
                if self.first_tick.is_none() {
                    self.first_tick = Some(tick);
                    self.next_report_ns = now_ns + REPORT_INTERVAL_NS / 2;
                }
            }
            Command::Play(id, samples) => {
                if let Err(refused) = self.player.play(id, samples) {
                    // Nobody shall wait for the end of a prompt that never begins.
                    self.tell(MediaEvent::PromptDone(id));
                    give_back(&mut self.parts.spent, refused);
                }
            }
            Command::StopPrompts => {
                for stopped in self.player.stop() {
                    give_back(&mut self.parts.spent, stopped);
                }
            }
            Command::Press(key) => self.keys_waiting |= self.keys.press(key),
        }
    }

    fn receive(&mut self, now_ns: u64, unix_ns: u64, inbox: &mut Inbox) {
        for _ in 0..BATCHES_PER_TICK_MAX {
            let count = inbox.receive(&self.parts.sockets.rtp);
            for datagram in (0..count).filter_map(|index| inbox.datagram(index)) {
                if is_rtcp(datagram.bytes) {
                    self.take_report(datagram, now_ns, unix_ns);
                } else {
                    self.take_packet(datagram, now_ns, unix_ns);
                }
            }
            if !Inbox::was_full(count) {
                break;
            }
        }
        let count = inbox.receive(&self.parts.sockets.rtcp);
        for datagram in (0..count).filter_map(|index| inbox.datagram(index)) {
            self.take_report(datagram, now_ns, unix_ns);
        }
    }

    fn take_packet(&mut self, datagram: Datagram<'_>, now_ns: u64, unix_ns: u64) {
        let Some(remote) = &mut self.remote else { return };
        let Ok(packet) = Packet::parse(datagram.bytes) else { return };
        let header = packet.header;
        let is_audio = header.payload_type == remote.media.payload_type;
        let is_key = Some(header.payload_type) == remote.media.dtmf_payload_type;
        if !is_audio && !is_key && header.payload_type != PAYLOAD_COMFORT_NOISE {
            return;
        }
        match remote.latch.judge(datagram.from, header.ssrc, header.sequence) {
            Verdict::Accept => {}
            Verdict::Probation => return,
            Verdict::Stranger => {
                self.heard.strangers += 1;
                if !std::mem::replace(&mut remote.stranger_told, true) {
                    self.tell(MediaEvent::StrangerRtp);
                }
                return;
            }
        }
        let codec = remote.media.codec;
        let arrival_ns = arrival(&datagram, now_ns, unix_ns);
        if self.heard.stats.received() == 0 {
            self.tell(MediaEvent::FirstPacket);
        }
        let heard = &mut self.heard;
        let mut pressed = None;
        heard.last_ns = now_ns;
        heard.stats.packet(header.ssrc, header.sequence, header.timestamp, arrival_ns);
        if heard.ssrc.replace(header.ssrc).is_some_and(|before| before != header.ssrc) {
            heard.jitter.reset();
            pressed = heard.dtmf.reset();
        }
        if is_audio {
            let mut samples = [0; PACKET_SAMPLES_MAX];
            let length = packet.payload.len().min(PACKET_SAMPLES_MAX);
            let count = codec.decode_into(&packet.payload[..length], &mut samples);
            let pushed = heard.jitter.push(arrival_ns, header.timestamp, &samples[..count]);
            heard.late += u64::from(pushed == Pushed::Late);
        } else if is_key && let Some(event) = Event::parse(packet.payload) {
            let by_event = heard.dtmf.push(now_ns, header.timestamp, event);
            self.tell_pressed(pressed.take());
            pressed = by_event;
        }
        self.tell_pressed(pressed);
    }

    fn take_report(&mut self, datagram: Datagram<'_>, now_ns: u64, unix_ns: u64) {
        let Some(remote) = &self.remote else { return };
        let known = [remote.media.rtcp.ip(), remote.latch.destination().ip()];
        if !known.contains(&datagram.from.ip()) {
            return;
        }
        let arrival_ns = arrival(&datagram, now_ns, unix_ns);
        let middle = (ntp_of_unix_ns(unix_ns) >> 16) as u32;
        for item in rtcp::parse(datagram.bytes).map_while(Result::ok) {
            match item {
                rtcp::Item::SenderReport { info, .. } => {
                    self.heard.stats.sender_report((info.ntp >> 16) as u32, arrival_ns);
                }
                rtcp::Item::Block { block, .. } if block.ssrc == self.sending.ssrc => {
                    self.sending.stats.report_about_us(&block, middle);
                }
                _ => {}
            }
        }
    }

    /// The peer's audio of this tick, what is missing made up.
    fn hear(&mut self, now_ns: u64) -> [i16; SAMPLES_PER_TICK] {
        let pressed = self.heard.dtmf.tick(now_ns);
        self.tell_pressed(pressed);
        let heard = &mut self.heard;
        let Some(pulled) = heard.jitter.pull(now_ns) else {
            let mut samples = [0; SAMPLES_PER_TICK];
            if heard.started {
                heard.concealer.conceal(&mut samples);
            }
            return samples;
        };
        heard.started = true;
        conceal_gaps(&mut heard.concealer, pulled)
    }

    fn speak(&mut self, sample_index: u64) -> [i16; SAMPLES_PER_TICK] {
        let mut samples = [0; SAMPLES_PER_TICK];
        if let Some((id, done)) = self.player.tick(&mut samples) {
            self.tell(MediaEvent::PromptDone(id));
            give_back(&mut self.parts.spent, done);
        }
        let Some(remote) = self.remote.as_ref().filter(|remote| remote.media.send) else {
            return samples;
        };
        let media = remote.media;
        let to = remote.latch.destination();
        let key = media.dtmf_payload_type.and_then(|kind| Some((kind, self.keys.tick()?)));
        let timestamp = self.sending.origin.wrapping_add(sample_index as u32);
        let length = match key {
            Some((payload_type, packet)) => {
                let timestamp = timestamp.wrapping_sub(packet.began_samples_ago);
                let payload = packet.event.to_bytes();
                self.sending.packet[HEADER_BYTES..HEADER_BYTES + payload.len()]
                    .copy_from_slice(&payload);
                self.sending.header(payload_type, timestamp, packet.first);
                payload.len()
            }
            None => {
                let payload = &mut self.sending.packet[HEADER_BYTES..];
                let length = media.codec.encode_into(&samples, payload);
                let marker = std::mem::replace(&mut self.sending.marker, false);
                self.sending.header(media.payload_type, timestamp, marker);
                length
            }
        };
        if std::mem::replace(&mut self.keys_waiting, !self.keys.is_idle()) && self.keys.is_idle() {
            self.tell(MediaEvent::KeysSent);
        }
        let packet = &self.sending.packet[..HEADER_BYTES + length];
        // A full send buffer or an ICMP error: the packet is lost, as any other may be on its way.
        if self.parts.sockets.rtp.send_to(packet, to).is_ok() {
            self.sending.stats.sent(length);
        }
        samples
    }

    fn tap(
        &mut self,
        sample_index: u64,
        heard: &[i16; SAMPLES_PER_TICK],
        sent: &[i16; SAMPLES_PER_TICK],
    ) {
        if let Some((_, recorder, layout)) = &mut self.parts.recorder {
            let (left, right) = match layout {
                Layout::HeardLeft => (*heard, *sent),
                Layout::SentLeft => (*sent, *heard),
            };
            let full = recorder.push(Pair { sample_index, left, right }).is_err();
            self.recorder_dropped += u64::from(full);
        }
        if let Some(recogniser) = &mut self.parts.recogniser {
            let full = recogniser.push(Frame { sample_index, samples: *heard }).is_err();
            self.recogniser_dropped += u64::from(full);
        }
    }

    fn watch(&mut self, now_ns: u64) {
        let expected = self.remote.as_ref().is_some_and(|remote| remote.media.receive);
        let silent_ns = now_ns.saturating_sub(self.heard.last_ns);
        if expected && silent_ns >= self.parts.inactivity_ns {
            self.heard.last_ns = now_ns;
            self.tell(MediaEvent::Inactive);
        }
    }

    fn report(&mut self, now_ns: u64, unix_ns: u64, sample_index: u64, bye: bool) {
        let Some(remote) = &self.remote else { return };
        // Until the peer has agreed to be sent to, or is heard, its address is only a claim.
        if !remote.media.send && self.heard.stats.received() == 0 {
            self.next_report_ns = now_ns + REPORT_INTERVAL_NS;
            return;
        }
        let timestamp = self.sending.origin.wrapping_add(sample_index as u32);
        let sender = (self.sending.stats.packets() > 0)
            .then(|| self.sending.stats.sender_info(unix_ns, timestamp));
        let block = self.heard.stats.block(now_ns);
        let mut bytes = [0; rtcp::RTCP_BYTES_MAX];
        let ssrc = self.sending.ssrc;
        let length = rtcp::write_compound(&mut bytes, ssrc, &self.parts.cname, sender, block, bye);
        let media = &remote.media;
        // Behind a NAT the RTCP address is as wrong as the RTP one: keep its port, take the IP heard.
        let heard_from = remote.latch.destination();
        let (socket, to) = if media.rtcp_mux {
            (&self.parts.sockets.rtp, heard_from)
        } else if heard_from == media.rtp {
            (&self.parts.sockets.rtcp, media.rtcp)
        } else {
            let port = heard_from.port().saturating_add(1);
            (&self.parts.sockets.rtcp, SocketAddr::new(heard_from.ip(), port))
        };
        // Reports are repeated; a lost one is made good by the next.
        let _ = socket.send_to(&bytes[..length], to);
        // Varied between half and one and a half intervals (RFC 3550 §6.3.1).
        let dice = u64::from(ssrc.wrapping_mul(2_654_435_761).wrapping_add(sample_index as u32));
        self.next_report_ns = now_ns + REPORT_INTERVAL_NS / 2 + dice % REPORT_INTERVAL_NS;
    }

    fn tell_pressed(&self, pressed: Option<dtmf::Pressed>) {
        if let Some(dtmf::Pressed { digit, duration_ms }) = pressed {
            self.tell(MediaEvent::Dtmf { digit, duration_ms });
        }
    }

    fn tell(&self, event: MediaEvent) {
        // The owner reads events as they come; one that does not read loses them, not the call.
        let _ = self.parts.events.try_send(event);
    }
}

impl Sending {
    fn header(&mut self, payload_type: u8, timestamp: u32, marker: bool) {
        self.sequence = self.sequence.wrapping_add(1);
        let header =
            Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        if let Some(bytes) = self.packet.first_chunk_mut() {
            header.write(bytes);
        }
    }
}

/// A prompt's samples may be their last user's to free: that is not for a media thread.
fn give_back(spent: &mut Producer<Arc<[i16]>>, samples: Arc<[i16]>) {
    let full = spent.push(samples).is_err();
    debug_assert!(!full, "there is room for every prompt that a leg can hold");
}

/// When a datagram came, on the monotonic clock: the kernel's wall-clock time moved over.
fn arrival(datagram: &Datagram<'_>, now_ns: u64, unix_ns: u64) -> u64 {
    const AGE_NS_MAX: u64 = 1_000 * NS_PER_MS;
    let age = datagram.arrival_unix_ns.map_or(0, |arrival| unix_ns.saturating_sub(arrival));
    now_ns.saturating_sub(age.min(AGE_NS_MAX))
}

fn conceal_gaps(concealer: &mut Concealer, pulled: Pulled) -> [i16; SAMPLES_PER_TICK] {
    let Pulled { mut samples, present } = pulled;
    let mut rest = &mut samples[..];
    for run in present.chunk_by(|a, b| a == b) {
        let (stretch, after) = rest.split_at_mut(run.len());
        if run[0] {
            concealer.heard(stretch);
        } else {
            concealer.conceal(stretch);
        }
        rest = after;
    }
    samples
}
