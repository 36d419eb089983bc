//! What becomes of follow-ups when things happen in another order than one would like.

#[path = "support/postgres.rs"]
mod server;

use qingting_callbacks::attempt::{Outcome, Status};
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::dialogue::{Answered, By};
use qingting_callbacks::schedule::Rules;
use qingting_callbacks::script::AnswerName;
use qingting_common::{CallId, CampaignId, Pii, UnixMillis};
use qingting_nlu::LocalTime;
use qingting_nlu::answers::Question;
use qingting_store::{
    AttemptEnd, BeginAttempt, Begun, CampaignError, CampaignState, Correction, DatabaseUrl, Ended,
    FollowUp, FollowUpQuery, FollowUpState, LogPage, NewFollowUp, Place, Store,
};
use serde_json::Value;
use server::{On, on_both};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(30);
const MINUTE_MS: i64 = 60_000;

struct Desk {
    store: Store,
    campaign: CampaignId,
    rules: Rules,
    now: UnixMillis,
    _folder: TempDir,
}

impl Desk {
    async fn open(on: On) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = match on {
            On::Sqlite => Place::File(folder.path().join("qingting.db")),
            On::Postgres => server::database().parse::<DatabaseUrl>().expect("an address").into(),
        };
        let store = Store::open(place).await.expect("a store");
        let now = LocalTime { year: 2026, month: 9, day: 7, hour: 9, minute: 30 }.to_unix_ms();
        let settings = Settings { days_min: 1, ..Settings::default() };
        let rules = settings.rules(Rules::default_hours());
        let campaign = store.create_campaign("九月", settings, "admin", now).await.expect("made");
        let desk = Self { store, campaign: campaign.id, rules, now, _folder: folder };
        desk.set(CampaignState::Running).await;
        desk
    }

    async fn set(&self, state: CampaignState) {
        let changed =
            self.store.change_campaign(self.campaign, None, None, Some(state), "admin", self.now);
        changed.await.expect("changed");
    }

    fn later(&mut self, minutes: i64) {
        self.now = UnixMillis(self.now.0 + minutes * MINUTE_MS);
    }

    async fn import(
        &self,
        event: &str,
        ticket: &str,
        after_redo: bool,
    ) -> Result<(), CampaignError> {
        let ticket = NewFollowUp {
            event_id: event.to_owned(),
            ticket: ticket.to_owned(),
            title: "路灯不亮".to_owned(),
            unit: "城管局".to_owned(),
            opened_at: None,
            closed_at: self.now,
            citizen: Pii::new("13800138000".to_owned()),
            confidential: false,
            earlier: Pii::new(Value::Null),
            after_redo,
            priority: 0,
        };
        let taken = self.store.import_follow_ups(self.campaign, vec![ticket], "admin", self.now);
        taken.await.map(|_| ())
    }

    async fn dial(&self) -> Option<(FollowUp, u32)> {
        let ask = BeginAttempt {
            campaign: self.campaign,
            server: "a".to_owned(),
            lease: LEASE,
            call: CallId::new(Uuid::now_v7()),
            lines_free: None,
            now: self.now,
        };
        match self.store.begin_attempt(ask).await.expect("asked") {
            Begun::Dial(follow_up, number) => Some((*follow_up, number)),
            Begun::Nobody => None,
        }
    }

    async fn said(&self, (of, attempt): &(FollowUp, u32), question: Question, answer: AnswerName) {
        let answered = Answered {
            question,
            answer,
            cause: None,
            text: Pii::new("…".to_owned()),
            confidence: 0.9,
            by: By::Speech,
            confirmed: false,
            clip_ms: None,
        };
        self.store.put_answer(of.id, *attempt, answered, self.now).await.expect("stored");
    }

    async fn end(&self, (of, number): &(FollowUp, u32), outcome: Outcome) -> Ended {
        self.ended(of, *number, outcome, false).await
    }

    async fn ended(
        &self,
        of: &FollowUp,
        number: u32,
        outcome: Outcome,
        only_expired: bool,
    ) -> Ended {
        let end = AttemptEnd {
            follow_up: of.id,
            number,
            outcome,
            sip_code: None,
            wish: None,
            rules: self.rules.clone(),
            only_expired,
            now: self.now,
        };
        self.store.end_attempt(end).await.expect("ended")
    }

    /// A call whose server was given up for lost.
    async fn given_up(&mut self) -> (FollowUp, u32) {
        self.import("e1", "T1", false).await.expect("taken");
        let call = self.dial().await.expect("due");
        self.later(2);
        let end = self.ended(&call.0, call.1, Outcome::Unknown, true).await;
        assert!(matches!(end, Ended::Again(_)), "{end:?}");
        call
    }

    async fn all(&self) -> Vec<FollowUp> {
        let query = FollowUpQuery { limit: 100, ..FollowUpQuery::default() };
        self.store.follow_ups(&query).await.expect("read")
    }

    /// A first round whose citizen is not satisfied.
    async fn dissatisfied(&mut self) -> FollowUp {
        self.import("e1", "T1", false).await.expect("taken");
        let call = self.dial().await.expect("due");
        self.said(&call, Question::Satisfied, AnswerName::Dissatisfied).await;
        assert_eq!(self.end(&call, Outcome::Completed).await, Ended::Finished(Status::Completed));
        self.later(180);
        call.0
    }
}

on_both!(every_step_of_a_follow_up_is_in_the_log_and_nothing_of_the_citizen_is_told);
async fn every_step_of_a_follow_up_is_in_the_log_and_nothing_of_the_citizen_is_told(on: On) {
    let mut desk = Desk::open(on).await;
    desk.import("e1", "T1", false).await.expect("taken");
    let first = desk.dial().await.expect("due");
    assert!(matches!(desk.end(&first, Outcome::NoAnswer).await, Ended::Again(_)));
    desk.later(24 * 60);
    let second = desk.dial().await.expect("due again");
    desk.said(&second, Question::Satisfied, AnswerName::Dissatisfied).await;
    desk.end(&second, Outcome::Completed).await;
    desk.import("redone", "T1", true).await.expect("taken");
    let LogPage::Rows { rows, .. } = desk.store.log(None, 500).await.expect("read") else {
        panic!("nothing is deleted")
    };
    let kinds: Vec<_> = rows.iter().map(|row| row.kind.as_str()).collect();
    let expected = [
        "follow_up.waiting",
        "follow_up.calling",
        "follow_up.waiting",
        "follow_up.calling",
        // The second round begins in the transaction that ends the first.
        "follow_up.awaiting_redo",
        "callback.result",
        "follow_up.waiting",
    ];
    assert_eq!(kinds, expected);
    assert!(rows.iter().all(|row| row.stream == "ticket:T1"), "one order");
    let again = rows[2].payload.expose();
    assert_eq!((&again["attempt"], &again["outcome"]), (&1.into(), &"no_answer".into()));
    assert_eq!(rows[1].payload.expose()["call"].as_str().map(str::len), Some(36));
    let of_steps = rows.iter().filter(|row| row.kind != "callback.result");
    let told: String = of_steps.map(|row| row.payload.expose().to_string()).collect();
    assert!(!told.contains("13800138000") && !told.contains("路灯"), "{told}");
}

on_both!(a_refusal_holds_from_the_moment_it_was_said_whatever_becomes_of_the_call);
async fn a_refusal_holds_from_the_moment_it_was_said_whatever_becomes_of_the_call(on: On) {
    for outcome in [Outcome::HungUp, Outcome::Automaton, Outcome::OwnFault] {
        let mut desk = Desk::open(on).await;
        desk.import("e1", "T1", false).await.expect("taken");
        let call = desk.dial().await.expect("due");
        desk.said(&call, Question::RightPerson, AnswerName::StopCalling).await;
        assert!(desk.store.is_refused(&call.0.citizen).await.expect("read"));
        assert_eq!(desk.end(&call, outcome).await, Ended::Finished(Status::Refused), "{outcome:?}");
        desk.import("e2", "T2", false).await.expect("taken");
        desk.later(24 * 60);
        assert!(desk.dial().await.is_none(), "another ticket of the same citizen");
    }
    // A server that died says nothing: the lease runs out.
    let mut desk = Desk::open(on).await;
    desk.import("e1", "T1", false).await.expect("taken");
    let call = desk.dial().await.expect("due");
    desk.said(&call, Question::RightPerson, AnswerName::StopCalling).await;
    desk.later(2);
    let end = desk.ended(&call.0, call.1, Outcome::Unknown, true).await;
    assert_eq!(end, Ended::Finished(Status::Refused));
}

on_both!(an_attempt_that_was_given_up_for_lost_gets_its_real_end);
async fn an_attempt_that_was_given_up_for_lost_gets_its_real_end(on: On) {
    let mut desk = Desk::open(on).await;
    let call = desk.given_up().await;
    for question in [Question::Contacted, Question::Resolved] {
        desk.said(&call, question, AnswerName::Yes).await;
    }
    assert_eq!(desk.end(&call, Outcome::Completed).await, Ended::Finished(Status::Completed));
    assert_eq!(desk.end(&call, Outcome::HungUp).await, Ended::Nothing, "once");
    desk.later(24 * 60);
    assert!(desk.dial().await.is_none(), "nobody is called again");
    let follow_up = desk.all().await.remove(0);
    assert_eq!((follow_up.status, follow_up.attempts), (Some(Status::Completed), 1));
}

on_both!(a_late_end_changes_nothing_once_somebody_was_called_again);
async fn a_late_end_changes_nothing_once_somebody_was_called_again(on: On) {
    let mut desk = Desk::open(on).await;
    let first = desk.given_up().await;
    desk.later(180);
    let second = desk.dial().await.expect("due again");
    assert_eq!((second.0.id, second.1), (first.0.id, 2));
    assert_eq!(desk.end(&first, Outcome::Completed).await, Ended::Nothing);
}

on_both!(a_redo_is_checked_once_however_often_it_is_announced);
async fn a_redo_is_checked_once_however_often_it_is_announced(on: On) {
    let mut desk = Desk::open(on).await;
    let first = desk.dissatisfied().await;
    assert_eq!(desk.all().await.last().map(|it| it.state), Some(FollowUpState::AwaitingRedo));
    for event in ["redone-1", "redone-2"] {
        desk.import(event, "T1", true).await.expect("taken");
    }
    assert_eq!(desk.all().await.len(), 2);
    let second = desk.dial().await.expect("due");
    desk.import("redone-3", "T1", true).await.expect("taken");
    assert_eq!(second.0.previous, Some(first.id));
    desk.said(&second, Question::Satisfied, AnswerName::Dissatisfied).await;
    desk.end(&second, Outcome::Completed).await;
    assert_eq!(desk.all().await.len(), 2, "the second answer is final");

    // Announced before the citizen was asked at all.
    let mut desk = Desk::open(on).await;
    desk.import("early", "T1", true).await.expect("taken");
    let early = desk.dial().await.expect("due");
    assert_eq!(desk.end(&early, Outcome::Completed).await, Ended::Finished(Status::Completed));
    desk.later(180);
    desk.dissatisfied().await;
    assert_eq!(desk.all().await.len(), 3);
}

on_both!(a_misread_dissatisfaction_takes_its_second_call_back);
async fn a_misread_dissatisfaction_takes_its_second_call_back(on: On) {
    let mut desk = Desk::open(on).await;
    desk.import("e0", "T0", false).await.expect("taken");
    let open = desk.all().await.remove(0);
    let correction = Correction {
        question: Question::Satisfied,
        answer: Some(AnswerName::Satisfied),
        cause: None,
        note: "听错".to_owned(),
    };
    let correct = |id| desk.store.correct_answer(id, correction.clone(), "班长", desk.now);
    assert!(!correct(open.id).await.expect("asked"), "there is nothing to correct yet");
    let cancelled = desk.store.cancel_follow_up(open.id, "班长", desk.now).await;
    assert!(cancelled.expect("asked").is_some());

    let first = desk.dissatisfied().await;
    let correct = |id| desk.store.correct_answer(id, correction.clone(), "班长", desk.now);
    assert!(correct(first.id).await.expect("asked"));
    let second = desk.all().await.pop().expect("a second round");
    assert_eq!((second.previous, second.status), (Some(first.id), Some(Status::Cancelled)));
}

on_both!(nothing_vanishes_in_a_stopped_campaign);
async fn nothing_vanishes_in_a_stopped_campaign(on: On) {
    let desk = Desk::open(on).await;
    desk.import("e1", "T1", false).await.expect("taken");
    desk.set(CampaignState::Stopped).await;
    let refused = desk.import("e2", "T2", false).await;
    assert!(matches!(refused, Err(CampaignError::Stopped)), "{refused:?}");
    assert!(desk.dial().await.is_none());
    assert_eq!(desk.store.cancel_waiting(desk.campaign, 10, desk.now).await.expect("done"), 1);
    assert_eq!(desk.store.cancel_waiting(desk.campaign, 10, desk.now).await.expect("done"), 0);
    assert_eq!(desk.all().await[0].status, Some(Status::Cancelled));
    assert_eq!(desk.store.outbox_totals().await.expect("read").pending, 1, "it is told");
}

on_both!(what_was_answered_to_a_server_that_was_silent_for_long_counts_and_is_told);
async fn what_was_answered_to_a_server_that_was_silent_for_long_counts_and_is_told(on: On) {
    let mut desk = Desk::open(on).await;
    let first = desk.given_up().await;
    // The others call on, as often as they may, and reach nobody.
    loop {
        desk.later(24 * 60);
        let call = desk.dial().await.expect("due again");
        match desk.end(&call, Outcome::NoAnswer).await {
            Ended::Finished(status) => break assert_eq!(status, Status::Unreached),
            Ended::Again(_) => {}
            Ended::Nothing => panic!("it was open"),
        }
    }
    let told = || async { desk.store.outbox_totals().await.expect("read").pending };
    let before = told().await;
    // Now the first server's disk comes back.
    desk.said(&first, Question::Satisfied, AnswerName::Dissatisfied).await;
    assert_eq!(desk.end(&first, Outcome::HungUp).await, Ended::Finished(Status::Partial));
    assert_eq!(desk.end(&first, Outcome::HungUp).await, Ended::Nothing, "once");
    assert_eq!(told().await, before + 1, "the ticket system is told what the pages show");
    let result = desk.store.result(first.0.id).await.expect("read").expect("it ended");
    assert_eq!(result.verdict.satisfied, Some(AnswerName::Dissatisfied));
    let round = desk.all().await.pop().expect("a second round");
    assert_eq!((round.previous, round.state), (Some(first.0.id), FollowUpState::AwaitingRedo));
}

on_both!(a_refusal_that_comes_late_holds);
async fn a_refusal_that_comes_late_holds(on: On) {
    let mut desk = Desk::open(on).await;
    let first = desk.given_up().await;
    desk.later(180);
    let second = desk.dial().await.expect("due again");
    // By its outcome alone.
    assert_eq!(desk.end(&first, Outcome::StopCalling).await, Ended::Nothing, "it goes on");
    assert!(desk.store.is_refused(&first.0.citizen).await.expect("read"));
    assert!(matches!(desk.end(&second, Outcome::NoAnswer).await, Ended::Again(_)));
    desk.later(24 * 60);
    assert!(desk.dial().await.is_none(), "nobody is called again");
    assert_eq!(desk.all().await[0].status, Some(Status::Refused));
}

on_both!(a_late_end_calls_nobody_whom_a_person_took_out);
async fn a_late_end_calls_nobody_whom_a_person_took_out(on: On) {
    for outcome in [Outcome::NoAnswer, Outcome::HungUp, Outcome::CallLater] {
        let mut desk = Desk::open(on).await;
        let call = desk.given_up().await;
        let cancelled = desk.store.cancel_follow_up(call.0.id, "班长", desk.now).await;
        assert!(cancelled.expect("asked").is_some());
        let end = desk.end(&call, outcome).await;
        assert_eq!(end, Ended::Finished(Status::Cancelled), "{outcome:?}");
        desk.later(24 * 60);
        assert!(desk.dial().await.is_none());
    }
}

on_both!(who_is_called_when_a_campaign_is_stopped_is_not_called_again);
async fn who_is_called_when_a_campaign_is_stopped_is_not_called_again(on: On) {
    let desk = Desk::open(on).await;
    desk.import("e1", "T1", false).await.expect("taken");
    let call = desk.dial().await.expect("due");
    desk.set(CampaignState::Stopped).await;
    assert_eq!(desk.store.cancel_waiting(desk.campaign, 10, desk.now).await.expect("done"), 0);
    assert_eq!(desk.end(&call, Outcome::NoAnswer).await, Ended::Finished(Status::Cancelled));
}

on_both!(the_time_that_a_citizen_named_is_kept_though_the_server_was_given_up);
async fn the_time_that_a_citizen_named_is_kept_though_the_server_was_given_up(on: On) {
    let mut desk = Desk::open(on).await;
    desk.import("e1", "T1", false).await.expect("taken");
    let (of, number) = desk.dial().await.expect("due");
    desk.said(&(of.clone(), number), Question::Contacted, AnswerName::CallLater).await;
    desk.later(2);
    desk.ended(&of, number, Outcome::Unknown, true).await;
    let wish = UnixMillis(desk.now.0 + 3 * 86_400_000);
    let end = AttemptEnd {
        follow_up: of.id,
        number,
        outcome: Outcome::CallLater,
        sip_code: None,
        wish: Some(wish),
        rules: desk.rules.clone(),
        only_expired: false,
        now: desk.now,
    };
    assert_eq!(desk.store.end_attempt(end).await.expect("ended"), Ended::Again(wish));
}
