//! Every call that a seat answered is checked, by one server, and a person's word stays.

use super::*;
use qingting_nlu::profile::Profile;
use qingting_nlu::quality::{self, Checked, Kind};
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(60);

/// A call of a minute that the seat answered after five seconds and that is over.
async fn answered(store: &Store, seat: &str, sentences: &[(Party, u64, &str)]) -> CallId {
    let call = NewCall { started_at: START, ..new_call() };
    let id = call.id;
    store.begin_call(call).await.unwrap();
    store.answer_call(id, START, None).await.unwrap();
    let route = CallRoute { queue: Some("综合".into()), ..CallRoute::default() };
    store.route_call(id, route).await.unwrap();
    let leg = LegRef { call: id, slot: 1, seq: 0 };
    let at = UnixMillis(START.0 + 5_000);
    let begin = LegBegin {
        leg,
        role: LegRole::Seat,
        target: Pii::new(seat.into()),
        name: None,
        sip_call_id: None,
        remote: None,
        at,
    };
    store.leg_began(begin).await.unwrap();
    store.leg_answered(leg, at, None).await.unwrap();
    for (party, start_ms, text) in sentences {
        let end_ms = start_ms + text.chars().count() as u64 * 250;
        let segment =
            FinalSegment { party: *party, start_ms: *start_ms, end_ms, ..super::said(text) };
        store.record_final(id, segment, &[]).await.unwrap();
    }
    store.end_call(ended(id)).await.unwrap();
    store.captions_closed(id).await.unwrap();
    id
}

/// No greeting, a forbidden word, a long silence, no goodbye.
const RUDE: [(Party, u64, &str); 3] = [
    (Party::Seat, 6_000, "喂，什么事情，快点说"),
    (Party::Caller, 10_000, "路灯坏了，我住幸福小区"),
    (Party::Seat, 14_000, "这个不归我们管，您找别人"),
];
/// As it should be, but for the silence.
const GOOD: [(Party, u64, &str); 4] = [
    (Party::Seat, 6_000, "您好，12345热线"),
    (Party::Caller, 10_000, "路灯坏了"),
    (Party::Seat, 14_000, "已经帮您记录下来了"),
    (Party::Seat, 56_000, "感谢来电，再见"),
];

/// Checks what waits, as a server does; gives how many calls.
async fn check(store: &Store) -> usize {
    let claimed = store.claim_quality(100, LEASE).await.unwrap();
    let rules = Profile::built_in().quality;
    let mut checked = Vec::new();
    for of in &claimed {
        let call = store.call_for_quality(of.call).await.unwrap().unwrap();
        checked.push(CheckedCall { of: *of, checked: quality::check(&call, &rules) });
    }
    store.put_quality(checked).await.unwrap();
    claimed.len()
}

fn kinds(findings: &[QualityFinding]) -> Vec<Kind> {
    findings.iter().map(|finding| finding.kind).collect()
}

async fn review(store: &Store, of: &QualityFinding, verdict: Verdict) -> QualityFinding {
    let remark = Pii::new("听过录音".to_owned());
    store.review_quality(of.call, of.id, Some(of.revision), verdict, remark, "901").await.unwrap()
}

on_both!(a_call_is_checked_once_it_is_written_down_and_by_one_server);
async fn a_call_is_checked_once_it_is_written_down_and_by_one_server(on: On) {
    let (_dir, store) = fresh(on).await;
    let (unanswered, _) = begun(&store).await;
    store.end_call(ended(unanswered)).await.unwrap();
    store.captions_closed(unanswered).await.unwrap();
    assert_eq!(store.quality_waiting().await.unwrap(), 0, "no seat answered");
    let call = answered(&store, "801", &RUDE).await;
    let other = again(&store).await;
    let of = store.claim_quality(9, LEASE).await.unwrap();
    assert_eq!(of.iter().map(|of| of.call).collect::<Vec<_>>(), [call]);
    assert_eq!(other.claim_quality(9, LEASE).await.unwrap(), [], "it is another's");
    assert_eq!(store.quality_of(call).await.unwrap(), (None, vec![]));
    // The lease of a server that died is over.
    let dead = answered(&store, "801", &GOOD).await;
    assert_eq!(store.claim_quality(9, Duration::ZERO).await.unwrap().len(), 1);
    let taken = other.claim_quality(9, LEASE).await.unwrap();
    assert_eq!(taken.iter().map(|of| of.call).collect::<Vec<_>>(), [dead]);
    let checked = Checked::default();
    other.put_quality(vec![CheckedCall { of: taken[0], checked }]).await.unwrap();
    assert!(store.quality_of(dead).await.unwrap().0.is_some());
    assert_eq!(store.quality_waiting().await.unwrap(), 1);
}

on_both!(what_a_person_reviewed_stays_when_a_call_is_checked_again);
async fn what_a_person_reviewed_stays_when_a_call_is_checked_again(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = answered(&store, "801", &RUDE).await;
    assert_eq!(check(&store).await, 1);
    let (first, found) = store.quality_of(call).await.unwrap();
    assert!(first.unwrap().measures.heard);
    let expected = [Kind::Greeting, Kind::Forbidden, Kind::Silence, Kind::Closing];
    assert_eq!(kinds(&found), expected);
    assert_eq!(score_of(&found), 100 - 10 - 20 - 5 - 5);
    let rejected = review(&store, &found[1], Verdict::Reject).await;
    assert_eq!((rejected.state, rejected.revision), (FindingState::Rejected, 1));
    let confirmed = review(&store, &found[0], Verdict::Confirm).await;
    let late = store.review_quality(
        call,
        found[0].id,
        Some(0),
        Verdict::Reject,
        Pii::new(String::new()),
        "902",
    );
    assert!(matches!(late.await, Err(ReviewError::StaleRevision { current: 1 })));

    // The end of the call was missing, and is heard after it.
    store.record_gap(call, gap(50_000, 60_000)).await.unwrap();
    let late = FinalSegment {
        party: Party::Seat,
        start_ms: 55_000,
        end_ms: 58_000,
        ..super::said("再见")
    };
    let seat_gap = gap(50_000, 60_000);
    store.fill_gap(call, seat_gap, vec![late], &[]).await.unwrap();
    assert_eq!(check(&store).await, 0, "not before all was heard");
    store.end_pass(call, PassKind::Gaps, PassEnd::Done).await.unwrap();
    assert_eq!(check(&store).await, 1);
    let (_, again) = store.quality_of(call).await.unwrap();
    assert_eq!(kinds(&again), [Kind::Greeting, Kind::Forbidden, Kind::Silence]);
    assert_eq!((&again[0], &again[1]), (&confirmed, &rejected), "a person has the last word");
    assert_eq!(again[2].id, found[2].id, "who looks at a proposal still finds it");
    assert!(again[2].to_ms < found[2].to_ms);
    assert_eq!(score_of(&again), 100 - 10 - 5);

    let lines = store.audit_lines(&AuditQuery { limit: 9, ..AuditQuery::default() }).await.unwrap();
    let reviews = lines.iter().filter(|line| line.action == "quality.review").count();
    assert_eq!(reviews, 2);
}

on_both!(a_check_that_was_overtaken_is_made_again);
async fn a_check_that_was_overtaken_is_made_again(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = answered(&store, "801", &GOOD).await;
    store.record_gap(call, gap(20_000, 30_000)).await.unwrap();
    let claimed = store.claim_quality(9, LEASE).await.unwrap();
    store.end_pass(call, PassKind::Gaps, PassEnd::Failed("no file".into())).await.unwrap();
    let checked = Checked::default();
    store.put_quality(vec![CheckedCall { of: claimed[0], checked }]).await.unwrap();
    assert_eq!(check(&store).await, 1);
    assert_eq!(store.quality_waiting().await.unwrap(), 0);
}

on_both!(the_sums_are_those_of_the_list);
async fn the_sums_are_those_of_the_list(on: On) {
    let (_dir, store) = fresh(on).await;
    for n in 0..7 {
        let seat = if n % 3 == 0 { "801" } else { "802" };
        answered(&store, seat, if n % 2 == 0 { &RUDE } else { &GOOD }).await;
    }
    assert_eq!(check(&store).await, 7);
    let all = async |query: QualityQuery| {
        let (mut query, mut all) = (QualityQuery { limit: 3, ..query }, Vec::new());
        loop {
            let page = store.quality(&query).await.unwrap();
            query.before = page.last().map(QualityFinding::cursor);
            all.extend(page.iter().cloned());
            if page.len() < 3 {
                return all;
            }
        }
    };
    let listed = all(QualityQuery::default()).await;
    review(&store, &listed[0], Verdict::Reject).await;
    review(&store, &listed[5], Verdict::Confirm).await;
    let queries = [
        QualityQuery::default(),
        QualityQuery { seat: Some("802".into()), ..Default::default() },
        QualityQuery { kind: Some(Kind::Silence), ..Default::default() },
        QualityQuery { state: Some(FindingState::Rejected), ..Default::default() },
        QualityQuery { queue: Some("综合".into()), from: Some(START), ..Default::default() },
        QualityQuery { to: Some(START), ..Default::default() },
    ];
    for query in queries {
        let listed = all(query.clone()).await;
        let summary = store.quality_summary(&query).await.unwrap();
        let mut counted = 0;
        for (seat, sums) in &summary {
            let own: Vec<_> = listed.iter().filter(|finding| finding.seat == *seat).collect();
            for ((kind, state), count) in &sums.findings {
                let is = |of: &&&QualityFinding| (of.kind, of.state) == (*kind, *state);
                assert_eq!(own.iter().filter(is).count() as u64, *count);
                counted += count;
            }
            let kept = own.iter().filter(|of| of.state != FindingState::Rejected);
            assert_eq!(kept.map(|of| u64::from(of.points)).sum::<u64>(), sums.points);
        }
        assert_eq!(counted, listed.len() as u64, "{query:?}");
        let calls = listed.iter().map(|of| of.call).collect::<std::collections::BTreeSet<_>>();
        assert!(summary.values().map(|sums| sums.calls).sum::<u64>() >= calls.len() as u64);
    }
    let summary = store.quality_summary(&QualityQuery::default()).await.unwrap();
    assert_eq!(summary.values().map(|sums| sums.calls).sum::<u64>(), 7);
    let mut scores = 0;
    let calls: std::collections::BTreeSet<_> = listed.iter().map(|of| of.call).collect();
    for call in &calls {
        scores += u64::from(score_of(&store.quality_of(*call).await.unwrap().1));
    }
    assert_eq!((calls.len(), summary.values().map(|sums| sums.scores).sum::<u64>()), (7, scores));
}

on_both!(calls_of_an_older_version_are_checked_too);
async fn calls_of_an_older_version_are_checked_too(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = answered(&store, "801", &RUDE).await;
    // As an older version ends a call.
    store.write(Sql("DELETE FROM quality_due")).await.unwrap();
    store.write(Sql("UPDATE calls SET ended_at = NULL")).await.unwrap();
    store.write(Sql("UPDATE calls SET ended_at = started_at + 60000")).await.unwrap();
    assert_eq!(check(&store).await, 1);
    assert_eq!(store.quality_of(call).await.unwrap().1.len(), 4);
}
