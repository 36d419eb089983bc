//! One RTP endpoint and everything that belongs to it; owned by a media thread from its opening to
//! its end, though not always by the same room.

mod reports;

use self::reports::REPORT_INTERVAL_NS;
use crate::codec::Coder;
use crate::config::{Layout, RemoteMedia, Side};
use crate::dtmf::Pressed;
use crate::event::{LegReport, MediaEvent, RecordingReport};
use crate::farewell::Farewell;
use crate::hearing::{Hearing, Times};
use crate::latch::{Latch, Verdict};
use crate::mix::{Limiter, Mix, Samples};
use crate::net::{Datagram, Inbox, Sockets};
use crate::player::Player;
use crate::rtp::{PAYLOAD_COMFORT_NOISE, Packet, is_rtcp};
use crate::security::{Destination, Incoming, Transport, Turn};
use crate::sending::Sending;
use crate::tap::{Frame, Pair, Voice};
use qingting_common::limits::SAMPLES_PER_TICK;
use rtrb::{Consumer, Producer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Batches read from one socket in one tick: a flood beyond it waits in, and overflows, the
/// kernel's buffer, and costs other calls nothing.
const BATCHES_PER_TICK_MAX: usize = 4;
/// The RTCP socket is looked at this often, 100 ms: the kernel tells when a report came.
const REPORTS_READ_TICKS: u64 = 5;
/// A peer that sent comfort noise is inactive after so many times the usual time.
const COMFORTED_PATIENCE: u64 = 10;
const NS_PER_MS: u64 = 1_000_000;

/// What the owner of a leg asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Secure(Box<Transport>),
    Connect(RemoteMedia, Box<Coder>),
    Play(u32, Arc<[i16]>),
    StopPrompts,
    PlayLoop(Arc<[i16]>),
    StopLoop,
    Press(char),
}

/// What a leg no longer needs: it may be for the last user to free, which a media thread must not.
#[derive(Debug)]
pub(crate) enum Spent {
    Samples { _freed: Arc<[i16]> },
    Coder { _freed: Box<Coder> },
}

impl From<Arc<[i16]>> for Spent {
    fn from(samples: Arc<[i16]>) -> Self {
        Self::Samples { _freed: samples }
    }
}

impl From<Box<Coder>> for Spent {
    fn from(coder: Box<Coder>) -> Self {
        Self::Coder { _freed: coder }
    }
}

/// What a leg, its room and its handle share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Set by the handle's drop; the media thread then ends the leg.
    pub(crate) closing: AtomicBool,
}

/// One tick of a media thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    /// Counts the ticks of the thread.
    pub(crate) number: u64,
    pub(crate) now_ns: u64,
    pub(crate) unix_ns: u64,
}

/// What a leg is made of, made off the media threads.
pub(crate) struct Parts {
    pub(crate) key: u64,
    pub(crate) side: Side,
    pub(crate) sockets: Sockets,
    pub(crate) port: u16,
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: Consumer<Command>,
    pub(crate) events: mpsc::Sender<MediaEvent>,
    pub(crate) closed: Farewell<MediaEvent, LegReport>,
    /// What is over, on its way back to be freed; holds all that can be on its way.
    pub(crate) spent: Producer<Spent>,
    /// Both directions.
    pub(crate) recorder: Option<(u64, Producer<Pair>, Layout)>,
    /// The peer's voice alone.
    pub(crate) track: Option<(u64, Producer<Voice>)>,
    pub(crate) recogniser: Option<Producer<Frame>>,
    pub(crate) jitter_ms: std::ops::RangeInclusive<u32>,
    pub(crate) inactivity_ns: u64,
    pub(crate) seed: u64,
    pub(crate) cname: String,
}

pub(crate) struct Leg {
    parts: Parts,
    remote: Option<Remote>,
    /// What securing takes, once it was asked for.
    transport: Option<Box<Transport>>,
    sending: Sending,
    hearing: Hearing,
    player: Player,
    limiter: Limiter,
    last_heard_ns: u64,
    strangers: u64,
    next_report_ns: u64,
    /// Tick of the shard at which the leg was first connected.
    first_tick: Option<u64>,
    ticks: u64,
    /// Ended or failed: waits to be put away.
    over: bool,
    recorder_dropped: u64,
    track_dropped: u64,
    recogniser_dropped: u64,
}

struct Remote {
    media: RemoteMedia,
    coder: Box<Coder>,
    latch: Latch,
    stranger_told: bool,
}

impl Leg {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            remote: None,
            transport: None,
            sending: Sending::new(parts.seed),
            hearing: Hearing::new(parts.jitter_ms.clone()),
            player: Player::default(),
            limiter: Limiter::default(),
            last_heard_ns: 0,
            strangers: 0,
            next_report_ns: 0,
            first_tick: None,
            ticks: 0,
            over: false,
            recorder_dropped: 0,
            track_dropped: 0,
            recogniser_dropped: 0,
            parts,
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.over || self.parts.shared.closing.load(Ordering::Acquire)
    }

    /// Unlike any other leg's of the engine.
    pub(crate) fn key(&self) -> u64 {
        self.parts.key
    }

    pub(crate) fn port(&self) -> u16 {
        self.parts.port
    }

    pub(crate) fn side(&self) -> Side {
        self.parts.side
    }

    /// The recording of both directions, and how many ticks never reached it.
    pub(crate) fn recording(&self) -> Option<(u64, u64)> {
        self.parts.recorder.as_ref().map(|(key, ..)| (*key, self.recorder_dropped))
    }

    /// The recording of the peer's voice alone, likewise.
    pub(crate) fn track(&self) -> Option<(u64, u64)> {
        self.parts.track.as_ref().map(|(key, _)| (*key, self.track_dropped))
    }

    /// The first half of a tick: take commands, read what came. False, and no voice of the peer,
    /// before the leg is connected. Neither half allocates or frees anything
    /// (`tests/no_allocation.rs`).
    pub(crate) fn listen(&mut self, tick: Tick, inbox: &mut Inbox, voice: &mut Samples) -> bool {
        if self.over {
            return false;
        }
        while let Ok(command) = self.parts.commands.pop() {
            self.obey(command, tick);
        }
        self.receive(tick, inbox);
        self.turn(tick.now_ns);
        let Some(first) = self.first_tick else { return false };
        self.ticks = tick.number - first + 1;
        let overdue = self.hearing.overdue_key(tick.now_ns);
        self.tell_pressed(overdue);
        self.hearing.voice(tick.now_ns, voice);
        if self.remote.as_ref().is_some_and(|remote| remote.media.dtmf_payload_type.is_none()) {
            let pressed = self.hearing.tone_key(voice);
            self.tell_pressed(pressed);
        }
        true
    }

    /// The second half: send what the peer hears of `others` and of our own prompts, and feed the
    /// taps. What was played, when something was.
    pub(crate) fn speak(
        &mut self,
        tick: Tick,
        voice: &Samples,
        others: &Mix<'_>,
        paused: bool,
    ) -> Option<Samples> {
        let played = self.play();
        let sent = match &played {
            Some(played) => self.limiter.limit(&others.with(played)),
            None => self.limiter.limit(others),
        };
        let sample_index = self.sample_index();
        self.send(tick.now_ns, sample_index, &sent);
        self.tap(sample_index, voice, &sent, paused);
        self.watch(tick.now_ns);
        if tick.now_ns >= self.next_report_ns {
            self.report(tick, false);
        }
        played
    }

    /// Samples from the first connection to the present tick.
    pub(crate) fn sample_index(&self) -> u64 {
        self.ticks.saturating_sub(1) * SAMPLES_PER_TICK as u64
    }

    /// Says goodbye to the peer's RTCP, once; ticks do nothing after this.
    pub(crate) fn end(&mut self, tick: Tick) {
        if !std::mem::replace(&mut self.over, true) && self.first_tick.is_some() {
            self.report(tick, true);
        }
    }

    /// After a panic in a tick: the leg is only good for being put away.
    pub(crate) fn fail(&mut self) {
        self.over = true;
    }

    /// Tells the owner that the leg is over, and frees it.
    pub(crate) fn close(
        mut self,
        recording: Option<RecordingReport>,
        track: Option<RecordingReport>,
    ) {
        let report = LegReport { recording, track, ..self.books() };
        self.parts.closed.tell(report);
    }

    fn obey(&mut self, command: Command, tick: Tick) {
        match command {
            // The handle sends one alone: none is freed here.
            Command::Secure(transport) => self.transport = Some(transport),
            Command::Connect(media, coder) => self.connect(media, coder, tick),
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
            Command::PlayLoop(samples) => {
                if let Some(before) = self.player.play_loop(samples) {
                    give_back(&mut self.parts.spent, before);
                }
            }
            Command::StopLoop => {
                if let Some(stopped) = self.player.stop_loop() {
                    give_back(&mut self.parts.spent, stopped);
                }
            }
            Command::Press(key) => self.sending.press(key),
        }
    }

    fn connect(&mut self, media: RemoteMedia, coder: Box<Coder>, tick: Tick) {
        let mut latch = Latch::new(media.rtp, media.source);
        let mut current = coder;
        if let Some(before) = self.remote.take() {
            latch = before.latch;
            latch.announce(media.rtp);
            let mut unused = before.coder;
            if unused.codec() == current.codec() {
                // The peer's decoder goes on from where our encoder is.
                std::mem::swap(&mut unused, &mut current);
            } else {
                self.hearing.change_codec();
                self.sending.change_codec();
            }
            give_back(&mut self.parts.spent, unused);
        }
        self.remote = Some(Remote { media, coder: current, latch, stranger_told: false });
        if let Some(transport) = &mut self.transport {
            transport.connect(media.security);
        }
        self.last_heard_ns = tick.now_ns;
        if self.first_tick.is_none() {
            self.first_tick = Some(tick.number);
            self.next_report_ns = tick.now_ns + REPORT_INTERVAL_NS / 2;
        }
    }

    fn receive(&mut self, tick: Tick, inbox: &mut Inbox) {
        for _ in 0..BATCHES_PER_TICK_MAX {
            let count = inbox.receive(&self.parts.sockets.rtp);
            for datagram in (0..count).filter_map(|index| inbox.datagram(index)) {
                self.take(datagram, tick);
            }
            if !Inbox::was_full(count) {
                break;
            }
        }
        // Legs take turns, so that no tick has all the work.
        if (tick.number + u64::from(self.parts.port / 2)).is_multiple_of(REPORTS_READ_TICKS) {
            let count = inbox.receive(&self.parts.sockets.rtcp);
            for datagram in (0..count).filter_map(|index| inbox.datagram(index)) {
                self.take_from_rtcp(datagram, tick);
            }
        }
    }

    /// Takes what came to the RTP socket: the one place where a datagram becomes a packet.
    fn take(&mut self, datagram: Datagram<'_>, tick: Tick) {
        let Datagram { bytes, from, .. } = datagram;
        let times = times(&datagram, tick);
        // Taken out and put back, because what it reads lies in it.
        let Some(mut transport) = self.transport.take_if(|transport| transport.is_secured()) else {
            if is_rtcp(bytes) {
                self.take_report(datagram, false, tick);
            } else if let Ok(packet) = Packet::parse(bytes) {
                self.take_packet(packet, from, false, times);
            }
            return;
        };
        let proven = transport.proves_sources();
        match transport.receive(tick.now_ns, from, bytes) {
            Incoming::Rtp(plain) => {
                if let Ok(packet) = Packet::parse(plain) {
                    self.take_packet(packet, from, proven, times);
                }
            }
            Incoming::Rtcp(plain) => {
                self.take_report(Datagram { bytes: plain, ..datagram }, true, tick);
            }
            Incoming::Reply(reply) => {
                // A check that is not answered is repeated.
                let _ = self.parts.sockets.rtp.send_to(reply, from);
            }
            Incoming::Stranger => self.stranger(),
            Incoming::Nothing => {}
        }
        self.transport = Some(transport);
    }

    fn take_from_rtcp(&mut self, datagram: Datagram<'_>, tick: Tick) {
        let Some(mut transport) = self.transport.take_if(|transport| transport.is_secured()) else {
            return self.take_report(datagram, false, tick);
        };
        if let Incoming::Rtcp(plain) = transport.receive_rtcp(datagram.bytes) {
            self.take_report(Datagram { bytes: plain, ..datagram }, true, tick);
        }
        self.transport = Some(transport);
    }

    /// What became of handshake and consent.
    fn turn(&mut self, now_ns: u64) {
        match self.transport.as_mut().and_then(|transport| transport.turn(now_ns)) {
            Some(Turn::Secured) => self.tell(MediaEvent::Secured),
            Some(Turn::Failed(error)) => self.tell(MediaEvent::SecurityFailed { error }),
            Some(Turn::ConsentLost) => self.tell(MediaEvent::ConsentLost),
            None => {}
        }
    }

    fn stranger(&mut self) {
        self.strangers += 1;
        let told = self.remote.as_mut().map(|r| std::mem::replace(&mut r.stranger_told, true));
        if told == Some(false) {
            self.tell(MediaEvent::StrangerRtp);
        }
    }

    /// Takes a packet; `proven` is one whose source ICE knows as the peer's.
    fn take_packet(&mut self, packet: Packet<'_>, from: SocketAddr, proven: bool, times: Times) {
        let Some(remote) = self.remote.as_mut().filter(|remote| remote.media.receive) else {
            return;
        };
        let header = packet.header;
        let media = remote.media;
        let wanted =
            [Some(media.payload_type), media.dtmf_payload_type, Some(PAYLOAD_COMFORT_NOISE)];
        if !wanted.contains(&Some(header.payload_type)) {
            return;
        }
        let verdict = match proven {
            true => Verdict::Accept,
            false => remote.latch.judge(from, header.ssrc, header.sequence),
        };
        match verdict {
            Verdict::Accept => {}
            Verdict::Probation => return,
            Verdict::Stranger => return self.stranger(),
        }
        self.last_heard_ns = times.now_ns;
        let first = self.hearing.stats().received() == 0;
        let pressed = self.hearing.packet(&media, &mut remote.coder, &packet, times);
        if first {
            self.tell(MediaEvent::FirstPacket);
        }
        pressed.into_iter().for_each(|pressed| self.tell_pressed(pressed));
    }

    /// What is played of our own in this tick.
    fn play(&mut self) -> Option<Samples> {
        if self.player.is_silent() {
            return None;
        }
        let mut samples = [0; SAMPLES_PER_TICK];
        if let Some((id, done)) = self.player.tick(&mut samples) {
            self.tell(MediaEvent::PromptDone(id));
            give_back(&mut self.parts.spent, done);
        }
        Some(samples)
    }

    /// Sends a tick of audio, or a key: the one place where a packet becomes a datagram.
    fn send(&mut self, now_ns: u64, sample_index: u64, audio: &Samples) {
        // Nothing after the handle is dropped: the peer's port may be another call's by then.
        if self.is_closing() {
            return;
        }
        let Some(to) = self.destination(now_ns) else { return };
        let Some(remote) = self.remote.as_mut().filter(|remote| remote.media.send) else {
            return;
        };
        let (media, coder) = (&remote.media, &mut remote.coder);
        let packet = self.sending.packet(media, coder, sample_index, audio);
        let bytes = packet.len();
        let secured = self.transport.as_mut().filter(|transport| transport.is_secured());
        let Some(datagram) = secured.map_or(Some(packet), |secured| secured.protect(packet)) else {
            return;
        };
        // A full send buffer or an ICMP error: the packet is lost, as any other may be on its way.
        if self.parts.sockets.rtp.send_to(datagram, to).is_ok() {
            self.sending.sent(bytes);
        }
        if self.sending.keys_are_done() {
            self.tell(MediaEvent::KeysSent);
        }
    }

    /// Where packets go now; `None` while there are no keys, or nobody who agreed to be sent to.
    fn destination(&self, now_ns: u64) -> Option<SocketAddr> {
        let latched = self.remote.as_ref()?.latch.destination();
        let Some(transport) = self.transport.as_ref().filter(|transport| transport.is_secured())
        else {
            return Some(latched);
        };
        match transport.destination(now_ns) {
            _ if !transport.is_ready() => None,
            Destination::Latched => Some(latched),
            Destination::Nominated(to) => Some(to),
            Destination::Nowhere => None,
        }
    }

    fn tap(&mut self, sample_index: u64, heard: &Samples, sent: &Samples, paused: bool) {
        const SILENCE: Samples = [0; SAMPLES_PER_TICK];
        let (kept, sent) = if paused { (&SILENCE, &SILENCE) } else { (heard, sent) };
        if let Some((_, recorder, layout)) = &mut self.parts.recorder {
            let full = recorder.push(layout.pair(sample_index, paused, kept, sent)).is_err();
            self.recorder_dropped += u64::from(full);
        }
        if let Some((_, track)) = &mut self.parts.track {
            let full = track.push(Voice { sample_index, paused, samples: *kept }).is_err();
            self.track_dropped += u64::from(full);
        }
        // A peer that hears nobody has us on hold, and sends its music.
        let is_music = self.remote.as_ref().is_some_and(|remote| !remote.media.send);
        let words = if is_music { &SILENCE } else { heard };
        if let Some(recogniser) = &mut self.parts.recogniser {
            let full = recogniser.push(Frame { sample_index, samples: *words }).is_err();
            self.recogniser_dropped += u64::from(full);
        }
    }

    fn watch(&mut self, now_ns: u64) {
        let expected = self.remote.as_ref().is_some_and(|remote| remote.media.receive);
        let silent_ns = now_ns.saturating_sub(self.last_heard_ns);
        // Whoever says that it is silent may be so for long, but not for ever.
        let patience = if self.hearing.is_comforted() { COMFORTED_PATIENCE } else { 1 };
        if expected && silent_ns >= self.parts.inactivity_ns.saturating_mul(patience) {
            self.last_heard_ns = now_ns;
            self.tell(MediaEvent::Inactive);
        }
    }

    fn tell_pressed(&self, pressed: Option<Pressed>) {
        if let Some(Pressed { digit, duration_ms }) = pressed {
            self.tell(MediaEvent::Dtmf { digit, duration_ms });
        }
    }

    fn tell(&self, event: MediaEvent) {
        // The owner reads events as they come; one that does not read loses them, not the call.
        let _ = self.parts.events.try_send(event);
    }
}

fn give_back(spent: &mut Producer<Spent>, unused: impl Into<Spent>) {
    let full = spent.push(unused.into()).is_err();
    debug_assert!(!full, "there is room for everything that a leg can hold");
}

/// When a datagram came, on the monotonic clock: the kernel's wall-clock time moved over.
fn times(datagram: &Datagram<'_>, tick: Tick) -> Times {
    const AGE_NS_MAX: u64 = 1_000 * NS_PER_MS;
    let age = datagram.arrival_unix_ns.map_or(0, |came| tick.unix_ns.saturating_sub(came));
    Times { arrival_ns: tick.now_ns.saturating_sub(age.min(AGE_NS_MAX)), now_ns: tick.now_ns }
}
