//! The loop: carry out what the machine wants, wait for what happens, tell the machine.

use super::legs::{Happening, LegIo, Legs};
use super::show::Shown;
use super::spoken::{Hearing, Word};
use crate::clock;
use crate::serve::Hotline;
use crate::serve::books::Entry;
use crate::serve::callbacks::{Failed, Talk};
use crate::serve::switchboard::{Beginning, Letter, MenuRun};
use crate::serve::traces::CallTrace;
use bytes::Bytes;
use qingting_common::{CallId, Millis, UnixMillis};
use qingting_core::call::{
    By, Call, CallConfig, Cause, Command, CommandId, Input, LEGS_MAX, LegId, PromptId, QueueEvent,
    Refused, Role, Target,
};
use qingting_core::leg::{LegEvent, Replaces};
use qingting_core::queue::{self, Offer};
use qingting_media::{Frame, MediaEvent, RoomEvent, RoomHandle, RoomReport};
use qingting_sip::message::SipUri;
use qingting_sip::{DialogEvent, IncomingCall};
use qingting_store::{MediaQuality, MissedEnd};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Words that wait to be noticed: a sentence must not be lost to voices.
const WORDS_WAITING_MAX: usize = 64;

/// What is left of a call that is over.
pub(super) struct Over {
    /// Captions that still come.
    pub(super) captions: JoinSet<()>,
    /// Whether the citizen was reached.
    pub(super) reached: bool,
    /// Whether a citizen who called was answered.
    pub(super) answered: bool,
    /// What a machine called for.
    pub(super) talk: Option<Box<Talk>>,
    /// Why it ended.
    pub(super) cause: Option<Cause>,
    /// Told when it is dropped: once all of the call is done.
    pub(super) trace: CallTrace,
}

pub(super) struct Driver {
    pub(super) hotline: Arc<Hotline>,
    pub(super) id: CallId,
    pub(super) started: UnixMillis,
    pub(super) machine: Call,
    pub(super) beginning: Beginning,
    pub(super) legs: Legs,
    /// Whom each leg hears, by bit.
    pub(super) heard: [u8; LEGS_MAX],
    pub(super) room: Option<RoomHandle>,
    pub(super) room_events: Option<mpsc::Receiver<RoomEvent>>,
    pub(super) room_report: Option<RoomReport>,
    pub(super) entries: mpsc::Sender<Entry>,
    letters: mpsc::Receiver<Letter>,
    pub(super) begun: Option<oneshot::Receiver<bool>>,
    /// What the driver itself knows at once; fed before anything else.
    pub(super) known: VecDeque<Input>,
    results: HashMap<CommandId, Asked>,
    pub(super) shown: Shown,
    commands: u64,
    /// The offer of a seat that is being settled.
    pub(super) offer: Option<Offer>,
    /// The offer that was accepted last: the queue may take it back while the acceptance is on its
    /// way.
    pub(super) accepted: Option<Offer>,
    pub(super) menu: Option<MenuRun>,
    /// What a machine calls for.
    pub(super) talk: Option<Box<Talk>>,
    /// The called party's audio, for the machine that called.
    pub(super) frames: Option<mpsc::Receiver<Frame>>,
    /// An answer that is being stored.
    pub(super) storing: JoinSet<bool>,
    /// What else is noted of the attempt.
    pub(super) noting: JoinSet<()>,
    pub(super) hearing: Arc<Hearing>,
    /// The menu promised a call back.
    pub(super) wants_callback: bool,
    /// The menu was all that the caller wanted.
    pub(super) is_served: bool,
    /// The file that the mix is recorded to, until it is noted.
    pub(super) recording: Option<String>,
    pub(super) answered: bool,
    pub(super) reached: bool,
    pub(super) refused: Option<u16>,
    pub(super) missed: Option<MissedEnd>,
    pub(super) end: Option<(Cause, UnixMillis)>,
    pub(super) words: (mpsc::Sender<Word>, mpsc::Receiver<Word>),
    pub(super) captions: JoinSet<()>,
    /// Where each leg's samples begin in the room's, in ms, for its captions.
    pub(super) caption_shift: [Arc<AtomicI64>; LEGS_MAX],
    pub(super) said: super::spoken::Said,
    /// Legs that are over and wait for their media to be put away.
    pub(super) closing: JoinSet<Option<MediaQuality>>,
    /// What was measured on the citizen's leg.
    pub(super) quality: Option<MediaQuality>,
    pub(super) trace: CallTrace,
}

impl Driver {
    pub(super) fn new(
        hotline: Arc<Hotline>,
        id: CallId,
        beginning: Beginning,
        entries: mpsc::Sender<Entry>,
        letters: mpsc::Receiver<Letter>,
    ) -> Box<Self> {
        let machine = Call::new(config(&hotline, id, &beginning), beginning.origin.clone());
        let trace = CallTrace::new(&hotline.traces, id, beginning.direction.as_str());
        Box::new(Self {
            hotline,
            id,
            started: clock::unix_now(),
            machine,
            beginning,
            legs: Legs::default(),
            heard: [0; LEGS_MAX],
            room: None,
            room_events: None,
            room_report: None,
            entries,
            letters,
            begun: None,
            known: VecDeque::new(),
            results: HashMap::new(),
            shown: Shown::default(),
            commands: 0,
            offer: None,
            accepted: None,
            menu: None,
            talk: None,
            frames: None,
            storing: JoinSet::new(),
            noting: JoinSet::new(),
            hearing: Arc::default(),
            wants_callback: false,
            is_served: false,
            recording: None,
            answered: false,
            reached: false,
            refused: None,
            missed: None,
            end: None,
            words: mpsc::channel(WORDS_WAITING_MAX),
            captions: JoinSet::new(),
            caption_shift: std::array::from_fn(|_| Arc::default()),
            said: super::spoken::Said::default(),
            closing: JoinSet::new(),
            quality: None,
            trace,
        })
    }

    /// Takes the dialog that begins the call as leg 0; gives its offer.
    pub(super) fn take_first(&mut self, incoming: IncomingCall) -> Option<String> {
        let role = if self.beginning.seat.is_some() { Role::Seat } else { Role::Citizen };
        let seat = self.beginning.seat.clone();
        if let Some(seat) = seat.clone() {
            // From the first digit on: nobody is sent to a telephone that calls somebody.
            self.hotline.switchboard.queues.tell(queue::Input::CallBegan { call: self.id, seat });
        }
        self.take_dialog(LegId(0), role, seat, incoming)
    }

    fn take_dialog(
        &mut self,
        leg: LegId,
        role: Role,
        seat: Option<queue::SeatId>,
        incoming: IncomingCall,
    ) -> Option<String> {
        let offer = incoming.request.sdp().map(|body| text(&body));
        let calls = &self.hotline.switchboard.calls;
        calls.dialog_came(self.id, incoming.dialog.call_id());
        if let Some(seat) = &seat {
            calls.seat_came(self.id, seat);
        }
        let io = self.legs.open(leg, role, None);
        io.seat = seat;
        io.remote = Some(format!("{}:{}", incoming.transport, incoming.source));
        io.source = Some(incoming.source.ip());
        io.local_ip = Some(incoming.local.ip());
        io.dialog = Some(incoming.dialog);
        io.events = Some(incoming.events);
        // The request holds its whole datagram: not for as long as people talk.
        offer
    }

    pub(super) async fn run(mut self: Box<Self>, first: Input) -> Over {
        self.talk_new();
        let mut input = first;
        loop {
            // Words come several times a second and, but for what follows from them, show nothing.
            let mut shows = !matches!(input, Input::SpeechHeard { .. });
            self.machine.handle_input(self.hotline.clock.now(), input);
            while let Some(output) = self.machine.poll_output() {
                self.perform(output).await;
                shows = true;
            }
            if shows {
                self.show();
            }
            if self.machine.is_over() {
                break;
            }
            input = match self.known.pop_front() {
                Some(known) => known,
                None => self.next_input().await,
            };
        }
        Box::pin(self.close()).await
    }

    async fn next_input(&mut self) -> Input {
        loop {
            // Anew each time: what needs no word with the machine may move the menu's or the talk's.
            let deadline = self.next_deadline().map(|at| self.hotline.clock.instant(at));
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                begun = ready(&mut self.begun) => {
                    self.begun = None;
                    return if begun { Input::Persisted } else { Input::PersistFailed };
                }
                happening = self.legs.next() => {
                    let input = match happening {
                        Happening::Dialog(leg, event) => self.dialog_input(leg, event),
                        Happening::Media(leg, event) => self.media_input(leg, event),
                    };
                    if let Some(input) = input { return input }
                }
                Some(event) = next(&mut self.room_events) => self.room_event(event).await,
                Some(letter) = self.letters.recv() => {
                    if let Some(input) = self.letter_input(letter) { return input }
                }
                Some(word) = self.words.1.recv() => {
                    if let Some(input) = self.word_input(word) { return input }
                }
                Some(frame) = next(&mut self.frames) => self.talk_frame(&frame),
                Some(stored) = self.storing.join_next() => {
                    self.talk_stored(stored.unwrap_or(false));
                }
                Some(closed) = self.closing.join_next() => self.leg_closed(closed),
                () = timer => {
                    self.menu_timer();
                    self.talk_timer();
                    return Input::Timer;
                }
            }
            if let Some(known) = self.known.pop_front() {
                return known;
            }
        }
    }

    fn next_deadline(&mut self) -> Option<Millis> {
        let menu = self.menu.as_ref().and_then(MenuRun::deadline);
        let talk = self.talk.as_mut().and_then(|talk| talk.deadline());
        self.machine.next_deadline().into_iter().chain(menu).chain(talk).min()
    }

    fn dialog_input(&mut self, leg: LegId, event: Option<DialogEvent>) -> Option<Input> {
        let io = self.legs.get_mut(leg)?;
        let Some(event) = event else {
            // The SIP endpoint forgot the dialog: nobody can be reached any more.
            return Some(Input::Leg { leg, event: LegEvent::TransportLost });
        };
        io.trace.dialog(&event);
        let event = match event {
            DialogEvent::Ack { body } => LegEvent::Ack { answer: body.map(|body| text(&body)) },
            DialogEvent::AckTimeout => LegEvent::AckTimeout,
            DialogEvent::Cancel => LegEvent::Cancel,
            DialogEvent::Bye { .. } => LegEvent::Bye,
            DialogEvent::Reinvite { offer } => {
                LegEvent::Reinvite { offer: offer.map(|body| text(&body)) }
            }
            DialogEvent::Update { offer } => LegEvent::Update { offer: text(&offer) },
            DialogEvent::Progress { code, body, .. } => {
                io.is_heard_of = true;
                if code == 180 {
                    self.talk_rang(leg);
                }
                LegEvent::Progress { code, body: body.map(|body| text(&body)) }
            }
            DialogEvent::Answered { body } => {
                self.talk_served(leg);
                LegEvent::Answered { body: body.map(|body| text(&body)) }
            }
            DialogEvent::Failed { code, q850, .. } => {
                let is_silence = code == 408 && !io.is_heard_of;
                // A trunk that says nothing may ring all the same: no machine rings by another as well.
                let is_once = is_silence && self.talk.is_some();
                if !is_once && try_another_way(&self.hotline, self.id, io, code) {
                    return None;
                }
                let failed = Failed::Status { code, q850 };
                self.talk_failed(leg, if is_silence { Failed::Silence } else { failed });
                LegEvent::Failed { code }
            }
            DialogEvent::TransportLost => {
                let is_once = self.talk.is_some();
                if !is_once && try_another_way(&self.hotline, self.id, io, 503) {
                    return None;
                }
                LegEvent::TransportLost
            }
            DialogEvent::SessionExpired => LegEvent::SessionExpired,
            DialogEvent::Refer { target, replaces, .. } => {
                let replaces = replaces.map(|replaced| {
                    let ours = self.legs.of_dialog(&replaced.call_id);
                    ours.map_or(Replaces::Elsewhere, Replaces::Leg)
                });
                match self.referred_to(leg, &target, replaces) {
                    Ok(target) => LegEvent::Refer { target, replaces },
                    Err(code) => {
                        if let Some(dialog) = self.legs.get(leg).and_then(|io| io.dialog.as_ref()) {
                            dialog.reject_refer(code);
                        }
                        return None;
                    }
                }
            }
            DialogEvent::InfoDtmf { digit, .. } => return Some(self.key(leg, digit)),
            DialogEvent::Prack { .. } => {
                // Our early media is settled with its answer; a new offer that soon is not taken.
                if let Some(dialog) = &io.dialog {
                    dialog.respond_prack(qingting_sip::Reply::new(488));
                }
                return None;
            }
            DialogEvent::UpdateFailed { .. }
            | DialogEvent::Updated { .. }
            | DialogEvent::PrackAnswer { .. }
            | DialogEvent::Refreshed { .. }
            | DialogEvent::ReferProgress { .. }
            | DialogEvent::ByeDone => return None,
            DialogEvent::PrackTimeout => LegEvent::TransportLost,
        };
        Some(Input::Leg { leg, event })
    }

    /// Where a REFER leads, or the status that refuses it. **Only a telephone of ours sends its call
    /// elsewhere**: a citizen or an expert would call at the city's expense.
    fn referred_to(
        &self,
        leg: LegId,
        uri: &SipUri,
        replaces: Option<Replaces>,
    ) -> Result<Target, u16> {
        let seat = self.legs.get(leg).and_then(|io| io.seat.as_ref()).ok_or(603_u16)?;
        // A dialog that is replaced says itself where it leads; its URI is a Contact of ours.
        match replaces {
            Some(_) => Ok(Target::Extension(seat.as_str().to_owned())),
            None => self.hotline.switchboard.target_of_uri(uri).ok_or(404),
        }
    }

    fn media_input(&mut self, leg: LegId, event: MediaEvent) -> Option<Input> {
        match event {
            MediaEvent::PromptDone(id) => {
                if self.talk_prompt_done(id) || self.menu_prompt_done(id) {
                    return None;
                }
                Some(Input::PromptDone { leg, id: PromptId(id) })
            }
            MediaEvent::Dtmf { digit, .. } => Some(self.key(leg, digit)),
            MediaEvent::Inactive => Some(Input::Leg { leg, event: LegEvent::MediaInactive }),
            MediaEvent::Closed(report) => {
                if let Some(io) = self.legs.get_mut(leg) {
                    io.report = Some(*report);
                }
                Some(Input::Leg { leg, event: LegEvent::MediaFailed })
            }
            MediaEvent::SecurityFailed { error } => {
                tracing::warn!(call = %self.id, %error, "the audio of a leg could not be secured");
                Some(Input::Leg { leg, event: LegEvent::MediaFailed })
            }
            MediaEvent::StrangerRtp => {
                self.hotline.counters.stranger();
                tracing::warn!(call = %self.id, "RTP of a stranger was dropped");
                None
            }
            MediaEvent::RecordingFailed { error } => {
                tracing::error!(call = %self.id, error, "a recording cannot be written; the call goes on");
                None
            }
            _ => None,
        }
    }

    pub(super) async fn room_event(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::LegBegan { slot, room_sample, leg_sample } => {
                let is = |io: &LegIo| io.media.as_ref().is_some_and(|media| media.slot() == slot);
                let leg = self.legs.iter().find(|(_, io)| is(io)).map(|(leg, _)| leg);
                if let Some(leg) = leg {
                    let shift = (room_sample as i64 - leg_sample as i64) / 8;
                    self.caption_shift[leg.slot()]
                        .store(shift, std::sync::atomic::Ordering::Relaxed);
                    let of = self.legs.reference(self.id, leg);
                    self.write(Entry::LegHeard(of, shift)).await;
                }
            }
            // In the recording's own books, too.
            RoomEvent::RecordingPaused { .. } => {}
            RoomEvent::RecordingFailed { error } => {
                tracing::error!(call = %self.id, error, "a recording cannot be written; the call goes on");
            }
            RoomEvent::Closed(report) => self.room_report = Some(*report),
        }
    }

    fn letter_input(&mut self, letter: Letter) -> Option<Input> {
        match letter {
            Letter::Hangup(by) => Some(Input::Hangup(by)),
            Letter::Offer(offer) => {
                let seat = self.hotline.switchboard.seat_id(&offer.seat)?;
                self.offer = Some(offer);
                self.trace.offered();
                Some(Input::Queue(QueueEvent::Offer { seat }))
            }
            Letter::Withdraw(offer) => {
                let is_known = [&self.offer, &self.accepted].contains(&&Some(offer.clone()));
                let seat = self.hotline.switchboard.seat_id(&offer.seat).filter(|_| is_known)?;
                (self.offer, self.accepted) = (None, None);
                self.trace.offer_over("withdrawn");
                Some(Input::Queue(QueueEvent::Withdrawn { seat }))
            }
            Letter::Queue(event) => {
                match &event {
                    QueueEvent::Position { position, wait } => {
                        self.shown.position(*position, *wait);
                    }
                    QueueEvent::Overflow(_) => {
                        self.shown.left_queue();
                        self.trace.left_queue("overflow");
                    }
                    _ => {}
                }
                Some(Input::Queue(event))
            }
            Letter::Leave { seat } => {
                let leg = self.legs.of_seat(&seat)?;
                self.commands += 1;
                let (id, by) = (CommandId(self.commands), By::Console);
                Some(Input::Command { id, by, command: Command::Drop { leg } })
            }
            Letter::Command { by, command, reply } => {
                let Some(by) = by.by(|seat| self.legs.of_seat(seat)) else {
                    // Nobody waits for the answer any more when this fails.
                    let _ = reply.send(Err(Refused::NotAllowed));
                    return None;
                };
                self.commands += 1;
                let id = CommandId(self.commands);
                let mutes = match &command {
                    Command::Mute { leg, on } => Some((*leg, *on)),
                    _ => None,
                };
                self.results.insert(id, Asked { reply, mutes });
                Some(Input::Command { id, by, command })
            }
            Letter::SecondLine { seat, incoming } => {
                let first = self.legs.of_seat(&seat);
                let target = self.hotline.switchboard.target_of_uri(&incoming.request.uri);
                let (Some(leg), Some(first), Some(target)) =
                    (self.machine.free_leg(), first, target)
                else {
                    incoming.dialog.respond(qingting_sip::Reply::new(486));
                    return None;
                };
                let offer = self.take_dialog(leg, Role::SeatSecondLine, Some(seat), *incoming);
                Some(Input::SecondLine { leg, first, targets: vec![target], offer })
            }
            Letter::Replace { incoming } => {
                let named = incoming.replaces.as_ref().map(|of| of.replaces.call_id.clone());
                let replaces = named.and_then(|call_id| self.legs.of_dialog(&call_id));
                let (Some(leg), Some(replaces)) = (self.machine.free_leg(), replaces) else {
                    incoming.dialog.respond(qingting_sip::Reply::new(481));
                    return None;
                };
                let role = self.legs.get(replaces).map_or(Role::Other, |io| io.role);
                let seat = incoming.user.as_deref().map(queue::SeatId::new);
                let offer = self.take_dialog(leg, role, seat, *incoming);
                Some(Input::Replace { leg, replaces, offer })
            }
        }
    }

    pub(super) fn answer_command(&mut self, id: CommandId, result: Result<(), Refused>) {
        let Some(Asked { reply, mutes }) = self.results.remove(&id) else { return };
        if let (Ok(()), Some((leg, on))) = (result, mutes) {
            let muted = &mut self.shown.muted;
            *muted = if on { *muted | leg.bit() } else { *muted & !leg.bit() };
        }
        // Whoever asked may be gone.
        let _ = reply.send(result);
    }
}

/// A command that waits for its answer.
struct Asked {
    reply: oneshot::Sender<Result<(), Refused>>,
    /// Which leg it mutes or not.
    mutes: Option<(LegId, bool)>,
}

/// Whether a dial that failed goes on by another way: one that has rung belongs to its way.
fn try_another_way(hotline: &Hotline, call: CallId, io: &mut LegIo, code: u16) -> bool {
    // A telephone behind the trunk that does not answer in time says nothing about the trunk.
    if let Some(trunk) = io.trunk.as_ref().filter(|_| !io.is_heard_of && !io.is_answered) {
        hotline.switchboard.trunks.call_failed(trunk.trunk(), code);
    }
    let is_way = matches!(code, 408 | 500..=599) && !io.is_heard_of && !io.is_given_up;
    let Some(way) = io.other_ways.pop_front().filter(|_| is_way) else { return false };
    io.trunk = way.trunk.as_deref().map(|trunk| hotline.switchboard.trunks.line(trunk));
    let (dialog, events) = hotline.endpoint.invite(way.invite);
    hotline.switchboard.calls.dialog_came(call, dialog.call_id());
    (io.dialog, io.events) = (Some(dialog), Some(events));
    true
}

fn config(hotline: &Hotline, id: CallId, beginning: &Beginning) -> CallConfig {
    let (spoken, media, seats) =
        (&hotline.config.hotline, &hotline.config.media, &hotline.config.seats);
    CallConfig {
        ring: Duration::from_millis(spoken.ring_ms),
        call_max: Duration::from_secs(spoken.call_s_max),
        media_inactive: Duration::from_secs(media.inactivity_s),
        seat_inactive: Duration::from_secs(media.seat_inactivity_s),
        silence_prompt: Duration::from_secs(spoken.silence_prompt_s),
        silence_hangup: Duration::from_secs(spoken.silence_hangup_s),
        prompt_max: hotline.prompts.longest() + Duration::from_secs(5),
        ring_seat: Duration::from_secs(seats.ring_s),
        ring_expert: Duration::from_secs(seats.expert_ring_s),
        // What an offer is first read with; each leg has terms and keys of its own.
        codecs: qingting_core::sdp::Codec::WIDE.to_vec(),
        security: super::secrets::local(&hotline.media, false),
        // Any number that is new for each call; 62 bits, because some gateways read it signed.
        session_id: (id.0.as_u128() as u64) >> 2,
        ..for_talk(beginning)
    }
}

/// A talk ends by itself, and its campaign says how long a telephone rings.
fn for_talk(beginning: &Beginning) -> CallConfig {
    let config = CallConfig::default();
    match &beginning.errand {
        Some(errand) => {
            CallConfig { menu_max: config.call_max, ring_citizen: errand.ring, ..config }
        }
        None => config,
    }
}

async fn ready(begun: &mut Option<oneshot::Receiver<bool>>) -> bool {
    match begun {
        // The books drop the sender only when they end, which they do after the driver.
        Some(begun) => begun.await.unwrap_or(false),
        None => std::future::pending().await,
    }
}

async fn next<T>(events: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

pub(super) fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}
