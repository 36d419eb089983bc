//! Requests that count once however often they come (draft-ietf-httpapi-idempotency-key-header).
//!
//! **A key is claimed before its request does anything, and of two claims one succeeds.** What a command writes
//! and the answer to its request may be kept in one transaction ([`Once`]); where that cannot be, because
//! somebody was rung meanwhile, a request whose server died is never done again by itself. **Only the claim that counts
//! answers or gives back its key**: a request that outlived its time and was taken over by another keeps nothing, and
//! where its answer is kept in the same transaction does nothing.

use crate::error::StoreError;
use crate::rows::maybe_number;
use crate::writer::Command;
use crate::{Store, clock};
use qingting_common::UnixMillis;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

/// How long an answer is kept: 24 hours.
pub const KEPT_MS: i64 = 24 * 3_600_000;
/// Longest that a request may run. One that was claimed before that and has no answer lost its server.
pub const RUNNING_MS_MAX: i64 = 60_000;
/// Keys that one claim deletes at most: the writer is not held up by more.
const DELETED_AT_ONCE_MAX: i64 = 1_000;

/// A key and what was asked under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Whose: another client may have the same key.
    pub who: String,
    /// The client's word.
    pub key: String,
    /// A digest of what was asked, `SECRET:CODE`. Digests with different secrets cannot be compared: then it counts as the
    /// same request.
    pub request: String,
}

/// A claimed key. Nobody else has the same claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestClaim {
    key: RequestKey,
    claim: String,
}

/// An answer as it is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, where there is a body.
    pub content_type: Option<String>,
    /// The body; empty where there is none. May be personal data: it is not for a log.
    pub body: String,
}

/// What a claim finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyClaim {
    /// The key is new, and the claimant's.
    New(RequestClaim),
    /// The first request with it runs.
    Running,
    /// The first one's server died; what was done is not known.
    Lost,
    /// The answer of the first one.
    Answered(KeptAnswer),
    /// Something else was asked under it.
    Other,
}

/// A key whose answer is kept in the transaction that does what was asked.
pub struct Once<T> {
    /// The key, claimed.
    pub claim: RequestClaim,
    /// The answer, from what the command gives.
    pub answer: Box<dyn Fn(&T) -> KeptAnswer + Send + Sync>,
}

impl Store {
    /// Claims a key; where `is_atomic`, a request whose server died may be done again, because its answer
    /// would be there if it had been done.
    pub async fn claim_request(
        &self,
        key: RequestKey,
        is_atomic: bool,
    ) -> Result<KeyClaim, StoreError> {
        let claim = RequestClaim { key, claim: Uuid::new_v4().to_string() };
        self.write(Claim { claim, is_atomic, now: clock::now() }).await
    }

    /// Keeps the answer of a claimed key that has none; nothing where another one has the key now.
    pub async fn answer_request(
        &self,
        claim: RequestClaim,
        answer: KeptAnswer,
    ) -> Result<(), StoreError> {
        self.write(Keep { claim, answer }).await
    }

    /// Gives a claimed key back: nothing was done. Nothing where another one has the key now.
    pub async fn release_request(&self, claim: RequestClaim) -> Result<(), StoreError> {
        self.write(Release(claim)).await
    }

    /// Deletes keys that are no longer kept, and what is kept with them.
    pub async fn prune_requests(&self, now: UnixMillis) -> Result<(), StoreError> {
        self.write(Prune { now }).await
    }

    /// Runs a command, and keeps the answer to its request in the same transaction.
    pub(crate) async fn write_once<C: Command>(
        &self,
        command: C,
        once: Option<Once<C::Output>>,
    ) -> Result<C::Output, C::Error> {
        match once {
            Some(once) => self.write(Answering { command, once }).await,
            None => self.write(command).await,
        }
    }
}

struct Answering<C: Command> {
    command: C,
    once: Once<C::Output>,
}

impl<C: Command> Command for Answering<C> {
    type Output = C::Output;
    type Error = C::Error;

    async fn run(&self, db: &mut AnyConnection) -> Result<C::Output, C::Error> {
        let output = self.command.run(&mut *db).await?;
        // Before the next wait, which need not be shared with other threads.
        let answer = (self.once.answer)(&output);
        // Undone with the whole command: whoever has the key now does it.
        match keep(db, &self.once.claim, &answer).await? {
            true => Ok(output),
            false => Err(StoreError::TakenOver.into()),
        }
    }
}

struct Claim {
    claim: RequestClaim,
    is_atomic: bool,
    now: UnixMillis,
}

impl Command for Claim {
    type Output = KeyClaim;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<KeyClaim, StoreError> {
        prune(db, self.now).await?;
        let RequestKey { who, key, request } = &self.claim.key;
        let row = sqlx::query("SELECT * FROM idempotency_keys WHERE who = $1 AND key = $2")
            .bind(who)
            .bind(key)
            .fetch_optional(&mut *db)
            .await?;
        let Some(row) = row else {
            return self.insert(db).await;
        };
        let at: i64 = row.try_get("at")?;
        // Many may be over, and not all are deleted yet.
        if at < self.now.0 - KEPT_MS {
            return self.insert(db).await;
        }
        if is_other(row.try_get("request")?, request) {
            return Ok(KeyClaim::Other);
        }
        if let Some(status) = maybe_number(&row, "status")? {
            let (content_type, body) = (row.try_get("content_type")?, row.try_get("body")?);
            return Ok(KeyClaim::Answered(KeptAnswer { status, content_type, body }));
        }
        match (at < self.now.0 - RUNNING_MS_MAX, self.is_atomic) {
            (false, _) => Ok(KeyClaim::Running),
            (true, false) => Ok(KeyClaim::Lost),
            (true, true) => self.insert(db).await,
        }
    }
}

impl Claim {
    async fn insert(&self, db: &mut AnyConnection) -> Result<KeyClaim, StoreError> {
        let RequestKey { who, key, request } = &self.claim.key;
        sqlx::query(
            "INSERT INTO idempotency_keys (who, key, request, at, claim) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (who, key) DO UPDATE SET request = excluded.request, at = excluded.at,
                claim = excluded.claim, status = NULL, content_type = NULL, body = NULL",
        )
        .bind(who)
        .bind(key)
        .bind(request)
        .bind(self.now.0)
        .bind(&self.claim.claim)
        .execute(db)
        .await?;
        Ok(KeyClaim::New(self.claim.clone()))
    }
}

/// Whether it is certain that something else was asked.
fn is_other(kept: &str, asked: &str) -> bool {
    let secret = |digest: &str| digest.rsplit_once(':').map(|(secret, _)| secret.to_owned());
    kept != asked && secret(kept) == secret(asked)
}

struct Keep {
    claim: RequestClaim,
    answer: KeptAnswer,
}

impl Command for Keep {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        keep(db, &self.claim, &self.answer).await.map(drop)
    }
}

/// Whether the claim still counts, and the answer is kept.
async fn keep(
    db: &mut AnyConnection,
    claim: &RequestClaim,
    answer: &KeptAnswer,
) -> Result<bool, StoreError> {
    let kept = sqlx::query(
        "UPDATE idempotency_keys SET status = $4, content_type = $5, body = $6
         WHERE who = $1 AND key = $2 AND claim = $3 AND status IS NULL",
    )
    .bind(&claim.key.who)
    .bind(&claim.key.key)
    .bind(&claim.claim)
    .bind(i64::from(answer.status))
    .bind(&answer.content_type)
    .bind(&answer.body)
    .execute(db)
    .await?;
    Ok(kept.rows_affected() == 1)
}

struct Prune {
    now: UnixMillis,
}

impl Command for Prune {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        prune(db, self.now).await
    }
}

async fn prune(db: &mut AnyConnection, now: UnixMillis) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM idempotency_keys WHERE (who, key) IN
            (SELECT who, key FROM idempotency_keys WHERE at < $1 ORDER BY at LIMIT $2)",
    )
    .bind(now.0 - KEPT_MS)
    .bind(DELETED_AT_ONCE_MAX)
    .execute(db)
    .await?;
    Ok(())
}

struct Release(RequestClaim);

impl Command for Release {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM idempotency_keys
             WHERE who = $1 AND key = $2 AND claim = $3 AND status IS NULL",
        )
        .bind(&self.0.key.who)
        .bind(&self.0.key.key)
        .bind(&self.0.claim)
        .execute(db)
        .await?;
        Ok(())
    }
}
