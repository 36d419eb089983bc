//! The loop that dials: what is due, inside the hours, below the caps, one at a time.
//!
//! **It keeps nothing**: what is to be done is in the database, where an attempt is committed before
//! anybody is dialled. Several servers may run it at once, and one that dies leaves attempts whose leases
//! run out.

use super::{Errand, Sounds, rules};
use crate::cli::ModelsDir;
use crate::clock;
use crate::serve::Hotline;
use anyhow::{Context, Result, ensure};
use qingting_callbacks::attempt::Outcome;
use qingting_callbacks::schedule::Rules;
use qingting_callbacks::script::Facts;
use qingting_common::{CallId, CampaignId, FollowUpId, Millis, UnixMillis};
use qingting_store::{AttemptEnd, BeginAttempt, Begun, Campaign, CampaignState, Ended, FollowUp};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long an attempt is a server's without word from it: five of its looks at leases.
const LEASE: Duration = Duration::from_secs(30);
const RENEW_EVERY: Duration = Duration::from_secs(6);
/// After so long without the database no lease counts as run out until each server could prolong its own, since it was away for
/// the others perhaps as well: it may be less than an outage in which a lease runs out.
const BLIND_MAX: Duration = Duration::from_secs(15);
/// Follow-ups whose sentences are spoken ahead.
const AHEAD: u32 = 4;
/// Follow-ups of a stopped campaign that are ended in one go.
const CANCEL_AT_ONCE: u32 = 200;
/// Follow-ups that are known to be spoken; then they are looked up again.
const SPOKEN_MAX: usize = 10_000;
/// Wait after a fault of the database or the voice.
const FAULT_WAIT: Duration = Duration::from_secs(5);

/// Dials until it is aborted, and no more once it is stopped.
pub async fn run(hotline: Arc<Hotline>) {
    let spoken = Spoken::default();
    tokio::join!(renew(&hotline), speak(&hotline, &spoken), dial_all(&hotline, &spoken));
}

/// Whose sentences are spoken. It saves work; nothing depends on it.
type Spoken = Mutex<HashSet<FollowUpId>>;

async fn dial_all(hotline: &Arc<Hotline>, spoken: &Spoken) {
    let (mut memory, mut is_told) = (Memory::default(), false);
    while !hotline.callbacks.is_stopped() {
        match look(hotline, spoken, &mut memory).await {
            Ok(soon) => {
                is_told = false;
                tokio::time::sleep(soon.min(LOOK_EVERY)).await;
            }
            // Once: a database that is away would fill the log.
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    let error = format!("{error:#}");
                    tracing::error!(error, "callbacks stand still until this is over");
                }
                tokio::time::sleep(FAULT_WAIT).await;
            }
        }
    }
}

async fn renew(hotline: &Hotline) {
    loop {
        let until = after(clock::unix_now(), LEASE);
        let calls = hotline.callbacks.ours(&hotline.spool);
        if !calls.is_empty()
            && let Err(error) = hotline.store.renew_attempts(calls, until).await
        {
            tracing::error!(%error, "the leases of callbacks could not be prolonged");
        }
        tokio::time::sleep(RENEW_EVERY).await;
    }
}

fn after(at: UnixMillis, later: Duration) -> UnixMillis {
    UnixMillis(at.0 + i64::try_from(later.as_millis()).unwrap_or(i64::MAX / 2))
}

/// What saves work and repeated lines of the log; nothing depends on it.
#[derive(Default)]
struct Memory {
    /// Campaigns that cannot run as they are.
    told: HashSet<(CampaignId, u64)>,
    /// Stopped campaigns in which nothing waits.
    emptied: HashSet<CampaignId>,
    /// When the database last told something.
    seen: Option<Millis>,
    /// Before then no lease counts as run out.
    expires_from: Millis,
    /// Campaigns that rest after a fault, and until when.
    resting: HashMap<CampaignId, Millis>,
}

/// One look at everything; how soon the next is worth while.
async fn look(hotline: &Arc<Hotline>, spoken: &Spoken, memory: &mut Memory) -> Result<Duration> {
    let campaigns = hotline.store.campaigns().await?;
    let now = hotline.clock.now();
    if memory.seen.replace(now).is_none_or(|seen| now - seen > BLIND_MAX) {
        memory.expires_from = now + LEASE;
    }
    if memory.expires_from <= now {
        expire(hotline, &campaigns).await?;
    }
    let mut soon = LOOK_EVERY;
    for campaign in &campaigns {
        let now = hotline.clock.now();
        if memory.resting.get(&campaign.id).is_some_and(|until| now < *until) {
            continue;
        }
        match look_at(hotline, spoken, memory, campaign).await {
            Ok(true) => soon = soon.min(apart(campaign)),
            Ok(false) => {}
            // The others go on.
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    campaign = campaign.name,
                    error,
                    "a campaign stands still for a moment"
                );
                memory.resting.insert(campaign.id, now + FAULT_WAIT);
            }
        }
    }
    Ok(soon)
}

/// From one call of a campaign to the next.
fn apart(campaign: &Campaign) -> Duration {
    Duration::from_secs_f64(1.0 / campaign.settings.per_second_max.max(0.1))
}

/// Whether somebody was dialled.
async fn look_at(
    hotline: &Arc<Hotline>,
    spoken: &Spoken,
    memory: &mut Memory,
    campaign: &Campaign,
) -> Result<bool> {
    let now = clock::unix_now();
    if campaign.state == CampaignState::Stopped && !memory.emptied.contains(&campaign.id) {
        if hotline.store.cancel_waiting(campaign.id, CANCEL_AT_ONCE, now).await? == 0 {
            memory.emptied.insert(campaign.id);
        }
        return Ok(false);
    }
    let rules = match callable(hotline, campaign)? {
        Callable::Now(rules) => rules,
        Callable::Not => return Ok(false),
        Callable::Faulty(faults) => {
            if memory.told.insert((campaign.id, campaign.revision)) {
                tracing::error!(campaign = campaign.name, faults, "a campaign cannot run");
            }
            return Ok(false);
        }
    };
    let due = hotline.store.due_follow_ups(campaign.id, now, AHEAD).await?;
    let is_spoken = {
        let spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
        due.iter().any(|follow_up| spoken.contains(&follow_up.id))
    };
    // Asking for an attempt is a write: not where nobody is due, or nothing could be said yet.
    if is_spoken { dial_next(hotline, campaign, rules).await } else { Ok(false) }
}

/// Whether a campaign may call.
enum Callable {
    /// By these rules.
    Now(Rules),
    /// It does not run, or its hours are over.
    Not,
    /// It runs, and this is wrong with it.
    Faulty(String),
}

fn callable(hotline: &Hotline, campaign: &Campaign) -> Result<Callable> {
    if campaign.state != CampaignState::Running {
        return Ok(Callable::Not);
    }
    let faults = super::faults(&hotline.config, &hotline.callbacks.scripts, &campaign.settings);
    if !faults.is_empty() {
        return Ok(Callable::Faulty(faults.join("; ")));
    }
    let rules = rules(&hotline.config, &campaign.settings)?;
    let is_open = rules.is_open(clock::unix_now());
    Ok(if is_open { Callable::Now(rules) } else { Callable::Not })
}

/// Attempts whose server is gone: nobody knows whether they rang, so they count.
async fn expire(hotline: &Hotline, campaigns: &[Campaign]) -> Result<()> {
    for (of, attempt) in hotline.store.expired_attempts(clock::unix_now()).await? {
        // One of our own lives, or its end waits on this disk: its lease ran out because the clock stepped or the database was away.
        let is_ours = hotline.callbacks.under_way().contains(&attempt.call);
        if is_ours || hotline.spool.holds(attempt.call) {
            continue;
        }
        let Some(campaign) = campaigns.iter().find(|campaign| campaign.id == of) else { continue };
        let Ok(rules) = rules(&hotline.config, &campaign.settings) else { continue };
        tracing::warn!(follow_up = %attempt.follow_up, number = attempt.number, "a callback's server is gone");
        let end = AttemptEnd {
            follow_up: attempt.follow_up,
            number: attempt.number,
            outcome: Outcome::Unknown,
            sip_code: None,
            wish: None,
            rules,
            only_expired: true,
            now: clock::unix_now(),
        };
        // Its server may have spoken meanwhile: then the call and its draft are that one's.
        if hotline.store.end_attempt(end).await? != Ended::Nothing {
            hotline.store.drop_untouched_draft(attempt.call).await?;
        }
    }
    Ok(())
}

/// What the next ones hear is spoken before their turn: it takes seconds.
async fn speak(hotline: &Arc<Hotline>, spoken: &Spoken) {
    loop {
        let mut wait = LOOK_EVERY;
        // One that cannot be spoken holds up no other; a fault of the database is told where it is dialled.
        for campaign in hotline.store.campaigns().await.unwrap_or_default() {
            if let Err(error) = speak_next(hotline, spoken, &campaign).await {
                let error = format!("{error:#}");
                tracing::error!(campaign = campaign.name, error, "its sentences cannot be spoken");
                wait = FAULT_WAIT;
            }
        }
        tokio::time::sleep(wait).await;
    }
}

async fn speak_next(hotline: &Arc<Hotline>, spoken: &Spoken, campaign: &Campaign) -> Result<()> {
    let Callable::Now(_) = callable(hotline, campaign)? else { return Ok(()) };
    for follow_up in hotline.store.due_follow_ups(campaign.id, clock::unix_now(), AHEAD).await? {
        let known = || spoken.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(&follow_up.id) {
            continue;
        }
        sounds(hotline, campaign, &follow_up).await?;
        let mut known = known();
        if known.len() > SPOKEN_MAX {
            known.clear();
        }
        known.insert(follow_up.id);
    }
    Ok(())
}

async fn sounds(
    hotline: &Arc<Hotline>,
    campaign: &Campaign,
    follow_up: &FollowUp,
) -> Result<(Sounds, Facts)> {
    let script = hotline.callbacks.script(&campaign.settings.script);
    let script = Arc::clone(script.context("the script is gone")?);
    let (hotline, follow_up) = (Arc::clone(hotline), follow_up.clone());
    let speak = move || {
        let models = ModelsDir::of(hotline.config.data.models.clone());
        super::speak(&hotline.config, &models, &script, &follow_up)
    };
    tokio::task::spawn_blocking(speak).await?
}

/// Whether somebody was dialled.
async fn dial_next(hotline: &Arc<Hotline>, campaign: &Campaign, rules: Rules) -> Result<bool> {
    let Some(_turn) = hotline.callbacks.turn().await else { return Ok(false) };
    let call = CallId::new(Uuid::now_v7());
    let ask = BeginAttempt {
        campaign: campaign.id,
        server: hotline.callbacks.server.clone(),
        lease: LEASE,
        call,
        lines_free: lines_free(hotline),
        now: clock::unix_now(),
    };
    crate::crash::point("before-attempt");
    let Begun::Dial(follow_up, number) = hotline.store.begin_attempt(ask).await? else {
        return Ok(false);
    };
    crate::crash::point("attempt-committed");
    hotline.callbacks.under_way().insert(call);
    let (id, rules_of_end) = (follow_up.id, rules.clone());
    let dialled = dial(hotline, campaign, rules, call, *follow_up, number).await;
    if dialled.is_err() {
        // Nobody was dialled.
        let end = AttemptEnd {
            follow_up: id,
            number,
            outcome: Outcome::OwnFault,
            sip_code: None,
            wish: None,
            rules: rules_of_end,
            only_expired: false,
            now: clock::unix_now(),
        };
        super::end_attempt(hotline, call, end).await;
    }
    dialled.map(|()| true)
}

async fn dial(
    hotline: &Arc<Hotline>,
    campaign: &Campaign,
    rules: Rules,
    call: CallId,
    follow_up: FollowUp,
    number: u32,
) -> Result<()> {
    let (sounds, facts) = sounds(hotline, campaign, &follow_up).await?;
    still_wanted(hotline, campaign, &rules, &follow_up).await?;
    let script = hotline.callbacks.script(&campaign.settings.script);
    let errand = Arc::new(Errand {
        follow_up,
        number,
        rules,
        queue: queue(hotline, campaign),
        ring: Duration::from_secs(campaign.settings.ring_s.into()),
        caller_id: campaign.settings.caller_id.clone(),
        script: Arc::clone(script.context("the script is gone")?),
        facts,
        sounds,
        reader: Arc::clone(&hotline.callbacks.reader),
    });
    hotline.switchboard.begin_callback(call, errand)
}

/// Since it was claimed its sentences may have been spoken, and time has passed.
async fn still_wanted(
    hotline: &Hotline,
    campaign: &Campaign,
    rules: &Rules,
    follow_up: &FollowUp,
) -> Result<()> {
    ensure!(!hotline.callbacks.is_stopped(), "the server stops");
    ensure!(rules.is_open(clock::unix_now()), "the hours are over");
    let now = hotline.store.campaign(&campaign.id.to_string()).await?;
    let is_running = now.is_some_and(|now| now.state == CampaignState::Running);
    ensure!(is_running, "the campaign was halted");
    ensure!(!hotline.store.is_refused(&follow_up.citizen).await?, "the citizen has refused");
    Ok(())
}

/// The campaign's queue, else the first that there is.
fn queue(hotline: &Hotline, campaign: &Campaign) -> String {
    match campaign.settings.queue.as_str() {
        "" => hotline.config.queues.first().map(|queue| queue.name.clone()).unwrap_or_default(),
        name => name.to_owned(),
    }
}

/// Lines of the trunks that are free, where the configuration says how many there are.
fn lines_free(hotline: &Hotline) -> Option<u32> {
    let lines = hotline.config.callbacks.lines;
    let busy = u32::try_from(hotline.switchboard.calls.len()).unwrap_or(u32::MAX);
    (lines > 0).then(|| lines.saturating_sub(busy))
}
