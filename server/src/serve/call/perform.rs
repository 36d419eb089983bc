//! What the machine wants, carried out.

use super::driver::Driver;
use crate::serve::callbacks::Failed;
use crate::serve::replies::{bye_reason, ok, progress, refusal};
use crate::serve::switchboard::call_header;
use qingting_common::{CallId, UnixMillis};
use qingting_core::call::{
    Input, LegId, News, OfferFailure, Output, QueueRequest, Response, Role, Target,
};
use qingting_core::leg::LegEvent;
use qingting_core::queue;
use qingting_sip::Reply;
use qingting_store::{Store, StoreError};

/// A citizen who calls again within this time goes before others.
const REPEAT_MS_MAX: i64 = 24 * 3_600_000;

impl Driver {
    pub(super) async fn perform(&mut self, output: Output) {
        match output {
            Output::Persist(record) => self.persist(record).await,
            Output::OpenMedia { leg, role, target, inactive_after } => {
                self.open_media(leg, role, target, inactive_after);
            }
            Output::ConnectMedia { leg, remote } => {
                self.connect_media(leg, remote);
                self.listen_early(leg);
            }
            Output::CloseMedia { leg } => self.close_media(leg),
            Output::Respond { leg, response } => self.respond(leg, response),
            Output::AnswerReinvite { leg, sdp } => {
                self.with_dialog(leg, |dialog| dialog.respond_reinvite(ok(sdp)));
            }
            Output::RejectReinvite { leg, rejection } => {
                self.with_dialog(leg, |dialog| dialog.respond_reinvite(refusal(&rejection, None)));
            }
            Output::AnswerUpdate { leg, sdp } => {
                self.with_dialog(leg, |dialog| dialog.respond_update(ok(sdp)));
            }
            Output::RejectUpdate { leg, rejection } => {
                self.with_dialog(leg, |dialog| dialog.respond_update(refusal(&rejection, None)));
            }
            Output::Dial { leg, offer, .. } => self.dial(leg, offer),
            Output::AckAnswer { leg, sdp } => {
                self.with_dialog(leg, |dialog| dialog.ack(sdp.into()));
            }
            Output::CancelDial { leg } => {
                if let Some(io) = self.legs.get_mut(leg) {
                    io.is_given_up = true;
                }
                self.with_dialog(leg, qingting_sip::Dialog::cancel);
            }
            Output::SendBye { leg, reason } => {
                // Its voice goes first: a telephone may give the port of this call to the next one,
                // which a late packet would confuse.
                if let Some(io) = self.legs.get_mut(leg) {
                    io.media = None;
                }
                self.with_dialog(leg, |dialog| dialog.bye(Some(bye_reason(reason))));
                // Nothing more is wanted of it.
                if let Some(io) = self.legs.get_mut(leg) {
                    io.events = None;
                }
            }
            Output::Reoffer { leg, sdp } => {
                if let Some(io) = self.legs.get_mut(leg) {
                    io.trace.event("reoffer");
                }
                self.with_dialog(leg, |dialog| dialog.reinvite(Some(sdp.into())));
            }
            Output::Route(routes) => self.route(routes),
            Output::Play { leg, id, prompt } => self.play(leg, id, prompt),
            Output::StopPrompts { leg } => {
                if let Some(media) = self.media(leg) {
                    media.stop_prompts();
                }
            }
            Output::Music { leg, on } => {
                let music = on.then(|| self.hotline.prompts.music());
                self.loop_of(leg, music);
            }
            Output::Ringback { leg, on } => {
                let ringing = on.then(|| self.hotline.prompts.ringing());
                self.loop_of(leg, ringing);
            }
            Output::StartRecognition { leg } => self.start_recognition(leg),
            Output::PauseRecording => {
                self.room.iter().for_each(qingting_media::RoomHandle::pause_recording);
            }
            Output::ResumeRecording => {
                self.room.iter().for_each(qingting_media::RoomHandle::resume_recording);
            }
            Output::Queue(request) => self.ask_queue(request).await,
            Output::MenuStart => {
                if self.talk_start() {
                    self.talk_answered().await;
                } else {
                    self.menu_start();
                }
            }
            Output::MenuKey { digit } => {
                if !self.talk_key(digit) {
                    self.menu_key(digit);
                }
            }
            Output::AcceptRefer { leg } => {
                self.with_dialog(leg, qingting_sip::Dialog::accept_refer);
            }
            Output::Unusable { warning, .. } => {
                tracing::info!(call = %self.id, reason = %warning.text, "audio cannot be agreed on");
            }
            Output::RejectRefer { leg, code } => {
                self.with_dialog(leg, |dialog| dialog.reject_refer(code));
            }
            Output::NotifyRefer { leg, code, is_final } => {
                let phrase = qingting_sip::message::reason_phrase(code);
                self.with_dialog(leg, |dialog| dialog.notify_refer(code, phrase, is_final));
            }
            Output::CommandResult { id, result } => self.answer_command(id, result),
            Output::Tell(news) => self.tell(&news).await,
            Output::Finished => {}
        }
    }

    fn with_dialog(&self, leg: LegId, command: impl FnOnce(&qingting_sip::Dialog)) {
        if let Some(dialog) = self.legs.get(leg).and_then(|io| io.dialog.as_ref()) {
            command(dialog);
        }
    }

    fn respond(&mut self, leg: LegId, response: Response) {
        let mut reply = match response {
            Response::Ringing => {
                if let Some(io) = self.legs.get_mut(leg) {
                    io.trace.event("ringing");
                }
                Reply::new(180)
            }
            Response::Progress { sdp } => progress(sdp),
            Response::Answer { sdp } => ok(sdp),
            Response::Reject(rejection) => {
                if let Some(io) = self.legs.get_mut(leg) {
                    io.refused = Some(rejection.status);
                }
                if leg == LegId(0) {
                    self.refused = Some(rejection.status);
                    self.hotline.counters.refused(rejection.status);
                }
                match &rejection.warning {
                    // Ours, of the peer's description: whoever looks why needs it.
                    Some(warning) => {
                        tracing::info!(call = %self.id, status = rejection.status, reason = %warning.text, "call refused");
                    }
                    None => {
                        tracing::debug!(call = %self.id, status = rejection.status, reason = rejection.phrase, "call refused");
                    }
                }
                refusal(&rejection, self.end.map(|(cause, _)| cause))
            }
        };
        let is_refusal = reply.code >= 300;
        // A seat's page commands the call by its id; nobody else needs to know it.
        if self.legs.get(leg).is_some_and(|io| io.seat.is_some()) {
            reply.headers.push(call_header(self.id));
        }
        self.with_dialog(leg, |dialog| dialog.respond(reply));
        if is_refusal {
            self.turn_away(leg);
        }
    }

    /// Looks for the ways to a target before its media is opened: they say from which of our
    /// addresses it is reached, and whether it is a browser.
    pub(super) fn find_ways(&mut self, leg: LegId, role: Role, target: &Target) {
        let ways = self.hotline.switchboard.ways(
            &self.hotline.endpoint,
            self.id,
            role,
            target,
            &self.beginning,
        );
        let seat = self.hotline.switchboard.seat_of(target);
        let io = self.legs.ensure(leg, role, Some(target.clone()));
        io.seat = seat;
        if let Some(first) = ways.front() {
            io.local_ip = first.local_ip;
            io.is_browser = first.is_browser;
        }
        io.other_ways = ways;
    }

    fn dial(&mut self, leg: LegId, offer: Option<String>) {
        let Some(io) = self.legs.get_mut(leg) else { return };
        let offer = offer.map(bytes::Bytes::from);
        for way in &mut io.other_ways {
            way.invite.offer.clone_from(&offer);
        }
        let Some(way) = io.other_ways.pop_front() else {
            // Nobody is registered there, or no trunk is up.
            self.talk_failed(leg, Failed::NoWay);
            let event = LegEvent::Failed { code: 480 };
            self.known.push_back(Input::Leg { leg, event });
            return;
        };
        let trunks = &self.hotline.switchboard.trunks;
        io.trunk = way.trunk.as_deref().map(|trunk| trunks.line(trunk));
        let (dialog, events) = self.hotline.endpoint.invite(way.invite);
        let calls = &self.hotline.switchboard.calls;
        calls.dialog_came(self.id, dialog.call_id());
        if let Some(seat) = &io.seat {
            calls.seat_came(self.id, seat);
        }
        (io.dialog, io.events) = (Some(dialog), Some(events));
    }

    async fn ask_queue(&mut self, request: QueueRequest) {
        self.shown.request(&request);
        let input = match request {
            QueueRequest::Enqueue { queue, front } => match self.enqueue(queue, front).await {
                Some(wants) => queue::Input::Enqueue(wants),
                None => return,
            },
            QueueRequest::Accepted { .. } => match self.offer.take() {
                Some(offer) => {
                    self.accepted = Some(offer.clone());
                    self.trace.offer_over("accepted");
                    queue::Input::OfferAccepted(offer)
                }
                None => return,
            },
            QueueRequest::OfferFailed { why, .. } => match self.offer.take() {
                Some(offer) => {
                    let why = failure(why);
                    self.trace.offer_over(why.as_str());
                    queue::Input::OfferFailed { offer, why }
                }
                None => return,
            },
            QueueRequest::Abandon => {
                self.offer = None;
                self.trace.left_queue("abandoned");
                queue::Input::Abandon { call: self.id }
            }
            QueueRequest::CallbackWanted => {
                self.offer = None;
                self.trace.left_queue("callback_wanted");
                queue::Input::CallbackRequested { call: self.id }
            }
            QueueRequest::Ended { seat } => {
                let seat = self.hotline.switchboard.seat_name(seat);
                queue::Input::CallEnded { call: self.id, seat }
            }
        };
        self.hotline.switchboard.queues.tell(input);
    }

    async fn enqueue(
        &mut self,
        queue: qingting_core::call::QueueId,
        front: bool,
    ) -> Option<queue::Enqueue> {
        let name = self.hotline.switchboard.queue_name(queue)?;
        let mut wants = queue::Enqueue::new(self.id, name);
        wants.priority = self.beginning.priority;
        wants.returned = front;
        let citizen = self.beginning.citizen.expose().clone();
        let look_back = look_back(&self.hotline.store, &citizen, self.id, self.started);
        if let Some((sticky, repeat)) = self.hotline.spool.look_up(look_back).await {
            (wants.sticky, wants.repeat) = (sticky, repeat);
        }
        Some(wants)
    }

    async fn tell(&mut self, news: &News) {
        if let (News::Ringing { .. }, Some(offer)) = (news, &self.offer) {
            self.hotline.switchboard.queues.tell(queue::Input::OfferRinging(offer.clone()));
        }
        self.shown.news(news);
        let kind = match news {
            News::Held { on: true } => "hold",
            News::Held { on: false } => "resume",
            News::Consulting { .. } => "consult",
            News::Joined { .. } => "joined",
            News::Left { .. } => "left",
            News::NobodyCame => "nobody_came",
            News::Requeued => "requeued",
            News::Dialling { .. } | News::Ringing { .. } | News::Failed { .. } => return,
        };
        let leg = match news {
            News::Consulting { leg } | News::Joined { leg } | News::Left { leg } => Some(leg.0),
            _ => None,
        };
        self.event(kind, serde_json::json!({ "leg": leg })).await;
    }

    fn close_media(&mut self, leg: LegId) {
        if let Some(io) = self.legs.get_mut(leg) {
            io.media = None;
        }
        self.put_away(leg);
    }
}

/// The seat that this citizen talked to last, and whether it called lately.
async fn look_back(
    store: &Store,
    citizen: &str,
    call: CallId,
    started: UnixMillis,
) -> Result<(Option<queue::SeatId>, bool), StoreError> {
    let since = UnixMillis(started.0 - REPEAT_MS_MAX);
    let seat = store.last_seat_of(citizen).await?;
    let calls = store.recent_calls_of(citizen, since).await?;
    let is_repeat = calls.iter().any(|before| before.id != call);
    Ok((seat.map(|extension| queue::SeatId::new(&extension)), is_repeat))
}

const fn failure(why: OfferFailure) -> queue::OfferFailure {
    match why {
        OfferFailure::Busy => queue::OfferFailure::Busy,
        OfferFailure::NoAnswer | OfferFailure::NotWaiting => queue::OfferFailure::NoAnswer,
        OfferFailure::Unreachable | OfferFailure::NoMedia => queue::OfferFailure::Unreachable,
    }
}
