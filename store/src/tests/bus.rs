//! Servers that talk to each other, on a real PostgreSQL.

use super::server::On;
use super::{again, fresh};
use crate::{BusListener, BusMessage, BusSender, Store};
use std::time::Duration;

async fn on_bus(store: &Store, name: &str) -> (BusSender, BusListener) {
    store.name_server(name.to_owned());
    store.bus().await.unwrap().expect("PostgreSQL has one")
}

async fn next(listener: &mut BusListener) -> BusMessage {
    tokio::time::timeout(Duration::from_secs(10), listener.next()).await.unwrap().unwrap()
}

fn from(name: &str, to: Option<&str>, text: &str) -> BusMessage {
    BusMessage { from: name.into(), to: to.map(Into::into), text: text.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_hear_each_other_in_order_and_one_of_them_keeps_the_queues() {
    let (_dir, first) = fresh(On::Postgres).await;
    let (second, third) = (again(&first).await, again(&first).await);
    let (mut a, mut hears_a) = on_bus(&first, "a").await;
    let (mut b, mut hears_b) = on_bus(&second, "b").await;
    let (_, mut hears_c) = on_bus(&third, "c").await;
    let long = "市民来电".repeat(5_000);
    a.send(&[(None, "one".into()), (Some("b"), long.clone()), (None, "three".into())])
        .await
        .unwrap();
    assert_eq!(next(&mut hears_b).await, from("a", None, "one"));
    assert_eq!(next(&mut hears_b).await, from("a", Some("b"), &long));
    assert_eq!(next(&mut hears_b).await, from("a", None, "three"));
    assert_eq!(next(&mut hears_c).await, from("a", None, "one"));
    assert_eq!(next(&mut hears_c).await, from("a", None, "three"), "b's is for b");
    b.send(&[(None, "four".into())]).await.unwrap();
    assert_eq!(next(&mut hears_a).await, from("b", None, "four"), "nobody hears itself");

    assert!(hears_a.claim(false).await.unwrap() && hears_a.claim(true).await.unwrap());
    assert!(!hears_b.claim(false).await.unwrap());
    let before = hears_a.time().await.unwrap();
    assert!(hears_b.time().await.unwrap() >= before, "one clock");
    // A process that is gone, whatever of: its connections are.
    drop((a, hears_a));
    let kept = tokio::time::timeout(Duration::from_secs(10), async {
        while !hears_b.claim(false).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    kept.await.unwrap();
    assert!(!hears_c.claim(false).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told() {
    let (_dir, store) = fresh(On::Postgres).await;
    let (mut sender, mut listener) = on_bus(&store, "a").await;
    let cut = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'",
    );
    cut.execute(store.readers()).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(10), listener.next()).await.unwrap();
    assert!(heard.is_err(), "{heard:?}");
    sender.send(&[(None, "the other connection stands".into())]).await.unwrap();
}

#[tokio::test]
async fn sqlite_has_one_server_and_no_bus() {
    let (_dir, store) = fresh(On::Sqlite).await;
    store.name_server("a".to_owned());
    assert!(store.bus().await.unwrap().is_none());
}
