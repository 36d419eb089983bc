//! A switchboard that notes what it is asked, and a source that reads "encrypted" files.

use qingting_api::{
    Actor, CallCommand, ControlCode, ControlError, DialRequest, DutyProblem, DutyRow, OnDuty,
    Pending, PlainWav, QueueState, RecordedAudio, RecordingSource, SeatNow, SeatStateRequest,
    Snapshot, Switchboard, WaitingCall,
};
use qingting_common::{CallId, Pii};
use qingting_store::{
    Date, Department, DutyExpert, DutyList, DutyTarget, MissedCall, Shift, Weekdays,
};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Board {
    /// Extensions and the calls in which they are.
    pub(crate) parts: Mutex<HashSet<(String, CallId)>>,
    /// Extensions and their queues.
    pub(crate) queues: Mutex<HashSet<(String, String)>>,
    /// What was asked, in words.
    pub(crate) asked: Mutex<Vec<String>>,
    /// The next answer is this.
    pub(crate) refusal: Mutex<Option<ControlError>>,
    /// While this is true nobody who dials is answered.
    pub(crate) hold: watch::Sender<bool>,
}

impl Board {
    pub(crate) fn joins(&self, extension: &str, call: CallId) {
        self.parts.lock().unwrap().insert((extension.into(), call));
    }

    pub(crate) fn leaves(&self, extension: &str, call: CallId) {
        self.parts.lock().unwrap().remove(&(extension.into(), call));
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    pub(crate) fn refuses(&self, code: ControlCode) {
        *self.refusal.lock().unwrap() = Some(ControlError { code, detail: "not now".into() });
    }

    fn note(&self, what: String) -> Result<(), ControlError> {
        self.asked.lock().unwrap().push(what);
        self.refusal.lock().unwrap().take().map_or(Ok(()), Err)
    }
}

fn at(actor: &Actor) -> String {
    format!("{}@{}", actor.name, actor.extension.as_deref().unwrap_or("-"))
}

fn ready<T: Send + 'static>(value: T) -> Pending<'static, T> {
    Box::pin(std::future::ready(value))
}

impl Switchboard for Board {
    fn command(
        &self,
        _: CallId,
        actor: Actor,
        command: CallCommand,
    ) -> Pending<'_, Result<(), ControlError>> {
        ready(self.note(format!("{} {}", at(&actor), command.as_str())))
    }

    fn dial(&self, actor: Actor, to: DialRequest) -> Pending<'_, Result<CallId, ControlError>> {
        let outcome = self.note(format!("{} dials {}", at(&actor), to.to.expose()));
        let mut hold = self.hold.subscribe();
        Box::pin(async move {
            hold.wait_for(|hold| !hold).await.unwrap();
            outcome.map(|()| CallId::new(Uuid::from_u128(7)))
        })
    }

    fn call_back(
        &self,
        actor: Actor,
        missed: MissedCall,
    ) -> Pending<'_, Result<CallId, ControlError>> {
        let outcome = self.note(format!("{} calls back {}", at(&actor), missed.caller.expose()));
        ready(outcome.map(|()| CallId::new(Uuid::from_u128(8))))
    }

    fn seat_state(
        &self,
        extension: String,
        request: SeatStateRequest,
    ) -> Pending<'_, Result<(), ControlError>> {
        ready(self.note(format!("{extension} {request:?}")))
    }

    fn snapshot(&self) -> Pending<'_, Snapshot> {
        let call = CallId::new(Uuid::from_u128(9));
        let queue = |queue: &str| QueueState {
            queue: queue.into(),
            waiting: 1,
            calls: vec![WaitingCall { call, waited_ms: 5_000 }],
            ..QueueState::default()
        };
        let seat = |extension: &str| SeatNow {
            extension: extension.into(),
            state: "talking".into(),
            reason: None,
            since: 1,
            registered: true,
            calls: vec![call],
        };
        ready(Snapshot {
            queues: vec![queue("综合"), queue("企业")],
            seats: vec![seat("1001"), seat("1002")],
            calls: Vec::new(),
        })
    }

    fn takes_part(&self, extension: &str, call: CallId) -> bool {
        self.parts.lock().unwrap().contains(&(extension.into(), call))
    }

    fn serves(&self, extension: &str, queue: &str) -> bool {
        self.queues.lock().unwrap().contains(&(extension.into(), queue.into()))
    }

    fn seats_changed(&self) -> Pending<'_, ()> {
        self.asked.lock().unwrap().push("seats changed".into());
        ready(())
    }

    fn duty_changed(&self) -> Pending<'_, ()> {
        self.asked.lock().unwrap().push("duty changed".into());
        ready(())
    }

    fn read_duty(&self, rows: &[DutyRow]) -> Result<DutyList, Vec<DutyProblem>> {
        let mut list = DutyList::default();
        let mut errors = Vec::new();
        for row in &rows[1..] {
            let fields = row.fields.expose();
            if fields[4].is_empty() {
                let (field, detail) = ("电话".into(), "is empty".into());
                errors.push(DutyProblem { line: row.line, field, detail });
                continue;
            }
            let numbers = fields[4].split(';');
            let targets = numbers.map(|number| DutyTarget::Number(Pii::new(number.into())));
            list.departments.push(Department {
                code: fields[0].clone(),
                name: fields[1].clone(),
                aliases: vec![fields[2].clone()],
            });
            list.shifts.push(Shift {
                department: fields[0].clone(),
                expert: list.experts.len(),
                weekdays: Weekdays(0b001_1111),
                first: Some(Date(20_261_001)),
                last: None,
                from_minute: 9 * 60,
                to_minute: 24 * 60,
                order: 2,
            });
            let name = Pii::new(fields[3].clone());
            list.experts.push(DutyExpert { name, targets: targets.collect() });
        }
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    fn on_duty(&self, department: Option<&str>) -> Option<Vec<OnDuty>> {
        if department == Some("nobody's") {
            return None;
        }
        Some(vec![OnDuty {
            department: department.unwrap_or("all").into(),
            department_name: "市场监管局".into(),
            expert: Pii::new("王工".into()),
            numbers: vec![Pii::new("88880001".into())],
        }])
    }
}

/// Reads files whose bytes stand upside down when they have a key.
pub(crate) struct Upside;

struct Turned(Box<dyn RecordedAudio>);

impl RecordingSource for Upside {
    fn open(&self, path: &Path, key: Option<&str>) -> io::Result<Box<dyn RecordedAudio>> {
        match key {
            None => PlainWav.open(path, None),
            Some("k1") => Ok(Box::new(Turned(PlainWav.open(path, None)?))),
            Some(_) => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl RecordedAudio for Turned {
    fn wav_len(&self) -> u64 {
        self.0.wav_len()
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(offset, out)?;
        out[..read].iter_mut().for_each(|byte| *byte = !*byte);
        Ok(read)
    }
}
