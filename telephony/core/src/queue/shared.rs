//! The queues of several servers as one: one server keeps the machine, the others tell it what happens to their calls
//! and do what it says.

use super::{ConfigError, SeatState, Snapshot};
use super::{Enqueue, Input, Level, Offer, Output, Overflow, Queue, QueueConfig, SeatId, Skill};
use qingting_common::{CallId, Millis};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How long a new keeper believes that calls go on of which only its predecessor knew.
const DOUBT_MAX: Duration = Duration::from_secs(2);

/// What servers tell each other about the queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueLetter {
    /// To all, again and again: I keep the queues. Who hears of another term tells its world.
    Keep {
        /// Grows with each keeper.
        term: u64,
    },
    /// To the keeper: what goes on at my calls.
    World {
        /// The keeper's.
        term: u64,
        /// Who waits, with how long already.
        waiting: Vec<Enqueue>,
        /// Which seats talk.
        talking: Vec<(CallId, SeatId)>,
    },
    /// To the keeper: something happened.
    Input(Input),
    /// From the keeper, to the server of the call.
    Output(Output),
    /// From the keeper to all: what a supervisor sees.
    Seen {
        /// The keeper's clock.
        at: Millis,
        /// Everything, by that clock.
        snapshot: Snapshot,
    },
}

/// One thing to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// For a call of this server, or about a seat.
    Here(Output),
    /// For another server; for all when `to` is `None`.
    Send {
        /// Its name.
        to: Option<String>,
        /// The letter.
        letter: QueueLetter,
    },
}

/// Seats whose telephones can be reached, with what they can do.
pub type Present = Vec<(SeatId, BTreeMap<Skill, Level>)>;

/// **One server's part in the queues of all.** By itself it keeps its own queues, as the only server does; so does one
/// that has lost the others. Whoever keeps them has a machine with everybody's calls and seats; every server remembers
/// enough of its own calls to tell a new keeper, so that a caller keeps its place when the keeper dies.
pub struct SharedQueue {
    config: QueueConfig,
    role: Role,
    own: Own,
    /// What the keeper last showed, by our clock.
    seen: Snapshot,
    acts: VecDeque<Act>,
}

enum Role {
    Keeper(Box<Keeper>),
    Member { keeper: String, term: u64 },
}

struct Keeper {
    machine: Queue,
    /// 0 for one that nobody else knows of.
    term: u64,
    /// The calls of other servers.
    homes: BTreeMap<CallId, String>,
    /// Calls that only the last keeper knew of, and until when they are believed in.
    doubted: BTreeSet<CallId>,
    doubt_until: Millis,
    /// What the others were last shown; none when somebody may not have seen it.
    shown: Option<Snapshot>,
    /// Offers to others up to this number are of an earlier keeper, or were forgotten with the others' calls.
    forgotten: u64,
}

/// What goes on at the calls of this server.
#[derive(Default)]
struct Own {
    waiting: BTreeMap<CallId, Waits>,
    /// Offers that were answered, until the keeper says that the answer stands, and how their callers waited.
    answered: BTreeMap<CallId, (Offer, Waits)>,
    talking: BTreeMap<CallId, BTreeSet<SeatId>>,
    offers: BTreeMap<CallId, Offer>,
}

/// A caller of this server.
#[derive(Clone)]
struct Waits {
    wants: Enqueue,
    /// Since when it waits, and since when in this queue.
    since: Millis,
    entered: Millis,
}

impl SharedQueue {
    /// Queues of this server alone.
    pub fn new(config: QueueConfig) -> Result<Self, ConfigError> {
        let machine = Queue::new(config.clone())?;
        let role = Role::Keeper(Box::new(Keeper::new(machine, 0)));
        let (own, seen) = (Own::default(), Snapshot { queues: Vec::new(), seats: Vec::new() });
        Ok(Self { config, role, own, seen, acts: VecDeque::new() })
    }

    /// The next thing to do, in order.
    pub fn poll_act(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    /// When to feed [`Input::Timer`].
    pub fn next_deadline(&self) -> Option<Millis> {
        let Role::Keeper(keeper) = &self.role else { return None };
        let doubt = (!keeper.doubted.is_empty()).then_some(keeper.doubt_until);
        keeper.machine.next_deadline().into_iter().chain(doubt).min()
    }

    /// Whether the machine is here.
    pub const fn keeps(&self) -> bool {
        matches!(self.role, Role::Keeper(_))
    }

    /// All queues and seats as they are, or were when the keeper last showed them.
    pub fn snapshot(&self) -> Snapshot {
        match &self.role {
            Role::Keeper(keeper) => keeper.machine.snapshot(),
            Role::Member { .. } => self.seen.clone(),
        }
    }

    /// Something happened at this server. Which telephones there are is the keeper's own to see: a member's
    /// [`Input::Registered`], [`Input::Unregistered`] and [`Input::Timer`] say nothing.
    pub fn handle_input(&mut self, now: Millis, input: Input) {
        if let (Role::Member { .. }, Input::OfferAccepted(offer)) = (&self.role, &input)
            && self.own.offers.get(&offer.call) != Some(offer)
        {
            // The answer crossed the withdrawal: the caller waits on, as the keeper knows.
            self.acts.push_back(Act::Here(Output::Withdraw(offer.clone())));
            return;
        }
        self.own.note(now, &input);
        match &mut self.role {
            Role::Keeper(keeper) => {
                keeper.stop_doubting(now);
                keeper.machine.handle_input(now, input);
            }
            Role::Member { keeper, .. } => {
                use Input::{Registered, Timer, Unregistered};
                if !matches!(input, Registered { .. } | Unregistered { .. } | Timer) {
                    let (to, letter) = (Some(keeper.clone()), QueueLetter::Input(input));
                    self.acts.push_back(Act::Send { to, letter });
                }
            }
        }
        self.carry_out(now);
    }

    /// This server keeps the queues of all from now on. Terms grow; 0 is none.
    pub fn keep(&mut self, now: Millis, term: u64, present: Present) {
        self.become_keeper(now, term, term, present);
        self.say_so();
    }

    /// The others cannot be heard: this server keeps what it knows of, for itself.
    /// `number`: larger than any offer's number before.
    pub fn alone(&mut self, now: Millis, number: u64, present: Present) {
        self.become_keeper(now, 0, number, present);
        let Role::Keeper(keeper) = &mut self.role else { return };
        keeper.forgotten = keeper.machine.offers_made();
        // No end of theirs will be heard: a seat must not talk for ever.
        for call in std::mem::take(&mut keeper.homes).into_keys() {
            keeper.machine.handle_input(now, Input::Abandon { call });
        }
        self.carry_out(now);
    }

    /// Tells all servers who keeps the queues and, when that has changed, what they look like; nothing by who does
    /// not.
    pub fn show(&mut self, at: Millis) {
        self.say_so();
        if let Role::Keeper(keeper) = &mut self.role
            && keeper.term != 0
        {
            let snapshot = keeper.machine.snapshot();
            if keeper.shown.as_ref() != Some(&snapshot) {
                keeper.shown = Some(snapshot.clone());
                let letter = QueueLetter::Seen { at, snapshot };
                self.acts.push_back(Act::Send { to: None, letter });
            }
        }
    }

    /// The same without what they look like.
    pub fn say_so(&mut self) {
        if let Role::Keeper(keeper) = &self.role
            && keeper.term != 0
        {
            let letter = QueueLetter::Keep { term: keeper.term };
            self.acts.push_back(Act::Send { to: None, letter });
        }
    }

    /// Another server is gone, and its calls with it.
    pub fn gone(&mut self, now: Millis, server: &str) {
        let Role::Keeper(keeper) = &mut self.role else { return };
        let lost = keeper.homes.iter().filter(|(_, home)| *home == server);
        let lost: Vec<CallId> = lost.map(|(call, _)| *call).collect();
        for call in lost {
            keeper.machine.handle_input(now, Input::Abandon { call });
            keeper.homes.remove(&call);
        }
        self.carry_out(now);
    }

    /// Another server has come again, or has lost what it said: what it does not tell anew is over.
    pub fn came_again(&mut self, now: Millis, server: &str) {
        let Role::Keeper(keeper) = &mut self.role else { return };
        keeper.shown = None;
        let known = keeper.homes.iter().filter(|(_, home)| *home == server);
        let known: Vec<CallId> = known.map(|(call, _)| *call).collect();
        for call in known {
            // Who waits keeps its place by what is told; a seat that talks must not look free meanwhile.
            if keeper.machine.has_waiting(call) {
                keeper.machine.handle_input(now, Input::Abandon { call });
                keeper.homes.remove(&call);
            } else {
                keeper.doubted.insert(call);
                keeper.doubt_until = now + DOUBT_MAX;
            }
        }
        self.carry_out(now);
    }

    /// Whether the machine is here and thinks that a seat's telephone can be reached.
    pub fn is_registered(&self, seat: &SeatId) -> Option<bool> {
        match &self.role {
            Role::Keeper(keeper) => Some(keeper.machine.is_registered(seat)),
            Role::Member { .. } => None,
        }
    }

    /// A letter of another server.
    pub fn heard(&mut self, now: Millis, from: &str, letter: QueueLetter) {
        match letter {
            QueueLetter::Keep { term } => self.keeper_is(now, from, term),
            QueueLetter::World { term, waiting, talking } => {
                let Role::Keeper(keeper) = &mut self.role else { return };
                if keeper.term != term {
                    return;
                }
                keeper.forget_untold(now, from, &talking);
                let began = talking.into_iter().map(|(call, seat)| Input::CallBegan { call, seat });
                // Who has waited longest first: their places follow from it even where clocks are young.
                let mut waiting = waiting;
                waiting.sort_by_key(|wants| std::cmp::Reverse(wants.waited));
                for input in began.chain(waiting.into_iter().map(Input::Enqueue)) {
                    keeper.take(now, from, input);
                }
                self.carry_out(now);
            }
            QueueLetter::Input(input) => {
                if let Role::Keeper(keeper) = &mut self.role {
                    keeper.stop_doubting(now);
                    keeper.take(now, from, input);
                    self.carry_out(now);
                }
            }
            QueueLetter::Output(output) => {
                if matches!(&self.role, Role::Member { keeper, .. } if keeper == from) {
                    self.here(now, output);
                }
            }
            QueueLetter::Seen { at, snapshot } => {
                if matches!(&self.role, Role::Member { keeper, .. } if keeper == from) {
                    self.seen = snapshot.on_clock(at, now);
                }
            }
        }
    }

    /// Another server says that it keeps the queues.
    fn keeper_is(&mut self, now: Millis, from: &str, term: u64) {
        match &self.role {
            // One lock, one keeper: an older one has not heard yet that it is none any more.
            Role::Keeper(keeper) if keeper.term > term => return,
            Role::Member { keeper, term: known } if keeper == from && *known == term => return,
            Role::Keeper(keeper) => self.seen = keeper.machine.snapshot(),
            Role::Member { .. } => {}
        }
        self.role = Role::Member { keeper: from.to_owned(), term };
        // Offers are numbered by who made them.
        for offer in std::mem::take(&mut self.own.offers).into_values() {
            self.acts.push_back(Act::Here(Output::Withdraw(offer)));
        }
        let (waiting, talking) = (self.own.waiting(now), self.own.talking());
        let letter = QueueLetter::World { term, waiting, talking };
        self.acts.push_back(Act::Send { to: Some(from.to_owned()), letter });
    }

    fn become_keeper(&mut self, now: Millis, term: u64, number: u64, present: Present) {
        if let Role::Keeper(keeper) = &mut self.role {
            (keeper.term, keeper.shown) = (term, None);
            return;
        }
        // It was made once with these rules.
        let Ok(mut machine) = Queue::new(self.config.clone()) else { return };
        machine.number_offers_from(number);
        let mut keeper = Keeper::new(machine, term);
        for offer in std::mem::take(&mut self.own.offers).into_values() {
            self.acts.push_back(Act::Here(Output::Withdraw(offer)));
        }
        let mut tell = |input| keeper.machine.handle_input(now, input);
        for (seat, skills) in present {
            tell(Input::Registered { seat: seat.clone() });
            tell(Input::SignIn { seat, skills });
        }
        let mut doubted = BTreeSet::new();
        for view in &self.seen.seats {
            let seat = view.seat.clone();
            match &view.state {
                SeatState::SignedOut => tell(Input::SignOut { seat }),
                SeatState::Break { reason } => {
                    tell(Input::SetBreak { seat, reason: reason.clone() });
                }
                SeatState::Talking { calls } => {
                    for call in calls {
                        tell(Input::CallBegan { call: *call, seat: seat.clone() });
                        doubted.insert(*call);
                    }
                    match &view.then {
                        Some(SeatState::SignedOut) => tell(Input::SignOut { seat }),
                        Some(SeatState::Break { reason }) => {
                            tell(Input::SetBreak { seat, reason: reason.clone() });
                        }
                        _ => {}
                    }
                }
                SeatState::Ready
                | SeatState::Reserved { .. }
                | SeatState::Ringing { .. }
                | SeatState::WrapUp { .. }
                | SeatState::Paused { .. } => {}
            }
        }
        for (call, seat) in self.own.talking() {
            tell(Input::CallBegan { call, seat });
        }
        for wants in self.own.waiting(now) {
            tell(Input::Enqueue(wants));
        }
        doubted.retain(|call| !self.own.talking.contains_key(call));
        (keeper.doubted, keeper.doubt_until) = (doubted, now + DOUBT_MAX);
        self.role = Role::Keeper(Box::new(keeper));
        self.carry_out(now);
    }

    /// Gives what the machine wants to whom it is for.
    fn carry_out(&mut self, now: Millis) {
        loop {
            let Role::Keeper(keeper) = &mut self.role else { return };
            let Some(output) = keeper.machine.poll_output() else { return };
            match call_of(&output).and_then(|call| keeper.homes.get(&call)) {
                Some(home) => {
                    let (to, letter) = (Some(home.clone()), QueueLetter::Output(output));
                    self.acts.push_back(Act::Send { to, letter });
                }
                None => self.here(now, output),
            }
        }
    }

    fn here(&mut self, now: Millis, output: Output) {
        // Each withdrawal is told once: an answer that crossed it makes the keeper withdraw again, when the caller may
        // already talk by a later offer.
        if matches!(&output, Output::Withdraw(offer) if !self.own.knows(offer)) {
            return;
        }
        self.own.told(now, &output);
        self.acts.push_back(Act::Here(output));
    }
}

impl Keeper {
    fn new(machine: Queue, term: u64) -> Self {
        let (homes, doubted) = (BTreeMap::new(), BTreeSet::new());
        let forgotten = machine.offers_made();
        Self { machine, term, homes, doubted, doubt_until: Millis(0), shown: None, forgotten }
    }

    /// Something that happened at another server.
    fn take(&mut self, now: Millis, from: &str, input: Input) {
        let input = match input {
            // It was answered before its server heard of this keeper, whom it tells of as talking, too.
            Input::OfferAccepted(Offer { number, call, seat }) if number <= self.forgotten => {
                Input::CallBegan { call, seat }
            }
            input => input,
        };
        if let Some(call) = call_of_input(&input) {
            self.homes.insert(call, from.to_owned());
            self.doubted.remove(&call);
        }
        let over = match &input {
            Input::Abandon { call } => Some(*call),
            _ => None,
        };
        self.machine.handle_input(now, input);
        // What the machine still says of it goes nowhere: its call is no more.
        if let Some(call) = over {
            self.homes.remove(&call);
        }
    }

    /// A server is about to tell all that goes on at its calls: what it said before, perhaps to a keeper of another term
    /// that is this one again, is over unless it is told now. Who waits keeps its place by what is told.
    fn forget_untold(&mut self, now: Millis, from: &str, talking: &[(CallId, SeatId)]) {
        let is_of = |call: &CallId| self.homes.get(call).is_some_and(|home| home == from);
        let over: Vec<Input> = self
            .machine
            .snapshot()
            .seats
            .into_iter()
            .flat_map(|view| match view.state {
                SeatState::Talking { calls } => {
                    calls.into_iter().map(|call| (call, view.seat.clone())).collect()
                }
                _ => Vec::new(),
            })
            .filter(|talk| is_of(&talk.0) && !talking.contains(talk))
            .map(|(call, seat)| Input::CallEnded { call, seat })
            .collect();
        let left = self.homes.keys().filter(|call| is_of(call) && self.machine.has_waiting(**call));
        let left: Vec<CallId> = left.copied().collect();
        for input in over {
            self.machine.handle_input(now, input);
        }
        for call in left {
            self.machine.handle_input(now, Input::Abandon { call });
            self.homes.remove(&call);
        }
    }

    /// Calls that no server has spoken of since their keeper died went with it.
    fn stop_doubting(&mut self, now: Millis) {
        if now < self.doubt_until {
            return;
        }
        for call in std::mem::take(&mut self.doubted) {
            self.machine.handle_input(now, Input::Abandon { call });
        }
    }
}

impl Own {
    /// Whether this offer is open, or was answered and the keeper has not said that the answer stands.
    fn knows(&self, offer: &Offer) -> bool {
        let answered = self.answered.get(&offer.call).map(|(answered, _)| answered);
        self.offers.get(&offer.call).into_iter().chain(answered).any(|known| known == offer)
    }

    fn waiting(&self, now: Millis) -> Vec<Enqueue> {
        let mut waiting: Vec<Enqueue> = self
            .waiting
            .values()
            .map(|Waits { wants, since, entered }| {
                let (waited, queued) = (now - *since, now - *entered);
                Enqueue { waited, queued, ..wants.clone() }
            })
            .collect();
        waiting.sort_by_key(|wants| std::cmp::Reverse(wants.waited));
        waiting
    }

    fn talking(&self) -> Vec<(CallId, SeatId)> {
        let seats = |(call, seats): (&CallId, &BTreeSet<SeatId>)| {
            seats.iter().map(|seat| (*call, seat.clone())).collect::<Vec<_>>()
        };
        self.talking.iter().flat_map(seats).collect()
    }

    fn note(&mut self, now: Millis, input: &Input) {
        match input {
            Input::Enqueue(wants) => {
                self.talking.remove(&wants.call);
                self.answered.remove(&wants.call);
                let since = now.before(wants.waited);
                let entered = now.before(wants.queued);
                let waits = || Waits { wants: wants.clone(), since, entered };
                self.waiting.entry(wants.call).or_insert_with(waits);
            }
            Input::Abandon { call } => {
                self.waiting.remove(call);
                self.answered.remove(call);
                self.talking.remove(call);
                self.offers.remove(call);
            }
            Input::CallbackRequested { call } => {
                self.waiting.remove(call);
                self.offers.remove(call);
            }
            Input::OfferAccepted(offer) => {
                self.offers.remove(&offer.call);
                if let Some(waits) = self.waiting.remove(&offer.call) {
                    self.answered.insert(offer.call, (offer.clone(), waits));
                    self.talking.entry(offer.call).or_default().insert(offer.seat.clone());
                }
            }
            Input::OfferFailed { offer, .. } => {
                self.offers.remove(&offer.call);
            }
            Input::CallBegan { call, seat } => {
                self.waiting.remove(call);
                self.offers.remove(call);
                self.talking.entry(*call).or_default().insert(seat.clone());
            }
            Input::CallEnded { call, seat } => {
                if let Some(seats) = self.talking.get_mut(call) {
                    seats.remove(seat);
                }
                self.talking.retain(|_, seats| !seats.is_empty());
            }
            Input::Take { .. }
            | Input::OfferRinging(_)
            | Input::SignIn { .. }
            | Input::SignOut { .. }
            | Input::SetReady { .. }
            | Input::SetBreak { .. }
            | Input::WrapUpDone { .. }
            | Input::Registered { .. }
            | Input::Unregistered { .. }
            | Input::Timer => {}
        }
    }

    fn told(&mut self, now: Millis, output: &Output) {
        match output {
            Output::Connect { offer, .. } => {
                self.answered.remove(&offer.call);
            }
            Output::Offer(offer) => {
                self.offers.insert(offer.call, offer.clone());
            }
            Output::Withdraw(offer) => {
                if self.offers.get(&offer.call) == Some(offer) {
                    self.offers.remove(&offer.call);
                } else if self
                    .answered
                    .get(&offer.call)
                    .is_some_and(|(answered, _)| answered == offer)
                    && let Some((_, waits)) = self.answered.remove(&offer.call)
                {
                    // It was answered too late: the caller still stands where it stood.
                    if let Some(seats) = self.talking.get_mut(&offer.call) {
                        seats.remove(&offer.seat);
                    }
                    self.talking.retain(|_, seats| !seats.is_empty());
                    self.waiting.insert(offer.call, waits);
                }
            }
            Output::Overflow { call, to: Overflow::Queue(next), .. } => {
                if let Some(waits) = self.waiting.get_mut(call) {
                    (waits.wants.queue, waits.wants.skill) = (next.clone(), None);
                    waits.entered = now;
                }
            }
            Output::Overflow { call, .. }
            | Output::Refused { call, .. }
            | Output::CallbackListed { call, .. } => {
                self.waiting.remove(call);
            }
            Output::Position { .. }
            | Output::OfferCallback { .. }
            | Output::TakeRefused { .. }
            | Output::SeatRefused { .. }
            | Output::SeatState { .. } => {}
        }
    }
}

const fn call_of_input(input: &Input) -> Option<CallId> {
    match input {
        Input::Enqueue(Enqueue { call, .. })
        | Input::Abandon { call }
        | Input::CallbackRequested { call }
        | Input::CallBegan { call, .. }
        | Input::CallEnded { call, .. }
        | Input::OfferRinging(Offer { call, .. })
        | Input::OfferAccepted(Offer { call, .. })
        | Input::OfferFailed { offer: Offer { call, .. }, .. } => Some(*call),
        // A page's wish: its server need not be the call's.
        Input::Take { .. }
        | Input::SignIn { .. }
        | Input::SignOut { .. }
        | Input::SetReady { .. }
        | Input::SetBreak { .. }
        | Input::WrapUpDone { .. }
        | Input::Registered { .. }
        | Input::Unregistered { .. }
        | Input::Timer => None,
    }
}

const fn call_of(output: &Output) -> Option<CallId> {
    match output {
        Output::Offer(Offer { call, .. })
        | Output::Withdraw(Offer { call, .. })
        | Output::Connect { offer: Offer { call, .. }, .. }
        | Output::Position { call, .. }
        | Output::OfferCallback { call }
        | Output::CallbackListed { call, .. }
        | Output::Overflow { call, .. }
        | Output::Refused { call, .. }
        | Output::TakeRefused { call, .. } => Some(*call),
        Output::SeatRefused { .. } | Output::SeatState { .. } => None,
    }
}
