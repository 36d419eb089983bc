//! The audit's chain: who changes, removes or adds a line behind the program's back breaks it there.

use super::*;

/// What opens the table to those who would falsify it.
async fn without_triggers(store: &Store, on: On) {
    for name in ["audit_line_stays", "audit_line_is_kept"] {
        let table = if on == On::Postgres { " ON audit" } else { "" };
        let statement = format!("DROP TRIGGER {name}{table}");
        store.write(Owned(statement)).await.unwrap();
    }
}

/// All lines that are there become older than the chain.
async fn older_than_the_chain(store: &Store, on: On) {
    let table = if on == On::Postgres { " ON audit_unchained_up_to" } else { "" };
    store.write(Owned(format!("DROP TRIGGER audit_mark_stays{table}"))).await.unwrap();
    let mark = "UPDATE audit_unchained_up_to SET id = (SELECT max(id) FROM audit)";
    store.write(Sql(mark)).await.unwrap();
}

struct Owned(String);

impl Command for Owned {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut sqlx::AnyConnection) -> Result<(), StoreError> {
        sqlx::query(sqlx::AssertSqlSafe(self.0.as_str())).execute(db).await?;
        Ok(())
    }
}

async fn written(store: &Store, lines: u64) {
    let lines = (0..lines).map(|n| {
        let store = store.clone();
        async move { store.audit("王芳\n", "call.read", &format!("call \"{n}\"")).await.unwrap() }
    });
    join_all(lines).await;
}

on_both!(lines_that_come_at_once_are_one_chain);
async fn lines_that_come_at_once_are_one_chain(on: On) {
    let (_dir, store) = fresh(on).await;
    let empty = store.verify_audit(None).await.unwrap();
    assert_eq!((empty.lines, empty.head.as_str()), (0, "0".repeat(64).as_str()));
    let other = again(&store).await;
    tokio::join!(written(&store, 1_500), written(&other, 200));
    let chain = store.verify_audit(None).await.unwrap();
    assert_eq!((chain.lines, &chain.broken), (1_700, &None));
    written(&store, 1).await;
    let later = store.verify_audit(Some(&chain.head)).await.unwrap();
    assert_eq!((later.lines, later.known.map(|line| line.id)), (1_701, Some(1_700)));
    assert_eq!(store.verify_audit(Some("00")).await.unwrap().known, None);
}

#[tokio::test]
async fn a_hash_is_what_the_documentation_says() {
    let (_dir, store) = fresh(On::Sqlite).await;
    let line = "INSERT INTO audit (at, by, action, subject) VALUES (7, '甲', 'a.b', 'x\"')";
    store.write(Sql(line)).await.unwrap();
    older_than_the_chain(&store, On::Sqlite).await;
    let chain = again(&store).await.verify_audit(None).await.unwrap();
    // printf '%064d\n[7,"甲","a.b","x\\""]' 0 | sha256sum
    let expected = "9f0bfa33f851ca068eda3dd2e5c5d89067dbf7afb8f9c3e0e84ed4a048ad8deb";
    assert_eq!((chain.lines, chain.head.as_str()), (1, expected));
}

on_both!(no_line_is_changed_or_removed_by_a_statement);
async fn no_line_is_changed_or_removed_by_a_statement(on: On) {
    let (_dir, store) = fresh(on).await;
    written(&store, 3).await;
    for statement in [
        "UPDATE audit SET subject = 'another'",
        "UPDATE audit SET hash = NULL WHERE id = 3",
        "UPDATE audit SET id = 9 WHERE id = 3",
        "DELETE FROM audit WHERE id = 2",
        "DELETE FROM audit",
    ] {
        let refused = store.write(Sql(statement)).await;
        assert!(
            refused.is_err_and(|error| error.to_string().contains("only added")),
            "{statement}"
        );
    }
    if on == On::Postgres {
        assert!(store.write(Sql("TRUNCATE audit")).await.is_err());
    }
    assert_eq!(store.verify_audit(None).await.unwrap().lines, 3);
}

on_both!(the_first_line_that_is_not_as_it_was_written_is_named);
async fn the_first_line_that_is_not_as_it_was_written_is_named(on: On) {
    for (statement, broken, whole) in [
        ("UPDATE audit SET subject = 'another' WHERE id = 3", Some(3), 2),
        ("UPDATE audit SET at = at + 1 WHERE id = 5", Some(5), 4),
        ("DELETE FROM audit WHERE id = 2", Some(3), 1),
        ("UPDATE audit SET hash = NULL WHERE id = 4", Some(4), 3),
        (
            "INSERT INTO audit (id, at, by, action, subject, hash) VALUES (99, 1, 'a', 'b', 'c', 'd')",
            Some(99),
            5,
        ),
        // The end can be cut off: who has kept its hash sees it.
        ("DELETE FROM audit WHERE id = 5", None, 4),
    ] {
        let (_dir, store) = fresh(on).await;
        written(&store, 5).await;
        let kept = store.verify_audit(None).await.unwrap().head;
        without_triggers(&store, on).await;
        store.write(Sql(statement)).await.unwrap();
        let chain = store.verify_audit(Some(&kept)).await.unwrap();
        assert_eq!((chain.broken.map(|line| line.id), chain.lines), (broken, whole), "{statement}");
        let is_kept = statement.starts_with("INSERT");
        assert_eq!(chain.known.is_some(), is_kept, "{statement}");
    }
}

on_both!(lines_of_before_the_chain_come_into_it);
async fn lines_of_before_the_chain_come_into_it(on: On) {
    let (_dir, store) = fresh(on).await;
    let old = "INSERT INTO audit (at, by, action, subject) VALUES (1, 'admin', 'key.create', 'k')";
    // More than are chained at a time.
    for _ in 0..1_100 {
        store.write(Sql(old)).await.unwrap();
    }
    older_than_the_chain(&store, on).await;
    let store = again(&store).await;
    let chain = store.verify_audit(None).await.unwrap();
    assert_eq!((chain.lines, &chain.broken), (1_100, &None));
    written(&store, 1).await;
    let chain = store.verify_audit(None).await.unwrap();
    assert_eq!((chain.lines, chain.broken), (1_101, None));
}

on_both!(a_line_without_a_hash_that_somebody_adds_is_never_chained);
async fn a_line_without_a_hash_that_somebody_adds_is_never_chained(on: On) {
    let (_dir, store) = fresh(on).await;
    written(&store, 3).await;
    // No trigger refuses it: it is an addition.
    let added =
        "INSERT INTO audit (at, by, action, subject) VALUES (1, 'admin', 'key.create', 'k')";
    store.write(Sql(added)).await.unwrap();
    let broken = async |store: &Store| {
        let chain = store.verify_audit(None).await.unwrap();
        (chain.lines, chain.broken.map(|line| line.id))
    };
    assert_eq!(broken(&store).await, (3, Some(4)));
    written(&store, 2).await;
    assert_eq!(broken(&store).await, (3, Some(4)), "the next line does not chain it");
    let store = again(&store).await;
    assert_eq!(broken(&store).await, (3, Some(4)), "nor does the next start");
    for statement in [
        "UPDATE audit_unchained_up_to SET id = 99",
        "DELETE FROM audit_unchained_up_to",
        "INSERT INTO audit_unchained_up_to VALUES (1, 99)",
    ] {
        let refused = store.write(Sql(statement)).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("only added")));
    }
}
