//! What only a server of its own brings: connections that break, several programs that write, and refusals.

use super::*;
use std::time::Duration;

async fn opened(url: &str) -> Result<Store, StoreError> {
    Store::open(url.parse::<DatabaseUrl>().unwrap()).await
}

/// Ends the connections that others have to this database.
const END_OTHERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn programs_that_begin_at_once_make_one_schema() {
    let url = server::database();
    let (one, two, three) = tokio::join!(opened(&url), opened(&url), opened(&url));
    let (call, _) = begun(&one.unwrap()).await;
    assert!(two.unwrap().call(call).await.unwrap().is_some());
    three.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn the_writes_of_two_programs_come_one_after_the_other() {
    let url = server::database();
    let stores = [opened(&url).await.unwrap(), opened(&url).await.unwrap()];
    let calls = (0..200).map(|n: usize| {
        let store = stores[n % 2].clone();
        async move { begun(&store).await.1 }
    });
    let tickets = join_all(calls).await;
    let mut numbers = Vec::new();
    for id in tickets {
        numbers.push(stores[0].ticket(id).await.unwrap().unwrap().number);
    }
    numbers.sort();
    let expected: Vec<_> = (1..=200).map(|n| format!("20260101-{n:06}")).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn a_server_that_was_restarted_is_connected_to_again() {
    let url = server::database();
    let (store, other) = (opened(&url).await.unwrap(), opened(&url).await.unwrap());
    let (call, _) = begun(&store).await;
    other.write(Sql(END_OTHERS)).await.unwrap();
    store.answer_call(call, START, None).await.unwrap();
    other.write(Sql(END_OTHERS)).await.unwrap();
    assert!(store.call(call).await.unwrap().unwrap().answered_at.is_some());
    let writes = (0..20).map(|n| {
        let store = store.clone();
        async move { store.record_gap(call, gap(n, n + 1)).await }
    });
    other.write(Sql(END_OTHERS)).await.unwrap();
    assert!(join_all(writes).await.iter().all(Result::is_ok));
}

/// What a newer program's step does: every table gets a column more.
const WIDEN: &str = "DO $$ DECLARE t text; BEGIN
    FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
        AND tablename NOT IN ('_sqlx_migrations', 'schema_floor')
    LOOP EXECUTE format('ALTER TABLE %I ADD COLUMN of_a_newer_program BIGINT NOT NULL DEFAULT 0', t); END LOOP;
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        SELECT 9999, 'of a newer program', success, checksum, 0 FROM _sqlx_migrations WHERE version = 20;
END $$";

/// Each connection that reads has its statements prepared.
async fn read_at_once(store: &Store, call: CallId, ticket: TicketId) {
    let reads = (0..16).map(|_| {
        let store = store.clone();
        async move {
            store.call(call).await.unwrap().unwrap();
            store.ticket(ticket).await.unwrap().unwrap();
            store.outbox(&OutboxQuery { limit: 10, ..OutboxQuery::default() }).await.unwrap();
            store.seats().await.unwrap();
            store.duty().await.unwrap();
        }
    });
    join_all(reads).await;
}

async fn write_at_once(store: &Store, call: CallId, from: u64) {
    let claim = OutboxClaim {
        owner: "a".to_owned(),
        kinds: vec!["ticket.*".to_owned()],
        limit: 1,
        lease: Duration::from_secs(1),
        fresh_first: false,
    };
    store.claim_outbox(claim, START).await.unwrap();
    let gaps = (from..from + 10).map(|n| {
        let store = store.clone();
        async move { store.record_gap(call, gap(n, n + 1)).await }
    });
    assert!(join_all(gaps).await.iter().all(Result::is_ok));
    begun(store).await;
}

#[tokio::test]
async fn a_newer_program_changes_the_schema_beneath_a_running_one_and_costs_it_nothing() {
    let url = server::database();
    let (store, newer) = (opened(&url).await.unwrap(), opened(&url).await.unwrap());
    let (call, ticket) = begun(&store).await;
    read_at_once(&store, call, ticket).await;
    write_at_once(&store, call, 0).await;
    newer.write(Sql(WIDEN)).await.unwrap();
    write_at_once(&store, call, 20).await;
    read_at_once(&store, call, ticket).await;
    newer.close().await;
    // So it does after a start.
    let again = opened(&url).await.unwrap();
    assert!(again.call(call).await.unwrap().is_some());
    begun(&again).await;
}

#[tokio::test]
async fn a_write_whose_commit_is_not_known_is_told_so_and_not_repeated() {
    let url = server::database();
    let store = opened(&url).await.unwrap();
    // The connection ends when the commit has begun.
    for statement in [
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON calls DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION leave()",
    ] {
        store.write(Sql(statement)).await.unwrap();
    }
    let call = new_call();
    let unknown = store.begin_call(call.clone()).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
    store.write(Sql("DROP TRIGGER leave ON calls")).await.unwrap();
    assert!(store.call(call.id).await.unwrap().is_none());
    store.begin_call(call).await.unwrap();
}

#[tokio::test]
async fn a_program_that_goes_silent_in_a_write_holds_nobody_up() {
    let url = server::database();
    let (silent, store) = (opened(&url).await.unwrap(), opened(&url).await.unwrap());
    silent.write(Sql("SET idle_in_transaction_session_timeout = 200")).await.unwrap();
    let mut stuck = JoinSet::new();
    stuck.spawn(async move { silent.write(Silent).await });
    tokio::task::yield_now().await;
    begun(&store).await;
    let told = tokio::time::timeout(Duration::from_secs(5), stuck.join_next()).await.unwrap();
    assert!(told.unwrap().unwrap().is_err(), "its transaction was ended");
}

/// Begins and then says nothing for a while.
struct Silent;

impl Command for Silent {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut sqlx::AnyConnection) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(db).await?;
        tokio::time::sleep(Duration::from_millis(600)).await;
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_has_the_same_error_as_that_of_a_file() {
    let store = opened(&server::database()).await.unwrap();
    let full = "DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$";
    assert!(matches!(store.write(Sql(full)).await, Err(StoreError::DiskFull)));
}

#[tokio::test]
async fn a_server_that_refuses_or_is_away_is_named_without_the_password() {
    let good = server::database();
    let refused = |url: String| async move { opened(&url).await.err().unwrap() };
    let nobody = refused(good.replace("qingting@", "nobody:s3cret@")).await;
    assert!(matches!(nobody, StoreError::Refused { .. }), "{nobody}");
    let lost = refused(good.replace("localhost/test", "localhost/no-such-")).await;
    assert!(matches!(lost, StoreError::Refused { .. }), "{lost}");
    let away = refused("postgres://qt:s3cret@127.0.0.1:1/hotline".to_owned()).await;
    assert!(matches!(away, StoreError::Unreachable { .. }), "{away}");
    assert!(away.to_string().contains("127.0.0.1:1/hotline"));
    for error in [nobody, lost, away] {
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn a_database_that_does_not_keep_chinese_is_refused() {
    let store = opened(&server::database()).await.unwrap();
    let Place::Server(url) = store.place().clone() else { panic!("a server") };
    let latin = "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0";
    let options = crate::database::Database::new(url.into()).unwrap();
    // Not in a transaction, where no database can be made.
    sqlx::query(latin).execute(&mut options.writer().await.unwrap()).await.unwrap();
    let url = store.place().to_string();
    let (_, folder) = url.split_once("//").unwrap();
    let (folder, _) = folder.rsplit_once('/').unwrap();
    let unfit = opened(&format!("postgres://qingting@localhost/latin?host={folder}")).await;
    assert!(matches!(unfit, Err(StoreError::Unfit { .. })), "{:?}", unfit.err());
}

#[tokio::test]
async fn a_text_that_cannot_be_kept_is_the_clients_mistake() {
    let store = opened(&server::database()).await.unwrap();
    let settings = qingting_callbacks::campaign::Settings::default();
    let refused = store.create_campaign("a\0b", settings, "admin", START).await;
    assert!(matches!(refused, Err(CampaignError::Store(StoreError::Unkeepable))), "{refused:?}");
    assert!(matches!(store.campaign("a\0b").await, Err(StoreError::Unkeepable)));
    begun(&store).await;
}
