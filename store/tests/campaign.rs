//! A thousand citizens in simulated time: the real dialogue, the real databases, two servers.

#[path = "support/postgres.rs"]
mod server;

use qingting_callbacks::attempt::{Outcome, Status};
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::dialogue::{Dialogue, Ending, Input, Output, Words};
use qingting_callbacks::schedule::{Rules, local};
use qingting_callbacks::script::{Facts, SATISFACTION, Script};
use qingting_common::{CallId, CampaignId, FollowUpId, Millis, Pii, UnixMillis};
use qingting_nlu::LocalTime;
use qingting_nlu::answers::AnswerReader;
use qingting_store::{
    AttemptEnd, BeginAttempt, Begun, CampaignState, DatabaseUrl, FollowUpQuery, FollowUpState,
    NewFollowUp, Place, Store,
};
use serde_json::Value;
use server::{On, on_both};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use uuid::Uuid;

const CITIZENS: usize = 1_000;
/// Some citizens have several tickets: their number is called no more often for that.
const NUMBERS: usize = 900;
const LEASE: Duration = Duration::from_secs(60);

/// What a citizen does when the telephone rings for the n-th time.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answers(&'static [&'static str]),
    Not(Outcome),
    /// The server dies in the call.
    Crash,
}

const SATISFIED: Does = Does::Answers(&["是的", "联系过", "解决了", "满意", "没有了"]);
const DISSATISFIED: Does =
    Does::Answers(&["对", "没有联系过", "没有解决", "非常不满意", "根本没人管", "没有"]);

fn does(citizen: usize, attempt: u32) -> Does {
    match (citizen % 12, attempt) {
        (0, _) => Does::Not(Outcome::NoAnswer),
        (1, 1) => Does::Not(Outcome::LineBusy),
        (2, 1) => Does::Not(Outcome::Voicemail),
        (3, _) => Does::Answers(&["以后别再打电话了"]),
        (4, 1) => Does::Answers(&["我在开会", "明天上午十点再打"]),
        (5, _) => DISSATISFIED,
        (6, _) => Does::Answers(&["你打错了"]),
        (7, 1) => Does::Crash,
        (8, 1) => Does::Answers(&["是的", "联系过"]),
        (9, 1 | 2) => Does::Not(Outcome::NetworkFault),
        (10, _) => Does::Not(Outcome::NoSuchNumber),
        _ => SATISFIED,
    }
}

struct World {
    /// Two servers on one database.
    stores: [Store; 2],
    campaign: CampaignId,
    rules: Rules,
    script: Arc<Script>,
    reader: Arc<AnswerReader>,
    now: UnixMillis,
    /// Calls that run, by when they end.
    calls: Vec<(UnixMillis, FollowUpId, u32, Outcome, Option<UnixMillis>, CallId)>,
    /// When each number was called, and whether it had named the time itself.
    called: HashMap<String, Vec<(UnixMillis, bool, bool)>>,
    refused: HashMap<String, UnixMillis>,
    began: Vec<UnixMillis>,
    running_max: usize,
    renewed: UnixMillis,
}

on_both!(a_thousand_citizens_are_called_by_the_rules_and_each_comes_to_one_result);
async fn a_thousand_citizens_are_called_by_the_rules_and_each_comes_to_one_result(on: On) {
    let folder = tempfile::tempdir().expect("a folder");
    a_thousand_citizens(place(on, folder.path())).await;
}

on_both!(servers_that_ask_at_once_never_dial_the_same_citizen);
async fn servers_that_ask_at_once_never_dial_the_same_citizen(on: On) {
    let folder = tempfile::tempdir().expect("a folder");
    ask_at_once(place(on, folder.path())).await;
}

fn place(on: On, folder: &Path) -> Place {
    match on {
        On::Sqlite => Place::File(folder.join("qingting.db")),
        On::Postgres => server::database().parse::<DatabaseUrl>().expect("an address").into(),
    }
}

/// Three servers, each of which asks twice at the same time and goes on asking when nobody is left or may be
/// called.
async fn ask_at_once(place: Place) {
    const MAY_RUN: usize = 40;
    const ASKS: usize = 20;
    let settings =
        Settings { concurrent_max: MAY_RUN as u32, per_second_max: 1_000.0, ..Settings::default() };
    let world = World::new(&place, settings).await;
    let third = Store::open(place).await.expect("a third");
    let campaign = world.campaign;
    // Each asks at a time of its own: the pace is kept too.
    let now = Arc::new(AtomicI64::new(world.now.0 + 4 * 3_600_000));
    let mut asking = tokio::task::JoinSet::new();
    for (number, store) in world.stores.iter().chain([&third]).enumerate() {
        for _ in 0..2 {
            let (store, now, server) =
                (store.clone(), Arc::clone(&now), format!("server-{number}"));
            asking.spawn(async move {
                let mut dialled = Vec::new();
                for _ in 0..ASKS {
                    let call = CallId::new(Uuid::now_v7());
                    let now = UnixMillis(now.fetch_add(1, Ordering::Relaxed));
                    let (server, lease) = (server.clone(), LEASE);
                    let ask = BeginAttempt { campaign, server, lease, call, lines_free: None, now };
                    if let Begun::Dial(follow_up, _) =
                        store.begin_attempt(ask).await.expect("asked")
                    {
                        dialled.push(follow_up.citizen);
                    }
                }
                dialled
            });
        }
    }
    let mut dialled: Vec<String> =
        asking.join_all().await.into_iter().flatten().map(|pii| pii.expose().clone()).collect();
    assert_eq!(dialled.len(), MAY_RUN, "as many as may be called at once");
    dialled.sort();
    dialled.dedup();
    assert_eq!(dialled.len(), MAY_RUN, "each once");
}

async fn a_thousand_citizens(place: Place) {
    let settings = Settings {
        concurrent_max: 20,
        per_second_max: 0.5,
        spacing_min: 120,
        ..Settings::default()
    };
    let mut world = World::new(&place, settings).await;
    let end = UnixMillis(world.now.0 + 20 * 86_400_000);
    let mut server = 0;
    while world.open().await > 0 {
        assert!(world.now < end, "{} are still open after 20 days", world.open().await);
        world.end_calls().await;
        world.expire().await;
        server = 1 - server;
        world.step(server).await;
    }
    world.check().await;
}

impl World {
    async fn new(place: &Place, settings: Settings) -> Self {
        let store = Store::open(place.clone()).await.expect("a store");
        let other = Store::open(place.clone()).await.expect("a second");
        let now = LocalTime { year: 2026, month: 9, day: 7, hour: 8, minute: 0 }.to_unix_ms();
        let rules = settings.rules(Rules::default_hours());
        let campaign = store.create_campaign("九月", settings, "admin", now).await.expect("made");
        let tickets: Vec<NewFollowUp> = (0..CITIZENS).map(|n| ticket(n, now)).collect();
        let imported = store.import_follow_ups(campaign.id, tickets.clone(), "admin", now).await;
        assert_eq!(imported.expect("taken").new, CITIZENS as u64);
        // The same again: the ticket system sends events more than once.
        let again = store
            .import_follow_ups(campaign.id, tickets.clone(), "admin", now)
            .await
            .expect("taken");
        assert_eq!((again.new, again.known), (0, CITIZENS as u64));
        assert!(again.known_elsewhere.is_empty());
        // Into another campaign: it is told which one has them.
        let wrong =
            store.create_campaign("十月", Settings::default(), "admin", now).await.expect("made");
        let wrong = store.import_follow_ups(wrong.id, tickets, "admin", now).await.expect("taken");
        let elsewhere: Vec<_> = wrong.known_elsewhere.into_iter().collect();
        assert_eq!(elsewhere, [("九月".to_owned(), CITIZENS as u64)]);
        let state = Some(CampaignState::Running);
        store.change_campaign(campaign.id, None, None, state, "admin", now).await.expect("started");
        Self {
            stores: [store, other],
            campaign: campaign.id,
            rules,
            script: Arc::new(Script::read(SATISFACTION).expect("a good script")),
            reader: Arc::new(AnswerReader::new()),
            now,
            calls: Vec::new(),
            called: HashMap::new(),
            refused: HashMap::new(),
            began: Vec::new(),
            running_max: 0,
            renewed: now,
        }
    }

    /// Whichever server it is.
    fn store(&self) -> &Store {
        &self.stores[usize::from(self.now.0 % 2_000 < 1_000)]
    }

    /// Follow-ups that are not over; those that wait for a redo wait for somebody else.
    async fn open(&self) -> u64 {
        let counts = self.store().campaign_counts(self.campaign).await.expect("counts");
        counts.waiting + counts.calling
    }

    async fn step(&mut self, server: usize) {
        if !self.rules.is_open(self.now) {
            self.now = UnixMillis(self.now.0 + 60_000);
            return;
        }
        let call = CallId::new(Uuid::now_v7());
        let ask = BeginAttempt {
            campaign: self.campaign,
            server: format!("server-{server}"),
            lease: LEASE,
            call,
            lines_free: None,
            now: self.now,
        };
        let Begun::Dial(follow_up, number) =
            self.stores[server].begin_attempt(ask).await.expect("asked")
        else {
            let next = self.calls.iter().map(|call| call.0).min();
            let soon = UnixMillis(self.now.0 + 1_000);
            // Nothing to do: on to the next end of a call, or by minutes.
            self.now = next
                .map_or(UnixMillis(self.now.0 + 30_000), |at| at.max(soon))
                .min(UnixMillis(self.now.0 + 30_000));
            return;
        };
        let citizen: usize = follow_up.ticket.parse().expect("a number");
        let calls = self.called.entry(follow_up.citizen.expose().clone()).or_default();
        calls.push((self.now, follow_up.wish.is_some(), false));
        self.began.push(self.now);
        let tried = number;
        let (outcome, wish, lasts_ms) = match does(citizen, tried) {
            Does::Crash => {
                // Nobody reports: the lease runs out.
                self.now = UnixMillis(self.now.0 + 500);
                return;
            }
            Does::Not(outcome) => {
                if !outcome.counts() {
                    calls.last_mut().expect("just pushed").2 = true;
                }
                (outcome, None, 25_000)
            }
            Does::Answers(answers) => {
                let (outcome, wish) = self.talk(follow_up.id, number, answers).await;
                (outcome, wish, 70_000)
            }
        };
        let ends = UnixMillis(self.now.0 + lasts_ms + (citizen as i64 % 7) * 1_000);
        if outcome == Outcome::StopCalling {
            self.refused.insert(follow_up.citizen.expose().clone(), ends);
        }
        // The pace: the next one is asked for when it may begin.
        self.now = UnixMillis(self.now.0 + 2_000);
        self.calls.push((ends, follow_up.id, number, outcome, wish, call));
        self.running_max = self.running_max.max(self.calls.len());
    }

    /// The pure dialogue with a citizen who says these things and then hangs up.
    async fn talk(
        &self,
        id: FollowUpId,
        number: u32,
        answers: &[&str],
    ) -> (Outcome, Option<UnixMillis>) {
        let facts =
            Facts { city: "临江".into(), title: "路灯不亮".into(), ..Facts::default() };
        let mut dialogue = Dialogue::new(Arc::clone(&self.script), facts, Arc::clone(&self.reader));
        let mut answers = answers.iter();
        let mut now = Millis(1_000);
        dialogue.handle_input(now, Input::Begin);
        loop {
            let mut played = None;
            while let Some(output) = dialogue.poll_output() {
                match output {
                    Output::Play { id, text } => played = Some((id, text.0.concat())),
                    Output::StopPrompts | Output::Listen(_) => {}
                    Output::Store(answered) => {
                        self.store()
                            .put_answer(id, number, answered, self.now)
                            .await
                            .expect("stored");
                        dialogue.handle_input(now, Input::Stored);
                    }
                    Output::End(ending) => {
                        let wish = match ending {
                            Ending::Script { later, .. } => later.map(LocalTime::to_unix_ms),
                            _ => None,
                        };
                        return (Outcome::of_ending(&ending), wish);
                    }
                }
            }
            let (prompt, text) = played.expect("something is said or it is over");
            now = now + Duration::from_secs(4);
            dialogue.handle_input(now, Input::PromptDone { id: prompt });
            if !text.ends_with('？') {
                continue;
            }
            let Some(answer) = answers.next() else { return (Outcome::HungUp, None) };
            now = now + Duration::from_secs(2);
            dialogue.handle_input(now, Input::Words(self.words(answer, now)));
        }
    }

    fn words(&self, text: &str, now: Millis) -> Words {
        Words {
            text: Pii::new(text.to_owned()),
            confidence: 0.9,
            expected: None,
            is_final: true,
            spoken: (Millis(now.0 - 900), Millis(now.0 - 300)),
            clip_ms: (now.0 - 900, now.0 - 300),
            at: LocalTime::from_unix_ms(self.now),
        }
    }

    async fn end_calls(&mut self) {
        let now = self.now;
        let ended: Vec<_> = self.calls.extract_if(.., |call| call.0 <= now).collect();
        for (at, follow_up, number, outcome, wish, _) in ended {
            let end = self.end(follow_up, number, outcome, wish, at);
            self.store().end_attempt(end.clone()).await.expect("ended");
            // Said twice, as after a crash between the two: it counts once.
            let again = self.store().end_attempt(end).await.expect("asked");
            assert_eq!(again, qingting_store::Ended::Nothing);
        }
    }

    async fn expire(&mut self) {
        // The servers of calls that run are alive; of a call that crashed nobody renews anything.
        if self.now.0 - self.renewed.0 >= 10_000 {
            self.renewed = self.now;
            let until = UnixMillis(self.now.0 + 60_000);
            let calls = self.calls.iter().map(|call| call.5).collect();
            self.store().renew_attempts(calls, until).await.expect("renewed");
        }
        for (_, attempt) in self.store().expired_attempts(self.now).await.expect("read") {
            let mut end =
                self.end(attempt.follow_up, attempt.number, Outcome::Unknown, None, self.now);
            end.only_expired = true;
            self.store().end_attempt(end).await.expect("ended");
        }
    }

    fn end(
        &self,
        follow_up: FollowUpId,
        number: u32,
        outcome: Outcome,
        wish: Option<UnixMillis>,
        now: UnixMillis,
    ) -> AttemptEnd {
        AttemptEnd {
            follow_up,
            number,
            outcome,
            sip_code: None,
            wish,
            rules: self.rules.clone(),
            only_expired: false,
            now,
        }
    }

    async fn check(&self) {
        for at in &self.began {
            assert!(self.rules.is_open(*at), "called at {:?}", local(*at));
        }
        assert!(self.began.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 2_000), "one in 2 s");
        assert!(self.running_max <= 20 && self.running_max > 15, "{}", self.running_max);
        let spacing_ms = 120 * 60_000;
        for (number, calls) in &self.called {
            for pair in calls.windows(2) {
                let (before, after) = (&pair[0], &pair[1]);
                let apart = after.0.0 - before.0.0;
                assert!(apart >= spacing_ms || after.1 || before.2, "{number} twice in {apart} ms");
            }
            if let Some(refused) = self.refused.get(number) {
                assert!(calls.iter().all(|call| call.0 <= *refused), "{number} after it refused");
            }
        }
        self.check_rows().await;
    }

    async fn check_rows(&self) {
        let mut by_status: BTreeMap<&str, u32> = BTreeMap::new();
        let mut after = None;
        loop {
            let query = FollowUpQuery { after, limit: 500, ..FollowUpQuery::default() };
            let page = self.store().follow_ups(&query).await.expect("read");
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for follow_up in page {
                if follow_up.state == FollowUpState::AwaitingRedo {
                    *by_status.entry("awaiting_redo").or_default() += 1;
                    continue;
                }
                assert_eq!(follow_up.state, FollowUpState::Ended, "{}", follow_up.ticket);
                assert_eq!(follow_up.result_revision, 1, "told once");
                let attempts = self.store().attempts(follow_up.id).await.expect("read");
                assert!(attempts.iter().all(|attempt| attempt.outcome.is_some()));
                let counted =
                    attempts.iter().filter_map(|it| it.outcome).filter(|it| it.counts()).count();
                assert!(counted <= 5 && usize::from(follow_up.attempts) == counted);
                let days: std::collections::BTreeSet<_> = attempts
                    .iter()
                    .filter_map(|it| local(it.began_at))
                    .map(|at| at.date())
                    .collect();
                if follow_up.status == Some(Status::Unreached) {
                    assert!(attempts.len() == 3 && days.len() >= 2, "{attempts:?}");
                }
                *by_status.entry(follow_up.status.map_or("", Status::as_str)).or_default() += 1;
            }
        }
        // What each kind of citizen must come to.
        for status in ["completed", "unreached", "refused", "wrong_number", "partial"] {
            assert!(by_status.get(status).is_some_and(|n| *n > 50), "{status}: {by_status:?}");
        }
        assert!(by_status["awaiting_redo"] > 50, "{by_status:?}");
        self.check_outbox(&by_status).await;
    }

    /// One message for each follow-up that has ended, and none for others.
    async fn check_outbox(&self, by_status: &BTreeMap<&str, u32>) {
        let pending = self.store().outbox_totals().await.expect("read").pending;
        let ended: u32 =
            by_status.iter().filter(|(k, _)| **k != "awaiting_redo").map(|(_, n)| n).sum();
        assert_eq!(pending, u64::from(ended));
    }
}

fn ticket(n: usize, now: UnixMillis) -> NewFollowUp {
    NewFollowUp {
        event_id: format!("closed-{n}"),
        ticket: n.to_string(),
        title: "路灯不亮".to_owned(),
        unit: "城管局".to_owned(),
        opened_at: Some(UnixMillis(now.0 - 10 * 86_400_000)),
        closed_at: UnixMillis(now.0 - 86_400_000),
        citizen: Pii::new(format!("138{:08}", n % NUMBERS)),
        confidential: false,
        earlier: Pii::new(Value::Null),
        after_redo: false,
        priority: 0,
    }
}
