//! Connections that only read. **A newer program that brings the schema up to date costs no single read of this one.**
//!
//! PostgreSQL refuses a statement that was prepared on a table with fewer columns, for as long as its connection lives.
//! Such a connection is seen before it is used ([`crate::database`]) and replaced; a read that met the change itself is
//! asked again on another one. Of several reads on one connection the one that met it fails: whoever asked asks again.

use crate::error::code;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AnyPool, Describe, Either, Error, Execute, Executor, SqlStr, Transaction};

/// What PostgreSQL says of a statement whose result has other columns by now.
const OTHER_COLUMNS: &str = "0A000";

/// The pool; executes single reads like one.
#[derive(Clone, Debug)]
pub(crate) struct Readers(AnyPool);

impl Readers {
    pub(crate) const fn new(pool: AnyPool) -> Self {
        Self(pool)
    }

    /// Several reads of one moment.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, Error> {
        self.0.begin().await
    }

    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Any>, Error> {
        self.0.acquire().await
    }

    pub(crate) async fn close(&self) {
        self.0.close().await;
    }

    /// Another connection, if that was what failed.
    async fn instead(
        &self,
        db: PoolConnection<Any>,
        error: Error,
    ) -> Result<PoolConnection<Any>, Error> {
        if code(&error).as_deref() != Some(OTHER_COLUMNS) {
            return Err(error);
        }
        db.close().await?;
        self.0.acquire().await
    }

    async fn all(&self, read: Read) -> Result<Vec<Either<AnyQueryResult, AnyRow>>, Error> {
        let mut db = self.0.acquire().await?;
        match (&mut *db).fetch_many(read.query()).try_collect().await {
            Ok(rows) => Ok(rows),
            Err(error) => {
                let mut db = self.instead(db, error).await?;
                (&mut *db).fetch_many(read.query()).try_collect().await
            }
        }
    }

    async fn first(&self, read: Read) -> Result<Option<AnyRow>, Error> {
        let mut db = self.0.acquire().await?;
        match (&mut *db).fetch_optional(read.query()).await {
            Ok(row) => Ok(row),
            Err(error) => {
                let mut db = self.instead(db, error).await?;
                (&mut *db).fetch_optional(read.query()).await
            }
        }
    }
}

/// A statement that can be asked twice.
struct Read {
    sql: SqlStr,
    arguments: AnyArguments,
}

impl Read {
    fn of<'q>(mut query: impl Execute<'q, Any>) -> Result<Self, Error> {
        let arguments = query.take_arguments().map_err(Error::Encode)?.unwrap_or_default();
        Ok(Self { sql: query.sql(), arguments })
    }

    fn query(&self) -> Query<'static, Any, AnyArguments> {
        let mut arguments = AnyArguments::default();
        arguments.values.0.clone_from(&self.arguments.values.0);
        sqlx::query_with(self.sql.clone(), arguments)
    }
}

impl<'p> Executor<'p> for &'_ Readers {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let (readers, read) = (self.clone(), Read::of(query));
        let rows = async move { readers.all(read?).await };
        stream::once(rows)
            .map_ok(|rows| stream::iter(rows.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let (readers, read) = (self.clone(), Read::of(query));
        Box::pin(async move { readers.first(read?).await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'p: 'e,
    {
        let pool = self.0.clone();
        Box::pin(async move { (&pool).prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, Error>>
    where
        'p: 'e,
    {
        let pool = self.0.clone();
        Box::pin(async move { (&pool).describe(sql).await })
    }
}
