//! Handling: one step at a time, with its history and its message; a closed ticket's citizen is asked once, and what was
//! said reaches the ticket.

use super::*;
use crate::feed::LogPage;
use qingting_callbacks::attempt::{Outcome, Status};
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::dialogue::{Answered, By};
use qingting_callbacks::schedule::Rules;
use qingting_callbacks::script::AnswerName;
use qingting_common::FollowUpId;
use qingting_nlu::answers::Question;
use std::time::Duration;

const CAMPAIGN: &str = "办结回访";
const HOUR_MS: i64 = 3_600_000;

/// A confirmed ticket, at revision 2.
async fn confirmed(store: &Store) -> TicketId {
    let (_, ticket) = begun(store).await;
    let edits = vec![
        (Field::Title, "路灯不亮".to_owned()),
        (Field::Phone, "13900139000".to_owned()),
        (Field::Confidential, "true".to_owned()),
    ];
    store.edit_ticket(ticket, 0, edits, "801").await.unwrap();
    store.confirm_ticket(ticket, 1, "801").await.unwrap();
    ticket
}

fn step(kind: StepKind) -> Step {
    let soon = UnixMillis(clock::now().0 + HOUR_MS);
    let deadline = (kind != StepKind::Extend).then_some(soon);
    let deadline = deadline.or(Some(UnixMillis(soon.0 + HOUR_MS)));
    Step { kind, unit: Some("城管局".into()), deadline, note: Pii::new("原因".into()) }
}

/// Takes the step at the revision of now.
async fn take(store: &Store, id: TicketId, kind: StepKind) -> Result<TicketRow, StepError> {
    let revision = store.ticket(id).await.unwrap().unwrap().revision;
    store.step_ticket(id, revision, step(kind), Some(CAMPAIGN), "901").await
}

async fn is(store: &Store, id: TicketId) -> (Stage, Option<Heard>) {
    let handling = store.ticket(id).await.unwrap().unwrap().handling;
    (handling.stage, handling.heard)
}

async fn close(store: &Store, id: TicketId) -> TicketRow {
    take(store, id, StepKind::Sign).await.unwrap();
    take(store, id, StepKind::Close).await.unwrap()
}

async fn campaign(store: &Store) -> Campaign {
    let settings = Settings { days_min: 1, ..Settings::default() };
    let made = store.create_campaign(CAMPAIGN, settings, "admin", clock::now()).await.unwrap();
    set(store, CampaignState::Running).await;
    made
}

async fn set(store: &Store, state: CampaignState) {
    let id = store.campaign(CAMPAIGN).await.unwrap().unwrap().id;
    store.change_campaign(id, None, None, Some(state), "admin", clock::now()).await.unwrap();
}

/// Rings the citizen that is due so many hours from now, who says that and ends so.
async fn ring(
    store: &Store,
    hours: i64,
    answers: &[(Question, AnswerName)],
    outcome: Outcome,
) -> FollowUpId {
    let campaign = store.campaign(CAMPAIGN).await.unwrap().unwrap();
    let now = UnixMillis(clock::now().0 + hours * HOUR_MS);
    let ask = BeginAttempt {
        campaign: campaign.id,
        server: "s".into(),
        lease: Duration::from_secs(30),
        call: CallId::new(Uuid::now_v7()),
        lines_free: None,
        now,
    };
    let Begun::Dial(follow_up, number) = store.begin_attempt(ask).await.unwrap() else {
        panic!("nobody is due")
    };
    for (question, answer) in answers {
        let answered = Answered {
            question: *question,
            answer: *answer,
            cause: None,
            text: Pii::new("…".into()),
            confidence: 0.9,
            by: By::Key,
            confirmed: false,
            clip_ms: None,
        };
        store.put_answer(follow_up.id, number, answered, now).await.unwrap();
    }
    let end = AttemptEnd {
        follow_up: follow_up.id,
        number,
        outcome,
        sip_code: None,
        wish: None,
        rules: campaign.settings.rules(Rules::default_hours()),
        only_expired: false,
        now,
    };
    assert!(matches!(store.end_attempt(end).await.unwrap(), Ended::Finished(_)));
    follow_up.id
}

const WELL: [(Question, AnswerName); 2] =
    [(Question::Resolved, AnswerName::Yes), (Question::Satisfied, AnswerName::Satisfied)];
const BADLY: [(Question, AnswerName); 2] =
    [(Question::Resolved, AnswerName::No), (Question::Satisfied, AnswerName::Dissatisfied)];

async fn steps(store: &Store, id: TicketId) -> Vec<&'static str> {
    store.ticket_steps(id).await.unwrap().iter().map(|row| row.kind.as_str()).collect()
}

async fn open(store: &Store) -> Vec<FollowUp> {
    let query = FollowUpQuery { limit: 9, ..FollowUpQuery::default() };
    let all = store.follow_ups(&query).await.unwrap();
    all.into_iter().filter(|it| it.state != FollowUpState::Ended).collect()
}

on_both!(a_step_is_taken_once_and_stands_in_history_and_log_without_a_word_of_it);
async fn a_step_is_taken_once_and_stands_in_history_and_log_without_a_word_of_it(on: On) {
    let (_dir, store) = fresh(on).await;
    let (_, draft) = begun(&store).await;
    assert!(matches!(take(&store, draft, StepKind::Dispatch).await, Err(StepError::Draft)));
    let id = confirmed(&store).await;
    assert_eq!(is(&store, id).await, (Stage::Accepted, None));
    let row = take(&store, id, StepKind::Dispatch).await.unwrap();
    assert_eq!((row.revision, row.handling.unit.as_deref()), (3, Some("城管局")));
    assert_eq!(store.ticket(id).await.unwrap().unwrap(), row, "what was answered is stored");
    // Two who saw the same revision: one step.
    let again = store.step_ticket(id, 2, step(StepKind::Dispatch), None, "902").await;
    assert!(matches!(again, Err(StepError::StaleRevision { current: 3 })), "{again:?}");
    let refused = take(&store, id, StepKind::Archive).await;
    assert!(matches!(refused, Err(StepError::Fault(StepFault::Stage { .. }))), "{refused:?}");
    let over = Step { deadline: Some(clock::now()), ..step(StepKind::Extend) };
    let over = store.step_ticket(id, 3, over, None, "901").await;
    assert!(matches!(over, Err(StepError::Invalid { said: Said::Deadline, .. })), "{over:?}");
    take(&store, id, StepKind::Supervise).await.unwrap();
    take(&store, id, StepKind::Extend).await.unwrap();
    let back = take(&store, id, StepKind::Return).await.unwrap();
    assert!(back.handling.is_supervised && back.handling.unit.is_none());

    let rows = store.ticket_steps(id).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.revision, row.kind, row.stage)).collect();
    let expected = [
        (3, StepKind::Dispatch, Stage::Dispatched),
        (4, StepKind::Supervise, Stage::Dispatched),
        (5, StepKind::Extend, Stage::Dispatched),
        (6, StepKind::Return, Stage::Accepted),
    ];
    assert_eq!(told, expected);
    assert_eq!((rows[3].unit.as_deref(), rows[3].by.as_str()), (Some("城管局"), "901"));
    assert_eq!(rows[3].note.expose(), "原因");
    assert_eq!((rows[1].deadline, rows[2].deadline.is_some()), (None, true));
    let LogPage::Rows { rows, .. } = store.log(None, 500).await.unwrap() else { panic!("gone") };
    let messages: Vec<_> = rows.iter().filter(|row| row.kind == "ticket.handling").collect();
    assert_eq!(messages.len(), 4, "each step is one message");
    assert_eq!(messages[3].key, format!("{id}:6"));
    let payload = messages[0].payload.expose();
    assert_eq!((&payload["step"], &payload["stage"]), (&"dispatch".into(), &"dispatched".into()));
    assert!(!payload.to_string().contains("城管局") && !payload.to_string().contains("原因"));
    // Of the fields nothing has changed, and confirming again is still no error.
    assert_eq!(store.revisions(id).await.unwrap().len(), 3);
    assert!(!store.confirm_ticket(id, 1, "801").await.unwrap().is_new);
}

on_both!(a_closed_tickets_citizen_is_asked_once_and_satisfied_it_goes_into_the_archive);
async fn a_closed_tickets_citizen_is_asked_once_and_satisfied_it_goes_into_the_archive(on: On) {
    let (_dir, store) = fresh(on).await;
    campaign(&store).await;
    let id = confirmed(&store).await;
    take(&store, id, StepKind::Dispatch).await.unwrap();
    let row = close(&store, id).await;
    assert_eq!((row.handling.stage, row.handling.heard), (Stage::FollowUp, None));
    assert!(row.closed_at.is_some());
    let follow_ups = open(&store).await;
    let [asked] = follow_ups.as_slice() else { panic!("{follow_ups:?}") };
    assert_eq!((Some(asked.id), &asked.ticket), (row.follow_up, &row.number));
    assert_eq!((asked.unit.as_str(), asked.title.as_str()), ("城管局", "路灯不亮"));
    assert_eq!(asked.citizen.expose(), "13900139000", "the number that the ticket names");
    assert!(asked.confidential);
    // While the citizen is asked nobody archives, and a look at it makes no second follow-up.
    let cut = take(&store, id, StepKind::Archive).await;
    assert!(matches!(cut, Err(StepError::Fault(StepFault::UnderWay))), "{cut:?}");
    take(&store, id, StepKind::Supervise).await.unwrap();
    assert_eq!(open(&store).await.len(), 1);

    ring(&store, 0, &WELL, Outcome::Completed).await;
    assert_eq!(is(&store, id).await, (Stage::Archived, Some(Heard::Satisfied)));
    let expected = ["dispatch", "sign", "close", "follow_up", "supervise", "satisfied"];
    assert_eq!(steps(&store, id).await, expected);
    let by = store.ticket_steps(id).await.unwrap()[5].by.clone();
    assert_eq!(by, "machine");

    // A supervisor who has listened corrects it: a person decides again, and a second follow-up is due later.
    let follow_up = row.follow_up.unwrap();
    let correction = Correction {
        question: Question::Satisfied,
        answer: Some(AnswerName::Dissatisfied),
        cause: None,
        note: "听录音".into(),
    };
    store.correct_answer(follow_up, correction, "901", clock::now()).await.unwrap();
    assert_eq!(is(&store, id).await, (Stage::FollowUp, Some(Heard::Dissatisfied)));
    // Whoever archives it takes that one away.
    assert_eq!(open(&store).await.len(), 1);
    take(&store, id, StepKind::Archive).await.unwrap();
    assert_eq!(is(&store, id).await, (Stage::Archived, Some(Heard::Dissatisfied)));
    assert!(open(&store).await.is_empty());
}

on_both!(an_unsatisfied_citizen_is_heard_again_after_a_person_has_sent_it_back);
async fn an_unsatisfied_citizen_is_heard_again_after_a_person_has_sent_it_back(on: On) {
    let (_dir, store) = fresh(on).await;
    campaign(&store).await;
    let id = confirmed(&store).await;
    take(&store, id, StepKind::Dispatch).await.unwrap();
    let first = close(&store, id).await.follow_up.unwrap();
    ring(&store, 0, &BADLY, Outcome::Completed).await;
    assert_eq!(is(&store, id).await, (Stage::FollowUp, Some(Heard::Dissatisfied)), "a mark");
    let row = take(&store, id, StepKind::Redo).await.unwrap();
    assert_eq!((row.handling.stage, row.closed_at), (Stage::Dispatched, None));
    let waits = open(&store).await;
    assert_eq!((waits.len(), waits[0].state), (1, FollowUpState::AwaitingRedo));
    // Closed again, the same second follow-up is due; no third one is made.
    let row = close(&store, id).await;
    assert_eq!((row.handling.stage, row.follow_up), (Stage::FollowUp, Some(waits[0].id)));
    assert_ne!(row.follow_up, Some(first));
    let due = open(&store).await;
    assert_eq!((due.len(), due[0].state), (1, FollowUpState::Waiting));
    let second = ring(&store, 3, &WELL, Outcome::Completed).await;
    assert_eq!(Some(second), row.follow_up);
    assert_eq!(is(&store, id).await, (Stage::Archived, Some(Heard::Satisfied)));
}

on_both!(a_ticket_whose_citizen_cannot_be_asked_waits_for_a_person);
async fn a_ticket_whose_citizen_cannot_be_asked_waits_for_a_person(on: On) {
    let (_dir, store) = fresh(on).await;
    // No campaign, a stopped one, no number: it is closed nevertheless.
    let first = confirmed(&store).await;
    take(&store, first, StepKind::Close).await.unwrap();
    assert_eq!(is(&store, first).await, (Stage::Closed, None));
    campaign(&store).await;
    let second = confirmed(&store).await;
    let edits = vec![(Field::Phone, "110".to_owned())];
    assert!(store.edit_ticket(second, 2, edits, "801").await.is_err(), "it is confirmed");
    let (_, third) = begun(&store).await;
    store.edit_ticket(third, 0, vec![(Field::Phone, "110".to_owned())], "801").await.unwrap();
    store.confirm_ticket(third, 1, "801").await.unwrap();
    take(&store, third, StepKind::Close).await.unwrap();
    assert_eq!(is(&store, third).await, (Stage::Closed, None), "110 is nobody's number");
    // Answered at once, without a unit; then nobody is reached.
    take(&store, second, StepKind::Close).await.unwrap();
    let asked = open(&store).await[0].id;
    store.cancel_follow_up(asked, "901", clock::now()).await.unwrap().unwrap();
    assert_eq!(is(&store, second).await, (Stage::FollowUp, Some(Heard::Unanswered)));
    take(&store, second, StepKind::Archive).await.unwrap();
    set(&store, CampaignState::Stopped).await;
    let fourth = confirmed(&store).await;
    take(&store, fourth, StepKind::Close).await.unwrap();
    take(&store, fourth, StepKind::Archive).await.unwrap();
    assert_eq!(is(&store, fourth).await, (Stage::Archived, None));
    assert_eq!(store.follow_up(asked).await.unwrap().unwrap().status, Some(Status::Cancelled));
}

on_both!(reported_steps_count_once_in_their_order_and_one_that_does_not_fit_stops_no_other);
async fn reported_steps_count_once_in_their_order_and_one_that_does_not_fit_stops_no_other(on: On) {
    let (_dir, store) = fresh(on).await;
    let campaign = campaign(&store).await;
    let (one, two) = (confirmed(&store).await, confirmed(&store).await);
    let mut numbers = Vec::new();
    for id in [one, two] {
        numbers.push(store.ticket(id).await.unwrap().unwrap().number);
    }
    let event = |id: &str, ticket: usize, kind| TicketEvent {
        event_id: id.into(),
        number: numbers[ticket].clone(),
        step: step(kind),
        at: START,
    };
    let events = vec![
        event("a", 0, StepKind::Dispatch),
        event("b", 1, StepKind::Sign),
        event("c", 0, StepKind::Sign),
        event("a", 0, StepKind::Dispatch),
        event("d", 0, StepKind::Close),
    ];
    let report = |events| store.take_ticket_events(events, Some(CAMPAIGN), "ticket-system");
    let came = report(events.clone()).await.unwrap();
    let [a, b, c, again, d] = came.as_slice() else { panic!("{came:?}") };
    assert_eq!([a, c, again, d].map(|it| it == &EventOutcome::Known), [false, false, true, false]);
    assert!(matches!(b, EventOutcome::Refused(why) if why.contains("accepted")), "{b:?}");
    assert_eq!(is(&store, one).await.0, Stage::FollowUp, "closed there, the citizen is asked here");
    assert_eq!(store.campaign_counts(campaign.id).await.unwrap().waiting, 1);
    let revision = store.ticket(one).await.unwrap().unwrap().revision;
    let came = report(events).await.unwrap();
    assert_eq!(came.iter().filter(|it| **it == EventOutcome::Known).count(), 4);
    assert_eq!(store.ticket(one).await.unwrap().unwrap().revision, revision);
    assert_eq!(store.campaign_counts(campaign.id).await.unwrap().waiting, 1);
    let row = &store.ticket_steps(one).await.unwrap()[0];
    assert_eq!((row.at, row.by.as_str()), (START, "ticket-system"));
    // Who said it is not told it; what follows from it is told.
    let query = OutboxQuery { limit: 500, ..OutboxQuery::default() };
    let sent = store.outbox(&query).await.unwrap();
    let told: Vec<_> = sent.iter().filter(|row| row.kind == "ticket.handling").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].payload.expose()["step"], "follow_up");
}

on_both!(tickets_are_found_by_where_they_are_and_counted_by_unit);
async fn tickets_are_found_by_where_they_are_and_counted_by_unit(on: On) {
    let (_dir, store) = fresh(on).await;
    let (one, two) = (confirmed(&store).await, confirmed(&store).await);
    begun(&store).await;
    take(&store, one, StepKind::Dispatch).await.unwrap();
    take(&store, one, StepKind::Supervise).await.unwrap();
    let later = UnixMillis(clock::now().0 + 3 * HOUR_MS);
    let found = async |handling: HandlingFilter| {
        let query = TicketQuery { limit: 9, handling: handling.clone(), ..TicketQuery::default() };
        let listed: Vec<_> = store.tickets(&query).await.unwrap().iter().map(|it| it.id).collect();
        let text = Some("路灯".parse().unwrap());
        let search = TicketSearch { text, handling, limit: 9, ..TicketSearch::default() };
        let searched = store.find_tickets(&search).await.unwrap();
        let searched: Vec<_> = searched.iter().map(FoundTicket::id).collect();
        (listed, searched)
    };
    let nothing = HandlingFilter::default();
    let stage = |stage| HandlingFilter { stage: Some(stage), ..HandlingFilter::default() };
    assert_eq!(found(nothing.clone()).await.0.len(), 3, "drafts, too");
    assert_eq!(found(stage(Stage::Dispatched)).await, (vec![one], vec![one]));
    assert_eq!(found(stage(Stage::Accepted)).await, (vec![two], vec![two]));
    let unit = HandlingFilter { unit: Some("城管局".into()), ..nothing.clone() };
    assert_eq!(found(unit).await, (vec![one], vec![one]));
    let supervised = |yes| HandlingFilter { supervised: Some(yes), ..HandlingFilter::default() };
    assert_eq!(found(supervised(true)).await.0, [one]);
    assert_eq!(found(supervised(false)).await.0, [two]);
    let due = |before| HandlingFilter { due_before: Some(before), ..HandlingFilter::default() };
    assert_eq!(found(due(later)).await, (vec![one], vec![one]));
    assert!(found(due(clock::now())).await.0.is_empty());

    let load = |unit: Option<&str>, open, overdue, supervised| UnitLoad {
        unit: unit.map(str::to_owned),
        open,
        overdue,
        supervised,
    };
    let units = store.open_by_unit(later).await.unwrap();
    assert_eq!(units, [load(Some("城管局"), 1, 1, 1), load(None, 1, 0, 0)]);
    take(&store, one, StepKind::Sign).await.unwrap();
    take(&store, one, StepKind::Close).await.unwrap();
    assert_eq!(store.open_by_unit(later).await.unwrap(), [load(None, 1, 0, 0)]);
    assert!(found(due(later)).await.0.is_empty(), "what is closed is not due");
}

/// A follow-up whose citizen is on the telephone.
pub(super) async fn rung(store: &Store) -> FollowUpId {
    let campaign = campaign(store).await;
    let now = clock::now();
    let closed = NewFollowUp {
        event_id: "1".into(),
        ticket: "GD1".into(),
        title: "路灯不亮".into(),
        unit: "城管局".into(),
        opened_at: None,
        closed_at: now,
        citizen: Pii::new("13800138000".into()),
        confidential: false,
        earlier: Pii::default(),
        after_redo: false,
        priority: 0,
    };
    store.import_follow_ups(campaign.id, vec![closed], "admin", now).await.unwrap();
    let ask = BeginAttempt {
        campaign: campaign.id,
        server: "s".into(),
        lease: Duration::from_secs(30),
        call: CallId::new(Uuid::now_v7()),
        lines_free: None,
        now,
    };
    let Begun::Dial(follow_up, _) = store.begin_attempt(ask).await.unwrap() else {
        panic!("nobody is due")
    };
    follow_up.id
}

on_both!(a_ticket_of_an_outbound_call_is_followed_up_at_the_number_that_was_dialled);
async fn a_ticket_of_an_outbound_call_is_followed_up_at_the_number_that_was_dialled(on: On) {
    let (_dir, store) = fresh(on).await;
    campaign(&store).await;
    // Whom a seat rang is the citizen; the number that it showed is ours.
    let call = NewCall {
        direction: Direction::Outbound,
        caller: Pii::new("13700137000".into()),
        called: "12345".into(),
        ..new_call()
    };
    let ticket = store.begin_call(call).await.unwrap();
    let title = vec![(Field::Title, "路灯不亮".to_owned())];
    store.edit_ticket(ticket, 0, title, "801").await.unwrap();
    store.confirm_ticket(ticket, 1, "801").await.unwrap();
    take(&store, ticket, StepKind::Dispatch).await.unwrap();
    let closed = close(&store, ticket).await;
    let asked = store.follow_up(closed.follow_up.unwrap()).await.unwrap().unwrap();
    assert_eq!(asked.citizen.expose(), "13700137000");
}
