//! The loop that dials: what is due, inside the hours, below the caps, one at a time.
//!
//! **It keeps nothing**: what is to be done is in the database, where an attempt is committed before
//! anybody is dialled. Several servers may run it at once, and one that dies leaves attempts whose leases
//! run out.

use super::{Errand, SOME_MATTER, SOME_UNIT, Sounds, facts, rules};
use crate::cli::ModelsDir;
use crate::clock;
use crate::serve::Hotline;
use anyhow::{Context, Result};
use qingting_callbacks::attempt::Outcome;
use qingting_common::{CallId, CampaignId, FollowUpId, UnixMillis};
use qingting_store::{AttemptEnd, BeginAttempt, Begun, Campaign, CampaignState, FollowUp};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long an attempt is a server's without word from it: five of its looks at leases.
const LEASE: Duration = Duration::from_secs(30);
const RENEW_EVERY: Duration = Duration::from_secs(6);
/// Follow-ups whose sentences are spoken ahead.
const AHEAD: u32 = 4;
/// Follow-ups that are known to be spoken; then they are looked up again.
const SPOKEN_MAX: usize = 10_000;
/// Wait after a fault of the database or the voice.
const FAULT_WAIT: Duration = Duration::from_secs(5);

/// Dials until it is aborted.
pub async fn run(hotline: Arc<Hotline>) {
    let renewing = renew(Arc::clone(&hotline));
    let dialling = async {
        let mut memory = Memory::default();
        loop {
            match look(&hotline, &mut memory).await {
                Ok(()) => tokio::time::sleep(LOOK_EVERY).await,
                Err(error) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "callbacks stand still for a moment"
                    );
                    tokio::time::sleep(FAULT_WAIT).await;
                }
            }
        }
    };
    tokio::join!(renewing, dialling);
}

async fn renew(hotline: Arc<Hotline>) {
    loop {
        let until = after(clock::unix_now(), LEASE);
        let calls: Vec<CallId> = hotline.callbacks.under_way().iter().copied().collect();
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
    /// Whose sentences are spoken.
    spoken: HashSet<FollowUpId>,
    /// Campaigns that cannot run as they are.
    told: HashSet<(CampaignId, u64)>,
}

async fn look(hotline: &Arc<Hotline>, memory: &mut Memory) -> Result<()> {
    let campaigns = hotline.store.campaigns().await?;
    expire(hotline, &campaigns).await?;
    for campaign in campaigns.iter().filter(|it| it.state == CampaignState::Running) {
        let faults = super::faults(&hotline.config, &hotline.callbacks.scripts, &campaign.settings);
        if !faults.is_empty() {
            if memory.told.insert((campaign.id, campaign.revision)) {
                let faults = faults.join("; ");
                tracing::error!(campaign = campaign.name, faults, "a campaign cannot run");
            }
            continue;
        }
        let rules = rules(&hotline.config, &campaign.settings)?;
        if rules.is_open(clock::unix_now()) {
            // Asking for an attempt is a write: not where nobody is due.
            if speak_ahead(hotline, campaign, &mut memory.spoken).await? {
                dial_next(hotline, campaign, rules).await?;
            }
        }
    }
    Ok(())
}

/// Attempts whose server is gone: nobody knows whether they rang, so they count.
async fn expire(hotline: &Hotline, campaigns: &[Campaign]) -> Result<()> {
    for (of, attempt) in hotline.store.expired_attempts(clock::unix_now()).await? {
        let Some(campaign) = campaigns.iter().find(|campaign| campaign.id == of) else { continue };
        tracing::warn!(follow_up = %attempt.follow_up, number = attempt.number, "a callback's server is gone");
        let end = AttemptEnd {
            follow_up: attempt.follow_up,
            number: attempt.number,
            outcome: Outcome::Unknown,
            sip_code: None,
            wish: None,
            rules: rules(&hotline.config, &campaign.settings)?,
            only_expired: true,
            now: clock::unix_now(),
        };
        hotline.store.end_attempt(end).await?;
        hotline.store.drop_untouched_draft(attempt.call).await?;
    }
    Ok(())
}

/// What the next ones hear is spoken before their turn: it takes seconds. Whether anybody is due.
async fn speak_ahead(
    hotline: &Arc<Hotline>,
    campaign: &Campaign,
    spoken: &mut HashSet<FollowUpId>,
) -> Result<bool> {
    if spoken.len() > SPOKEN_MAX {
        spoken.clear();
    }
    let due = hotline.store.due_follow_ups(campaign.id, clock::unix_now(), AHEAD).await?;
    for follow_up in &due {
        if spoken.insert(follow_up.id) {
            sounds(hotline, campaign, follow_up).await?;
        }
    }
    Ok(!due.is_empty())
}

/// Sentences of a follow-up; with a title that cannot be spoken, those without it.
async fn sounds(
    hotline: &Arc<Hotline>,
    campaign: &Campaign,
    follow_up: &FollowUp,
) -> Result<(Sounds, qingting_callbacks::script::Facts)> {
    let script = hotline.callbacks.script(&campaign.settings.script);
    let script = Arc::clone(script.context("the script is gone")?);
    let facts = facts(&hotline.config, follow_up);
    let id = follow_up.id;
    let hotline = Arc::clone(hotline);
    let speak = move || {
        let models = ModelsDir::of(hotline.config.data.models.clone());
        match Sounds::prepare(&hotline.config, &models, &script, &facts) {
            Ok(sounds) => Ok((sounds, facts)),
            Err(error) => {
                tracing::warn!(follow_up = %id, error = format!("{error:#}"), "its title or unit cannot be spoken and is left out");
                let mut plain = facts.clone();
                (plain.title, plain.unit) = (SOME_MATTER.to_owned(), SOME_UNIT.to_owned());
                Ok((Sounds::prepare(&hotline.config, &models, &script, &plain)?, plain))
            }
        }
    };
    tokio::task::spawn_blocking(speak).await?
}

async fn dial_next(
    hotline: &Arc<Hotline>,
    campaign: &Campaign,
    rules: qingting_callbacks::schedule::Rules,
) -> Result<()> {
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
        return Ok(());
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
    dialled
}

async fn dial(
    hotline: &Arc<Hotline>,
    campaign: &Campaign,
    rules: qingting_callbacks::schedule::Rules,
    call: CallId,
    follow_up: FollowUp,
    number: u32,
) -> Result<()> {
    let (sounds, facts) = sounds(hotline, campaign, &follow_up).await?;
    let script = hotline.callbacks.script(&campaign.settings.script);
    let errand = Arc::new(Errand {
        follow_up,
        number,
        rules,
        queue: campaign.settings.queue.clone(),
        ring: Duration::from_secs(campaign.settings.ring_s.into()),
        caller_id: campaign.settings.caller_id.clone(),
        script: Arc::clone(script.context("the script is gone")?),
        facts,
        sounds,
        reader: Arc::clone(&hotline.callbacks.reader),
    });
    hotline.switchboard.begin_callback(call, errand)
}

/// Lines of the trunks that are free, where the configuration says how many there are.
fn lines_free(hotline: &Hotline) -> Option<u32> {
    let lines = hotline.config.callbacks.lines;
    let busy = u32::try_from(hotline.switchboard.calls.len()).unwrap_or(u32::MAX);
    (lines > 0).then(|| lines.saturating_sub(busy))
}
