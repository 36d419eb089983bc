//! What becomes of a call that comes in: by who calls, which number was called, and the hour.

use super::{Beginning, Fault, Switchboard};
use crate::config::{self, Config};
use crate::serve::callbacks::Errand;
use crate::serve::identity::Identity;
use crate::serve::prompts::own_prompt;
use anyhow::{Context, Result};
use qingting_callbacks::schedule::local;
use qingting_common::{Pii, UnixMillis};
use qingting_core::call::{Origin, Plan, Prompt, Target, Treatment};
use qingting_core::hours::{Day, LocalDate, OpeningHours, Window};
use qingting_core::menu::MenuGraph;
use qingting_core::numbers::Number;
use qingting_core::queue;
use qingting_sip::IncomingCall;
use qingting_store::{CallerDialog, Direction};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The names of weekdays in the configuration, from Monday.
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The called numbers and their hours.
pub(super) struct Plans {
    numbers: Vec<config::Number>,
    hours: HashMap<String, OpeningHours>,
    /// Own prompts by their text.
    prompts: HashMap<String, Prompt>,
    /// Menus by their first node.
    menus: HashMap<String, Arc<MenuGraph>>,
}

impl Plans {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let hours = config.hours.iter().map(|hours| {
            let read = opening_hours(hours);
            Ok((hours.name.clone(), read.with_context(|| format!("[[hours]] {:?}", hours.name))?))
        });
        let prompts = crate::serve::prompts::own_texts(config).into_iter().enumerate();
        Ok(Self {
            numbers: config.numbers.clone(),
            hours: hours.collect::<Result<_>>()?,
            prompts: prompts.map(|(place, text)| (text, own_prompt(place))).collect(),
            menus: super::menu::graphs(config)?,
        })
    }

    fn prompt(&self, text: &str) -> Option<Prompt> {
        self.prompts.get(text).copied()
    }

    /// The entry of a called number: the whole number in whatever way of writing, or its end where
    /// the trunk adds an area code; of several the longest.
    fn entry(&self, called: &str) -> Option<(usize, &config::Number)> {
        let called = national(called);
        let numbers = || self.numbers.iter().enumerate();
        let whole = numbers().find(|(_, of)| national(&of.number) == called);
        let ends = || numbers().filter(|(_, of)| called.ends_with(&of.number));
        whole.or_else(|| ends().max_by_key(|(_, of)| of.number.len()))
    }

    fn is_open(&self, number: &config::Number, now: UnixMillis) -> bool {
        let Some(hours) = self.hours.get(&number.hours) else { return true };
        local(now).is_none_or(|now| hours.is_open(now))
    }
}

/// Opening hours that cannot be read.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let read =
        |(place, hours)| Some(("hours", place, format!("{:#}", opening_hours(hours).err()?)));
    config.hours.iter().enumerate().filter_map(read).collect()
}

impl Switchboard {
    /// A citizen's call.
    pub fn citizen_calls(
        &self,
        incoming: &IncomingCall,
        identity: &Identity,
        now: UnixMillis,
    ) -> Beginning {
        let found = self.plans.entry(&identity.called);
        let mut plan = Plan::default();
        if let Some((_, number)) = found {
            if !number.greeting.is_empty() {
                plan.greeting = self.plans.prompt(&number.greeting);
            }
            plan.treatment = if self.plans.is_open(number, now) {
                self.treatment(number)
            } else {
                plan.greeting = None;
                let prompt = self.plans.prompt(&number.closed).unwrap_or(Prompt::Closed);
                Treatment::Closed { prompt }
            };
        }
        let number = found.map(|(_, number)| number);
        Beginning {
            direction: Direction::Inbound,
            origin: Origin::Citizen(plan),
            citizen: identity.caller.clone(),
            citizen_digits: identity.caller_digits(),
            called: identity.called.clone(),
            number: found.map(|(place, _)| place),
            number_name: number.map(|number| number.name.clone()),
            enterprise: number.is_some_and(|number| number.enterprise),
            priority: number.map_or(0, |number| number.priority.into()),
            dialog: Some(CallerDialog {
                sip_call_id: incoming.request.call_id.clone(),
                remote: format!("{}:{}", incoming.transport, incoming.source),
            }),
            seat: None,
            missed: None,
            errand: None,
        }
    }

    /// A seat's own telephone calls somebody; `None` when that is nobody whom we can reach.
    pub fn seat_calls(&self, seat: &queue::SeatId, incoming: &IncomingCall) -> Option<Beginning> {
        let target = self.target_of_uri(&incoming.request.uri)?;
        // Nobody calls itself.
        let target = Some(target).filter(|target| self.seat_of(target).as_ref() != Some(seat))?;
        let citizen = matches!(target, Target::Number(_));
        let seat_id = self.seat_id(seat)?;
        let number = Pii::new(self.number_of(&target));
        let origin = Origin::Seat { seat: seat_id, targets: vec![target], citizen };
        Some(Beginning { seat: Some(seat.clone()), ..self.outgoing(origin, number) })
    }

    /// The page asks for a call: the seat's telephone is rung first.
    pub fn click_to_dial(&self, seat: &queue::SeatId, typed: &str) -> Option<Beginning> {
        let target = self.target(typed)?;
        let number = Pii::new(self.number_of(&target));
        let origin = Origin::ClickToDial { seat: self.seat_id(seat)?, target };
        Some(self.outgoing(origin, number))
    }

    fn outgoing(&self, origin: Origin, citizen: Pii<String>) -> Beginning {
        let citizen_digits =
            Number::read(citizen.expose(), None).ok().map(|number| number.national());
        Beginning {
            direction: Direction::Outbound,
            origin,
            citizen,
            citizen_digits,
            called: self.trunks.caller_id(),
            number: None,
            number_name: None,
            enterprise: false,
            priority: 0,
            dialog: None,
            seat: None,
            missed: None,
            errand: None,
        }
    }

    /// A machine calls a citizen about a closed ticket; `None` when the number cannot be dialled.
    pub(super) fn machine_calls(&self, errand: Arc<Errand>) -> Option<Beginning> {
        let citizen = errand.follow_up.citizen.clone();
        let number = Number::read(citizen.expose(), None).ok();
        number.filter(|number| qingting_callbacks::intake::is_citizens(number.kind()))?;
        let target = self.target(citizen.expose()).filter(|to| matches!(to, Target::Number(_)))?;
        let outgoing = self.outgoing(Origin::Machine { target }, citizen);
        let own = errand.caller_id.clone();
        let called = if own.is_empty() { outgoing.called } else { own };
        Some(Beginning { called, errand: Some(errand), ..outgoing })
    }

    /// Where a number's calls go when somebody works.
    fn treatment(&self, number: &config::Number) -> Treatment {
        if !number.transfer.is_empty() {
            return self.transfer_to(&number.transfer);
        }
        if !number.menu.is_empty() {
            return Treatment::Menu;
        }
        self.queue_or_machine(&number.queue)
    }

    /// The menu of a called number.
    pub fn menu_of(&self, number: Option<usize>) -> Option<Arc<MenuGraph>> {
        self.plans.menus.get(&self.plans.numbers.get(number?)?.menu).cloned()
    }

    /// The queue of a called number; empty when it has none.
    pub fn queue_of(&self, number: Option<usize>) -> String {
        let number = number.and_then(|number| self.plans.numbers.get(number));
        number.map(|number| number.queue.clone()).unwrap_or_default()
    }

    /// On to a number of the telephone network.
    pub fn transfer_to(&self, number: &str) -> Treatment {
        Treatment::Dial { targets: vec![Target::Number(Pii::new(number.to_owned()))] }
    }

    /// A queue by its name; the machine where there is none.
    pub fn queue_or_machine(&self, name: &str) -> Treatment {
        self.queue_id(name).map_or(Treatment::Machine, |queue| Treatment::Queue { queue })
    }
}

/// A number as it is dialled in China; what is none stays as it is.
fn national(number: &str) -> String {
    Number::read(number, None).map_or_else(|_| number.to_owned(), |number| number.national())
}

/// The entry of the configuration that has this name.
pub fn hours_named(config: &Config, name: &str) -> Result<OpeningHours> {
    let hours = config.hours.iter().find(|hours| hours.name == name);
    opening_hours(hours.with_context(|| format!("there is no [[hours]] named {name:?}"))?)
}

fn opening_hours(hours: &config::Hours) -> Result<OpeningHours> {
    if let Some(wrong) = hours.weekly.keys().find(|day| !WEEKDAYS.contains(&day.as_str())) {
        anyhow::bail!("{wrong:?} is not one of {}", WEEKDAYS.join(", "));
    }
    let of = |day: &str| windows(hours.weekly.get(day).map_or(&[], Vec::as_slice));
    let mut weekly: [Vec<Window>; 7] = Default::default();
    for (place, day) in WEEKDAYS.iter().enumerate() {
        weekly[place] = of(day)?;
    }
    let mut exceptions = BTreeMap::new();
    for date in &hours.closed {
        exceptions.insert(self::date(date)?, Day::Closed);
    }
    for (date, open) in &hours.dates {
        exceptions.insert(self::date(date)?, Day::Open(windows(open)?));
    }
    OpeningHours::new(weekly, exceptions).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(errors.join("; "))
    })
}

fn date(text: &str) -> Result<LocalDate> {
    text.parse().ok().with_context(|| format!("{text:?} is not a date such as 2026-10-01"))
}

fn windows(texts: &[String]) -> Result<Vec<Window>> {
    texts.iter().map(|text| window(text)).collect()
}

fn window(text: &str) -> Result<Window> {
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
    };
    text.split_once('-')
        .and_then(|(from, to)| Some(Window { from: minute(from)?, to: minute(to)? }))
        .with_context(|| format!("{text:?} is not a time such as 09:00-12:00"))
}
