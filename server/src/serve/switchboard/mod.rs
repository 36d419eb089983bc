//! The switchboard: which call goes where, who sits where, and how everybody is reached.

mod calls;
mod control;
mod desk;
mod duty;
mod menu;
mod plans;
mod queues;
mod seats;
mod ways;

pub use calls::Letter;
pub use control::Control;
pub use desk::{look_at, look_at_all, look_at_gone, tell_queues, watch_telephones};
pub use menu::{MENU_PROMPTS, MenuRun, MenuStep};
pub use plans::hours_named;
pub use seats::Seats;
pub use ways::{TrunkLine, Trunks, Way, call_header};

use crate::clock::Clock;
use crate::config::Config;
use crate::serve::callbacks::Errand;
use crate::serve::cluster::Cluster;
use anyhow::Result;
use calls::Calls;
use duty::Duty;
use plans::Plans;
use qingting_api::EventBus;
use qingting_common::{CallId, Pii};
use qingting_core::call::{self, Origin, QueueId, Target};
use qingting_core::numbers::{Number, NumberKind};
use qingting_core::queue::{self, QueueName, Skill};
use qingting_sip::message::SipUri;
use qingting_store::{CallerDialog, Direction, Store};
use queues::Queues;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// The name of a list in the configuration, the place of an entry in it, and what is wrong with that.
pub type Fault = (&'static str, usize, String);

/// What a configuration asks of the switchboard that cannot be had. Names that lead nowhere are
/// somebody else's to find, except those within a menu.
pub fn faults(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(plans::faults(config));
    faults.extend(menu::faults(config));
    faults.extend(queues::fault(config));
    faults.extend(ways::faults(config));
    faults
}

/// What is known of a call when it begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    pub direction: Direction,
    pub origin: Origin,
    /// The citizen's number as the trunk gave it; `anonymous` when withheld.
    pub citizen: Pii<String>,
    /// The same as it is dialled in China, when it is a number.
    pub citizen_digits: Option<String>,
    /// The number of ours that was called, or that is shown.
    pub called: String,
    /// Its entry in the configuration.
    pub number: Option<usize>,
    pub number_name: Option<String>,
    pub enterprise: bool,
    pub priority: i32,
    /// The dialog in which a citizen called.
    pub dialog: Option<CallerDialog>,
    /// The seat that begins the call.
    pub seat: Option<queue::SeatId>,
    /// The missed call that this one makes good.
    pub missed: Option<CallId>,
    /// What a machine calls for.
    pub errand: Option<Arc<Errand>>,
}

/// See above.
pub struct Switchboard {
    /// The other servers.
    pub cluster: Arc<Cluster>,
    pub calls: Arc<Calls>,
    pub queues: Arc<Queues>,
    pub seats: Arc<Seats>,
    pub duty: Duty,
    plans: Plans,
    pub trunks: Trunks,
    queue_names: Vec<QueueName>,
    queue_skills: HashMap<String, Skill>,
    realm: String,
    may_call_abroad: bool,
    wanted: mpsc::Sender<Wanted>,
    /// Taken by whoever carries them out.
    to_carry_out: Mutex<Option<mpsc::Receiver<Wanted>>>,
}

/// Calls that somebody has asked for and that have not begun; further ones are refused.
const WANTED_MAX: usize = 64;

/// A call that begins with our own INVITE.
pub struct Wanted {
    pub id: CallId,
    pub beginning: Beginning,
    pub letters: mpsc::Receiver<Letter>,
}

impl Switchboard {
    /// Everything that the configuration says, and the seats and the duty list of the database.
    pub async fn new(
        config: &Config,
        clock: Clock,
        store: &Store,
        events: EventBus,
        seats: Arc<Seats>,
        trunks: Trunks,
    ) -> Result<Self> {
        let cluster = Cluster::new(config.cluster.http.is_some());
        let calls = Arc::new(Calls::new(Arc::clone(&cluster)));
        let queues = Queues::new(config, clock, Arc::clone(&calls), events, Arc::clone(&cluster))?;
        let queues = Arc::new(queues);
        let duty = Duty::default();
        duty.load(store).await?;
        let (wanted, to_carry_out) = mpsc::channel(WANTED_MAX);
        Ok(Self {
            cluster,
            calls,
            queues,
            seats,
            duty,
            plans: Plans::new(config)?,
            trunks,
            queue_skills: config
                .queues
                .iter()
                .map(|queue| (queue.name.clone(), Skill::new(&queue.skill)))
                .collect(),
            queue_names: config.queues.iter().map(|queue| QueueName::new(&queue.name)).collect(),
            realm: config.sip.realm.clone(),
            may_call_abroad: config.seats.international,
            wanted,
            to_carry_out: Mutex::new(Some(to_carry_out)),
        })
    }

    /// Whether there are queues and nobody who could take a call of theirs.
    pub fn lacks_seats(&self) -> bool {
        !self.queue_names.is_empty() && self.seats.extensions().is_empty()
    }

    /// Calls that are asked for by page or API, once.
    pub fn take_wanted(&self) -> mpsc::Receiver<Wanted> {
        let taken = self.to_carry_out.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.unwrap_or_else(|| mpsc::channel(1).1)
    }

    /// A queue by the call machine's number.
    pub fn queue_name(&self, queue: QueueId) -> Option<QueueName> {
        self.queue_names.get(queue.0 as usize).cloned()
    }

    /// The call machine's number of a queue.
    pub fn queue_id(&self, name: &str) -> Option<QueueId> {
        let place = self.queue_names.iter().position(|known| known.as_str() == name)?;
        u32::try_from(place).ok().map(QueueId)
    }

    /// A seat as the call machine names it.
    pub fn seat_id(&self, seat: &queue::SeatId) -> Option<call::SeatId> {
        seats::seat_number(seat)
    }

    /// And as everybody else does.
    pub fn seat_name(&self, seat: call::SeatId) -> queue::SeatId {
        seats::seat_name(seat)
    }

    /// The seat that a target is.
    pub fn seat_of(&self, target: &Target) -> Option<queue::SeatId> {
        match target {
            Target::Seat(seat) => Some(seats::seat_name(*seat)),
            Target::Extension(extension) => Some(queue::SeatId::new(extension)),
            Target::Number(_) => None,
        }
    }

    /// What a person typed, or a telephone dialled: an extension of ours, else a number of the
    /// telephone network. `None` for what is neither, for a number when there is no trunk, and
    /// **for one abroad unless the configuration allows it**, whoever asks in whatever way.
    pub fn target(&self, typed: &str) -> Option<Target> {
        let typed = typed.trim();
        if self.seats.has(typed) {
            return Some(Target::Extension(typed.to_owned()));
        }
        let number = Number::read(typed, None).ok()?;
        let is_allowed = self.may_call_abroad || number.kind() != NumberKind::International;
        (is_allowed && !self.trunks.is_empty()).then(|| Target::Number(Pii::new(number.national())))
    }

    /// The same of a SIP URI's user.
    pub fn target_of_uri(&self, uri: &SipUri) -> Option<Target> {
        self.target(&uri.user_name()?)
    }

    /// A target for the books.
    pub fn number_of(&self, target: &Target) -> String {
        match target {
            Target::Seat(seat) => seats::seat_name(*seat).as_str().to_owned(),
            Target::Extension(extension) => extension.clone(),
            Target::Number(number) => number.expose().clone(),
        }
    }
}
