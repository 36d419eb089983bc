//! What was not transcribed while a call ran is heard after it, once, and takes nothing away.

use super::*;

/// A call with two gaps that ended at [`START`] + 60 s.
async fn with_gaps(store: &Store) -> CallId {
    let (call, _) = begun(store).await;
    store.record_final(call, said("前面"), &[]).await.unwrap();
    store.record_gap(call, gap(1_000, 4_000)).await.unwrap();
    store.record_gap(call, gap(7_000, 9_000)).await.unwrap();
    call
}

async fn next(store: &Store) -> Option<Pass> {
    let (far, ended_by) = (UnixMillis(i64::MAX), UnixMillis(START.0 + 60_000));
    store.next_pass(far, ended_by).await.unwrap()
}

on_both!(gaps_wait_for_the_end_of_the_call_and_are_filled_one_by_one);
async fn gaps_wait_for_the_end_of_the_call_and_are_filled_one_by_one(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = with_gaps(&store).await;
    assert_eq!(next(&store).await, None, "the call runs");
    store.end_call(ended(call)).await.unwrap();
    let pass = next(&store).await.unwrap();
    assert_eq!((pass.call, pass.kind, pass.tries), (call, PassKind::Gaps, 0));

    let late = FinalSegment { start_ms: 1_200, end_ms: 3_900, ..said("中间") };
    let tags = [tag(Field::Title, "路灯不亮")];
    let filled = store.fill_gap(call, gap(1_000, 4_000), vec![late], &tags).await.unwrap();
    assert_eq!(filled.unwrap().changed, [Field::Title]);
    let transcript = store.transcript(call).await.unwrap();
    let texts: Vec<_> = transcript.segments.iter().map(|s| s.text.expose().as_str()).collect();
    assert_eq!((texts.as_slice(), transcript.gaps.len()), (&["前面", "中间"][..], 1));

    // A second try of the same gap finds nothing to do.
    let again = store.fill_gap(call, gap(1_000, 4_000), vec![said("又")], &tags).await.unwrap();
    assert_eq!(again, None);
    assert_eq!(store.transcript(call).await.unwrap().segments.len(), 2);

    store.end_pass(call, PassKind::Gaps, PassEnd::Done).await.unwrap();
    assert!(next(&store).await.is_some(), "one gap is left");
    store.fill_gap(call, gap(7_000, 9_000), Vec::new(), &[]).await.unwrap();
    store.end_pass(call, PassKind::Gaps, PassEnd::Done).await.unwrap();
    assert_eq!(next(&store).await, None);
    assert_eq!(store.passes(call).await.unwrap()[0].state, PassState::Done);
    assert_eq!(store.passes_waiting().await.unwrap(), 0);
}

on_both!(a_value_that_a_person_set_survives_what_is_heard_later);
async fn a_value_that_a_person_set_survives_what_is_heard_later(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, ticket) = begun(&store).await;
    store.record_gap(call, gap(0, 900)).await.unwrap();
    store.end_call(ended(call)).await.unwrap();
    let edits = vec![(Field::Title, "人写的".to_owned())];
    store.edit_ticket(ticket, 0, edits, "1001").await.unwrap();
    let tags = [tag(Field::Title, "机器听的")];
    let update = store.fill_gap(call, gap(0, 900), vec![said("晚到")], &tags).await.unwrap();
    assert_eq!(update.unwrap().changed, []);
}

on_both!(a_try_that_failed_waits_and_one_that_was_given_up_is_asked_for_again);
async fn a_try_that_failed_waits_and_one_that_was_given_up_is_asked_for_again(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = with_gaps(&store).await;
    store.end_call(ended(call)).await.unwrap();
    let later = UnixMillis(START.0 + 90_000);
    let again = PassEnd::Again(later, "the recogniser was away".into());
    store.end_pass(call, PassKind::Gaps, again).await.unwrap();
    let ended_by = UnixMillis(i64::MAX);
    assert_eq!(store.next_pass(UnixMillis(later.0 - 1), ended_by).await.unwrap(), None);
    let pass = store.next_pass(later, ended_by).await.unwrap().unwrap();
    assert_eq!((pass.tries, pass.error.as_deref()), (1, Some("the recogniser was away")));
    store.end_pass(call, PassKind::Gaps, PassEnd::Failed("no recording".into())).await.unwrap();
    assert_eq!(next(&store).await, None);
    store.ask_pass(call, PassKind::Gaps).await.unwrap();
    assert_eq!(next(&store).await.unwrap().tries, 0);
    assert!(store.ask_pass(CallId::new(Uuid::now_v7()), PassKind::Whole).await.is_err());
}

on_both!(a_whole_hearing_stands_beside_the_transcript_and_replaces_the_one_before);
async fn a_whole_hearing_stands_beside_the_transcript_and_replaces_the_one_before(on: On) {
    let (_dir, store) = fresh(on).await;
    let call = with_gaps(&store).await;
    store.put_whole(call, vec![said("没人要")]).await.unwrap();
    assert!(store.whole_transcript(call).await.unwrap().is_empty());
    store.ask_pass(call, PassKind::Whole).await.unwrap();
    for text in ["第一遍", "第二遍"] {
        store.put_whole(call, vec![said(text)]).await.unwrap();
    }
    let whole = store.whole_transcript(call).await.unwrap();
    assert_eq!(whole.iter().map(|s| s.text.expose().as_str()).collect::<Vec<_>>(), ["第二遍"]);
    assert_eq!(store.transcript(call).await.unwrap().segments.len(), 1);
}

on_both!(gaps_that_overlap_are_one);
async fn gaps_that_overlap_are_one(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    for (from_ms, to_ms) in [(10_000, 15_000), (9_000, 20_000), (30_000, 31_000)] {
        store.record_gap(call, gap(from_ms, to_ms)).await.unwrap();
    }
    store.record_gap(call, Gap { slot: 1, ..gap(12_000, 13_000) }).await.unwrap();
    let spans: Vec<_> = store.transcript(call).await.unwrap().gaps;
    let spans: Vec<_> = spans.iter().map(|gap| (gap.slot, gap.from_ms, gap.to_ms)).collect();
    assert_eq!(spans, [(0, 9_000, 20_000), (1, 12_000, 13_000), (0, 30_000, 31_000)]);
}

on_both!(a_call_is_open_until_its_last_words_are_written);
async fn a_call_is_open_until_its_last_words_are_written(on: On) {
    let (_dir, store) = fresh(on).await;
    let (call, _) = begun(&store).await;
    store.end_call(ended(call)).await.unwrap();
    assert_eq!(store.open_captions().await.unwrap(), [call]);
    store.captions_closed(call).await.unwrap();
    assert_eq!(store.open_captions().await.unwrap(), []);
}
