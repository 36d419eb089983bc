//! Campaigns.

use crate::error::StoreError;
use crate::once::Once;
use crate::rows::{at, json, named, parsed, to_json, unsigned};
use crate::writer::Command;
use crate::{Store, audit};
use qingting_callbacks::campaign::Settings;
use qingting_common::{CampaignId, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::any::{AnyExecutor, AnyRow};
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

/// Whether a campaign calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// It was never started.
    Draft,
    /// It calls.
    Running,
    /// It calls nobody for now; calls that run go on.
    Paused,
    /// It calls nobody any more.
    Stopped,
}

impl CampaignState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Draft, Self::Running, Self::Paused, Self::Stopped];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// A campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Its name, unique.
    pub name: String,
    /// Whether it calls.
    pub state: CampaignState,
    /// Its settings.
    pub settings: Settings,
    /// Counts its changes.
    pub revision: u64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// By whom.
    pub created_by: String,
}

/// How many follow-ups of a campaign are where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CampaignCounts {
    /// To be called.
    pub waiting: u64,
    /// On the telephone.
    pub calling: u64,
    /// Waiting for the redo of their ticket.
    pub awaiting_redo: u64,
    /// Ended, by status.
    pub ended: Vec<(String, u64)>,
    /// Attempts, by outcome.
    pub outcomes: Vec<(String, u64)>,
}

/// Why a change of a campaign is refused.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// There is another one of that name.
    #[error("there is a campaign named {0:?} already")]
    NameTaken(String),
    /// Somebody else has changed it meanwhile.
    #[error("it was changed meanwhile: it is at revision {now}")]
    Changed {
        /// Its revision.
        now: u64,
    },
    /// A stopped campaign stays stopped.
    #[error("it is stopped: make a new one")]
    Stopped,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Makes a campaign, and notes in the audit that `by` did.
    pub async fn create_campaign(
        &self,
        name: &str,
        settings: Settings,
        by: &str,
        now: UnixMillis,
    ) -> Result<Campaign, CampaignError> {
        self.create_campaign_once(name, settings, by, now, None).await
    }

    /// The same for a request that counts once.
    pub async fn create_campaign_once(
        &self,
        name: &str,
        settings: Settings,
        by: &str,
        now: UnixMillis,
        once: Option<Once<Campaign>>,
    ) -> Result<Campaign, CampaignError> {
        let campaign = Campaign {
            id: CampaignId::new(Uuid::now_v7()),
            name: name.to_owned(),
            state: CampaignState::Draft,
            settings,
            revision: 1,
            created_at: now,
            created_by: by.to_owned(),
        };
        self.write_once(Create(campaign), once).await
    }

    /// Changes settings or state of a campaign that is at `revision`.
    pub async fn change_campaign(
        &self,
        id: CampaignId,
        revision: Option<u64>,
        settings: Option<Settings>,
        state: Option<CampaignState>,
        by: &str,
        now: UnixMillis,
    ) -> Result<Campaign, CampaignError> {
        self.write(Change { id, revision, settings, state, by: by.to_owned(), at: now }).await
    }

    /// All campaigns, the newest first.
    pub async fn campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        sqlx::query("SELECT * FROM campaigns ORDER BY id DESC")
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// A campaign by its id or its name.
    pub async fn campaign(&self, which: &str) -> Result<Option<Campaign>, StoreError> {
        by_name(self.readers(), which).await
    }

    /// Follow-ups of running campaigns that are still to be called.
    pub async fn follow_ups_waiting(&self) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS waiting FROM follow_ups JOIN campaigns ON campaigns.id = campaign_id
             WHERE follow_ups.state = 'waiting' AND campaigns.state = 'running'",
        )
        .fetch_one(self.readers())
        .await?;
        Ok(crate::rows::unsigned(row.try_get("waiting")?))
    }

    /// How many of its follow-ups are where.
    pub async fn campaign_counts(&self, id: CampaignId) -> Result<CampaignCounts, StoreError> {
        let mut counts = CampaignCounts::default();
        let rows = sqlx::query(
            "SELECT state, status, count(*) AS n FROM follow_ups WHERE campaign_id = $1
             GROUP BY state, status ORDER BY status",
        )
        .bind(id.to_string())
        .fetch_all(self.readers())
        .await?;
        for row in &rows {
            let n = unsigned(row.try_get("n")?);
            match row.try_get::<&str, _>("state")? {
                "waiting" => counts.waiting += n,
                "calling" => counts.calling += n,
                "awaiting_redo" => counts.awaiting_redo += n,
                _ => {
                    let status: Option<String> = row.try_get("status")?;
                    counts.ended.push((status.unwrap_or_default(), n));
                }
            }
        }
        let rows = sqlx::query(
            "SELECT outcome, count(*) AS n FROM attempts
             WHERE outcome IS NOT NULL AND follow_up_id IN
                (SELECT id FROM follow_ups WHERE campaign_id = $1)
             GROUP BY outcome ORDER BY outcome",
        )
        .bind(id.to_string())
        .fetch_all(self.readers())
        .await?;
        for row in &rows {
            counts.outcomes.push((row.try_get("outcome")?, unsigned(row.try_get("n")?)));
        }
        Ok(counts)
    }
}

pub(super) fn read(row: &AnyRow) -> Result<Campaign, StoreError> {
    Ok(Campaign {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        state: named(row, "state", CampaignState::ALL, CampaignState::as_str)?,
        settings: json(row.try_get("settings")?, "campaigns.settings")?,
        revision: unsigned(row.try_get("revision")?),
        created_at: at(row, "created_at")?,
        created_by: row.try_get("created_by")?,
    })
}

/// A campaign by its id or its name.
pub(crate) async fn by_name(
    db: impl AnyExecutor<'_>,
    which: &str,
) -> Result<Option<Campaign>, StoreError> {
    let row = sqlx::query("SELECT * FROM campaigns WHERE id = $1 OR lower(name) = lower($1)")
        .bind(which)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn load(db: &mut AnyConnection, id: CampaignId) -> Result<Campaign, StoreError> {
    let row = sqlx::query("SELECT * FROM campaigns WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    let row = row.ok_or_else(|| StoreError::NotFound { what: "campaign", id: id.to_string() })?;
    read(&row)
}

struct Create(Campaign);

impl Command for Create {
    type Output = Campaign;
    type Error = CampaignError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Campaign, CampaignError> {
        let Campaign { id, name, state, settings, revision, created_at, created_by } = &self.0;
        let made = sqlx::query(
            "INSERT INTO campaigns (id, name, state, settings, revision, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(id.to_string())
        .bind(name)
        .bind(state.as_str())
        .bind(to_json(settings, "campaigns.settings")?)
        .bind(*revision as i64)
        .bind(created_at.0)
        .bind(created_by)
        .execute(&mut *db)
        .await
        .map_err(StoreError::from)?;
        if made.rows_affected() == 0 {
            return Err(CampaignError::NameTaken(name.clone()));
        }
        audit::insert(db, *created_at, created_by, "campaign.create", &id.to_string()).await?;
        Ok(self.0.clone())
    }
}

struct Change {
    id: CampaignId,
    revision: Option<u64>,
    settings: Option<Settings>,
    state: Option<CampaignState>,
    by: String,
    at: UnixMillis,
}

impl Command for Change {
    type Output = Campaign;
    type Error = CampaignError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Campaign, CampaignError> {
        let mut campaign = load(db, self.id).await?;
        if self.revision.is_some_and(|revision| revision != campaign.revision) {
            return Err(CampaignError::Changed { now: campaign.revision });
        }
        if campaign.state == CampaignState::Stopped {
            return Err(CampaignError::Stopped);
        }
        campaign.revision += 1;
        campaign.settings = self.settings.clone().unwrap_or(campaign.settings);
        campaign.state = self.state.unwrap_or(campaign.state);
        sqlx::query("UPDATE campaigns SET state = $2, settings = $3, revision = $4 WHERE id = $1")
            .bind(self.id.to_string())
            .bind(campaign.state.as_str())
            .bind(to_json(&campaign.settings, "campaigns.settings")?)
            .bind(campaign.revision as i64)
            .execute(&mut *db)
            .await
            .map_err(StoreError::from)?;
        let act = match self.state {
            Some(state) => format!("campaign.{}", state.as_str()),
            None => "campaign.change".to_owned(),
        };
        audit::insert(db, self.at, &self.by, &act, &self.id.to_string()).await?;
        Ok(campaign)
    }
}
