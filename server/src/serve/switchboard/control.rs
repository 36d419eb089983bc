//! What pages and programs ask of the switchboard.

use super::calls::{Letter as CallLetter, Whose};
use super::{Beginning, Switchboard, Wanted};
use crate::clock;
use crate::serve::Hotline;
use crate::serve::callbacks::Errand;
use crate::serve::cluster::{Copied, Letter};
use anyhow::Context;
use qingting_api::{
    Actor, CallCommand, ControlCode, ControlError, DialRequest, DutyProblem, DutyRow,
    EmergencyMode, ExpertMode, OnDuty, Pending, QueueState, SeatNow, SeatStateRequest, Snapshot,
    SuperviseMode, WaitingCall,
};
use qingting_common::{CallId, Millis, Pii};
use qingting_core::call::{self, Command, LegId, QueueId, Refused, Role, Target};
use qingting_core::queue::{self, Input, SeatId, SeatState};
use qingting_store::{DutyList, MissedCall};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Longest wait for a call to answer a command: it only decides.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The hotline as the interface sees it.
pub struct Control(pub Arc<Hotline>);

impl qingting_api::Switchboard for Control {
    fn command(
        &self,
        call: CallId,
        actor: Actor,
        command: CallCommand,
    ) -> Pending<'_, Result<(), ControlError>> {
        Box::pin(async move {
            let switchboard = &self.0.switchboard;
            if let CallCommand::Supervise { mode: SuperviseMode::End, .. } = &command {
                return switchboard.end_supervision(call, &actor);
            }
            let by = match (&actor.extension, actor.role) {
                (Some(extension), qingting_store::Role::Seat) => {
                    Whose::Seat(SeatId::new(extension))
                }
                _ => Whose::Console,
            };
            let command = switchboard.command_of(&actor, command)?;
            let (reply, answer) = oneshot::channel();
            let letter = CallLetter::Command { by, command, reply };
            switchboard.calls.post(call, letter).map_err(|_| not_running())?;
            match tokio::time::timeout(ANSWER_MAX, answer).await {
                Ok(Ok(Ok(()))) => Ok(()),
                Ok(Ok(Err(refused))) => Err(refusal(refused)),
                // The call ended before it came to this.
                Ok(Err(_)) => Err(not_running()),
                Err(_) => Err(error(ControlCode::Unavailable, "通话没有回应，请重试")),
            }
        })
    }

    fn dial(
        &self,
        actor: Actor,
        request: DialRequest,
    ) -> Pending<'_, Result<CallId, ControlError>> {
        Box::pin(async move {
            let switchboard = &self.0.switchboard;
            let seat = switchboard.telephone_of(&self.0, &actor, request.extension.as_deref())?;
            let beginning = switchboard.click_to_dial(&seat, request.to.expose());
            let beginning = beginning.ok_or_else(no_target)?;
            switchboard.begin(beginning)
        })
    }

    fn call_back(
        &self,
        actor: Actor,
        missed: MissedCall,
    ) -> Pending<'_, Result<CallId, ControlError>> {
        Box::pin(async move {
            let switchboard = &self.0.switchboard;
            let seat = switchboard.telephone_of(&self.0, &actor, None)?;
            let beginning = switchboard.click_to_dial(&seat, missed.caller.expose());
            let beginning = Beginning {
                direction: qingting_store::Direction::Callback,
                missed: Some(missed.call),
                number_name: missed.number_name,
                called: missed.called,
                ..beginning.ok_or_else(no_target)?
            };
            switchboard.begin(beginning)
        })
    }

    fn seat_state(
        &self,
        extension: String,
        request: SeatStateRequest,
    ) -> Pending<'_, Result<(), ControlError>> {
        Box::pin(async move {
            let switchboard = &self.0.switchboard;
            if !switchboard.seats.takes_calls(&extension) {
                return Err(error(ControlCode::NotAllowed, "这个分机不接排队来电"));
            }
            let seat = SeatId::new(&extension);
            match request {
                SeatStateRequest::SignIn {} => switchboard.sign_in(&seat),
                SeatStateRequest::SignOut {} => switchboard.queues.tell(Input::SignOut { seat }),
                SeatStateRequest::Ready {} => {
                    switchboard.sign_in(&seat);
                    switchboard.queues.tell(Input::SetReady { seat });
                }
                SeatStateRequest::Break { reason } => switchboard.take_break(&seat, &reason),
                SeatStateRequest::WrapUpDone {} => {
                    switchboard.queues.tell(Input::WrapUpDone { seat });
                }
            }
            Ok(())
        })
    }

    fn snapshot(&self) -> Pending<'_, Snapshot> {
        Box::pin(async move { self.0.switchboard.snapshot(self.0.clock.now()) })
    }

    fn takes_part(&self, extension: &str, call: CallId) -> bool {
        self.0.switchboard.calls.takes_part(call, &SeatId::new(extension))
    }

    fn skills_wanted(&self) -> Option<BTreeSet<String>> {
        Some(self.0.config.queues.iter().map(|queue| queue.skill.clone()).collect())
    }

    fn serves(&self, extension: &str, queue: &str) -> bool {
        self.0.switchboard.serves(extension, queue)
    }

    fn seats_changed(&self) -> Pending<'_, ()> {
        let hotline = Arc::clone(&self.0);
        self.0.to_its_end(async move {
            hotline.switchboard.seats_were_changed(&hotline).await;
            hotline.switchboard.cluster.tell(Letter::Changed(Copied::Seats));
        })
    }

    fn duty_changed(&self) -> Pending<'_, ()> {
        let hotline = Arc::clone(&self.0);
        self.0.to_its_end(async move {
            hotline.switchboard.duty_was_changed(&hotline).await;
            hotline.switchboard.cluster.tell(Letter::Changed(Copied::Duty));
        })
    }

    fn read_duty(&self, rows: &[DutyRow]) -> Result<DutyList, Vec<DutyProblem>> {
        super::duty::read_rows(rows)
    }

    fn on_duty(&self, department: Option<&str>) -> Option<Vec<OnDuty>> {
        self.0.switchboard.duty.now(department, clock::unix_now())
    }
}

impl Switchboard {
    /// A command as the call machine takes it.
    fn command_of(&self, actor: &Actor, command: CallCommand) -> Result<Command, ControlError> {
        Ok(match command {
            CallCommand::Hold {} => Command::Hold,
            CallCommand::Resume {} => Command::Resume,
            CallCommand::Mute { leg, on } => Command::Mute { leg: LegId(leg), on },
            CallCommand::Transfer { to, blind } => {
                Command::Transfer { targets: self.targets(&to)?, blind }
            }
            CallCommand::Consult { to } => {
                Command::Consult { targets: self.targets(&to)?, role: Role::Other }
            }
            CallCommand::Join { to } => {
                Command::Join { targets: self.targets(&to)?, role: Role::Other, then_leave: false }
            }
            CallCommand::Expert { department, mode } => {
                let targets = self.duty.whom_to_ring(&department, clock::unix_now());
                let targets = targets
                    .map_err(|problem| error(ControlCode::NoTarget, &problem.to_string()))?;
                match mode {
                    ExpertMode::Consult => Command::Consult { targets, role: Role::Expert },
                    ExpertMode::Join => {
                        Command::Join { targets, role: Role::Expert, then_leave: false }
                    }
                }
            }
            CallCommand::Emergency { service, mode } => {
                if self.trunks.is_empty() {
                    return Err(error(
                        ControlCode::Unavailable,
                        "没有中继线路，请立即用其他电话拨打",
                    ));
                }
                let number = Pii::new(service.as_str().to_owned());
                Command::Join {
                    targets: vec![Target::Number(number)],
                    role: Role::Emergency,
                    then_leave: mode == EmergencyMode::Transfer,
                }
            }
            CallCommand::JoinConsulted {} => Command::JoinConsulted,
            CallCommand::CompleteTransfer {} => Command::CompleteTransfer,
            CallCommand::CancelConsult {} => Command::CancelConsult,
            CallCommand::ToQueue { queue } => {
                let queue: QueueId = self.queue_id(&queue).ok_or_else(no_target)?;
                Command::ToQueue { queue }
            }
            CallCommand::Drop { leg } => Command::Drop { leg: LegId(leg) },
            CallCommand::Supervise { mode, extension } => {
                let own = actor.extension.clone();
                let extension = extension.or(own).filter(|extension| self.seats.has(extension));
                let target = Target::Extension(extension.ok_or_else(no_target)?);
                let mode = match mode {
                    SuperviseMode::Listen => call::SuperviseMode::Listen,
                    SuperviseMode::Whisper => call::SuperviseMode::Whisper,
                    SuperviseMode::Barge | SuperviseMode::End => call::SuperviseMode::Barge,
                };
                Command::Supervise { target, mode }
            }
            CallCommand::PauseRecording {} => Command::PauseRecording,
            CallCommand::ResumeRecording {} => Command::ResumeRecording,
            CallCommand::HangUp {} => Command::HangUp,
        })
    }

    /// A supervisor's own leg is what its telephone hears; leaving is hanging it up.
    fn end_supervision(&self, call: CallId, actor: &Actor) -> Result<(), ControlError> {
        let extension = actor.extension.as_deref().ok_or_else(no_target)?;
        let letter = CallLetter::Leave { seat: SeatId::new(extension) };
        self.calls.post(call, letter).map_err(|_| not_running())
    }

    fn targets(&self, typed: &Pii<String>) -> Result<Vec<Target>, ControlError> {
        self.target(typed.expose()).map(|target| vec![target]).ok_or_else(no_target)
    }

    /// The telephone that a call begins at: it must be reachable and in no call.
    fn telephone_of(
        &self,
        hotline: &Hotline,
        actor: &Actor,
        named: Option<&str>,
    ) -> Result<SeatId, ControlError> {
        let extension = named.or(actor.extension.as_deref()).ok_or_else(no_target)?;
        let seat = SeatId::new(extension);
        if !self.is_reachable(hotline, extension) {
            return Err(error(ControlCode::Unavailable, "座席话机没有注册"));
        }
        if self.calls.has_seat(&seat) {
            return Err(error(ControlCode::Busy, "座席话机正在通话"));
        }
        Ok(seat)
    }

    /// Reads the seats again: somebody has changed them.
    pub async fn seats_were_changed(&self, hotline: &Hotline) {
        match self.seats.load(&hotline.store).await {
            Ok(changed) => self.seats_changed(&changed),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the seats could not be read again");
            }
        }
        hotline.endpoint.recheck_users();
    }

    /// Reads the duty list again.
    pub async fn duty_was_changed(&self, hotline: &Hotline) {
        if let Err(error) = self.duty.load(&hotline.store).await {
            let error = format!("{error:#}");
            tracing::error!(error, "the duty list could not be read again");
        }
    }

    /// A callback whose attempt is committed.
    pub fn begin_callback(&self, id: CallId, errand: Arc<Errand>) -> anyhow::Result<()> {
        let beginning = self.machine_calls(errand);
        let beginning = beginning.context("the number cannot be dialled, or there is no trunk")?;
        self.begin_as(id, beginning).map_err(|error| anyhow::anyhow!(error.detail))?;
        Ok(())
    }

    /// Hands a call over to those who carry calls.
    fn begin(&self, beginning: Beginning) -> Result<CallId, ControlError> {
        self.begin_as(CallId::new(Uuid::now_v7()), beginning)
    }

    fn begin_as(&self, id: CallId, beginning: Beginning) -> Result<CallId, ControlError> {
        let letters = self.calls.admit(id, None, 0).ok_or_else(not_running)?;
        let wanted = Wanted { id, beginning, letters };
        self.wanted.try_send(wanted).map_err(|_| {
            self.calls.remove(id);
            error(ControlCode::Unavailable, "同时发起的呼叫太多，请稍后再试")
        })?;
        Ok(id)
    }

    /// Whether a seat takes calls of a queue.
    fn serves(&self, extension: &str, queue: &str) -> bool {
        let skills = self.seats.skills(extension);
        self.queue_skills.get(queue).is_some_and(|skill| skills.contains_key(skill))
    }

    pub(super) fn snapshot(&self, now: Millis) -> Snapshot {
        let snapshot = self.queues.snapshot();
        let unix_now = clock::unix_now();
        let since = |at: Millis| unix_now.0 - i64::try_from((now - at).as_millis()).unwrap_or(0);
        let ready = |queue: &str| {
            let is_ready = |seat: &&queue::SeatView| {
                seat.registered
                    && seat.state == SeatState::Ready
                    && self.serves(seat.seat.as_str(), queue)
            };
            snapshot.seats.iter().filter(is_ready).count() as u32
        };
        let queues = snapshot.queues.iter().map(|queue| {
            let waited = |at: Millis| (now - at).as_millis() as u64;
            let calls: Vec<WaitingCall> = queue
                .waiting
                .iter()
                .map(|of| WaitingCall { call: of.call, waited_ms: waited(of.since) })
                .collect();
            QueueState {
                queue: queue.name.as_str().to_owned(),
                waiting: calls.len() as u32,
                longest_wait_ms: calls.iter().map(|call| call.waited_ms).max().unwrap_or(0),
                seats_ready: ready(queue.name.as_str()),
                seats_at_work: queue.seats_at_work as u32,
                calls,
            }
        });
        let seats = snapshot.seats.iter().map(|view| SeatNow {
            extension: view.seat.as_str().to_owned(),
            state: view.state.as_str().to_owned(),
            reason: reason(&view.state),
            since: since(view.since),
            registered: view.registered,
            calls: match &view.state {
                SeatState::Talking { calls } => calls.clone(),
                state => state.offered().into_iter().collect(),
            },
        });
        Snapshot { queues: queues.collect(), seats: seats.collect(), calls: self.calls.now() }
    }
}

/// Why a seat takes no calls.
pub(super) fn reason(state: &SeatState) -> Option<String> {
    match state {
        SeatState::Break { reason } => Some(reason.as_str().to_owned()),
        SeatState::Paused { why, .. } => Some(why.as_str().to_owned()),
        _ => None,
    }
}

fn refusal(refused: Refused) -> ControlError {
    let (code, detail) = match refused {
        Refused::NotNow => (ControlCode::WrongState, "现在不能这样操作"),
        Refused::AlreadySo => (ControlCode::WrongState, "已经是这个状态"),
        Refused::NoSuchLeg => (ControlCode::NoTarget, "通话里没有这一方"),
        Refused::NotAllowed => (ControlCode::NotAllowed, "这一方不能这样操作"),
        Refused::Underway => (ControlCode::WrongState, "另一个转接或咨询正在进行"),
        Refused::Nobody => (ControlCode::NoTarget, "没有可操作的对方"),
        Refused::NoLeg => (ControlCode::Unavailable, "通话的各方已满"),
    };
    error(code, detail)
}

fn not_running() -> ControlError {
    error(ControlCode::NotRunning, "通话已经结束")
}

fn no_target() -> ControlError {
    error(ControlCode::NoTarget, "号码、分机或队列不存在，没有中继线路，或不允许拨打境外号码")
}

fn error(code: ControlCode, detail: &str) -> ControlError {
    ControlError { code, detail: detail.to_owned() }
}
