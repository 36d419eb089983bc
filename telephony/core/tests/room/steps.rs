//! What could happen next: everything that a driver, a queue and people may do at this point.

use super::{Room, ack, answered, experts, extension, number, opened, reinvite, sdp};
use qingting_core::call::{
    By, Command, CommandId, Hangup, Input, LEGS_MAX, LegId, Prompt, QueueEvent, QueueId, Role,
    SeatId, SuperviseMode, Treatment,
};
use qingting_core::leg::{LegEvent, Replaces};

fn alive(room: &Room) -> impl Iterator<Item = LegId> {
    let alive = |leg: &LegId| room.watch.seen(*leg).is_some_and(|seen| seen.is_alive());
    let legs: Vec<LegId> = (0..LEGS_MAX).map(|slot| LegId(slot as u8)).filter(alive).collect();
    legs.into_iter()
}

/// What usually happens.
pub(crate) fn calm(room: &Room) -> Vec<Input> {
    let mut inputs: Vec<Input> = alive(room)
        .flat_map(|leg| {
            calm_events(room, leg).into_iter().map(move |event| Input::Leg { leg, event })
        })
        .collect();
    for leg in alive(room) {
        if let Some(id) = room.watch.seen(leg).and_then(|seen| seen.playing) {
            inputs.push(Input::PromptDone { leg, id });
        }
    }
    inputs.extend(queue(room).into_iter().map(Input::Queue));
    let console = |command| Input::Command { id: CommandId(1), by: By::Console, command };
    inputs.extend(commands().into_iter().map(console));
    if room.call.next_deadline().is_some() {
        inputs.push(Input::Timer);
    }
    if let Some(leg) = room.call.free_leg() {
        let (targets, offer) = (experts(&["801"]), Some(sdp("sendrecv")));
        let up = |leg: &LegId| room.watch.seen(*leg).is_some_and(|seen| seen.is_up());
        for first in alive(room).filter(up) {
            let (targets, offer) = (targets.clone(), offer.clone());
            inputs.push(Input::SecondLine { leg, first, targets, offer: offer.clone() });
            inputs.push(Input::Replace { leg, replaces: first, offer });
        }
    }
    inputs.push(Input::Dtmf { leg: LegId(0), digit: '1' });
    inputs
}

fn calm_events(room: &Room, leg: LegId) -> Vec<LegEvent> {
    let Some(seen) = room.watch.seen(leg) else { return Vec::new() };
    if seen.cancelled {
        return vec![LegEvent::Failed { code: 487 }, answered()];
    }
    if seen.is_up() {
        let mut events = vec![
            reinvite("sendonly"),
            reinvite("sendrecv"),
            LegEvent::Reinvite { offer: None },
            LegEvent::Ack { answer: Some(sdp("sendrecv")) },
            LegEvent::Update { offer: sdp("inactive") },
            LegEvent::Refer { target: extension("803"), replaces: None },
        ];
        for other in alive(room) {
            let replaces = Some(Replaces::Leg(other));
            events.push(LegEvent::Refer { target: extension("803"), replaces });
        }
        if seen.reoffered {
            events.extend([answered(), LegEvent::Failed { code: 491 }]);
        }
        return events;
    }
    match (seen.is_dial, seen.dialled, seen.answered) {
        (true, false, _) => vec![opened()],
        (true, true, _) => vec![
            answered(),
            LegEvent::Progress { code: 180, body: None },
            LegEvent::Progress { code: 183, body: Some(sdp("sendrecv")) },
            LegEvent::Failed { code: 486 },
        ],
        (false, _, false) => vec![opened()],
        (false, _, true) => vec![ack(), reinvite("sendonly")],
    }
}

fn queue(room: &Room) -> Vec<QueueEvent> {
    let mut events = Vec::new();
    match room.watch.open_offer {
        Some(seat) => events.push(QueueEvent::Withdrawn { seat }),
        None => events.push(QueueEvent::Offer { seat: SeatId(7) }),
    }
    if room.watch.queued {
        let closed = Treatment::Closed { prompt: Prompt::Closed };
        let dial = Treatment::Dial { targets: experts(&["805"]) };
        events.extend([
            QueueEvent::Position { position: 2, wait: None },
            QueueEvent::OfferCallback,
            QueueEvent::Overflow(closed),
            QueueEvent::Overflow(dial),
            QueueEvent::Overflow(Treatment::Queue { queue: QueueId(2) }),
        ]);
    }
    events
}

fn commands() -> Vec<Command> {
    let targets = || experts(&["801", "802"]);
    let role = Role::Expert;
    let supervise = |mode| Command::Supervise { target: extension("900"), mode };
    vec![
        Command::Hold,
        Command::Resume,
        Command::Mute { leg: LegId(1), on: true },
        Command::Mute { leg: LegId(1), on: false },
        Command::Transfer { targets: targets(), blind: true },
        Command::Consult { targets: targets(), role },
        Command::Join { targets: vec![number("110")], role: Role::Emergency, then_leave: true },
        Command::Join { targets: targets(), role, then_leave: false },
        Command::JoinConsulted,
        Command::CompleteTransfer,
        Command::CancelConsult,
        Command::ToQueue { queue: QueueId(3) },
        supervise(SuperviseMode::Listen),
        supervise(SuperviseMode::Whisper),
        supervise(SuperviseMode::Barge),
        Command::PauseRecording,
        Command::ResumeRecording,
    ]
}

/// What breaks something.
pub(crate) fn harsh(room: &Room) -> Vec<Input> {
    let mut inputs: Vec<Input> = alive(room)
        .flat_map(|leg| {
            harsh_events(room, leg).into_iter().map(move |event| Input::Leg { leg, event })
        })
        .collect();
    let console = |command| Input::Command { id: CommandId(1), by: By::Console, command };
    inputs.extend(alive(room).map(|leg| console(Command::Drop { leg })));
    inputs.push(console(Command::HangUp));
    if room.watch.open_offer.is_none() && room.watch.has_accepted() {
        inputs.push(Input::Queue(QueueEvent::Withdrawn { seat: SeatId(7) }));
    }
    inputs.push(Input::Hangup(Hangup::Operator));
    inputs
}

fn harsh_events(room: &Room, leg: LegId) -> Vec<LegEvent> {
    let Some(seen) = room.watch.seen(leg) else { return Vec::new() };
    if seen.cancelled {
        return vec![LegEvent::TransportLost];
    }
    let mut events = vec![LegEvent::MediaFailed];
    if seen.is_up() {
        events.extend([
            LegEvent::Bye,
            LegEvent::TransportLost,
            LegEvent::MediaInactive,
            LegEvent::SessionExpired,
            ack(),
            LegEvent::AckTimeout,
        ]);
        if seen.reoffered {
            events.push(LegEvent::Failed { code: 481 });
        }
        return events;
    }
    match (seen.is_dial, seen.dialled, seen.answered) {
        (true, false, _) => {}
        (true, true, _) => events.extend([
            LegEvent::Failed { code: 480 },
            LegEvent::Answered { body: None },
            LegEvent::TransportLost,
            LegEvent::Bye,
        ]),
        (false, _, false) => {
            events.extend([LegEvent::Cancel, LegEvent::Bye, LegEvent::TransportLost]);
        }
        (false, _, true) => events.extend([
            LegEvent::Cancel,
            LegEvent::AckTimeout,
            LegEvent::Bye,
            LegEvent::TransportLost,
        ]),
    }
    events
}
