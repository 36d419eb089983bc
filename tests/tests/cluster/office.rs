//! Two servers that call the citizens of one campaign and tell one ticket system what became of it, with the books that
//! say which of them did what.

use super::{City, postgres};
use qingting_tests::audio::{Wav, speech_like};
use qingting_tests::campaign;
use qingting_tests::citizens::Citizens;
use qingting_tests::postgres::asked;
use qingting_tests::server::{ServerPlan, wait_until};
use qingting_tests::ticket_system::TicketSystem;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// How the servers call themselves to the ticket system.
pub(crate) const NAMES: [&str; 2] = ["one", "two"];
/// What the ticket system is told.
const KINDS: &str = "callback.%";
/// How long a server waits for the ticket system's answer.
pub(crate) const ANSWER_WITHIN_MS: i64 = 10_000;

/// Who writes has it, who changes the schema, too (`store/src/database.rs`).
const WRITE_LOCK: i64 = 0x7169_6e67_7469_6e67;

pub(crate) struct Office {
    // The servers go first: they may dial, and send, until they are gone.
    pub(crate) city: City,
    pub(crate) citizens: Citizens,
    pub(crate) system: TicketSystem,
    pub(crate) address: String,
    count: usize,
}

/// An attempt in the books; times in milliseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) ticket: String,
    /// Of the server that dialled.
    pub(crate) process: u32,
    pub(crate) began_at: i64,
    pub(crate) lease_until: i64,
    /// 0 while it runs.
    pub(crate) ended_at: i64,
    /// Empty while it runs.
    pub(crate) outcome: String,
}

/// A message that a server has taken to send.
#[derive(Debug, Clone)]
pub(crate) struct Leased {
    pub(crate) key: String,
    pub(crate) owner: String,
    pub(crate) lease_until: i64,
}

impl Office {
    /// So many citizens wait to be called, once each, and so many more are there whose tickets are not closed yet; the campaign has
    /// not begun.
    pub(crate) fn open(
        now: usize,
        later: usize,
        change: impl Fn(ServerPlan) -> ServerPlan,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hello = folder.path().join("hello.wav");
        Wav::mono(speech_like(7, Duration::from_millis(700))).write(&hello);
        let citizen = |n: usize| {
            format!(
                "[[citizens]]\nnumber = \"{}\"\nring_s = 0.2\ncalls = [{{ person = {{ greeting = {{ plays = \"{}\" }}, \
                 answers = [{{ keys = \"1\" }}, {{ keys = \"1\" }}, {{ keys = \"1\" }}] }} }}]\n",
                number(n),
                hello.display(),
            )
        };
        let count = now + later;
        let citizens = Citizens::start(&(1..=count).map(citizen).collect::<String>());
        let system = TicketSystem::start();
        let address = postgres::database();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let weekly = days.map(|day| format!("{day} = [\"00:00-24:00\"]")).join(", ");
        let city = City::each(&address, |at, plan| {
            change(plan)
                .with("callbacks.scripts", format!("\"{}\"", scripts.display()))
                .with("ticket_system.url", format!("{:?}", system.url()))
                .with("ticket_system.secret_file", format!("{:?}", system.secret_file()))
                .with("ticket_system.source", format!("{:?}", NAMES[at]))
                .with("ticket_system.kinds", "[\"callback.*\"]")
                .with("ticket_system.answer_within_s", ANSWER_WITHIN_MS / 1_000)
                .and(&citizens.trunk())
                .and(&format!("[[hours]]\nname = \"总是\"\nweekly = {{ {weekly} }}\n"))
        });
        let settings = json!({
            "script": "short", "hours": "总是", "attempts_max": 1, "days_min": 1, "concurrent_max": 8,
            "per_second_max": 4.0, "ring_s": 10,
        });
        campaign::create(&city.servers[0], &settings);
        let office = Self { city, citizens, system, address, count };
        office.close_tickets(1..=now);
        office
    }

    /// Closes these citizens' tickets.
    pub(crate) fn close_tickets(&self, citizens: RangeInclusive<usize>) {
        campaign::import_all(&self.city.servers[0], citizens.map(|n| (ticket(n), number(n))));
    }

    fn ask(&self, sql: &str) -> Vec<Vec<String>> {
        asked(&self.address, sql)
    }

    /// The time by which the books are kept.
    pub(crate) fn now(&self) -> i64 {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        self.ask(sql)[0][0].parse().expect("a number")
    }

    /// All attempts, in their order.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        let sql = "SELECT ticket, split_part(server, '-', 1), began_at, lease_until, coalesce(attempts.ended_at, 0),
            coalesce(outcome, '') FROM attempts JOIN follow_ups ON id = follow_up_id ORDER BY began_at";
        let number = |text: &str| text.parse().expect("a number");
        let read = |row: Vec<String>| Attempt {
            ticket: row[0].clone(),
            process: row[1].parse().expect("a process"),
            began_at: number(&row[2]),
            lease_until: number(&row[3]),
            ended_at: number(&row[4]),
            outcome: row[5].clone(),
        };
        self.ask(sql).into_iter().map(read).collect()
    }

    /// Attempts of a process that run.
    pub(crate) fn running(&self, process: u32) -> Vec<Attempt> {
        let is_its = |attempt: &Attempt| attempt.process == process && attempt.outcome.is_empty();
        self.attempts().into_iter().filter(is_its).collect()
    }

    /// Messages that are under way.
    pub(crate) fn leased(&self) -> Vec<Leased> {
        let sql = "SELECT key, lease_owner, lease_until FROM outbox
            WHERE state = 'pending' AND lease_owner IS NOT NULL ORDER BY id";
        let read = |row: Vec<String>| Leased {
            key: row[0].clone(),
            owner: row[1].clone(),
            lease_until: row[2].parse().expect("a number"),
        };
        self.ask(sql).into_iter().map(read).collect()
    }

    /// When each message was noted as sent, by its key.
    pub(crate) fn sent(&self) -> BTreeMap<String, i64> {
        let sql =
            format!("SELECT key, sent_at FROM outbox WHERE kind LIKE '{KINDS}' AND state = 'sent'");
        let rows = self.ask(&sql).into_iter();
        rows.map(|row| (row[0].clone(), row[1].parse().expect("a number"))).collect()
    }

    /// How often each cause ended a citizen's call.
    pub(crate) fn causes_of_calls_from(&self, caller: &str) -> Vec<String> {
        let sql = format!("SELECT coalesce(cause, 'active') FROM calls WHERE caller = '{caller}'");
        self.ask(&sql).into_iter().map(|row| row[0].clone()).collect()
    }

    /// A newer program brings the schema up to date, step by step: tables get another column, and nobody writes meanwhile.
    pub(crate) fn widen_schema(&self) {
        let tables = ["calls", "tickets", "outbox", "campaigns", "follow_ups", "attempts", "seats"];
        for (n, table) in tables.iter().enumerate() {
            self.ask(&format!(
                "SELECT pg_advisory_xact_lock({WRITE_LOCK});
                ALTER TABLE {table} ADD COLUMN of_a_newer_program BIGINT NOT NULL DEFAULT 0;
                INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                    SELECT {}, 'of a newer program', success, checksum, 0 FROM _sqlx_migrations
                    WHERE version = 20",
                9_000 + n,
            ));
        }
    }

    /// Waits until every citizen has been called and the ticket system knows all of it.
    pub(crate) fn wait_until_done(&self) {
        for n in 1..=self.count {
            campaign::ended(&self.city.servers[1], &ticket(n));
        }
        wait_until("nothing waits to be sent", || {
            let sql = format!(
                "SELECT count(*) FROM outbox WHERE kind LIKE '{KINDS}' AND state IN ('pending', 'parked')"
            );
            (self.ask(&sql)[0][0] == "0").then_some(())
        });
    }

    /// Every follow-up has one attempt, nobody was rung twice, and every result is booked once.
    pub(crate) fn assert_once(&self) -> Vec<Attempt> {
        let attempts = self.attempts();
        let tickets: BTreeSet<_> = attempts.iter().map(|attempt| &attempt.ticket).collect();
        assert_eq!((attempts.len(), tickets.len()), (self.count, self.count), "{attempts:#?}");
        for n in 1..=self.count {
            let calls = self.citizens.calls_to(&number(n)).len();
            assert!(calls <= 1, "{}: {calls} calls", ticket(n));
        }
        let sent: BTreeSet<_> = self.sent().into_keys().collect();
        let booked = self.system.booked();
        let keys: BTreeSet<_> = booked.iter().map(|booked| booked.key.clone()).collect();
        assert_eq!(keys, sent);
        let told = booked.iter().map(|booked| booked.event["data"]["ticket"].to_string());
        let told: Vec<_> = told.collect();
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), self.count, "{told:?}");
        assert_eq!(told.len(), self.count, "one result each: {told:?}");
        attempts
    }
}

pub(crate) fn number(n: usize) -> String {
    format!("1380000{n:04}")
}

fn ticket(n: usize) -> String {
    format!("T{n}")
}
